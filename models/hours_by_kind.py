"""The hourly features of each kind, and where people can see what they come from."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from models.equipment import Kind
from models.hourly import Feature, HourlyFeatures
from models.hourly_fire import FireHours
from models.hourly_lift import LiftHours
from models.hourly_pump import PumpHours

MAKE_HOURS: Mapping[Kind, Callable[[], HourlyFeatures]] = MappingProxyType(
    {Kind.ELEVATOR: LiftHours, Kind.PUMP: PumpHours, Kind.FIRE: FireHours}
)

FEATURES: Mapping[Kind, Mapping[str, Feature]] = MappingProxyType(
    {
        kind: MappingProxyType({feature.name: feature for feature in hours.features})
        for kind, hours in (
            (Kind.ELEVATOR, LiftHours),
            (Kind.PUMP, PumpHours),
            (Kind.FIRE, FireHours),
        )
    }
)

SEEN_IN: Mapping[str, str] = MappingProxyType(
    {
        "door_work_as": "door_close_s",
        "levelling_scatter_mm": "levelling_error_mm",
        "motor_rise_c": "motor_temp_c",
        "pump1_rate_m_h": "level_m",
        "pump2_rate_m_h": "level_m",
        "pump1_flow_m3_h": "flow_m3_h",
        "pump2_flow_m3_h": "flow_m3_h",
        "pump1_load_a": "pump1_current_a",
        "pump2_load_a": "pump2_current_a",
        "level_per_flow_1_m2": "level_m",
        "rebound_m": "level_m",
        "duty_share": "pump1_running",
        "hydrant_decay_mpa_h": "hydrant_pressure_mpa",
        "sprinkler_decay_mpa_h": "sprinkler_pressure_mpa",
        "jockey_starts_per_h": "jockey_starts_total",
    }
)
"""The reading in whose chart a feature that no sensor sends can be seen."""
