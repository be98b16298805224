"""One worker with everything it has: real broker, real database, real store; and what it tells about alarms."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerts import incident
from alerts.alarm import list_alarms
from alerts.conditions import condition_table
from alerts.limits import Limits
from alerts.ticket_list import list_tickets
from alerts.watch import Signal
from ingest import ledger
from ingest.alarm_topics import PAGE, AlarmTopics
from ingest.mqtt import read_broker_url
from models.equipment import Kind
from models.reading import UnitKey
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.site import add_site
from registry.unit import add_unit
from tests.ingest.running import now_ms, running_worker
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

FIRE = UnitKey("xiaohe", Kind.FIRE, "fire-1")
EVENTS = "liandong/v1/xiaohe/fire/fire-1/event"
TELEMETRY = "liandong/v1/xiaohe/pump/pump-1/telemetry"
ALARMS = "liandong/v1/xiaohe/fire/fire-1/alarm"
NOW_MS = 1_700_000_000_000
RULES = {condition.code: condition for condition in condition_table(Limits())[Kind.FIRE]}
ACTOR = Actor("mei", (Grant(Role.ADMIN),))


@contextmanager
def device(url: str) -> Iterator[tuple[paho.Client, dict[str, list[Any]]]]:
    """A client that publishes, and what it has heard on each alarm topic, newest last."""
    heard: dict[str, list[Any]] = {}
    is_listening = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.on_message = lambda _c, _d, m: heard.setdefault(m.topic, []).append(json.loads(m.payload))
    client.on_subscribe = lambda *_: is_listening.set()
    address = read_broker_url(url)
    client.connect(address.host, address.port)
    client.loop_start()
    client.subscribe("liandong/v1/+/+/+/alarm", 1)
    assert is_listening.wait(10)
    yield client, heard
    client.disconnect()
    client.loop_stop()


def books(database: Database) -> ledger.Ledger:
    with database.reading() as session:
        read = ledger.read_ledger(session)
    assert read.balances
    return read


def alarm_states(database: Database) -> list[tuple[str, str]]:
    with database.reading() as session:
        return [(alarm.condition, alarm.state) for alarm in list_alarms(session)]


# The whole line


def test_from_twenty_deliveries_to_one_alarm_told_to_everybody(
    database: Database, tmp_path: Path, broker_url: str, request: pytest.FixtureRequest
) -> None:
    is_mqtt5 = request.node.callspec.params["broker_url"] != "embedded"
    path = tmp_path / "telemetry.duckdb"
    fire = json.dumps({"ts": now_ms(), "code": "fire", "on": True, "point": "3-12"})
    over = json.dumps({"ts": now_ms() + 1, "code": "fire", "on": False})
    with device(broker_url) as (client, heard):
        with running_worker(database, path, broker_url, is_mqtt5=is_mqtt5):
            for number in range(20):
                client.publish(EVENTS, fire, qos=1)
                client.publish(TELEMETRY, json.dumps({"ts": now_ms() + number, "values": {"level_m": 1}}), qos=1)
            client.publish(EVENTS, b"nonsense", qos=1)
            wait_until(lambda: books(database).received == 41, within_s=20, what="41 messages are booked")
            wait_until(lambda: heard.get(ALARMS), within_s=20, what="the alarm is told")
            wait_until(lambda: books(database).values_stored == 20, within_s=20, what="the readings are stored")
        [told] = heard[ALARMS][-1]
        assert (told["condition"], told["severity"], told["state"], told["occurrences"]) == (
            "fire",
            "critical",
            "unacknowledged",
            1,
        )
        assert told["raised_at"].endswith("+08:00")
        read = books(database)
        assert (read.accepted, read.duplicate, read.quarantined) == (21, 19, 1)
        with database.reading() as session:
            assert [ticket.id for ticket in list_tickets(session)] == [told["ticket_id"]]
        # Said while nobody worked: it waits with the broker.
        client.publish(EVENTS, over, qos=1).wait_for_publish(10)
        with running_worker(database, path, broker_url, is_mqtt5=is_mqtt5):
            returned = [("fire", "returned_unacknowledged")]
            wait_until(lambda: alarm_states(database) == returned, within_s=20, what="the end of the fire is heard")
        assert books(database).accepted == 22


def test_a_worker_outlives_its_broker(database: Database, tmp_path: Path, mosquitto: Mosquitto) -> None:
    def publish_event(code: str) -> None:
        with device(mosquitto.url) as (client, _):
            payload = json.dumps({"ts": now_ms(), "code": code, "on": True})
            client.publish(EVENTS, payload, qos=1).wait_for_publish(10)

    with running_worker(database, tmp_path / "telemetry.duckdb", mosquitto.url, is_mqtt5=True) as worker:
        publish_event("fault")
        wait_until(lambda: len(alarm_states(database)) == 1, within_s=20, what="the first alarm is there")
        mosquitto.stop()
        wait_until(lambda: not worker.is_connected, within_s=20, what="the loss is noticed")
        assert worker.is_alive
        mosquitto.start()
        wait_until(lambda: worker.is_connected, within_s=30, what="the worker is connected again")
        publish_event("fire")
        wait_until(lambda: len(alarm_states(database)) == 2, within_s=20, what="the second alarm is there")


# What is told about alarms


class Told:
    """What was published, newest last."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[dict[str, Any]]]] = []

    def __call__(self, topic: str, payload: bytes) -> None:
        self.said.append((topic, json.loads(payload)))

    def take(self) -> list[tuple[str, list[str]]]:
        said, self.said = self.said, []
        return [(topic, [alarm["condition"] for alarm in alarms]) for topic, alarms in said]


