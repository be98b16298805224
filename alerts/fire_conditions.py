"""Conditions of fire systems (GB/T 26875.3 states, pressures, supply); they are observed only."""

from alerts.condition import Condition, Predicate, event_condition, offline_condition, silent_condition
from alerts.limits import Limits
from alerts.severity import Severity
from alerts.ticket_stages import TicketKind
from models.equipment import Kind


def fire_values(limits: Limits) -> tuple[Condition, ...]:
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
        offline_condition(Kind.FIRE, Severity.MAJOR),
        # A fire alarm that cannot reach the screen is a fire alarm that nobody sees: somebody goes there today.
        silent_condition(Kind.FIRE, Severity.MAJOR, ticket_kind=hazard),
    )


def fire_events(limits: Limits) -> tuple[Condition, ...]:
    kind, hazard = Kind.FIRE, TicketKind.HAZARD
    return (
        event_condition(
            kind,
            "fire",
            Severity.CRITICAL,
            "fire",
            "Confirm by the fastest means. If real: automatic mode, call 119, run the plan, tell the person in charge.",
            ticket_kind=hazard,
            may_be_shelved=False,
        ),
        event_condition(
            kind,
            "fault",
            Severity.MAJOR,
            "fire_fault",
            "A part of the system is dead: have it repaired.",
            ticket_kind=hazard,
        ),
        event_condition(
            kind,
            "disabled",
            Severity.MAJOR,
            "fire_disabled",
            "A point was disabled longer than allowed: find out why and enable it.",
            ticket_kind=hazard,
            on_delay_s=limits.disabled_s,
        ),
        event_condition(
            kind,
            "supervisory",
            Severity.MAJOR,
            "fire_supervisory",
            "Something that must stand ready does not: look at the panel.",
            ticket_kind=hazard,
        ),
        event_condition(
            kind, "power_fault", Severity.MAJOR, "fire_power", "Restore the panel's supply.", ticket_kind=hazard
        ),
        event_condition(
            kind,
            "started",
            Severity.ADVISORY,
            "fire_started",
            "Fire equipment was started: find out whether there is a fire or a test.",
            ticket_kind=hazard,
        ),
    )
