"""The wire format: topics and JSON payloads of devices and gateways, decoded a batch at a time into columns.

Per message there is one JSON decode and a few list appends; everything after that works on arrays.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np

from ingest.errors import BatchTooWide, Reason, Unreadable
from models.equipment import EVENT_TITLES, Kind
from models.event import Event, StatusChange
from models.reading import Floats, Ints, ReadingBlock, UnitKey

PREFIX = "liandong/v1"
SUBSCRIPTION = f"{PREFIX}/#"
_OWN = "liandong/"
MAX_PAYLOAD_BYTES = 256 * 1024
MAX_READINGS = 1000
MAX_METRICS = 200
MAX_METRIC_NAME_LENGTH = 100
MAX_POINT_LENGTH = 100
MAX_CELLS = 4_000_000
"""Of one block, named or not: thirty bytes each while a batch is being taken."""
MAX_CACHED_TOPICS = 200_000
EARLIEST_MS = 946_684_800_000
"""2000-01-01: a clock that says less was never set."""
MAX_AHEAD_MS = 24 * 3600 * 1000
"""A clock may be wrong by its time zone; a reading of the day after tomorrow is no reading."""

_KINDS = {kind.value: kind for kind in Kind}
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Channel(StrEnum):
    TELEMETRY = "telemetry"
    EVENT = "event"
    STATUS = "status"
    ALARM = "alarm"


class RawMessage(NamedTuple):
    """A message as it came from the broker. `receipt` is what the door needs to acknowledge it."""

    topic: str
    payload: bytes
    received_ms: int
    is_redelivery: bool = False
    is_retained: bool = False
    receipt: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """What a topic says: whose message it is, and which kind of payload to expect. `unit` is None for a gateway."""

    channel: Channel
    site: str
    unit: UnitKey | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Message number `message` of the batch cannot be taken."""

    message: int
    reason: Reason
    detail: str


