"""Joint meetings: the agenda, who is there, minutes and their confirmation, and a site's rules of procedure."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.idempotency import IdempotencyKey
from api.one_turn import one_turn
from api.resources import Held
from api.routes.meeting_shapes import (
    MeetingDetail,
    MeetingShape,
    ProcedureShape,
    meeting_detail,
    meeting_shape,
    procedure_shape,
)
from api.routes.parameters import DEFAULT_ITEMS, LARGEST_ID, AbsentIfEmpty, Cursor, Filter, Id, Instant, Limit, Text
from api.routes.shapes import Page
from api.routes.tasks import NewTaskBody
from api.security import ApiActor, check_site, permitted_sites
from governance import meeting_agenda, meeting_minutes
from governance.meeting import (
    MAX_TITLE_LENGTH,
    MAX_WORDS_LENGTH,
    Meeting,
    call_meeting,
    find_meetings,
    get_meeting,
    move_meeting,
)
from governance.meeting_errors import UnknownMeeting
from governance.meeting_minutes import MAX_NAME_LENGTH, MOST_TASKS_OF_A_DECISION, ItemWords
from governance.meeting_rhythm import prepare
from governance.meeting_rules import MAX_PLACE_LENGTH, procedure_of, set_procedure
from governance.meeting_stages import MeetingStage
from registry import activity
from registry.activity import Entry
from registry.errors import UnknownSite
from registry.role import Actor, Party
from registry.site import get_site

router = APIRouter(tags=["meetings"])
RowId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
SiteKey = Annotated[str, Query(max_length=64)]


class NewMeeting(BaseModel):
    """An extraordinary meeting; the monthly one is made by itself."""

    site: Annotated[Text, Field(max_length=64)]
    title: Annotated[Text, Field(min_length=1, max_length=MAX_TITLE_LENGTH)]
    starts_at: Instant
    place: Annotated[Text, Field(max_length=MAX_PLACE_LENGTH)] = ""


class MeetingTransition(BaseModel):
    to: MeetingStage
    note: Annotated[Text, Field(max_length=MAX_WORDS_LENGTH)] = ""
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class NewItem(BaseModel):
    title: Annotated[Text, Field(min_length=1, max_length=MAX_TITLE_LENGTH)]


class AgendaOrder(BaseModel):
    items: Annotated[list[RowId], Field(max_length=meeting_agenda.MOST_ITEMS)]


class NewAttendance(BaseModel):
    """Somebody of the register by `person_id`, or by `name`."""

    party: Party
    name: Annotated[Text, Field(max_length=MAX_NAME_LENGTH)] = ""
    person_id: RowId | None = None


class MinutesBody(BaseModel):
    """What was said and decided of one item. `expected_version` is that of the item when it was looked at."""

    discussion: Annotated[Text, Field(max_length=MAX_WORDS_LENGTH)] = ""
    decision: Annotated[Text, Field(max_length=MAX_WORDS_LENGTH)] = ""
    is_noted: bool = Field(default=False, description="talked about, with nothing to decide")
    tasks: Annotated[list[NewTaskBody], Field(max_length=MOST_TASKS_OF_A_DECISION)] = []
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class NewConfirmation(BaseModel):
    party: Party
    expected_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="of the minutes that were read; refused if they are other ones by now"
    )


class NewAddendum(BaseModel):
    text: Annotated[Text, Field(min_length=1, max_length=MAX_WORDS_LENGTH)]


@router.get("/meetings")
def list_meetings(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    stage: Annotated[MeetingStage | None, AbsentIfEmpty, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[MeetingShape]:
    """Meetings, newest first."""
    with held.database.reading() as session:
        found = find_meetings(
            session,
            site=site or None,
            stage=stage,
            visible=permitted_sites(request, actor),
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[meeting_shape(meeting) for meeting in found[:limit]],
            next=str(found[limit - 1].id) if len(found) > limit else None,
        )


@router.post("/meetings", status_code=201)
def call(
    request: Request,
    response: Response,
    actor: ApiActor,
    held: Held,
    new: NewMeeting,
    idempotency_key: IdempotencyKey = None,
) -> MeetingDetail:
    check_site(request, actor, new.site, unknown=UnknownSite(new.site))
    with one_turn(held, actor, key=idempotency_key, asked=["meeting", new.model_dump(mode="json")]) as turn:
        if turn.earlier is not None:
            meeting = get_meeting(turn.session, int(turn.earlier))
        else:
            site = get_site(turn.session, new.site)
            meeting = call_meeting(
                turn.session,
                site,
                title=new.title,
                starts_ms=new.starts_at,
                place=new.place,
                parties=procedure_of(turn.session, site).parties,
                actor=actor,
                now_ms=held.clock(),
            )
            turn.remember(meeting.id)
        response.headers["Location"] = f"/api/v1/meetings/{meeting.id}"
        return meeting_detail(turn.session, meeting, actor=actor)


@router.get("/meetings/{meeting_id}")
def show_meeting(request: Request, actor: ApiActor, held: Held, meeting_id: Id) -> MeetingDetail:
    with held.database.reading() as session:
        return meeting_detail(session, meeting_seen(request, session, actor, meeting_id), actor=actor)


@router.post("/meetings/{meeting_id}/transitions")
def move(
    request: Request,
    actor: ApiActor,
    held: Held,
    meeting_id: Id,
    transition: MeetingTransition,
    idempotency_key: IdempotencyKey = None,
) -> MeetingDetail:
    """Opens, ends or cancels a meeting. One that has its quorum ends as `minuted`, another as `without_quorum`."""
    asked = ["meeting-move", meeting_id, transition.model_dump(mode="json")]
    with one_turn(held, actor, key=idempotency_key, asked=asked) as turn:
        meeting = meeting_seen(request, turn.session, actor, meeting_id)
        if turn.is_first:
            meeting = move_meeting(
                turn.session,
                meeting_id,
                transition.to,
                actor=actor,
                note=transition.note,
                expected_version=transition.expected_version,
                now_ms=held.clock(),
            )
        return meeting_detail(turn.session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/prepare")
def prepare_agenda(request: Request, actor: ApiActor, held: Held, meeting_id: Id) -> MeetingDetail:
    """Looks at the facts again; people's own items, removals and order stay."""
    with held.database.reading() as session:
        meeting_seen(request, session, actor, meeting_id)
    prepare(held.database, meeting_id, now_ms=held.clock())
    return show_meeting(request, actor, held, meeting_id)


