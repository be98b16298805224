"""The load of the benchmarks is what a device or a gateway would send: all of it can be taken, and nothing twice."""

from collections.abc import Iterator
from time import monotonic

import pytest

from ingest.broker import EmbeddedBroker
from ingest.mqtt import MqttDoor, read_broker_url
from ingest.wire import RawMessage, decode_batch
from models.reading import UnitKey
from simulators.load import Load, publish_load
from tests.waiting import wait_until

NOW_MS = 1_795_000_000_000


@pytest.fixture
def door(embedded_broker: EmbeddedBroker) -> Iterator[MqttDoor]:
    door = MqttDoor(read_broker_url(embedded_broker.url), client_id="listener", clock=lambda: NOW_MS, is_mqtt5=False)
    door.open()
    yield door
    door.close()


@pytest.mark.parametrize("readings", [1, 20])
def test_every_reading_can_be_taken_and_is_a_new_one(
    embedded_broker: EmbeddedBroker, door: MqttDoor, readings: int
) -> None:
    load = Load(messages=130, units=8, qos=1, readings_per_message=readings)
    publish_load(embedded_broker.url, load, clock_ms=lambda: NOW_MS, monotonic_s=monotonic, client_id="load")
    heard: list[RawMessage] = []

    def all_are_here() -> bool:
        taken = door.take(most=1000, wait_s=0.1, linger_s=0.01, quiet_s=0.001)
        door.acknowledge(taken)
        heard.extend(taken)
        return len(heard) >= load.messages

    wait_until(all_are_here, within_s=20, what="all messages are here")
    decoded = decode_batch(heard)
    assert decoded.rejected == []
    rows: set[tuple[UnitKey, int]] = set()
    for block in (found.block for found in decoded.blocks):
        rows.update((block.units[unit], int(ts_ms)) for unit, ts_ms in zip(block.unit_index, block.ts_ms, strict=True))
    assert len(rows) == load.messages * readings
