"""Readings in the terms of one kind's watch: which of its units each row is of, and which of its columns it fills."""

from dataclasses import dataclass

import numpy as np

from alerts.derived import NEVER_MS
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


def elapsed_ms(ts_ms: Ints, since_ms: Ints) -> Ints:
    """How long it is since then; -1 for what never was. Elementwise."""
    return np.where(since_ms == NEVER_MS, -1, ts_ms - np.where(since_ms == NEVER_MS, 0, since_ms))
