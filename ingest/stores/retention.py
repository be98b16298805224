"""How long values are kept, and which resolution answers a question: single values, minutes, or hours."""

from collections.abc import Collection
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

    @property
    def in_words(self) -> str:
        """What the doctor says.

        >>> Retention(raw_ms=90 * DAY_MS).in_words
        'keeps single values 90 days, minutes for ever, hours for ever'
        """
        named = (("single values", self.raw_ms), ("minutes", self.minute_ms), ("hours", self.hour_ms))
        told = [f"{what} {'for ever' if age is None else f'{age / DAY_MS:g} days'}" for what, age in named]
        return f"keeps {', '.join(told)}"


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


@dataclass(frozen=True, slots=True)
class Part:
    """Rows with start_ms <= t < end_ms answer for this part; `width_ms` is 1 for single values."""

    width_ms: int
    start_ms: int
    end_ms: int


def parts(
    start_ms: int,
    end_ms: int,
    step_ms: int,
    *,
    raw_from_ms: int,
    minutes_from_ms: int,
    stale_hours: Collection[int] = frozenset(),
) -> list[Part]:
    """Which rows answer a question where single values are kept from `raw_from_ms` on, and minutes from the other time.

    Both are full hours. Each value is in one part. `stale_hours` begin hours whose roll-ups do not hold yet. Where
    single values are gone, the minute or hour that holds the start of the range counts whole.

    >>> parts(30_000, 7_200_000, 3_600_000, raw_from_ms=0, minutes_from_ms=0)
    [Part(width_ms=1, start_ms=30000, end_ms=60000), Part(width_ms=60000, start_ms=60000, end_ms=3600000), \
Part(width_ms=3600000, start_ms=3600000, end_ms=7200000)]
    """
    zones = (
        (HOUR_MS, start_ms, min(end_ms, minutes_from_ms)),
        (MINUTE_MS, max(start_ms, minutes_from_ms), min(end_ms, raw_from_ms)),
        (1, max(start_ms, raw_from_ms), end_ms),
    )
    found: list[Part] = []
    for finest_ms, zone_start, zone_end in zones:
        widths = [width for width in (HOUR_MS, MINUTE_MS) if width > finest_ms and step_ms % width == 0]
        for part in _covered(zone_start, zone_end, [*widths, finest_ms]):
            found += _without_stale(part, stale_hours) if part.width_ms > finest_ms == 1 else [part]
    return found


def _covered(start_ms: int, end_ms: int, widths: list[int]) -> list[Part]:
    """Whole rows of the first width inside, and of the following widths at the edges."""
    if start_ms >= end_ms:
        return []
    width_ms, *finer = widths
    if not finer:
        return [Part(width_ms, floor_to(start_ms, width_ms), end_ms)]
    inner = ceil_to(start_ms, width_ms), floor_to(end_ms, width_ms)
    if inner[0] >= inner[1]:
        return _covered(start_ms, end_ms, finer)
    return [*_covered(start_ms, inner[0], finer), Part(width_ms, *inner), *_covered(inner[1], end_ms, finer)]


def _without_stale(part: Part, stale_hours: Collection[int]) -> list[Part]:
    """The part with single values instead of roll-ups in stale hours."""
    found, at_ms = [], part.start_ms
    for hour in sorted(stale_hours):
        start_ms, end_ms = max(hour, at_ms), min(hour + HOUR_MS, part.end_ms)
        if start_ms < end_ms:
            if at_ms < start_ms:
                found.append(Part(part.width_ms, at_ms, start_ms))
            found.append(Part(1, start_ms, end_ms))
            at_ms = end_ms
    if at_ms < part.end_ms:
        found.append(Part(part.width_ms, at_ms, part.end_ms))
    return found
