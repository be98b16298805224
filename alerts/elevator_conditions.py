"""Conditions of lifts (GB/T 24476 codes, entrapment, heat)."""

import numpy as np

from alerts.condition import SILENT, Condition, UnitStates, event_condition, offline_condition, silent_condition
from alerts.limits import Limits
from alerts.severity import Severity
from models.equipment import Kind, ServiceMode
from models.reading import Bools

STANDING_SPEED_M_S = 0.05


def elevator_values(limits: Limits) -> tuple[Condition, ...]:
    def trapped(s: UnitStates) -> Bools:
        standing = np.abs(s["speed_m_s"]) < STANDING_SPEED_M_S
        shut_in = (s["occupied"] == 1) & (s["door_closed"] == 1) & (s["service_mode"] == ServiceMode.NORMAL)
        return np.asarray(standing & shut_in & ((s["in_door_zone"] == 0) | (s["event:alarm.90"] == 1)))

    def silent(s: UnitStates) -> Bools:
        is_out = (s["service_mode"] == ServiceMode.STOPPED) | (s["event:event.42"] == 1)
        return np.asarray((s[f"event:{SILENT}"] == 1) & ~is_out)

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
        offline_condition(Kind.ELEVATOR, Severity.MINOR),
        # Minor: its car alarm and its intercom do not come through us. Not while people work on it, nor when it was
        # taken out of service: then it is switched off.
        silent_condition(Kind.ELEVATOR, Severity.MINOR, raise_when=silent, is_silent_in_service=True),
    )


def elevator_events() -> tuple[Condition, ...]:
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
            event_condition(
                Kind.ELEVATOR,
                code,
                severity,
                code,
                fault_advice,
                is_silent_in_service=True,
                is_kept_in_service=True,
            )
            for code, severity in faults.items()
        ),
        *(event_condition(Kind.ELEVATOR, code, severity, code, advice) for code, (severity, advice) in modes.items()),
        event_condition(
            Kind.ELEVATOR,
            "alarm.90",
            major,
            "entrapment",
            "Speak to the person who pressed; it may be an entrapment.",
            is_silent_in_service=True,
            may_be_shelved=False,
        ),
    )
