"""The work lists, and one task."""

import secrets
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, Response

from api.one_turn import Turn, one_turn
from api.pages.board import SiteChoice
from api.pages.joint_people import LARGEST_ID, Written, chosen_party, number, party_offers, typed_day, words
from api.pages.joint_problems import answered
from api.pages.joint_words import TASK_MOVE_TITLES, TASK_SOURCE_TITLES, TASK_STATE_TITLES, WORK_LIST_TITLES
from api.pages.rendering import Reader, reader_of, render
from api.pages.ticket_cards import actor_name
from api.pages.wording import PARTY_TITLES
from api.resources import Held, Resources
from api.routes.tasks import open_task_of, task_seen
from api.security import PageActor, check_csrf, check_site, permitted_sites
from governance import work_list
from governance.meeting import AgendaItem
from governance.work_list import (
    MAX_TITLE_LENGTH,
    MAX_WORDS_LENGTH,
    TASK_PARTIES,
    NewTask,
    TaskFilter,
    WorkTask,
    today_at,
)
from governance.work_stages import TASK_MOVES, TaskSource, TaskState, WorkList
from registry.errors import InvalidField, UnknownSite
from registry.role import Actor, Party
from registry.site import DEFAULT_TIMEZONE, Site, get_site, list_sites

TASKS_ON_PAGE = 100

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]
Choice = TypeVar("Choice", bound=StrEnum)


@router.get("/tasks")
def show_tasks(
    request: Request,
    actor: PageActor,
    held: Held,
    site: str = "",
    work_list: str = "",
    party: str = "",
    state: str = "open",
    mine: str = "",
    before: int = 0,
    ticket: int = 0,
) -> HTMLResponse:
    return _page(
        request,
        actor,
        held,
        choice={"site": site, "work_list": work_list, "party": party, "state": state, "mine": mine},
        before_id=min(max(before, 0), LARGEST_ID) or None,
        ticket_id=min(max(ticket, 0), LARGEST_ID),
    )


def _named(kind: type[Choice], name: str) -> Choice | None:
    return next((each for each in kind if each.value == name), None)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    *,
    choice: dict[str, str],
    before_id: int | None = None,
    ticket_id: int = 0,
    problem: str = "",
    written: dict[str, str] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    visible = permitted_sites(request, actor)
    chosen_list, chosen_party_ = _named(WorkList, choice.get("work_list", "")), _named(Party, choice.get("party", ""))
    is_mine, shows_all = bool(choice.get("mine")), choice.get("state") == "all"
    with held.database.reading() as session:
        sites = list_sites(session, visible=visible)
        chosen = next((each for each in sites if each.key == choice.get("site")), None)
        if choice.get("site") and chosen is None:
            raise UnknownSite(choice["site"])
        if chosen is None and len(sites) == 1:
            chosen = sites[0]
        found = work_list.find_tasks(
            session,
            TaskFilter(
                site=chosen.key if chosen is not None else None,
                work_list=chosen_list,
                party=chosen_party_,
                is_open=None if shows_all else True,
                owner_id=actor.person_id if is_mine else None,
            ),
            visible=visible,
            before_id=before_id,
            limit=TASKS_ON_PAGE + 1,
        )
        shown = sorted(found[:TASKS_ON_PAGE], key=_urgency)
        today = today_at(chosen if chosen is not None else Site(timezone=DEFAULT_TIMEZONE), reader.now_ms)
        counts = work_list.count_by_list(
            session, today=today, site=chosen.key if chosen is not None else None, visible=visible
        )
        may_open = chosen is not None and reader.may("POST", "/tasks", site=chosen.key)
        kept = {name: value for name, value in choice.items() if value and not (name == "state" and value == "open")}
        return render(
            request,
            "tasks.html",
            reader,
            status_code=status_code,
            lists=[
                (each.value, _(title), counts.get(each), each is chosen_list)
                for each, title in WORK_LIST_TITLES.items()
            ],
            chosen_list=chosen_list,
            tasks=[task_card(task, reader=reader) for task in shown],
            next_before=found[TASKS_ON_PAGE - 1].id if len(found) > TASKS_ON_PAGE else None,
            choice=kept,
            without_list={name: value for name, value in kept.items() if name != "work_list"},
            is_mine=is_mine,
            shows_all=shows_all,
            parties=[(each.value, _(PARTY_TITLES[each]), each is chosen_party_) for each in TASK_PARTIES],
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            site=chosen.key if chosen is not None else "",
            shows_site=chosen is None,
            may_open=may_open,
            owners=party_offers(session, chosen, TASK_PARTIES, reader=reader) if may_open and chosen else [],
            today=today.isoformat(),
            ticket_id=ticket_id or "",
            max_title_length=MAX_TITLE_LENGTH,
            max_words_length=MAX_WORDS_LENGTH,
            problem=problem,
            written=Written(written or {}),
            form_key=secrets.token_urlsafe(16),
        )


