"""What people add to a ticket: comments, costs, attachments, links, mediation; and all that happened to it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, File, Request, UploadFile
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import FileResponse

from alerts import casework
from alerts.attachment_store import AttachmentStore
from alerts.casework import MAX_QUANTITY_LENGTH, MAX_WHAT_LENGTH, Cost
from alerts.errors import UnknownTicket
from alerts.fault_cause import set_cause
from alerts.ticket import MAX_NOTE_LENGTH, Ticket, get_ticket
from alerts.ticket_record import CostKind, MediationState, attachments_of
from alerts.upload import MAX_UPLOAD_BYTES, read_upload
from api.errors import UnknownAttachment
from api.idempotency import IdempotencyKey, claimed
from api.resources import Held, Resources
from api.routes.parameters import LARGEST_ID, Id, Text
from api.routes.presenting import activity_shape, ticket_detail
from api.routes.shapes import ActivityShape, TicketDetail
from api.routes.tickets import ticket_seen
from api.security import ApiActor, names_people
from models.fault_statistics import Cause
from registry import activity
from registry.role import Actor

IMAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox"}

router = APIRouter(prefix="/tickets", tags=["tickets"])
TicketId = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class NewComment(BaseModel):
    text: Annotated[Text, Field(min_length=1, max_length=MAX_NOTE_LENGTH, description="`@name` calls a person")]


class NewCost(BaseModel):
    what: Annotated[Text, Field(min_length=1, max_length=MAX_WHAT_LENGTH)]
    kind: CostKind = CostKind.PART
    quantity: Annotated[Text, Field(max_length=MAX_QUANTITY_LENGTH)] = "1"
    amount: Annotated[Decimal, Field(ge=0, le=100_000_000, max_digits=11, decimal_places=2, description="yuan, in all")]


class NewLink(BaseModel):
    ticket_id: TicketId


class NewMerge(BaseModel):
    into: Annotated[TicketId, Field(description="the ticket in which this one goes on")]
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""


class NewCause(BaseModel):
    cause: Annotated[Cause, Field(description="`unknown` when it was looked for and not found")]


class NewMediation(BaseModel):
    state: MediationState
    reference: Annotated[Text, Field(max_length=MAX_WHAT_LENGTH, description="who mediates, and their number")] = ""


@router.post("/{ticket_id}/comments", status_code=201)
def comment(
    request: Request,
    actor: ApiActor,
    held: Held,
    ticket_id: Id,
    new: NewComment,
    idempotency_key: IdempotencyKey = None,
) -> TicketDetail:
    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.comment(session, ticket, new.text, actor=actor, now_ms=now_ms)

    asked = ["comment", ticket_id, new.model_dump(mode="json")]
    return _added(request, held, actor, ticket_id, add, key=idempotency_key, asked=asked)


@router.post("/{ticket_id}/costs", status_code=201)
def add_cost(
    request: Request, actor: ApiActor, held: Held, ticket_id: Id, new: NewCost, idempotency_key: IdempotencyKey = None
) -> TicketDetail:
    cost = Cost(kind=new.kind, what=new.what, quantity=new.quantity, amount=new.amount)

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.add_cost(session, ticket, cost, actor=actor, now_ms=now_ms)

    asked = ["cost", ticket_id, new.model_dump(mode="json")]
    return _added(request, held, actor, ticket_id, add, key=idempotency_key, asked=asked)


@router.post("/{ticket_id}/attachments", status_code=201)
def attach(
    request: Request, actor: ApiActor, held: Held, ticket_id: Id, file: Annotated[UploadFile, File()]
) -> TicketDetail:
    """JPEG, PNG, WebP (painted anew, without what the camera noted) or PDF. The same file twice is one."""
    with held.database.reading() as session:
        ticket_seen(request, session, actor, ticket_id)
    upload = read_upload(file.file.read(MAX_UPLOAD_BYTES + 1), name=file.filename or "")
    digest = AttachmentStore(held.settings.data_dir).keep(upload.content)

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.attach(session, ticket, upload, digest, actor=actor, now_ms=now_ms)

    return _added(request, held, actor, ticket_id, add)


@router.get("/{ticket_id}/attachments/{attachment_id}", response_class=FileResponse)
def show_attachment(request: Request, actor: ApiActor, held: Held, ticket_id: Id, attachment_id: Id) -> FileResponse:
    """The file; a picture may be shown, anything else is only to be saved."""
    with held.database.reading() as session:
        ticket = ticket_seen(request, session, actor, ticket_id)
        row = next((each for each in attachments_of(session, ticket.id) if each.id == attachment_id), None)
        if row is None:
            raise UnknownAttachment(ticket_id, attachment_id)
        name, media_type, is_photo, digest = row.name, row.media_type, row.is_photo, row.digest
    path = AttachmentStore(held.settings.data_dir).path(digest)
    if not path.is_file():
        raise UnknownAttachment(ticket_id, attachment_id)
    return FileResponse(
        path,
        media_type=media_type,
        filename=name,
        content_disposition_type="inline" if is_photo else "attachment",
        headers=IMAGE_HEADERS,
    )


@router.post("/{ticket_id}/links", status_code=201)
def link(request: Request, actor: ApiActor, held: Held, ticket_id: Id, new: NewLink) -> TicketDetail:
    """Says that two cases belong together, also of different compounds if the person may see both."""

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.link(session, ticket, _other(session, actor, new.ticket_id), actor=actor, now_ms=now_ms)

    return _added(request, held, actor, ticket_id, add)


@router.post("/{ticket_id}/merge")
def merge(
    request: Request, actor: ApiActor, held: Held, ticket_id: Id, new: NewMerge, idempotency_key: IdempotencyKey = None
) -> TicketDetail:
    """Ends a duplicate, whose alarms go on in the other ticket. The answer is the duplicate; see `merged_into`."""

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        _other(session, actor, new.into)
        casework.merge(session, ticket.id, new.into, actor=actor, note=new.note, now_ms=now_ms)

    asked = ["merge", ticket_id, new.model_dump(mode="json")]
    return _added(request, held, actor, ticket_id, add, key=idempotency_key, asked=asked)


@router.post("/{ticket_id}/mediation", status_code=201)
def note_mediation(request: Request, actor: ApiActor, held: Held, ticket_id: Id, new: NewMediation) -> TicketDetail:
    """How far a mediation about the case is; it is held elsewhere."""

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.note_mediation(session, ticket, new.state, reference=new.reference, actor=actor, now_ms=now_ms)

    return _added(request, held, actor, ticket_id, add)


@router.post("/{ticket_id}/cause")
def say_cause(request: Request, actor: ApiActor, held: Held, ticket_id: Id, new: NewCause) -> TicketDetail:
    """What the fault is put down to in statistics; may be said anew when more is known."""

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        set_cause(session, ticket, new.cause, actor=actor, now_ms=now_ms)

    return _added(request, held, actor, ticket_id, add)


@router.get("/{ticket_id}/history")
def show_history(request: Request, actor: ApiActor, held: Held, ticket_id: Id) -> list[ActivityShape]:
    """All that happened to the ticket, in its order, from the activity log."""
    with held.database.reading() as session:
        ticket = ticket_seen(request, session, actor, ticket_id)
        is_named = names_people(actor, ticket.site.key)
        return [
            activity_shape(row, zone=ticket.site.timezone, is_named=is_named)
            for row in activity.of_subject(session, ticket.subject)
        ]


def _other(session: Session, actor: Actor, ticket_id: int) -> Ticket:
    other = get_ticket(session, ticket_id)
    if not actor.may_see(other.site.key):
        raise UnknownTicket(ticket_id)
    return other


def _added(
    request: Request,
    held: Resources,
    actor: Actor,
    ticket_id: int,
    add: Callable[[Session, Ticket, int], None],
    *,
    key: str | None = None,
    asked: object = None,
) -> TicketDetail:
    """The ticket after what was asked, once."""
    now_ms = held.clock()
    with held.database.writing() as session:
        ticket = ticket_seen(request, session, actor, ticket_id)
        claim = claimed(session, actor=actor, key=key, request=asked, now_ms=now_ms)
        if claim is None or claim.earlier is None:
            add(session, ticket, now_ms)
        return ticket_detail(session, ticket, limits=held.limits, actor=actor)
