"""What passes into the judgement of one kind of unit, and what comes out of it."""

from dataclasses import dataclass, field
from typing import Any

from alerts.condition import Condition
from models.reading import UnitKey


@dataclass(frozen=True, slots=True)
class Signal:
    """A condition began (`is_active`) or ended to hold at `ts_ms`, event time. `evidence` holds JSON values.

    `is_in_service`: it began while the lift said that people inspect it, or ride it in fire service. When that is over
    and it still holds, it begins once more, without.
    """

    unit: UnitKey
    condition: Condition
    ts_ms: int
    is_active: bool
    evidence: dict[str, Any] = field(default_factory=dict)
    is_in_service: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """What a unit is from `ts_ms` on: the column `event:{code}` of its state."""

    unit: UnitKey
    code: str
    ts_ms: int
    value: float
    evidence: dict[str, Any] = field(default_factory=dict)