def _urgency(task: WorkTask) -> tuple[bool, date, int]:
    """What is open before what has ended, what is due soon before what may wait."""
    return not task.is_open, task.due_on or date.max, task.id


def task_card(task: WorkTask, *, reader: Reader) -> dict[str, object]:
    """What the lists and its page tell of a task."""
    _ = reader._
    party = _(PARTY_TITLES[Party(task.party)])
    return {
        "id": task.id,
        "title": task.title,
        "site_name": task.site.name,
        "site": task.site.key,
        "work_list_title": _(WORK_LIST_TITLES[WorkList(task.work_list)]),
        "work_list": task.work_list,
        "who": f"{party} · {task.owner.display_name}" if task.owner is not None else party,
        "due_on": task.due_on.isoformat() if task.due_on else "",
        "is_overdue": task.is_overdue(today_at(task.site, reader.now_ms)),
        "is_open": task.is_open,
        "state_title": _(TASK_STATE_TITLES[TaskState(task.state)]),
        "source_title": _(TASK_SOURCE_TITLES[TaskSource(task.source)]),
        "outcome": task.outcome,
        "version": task.version,
    }


@router.post("/tasks", dependencies=FORM)
def open_task(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    title: Text = "",
    owner: Text = "",
    due_on: Text = "",
    description: Text = "",
    into: Text = WorkList.DUTIES.value,
    ticket: Text = "",
    form_key: Text = "",
) -> Response:
    check_site(request, actor, site)

    def act(turn: Turn) -> object:
        party, owner_id = chosen_party(owner)
        wanted = _named(WorkList, into)
        if wanted is None:
            raise InvalidField("work_list", "must be one of the lists")
        new = NewTask(words(title), party, owner_id, typed_day("due_on", due_on), words(description), wanted)
        found = get_site(turn.session, site)
        return open_task_of(request, turn.session, found, new, number(ticket), actor, held.clock()).id

    written = {"title": title, "description": description, "due_on": due_on, "into": into, "owner": owner}
    asked = ["task", site, title, owner, due_on, description, into, ticket]
    return answered(
        request,
        one_turn(held, actor, key=form_key, asked=asked),
        act,
        back=lambda task_id: f"/tasks/{task_id}",
        again=lambda problem, status: _page(
            request, actor, held, choice={"site": site}, problem=problem, written=written, status_code=status
        ),
    )


# One task


@router.get("/tasks/{task_id}")
def show_task(request: Request, actor: PageActor, held: Held, task_id: int) -> HTMLResponse:
    return _task_page(request, actor, held, task_id)


