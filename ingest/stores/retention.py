"""How long values are kept, and which resolution answers a question: single values, minutes, or hours."""

from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Milliseconds that single values, minutes and hours are kept; None is for ever."""

    raw_ms: int | None = None
    minute_ms: int | None = None
    hour_ms: int | None = None

    def __post_init__(self) -> None:
        ages = [self.raw_ms, self.minute_ms, self.hour_ms]
        if any(age is not None and age <= 0 for age in ages):
            raise ValueError("values are kept for some time or for ever")
        lengths = [float("inf") if age is None else age for age in ages]
        if lengths != sorted(lengths):
            raise ValueError("minutes are kept at least as long as single values, and hours as long as minutes")


FOR_EVER = Retention()


def floor_to(t_ms: int, width_ms: int) -> int:
    """The multiple of the width at or before a time, before 1970 too."""
    return t_ms // width_ms * width_ms


def ceil_to(t_ms: int, width_ms: int) -> int:
    return -(-t_ms // width_ms) * width_ms


def width_for(start_ms: int, end_ms: int, step_ms: int) -> int | None:
    """Width of the coarsest roll-up whose rows fall into steps whole, with at least one row inside the range.

    >>> width_for(0, 7_200_000, 3_600_000), width_for(1, 7_000_000, 3_600_000), width_for(0, 7_200_000, 10_000)
    (3600000, 60000, None)
    """
    for width_ms in (HOUR_MS, MINUTE_MS):
        if step_ms % width_ms == 0 and ceil_to(start_ms, width_ms) < floor_to(end_ms, width_ms):
            return width_ms
    return None
