"""A stream of messages to a service that is being mistreated, and what it says of itself."""

import json
import threading
import time
from dataclasses import dataclass

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers.liandong import LiandongProcess
from tests.waiting import wait_until

NAME, PASSWORD = "mei", "a long password"
UNITS, VALUES = 50, 3
FIRST_MS = int(time.time()) * 1000 - 24 * 3600 * 1000
"""Yesterday: what is older than single values are kept is refused by InfluxDB."""
IN_FLIGHT = 400


class Publisher:
    """Publishes with QoS 1 and goes on whatever happens to the listener, or to the broker."""

    def __init__(self, port: int) -> None:
        self._room = threading.Semaphore(IN_FLIGHT)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="gateway")
        self._client.on_publish = lambda *_: self._room.release()
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def send(self, topic: str, body: object) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._room.acquire()
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        """Returns when the broker has everything."""
        for _ in range(IN_FLIGHT):
            assert self._room.acquire(timeout=60)
        self._client.disconnect()
        self._client.loop_stop()


def api(running: LiandongProcess) -> httpx.Client:
    base = f"{running.http_url}/api/v1"
    token = httpx.post(f"{base}/token", data={"username": NAME, "password": PASSWORD}).json()["access_token"]
    return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"})


def telemetry(number: int) -> tuple[str, dict[str, object]]:
    unit, step = number % UNITS, number // UNITS
    values = {"level_m": 0.5 + step % 7 / 10, "flow_m3_h": step % 11, "floor_water_cm": 0}
    return f"liandong/v1/xiaohe/pump/sump-{unit}/telemetry", {"ts": FIRST_MS + 1000 * step, "values": values}


def fire(number: int) -> tuple[str, dict[str, object]]:
    body = {"ts": FIRST_MS + number, "code": "fire", "on": True, "point": f"1-{number}"}
    return f"liandong/v1/xiaohe/fire/panel-{number}/event", body


class Flow:
    """`count` readings, published beside whatever the test does, so many a second."""

    def __init__(self, port: int, *, count: int, rate_per_s: float) -> None:
        self.count = count
        self.sent = 0
        self._pause_s = 20 / rate_per_s
        self._publisher = Publisher(port)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for number in range(self.count):
            self._publisher.send(*telemetry(number))
            self.sent = number + 1
            if number % 20 == 19:
                self._ended.wait(self._pause_s)

    def reaches(self, share: float) -> None:
        """Returns when this part of them is sent."""
        limit_s = 120 + self.count / 20 * self._pause_s
        wait_until(
            lambda: self.sent >= share * self.count, within_s=limit_s, what=f"{share:.0%} of the readings are sent"
        )

    def end(self) -> None:
        """Returns when all are at the broker."""
        self._thread.join(120 + self.count / 20 * self._pause_s)
        assert not self._thread.is_alive()
        self._publisher.close()


@dataclass(frozen=True, slots=True)
class Count:
    """What became of a stream. `lost` and `doubled` are values."""

    sent: int
    received: int
    accepted: int
    stored: int
    lost: int
    doubled: int


def counted(client: httpx.Client, *, sent: int, events: int = 0, within_s: float = 120) -> Count:
    """Waits until of `sent` readings and so many events none is on its way; fails when the ledger does not balance."""

    def ledger() -> dict[str, dict[str, int]]:
        answer: dict[str, dict[str, int]] = client.get("/ledger").json()
        return answer

    def is_all_stored() -> bool:
        now = ledger()
        values = now["values"]
        has_all = values["accepted"] >= sent * VALUES and now["messages"]["accepted"] >= sent + events
        return has_all and values["pending"] == 0

    wait_until(is_all_stored, within_s=within_s, what=f"all {sent} readings are stored")
    now = ledger()
    messages, values = now["messages"], now["values"]
    assert messages["received"] == messages["accepted"] + messages["duplicate"] + messages["quarantined"]
    assert values["accepted"] == values["stored"] + values["pending"]
    return Count(
        sent=sent,
        received=messages["received"],
        accepted=messages["accepted"],
        stored=values["stored"],
        lost=max(0, sent * VALUES - values["stored"]),
        doubled=max(0, values["stored"] - sent * VALUES),
    )
