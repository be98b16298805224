"""By how much the clocks of senders differ from ours, measured on what they say live.

For each sender and each stretch of some seconds we keep the smallest delay from a reading's own time to its arrival:
queues and networks only add to it. The median of the last few stretches is the skew, so that one wrong time does not
count. Stretches in which the times run faster than ours are a backlog or a recording that catches up, and say nothing.
"""

import numpy as np

from models.reading import Ints

FIRST_CAPACITY = 64
STRETCHES = 5
LEAST_STRETCHES = 3
FASTEST = 1.2
"""A sender's time may run ahead of ours so much within a stretch, plus `JITTER_MS`, and still be live."""
JITTER_MS = 2_000
LONGEST_PAUSE_MS = 15 * 60_000
"""After a longer pause the first stretch only begins to be a measure: a backlog may begin with it."""
MOST_MS = 24 * 3600 * 1000
"""Whoever is further back does not have a wrong clock: it is a recording, or a clock that was never set."""
NEVER_MS = np.iinfo(np.int64).min
NONE_MS = np.iinfo(np.int64).max


class ClockSkew:
    """Skews of many senders; sender i stands at place i. Positive: the sender's clock is behind ours."""

    def __init__(self) -> None:
        self._grow_to(FIRST_CAPACITY, is_first=True)

    def _grow_to(self, capacity: int, *, is_first: bool = False) -> None:
        def fresh(fill: int, *shape: int) -> Ints:
            return np.full(shape, fill, dtype=np.int64)

        parts = {
            "_least_ms": fresh(NONE_MS, capacity),
            "newest_ms": fresh(NEVER_MS, capacity),
            "_heard_ms": fresh(0, capacity),
            "_last_newest_ms": fresh(NEVER_MS, capacity),
            "_last_at_ms": fresh(NEVER_MS, capacity),
            "_kept_ms": fresh(0, capacity, STRETCHES),
            "_kept": fresh(0, capacity),
        }
        for name, array in parts.items():
            if not is_first:
                old = getattr(self, name)
                array[: len(old)] = old
            setattr(self, name, array)

    _least_ms: Ints
    newest_ms: Ints
    _heard_ms: Ints
    _last_newest_ms: Ints
    _last_at_ms: Ints
    _kept_ms: Ints
    _kept: Ints

    def observe(self, places: Ints, ts_ms: Ints, received_ms: Ints) -> None:
        """Readings of these senders with their own times and the times of their arrival, all (n,)."""
        most = int(places.max(initial=-1)) + 1
        if most > len(self._kept):
            self._grow_to(max(most, 2 * len(self._kept)))
        np.minimum.at(self._least_ms, places, received_ms - ts_ms)
        np.maximum.at(self.newest_ms, places, ts_ms)
        np.maximum.at(self._heard_ms, places, received_ms)

    def close_stretch(self, now_ms: int) -> None:
        """Takes what came since the last call as one measurement of each sender that spoke."""
        spoke = np.flatnonzero(self._least_ms != NONE_MS)
        least, newest = self._least_ms[spoke], self.newest_ms[spoke]
        at, before = self._last_at_ms[spoke], self._last_newest_ms[spoke]
        has_before = at != NEVER_MS
        passed = now_ms - np.where(has_before, at, now_ms)
        advanced = newest - np.where(has_before, before, newest)
        is_live = has_before & (passed <= LONGEST_PAUSE_MS) & (advanced <= passed * FASTEST + JITTER_MS)
        is_live &= (advanced > 0) & (np.abs(least) <= MOST_MS)
        live = spoke[is_live]
        self._kept_ms[live, self._kept[live] % STRETCHES] = least[is_live]
        self._kept[live] += 1
        self._last_at_ms[spoke], self._last_newest_ms[spoke] = now_ms, newest
        self._least_ms[spoke] = NONE_MS

    def heard_ms(self, place: int) -> int:
        """When it was last heard; 0 for never."""
        return int(self._heard_ms[place]) if place < len(self._heard_ms) else 0

    def skew_ms(self, place: int) -> int | None:
        """None until there were enough stretches."""
        kept = int(self._kept[place]) if place < len(self._kept) else 0
        if kept < LEAST_STRETCHES:
            return None
        return int(np.median(self._kept_ms[place, : min(kept, STRETCHES)]))
