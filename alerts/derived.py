"""Quantities that rules need and sensors do not send: rates, sums and counts over a unit's recent past.

All arrays run over the units of a kind; one update takes at most one row of each unit, in order of time.
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np

from models.equipment import Kind
from models.reading import Bools, Floats, Ints

MS_PER_MIN = 60_000
MS_PER_H = 3_600_000
SLOPE_WINDOW_MS = 60_000
# A hole in the data longer than this starts every rate anew.
MAX_GAP_MS = 15 * MS_PER_MIN
RATE_WINDOW_MS = MS_PER_H
RATE_FIRST_MS = 30 * MS_PER_MIN
RAIN_BUCKET_MS = 15 * MS_PER_MIN
RAIN_BUCKETS = 12
NEVER_MS = np.iinfo(np.int64).min
SITE_RAIN = "site_rain_mm_3h"
"""The most that any sump of the site tells of; known of silent ones only."""


Grown = TypeVar("Grown", Floats, Ints, Bools)


class States(Protocol):
    """Read and write access to the state columns of chosen units."""

    def get(self, column: str, units: Ints) -> Floats: ...

    def put(self, column: str, units: Ints, values: Floats) -> None: ...


DERIVED_COLUMNS: dict[Kind, tuple[str, ...]] = {
    Kind.ELEVATOR: (),
    Kind.PUMP: (
        "level_rise_m_per_min",
        "overflow_in_min",
        "cycles_without_other",
        "both_pumps_ran",
        "starts_per_h",
        "rain_mm_3h",
        "rain_known_min",
        SITE_RAIN,
    ),
    Kind.FIRE: ("jockey_starts_per_h",),
}


class CounterRate:
    """Counts per hour of a counter, from windows of an hour; the first answer comes after half of one.

    In a window that is not over yet one count is left out: starts exactly ten minutes apart are six an hour, although
    four of them fit into half of one. A counter that falls was reset: the window begins anew, and no negative rate
    appears.
    """

    def __init__(self, capacity: int) -> None:
        self.start_ms = np.full(capacity, NEVER_MS)
        self.start_count = np.full(capacity, np.nan)

    def grow(self, capacity: int) -> None:
        self.start_ms = _grown(self.start_ms, capacity, NEVER_MS)
        self.start_count = _grown(self.start_count, capacity, np.nan)

    def update(self, units: Ints, ts_ms: Ints, count: Floats, rate_before: Floats) -> Floats:
        start_ms, start_count = self.start_ms[units], self.start_count[units]
        known = ~np.isnan(count)
        is_new = known & ((start_ms == NEVER_MS) | (count < start_count) | (ts_ms < start_ms))
        elapsed = np.where(start_ms == NEVER_MS, 0, ts_ms - start_ms)
        has_rate = known & ~is_new & (elapsed >= RATE_FIRST_MS)
        is_over = has_rate & (elapsed >= RATE_WINDOW_MS)
        counted = np.where(is_over, count - start_count, np.maximum(count - start_count - 1, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(has_rate, counted * MS_PER_H / elapsed, rate_before)
        restart = is_new | is_over
        self.start_ms[units] = np.where(restart, ts_ms, start_ms)
        self.start_count[units] = np.where(restart, count, start_count)
        return np.where(is_new & (start_ms != NEVER_MS), np.nan, rate)


class PumpDerived:
    """Slope of the level, time to overflow, one-sided cycles, start rate, and rain of the last three hours."""

    def __init__(self, capacity: int, *, overflow_m: float) -> None:
        self.overflow_m = overflow_m
        self.level_ms = np.full(capacity, NEVER_MS)
        self.level_m = np.full(capacity, np.nan)
        self.was_running = np.zeros((capacity, 2), dtype=bool)
        self.cycles = np.zeros((capacity, 2))
        self.has_started = np.zeros((capacity, 2), dtype=bool)
        self.starts = CounterRate(capacity)
        self.rain_mm = np.zeros((capacity, RAIN_BUCKETS))
        self.rain_bucket = np.full(capacity, NEVER_MS)
        self.rain_ms = np.full(capacity, NEVER_MS)
        self.rain_first_ms = np.full(capacity, NEVER_MS)

    def grow(self, capacity: int) -> None:
        self.level_ms = _grown(self.level_ms, capacity, NEVER_MS)
        self.level_m = _grown(self.level_m, capacity, np.nan)
        self.was_running = _grown(self.was_running, capacity, False)
        self.cycles = _grown(self.cycles, capacity, 0.0)
        self.has_started = _grown(self.has_started, capacity, False)
        self.starts.grow(capacity)
        self.rain_mm = _grown(self.rain_mm, capacity, 0.0)
        self.rain_bucket = _grown(self.rain_bucket, capacity, NEVER_MS)
        self.rain_ms = _grown(self.rain_ms, capacity, NEVER_MS)
        self.rain_first_ms = _grown(self.rain_first_ms, capacity, NEVER_MS)

    def update(self, units: Ints, ts_ms: Ints, states: States, told: Mapping[str, Bools]) -> None:
        """`told` says for each metric which of the rows brought it anew."""
        if (has_level := told.get("level_m")) is not None:
            self._update_level(units[has_level], ts_ms[has_level], states)
        if "pump1_running" in told or "pump2_running" in told:
            self._update_cycles(units, states)
        _update_rate(self.starts, "starts_total", "starts_per_h", units, ts_ms, states, told)
        self._update_rain(units, ts_ms, states)

    def _update_level(self, units: Ints, ts_ms: Ints, states: States) -> None:
        level, before_m, before_ms = states.get("level_m", units), self.level_m[units], self.level_ms[units]
        elapsed = np.where(before_ms == NEVER_MS, -1, ts_ms - before_ms)
        is_due = elapsed >= SLOPE_WINDOW_MS
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(
                is_due, (level - before_m) * MS_PER_MIN / elapsed, states.get("level_rise_m_per_min", units)
            )
            slope = np.where(elapsed > MAX_GAP_MS, np.nan, slope)
            minutes = np.where(slope > 0, np.maximum(self.overflow_m - level, 0) / slope, np.nan)
        restart = is_due | (elapsed < 0)
        self.level_ms[units] = np.where(restart, ts_ms, before_ms)
        self.level_m[units] = np.where(restart, level, before_m)
        states.put("level_rise_m_per_min", units, slope)
        states.put("overflow_in_min", units, minutes)

    def _update_cycles(self, units: Ints, states: States) -> None:
        running = np.column_stack([states.get("pump1_running", units), states.get("pump2_running", units)])
        started = (running == 1) & ~self.was_running[units]
        other_started = started[:, ::-1]
        cycles = np.where(started, 0.0, self.cycles[units] + (other_started & ~started))
        self.cycles[units] = cycles
        self.was_running[units] = running == 1
        self.has_started[units] |= started
        has_both = ~np.isnan(running).any(axis=1)
        states.put("cycles_without_other", units, np.where(has_both, cycles.max(axis=1), np.nan))
        both_ran: Floats = np.where(self.has_started[units].all(axis=1), 1.0, 0.0)
        states.put("both_pumps_ran", units, both_ran)

    def _update_rain(self, units: Ints, ts_ms: Ints, states: States) -> None:
        rain = states.get("rain_mm_h", units)
        has_rain = ~np.isnan(rain)
        if not has_rain.any():
            return
        units, ts_ms, rain = units[has_rain], ts_ms[has_rain], rain[has_rain]
        bucket, last_bucket = ts_ms // RAIN_BUCKET_MS, self.rain_bucket[units]
        # Buckets between the last one and this one have seen no rain of which we know.
        passed = np.where(last_bucket == NEVER_MS, RAIN_BUCKETS, np.clip(bucket - last_bucket, 0, RAIN_BUCKETS))
        age = (bucket[:, None] - np.arange(RAIN_BUCKETS)) % RAIN_BUCKETS
        amounts = np.where(age < passed[:, None], 0.0, self.rain_mm[units])
        last_ms = self.rain_ms[units]
        elapsed = np.where(last_ms == NEVER_MS, 0, np.clip(ts_ms - last_ms, 0, MAX_GAP_MS))
        amounts[np.arange(len(units)), bucket % RAIN_BUCKETS] += rain * elapsed / MS_PER_H
        first_ms = self.rain_first_ms[units]
        is_gap = (last_ms == NEVER_MS) | (ts_ms - last_ms > MAX_GAP_MS) | (ts_ms < first_ms)
        first_ms = np.where(is_gap, ts_ms, first_ms)
        self.rain_first_ms[units] = first_ms
        self.rain_mm[units], self.rain_bucket[units], self.rain_ms[units] = amounts, bucket, ts_ms
        states.put("rain_mm_3h", units, amounts.sum(axis=1))
        # What fell before the watch began, or while it heard nothing, is not in the sum.
        known_min: Floats = (ts_ms - first_ms) / MS_PER_MIN
        states.put("rain_known_min", units, known_min)


class FireDerived:
    """Start rate of the jockey pump."""

    def __init__(self, capacity: int) -> None:
        self.jockey = CounterRate(capacity)

    def grow(self, capacity: int) -> None:
        self.jockey.grow(capacity)

    def update(self, units: Ints, ts_ms: Ints, states: States, told: Mapping[str, Bools]) -> None:
        _update_rate(self.jockey, "jockey_starts_total", "jockey_starts_per_h", units, ts_ms, states, told)


def _update_rate(
    counter: CounterRate,
    metric: str,
    column: str,
    units: Ints,
    ts_ms: Ints,
    states: States,
    told: Mapping[str, Bools],
) -> None:
    if (is_told := told.get(metric)) is not None:
        units, ts_ms = units[is_told], ts_ms[is_told]
        states.put(column, units, counter.update(units, ts_ms, states.get(metric, units), states.get(column, units)))


def _grown(array: Grown, capacity: int, fill: float) -> Grown:
    larger = np.full((capacity, *array.shape[1:]), fill, dtype=array.dtype)
    larger[: len(array)] = array
    return larger
