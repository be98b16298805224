"""A unit's end is heard from a real broker, and so is the broker's own."""

import json
from pathlib import Path

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from api.clock import now_ms
from registry.database import Database
from registry.person import add_person
from registry.role import Role
from tests.servers.liandong import LiandongProcess, StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

NAME, PASSWORD = "mei", "a long password"
ROOT = "liandong/v1/xiaohe/fire/panel-1"


class Panel:
    """A fire panel's gateway: tells that it is online, and leaves a last will."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="panel-1")
        self._client.will_set(f"{ROOT}/status", self._said(online=False, ts=1_760_000_000_000), qos=1, retain=True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @staticmethod
    def _said(**said: object) -> bytes:
        return json.dumps(said).encode()

    def say(self, channel: str, *, is_retained: bool = False, **said: object) -> None:
        self._client.publish(f"{ROOT}/{channel}", self._said(**said), qos=1, retain=is_retained).wait_for_publish(10)

    def measure(self, now_ms: int) -> None:
        self.say("telemetry", ts=now_ms, values={"pump_auto": True})

    def lose_power(self) -> None:
        """The socket closes, and no goodbye is said."""
        self._client.loop_stop()
        connection = self._client.socket()
        if connection is not None:
            connection.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "var"
    directory.mkdir()
    database = Database(f"sqlite:///{directory / 'liandong.sqlite'}")
    database.migrate()
    with database.writing() as session:
        add_person(session, name=NAME, password=PASSWORD, role=Role.ADMIN, now_ms=1)
    database.close()
    return directory


def api(running: LiandongProcess) -> httpx.Client:
    base = f"{running.http_url}/api/v1"
    token = httpx.post(f"{base}/token", data={"username": NAME, "password": PASSWORD}).json()["access_token"]
    return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=20)


def told(client: httpx.Client) -> tuple[str | None, str | None]:
    unit = client.get("/units/xiaohe~panel-1").json()
    return unit.get("presence"), unit.get("stale_because")


def test_a_last_will_and_a_lost_broker_make_a_unit_unknown_until_it_speaks_again(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    assert data_dir.exists()
    running = liandong_process("up", settings={"MQTT_URL": mosquitto.url})
    with api(running) as client:
        panel = Panel(mosquitto.port)
        panel.say("status", is_retained=True, ts=now_ms(), online=True)
        panel.measure(now_ms())
        wait_until(lambda: told(client) == ("current", None), within_s=30, what="the panel's state is known")
        panel.lose_power()
        wait_until(lambda: told(client) == ("stale", "offline"), within_s=30, what="its last will is heard")
        panel = Panel(mosquitto.port)
        panel.measure(now_ms() + 1_000)
        wait_until(lambda: told(client) == ("current", None), within_s=30, what="it speaks, and so it is there")
        mosquitto.kill()
        wait_until(lambda: told(client) == ("stale", "not_listening"), within_s=30, what="nobody listens")
        # Two clients of one name would end each other's sessions, and the last will of the first would be heard late.
        panel.lose_power()
        mosquitto.start()
        wait_until(lambda: told(client)[1] != "not_listening", within_s=60, what="we listen again")
        panel = Panel(mosquitto.port)
        panel.measure(now_ms() + 2_000)
        wait_until(lambda: told(client) == ("current", None), within_s=30, what="the panel's state is known again")
        conditions = {row["condition"] for row in client.get("/alarms?state=open").json()["items"]}
        assert conditions <= {"offline"}, "that we were deaf is no fault of the panel"
        verbs = [row["verb"] for row in client.get("/activity?after=0&limit=100").json()["items"]]
        assert [verb for verb in verbs if verb.startswith("broker")] == ["broker.lost", "broker.found"]
