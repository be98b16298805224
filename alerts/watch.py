"""Readings and events in, signals out: which conditions began or ended to hold at which unit.

The watch keeps the last known state of every unit in columns and judges a whole batch at once. It knows no clock: time
is that of the readings, and `tick` says how much of it has passed where nothing was heard.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from alerts.conditions import ANOMALY, Condition, condition_table
from alerts.derived import DERIVED_COLUMNS, NEVER_MS, FireDerived, PumpDerived
from alerts.limits import Limits
from models.detectors.bank import VerdictChange
from models.equipment import EVENT_TITLES, METRICS, SILENT_SERVICE_MODES, Kind
from models.event import Event, StatusChange
from models.reading import Bools, Floats, Ints, ReadingBlock, UnitKey

FIRST_CAPACITY = 64
ONLINE = "online"


@dataclass(frozen=True, slots=True)
class Signal:
    """A condition began (`is_active`) or ended to hold at `ts_ms`, event time. `evidence` holds JSON values."""

    unit: UnitKey
    condition: Condition
    ts_ms: int
    is_active: bool
    evidence: dict[str, Any] = field(default_factory=dict)


class AnomalyBank(Protocol):
    """What the watch needs of the detectors."""

    fit_rows: int

    def observe(self, block: ReadingBlock) -> list[VerdictChange]: ...

    def restore(self, block: ReadingBlock) -> None: ...

    def standing(self) -> list[UnitKey]: ...


class Watch:
    """The judge of all units. Not for several threads at once: one ingest worker owns it."""

    def __init__(self, *, limits: Limits | None = None, banks: Mapping[Kind, AnomalyBank] | None = None) -> None:
        limits = limits or Limits()
        table = condition_table(limits)
        self._kinds = {kind: _KindWatch(kind, table[kind], limits) for kind in Kind}
        self.banks = dict(banks or {})

    def observe(
        self,
        blocks: Iterable[ReadingBlock],
        events: Sequence[Event] = (),
        statuses: Sequence[StatusChange] = (),
        *,
        received_ms: int,
    ) -> list[Signal]:
        """Judges a batch: values first, so that an event meets the mode its lift is in, then events and status.

        Rows older than what the unit has told already are late: they do not run backwards through the rules.
        """
        signals: list[Signal] = []
        for block in blocks:
            signals += self._kinds[block.kind].observe_values(block, received_ms=received_ms)
            if block.kind in self.banks:
                for change in self.banks[block.kind].observe(block):
                    signals += self._verdict(change, received_ms=received_ms)
        for event in events:
            signals += self._kinds[event.unit.kind].observe_event(event, received_ms=received_ms)
        for status in statuses:
            signals += self._kinds[status.unit.kind].observe_flag(
                status.unit, ONLINE, value=float(status.is_online), ts_ms=status.ts_ms, received_ms=received_ms
            )
        return signals

    def tick(self, now_ms: int) -> list[Signal]:
        """Signals that are due because time passed while a condition went on holding, or stayed away."""
        return [signal for kind in self._kinds.values() for signal in kind.tick(now_ms)]

    def restore(
        self,
        *,
        latest: Mapping[UnitKey, Mapping[str, tuple[int, float]]],
        events: Iterable[Event],
        statuses: Iterable[StatusChange],
        active: Iterable[tuple[UnitKey, str]],
        now_ms: int,
    ) -> None:
        """Takes up the state that an earlier process left: last values, events that are on, alarms that are active."""
        for unit, values in latest.items():
            self._kinds[unit.kind].restore_values(unit, values, now_ms=now_ms)
        for event in events:
            self._kinds[event.unit.kind].restore_event(event, now_ms=now_ms)
        for status in statuses:
            kind = self._kinds[status.unit.kind]
            kind.restore_flag(status.unit, ONLINE, float(status.is_online), ts_ms=status.ts_ms, now_ms=now_ms)
        for unit, code in active:
            self._kinds[unit.kind].restore_active(unit, code)

    def end_anomaly(self, unit: UnitKey, *, ts_ms: int, received_ms: int) -> list[Signal]:
        """The verdict on a unit no longer stands, though its detector did not say so itself."""
        return self._kinds[unit.kind].observe_flag(unit, ANOMALY, value=0.0, ts_ms=ts_ms, received_ms=received_ms)

    def _verdict(self, change: VerdictChange, *, received_ms: int) -> list[Signal]:
        evidence = {
            "since_ms": change.since_ms,
            "anomaly_score": round(change.anomaly_score, 4),
            "threshold": round(change.threshold, 4),
            "contributions": [[channel, round(share, 4)] for channel, share in change.contributions[:5]],
        }
        if change.is_rebaselined:
            evidence["is_rebaselined"] = True
        return self._kinds[change.unit.kind].observe_flag(
            change.unit,
            ANOMALY,
            value=float(change.is_anomalous),
            ts_ms=change.ts_ms,
            received_ms=received_ms,
            evidence=evidence,
        )


class _View:
    """State columns of chosen units, as the predicates see them."""

    def __init__(self, watch: "_KindWatch", units: Ints) -> None:
        self._watch, self._units = watch, units
        self._seen: dict[str, Floats] = {}

    def __getitem__(self, column: str, /) -> Floats:
        if column not in self._seen:
            self._seen[column] = self._watch.get(column, self._units)
        return self._seen[column]


class _KindWatch:
    """State and conditions of all units of one kind; unit i stands at index i of every array."""

    def __init__(self, kind: Kind, conditions: tuple[Condition, ...], limits: Limits) -> None:
        self.kind = kind
        self.conditions = conditions
        self._by_values = [c for c, condition in enumerate(conditions) if condition.watches_values]
        self._by_mode = [c for c, condition in enumerate(conditions) if not condition.watches_values]
        events = [f"event:{code}" for code in (*EVENT_TITLES[kind], ONLINE, ANOMALY)]
        names = [*METRICS[kind], *events, *DERIVED_COLUMNS[kind]]
        self._column = {name: index for index, name in enumerate(names)}
        self._metric_count = len(METRICS[kind])
        self._units: list[UnitKey] = []
        self._index: dict[UnitKey, int] = {}
        self._points: dict[tuple[int, str], dict[str, int]] = {}
        self._event_ms: dict[tuple[int, str, str], int] = {}
        self._state = np.full((FIRST_CAPACITY, len(names)), np.nan)
        self._newest_ms = np.full(FIRST_CAPACITY, NEVER_MS)
        self._clock_ms = np.full(FIRST_CAPACITY, NEVER_MS)
        self._heard_ms = np.full(FIRST_CAPACITY, NEVER_MS)
        shape = (len(conditions), FIRST_CAPACITY)
        self._true_since = np.full(shape, NEVER_MS)
        self._gone_since = np.full(shape, NEVER_MS)
        self._is_active = np.zeros(shape, dtype=bool)
        self._derived: PumpDerived | FireDerived | None = None
        if kind is Kind.PUMP:
            self._derived = PumpDerived(FIRST_CAPACITY, overflow_m=limits.sump_overflow_m)
        elif kind is Kind.FIRE:
            self._derived = FireDerived(FIRST_CAPACITY)

    # Columns, as `alerts.derived.States` wants them.

    def get(self, column: str, units: Ints) -> Floats:
        return np.asarray(self._state[units, self._column[column]])

    def put(self, column: str, units: Ints, values: Floats) -> None:
        self._state[units, self._column[column]] = values

    def unit_index(self, unit: UnitKey) -> int:
        index = self._index.get(unit)
        if index is None:
            index = self._index[unit] = len(self._units)
            self._units.append(unit)
            if index >= len(self._newest_ms):
                self._grow(2 * len(self._newest_ms))
        return index

    def _grow(self, capacity: int) -> None:
        def grown(array: Any, fill: float, axis: int = 0) -> Any:
            shape = list(array.shape)
            shape[axis] = capacity - shape[axis]
            return np.concatenate([array, np.full(shape, fill, dtype=array.dtype)], axis=axis)

        self._state = grown(self._state, np.nan)
        self._newest_ms = grown(self._newest_ms, NEVER_MS)
        self._clock_ms = grown(self._clock_ms, NEVER_MS)
        self._heard_ms = grown(self._heard_ms, NEVER_MS)
        self._true_since = grown(self._true_since, NEVER_MS, axis=1)
        self._gone_since = grown(self._gone_since, NEVER_MS, axis=1)
        self._is_active = grown(self._is_active, False, axis=1)
        if self._derived is not None:
            self._derived.grow(capacity)

    # What comes in.

    def observe_values(self, block: ReadingBlock, *, received_ms: int) -> list[Signal]:
        known = [(i, self._column[name]) for i, name in enumerate(block.metrics) if name in METRICS[self.kind]]
        places = np.array([self.unit_index(unit) for unit in block.units], dtype=np.int64)
        units = places[block.unit_index]
        on_time = block.ts_ms >= self._newest_ms[units]
        units, ts_ms, values = units[on_time], block.ts_ms[on_time], block.values[on_time]
        signals: list[Signal] = []
        for rows in _rounds(units, ts_ms):
            signals += self._observe_round(units[rows], ts_ms[rows], values[rows], known, received_ms)
        return signals

    def _observe_round(
        self, units: Ints, ts_ms: Ints, values: Floats, known: list[tuple[int, int]], received_ms: int
    ) -> list[Signal]:
        on_time = ts_ms >= self._newest_ms[units]
        if not on_time.all():
            units, ts_ms, values = units[on_time], ts_ms[on_time], values[on_time]
        self._newest_ms[units] = ts_ms
        self._hear(units, ts_ms, received_ms)
        mode_before = self.get("service_mode", units) if self.kind is Kind.ELEVATOR else None
        for source, target in known:
            column = values[:, source]
            told = ~np.isnan(column)
            if told.all():
                self._state[units, target] = column
            elif told.any():
                self._state[units[told], target] = column[told]
        if self._derived is not None:
            self._derived.update(units, ts_ms, self)
        signals = self._evaluate(units, ts_ms, self._by_values)
        if mode_before is not None:
            mode = self.get("service_mode", units)
            changed = (mode != mode_before) & ~np.isnan(mode)
            if changed.any():
                signals += self._evaluate(units[changed], ts_ms[changed], self._by_mode)
        return signals

    def observe_event(self, event: Event, *, received_ms: int) -> list[Signal]:
        index = self.unit_index(event.unit)
        last = self._event_ms.get((index, event.code, event.point), NEVER_MS)
        if event.ts_ms < last:
            return []
        self._event_ms[index, event.code, event.point] = event.ts_ms
        points = self._points.setdefault((index, event.code), {})
        if event.is_on:
            points.setdefault(event.point, event.ts_ms)
        elif event.point:
            points.pop(event.point, None)
        else:
            # An end without a point ends them all.
            points.clear()
        evidence: dict[str, Any] = {"event": event.code, "ts_ms": event.ts_ms}
        named = sorted(point for point in points if point)
        if named:
            evidence["points"] = named[:50]
        return self.observe_flag(
            event.unit,
            event.code,
            value=float(bool(points)),
            ts_ms=event.ts_ms,
            received_ms=received_ms,
            evidence=evidence,
        )

    def observe_flag(
        self,
        unit: UnitKey,
        code: str,
        *,
        value: float,
        ts_ms: int,
        received_ms: int,
        evidence: dict[str, Any] | None = None,
    ) -> list[Signal]:
        units = np.array([self.unit_index(unit)], dtype=np.int64)
        moments = np.array([ts_ms], dtype=np.int64)
        self._hear(units, moments, received_ms)
        self.put(f"event:{code}", units, np.array([value]))
        signals = self._evaluate(units, moments, range(len(self.conditions)))
        if not evidence:
            return signals
        return [
            Signal(s.unit, s.condition, s.ts_ms, s.is_active, {**s.evidence, **evidence})
            if s.condition.event == code
            else s
            for s in signals
        ]

    def _hear(self, units: Ints, ts_ms: Ints, received_ms: int) -> None:
        newer = ts_ms >= self._clock_ms[units]
        self._clock_ms[units[newer]] = ts_ms[newer]
        self._heard_ms[units[newer]] = received_ms

    # What follows from it.

    def _evaluate(self, units: Ints, ts_ms: Ints, conditions: Iterable[int]) -> list[Signal]:
        view = _View(self, units)
        is_silent: Bools | None = None
        signals: list[Signal] = []
        for c in conditions:
            condition = self.conditions[c]
            holds = condition.raise_when(view)
            active = self._is_active[c, units]
            since = self._true_since[c, units]
            if not holds.any() and not active.any() and (since == NEVER_MS).all():
                continue
            may_raise = holds & ~active
            if condition.is_silent_in_service and self.kind is Kind.ELEVATOR:
                if is_silent is None:
                    is_silent = np.isin(view["service_mode"], [float(mode) for mode in SILENT_SERVICE_MODES])
                may_raise &= ~is_silent
            since = np.where(may_raise, np.where(since == NEVER_MS, ts_ms, since), NEVER_MS)
            raised = may_raise & (_elapsed(ts_ms, since) >= condition.on_delay_s * 1000)
            has_gone = active & (condition.clear_when(view) if condition.clear_when else ~holds)
            gone = self._gone_since[c, units]
            gone = np.where(has_gone, np.where(gone == NEVER_MS, ts_ms, gone), NEVER_MS)
            returned = has_gone & (_elapsed(ts_ms, gone) >= condition.off_delay_s * 1000)
            self._true_since[c, units] = np.where(raised, NEVER_MS, since)
            self._gone_since[c, units] = np.where(returned, NEVER_MS, gone)
            self._is_active[c, units] = (active | raised) & ~returned
            signals += [
                self._signal(condition, int(units[i]), int(ts_ms[i]), is_active=bool(raised[i]), since_ms=int(since[i]))
                for i in np.flatnonzero(raised | returned)
            ]
        return signals

    def tick(self, now_ms: int) -> list[Signal]:
        signals: list[Signal] = []
        count = len(self._units)
        if not count:
            return signals
        unit_now = self._clock_ms[:count] + (now_ms - self._heard_ms[:count])
        for c, condition in enumerate(self.conditions):
            for since, delay_s, is_active in (
                (self._true_since[c, :count], condition.on_delay_s, True),
                (self._gone_since[c, :count], condition.off_delay_s, False),
            ):
                waiting = since != NEVER_MS
                if not waiting.any():
                    continue
                for index in np.flatnonzero(waiting & (_elapsed(unit_now, since) >= delay_s * 1000)):
                    since_ms = int(since[index])
                    self._is_active[c, index] = is_active
                    since[index] = NEVER_MS
                    due_ms = since_ms + int(delay_s * 1000)
                    signals.append(self._signal(condition, int(index), due_ms, is_active=is_active, since_ms=since_ms))
        return signals

    def _signal(self, condition: Condition, index: int, ts_ms: int, *, is_active: bool, since_ms: int) -> Signal:
        evidence: dict[str, Any] = {}
        for column in condition.columns:
            value = self._state[index, self._column[column]]
            if not np.isnan(value):
                evidence[column] = round(float(value), 4)
        if is_active and since_ms != NEVER_MS and since_ms != ts_ms:
            evidence["since_ms"] = since_ms
        if is_active and condition.event and (points := self._points.get((index, condition.event))):
            named = sorted(point for point in points if point)
            if named:
                evidence["points"] = named[:50]
        return Signal(self._units[index], condition, ts_ms, is_active, evidence)

    # What an earlier process left.

    def restore_values(self, unit: UnitKey, values: Mapping[str, tuple[int, float]], *, now_ms: int) -> None:
        index = self.unit_index(unit)
        for metric, (ts_ms, value) in values.items():
            self._newest_ms[index] = max(self._newest_ms[index], ts_ms)
            if metric in METRICS[self.kind]:
                self._state[index, self._column[metric]] = value
        self._clock_ms[index] = max(self._clock_ms[index], self._newest_ms[index])
        self._heard_ms[index] = now_ms

    def restore_event(self, event: Event, *, now_ms: int) -> None:
        index = self.unit_index(event.unit)
        self._points.setdefault((index, event.code), {})[event.point] = event.ts_ms
        self._event_ms[index, event.code, event.point] = event.ts_ms
        self.restore_flag(event.unit, event.code, 1.0, ts_ms=event.ts_ms, now_ms=now_ms)
        for c, condition in enumerate(self.conditions):
            if condition.event == event.code and not self._is_active[c, index]:
                self._true_since[c, index] = event.ts_ms

    def restore_flag(self, unit: UnitKey, code: str, value: float, *, ts_ms: int, now_ms: int) -> None:
        index = self.unit_index(unit)
        self._state[index, self._column[f"event:{code}"]] = value
        self._clock_ms[index] = max(self._clock_ms[index], ts_ms)
        self._heard_ms[index] = now_ms

    def restore_active(self, unit: UnitKey, code: str) -> None:
        index = self.unit_index(unit)
        for c, condition in enumerate(self.conditions):
            if condition.code == code:
                self._is_active[c, index] = True
                self._true_since[c, index] = NEVER_MS
                if code == ANOMALY:
                    self._state[index, self._column[f"event:{ANOMALY}"]] = 1.0


def _elapsed(ts_ms: Ints, since_ms: Ints) -> Ints:
    return np.where(since_ms == NEVER_MS, -1, ts_ms - np.where(since_ms == NEVER_MS, 0, since_ms))


def _rounds(units: Ints, ts_ms: Ints) -> Iterable[Ints]:
    """Splits rows so that each part holds at most one row of a unit, and the parts follow in order of time."""
    if not len(units):
        return
    order = np.lexsort((ts_ms, units))
    by_unit = units[order]
    starts = np.flatnonzero(np.r_[True, by_unit[1:] != by_unit[:-1]])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    if rank.max() == 0:
        yield order
        return
    by_rank = np.argsort(rank, kind="stable")
    for part in np.split(by_rank, np.flatnonzero(np.diff(rank[by_rank])) + 1):
        yield order[part]
