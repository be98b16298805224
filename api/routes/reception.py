"""The reception of owners: what they brought, what they were told, and what it became."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from alerts.severity import Severity
from api.idempotency import IdempotencyKey
from api.one_turn import one_turn
from api.resources import Held
from api.routes.meeting_shapes import ReceptionShape, reception_shape
from api.routes.meetings import meeting_seen
from api.routes.parameters import Id, Text
from api.routes.register import unit_seen
from api.routes.shapes import Page
from api.security import ApiActor
from governance import reception
from governance.meeting_errors import UnknownReception
from governance.reception import MAX_MATTER_LENGTH, MAX_NAME_LENGTH, MAX_PLACE_LENGTH, ReceptionEntry
from registry.role import Actor

router = APIRouter(prefix="/meetings/{meeting_id}/reception", tags=["meetings"])


class NewReception(BaseModel):
    """Nobody has to say who they are: `name` is kept only if it is given."""

    matter: Annotated[Text, Field(min_length=1, max_length=MAX_MATTER_LENGTH)]
    name: Annotated[Text, Field(max_length=MAX_NAME_LENGTH)] = ""
    place: Annotated[Text, Field(max_length=MAX_PLACE_LENGTH)] = ""
    unit: Annotated[Text, Field(max_length=129, description="`{site}~{unit}`")] | None = None


class NewAnswer(BaseModel):
    answer: Annotated[Text, Field(min_length=1, max_length=MAX_MATTER_LENGTH)]


class MadeTicket(BaseModel):
    severity: Severity = Severity.MINOR


@router.get("")
def list_entries(request: Request, actor: ApiActor, held: Held, meeting_id: Id) -> Page[ReceptionShape]:
    """In the order in which people came."""
    with held.database.reading() as session:
        meeting = meeting_seen(request, session, actor, meeting_id)
        entries = reception.entries_of(session, meeting.id)
        return Page(items=[reception_shape(each, zone=meeting.site.timezone) for each in entries], next=None)


@router.post("", status_code=201)
def receive(
    request: Request,
    actor: ApiActor,
    held: Held,
    meeting_id: Id,
    new: NewReception,
    idempotency_key: IdempotencyKey = None,
) -> ReceptionShape:
    with one_turn(
        held, actor, key=idempotency_key, asked=["reception", meeting_id, new.model_dump(mode="json")]
    ) as turn:
        meeting = meeting_seen(request, turn.session, actor, meeting_id)
        if turn.earlier is not None:
            entry = reception.get_entry(turn.session, int(turn.earlier))
        else:
            entry = reception.receive(
                turn.session,
                meeting_id,
                matter=new.matter,
                name=new.name,
                place=new.place,
                unit=unit_seen(request, turn.session, actor, new.unit) if new.unit is not None else None,
                actor=actor,
                now_ms=held.clock(),
            )
            turn.remember(entry.id)
        return reception_shape(entry, zone=meeting.site.timezone)


@router.post("/{entry_id}/answer")
def answer(
    request: Request, actor: ApiActor, held: Held, meeting_id: Id, entry_id: Id, new: NewAnswer
) -> ReceptionShape:
    with held.database.writing() as session:
        zone = entry_seen(request, session, actor, meeting_id, entry_id)[1]
        entry = reception.answer(session, entry_id, new.answer, actor=actor, now_ms=held.clock())
        return reception_shape(entry, zone=zone)


@router.post("/{entry_id}/ticket")
def make_ticket(
    request: Request, actor: ApiActor, held: Held, meeting_id: Id, entry_id: Id, made: MadeTicket
) -> ReceptionShape:
    """A ticket of it, without the name of who brought it; one that has a ticket already keeps it."""
    with held.database.writing() as session:
        entry, zone = entry_seen(request, session, actor, meeting_id, entry_id)
        reception.make_ticket(session, entry_id, severity=made.severity, actor=actor, now_ms=held.clock())
        return reception_shape(entry, zone=zone)


@router.post("/{entry_id}/agenda")
def put_on_agenda(request: Request, actor: ApiActor, held: Held, meeting_id: Id, entry_id: Id) -> ReceptionShape:
    """An item of the evening's agenda; twice is once."""
    with held.database.writing() as session:
        entry, zone = entry_seen(request, session, actor, meeting_id, entry_id)
        reception.put_on_agenda(session, entry_id, actor=actor, now_ms=held.clock())
        return reception_shape(entry, zone=zone)


def entry_seen(
    request: Request, session: Session, actor: Actor, meeting_id: int, entry_id: int
) -> tuple[ReceptionEntry, str]:
    """The entry and its site's time zone. Raises UnknownMeeting or UnknownReception."""
    meeting = meeting_seen(request, session, actor, meeting_id)
    entry = reception.get_entry(session, entry_id)
    if entry.meeting_id != meeting.id:
        raise UnknownReception(entry_id)
    return entry, meeting.site.timezone
