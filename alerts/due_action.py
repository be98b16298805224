"""What is to be done about a ticket at a time: rows that are written, paused and taken back with the ticket's moves.

A row is done exactly once, by whoever holds it; `alerts.escalation` does them.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.deadlines import (
    DEADLINES,
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
from alerts.severity import Severity
from alerts.ticket_stages import FINAL_STAGES, Stage
from registry.calendar import Hours, hours_of
from registry.database import BigId, Table
from registry.site import Site


class DueState(StrEnum):
    PENDING = "pending"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class DueAction(Table):
    """One thing to do at `due_ms`. `key` is what makes it one: the ticket, its round, the goal, kind and number."""

    __tablename__ = "due_action"
    __table_args__ = (
        Index("ix_due_action_state_due", "state", "due_ms"),
        Index("ix_due_action_ticket", "ticket_id", "state"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(100), unique=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    round: Mapped[int] = mapped_column(Integer)
    """The ticket's version when it was planned."""
    matter: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16))
    goal: Mapped[str] = mapped_column(String(16))
    rung: Mapped[int] = mapped_column(Integer)
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default=DueState.PENDING.value)
    due_ms: Mapped[int] = mapped_column(BigInteger)
    paused_ms: Mapped[int | None] = mapped_column(BigInteger)
    executed_ms: Mapped[int | None] = mapped_column(BigInteger)
    late_ms: Mapped[int | None] = mapped_column(BigInteger)
    """By how much it was done too late."""


class DeadlineRule(Table):
    """A deadline that a compound set for itself."""

    __tablename__ = "deadline_rule"

    site_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    matter: Mapped[str] = mapped_column(String(16), primary_key=True)
    goal: Mapped[str] = mapped_column(String(16), primary_key=True)
    within_s: Mapped[int] = mapped_column(Integer)


def deadlines_of(session: Session, site_id: int, matter: Matter) -> list[Deadline]:
    """The table's deadlines with what the compound set for itself."""
    query = select(DeadlineRule).where(DeadlineRule.site_id == site_id, DeadlineRule.matter == matter.value)
    own = {rule.goal: rule.within_s for rule in session.scalars(query)}
    return [_with_own(deadline, own.get(deadline.goal.value)) for deadline in DEADLINES[matter]]


def _with_own(deadline: Deadline, within_s: int | None) -> Deadline:
    if within_s is None:
        return deadline
    return Deadline(
        goal=deadline.goal,
        within_s=within_s,
        basis=deadline.basis,
        is_law=deadline.is_law,
        is_working_time=deadline.is_working_time,
        rungs=deadline.rungs,
        step_s=deadline.step_s,
    )


def plan_ticket(
    session: Session, ticket_id: int, *, site: Site, case: str, severity: str, stage: Stage, version: int, now_ms: int
) -> None:
    """Writes what a ticket that was just opened at that stage calls for; in the caller's transaction."""
    matter = matter_of(case, Severity(severity))
    hours = hours_of(session, site)
    planned = [PlannedAction(ActionKind.CALL, Goal.RESPONSE, 0, 0, now_ms)]
    for deadline in deadlines_of(session, site.id, matter):
        if deadline.goal is not Goal.VERIFICATION and not has_reached(stage, deadline.goal):
            planned += plan_goal(deadline, start_ms=now_ms, hours=hours)
    reminder = next_reminder(matter, number=1, after_ms=now_ms, hours=hours)
    if reminder is not None:
        planned.append(reminder)
    _write(session, ticket_id, site_id=site.id, matter=matter, version=version, planned=planned)


def follow_move(
    session: Session,
    ticket_id: int,
    *,
    site: Site,
    case: str,
    severity: str,
    before: Stage,
    stage: Stage,
    version: int,
    now_ms: int,
) -> None:
    """Takes back what a move made needless, pauses on hold what is not law, and plans what it calls for anew."""
    matter = matter_of(case, Severity(severity))
    if stage in FINAL_STAGES:
        _set_state(session, ticket_id, list(Goal), DueState.CANCELLED)
        return
    deadlines = {deadline.goal: deadline for deadline in deadlines_of(session, site.id, matter)}
    hours = hours_of(session, site)
    if stage is Stage.ON_HOLD:
        # Taken up it is; its other goals wait, but the law does not.
        _set_state(session, ticket_id, [Goal.RESPONSE], DueState.CANCELLED)
        waiting = [goal for goal in Goal if not (goal in deadlines and deadlines[goal].is_law)]
        _set_state(session, ticket_id, waiting, DueState.PAUSED, paused_ms=now_ms)
        return
    if before is Stage.ON_HOLD:
        _resume(session, ticket_id, now_ms=now_ms)
    _set_state(session, ticket_id, [goal for goal in Goal if has_reached(stage, goal)], DueState.CANCELLED)
    planned: list[PlannedAction] = []
    live = set(_live_goals(session, ticket_id))
    for goal, deadline in deadlines.items():
        is_wanted = stage is Stage.RESTORED if goal is Goal.VERIFICATION else goal is not Goal.RESPONSE
        is_sent_again = before is Stage.ON_HOLD and stage is Stage.TRIAGED and goal in (Goal.ON_THE_WAY, Goal.ARRIVAL)
        was_lost = has_reached(before, goal) or is_sent_again or goal is Goal.VERIFICATION
        if is_wanted and was_lost and goal.value not in live and not has_reached(stage, goal):
            planned += plan_goal(deadline, start_ms=now_ms, hours=hours)
    if stage is Stage.IN_PROGRESS:
        # Found not to be right: there is nothing to verify until it is restored again.
        _set_state(session, ticket_id, [Goal.VERIFICATION], DueState.CANCELLED)
    _write(session, ticket_id, site_id=site.id, matter=matter, version=version, planned=planned)


