"""Sparkplug B 3.0: who is born, what their aliases mean, who died; read a batch at a time into a draft.

A batch may be read more than once before it is committed. So nothing is known for good before `committed`: the draft
holds what the batch changes, `save` writes it in the batch's own transaction.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy.orm import Session

from ingest import sparkplug_births
from ingest.errors import Reason, Unreadable
from ingest.sparkplug_births import BirthRow
from ingest.sparkplug_metrics import (
    CONTROL_PREFIXES,
    SEQUENCE_METRIC,
    Definitions,
    birth_death_number,
    define,
    is_text,
    number_in,
    read_payload,
)
from ingest.sparkplug_topics import (
    NODE,
    EdgeKey,
    Place,
    Placement,
    SparkplugTopic,
    Verb,
    metric_called,
    read_sparkplug_topic,
)
from ingest.wire import RawMessage, Said, read_time
from models.equipment import EVENT_TITLES
from models.event import Event, StatusChange
from models.reading import UnitKey

EVENT_FOLDER = "event/"
HALF_OF_SEQUENCE = 128

log = structlog.get_logger(__name__)

gaps_total = Counter("liandong_sparkplug_gaps", "Sequence numbers that an edge node left out")
texts_total = Counter("liandong_sparkplug_texts", "Sparkplug values that are no numbers and were left out")


class Life(StrEnum):
    """UNBORN is a device whose node was born again and which was not heard since."""

    ALIVE = "alive"
    UNBORN = "unborn"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Birth:
    """The birth of a node or device. `payload` is its message, kept so that aliases survive a restart."""

    payload: bytes
    born_ms: int
    definitions: Definitions
    life: Life = Life.ALIVE


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge node's session. `last_seq` and `newest_ms` are not kept over a restart."""

    bd_seq: int | None = None
    last_seq: int | None = None
    newest_ms: int = 0
    gaps: int = 0
    births: dict[str, Birth] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        node = self.births.get(NODE)
        return node is not None and node.life is Life.ALIVE


@dataclass(slots=True)
class Draft:
    """What a batch changes: sessions, the births to be written, and the nodes that should tell theirs again."""

    edges: dict[EdgeKey, Edge] = field(default_factory=dict)
    dirty: set[tuple[EdgeKey, str]] = field(default_factory=set)
    unresolved: set[EdgeKey] = field(default_factory=set)

    def save(self, session: Session) -> None:
        rows = []
        for key, device in self.dirty:
            edge = self.edges[key]
            birth = edge.births[device]
            is_node = device == NODE
            rows.append(
                BirthRow(
                    key.group,
                    key.edge,
                    device,
                    birth.payload,
                    birth.born_ms,
                    birth.life.value,
                    edge.bd_seq if is_node else None,
                    edge.gaps if is_node else 0,
                )
            )
        sparkplug_births.put(session, rows)


