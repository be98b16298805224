"""What was dangerous while nobody heard of it: conditions that began, and mostly ended, in data that came late.

Late data does not run backwards through the watch: it says how a unit was, while the watch knows how it is. A second
watch that hears nothing but late data judges it in its own order. What it finds becomes an alarm of the past.
"""

import numpy as np

from alerts.kind_watch import KindWatch
from alerts.rows import Rows
from alerts.signal import Signal
from models.event import Event
from models.reading import UnitKey

LONGEST_HOLE_MS = 15 * 60_000
"""Late rows further apart are two pasts: what held at the end of one says nothing of the other."""


class Hindsight:
    """The past of one kind of unit. Its alarms have no delay that waits for a clock, only for later rows."""

    def __init__(self, watch: KindWatch) -> None:
        """`watch` is its own, and hears nothing else."""
        self._watch = watch
        self._newest_ms: dict[UnitKey, int] = {}

    def observe(self, present: KindWatch, *, received_ms: int) -> list[Signal]:
        """Judges what came too late for `present` since the last call."""
        all_rows, events = present.take_late()
        signals: list[Signal] = []
        for rows in all_rows:
            signals += self._observe_rows(rows, present, received_ms)
        if events:
            signals += self._observe_events(events, received_ms)
        # Late even for the past: rows of a backlog that came in no order. They are stored, and that is all.
        self._watch.take_late()
        return signals

    def _observe_rows(self, rows: Rows, present: KindWatch, received_ms: int) -> list[Signal]:
        places, of_row = np.unique(rows.units, return_inverse=True)
        units = [present.unit(place) for place in places.tolist()]
        own = np.array([self._watch.unit_index(unit) for unit in units], dtype=np.int64)
        begins_anew = []
        for number, unit in enumerate(units):
            times = rows.ts_ms[of_row == number]
            if int(times[0]) - self._newest_ms.get(unit, int(times[0])) > LONGEST_HOLE_MS:
                begins_anew.append(number)
            self._newest_ms[unit] = max(self._newest_ms.get(unit, 0), int(times[-1]))
        if begins_anew:
            self._watch.forget(own[begins_anew])
        return self._watch.observe_rows(Rows(own[of_row], rows.ts_ms, rows.values, rows.known), received_ms)

    def _observe_events(self, events: list[Event], received_ms: int) -> list[Signal]:
        return self._watch.observe([], sorted(events, key=lambda event: event.ts_ms), received_ms=received_ms)