def _task_page(
    request: Request,
    actor: Actor,
    held: Resources,
    task_id: int,
    *,
    problem: str = "",
    note: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        task = task_seen(request, session, actor, min(task_id, LARGEST_ID))
        state, zone = TaskState(task.state), task.site.timezone
        return render(
            request,
            "task.html",
            reader,
            status_code=status_code,
            task=task_card(task, reader=reader),
            description=task.description,
            source_href=_source_href(session, task),
            created=reader.moment(task.created_ms, zone),
            created_by=actor_name(task.created_by, reader=reader),
            ended=reader.moment(task.ended_ms, zone) if task.ended_ms is not None else None,
            reminders=task.reminders,
            moves=[
                (to.value, _(TASK_MOVE_TITLES[to]), TASK_MOVES[state][to].needs_note)
                for to in work_list.allowed_task_moves(task, actor)
            ],
            may_postpone=task.is_open and reader.may("POST", "/tasks/{task_id}/postpone", site=task.site.key),
            may_comment=reader.may("POST", "/tasks/{task_id}/comments", site=task.site.key),
            comments=[
                (reader.moment(row.at_ms, zone), actor_name(row.actor, reader=reader), row.text)
                for row in work_list.comments_of_task(session, task.id)
            ],
            today=today_at(task.site, reader.now_ms).isoformat(),
            max_words_length=MAX_WORDS_LENGTH,
            problem=problem,
            note=note,
            form_key=secrets.token_urlsafe(16),
        )


def _source_href(session: Session, task: WorkTask) -> str:
    """Where a task comes from; empty for one that was entered by hand."""
    if task.source == TaskSource.TICKET:
        return f"/tickets/{task.source_id}"
    item = session.get(AgendaItem, task.source_id) if task.source == TaskSource.MEETING else None
    return f"/meetings/{item.meeting_id}#item-{item.id}" if item is not None else ""


def _done(
    request: Request,
    actor: Actor,
    held: Resources,
    task_id: int,
    act: Callable[[Turn, WorkTask], object],
    *,
    key: str = "",
    asked: object = None,
    note: str = "",
) -> Response:
    def checked(turn: Turn) -> None:
        act(turn, task_seen(request, turn.session, actor, min(task_id, LARGEST_ID)))

    return answered(
        request,
        one_turn(held, actor, key=key, asked=[task_id, asked]),
        checked,
        back=lambda _: f"/tasks/{task_id}",
        again=lambda problem, status: _task_page(
            request, actor, held, task_id, problem=problem, note=note, status_code=status
        ),
    )


@router.post("/tasks/{task_id}/moves", dependencies=FORM)
def move_task(
    request: Request,
    actor: PageActor,
    held: Held,
    task_id: int,
    to: Text = "",
    note: Text = "",
    version: Text = "",
    form_key: Text = "",
) -> Response:
    def act(turn: Turn, task: WorkTask) -> None:
        wanted = _named(TaskState, to)
        if wanted is None:
            raise InvalidField("text", "must be chosen")
        work_list.move_task(
            turn.session,
            task.id,
            wanted,
            actor=actor,
            note=words(note),
            expected_version=number(version),
            now_ms=held.clock(),
        )

    key = form_key and f"{form_key}-{to[:16]}"
    return _done(request, actor, held, task_id, act, key=key, asked=["move", to, note], note=note)


@router.post("/tasks/{task_id}/postpone", dependencies=FORM)
def postpone_task(
    request: Request, actor: PageActor, held: Held, task_id: int, due_on: Text = "", note: Text = ""
) -> Response:
    def act(turn: Turn, task: WorkTask) -> None:
        day = typed_day("due_on", due_on)
        if day is None:
            raise InvalidField("due_on", "must be a day")
        work_list.postpone_task(turn.session, task.id, day, actor=actor, note=words(note), now_ms=held.clock())

    return _done(request, actor, held, task_id, act, note=note)


@router.post("/tasks/{task_id}/comments", dependencies=FORM)
def comment_task(
    request: Request, actor: PageActor, held: Held, task_id: int, text: Text = "", form_key: Text = ""
) -> Response:
    def act(turn: Turn, task: WorkTask) -> None:
        work_list.comment_task(turn.session, task, words(text), actor=actor, now_ms=held.clock())

    key = form_key and f"{form_key}-comment"
    return _done(request, actor, held, task_id, act, key=key, asked=["comment", text])
