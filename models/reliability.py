"""Fault rates of units that few faults were counted of: what is known, how surely, and who is worst.

The rates of a fleet are taken as gamma distributed, the faults of a unit as Poisson given its rate (Gelman et al.,
Bayesian Data Analysis, 3rd ed., section 2.7). A unit with little exposure is drawn towards the fleet; how strongly is
itself uncertain when the fleet is small, so the parameters of the fleet are not fixed at one value but weighed over a
grid: Jeffreys' prior on the mean rate, and on the coefficient of variation of the rates a log-normal one around 0.9
(95 % between 0.28 and 2.9). Lifts do differ: half a call-back to two a year when well kept, more than four when not.
A prior that thinks units alike until proven otherwise makes the intervals of small fleets too narrow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaln, ndtri

from models.reading import Floats, Ints

DAYS_PER_YEAR = 365.25
INTERVAL = 0.95
MEAN_NODES = 41
SPREAD_NODES = 40
SPREAD_MEDIAN, SPREAD_SIGMA = 0.9, 0.6
"""Prior of the coefficient of variation of the rates in a fleet."""
MOST_DRAWS = 20_000
FEWEST_DRAWS = 1_000
RANK_DRAWS = 2_000
NUMBERS_AT_ONCE = 20_000_000


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the units together say of their rates: nodes of a grid with weights that sum to 1, shapes (nodes,).

    At a node the rates of the fleet are gamma distributed with this `shape` and `scale_days` (its inverse scale, in
    days of exposure); their mean is `shape / scale_days` faults a day.
    """

    shape: Floats
    scale_days: Floats
    weight: Floats

    @property
    def rate_per_year(self) -> float:
        return float(np.sum(self.weight * self.shape / self.scale_days)) * DAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class RateTable:
    """One entry a unit, shapes (n,): faults a year with the 95 % credible interval; rank 1 is the worst.

    `p_worst_decile` is the probability that the unit's true rate is among the highest tenth (rounded up), and between
    `rank_low` and `rank_high` lies the rank of its true rate with 95 %.
    """

    rate_per_year: Floats
    rate_low: Floats
    rate_high: Floats
    p_worst_decile: Floats
    rank: Ints
    rank_low: Ints
    rank_high: Ints


@dataclass(frozen=True, slots=True)
class Change:
    """The rate after divided by the rate before, with the 95 % interval; None where nothing was counted before."""

    ratio: float | None
    low: float
    high: float | None
    dispersion: float


def fit_fleet(faults: Ints, exposure_days: Floats) -> Fleet:
    """Weighs the gamma distributions of rates by what was counted; shapes (n,). Needs some exposure.

    Raises ValueError for negative numbers, faults without exposure, or no exposure at all.
    """
    _check(faults, exposure_days)
    seen = exposure_days > 0
    counts, days = faults[seen].astype(np.float64), exposure_days[seen]
    # Nodes of equal prior mass.
    spread = SPREAD_MEDIAN * np.exp(SPREAD_SIGMA * ndtri((np.arange(SPREAD_NODES) + 0.5) / SPREAD_NODES))
    middle = np.log((counts.sum() + 0.5) / days.sum())
    error = np.sqrt(1.0 / (counts.sum() + 0.5) + np.minimum(spread, 2.0) ** 2 / len(counts))
    steps = np.linspace(-6.0, 6.0, MEAN_NODES)
    log_mean = middle + error[:, None] * steps
    shape = np.broadcast_to(spread[:, None] ** -2.0, log_mean.shape)
    scale = shape / np.exp(log_mean)
    # The step on the grid of means differs by the spread; Jeffreys' prior is mean^-1/2, so mean^1/2 by its logarithm.
    log_weight = _log_likelihood(counts, days, shape.ravel(), scale.ravel()).reshape(shape.shape)
    log_weight = log_weight + 0.5 * log_mean + np.log(error)[:, None]
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    heavy = weight.ravel() > 1e-9
    kept = weight.ravel()[heavy]
    return Fleet(shape.ravel()[heavy], scale.ravel()[heavy], kept / kept.sum())


