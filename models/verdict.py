"""From scores to verdicts: a stretch must last before it counts, and must be over before it ends.

Hysteresis and minimum duration in rows, held for many slots at once. Scores come as a ratio to the slot's threshold.

>>> import numpy as np
>>> verdicts = Verdicts(raise_rows=2, clear_rows=2, clear_ratio=0.8)
>>> slot = np.array([0])
>>> [bool(verdicts.update(slot, np.array([r]), np.array([t]))[0]) for t, r in enumerate([0.5, 1.2, 1.1, 0.9, 0.7, 0.6])]
[False, False, True, False, False, True]
"""

import numpy as np

from models.reading import Bools, Floats, Ints

RAISE_ROWS = 3
CLEAR_ROWS = 3
CLEAR_RATIO = 0.5
SETTLE_ROWS = 8640
"""Rows in alarm (a day at 10 s) after which the present behaviour is taken as the new normal one, and told so."""


class Verdicts:
    """Standing verdicts of many slots. A row that was not scored (NaN) neither raises nor clears."""

    def __init__(
        self, *, raise_rows: int = RAISE_ROWS, clear_rows: int = CLEAR_ROWS, clear_ratio: float = CLEAR_RATIO
    ) -> None:
        self.raise_rows = raise_rows
        self.clear_rows = clear_rows
        self.clear_ratio = clear_ratio
        self._is_anomalous = np.zeros(0, dtype=bool)
        self._run = np.zeros(0, dtype=np.int64)
        self._since_ms = np.zeros(0, dtype=np.int64)
        self._rows_in_alarm = np.zeros(0, dtype=np.int64)

    def is_anomalous(self, slots: Ints) -> Bools:
        self._reserve(slots)
        return self._is_anomalous[slots]

    def since_ms(self, slots: Ints) -> Ints:
        """First row of the stretch that led to the standing verdict; meaningful while, and when, it is anomalous."""
        return self._since_ms[slots]

    def rows_in_alarm(self, slots: Ints) -> Ints:
        """Scored rows since the verdict was raised, 0 for a slot that is not anomalous."""
        self._reserve(slots)
        return self._rows_in_alarm[slots]

    def update(self, slots: Ints, ratio: Floats, ts_ms: Ints) -> Bools:
        """Takes one row a slot and says whose verdict it changed. Shapes (n,), ratio = score / threshold."""
        self._reserve(slots)
        told = ~np.isnan(ratio)
        if not told.all():
            changed = np.zeros(len(slots), dtype=bool)
            changed[told] = self.update(slots[told], ratio[told], ts_ms[told])
            return changed
        was = self._is_anomalous[slots]
        counts = np.where(was, ratio < self.clear_ratio, ratio >= 1.0)
        run = np.where(counts, self._run[slots] + 1, 0)
        began = counts & ~was & (run == 1)
        self._since_ms[slots] = np.where(began, ts_ms, self._since_ms[slots])
        changed = run >= np.where(was, self.clear_rows, self.raise_rows)
        now = was ^ changed
        self._run[slots] = np.where(changed, 0, run)
        self._is_anomalous[slots] = now
        self._rows_in_alarm[slots] = np.where(now, self._rows_in_alarm[slots] + 1, 0)
        return np.asarray(changed)

    def clear(self, slots: Ints) -> None:
        """Takes the verdicts back: the slots start anew."""
        self._reserve(slots)
        self._is_anomalous[slots] = False
        self._run[slots] = 0
        self._rows_in_alarm[slots] = 0

    def _reserve(self, slots: Ints) -> None:
        need = int(slots.max(initial=-1)) + 1
        have = len(self._run)
        if need > have:
            more = max(need, 2 * have, 64) - have
            self._is_anomalous = np.concatenate([self._is_anomalous, np.zeros(more, dtype=bool)])
            self._run, self._since_ms, self._rows_in_alarm = (
                np.concatenate([array, np.zeros(more, dtype=np.int64)])
                for array in (self._run, self._since_ms, self._rows_in_alarm)
            )
