"""Finding tickets: the list with its filters, and how many there are."""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.ticket import Ticket
from alerts.ticket_stages import FINAL_STAGES, Stage
from registry.site import Site


def list_tickets(
    session: Session,
    *,
    is_open: bool | None = None,
    stage: Stage | None = None,
    site: str | None = None,
    unit_id: int | None = None,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Ticket]:
    """Tickets, newest first, at most `limit` older than `before_id`."""
    query = select(Ticket).join(Ticket.site).order_by(Ticket.id.desc()).limit(limit)
    final = Ticket.stage.in_([stage.value for stage in FINAL_STAGES])
    if is_open is not None:
        query = query.where(~final if is_open else final)
    if stage is not None:
        query = query.where(Ticket.stage == stage.value)
    if site:
        query = query.where(Site.key == site)
    if unit_id is not None:
        query = query.where(Ticket.unit_id == unit_id)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if before_id is not None:
        query = query.where(Ticket.id < before_id)
    return list(session.scalars(query))


def count_by_stage(session: Session, *, visible: Collection[str] | None = None) -> dict[Stage, int]:
    query = select(Ticket.stage, func.count()).join(Ticket.site).group_by(Ticket.stage)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return {Stage(stage): count for stage, count in session.execute(query)}
