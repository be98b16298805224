"""Values of Sparkplug metrics as numbers, and the definitions that a birth gives them."""

import math
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from ingest.errors import Reason, Unreadable
from ingest.sparkplug_schema import Payload
from ingest.wire import MAX_PAYLOAD_BYTES

SEQUENCE_METRIC = "bdSeq"
CONTROL_PREFIXES = ("Node Control/", "Device Control/")
REBIRTH_METRIC = "Node Control/Rebirth"
BOOLEAN = 11
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""Int8, Int16, Int32, Int64: two's complement in an unsigned field."""
_CONTAINER_BITS = {"int_value": 32, "long_value": 64}
_NUMBERS = frozenset({"int_value", "long_value", "float_value", "double_value", "boolean_value"})


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a birth said of its metrics: names of aliases, and data types of names."""

    name_of: dict[int, str] = field(default_factory=dict)
    type_of: dict[str, int] = field(default_factory=dict)


def read_payload(content: bytes) -> Any:
    """Raises Unreadable for what is no Sparkplug B payload, or a compressed one."""
    if len(content) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(content)} bytes, {MAX_PAYLOAD_BYTES} at most")
    try:
        payload = Payload.FromString(content)
    except DecodeError as error:
        raise Unreadable(Reason.NOT_PROTOBUF, str(error)[:200]) from error
    if payload.uuid == "SPBV1.0_COMPRESSED":
        raise Unreadable(Reason.WRONG_SHAPE, "compressed Sparkplug payloads are not read")
    return payload


def define(payload: Any) -> Definitions:
    """The definitions in a birth. Raises Unreadable for a metric without a name and for an alias given twice."""
    found = Definitions()
    for metric in payload.metrics:
        if not metric.name:
            raise Unreadable(Reason.WRONG_SHAPE, "a metric of a birth has no name")
        found.type_of[metric.name] = metric.datatype
        if metric.HasField("alias"):
            other = found.name_of.setdefault(metric.alias, metric.name)
            if other != metric.name:
                detail = f"alias {metric.alias} is both {other[:60]!r} and {metric.name[:60]!r}"
                raise Unreadable(Reason.WRONG_SHAPE, detail)
    return found


def birth_death_number(payload: Any) -> int | None:
    """bdSeq, which binds a death to its birth."""
    for metric in payload.metrics:
        if metric.name == SEQUENCE_METRIC and metric.WhichOneof("value") in _CONTAINER_BITS:
            return int(getattr(metric, metric.WhichOneof("value")))
    return None


def number_in(metric: Any, datatype: int) -> float | bool | None:
    """The metric's value; None when it says that it has none, or is not a number.

    Integers beyond 2**53 lose their last digits, like every stored value. Raises Unreadable for an infinite one.
    """
    place = metric.WhichOneof("value")
    if metric.is_null or place not in _NUMBERS:
        return None
    value = getattr(metric, place)
    if place == "boolean_value":
        return bool(value)
    container = _CONTAINER_BITS.get(place)
    if container is None:
        if math.isinf(value):
            raise Unreadable(Reason.NOT_FINITE, "an infinite value")
        return None if math.isnan(value) else float(value)
    if datatype == BOOLEAN:
        return bool(value)
    bits = _SIGNED_BITS.get(datatype)
    if bits is not None:
        # Senders differ: an Int8 of -1 comes as 0xFF, as 0xFFFFFFFF or in 64 bits.
        if value >= 1 << (container - 1):
            value -= 1 << container
        elif 1 << (bits - 1) <= value < 1 << bits:
            value -= 1 << bits
    return float(value)


def is_text(metric: Any) -> bool:
    """Whether a value stands there that is no number."""
    place = metric.WhichOneof("value")
    return not metric.is_null and place is not None and place not in _NUMBERS


def rebirth_command(*, now_ms: int) -> bytes:
    """The payload of the one command we may ever send: that a node tell its births again."""
    payload = Payload(timestamp=now_ms)
    payload.metrics.add(name=REBIRTH_METRIC, timestamp=now_ms, datatype=BOOLEAN, boolean_value=True)
    return bytes(payload.SerializeToString())
