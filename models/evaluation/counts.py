"""Forecasts of counts beside those that know less, and how well each did.

The mean negative log-likelihood is the proper score of a forecast (Gneiting and Raftery 2007): the lower, the better.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import nbinom, poisson

from models.count_forecast import CountForecast, forecast_of
from models.evaluation.measures import Share, bootstrap_share
from models.reading import Floats, Ints
from models.reliability import Fleet

NEVER_SEEN_FAULTS = 0.5
"""A raw rate of nought would make any fault impossible."""


@dataclass(frozen=True, slots=True)
class CountMeasures:
    """`covered`: of how many units the count lay in the 95 % range; `width` is that of the median unit, in faults."""

    log_loss: float
    covered: Share
    width: float


def fleet_mean(faults: Ints, exposure_days: Floats, ahead_days: Floats, *, most: int) -> CountForecast:
    """Poisson, every unit with the rate of the whole fleet; shapes (units,)."""
    return _poisson(faults.sum() / exposure_days.sum() * ahead_days, most)


def raw_rate(faults: Ints, exposure_days: Floats, ahead_days: Floats, *, most: int) -> CountForecast:
    """Poisson, every unit with its own rate and nothing else; shapes (units,), exposure above nought."""
    return _poisson(np.maximum(faults, NEVER_SEEN_FAULTS) / exposure_days * ahead_days, most)


def gamma_poisson(fleet: Fleet, faults: Ints, exposure_days: Floats, ahead_days: Floats, *, most: int) -> CountForecast:
    """What `liandong rank` knows of each unit, carried forward as if rates stood still; shapes (units,)."""
    counts = np.arange(most + 1)
    probability = np.empty((len(faults), most + 1))
    for unit in range(len(faults)):
        shape, scale = fleet.shape + faults[unit], fleet.scale_days + exposure_days[unit]
        success = scale / (scale + ahead_days[unit])
        probability[unit] = fleet.weight @ nbinom.pmf(counts, shape[:, None], success[:, None])
    return forecast_of(probability)


def count_measures(forecast: CountForecast, came: Ints, *, rng: np.random.Generator) -> CountMeasures:
    """How a forecast stands to what then came, shape (units,)."""
    with np.errstate(divide="ignore"):
        log_loss = -float(forecast.log_probability(came).mean())
    is_covered = np.asarray((came >= forecast.low) & (came <= forecast.high))
    return CountMeasures(log_loss, bootstrap_share(is_covered, rng=rng), float(np.median(forecast.high - forecast.low)))


def _poisson(expected: Floats, most: int) -> CountForecast:
    return forecast_of(poisson.pmf(np.arange(most + 1), expected[:, None]))
