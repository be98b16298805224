"""The work lists and their tasks."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.idempotency import IdempotencyKey
from api.instants import rfc3339
from api.one_turn import one_turn
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, LARGEST_ID, AbsentIfEmpty, Cursor, Filter, Id, Limit, Text
from api.routes.shapes import Page, Rfc3339
from api.routes.tickets import ticket_seen
from api.security import ApiActor, check_site, permitted_sites
from governance import work_list
from governance.work_list import (
    MAX_TITLE_LENGTH,
    MAX_WORDS_LENGTH,
    NewTask,
    TaskFilter,
    UnknownTask,
    WorkTask,
    get_task,
    today_at,
)
from governance.work_stages import TaskSource, TaskState, WorkList
from registry.errors import UnknownSite
from registry.role import Actor, Party
from registry.site import DEFAULT_TIMEZONE, Site, find_site, get_site

router = APIRouter(tags=["work lists"])
Words = Annotated[Text, Field(max_length=MAX_WORDS_LENGTH)]


class NewTaskBody(BaseModel):
    """What is to be done, by whom and until when; without an `owner_id` it is the party's."""

    title: Annotated[Text, Field(min_length=1, max_length=MAX_TITLE_LENGTH)]
    party: Party
    owner_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    due_on: date | None = None
    description: Words = ""
    work_list: WorkList = WorkList.DUTIES

    @property
    def new_task(self) -> NewTask:
        return NewTask(
            title=self.title,
            party=self.party,
            owner_id=self.owner_id,
            due_on=self.due_on,
            description=self.description,
            work_list=self.work_list,
        )


class TaskBody(NewTaskBody):
    site: Annotated[Text, Field(max_length=64)]
    ticket_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = Field(
        default=None, description="of the ticket that it comes from"
    )


class TaskTransition(BaseModel):
    to: TaskState
    note: Words = ""
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class Postponement(BaseModel):
    due_on: date
    note: Annotated[Text, Field(min_length=1, max_length=MAX_WORDS_LENGTH)]


class TaskRemark(BaseModel):
    text: Annotated[Text, Field(min_length=1, max_length=MAX_WORDS_LENGTH)]


class TaskShape(BaseModel):
    id: int
    site: str
    work_list: WorkList
    title: str
    party: Party
    owner: str | None = Field(description="name of the account; null when it is the party's")
    due_on: date | None
    is_overdue: bool
    state: TaskState
    version: int
    source: TaskSource
    source_id: int | None = Field(description="id of the ticket, or of the item of a meeting")
    outcome: str = Field(description="what was done, or why it was dropped")
    created_at: Rfc3339


class TaskRemarkShape(BaseModel):
    by: str
    at: Rfc3339
    text: str


class TaskDetail(TaskShape):
    description: str
    comments: list[TaskRemarkShape]
    allowed: list[TaskState] = Field(description="states you may move it to now")


class WorkListShape(BaseModel):
    """Counts of a list; null for the party-building list, of which nothing is ever computed."""

    work_list: WorkList
    open: int | None
    overdue: int | None
    ended: int | None


@router.get("/work-lists")
def show_lists(request: Request, actor: ApiActor, held: Held, site: Filter = None) -> Page[WorkListShape]:
    with held.database.reading() as session:
        zone = (found.timezone if (found := find_site(session, site)) else None) if site else None
        counts = work_list.count_by_list(
            session,
            today=today_at(Site(timezone=zone or DEFAULT_TIMEZONE), held.clock()),
            site=site or None,
            visible=permitted_sites(request, actor),
        )
        shapes = []
        for each in WorkList:
            opened, overdue, ended = counts.get(each, (None, None, None))
            shapes.append(WorkListShape(work_list=each, open=opened, overdue=overdue, ended=ended))
        return Page(items=shapes, next=None)


