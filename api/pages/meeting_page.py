"""One joint meeting: its agenda, who is there, the minutes, their confirmation; on paper the minutes in A4."""

import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.signing import parties_of
from api.one_turn import Turn, one_turn
from api.pages.agenda_words import item_card
from api.pages.joint_people import LARGEST_ID, Written, chosen_party, number, party_offers, typed_day, words
from api.pages.joint_problems import answered
from api.pages.joint_words import MEETING_MOVE_TITLES, MEETING_STAGE_TITLES, WORK_LIST_TITLES
from api.pages.meetings import meeting_card
from api.pages.rendering import Reader, reader_of, render
from api.pages.ticket_cards import party_list
from api.pages.wording import PARTY_TITLES
from api.resources import Held, Resources
from api.routes.meetings import meeting_seen
from api.security import PageActor, check_csrf
from governance import meeting_agenda, meeting_minutes
from governance.meeting import (
    MAX_TITLE_LENGTH,
    MAX_WORDS_LENGTH,
    Meeting,
    addenda_of,
    allowed_meeting_moves,
    attendance_of,
    confirmations_of,
    items_of,
    missing_parties,
    move_meeting,
)
from governance.meeting_minutes import MAX_NAME_LENGTH, ItemWords, may_confirm, minutes_digest
from governance.meeting_rhythm import prepare
from governance.meeting_stages import ATTENDING_PARTIES, MeetingStage
from governance.work_list import TASK_PARTIES, NewTask, today_at
from governance.work_stages import SOURCES, TaskSource, WorkList
from registry import activity
from registry.errors import InvalidField
from registry.role import Actor, Party

MAIN_LINE = (MeetingStage.PLANNED, MeetingStage.OPEN, MeetingStage.MINUTED, MeetingStage.CONFIRMED)

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/meetings/{meeting_id}")
def show_meeting(request: Request, actor: PageActor, held: Held, meeting_id: int) -> HTMLResponse:
    return _page(request, actor, held, meeting_id)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    meeting_id: int,
    *,
    problem: str = "",
    written: dict[str, str] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    """`written` is what a form said that was refused: `item`, `discussion`, `decision` are shown again."""
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        meeting = meeting_seen(request, session, actor, min(meeting_id, LARGEST_ID))
        stage, site = MeetingStage(meeting.stage), meeting.site
        missing = missing_parties(session, meeting)
        may_write = reader.may("POST", "/meetings/{meeting_id}/moves", site=site.key)
        digest = minutes_digest(session, meeting)
        return render(
            request,
            "meeting.html",
            reader,
            status_code=status_code,
            meeting=meeting_card(session, meeting, reader=reader),
            steps=_steps(stage, reader=reader),
            moves=[(to, _(MEETING_MOVE_TITLES[to])) for to in allowed_meeting_moves(session, meeting, actor)],
            note=meeting.note,
            missing=party_list(missing, reader=reader),
            needed=party_list(meeting.needed, reader=reader),
            items=[
                item_card(item, place, site=site.key, reader=reader)
                for place, item in enumerate(items_of(session, meeting.id), start=1)
            ],
            may_arrange=may_write and stage is MeetingStage.PLANNED,
            may_attend=may_write and stage in (MeetingStage.PLANNED, MeetingStage.OPEN),
            may_minute=may_write and stage in (MeetingStage.OPEN, MeetingStage.MINUTED),
            may_decide=may_write and stage is MeetingStage.OPEN and not missing,
            may_receive=reader.may("GET", "/meetings/{meeting_id}/reception", site=site.key),
            attendance=[
                (party, _(PARTY_TITLES[party]), party in meeting.needed, rows)
                for party in ATTENDING_PARTIES
                if (rows := [row for row in attendance_of(session, meeting.id) if row.party == party])
                or party in meeting.needed
            ],
            offers=party_offers(session, site, ATTENDING_PARTIES, reader=reader) if may_write else [],
            owners=party_offers(session, site, TASK_PARTIES, reader=reader) if may_write else [],
            work_lists=[
                (each.value, _(title))
                for each, title in WORK_LIST_TITLES.items()
                if TaskSource.MEETING in SOURCES[each]
            ],
            today=today_at(site, reader.now_ms).isoformat(),
            confirmations=_confirmations(session, meeting, reader=reader),
            confirms_for=[(party.value, _(PARTY_TITLES[party])) for party in may_confirm(session, meeting, actor)],
            digest=digest,
            is_intact=meeting.minutes_hash in (None, digest),
            frozen=meeting.minutes_hash or "",
            addenda=[
                (
                    reader.appointment(row.at_ms, site.timezone),
                    _(PARTY_TITLES[Party(row.party)]),
                    reader.who(row.actor),
                    row.text,
                )
                for row in addenda_of(session, meeting.id)
            ],
            may_add=stage is MeetingStage.CONFIRMED and bool(parties_of(actor.roles_at(site.key))),
            max_title_length=MAX_TITLE_LENGTH,
            max_words_length=MAX_WORDS_LENGTH,
            max_name_length=MAX_NAME_LENGTH,
            problem=problem,
            written=Written(written or {}),
            form_key=secrets.token_urlsafe(16),
            last_activity=activity.last_id(session),
        )


