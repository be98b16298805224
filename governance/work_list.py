"""The work lists: tasks with an owner, a day until which they are due, and what came of them.

Who may make which move stands in `governance.work_stages`; nothing but `move_task` sets a state.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Date, ForeignKey, Index, Integer, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.errors import GovernanceError, StepNotPermitted, StepNotPossible, SteppedMeanwhile
from governance.work_stages import (
    FINAL_TASK_STATES,
    SOURCES,
    TASK_MOVES,
    TaskMove,
    TaskSource,
    TaskState,
    WorkList,
)
from registry import activity
from registry.activity import Entry
from registry.calendar import hours_of
from registry.database import BigId, Table
from registry.duty import parties_at
from registry.errors import InvalidField
from registry.person import Person
from registry.role import Actor, Party, Role
from registry.site import Site

MAX_TITLE_LENGTH = 200
MAX_WORDS_LENGTH = 4000
TASK_PARTIES = (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY, Party.DISTRICT, Party.OWNERS)
_FINAL = [state.value for state in FINAL_TASK_STATES]


class UnknownTask(GovernanceError):
    def __init__(self, task_id: int) -> None:
        super().__init__(f"no task {task_id}")
        self.task_id = task_id


class WordNeeded(GovernanceError):
    """A move that must say what was done, or why."""

    def __init__(self, subject: str, *, wanted: str) -> None:
        super().__init__(f"{wanted} of {subject} needs a word on what was done, or why")
        self.subject = subject
        self.wanted = wanted


class WorkTask(Table):
    """A task. `source_id` is the item of the meeting, or the ticket, that it comes from."""

    __tablename__ = "work_task"
    __table_args__ = (
        Index("ix_work_task_site_state", "site_id", "state", "due_on"),
        Index("ix_work_task_source", "source", "source_id"),
        Index("ix_work_task_reminder", "next_reminder_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    work_list: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(MAX_TITLE_LENGTH))
    description: Mapped[str] = mapped_column(Text, default="")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    party: Mapped[str] = mapped_column(String(16))
    due_on: Mapped[date | None] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer, default=1)
    source: Mapped[str] = mapped_column(String(16))
    source_id: Mapped[int | None] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(Text, default="")
    """What was done, or why it was dropped."""
    reminders: Mapped[int] = mapped_column(Integer, default=0)
    """How often was told that it is overdue, since it was given its day."""
    next_reminder_ms: Mapped[int | None] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")
    owner: Mapped[Person | None] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"task:{self.id}"

    @property
    def is_open(self) -> bool:
        return TaskState(self.state) not in FINAL_TASK_STATES

    def is_overdue(self, today: date) -> bool:
        return self.is_open and self.due_on is not None and self.due_on < today


class TaskComment(Table):
    __tablename__ = "work_task_comment"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("work_task.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is to be done, by whom, until when; without an `owner_id` it is the party's."""

    title: str
    party: Party
    owner_id: int | None = None
    due_on: date | None = None
    description: str = ""
    work_list: WorkList = WorkList.DUTIES


