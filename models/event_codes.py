"""Coded words of the standards: lift codes of GB/T 24476 by edition, component states of GB/T 26875.3."""

from collections.abc import Mapping
from types import MappingProxyType

from models.equipment import EVENT_TITLES, Kind

STATUS_WORD_METRIC = "component_status"
"""A component's state as a word of bits, for the system itself; `component_status.3-12` for the point 3-12."""

STATUS_BITS: Mapping[int, str] = MappingProxyType(
    {
        1: "fire",
        2: "fault",
        3: "disabled",
        4: "supervisory",
        5: "started",
        6: "feedback",
        7: "delay",
        8: "power_fault",
    }
)
"""GB/T 26875.3, component status. Bit 0 tells normal operation (1) from test (0) and is no event."""


def _lift_codes() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for code in EVENT_TITLES[Kind.ELEVATOR]:
        number = code.partition(".")[2]
        found |= {number: code, str(int(number)): code, code: code}
    return MappingProxyType(found)


LIFT_CODES: Mapping[str, Mapping[str, str]] = MappingProxyType({"2023": _lift_codes()})
"""Edition of GB/T 24476 → what a device sends → code of the contract. A further edition, or a maker's own list, is a
further entry here or a map in a rule."""


def status_point(metric: str) -> str | None:
    """The point whose status word the metric is, empty for the system itself; None for any other metric."""
    if not metric.startswith(STATUS_WORD_METRIC):
        return None
    rest = metric[len(STATUS_WORD_METRIC) :]
    if not rest:
        return ""
    return rest[1:] if rest[0] == "." and len(rest) > 1 else None


def states_in(word: int) -> frozenset[str]:
    """Codes whose bit is set."""
    return frozenset(code for bit, code in STATUS_BITS.items() if word >> bit & 1)
