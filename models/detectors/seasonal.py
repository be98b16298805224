"""What a day usually looks like: the median of each hour of it, learned from some two weeks and then left alone."""

import warnings

import numpy as np

from models.reading import Floats, Ints

HOURS = 24
LEAST_DAYS_AN_HOUR = 4
"""An hour told on fewer days takes the median of all hours: it has no rhythm that is known."""


def daily_rhythm(days: Floats) -> Floats:
    """How far each hour usually lies from the middle of the day: shape (24, channels), from (days, 24, channels).

    Zero for hours that are hardly known. Medians, so that a wild day leaves no trace.
    """
    with warnings.catch_warnings():
        # An hour of which nothing is known is the usual case at night.
        warnings.simplefilter("ignore", RuntimeWarning)
        by_hour = np.nanmedian(days, axis=0)
        overall = np.nanmedian(days.reshape(-1, days.shape[2]), axis=0)
    is_known = (~np.isnan(days)).sum(axis=0) >= LEAST_DAYS_AN_HOUR
    return np.where(is_known, by_hour - overall, 0.0)


def without_rhythm(values: Floats, hours: Ints, rhythm: Floats) -> Floats:
    """Rows (n, channels) of the hours of the day `hours` (n,) less what is usual then; `rhythm` as of `daily_rhythm`,
    one for all rows or one each (n, 24, channels)."""
    if rhythm.ndim == 2:
        return np.asarray(values - rhythm[hours])
    return np.asarray(values - rhythm[np.arange(len(hours)), hours])
