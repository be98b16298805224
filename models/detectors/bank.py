"""The detectors of a live stream: each unit learns on its own first rows, then is judged row by row.

Units with the same channels share one detector, so that a batch of thousands of units is a few array operations. What
is held is bounded: the fit rows of a unit while it learns, and a fixed state afterwards.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from models.alarm_budget import BUDGET_PER_MONTH, STRETCH_ROWS, AlarmBudget
from models.detectors.artefact import FittedModel
from models.detectors.contract import Detector, NotEnoughHistory, NothingVaries, StateMismatch
from models.detectors.judged_channels import channels_only
from models.detectors.lagged_pca import LaggedPca
from models.detectors.warm_up import Gathered, WarmUp
from models.explain import Difference
from models.reading import Bools, Floats, Ints, ReadingBlock, UnitKey
from models.rounds import rounds
from models.verdict import SETTLE_ROWS, Verdicts

FIT_ROWS = 400
RAISE_EVIDENCE = 12.0
"""Twice what a recorded series is judged with: whoever is woken at night trusts a hint that lasted."""
ABSENCE_INTERVALS = 60
"""After a pause longer than so many usual intervals, the level a unit comes back with is taken as its normal one."""
MOST_TRIES = 12
"""So often a unit looks for fit rows in which all that must vary does; each time half of them are new."""
NEVER_MS = np.iinfo(np.int64).min
FIRST_CAPACITY = 64


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A unit began or ceased to behave unlike before, at the row of `ts_ms`.

    `since_ms` is the first row of the stretch that led to the verdict; `contributions` are shares, largest first, and
    `differences` tell the same channels in their units.
    `is_rebaselined`: the verdict ends because what was unlike before has lasted so long that it is the normal now.
    """

    unit: UnitKey
    ts_ms: int
    is_anomalous: bool
    since_ms: int
    anomaly_score: float
    threshold: float
    contributions: tuple[tuple[str, float], ...]
    is_rebaselined: bool = False
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a unit has learned. `waits_for` says in words what keeps it, empty when nothing does."""

    rows: int
    needed_rows: int
    is_fitted: bool
    waits_for: str = ""
    constant: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Group:
    """Units of one channel set; `units[slot]` is who stands in a slot of the detector."""

    detector: Detector
    verdicts: Verdicts
    budget: AlarmBudget
    units: list[UnitKey | None]
    free: list[int]


class DetectorBank:
    """All units of one kind, or of several. Not for several threads at once.

    A unit learns on its first `fit_rows` rows; its channels are those it told in at least half of them (counters are
    no channels: they only ever grow; `metrics` names the only ones that are). Of a unit that tells more often than
    `every_ms`, the rows between are left out. A channel that is missing later is left out row by row; one that is
    new makes the unit learn anew beside being judged as before. A machine that stood still while all was learned is
    unlike all that is known when it runs: of the channels in `must_vary` a change is waited for, and where one that
    never came comes later, the unit is not judged until it has learned anew.
    """

    def __init__(
        self,
        *,
        fit_rows: int = FIT_ROWS,
        settle_rows: int = SETTLE_ROWS,
        most_channels: int = 48,
        budget_per_month: float = BUDGET_PER_MONTH,
        metrics: Collection[str] | None = None,
        every_ms: int = 0,
        history_rows: int | None = None,
        must_vary: Collection[str] = (),
        make_detector: Callable[[tuple[str, ...]], Detector] = LaggedPca,
    ) -> None:
        self.fit_rows = fit_rows
        self.settle_rows = settle_rows
        self.most_channels = most_channels
        self.budget_per_month = budget_per_month
        self.metrics = metrics
        self.every_ms = every_ms
        self.history_rows = history_rows or 2 * fit_rows
        self.must_vary = must_vary
        self._make_detector = make_detector
        self._groups: list[_Group] = []
        self._group_of_channels: dict[tuple[str, ...], int] = {}
        self._columns: dict[tuple[tuple[str, ...], int], Ints] = {}
        self._place: dict[UnitKey, int] = {}
        self._units: list[UnitKey] = []
        self._group = np.full(FIRST_CAPACITY, -1)
        self._slot = np.full(FIRST_CAPACITY, -1)
        self._newest_ms = np.full(FIRST_CAPACITY, NEVER_MS)
        self._interval_ms = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        self._longest_step_ms = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        self._warm_ups: dict[int, WarmUp] = {}
        self._gathered: dict[int, Gathered] = {}
        self._strange_rows: dict[int, int] = {}
        # By unit and channel name: the only value that was ever told, NaN where it is not known.
        self._still: dict[int, dict[str, float]] = {}
        self._odd_rows = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        self.late_rows = 0

    # What comes in.

    def observe(self, block: ReadingBlock) -> list[VerdictChange]:
        """Takes the block's rows in order of time for each unit and returns the verdicts that changed."""
        block = channels_only(block, self.metrics)
        if not block.metrics or not len(block):
            return []
        places = np.array([self._place_of(unit) for unit in block.units], dtype=np.int64)[block.unit_index]
        changes: list[VerdictChange] = []
        for rows in rounds(places, block.ts_ms):
            newest_ms = self._newest_ms[places[rows]]
            on_time = block.ts_ms[rows] > newest_ms
            self.late_rows += int(np.count_nonzero(~on_time))
            # What comes sooner than asked for is left out: slow things are judged over long times by few rows.
            is_due = (newest_ms == NEVER_MS) | (
                block.ts_ms[rows] - newest_ms * (newest_ms != NEVER_MS) >= self.every_ms
            )
            rows = rows[on_time & is_due]
            changes += self._observe_round(block, places[rows], rows)
        return changes

    def restore(self, block: ReadingBlock) -> None:
        """Takes up stored history after a restart: learns and warms up as `observe` does, and tells nobody.

        What is standing afterwards is in `standing()`.
        """
        self.observe(block)

    def load(self, unit: UnitKey, model: FittedModel, *, after_ms: int, budget_per_month: float | None = None) -> None:
        """Takes up a model that was fitted elsewhere; rows up to `after_ms` are past for it.

        `budget_per_month`: the alarm budget it was fitted under. Raises StateMismatch; the unit then goes on as it was.
        """
        group_index = self._group_with(model.channels)
        group = self._groups[group_index]
        slot = group.free.pop() if group.free else len(group.units)
        try:
            group.detector.load(slot, model.arrays)
        except StateMismatch:
            if slot < len(group.units):
                group.free.append(slot)
            raise
        place = self._place_of(unit)
        told = Gathered(
            channels=model.channels,
            values=np.empty((0, len(model.channels))),
            interval_ms=model.interval_ms,
            longest_step_ms=model.longest_step_ms,
            constant=model.constant,
            missing=model.missing,
        )
        self._stand_at(place, group_index, slot, told, budget_per_month=budget_per_month)
        self._newest_ms[place] = after_ms
        if still := {name: np.nan for name in model.constant if name in self.must_vary}:
            self._still[place] = still

    def standing(self) -> list[UnitKey]:
        """Units whose verdict is anomalous now."""
        return [
            unit
            for group in self._groups
            for slot, unit in enumerate(group.units)
            if unit is not None and group.verdicts.is_anomalous(np.array([slot]))[0]
        ]

    def is_judging(self, unit: UnitKey) -> bool:
        place = self._place.get(unit)
        return place is not None and bool(self._group[place] >= 0)

    def budget_of(self, unit: UnitKey) -> float:
        """False alarms a month that are accepted of the unit; of one that still learns those of the bank."""
        if not self.is_judging(unit):
            return self.budget_per_month
        place = self._place[unit]
        return self._groups[int(self._group[place])].budget.per_month_of(int(self._slot[place]))

    def progress(self, unit: UnitKey) -> Progress:
        place = self._place.get(unit)
        if place is None:
            return Progress(0, self.fit_rows, is_fitted=False, waits_for="nothing heard of this unit")
        warm_up, gathered = self._warm_ups.get(place), self._gathered.get(place)
        is_fitted = bool(self._group[place] >= 0)
        rows = self.fit_rows if warm_up is None else warm_up.rows
        waits_for = warm_up.waits_for if warm_up is not None else ""
        if gathered is None:
            return Progress(rows, self.fit_rows, is_fitted, waits_for)
        return Progress(rows, self.fit_rows, is_fitted, waits_for, gathered.constant, gathered.missing)

    def state_bytes(self) -> int:
        """Memory of the stacked state and of the rows gathered to learn from."""
        return sum(group.detector.state_bytes() for group in self._groups) + sum(
            warm_up.state_bytes() for warm_up in self._warm_ups.values()
        )

    # One row a unit.

    def _observe_round(self, block: ReadingBlock, places: Ints, rows: Ints) -> list[VerdictChange]:
        ts_ms = block.ts_ms[rows]
        newest = self._newest_ms[places]
        self._newest_ms[places] = ts_ms
        changes: list[VerdictChange] = []
        groups = self._group[places]
        for group_index in np.unique(groups[groups >= 0]).tolist():
            inside = np.flatnonzero(groups == group_index)
            changes += self._judge(group_index, block, places[inside], rows[inside], newest[inside])
        if self._warm_ups or (groups < 0).any():
            for place, row in zip(places.tolist(), rows.tolist(), strict=True):
                if place in self._warm_ups:
                    self._gather(place, block, row)
        return changes

    def _judge(
        self, group_index: int, block: ReadingBlock, places: Ints, rows: Ints, newest: Ints
    ) -> list[VerdictChange]:
        group = self._groups[group_index]
        columns = self._columns_of(block.metrics, group_index)
        values = np.where(columns >= 0, block.values[rows][:, np.maximum(columns, 0)], np.nan)
        slots, ts_ms = self._slot[places], block.ts_ms[rows]
        was_anomalous = group.verdicts.is_anomalous(slots)
        if self._still:
            known = ~self._learns_anew(group.detector.channels, places, values, was_anomalous)
            if not known.all():
                places, rows, newest, values = places[known], rows[known], newest[known], values[known]
                slots, ts_ms, was_anomalous = slots[known], ts_ms[known], was_anomalous[known]
        pause_ms = ts_ms - newest
        is_gap = pause_ms > self._longest_step_ms[places]
        if is_gap.any():
            group.detector.interrupt(slots[is_gap])
            # A standing alarm keeps what it was measured against.
            is_absence = pause_ms > ABSENCE_INTERVALS * self._interval_ms[places]
            group.detector.rebaseline(slots[is_absence & ~was_anomalous], keeps_relations=True)
        scores = group.detector.score(slots, values, is_frozen=was_anomalous)
        ratio = scores.anomaly_score / scores.threshold
        strictness = group.budget.strictness(slots, is_anomalous=was_anomalous)
        group.budget.note(slots, ratio, was_anomalous, self._interval_ms[places])
        changed = group.verdicts.update(slots, ratio / strictness, ts_ms)
        self._accept_the_odd(group, places, slots, ratio >= 1.0)
        settled = group.verdicts.rows_in_alarm(slots) >= self.settle_rows
        changes: list[VerdictChange] = []
        if changed.any() or settled.any():
            now_anomalous = group.verdicts.is_anomalous(slots)
            since_ms = group.verdicts.since_ms(slots)
            described = group.detector.describe(slots)
            if settled.any():
                group.detector.rebaseline(slots[settled])
                group.verdicts.clear(slots[settled])
            for i in np.flatnonzero(changed | settled).tolist():
                shares = scores.contributions[i]
                order = np.argsort(-shares, kind="stable")
                changes.append(
                    VerdictChange(
                        unit=self._units[places[i]],
                        ts_ms=int(ts_ms[i]),
                        is_anomalous=bool(now_anomalous[i] and not settled[i]),
                        since_ms=int(since_ms[i]),
                        anomaly_score=float(scores.anomaly_score[i]),
                        threshold=float(scores.threshold[i] * strictness[i]),
                        contributions=tuple((group.detector.channels[c], float(shares[c])) for c in order.tolist()),
                        is_rebaselined=bool(settled[i]),
                        differences=tuple(
                            Difference(
                                channel=group.detector.channels[c],
                                share=float(shares[c]),
                                now=float(described.now[i, c]),
                                low=float(described.low[i, c]),
                                high=float(described.high[i, c]),
                            )
                            for c in order.tolist()
                            if shares[c] > 0
                        ),
                    )
                )
        self._notice_strangers(group, block, places, rows, columns, was_anomalous)
        return changes

    def _accept_the_odd(self, group: _Group, places: Ints, slots: Ints, is_odd: Bools) -> None:
        """What has long been over the detector's limit, but within what the unit's own past allows, is its normal."""
        is_odd = is_odd & ~group.verdicts.is_anomalous(slots)
        rows = np.where(is_odd, self._odd_rows[places] + 1, 0)
        is_normal = rows >= STRETCH_ROWS
        self._odd_rows[places] = np.where(is_normal, 0, rows)
        if is_normal.any():
            group.detector.rebaseline(slots[is_normal])

    def _notice_strangers(
        self, group: _Group, block: ReadingBlock, places: Ints, rows: Ints, columns: Ints, was_anomalous: Bools
    ) -> None:
        """Channels told that are not judged: once they have been told often enough, the unit learns anew."""
        known = set(columns[columns >= 0].tolist())
        strange = np.array([c for c in range(len(block.metrics)) if c not in known], dtype=np.int64)
        if len(strange) and len(group.detector.channels) < self.most_channels:
            is_told = ~np.isnan(block.values[rows][:, strange]).all(axis=1) & ~was_anomalous
        elif self._strange_rows:
            is_told = np.zeros(len(rows), dtype=bool)
        else:
            return
        for place, told in zip(places.tolist(), is_told.tolist(), strict=True):
            count = self._strange_rows.pop(place, 0) + (1 if told else -1)
            if count >= self.fit_rows // 4 and place not in self._warm_ups:
                self._warm_ups[place] = WarmUp(self.fit_rows, self.most_channels, every_ms=self.every_ms)
            elif count > 0:
                self._strange_rows[place] = min(count, self.fit_rows)

    def _learns_anew(self, channels: tuple[str, ...], places: Ints, values: Floats, was_anomalous: Bools) -> Bools:
        """Rows in which a machine runs for the first time: their units are not judged until it is known."""
        begins = np.zeros(len(places), dtype=bool)
        for i, place in enumerate(places.tolist()):
            still = self._still.get(place)
            if still is None or was_anomalous[i]:
                continue
            for name, value in still.items():
                told = values[i, channels.index(name)]
                if np.isnan(value):
                    still[name] = float(told)
                elif not np.isnan(told) and told != value:
                    begins[i] = True
        for place in places[begins].tolist():
            self._leave_group(place)
            self._group[place] = -1
            del self._still[place]
            self._warm_ups[place] = WarmUp(self.fit_rows, self.most_channels, every_ms=self.every_ms)
        return begins

    # Learning.

    def _gather(self, place: int, block: ReadingBlock, row: int) -> None:
        warm_up = self._warm_ups[place]
        if self._group[place] >= 0 and self._is_anomalous(place):
            return
        warm_up.add(block.metrics, int(block.ts_ms[row]), block.values[row])
        if not warm_up.is_complete:
            return
        gathered = warm_up.gathered()
        channels = gathered.channels
        still = gathered.only_values(self.must_vary)
        if still and warm_up.tries < MOST_TRIES:
            warm_up.go_on(f"not enough history: {', '.join(still)} has not changed yet", need_rows=0)
            return
        group_index = self._group_with(channels)
        group = self._groups[group_index]
        slot = group.free.pop() if group.free else len(group.units)
        try:
            facts = group.detector.fit(slot, gathered.values)
        except (NotEnoughHistory, NothingVaries) as error:
            if slot < len(group.units):
                group.free.append(slot)
            warm_up.go_on(str(error), need_rows=getattr(error, "need_rows", 0))
            return
        self._stand_at(place, group_index, slot, gathered.told(constant=facts.constant, missing=facts.missing))
        if still:
            self._still[place] = still

    def _stand_at(
        self, place: int, group_index: int, slot: int, told: Gathered, *, budget_per_month: float | None = None
    ) -> None:
        """The unit is judged from now on by what its slot of the group's detector holds."""
        group = self._groups[group_index]
        if slot == len(group.units):
            group.units.append(None)
        if self._group[place] >= 0:
            self._leave_group(place)
        group.units[slot] = self._units[place]
        group.verdicts.clear(np.array([slot]))
        group.budget.forget(np.array([slot]), per_month=budget_per_month)
        self._group[place], self._slot[place] = group_index, slot
        self._interval_ms[place] = told.interval_ms
        self._longest_step_ms[place] = told.longest_step_ms
        self._gathered[place] = told
        self._still.pop(place, None)
        self._warm_ups.pop(place, None)

    def _is_anomalous(self, place: int) -> bool:
        verdicts = self._groups[int(self._group[place])].verdicts
        return bool(verdicts.is_anomalous(self._slot[place : place + 1])[0])

    def _leave_group(self, place: int) -> None:
        group, slot = self._groups[int(self._group[place])], int(self._slot[place])
        group.detector.release(slot)
        group.units[slot] = None
        group.free.append(slot)

    def _group_with(self, channels: tuple[str, ...]) -> int:
        index = self._group_of_channels.get(channels)
        if index is None:
            index = self._group_of_channels[channels] = len(self._groups)
            self._groups.append(
                _Group(
                    detector=self._make_detector(channels),
                    verdicts=Verdicts(raise_evidence=RAISE_EVIDENCE),
                    budget=AlarmBudget(per_month=self.budget_per_month),
                    units=[],
                    free=[],
                )
            )
        return index

    def _columns_of(self, metrics: tuple[str, ...], group_index: int) -> Ints:
        """For each channel of the group its column in a block of these metrics, -1 where there is none."""
        key = (metrics, group_index)
        columns = self._columns.get(key)
        if columns is None:
            if len(self._columns) >= 1000:
                self._columns.clear()
            place = {name: column for column, name in enumerate(metrics)}
            channels = self._groups[group_index].detector.channels
            columns = self._columns[key] = np.array([place.get(name, -1) for name in channels], dtype=np.int64)
        return columns

    def _place_of(self, unit: UnitKey) -> int:
        place = self._place.get(unit)
        if place is None:
            place = self._place[unit] = len(self._units)
            self._units.append(unit)
            self._warm_ups[place] = WarmUp(self.fit_rows, self.most_channels, every_ms=self.every_ms)
            have = len(self._group)
            if place >= have:
                self._group = np.concatenate([self._group, np.full(have, -1)])
                self._slot = np.concatenate([self._slot, np.full(have, -1)])
                self._newest_ms = np.concatenate([self._newest_ms, np.full(have, NEVER_MS)])
                self._interval_ms = np.concatenate([self._interval_ms, np.zeros(have, dtype=np.int64)])
                self._odd_rows = np.concatenate([self._odd_rows, np.zeros(have, dtype=np.int64)])
                self._longest_step_ms = np.concatenate([self._longest_step_ms, np.zeros(have, dtype=np.int64)])
        return place
