"""The watch-list's rule: who has more faults than their peers beyond what chance does.

A unit (or a compound) enters when the lower bound of its fault rate exceeds the highest tenth of its peers, and leaves
when it no longer does. Peers' rates are gamma distributed, the parameters weighed over what the counts allow
(`models.reliability.fit_fleet`), so that the peers' quantile is that of true rates, not of counts: in any fleet a tenth
of the counts lies above their own quantile, however alike the units are.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc

from models.reading import Bools, Floats, Ints
from models.reliability import DAYS_PER_YEAR, Fleet, fit_fleet

PEER_QUANTILE = 0.9
ENTRY_DOUBT = 0.1
"""Below the lower bound the rate lies with this probability. With monthly looks over three years at most 0.4 % of the
units that do not belong there were ever entered in simulations (`tests/models/test_fault_prone.py`)."""
WINDOW_DAYS = 365
"""[P] Counted are the faults of the last year, so that an overhaul shows within the year."""
LEAST_FAULTS, LEAST_DAYS, LEAST_PEERS = 3, 90.0, 10
"""[P] Whoever has less is not judged: it is an accident and no habit, or has nothing to be compared with."""


@dataclass(frozen=True, slots=True)
class WatchRule:
    """One entry a unit, shapes (n,): the lower bound of its rate a year, whether it exceeds the peers' quantile.

    `quantile_per_year` is None where there were too few peers to judge anybody.
    """

    rate_low: Floats
    is_above: Bools
    is_judged: Bools
    quantile_per_year: float | None


def watch_rule(faults: Ints, exposure_days: Floats) -> WatchRule:
    """Who belongs on the watch-list; shapes (n,). Raises ValueError as `fit_fleet`, except for no exposure at all."""
    n = len(faults)
    judged = (faults >= LEAST_FAULTS) & (exposure_days >= LEAST_DAYS)
    if np.count_nonzero(exposure_days >= LEAST_DAYS) < LEAST_PEERS:
        return WatchRule(np.zeros(n), np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), None)
    fleet = fit_fleet(faults, exposure_days)
    quantile = fleet_quantile(fleet, PEER_QUANTILE)
    below = np.ones(n)
    low = np.zeros(n)
    for unit in np.flatnonzero(judged):
        shape, scale = fleet.shape + faults[unit], fleet.scale_days + exposure_days[unit]
        below[unit] = _mixture(fleet.weight, shape, scale, quantile)
        low[unit] = _quantile(fleet.weight, shape, scale, ENTRY_DOUBT) * DAYS_PER_YEAR
    return WatchRule(low, judged & (below < ENTRY_DOUBT), judged, quantile * DAYS_PER_YEAR)


def fleet_quantile(fleet: Fleet, share: float) -> float:
    """The rate a day that so large a share of the fleet's true rates lies below."""
    return _quantile(fleet.weight, fleet.shape, fleet.scale_days, share)


def _mixture(weight: Floats, shape: Floats, scale: Floats, rate: float) -> float:
    return float(np.sum(weight * gammainc(shape, scale * rate)))


def _quantile(weight: Floats, shape: Floats, scale: Floats, share: float) -> float:
    mean = shape / scale
    high = float(mean.max()) * 2
    while _mixture(weight, shape, scale, high) < share:
        high *= 2
    return float(brentq(lambda rate: _mixture(weight, shape, scale, rate) - share, 0.0, high, xtol=1e-12, rtol=1e-6))
