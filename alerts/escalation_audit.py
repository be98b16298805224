"""Finds escalations that should stand, or should have run, and do not; and mends what is missing.

What a ticket calls for follows from its stage and the table of deadlines. The auditor works that out anew and compares
it with the rows that are there, so it also finds what no row tells of any more: one that was deleted, a plan that was
cut short, a row that says done while the log knows nothing of it.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, Integer, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.deadlines import (
    MOST_REMINDERS,
    SECOND_MS,
    ActionKind,
    Deadline,
    Goal,
    Matter,
    PlannedAction,
    has_reached,
    matter_of,
    next_reminder,
    plan_goal,
)
from alerts.due_action import DueAction, DueState, deadlines_of
from alerts.escalation import ACTIVITY_OF
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove, get_ticket
from alerts.ticket_stages import FINAL_STAGES, Stage
from registry import activity
from registry.activity import Activity, Entry
from registry.calendar import hours_of
from registry.database import BigId, Table

BATCH = 200
KEPT_RUNS_MS = 30 * 24 * 3_600_000
OVERDUE_MS = 60_000
"""What has been due for so long and was not done is an escalation that should have run and did not."""


class Fault(StrEnum):
    MISSING = "missing"
    """It should stand, and no row tells of it."""
    OVERDUE = "overdue"
    UNTOLD = "untold"
    """Its row says that it was done, and the log does not."""


@dataclass(frozen=True, slots=True)
class Gap:
    fault: Fault
    ticket_id: int
    kind: ActionKind
    goal: Goal
    number: int


class AuditRun(Table):
    """One walk over all open tickets, and what it found."""

    __tablename__ = "escalation_audit"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    tickets: Mapped[int] = mapped_column(Integer)
    missing: Mapped[int] = mapped_column(Integer)
    """Written anew when they were found."""
    overdue: Mapped[int] = mapped_column(Integer)
    untold: Mapped[int] = mapped_column(Integer)


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of the walk found; `last_id` is where the next begins, None at the end."""

    checked: int
    gaps: tuple[Gap, ...]
    last_id: int | None


def audit_part(session: Session, *, after_id: int = 0, limit: int = BATCH, now_ms: int) -> Part:
    """Looks at the next open tickets; one consistent state, nothing is changed."""
    query = (
        select(Ticket)
        .where(Ticket.id > after_id, Ticket.stage.not_in([stage.value for stage in FINAL_STAGES]))
        .order_by(Ticket.id)
        .limit(limit)
    )
    tickets = list(session.scalars(query))
    ids = [ticket.id for ticket in tickets]
    rows: defaultdict[int, list[DueAction]] = defaultdict(list)
    for row in session.scalars(select(DueAction).where(DueAction.ticket_id.in_(ids))):
        rows[row.ticket_id].append(row)
    told = _told(session, [row for each in rows.values() for row in each if row.state == DueState.DONE])
    deadlines: dict[tuple[int, Matter], list[Deadline]] = {}
    gaps: list[Gap] = []
    for ticket in tickets:
        key = (ticket.site_id, matter_of(ticket.case, Severity(ticket.severity)))
        if key not in deadlines:
            deadlines[key] = deadlines_of(session, *key)
        gaps += [_gap(Fault.MISSING, ticket.id, each) for each in _missing(ticket, rows[ticket.id], deadlines[key])]
        for row in rows[ticket.id]:
            if row.state == DueState.PENDING and row.due_ms < now_ms - OVERDUE_MS:
                gaps.append(_gap_of(Fault.OVERDUE, row))
            elif row.state == DueState.DONE and _mark(row) not in told[ticket.id]:
                gaps.append(_gap_of(Fault.UNTOLD, row))
    return Part(len(tickets), tuple(gaps), ids[-1] if len(ids) == limit else None)


def _gap(fault: Fault, ticket_id: int, action: PlannedAction) -> Gap:
    return Gap(fault, ticket_id, action.kind, action.goal, action.number)