def today_at(site: Site, now_ms: int) -> date:
    """The day of the site's own calendar."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(site.timezone)).date()


def open_task(
    session: Session,
    site: Site,
    new: NewTask,
    *,
    source: TaskSource,
    source_id: int | None = None,
    actor: Actor,
    now_ms: int,
) -> WorkTask:
    """Raises InvalidField for a task without words, of an owner who is not of the party, or due before today."""
    title = new.title.strip()[:MAX_TITLE_LENGTH]
    if not title:
        raise InvalidField("title", "must say what is to be done")
    if source not in SOURCES[new.work_list]:
        raise InvalidField("work_list", "is a list that only people write, by hand")
    if new.due_on is not None and new.due_on < today_at(site, now_ms):
        raise InvalidField("due_on", "must not be before today")
    task = WorkTask(
        site_id=site.id,
        site=site,
        work_list=new.work_list.value,
        title=title,
        description=new.description.strip()[:MAX_WORDS_LENGTH],
        owner=_owner(session, site, new.owner_id, new.party),
        party=new.party.value,
        due_on=new.due_on,
        state=TaskState.OPEN.value,
        source=source.value,
        source_id=source_id,
        created_by=actor.name,
        created_ms=now_ms,
        updated_ms=now_ms,
        next_reminder_ms=first_reminder_ms(session, site, new.due_on),
    )
    session.add(task)
    session.flush()
    _record(session, task, "task.opened", actor, {}, now_ms=now_ms)
    return task


def _owner(session: Session, site: Site, owner_id: int | None, party: Party) -> Person | None:
    if party not in TASK_PARTIES:
        raise InvalidField("party", "must be one to which a task can be given")
    if owner_id is None:
        return None
    owner = session.get(Person, owner_id)
    if owner is None or not owner.is_active or party not in parties_at(owner, site):
        raise InvalidField("owner", "must be somebody who holds a role of that party here")
    return owner


def first_reminder_ms(session: Session, site: Site, due_on: date | None) -> int | None:
    """The beginning of work on the day after it was due."""
    if due_on is None:
        return None
    start = hours_of(session, site).work_start_min
    local = datetime.combine(due_on + timedelta(days=1), datetime.min.time(), ZoneInfo(site.timezone))
    return round((local + timedelta(minutes=start)).timestamp() * 1000)


def move_task(
    session: Session,
    task_id: int,
    to: TaskState,
    *,
    actor: Actor,
    note: str = "",
    expected_version: int | None = None,
    now_ms: int,
) -> WorkTask:
    """Raises StepNotPossible, SteppedMeanwhile, StepNotPermitted or WordNeeded; changes nothing when it does."""
    task = get_task(session, task_id, for_update=True)
    current = TaskState(task.state)
    moves = TASK_MOVES[current]
    is_stale = expected_version not in (None, task.version)
    if is_stale or to not in moves:
        raise (SteppedMeanwhile if is_stale else StepNotPossible)(
            task.subject, current=current.value, wanted=to.value, allowed=[each.value for each in moves], dates={}
        )
    if not _may(task, moves[to], actor):
        raise StepNotPermitted(task.subject, wanted=to.value, roles=[role.value for role in moves[to].roles])
    if moves[to].needs_note and not note.strip():
        raise WordNeeded(task.subject, wanted=to.value)
    task.state = to.value
    task.version += 1
    task.updated_ms = now_ms
    is_final = to in FINAL_TASK_STATES
    task.ended_ms = now_ms if is_final else None
    task.outcome = note.strip()[:MAX_WORDS_LENGTH] if is_final else ""
    if is_final:
        task.next_reminder_ms = None
    elif current in FINAL_TASK_STATES:
        task.reminders, task.next_reminder_ms = 0, first_reminder_ms(session, task.site, task.due_on)
    session.flush()
    data = {"from": current.value, "to": to.value, "note": note.strip()[:MAX_WORDS_LENGTH]}
    _record(session, task, "task.moved", actor, data, now_ms=now_ms)
    return task


def _may(task: WorkTask, move: TaskMove, actor: Actor) -> bool:
    roles = actor.roles_at(task.site.key)
    is_owner = actor.person_id is not None and actor.person_id == task.owner_id and bool(roles)
    return bool(Role.ADMIN in roles or roles & move.roles or (move.owner_may and is_owner))


def allowed_task_moves(task: WorkTask, actor: Actor) -> list[TaskState]:
    """States this person may move the task to now."""
    return [to for to, move in TASK_MOVES[TaskState(task.state)].items() if _may(task, move, actor)]


def postpone_task(session: Session, task_id: int, due_on: date, *, actor: Actor, note: str, now_ms: int) -> WorkTask:
    """Another day, with the reason. Raises StepNotPossible for a task that has ended, WordNeeded, InvalidField."""
    task = get_task(session, task_id, for_update=True)
    if not task.is_open:
        moves = [each.value for each in TASK_MOVES[TaskState(task.state)]]
        raise StepNotPossible(task.subject, current=task.state, wanted="postponed", allowed=moves, dates={})
    if not note.strip():
        raise WordNeeded(task.subject, wanted="postponed")
    if due_on < today_at(task.site, now_ms):
        raise InvalidField("due_on", "must not be before today")
    before = task.due_on
    task.due_on, task.updated_ms = due_on, now_ms
    task.version += 1
    task.reminders, task.next_reminder_ms = 0, first_reminder_ms(session, task.site, due_on)
    session.flush()
    data = {"before": before.isoformat() if before else None, "note": note.strip()[:MAX_WORDS_LENGTH]}
    _record(session, task, "task.postponed", actor, data, now_ms=now_ms)
    return task


def comment_task(session: Session, task: WorkTask, text: str, *, actor: Actor, now_ms: int) -> TaskComment:
    """Raises InvalidField for a comment that says nothing."""
    text = text.strip()[:MAX_WORDS_LENGTH]
    if not text:
        raise InvalidField("text", "must say something")
    row = TaskComment(task_id=task.id, at_ms=now_ms, actor=actor.name, text=text)
    session.add(row)
    task.updated_ms = now_ms
    session.flush()
    _record(session, task, "task.commented", actor, {"note": text}, now_ms=now_ms)
    return row


def _record(session: Session, task: WorkTask, verb: str, actor: Actor, data: dict[str, Any], *, now_ms: int) -> None:
    entry = Entry(
        verb=verb,
        subject=task.subject,
        actor=actor.name,
        site=task.site.key,
        data={
            "title": task.title,
            "work_list": task.work_list,
            "party": task.party,
            "owner": task.owner.name if task.owner is not None else None,
            "due_on": task.due_on.isoformat() if task.due_on else None,
            "state": task.state,
            **data,
        },
    )
    activity.append(session, [entry], now_ms=now_ms)


# Finding


def get_task(session: Session, task_id: int, *, for_update: bool = False) -> WorkTask:
    query = select(WorkTask).where(WorkTask.id == task_id)
    if for_update:
        query = query.with_for_update(of=WorkTask).execution_options(populate_existing=True)
    task = session.scalar(query)
    if task is None:
        raise UnknownTask(task_id)
    return task


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What is looked for; what is None does not matter. `due_before` finds what was due before that day."""

    site: str | None = None
    work_list: WorkList | None = None
    state: TaskState | None = None
    is_open: bool | None = None
    party: Party | None = None
    owner_id: int | None = None
    due_before: date | None = None