@router.post("/meetings/{meeting_id}/items", status_code=201)
def add_item(
    request: Request,
    actor: ApiActor,
    held: Held,
    meeting_id: Id,
    new: NewItem,
    idempotency_key: IdempotencyKey = None,
) -> MeetingDetail:
    with one_turn(held, actor, key=idempotency_key, asked=["meeting-item", meeting_id, new.title]) as turn:
        meeting = meeting_seen(request, turn.session, actor, meeting_id)
        if turn.is_first:
            meeting_agenda.add_item(turn.session, meeting_id, title=new.title, actor=actor, now_ms=held.clock())
        return meeting_detail(turn.session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/items/{item_id}/remove")
def remove_item(request: Request, actor: ApiActor, held: Held, meeting_id: Id, item_id: Id) -> MeetingDetail:
    with held.database.writing() as session:
        meeting_seen(request, session, actor, meeting_id)
        meeting = meeting_agenda.remove_item(session, meeting_id, item_id, actor=actor, now_ms=held.clock())
        return meeting_detail(session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/order")
def order_agenda(request: Request, actor: ApiActor, held: Held, meeting_id: Id, order: AgendaOrder) -> MeetingDetail:
    """The agenda in this order; what is not named follows."""
    with held.database.writing() as session:
        meeting_seen(request, session, actor, meeting_id)
        meeting = meeting_agenda.arrange(session, meeting_id, order.items, actor=actor, now_ms=held.clock())
        return meeting_detail(session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/attendance", status_code=201)
def note_attendance(request: Request, actor: ApiActor, held: Held, meeting_id: Id, new: NewAttendance) -> MeetingDetail:
    """Somebody is there for a party; the same again changes nothing."""
    with held.database.writing() as session:
        meeting = meeting_seen(request, session, actor, meeting_id)
        meeting_minutes.note_attendance(
            session,
            meeting_id,
            party=new.party,
            name=new.name,
            person_id=new.person_id,
            actor=actor,
            now_ms=held.clock(),
        )
        return meeting_detail(session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/attendance/{row_id}/strike")
def strike_attendance(request: Request, actor: ApiActor, held: Held, meeting_id: Id, row_id: Id) -> MeetingDetail:
    with held.database.writing() as session:
        meeting = meeting_seen(request, session, actor, meeting_id)
        meeting_minutes.strike_attendance(session, meeting_id, row_id, actor=actor, now_ms=held.clock())
        return meeting_detail(session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/items/{item_id}/minutes")
def write_minutes(
    request: Request,
    actor: ApiActor,
    held: Held,
    meeting_id: Id,
    item_id: Id,
    body: MinutesBody,
    idempotency_key: IdempotencyKey = None,
) -> MeetingDetail:
    """What was said and decided. A decision needs the quorum (409 with the parties `missing`) and becomes its tasks."""
    asked = ["minutes", meeting_id, item_id, body.model_dump(mode="json")]
    with one_turn(held, actor, key=idempotency_key, asked=asked) as turn:
        meeting = meeting_seen(request, turn.session, actor, meeting_id)
        if turn.is_first:
            meeting_minutes.write_minutes(
                turn.session,
                meeting_id,
                item_id,
                ItemWords(
                    discussion=body.discussion,
                    decision=body.decision,
                    is_noted=body.is_noted,
                    tasks=[task.new_task for task in body.tasks],
                ),
                expected_version=body.expected_version,
                actor=actor,
                now_ms=held.clock(),
            )
        return meeting_detail(turn.session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/confirmations", status_code=201)
def confirm(request: Request, actor: ApiActor, held: Held, meeting_id: Id, new: NewConfirmation) -> MeetingDetail:
    """Your party confirms the minutes; nobody confirms for two. The last of the needed parties freezes them."""
    with held.database.writing() as session:
        meeting_seen(request, session, actor, meeting_id)
        meeting = meeting_minutes.confirm_minutes(
            session, meeting_id, new.party, expected_digest=new.expected_sha256, actor=actor, now_ms=held.clock()
        )
        return meeting_detail(session, meeting, actor=actor)


@router.post("/meetings/{meeting_id}/addenda", status_code=201)
def add_addendum(
    request: Request,
    actor: ApiActor,
    held: Held,
    meeting_id: Id,
    new: NewAddendum,
    idempotency_key: IdempotencyKey = None,
) -> MeetingDetail:
    """What is to be said of frozen minutes; they themselves stay as they are."""
    with one_turn(held, actor, key=idempotency_key, asked=["addendum", meeting_id, new.text]) as turn:
        meeting = meeting_seen(request, turn.session, actor, meeting_id)
        if turn.is_first:
            meeting_minutes.add_addendum(turn.session, meeting_id, new.text, actor=actor, now_ms=held.clock())
        return meeting_detail(turn.session, meeting, actor=actor)


@router.get("/meeting-rules")
def show_rules(request: Request, actor: ApiActor, held: Held, site: SiteKey) -> ProcedureShape:
    check_site(request, actor, site, unknown=UnknownSite(site))
    with held.database.reading() as session:
        return procedure_shape(procedure_of(session, get_site(session, site)))


@router.put("/meeting-rules")
def set_rules(request: Request, actor: ApiActor, held: Held, site: SiteKey, rules: ProcedureShape) -> ProcedureShape:
    """From the next meeting on; those that are made already keep theirs."""
    check_site(request, actor, site, unknown=UnknownSite(site))
    with held.database.writing() as session:
        set_rules_of(session, site, rules, actor=actor, now_ms=held.clock())
        return procedure_shape(procedure_of(session, get_site(session, site)))


def set_rules_of(session: Session, key: str, rules: ProcedureShape, *, actor: Actor, now_ms: int) -> None:
    site = get_site(session, key)
    set_procedure(session, site, rules.procedure)
    entry = Entry(
        verb="meeting.rules_set",
        subject=f"site:{site.id}",
        actor=actor.name,
        site=site.key,
        data=rules.model_dump(mode="json"),
    )
    activity.append(session, [entry], now_ms=now_ms)


def meeting_seen(request: Request, session: Session, actor: Actor, meeting_id: int) -> Meeting:
    """Raises UnknownMeeting for one of a site this person may not see, RoleMissing where their role is another."""
    meeting = get_meeting(session, meeting_id)
    check_site(request, actor, meeting.site.key, unknown=UnknownMeeting(meeting_id))
    return meeting