def rate_table(faults: Ints, exposure_days: Floats, *, rng: np.random.Generator) -> RateTable:
    """What is known of each unit's rate, from its own faults and its fleet's; shapes (n,).

    A unit without exposure has what the fleet says. Raises ValueError as `fit_fleet`.
    """
    fleet = fit_fleet(faults, exposure_days)
    n = len(faults)
    draws = int(np.clip(NUMBERS_AT_ONCE // max(n, 1), FEWEST_DRAWS, MOST_DRAWS))
    node = rng.choice(len(fleet.weight), size=draws, p=fleet.weight)
    mean, low, high = np.empty(n), np.empty(n), np.empty(n)
    rates = np.empty((draws, n), dtype=np.float32)
    tail = (1 - INTERVAL) / 2
    for i in range(n):
        shape = fleet.shape + faults[i]
        scale = fleet.scale_days + exposure_days[i]
        mean[i] = np.sum(fleet.weight * shape / scale)
        drawn = rng.standard_gamma(shape[node]) / scale[node]
        low[i], high[i] = np.quantile(drawn, (tail, 1 - tail))
        rates[:, i] = drawn
    worst = -(-n // 10)
    limit = np.partition(rates, n - worst, axis=1)[:, n - worst]
    p_worst = np.mean(rates >= limit[:, None], axis=0)
    order = np.lexsort((-p_worst, -mean))
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(1, n + 1)
    year = DAYS_PER_YEAR
    some = rates[:RANK_DRAWS]
    ranks = np.argsort(np.argsort(-some, axis=1), axis=1) + 1
    rank_low, rank_high = np.quantile(ranks, (tail, 1 - tail), axis=0, method="inverted_cdf").astype(np.int64)
    return RateTable(mean * year, low * year, high * year, p_worst, rank, rank_low, rank_high)


def change_of_rate(before: tuple[Ints, Floats], after: tuple[Ints, Floats]) -> Change:
    """Faults and exposure days of the same units before and after; each of shapes (n,).

    Given how many faults a unit had in all, those after are binomial, whatever its own rate (Przyborowski and Wilenski
    1940; Clopper and Pearson 1934 for the interval). Where units differ by more than that allows, counts are divided by
    the dispersion (Pearson's chi-square by its degrees of freedom, at least 1), which widens the interval. Units chosen
    because they were bad improve by chance alone: the interval does not know why they were chosen.
    Raises ValueError for negative numbers, or without exposure on either side.
    """
    (counts_0, days_0), (counts_1, days_1) = before, after
    _check(counts_0, days_0)
    _check(counts_1, days_1)
    sum_0, sum_1 = float(counts_0.sum()), float(counts_1.sum())
    odds = days_1.sum() / days_0.sum()
    dispersion = _dispersion(before, after)
    less_0, less_1 = sum_0 / dispersion, sum_1 / dispersion
    tail = (1 - INTERVAL) / 2
    low = betaincinv(less_1, less_0 + 1, tail) if sum_1 else 0.0
    high = betaincinv(less_1 + 1, less_0, 1 - tail) if sum_0 else None
    return Change(
        ratio=sum_1 / sum_0 / odds if sum_0 else None,
        low=float(low / (1 - low) / odds),
        high=None if high is None else float(high / (1 - high) / odds),
        dispersion=dispersion,
    )


def _dispersion(before: tuple[Ints, Floats], after: tuple[Ints, Floats]) -> float:
    total = (before[0] + after[0]).astype(np.float64)
    known = total > 0
    if np.count_nonzero(known) < 2:
        return 1.0
    total, days_0, days_1 = total[known], before[1][known], after[1][known]
    sum_0, sum_1 = float(before[0].sum()), float(after[0].sum())
    ratio = max(sum_1, 0.5) / max(sum_0, 0.5) / (days_1.sum() / days_0.sum())
    share = ratio * days_1 / (days_0 + ratio * days_1)
    variance = total * share * (1 - share)
    judged = variance > 0
    squares = (after[0][known] - total * share)[judged] ** 2 / variance[judged]
    return max(float(squares.sum() / max(np.count_nonzero(judged) - 1, 1)), 1.0)


def _log_likelihood(counts: Floats, days: Floats, shape: Floats, scale: Floats) -> Floats:
    """Of all units at each node: negative binomial, without the terms that no node changes."""
    total: Floats = np.zeros(len(shape))
    pairs, times = np.unique(np.column_stack((counts, days)), axis=0, return_counts=True)
    for (count, day), often in zip(pairs, times, strict=True):
        one = gammaln(shape + count) - gammaln(shape) + shape * np.log(scale) - (shape + count) * np.log(scale + day)
        total += often * one
    return total


def _check(faults: npt.NDArray[np.int64], exposure_days: Floats) -> None:
    if faults.shape != exposure_days.shape or faults.ndim != 1:
        raise ValueError("faults and exposure must be one of each a unit")
    if (faults < 0).any() or not (exposure_days >= 0).all():
        raise ValueError("neither faults nor exposure can be negative")
    if (faults[exposure_days == 0] > 0).any():
        raise ValueError("faults without exposure")
    if not exposure_days.sum() > 0:
        raise ValueError("there is no exposure")
