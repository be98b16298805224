"""How long a case took, in parts that are never thrown together: response, arrival, repair, restoration.

EN 13306 knows a mean of each; a bare "time to repair" would hide who was waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from alerts.ticket import TicketMove
from alerts.ticket_stages import Stage

_TAKEN_UP = frozenset(Stage) - {Stage.REPORTED, Stage.CANCELLED}


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds; None for what has not come yet. `repair_ms` is work alone, rests and rework apart and together."""

    response_ms: int | None
    arrival_ms: int | None
    repair_ms: int | None
    restoration_ms: int | None


def measure(moves: Sequence[TicketMove]) -> Measured:
    """From the moves in their order, the opening first.

    Response ends when somebody first takes the case up, arrival when people first arrive, restoration with the last
    time that it was restored; repair is the time spent at `in_progress`, as often as that was, once it is restored.
    """
    if not moves:
        return Measured(None, None, None, None)
    opened_ms = moves[0].at_ms
    stages = [(Stage(move.to_stage), move.at_ms) for move in moves]
    response = next((at for stage, at in stages if stage in _TAKEN_UP), None)
    arrival = next((at for stage, at in stages if stage in (Stage.ARRIVED, Stage.IN_PROGRESS)), None)
    restored = next((at for stage, at in reversed(stages) if stage is Stage.RESTORED), None)
    if restored is not None and any(stage is Stage.IN_PROGRESS and at > restored for stage, at in stages):
        # Found not to be right: it is not restored yet.
        restored = None
    worked_ms = sum(after_ms - at for (stage, at), (_, after_ms) in pairwise(stages) if stage is Stage.IN_PROGRESS)
    return Measured(
        response_ms=None if response is None else response - opened_ms,
        arrival_ms=None if arrival is None else arrival - opened_ms,
        repair_ms=None if restored is None else worked_ms,
        restoration_ms=None if restored is None else restored - opened_ms,
    )
