"""What simulated units said, as a listener would have it: by unit, decoded with nothing of the simulators' own."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from models.reading import Floats, Ints
from simulators.message import Message
from simulators.world import World
from tests.waiting import wait_until

EVERYTHING = "liandong/v1/#"


@dataclass
class Heard:
    """Readings, events and connection states by unit name, in the order they came."""

    readings: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    events: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, topic: str, payload: bytes) -> None:
        *_, unit, channel = topic.split("/")
        body = json.loads(payload)
        if channel == "telemetry":
            self.readings[unit] += body if isinstance(body, list) else [body]
        elif channel == "event":
            self.events[unit].append(body)
        else:
            self.statuses[unit].append(body)

    def times(self, unit: str) -> Ints:
        return np.array([reading["ts"] for reading in self.readings[unit]])

    def column(self, unit: str, metric: str) -> Floats:
        """The metric in every reading, NaN where it was not told."""
        return np.array([float(reading["values"].get(metric, np.nan)) for reading in self.readings[unit]])

    def units(self, prefix: str) -> list[str]:
        return sorted(unit for unit in self.readings if unit.startswith(prefix))


def hear(messages: Iterable[Message]) -> Heard:
    heard = Heard()
    for message in messages:
        heard.take(message.topic, message.payload)
    return heard


def live(world: World, *, live_ms: int, hours: float) -> Iterator[Message]:
    """Everything a world says from the beginning of live time."""
    yield from world.begin(live_ms)
    while world.now_ms < live_ms + hours * 3_600_000:
        yield from world.next_interval()


@dataclass
class Listener:
    """A subscriber at a real broker. `came` is (topic, payload, was retained)."""

    came: list[tuple[str, bytes, bool]] = field(default_factory=list)

    @property
    def heard(self) -> Heard:
        heard = Heard()
        for topic, payload, _ in list(self.came):
            heard.take(topic, payload)
        return heard

    def wait_for(self, count: int, *, within_s: float = 20) -> None:
        wait_until(lambda: len(self.came) >= count, within_s=within_s, what=f"{count} messages came")


@contextmanager
def listening(url: str, *, topic: str = EVERYTHING) -> Iterator[Listener]:
    listener, subscribed = Listener(), threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, m: listener.came.append((m.topic, bytes(m.payload), bool(m.retain)))
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    where = urlsplit(url)
    client.connect(where.hostname or "", where.port or 1883)
    client.loop_start()
    try:
        assert subscribed.wait(10), "the broker let nobody listen"
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()
