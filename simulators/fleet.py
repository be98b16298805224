"""What every simulated fleet offers: many units of one kind that are advanced together and told as columns."""

from dataclasses import dataclass, field
from typing import Protocol

from models.equipment import Kind
from models.reading import Floats, Ints
from simulators.faults import FaultSchedule, ScheduledEvent


@dataclass(frozen=True, slots=True)
class Round:
    """One reading of every unit, unit i at `ts_ms[i]`; NaN is not told. Events are those that follow from the state."""

    ts_ms: Ints
    values: dict[str, Floats]
    events: list[ScheduledEvent] = field(default_factory=list)


class Fleet(Protocol):
    """All units of one kind of a compound."""

    @property
    def kind(self) -> Kind: ...

    @property
    def units(self) -> tuple[str, ...]: ...

    @property
    def faults(self) -> FaultSchedule: ...

    def begin(self, live_ms: int) -> None:
        """Live time begins at `live_ms`: from here on the faults count."""

    def advance(self, ts_ms: Ints) -> Round:
        """Moves unit i on to `ts_ms[i]`, which is later than the last time, by any step."""
