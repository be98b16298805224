"""The table of all conditions that are watched, by kind of unit."""

from collections.abc import Mapping

from alerts.condition import (
    ANOMALY,
    SILENT,
    SLOW_CHANGE,
    UNLIKE_SISTERS,
    VERDICTS,
    Condition,
    anomaly_condition,
    slow_change_condition,
    unlike_sisters_condition,
)
from alerts.elevator_conditions import elevator_events, elevator_values
from alerts.fire_conditions import fire_events, fire_values
from alerts.limits import Limits
from alerts.pump_conditions import pump_events, pump_values
from models.equipment import Kind

__all__ = ["ANOMALY", "SILENT", "SLOW_CHANGE", "UNLIKE_SISTERS", "VERDICTS", "Condition", "condition_table"]


def condition_table(limits: Limits) -> Mapping[Kind, tuple[Condition, ...]]:
    """All conditions by kind, with their limits filled in."""
    return {
        Kind.ELEVATOR: (
            *elevator_values(limits),
            *elevator_events(),
            *_models(Kind.ELEVATOR),
            unlike_sisters_condition(Kind.ELEVATOR),
        ),
        Kind.PUMP: (*pump_values(limits), *pump_events(), *_models(Kind.PUMP)),
        Kind.FIRE: (*fire_values(limits), *fire_events(limits), *_models(Kind.FIRE)),
    }


def _models(kind: Kind) -> tuple[Condition, ...]:
    return anomaly_condition(kind), slow_change_condition(kind)
