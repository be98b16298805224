"""Limits from a unit's own fit rows, toward a budget of false alarms. Nothing here ever sees rows to be judged.

Readings that follow each other closely are alike, so a few hundred rows may hold only a handful of independent ones. A
limit that ignores this is too low, and slow drift then looks like a fault. Here the number of independent rows is
estimated, and a distance is weighed by how much evidence so few rows can give.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import chdtri

from models.reading import Bools, Floats

CORRELATED_ABOVE = 0.05
"""Autocorrelation below this counts as none; sums of noise beyond it would only add noise."""
MOST_INDEPENDENT_ROWS = 200.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How many false alarms are accepted, in terms of a unit's fit rows.

    `chance`: that one independent normal row takes any of the channels over its limit, were they all Gaussian.
    `margin` and `residual_margin`: room above what the fit rows themselves reached, out of sample, as energy ratio.
    `residual_quantile`: share of the fit rows whose residual lies below that mark.
    """

    chance: float = 0.03
    margin: float = 1.9
    residual_quantile: float = 0.995
    residual_margin: float = 1.8


DEFAULT_BUDGET = Budget()


def chance_limit(budget: Budget, channels: int) -> float:
    """Squared normal distance that one of `channels` passes with the budget's chance (Bonferroni).

    >>> round(chance_limit(Budget(chance=0.05), 1), 2), round(chance_limit(Budget(chance=0.05), 10), 2)
    (3.84, 7.88)
    """
    return float(chdtri(1, budget.chance / max(1, channels)))


def independent_rows(series: Floats) -> Floats:
    """Effective number of independent rows of each column (Bayley and Hammersley 1946): shape (columns,), at least 1.

    The rows divided by the integrated autocorrelation time, about zero, summed until the correlation has died out.

    >>> noise = np.random.default_rng(1).normal(size=(1000, 1))
    >>> bool(independent_rows(noise)[0] > 150), bool(independent_rows(np.cumsum(noise, axis=0))[0] < 10)
    (True, True)
    """
    rows, columns = series.shape
    spectrum = np.fft.rfft(series, 2 * rows, axis=0)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:rows]
    correlation = covariance / np.where(covariance[0] > 0, covariance[0], 1.0)
    is_dead = correlation < CORRELATED_ABOVE
    is_dead[-1] = True
    until = np.argmax(is_dead, axis=0)
    counted = np.arange(rows)[:, None] < until
    counted[0] = False
    integrated = 1.0 + 2.0 * np.sum(correlation, axis=0, where=counted)
    return np.asarray(np.clip(rows / integrated, 1.0, MOST_INDEPENDENT_ROWS).reshape(columns))


def normal_equivalent(squared_ratio: Floats, degrees: Floats) -> Floats:
    """Squared normal distance as unlikely as Student's t with these degrees of freedom (Wallace 1959).

    `squared_ratio` is t²: a squared distance over a variance that was itself estimated from `degrees` rows. With few
    rows a distance of many spreads is no strong evidence, and a wild one counts by its logarithm.

    >>> [round(float(normal_equivalent(np.array(25.0), np.array(dof))), 1) for dof in (3.0, 20.0, 200.0)]
    [5.7, 15.8, 23.5]
    """
    factor = (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0)
    return np.asarray(degrees * np.log1p(squared_ratio / degrees) * factor**2)


def folds(rows: int, count: int, *, first: int = 0) -> Iterator[tuple[slice, Bools]]:
    """Contiguous parts of the rows from `first` on, each with the mask of the rows outside it (and after `first`).

    Contiguous, because a row's neighbours nearly repeat it: a random split would test on what was learned.
    """
    edges = np.linspace(first, rows, count + 1).astype(int).tolist()
    for begin, end in pairwise(edges):
        others = np.ones(rows, dtype=bool)
        others[:first] = False
        others[begin:end] = False
        yield slice(begin, end), others
