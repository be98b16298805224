"""The mapping file: TOML in, rules out, or one clear error with its line."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from ingest.conversion import Conversion, fraction_of, key_of, named_conversion
from ingest.foreign_time import TimeFormat, read_format
from ingest.json_path import JsonPath
from ingest.mapping import EventSource, MetricSource, Rule, Text
from ingest.sparkplug_topics import Placement, SparkplugTopic
from ingest.thingsboard import ThingsBoardRule
from ingest.topic_pattern import names_in, read_pattern
from ingest.wire import MAX_METRIC_NAME_LENGTH, SLUG
from models.equipment import EVENT_TITLES, Kind
from models.event_codes import LIFT_CODES
from models.reading import UnitKey

MAX_FILE_BYTES = 1024 * 1024
MappingRule = Rule | ThingsBoardRule


class MappingRefused(Exception):
    """A mapping file that cannot be meant; `line` counts from 1."""

    def __init__(self, line: int, said: str) -> None:
        super().__init__(f"line {line}: {said}")
        self.line = line
        self.said = said


@dataclass(frozen=True, slots=True)
class SparkplugRule:
    """One `[[sparkplug]]`: ids that must be equal (None fits all), and whose values these are."""

    group: str | None
    edge: str | None
    device: str | None
    placement: Placement

    def fits(self, topic: SparkplugTopic) -> bool:
        return (
            self.group in (None, topic.key.group)
            and self.edge in (None, topic.key.edge)
            and self.device in (None, topic.device)
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a mapping file says, in its order."""

    rules: tuple[MappingRule, ...] = ()
    sparkplug: tuple[SparkplugRule, ...] = ()

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.pattern.subscription for rule in self.rules))


class _Word(msgspec.Struct, forbid_unknown_fields=True):
    source: str = msgspec.field(name="from")
    map: dict[str, str] | None = None
    slug: bool = False


