"""The watch: whatever the batches, the order of arrival, the number of units, and whenever it is started anew."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.conditions import condition_table
from alerts.derived import CounterRate
from alerts.limits import Limits
from alerts.watch import Signal, Watch
from models.equipment import Kind
from models.event import Event, StatusChange
from models.reading import ReadingBlock, UnitKey
from tests.alerts.told import FIRE, LIFT, PUMP, Step, Values, at_ms, block_of, event_of, only, short, tell

LATER_MS = at_ms(10**7)
UNITS = {
    kind: [UnitKey("xiaohe", kind, f"{kind.value}-{n}") for n in range(3)]
    for kind in (Kind.ELEVATOR, Kind.PUMP, Kind.FIRE)
}

# Streams


Said = tuple[UnitKey, float, Values | str]

CHOICES: dict[Kind, dict[str, list[float]]] = {
    Kind.ELEVATOR: {
        "occupied": [0, 1],
        "door_closed": [0, 1],
        "in_door_zone": [0, 1],
        "speed_m_s": [0, 1.2],
        "service_mode": [1, 1, 1, 2, 4],
        "motor_temp_c": [60, 115, 125],
        "machine_room_temp_c": [20, 43, 46],
    },
    Kind.PUMP: {
        "level_m": [0.1, 1.0, 1.6, 1.9, 2.2],
        "pump1_running": [0, 1],
        "pump2_running": [0, 1],
        "pump1_current_a": [0, 4, 10],
        "pump2_current_a": [0, 4, 10],
        "high_float": [0, 1],
        "floor_water_cm": [0, 2.2, 5, 30],
        "lift_pit_water": [0, 1],
        "rain_mm_h": [0, 20, 300],
        "phase_loss": [0, 1],
        "starts_total": [10, 20, 90],
    },
    Kind.FIRE: {
        "hydrant_pressure_mpa": [0.05, 0.075, 0.2],
        "tank_level_m": [1.9, 2.05, 3],
        "pump_auto": [0, 1],
        "main_valve_open": [0, 1],
        "mains_ok": [0, 1],
        "battery_v": [20, 22.5, 24],
        "residual_current_ma": [100, 290, 400],
        "jockey_starts_total": [1, 5, 80],
    },
}
EVENTS = {
    Kind.ELEVATOR: ["fault.01", "fault.05", "alarm.90", "event.43", "event.47", "offline", "online"],
    Kind.PUMP: ["trip", "high_float", "phase_loss", "offline", "online"],
    Kind.FIRE: ["fire@1", "fire@2", "fire", "disabled@1", "fault", "offline", "online"],
}
GAPS_S = [1, 5, 10, 25, 61, 400, 3700, 9 * 3600]


@st.composite
def streams(draw: st.DrawFn, *, most: int = 25) -> list[Said]:
    """What some units say, in order of time and each at a time of its own."""
    second = 0.0
    said: list[Said] = []
    kinds = draw(st.lists(st.sampled_from(Kind), min_size=1, max_size=2, unique=True))
    for _ in range(draw(st.integers(1, most))):
        second += draw(st.sampled_from(GAPS_S))
        kind = draw(st.sampled_from(kinds))
        unit = UNITS[kind][draw(st.integers(0, 2))]
        if draw(st.integers(0, 3)) == 0:
            word = draw(st.sampled_from(EVENTS[kind]))
            may_end = word not in ("online", "offline")
            said.append((unit, second, f"-{word}" if may_end and draw(st.booleans()) else word))
        else:
            names = draw(st.lists(st.sampled_from(sorted(CHOICES[kind])), min_size=1, max_size=6, unique=True))
            said.append((unit, second, {name: draw(st.sampled_from(CHOICES[kind][name])) for name in names}))
    return said


def observe(watch: Watch, said: Iterable[Said], *, received_ms: int = LATER_MS) -> list[Signal]:
    """Everything as one batch: one block a kind, then events, then states of connection."""
    rows: dict[Kind, list[tuple[UnitKey, float, Values]]] = defaultdict(list)
    events: list[Event] = []
    statuses: list[StatusChange] = []
    for unit, second, what in said:
        if isinstance(what, str):
            told = event_of(unit, second, what)
            if isinstance(told, Event):
                events.append(told)
            else:
                statuses.append(told)
        else:
            rows[unit.kind].append((unit, second, what))
    blocks = [block_of(kind, of_kind) for kind, of_kind in rows.items()]
    return watch.observe(blocks, events, statuses, received_ms=received_ms)


def by_unit(signals: Sequence[Signal]) -> dict[UnitKey, list[tuple[str, bool, int, str]]]:
    """What was said of each unit, in order; at one instant the order of conditions does not matter."""
    found: dict[UnitKey, list[tuple[str, bool, int, str]]] = defaultdict(list)
    for signal in signals:
        found[signal.unit].append(
            (signal.condition.code, signal.is_active, signal.ts_ms, str(sorted(signal.evidence.items())))
        )
    return {unit: sorted(said, key=lambda item: (item[2], item[0])) for unit, said in found.items()}


def cut(said: Sequence[Said], places: Iterable[int]) -> list[Sequence[Said]]:
    edges = [0, *sorted(place % (len(said) + 1) for place in places), len(said)]
    return [said[start:end] for start, end in pairwise(edges)]


@given(streams(), st.lists(st.integers(0, 100), max_size=6))
@settings(max_examples=50, deadline=None)
def test_how_a_stream_is_cut_into_batches_changes_nothing(said: list[Said], places: list[int]) -> None:
    one = observe(Watch(), said)
    watch = Watch()
    many = [signal for batch in cut(said, places) for signal in observe(watch, batch)]
    watch = Watch()
    single = [signal for item in said for signal in observe(watch, [item])]
    assert by_unit(one) == by_unit(many) == by_unit(single)


@given(streams())
@settings(max_examples=25, deadline=None)
def test_units_judged_together_are_judged_as_if_alone(said: list[Said]) -> None:
    together = by_unit(observe(Watch(), said))
    units = {unit for unit, _, _ in said}
    alone = {unit: by_unit(observe(Watch(), [item for item in said if item[0] == unit])) for unit in units}
    assert together == {unit: found[unit] for unit, found in alone.items() if found}


@given(streams(most=40))
@settings(max_examples=25, deadline=None)
def test_what_began_ends_before_it_begins_again(said: list[Said]) -> None:
    watch = Watch()
    active: dict[tuple[UnitKey, str], bool] = {}
    kept: set[tuple[UnitKey, str]] = set()
    for place, item in enumerate(said):
        signals = observe(watch, [item], received_ms=at_ms(item[1]))
        if place % 3 == 0:
            signals += watch.tick(at_ms(item[1] + 30))
        for signal in signals:
            key = (signal.unit, signal.condition.code)
            # What was kept in service begins once more when that is over and it still holds.
            comes_forth = key in kept and signal.is_active and not signal.is_in_service
            assert comes_forth or active.get(key, False) is not signal.is_active
            active[key] = signal.is_active
            kept = kept | {key} if signal.is_in_service else kept - {key}


@given(streams(), st.data())
@settings(max_examples=25, deadline=None)
def test_a_late_row_or_event_changes_nothing(said: list[Said], data: st.DataObject) -> None:
    watch, plain = Watch(), Watch()
    for place, item in enumerate(said):
        expected = observe(plain, [item])
        assert by_unit(observe(watch, [item])) == by_unit(expected)
        told = [earlier for earlier in said[:place] if earlier[0] == item[0] and isinstance(earlier[2], dict)]
        if told and isinstance(item[2], dict):
            unit, second, _ = data.draw(st.sampled_from(told))
            kind_choices = CHOICES[unit.kind]
            name = data.draw(st.sampled_from(sorted(kind_choices)))
            late: Said = (unit, second - 0.5, {name: data.draw(st.sampled_from(kind_choices[name]))})
            assert observe(watch, [late]) == []


def test_seventy_units_and_more_are_kept_apart() -> None:
    """The first capacity is 64; what was known before it grew is known afterwards."""
    units = [UnitKey("xiaohe", Kind.FIRE, f"f{n}") for n in range(200)]
    pumps = [UnitKey("xiaohe", Kind.PUMP, f"p{n}") for n in range(200)]
    watch = Watch()
    first = observe(watch, [(unit, 0, {"pump_auto": 0}) for unit in units[:60]])
    first += observe(watch, [(unit, 0, {"pump1_running": 0, "pump2_running": 0}) for unit in pumps[:60]])
    assert len(first) == 60
    second = observe(watch, [(unit, 1, {"pump_auto": n % 2}) for n, unit in enumerate(units)])
    assert len([s for s in second if s.is_active]) == 70
    assert {s.unit for s in second if not s.is_active} == set(units[1:60:2])
    cycles: list[Said] = [
        (unit, 60.0 * cycle + half, {"pump1_running": 1 - half / 30, "pump2_running": 0})
        for cycle in range(1, 17)
        for half in (0, 30)
        for unit in pumps
    ]
    third = observe(watch, cycles)
    assert [s.condition.code for s in third] == ["standby_never_runs"] * 200
    assert {s.ts_ms for s in third} == {at_ms(16 * 60)}


# Delays, against a plain loop


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 7, 19, 20, 21, 40]), st.sampled_from([0.05, 0.075, 0.2, None])),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=50, deadline=None)
def test_delays_and_hysteresis_are_what_a_plain_loop_makes_of_them(rows: list[tuple[int, float | None]]) -> None:
    steps: list[Step] = []
    expected: list[str] = []
    second, value, is_active = 0, None, False
    low_since = high_since = None
    for gap, told in rows:
        second += gap
        value = told if told is not None else value
        steps.append((second, {"hydrant_pressure_mpa": told} if told is not None else {"tank_level_m": 3}))
        low = value is not None and value < 0.07
        high = value is not None and value >= 0.0805
        low_since = (low_since if low_since is not None else second) if low and not is_active else None
        high_since = (high_since if high_since is not None else second) if high and is_active else None
        if low_since is not None and second - low_since >= 20:
            expected.append(f"+hydrant_pressure_low@{second}")
            is_active, low_since = True, None
        elif high_since is not None and second - high_since >= 20:
            expected.append(f"-hydrant_pressure_low@{second}")
            is_active, high_since = False, None
    assert only("hydrant_pressure_low", tell(Watch(), FIRE, steps)) == expected


# Time that passes without messages


def test_a_tick_tells_what_is_due_once_and_at_the_time_it_was_due() -> None:
    watch = Watch()
    tell(watch, FIRE, [(100, {"mains_ok": 0})])
    assert short(watch.tick(at_ms(109.9))) == []
    assert short(watch.tick(at_ms(500))) == ["+mains_lost@110"]
    assert short(watch.tick(at_ms(501))) == []
    tell(watch, FIRE, [(600, {"mains_ok": 1})])
    assert short(watch.tick(at_ms(611))) == ["-mains_lost@610"]


def test_time_passes_as_at_the_unit_whose_readings_come_with_a_lag() -> None:
    """A recording of last year is replayed: its time goes on from where it is, not from today."""
    watch = Watch()
    assert tell(watch, FIRE, [(100, {"mains_ok": 0})], lag_s=10**6) == []
    assert short(watch.tick(at_ms(10**6 + 109))) == []
    assert short(watch.tick(at_ms(10**6 + 110))) == ["+mains_lost@110"]


def test_a_watch_that_knows_nobody_ticks_in_peace() -> None:
    assert Watch().tick(at_ms(0)) == []
    assert Watch().observe([], received_ms=at_ms(0)) == []


def test_an_empty_block_is_taken() -> None:
    block = block_of(Kind.PUMP, [(PUMP, 0, {"level_m": 1.0})])
    assert Watch().observe([block.rows(np.zeros(0, dtype=np.int64))], received_ms=at_ms(0)) == []


# Clocks that were wrong


@pytest.mark.parametrize("ahead_s", [8 * 3600, 20 * 3600])
def test_a_clock_that_was_ahead_and_is_set_right_silences_nothing(ahead_s: float) -> None:
    watch = Watch()
    tell(watch, FIRE, [(ahead_s, {"pump_auto": 1, "mains_ok": 1})], lag_s=-ahead_s)
    said = tell(watch, FIRE, [(10, {"pump_auto": 0, "mains_ok": 0}), (20, {"pump_auto": 0})])
    assert short(said) == ["+pump_in_manual@10", "+mains_lost@20"]


def test_a_fire_is_told_although_the_panel_had_its_clock_ahead_before() -> None:
    watch = Watch()
    assert short(tell(watch, FIRE, [(9 * 3600, "fire@1"), (9 * 3600 + 5, "-fire@1")], lag_s=-9 * 3600)) != []
    assert short(tell(watch, FIRE, [(60, "fire@1"), (70, "-fire")])) == ["+fire@60", "-fire@70"]


def test_a_wait_that_began_in_the_future_goes_on_from_now() -> None:
    watch = Watch()
    tell(watch, FIRE, [(8 * 3600, {"battery_v": 20})], lag_s=-8 * 3600)
    assert short(tell(watch, FIRE, [(10, {"battery_v": 20}), (69, {"battery_v": 20})])) == []
    assert short(tell(watch, FIRE, [(70, {"battery_v": 20})])) == ["+battery_low@70"]


def test_a_little_skew_does_not_make_late_rows_count() -> None:
    watch = Watch()
    tell(watch, FIRE, [(100, {"pump_auto": 1})], lag_s=-50)
    assert tell(watch, FIRE, [(90, {"pump_auto": 0})], lag_s=-39) == []


def test_a_counter_of_a_unit_whose_clock_was_set_right_is_counted_on() -> None:
    rate, units = CounterRate(1), np.array([0])

    def told(minute: int, count: float) -> float:
        before = np.array([np.nan])
        return float(rate.update(units, np.array([at_ms(minute * 60)]), np.array([count]), before)[0])

    assert np.isnan(told(600, 10))
    assert np.isnan(told(0, 11))
    assert told(60, 19) == pytest.approx(8)


# Restarts


def restarted(before: Sequence[Said], signals: Sequence[Signal], *, pending: int = 0, history_s: float = 1e9) -> Watch:
    """A new watch with what the database and the store hold of what was said; the last rows are not stored yet."""
    rows = [item for item in before if isinstance(item[2], dict)]
    stored, waiting = (rows[:-pending], rows[-pending:]) if pending else (rows, [])
    latest: dict[UnitKey, dict[str, tuple[int, float]]] = defaultdict(dict)
    for unit, second, values in stored:
        assert isinstance(values, dict)
        latest[unit] |= {name: (at_ms(second), value) for name, value in values.items()}
    last: dict[tuple[UnitKey, str, str], Event] = {}
    online: dict[UnitKey, StatusChange] = {}
    for unit, second, word in before:
        if isinstance(word, str):
            told = event_of(unit, second, word)
            if isinstance(told, Event):
                last[unit, told.code, told.point] = told
            else:
                online[unit] = told
    active: dict[tuple[UnitKey, str], bool] = {}
    kept: dict[tuple[UnitKey, str], bool] = {}
    for signal in signals:
        active[signal.unit, signal.condition.code] = signal.is_active
        kept[signal.unit, signal.condition.code] = signal.is_in_service

    def blocks(items: Sequence[Said]) -> list[ReadingBlock]:
        return [
            block_of(unit.kind, [(unit, s, v) for u, s, v in items if u == unit and isinstance(v, dict)])
            for unit in dict.fromkeys(unit for unit, _, _ in items)
        ]

    now_s = before[-1][1] if before else 0
    watch = Watch()
    watch.restore(
        latest=latest,
        history=blocks([item for item in stored if item[1] >= now_s - history_s]),
        pending=blocks(waiting),
        events=last.values(),
        statuses=online.values(),
        active=[key for key, is_active in active.items() if is_active],
        kept=[key for key, is_kept in kept.items() if is_kept],
        now_ms=at_ms(now_s),
    )
    return watch


def active_after(signals: Iterable[Signal]) -> set[tuple[UnitKey, str]]:
    active: set[tuple[UnitKey, str]] = set()
    kept: set[tuple[UnitKey, str]] = set()
    for signal in signals:
        key = (signal.unit, signal.condition.code)
        comes_forth = key in kept and signal.is_active and not signal.is_in_service
        kept = kept | {key} if signal.is_in_service else kept - {key}
        if comes_forth:
            continue
        assert (key in active) is not signal.is_active, f"{key} told twice"
        active ^= {key}
    return active


@given(streams(most=30), st.integers(0, 100), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_a_restart_neither_repeats_nor_loses_an_alarm(said: list[Said], place: int, pending: int) -> None:
    """Whenever it happens: what was told stays told, and what holds in the end is told in the end."""
    place %= len(said)
    before, after = said[:place], said[place:]

    def live(watch: Watch, items: Iterable[Said]) -> list[Signal]:
        return [s for item in items for s in observe(watch, [item], received_ms=at_ms(item[1]))]

    watch = Watch()
    told = live(watch, before)
    whole = told + live(watch, after)
    whole += watch.tick(at_ms(said[-1][1] + 20 * 3600))

    stored = [item for item in before if isinstance(item[2], dict)]
    watch = restarted(before, told, pending=min(pending, max(len(stored) - 1, 0)))
    split = told + live(watch, after)
    split += watch.tick(at_ms(said[-1][1] + 20 * 3600))
    assert active_after(split) == active_after(whole)


def test_after_a_restart_an_alarm_that_stands_is_not_told_again() -> None:
    before: list[Said] = [(FIRE, 0, {"pump_auto": 0}), (FIRE, 1, "fire@3-12")]
    first = observe(Watch(), before)
    watch = restarted(before, first)
    assert observe(watch, [(FIRE, 2, {"pump_auto": 0}), (FIRE, 3, "fire@3-13")]) == []
    assert watch.tick(at_ms(9999)) == []
    ended = observe(watch, [(FIRE, 4, "-fire@3-12"), (FIRE, 5, {"pump_auto": 1}), (FIRE, 6, "-fire@3-13")])
    assert sorted(short(ended)) == ["-fire@6", "-pump_in_manual@5"]


def test_after_a_restart_an_end_without_a_point_has_still_ended_all() -> None:
    before: list[Said] = [(FIRE, 0, "fire@3-12"), (FIRE, 5, "-fire")]
    watch = restarted(before, observe(Watch(), before))
    assert watch.tick(at_ms(9999)) == []
    assert observe(watch, [(FIRE, 3, "fire@3-13")]) == []


def test_after_a_restart_a_trapped_person_is_still_waited_for() -> None:
    shut_in: Values = {"occupied": 1, "door_closed": 1, "in_door_zone": 0, "speed_m_s": 0.0, "service_mode": 1}
    watch = restarted([(LIFT, 0, shut_in)], [])
    assert short(watch.tick(at_ms(60))) == ["+entrapment@60"]


def test_what_was_gone_before_a_restart_returns_after_it_though_nothing_more_is_heard() -> None:
    said: list[Said] = [(PUMP, 0, {"high_float": 1}), (PUMP, 10, {"high_float": 0})]
    watch = restarted(said, observe(Watch(), said))
    assert short(watch.tick(at_ms(69))) == []
    assert short(watch.tick(at_ms(70))) == ["-high_float@70"]


def test_after_a_restart_a_unit_that_went_offline_is_told() -> None:
    watch = restarted([(LIFT, 0, "offline")], [])
    assert short(watch.tick(at_ms(30))) == ["+offline@30"]


def test_after_a_restart_a_point_is_disabled_since_it_was() -> None:
    before: list[Said] = [(FIRE, 0, "disabled@3-12"), (FIRE, 7 * 3600, {"mains_ok": 1})]
    watch = restarted(before, [])
    assert short(watch.tick(at_ms(8 * 3600 - 1))) == []
    assert short(watch.tick(at_ms(8 * 3600))) == ["+disabled@28800"]


def test_after_a_restart_silence_is_kept() -> None:
    before: list[Said] = [(LIFT, 0, {"service_mode": 2}), (LIFT, 1, "fault.01")]
    watch = restarted(before, [])
    assert watch.tick(at_ms(9999)) == []
    assert short(observe(watch, [(LIFT, 20, {"service_mode": 1})])) == ["+fault.01@20"]


def test_after_a_restart_a_fault_that_was_kept_in_service_ends_or_comes_forth() -> None:
    before: list[Said] = [(LIFT, 0, {"service_mode": 2}), (LIFT, 1, "fault.01")]
    kept = observe(Watch(), before)
    assert short(kept) == ["~fault.01@1"]
    assert short(observe(restarted(before, kept), [(LIFT, 5, "-fault.01")])) == ["-fault.01@5"]
    assert short(observe(restarted(before, kept), [(LIFT, 20, {"service_mode": 1})])) == ["+fault.01@20"]
    # The mode changed while nobody listened.
    back: list[Said] = [*before, (LIFT, 9, {"service_mode": 1})]
    assert short(restarted(back, kept).tick(at_ms(30))) == ["+fault.01@1"]


def test_after_a_restart_a_float_that_contradicts_the_level_is_no_flood() -> None:
    before: list[Said] = [(PUMP, 0, {"level_m": 0.3}), (PUMP, 1, "high_float")]
    assert restarted(before, []).tick(at_ms(9999)) == []


def test_after_a_restart_the_rain_of_the_last_hours_is_remembered() -> None:
    fell: list[Said] = [(PUMP, 600.0 * n, {"rain_mm_h": 20}) for n in range(19)]
    watch = restarted(fell, observe(Watch(), fell))
    said = observe(watch, [(PUMP, 600.0 * 19 + s, {"rain_mm_h": 0, "floor_water_cm": 2.1}) for s in (0, 20)])
    assert only("floor_water_wet", said) == ["+floor_water_wet@11420"]
    assert only("heavy_rain", said) == []


def test_without_its_history_no_alarm_on_a_sum_is_taken_back_too_early() -> None:
    """The store may have lost it; then rain and cycles are known again only after a while."""
    fell: list[Said] = [(PUMP, 600.0 * n, {"rain_mm_h": 30, "pump1_running": 0, "pump2_running": 0}) for n in range(19)]
    ran: list[Said] = [(PUMP, 12_000.0 + 30 * n, {"pump1_running": (n + 1) % 2, "pump2_running": 0}) for n in range(33)]
    before = fell + ran
    first = observe(Watch(), before)
    assert {"heavy_rain", "standby_never_runs"} <= {s.condition.code for s in first}
    watch = restarted(before, first, history_s=0)
    end = before[-1][1]
    dry: list[Said] = [(PUMP, end + 600 * n, {"rain_mm_h": 0, "pump1_running": n % 2}) for n in range(1, 20)]
    said = observe(watch, dry)
    assert only("heavy_rain", said) == [f"-heavy_rain@{end + 600 * 19:g}"]
    assert only("standby_never_runs", said) == []
    other = observe(watch, [(PUMP, end + 600 * 20, {"pump2_running": 1})])
    assert only("standby_never_runs", other) == [f"-standby_never_runs@{end + 600 * 20:g}"]


def test_an_alarm_of_a_condition_that_is_no_longer_watched_is_left_alone() -> None:
    watch = Watch()
    watch.restore(latest={}, active=[(FIRE, "of_an_older_version")], now_ms=at_ms(0))
    assert watch.tick(at_ms(9999)) == []


def test_readings_not_stored_yet_count_more_than_what_the_store_has() -> None:
    before: list[Said] = [(FIRE, 0, {"main_valve_open": 1}), (FIRE, 10, {"main_valve_open": 0})]
    first = observe(Watch(), before)
    assert short(first) == ["+main_valve_closed@10"]
    watch = restarted(before, first, pending=1)
    assert observe(watch, [(FIRE, 20, {"mains_ok": 1})]) == []
    assert observe(watch, [(FIRE, 5, {"main_valve_open": 1})]) == []


def test_the_table_of_conditions_is_made_anew_for_each_watch() -> None:
    assert condition_table(Limits()) is not condition_table(Limits())