@pytest.fixture
def say(database: Database) -> Callable[..., None]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=NOW_MS)
        unit_id = add_unit(session, site=site, kind=Kind.FIRE, key="fire-1", now_ms=NOW_MS).id
        add_unit(session, site=site, kind=Kind.FIRE, key="never-ill", now_ms=NOW_MS)

    def say(code: str, *, on: bool = True) -> None:
        with database.writing() as session:
            signal = Signal(FIRE, RULES[code], NOW_MS, on)
            incident.apply_signals(session, [signal], units={FIRE: unit_id}, received_ms=NOW_MS)

    return say


def test_open_alarms_of_a_unit_are_told_whenever_one_of_them_changes(
    database: Database, say: Callable[..., None]
) -> None:
    told = Told()
    topics = AlarmTopics(database, publish=told)
    topics.publish_all()
    assert told.take() == []
    say("fire")
    say("mains_lost")
    topics.publish_changes()
    assert told.take() == [(ALARMS, ["fire", "mains_lost"])]
    topics.publish_changes()
    assert told.take() == []
    with database.writing() as session:
        alarm_id = list_alarms(session)[-1].id
        incident.acknowledge_alarm(session, alarm_id, actor=ACTOR, now_ms=NOW_MS)
    topics.publish_changes()
    assert told.take() == [(ALARMS, ["fire", "mains_lost"])]
    say("fire", on=False)
    topics.publish_changes()
    assert told.take() == [(ALARMS, ["mains_lost"])]


def test_at_start_all_is_told_as_it_stands_and_what_ended_is_empty(
    database: Database, say: Callable[..., None]
) -> None:
    say("fire")
    with database.writing() as session:
        incident.acknowledge_alarm(session, list_alarms(session)[0].id, actor=ACTOR, now_ms=NOW_MS)
    told = Told()
    AlarmTopics(database, publish=told).publish_all()
    assert told.take() == [(ALARMS, ["fire"])]
    say("fire", on=False)
    AlarmTopics(database, publish=told).publish_all()
    assert told.take() == [(ALARMS, [])]


def test_what_else_happens_does_not_hide_a_change(database: Database, say: Callable[..., None]) -> None:
    told = Told()
    topics = AlarmTopics(database, publish=told)
    topics.publish_all()
    with database.writing() as session:
        activity.append(session, [Entry("note", "x:1")] * (PAGE + 5), now_ms=NOW_MS)
    say("fire")
    topics.publish_changes()
    topics.publish_changes()
    assert told.take() == [(ALARMS, ["fire"])]
