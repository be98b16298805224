"""Every fault that can be staged shows in what is said, from its onset to its end and not before: the truth is true."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.equipment import Kind
from models.reading import Bools
from simulators.elevator import Lift
from simulators.faults import CLOCK_BEHIND_MS, FAULT_EVENTS, SENSOR_FAULTS, SENSOR_METRICS, Fault, nature_of
from simulators.fire import FireSystem
from simulators.pump import Sump
from simulators.scenario import RegisteredUnit, Scenario, load_scenario
from simulators.truth import StagedFault, staged_faults
from simulators.world import World
from tests.simulators.hearing import Heard, hear, live

ONSET_S, DURATION_S, HOURS = 3600.0, 7200.0, 4.0
NAMES = {kind: list(FAULT_EVENTS[kind]) for kind in Kind}
PREFIX = {Kind.ELEVATOR: "lift", Kind.PUMP: "sump", Kind.FIRE: "fire"}

Signature = Callable[[Heard, str], Bools]
"""For each reading of a unit, whether the fault can be seen in it."""


def unit_of(kind: Kind, fault: str) -> str:
    return f"{PREFIX[kind]}-{NAMES[kind].index(fault) + 1:02d}"


def staged_scenario() -> Scenario:
    """One unit for each fault of its kind, in the morning when lifts are busy and with sumps that fill quickly."""
    faults = tuple(
        Fault(unit_of(kind, name), name, onset_s=ONSET_S, duration_s=DURATION_S)
        for kind in Kind
        for name in NAMES[kind]
    )
    units = {kind: [unit_of(kind, name) for name in NAMES[kind]] for kind in Kind}
    return replace(
        load_scenario("quiet-day"),
        lifts=tuple(Lift(unit, floors=18) for unit in units[Kind.ELEVATOR]),
        sumps=tuple(Sump(unit, ground_m3_h=15.0) for unit in units[Kind.PUMP]),
        fire_systems=tuple(FireSystem(unit) for unit in units[Kind.FIRE]),
        register=tuple(RegisteredUnit(kind, unit, unit, "", "", None, "") for kind in Kind for unit in units[kind]),
        faults=faults,
    )


SCENARIO = staged_scenario()
LIVE_MS = SCENARIO.start_ms


@pytest.fixture(scope="module")
def heard() -> Heard:
    return hear(live(World(SCENARIO, seed=5, start_ms=LIVE_MS), live_ms=LIVE_MS, hours=HOURS))


@pytest.fixture(scope="module")
def truth() -> dict[str, StagedFault]:
    end_ms = LIVE_MS + int(HOURS * 3_600_000)
    return {staged.unit.unit: staged for staged in staged_faults(SCENARIO, live_ms=LIVE_MS, end_ms=end_ms)}


def is_(metric: str, test: Callable[[np.ndarray], np.ndarray]) -> Signature:
    def seen(heard: Heard, unit: str) -> Bools:
        with np.errstate(invalid="ignore"):
            return np.asarray(test(heard.column(unit, metric)))

    return seen


def both(*signatures: Signature) -> Signature:
    return lambda heard, unit: np.logical_and.reduce([seen(heard, unit) for seen in signatures])


def is_trapped(heard: Heard, unit: str) -> Bools:
    return np.asarray(
        (heard.column(unit, "occupied") == 1)
        & (heard.column(unit, "door_closed") == 1)
        & (heard.column(unit, "in_door_zone") == 0)
        & (heard.column(unit, "speed_m_s") == 0)
        & (heard.column(unit, "service_mode") == 1)
    )


def is_short_cycling(heard: Heard, unit: str) -> Bools:
    """Level rises faster than the ground lets it, with no pump running."""
    level = heard.column(unit, "level_m")
    idle = (heard.column(unit, "pump1_running") == 0) & (heard.column(unit, "pump2_running") == 0)
    rise = np.r_[0.0, np.diff(level)]
    return np.asarray((rise > 0.03) & idle & np.r_[False, idle[:-1]])


# What is seen at once, and for as long as the fault lasts.
AT_ONCE: dict[tuple[Kind, str], Signature] = {
    (Kind.ELEVATOR, "entrapment"): is_trapped,
    **{(Kind.ELEVATOR, f"fault.0{n}"): is_("service_mode", lambda mode: mode == 0) for n in range(1, 9)},
    (Kind.ELEVATOR, "mains_off"): is_("service_mode", lambda mode: mode == 0),
    (Kind.ELEVATOR, "inspection"): is_("service_mode", lambda mode: mode == 2),
    (Kind.ELEVATOR, "maintenance_visit"): is_("service_mode", lambda mode: mode == 2),
    (Kind.ELEVATOR, "recall_drill"): is_("service_mode", lambda mode: mode == 3),
    (Kind.PUMP, "float_stuck"): both(
        is_("high_float", lambda float_: float_ == 1), is_("level_m", lambda level: level < 1.6)
    ),
    (Kind.PUMP, "phase_loss"): is_("phase_loss", lambda lost: lost == 1),
    (Kind.PUMP, "lift_pit_water"): is_("lift_pit_water", lambda wet: wet == 1),
    (Kind.FIRE, "pump_in_manual"): is_("pump_auto", lambda auto: auto == 0),
    (Kind.FIRE, "main_valve_closed"): is_("main_valve_open", lambda is_open: is_open == 0),
    (Kind.FIRE, "battery_fault"): is_("battery_v", lambda volts: volts < 22),
    (Kind.FIRE, "battery_ageing"): is_("battery_v", lambda volts: (volts > 25) & (volts < 26.5)),
    (Kind.FIRE, "pump_test"): is_("hydrant_pressure_mpa", lambda mpa: mpa > 0.45),
    (Kind.FIRE, "power_fault"): is_("mains_ok", lambda ok: ok == 0),
    (Kind.FIRE, "residual_current"): is_("residual_current_ma", lambda ma: ma > 300),
}

# What takes time to show, or shows only while a machine runs; how soon at the latest, in minutes.
IN_TIME: dict[tuple[Kind, str], tuple[Signature, float]] = {
    (Kind.ELEVATOR, "door_wear"): (is_("door_close_s", lambda seconds: seconds > 4), 20),
    (Kind.ELEVATOR, "vibration_growth"): (is_("vibration_rms_m_s2", lambda rms: rms > 0.2), 15),
    (Kind.ELEVATOR, "motor_overheating"): (is_("motor_temp_c", lambda celsius: celsius > 120), 30),
    (Kind.ELEVATOR, "levelling_bias"): (is_("levelling_error_mm", lambda mm: mm > 11), 15),
    (Kind.ELEVATOR, "levelling_scatter"): (is_("levelling_error_mm", lambda mm: np.abs(mm) > 10), 30),
    (Kind.ELEVATOR, "brake_wear"): (is_("brake_release_s", lambda seconds: seconds > 0.35), 20),
    (Kind.ELEVATOR, "motor_drag"): (is_("motor_current_a", lambda ampere: ampere > 29), 45),
    (Kind.ELEVATOR, "machine_room_hot"): (is_("machine_room_temp_c", lambda celsius: celsius > 38), 2),
    (Kind.ELEVATOR, "door_held"): (is_("door_reopens", lambda times: times >= 4), 15),
    (Kind.PUMP, "jam"): (
        both(is_("pump1_running", lambda on: on == 1), is_("pump1_current_a", lambda ampere: ampere > 12.5)),
        45,
    ),
    (Kind.PUMP, "clog"): (
        both(is_("pump1_running", lambda on: on == 1), is_("flow_m3_h", lambda flow: (flow > 0) & (flow < 20))),
        45,
    ),
    (Kind.PUMP, "dry_run"): (
        both(
            is_("level_m", lambda level: level <= 0.2),
            lambda heard, unit: np.asarray(
                np.maximum(heard.column(unit, "pump1_current_a"), heard.column(unit, "pump2_current_a")) > 4
            ),
            lambda heard, unit: np.asarray(
                np.maximum(heard.column(unit, "pump1_current_a"), heard.column(unit, "pump2_current_a")) < 6
            ),
        ),
        20,
    ),
    (Kind.PUMP, "check_valve_leak"): (is_short_cycling, 20),
    (Kind.PUMP, "level_stuck"): (
        both(is_("high_float", lambda float_: float_ == 1), is_("level_m", lambda level: level <= 1.2)),
        45,
    ),
    (Kind.PUMP, "trip"): (
        both(is_("pump1_running", lambda on: on == 1), is_("pump1_current_a", lambda ampere: ampere < 1)),
        1,
    ),
    (Kind.PUMP, "inflow_exceeds_capacity"): (
        both(
            is_("pump1_running", lambda on: on == 1),
            is_("pump2_running", lambda on: on == 1),
            is_("floor_water_cm", lambda cm: cm > 3),
        ),
        15,
    ),
    (Kind.PUMP, "floor_water"): (is_("floor_water_cm", lambda cm: cm > 3), 15),
    (Kind.FIRE, "low_tank"): (is_("tank_level_m", lambda level: level < 2), 10),
    (Kind.FIRE, "cable_hot"): (is_("cable_temp_c", lambda celsius: celsius > 70), 15),
}

# Some things are told by events alone, by silence, or need hours; each has its own test.
TOLD_OTHERWISE = (
    {
        (Kind.FIRE, name)
        for name in ("fire", "fire_drill", "loop_fault", "point_disabled", "supervisory", "pressure_leak")
    }
    | {(Kind.PUMP, "standby_never_runs")}
    | {(kind, name) for kind in Kind for name in ("unit_offline", "clock_skew", *SENSOR_FAULTS)}
)


def test_every_fault_has_a_test() -> None:
    assert {(kind, name) for kind in Kind for name in NAMES[kind]} == {*AT_ONCE, *IN_TIME, *TOLD_OTHERWISE}


def test_the_truth_names_every_staged_fault(truth: dict[str, StagedFault]) -> None:
    assert {(staged.unit.kind, staged.fault) for staged in truth.values()} == {
        (kind, name) for kind in Kind for name in NAMES[kind]
    }


@pytest.mark.parametrize(("kind", "fault"), AT_ONCE)
def test_a_fault_is_seen_from_its_onset_to_its_end(
    heard: Heard, truth: dict[str, StagedFault], kind: Kind, fault: str
) -> None:
    unit = unit_of(kind, fault)
    seen, times = AT_ONCE[kind, fault](heard, unit), heard.times(unit)
    inside = (times >= truth[unit].onset_ms) & (times < truth[unit].end_ms)
    # The two readings around a change may be of either side.
    assert seen[inside][1:-1].all()
    assert not seen[~inside].any()


@pytest.mark.parametrize(("kind", "fault"), IN_TIME)
def test_a_fault_is_seen_soon_and_never_before_its_onset(
    heard: Heard, truth: dict[str, StagedFault], kind: Kind, fault: str
) -> None:
    unit, (signature, within_min) = unit_of(kind, fault), IN_TIME[kind, fault]
    seen, times = signature(heard, unit), heard.times(unit)
    assert seen.any()
    first_ms = int(times[seen][0])
    assert truth[unit].onset_ms <= first_ms <= truth[unit].onset_ms + within_min * 60_000


@pytest.mark.parametrize(
    ("kind", "fault"), [(kind, fault) for kind in Kind for fault in NAMES[kind] if FAULT_EVENTS[kind][fault]]
)
def test_events_begin_and_end_with_their_fault(
    heard: Heard, truth: dict[str, StagedFault], kind: Kind, fault: str
) -> None:
    unit = unit_of(kind, fault)
    for told in FAULT_EVENTS[kind][fault]:
        said = [(event["on"], event["ts"]) for event in heard.events[unit] if event["code"] == told.code]
        if told.ends:
            assert said == [(True, truth[unit].end_ms)]
            continue
        onset_ms = truth[unit].onset_ms + round(told.delay_s * 1000)
        assert said == [(True, onset_ms), (False, truth[unit].end_ms)]


def test_fire_events_name_their_point(heard: Heard) -> None:
    for fault in ("fire", "loop_fault", "point_disabled"):
        assert all(event["point"] for event in heard.events[unit_of(Kind.FIRE, fault)])


def test_units_without_events_to_tell_send_none(heard: Heard) -> None:
    for kind in (Kind.ELEVATOR, Kind.FIRE):
        for fault in NAMES[kind]:
            if not FAULT_EVENTS[kind][fault]:
                assert heard.events[unit_of(kind, fault)] == []


@pytest.mark.parametrize("kind", list(Kind))
def test_an_offline_unit_is_silent_and_its_status_says_so(
    heard: Heard, truth: dict[str, StagedFault], kind: Kind
) -> None:
    unit = unit_of(kind, "unit_offline")
    times, staged = heard.times(unit), truth[unit]
    assert staged.end_ms is not None
    assert not ((times >= staged.onset_ms) & (times < staged.end_ms)).any()
    assert (times > staged.end_ms).any()
    assert [(status["online"], status["ts"]) for status in heard.statuses[unit]] == [
        (True, LIVE_MS),
        (False, staged.onset_ms),
        (True, staged.end_ms),
    ]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_slow_clock_tells_times_that_are_long_past(heard: Heard, truth: dict[str, StagedFault], kind: Kind) -> None:
    unit = unit_of(kind, "clock_skew")
    staged = truth[unit]
    assert staged.end_ms is not None
    times = heard.times(unit)
    behind = times[times < LIVE_MS]
    # Two hours at a reading every ten seconds, each told as three hours earlier than it was.
    assert len(behind) == pytest.approx(720, abs=1)
    assert behind[0] == pytest.approx(staged.onset_ms - CLOCK_BEHIND_MS, abs=11_000)
    assert np.flatnonzero(times < LIVE_MS)[0] > 300, "they come in the place of others, not before them"


@pytest.mark.parametrize("kind", list(Kind))
def test_a_sensor_that_drops_out_is_missing_while_the_others_go_on(
    heard: Heard, truth: dict[str, StagedFault], kind: Kind
) -> None:
    unit = unit_of(kind, "sensor_dropout")
    staged, times = truth[unit], heard.times(unit)
    column = heard.column(unit, staged.detail)
    inside = (times >= staged.onset_ms) & (times < (staged.end_ms or 0))
    assert np.isnan(column[inside]).all()
    assert not np.isnan(column[~inside]).all()
    assert inside.sum() > 700


def inside_and_out(
    heard: Heard, truth: dict[str, StagedFault], kind: Kind, fault: str
) -> tuple[np.ndarray, np.ndarray]:
    unit = unit_of(kind, fault)
    column, times = heard.column(unit, SENSOR_METRICS[kind]), heard.times(unit)
    inside = (times >= truth[unit].onset_ms) & (times < (truth[unit].end_ms or 0))
    return column[inside & np.isfinite(column)], column[~inside & np.isfinite(column)]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_stuck_sensor_tells_one_value_and_a_noisy_one_many(
    heard: Heard, truth: dict[str, StagedFault], kind: Kind
) -> None:
    inside, outside = inside_and_out(heard, truth, kind, "sensor_stuck")
    assert len(set(inside)) == 1
    assert len(set(outside)) > 10
    noisy, _ = inside_and_out(heard, truth, kind, "sensor_noise")
    _, sound = inside_and_out(heard, truth, kind, "sensor_stuck")
    assert np.std(np.diff(noisy)) > 3 * np.std(np.diff(sound))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_sensor_drifts_away_slowly_and_spikes_seldom(heard: Heard, truth: dict[str, StagedFault], kind: Kind) -> None:
    inside, _ = inside_and_out(heard, truth, kind, "sensor_spikes")
    median = np.median(inside)
    far = np.abs(inside - median) > 0.9 * abs(median)
    assert 0 < far.mean() < (0.1 if kind is not Kind.PUMP else 0.3)
    drifting, _ = inside_and_out(heard, truth, kind, "sensor_drift")
    if kind is Kind.FIRE:
        assert np.median(drifting[-30:]) > 1.02 * np.median(drifting[:30])


def test_the_truth_says_what_is_broken_and_what_people_did() -> None:
    natures = {fault: nature_of(fault) for kind in Kind for fault in NAMES[kind]}
    assert {fault for fault, nature in natures.items() if nature == "human"} == {
        "inspection",
        "maintenance_visit",
        "door_held",
        "recall_drill",
        "fire_drill",
        "pump_test",
    }
    assert natures["clock_skew"] == "connection"
    assert natures["sensor_drift"] == "sensor"
    assert natures["unit_offline"] == "connection"
    assert natures["brake_wear"] == natures["jam"] == "fault"


def test_a_lonely_pump_does_all_the_work(heard: Heard, truth: dict[str, StagedFault]) -> None:
    unit = unit_of(Kind.PUMP, "standby_never_runs")
    staged, times = truth[unit], heard.times(unit)
    starts = [np.diff(heard.column(unit, f"pump{pump}_running"), prepend=0) == 1 for pump in (1, 2)]
    inside = (times >= staged.onset_ms) & (times < (staged.end_ms or 0))
    assert starts[0][inside].sum() >= 3
    assert starts[1][inside].sum() == 0
    assert starts[1][~inside].sum() >= 1


def test_a_pump_that_runs_dry_moves_no_more_than_flows_in(heard: Heard) -> None:
    unit = unit_of(Kind.PUMP, "dry_run")
    is_dry = heard.column(unit, "level_m") < 0.14
    assert is_dry.sum() > 300
    flow = heard.column(unit, "flow_m3_h")[is_dry]
    assert np.median(flow) == pytest.approx(15.0 / 2, rel=0.2)
    assert flow.max() < 25


def test_a_leak_makes_the_jockey_pump_start_more_than_fifteen_times_an_hour(
    heard: Heard, truth: dict[str, StagedFault]
) -> None:
    unit = unit_of(Kind.FIRE, "pressure_leak")
    starts, times = heard.column(unit, "jockey_starts_total"), heard.times(unit)
    onset, end = np.searchsorted(times, [truth[unit].onset_ms, truth[unit].end_ms or 0])
    assert (starts[end] - starts[onset]) / (DURATION_S / 3600) > 15
    assert (starts[onset] - starts[0]) / (ONSET_S / 3600) < 5


def test_a_trapped_lift_goes_on_to_a_floor_when_it_is_freed(heard: Heard, truth: dict[str, StagedFault]) -> None:
    unit = unit_of(Kind.ELEVATOR, "entrapment")
    times, staged = heard.times(unit), truth[unit]
    after = times > (staged.end_ms or 0) + 60_000
    assert (heard.column(unit, "in_door_zone")[after][np.abs(heard.column(unit, "speed_m_s")[after]) < 0.05] == 1).all()
    trips = heard.column(unit, "trips_total")
    during = (times >= staged.onset_ms) & (times < (staged.end_ms or 0))
    assert np.ptp(trips[during]) == 0
    assert trips[-1] > trips[during][-1]


def test_wear_grows_over_its_ramp() -> None:
    scenario = replace(
        SCENARIO,
        faults=(Fault("lift-01", "door_wear", onset_s=600, severity=1.0, ramp_s=7200),),
        sumps=(),
        fire_systems=(),
    )
    heard = hear(live(World(scenario, seed=5, start_ms=LIVE_MS), live_ms=LIVE_MS, hours=3))
    times, closing = heard.times("lift-01"), heard.column("lift-01", "door_close_s")
    hours = (times - LIVE_MS) / 3_600_000
    means = [np.nanmean(closing[(hours >= first) & (hours < first + 0.5)]) for first in (0.0, 0.75, 1.5, 2.25)]
    assert means == sorted(means)
    assert means[-1] - means[0] > 1.0
