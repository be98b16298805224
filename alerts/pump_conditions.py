"""Conditions of basement pumps: sump, motors, sensors, rain and the garage floor."""

import numpy as np

from alerts.condition import (
    SILENT,
    Condition,
    Predicate,
    UnitStates,
    event_condition,
    offline_condition,
    silent_condition,
)
from alerts.derived import SITE_RAIN
from alerts.limits import Limits
from alerts.severity import Severity
from alerts.ticket_stages import TicketKind
from models.equipment import Kind
from models.reading import Bools

TRIP_CURRENT_FRACTION = 0.1
DRY_RUN_CURRENT_FRACTION = 0.6
RISING_M_PER_MIN = 0.002


def pump_values(limits: Limits) -> tuple[Condition, ...]:
    flood = TicketKind.FLOOD

    def running(s: UnitStates, pump: int) -> Bools:
        return np.asarray(s[f"pump{pump}_running"] == 1)

    def floor_water(limit_cm: float) -> Predicate:
        def above(s: UnitStates) -> Bools:
            is_stormy = s["rain_mm_3h"] >= limits.rain_orange_mm_3h
            return np.asarray(
                s["floor_water_cm"] >= np.where(is_stormy, limit_cm * limits.floor_water_rain_factor, limit_cm)
            )

        return above

    def floor_dry(limit_cm: float) -> Predicate:
        return lambda s: s["floor_water_cm"] < limit_cm * limits.floor_water_rain_factor * 0.8

    def dry_run(s: UnitStates) -> Bools:
        weak = DRY_RUN_CURRENT_FRACTION * limits.pump_nominal_current_a
        idle = TRIP_CURRENT_FRACTION * limits.pump_nominal_current_a
        low = s["level_m"] <= limits.sump_bottom_m
        first = running(s, 1) & (s["pump1_current_a"] < weak) & (s["pump1_current_a"] >= idle)
        second = running(s, 2) & (s["pump2_current_a"] < weak) & (s["pump2_current_a"] >= idle)
        return np.asarray(low & (first | second))

    def no_current(s: UnitStates) -> Bools:
        idle = TRIP_CURRENT_FRACTION * limits.pump_nominal_current_a
        first = running(s, 1) & (s["pump1_current_a"] < idle)
        second = running(s, 2) & (s["pump2_current_a"] < idle)
        return np.asarray(first | second)

    def disagrees(s: UnitStates) -> Bools:
        high, level, margin = s["high_float"] == 1, s["level_m"], 0.2
        stuck_up = high & (level < limits.sump_float_m - margin)
        stuck_down = (s["high_float"] == 0) & (level > limits.sump_float_m + margin)
        return np.asarray(stuck_up | stuck_down)

    pump_columns = ("level_m", "pump1_running", "pump2_running", "pump1_current_a", "pump2_current_a")
    floor_rows = (
        (
            "floor_water_wet",
            "Water on garage floor",
            limits.floor_water_wet_cm,
            Severity.MINOR,
            "Look at drains and sump.",
        ),
        (
            "floor_water_close",
            "Garage floor water: close the entrance",
            limits.floor_water_close_cm,
            Severity.MAJOR,
            "Close the entrance, put up the barriers, call people in.",
        ),
        (
            "floor_water_evacuate",
            "Garage floor water: move the vehicles out",
            limits.floor_water_evacuate_cm,
            Severity.CRITICAL,
            "Move vehicles out, cut the power of the garage, call out everybody.",
        ),
    )
    return (
        Condition(
            code="inflow_exceeds_capacity",
            kind=Kind.PUMP,
            title="Inflow exceeds pump capacity",
            severity=Severity.CRITICAL,
            case="flood",
            advice="Both pumps run and the water still rises: bring mobile pumps and barriers, call people in.",
            raise_when=lambda s: (
                running(s, 1)
                & running(s, 2)
                & (s["level_m"] > limits.sump_standby_start_m)
                & (s["level_rise_m_per_min"] > RISING_M_PER_MIN)
            ),
            clear_when=lambda s: ~(running(s, 1) & running(s, 2)) | (s["level_rise_m_per_min"] < -RISING_M_PER_MIN),
            columns=(*pump_columns, "level_rise_m_per_min", "overflow_in_min", "rain_mm_3h"),
            ticket_kind=flood,
            on_delay_s=60.0,
            off_delay_s=300.0,
            reuse_s=7200.0,
        ),
        *(
            Condition(
                code=code,
                kind=Kind.PUMP,
                title=title,
                severity=severity,
                case="flood",
                advice=advice,
                raise_when=floor_water(limit_cm),
                clear_when=floor_dry(limit_cm),
                columns=("floor_water_cm", "rain_mm_3h", "level_m"),
                ticket_kind=flood,
                on_delay_s=20.0,
                off_delay_s=300.0,
                reuse_s=7200.0,
            )
            for code, title, limit_cm, severity, advice in floor_rows
        ),
        Condition(
            code="lift_pit_water",
            kind=Kind.PUMP,
            title="Water in lift pit",
            severity=Severity.MAJOR,
            case="flood",
            advice="Take the lift to an upper floor and out of use; pump the pit.",
            raise_when=lambda s: s["lift_pit_water"] == 1,
            clear_when=lambda s: s["lift_pit_water"] == 0,
            columns=("lift_pit_water",),
            ticket_kind=flood,
            on_delay_s=10.0,
        ),
        Condition(
            code="high_float",
            kind=Kind.PUMP,
            title="Sump high-level float raised",
            severity=Severity.MAJOR,
            case="flood",
            advice="Look at the sump: pumps, check valves, inflow.",
            raise_when=lambda s: (
                ((s["high_float"] == 1) | (s["event:high_float"] == 1)) & ~(s["level_m"] < limits.sump_float_m - 0.2)
            ),
            clear_when=lambda s: (s["high_float"] != 1) & (s["event:high_float"] != 1),
            columns=("high_float", "level_m"),
            event="high_float",
            ticket_kind=flood,
            off_delay_s=60.0,
        ),
        Condition(
            code="dry_run",
            kind=Kind.PUMP,
            title="Pump runs dry",
            severity=Severity.MAJOR,
            case="dry_run",
            advice="Stop the pump at its panel and check the stop level and the level sensor.",
            raise_when=dry_run,
            columns=pump_columns,
            on_delay_s=30.0,
            off_delay_s=30.0,
        ),
        Condition(
            code="no_current",
            kind=Kind.PUMP,
            title="Pump commanded but draws no current",
            severity=Severity.MAJOR,
            case="pump_trip",
            advice="Check breaker, thermal relay and contactor; make sure that the other pump works.",
            raise_when=no_current,
            columns=pump_columns,
            on_delay_s=20.0,
            off_delay_s=20.0,
        ),
        Condition(
            code="phase_loss",
            kind=Kind.PUMP,
            title="Phase loss",
            severity=Severity.MAJOR,
            case="pump_trip",
            advice="A phase is missing: the pumps cannot start. Check supply and fuses at once.",
            raise_when=lambda s: (s["phase_loss"] == 1) | (s["event:phase_loss"] == 1),
            columns=("phase_loss",),
            event="phase_loss",
        ),
        Condition(
            code="float_disagrees",
            kind=Kind.PUMP,
            title="Float and level sensor disagree",
            severity=Severity.MINOR,
            case="sump_sensor",
            advice="One of the two sticks: clean and test both, watch the sump until then.",
            raise_when=disagrees,
            columns=("high_float", "level_m"),
            on_delay_s=120.0,
            off_delay_s=60.0,
        ),
        Condition(
            code="no_start_above_set_point",
            kind=Kind.PUMP,
            title="No pump starts although the level is high",
            severity=Severity.MAJOR,
            case="flood",
            advice="Start a pump by hand and check automatic mode, level sensor and panel.",
            raise_when=lambda s: (
                (s["level_m"] > limits.sump_standby_start_m) & (s["pump1_running"] == 0) & (s["pump2_running"] == 0)
            ),
            columns=pump_columns,
            ticket_kind=flood,
            on_delay_s=60.0,
        ),
        Condition(
            code="standby_never_runs",
            kind=Kind.PUMP,
            title="One pump never runs",
            severity=Severity.MINOR,
            case="standby",
            advice="The pumps should alternate: test the other one by hand and check the selector.",
            raise_when=lambda s: s["cycles_without_other"] >= limits.standby_cycles,
            clear_when=lambda s: (s["cycles_without_other"] < limits.standby_cycles) & (s["both_pumps_ran"] == 1),
            columns=("cycles_without_other", "pump1_running", "pump2_running"),
        ),
        Condition(
            code="short_cycling",
            kind=Kind.PUMP,
            title="Pump starts too often",
            severity=Severity.MINOR,
            case="short_cycling",
            advice="Look for a leaking check valve or too close set points.",
            raise_when=lambda s: s["starts_per_h"] > limits.pump_starts_per_h,
            clear_when=lambda s: s["starts_per_h"] <= limits.pump_starts_per_h * 0.8,
            columns=("starts_per_h",),
        ),
        Condition(
            code="heavy_rain",
            kind=Kind.PUMP,
            title="Heavy rain: prepare people and barriers",
            severity=Severity.ADVISORY,
            case="rain",
            advice="Rain of an orange warning or more in three hours: thresholds are lowered, post people early.",
            raise_when=lambda s: s["rain_mm_3h"] >= limits.rain_orange_mm_3h,
            clear_when=lambda s: (s["rain_mm_3h"] < limits.rain_orange_mm_3h * 0.5) & (s["rain_known_min"] >= 180),
            columns=("rain_mm_3h",),
        ),
        offline_condition(Kind.PUMP, Severity.MINOR),
        # A dry sump can wait until tomorrow; one in the rain cannot, and then it names the case.
        silent_condition(Kind.PUMP, Severity.MINOR),
        silent_condition(
            Kind.PUMP,
            Severity.MAJOR,
            code="silent_in_rain",
            title="Nobody knows the sump's level, and it rains",
            raise_when=lambda s: (s[f"event:{SILENT}"] == 1) & (s[SITE_RAIN] >= limits.silent_rain_mm_3h),
            clear_when=lambda s: s[f"event:{SILENT}"] != 1,
            ticket_kind=flood,
        ),
    )


def pump_events() -> tuple[Condition, ...]:
    return (
        event_condition(
            Kind.PUMP,
            "trip",
            Severity.MAJOR,
            "pump_trip",
            "Find the cause before it is switched on again; make sure that the other pump works.",
        ),
    )
