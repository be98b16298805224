"""What every telemetry store can do, and how it says that it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from models.reading import Bools, ReadingBlock, UnitKey


class StoreError(Exception):
    """Base of what a telemetry store raises: `store` names it (path or address), `reason` is one line for people."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"telemetry store {store}: {reason}")
        self.store = store
        self.reason = reason


class StoreUnavailable(StoreError):
    """Not reachable, timed out, out of room, or refused for now: the same call may succeed later."""


class StoreRefused(StoreError):
    """Settings that can never work."""


class StoreInUse(StoreError):
    """Another process holds the store's file, and the engine lets only one in."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Values that the store will never take, and its reason in one line; `block` holds them and no others."""

    reason: str
    block: ReadingBlock


class Point(NamedTuple):
    """What was measured in the step that begins at `t_ms`: mean, extremes, and the count `n` of values."""

    t_ms: int
    mean: float
    min: float
    max: float
    n: int


class TelemetryStore(Protocol):
    """Keeps every value once, by unit, metric and time.

    Values are finite; NaN in a block means "not reported" and is not stored. Times are epoch milliseconds UTC. One
    thread writes at a time (the store sees to it); every other method may be called from any thread meanwhile. Every
    method may raise `StoreUnavailable`.
    """

    def prepare(self) -> None:
        """Open the store and create what is missing; a second call changes nothing. Raises `StoreInUse`."""

    def write(self, batch_id: str, blocks: Sequence[ReadingBlock]) -> list[Refusal]:
        """Keep the values; when this returns they survive the death of the process, except those that it returns.

        What the store will never take costs none of its neighbours: an infinite value, a time beyond the engine or
        beyond its retention, a field that the engine knows as another type.

        The same unit, metric and time again adds nothing, in this batch or in any later one; where two different values
        claim the same time, which of the two stays is up to the engine. So after an error, or when it is not known how
        a write ended, write again: alone, or together with others. `batch_id` names the batch in errors, no more.
        """

    def maintain(self, *, now_ms: int) -> bool:
        """One step of rolling up and of letting go what is over age; whether there may be another to do.

        Between two steps others have their turn. Nothing is let go that is not rolled up; a step that fails or is cut
        off by the death of the process is done again by the next. Raises `StoreUnavailable`.
        """

    def newest_ms(self) -> dict[tuple[UnitKey, str], int]:
        """The time of the newest value of every unit and metric."""

    def existing(self, block: ReadingBlock) -> Bools:
        """Which cells (n, m) are stored already; meant for the few late readings. NaN cells are False."""

    def points(self, unit: UnitKey, metric: str, *, start_ms: int, end_ms: int, step_ms: int) -> list[Point]:
        """Values with start_ms <= t < end_ms, condensed by step, in order of time.

        Steps begin at multiples of `step_ms`, so the first one may begin before `start_ms`. Empty steps are absent.
        """

    def latest(self, units: Sequence[UnitKey]) -> dict[UnitKey, dict[str, tuple[int, float]]]:
        """Newest (time, value) of each metric; a unit without any value is absent."""

    def history(self, unit: UnitKey, *, end_ms: int, rows: int) -> ReadingBlock:
        """The unit's last `rows` rows before `end_ms`, in order of time, NaN where absent.

        Values of different metrics at the same time are one row. The columns are the metrics that occur in these rows,
        sorted. A unit without values gives a block of no rows.
        """

    def metrics_of(self, unit: UnitKey) -> list[str]:
        """Names of the metrics the unit has values of, sorted."""

    def count_values(self) -> int:
        """Number of stored values."""

    def check(self) -> str:
        """One line for people: engine, version, place. Raises `StoreUnavailable` or `StoreInUse`."""

    def faults(self) -> list[str]:
        """What is not as retention and roll-ups ask for, a line for people each, with what to do."""

    def close(self) -> None:
        """Let go of file or connection; a second call changes nothing."""
