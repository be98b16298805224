"""Lag-embedded PCA on channels measured against their own slow average, smoothed like a MEWMA; many units at once.

A row is judged in four steps:

1. Each channel is measured against its slow exponentially weighted average, in units of its spread in the fit rows.
   The average follows normal drift and stands still while the unit is in alarm.
2. The last rows stand side by side in one vector, so that relations over time count as relations between channels
   (dynamic PCA: Ku, Storer and Georgakis 1995).
3. The vector is split by the principal components of the fit rows. T² in the components and Q (squared residual) beside
   them are each divided by their mean in the fit rows and added, the combined index of Yue and Qin (2001), which needs
   no limit of its own for each (Jackson and Mudholkar 1979 give one for Q). Its square root is a linear map, so each
   channel's share is a sum of squares (complete decomposition contributions, Alcala and Qin 2009).
4. The mapped vector is averaged over the last rows before it is squared (MEWMA: Lowry, Woodall, Champ and Rigdon 1992),
   so that a small lasting shift weighs more than noise.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import lfilter

from models.calibration import DEFAULT_BUDGET, Budget, threshold
from models.detectors.contract import FitFacts, NotEnoughHistory, NothingVaries, Scores
from models.reading import Bools, Floats, Ints

LEAST_FIT_ROWS = 50
LEAST_TOLD_SHARE = 0.5
CONSTANT_BELOW = 1e-9


@dataclass(frozen=True, slots=True)
class Tuning:
    """`baseline_rows` and `smoothing_rows` are time constants; `explained` the share of variance the components keep.

    `clip` bounds a single value's distance, in spreads, so that one wild reading does not outweigh a lasting change.
    """

    lags: int = 3
    baseline_rows: float = 200.0
    smoothing_rows: float = 10.0
    explained: float = 0.9
    clip: float = 10.0
    folds: int = 4
    budget: Budget = DEFAULT_BUDGET


class LaggedPca:
    """The detector. `tuning` is one for all data; everything particular to a unit is learned from its fit rows.

    >>> rng = np.random.default_rng(7)
    >>> detector = LaggedPca(("level_m", "flow_m3_h"))
    >>> detector.fit(0, rng.normal(size=(400, 2))).used
    ('level_m', 'flow_m3_h')
    >>> slot = np.array([0])
    >>> for _ in range(30):
    ...     scores = detector.score(slot, np.array([[0.0, 5.0]]))
    >>> bool(scores.anomaly_score[0] > scores.threshold[0]), scores.contributions[0].round(1).tolist()
    (True, [0.0, 1.0])
    """

    def __init__(self, channels: tuple[str, ...], *, tuning: Tuning | None = None) -> None:
        self._channels = channels
        self.tuning = tuning or Tuning()
        wide, lags = len(channels), self.tuning.lags
        self._map = np.zeros((0, wide * lags, wide * lags))
        self._baseline = np.zeros((0, wide))
        self._recent = np.zeros((0, wide))
        self._spread = np.full((0, wide), np.nan)
        self._lagged = np.zeros((0, lags, wide))
        self._warm_rows = np.zeros(0, dtype=np.int64)
        self._smoothed = np.zeros((0, wide * lags))
        self._threshold = np.full(0, np.nan)

    @property
    def channels(self) -> tuple[str, ...]:
        return self._channels

    @property
    def need_rows(self) -> int:
        """Fewest rows a fit rests on: the covariance of the lagged channels needs two rows for each of its columns."""
        return max(LEAST_FIT_ROWS, 2 * len(self._channels) * self.tuning.lags)

    # Fit.

    def fit(self, slot: int, history: Floats) -> FitFacts:
        told = ~np.isnan(history)
        rows = history[told.any(axis=1)]
        told = ~np.isnan(rows)
        if len(rows) < self.need_rows:
            raise NotEnoughHistory(have_rows=len(rows), need_rows=self.need_rows)
        is_told: Bools = np.asarray(told.mean(axis=0) >= LEAST_TOLD_SHARE)
        varies = is_told & _varies(rows)
        if not varies.any():
            raise NothingVaries(self._channels)
        tuning = self.tuning
        start: Floats = np.nanmean(
            np.where(varies, rows, 0.0)[: max(10, min(len(rows) // 4, int(tuning.baseline_rows)))], axis=0
        )
        start = np.where(np.isnan(start), np.nanmean(np.where(varies, rows, 0.0), axis=0), start)
        before, baseline = _slow_average(rows, start, rate=1.0 / tuning.baseline_rows)
        distance = np.where(told & varies, rows - before, 0.0)
        spread = np.sqrt(np.sum(distance**2, axis=0) / np.maximum(1, told.sum(axis=0)))
        spread = np.where(varies & (spread > 0), spread, np.nan)
        used = ~np.isnan(spread)
        standard = np.where(used, np.clip(distance / np.where(used, spread, 1.0), -tuning.clip, tuning.clip), 0.0)
        lagged = _embedded(standard, tuning.lags)
        mapping = self._fit_map(lagged)
        limit = threshold(self._out_of_sample_scores(lagged), tuning.budget)
        self._reserve(slot)
        self._map[slot] = mapping
        self._baseline[slot] = baseline
        self._recent[slot] = baseline
        self._spread[slot] = spread
        self._lagged[slot] = standard[: -tuning.lags - 1 : -1]
        self._warm_rows[slot] = tuning.lags
        self._smoothed[slot] = _smoothed(lagged @ mapping, tuning.smoothing_rows)[-1]
        self._threshold[slot] = limit
        return FitFacts(
            rows=len(rows),
            used=self._names(used),
            constant=self._names(is_told & ~used),
            missing=self._names(~is_told),
        )

    def _names(self, chosen: Bools) -> tuple[str, ...]:
        return tuple(name for name, is_chosen in zip(self._channels, chosen, strict=True) if is_chosen)

    def _fit_map(self, lagged: Floats) -> Floats:
        """The symmetric square root of the combined index: |map @ v|² = T²/mean(T²) + Q/mean(Q)."""
        # Second moments about the slow average, not about the mean: a lasting distance from it counts as variation.
        variance, axes = np.linalg.eigh(lagged.T @ lagged / len(lagged))
        variance, axes = np.maximum(variance[::-1], 0.0), axes[:, ::-1]
        total = variance.sum()
        if total <= 0:
            return np.zeros((lagged.shape[1], lagged.shape[1]))
        kept = min(int(np.searchsorted(np.cumsum(variance) / total, self.tuning.explained)) + 1, len(variance))
        weight = np.zeros(len(variance))
        weight[:kept] = 1.0 / np.sqrt(kept * np.maximum(variance[:kept], 1e-12 * total))
        rest = variance[kept:].sum()
        if rest > 1e-9 * total:
            weight[kept:] = 1.0 / np.sqrt(rest)
        return np.asarray((axes * weight) @ axes.T)

    def _out_of_sample_scores(self, lagged: Floats) -> Floats:
        """Scores of the fit rows, each by a model fitted on the other parts of them."""
        tuning = self.tuning
        rows = len(lagged)
        scores = np.empty(rows)
        edges = np.linspace(0, rows, tuning.folds + 1).astype(int)
        for first, last in pairwise(edges):
            others = np.r_[0 : max(0, first - tuning.lags), min(rows, last + tuning.lags) : rows]
            warm = max(0, first - int(3 * tuning.smoothing_rows))
            mapped = lagged[warm:last] @ self._fit_map(lagged[others])
            scores[first:last] = np.sum(_smoothed(mapped, tuning.smoothing_rows) ** 2, axis=1)[first - warm :]
        return scores

    # Score, then learn.

    def score(self, slots: Ints, values: Floats, *, is_frozen: Bools | None = None) -> Scores:
        tuning = self.tuning
        rows = len(slots)
        baseline = self._baseline[slots]
        spread = self._spread[slots]
        told = ~(np.isnan(values) | np.isnan(spread))
        distance = np.where(told, values - baseline, 0.0)
        standard = np.where(told, np.clip(distance / np.where(told, spread, 1.0), -tuning.clip, tuning.clip), 0.0)
        is_told: Bools = np.asarray(told.any(axis=1))
        lagged = self._lagged[slots]
        lagged[is_told, 1:] = lagged[is_told, :-1]
        lagged[is_told, 0] = standard[is_told]
        warm_rows = self._warm_rows[slots] + is_told
        is_scored = is_told & (warm_rows >= tuning.lags)
        mapped = np.matmul(self._map[slots], lagged.reshape(rows, -1, 1))[:, :, 0]
        before = self._smoothed[slots]
        smoothed = np.where(is_scored[:, None], before + (mapped - before) / tuning.smoothing_rows, before)
        squares = smoothed**2
        total = np.where(is_scored, squares.sum(axis=1), np.nan)
        by_channel = squares.reshape(rows, tuning.lags, -1).sum(axis=1)
        limit = self._threshold[slots]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(total[:, None] > 0, by_channel / total[:, None], np.nan)
        even = is_scored & ~(total > 0)
        shares[even] = 1.0 / len(self._channels)

        self._lagged[slots] = lagged
        self._warm_rows[slots] = np.minimum(warm_rows, tuning.lags)
        self._smoothed[slots] = smoothed
        learns = is_scored & ~(total >= limit)
        if is_frozen is not None:
            learns &= ~is_frozen
        self._baseline[slots] = baseline + np.where(learns[:, None], distance / tuning.baseline_rows, 0.0)
        recent = self._recent[slots]
        self._recent[slots] = recent + np.where(told, values - recent, 0.0) / tuning.baseline_rows
        return Scores(total, limit, shares)

    def interrupt(self, slots: Ints) -> None:
        self._warm_rows[slots] = 0
        self._smoothed[slots] = 0.0

    def rebaseline(self, slots: Ints) -> None:
        self._baseline[slots] = self._recent[slots]
        self.interrupt(slots)

    def release(self, slot: int) -> None:
        if slot < len(self._threshold):
            self._threshold[slot] = np.nan
            self._spread[slot] = np.nan

    def state_bytes(self) -> int:
        return sum(array.nbytes for array in self._arrays().values())

    def _arrays(self) -> dict[str, Floats | Ints]:
        return {name: array for name, array in vars(self).items() if isinstance(array, np.ndarray)}

    def _reserve(self, slot: int) -> None:
        have = len(self._threshold)
        if slot < have:
            return
        more = max(slot + 1, have + have // 2, 8) - have
        for name, array in self._arrays().items():
            fill = np.nan if name in ("_threshold", "_spread") else 0
            extra = np.full((more, *array.shape[1:]), fill, dtype=array.dtype)
            setattr(self, name, np.concatenate([array, extra]))


def _varies(rows: Floats) -> Bools:
    """Channels whose values differ by more than rounding."""
    told = ~np.isnan(rows)
    low = np.min(rows, axis=0, where=told, initial=np.inf)
    high = np.max(rows, axis=0, where=told, initial=-np.inf)
    return np.asarray(high - low > CONSTANT_BELOW * np.maximum(np.abs(low), np.abs(high)))


def _slow_average(rows: Floats, start: Floats, *, rate: float) -> tuple[Floats, Floats]:
    """The average of each channel before each row, and after the last one. A missing value leaves it as it is."""
    before = np.empty_like(rows)
    after = start.copy()
    for channel in range(rows.shape[1]):
        told = np.flatnonzero(~np.isnan(rows[:, channel]))
        averages = np.r_[
            start[channel], _ewma(rows[told, channel, None], start[channel : channel + 1], rate=rate)[:, 0]
        ]
        known = np.searchsorted(told, np.arange(len(rows)))
        before[:, channel] = averages[known]
        after[channel] = averages[-1]
    return before, after


def _smoothed(mapped: Floats, rows: float) -> Floats:
    return _ewma(mapped, np.zeros(mapped.shape[1]), rate=1.0 / rows)


def _ewma(values: Floats, start: Floats, *, rate: float) -> Floats:
    """Exponentially weighted averages along time, after each row: shape as `values` (rows, columns)."""
    state = ((1.0 - rate) * start)[None, :]
    filtered, _ = lfilter([rate], [1.0, rate - 1.0], values, axis=0, zi=state)
    return np.asarray(filtered)


def _embedded(standard: Floats, lags: int) -> Floats:
    """Each row beside the ones before it, newest first: shape (rows - lags + 1, lags * channels)."""
    rows = len(standard) - lags + 1
    return np.hstack([standard[lags - 1 - lag : lags - 1 - lag + rows] for lag in range(lags)])
