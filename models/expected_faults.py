"""How many faults a group of units is to expect together, from what was counted of them and of their peers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from models.count_forecast import CountModel, fit_counts, forecast_counts, forecast_of
from models.reading import Bools, Floats, Ints

LEAST_FAULTS = 3
"""[P] Fewer faults of all peers together say nothing of what is to come."""
MOST_FAULTS_A_UNIT = 400


@dataclass(frozen=True, slots=True)
class ExpectedFaults:
    """Of all units of the group together: the mean and the shortest range of counts that holds at least 95 %."""

    mean: float
    low: int
    high: int


def expected_faults(
    faults: Ints, exposure_days: Floats, chosen: Bools, *, horizons_days: Sequence[float]
) -> list[ExpectedFaults]:
    """Counts of several periods, shapes (units, periods); `chosen` (units,) are the group, each watched to a horizon.

    One forecast a horizon; none where too little was counted. Units are independent given their rates.
    """
    if not chosen.any() or faults.sum() < LEAST_FAULTS or not exposure_days.sum() > 0:
        return []
    model = fit_counts(faults, exposure_days)
    group = CountModel(model.rate_per_day, model.weight[chosen], model.period_shape)
    return [_together(group, days) for days in horizons_days]


def _together(group: CountModel, days: float) -> ExpectedFaults:
    highest = float((group.weight @ group.rate_per_day).max()) * days
    most = int(min(MOST_FAULTS_A_UNIT, max(20.0, 6 * highest + 20)))
    each = forecast_counts(group, np.full(len(group.weight), days), most=most).probability
    together = reduce(np.convolve, each)
    told = forecast_of(together[None, :])
    mean = float(told.probability[0] @ np.arange(len(together)))
    return ExpectedFaults(mean, int(told.low[0]), int(told.high[0]))