def follow_severity(
    session: Session, ticket_id: int, *, site: Site, case: str, severity: str, stage: Stage, version: int, now_ms: int
) -> None:
    """A ticket became graver: what it calls for is planned anew, from now."""
    matter = matter_of(case, Severity(severity))
    planned_for = session.scalars(
        select(DueAction.matter).where(DueAction.ticket_id == ticket_id).order_by(DueAction.id.desc()).limit(1)
    ).first()
    if planned_for == matter.value or stage in FINAL_STAGES:
        return
    session.execute(
        delete(DueAction).where(
            DueAction.ticket_id == ticket_id, DueAction.state.in_([DueState.PENDING.value, DueState.PAUSED.value])
        )
    )
    hours = hours_of(session, site)
    planned = [PlannedAction(ActionKind.CALL, Goal.RESPONSE, 0, 0, now_ms)]
    for deadline in deadlines_of(session, site.id, matter):
        is_wanted = stage is Stage.RESTORED if deadline.goal is Goal.VERIFICATION else True
        if is_wanted and not has_reached(stage, deadline.goal):
            planned += plan_goal(deadline, start_ms=now_ms, hours=hours)
    reminder = next_reminder(matter, number=1, after_ms=now_ms, hours=hours)
    if reminder is not None and not has_reached(stage, Goal.RESPONSE):
        planned.append(reminder)
    _write(session, ticket_id, site_id=site.id, matter=matter, version=version, planned=planned)


def following_reminder(done: DueAction, *, hours: Hours, now_ms: int) -> DueAction | None:
    """The row of the next reminder: they go on until somebody has taken the ticket up, which takes it back."""
    matter = Matter(done.matter)
    reminder = next_reminder(matter, number=done.number + 1, after_ms=now_ms, hours=hours)
    if reminder is None:
        return None
    return _row(done.ticket_id, reminder, site_id=done.site_id, matter=matter, version=done.round)


def _write(
    session: Session, ticket_id: int, *, site_id: int, matter: Matter, version: int, planned: list[PlannedAction]
) -> None:
    session.add_all(_row(ticket_id, each, site_id=site_id, matter=matter, version=version) for each in planned)
    session.flush()


def _row(ticket_id: int, planned: PlannedAction, *, site_id: int, matter: Matter, version: int) -> DueAction:
    goal, kind = planned.goal.value, planned.kind.value
    return DueAction(
        key=f"ticket:{ticket_id}:{version}:{matter.value}:{goal}:{kind}:{planned.number}",
        ticket_id=ticket_id,
        site_id=site_id,
        round=version,
        matter=matter.value,
        kind=kind,
        goal=goal,
        rung=planned.rung,
        number=planned.number,
        state=DueState.PENDING.value,
        due_ms=planned.due_ms,
    )


def _set_state(
    session: Session, ticket_id: int, goals: list[Goal], state: DueState, *, paused_ms: int | None = None
) -> None:
    before = [DueState.PENDING.value] if state is DueState.PAUSED else [DueState.PENDING.value, DueState.PAUSED.value]
    values: dict[str, Any] = {"state": state.value, "paused_ms": paused_ms}
    session.execute(
        update(DueAction)
        .where(
            DueAction.ticket_id == ticket_id,
            DueAction.goal.in_([goal.value for goal in goals]),
            DueAction.state.in_(before),
            # Whose turn it is was told in the same moment that the row was written; that call still goes out.
            DueAction.kind != ActionKind.CALL.value,
        )
        .values(**values)
    )


def _resume(session: Session, ticket_id: int, *, now_ms: int) -> None:
    session.execute(
        update(DueAction)
        .where(DueAction.ticket_id == ticket_id, DueAction.state == DueState.PAUSED.value)
        .values(
            state=DueState.PENDING.value,
            due_ms=DueAction.due_ms + (now_ms - DueAction.paused_ms),
            paused_ms=None,
        )
    )


def _live_goals(session: Session, ticket_id: int) -> list[str]:
    query = select(DueAction.goal).where(DueAction.ticket_id == ticket_id, DueAction.state == DueState.PENDING.value)
    return list(session.scalars(query.distinct()))


def actions_of(session: Session, ticket_id: int) -> list[DueAction]:
    query = select(DueAction).where(DueAction.ticket_id == ticket_id)
    return list(session.scalars(query.order_by(DueAction.due_ms, DueAction.id)))


def oldest_due_ms(session: Session, *, now_ms: int) -> int | None:
    """When the oldest of what should have been done by now was due; None when nothing is overdue."""
    return session.scalar(
        select(func.min(DueAction.due_ms)).where(DueAction.state == DueState.PENDING.value, DueAction.due_ms <= now_ms)
    )


def count_overdue(session: Session, *, before_ms: int) -> int:
    """Pending rows that were due before then: escalations that should have run and did not."""
    query = select(func.count()).where(DueAction.state == DueState.PENDING.value, DueAction.due_ms < before_ms)
    return session.scalar(query) or 0
