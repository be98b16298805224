"""Cumulative sums against a baseline that stands still: what creeps for days, and what has changed for good.

Every channel is measured against the median of its daily means in the fit rows, in units of how much the mean of a day
(`rows_per_day` rows) wanders there. Two sums a channel, upward and downward, add what exceeds an allowance (Page,
Continuous inspection schemes, 1954). Small steps that last add up; a single wild row cannot, for what one row adds is
bounded.

The allowance of one day's deviation also covers that the baseline is itself the mean of some fourteen days and hence
uncertain by a quarter of a day's deviation. A day's deviation known from so few days is taken as larger than measured
(by the ratio of the 0.999 quantiles of Student's and the normal distribution), is never below what independent rows
would give, and never below half of the least change that matters to people (`least_change` in the channel's unit,
`least_share` of its level).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from models.detectors.contract import (
    Described,
    FitFacts,
    NotEnoughHistory,
    NothingVaries,
    Scores,
    StateArrays,
    check_state,
)
from models.reading import Bools, Floats, Ints

LEAST_DAYS = 14
LEAST_TOLD_SHARE = 0.5
USUAL_SHARE_OF_A_DAY = 0.4
"""A day on which a channel told less than this part of what it usually tells says little of its mean."""
ALLOWANCE = 1.0
LIMIT = 6.0
"""In day deviations. With the allowance of one, independent days pass it once in tens of thousands of years
(Siegmund's approximation: exp(2 · 7.2) / 2 days a channel); what is left for, is days that are not independent."""
MOST_A_ROW = LIMIT / 4
HIGHEST = 2 * LIMIT
"""The sums stop here, so that what ended can be seen to have ended."""
LEAVE_PER_DAY = 2.0
REBASELINE_DAYS = 7
FIRST_CAPACITY = 8
CONFIDENCE = 0.999
SETTINGS = frozenset({"_least_change", "_least_share", "_counts"})
ONES = frozenset({"deviation", "pace"})


class SlowChange:
    """A `Detector` of rows at a steady pace, say hourly ones without their daily rhythm. It never adapts by itself.

    `worse` names channels of which only one direction is a fault (1 up, -1 down); a lasting move of the other kind
    (a new brake) is no alarm. A frozen slot (in alarm) lets its sums go once the last day is near the baseline.
    """

    def __init__(
        self,
        channels: tuple[str, ...],
        *,
        rows_per_day: int = 24,
        least_change: Mapping[str, float] | None = None,
        least_share: Mapping[str, float] | None = None,
        worse: Mapping[str, int] | None = None,
        least_told_share: float = LEAST_TOLD_SHARE,
    ) -> None:
        self._channels = channels
        self.rows_per_day = rows_per_day
        self.least_told_share = least_told_share
        self._least_change = np.array([(least_change or {}).get(name, 0.0) for name in channels])
        self._least_share = np.array([(least_share or {}).get(name, 0.0) for name in channels])
        worse_of = np.array([(worse or {}).get(name, 0) for name in channels])
        self._counts = np.stack([worse_of >= 0, worse_of <= 0]) if channels else np.zeros((2, 0), dtype=bool)
        width = len(channels)
        # Fitted: level, deviation of a day's mean, what is usual. Carried: the sums up and down, the last day's mean.
        self._is_used = np.zeros((0, width), dtype=bool)
        self._level = np.zeros((0, width))
        self._deviation = np.ones((0, width))
        self._low = np.zeros((0, width))
        self._high = np.zeros((0, width))
        self._sums = np.zeros((0, 2, width))
        self._recent = np.zeros((0, width))
        # Rows of a day in which the channel usually tells something.
        self._pace = np.ones((0, width))
        # While a new level is taken: how many rows of each channel it rests on so far, and how many rows are to come.
        self._new_rows = np.zeros((0, width))
        self._rows_to_come = np.zeros(0, dtype=np.int64)

    @property
    def channels(self) -> tuple[str, ...]:
        return self._channels

    def fit(self, slot: int, history: Floats) -> FitFacts:
        told = ~np.isnan(history)
        have, need = int(told.any(axis=1).sum()), LEAST_DAYS * self.rows_per_day
        if have < need:
            raise NotEnoughHistory(have_rows=have, need_rows=need)
        is_told = told.sum(axis=0) >= self.least_told_share * have
        constant: list[int] = []
        used: list[int] = []
        for c in np.flatnonzero(is_told).tolist():
            values = history[told[:, c], c]
            (used if np.ptp(values) > 1e-12 * np.abs(values).max(initial=0.0) else constant).append(c)
        if not used:
            raise NothingVaries(tuple(self._channels[c] for c in constant) or self._channels)
        self.reserve(slot)
        self._clear(slot)
        self._is_used[slot, used] = True
        for c in used:
            self._fit_channel(slot, c, history[:, c])
        return FitFacts(
            rows=have,
            used=tuple(self._channels[c] for c in used),
            constant=tuple(self._channels[c] for c in constant),
            missing=tuple(name for name, told_enough in zip(self._channels, is_told, strict=True) if not told_enough),
        )

    def _fit_channel(self, slot: int, c: int, column: Floats) -> None:
        days = column[: len(column) // self.rows_per_day * self.rows_per_day].reshape(-1, self.rows_per_day)
        told = ~np.isnan(days)
        counts = told.sum(axis=1)
        pace = max(1.0, float(np.median(counts[counts > 0]))) if counts.any() else 1.0
        means = np.where(told, days, 0.0).sum(axis=1) / np.maximum(counts, 1)
        means = means[counts >= USUAL_SHARE_OF_A_DAY * pace]
        values = column[~np.isnan(column)]
        low, middle, high = np.quantile(values, [0.01, 0.5, 0.99])
        # Sums follow means: of counts, the middle row and the mean of a day may lie a deviation apart for ever.
        level = float(np.median(means)) if len(means) > 2 else middle
        independent = (high - low) / (2 * stats.norm.ppf(0.99)) / np.sqrt(pace)
        doubt = stats.t.ppf(CONFIDENCE, max(len(means), 3) - 1) / stats.norm.ppf(CONFIDENCE)
        deviation = float(np.std(means, ddof=1)) if len(means) > 2 else 0.0
        least = max(self._least_change[c], self._least_share[c] * abs(level)) / 2
        self._level[slot, c] = level
        self._deviation[slot, c] = max(deviation * doubt, independent, least, np.ptp(values) * 1e-9)
        self._low[slot, c], self._high[slot, c] = low, high
        self._recent[slot, c] = level
        self._pace[slot, c] = pace

    def score(self, slots: Ints, values: Floats, *, is_frozen: Bools | None = None) -> Scores:
        told = ~np.isnan(values) & self._is_used[slots]
        is_renewing = self._rows_to_come[slots] > 0
        if is_renewing.any():
            self._take_level(slots[is_renewing], values[is_renewing], told[is_renewing])
        deviation = self._deviation[slots]
        z = np.where(told, (values - self._level[slots]) / deviation, 0.0)
        weight = 1.0 / self._pace[slots]
        step = np.minimum((np.stack([z, -z], axis=1) - ALLOWANCE) * weight[:, None, :], MOST_A_ROW)
        adds = told[:, None, :] & self._counts & ~is_renewing[:, None, None]
        sums = np.clip(np.where(adds, self._sums[slots] + step, self._sums[slots]), 0.0, HIGHEST)
        recent = np.where(told, self._recent[slots] + weight * (values - self._recent[slots]), self._recent[slots])
        self._recent[slots] = recent
        if is_frozen is not None and is_frozen.any():
            # The alarm stands and the last day was near the baseline: it was repaired, or has passed.
            now = (recent - self._level[slots]) / deviation
            is_back = told[:, None, :] & is_frozen[:, None, None] & (np.stack([now, -now], axis=1) < ALLOWANCE / 2)
            sums = np.where(is_back, sums * np.exp(-LEAVE_PER_DAY * weight)[:, None, :], sums)
        self._sums[slots] = sums
        highest = sums.max(axis=1, initial=0.0)
        anomaly_score = highest.max(axis=1, initial=0.0) / LIMIT
        share = np.where(self._is_used[slots], highest + 1e-9, 0.0)
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
        is_scored = told.any(axis=1) & ~is_renewing
        return Scores(
            anomaly_score=np.where(is_scored, anomaly_score, np.nan),
            threshold=np.ones(len(slots)),
            contributions=share,
        )

    def _take_level(self, slots: Ints, values: Floats, told: Bools) -> None:
        """The level moves to the mean of the rows since the rebaseline; nothing is judged meanwhile."""
        rows = self._new_rows[slots] + told
        step = np.where(told, (values - self._level[slots]) / np.maximum(rows, 1), 0.0)
        self._level[slots] += step
        self._low[slots] += step
        self._high[slots] += step
        self._new_rows[slots] = rows
        self._rows_to_come[slots] -= told.any(axis=1)

    def describe(self, slots: Ints) -> Described:
        used = self._is_used[slots]
        return Described(*(np.where(used, part[slots], np.nan) for part in (self._recent, self._low, self._high)))

    def interrupt(self, slots: Ints) -> None:
        """A sum does not depend on what lies between two rows: nothing to forget."""

    def rebaseline(self, slots: Ints, *, keeps_relations: bool = False) -> None:
        if keeps_relations:
            # The unit was only away; wear does not heal by that.
            return
        self._sums[slots] = 0.0
        self._new_rows[slots] = 0.0
        self._rows_to_come[slots] = REBASELINE_DAYS * self.rows_per_day

    def release(self, slot: int) -> None:
        self.reserve(slot)
        self._clear(slot)

    def state_of(self, slot: int) -> dict[str, npt.NDArray[Any]]:
        return {name: array[slot].copy() for name, array in self._arrays().items()}

    def load(self, slot: int, arrays: StateArrays) -> None:
        check_state(arrays, {name: np.empty(array.shape[1:], array.dtype) for name, array in self._arrays().items()})
        self.reserve(slot)
        for name, array in self._arrays().items():
            array[slot] = arrays[name]

    def state_bytes(self) -> int:
        return sum(array.nbytes for array in self._arrays().values())

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            name.lstrip("_"): value
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray) and name not in SETTINGS
        }

    def _clear(self, slot: int) -> None:
        for name, array in self._arrays().items():
            array[slot] = 1 if name in ONES else 0

    def reserve(self, slot: int) -> None:
        """Makes room for the slot, not fitted."""
        have = len(self._level)
        if slot < have:
            return
        more = max(slot + 1, have + have // 2, FIRST_CAPACITY) - have
        for name, array in self._arrays().items():
            fill = 1 if name in ONES else 0
            extra = np.full((more, *array.shape[1:]), fill, dtype=array.dtype)
            setattr(self, f"_{name}", np.concatenate([array, extra]))
