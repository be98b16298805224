"""What a slot of the lagged PCA learns from its fit rows."""

from dataclasses import dataclass

import numpy as np

from models.calibration import (
    DEFAULT_BUDGET,
    Budget,
    chance_limit,
    folds,
    independent_rows,
    normal_equivalent,
)
from models.detectors.contract import NotEnoughHistory, NothingVaries
from models.detectors.slow_average import before_each, embedded, ewma, filled
from models.reading import Bools, Floats

LEAST_FIT_ROWS = 50
LEAST_TOLD_SHARE = 0.5
CONSTANT_BELOW = 1e-9
"""Relative difference that is rounding."""
LEAST_RESIDUAL_LIMIT = 1e-8
QUANTUM_GROWTH = 1.5
USUAL_SHARE = 0.995
"""Of the fit rows that lie below the upper end of the range that is told as usual, and above its lower end."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """One setting for all data; lengths are counted in rows, distances in spreads of the fit rows.

    `level_rows`: how far the level that a channel is measured against lies back. `smoothing_rows`,
    `residual_smoothing_rows`: time constants of the averages that are judged. `explained`: share of variance that the
    principal components keep. `residual_memory`: how much of the fit length the residual's own slow average reaches
    back. `level_clip`, `residual_clip`: the largest distance of one value, so that one wild reading is not all.
    `level_news`, `residual_news`: how far one row moves what is averaged at most, in spreads and in limits, so that a
    lone wild reading is not over the limit for long enough to be told. `sharpness`: how much the worst channel counts
    against the sum of all, the exponent of the norm over them.
    `adapts_below`: channels nearer to their limit than this go on adapting while the unit is in alarm, as do those
    that have come back to less than `returned_share` of their farthest, and all once what raised the alarm has been
    below `returned_below` of its limit for `returned_rows`. `restless_share`, `most_restless`: how much of what an
    alarm exceeded its limit by is added to the limit once it ended by itself, and how far limits grow by that.
    `resolution_weight`: energy at the limit per variance that coarser steps of a channel, or its absence, bring in.
    """

    lags: int = 3
    level_rows: float = 30.0
    smoothing_rows: float = 6.0
    residual_smoothing_rows: float = 3.0
    explained: float = 0.995
    residual_memory: float = 0.25
    level_clip: float = 50.0
    residual_clip: float = 10.0
    level_news: float = 8.0
    residual_news: float = 3.0
    sharpness: float = 6.0
    adapts_below: float = 0.4
    returned_share: float = 0.15
    returned_below: float = 0.6
    returned_rows: int = 3
    restless_share: float = 0.25
    most_restless: float = 1.5
    resolution_weight: float = 6.0
    folds: int = 6
    budget: Budget = DEFAULT_BUDGET


DEFAULT_TUNING = Tuning()


@dataclass(frozen=True, slots=True)
class LevelFit:
    """The level part, an entry a channel: how far a channel strays from its own slow average, and how often."""

    spread: Floats
    deviation: Floats
    degrees: Floats
    limit: Floats
    smoothed: Floats
    first_average: Floats
    second_average: Floats


@dataclass(frozen=True, slots=True)
class ResidualFit:
    """The relation part: what the components leave unexplained.

    `residual_map` is (lags * channels) squared, `lagged` (lags, channels); `reach` is the farthest squared distance.
    `usual_low` to `usual_high` hold nearly all fit rows, told from the last `average`.
    """

    spread: Floats
    residual_map: Floats
    limit: Floats
    energy: Floats
    average: Floats
    memory_rows: float
    lagged: Floats
    reach: Floats
    usual_low: Floats
    usual_high: Floats


@dataclass(frozen=True, slots=True)
class SlotFit:
    """All that was learned, for the channels in use; `quantum` is the smallest usual step of each."""

    rows: int
    used: Bools
    constant: Bools
    missing: Bools
    level: LevelFit
    residual: ResidualFit
    quantum: Floats
    last: Floats


def fit_slot(history: Floats, channels: tuple[str, ...], tuning: Tuning) -> SlotFit:
    """Learns from normal rows (rows, channels) in order of time. Raises `NotEnoughHistory` or `NothingVaries`."""
    rows = history[~np.isnan(history).all(axis=1)]
    if len(rows) < LEAST_FIT_ROWS:
        raise NotEnoughHistory(have_rows=len(rows), need_rows=LEAST_FIT_ROWS)
    missing: Bools = np.asarray(np.mean(~np.isnan(rows), axis=0) < LEAST_TOLD_SHARE)
    used = ~missing & _varies(rows)
    if not used.any():
        raise NothingVaries(channels)
    need_rows = 2 * int(used.sum()) * tuning.lags
    if len(rows) < need_rows:
        raise NotEnoughHistory(have_rows=len(rows), need_rows=need_rows)
    told = rows[:, used]
    start: Floats = np.nanmean(told[: max(10, min(len(told) // 4, int(tuning.level_rows)))], axis=0)
    start = np.where(np.isnan(start), np.nanmean(told, axis=0), start)
    values = filled(told, start=start)
    return SlotFit(
        rows=len(rows),
        used=used,
        constant=~missing & ~used,
        missing=missing,
        level=_fit_level(values, start, tuning),
        residual=_fit_residual(values, start, np.isnan(told), tuning),
        quantum=_quantum(values),
        last=values[-1],
    )


def _varies(rows: Floats) -> Bools:
    told = ~np.isnan(rows)
    low = np.min(rows, axis=0, where=told, initial=np.inf)
    high = np.max(rows, axis=0, where=told, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return np.asarray(high - low > CONSTANT_BELOW * np.maximum(np.abs(low), np.abs(high)))


def _fit_level(values: Floats, start: Floats, tuning: Tuning) -> LevelFit:
    """A cascade of two averages: what came in the last rows hardly counts, so a step does not hide itself."""
    stage_rows = tuning.level_rows / 2
    first = ewma(values, rows=stage_rows, start=start)
    second = ewma(first, rows=stage_rows, start=start)
    distance = values - before_each(second, start=start)
    spread = np.sqrt(np.mean(distance**2, axis=0))
    standard = np.clip(distance / spread, -tuning.level_clip, tuning.level_clip)
    smoothed = ewma(standard, rows=tuning.smoothing_rows, start=np.zeros(len(start)))
    # The averages start on the first rows themselves, so these say little about usual distances.
    settled = min(int(3 * tuning.level_rows), len(values) // 4)
    deviation = _root_mean_square(smoothed[settled:])
    degrees = independent_rows(smoothed[settled:])
    reached = np.zeros(len(start))
    fewer = np.maximum(1.0, degrees * (tuning.folds - 1) / tuning.folds)
    for part, others in folds(len(smoothed), tuning.folds, first=settled):
        ratio = (smoothed[part] / _root_mean_square(smoothed[others])) ** 2
        reached = np.maximum(reached, normal_equivalent(ratio, fewer).max(axis=0))
    return LevelFit(
        spread=spread,
        deviation=deviation,
        degrees=degrees,
        limit=np.maximum(chance_limit(tuning.budget, len(start)), tuning.budget.margin * reached),
        smoothed=smoothed[-1],
        first_average=first[-1],
        second_average=second[-1],
    )


def _root_mean_square(series: Floats) -> Floats:
    return np.asarray(np.sqrt(np.mean(series**2, axis=0)) + 1e-12)


def _fit_residual(values: Floats, start: Floats, is_missing: Bools, tuning: Tuning) -> ResidualFit:
    memory_rows = max(LEAST_FIT_ROWS, tuning.residual_memory * len(values))
    average = ewma(values, rows=memory_rows, start=start)
    distance = values - before_each(average, start=start)
    spread = np.sqrt(np.mean(distance**2, axis=0))
    standard = np.clip(distance / spread, -tuning.residual_clip, tuning.residual_clip)
    everything = embedded(standard, tuning.lags)
    lagged = everything[_complete_windows(is_missing, tuning.lags)]
    energies = np.empty((len(lagged), len(start)))
    for part, others in folds(len(lagged), tuning.folds):
        edge = np.convolve(~others, np.ones(2 * tuning.lags + 1), mode="same") > 0
        energies[part] = _energy(lagged[part], _residual_map(lagged[~edge], tuning), tuning.lags)
    budget = tuning.budget
    energies = ewma(energies, rows=tuning.residual_smoothing_rows, start=np.zeros(len(start)))
    usual_low, usual_high = np.quantile(values, [1.0 - USUAL_SHARE, USUAL_SHARE], axis=0) - average[-1]
    limit = budget.residual_margin * np.quantile(energies, budget.residual_quantile, axis=0)
    return ResidualFit(
        spread=spread,
        residual_map=_residual_map(lagged, tuning),
        limit=np.maximum(limit, LEAST_RESIDUAL_LIMIT),
        energy=energies[-1],
        average=average[-1],
        memory_rows=memory_rows,
        lagged=everything[-1].reshape(tuning.lags, -1),
        reach=np.maximum(1.0, np.max(standard**2, axis=0)),
        usual_low=usual_low,
        usual_high=usual_high,
    )


def _complete_windows(is_missing: Bools, lags: int) -> Bools:
    """Lag windows in which nothing is missing; all of them where these would be too few."""
    has_gap = embedded(is_missing.astype(np.float64), lags).any(axis=1)
    complete: Bools = np.asarray(~has_gap)
    enough = max(LEAST_FIT_ROWS, 2 * is_missing.shape[1] * lags)
    return complete if np.count_nonzero(complete) >= enough else np.ones_like(complete)


def _residual_map(lagged: Floats, tuning: Tuning) -> Floats:
    """Projection onto what the principal components leave, of the second moments about the slow average."""
    variance, axes = np.linalg.eigh(lagged.T @ lagged / len(lagged))
    variance, axes = np.maximum(variance[::-1], 0.0), axes[:, ::-1]
    share = np.cumsum(variance) / variance.sum()
    kept = axes[:, : int(np.searchsorted(share, tuning.explained)) + 1]
    return np.asarray(np.eye(len(variance)) - kept @ kept.T)


def _energy(lagged: Floats, residual_map: Floats, lags: int) -> Floats:
    """Squared residual of each channel, all lags together: shape (rows, channels)."""
    return np.asarray(((lagged @ residual_map) ** 2).reshape(len(lagged), lags, -1).sum(axis=1))


def _quantum(values: Floats) -> Floats:
    quantum = np.full(values.shape[1], np.inf)
    for step in np.abs(np.diff(values, axis=0)):
        quantum = next_quantum(quantum, step, np.zeros_like(quantum))
    return quantum


def next_quantum(quantum: Floats, step: Floats, rounding: Floats) -> Floats:
    """Follows the smallest usual step of a channel: down at once, up slowly; a step within `rounding` is none.

    >>> next_quantum(np.array([0.2, 0.2, 0.2]), np.array([0.1, 0.0, 9.0]), np.zeros(3)).round(3).tolist()
    [0.1, 0.2, 0.3]
    """
    return np.where(step > rounding, np.minimum(step, quantum * QUANTUM_GROWTH), quantum)