@dataclass(slots=True)
class Said:
    """What one message in a foreign protocol says, in the terms of the contract; times were checked with `read_time`.

    `was_known` tells that it repeats what is known although it holds no reading and no event to recognise it by.
    """

    readings: list[tuple[UnitKey, int, dict[str, float | bool]]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    statuses: list[StatusChange] = field(default_factory=list)
    was_known: bool = False


Interpret = Callable[[RawMessage], Said]
"""Reads a message whose topic is none of the contract's. Raises Unreadable."""


@dataclass(frozen=True, slots=True)
class DecodedBlock:
    """A block, and which message of the batch each of its rows came in: `message` has shape (n,)."""

    block: ReadingBlock
    message: Ints


@dataclass(slots=True)
class Decoded:
    """What a batch of messages says. At most one block a kind; rows are in order of time."""

    blocks: list[DecodedBlock] = field(default_factory=list)
    events: list[tuple[int, Event]] = field(default_factory=list)
    statuses: list[tuple[int, StatusChange]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    """Messages that say nothing new by themselves: a death that was told before."""


Timestamp = int | float | str


class _Reading(msgspec.Struct):
    ts: Timestamp
    values: dict[str, float | bool]


class _GatewayReading(msgspec.Struct):
    kind: str
    unit: str
    ts: Timestamp
    values: dict[str, float | bool]


class _Event(msgspec.Struct):
    ts: Timestamp
    code: str
    on: bool
    point: str | int = ""


class _Status(msgspec.Struct):
    ts: Timestamp
    online: bool


_telemetry_decoder = msgspec.json.Decoder(_Reading | list[_Reading])
_gateway_decoder = msgspec.json.Decoder(list[_GatewayReading])
_event_decoder = msgspec.json.Decoder(_Event)
_status_decoder = msgspec.json.Decoder(_Status)
_topic_cache: dict[str, Route] = {}


def topic_of(unit: UnitKey, channel: Channel) -> str:
    return f"{PREFIX}/{unit.site}/{unit.kind.value}/{unit.unit}/{channel.value}"


def is_alarm_topic(topic: str) -> bool:
    """Whether this is what the service itself tells; it hears its own words because it listens to everything."""
    return topic.endswith("/alarm") and topic.startswith(PREFIX) and topic.count("/") == 5


def read_topic(topic: str) -> Route:
    """Raises Unreadable for a topic that is none of the contract's."""
    route = _topic_cache.get(topic)
    if route is None:
        route = _read_topic(topic)
        if len(_topic_cache) >= MAX_CACHED_TOPICS:
            _topic_cache.clear()
        _topic_cache[topic] = route
    return route


def _read_topic(topic: str) -> Route:
    parts = topic.split("/")
    if len(parts) != 6 or parts[0] != "liandong" or parts[1] != "v1":
        raise Unreadable(Reason.BAD_TOPIC, "expected liandong/v1/{site}/{kind}/{unit}/{channel}")
    _, _, site, kind, name, channel = parts
    for level, value in (("site", site), ("unit", name)):
        if not SLUG.fullmatch(value):
            raise Unreadable(Reason.BAD_TOPIC, f"{level} {value[:80]!r} must be small letters, digits and hyphens")
    if kind == "gateway":
        if channel != Channel.TELEMETRY:
            raise Unreadable(Reason.UNKNOWN_CHANNEL, channel[:80])
        return Route(Channel.TELEMETRY, site, None)
    if kind not in set(Kind):
        raise Unreadable(Reason.UNKNOWN_KIND, kind[:80])
    if channel not in set(Channel):
        raise Unreadable(Reason.UNKNOWN_CHANNEL, channel[:80])
    return Route(Channel(channel), site, UnitKey(site, Kind(kind), name))


def read_time(ts: Timestamp, *, now_ms: int) -> int:
    """Epoch milliseconds of a payload's time. Raises Unreadable for one that cannot be meant."""
    if isinstance(ts, str):
        try:
            moment = datetime.fromisoformat(ts)
        except ValueError as error:
            raise Unreadable(Reason.TIME_UNREADABLE, repr(ts[:80])) from error
        if moment.tzinfo is None:
            raise Unreadable(Reason.TIME_UNREADABLE, f"{ts[:80]!r} has no offset")
        ts_ms = round(moment.timestamp() * 1000)
    else:
        # A float beyond 2**63 cannot become an array element; the range check below speaks for all.
        ts_ms = int(ts) if -1e17 < ts < 1e17 else (EARLIEST_MS - 1 if ts < 0 else now_ms + MAX_AHEAD_MS + 1)
    if ts_ms < EARLIEST_MS:
        raise Unreadable(Reason.TIME_TOO_EARLY, f"{ts!r} is before the year 2000")
    if ts_ms > now_ms + MAX_AHEAD_MS:
        raise Unreadable(Reason.TIME_IN_FUTURE, f"{ts!r} is more than a day ahead")
    return ts_ms


class _Rows:
    """Rows of one kind on their way to becoming a block."""

    __slots__ = ("groups", "messages", "ts_ms", "unit_index", "units", "values")

    def __init__(self) -> None:
        self.units: dict[UnitKey, int] = {}
        self.unit_index: list[int] = []
        self.ts_ms: list[int] = []
        self.messages: list[int] = []
        self.values: list[dict[str, float | bool]] = []
        self.groups: dict[tuple[str, ...], list[int]] = {}

    def add(self, message: int, unit: UnitKey, ts_ms: int, values: dict[str, float | bool]) -> None:
        self.unit_index.append(self.units.setdefault(unit, len(self.units)))
        self.ts_ms.append(ts_ms)
        self.messages.append(message)
        self.values.append(values)


def decode_batch(messages: Sequence[RawMessage], interpret: Interpret | None = None) -> Decoded:
    """Decodes messages into columns; what cannot be read is rejected by message, whole, with its reason.

    Raises BatchTooWide when its messages name so many metrics that they are better taken apart.
    """
    decoded = Decoded()
    rows = {kind: _Rows() for kind in Kind}
    for number, message in enumerate(messages):
        try:
            if interpret is not None and not message.topic.startswith(_OWN):
                _add_said(number, interpret(message), rows, decoded)
                continue
            route = read_topic(message.topic)
            if route.channel is Channel.TELEMETRY:
                _decode_telemetry(number, message, route, rows)
            elif route.channel is Channel.EVENT and route.unit is not None:
                decoded.events.append((number, decode_event(route.unit, message.payload, now_ms=message.received_ms)))
            elif route.channel is Channel.STATUS and route.unit is not None:
                decoded.statuses.append(
                    (number, decode_status(route.unit, message.payload, now_ms=message.received_ms))
                )
            else:
                raise Unreadable(Reason.UNKNOWN_CHANNEL, "alarms are told by the service, not to it")
        except Unreadable as error:
            decoded.rejected.append(Rejected(number, error.reason, error.detail))
    bad: dict[int, Rejected] = {}
    for found in rows.values():
        _check_names(found, bad)
    decoded.rejected += bad.values()
    for kind, found in rows.items():
        if found.ts_ms:
            _to_block(kind, found, bad.keys(), decoded)
    return decoded


def _add_said(number: int, said: Said, rows: dict[Kind, _Rows], decoded: Decoded) -> None:
    if len(said.readings) > MAX_READINGS:
        raise Unreadable(Reason.TOO_MANY_READINGS, f"{len(said.readings)} readings, {MAX_READINGS} at most")
    for _, _, values in said.readings:
        _checked(values)
    for unit, ts_ms, values in said.readings:
        rows[unit.kind].add(number, unit, ts_ms, values)
    decoded.events += [(number, event) for event in said.events]
    decoded.statuses += [(number, status) for status in said.statuses]
    if said.was_known:
        decoded.known.append(number)


def decode_event(unit: UnitKey, payload: bytes, *, now_ms: int) -> Event:
    raw = _decode(_event_decoder, payload)
    if raw.code not in EVENT_TITLES[unit.kind]:
        raise Unreadable(Reason.UNKNOWN_EVENT_CODE, repr(raw.code[:80]))
    point = str(raw.point)
    if len(point) > MAX_POINT_LENGTH or not point.isprintable():
        raise Unreadable(Reason.WRONG_SHAPE, "point must be printable and at most 100 characters")
    return Event(unit, read_time(raw.ts, now_ms=now_ms), raw.code, raw.on, point)


def decode_status(unit: UnitKey, payload: bytes, *, now_ms: int) -> StatusChange:
    raw = _decode(_status_decoder, payload)
    return StatusChange(unit, read_time(raw.ts, now_ms=now_ms), raw.online)


def _decode_telemetry(number: int, message: RawMessage, route: Route, rows: dict[Kind, _Rows]) -> None:
    now_ms = message.received_ms
    if route.unit is None:
        gathered = []
        for item in _limited(_decode(_gateway_decoder, message.payload)):
            kind = _KINDS.get(item.kind)
            if kind is None:
                raise Unreadable(Reason.UNKNOWN_KIND, item.kind[:80])
            if not SLUG.fullmatch(item.unit):
                raise Unreadable(Reason.BAD_TOPIC, f"unit {item.unit[:80]!r} must be small letters, digits and hyphens")
            unit = UnitKey(route.site, kind, item.unit)
            gathered.append((unit, read_time(item.ts, now_ms=now_ms), _checked(item.values)))
        for unit, ts_ms, values in gathered:
            rows[unit.kind].add(number, unit, ts_ms, values)
        return
    raw = _decode(_telemetry_decoder, message.payload)
    target = rows[route.unit.kind]
    if isinstance(raw, list):
        readings = [(read_time(r.ts, now_ms=now_ms), _checked(r.values)) for r in _limited(raw)]
        for ts_ms, values in readings:
            target.add(number, route.unit, ts_ms, values)
    else:
        target.add(number, route.unit, read_time(raw.ts, now_ms=now_ms), _checked(raw.values))


def _limited(readings: list) -> list:  # type: ignore[type-arg]
    if len(readings) > MAX_READINGS:
        raise Unreadable(Reason.TOO_MANY_READINGS, f"{len(readings)} readings, {MAX_READINGS} at most")
    if not readings:
        raise Unreadable(Reason.NO_VALUES, "an empty array")
    return readings


def _checked(values: dict[str, float | bool]) -> dict[str, float | bool]:
    if not values:
        raise Unreadable(Reason.NO_VALUES, "values is empty")
    if len(values) > MAX_METRICS:
        raise Unreadable(Reason.WRONG_SHAPE, f"{len(values)} metrics, {MAX_METRICS} at most")
    return values


def _decode(decoder: msgspec.json.Decoder, payload: bytes):  # type: ignore[no-untyped-def,type-arg]
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload)} bytes, {MAX_PAYLOAD_BYTES} at most")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        # The one thing that JSON can say and a number cannot hold: 1e400, or four hundred digits.
        reason = Reason.NOT_FINITE if "out of range" in str(error) else Reason.WRONG_SHAPE
        raise Unreadable(reason, str(error)[:200]) from error
    except msgspec.DecodeError as error:
        try:
            payload.decode()
        except UnicodeDecodeError as not_text:
            raise Unreadable(Reason.NOT_UTF8, f"byte {not_text.start}") from not_text
        raise Unreadable(Reason.NOT_JSON, str(error)[:200]) from error
    except UnicodeDecodeError as error:
        raise Unreadable(Reason.NOT_UTF8, f"byte {error.start}") from error
    except RecursionError as error:
        raise Unreadable(Reason.NOT_JSON, "nested too deeply") from error


