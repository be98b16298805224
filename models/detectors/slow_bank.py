"""Wear in a live stream: every unit's hours against its own first two weeks.

Readings become hourly features (`models.hourly`), their daily rhythm is taken out, and what is left is judged by
cumulative sums against a baseline that stands still. Before fourteen days are known nothing is judged, and how many
there are is told. Not for several threads at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.detectors.bank import VerdictChange
from models.detectors.contract import NotEnoughHistory, NothingVaries, StateArrays, check_state
from models.detectors.learned_hours import LearnedHours
from models.detectors.seasonal import HOURS, daily_rhythm, without_rhythm
from models.detectors.slow_change import LEAST_DAYS, SlowChange
from models.explain import Difference
from models.hourly import HOUR_MS, HourlyFeatures, HourlySums
from models.reading import Floats, Ints, ReadingBlock, UnitKey
from models.rounds import rounds
from models.verdict import Verdicts

MOST_DAYS_KEPT = 28
"""Of a unit that tells too little to be learned in that time, older hours are let go."""
RAISE_HOURS = 4.0
SETTLE_HOURS = 60 * HOURS
"""What has been unlike before for two months is how the unit is now; it is told, and judged from there."""
NEVER_HOUR = -1


@dataclass(frozen=True, slots=True)
class DaysKnown:
    """How much of the baseline is there; `str()` is what people read."""

    days: float
    needed_days: int
    is_judged: bool

    def __str__(self) -> str:
        return f"{int(self.days)} of {self.needed_days} days"


def days_known_of(arrays: StateArrays) -> DaysKnown:
    """The same from a saved state."""
    is_judged = bool(np.any(arrays["is_judged"]))
    days = float(LEAST_DAYS) if is_judged else len(arrays["learned_hours"]) / HOURS
    return DaysKnown(days, LEAST_DAYS, is_judged=is_judged)


@dataclass(frozen=True, slots=True)
class Levels:
    """Where the features of units stood lately, for a comparison among sisters: values (units, features)."""

    units: tuple[UnitKey, ...]
    values: Floats


class SlowBank:
    """All units of one kind. `make_features` gives what they are compared by."""

    def __init__(self, make_features: Callable[[], HourlyFeatures], *, least_days: int = LEAST_DAYS) -> None:
        self._hours = make_features()
        features = self._hours.features
        self.least_days = least_days
        self.channels = tuple(feature.name for feature in features)
        self._sums = HourlySums(features)
        self._detector = SlowChange(
            self.channels,
            rows_per_day=HOURS,
            least_change={feature.name: feature.least_change for feature in features},
            least_share={feature.name: feature.least_share for feature in features},
            worse={feature.name: feature.worse for feature in features},
            least_told_share=0.05,
        )
        self._verdicts = Verdicts(raise_evidence=RAISE_HOURS)
        self._place: dict[UnitKey, int] = {}
        self._units: list[UnitKey] = []
        self._is_judged = np.zeros(0, dtype=bool)
        self._newest_ms = np.full(0, -1, dtype=np.int64)
        self._rhythm = np.zeros((0, HOURS, len(features)), dtype=np.float32)
        self._level = np.full((0, len(features)), np.nan)
        self._learned: dict[int, LearnedHours] = {}

    def observe(self, block: ReadingBlock) -> list[VerdictChange]:
        """Takes the block's rows in order of time for each unit and returns the verdicts that changed."""
        if not len(block):
            return []
        places = np.array([self._place_of(unit) for unit in block.units], dtype=np.int64)[block.unit_index]
        column = {name: c for c, name in enumerate(block.metrics)}
        changes: list[VerdictChange] = []
        for rows in rounds(places, block.ts_ms):
            rows = rows[block.ts_ms[rows] > self._newest_ms[places[rows]]]
            if not len(rows):
                continue
            units, ts_ms, values = places[rows], block.ts_ms[rows], block.values[rows]
            self._newest_ms[units] = ts_ms
            hour = ts_ms // HOUR_MS
            is_over = (self._sums.hour[units] != NEVER_HOUR) & (hour != self._sums.hour[units])
            if is_over.any():
                changes += self._close(units[is_over])
            self._sums.hour[units] = hour
            nothing = np.full(len(rows), np.nan)
            self._sums.add(
                units,
                *self._hours.add(
                    units,
                    ts_ms,
                    lambda name, values=values, nothing=nothing: (  # type: ignore[misc]
                        values[:, column[name]] if name in column else nothing
                    ),
                ),
            )
        return changes

    def standing(self) -> list[UnitKey]:
        """Units that are judged to have changed."""
        found = np.flatnonzero(self._verdicts.is_anomalous(np.arange(len(self._units))))
        return [self._units[place] for place in found.tolist()]

    def progress(self, unit: UnitKey) -> DaysKnown:
        place = self._place.get(unit)
        if place is None:
            return DaysKnown(0.0, self.least_days, is_judged=False)
        if self._is_judged[place]:
            return DaysKnown(float(self.least_days), self.least_days, is_judged=True)
        return DaysKnown(len(self._learned.get(place, ())) / HOURS, self.least_days, is_judged=False)

    def rebaseline(self, unit: UnitKey) -> None:
        """After an overhaul: how the unit is in the next week is its normal; a standing verdict is taken back."""
        place = self._place.get(unit)
        if place is None:
            return
        if self._is_judged[place]:
            self._detector.rebaseline(np.array([place]))
            self._verdicts.clear(np.array([place]))
        self._learned.pop(place, None)

    def stand(self, unit: UnitKey, *, is_standing: bool) -> None:
        """Whether the unit's verdict stands, as it was told before a restart."""
        place = np.array([self._place_of(unit)])
        self._verdicts.clear(place)
        if is_standing:
            self._verdicts.stand(place, np.maximum(self._newest_ms[place], 0))

    def levels(self) -> Levels:
        """Smoothed over about three days; NaN where not told."""
        return Levels(tuple(self._units), self._level[: len(self._units)].copy())

    # An hour is over.

    def _close(self, places: Ints) -> list[VerdictChange]:
        hours = self._sums.hour[places]
        values = self._sums.close(places)
        told = ~np.isnan(values).all(axis=1)
        places, hours, values = places[told], hours[told], values[told]
        self._follow(places, values)
        is_judged = self._is_judged[places]
        for place, hour, row in zip(
            places[~is_judged].tolist(), hours[~is_judged].tolist(), values[~is_judged], strict=True
        ):
            self._learn(place, hour, row)
        return self._judge(places[is_judged], hours[is_judged], values[is_judged]) if is_judged.any() else []

    def _follow(self, places: Ints, values: Floats) -> None:
        level = self._level[places]
        step = np.where(np.isnan(level), values, level + (values - level) / (3 * HOURS))
        self._level[places] = np.where(np.isnan(values), level, step)

    def _learn(self, place: int, hour: int, row: Floats) -> None:
        known = self._learned.get(place)
        if known is None:
            known = self._learned[place] = self._no_hours()
        known.add(hour, row)
        if len(known) < self.least_days * HOURS or hour % HOURS != place % HOURS:
            # Once a day is often enough to try; thousands that came on one day are not all learned in the same hour.
            return
        table = known.days()
        rhythm = daily_rhythm(table)
        try:
            self._detector.fit(place, (table - rhythm).reshape(-1, len(self.channels)))
        except (NotEnoughHistory, NothingVaries):
            return
        self._rhythm[place] = rhythm
        self._is_judged[place] = True
        self._learned.pop(place)

    def _judge(self, places: Ints, hours: Ints, values: Floats) -> list[VerdictChange]:
        was_changed = self._verdicts.is_anomalous(places)
        residual = without_rhythm(values, hours % HOURS, self._rhythm[places].astype(np.float64))
        scores = self._detector.score(places, residual, is_frozen=was_changed)
        ts_ms = (hours + 1) * HOUR_MS
        changed = self._verdicts.update(places, scores.anomaly_score / scores.threshold, ts_ms)
        settled = self._verdicts.rows_in_alarm(places) >= SETTLE_HOURS
        tells = changed | settled
        if not tells.any():
            return []
        is_changed, since_ms = self._verdicts.is_anomalous(places), self._verdicts.since_ms(places)
        described = self._detector.describe(places)
        if settled.any():
            self._detector.rebaseline(places[settled])
            self._verdicts.clear(places[settled])
        changes = []
        for i in np.flatnonzero(tells).tolist():
            shares = scores.contributions[i]
            order = [c for c in np.argsort(-shares, kind="stable").tolist() if shares[c] > 1e-6]
            changes.append(
                VerdictChange(
                    unit=self._units[places[i]],
                    ts_ms=int(ts_ms[i]),
                    is_anomalous=bool(is_changed[i] and not settled[i]),
                    since_ms=int(since_ms[i]),
                    anomaly_score=float(scores.anomaly_score[i]),
                    threshold=float(scores.threshold[i]),
                    contributions=tuple((self.channels[c], float(shares[c])) for c in order),
                    is_rebaselined=bool(settled[i]),
                    differences=tuple(
                        Difference(
                            channel=self.channels[c],
                            share=float(shares[c]),
                            now=float(described.now[i, c]),
                            low=float(described.low[i, c]),
                            high=float(described.high[i, c]),
                        )
                        for c in order
                    ),
                )
            )
        return changes

    # Saving and taking up.

    def state_of(self, unit: UnitKey) -> dict[str, npt.NDArray[Any]] | None:
        """All that is known of the unit but its hour under way, as plain arrays; None of a unit never heard."""
        place = self._place.get(unit)
        if place is None:
            return None
        at = np.array([place])
        return {
            "is_judged": self._is_judged[at],
            "is_anomalous": self._verdicts.is_anomalous(at),
            "newest_ms": self._newest_ms[at],
            "level": self._level[place].copy(),
            "rhythm": self._rhythm[place].copy(),
            **self._learned.get(place, self._no_hours()).state(),
            **{f"detector_{name}": array for name, array in self._detector_state(place).items()},
        }

    def load(self, unit: UnitKey, arrays: StateArrays) -> None:
        """Takes up what `state_of` gave. Raises StateMismatch; the unit then goes on as it was."""
        place = self._place_of(unit)
        expected = {**(self.state_of(unit) or {})}
        for name in ("learned_hours", "learned"):
            rows = np.atleast_1d(arrays.get(name, np.empty(0))).shape[0]
            expected[name] = np.zeros((rows, *expected[name].shape[1:]), dtype=expected[name].dtype)
        check_state(arrays, expected)
        learned = self._no_hours()
        learned.take(arrays)
        detector = {name.removeprefix("detector_"): a for name, a in arrays.items() if name.startswith("detector_")}
        self._detector.load(place, detector)
        self._is_judged[place] = bool(arrays["is_judged"][0])
        self._newest_ms[place] = int(arrays["newest_ms"][0])
        self._level[place], self._rhythm[place] = arrays["level"], arrays["rhythm"]
        self._learned.pop(place, None)
        if len(learned):
            self._learned[place] = learned
        at = np.array([place])
        self._verdicts.clear(at)
        if arrays["is_anomalous"][0]:
            self._verdicts.stand(at, self._newest_ms[at])

    def state_bytes(self) -> int:
        """Memory of the state held, the hours to learn from included."""
        learned = sum(hours.nbytes for hours in self._learned.values())
        arrays = (self._is_judged, self._newest_ms, self._rhythm, self._level)
        return self._detector.state_bytes() + self._sums.nbytes + sum(array.nbytes for array in arrays) + learned

    def units(self) -> Iterator[UnitKey]:
        """All units heard."""
        return iter(self._units)

    def _no_hours(self) -> LearnedHours:
        return LearnedHours(len(self.channels), most=MOST_DAYS_KEPT * HOURS)

    def _detector_state(self, place: int) -> dict[str, npt.NDArray[Any]]:
        self._detector.reserve(place)
        return self._detector.state_of(place)

    def _place_of(self, unit: UnitKey) -> int:
        place = self._place.get(unit)
        if place is None:
            place = self._place[unit] = len(self._units)
            self._units.append(unit)
            self._sums.reserve(len(self._units))
            have, width = len(self._is_judged), len(self.channels)
            if place >= have:
                more = max(have, 64)
                self._is_judged = np.concatenate([self._is_judged, np.zeros(more, dtype=bool)])
                self._newest_ms = np.concatenate([self._newest_ms, np.full(more, -1, dtype=np.int64)])
                self._rhythm = np.concatenate([self._rhythm, np.zeros((more, HOURS, width), dtype=np.float32)])
                self._level = np.concatenate([self._level, np.full((more, width), np.nan)])
        return place
