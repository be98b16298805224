"""All units of one kind: their last known state in columns, and which conditions hold at which of them.

Unit i stands at index i of every array. `alerts.watch` brings the kinds together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from alerts.conditions import SILENT, VERDICTS, Condition
from alerts.derived import DERIVED_COLUMNS, NEVER_MS, SITE_RAIN, FireDerived, PumpDerived
from alerts.limits import Limits
from alerts.rows import Rows, elapsed_ms
from alerts.signal import Flag, Signal
from alerts.silence import SilenceChange
from models.equipment import EVENT_TITLES, METRICS, SILENT_SERVICE_MODES, Kind
from models.event import Event
from models.reading import Bools, Floats, Ints, ReadingBlock, UnitKey
from models.rounds import rounds

FIRST_CAPACITY = 64
POINTS_SHOWN = 50
ONLINE = "online"
SILENT_EVENTS = ("event.43", "event.44", "event.45")
"""How a lift that does not report its service mode says that it is inspected or in fire service."""
RAIN_HEARD_MS = 3_600_000
"""Rain that a sump told of longer ago is not known to go on."""
BACKLOG_MS = 60_000
"""Rows that are overtaken by less are a little out of order, and no past of their own."""
RECENT_MS = 15 * 60_000
"""A clock that is right now speaks of about now; what is older is a backlog, whatever the clock."""
WRONG_CLOCK_MS = 60_000
"""A time so far ahead of its arrival, followed by one that is not, came from a clock that was set right since."""

OnFailure = Callable[[str, Exception], None]


class _View:
    """State columns of chosen units, as the predicates see them."""

    def __init__(self, watch: "KindWatch", units: Ints) -> None:
        self._watch, self._units = watch, units
        self._seen: dict[str, Floats] = {}

    def __getitem__(self, column: str, /) -> Floats:
        if column not in self._seen:
            self._seen[column] = self._watch.get(column, self._units)
        return self._seen[column]


class KindWatch:
    """State and conditions of all units of one kind."""

    def __init__(self, kind: Kind, conditions: tuple[Condition, ...], limits: Limits, *, on_failure: OnFailure) -> None:
        self.kind = kind
        self.conditions = conditions
        self._on_failure = on_failure
        self._by_values = [c for c, condition in enumerate(conditions) if condition.watches_values]
        self._by_silence = [c for c, condition in enumerate(conditions) if condition.event == SILENT]
        self._by_event = [c for c in range(len(conditions)) if c not in self._by_silence]
        self._by_mode = [c for c in self._by_event if not conditions[c].watches_values]
        events = [f"event:{code}" for code in (*EVENT_TITLES[kind], ONLINE, *VERDICTS, SILENT)]
        names = [*METRICS[kind], *events, *DERIVED_COLUMNS[kind]]
        self._column = {name: index for index, name in enumerate(names)}
        self._units: list[UnitKey] = []
        self._index: dict[UnitKey, int] = {}
        self._points: dict[tuple[int, str], dict[str, int]] = {}
        self._event_ms: dict[tuple[int, str, str], int] = {}
        self._all_ended_ms: dict[tuple[int, str], int] = {}
        self._state = np.full((FIRST_CAPACITY, len(names)), np.nan)
        self._newest_ms = np.full(FIRST_CAPACITY, NEVER_MS)
        self._clock_ms = np.full(FIRST_CAPACITY, NEVER_MS)
        self._heard_ms = np.full(FIRST_CAPACITY, NEVER_MS)
        shape = (len(conditions), FIRST_CAPACITY)
        self._true_since = np.full(shape, NEVER_MS)
        self._gone_since = np.full(shape, NEVER_MS)
        self._is_active = np.zeros(shape, dtype=bool)
        # Told while the lift was in service: kept, but called nobody.
        self._is_kept = np.zeros(shape, dtype=bool)
        self._late_rows: list[Rows] = []
        self._late_events: list[Event] = []
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

    def unit(self, index: int) -> UnitKey:
        return self._units[index]

    def forget(self, units: Ints) -> None:
        """What these units told, and what follows from it."""
        self._state[units] = np.nan
        for since in (self._true_since, self._gone_since):
            since[:, units] = NEVER_MS
        self._is_active[:, units] = self._is_kept[:, units] = False

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
        self._is_kept = grown(self._is_kept, False, axis=1)
        if self._derived is not None:
            self._derived.grow(capacity)

    # What comes in.

    def observe(
        self, blocks: Iterable[ReadingBlock], told: Sequence[Event | Flag], *, received_ms: int
    ) -> list[Signal]:
        """Judges what units said, each unit's in order of time; at the same time values come before events."""
        by_unit: dict[int, list[Event | Flag]] = {}
        for item in told:
            by_unit.setdefault(self.unit_index(item.unit), []).append(item)
        signals: list[Signal] = []
        parts = [self._rows_of(block) for block in blocks]
        for rows in parts:
            alone = rows[~np.isin(rows.units, list(by_unit))] if by_unit else rows
            signals += self.observe_rows(alone, received_ms)
        for index, items in by_unit.items():
            of_unit = [rows[rows.units == index] for rows in parts]
            for item in sorted(items, key=lambda item: item.ts_ms):
                for place, rows in enumerate(of_unit):
                    is_before = rows.ts_ms <= item.ts_ms
                    if is_before.any():
                        signals += self.observe_rows(rows[is_before], received_ms)
                        of_unit[place] = rows[~is_before]
                signals += self._observe_told(item, received_ms)
            for rows in of_unit:
                signals += self.observe_rows(rows, received_ms)
        return signals

    def _rows_of(self, block: ReadingBlock) -> Rows:
        metrics = METRICS[self.kind]
        known = tuple((name, i, self._column[name]) for i, name in enumerate(block.metrics) if name in metrics)
        places = np.array([self.unit_index(unit) for unit in block.units], dtype=np.int64)
        return Rows(places[block.unit_index], block.ts_ms, block.values, known)

    def observe_rows(self, rows: Rows, received_ms: int) -> list[Signal]:
        signals: list[Signal] = []
        newest = self._newest_ms[rows.units]
        on_time = (rows.ts_ms >= newest) | _is_set_right(newest, rows.ts_ms, received_ms)
        if not on_time.all():
            self._late_rows.append(rows[~on_time & (rows.ts_ms < newest - BACKLOG_MS)])
            rows = rows[on_time]
        for part in rounds(rows.units, rows.ts_ms):
            signals += self._observe_round(rows[part], received_ms)
        return signals

    def _observe_round(self, rows: Rows, received_ms: int) -> list[Signal]:
        units, ts_ms = rows.units, rows.ts_ms
        self._newest_ms[units] = ts_ms
        self._hear(units, ts_ms, received_ms)
        mode_before = self.get("service_mode", units) if self.kind is Kind.ELEVATOR else None
        self._take_values(rows)
        signals = self._evaluate(units, ts_ms, self._by_values)
        if mode_before is not None:
            mode = self.get("service_mode", units)
            changed = (mode != mode_before) & ~np.isnan(mode)
            if changed.any():
                signals += self._evaluate(units[changed], ts_ms[changed], self._by_mode)
        return signals

    def take_late(self) -> tuple[list[Rows], list[Event]]:
        """What came too late to be judged as the present, since the last call."""
        late = [rows for rows in self._late_rows if len(rows)], self._late_events
        self._late_rows, self._late_events = [], []
        return late

    def _take_values(self, rows: Rows) -> None:
        told: dict[str, Bools] = {}
        for name, source, target in rows.known:
            column = rows.values[:, source]
            is_told = told[name] = ~np.isnan(column)
            if is_told.all():
                self._state[rows.units, target] = column
            elif is_told.any():
                self._state[rows.units[is_told], target] = column[is_told]
        if self._derived is not None:
            try:
                self._derived.update(rows.units, rows.ts_ms, self, told)
            except Exception as error:
                self._on_failure("derived", error)

    def _observe_told(self, item: Event | Flag, received_ms: int) -> list[Signal]:
        flag = item if isinstance(item, Flag) else self._take_event(item, received_ms)
        if flag is None:
            return []
        units = np.array([self.unit_index(flag.unit)], dtype=np.int64)
        moments = np.array([flag.ts_ms], dtype=np.int64)
        self._hear(units, moments, received_ms)
        self.put(f"event:{flag.code}", units, np.array([flag.value]))
        signals = self._evaluate(units, moments, self._by_event)
        return [
            replace(s, evidence={**s.evidence, **flag.evidence})
            if flag.evidence and s.condition.event == flag.code
            else s
            for s in signals
        ]

    def tell_silence(self, changes: Sequence[SilenceChange], now_ms: int) -> list[Signal]:
        """Who is silent or back, by our clock: theirs stands still, and must not be moved by it."""
        units = np.array([self.unit_index(change.unit) for change in changes], dtype=np.int64)
        self.put(f"event:{SILENT}", units, np.array([float(change.is_silent) for change in changes]))
        if self.kind is Kind.PUMP:
            self._share_rain(units, now_ms)
        told = {change.unit: change.evidence for change in changes}
        return [
            replace(s, evidence={**s.evidence, **told[s.unit]})
            for s in self._evaluate(units, np.full(len(units), now_ms), self._by_silence)
        ]

    def _share_rain(self, units: Ints, now_ms: int) -> None:
        """It rains on the whole site: what one sump tells counts for those that tell nothing."""
        count = len(self._units)
        rain = self._state[:count, self._column["rain_mm_3h"]]
        by_site: dict[str, float] = {}
        for index in np.flatnonzero(~np.isnan(rain) & (self._heard_ms[:count] >= now_ms - RAIN_HEARD_MS)).tolist():
            site = self._units[index].site
            by_site[site] = max(by_site.get(site, 0.0), float(rain[index]))
        found = [by_site.get(self._units[index].site, np.nan) for index in units.tolist()]
        self.put(SITE_RAIN, units, np.array(found))

    def _take_event(self, event: Event, received_ms: int) -> Flag | None:
        """What the event makes of its code, all points together; None for one that was overtaken."""
        index = self.unit_index(event.unit)
        key, place = (index, event.code), (index, event.code, event.point)
        last = max(self._event_ms.get(place, NEVER_MS), self._all_ended_ms.get(key, NEVER_MS))
        if event.ts_ms < last and not _is_set_right(last, event.ts_ms, received_ms):
            self._late_events.append(event)
            return None
        self._event_ms[place] = event.ts_ms
        points = self._points.setdefault(key, {})
        if event.is_on:
            points.setdefault(event.point, event.ts_ms)
        elif event.point:
            points.pop(event.point, None)
        else:
            # An end without a point ends them all.
            points.clear()
            self._all_ended_ms[key] = event.ts_ms
        evidence: dict[str, Any] = {"event": event.code, "ts_ms": event.ts_ms}
        named = sorted(point for point in points if point)
        if named:
            evidence["points"] = named[:POINTS_SHOWN]
        return Flag(event.unit, event.code, event.ts_ms, float(bool(points)), evidence)

    def _hear(self, units: Ints, ts_ms: Ints, received_ms: int) -> None:
        clock = self._clock_ms[units]
        set_right = _is_set_right(clock, ts_ms, received_ms)
        if set_right.any():
            self._set_back(units[set_right], ts_ms[set_right])
        newer = (ts_ms >= clock) | set_right
        self._clock_ms[units[newer]] = ts_ms[newer]
        self._heard_ms[units[newer]] = received_ms

    def _set_back(self, units: Ints, ts_ms: Ints) -> None:
        """Nothing can have held since a time that is still to come."""
        for since in (self._true_since, self._gone_since):
            waiting = since[:, units]
            since[:, units] = np.where(waiting == NEVER_MS, NEVER_MS, np.minimum(waiting, ts_ms))

    # What follows from it.

    def _evaluate(self, units: Ints, ts_ms: Ints, conditions: Iterable[int]) -> list[Signal]:
        view = _View(self, units)
        signals: list[Signal] = []
        for c in conditions:
            try:
                self._evaluate_one(c, view, units, ts_ms, signals)
            except Exception as error:
                # One rule that fails must not cost what the others say.
                self._on_failure(self.conditions[c].code, error)
        return signals

    def _evaluate_one(self, c: int, view: _View, units: Ints, ts_ms: Ints, signals: list[Signal]) -> None:
        condition = self.conditions[c]
        holds = condition.raise_when(view)
        active = self._is_active[c, units]
        kept = self._is_kept[c, units]
        since = self._true_since[c, units]
        if not holds.any() and not active.any() and not kept.any() and (since == NEVER_MS).all():
            return
        is_silent = self._is_silent(condition, view)
        may_raise = holds & ~active & ~is_silent
        since = np.where(may_raise, np.where(since == NEVER_MS, ts_ms, since), NEVER_MS)
        raised = may_raise & (elapsed_ms(ts_ms, since) >= condition.on_delay_s * 1000)
        has_gone = active & (condition.clear_when(view) if condition.clear_when else ~holds)
        gone = self._gone_since[c, units]
        gone = np.where(has_gone, np.where(gone == NEVER_MS, ts_ms, gone), NEVER_MS)
        returned = has_gone & (elapsed_ms(ts_ms, gone) >= condition.off_delay_s * 1000)
        self._true_since[c, units] = np.where(raised, NEVER_MS, since)
        self._gone_since[c, units] = np.where(returned, NEVER_MS, gone)
        self._is_active[c, units] = (active | raised) & ~returned
        for i in np.flatnonzero(raised | returned).tolist():
            is_active = bool(raised[i])
            signals.append(self._signal(condition, int(units[i]), int(ts_ms[i]), is_active, since_ms=int(since[i])))
        if not condition.is_kept_in_service:
            return
        begun, ended = holds & ~active & is_silent & ~kept, kept & ~holds
        self._is_kept[c, units] = (kept | begun) & ~ended & ~raised
        for i in np.flatnonzero(begun | ended).tolist():
            signal = self._signal(condition, int(units[i]), int(ts_ms[i]), bool(begun[i]), since_ms=NEVER_MS)
            signals.append(replace(signal, is_in_service=bool(begun[i])))

    def _is_silent(self, condition: Condition, view: _View) -> Bools:
        """Where people work on the lift or ride it in special service; told by its mode, or else by events."""
        if not condition.is_silent_in_service or self.kind is not Kind.ELEVATOR:
            return np.False_  # type: ignore[return-value]
        mode = view["service_mode"]
        in_service = np.isin(mode, [float(silent) for silent in SILENT_SERVICE_MODES])
        for code in SILENT_EVENTS:
            in_service |= np.isnan(mode) & (view[f"event:{code}"] == 1)
        return in_service

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
                for index in np.flatnonzero(waiting & (elapsed_ms(unit_now, since) >= delay_s * 1000)).tolist():
                    since_ms = int(since[index])
                    self._is_active[c, index], self._is_kept[c, index] = is_active, False
                    since[index] = NEVER_MS
                    due_ms = since_ms + int(delay_s * 1000)
                    signals.append(self._signal(condition, index, due_ms, is_active, since_ms=since_ms))
        return signals

    def _signal(self, condition: Condition, index: int, ts_ms: int, is_active: bool, *, since_ms: int) -> Signal:
        evidence: dict[str, Any] = {}
        for column in condition.columns:
            value = self._state[index, self._column[column]]
            if not np.isnan(value):
                evidence[column] = round(float(value), 4)
        if is_active and since_ms not in (NEVER_MS, ts_ms):
            evidence["since_ms"] = since_ms
        if is_active and condition.event and (points := self._points.get((index, condition.event))):
            named = sorted(point for point in points if point)
            if named:
                evidence["points"] = named[:POINTS_SHOWN]
        return Signal(self._units[index], condition, ts_ms, is_active, evidence)

    # What an earlier process left. No signal follows from it, but what holds is waited for as before.

    def rehearse(self, block: ReadingBlock, *, is_news: bool = False) -> None:
        """Takes up values, sums and rates from rows that were judged long ago; of news only what is newer."""
        rows = self._rows_of(block)
        if is_news:
            rows = rows[rows.ts_ms >= self._newest_ms[rows.units]]
        for part in rounds(rows.units, rows.ts_ms):
            round_ = rows[part]
            self._take_values(round_)
            for newest in (self._newest_ms, self._clock_ms):
                newest[round_.units] = np.maximum(newest[round_.units], round_.ts_ms)

    def restore_latest(self, unit: UnitKey, values: Mapping[str, tuple[int, float]]) -> None:
        index = self.unit_index(unit)
        for metric, (ts_ms, value) in values.items():
            self._newest_ms[index] = max(self._newest_ms[index], ts_ms)
            if metric in METRICS[self.kind]:
                self._state[index, self._column[metric]] = value
        self._clock_ms[index] = max(self._clock_ms[index], self._newest_ms[index])

    def restore(
        self,
        *,
        told: Iterable[Event | Flag],
        active: Iterable[tuple[UnitKey, str]],
        kept: Iterable[tuple[UnitKey, str]] = (),
        now_ms: int,
    ) -> None:
        """Events, connections and active alarms, after all values were taken up."""
        began_ms: dict[tuple[int, str], int] = {}
        for item in sorted(told, key=lambda item: item.ts_ms):
            flag = item if isinstance(item, Flag) else self._take_event(item, now_ms)
            if flag is not None:
                index = self.unit_index(flag.unit)
                self._state[index, self._column[f"event:{flag.code}"]] = flag.value
                self._clock_ms[index] = max(self._clock_ms[index], flag.ts_ms)
                points = self._points.get((index, flag.code), {})
                began_ms[index, flag.code] = min(points.values(), default=flag.ts_ms)
        codes = {condition.code: c for c, condition in enumerate(self.conditions)}
        for unit, code in active:
            if code in codes:
                self._is_active[codes[code], self.unit_index(unit)] = True
                if code in (*VERDICTS, SILENT):
                    self._state[self.unit_index(unit), self._column[f"event:{code}"]] = 1.0
        for unit, code in kept:
            if code in codes:
                self._is_kept[codes[code], self.unit_index(unit)] = True
        self._heard_ms[: len(self._units)] = now_ms
        self._wait_again(began_ms)

    def _wait_again(self, began_ms: Mapping[tuple[int, str], int]) -> None:
        """What holds and is not raised yet has held at least since the unit was last heard; so has what is gone."""
        units = np.arange(len(self._units))
        view = _View(self, units)
        for c, condition in enumerate(self.conditions):
            holds = condition.raise_when(view) & ~self._is_active[c, units] & ~self._is_silent(condition, view)
            for index in np.flatnonzero(holds).tolist():
                began = began_ms.get((index, condition.event or ""))
                self._true_since[c, index] = self._clock_ms[index] if began is None else began
            if condition.off_delay_s and condition.columns:
                is_known = ~np.isnan([view[column] for column in condition.columns]).all(axis=0)
                has_gone = condition.clear_when(view) if condition.clear_when else ~condition.raise_when(view)
                gone = np.flatnonzero(self._is_active[c, units] & is_known & has_gone)
                self._gone_since[c, gone] = self._clock_ms[gone]


def _is_set_right(last_ms: Any, ts_ms: Any, received_ms: int) -> Any:
    """Whether a unit that spoke of `last_ms` had a clock far ahead then, and has it right now; elementwise."""
    is_now = ts_ms > received_ms - RECENT_MS
    return (last_ms > received_ms + WRONG_CLOCK_MS) & (ts_ms < last_ms - WRONG_CLOCK_MS) & is_now
