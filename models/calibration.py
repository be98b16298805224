"""Thresholds from a unit's own fit rows, toward a budget of false alarms. Nothing here ever sees rows to be judged."""

from dataclasses import dataclass

import numpy as np

from models.reading import Floats

QUANTILE = 0.99
MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Budget:
    """How rare an exceedance must be among the fit rows, and how much room the threshold leaves above it.

    The scores must be out of sample (`models.detectors.lagged_pca` scores every fit row with a model that has not seen
    it), or the threshold is too low.
    """

    quantile: float = QUANTILE
    margin: float = MARGIN


DEFAULT_BUDGET = Budget()


def threshold(scores: Floats, budget: Budget) -> float:
    """The score above which a row is unlike the fit rows. NaN scores do not count.

    >>> threshold(np.array([1.0, 1.0, 2.0, np.nan]), Budget(quantile=1.0, margin=1.5))
    3.0
    """
    told = scores[~np.isnan(scores)]
    return float(np.quantile(told, budget.quantile) * budget.margin)