def _gap_of(fault: Fault, row: DueAction) -> Gap:
    return Gap(fault, row.ticket_id, ActionKind(row.kind), Goal(row.goal), row.number)


_Mark = tuple[str, str, int, int]


def _mark(row: DueAction) -> _Mark:
    return ACTIVITY_OF[ActionKind(row.kind)], row.goal, row.number, row.due_ms


def _told(session: Session, done: Sequence[DueAction]) -> defaultdict[int, set[_Mark]]:
    """What the log says was done, by ticket."""
    subjects = {f"ticket:{row.ticket_id}": row.ticket_id for row in done}
    found: defaultdict[int, set[_Mark]] = defaultdict(set)
    query = select(Activity.subject, Activity.verb, Activity.data).where(
        Activity.subject.in_(subjects), Activity.verb.in_(ACTIVITY_OF.values())
    )
    for subject, verb, data in session.execute(query):
        mark = (verb, str(data.get("goal")), int(data.get("number", -1)), int(data.get("due_ms", -1)))
        found[subjects[subject]].add(mark)
    return found


def _missing(ticket: Ticket, rows: Collection[DueAction], deadlines: Sequence[Deadline]) -> list[PlannedAction]:
    """What the ticket calls for at its stage and no row tells of; without a time yet."""
    stage = Stage(ticket.stage)
    standing = {
        (row.goal, row.kind, row.number)
        for row in rows
        if row.state in (DueState.PENDING, DueState.PAUSED, DueState.DONE)
    }
    wanted = [
        PlannedAction(ActionKind.ESCALATE, deadline.goal, rung, number, 0)
        for deadline in deadlines
        if _is_called_for(deadline.goal, stage, rows)
        for number, rung in enumerate(deadline.rungs)
    ]
    found = [each for each in wanted if (each.goal.value, each.kind.value, each.number) not in standing]
    if not any(row.kind == ActionKind.CALL for row in rows):
        found.append(PlannedAction(ActionKind.CALL, Goal.RESPONSE, 0, 0, 0))
    reminders = [row for row in rows if row.kind == ActionKind.REMIND]
    if stage is Stage.REPORTED and not any(row.state == DueState.PENDING for row in reminders):
        last = max((row.number for row in reminders if row.state == DueState.DONE), default=0)
        if last < MOST_REMINDERS:
            found.append(PlannedAction(ActionKind.REMIND, Goal.RESPONSE, 0, last + 1, 0))
    return found


def _is_called_for(goal: Goal, stage: Stage, rows: Collection[DueAction]) -> bool:
    if goal is Goal.VERIFICATION:
        return stage is Stage.RESTORED
    if has_reached(stage, goal):
        return False
    if stage is Stage.ON_HOLD and goal in (Goal.ON_THE_WAY, Goal.ARRIVAL):
        # People may have been there before the case was put on hold: then it was taken back for good.
        return not any(row.goal == goal and row.state == DueState.CANCELLED for row in rows)
    return True


