"""Which units have gone silent: no reading for some of their own usual pauses, while we listened.

Time is counted on a clock of our own that goes only while somebody listens. So neither our being down nor a lost
broker makes a unit silent, and a step of the system's clock makes none either.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alerts.limits import Limits
from models.reading import Bools, Floats, Ints, UnitKey

FIRST_CAPACITY = 64
LEARNED_GAPS = 3
"""A usual pause is known after so many."""
RISE, FALL = 0.25, 0.02
"""How fast the usual pause follows longer and shorter ones: it settles high, where few pauses are much longer."""
LONGEST_STEP_MS = 10_000
"""We look at the clock every second. Whatever is longer we were busy or asleep, and did not listen."""
NOT_HEARD = -1


@dataclass(frozen=True, slots=True)
class SilenceChange:
    """A unit's silence became, or ceased to be, a matter for people, by our clock."""

    unit: UnitKey
    ts_ms: int
    is_silent: bool
    evidence: dict[str, Any] = field(default_factory=dict)


class Silence:
    """All units as senders; unit i stands at place i of every array. Not for several threads at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._units: list[UnitKey] = []
        self._place: dict[UnitKey, int] = {}
        self._now_ms: int | None = None
        self._listened_ms = 0
        self._listened_at = np.full(FIRST_CAPACITY, NOT_HEARD, dtype=np.int64)
        self._back_at = np.full(FIRST_CAPACITY, NOT_HEARD, dtype=np.int64)
        self._is_told = np.zeros(FIRST_CAPACITY, dtype=bool)
        self._is_offline = np.zeros(FIRST_CAPACITY, dtype=bool)
        self.heard_ms: Ints = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        self.interval_ms: Floats = np.full(FIRST_CAPACITY, np.nan)
        self.gap_count: Ints = np.zeros(FIRST_CAPACITY, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._units)

    def unit(self, place: int) -> UnitKey:
        return self._units[place]

    def places(self, units: Iterable[UnitKey]) -> Ints:
        """The places of units, new ones added; a unit that has a place is not for that alone one that was heard."""
        units, known = tuple(units), self._place
        try:
            return np.array([known[unit] for unit in units], dtype=np.int64)
        except KeyError:
            return np.array([known[u] if u in known else self._add(u) for u in units], dtype=np.int64)

    def _add(self, unit: UnitKey) -> int:
        index = self._place[unit] = len(self._units)
        self._units.append(unit)
        if index >= len(self.heard_ms):
            for name, fill in (
                ("_listened_at", NOT_HEARD),
                ("_back_at", NOT_HEARD),
                ("_is_told", False),
                ("_is_offline", False),
                ("heard_ms", 0),
                ("interval_ms", np.nan),
                ("gap_count", 0),
            ):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.full(len(array), fill, dtype=array.dtype)]))
        return index

    # What comes in.

    def restore(self, unit: UnitKey, *, heard_ms: int, interval_ms: int | None, gap_count: int, is_told: bool) -> None:
        """What an earlier process knew. Silence begins to count now; what is told stays told until it is heard."""
        place = int(self.places([unit])[0])
        self.heard_ms[place] = heard_ms
        self.interval_ms[place] = np.nan if interval_ms is None else interval_ms
        self.gap_count[place] = gap_count
        self._is_told[place] = is_told

    def listen(self, now_ms: int, *, is_listening: bool = True) -> None:
        """Lets our own clock go on, if we listened since the last call."""
        if self._now_ms is not None and is_listening:
            self._listened_ms += min(max(now_ms - self._now_ms, 0), LONGEST_STEP_MS)
        self._now_ms = now_ms

    def hear(self, places: Ints, received_ms: int) -> None:
        """Readings of these units (each once) have arrived."""
        self.listen(received_ms)
        at = self._listened_at[places]
        has_gap = at != NOT_HEARD
        gap_ms = self._listened_ms - np.where(has_gap, at, 0)
        if has_gap.any():
            self._learn(places[has_gap], gap_ms[has_gap])
        returned = self._is_told[places] & (self._back_at[places] == NOT_HEARD)
        if returned.any():
            self._back_at[places[returned]] = self._listened_ms
        self._listened_at[places] = self._listened_ms
        self.heard_ms[places] = np.maximum(self.heard_ms[places], received_ms)

    def _learn(self, places: Ints, gap_ms: Ints) -> None:
        usual = self.interval_ms[places]
        # A pause beyond the limit was an outage: it counts, so that a new habit is learned, but not in full. The first
        # one may be the habit of a unit that reports once a day.
        most_ms = np.where(np.isnan(usual), self._limits.silent_ceiling_s * 1000, self.limits_ms(places))
        gap = np.minimum(gap_ms, most_ms)
        moved = usual + np.where(gap > usual, RISE, FALL) * (gap - usual)
        self.interval_ms[places] = np.where(np.isnan(usual), gap, moved)
        self.gap_count[places] += 1

    def tell_connection(self, unit: UnitKey, *, is_online: bool) -> None:
        """A unit that said goodbye needs no second alarm for saying nothing."""
        # Found first: a new unit may be one for which the arrays have to grow.
        place = int(self.places([unit])[0])
        self._is_offline[place] = not is_online

    def correct(self, unit: UnitKey, heard_ms: int) -> None:
        """Another worker heard the unit; counted as heard as long ago as it was."""
        place = int(self.places([unit])[0])
        if self._now_ms is None or heard_ms <= self.heard_ms[place]:
            return
        self.heard_ms[place] = heard_ms
        at = max(0, self._listened_ms - max(0, self._now_ms - heard_ms))
        if self._is_told[place] and self._back_at[place] == NOT_HEARD:
            self._back_at[place] = at
        self._listened_at[place] = max(self._listened_at[place], at)

    # What follows.

    def limits_ms(self, places: Ints) -> Ints:
        """The pause after which nobody can say how a unit is, for each of the places."""
        limits, interval = self._limits, self.interval_ms[places]
        is_learned = self.gap_count[places] >= LEARNED_GAPS
        least_ms = np.where(is_learned, limits.silent_floor_s, limits.silent_unlearned_s) * 1000
        most_ms = np.maximum(limits.silent_ceiling_s * 1000, interval * 1.1)
        wanted = np.minimum(interval * limits.silent_intervals, most_ms)
        return np.asarray(np.fmax(wanted, least_ms), dtype=np.int64)

    def is_silent(self, places: Ints) -> Bools:
        """Whether they said nothing for longer than their limit; never true for a unit that never spoke."""
        pause_ms = self._listened_ms - np.maximum(self._listened_at[places], 0)
        return np.asarray((self.heard_ms[places] > 0) & (pause_ms > self.limits_ms(places)))

    def doubtful(self) -> list[UnitKey]:
        """Units of which another worker may know more: silent ones and those that were told to be."""
        every = np.arange(len(self))
        return [self._units[place] for place in np.flatnonzero(self.is_silent(every) | self._is_told[every]).tolist()]

    def changes(self, now_ms: int) -> list[SilenceChange]:
        """Everybody who is silent, told before or not, and who has been back for long enough.

        Who said goodbye is left out unless it was told before. The alarm returns only after readings have come for a
        while: a connection that comes and goes is one incident.
        """
        every = np.arange(len(self))
        silent, told = self.is_silent(every), self._is_told[every]
        back_at = self._back_at[every]
        begun = silent & (told | ~self._is_offline[every])
        back_for_ms = self._listened_ms - back_at
        ended = told & ~silent & (back_at != NOT_HEARD) & (back_for_ms >= self._limits.silent_off_delay_s * 1000)
        # Who fell silent again while coming back has never been back.
        self._back_at[every[silent]] = NOT_HEARD
        self._back_at[every[ended]] = NOT_HEARD
        self._is_told[every] = (told | begun) & ~ended
        return [self._change(place, now_ms, is_silent=True) for place in np.flatnonzero(begun).tolist()] + [
            self._change(place, now_ms, is_silent=False) for place in np.flatnonzero(ended).tolist()
        ]

    def _change(self, place: int, now_ms: int, *, is_silent: bool) -> SilenceChange:
        evidence: dict[str, Any] = {}
        if is_silent:
            evidence["last_heard_ms"] = int(self.heard_ms[place])
            if not np.isnan(self.interval_ms[place]):
                evidence["usual_interval_s"] = round(float(self.interval_ms[place]) / 1000, 1)
        return SilenceChange(self._units[place], now_ms, is_silent, evidence)
