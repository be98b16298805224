"""What gathers around a ticket while it is worked on: comments, costs and parts, attachments, links to other cases.

These rows are only ever added, so that the history of a case stays whole.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text, UniqueConstraint, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import BigId, Table

PHOTO_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})


class CostKind(StrEnum):
    PART = "part"
    LABOUR = "labour"
    OTHER = "other"


class LinkKind(StrEnum):
    """`duplicate` points from what was merged to where it goes on; the others are read both ways."""

    RELATED = "related"
    DUPLICATE = "duplicate"


class MediationState(StrEnum):
    """How far a mediation of a dispute about the case is; it is held elsewhere, only its state stands here."""

    ASKED_FOR = "asked_for"
    UNDER_WAY = "under_way"
    SETTLED = "settled"
    FAILED = "failed"


class TicketComment(Table):
    """Something said about a ticket; `mentions` are the names of those it is meant for."""

    __tablename__ = "ticket_comment"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    mentions: Mapped[list[str]] = mapped_column(JSON)


class TicketCost(Table):
    """A part, an hour's work or another expense. `amount_fen` is what it cost in all, in hundredths of a yuan."""

    __tablename__ = "ticket_cost"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[str] = mapped_column(String(20))
    amount_fen: Mapped[int] = mapped_column(BigInteger)


class TicketAttachment(Table):
    """A file of a ticket. Its bytes stand in the attachment store under `digest`, the SHA-256 of what is kept."""

    __tablename__ = "ticket_attachment"
    __table_args__ = (UniqueConstraint("ticket_id", "digest"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(120))
    media_type: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))

    @property
    def is_photo(self) -> bool:
        return self.media_type in PHOTO_TYPES


class TicketLink(Table):
    """That two cases belong together."""

    __tablename__ = "ticket_link"
    __table_args__ = (UniqueConstraint("ticket_id", "other_id", "kind"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))


class TicketMediation(Table):
    """A mediation that deals with the case: who mediates, and each state it came to."""

    __tablename__ = "ticket_mediation"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    reference: Mapped[str] = mapped_column(String(200))


def comments_of(session: Session, ticket_id: int) -> list[TicketComment]:
    query = select(TicketComment).where(TicketComment.ticket_id == ticket_id)
    return list(session.scalars(query.order_by(TicketComment.id)))


def costs_of(session: Session, ticket_id: int) -> list[TicketCost]:
    return list(session.scalars(select(TicketCost).where(TicketCost.ticket_id == ticket_id).order_by(TicketCost.id)))


def attachments_of(session: Session, ticket_id: int) -> list[TicketAttachment]:
    query = select(TicketAttachment).where(TicketAttachment.ticket_id == ticket_id)
    return list(session.scalars(query.order_by(TicketAttachment.id)))


def links_of(session: Session, ticket_id: int) -> list[TicketLink]:
    """Links from the ticket and to it."""
    query = select(TicketLink).where(or_(TicketLink.ticket_id == ticket_id, TicketLink.other_id == ticket_id))
    return list(session.scalars(query.order_by(TicketLink.id)))


def mediations_of(session: Session, ticket_id: int) -> list[TicketMediation]:
    query = select(TicketMediation).where(TicketMediation.ticket_id == ticket_id)
    return list(session.scalars(query.order_by(TicketMediation.id)))


def merged_into(session: Session, ticket_id: int) -> int | None:
    """The ticket in which a duplicate goes on."""
    query = select(TicketLink.other_id).where(
        TicketLink.ticket_id == ticket_id, TicketLink.kind == LinkKind.DUPLICATE.value
    )
    return session.scalar(query.limit(1))


def has_photo(session: Session, ticket_id: int, *, since_ms: int) -> bool:
    """Whether somebody attached a photo at that time or later."""
    query = select(func.count()).where(
        TicketAttachment.ticket_id == ticket_id,
        TicketAttachment.at_ms >= since_ms,
        TicketAttachment.media_type.in_(PHOTO_TYPES),
    )
    return bool(session.scalar(query))


def has_costs(session: Session, ticket_id: int, *, since_ms: int) -> bool:
    """Whether somebody wrote down costs or parts at that time or later, be it that there were none."""
    query = select(func.count()).where(TicketCost.ticket_id == ticket_id, TicketCost.at_ms >= since_ms)
    return bool(session.scalar(query))


def total_fen(costs: Iterable[TicketCost]) -> int:
    return sum(cost.amount_fen for cost in costs)