def mend_ticket(session: Session, ticket_id: int, *, now_ms: int) -> list[Gap]:
    """Writes anew what is missing, with the time at which it was due; what lies behind is done at once and told late.

    The ticket is held and looked at again: somebody may have moved it, or mended it, meanwhile.
    """
    ticket = get_ticket(session, ticket_id, for_update=True)
    stage = Stage(ticket.stage)
    if stage in FINAL_STAGES:
        return []
    rows = list(session.scalars(select(DueAction).where(DueAction.ticket_id == ticket_id)))
    matter = matter_of(ticket.case, Severity(ticket.severity))
    deadlines = {each.goal: each for each in deadlines_of(session, ticket.site_id, matter)}
    missing = _missing(ticket, rows, list(deadlines.values()))
    if not missing:
        return []
    hours = hours_of(session, ticket.site)
    since_ms = {goal: _since_ms(session, ticket, goal) for goal in {each.goal for each in missing}}
    times = {
        (goal, each.number): each.due_ms
        for goal in since_ms
        if goal in deadlines
        for each in plan_goal(deadlines[goal], start_ms=since_ms[goal], hours=hours)
    }
    keys = {row.key for row in rows}
    entries = []
    for action in missing:
        due_ms = now_ms
        if action.kind is ActionKind.ESCALATE:
            due_ms = _beside(rows, action, deadlines[action.goal]) or times[action.goal, action.number]
        elif action.kind is ActionKind.REMIND:
            reminder = next_reminder(matter, number=action.number, after_ms=now_ms, hours=hours)
            due_ms = reminder.due_ms if reminder is not None else now_ms
        is_waiting = action.kind is not ActionKind.CALL and stage is Stage.ON_HOLD and not deadlines[action.goal].is_law
        key = (
            f"{ticket.subject}:{ticket.version}:{matter.value}:{action.goal.value}:{action.kind.value}:{action.number}"
        )
        while key in keys:
            key += ":again"
        keys.add(key)
        session.add(
            DueAction(
                key=key[:100],
                ticket_id=ticket_id,
                site_id=ticket.site_id,
                round=ticket.version,
                matter=matter.value,
                kind=action.kind.value,
                goal=action.goal.value,
                rung=action.rung,
                number=action.number,
                state=(DueState.PAUSED if is_waiting else DueState.PENDING).value,
                due_ms=due_ms,
                paused_ms=now_ms if is_waiting else None,
            )
        )
        entries.append(_mended(ticket, action, due_ms))
    session.flush()
    activity.append(session, entries, now_ms=now_ms)
    return [_gap(Fault.MISSING, ticket_id, action) for action in missing]


def _beside(rows: Sequence[DueAction], action: PlannedAction, deadline: Deadline) -> int | None:
    """When it was due, by another step of the same ladder that is still there."""
    newest = max(
        (row for row in rows if (row.goal, row.kind) == (action.goal, action.kind) and row.state != DueState.CANCELLED),
        key=lambda row: row.round,
        default=None,
    )
    if newest is None:
        return None
    return newest.due_ms + (action.number - newest.number) * deadline.step_s * SECOND_MS


def _since_ms(session: Session, ticket: Ticket, goal: Goal) -> int:
    """Since when the goal has been waited for."""
    if goal is Goal.RESPONSE:
        return ticket.opened_ms
    moves = list(session.scalars(select(TicketMove).where(TicketMove.ticket_id == ticket.id).order_by(TicketMove.id)))
    since_ms = ticket.opened_ms
    for move in moves:
        before = Stage(move.from_stage) if move.from_stage else None
        after = Stage(move.to_stage)
        is_lost = before is not None and has_reached(before, goal) and not has_reached(after, goal)
        if is_lost or (goal is Goal.VERIFICATION and after is Stage.RESTORED):
            since_ms = move.at_ms
    return since_ms


def _mended(ticket: Ticket, action: PlannedAction, due_ms: int) -> Entry:
    return Entry(
        verb="ticket.deadline_mended",
        subject=ticket.subject,
        site=ticket.site.key,
        unit_id=ticket.unit_id,
        data={
            "title": ticket.title,
            "opened_by": ticket.opened_by,
            "kind": action.kind.value,
            "goal": action.goal.value,
            "number": action.number,
            "due_ms": due_ms,
        },
    )


def keep_run(session: Session, *, tickets: int, gaps: Collection[Gap], now_ms: int) -> AuditRun:
    """Writes down what a whole walk found."""
    session.execute(delete(AuditRun).where(AuditRun.at_ms < now_ms - KEPT_RUNS_MS))
    counts = {fault: sum(gap.fault is fault for gap in gaps) for fault in Fault}
    run = AuditRun(
        at_ms=now_ms,
        tickets=tickets,
        missing=counts[Fault.MISSING],
        overdue=counts[Fault.OVERDUE],
        untold=counts[Fault.UNTOLD],
    )
    session.add(run)
    session.flush()
    return run


def last_run(session: Session) -> AuditRun | None:
    return session.scalar(select(AuditRun).order_by(AuditRun.id.desc()).limit(1))
