"""Which readings were told before: within one block, or in blocks that are committed but not stored yet."""

from collections.abc import Iterable

import numpy as np

from models.reading import Bools, ReadingBlock, UnitKey


def repeated_in_block(block: ReadingBlock, told: Bools) -> Bools:
    """Cells whose unit, metric and time stood in an earlier row of the same block already."""
    repeated = np.zeros(told.shape, dtype=bool)
    order = np.lexsort((np.arange(len(block)), block.ts_ms, block.unit_index))
    unit, ts_ms = block.unit_index[order], block.ts_ms[order]
    same = np.flatnonzero((unit[1:] == unit[:-1]) & (ts_ms[1:] == ts_ms[:-1])) + 1
    seen: Bools | None = None
    last = -1
    for place in same.tolist():
        if seen is None or place != last + 1:
            seen = told[order[place - 1]].copy()
        row = int(order[place])
        repeated[row] = told[row] & seen
        seen |= told[row]
        last = place
    return repeated


def found_in(asked: ReadingBlock, blocks: Iterable[ReadingBlock]) -> Bools:
    """Which cells of `asked` stand in one of the blocks."""
    found = np.zeros(asked.values.shape, dtype=bool)
    rows_of: dict[tuple[UnitKey, int], list[int]] = {}
    for row, (index, ts_ms) in enumerate(zip(asked.unit_index.tolist(), asked.ts_ms.tolist(), strict=True)):
        rows_of.setdefault((asked.units[index], ts_ms), []).append(row)
    times = np.unique(asked.ts_ms)
    for block in blocks:
        if block.kind is not asked.kind:
            continue
        shared = [
            (asked.metrics.index(name), place) for place, name in enumerate(block.metrics) if name in asked.metrics
        ]
        for row in np.flatnonzero(np.isin(block.ts_ms, times)).tolist():
            unit = block.units[int(block.unit_index[row])]
            for target in rows_of.get((unit, int(block.ts_ms[row])), ()):
                for column, place in shared:
                    found[target, column] |= not np.isnan(block.values[row, place])
    return found
