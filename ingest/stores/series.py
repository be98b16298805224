"""The series of an embedded store in memory: their numbers, and the newest value of each.

A series is one metric of one unit. Numbers are dense and never change, so that everything about series can be kept
in arrays and looked up for a whole block at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt

from models.reading import Floats, Ints, ReadingBlock, UnitKey

SeriesNumbers = npt.NDArray[np.int32]

NEVER_MS = np.iinfo(np.int64).min
LANE_CELLS_MAX = 2_000_000  # 8 MB; senders that report on change bring many combinations of metrics


@dataclass(frozen=True, slots=True)
class Cells:
    """Values one below the other: series, ts_ms and values have shape (k,)."""

    series: SeriesNumbers
    ts_ms: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.series)

    def selected(self, which: npt.NDArray[np.bool_] | Ints) -> "Cells":
        return Cells(self.series[which], self.ts_ms[which], self.values[which])

    def in_order(self) -> "Cells":
        """Sorted by series and time, each pair once; the first to come stays."""
        cells = self.selected(np.lexsort((self.ts_ms, self.series)))
        if len(cells) < 2:
            return cells
        is_repeated = (cells.series[1:] == cells.series[:-1]) & (cells.ts_ms[1:] == cells.ts_ms[:-1])
        return cells.selected(np.concatenate(([True], ~is_repeated))) if is_repeated.any() else cells


class SeriesIndex:
    """Numbers for (unit, metric), and the newest time and value of each number.

    One thread adds and notes; others may read at any time: what they need is published by single assignments, room
    in the arrays before the number that points into it.
    """

    def __init__(self) -> None:
        self._numbers: dict[UnitKey, dict[str, int]] = {}
        self._names: list[tuple[UnitKey, str]] = []
        self._unit_rows: dict[UnitKey, int] = {}
        self._lanes: dict[tuple[str, ...], SeriesNumbers] = {}
        self._looking_up = Lock()
        self._newest: tuple[Ints, Floats] = (np.full(1024, NEVER_MS, np.int64), np.full(1024, np.nan))

    def __len__(self) -> int:
        return len(self._names)

    def name(self, number: int) -> tuple[UnitKey, str]:
        return self._names[number]

    def names(self) -> list[tuple[UnitKey, str]]:
        """All series in the order of their numbers."""
        return self._names.copy()

    def of(self, unit: UnitKey) -> dict[str, int]:
        """Number by metric; of metrics that have a value."""
        numbers = self._numbers.get(unit, {}).copy()
        newest_ms, _ = self._newest
        return {metric: number for metric, number in numbers.items() if newest_ms[number] != NEVER_MS}

    def add(self, names: Iterable[tuple[UnitKey, str]]) -> None:
        """Number further series in the given order. The caller has made the numbers durable."""
        for unit, metric in names:
            number = len(self._names)
            self._reserve(number + 1)
            self._names.append((unit, metric))
            self._numbers.setdefault(unit, {})[metric] = number

    def _reserve(self, size: int) -> None:
        newest_ms, newest_values = self._newest
        if size > len(newest_ms):
            room = len(newest_ms)
            self._newest = (
                np.concatenate((newest_ms, np.full(room, NEVER_MS, np.int64))),
                np.concatenate((newest_values, np.full(room, np.nan))),
            )

    def numbers(self, block: ReadingBlock) -> SeriesNumbers:
        """Series of every cell of the block, shape (n, m); -1 where the series has no number yet."""
        with self._looking_up:
            unit_rows = np.fromiter((self._unit_row(unit) for unit in block.units), np.int64, len(block.units))
            lane = self._lane(block.metrics)
            numbers = lane[unit_rows]
            if (numbers < 0).any():
                for row, unit in zip(unit_rows, block.units, strict=True):
                    known = self._numbers.get(unit, {})
                    lane[row] = [known.get(metric, -1) for metric in block.metrics]
                numbers = lane[unit_rows]
        return numbers[block.unit_index]

    def _unit_row(self, unit: UnitKey) -> int:
        row = self._unit_rows.get(unit)
        if row is None:
            row = self._unit_rows[unit] = len(self._unit_rows)
        return row

    def _lane(self, metrics: tuple[str, ...]) -> SeriesNumbers:
        """Series by unit row for one combination of metrics; a cache over `_numbers`."""
        lane = self._lanes.get(metrics)
        if lane is None or len(lane) < len(self._unit_rows):
            room = 1 << max(6, len(self._unit_rows).bit_length())
            grown = np.full((room, len(metrics)), -1, np.int32)
            if lane is not None:
                grown[: len(lane)] = lane
            elif sum(other.size for other in self._lanes.values()) + grown.size > LANE_CELLS_MAX:
                self._lanes.clear()
            lane = self._lanes[metrics] = grown
        return lane

    def newest_ms_of(self, series: SeriesNumbers) -> Ints:
        return self._newest[0][series]

    def note(self, cells: Cells) -> None:
        """Take over the newest value of each series from cells that are `in_order` and durable."""
        if not len(cells):
            return
        is_last = np.concatenate((cells.series[1:] != cells.series[:-1], [True]))
        last = cells.selected(is_last)
        newest_ms, newest_values = self._newest
        last = last.selected(last.ts_ms > newest_ms[last.series])
        ts_ms, values = newest_ms.copy(), newest_values.copy()
        ts_ms[last.series], values[last.series] = last.ts_ms, last.values
        self._newest = (ts_ms, values)

    def latest(self, units: Sequence[UnitKey]) -> dict[UnitKey, dict[str, tuple[int, float]]]:
        found: dict[UnitKey, dict[str, tuple[int, float]]] = {}
        for unit in units:
            numbers = self._numbers.get(unit, {}).copy()
            newest_ms, newest_values = self._newest
            series = np.fromiter(numbers.values(), np.int64, len(numbers))
            newest = zip(numbers, newest_ms[series].tolist(), newest_values[series].tolist(), strict=True)
            readings = {metric: (at_ms, value) for metric, at_ms, value in newest if at_ms != NEVER_MS}
            if readings:
                found[unit] = readings
        return found

    def newest_ms(self) -> dict[tuple[UnitKey, str], int]:
        names = self.names()
        newest_ms = self._newest[0].tolist()
        return {name: newest_ms[number] for number, name in enumerate(names) if newest_ms[number] != NEVER_MS}
