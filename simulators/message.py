"""Messages as a device sends them: topics and JSON payloads of the wire format."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from ingest.wire import Channel, topic_of
from models.equipment import METRICS, Kind
from models.reading import UnitKey
from simulators.fleet import Round

DECIMALS = 3
WHOLE_NUMBERS = frozenset(
    {
        "door_reopens",
        "position_floor",
        "service_mode",
        "trips_total",
        "door_cycles_total",
        "starts_total",
        "jockey_starts_total",
    }
)

Values = dict[str, float | int | bool]
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Message:
    """What is published, and when it is due; `value_count` is the number of single values in it."""

    ts_ms: int
    topic: str
    payload: bytes
    is_retained: bool = False
    value_count: int = 0


def reading_values(round_: Round, kind: Kind) -> list[Values]:
    """For each unit what its reading says: booleans, whole numbers, and numbers with three decimals."""
    columns: list[list[float | int | bool | None]] = []
    for name, column in round_.values.items():
        metric = METRICS[kind][name]
        cells = np.round(column, DECIMALS).tolist()
        if metric.is_boolean:
            columns.append([None if cell != cell else cell != 0 for cell in cells])
        elif name in WHOLE_NUMBERS:
            columns.append([None if cell != cell else int(cell) for cell in cells])
        else:
            # A rounded zero has no sign to tell.
            columns.append([None if cell != cell else cell or 0.0 for cell in cells])
    names = tuple(round_.values)
    return [
        {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        for row in zip(*columns, strict=True)
    ]


def telemetry(unit: UnitKey, ts_ms: int, values: Values) -> Message:
    payload = _encoder.encode({"ts": ts_ms, "values": values})
    return Message(ts_ms, topic_of(unit, Channel.TELEMETRY), payload, value_count=len(values))


def due_at(message: Message, ts_ms: int) -> Message:
    """The same, sent at another time than the one it tells: the device's clock is wrong."""
    return message if message.ts_ms == ts_ms else replace(message, ts_ms=ts_ms)


def backlog(unit: UnitKey, readings: Sequence[tuple[int, Values]]) -> Message:
    """Several readings of one unit in one message, in order of time."""
    payload = _encoder.encode([{"ts": ts_ms, "values": values} for ts_ms, values in readings])
    count = sum(len(values) for _, values in readings)
    return Message(readings[-1][0], topic_of(unit, Channel.TELEMETRY), payload, value_count=count)


def event(unit: UnitKey, ts_ms: int, code: str, *, is_on: bool, point: str = "") -> Message:
    body: dict[str, Any] = {"ts": ts_ms, "code": code, "on": is_on}
    if point:
        body["point"] = point
    return Message(ts_ms, topic_of(unit, Channel.EVENT), _encoder.encode(body))


def status(unit: UnitKey, ts_ms: int, *, is_online: bool) -> Message:
    payload = _encoder.encode({"ts": ts_ms, "online": is_online})
    return Message(ts_ms, topic_of(unit, Channel.STATUS), payload, is_retained=True)
