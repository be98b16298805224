"""What is known to be new: the newest time of each metric of each unit, so that most readings need no look-up."""

from collections.abc import Mapping

import numpy as np

from models.equipment import Kind
from models.reading import Bools, Ints, ReadingBlock, UnitKey

NEVER_MS = np.iinfo(np.int64).min
ALWAYS_MS = np.iinfo(np.int64).max
MAX_METRICS = 2_000
"""Of a kind. Names beyond these, from devices that put changing things into them, are looked up each time instead."""
UNTRACKED = 0
"""Column of those names: nothing in it is known to be new."""


class Watermark:
    """Newest times of all units of all kinds, as one growing table a kind."""

    def __init__(self) -> None:
        self._tables = {kind: _Table() for kind in Kind}

    def load(self, newest_ms: Mapping[tuple[UnitKey, str], int]) -> None:
        for (unit, metric), ts_ms in newest_ms.items():
            table = self._tables[unit.kind]
            row, column = table.row(unit), table.column(metric)
            table.newest_ms[row, column] = max(table.newest_ms[row, column], ts_ms)

    def is_new(self, block: ReadingBlock) -> Bools:
        """Which cells are newer than everything heard of that metric of that unit: shape (n, m)."""
        newest = self._tables[block.kind].cells(block)
        return np.asarray(block.ts_ms[:, None] > newest)

    def newest_of_units(self, block: ReadingBlock) -> Ints:
        """The newest time of any metric of each row's unit, NEVER_MS for a unit never heard: shape (n,)."""
        return self._tables[block.kind].newest_of_units(block)

    def advance(self, block: ReadingBlock) -> None:
        self._tables[block.kind].advance(block)


class _Table:
    def __init__(self) -> None:
        self._rows: dict[UnitKey, int] = {}
        self._columns: dict[str, int] = {}
        self.newest_ms = np.full((64, 32), NEVER_MS)
        self.newest_ms[:, UNTRACKED] = ALWAYS_MS

    def row(self, unit: UnitKey) -> int:
        row = self._rows.setdefault(unit, len(self._rows))
        if row >= len(self.newest_ms):
            self._grow(2 * len(self.newest_ms), self.newest_ms.shape[1])
        return row

    def column(self, metric: str) -> int:
        column = self._columns.get(metric)
        if column is None:
            if len(self._columns) >= MAX_METRICS:
                return UNTRACKED
            column = self._columns[metric] = len(self._columns) + 1
        if column >= self.newest_ms.shape[1]:
            self._grow(len(self.newest_ms), 2 * self.newest_ms.shape[1])
        return column

    def _grow(self, rows: int, columns: int) -> None:
        larger = np.full((rows, columns), NEVER_MS)
        larger[:, UNTRACKED] = ALWAYS_MS
        larger[: self.newest_ms.shape[0], : self.newest_ms.shape[1]] = self.newest_ms
        self.newest_ms = larger

    def _places(self, block: ReadingBlock) -> tuple[Ints, Ints]:
        rows = np.array([self.row(unit) for unit in block.units], dtype=np.int64)
        columns = np.array([self.column(metric) for metric in block.metrics], dtype=np.int64)
        return rows[block.unit_index], columns

    def cells(self, block: ReadingBlock) -> Ints:
        rows, columns = self._places(block)
        return self.newest_ms[rows[:, None], columns]

    def newest_of_units(self, block: ReadingBlock) -> Ints:
        rows, _ = self._places(block)
        return np.asarray(self.newest_ms[rows, 1:].max(axis=1))

    def advance(self, block: ReadingBlock) -> None:
        rows, columns = self._places(block)
        told = ~np.isnan(block.values)
        for place, column in enumerate(columns):
            seen = told[:, place]
            np.maximum.at(self.newest_ms, (rows[seen], column), block.ts_ms[seen])
