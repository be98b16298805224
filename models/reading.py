"""Readings as columns: what travels from the door to the judges and the store."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.equipment import Kind

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class UnitKey(NamedTuple):
    """A unit's name in the world. `path` is its form in URLs and the API: `{site}~{unit}`."""

    site: str
    kind: Kind
    unit: str

    @property
    def path(self) -> str:
        return f"{self.site}~{self.unit}"


@dataclass(frozen=True, slots=True)
class ReadingBlock:
    """Readings of one kind that carry the same metrics.

    Row i belongs to `units[unit_index[i]]` and was measured at `ts_ms[i]` (epoch milliseconds, event time).
    Shapes: unit_index and ts_ms (n,), values (n, len(metrics)); a value that was not reported is NaN.
    Rows of one unit are in order of time.
    """

    kind: Kind
    metrics: tuple[str, ...]
    units: tuple[UnitKey, ...]
    unit_index: Ints
    ts_ms: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.ts_ms)

    @property
    def value_count(self) -> int:
        """Reported values; NaN cells do not count."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    def rows(self, selected: Bools | Ints) -> "ReadingBlock":
        """The block with only the selected rows (mask or indices, in their order)."""
        return ReadingBlock(
            self.kind, self.metrics, self.units, self.unit_index[selected], self.ts_ms[selected], self.values[selected]
        )
