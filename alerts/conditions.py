"""The conditions that are watched: one row each, with what raises it, what clears it, and what it means to people.

A predicate takes the state of the units in question and answers for each of them; an unknown value (NaN) makes every
comparison false, so what is not known never raises. Columns of the state are the metrics of the kind, its event codes
as `event:{code}` (1 while on), and the derived quantities of `alerts.derived`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alerts.limits import Limits
from alerts.severity import Severity
from alerts.ticket import TicketKind
from models.equipment import EVENT_TITLES, Kind, ServiceMode
from models.reading import Bools, Floats

ANOMALY = "anomaly"
STANDING_SPEED_M_S = 0.05
TRIP_CURRENT_FRACTION = 0.1
DRY_RUN_CURRENT_FRACTION = 0.6
RISING_M_PER_MIN = 0.002


class UnitStates(Protocol):
    """Known values of some units, by column; NaN where unknown."""

    def __getitem__(self, column: str, /) -> Floats: ...


Predicate = Callable[[UnitStates], Bools]


@dataclass(frozen=True, slots=True)
class Condition:
    """A row of the table.

    `case` joins conditions of one matter in one ticket. `on_delay_s` is how long it must hold before it is raised,
    `off_delay_s` how long it must be gone before it has returned, `reuse_s` how soon after its return a new occurrence
    still belongs to the same alarm. `is_silent_in_service`: not raised while a lift is inspected or in fire service.
    """

    code: str
    kind: Kind
    title: str
    severity: Severity
    case: str
    advice: str
    raise_when: Predicate
    clear_when: Predicate | None = None
    columns: tuple[str, ...] = ()
    event: str | None = None
    ticket_kind: TicketKind = TicketKind.FAULT
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    reuse_s: float = 600.0
    is_silent_in_service: bool = False
    may_be_shelved: bool = True

    @property
    def opens_ticket(self) -> bool:
        return self.severity is not Severity.ADVISORY

    @property
    def watches_values(self) -> bool:
        """Whether readings can change it; else only events do."""
        return bool(self.columns)


def condition_table(limits: Limits) -> Mapping[Kind, tuple[Condition, ...]]:
    """All conditions by kind, with their limits filled in."""
    return {
        Kind.ELEVATOR: (*_elevator_values(limits), *_elevator_events()),
        Kind.PUMP: (*_pump_values(limits), *_pump_events(), _anomaly(Kind.PUMP)),
        Kind.FIRE: (*_fire_values(limits), *_fire_events(limits)),
    }


def _on(code: str) -> Predicate:
    return lambda s: s[f"event:{code}"] == 1


def _event(kind: Kind, code: str, severity: Severity, case: str, advice: str, **options: object) -> Condition:
    return Condition(
        code=code,
        kind=kind,
        title=EVENT_TITLES[kind][code],
        severity=severity,
        case=case,
        advice=advice,
        raise_when=_on(code),
        event=code,
        **options,  # type: ignore[arg-type]
    )


def _offline(kind: Kind, severity: Severity) -> Condition:
    return Condition(
        code="offline",
        kind=kind,
        title="Unit is offline",
        severity=severity,
        case="connection",
        advice="Its state is unknown, not healthy: check gateway, power and network, and look at the unit.",
        raise_when=lambda s: s["event:online"] == 0,
        event="online",
        on_delay_s=30.0,
    )


def _elevator_values(limits: Limits) -> tuple[Condition, ...]:
    def trapped(s: UnitStates) -> Bools:
        standing = np.abs(s["speed_m_s"]) < STANDING_SPEED_M_S
        shut_in = (s["occupied"] == 1) & (s["door_closed"] == 1) & (s["service_mode"] == ServiceMode.NORMAL)
        return np.asarray(standing & shut_in & ((s["in_door_zone"] == 0) | (s["event:alarm.90"] == 1)))

    return (
        Condition(
            code="entrapment",
            kind=Kind.ELEVATOR,
            title="Person trapped in lift",
            severity=Severity.CRITICAL,
            case="entrapment",
            advice="Speak to the people inside, send the rescue: within 30 minutes in built-up areas.",
            raise_when=trapped,
            columns=("occupied", "door_closed", "in_door_zone", "speed_m_s", "service_mode", "position_floor"),
            on_delay_s=limits.entrapment_s,
            off_delay_s=10.0,
            may_be_shelved=False,
        ),
        Condition(
            code="motor_overheating",
            kind=Kind.ELEVATOR,
            title="Lift motor too hot",
            severity=Severity.MAJOR,
            case="motor_heat",
            advice="Let the lift rest; check fan, load and brake dragging.",
            raise_when=lambda s: s["motor_temp_c"] > limits.motor_temp_c,
            clear_when=lambda s: s["motor_temp_c"] < limits.motor_temp_c - 10,
            columns=("motor_temp_c",),
            on_delay_s=60.0,
            is_silent_in_service=True,
        ),
        Condition(
            code="machine_room_hot",
            kind=Kind.ELEVATOR,
            title="Machine room too hot",
            severity=Severity.MINOR,
            case="machine_room",
            advice="Check ventilation and air conditioning: controllers trip above 40 °C.",
            raise_when=lambda s: s["machine_room_temp_c"] > limits.machine_room_temp_c,
            clear_when=lambda s: s["machine_room_temp_c"] < limits.machine_room_temp_c - 3,
            columns=("machine_room_temp_c",),
            on_delay_s=300.0,
        ),
        _offline(Kind.ELEVATOR, Severity.MINOR),
    )


def _elevator_events() -> tuple[Condition, ...]:
    major, minor, critical, advisory = Severity.MAJOR, Severity.MINOR, Severity.CRITICAL, Severity.ADVISORY
    fault_advice = "Call the maintenance company; keep the lift out of use until it has been looked at."
    faults = {
        "fault.01": major,
        "fault.02": minor,
        "fault.03": major,
        "fault.04": major,
        "fault.05": critical,
        "fault.06": major,
        "fault.07": minor,
        "fault.08": major,
    }
    modes = {
        "event.41": (minor, "Check the supply; find out whether somebody is inside."),
        "event.42": (minor, "Find out why it was taken out of service and tell the residents."),
        "event.44": (major, "The lift goes to the recall floor: find the cause at the fire control panel."),
        "event.45": (advisory, "Firefighters use the lift; keep clear."),
        "event.46": (minor, "The lift runs on emergency power; check the mains."),
        "event.47": (critical, "Keep the lift stopped until it has been inspected."),
    }
    return (
        *(
            _event(Kind.ELEVATOR, code, severity, code, fault_advice, is_silent_in_service=True)
            for code, severity in faults.items()
        ),
        *(_event(Kind.ELEVATOR, code, severity, code, advice) for code, (severity, advice) in modes.items()),
        _event(
            Kind.ELEVATOR,
            "alarm.90",
            major,
            "entrapment",
            "Speak to the person who pressed; it may be an entrapment.",
            is_silent_in_service=True,
            may_be_shelved=False,
        ),
    )


def _pump_values(limits: Limits) -> tuple[Condition, ...]:
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
            clear_when=lambda s: s["rain_mm_3h"] < limits.rain_orange_mm_3h * 0.5,
            columns=("rain_mm_3h",),
        ),
        _offline(Kind.PUMP, Severity.MINOR),
    )


def _pump_events() -> tuple[Condition, ...]:
    return (
        _event(
            Kind.PUMP,
            "trip",
            Severity.MAJOR,
            "pump_trip",
            "Find the cause before it is switched on again; make sure that the other pump works.",
        ),
    )


def _anomaly(kind: Kind) -> Condition:
    return Condition(
        code=ANOMALY,
        kind=kind,
        title="Behaves unlike before",
        severity=Severity.MINOR,
        case=ANOMALY,
        advice="Look at the sensors that differ most, and at the machine; this is a hint, not a proof.",
        raise_when=_on(ANOMALY),
        event=ANOMALY,
        reuse_s=3600.0,
    )


def _fire_values(limits: Limits) -> tuple[Condition, ...]:
    hazard = TicketKind.HAZARD
    m = Severity.MAJOR

    def below(metric: str, limit: float, clear: float) -> tuple[Predicate, Predicate]:
        return (lambda s: s[metric] < limit), (lambda s: s[metric] >= clear)

    def above(metric: str, limit: float, clear: float) -> tuple[Predicate, Predicate]:
        return (lambda s: s[metric] > limit), (lambda s: s[metric] <= clear)

    def is_off(metric: str) -> tuple[Predicate, Predicate]:
        return (lambda s: s[metric] == 0), (lambda s: s[metric] == 1)

    rows: tuple[tuple[str, str, Severity, str, str, tuple[Predicate, Predicate], float], ...] = (
        (
            "pump_in_manual",
            "Fire pump in manual",
            m,
            "pump_auto",
            "Put the selector back to automatic, or post a person at the pump until it is.",
            is_off("pump_auto"),
            0.0,
        ),
        (
            "main_valve_closed",
            "Fire main valve closed",
            m,
            "main_valve_open",
            "Find out who closed it and why; open and seal it.",
            is_off("main_valve_open"),
            0.0,
        ),
        (
            "hydrant_pressure_low",
            "Hydrant pressure low",
            m,
            "hydrant_pressure_mpa",
            "Look for an open hydrant or a leak; check jockey pump and tank.",
            below("hydrant_pressure_mpa", limits.hydrant_pressure_mpa, limits.hydrant_pressure_mpa * 1.15),
            20.0,
        ),
        (
            "sprinkler_pressure_low",
            "Sprinkler pressure low",
            m,
            "sprinkler_pressure_mpa",
            "Look for a leak or a closed valve; check the jockey pump.",
            below("sprinkler_pressure_mpa", limits.sprinkler_pressure_mpa, limits.sprinkler_pressure_mpa * 1.15),
            20.0,
        ),
        (
            "tank_low",
            "Fire tank level low",
            m,
            "tank_level_m",
            "Check the float valve and the supply; fill the tank.",
            below("tank_level_m", limits.tank_level_m, limits.tank_level_m + 0.1),
            30.0,
        ),
        (
            "mains_lost",
            "Fire panel without mains power",
            m,
            "mains_ok",
            "It runs on its battery: restore the mains within hours.",
            is_off("mains_ok"),
            10.0,
        ),
        (
            "battery_low",
            "Fire panel battery low",
            m,
            "battery_v",
            "Replace or charge the battery.",
            below("battery_v", limits.battery_v, limits.battery_v + 1.0),
            60.0,
        ),
        (
            "residual_current_high",
            "Residual current high",
            m,
            "residual_current_ma",
            "Danger of an electrical fire: have an electrician find the leak.",
            above("residual_current_ma", limits.residual_current_ma, limits.residual_current_ma * 0.9),
            10.0,
        ),
        (
            "cable_hot",
            "Cable too hot",
            m,
            "cable_temp_c",
            "Danger of an electrical fire: take load off and have it looked at.",
            above("cable_temp_c", limits.cable_temp_c, limits.cable_temp_c - 5),
            10.0,
        ),
        (
            "jockey_starts_often",
            "Jockey pump starts too often",
            Severity.MINOR,
            "jockey_starts_per_h",
            "The system leaks: look for the leak before the pressure falls.",
            above("jockey_starts_per_h", limits.jockey_starts_per_h, limits.jockey_starts_per_h * 0.8),
            0.0,
        ),
    )
    return (
        *(
            Condition(
                code=code,
                kind=Kind.FIRE,
                title=title,
                severity=severity,
                case=code,
                advice=advice,
                raise_when=raise_when,
                clear_when=clear_when,
                columns=(column,),
                ticket_kind=hazard,
                on_delay_s=on_delay_s,
                off_delay_s=on_delay_s,
            )
            for code, title, severity, column, advice, (raise_when, clear_when), on_delay_s in rows
        ),
        _offline(Kind.FIRE, Severity.MAJOR),
    )


def _fire_events(limits: Limits) -> tuple[Condition, ...]:
    kind, hazard = Kind.FIRE, TicketKind.HAZARD
    return (
        _event(
            kind,
            "fire",
            Severity.CRITICAL,
            "fire",
            "Confirm by the fastest means. If real: automatic mode, call 119, run the plan, tell the person in charge.",
            ticket_kind=hazard,
            may_be_shelved=False,
        ),
        _event(
            kind,
            "fault",
            Severity.MAJOR,
            "fire_fault",
            "A part of the system is dead: have it repaired.",
            ticket_kind=hazard,
        ),
        _event(
            kind,
            "disabled",
            Severity.MAJOR,
            "fire_disabled",
            "A point was disabled longer than allowed: find out why and enable it.",
            ticket_kind=hazard,
            on_delay_s=limits.disabled_s,
        ),
        _event(
            kind,
            "supervisory",
            Severity.MAJOR,
            "fire_supervisory",
            "Something that must stand ready does not: look at the panel.",
            ticket_kind=hazard,
        ),
        _event(kind, "power_fault", Severity.MAJOR, "fire_power", "Restore the panel's supply.", ticket_kind=hazard),
        _event(
            kind,
            "started",
            Severity.ADVISORY,
            "fire_started",
            "Fire equipment was started: find out whether there is a fire or a test.",
            ticket_kind=hazard,
        ),
    )