def _steps(stage: MeetingStage, *, reader: Reader) -> list[tuple[str, str]]:
    """(title, how the meeting stands to it); one that ended otherwise has only its own."""
    if stage not in MAIN_LINE:
        return [(reader._(MEETING_STAGE_TITLES[stage]), "current")]
    place = MAIN_LINE.index(stage)
    return [
        (
            reader._(MEETING_STAGE_TITLES[each]),
            "done" if number < place else "current" if number == place else "ahead",
        )
        for number, each in enumerate(MAIN_LINE)
    ]


def _confirmations(session: Session, meeting: Meeting, *, reader: Reader) -> list[tuple[str, str, object]]:
    """(party, who confirmed, when) of each needed party."""
    given = {row.party: row for row in confirmations_of(session, meeting.id)}
    return [
        (
            reader._(PARTY_TITLES[party]),
            given[party.value].person.display_name if party.value in given else "",
            reader.appointment(given[party.value].at_ms, meeting.site.timezone) if party.value in given else None,
        )
        for party in meeting.needed
    ]


def _done(
    request: Request,
    actor: Actor,
    held: Resources,
    meeting_id: int,
    act: Callable[[Turn], object],
    *,
    key: str = "",
    asked: object = None,
    written: dict[str, str] | None = None,
    anchor: str = "",
) -> Response:
    """One form of this page: checked, carried out once, and back to the page."""

    def checked(turn: Turn) -> None:
        meeting_seen(request, turn.session, actor, min(meeting_id, LARGEST_ID))
        act(turn)

    return answered(
        request,
        one_turn(held, actor, key=key, asked=[meeting_id, asked]),
        checked,
        back=lambda _: f"/meetings/{meeting_id}{anchor}",
        again=lambda problem, status: _page(
            request, actor, held, meeting_id, problem=problem, written=written, status_code=status
        ),
    )


@router.post("/meetings/{meeting_id}/moves", dependencies=FORM)
def move(
    request: Request,
    actor: PageActor,
    held: Held,
    meeting_id: int,
    to: Text = "",
    note: Text = "",
    version: Text = "",
) -> Response:
    def act(turn: Turn) -> None:
        if to not in set(MeetingStage):
            raise InvalidField("text", "must be chosen")
        move_meeting(
            turn.session,
            meeting_id,
            MeetingStage(to),
            actor=actor,
            note=words(note),
            expected_version=number(version),
            now_ms=held.clock(),
        )

    return _done(request, actor, held, meeting_id, act)


@router.post("/meetings/{meeting_id}/prepare", dependencies=FORM)
def prepare_agenda(request: Request, actor: PageActor, held: Held, meeting_id: int) -> Response:
    with held.database.reading() as session:
        meeting_seen(request, session, actor, min(meeting_id, LARGEST_ID))
    prepare(held.database, meeting_id, now_ms=held.clock())
    return RedirectResponse(f"/meetings/{meeting_id}", status_code=303)


@router.post("/meetings/{meeting_id}/items", dependencies=FORM)
def add_item(
    request: Request, actor: PageActor, held: Held, meeting_id: int, title: Text = "", form_key: Text = ""
) -> Response:
    def act(turn: Turn) -> None:
        meeting_agenda.add_item(turn.session, meeting_id, title=words(title), actor=actor, now_ms=held.clock())

    key = form_key and f"{form_key}-item"
    return _done(request, actor, held, meeting_id, act, key=key, asked=["item", title], anchor="#agenda-title")


