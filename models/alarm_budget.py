"""The alarm budget: each unit's threshold is raised until its own past would have stayed within so many false alarms.

A limit from a few hundred fit rows says what is unusual among them; how often that is passed in a month of normal life
is another question, and units differ in it. So the highest ratio that lasted is noted for each stretch of time, and the
logarithms of these maxima are taken as Gumbel's extreme value distribution (fitted by moments: Gumbel 1958), which
tells the ratio that is passed once in as many stretches as the budget allows. Stretches are counted after the fit.
Until there are enough of them the limit stands half as high again: with nothing known of a unit, the benefit of doubt.
While a verdict stands none is; what raised it counts once, and not at its full height, for it may have been a fault.
"""

import math

import numpy as np

from models.reading import Bools, Floats, Ints

BUDGET_PER_MONTH = 0.08
"""False alarms that are accepted of one unit in a month: about one a year."""
MONTH_MS = 30 * 86_400_000
STRETCH_ROWS = 360
LASTING_ROWS = 4
LEAST_STRETCHES = 24
MEMORY_STRETCHES = 336
"""Of a stretch of an hour: what is known of two weeks."""
UNKNOWN_STRICTNESS = 1.5
"""Of an energy: a fifth more in distance. Of forty simulated lifts in their first twenty days it spared all of six
false hints."""
LEAST_RATIO, MOST_RATIO = 0.05, 3.0
MOST_STRICTNESS = 5.0
EULER_GAMMA = 0.5772


class AlarmBudget:
    """What the past of many slots says of their thresholds. `strictness` is a fixed one until enough of it is known.

    >>> budget = AlarmBudget(per_month=1.0)
    >>> slot, day = np.array([0]), np.array([10_000])
    >>> rng = np.random.default_rng(5)
    >>> for _ in range(30 * STRETCH_ROWS):
    ...     budget.note(slot, 0.8 + 0.1 * rng.normal(size=1), np.array([False]), day)
    >>> bool(1.0 <= budget.strictness(slot)[0] < 1.3)
    True
    """

    def __init__(self, *, per_month: float = BUDGET_PER_MONTH) -> None:
        self.per_month = per_month
        # Of each slot: a model that was fitted under another budget keeps it.
        self._per_month = np.zeros(0)
        self._recent = np.zeros((0, LASTING_ROWS))
        self._rows = np.zeros(0, dtype=np.int64)
        self._highest = np.zeros(0)
        self._stretches = np.zeros(0)
        self._mean = np.zeros(0)
        self._square = np.zeros(0)
        self._strictness = np.full(0, UNKNOWN_STRICTNESS)

    def strictness(self, slots: Ints, *, is_anomalous: Bools | None = None) -> Floats:
        """What the thresholds are multiplied by: shape (n,), at least 1.

        Doubt is no reason to take a standing verdict back: for these only what was learned counts.
        """
        self._reserve(slots)
        if is_anomalous is None:
            return self._strictness[slots]
        is_doubt = is_anomalous & (self._stretches[slots] < LEAST_STRETCHES)
        return np.where(is_doubt, 1.0, self._strictness[slots])

    def per_month_of(self, slot: int) -> float:
        """False alarms a month that are accepted of the slot."""
        self._reserve(np.array([slot]))
        return float(self._per_month[slot])

    def stretches(self, slot: int) -> int:
        """How many stretches of the slot's past are known."""
        self._reserve(np.array([slot]))
        return int(self._stretches[slot])

    def note(self, slots: Ints, ratio: Floats, is_anomalous: Bools, interval_ms: Ints) -> None:
        """Takes one scored row a slot: ratio = score / the detector's own threshold, NaN where not scored."""
        self._reserve(slots)
        counts = ~np.isnan(ratio) & ~is_anomalous
        slots, ratio, interval_ms = slots[counts], ratio[counts], interval_ms[counts]
        recent = np.column_stack([ratio, self._recent[slots, :-1]])
        self._recent[slots] = recent
        self._highest[slots] = np.maximum(self._highest[slots], recent.min(axis=1))
        self._rows[slots] += 1
        is_over = self._rows[slots] >= STRETCH_ROWS
        if is_over.any():
            self._close(slots[is_over], interval_ms[is_over])

    def forget(self, slots: Ints, *, per_month: float | None = None) -> None:
        """The slots are learned anew: their past was measured with other limits. `per_month`: their own budget."""
        self._reserve(slots)
        self._per_month[slots] = self.per_month if per_month is None else per_month
        for array in (self._recent, self._rows, self._highest, self._stretches, self._mean, self._square):
            array[slots] = 0
        self._strictness[slots] = UNKNOWN_STRICTNESS

    def _close(self, slots: Ints, interval_ms: Ints) -> None:
        height = np.log(np.clip(self._highest[slots], LEAST_RATIO, MOST_RATIO))
        self._rows[slots] = 0
        self._highest[slots] = 0.0
        known = np.minimum(self._stretches[slots] + 1, MEMORY_STRETCHES)
        self._stretches[slots] = known
        self._mean[slots] += (height - self._mean[slots]) / known
        self._square[slots] += (height**2 - self._square[slots]) / known
        spread = np.sqrt(np.maximum(self._square[slots] - self._mean[slots] ** 2, 0.0))
        in_a_month = MONTH_MS / (STRETCH_ROWS * np.maximum(interval_ms, 1))
        reduced = np.log(np.maximum(in_a_month / self._per_month[slots], 1.0)) - EULER_GAMMA
        passed_once = np.exp(self._mean[slots] + spread * math.sqrt(6.0) / math.pi * reduced)
        is_known = known >= LEAST_STRETCHES
        self._strictness[slots] = np.where(is_known, np.clip(passed_once, 1.0, MOST_STRICTNESS), UNKNOWN_STRICTNESS)

    def _reserve(self, slots: Ints) -> None:
        need, have = int(slots.max(initial=-1)) + 1, len(self._rows)
        if need <= have:
            return
        more = max(need, 2 * have, 64) - have
        self._recent = np.vstack([self._recent, np.zeros((more, LASTING_ROWS))])
        self._rows = np.concatenate([self._rows, np.zeros(more, dtype=np.int64)])
        self._highest, self._stretches, self._mean, self._square = (
            np.concatenate([array, np.zeros(more)])
            for array in (self._highest, self._stretches, self._mean, self._square)
        )
        self._per_month = np.concatenate([self._per_month, np.full(more, self.per_month)])
        self._strictness = np.concatenate([self._strictness, np.full(more, UNKNOWN_STRICTNESS)])
