"""How many faults a unit will have: a forecast of counts that knows that rates change from month to month.

A fleet's rates are gamma distributed; in each period a unit's rate is its own times a gamma distributed factor of mean
1 (a negative binomial given the rate). Faults come in clusters: a forecast from Poisson counts alone is too sure. The
factor of the next period is taken to last through it: months of one fit cannot tell whether it averages out.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp
from scipy.stats import gamma

from models.reading import Floats, Ints

NODES = 200
LEAST_MEAN = 1e-9
BOUND = 9.0
"""Of the logarithms of the parameters: shapes beyond mean that nothing varies."""


@dataclass(frozen=True, slots=True)
class CountModel:
    """Rates a day at nodes of equal prior mass, what each unit says of them (units, nodes), and the period's shape."""

    rate_per_day: Floats
    weight: Floats
    period_shape: float


@dataclass(frozen=True, slots=True)
class CountForecast:
    """Probabilities (units, counts from 0), and the shortest range of counts that holds at least 95 % of them."""

    probability: Floats
    low: Ints
    high: Ints

    def log_probability(self, faults: Ints) -> Floats:
        """Of what then came, shape (units,)."""
        return np.log(self.probability[np.arange(len(faults)), faults])


def fit_counts(faults: Ints, exposure_days: Floats) -> CountModel:
    """Fits by maximum likelihood on counts of several periods, shapes (units, periods).

    A period without exposure says nothing. Raises ValueError for less than two periods or no exposure at all.
    """
    if faults.shape != exposure_days.shape or faults.ndim != 2 or faults.shape[1] < 2:
        raise ValueError("counts and exposure of at least two periods are needed")
    if not exposure_days.sum() > 0:
        raise ValueError("there is no exposure")
    counts = faults.astype(np.float64)
    mass = (np.arange(NODES) + 0.5) / NODES

    def rates(parameters: Floats) -> Floats:
        shape, mean, _ = np.exp(parameters)
        nodes: Floats = gamma.ppf(mass, shape, scale=mean / shape)
        return nodes

    def by_node(parameters: Floats) -> Floats:
        expected = rates(parameters) * exposure_days[:, :, None]
        told = _log_negative_binomial(counts[:, :, None], expected, float(np.exp(parameters[2])))
        total: Floats = np.where(exposure_days[:, :, None] > 0, told, 0.0).sum(axis=1)
        return total

    middle = np.log((counts.sum() + 0.5) / exposure_days.sum())

    def loss(parameters: Floats) -> float:
        if np.abs(parameters - [0.0, middle, 0.0]).max() > BOUND:
            return np.inf
        return -float(logsumexp(by_node(parameters), axis=1).sum())

    found = minimize(loss, [0.0, middle, 1.0], method="Nelder-Mead").x
    told = by_node(found)
    weight = np.exp(told - logsumexp(told, axis=1, keepdims=True))
    return CountModel(rates(found), weight, float(np.exp(found[2])))


def forecast_counts(model: CountModel, exposure_days: Floats, *, most: int) -> CountForecast:
    """Faults of each unit over its coming exposure, shape (units,), for counts up to `most`."""
    counts = np.arange(most + 1, dtype=np.float64)
    probability = np.empty((len(exposure_days), most + 1))
    for unit, days in enumerate(exposure_days):
        expected = model.rate_per_day[:, None] * days
        log_p = _log_negative_binomial(counts, expected, model.period_shape)
        probability[unit] = model.weight[unit] @ np.exp(log_p)
    return forecast_of(probability)


def forecast_of(probability: Floats) -> CountForecast:
    """From what each count weighs, shape (units, counts from 0); the rows are made to sum to 1."""
    probability = probability / probability.sum(axis=1, keepdims=True)
    low, high = _shortest(probability)
    return CountForecast(probability, low, high)


def _log_negative_binomial(counts: Floats, mean: Floats, shape: float) -> Floats:
    mean = np.maximum(mean, LEAST_MEAN)
    chosen = gammaln(shape + counts) - gammaln(shape) - gammaln(counts + 1)
    told: Floats = chosen + shape * np.log(shape / (shape + mean)) + counts * np.log(mean / (shape + mean))
    return told


def _shortest(probability: Floats, *, share: float = 0.95) -> tuple[Ints, Ints]:
    units, counts = probability.shape
    below = np.concatenate((np.zeros((units, 1)), np.cumsum(probability, axis=1)), axis=1)
    low, high = np.zeros(units, dtype=np.int64), np.full(units, counts - 1, dtype=np.int64)
    for unit in range(units):
        ends = np.searchsorted(below[unit], below[unit] + share - 1e-12)
        widths = np.where(ends <= counts, ends - np.arange(counts + 1), counts + 1)
        low[unit] = np.argmin(widths)
        high[unit] = min(int(ends[low[unit]]), counts) - 1
    return low, high
