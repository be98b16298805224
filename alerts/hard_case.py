"""Open tickets as a meeting looks at them: which are hard, and why, each once by what makes it hardest."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.deadlines import ActionKind
from alerts.due_action import DueAction, DueState
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove
from alerts.ticket_stages import FINAL_STAGES, Stage
from registry.database import portions

DAY_MS = 86_400_000
HELD_LONG_DAYS = 14
"""[P] A ticket that has been on hold for so long is a matter for the three parties together."""


class Hardness(StrEnum):
    """What makes a ticket hard; the first that holds is told."""

    BLOCKED = "blocked"
    ON_HOLD_LONG = "on_hold_long"
    ESCALATED = "escalated"
    """A deadline was missed for so long that others than the property company were told."""
    OVERDUE = "overdue"
    """A deadline was missed."""


@dataclass(frozen=True, slots=True)
class HardCase:
    """`hold_days` since it was put on hold, None when it is not; `rung` of the ladder that was told last."""

    ticket: Ticket
    hardness: Hardness
    open_days: int
    hold_days: int | None
    rung: int | None


def hard_cases(session: Session, site_id: int, *, now_ms: int) -> tuple[list[HardCase], int]:
    """The hard ones, hardest first and the longest waiting before others; and how many are open in all."""
    final = [stage.value for stage in FINAL_STAGES]
    query = select(Ticket).where(Ticket.site_id == site_id, Ticket.stage.not_in(final))
    tickets = list(session.scalars(query))
    held = _held_since(session, [ticket.id for ticket in tickets if ticket.stage == Stage.ON_HOLD])
    rungs = _highest_rungs(session, [ticket.id for ticket in tickets])
    found = []
    for ticket in tickets:
        since_ms, rung = held.get(ticket.id), rungs.get(ticket.id)
        hold_days = None if since_ms is None else (now_ms - since_ms) // DAY_MS
        hardness = _hardness(ticket, hold_days, rung)
        if hardness is not None:
            found.append(HardCase(ticket, hardness, (now_ms - ticket.opened_ms) // DAY_MS, hold_days, rung))
    order = list(Hardness)
    found.sort(key=lambda each: (order.index(each.hardness), -_waiting(each), Severity(each.ticket.severity).rank))
    return found, len(tickets)


def _hardness(ticket: Ticket, hold_days: int | None, rung: int | None) -> Hardness | None:
    if ticket.is_blocked_by_governance:
        return Hardness.BLOCKED
    if hold_days is not None and hold_days >= HELD_LONG_DAYS:
        return Hardness.ON_HOLD_LONG
    if rung is None:
        return None
    return Hardness.ESCALATED if rung else Hardness.OVERDUE


def _waiting(case: HardCase) -> int:
    return case.open_days if case.hold_days is None else case.hold_days


def _held_since(session: Session, ticket_ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in portions(ticket_ids):
        query = (
            select(TicketMove.ticket_id, func.max(TicketMove.at_ms))
            .where(TicketMove.ticket_id.in_(some), TicketMove.to_stage == Stage.ON_HOLD.value)
            .group_by(TicketMove.ticket_id)
        )
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found


def _highest_rungs(session: Session, ticket_ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in portions(ticket_ids):
        query = (
            select(DueAction.ticket_id, func.max(DueAction.rung))
            .where(
                DueAction.ticket_id.in_(some),
                DueAction.kind == ActionKind.ESCALATE.value,
                DueAction.state == DueState.DONE.value,
            )
            .group_by(DueAction.ticket_id)
        )
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found
