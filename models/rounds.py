"""Cutting rows of many units into parts that hold at most one row of each, in order of time."""

from collections.abc import Iterable

import numpy as np

from models.reading import Ints


def rounds(units: Ints, ts_ms: Ints) -> Iterable[Ints]:
    """Row numbers by part: each part holds at most one row of a unit, and the parts follow in order of time."""
    if not len(units):
        return
    order = np.lexsort((ts_ms, units))
    by_unit = units[order]
    starts = np.flatnonzero(np.r_[True, by_unit[1:] != by_unit[:-1]])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    if rank.max() == 0:
        yield order
        return
    by_rank = np.argsort(rank, kind="stable")
    for part in np.split(by_rank, np.flatnonzero(np.diff(rank[by_rank])) + 1):
        yield order[part]
