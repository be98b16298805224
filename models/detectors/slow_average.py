"""Exponentially weighted averages of whole series, for fitting; the live state is updated row by row elsewhere."""

import numpy as np
from scipy.linalg import solve_banded

from models.reading import Floats


def ewma(values: Floats, *, rows: float, start: Floats) -> Floats:
    """The average after each row, with a time constant of `rows` rows: shape as `values` (n, columns).

    >>> ewma(np.array([[4.0], [4.0]]), rows=2.0, start=np.array([0.0])).ravel().tolist()
    [2.0, 3.0]
    """
    rate = 1.0 / rows
    # The recursion y[t] = (1 - rate) y[t-1] + rate x[t] as a system with two diagonals: solved in one call, by a part
    # of SciPy that does not cost the service half a second at its start as its signal processing would.
    diagonals = np.ones((2, len(values)))
    diagonals[1] = rate - 1.0
    driven = rate * values
    driven[:1] += (1.0 - rate) * start
    return np.asarray(solve_banded((1, 0), diagonals, driven, check_finite=False))


def before_each(averages: Floats, *, start: Floats) -> Floats:
    """What was known before each row: the averages, one row later."""
    return np.vstack([start[None, :], averages[:-1]])


def filled(values: Floats, *, start: Floats) -> Floats:
    """Missing values replaced by the last one told, before the first one by `start`."""
    is_told = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(is_told, np.arange(len(values))[:, None], -1), axis=0)
    held = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, held, start)


def embedded(values: Floats, lags: int) -> Floats:
    """Each row beside the ones before it, newest first: shape (rows - lags + 1, lags * columns).

    >>> embedded(np.array([[1.0], [2.0], [3.0]]), 2).tolist()
    [[2.0, 1.0], [3.0, 2.0]]
    """
    rows = len(values) - lags + 1
    return np.hstack([values[lags - 1 - lag : lags - 1 - lag + rows] for lag in range(lags)])
