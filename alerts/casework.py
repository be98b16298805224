"""What people add to a ticket beside moving it: comments, costs, attachments, links; each with its line in the log.

Functions here run in the caller's transaction.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alerts import incident
from alerts import ticket as tickets
from alerts.alarm import Alarm
from alerts.errors import AlertsError
from alerts.incident import ticket_entry
from alerts.resident_report import ResidentReport
from alerts.severity import Severity, gravest
from alerts.ticket import MAX_NOTE_LENGTH, Ticket
from alerts.ticket_record import (
    CostKind,
    LinkKind,
    MediationState,
    TicketAttachment,
    TicketComment,
    TicketCost,
    TicketLink,
    TicketMediation,
    attachments_of,
)
from alerts.ticket_stages import FINAL_STAGES, Stage
from alerts.upload import Upload
from registry import activity
from registry.person import find_people
from registry.role import Actor

MOST_ATTACHMENTS = 50
MOST_MENTIONS = 20
MAX_WHAT_LENGTH = 200
MAX_AMOUNT = Decimal(100_000_000)
MAX_QUANTITY_LENGTH = 20
_MENTION = re.compile(r"(?<![\w.])@([\w.@+-]{1,64})")


class InvalidAddition(AlertsError):
    """What cannot be added to a ticket; `reason` is a code, the message a sentence."""

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent, in yuan; `quantity` is as people say it: 2, 1.5 h, 3 m."""

    kind: CostKind
    what: str
    quantity: str
    amount: Decimal


def comment(session: Session, ticket: Ticket, text: str, *, actor: Actor, now_ms: int) -> TicketComment:
    """Raises InvalidAddition for a comment that says nothing."""
    text = text.strip()[:MAX_NOTE_LENGTH]
    if not text:
        raise InvalidAddition("empty", "a comment needs words")
    row = TicketComment(
        ticket_id=ticket.id,
        at_ms=now_ms,
        actor=actor.name,
        text=text,
        mentions=mentioned(session, text, site=ticket.site.key),
    )
    _add(session, ticket, row, "ticket.commented", {"text": text, "mentions": row.mentions}, actor, now_ms)
    return row


def mentioned(session: Session, text: str, *, site: str) -> list[str]:
    """Names after an @ of people who may see the site, in their order.

    Chinese has no spaces: of `@wang请看` the longest beginning that is somebody's name counts.
    """
    found: list[str] = []
    candidates = [match.group(1) for match in _MENTION.finditer(text)][:MOST_MENTIONS]
    beginnings = {candidate[:end] for candidate in candidates for end in range(1, len(candidate) + 1)}
    people = {person.name for person in find_people(session, beginnings) if person.as_actor().may_see(site)}
    for candidate in candidates:
        name = next((candidate[:end] for end in range(len(candidate), 0, -1) if candidate[:end] in people), None)
        if name is not None and name not in found:
            found.append(name)
    return found


def add_cost(session: Session, ticket: Ticket, cost: Cost, *, actor: Actor, now_ms: int) -> TicketCost:
    """Raises InvalidAddition."""
    what = cost.what.strip()[:MAX_WHAT_LENGTH]
    if not what:
        raise InvalidAddition("empty", "say what the money was for")
    if not (cost.amount.is_finite() and 0 <= cost.amount <= MAX_AMOUNT) or cost.amount * 100 % 1:
        raise InvalidAddition("amount", "an amount has at most two decimals and is not negative")
    row = TicketCost(
        ticket_id=ticket.id,
        at_ms=now_ms,
        actor=actor.name,
        kind=cost.kind.value,
        what=what,
        quantity=cost.quantity.strip()[:MAX_QUANTITY_LENGTH],
        amount_fen=int(cost.amount * 100),
    )
    data = {"kind": row.kind, "what": row.what, "quantity": row.quantity, "amount_fen": row.amount_fen}
    _add(session, ticket, row, "ticket.cost_added", data, actor, now_ms)
    return row