def _check_names(rows: _Rows, bad: dict[int, Rejected]) -> None:
    """Groups rows by the metrics they name, and notes messages with a name that is none, or with too many."""
    for row, values in enumerate(rows.values):
        rows.groups.setdefault(tuple(values), []).append(row)
    all_named = dict.fromkeys(chain.from_iterable(rows.groups))
    for name in all_named:
        if not (0 < len(name) <= MAX_METRIC_NAME_LENGTH and name.isprintable()):
            detail = f"{name[:80]!r} must be 1 to {MAX_METRIC_NAME_LENGTH} printable characters"
            naming = [found for names, found in rows.groups.items() if name in names]
            for number in {rows.messages[row] for row in chain.from_iterable(naming)}:
                bad.setdefault(number, Rejected(number, Reason.BAD_METRIC_NAME, detail))
    if len(all_named) > MAX_METRICS:
        named: dict[int, set[str]] = {}
        for names, found in rows.groups.items():
            for number in {rows.messages[row] for row in found}:
                named.setdefault(number, set()).update(names)
        for number, by_message in named.items():
            if len(by_message) > MAX_METRICS:
                detail = f"{len(by_message)} different metrics, {MAX_METRICS} at most"
                bad.setdefault(number, Rejected(number, Reason.WRONG_SHAPE, detail))


