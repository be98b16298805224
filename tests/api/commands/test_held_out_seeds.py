"""What the detectors and rules find in worlds of seeds that nothing was tuned on, and what they leave in peace.

A few unit-days of each kind; `liandong evaluate` judges weeks. Seeds are of `HELD_OUT_SEED` and above.
"""

from api.evaluation.simulated import HELD_OUT_SEED
from api.evaluation.staging import DAY_S, HOUR_S, Staging, UnitRun, staged_run
from models.equipment import Kind

LEARNED_S = 14.2 * DAY_S
"""Wear is judged after fourteen days."""


def missed(runs: list[UnitRun]) -> list[str]:
    return [run.fault for run in runs if run.judged.labels.any() and not run.conditions]


def wrongly_told(runs: list[UnitRun]) -> list[tuple[str, tuple[str, ...]]]:
    return [(run.fault, run.false_conditions) for run in runs if run.false_conditions]


def test_wear_heat_and_entrapment_of_lifts_are_found_and_a_visit_is_none_of_them() -> None:
    faults = ("door_wear", "brake_wear", "vibration_growth", "motor_overheating", "entrapment", "maintenance_visit")
    runs = staged_run(
        Staging(
            Kind.ELEVATOR,
            HELD_OUT_SEED + 7_001,
            healthy_units=3,
            live_s=2.5 * DAY_S,
            duration_s=2 * DAY_S,
            sudden_faults=faults,
            onset_s=(0.3 * DAY_S, 0.5 * DAY_S),
            history_s=LEARNED_S,
            interval_s=300.0,
        )
    )
    assert missed(runs) == []
    assert wrongly_told(runs) == []
    by_fault = {run.fault: run for run in runs}
    assert all(by_fault[name].is_by_detector for name in ("door_wear", "brake_wear", "vibration_growth"))
    assert by_fault["entrapment"].delay_s <= 300


def test_faults_of_sumps_are_found_within_hours_and_sound_sumps_are_left_in_peace() -> None:
    told = ("dry_run", "trip", "check_valve_leak", "inflow_exceeds_capacity")
    runs = staged_run(
        Staging(
            Kind.PUMP,
            HELD_OUT_SEED + 7_002,
            healthy_units=3,
            live_s=5 * HOUR_S,
            duration_s=5 * HOUR_S,
            sudden_faults=(*told, "clog", "clog", "clog"),
            onset_s=(HOUR_S, 1.5 * HOUR_S),
            history_s=2.5 * HOUR_S,
        )
    )
    # No rule knows a pump that moves less than it did; after hours of learning the detectors find most of them.
    assert set(missed(runs)) <= {"clog"}
    assert len(missed(runs)) <= 1
    assert wrongly_told(runs) == []


def test_faults_of_fire_systems_are_found_at_once_and_sound_systems_are_left_in_peace() -> None:
    faults = ("fire", "main_valve_closed", "low_tank", "pressure_leak", "battery_fault", "residual_current")
    runs = staged_run(
        Staging(
            Kind.FIRE,
            HELD_OUT_SEED + 7_003,
            healthy_units=3,
            live_s=4 * HOUR_S,
            duration_s=3 * HOUR_S,
            sudden_faults=faults,
            onset_s=(0.5 * HOUR_S, HOUR_S),
            history_s=LEARNED_S,
            interval_s=60.0,
        )
    )
    assert missed(runs) == []
    assert wrongly_told(runs) == []
    by_fault = {run.fault: run for run in runs}
    assert by_fault["fire"].delay_s <= 1
    assert by_fault["pressure_leak"].delay_s <= HOUR_S
