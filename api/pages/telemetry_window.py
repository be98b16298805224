"""Which stretch of a unit's readings a chart shows, and in which steps.

Windows end at the unit's newest reading, not at now: a recording made years ago is looked at as it was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from api.instants import UnreadableInstant, read_instant
from api.translations import msgid
from ingest.stores.contract import Point, TelemetryStore
from models.reading import UnitKey

MS_PER_S, MS_PER_MIN, MS_PER_H, MS_PER_D = 1000, 60_000, 3_600_000, 86_400_000

WINDOWS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "1h": (msgid("1 hour"), MS_PER_H),
        "6h": (msgid("6 hours"), 6 * MS_PER_H),
        "24h": (msgid("24 hours"), 24 * MS_PER_H),
        "7d": (msgid("7 days"), 7 * MS_PER_D),
    }
)
ALL, CUSTOM = "all", "custom"
DEFAULT_WINDOW = "1h"
MAX_STEPS = 430
FINDING_STEP_MS = 7 * MS_PER_D
STEPS_MS = (
    *(s * MS_PER_S for s in (1, 2, 5, 10, 15, 30)),
    *(m * MS_PER_MIN for m in (1, 2, 5, 10, 15, 30)),
    *(h * MS_PER_H for h in (1, 2, 6, 12)),
    *(d * MS_PER_D for d in (1, 2, 7, 14, 28)),
)
AROUND_LEAST_MS, AROUND_MOST_MS = 5 * MS_PER_MIN, 6 * MS_PER_H
CROP_SHARE = 0.15
ENOUGH_POINTS = 12


@dataclass(frozen=True, slots=True)
class Window:
    """[start_ms, end_ms). `choice` is a key of WINDOWS, `all` or `custom`."""

    start_ms: int
    end_ms: int
    choice: str

    @property
    def step_ms(self) -> int:
        """The finest step that keeps a chart readable."""
        span_ms = self.end_ms - self.start_ms
        return next((step for step in STEPS_MS if span_ms <= step * MAX_STEPS), STEPS_MS[-1])


def asked_window(window: str, start: str, end: str, *, newest_ms: int) -> Window | None:
    """The window an address asks for; None when it asks for none, or for what is no window."""
    if start or end:
        try:
            end_ms = read_instant(end) if end else newest_ms + 1
            start_ms = read_instant(start) if start else end_ms - WINDOWS[DEFAULT_WINDOW][1]
        except UnreadableInstant:
            return None
        return Window(start_ms, end_ms, CUSTOM) if start_ms < end_ms else None
    if window in WINDOWS:
        return Window(newest_ms + 1 - WINDOWS[window][1], newest_ms + 1, window)
    return None


def whole_window(store: TelemetryStore, unit: UnitKey, metric: str, *, newest_ms: int) -> Window:
    """From the first reading of the metric to the last; the first is found in two looks, the coarse one first."""
    weeks = store.points(unit, metric, start_ms=0, end_ms=newest_ms + 1, step_ms=FINDING_STEP_MS)
    first_ms = weeks[0].t_ms if weeks else newest_ms
    return cropped(store, unit, metric, Window(max(0, first_ms), newest_ms + 1, ALL), least_share=0.0)


def default_window(store: TelemetryStore, unit: UnitKey, metric: str, *, least_ms: int, newest_ms: int) -> Window:
    """The shortest window that reaches `least_ms` back and holds enough: a lift tells little in a quiet hour."""
    window = Window(0, newest_ms + 1, ALL)
    for choice, (_, length_ms) in WINDOWS.items():
        window = Window(newest_ms + 1 - length_ms, newest_ms + 1, choice)
        if length_ms >= least_ms:
            points = store.points(unit, metric, start_ms=window.start_ms, end_ms=window.end_ms, step_ms=window.step_ms)
            if len(points) >= ENOUGH_POINTS:
                break
    return cropped(store, unit, metric, window)


def cropped(
    store: TelemetryStore, unit: UnitKey, metric: str, window: Window, *, least_share: float = CROP_SHARE
) -> Window:
    """The window without the part before the first reading, where that part is more than a share of it."""
    points = store.points(unit, metric, start_ms=window.start_ms, end_ms=window.end_ms, step_ms=window.step_ms)
    if not points:
        return window
    first_ms = max(points[0].t_ms, window.start_ms)
    if first_ms - window.start_ms <= least_share * (window.end_ms - window.start_ms):
        return window
    return Window(min(first_ms, window.end_ms - MS_PER_S), window.end_ms, window.choice)


def around(start_ms: int, end_ms: int) -> tuple[int, int]:
    """A stretch with as much before and after it as is needed to see what was different."""
    margin_ms = min(max((end_ms - start_ms) // 2, AROUND_LEAST_MS), AROUND_MOST_MS)
    return max(0, start_ms - margin_ms), end_ms + margin_ms


def condensed(points: list[Point], *, rows: int) -> list[Point]:
    """At most `rows` points, neighbours joined; means weighted by their counts."""
    size = -(-len(points) // rows) if points else 1
    return [_joined(points[start : start + size]) for start in range(0, len(points), size)]


def _joined(points: list[Point]) -> Point:
    n = sum(point.n for point in points)
    mean = sum(point.mean * point.n for point in points) / n
    return Point(points[0].t_ms, mean, min(p.min for p in points), max(p.max for p in points), n)
