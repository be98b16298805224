"""Mapping rules: what foreign JSON, or a plain number, says in the terms of the contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ingest.conversion import Conversion
from ingest.errors import Reason, Unreadable
from ingest.foreign_time import TimeFormat
from ingest.json_path import JsonPath
from ingest.topic_pattern import TopicPattern, fill
from ingest.wire import MAX_PAYLOAD_BYTES, MAX_READINGS, SLUG, Said
from models.equipment import EVENT_TITLES, Kind
from models.event import Event
from models.event_codes import STATUS_WORD_METRIC
from models.reading import UnitKey

_TO_SLUG = str.maketrans(dict.fromkeys(" _.:/", "-"))
_AS_IT_IS = Conversion(STATUS_WORD_METRIC)
_json = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Text:
    """A word from a template with the topic's levels, or from a JSON path; then through a map."""

    template: str = ""
    path: JsonPath | None = None
    words: Mapping[str, str] | None = None
    makes_slug: bool = False

    def read(self, what: str, parts: dict[str, str], document: object) -> str:
        """Raises Unreadable when there is no such word."""
        if self.path is None:
            word = fill(self.template, parts)
        else:
            found = self.path.first(document)
            if not isinstance(found, str | int) or isinstance(found, bool):
                raise Unreadable(Reason.RULE_NOT_MET, f"{what}: {self.path.text} finds no name")
            word = str(found)
        if self.words is not None:
            if word not in self.words:
                raise Unreadable(Reason.RULE_NOT_MET, f"{what}: {word[:80]!r} stands in no map")
            word = self.words[word]
        return word.lower().translate(_TO_SLUG).strip("-") if self.makes_slug else word


@dataclass(frozen=True, slots=True)
class MetricSource:
    path: JsonPath
    conversion: Conversion


@dataclass(frozen=True, slots=True)
class EventSource:
    """Tells `code` on or off by the value at the path; or, with `codes`, the code that the value there stands for."""

    code: str
    path: JsonPath
    conversion: Conversion
    point: JsonPath | None = None
    codes: Mapping[str, str] | None = None
    on: JsonPath | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]` of a mapping file. `time_path` None means the time of arrival; `each` finds parts of a payload."""

    name: str
    pattern: TopicPattern
    site: Text
    kind: Text
    unit: Text
    time_path: JsonPath | None = None
    time_format: TimeFormat = field(default_factory=TimeFormat)
    each: JsonPath | None = None
    metrics: tuple[MetricSource, ...] = ()
    events: tuple[EventSource, ...] = ()
    status_word: tuple[JsonPath, JsonPath | None] | None = None
    """Where a component's state as a word of bits stands (GB/T 26875.3), and its point."""

    def read(
        self, parts: dict[str, str], document: object, *, received_ms: int, said: Said, is_retained: bool = False
    ) -> None:
        """Adds what the document says. Raises Unreadable.

        A retained message that bears no time may be of any age: it tells a state, but no reading of now.
        """
        pieces = self.each.every(document) if self.each is not None else [document]
        if len(pieces) > MAX_READINGS:
            raise Unreadable(Reason.TOO_MANY_READINGS, f"{len(pieces)} parts, {MAX_READINGS} at most")
        for piece in pieces:
            values = {} if is_retained and self.time_path is None else self._values(piece)
            events = list(self._events(piece))
            if not values and not events:
                continue
            unit = self._unit(parts, piece, document)
            ts_ms = self._time(piece, document, received_ms)
            if values:
                said.readings.append((unit, ts_ms, values))
            for code, is_on, point in events:
                if code not in EVENT_TITLES[unit.kind]:
                    raise Unreadable(Reason.UNKNOWN_EVENT_CODE, repr(code[:80]))
                said.events.append(Event(unit, ts_ms, code, is_on, point))

    def _values(self, piece: object) -> dict[str, float | bool]:
        values: dict[str, float | bool] = {}
        for source in self.metrics:
            value = _converted(source.conversion, source.path.first(piece), source.path)
            if value is not None:
                values[source.conversion.metric] = value
        if self.status_word is not None:
            path, point_path = self.status_word
            word = _converted(_AS_IT_IS, path.first(piece), path)
            point = point_path.first(piece) if point_path is not None else None
            if word is not None:
                values[STATUS_WORD_METRIC if point is None else f"{STATUS_WORD_METRIC}.{point}"] = word
        return values

    def _events(self, piece: object) -> Iterator[tuple[str, bool, str]]:
        for source in self.events:
            found = source.path.first(piece)
            if found is None:
                continue
            point = source.point.first(piece) if source.point is not None else ""
            told_point = "" if point is None else str(point)
            if len(told_point) > 100 or not told_point.isprintable():
                raise Unreadable(Reason.WRONG_SHAPE, "point must be printable and at most 100 characters")
            if source.codes is None:
                is_on = _converted(source.conversion, found, source.path)
                yield source.code, bool(is_on), told_point
                continue
            code = source.codes.get(str(found))
            if code is None:
                raise Unreadable(Reason.UNKNOWN_EVENT_CODE, f"{str(found)[:60]!r} stands in no map")
            is_on = True if source.on is None else _converted(source.conversion, source.on.first(piece), source.on)
            yield code, bool(is_on), told_point

    def _unit(self, parts: dict[str, str], piece: object, document: object) -> UnitKey:
        words = []
        for what, text in (("site", self.site), ("kind", self.kind), ("unit", self.unit)):
            try:
                words.append(text.read(what, parts, piece))
            except Unreadable:
                # Said once for all parts of a payload.
                if piece is document:
                    raise
                words.append(text.read(what, parts, document))
        return unit_of_words(*words)

    def _time(self, piece: object, document: object, received_ms: int) -> int:
        if self.time_path is None:
            return received_ms
        found = self.time_path.first(piece)
        if found is None:
            found = self.time_path.first(document)
        if found is None:
            raise Unreadable(Reason.TIME_UNREADABLE, f"{self.time_path.text} finds no time")
        return self.time_format.read(found, now_ms=received_ms)


def unit_of_words(site: str, kind: str, unit: str) -> UnitKey:
    """Raises Unreadable for words that name no unit."""
    if kind not in set(Kind):
        raise Unreadable(Reason.UNKNOWN_KIND, kind[:80])
    for level, word in (("site", site), ("unit", unit)):
        if not SLUG.fullmatch(word):
            raise Unreadable(Reason.BAD_TOPIC, f"{level} {word[:80]!r} must be small letters, digits and hyphens")
    return UnitKey(site, Kind(kind), unit)


def read_document(payload: bytes) -> Any:
    """JSON, or one word or number as devices publish it alone. Raises Unreadable."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload)} bytes, {MAX_PAYLOAD_BYTES} at most")
    try:
        return _json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        try:
            text = payload.decode().strip()
        except UnicodeDecodeError as not_text:
            raise Unreadable(Reason.NOT_UTF8, f"byte {not_text.start}") from not_text
        if text and len(text) <= 64 and text.isprintable() and text[0] not in '{["':
            return text
        raise Unreadable(Reason.NOT_JSON, str(error)[:200]) from error


def _converted(conversion: Conversion, value: object, path: JsonPath) -> float | bool | None:
    try:
        converted = conversion.convert(value)
    except (ValueError, OverflowError) as error:
        raise Unreadable(Reason.RULE_NOT_MET, f"{path.text}: {error}") from error
    if converted is not None and not abs(converted) < float("inf"):
        raise Unreadable(Reason.NOT_FINITE, path.text)
    return converted
