"""What a fault is put down to, as somebody who knows said on its ticket; it may be said anew when more is known."""

from collections.abc import Collection

from sqlalchemy import BigInteger, ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.incident import ticket_entry
from alerts.ticket import Ticket
from models.fault_statistics import Cause
from registry import activity
from registry.database import BigId, Table, portions
from registry.role import Actor


class TicketCause(Table):
    """The last word on the cause; earlier ones stand in the activity log."""

    __tablename__ = "ticket_cause"

    ticket_id: Mapped[int] = mapped_column(BigId, ForeignKey("ticket.id"), primary_key=True, autoincrement=False)
    cause: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)


def set_cause(session: Session, ticket: Ticket, cause: Cause, *, actor: Actor, now_ms: int) -> bool:
    """Also after the ticket has ended. Returns whether it was not said before."""
    present = session.get(TicketCause, ticket.id)
    before = None if present is None else present.cause
    if before == cause.value:
        return False
    if present is None:
        session.add(TicketCause(ticket_id=ticket.id, cause=cause.value, actor=actor.name, at_ms=now_ms))
    else:
        present.cause, present.actor, present.at_ms = cause.value, actor.name, now_ms
    session.flush()
    data = {"cause": cause.value, "before": before}
    activity.append(session, [ticket_entry(ticket, "ticket.cause_set", actor, data)], now_ms=now_ms)
    return True


def cause_of(session: Session, ticket_id: int) -> Cause | None:
    row = session.get(TicketCause, ticket_id)
    return None if row is None else Cause(row.cause)


def causes_of(session: Session, ticket_ids: Collection[int]) -> dict[int, Cause]:
    """Of those tickets on which it was said."""
    found: dict[int, Cause] = {}
    for some in portions(ticket_ids):
        query = select(TicketCause.ticket_id, TicketCause.cause).where(TicketCause.ticket_id.in_(some))
        found |= {ticket_id: Cause(cause) for ticket_id, cause in session.execute(query)}
    return found
