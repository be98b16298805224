"""The rows a unit learns from, gathered until there are enough of them."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from models.reading import Floats

DAY_MS = 86_400_000
FIRST_ROWS = 512
"""Reserved at once: of units that learn on so many rows memory does not grow while they do."""
LEAST_TOLD_SHARE = 0.5
"""A channel told in fewer of the gathered rows is no channel of the unit."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows to fit on, in order of time, NaN where not told.

    `interval_ms` is the usual time between two rows, `longest_step_ms` what still counts as following each other.
    """

    channels: tuple[str, ...]
    values: Floats
    interval_ms: int
    longest_step_ms: int
    constant: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def told(self, *, constant: tuple[str, ...], missing: tuple[str, ...]) -> Self:
        """The facts that stay after a fit, without the rows."""
        return replace(self, values=self.values[:0], constant=constant, missing=(*self.missing, *missing))

    def only_values(self, names: Collection[str]) -> dict[str, float]:
        """Of these channels the ones that told the same value in every row, and that value."""
        columns = {name: self.values[:, c] for c, name in enumerate(self.channels) if name in names}
        told = {name: values[~np.isnan(values)] for name, values in columns.items()}
        return {name: float(values[0]) for name, values in told.items() if len(values) and not np.ptp(values)}


class WarmUp:
    """A unit's rows while it learns: at most `fit_rows` rows of at most `most_channels` channels.

    They are held in single precision, finer than any sensor: what is learned of ten thousand units at once is a matter
    of memory.
    """

    def __init__(self, fit_rows: int, most_channels: int, *, every_ms: int = 0) -> None:
        self._every_ms = every_ms
        self._most_channels = most_channels
        self.fit_rows = fit_rows
        self._column: dict[str, int] = {}
        self._values = np.full((min(fit_rows, FIRST_ROWS), 0), np.nan, dtype=np.float32)
        self._ts_ms = np.zeros(min(fit_rows, FIRST_ROWS), dtype=np.int64)
        self.rows = 0
        self.tries = 0
        self._reason = ""

    @property
    def waits_for(self) -> str:
        """What is lacking, in words; of rows that come at fixed steps in days."""
        if self._reason:
            return self._reason
        if self._every_ms:
            days, needed = (count * self._every_ms / DAY_MS for count in (self.rows, self.fit_rows))
            return f"not enough history: {days:.3g} of {needed:.3g} days"
        return f"not enough history: {self.rows} of {self.fit_rows} rows"

    @property
    def is_complete(self) -> bool:
        return self.rows >= self.fit_rows

    def add(self, metrics: tuple[str, ...], ts_ms: int, values: Floats) -> None:
        """Takes one row; a row that tells nothing is not one."""
        told = np.flatnonzero(~np.isnan(values)).tolist()
        if not told:
            return
        for c in told:
            if metrics[c] not in self._column and len(self._column) < self._most_channels:
                self._column[metrics[c]] = len(self._column)
        self._reserve()
        for c in told:
            column = self._column.get(metrics[c])
            if column is not None:
                self._values[self.rows, column] = values[c]
        self._ts_ms[self.rows] = ts_ms
        self.rows += 1

    def gathered(self) -> Gathered:
        values = self._values[: self.rows].astype(np.float64)
        share = np.mean(~np.isnan(values), axis=0)
        names = sorted(self._column)
        kept = [name for name in names if share[self._column[name]] >= LEAST_TOLD_SHARE]
        if not kept:
            # Nothing is told half of the time: take all, the detector says what it lacks.
            kept = names
        steps = np.diff(self._ts_ms[: self.rows]) if self.rows > 1 else np.ones(1)
        return Gathered(
            channels=tuple(kept),
            values=values[:, [self._column[name] for name in kept]],
            interval_ms=max(1, int(np.median(steps))),
            longest_step_ms=max(1, int(1.5 * np.quantile(steps, 0.9))),
            missing=tuple(name for name in names if name not in kept),
        )

    def go_on(self, reason: str, *, need_rows: int) -> None:
        """Waits for more rows, or for others in place of the older half, because these did not do for this `reason`."""
        self._reason = reason
        self.tries += 1
        if need_rows > self.rows and need_rows > self.fit_rows:
            self.fit_rows = need_rows
            return
        kept = self.rows // 2
        self._values[:kept] = self._values[self.rows - kept : self.rows].copy()
        self._ts_ms[:kept] = self._ts_ms[self.rows - kept : self.rows].copy()
        self._values[kept:] = np.nan
        self.rows = kept

    def state_bytes(self) -> int:
        return self._values.nbytes + self._ts_ms.nbytes

    def _reserve(self) -> None:
        have_rows, have_columns = self._values.shape
        columns = max(have_columns, len(self._column))
        rows = have_rows if self.rows < have_rows else min(self.fit_rows, 2 * have_rows)
        if (rows, columns) != (have_rows, have_columns):
            larger = np.full((rows, columns), np.nan, dtype=np.float32)
            larger[:have_rows, :have_columns] = self._values
            self._values = larger
            self._ts_ms = np.resize(self._ts_ms, rows)
