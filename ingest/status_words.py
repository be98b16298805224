"""Status words of fire components (GB/T 26875.3) become events: a bit that rises begins one, a bit that falls ends it.

What a component's last word was is known from the events themselves, which are kept: so nothing is told twice after a
restart, and a message delivered again, whose values are known, is not looked at.
"""

from collections.abc import Iterable

import numpy as np

from models.equipment import Kind
from models.event import Event
from models.event_codes import STATUS_BITS, states_in, status_point
from models.reading import ReadingBlock, UnitKey

MAX_WORD = 0xFFFF
CODES = tuple(STATUS_BITS.values())

StateKey = tuple[UnitKey, str, str]


class StatusWords:
    """The last word on each state of each point; `note` is told what is committed."""

    def __init__(self) -> None:
        self._is_on: dict[StateKey, bool] = {}

    def note(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.unit.kind is Kind.FIRE:
                self._is_on[event.unit, event.point, event.code] = event.is_on

    def events_in(self, block: ReadingBlock, told: Iterable[Event]) -> list[Event]:
        """Events that new words of the block mean, in order of time; `told` are those the batch tells besides.

        A word that is no integer of 16 bits is stored as what it is, and means nothing.
        """
        points = [(place, status_point(metric)) for place, metric in enumerate(block.metrics)]
        points = [(place, point) for place, point in points if point is not None]
        if block.kind is not Kind.FIRE or not points:
            return []
        is_on = {(e.unit, e.point, e.code): e.is_on for e in sorted(told, key=lambda e: e.ts_ms)}
        found: list[Event] = []
        for place, point in points:
            assert point is not None
            column = block.values[:, place]
            for row in np.flatnonzero(~np.isnan(column)).tolist():
                value = float(column[row])
                if not 0 <= value <= MAX_WORD or not value.is_integer():
                    continue
                unit = block.units[block.unit_index[row]]
                states = states_in(int(value))
                for code in CODES:
                    key = (unit, point, code)
                    was_on = is_on.get(key, self._is_on.get(key, False))
                    if (code in states) is not was_on:
                        is_on[key] = code in states
                        found.append(Event(unit, int(block.ts_ms[row]), code, code in states, point))
        return sorted(found, key=lambda event: event.ts_ms)