def _to_block(kind: Kind, rows: _Rows, bad: Collection[int], decoded: Decoded) -> None:
    """Builds the kind's one block; rows that name the same metrics in the same order are converted together."""
    message = np.array(rows.messages, dtype=np.int64)
    groups = rows.groups
    if bad:
        kept = [(names, [row for row in found if rows.messages[row] not in bad]) for names, found in groups.items()]
        groups = {names: found for names, found in kept if found}
    metrics = tuple(dict.fromkeys(chain.from_iterable(groups)))
    if len(rows.values) * len(metrics) > MAX_CELLS and len({*rows.messages}) > 1:
        raise BatchTooWide(len(rows.values), len(metrics))
    column = {name: index for index, name in enumerate(metrics)}
    matrix: Floats = np.full((len(rows.values), len(metrics)), np.nan)
    for names, members in groups.items():
        part = np.array([list(rows.values[row].values()) for row in members], dtype=np.float64)
        matrix[np.ix_(members, [column[name] for name in names])] = part
    ts_ms = np.array(rows.ts_ms, dtype=np.int64)
    order = np.argsort(ts_ms, kind="stable")
    if bad:
        order = order[~np.isin(message[order], list(bad))]
    if not len(order):
        return
    unit_index = np.array(rows.unit_index, dtype=np.int64)
    block = ReadingBlock(kind, metrics, tuple(rows.units), unit_index[order], ts_ms[order], matrix[order])
    decoded.blocks.append(DecodedBlock(block, message[order]))