@router.get("/tasks")
def list_tasks(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    work_list_: Annotated[WorkList | None, AbsentIfEmpty, Query(alias="work_list")] = None,
    state: Annotated[TaskState | None, AbsentIfEmpty, Query()] = None,
    party: Annotated[Party | None, AbsentIfEmpty, Query()] = None,
    mine: Annotated[bool, Query(description="only those that are yours")] = False,
    is_open: Annotated[bool | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[TaskShape]:
    """Tasks, newest first."""
    wanted = TaskFilter(
        site=site or None,
        work_list=work_list_,
        state=state,
        party=party,
        is_open=is_open,
        owner_id=actor.person_id if mine else None,
    )
    with held.database.reading() as session:
        found = work_list.find_tasks(
            session,
            wanted,
            visible=permitted_sites(request, actor),
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[task_shape(task, now_ms=held.clock()) for task in found[:limit]],
            next=str(found[limit - 1].id) if len(found) > limit else None,
        )


@router.post("/tasks", status_code=201)
def open_task(
    request: Request,
    response: Response,
    actor: ApiActor,
    held: Held,
    new: TaskBody,
    idempotency_key: IdempotencyKey = None,
) -> TaskDetail:
    check_site(request, actor, new.site, unknown=UnknownSite(new.site))
    with one_turn(held, actor, key=idempotency_key, asked=["task", new.model_dump(mode="json")]) as turn:
        if turn.earlier is not None:
            task = get_task(turn.session, int(turn.earlier))
        else:
            site = get_site(turn.session, new.site)
            task = open_task_of(request, turn.session, site, new.new_task, new.ticket_id, actor, held.clock())
            turn.remember(task.id)
        response.headers["Location"] = f"/api/v1/tasks/{task.id}"
        return task_detail(turn.session, task, actor=actor, now_ms=held.clock())


def open_task_of(
    request: Request, session: Session, site: Site, new: NewTask, ticket_id: int | None, actor: Actor, now_ms: int
) -> WorkTask:
    """By hand, or of a ticket of the same site. Raises UnknownTicket for one that this person does not see."""
    if ticket_id is None:
        return work_list.open_task(session, site, new, source=TaskSource.HAND, actor=actor, now_ms=now_ms)
    ticket = ticket_seen(request, session, actor, ticket_id)
    return work_list.open_task(
        session, ticket.site, new, source=TaskSource.TICKET, source_id=ticket.id, actor=actor, now_ms=now_ms
    )


@router.get("/tasks/{task_id}")
def show_task(request: Request, actor: ApiActor, held: Held, task_id: Id) -> TaskDetail:
    with held.database.reading() as session:
        task = task_seen(request, session, actor, task_id)
        return task_detail(session, task, actor=actor, now_ms=held.clock())


@router.post("/tasks/{task_id}/transitions")
def move_task(
    request: Request,
    actor: ApiActor,
    held: Held,
    task_id: Id,
    transition: TaskTransition,
    idempotency_key: IdempotencyKey = None,
) -> TaskDetail:
    """Moves a task; `done` and `dropped` need a word. A move that the state does not have is 409 with those it has."""
    asked = ["task-move", task_id, transition.model_dump(mode="json")]
    with one_turn(held, actor, key=idempotency_key, asked=asked) as turn:
        task = task_seen(request, turn.session, actor, task_id)
        if turn.is_first:
            task = work_list.move_task(
                turn.session,
                task_id,
                transition.to,
                actor=actor,
                note=transition.note,
                expected_version=transition.expected_version,
                now_ms=held.clock(),
            )
        return task_detail(turn.session, task, actor=actor, now_ms=held.clock())


@router.post("/tasks/{task_id}/postpone")
def postpone_task(request: Request, actor: ApiActor, held: Held, task_id: Id, new: Postponement) -> TaskDetail:
    with held.database.writing() as session:
        task_seen(request, session, actor, task_id)
        task = work_list.postpone_task(session, task_id, new.due_on, actor=actor, note=new.note, now_ms=held.clock())
        return task_detail(session, task, actor=actor, now_ms=held.clock())


@router.post("/tasks/{task_id}/comments", status_code=201)
def comment_task(
    request: Request,
    actor: ApiActor,
    held: Held,
    task_id: Id,
    new: TaskRemark,
    idempotency_key: IdempotencyKey = None,
) -> TaskDetail:
    with one_turn(held, actor, key=idempotency_key, asked=["task-comment", task_id, new.text]) as turn:
        task = task_seen(request, turn.session, actor, task_id)
        if turn.is_first:
            work_list.comment_task(turn.session, task, new.text, actor=actor, now_ms=held.clock())
        return task_detail(turn.session, task, actor=actor, now_ms=held.clock())


def task_seen(request: Request, session: Session, actor: Actor, task_id: int) -> WorkTask:
    """Raises UnknownTask for one of a site this person may not see."""
    task = get_task(session, task_id)
    check_site(request, actor, task.site.key, unknown=UnknownTask(task_id))
    return task


def task_shape(task: WorkTask, *, now_ms: int) -> TaskShape:
    return TaskShape(
        id=task.id,
        site=task.site.key,
        work_list=WorkList(task.work_list),
        title=task.title,
        party=Party(task.party),
        owner=task.owner.name if task.owner is not None else None,
        due_on=task.due_on,
        is_overdue=task.is_overdue(today_at(task.site, now_ms)),
        state=TaskState(task.state),
        version=task.version,
        source=TaskSource(task.source),
        source_id=task.source_id,
        outcome=task.outcome,
        created_at=rfc3339(task.created_ms, task.site.timezone),
    )


def task_detail(session: Session, task: WorkTask, *, actor: Actor, now_ms: int) -> TaskDetail:
    return TaskDetail(
        **task_shape(task, now_ms=now_ms).model_dump(),
        description=task.description,
        comments=[
            TaskRemarkShape(by=row.actor, at=rfc3339(row.at_ms, task.site.timezone), text=row.text)
            for row in work_list.comments_of_task(session, task.id)
        ],
        allowed=work_list.allowed_task_moves(task, actor),
    )