class _Time(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    format: str = "auto"
    zone: str | None = None


class _Metric(msgspec.Struct, forbid_unknown_fields=True):
    path: str | None = None
    key: str | None = None
    unit: str | None = None
    scale: float | None = None
    offset: float | None = None
    map: dict[str, float | bool] | None = None


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    map: dict[str, float | bool] | None = None
    point: str | None = None


class _Coded(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    codes: dict[str, str] | str
    on: str | None = None
    map: dict[str, float | bool] | None = None
    point: str | None = None


class _StatusWord(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    point: str | None = None


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    topic: str
    name: str = ""
    preset: Literal["thingsboard", "thingsboard-gateway"] | None = None
    site: str | _Word = "{site}"
    kind: str | _Word = "{kind}"
    unit: str | _Word = "{unit}"
    time: str | _Time | None = None
    each: str | None = None
    metrics: dict[str, Any] = {}
    events: dict[str, Any] = {}
    event_code: _Coded | None = None
    status_word: _StatusWord | None = None
    devices: dict[str, str] = {}


class _Sparkplug(msgspec.Struct, forbid_unknown_fields=True):
    group: str | None = None
    edge: str | None = None
    device: str | None = None
    site: str | None = None
    kind: str | None = None
    unit: str | None = None
    ignore: bool = False
    metrics: dict[str, Any] = {}


def load_rules(path: Path) -> Rules:
    """Raises MappingRefused for what cannot be meant, and OSError."""
    content = path.read_bytes()
    if len(content) > MAX_FILE_BYTES:
        raise MappingRefused(1, f"{len(content)} bytes, {MAX_FILE_BYTES} at most")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise MappingRefused(content[: error.start].count(b"\n") + 1, "is not UTF-8") from error
    return read_rules(text)


def read_rules(text: str) -> Rules:
    """Raises MappingRefused."""
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise MappingRefused(line, re.sub(r" \(at .*\)$", "", str(error)).lower()) from error
    for name in given:
        if name not in ("rule", "sparkplug"):
            raise MappingRefused(_line_of(text, name), f"{name!r} is neither [[rule]] nor [[sparkplug]]")
    return Rules(
        tuple(_each(text, given, "rule", _read_rule)),
        tuple(_each(text, given, "sparkplug", _read_sparkplug)),
    )


def _each(text: str, given: dict[str, Any], table: str, read: Callable[["_Place", Any], Any]) -> Iterator[Any]:
    items = given.get(table, [])
    if not isinstance(items, list):
        raise MappingRefused(_line_of(text, table), f"write [[{table}]] with two brackets")
    for number, item in enumerate(items):
        yield read(_Place(text, table, number), item)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the text a table stands."""

    text: str
    table: str
    number: int

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Errors from here on lie at that key."""
        try:
            yield
        except (ValueError, msgspec.ValidationError) as error:
            said = re.sub(r" - at `\$?\.?([^`]*)`$", r" (at \1)", str(error)).replace(" (at )", "")
            named = re.search(r"unknown field `(\w+)`", said) or re.search(r"\(at (\w+)", said)
            line = self.line(named[1] if named else key, key)
            raise MappingRefused(line, f"{key}: {said}" if key else said) from error

    def line(self, *keys: str) -> int:
        lines = self.text.split("\n")
        starts = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{self.table}\s*\]\]", line)]
        if self.number >= len(starts):
            return 1
        start = starts[self.number]
        end = next((n for n in range(start + 1, len(lines)) if lines[n].lstrip().startswith("[[")), len(lines))
        for key in keys:
            written = rf"""(?:^\s*\[{self.table}\.(?:[\w-]+\.)*|^\s*|[{{,.]\s*)["']?{re.escape(key)}["']?\s*[=.\]]"""
            for number in range(start, end):
                if key and re.search(written, lines[number]):
                    return number + 1
        return start + 1


def _line_of(text: str, key: str) -> int:
    for number, line in enumerate(text.split("\n"), start=1):
        if re.match(rf"""\s*\[*\s*["']?{re.escape(key)}\b""", line):
            return number
    return 1


def _read_rule(place: _Place, item: Any) -> MappingRule:
    with place.at(""):
        raw = msgspec.convert(item, _Rule)
    with place.at("topic"):
        pattern = read_pattern(raw.topic)
    names = frozenset(pattern.names)
    is_gateway = raw.preset == "thingsboard-gateway"
    texts: list[Text] = []
    for key, word in (("site", raw.site), ("kind", raw.kind), ("unit", raw.unit)):
        with place.at(key):
            # A gateway's devices bear kind and unit, and perhaps the site, in their names.
            texts.append(
                Text() if is_gateway and word == f"{{{key}}}" and key not in names else _text(key, word, names)
            )
    name = raw.name or raw.topic
    if raw.preset is not None:
        return _read_preset(place, raw, name, texts)
    with place.at("devices"):
        if raw.devices:
            raise ValueError("only the preset thingsboard-gateway has devices")
    with place.at("each"):
        each = JsonPath(raw.each) if raw.each else None
    with place.at("time"):
        time_path, time_format = _time(raw.time)
    metrics = [_metric(place, key, given) for key, given in raw.metrics.items()]
    events = [_event(place, key, given) for key, given in raw.events.items()]
    if raw.event_code is not None:
        events.append(_coded(place, raw.event_code))
    status = None
    if raw.status_word is not None:
        with place.at("status_word"):
            point = JsonPath(raw.status_word.point) if raw.status_word.point else None
            status = (JsonPath(raw.status_word.path), point)
    if not metrics and not events and status is None:
        raise MappingRefused(place.line("metrics"), f"rule {name!r} has no metrics and no events")
    return Rule(
        name, pattern, texts[0], texts[1], texts[2], time_path, time_format, each, tuple(metrics), tuple(events), status
    )


def _read_preset(place: _Place, raw: _Rule, name: str, texts: list[Text]) -> ThingsBoardRule:
    for key in ("time", "each", "events", "event_code", "status_word"):
        if getattr(raw, key):
            raise MappingRefused(place.line(key), f"{key} has no meaning beside a preset")
    conversions = {}
    for metric, given in raw.metrics.items():
        key, conversion = _keyed(place, metric, given)
        conversions[key] = conversion
    is_gateway = raw.preset == "thingsboard-gateway"
    with place.at("devices"):
        if raw.devices and not is_gateway:
            raise ValueError("only the preset thingsboard-gateway has devices")
        for device, unit in raw.devices.items():
            words = unit.split(".")
            if len(words) not in (2, 3) or words[-2] not in set(Kind) or not SLUG.fullmatch(words[-1]):
                raise ValueError(f"{device!r} must be a kind.unit or site.kind.unit, not {unit!r}")
    return ThingsBoardRule(
        name, read_pattern(raw.topic), texts[0], texts[1], texts[2], is_gateway, raw.devices, conversions
    )


def _text(key: str, word: str | _Word, names: frozenset[str]) -> Text:
    raw = word if isinstance(word, _Word) else _Word(source=word)
    if raw.source.startswith("$"):
        return Text(path=JsonPath(raw.source), words=raw.map, makes_slug=raw.slug)
    missing = names_in(raw.source) - names
    if missing:
        raise ValueError(f"the topic has no level called {{{sorted(missing)[0]}}}; name it there, or say {key} here")
    if not names_in(raw.source) and raw.map is None and not raw.slug:
        _check_word(key, raw.source)
    return Text(template=raw.source, words=raw.map, makes_slug=raw.slug)


def _check_word(key: str, word: str) -> None:
    if key == "kind" and word not in set(Kind):
        raise ValueError(f"{word!r} is none of {', '.join(Kind)}")
    if key != "kind" and not SLUG.fullmatch(word):
        raise ValueError(f"{word!r} must be small letters, digits and hyphens")


def _time(raw: str | _Time | None) -> tuple[JsonPath | None, TimeFormat]:
    if raw is None:
        return None, TimeFormat()
    given = raw if isinstance(raw, _Time) else _Time(path=raw)
    return JsonPath(given.path), read_format(given.format, given.zone)


def _conversion(metric: str, raw: _Metric) -> Conversion:
    if not 0 < len(metric) <= MAX_METRIC_NAME_LENGTH or not metric.isprintable():
        raise ValueError(f"a metric has 1 to {MAX_METRIC_NAME_LENGTH} printable characters")
    if raw.unit is not None and (raw.scale is not None or raw.offset is not None):
        raise ValueError("a unit, or scale and offset, but not both")
    scale, offset = raw.scale if raw.scale is not None else 1.0, raw.offset or 0.0
    if raw.unit is not None:
        scale, offset = named_conversion(metric, raw.unit)
    values = {key_of(key): float(value) for key, value in raw.map.items()} if raw.map is not None else None
    scale, divisor = fraction_of(scale)
    return Conversion(metric, scale, offset, divisor, values)


def _metric(place: _Place, metric: str, given: Any) -> MetricSource:
    with place.at(metric):
        raw = _Metric(path=given) if isinstance(given, str) else msgspec.convert(given, _Metric)
        if raw.path is None or raw.key is not None:
            raise ValueError("a metric of a rule has a path")
        return MetricSource(JsonPath(raw.path), _conversion(metric, raw))


def _keyed(place: _Place, metric: str, given: Any) -> tuple[str, Conversion]:
    with place.at(metric):
        raw = _Metric(key=given) if isinstance(given, str) else msgspec.convert(given, _Metric)
        if raw.key is None or raw.path is not None:
            raise ValueError("here a metric has a key, the name that the device gives it")
        return raw.key, _conversion(metric, raw)


def _event(place: _Place, code: str, given: Any) -> EventSource:
    with place.at(code):
        raw = _Event(path=given) if isinstance(given, str) else msgspec.convert(given, _Event)
        if not any(code in titles for titles in EVENT_TITLES.values()):
            raise ValueError("no kind has such an event code")
        point = JsonPath(raw.point) if raw.point else None
        return EventSource(code, JsonPath(raw.path), _conversion(code, _Metric(map=raw.map)), point)


def _coded(place: _Place, raw: _Coded) -> EventSource:
    with place.at("event_code"):
        codes: Mapping[str, str] | None = raw.codes if isinstance(raw.codes, dict) else None
        if isinstance(raw.codes, str):
            codes = LIFT_CODES.get(raw.codes.removeprefix("gb24476-"))
            if codes is None:
                known = ", ".join(f"gb24476-{edition}" for edition in LIFT_CODES)
                raise ValueError(f"codes is a map, or one of {known}")
        assert codes is not None
        for word, code in codes.items():
            if not any(code in titles for titles in EVENT_TITLES.values()):
                raise ValueError(f"{word!r} stands for {code!r}, which no kind has")
        return EventSource(
            "",
            JsonPath(raw.path),
            _conversion("event_code", _Metric(map=raw.map)),
            JsonPath(raw.point) if raw.point else None,
            codes,
            JsonPath(raw.on) if raw.on else None,
        )


def _read_sparkplug(place: _Place, item: Any) -> SparkplugRule:
    with place.at(""):
        raw = msgspec.convert(item, _Sparkplug)
    unit = None
    words = {"site": raw.site, "kind": raw.kind, "unit": raw.unit}
    if not raw.ignore:
        for key, word in words.items():
            with place.at(key):
                if word is None:
                    raise ValueError("is missing; or say ignore = true")
                _check_word(key, word)
        unit = UnitKey(raw.site or "", Kind(raw.kind or ""), raw.unit or "")
    with place.at("edge"):
        if raw.edge is None:
            raise ValueError("is missing; a rule for every node would make one unit of all")
    conversions = dict(_keyed(place, metric, given) for metric, given in raw.metrics.items())
    return SparkplugRule(raw.group, raw.edge, raw.device or "", Placement(unit, raw.ignore, conversions))
