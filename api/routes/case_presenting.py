"""What gathered around a ticket, as the shapes of the API."""

from typing import Any

from sqlalchemy.orm import Session

from alerts.fault_cause import cause_of
from alerts.ticket import Ticket
from alerts.ticket_record import (
    CostKind,
    LinkKind,
    MediationState,
    attachments_of,
    comments_of,
    costs_of,
    links_of,
    mediations_of,
    total_fen,
)
from api.instants import rfc3339
from api.routes.shapes import AttachmentShape, CommentShape, CostShape, LinkShape, MediationShape


def yuan(amount_fen: int) -> str:
    """With two decimals, without a currency sign."""
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


def attachment_url(ticket_id: int, attachment_id: int) -> str:
    return f"/api/v1/tickets/{ticket_id}/attachments/{attachment_id}"


def case_fields(session: Session, ticket: Ticket, *, is_named: bool) -> dict[str, Any]:
    """Fields of `TicketDetail`. Residents read what it cost, and neither names nor what was said or photographed."""
    zone = ticket.site.timezone
    costs, links = costs_of(session, ticket.id), links_of(session, ticket.id)
    return {
        "comments": [
            CommentShape(id=row.id, at=rfc3339(row.at_ms, zone), actor=row.actor, text=row.text, mentions=row.mentions)
            for row in (comments_of(session, ticket.id) if is_named else ())
        ],
        "costs": [
            CostShape(
                id=row.id,
                at=rfc3339(row.at_ms, zone),
                actor=row.actor if is_named else None,
                kind=CostKind(row.kind),
                what=row.what,
                quantity=row.quantity,
                amount=yuan(row.amount_fen),
            )
            for row in costs
        ],
        "cost_total": yuan(total_fen(costs)),
        "attachments": [
            AttachmentShape(
                id=row.id,
                at=rfc3339(row.at_ms, zone),
                actor=row.actor,
                name=row.name,
                media_type=row.media_type,
                size_bytes=row.size_bytes,
                sha256=row.digest,
                url=attachment_url(ticket.id, row.id),
            )
            for row in (attachments_of(session, ticket.id) if is_named else ())
        ],
        "links": [
            LinkShape(
                ticket_id=row.other_id if row.ticket_id == ticket.id else row.ticket_id,
                kind=LinkKind(row.kind),
                is_from_here=row.ticket_id == ticket.id,
            )
            for row in links
        ],
        "merged_into": next(
            (row.other_id for row in links if row.kind == LinkKind.DUPLICATE and row.ticket_id == ticket.id), None
        ),
        "mediations": [
            MediationShape(
                at=rfc3339(row.at_ms, zone),
                state=MediationState(row.state),
                reference=row.reference if is_named else None,
            )
            for row in mediations_of(session, ticket.id)
        ],
        "cause": cause_of(session, ticket.id),
    }
