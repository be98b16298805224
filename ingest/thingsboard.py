"""ThingsBoard's telemetry shapes, read through a preset of the mapping rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Counter

from ingest.conversion import Conversion
from ingest.errors import Reason, Unreadable
from ingest.foreign_time import TimeFormat
from ingest.mapping import Text, unit_of_words
from ingest.topic_pattern import TopicPattern
from ingest.wire import MAX_READINGS, Said
from models.reading import UnitKey

_TIME = TimeFormat("ms")

texts_total = Counter("liandong_thingsboard_texts", "ThingsBoard values that are no numbers and were left out")


@dataclass(frozen=True, slots=True)
class ThingsBoardRule:
    """`{ts, values}`, an array of these, or bare values, of one unit; or of many when `is_gateway`.

    A gateway's devices are named in `devices` (name → `kind.unit` or `site.kind.unit`), or are called so themselves.
    """

    name: str
    pattern: TopicPattern
    site: Text
    kind: Text
    unit: Text
    is_gateway: bool = False
    devices: Mapping[str, str] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)

    def read(
        self, parts: dict[str, str], document: object, *, received_ms: int, said: Said, is_retained: bool = False
    ) -> None:
        """Adds what the document says. Raises Unreadable. What is retained and bears no time says nothing."""
        before = len(said.readings)
        self._read(parts, document, received_ms, said)
        if is_retained:
            said.readings[before:] = [reading for reading in said.readings[before:] if reading[1] != received_ms]

    def _read(self, parts: dict[str, str], document: object, received_ms: int, said: Said) -> None:
        if not self.is_gateway:
            words = [text.read(what, parts, document) for what, text in self._texts()]
            self._read_unit(unit_of_words(*words), document, received_ms, said)
            return
        if not isinstance(document, dict):
            raise Unreadable(Reason.WRONG_SHAPE, "expected {device: [{ts, values}]}")
        for device, told in document.items():
            self._read_unit(self._unit_called(device, parts, document), told, received_ms, said)

    def _texts(self) -> tuple[tuple[str, Text], ...]:
        return ("site", self.site), ("kind", self.kind), ("unit", self.unit)

    def _unit_called(self, device: str, parts: dict[str, str], document: object) -> UnitKey:
        words = self.devices.get(device, device).split(".")
        if len(words) == 2:
            words.insert(0, self.site.read("site", parts, document))
        if len(words) != 3:
            raise Unreadable(Reason.UNMAPPED, f"device {device[:80]!r} is no kind.unit, and not in the rule's devices")
        return unit_of_words(*words)

    def _read_unit(self, unit: UnitKey, told: object, received_ms: int, said: Said) -> None:
        items: list[Any] = told if isinstance(told, list) else [told]
        if len(items) + len(said.readings) > MAX_READINGS:
            raise Unreadable(Reason.TOO_MANY_READINGS, f"more than {MAX_READINGS} readings")
        for item in items:
            if not isinstance(item, dict):
                raise Unreadable(Reason.WRONG_SHAPE, "expected {ts, values}")
            values, ts_ms = item, received_ms
            if isinstance(item.get("values"), dict):
                values = item["values"]
                if "ts" in item:
                    ts_ms = _TIME.read(item["ts"], now_ms=received_ms)
            numbers = self._numbers(values)
            if numbers:
                said.readings.append((unit, ts_ms, numbers))

    def _numbers(self, values: dict[str, Any]) -> dict[str, float | bool]:
        found: dict[str, float | bool] = {}
        for key, value in values.items():
            conversion = self.conversions.get(key)
            try:
                number = (conversion or Conversion(key)).convert(value)
            except (ValueError, OverflowError) as error:
                if conversion is not None:
                    raise Unreadable(Reason.RULE_NOT_MET, f"{key[:80]}: {error}") from error
                # A text attribute between the measurements is usual here.
                texts_total.inc()
                continue
            if number is None:
                continue
            if not abs(number) < float("inf"):
                raise Unreadable(Reason.NOT_FINITE, key[:80])
            found[conversion.metric if conversion else key] = number
        return found
