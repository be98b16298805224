"""Rounds: which there are, what was found on them, and what phones send; plans, and the dates that the law sets."""

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.orm import Session
from starlette.responses import FileResponse, StreamingResponse

from alerts import patrol as patrols
from alerts.attachment_store import AttachmentStore
from alerts.patrol import MAX_KEY_LENGTH, Picture, Refusal, Said, Scanned, Taken
from alerts.patrol_errors import UnknownPatrol, UnknownPatrolPhoto
from alerts.patrol_export import CSV_COLUMNS, record_rows
from alerts.patrol_plan import plans_of
from alerts.patrol_record import MAX_NOTE_LENGTH, PatrolPhoto, record_of
from alerts.patrol_schedule import UNFINISHED_STATES, PatrolRound, RoundState, find_rounds, get_round
from alerts.patrol_statutory import Duty, dues_of, raised_tickets
from alerts.upload import MAX_UPLOAD_BYTES, read_upload
from api.csv_text import csv_lines
from api.errors import ResultsRefused
from api.resources import Held, Resources
from api.routes.parameters import DEFAULT_ITEMS, LARGEST_ID, AbsentIfEmpty, Cursor, Filter, Id, Instant, Limit, Text
from api.routes.patrol_shapes import (
    PatrolDetail,
    PatrolShape,
    PlanShape,
    StatutoryShape,
    TakenShape,
    patrol_detail,
    patrol_facts,
    plan_shape,
    statutory_shape,
    taken_shape,
)
from api.routes.shapes import Page
from api.routes.ticket_case import IMAGE_HEADERS
from api.security import ApiActor, check_site, permitted_sites
from models.equipment import Kind
from registry.calendar import local_day
from registry.role import Actor
from registry.unit import list_units

MOST_RESULTS = 1000
MOST_SCANS = 300
MOST_UNITS = 2000

router = APIRouter(tags=["patrols"])
Key = Annotated[str, Field(max_length=MAX_KEY_LENGTH, pattern=r"^[A-Za-z0-9._:~-]*$")]
NOW = Field(default=None, description="when it was found; now when it is left out")


class NewResult(BaseModel):
    """One answer. `value` for what is measured, else `ok`; with `skipped` neither, and the note says why."""

    checkpoint: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    code: Annotated[Text, Field(max_length=32, description="instead of the checkpoint's number")] | None = None
    item: Annotated[Text, Field(max_length=32)]
    ok: bool | None = None
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    skipped: bool = False
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""
    at: Instant | None = NOW
    key: Annotated[Key, Field(description="drawn by the phone: sent twice, it is taken once")] = ""

    @model_validator(mode="after")
    def _is_somewhere(self) -> "NewResult":
        if self.checkpoint is None and not self.code:
            raise ValueError("an answer needs a checkpoint or its code")
        return self


class NewScan(BaseModel):
    code: Annotated[Text, Field(min_length=1, max_length=32)]
    at: Instant | None = NOW
    key: Key = ""


class NewResults(BaseModel):
    results: Annotated[list[NewResult], Field(max_length=MOST_RESULTS)] = []
    scans: Annotated[list[NewScan], Field(max_length=MOST_SCANS)] = []