class Sparkplug:
    """All sessions that one worker hears. `place` says which unit a node or device is."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._edges: dict[EdgeKey, Edge] = {}
        self._unresolved: set[EdgeKey] = set()

    def restore(self, rows: Iterable[BirthRow]) -> None:
        """Takes up the births that were kept: nodes go on sending aliases as if we had never been away."""
        for row in rows:
            key = EdgeKey(row.group, row.edge)
            edge = self._edges.setdefault(key, Edge())
            try:
                definitions = define(read_payload(row.payload))
            except Unreadable as error:
                log.warning("a birth that was kept cannot be read", group=row.group, edge=row.edge, reason=str(error))
                continue
            edge.births[row.device] = Birth(row.payload, row.born_ms, definitions, Life(row.life))
            if row.device == NODE:
                self._edges[key] = replace(edge, bd_seq=row.bd_seq, gaps=row.gaps, newest_ms=row.born_ms)

    def committed(self, draft: Draft) -> None:
        self._edges.update(draft.edges)
        self._unresolved |= draft.unresolved

    def take_unresolved(self) -> set[EdgeKey]:
        """Nodes whose births we lack, or that left numbers out, since this was asked last."""
        taken, self._unresolved = self._unresolved, set()
        return taken

    def read(self, message: RawMessage, draft: Draft) -> Said:
        """What the message says; the draft then knows what it changes. Raises Unreadable."""
        topic = read_sparkplug_topic(message.topic)
        payload = read_payload(message.payload)
        edge = draft.edges.get(topic.key) or self._edges.get(topic.key) or Edge()
        reading = _Reading(topic, payload, message, replace(edge, births=dict(edge.births)), self.place(topic))
        try:
            return _READ[topic.verb](reading, self.place)
        finally:
            if reading.edge.births:
                draft.edges[topic.key] = reading.edge
            draft.dirty |= {(topic.key, device) for device in reading.dirty if device in reading.edge.births}
            if reading.is_unresolved:
                draft.unresolved.add(topic.key)


@dataclass(slots=True)
class _Reading:
    """One message being read; `edge` is its own copy."""

    topic: SparkplugTopic
    payload: Any
    message: RawMessage
    edge: Edge
    placement: Placement
    dirty: set[str] = field(default_factory=set)
    is_unresolved: bool = False

    @property
    def now_ms(self) -> int:
        return self.message.received_ms

    def told_ms(self) -> int:
        if not self.payload.HasField("timestamp"):
            raise Unreadable(Reason.TIME_UNREADABLE, "the payload has no timestamp")
        return read_time(self.payload.timestamp, now_ms=self.now_ms)

    def is_expected(self) -> bool:
        last = self.edge.last_seq
        return last is None or self.payload.seq == (last + 1) % 256

    def follow_sequence(self) -> None:
        """Counts what was left out; a message that comes again, or is replayed, takes no part."""
        if not self.payload.HasField("seq"):
            return
        seq, last = int(self.payload.seq), self.edge.last_seq
        stamp = int(self.payload.timestamp)
        if last is None and stamp < self.edge.newest_ms:
            return
        if last is not None and not self.is_expected():
            ahead = (seq - last) % 256
            if stamp < self.edge.newest_ms or (self.message.is_redelivery and not 0 < ahead < HALF_OF_SEQUENCE):
                return
            missing = (ahead - 1) % 256
            if not self.message.is_redelivery:
                gaps_total.inc()
                log.warning(
                    "a Sparkplug node left numbers out",
                    group=self.topic.key.group,
                    edge=self.topic.key.edge,
                    expected=(last + 1) % 256,
                    seq=seq,
                    missing=missing,
                )
                self.edge = replace(self.edge, gaps=self.edge.gaps + 1)
                self.dirty.add(NODE)
                self.is_unresolved = True
        self.edge = replace(self.edge, last_seq=seq, newest_ms=max(stamp, self.edge.newest_ms))

    def status(self, unit: UnitKey | None, ts_ms: int, *, is_online: bool) -> list[StatusChange]:
        return [StatusChange(unit, ts_ms, is_online)] if unit is not None else []

    def values(self, definitions: Definitions, *, is_birth: bool, told_ms: int) -> Said:
        """Readings and events of the unit, by time. Raises Unreadable, also when there is no unit for them."""
        said = Said()
        by_ms: dict[int, dict[str, float | bool]] = {}
        unit = self.placement.unit
        texts = strays = 0
        for metric in self.payload.metrics:
            name, datatype = self._resolve(metric, definitions)
            if name == SEQUENCE_METRIC or name.startswith(CONTROL_PREFIXES):
                continue
            if is_text(metric):
                texts += 1
                continue
            value = number_in(metric, metric.datatype or datatype)
            if value is None:
                continue
            if unit is None:
                strays += 1
                continue
            ts_ms = read_time(metric.timestamp, now_ms=self.now_ms) if metric.HasField("timestamp") else told_ms
            conversion = self.placement.conversions.get(name)
            called = name if conversion is None else conversion.metric
            if called.startswith(EVENT_FOLDER):
                said.events.append(_event(unit, ts_ms, called, bool(value)))
            elif conversion is not None:
                by_ms.setdefault(ts_ms, {})[called] = _converted(conversion.convert, value, name)
            else:
                by_ms.setdefault(ts_ms, {})[metric_called(name, unit.kind)] = value
        if strays and not self.placement.is_ignored and not (is_birth and self.topic.device == NODE):
            raise Unreadable(
                Reason.UNMAPPED, f"{self.topic.device or self.topic.key.edge} is no kind.unit, and no rule"
            )
        if texts:
            texts_total.inc(texts)
            if unit is not None and not by_ms and not said.events and not is_birth:
                raise Unreadable(Reason.NO_VALUES, "only texts")
        if unit is not None:
            said.readings = [(unit, ts_ms, values) for ts_ms, values in sorted(by_ms.items())]
        return said

    def _resolve(self, metric: Any, definitions: Definitions) -> tuple[str, int]:
        name = metric.name or (definitions.name_of.get(metric.alias, "") if metric.HasField("alias") else "")
        if not name or name not in definitions.type_of:
            self.is_unresolved = True
            what = repr(name[:80]) if name else f"alias {metric.alias}"
            raise Unreadable(Reason.UNKNOWN_ALIAS, f"{what} stands in no birth that is known")
        return name, definitions.type_of[name]


def _event(unit: UnitKey, ts_ms: int, name: str, is_on: bool) -> Event:
    code, _, point = name.removeprefix(EVENT_FOLDER).partition("/")
    if code not in EVENT_TITLES[unit.kind]:
        raise Unreadable(Reason.UNKNOWN_EVENT_CODE, repr(code[:80]))
    return Event(unit, ts_ms, code, is_on, point[:100])


def _converted(convert: Callable[[object], float | bool | None], value: float | bool, name: str) -> float | bool:
    try:
        converted = convert(value)
    except ValueError as error:
        raise Unreadable(Reason.RULE_NOT_MET, f"{name[:80]}: {error}") from error
    assert converted is not None
    return converted


def _node_birth(reading: _Reading, _place: Place) -> Said:
    edge, message = reading.edge, reading.message
    bd_seq = birth_death_number(reading.payload)
    told_ms = reading.told_ms()
    definitions = define(reading.payload)
    present = edge.births.get(NODE)
    is_again = present is not None and present.payload == message.payload
    if present is not None and not is_again and edge.is_alive and told_ms < present.born_ms:
        # A birth of an earlier session, sent again from quarantine.
        older = ((edge.bd_seq or 0) - (bd_seq or 0)) % 256
        is_again = 0 < older < HALF_OF_SEQUENCE
    if not is_again:
        births = {name: replace(b, life=Life.UNBORN) if b.life is Life.ALIVE else b for name, b in edge.births.items()}
        births[NODE] = Birth(message.payload, told_ms, definitions)
        seq = int(reading.payload.seq) if reading.payload.HasField("seq") else 0
        reading.edge = replace(edge, bd_seq=bd_seq, last_seq=seq, newest_ms=told_ms, births=births)
        reading.dirty |= births.keys()
    said = reading.values(definitions, is_birth=True, told_ms=told_ms)
    if reading.edge.is_alive and (not is_again or (present and present.born_ms == told_ms)):
        said.statuses = reading.status(reading.placement.unit, told_ms, is_online=True)
    said.was_known = is_again
    return said


def _device_birth(reading: _Reading, _place: Place) -> Said:
    reading.follow_sequence()
    edge, message, device = reading.edge, reading.message, reading.topic.device
    told_ms = reading.told_ms()
    definitions = define(reading.payload)
    if not edge.is_alive:
        reading.is_unresolved = True
        raise Unreadable(Reason.NO_BIRTH, "the birth of its node is not known")
    present = edge.births.get(device)
    is_again = present is not None and (
        present.payload == message.payload
        or (present.life is Life.ALIVE and told_ms < present.born_ms and reading.payload.seq != edge.last_seq)
    )
    if not is_again or (present is not None and present.life is Life.UNBORN):
        edge.births[device] = Birth(message.payload, told_ms, definitions)
        reading.dirty.add(device)
    said = reading.values(definitions, is_birth=True, told_ms=told_ms)
    if edge.births[device].life is Life.ALIVE and edge.births[device].born_ms == told_ms:
        said.statuses = reading.status(reading.placement.unit, told_ms, is_online=True)
    said.was_known = is_again
    return said


def _data(reading: _Reading, _place: Place) -> Said:
    reading.follow_sequence()
    birth = reading.edge.births.get(reading.topic.device)
    if birth is None or birth.life is not Life.ALIVE or not reading.edge.is_alive:
        reading.is_unresolved = True
        raise Unreadable(Reason.NO_BIRTH, "data before its birth; replay it once the birth was heard")
    return reading.values(birth.definitions, is_birth=False, told_ms=reading.told_ms())


def _device_death(reading: _Reading, _place: Place) -> Said:
    reading.follow_sequence()
    device = reading.topic.device
    birth = reading.edge.births.get(device)
    if birth is not None and birth.life is Life.DEAD:
        return Said(was_known=True)
    told_ms = reading.told_ms() if reading.payload.HasField("timestamp") else reading.now_ms
    if birth is not None:
        if told_ms < birth.born_ms and not reading.is_expected() and reading.payload.seq != reading.edge.last_seq:
            return Said(was_known=True)
        reading.edge.births[device] = replace(birth, life=Life.DEAD)
        reading.dirty.add(device)
    return Said(statuses=reading.status(reading.placement.unit, told_ms, is_online=False))


def _node_death(reading: _Reading, place: Place) -> Said:
    """The last will of a session; written when the session began, so that it counts from when we hear it."""
    bd_seq = birth_death_number(reading.payload)
    edge, key = reading.edge, reading.topic.key
    if bd_seq is None:
        raise Unreadable(Reason.WRONG_SHAPE, "a death without bdSeq")
    if not edge.births:
        return Said()
    if edge.bd_seq is not None and bd_seq != edge.bd_seq:
        log.info("the death of an earlier session", group=key.group, edge=key.edge, bd_seq=bd_seq, present=edge.bd_seq)
        return Said(was_known=True)
    statuses = []
    for device, birth in edge.births.items():
        if birth.life is Life.DEAD:
            continue
        edge.births[device] = replace(birth, life=Life.DEAD)
        reading.dirty.add(device)
        verb = Verb.NDEATH if device == NODE else Verb.DDEATH
        unit = place(SparkplugTopic(verb, key, device)).unit
        statuses += reading.status(unit, reading.now_ms, is_online=False)
    reading.edge = replace(reading.edge, last_seq=None)
    return Said(statuses=statuses, was_known=not reading.dirty)


_READ: dict[Verb, Callable[[_Reading, Place], Said]] = {
    Verb.NBIRTH: _node_birth,
    Verb.DBIRTH: _device_birth,
    Verb.NDATA: _data,
    Verb.DDATA: _data,
    Verb.DDEATH: _device_death,
    Verb.NDEATH: _node_death,
}
