"""Conditions by the names that alarms carry."""

from collections.abc import Mapping
from functools import lru_cache

from alerts.conditions import Condition, condition_table
from alerts.limits import Limits
from models.equipment import Kind


@lru_cache(maxsize=8)
def _index(limits: Limits) -> Mapping[tuple[Kind, str], Condition]:
    return {(kind, row.code): row for kind, rows in condition_table(limits).items() for row in rows}


def find_condition(limits: Limits, kind: Kind, code: str) -> Condition | None:
    """None for a condition of an earlier version that is watched no longer."""
    return _index(limits).get((kind, code))