@router.get("/patrols")
def list_patrols(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    state: Annotated[
        Literal["open"] | RoundState | None, AbsentIfEmpty, Query(description="`open`: to come, under way or missed")
    ] = None,
    plan: Annotated[int | None, AbsentIfEmpty, Query(ge=1, le=LARGEST_ID)] = None,
    start: Annotated[Instant | None, Query(description="whose time ends then or later")] = None,
    end: Annotated[Instant | None, Query(description="whose time begins before")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[PatrolShape]:
    """Rounds in the order in which they were planned."""
    states = UNFINISHED_STATES if state == "open" else None if state is None else {RoundState(state)}
    with held.database.reading() as session:
        found = find_rounds(
            session,
            states=states,
            site=site,
            visible=permitted_sites(request, actor),
            plan_id=plan,
            starts_before_ms=end,
            ends_from_ms=start,
            after_id=int(cursor) if cursor else 0,
            limit=limit + 1,
        )
        return Page(
            items=[PatrolShape(**patrol_facts(each)) for each in found[:limit]],
            next=str(found[limit - 1].id) if len(found) > limit else None,
        )


@router.get("/patrols/{patrol_id}")
def show_patrol(request: Request, actor: ApiActor, held: Held, patrol_id: Id) -> PatrolDetail:
    """A round with its checkpoints, what is looked at there, and what was found."""
    with held.database.reading() as session:
        return patrol_detail(record_of(session, patrol_seen(request, session, actor, patrol_id)), actor=actor)


@router.post("/patrols/{patrol_id}/results")
def send_results(request: Request, actor: ApiActor, held: Held, patrol_id: Id, new: NewResults) -> TakenShape:
    """What was found. Sent twice, by two phones or days late, it is taken once and marked.

    What cannot be is refused by itself, with its reason; when nothing else came, the whole request is.
    """
    now_ms = held.clock()
    with held.database.writing() as session:
        patrol = patrol_seen(request, session, actor, patrol_id)
        taken = _take(session, patrol, new, actor=actor, now_ms=now_ms)
        return taken_shape(taken, actor=actor)


def _take(session: Session, patrol: PatrolRound, new: NewResults, *, actor: Actor, now_ms: int) -> Taken:
    """Raises ResultsRefused when there was nothing that could be taken."""
    codes = {}
    if any(each.checkpoint is None for each in new.results):
        codes = {stop.checkpoint.code: stop.checkpoint.id for stop in record_of(session, patrol).stops}
    taken = patrols.take_results(
        session,
        patrol.id,
        results=[
            Said(
                checkpoint_id=each.checkpoint or codes.get((each.code or "").upper(), 0),
                item=each.item,
                at_ms=now_ms if each.at is None else each.at,
                is_ok=each.ok,
                value=each.value,
                is_skipped=each.skipped,
                note=each.note,
                key=each.key,
            )
            for each in new.results
        ],
        scans=[Scanned(each.code, now_ms if each.at is None else each.at, each.key) for each in new.scans],
        actor=actor,
        now_ms=now_ms,
    )
    if taken.refused and not taken.accepted and not taken.duplicates:
        raise ResultsRefused([(each.key, each.reason.value, _why(each.reason)) for each in taken.refused])
    return taken


def _why(reason: Refusal) -> str:
    return {
        Refusal.UNKNOWN_CHECKPOINT: "the checkpoint is not on this round",
        Refusal.UNKNOWN_ITEM: "the item is not asked for there",
        Refusal.VALUE_MISSING: "a measured value is needed",
        Refusal.IMPOSSIBLE_VALUE: "such a value cannot be",
        Refusal.ANSWER_MISSING: "`ok` is needed",
        Refusal.NOTE_MISSING: "a note must say why it could not be looked at",
        Refusal.UNREADABLE_TIME: "the time cannot be read",
    }[reason]


@router.post("/patrols/{patrol_id}/photos", status_code=201)
def send_photo(
    request: Request,
    actor: ApiActor,
    held: Held,
    patrol_id: Id,
    key: Annotated[Key, Form(min_length=1, description="of the answer that it belongs to")],
    file: Annotated[UploadFile, File()],
) -> PatrolDetail:
    """JPEG, PNG or WebP, painted anew. It may come before its answer; the same picture twice is one."""
    with held.database.reading() as session:
        patrol_seen(request, session, actor, patrol_id)
    picture = kept_picture(held, file.file.read(MAX_UPLOAD_BYTES + 1), name=file.filename or "")
    with held.database.writing() as session:
        patrol_seen(request, session, actor, patrol_id)
        record = patrols.add_photo(session, patrol_id, picture, result_key=key, actor=actor, now_ms=held.clock())
        return patrol_detail(record, actor=actor)


def kept_picture(held: Resources, content: bytes, *, name: str) -> Picture:
    """The picture as it is kept, its bytes on disk. Raises RefusedUpload. Takes a second."""
    upload = read_upload(content, name=name, takes_documents=False)
    return Picture(upload.media_type, upload.name, AttachmentStore(held.settings.data_dir).keep(upload.content))


@router.get("/patrols/{patrol_id}/photos/{photo_id}", response_class=FileResponse)
def show_photo(request: Request, actor: ApiActor, held: Held, patrol_id: Id, photo_id: Id) -> FileResponse:
    with held.database.reading() as session:
        patrol = patrol_seen(request, session, actor, patrol_id)
        photo = session.get(PatrolPhoto, photo_id)
        if photo is None or photo.round_id != patrol.id:
            raise UnknownPatrolPhoto(photo_id)
        name, media_type, digest = photo.name, photo.media_type, photo.digest
    path = AttachmentStore(held.settings.data_dir).path(digest)
    if not path.is_file():
        raise UnknownPatrolPhoto(photo_id)
    return FileResponse(
        path, media_type=media_type, filename=name, headers=IMAGE_HEADERS, content_disposition_type="inline"
    )


@router.get("/patrol-plans")
def list_plans(request: Request, actor: ApiActor, held: Held, site: Filter = None) -> Page[PlanShape]:
    with held.database.reading() as session:
        plans = plans_of(session, site=site, visible=permitted_sites(request, actor))
        return Page(items=[plan_shape(each) for each in plans], next=None)


@router.get("/statutory-dates")
def list_statutory_dates(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    within_days: Annotated[int | None, Query(ge=0, le=4000, description="only what is due so soon or overdue")] = None,
) -> Page[StatutoryShape]:
    """What the law asks for next of each lift, the most urgent first; read from the service records."""
    now_ms = held.clock()
    with held.database.reading() as session:
        units = list_units(
            session, site=site, kind=Kind.ELEVATOR, visible=permitted_sites(request, actor), limit=MOST_UNITS
        )
        tickets = raised_tickets(session, [unit.id for unit in units])
        dues = dues_of(session, units)
        rows = []
        for unit in units:
            today = local_day(now_ms, timezone=unit.site.timezone)
            for due in dues[unit.id]:
                days_left = due.days_left(today)
                if within_days is None or days_left <= within_days:
                    ticket_id = tickets.get((unit.id, Duty(due.duty)))
                    rows.append(statutory_shape(unit, due, days_left=days_left, ticket_id=ticket_id))
        return Page(items=sorted(rows, key=lambda row: (row.days_left, row.unit)), next=None)


@router.get("/patrol-records.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def export_records(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    start: Annotated[Instant | None, Query(description="of rounds whose time ends then or later")] = None,
    end: Annotated[Instant | None, Query(description="of rounds whose time begins before")] = None,
) -> StreamingResponse:
    """Every answer ever given, one a line, as it came; nothing is deleted."""
    visible = permitted_sites(request, actor)

    def rows() -> Iterator[tuple[object, ...]]:
        with held.database.reading() as session:
            yield from record_rows(session, site=site, visible=visible, start_ms=start, end_ms=end)

    headers = {"Content-Disposition": 'attachment; filename="patrol-records.csv"'}
    return StreamingResponse(csv_lines(CSV_COLUMNS, rows()), media_type="text/csv; charset=utf-8", headers=headers)


def patrol_seen(request: Request, session: Session, actor: Actor, patrol_id: int) -> PatrolRound:
    """Raises UnknownPatrol for one of a site this person may not see, RoleMissing where their role is another."""
    patrol = get_round(session, patrol_id)
    check_site(request, actor, patrol.site.key, unknown=UnknownPatrol(patrol_id))
    return patrol
