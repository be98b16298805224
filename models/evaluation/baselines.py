"""What any result has to be seen beside: methods that know nothing, little, or only the time.

Each gives a score a row (higher is worse) and whether the row is in alarm. None but the clock sees a label, and it
sees only those of other series. Thresholds come from the fit rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.reading import Bools, Floats

FIT_QUANTILE = 0.995
GAUSSIAN_WINDOW_ROWS, GAUSSIAN_STEP_ROWS = 6400, 100
"""As in NAB's windowed Gaussian detector."""
GAUSSIAN_SETTLE_ROWS = 30


@dataclass(frozen=True, slots=True)
class Judgement:
    """Shapes (n,)."""

    anomaly_score: Floats
    in_alarm: Bools


def constant(rows: int, *, in_alarm: bool) -> Judgement:
    """Always in alarm, or never."""
    return Judgement(np.zeros(rows), np.full(rows, in_alarm))


def shuffled(in_alarm: Bools, *, rng: np.random.Generator) -> Judgement:
    """Just as many alarms of the same lengths, at a random place: the given ones moved round by a random step."""
    moved = np.roll(in_alarm, int(rng.integers(0, max(1, len(in_alarm)))))
    return Judgement(rng.random(len(in_alarm)) + moved, moved)


def clock(rows: int, other_labels: Sequence[Bools]) -> Judgement:
    """Knows only the number of the row: in alarm where at least half of the other series have their event."""
    votes, series = np.zeros(rows), np.zeros(rows)
    for labels in other_labels:
        shared = min(rows, len(labels))
        votes[:shared] += labels[:shared]
        series[:shared] += 1
    share = votes / np.maximum(series, 1)
    return Judgement(share, share >= 0.5)


def isolation_forest(fit: Floats, values: Floats, *, seed: int) -> Judgement:
    """scikit-learn's forest on single rows; its limit is the 99.5 % quantile of the fit rows.

    Shapes (rows, channels); a missing value is the median of its channel.
    """
    from sklearn.ensemble import IsolationForest  # no command but `evaluate` shall load it

    usual = np.nan_to_num(np.nanmedian(fit, axis=0)) if len(fit) else np.zeros(values.shape[1])
    filled_fit, filled = (np.where(np.isnan(part), usual, part) for part in (fit, values))
    forest = IsolationForest(random_state=seed).fit(filled_fit)
    score = -forest.score_samples(filled)
    limit = np.quantile(-forest.score_samples(filled_fit), FIT_QUANTILE)
    return Judgement(score, np.asarray(score > limit))


def windowed_gaussian(fit: Floats, values: Floats) -> Judgement:
    """NAB's: how many spreads a value is from the mean of a window of the past, the worst channel of a row.

    The limit is the largest such distance in the fit rows, but for the first 30, in which the window fills.
    """
    every = np.concatenate([fit, values])
    distance = np.max([_gaussian_distance(channel) for channel in every.T], axis=0)
    score = distance[len(fit) :]
    limit = distance[min(GAUSSIAN_SETTLE_ROWS, len(fit) - 1) : len(fit)].max()
    return Judgement(score, score > limit)


def _gaussian_distance(channel: Floats) -> Floats:
    """The window grows to 6,400 rows, then moves on by 100."""
    rows = np.arange(len(channel))
    last = np.where(
        rows <= GAUSSIAN_WINDOW_ROWS,
        rows,
        GAUSSIAN_WINDOW_ROWS + (rows - GAUSSIAN_WINDOW_ROWS) // GAUSSIAN_STEP_ROWS * GAUSSIAN_STEP_ROWS,
    )
    first = np.maximum(0, last - GAUSSIAN_WINDOW_ROWS)
    is_told = ~np.isnan(channel)
    # Sums of what is large and nearly constant lose their digits: measured from the first value.
    centre = channel[is_told][0] if is_told.any() else 0.0
    centred = np.where(is_told, channel - centre, 0.0)
    sums, squares, counts = (np.concatenate([[0.0], np.cumsum(part)]) for part in (centred, centred**2, is_told))
    count = np.maximum(1.0, counts[last] - counts[first])
    mean = (sums[last] - sums[first]) / count
    variance = (squares[last] - squares[first]) / count - mean**2
    spread = np.sqrt(np.maximum(variance, 0.0))
    floor = 1e-9 * max(1.0, float(np.abs(centred).max(initial=0.0)))
    return np.where(is_told & (counts[last] > counts[first]), np.abs(centred - mean) / np.maximum(spread, floor), 0.0)
