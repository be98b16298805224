"""From scores to verdicts: a stretch must last before it counts, and must be over before it ends.

Hysteresis and minimum duration, held for many slots at once. Scores come as a ratio to the slot's threshold. Each row
of a stretch above the threshold counts by its ratio, up to a largest: what is far over it is told sooner than what is
hardly over it, and no single row is ever enough.

>>> import numpy as np
>>> verdicts = Verdicts(raise_evidence=2.2, clear_rows=2, clear_ratio=0.8)
>>> slot = np.array([0])
>>> [bool(verdicts.update(slot, np.array([r]), np.array([t]))[0]) for t, r in enumerate([0.5, 1.2, 1.1, 0.9, 0.7, 0.6])]
[False, False, True, False, False, True]
"""

import numpy as np

from models.reading import Bools, Floats, Ints

RAISE_EVIDENCE = 6.0
MOST_EVIDENCE = 3.0
"""What one row counts at most: two rows far above the threshold raise a verdict, or six that hardly exceed it."""
CLEAR_ROWS = 3
CLEAR_RATIO = 0.6
SETTLE_ROWS = 8640
"""Rows in alarm (a day at 10 s) after which the present behaviour is taken as the new normal one, and told so."""


class Verdicts:
    """Standing verdicts of many slots. A row that was not scored (NaN) neither raises nor clears."""

    def __init__(
        self, *, raise_evidence: float = RAISE_EVIDENCE, clear_rows: int = CLEAR_ROWS, clear_ratio: float = CLEAR_RATIO
    ) -> None:
        self.raise_evidence = raise_evidence
        self.clear_rows = clear_rows
        self.clear_ratio = clear_ratio
        self._is_anomalous = np.zeros(0, dtype=bool)
        # Of the present stretch: the sum of ratios that may raise the verdict, or the rows that may clear it.
        self._evidence = np.zeros(0)
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
        before = self._evidence[slots]
        evidence = np.where(counts, before + np.where(was, 1.0, np.minimum(ratio, MOST_EVIDENCE)), 0.0)
        began = counts & ~was & (before == 0.0)
        self._since_ms[slots] = np.where(began, ts_ms, self._since_ms[slots])
        changed = evidence >= np.where(was, self.clear_rows, self.raise_evidence)
        now = was ^ changed
        self._evidence[slots] = np.where(changed, 0.0, evidence)
        self._is_anomalous[slots] = now
        self._rows_in_alarm[slots] = np.where(now, self._rows_in_alarm[slots] + 1, 0)
        return np.asarray(changed)

    def stand(self, slots: Ints, since_ms: Ints) -> None:
        """Takes up verdicts that stood before, elsewhere."""
        self._reserve(slots)
        self._is_anomalous[slots] = True
        self._evidence[slots] = 0.0
        self._since_ms[slots] = since_ms
        self._rows_in_alarm[slots] = 1

    def clear(self, slots: Ints) -> None:
        """Takes the verdicts back: the slots start anew."""
        self._reserve(slots)
        self._is_anomalous[slots] = False
        self._evidence[slots] = 0.0
        self._rows_in_alarm[slots] = 0

    def _reserve(self, slots: Ints) -> None:
        need = int(slots.max(initial=-1)) + 1
        have = len(self._evidence)
        if need > have:
            more = max(need, 2 * have, 64) - have
            self._is_anomalous = np.concatenate([self._is_anomalous, np.zeros(more, dtype=bool)])
            self._evidence = np.concatenate([self._evidence, np.zeros(more)])
            self._since_ms, self._rows_in_alarm = (
                np.concatenate([array, np.zeros(more, dtype=np.int64)])
                for array in (self._since_ms, self._rows_in_alarm)
            )