@router.post("/meetings/{meeting_id}/items/{item_id}/place", dependencies=FORM)
def place_item(
    request: Request, actor: PageActor, held: Held, meeting_id: int, item_id: int, to: Text = ""
) -> Response:
    """Up, down, or off the agenda."""

    def act(turn: Turn) -> None:
        now_ms, found = held.clock(), min(item_id, LARGEST_ID)
        if to == "off":
            meeting_agenda.remove_item(turn.session, meeting_id, found, actor=actor, now_ms=now_ms)
        else:
            by = -1 if to == "up" else 1
            meeting_agenda.shift_item(turn.session, meeting_id, found, by, actor=actor, now_ms=now_ms)

    return _done(request, actor, held, meeting_id, act, anchor="#agenda-title")


@router.post("/meetings/{meeting_id}/attendance", dependencies=FORM)
def note_attendance(
    request: Request, actor: PageActor, held: Held, meeting_id: int, who: Text = "", name: Text = ""
) -> Response:
    def act(turn: Turn) -> None:
        party, person_id = chosen_party(who)
        meeting_minutes.note_attendance(
            turn.session,
            meeting_id,
            party=party,
            name=words(name),
            person_id=person_id,
            actor=actor,
            now_ms=held.clock(),
        )

    return _done(request, actor, held, meeting_id, act, anchor="#attendance-title")


@router.post("/meetings/{meeting_id}/attendance/{row_id}/strike", dependencies=FORM)
def strike_attendance(request: Request, actor: PageActor, held: Held, meeting_id: int, row_id: int) -> Response:
    def act(turn: Turn) -> None:
        meeting_minutes.strike_attendance(
            turn.session, meeting_id, min(row_id, LARGEST_ID), actor=actor, now_ms=held.clock()
        )

    return _done(request, actor, held, meeting_id, act, anchor="#attendance-title")


@router.post("/meetings/{meeting_id}/items/{item_id}/minutes", dependencies=FORM)
def write_minutes(
    request: Request,
    actor: PageActor,
    held: Held,
    meeting_id: int,
    item_id: int,
    discussion: Text = "",
    decision: Text = "",
    is_noted: Text = "",
    task: Text = "",
    owner: Text = "",
    due_on: Text = "",
    work_list: Text = WorkList.DUTIES.value,
    version: Text = "",
    form_key: Text = "",
) -> Response:
    def act(turn: Turn) -> None:
        tasks = []
        if task.strip():
            if work_list not in set(WorkList):
                raise InvalidField("work_list", "must be one of the lists")
            party, owner_id = chosen_party(owner)
            due = typed_day("due_on", due_on)
            tasks.append(NewTask(words(task), party, owner_id, due, work_list=WorkList(work_list)))
        meeting_minutes.write_minutes(
            turn.session,
            meeting_id,
            min(item_id, LARGEST_ID),
            ItemWords(words(discussion), words(decision), is_noted=bool(is_noted), tasks=tasks),
            expected_version=number(version),
            actor=actor,
            now_ms=held.clock(),
        )

    asked = ["minutes", item_id, discussion, decision, is_noted, task, owner, due_on, work_list]
    written = {"item": str(item_id), "discussion": discussion, "decision": decision, "task": task, "due_on": due_on}
    key = form_key and f"{form_key}-{item_id}"
    return _done(
        request, actor, held, meeting_id, act, key=key, asked=asked, written=written, anchor=f"#item-{item_id}"
    )


@router.post("/meetings/{meeting_id}/confirmations", dependencies=FORM)
def confirm(
    request: Request, actor: PageActor, held: Held, meeting_id: int, party: Text = "", digest: Text = ""
) -> Response:
    def act(turn: Turn) -> None:
        meeting_minutes.confirm_minutes(
            turn.session,
            meeting_id,
            chosen_party(party)[0],
            expected_digest=digest or None,
            actor=actor,
            now_ms=held.clock(),
        )

    return _done(request, actor, held, meeting_id, act, anchor="#minutes-title")


@router.post("/meetings/{meeting_id}/addenda", dependencies=FORM)
def add_addendum(
    request: Request, actor: PageActor, held: Held, meeting_id: int, text: Text = "", form_key: Text = ""
) -> Response:
    def act(turn: Turn) -> None:
        meeting_minutes.add_addendum(turn.session, meeting_id, words(text), actor=actor, now_ms=held.clock())

    key = form_key and f"{form_key}-addendum"
    return _done(request, actor, held, meeting_id, act, key=key, asked=["addendum", text], anchor="#addenda-title")
