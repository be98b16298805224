"""An event of a unit: something that begins or ends, told by a code."""

from dataclasses import dataclass

from models.reading import UnitKey


@dataclass(frozen=True, slots=True)
class Event:
    """`code` begins (`is_on`) or ends at `ts_ms` (epoch milliseconds); `point` names a fire detector or loop point."""

    unit: UnitKey
    ts_ms: int
    code: str
    is_on: bool
    point: str = ""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The unit's connection came (`is_online`) or went, told by its retained status or its last will."""

    unit: UnitKey
    ts_ms: int
    is_online: bool