def attach(
    session: Session, ticket: Ticket, upload: Upload, digest: str, *, actor: Actor, now_ms: int
) -> TicketAttachment:
    """Adds a file whose bytes are kept already; the same file twice is one. Raises InvalidAddition."""
    present = attachments_of(session, ticket.id)
    same = next((row for row in present if row.digest == digest), None)
    if same is not None:
        return same
    if len(present) >= MOST_ATTACHMENTS:
        raise InvalidAddition("too_many", f"a ticket has {MOST_ATTACHMENTS} attachments at most")
    row = TicketAttachment(
        ticket_id=ticket.id,
        at_ms=now_ms,
        actor=actor.name,
        name=upload.name,
        media_type=upload.media_type,
        size_bytes=len(upload.content),
        digest=digest,
    )
    data = {"name": row.name, "media_type": row.media_type, "size_bytes": row.size_bytes, "sha256": digest}
    _add(session, ticket, row, "ticket.attached", data, actor, now_ms)
    return row


def link(session: Session, ticket: Ticket, other: Ticket, *, actor: Actor, now_ms: int) -> None:
    """Says that two cases belong together; twice is once. Raises InvalidAddition."""
    if other.id == ticket.id:
        raise InvalidAddition("itself", "a ticket is not linked with itself")
    first, second = sorted((ticket.id, other.id))
    query = select(TicketLink.id).where(
        TicketLink.ticket_id == first, TicketLink.other_id == second, TicketLink.kind == LinkKind.RELATED.value
    )
    if session.scalar(query) is None:
        row = TicketLink(ticket_id=first, other_id=second, kind=LinkKind.RELATED.value, at_ms=now_ms, actor=actor.name)
        _add(session, ticket, row, "ticket.linked", {"other": other.id, "kind": row.kind}, actor, now_ms)


def merge(session: Session, ticket_id: int, into_id: int, *, actor: Actor, note: str = "", now_ms: int) -> Ticket:
    """Ends a duplicate: its alarms and reports go on in the other ticket, whose severity is the graver of the two.

    Both rows are held, in the order of their ids. Raises InvalidAddition, and what `move_ticket` raises.
    """
    if ticket_id == into_id:
        raise InvalidAddition("itself", "a ticket is not merged with itself")
    held = {id_: tickets.get_ticket(session, id_, for_update=True) for id_ in sorted((ticket_id, into_id))}
    ticket, into = held[ticket_id], held[into_id]
    if into.site_id != ticket.site_id:
        raise InvalidAddition("other_site", "tickets of different compounds are not merged")
    if Stage(into.stage) in FINAL_STAGES:
        raise InvalidAddition("ended", f"ticket {into.id} has ended: nothing goes on in it")
    told = note.strip() or f"→ #{into.id}"
    incident.move_ticket(session, ticket.id, Stage.CANCELLED, actor=actor, note=told, now_ms=now_ms)
    row = TicketLink(
        ticket_id=ticket.id, other_id=into.id, kind=LinkKind.DUPLICATE.value, at_ms=now_ms, actor=actor.name
    )
    for follower in (Alarm, ResidentReport):
        session.execute(update(follower).where(follower.ticket_id == ticket.id).values(ticket_id=into.id))
    graver = gravest(Severity(into.severity), Severity(ticket.severity))
    if graver.value != into.severity:
        tickets.make_graver(session, into, graver, now_ms=now_ms)
    into.updated_ms = now_ms
    _add(session, ticket, row, "ticket.merged", {"into": into.id}, actor, now_ms)
    entry = ticket_entry(into, "ticket.took_over", actor, {"from": ticket.id})
    activity.append(session, [entry], now_ms=now_ms)
    return into


def note_mediation(
    session: Session, ticket: Ticket, state: MediationState, *, reference: str, actor: Actor, now_ms: int
) -> None:
    """Keeps how far a mediation about the case is; it is held elsewhere, `reference` says by whom."""
    row = TicketMediation(
        ticket_id=ticket.id,
        at_ms=now_ms,
        actor=actor.name,
        state=state.value,
        reference=reference.strip()[:MAX_WHAT_LENGTH],
    )
    _add(session, ticket, row, "ticket.mediation", {"state": row.state, "reference": row.reference}, actor, now_ms)


def _add(
    session: Session,
    ticket: Ticket,
    row: TicketComment | TicketCost | TicketAttachment | TicketLink | TicketMediation,
    verb: str,
    data: dict[str, Any],
    actor: Actor,
    now_ms: int,
) -> None:
    session.add(row)
    ticket.updated_ms = now_ms
    session.flush()
    activity.append(session, [ticket_entry(ticket, verb, actor, data)], now_ms=now_ms)
