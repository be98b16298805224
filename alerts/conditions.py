"""The table of all conditions that are watched, by kind of unit."""

from collections.abc import Mapping

from alerts.condition import ANOMALY, SILENT, Condition, anomaly_condition
from alerts.elevator_conditions import elevator_events, elevator_values
from alerts.fire_conditions import fire_events, fire_values
from alerts.limits import Limits
from alerts.pump_conditions import pump_events, pump_values
from models.equipment import Kind

__all__ = ["ANOMALY", "SILENT", "Condition", "condition_table"]


def condition_table(limits: Limits) -> Mapping[Kind, tuple[Condition, ...]]:
    """All conditions by kind, with their limits filled in."""
    return {
        Kind.ELEVATOR: (*elevator_values(limits), *elevator_events(), anomaly_condition(Kind.ELEVATOR)),
        Kind.PUMP: (*pump_values(limits), *pump_events(), anomaly_condition(Kind.PUMP)),
        Kind.FIRE: (*fire_values(limits), *fire_events(limits), anomaly_condition(Kind.FIRE)),
    }