def find_tasks(
    session: Session,
    wanted: TaskFilter,
    *,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[WorkTask]:
    """Tasks, newest first, at most `limit` older than `before_id`."""
    query = select(WorkTask).join(WorkTask.site).order_by(WorkTask.id.desc()).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if wanted.site:
        query = query.where(Site.key == wanted.site)
    for column, value in (
        (WorkTask.work_list, wanted.work_list),
        (WorkTask.state, wanted.state),
        (WorkTask.party, wanted.party),
    ):
        if value is not None:
            query = query.where(column == value.value)
    if wanted.owner_id is not None:
        query = query.where(WorkTask.owner_id == wanted.owner_id)
    if wanted.is_open is not None:
        query = query.where(WorkTask.state.not_in(_FINAL) if wanted.is_open else WorkTask.state.in_(_FINAL))
    if wanted.due_before is not None:
        query = query.where(WorkTask.due_on < wanted.due_before, WorkTask.state.not_in(_FINAL))
    if before_id is not None:
        query = query.where(WorkTask.id < before_id)
    return list(session.scalars(query))


def tasks_of_items(session: Session, item_ids: Collection[int]) -> list[WorkTask]:
    """Tasks that decisions on these items of meetings became."""
    query = select(WorkTask).where(WorkTask.source == TaskSource.MEETING.value, WorkTask.source_id.in_(item_ids))
    return list(session.scalars(query.order_by(WorkTask.id)))


def comments_of_task(session: Session, task_id: int) -> list[TaskComment]:
    return list(session.scalars(select(TaskComment).where(TaskComment.task_id == task_id).order_by(TaskComment.id)))


def count_by_list(
    session: Session, *, today: date, site: str | None = None, visible: Collection[str] | None = None
) -> dict[WorkList, tuple[int, int, int]]:
    """By list: open, of these overdue, ended. The party-building list is not among them: it is never counted."""
    is_over = WorkTask.state.in_(_FINAL)
    query = (
        select(
            WorkTask.work_list,
            func.count().filter(~is_over),
            func.count().filter(~is_over & (WorkTask.due_on < today)),
            func.count().filter(is_over),
        )
        .join(WorkTask.site)
        .where(WorkTask.work_list != WorkList.PARTY_BUILDING.value)
        .group_by(WorkTask.work_list)
    )
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site:
        query = query.where(Site.key == site)
    counted = {name: (opened, overdue, ended) for name, opened, overdue, ended in session.execute(query)}
    return {each: counted.get(each.value, (0, 0, 0)) for each in WorkList if each is not WorkList.PARTY_BUILDING}
