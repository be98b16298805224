"""Readings in the terms of one kind's watch: which of its units each row is of, and which of its columns it fills."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.reading import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """A block in the terms of a kind: `units` (n,) are places, `known` are (name, source, target) columns."""

    units: Ints
    ts_ms: Ints
    values: Floats
    known: tuple[tuple[str, int, int], ...]

    def __len__(self) -> int:
        return len(self.ts_ms)

    def __getitem__(self, selected: Ints | Bools) -> "Rows":
        return Rows(self.units[selected], self.ts_ms[selected], self.values[selected], self.known)


def rounds(units: Ints, ts_ms: Ints) -> Iterable[Ints]:
    """Splits rows so that each part holds at most one row of a unit, and the parts follow in order of time."""
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
