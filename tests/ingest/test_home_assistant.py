"""Home Assistant's discovery: what is announced, and that it is taken back."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.home_assistant import EVERY_MS, HomeAssistant
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.site import add_site
from registry.unit import Unit, add_unit, get_unit
from tests.ingest.running import running_worker
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

NOW_MS = 1_700_000_000_000
CONFIG = "homeassistant/binary_sensor/liandong/xiaohe_lift-1/config"


@pytest.fixture
def lift(database: Database) -> int:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", name="小河佳苑", now_ms=NOW_MS)
        return add_unit(session, site=site, kind=Kind.ELEVATOR, key="lift-1", name="1号楼电梯", now_ms=NOW_MS).id


class Announced:
    """One process that announces; `topics` are what the broker would keep."""

    def __init__(self, database: Database, topics: dict[str, bytes], *, is_wanted: bool = True) -> None:
        self.published = 0
        self.topics = topics
        self.told: list[int] = []
        self.home_assistant = HomeAssistant(
            database,
            is_wanted=is_wanted,
            client_id="w1",
            publish=self._publish,
            tell_alarms=lambda _session, unit_id: self.told.append(unit_id),
        )

    def _publish(self, topic: str, payload: bytes) -> None:
        self.published += 1
        if payload:
            self.topics[topic] = payload
        else:
            self.topics.pop(topic, None)


def test_a_unit_is_announced_once_with_what_home_assistant_needs(database: Database, lift: int) -> None:
    first = Announced(database, {})
    first.home_assistant.follow(now_ms=NOW_MS)
    said = json.loads(first.topics[CONFIG])
    assert said["state_topic"] == "liandong/v1/xiaohe/elevator/lift-1/alarm"
    assert said["availability_topic"] == "homeassistant/liandong/w1/availability"
    assert (said["device"]["name"], said["device"]["suggested_area"]) == ("1号楼电梯", "小河佳苑")
    assert first.told == [lift], "a unit that never had an alarm is told to have none"
    again = Announced(database, first.topics)
    again.home_assistant.follow(now_ms=NOW_MS)
    assert again.published == 0


def test_a_unit_that_changes_is_announced_anew_and_one_that_is_gone_is_taken_back(
    database: Database, lift: int
) -> None:
    announced = Announced(database, {})
    announced.home_assistant.follow(now_ms=NOW_MS)
    with database.writing() as session:
        session.get_one(Unit, lift).name = "Lift 1"
        activity.append(session, [Entry("units.imported", "units")], now_ms=NOW_MS)
    announced.home_assistant.follow(now_ms=NOW_MS + EVERY_MS)
    assert json.loads(announced.topics[CONFIG])["device"]["name"] == "Lift 1"
    with database.writing() as session:
        session.delete(get_unit(session, "xiaohe~lift-1"))
        activity.append(session, [Entry("unit.removed", "units")], now_ms=NOW_MS)
    announced.home_assistant.follow(now_ms=NOW_MS + 2 * EVERY_MS)
    assert announced.topics == {}


def test_turned_off_it_takes_back_what_was_announced_and_says_nothing_more(database: Database, lift: int) -> None:
    before = Announced(database, {})
    before.home_assistant.follow(now_ms=NOW_MS)
    after = Announced(database, before.topics, is_wanted=False)
    after.home_assistant.follow(now_ms=NOW_MS)
    assert after.topics == {}
    never = Announced(database, {}, is_wanted=False)
    never.home_assistant.follow(now_ms=NOW_MS)
    assert never.published == 0


@contextmanager
def listening(port: int) -> Iterator[dict[str, bytes]]:
    heard: dict[str, bytes] = {}
    is_listening = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe([("homeassistant/#", 1), ("liandong/#", 1)])
    client.on_subscribe = lambda *_: is_listening.set()
    client.on_message = lambda _client, _data, message: heard.update({message.topic: bytes(message.payload)})
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert is_listening.wait(10)
    yield heard
    client.disconnect()
    client.loop_stop()


def test_on_a_real_broker_it_is_available_while_the_worker_is(
    database: Database, lift: int, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path = tmp_path / "telemetry.duckdb"
    available = "homeassistant/liandong/worker-1/availability"
    with listening(mosquitto.port) as heard:
        with running_worker(database, path, mosquitto.url, is_mqtt5=True, has_home_assistant=True):
            wait_until(lambda: heard.get(CONFIG), within_s=20, what="the unit is announced")
            wait_until(
                lambda: heard.get("liandong/v1/xiaohe/elevator/lift-1/alarm") == b"[]",
                within_s=20,
                what="and has no alarm",
            )
            assert heard[available] == b"online"
        wait_until(lambda: heard[available] == b"offline", within_s=20, what="it says goodbye")
        with running_worker(database, path, mosquitto.url, is_mqtt5=True):
            wait_until(lambda: heard[CONFIG] == b"", within_s=20, what="turned off, it is taken back")
