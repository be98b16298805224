"""The vocabulary of the watched equipment: kinds, metrics, event codes, service modes.

Codes and modes of lifts follow GB/T 24476, component states of fire systems GB/T 26875.3. Ranges marked [P] in the
comments are professional defaults, not law. Titles are English message keys; pages translate them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """A kind of watched unit; its value is the topic level and the column value."""

    ELEVATOR = "elevator"
    PUMP = "pump"
    FIRE = "fire"


class ServiceMode(IntEnum):
    """Service mode of a lift (GB/T 24476)."""

    STOPPED = 0
    NORMAL = 1
    INSPECTION = 2
    FIRE_RECALL = 3
    FIREFIGHTER = 4
    EMERGENCY_POWER = 5
    EARTHQUAKE = 6
    UNKNOWN = 7


SILENT_SERVICE_MODES = frozenset({ServiceMode.INSPECTION, ServiceMode.FIRE_RECALL, ServiceMode.FIREFIGHTER})
"""Modes in which people work on or ride the lift in special service: wear models and fault rules keep silent."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity of a kind. `unit` is the symbol people read, empty for states and counts.

    `is_signed`: it may be below zero, as a temperature may and a level may not; of unknown ones nobody knows.
    """

    name: str
    title: str
    unit: str = ""
    is_boolean: bool = False
    is_counter: bool = False
    is_signed: bool = False


def _metrics(*metrics: Metric) -> Mapping[str, Metric]:
    return MappingProxyType({metric.name: metric for metric in metrics})


METRICS: Mapping[Kind, Mapping[str, Metric]] = MappingProxyType(
    {
        Kind.ELEVATOR: _metrics(
            Metric("door_close_s", "Door closing time", "s"),
            Metric("door_reopens", "Door reopenings"),
            Metric("door_motor_current_a", "Door motor current", "A"),
            Metric("levelling_error_mm", "Levelling error", "mm", is_signed=True),
            Metric("vibration_rms_m_s2", "Vibration", "m/s²"),
            Metric("motor_current_a", "Motor current", "A"),
            Metric("motor_temp_c", "Motor temperature", "°C", is_signed=True),
            Metric("machine_room_temp_c", "Machine room temperature", "°C", is_signed=True),
            Metric("brake_release_s", "Brake release time", "s"),
            Metric("speed_m_s", "Speed", "m/s"),
            Metric("position_floor", "Floor"),
            Metric("in_door_zone", "In door zone", is_boolean=True),
            Metric("door_closed", "Door closed", is_boolean=True),
            Metric("occupied", "Occupied", is_boolean=True),
            Metric("service_mode", "Service mode"),
            Metric("trips_total", "Trips", is_counter=True),
            Metric("door_cycles_total", "Door cycles", is_counter=True),
            Metric("run_hours_total", "Running time", "h", is_counter=True),
        ),
        Kind.PUMP: _metrics(
            Metric("level_m", "Sump level", "m"),
            Metric("flow_m3_h", "Flow", "m³/h"),
            Metric("pump1_running", "Pump 1 running", is_boolean=True),
            Metric("pump2_running", "Pump 2 running", is_boolean=True),
            Metric("pump1_current_a", "Pump 1 current", "A"),
            Metric("pump2_current_a", "Pump 2 current", "A"),
            Metric("starts_total", "Pump starts", is_counter=True),
            Metric("high_float", "High-level float", is_boolean=True),
            Metric("floor_water_cm", "Garage floor water", "cm"),
            Metric("lift_pit_water", "Water in lift pit", is_boolean=True),
            Metric("rain_mm_h", "Rain", "mm/h"),
            Metric("phase_loss", "Phase loss", is_boolean=True),
        ),
        Kind.FIRE: _metrics(
            Metric("hydrant_pressure_mpa", "Hydrant pressure", "MPa"),
            Metric("sprinkler_pressure_mpa", "Sprinkler pressure", "MPa"),
            Metric("tank_level_m", "Fire tank level", "m"),
            Metric("pump_auto", "Fire pump in automatic", is_boolean=True),
            Metric("main_valve_open", "Main valve open", is_boolean=True),
            Metric("mains_ok", "Mains power", is_boolean=True),
            Metric("battery_v", "Battery voltage", "V"),
            Metric("residual_current_ma", "Residual current", "mA"),
            Metric("cable_temp_c", "Cable temperature", "°C", is_signed=True),
            Metric("jockey_starts_total", "Jockey pump starts", is_counter=True),
        ),
    }
)


EVENT_TITLES: Mapping[Kind, Mapping[str, str]] = MappingProxyType(
    {
        Kind.ELEVATOR: MappingProxyType(
            {
                "fault.01": "Safety circuit open while running",
                "fault.02": "Door fails to close",
                "fault.03": "Door fails to open",
                "fault.04": "Car stopped outside the unlocking zone",
                "fault.05": "Unintended car movement",
                "fault.06": "Motor run-time limiter tripped",
                "fault.07": "Floor position lost",
                "fault.08": "Anti-restart fault",
                "event.40": "Back to automatic",
                "event.41": "Mains off",
                "event.42": "Out of service",
                "event.43": "Inspection mode",
                "event.44": "Fire recall",
                "event.45": "Firefighter operation",
                "event.46": "Emergency power",
                "event.47": "Earthquake",
                "alarm.90": "Car alarm button pressed",
            }
        ),
        Kind.PUMP: MappingProxyType(
            {
                "trip": "Pump tripped",
                "phase_loss": "Phase loss",
                "high_float": "High-level float raised",
            }
        ),
        Kind.FIRE: MappingProxyType(
            {
                "fire": "Fire alarm",
                "fault": "Component fault",
                "disabled": "Point disabled",
                "supervisory": "Supervisory signal",
                "started": "Equipment started",
                "feedback": "Equipment feedback",
                "delay": "Delay running",
                "power_fault": "Power fault",
            }
        ),
    }
)
"""Event codes a unit of the kind may send. Bits of fire components (GB/T 26875.3) are told by name."""
