"""Does what is due: calls, reminders and the steps of the ladder, each once, whoever does it and however late.

The head of the activity log is held first and the due rows after it. Whoever moves a ticket takes them in the other
order, but never waits for a row that is held here: it was skipped, or it waits for the head as everybody does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.alarm_flood import flood_now
from alerts.deadlines import LADDER, MINUTE_MS, ActionKind, Deadline, Goal, Matter, Rung, has_reached
from alerts.due_action import DueAction, DueState, deadlines_of, following_reminder
from alerts.notification import Call, Told, tell
from alerts.severity import Severity
from alerts.ticket import Ticket
from alerts.ticket_stages import FINAL_STAGES, Stage
from registry import activity
from registry.activity import Entry
from registry.calendar import Hours, hours_of
from registry.duty import holders, on_duty_of, shifts_of
from registry.person import Person
from registry.role import Party
from registry.site import Site

BATCH = 100
TOLD_LATE_MS = MINUTE_MS
"""From here on it is told that an action came late."""
FLOOD_DIGEST_MS = 2 * MINUTE_MS
"""[P] So long calls for major cases are gathered while alarms flood a compound."""

ACTIVITY_OF: Mapping[ActionKind, str] = {
    ActionKind.CALL: "ticket.called",
    ActionKind.REMIND: "ticket.reminded",
    ActionKind.ESCALATE: "ticket.escalated",
}


@dataclass(frozen=True, slots=True)
class Responsible:
    """Who is told. `is_nobody_on_duty`: there is a roster, and it has a gap just now."""

    people: list[Person]
    is_nobody_on_duty: bool


def run_due(session: Session, *, now_ms: int, limit: int = BATCH) -> int:
    """Does up to `limit` of what is due by now; returns how many rows it settled. One transaction, the caller's."""
    # Takes the head of the log, before any row that somebody else might wait for.
    activity.append(session, [], now_ms=now_ms)
    query = (
        select(DueAction)
        .where(DueAction.state == DueState.PENDING.value, DueAction.due_ms <= now_ms)
        .order_by(DueAction.due_ms, DueAction.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = list(session.scalars(query))
    if not rows:
        return 0
    found = session.scalars(select(Ticket).where(Ticket.id.in_({row.ticket_id for row in rows})))
    tickets = {ticket.id: ticket for ticket in found}
    desk = _Desk(session, now_ms=now_ms)
    done: list[tuple[DueAction, Ticket, Call]] = []
    # Nothing that is asked meanwhile depends on these rows: they are written together.
    with session.no_autoflush:
        for row in rows:
            ticket = tickets[row.ticket_id]
            if _is_needless(row, Stage(ticket.stage)):
                row.state = DueState.CANCELLED.value
                continue
            row.state, row.executed_ms, row.late_ms = DueState.DONE.value, now_ms, now_ms - row.due_ms
            done.append((row, ticket, desk.do(row, ticket)))
    session.flush()
    counts = tell(session, [call for _, _, call in done], now_ms=now_ms)
    entries = [_entry(row, ticket, call, count) for (row, ticket, call), count in zip(done, counts, strict=True)]
    if entries:
        activity.append(session, entries, now_ms=now_ms)
    return len(rows)


def _is_needless(row: DueAction, stage: Stage) -> bool:
    if stage in FINAL_STAGES:
        return True
    return row.kind != ActionKind.CALL and has_reached(stage, Goal(row.goal))


class _Desk:
    """Does one batch; who is responsible where is looked up once."""

    def __init__(self, session: Session, *, now_ms: int) -> None:
        self._session = session
        self._now_ms = now_ms
        self._responsible: dict[tuple[int, int], Responsible] = {}
        self._hours: dict[int, Hours] = {}
        self._floods: dict[int, bool] = {}
        self._deadlines: dict[tuple[int, str], list[Deadline]] = {}

    def do(self, row: DueAction, ticket: Ticket) -> Call:
        """Who is to be told what; what comes next is planned."""
        kind = ActionKind(row.kind)
        answer = self._answer(ticket, row.rung)
        people, reached = list(answer.people), row.rung
        while not people and reached + 1 < len(LADDER):
            # Nobody of that party is known: the next rung is told instead, and that this one is empty.
            reached += 1
            people = list(self._answer(ticket, reached).people)
        if answer.is_nobody_on_duty and row.rung + 1 < len(LADDER):
            people += [each for each in self._answer(ticket, row.rung + 1).people if each not in people]
        late_ms = row.late_ms or 0
        data: dict[str, Any] = {
            "goal": row.goal,
            "kind": row.kind,
            "matter": row.matter,
            "rung": row.rung,
            "number": row.number,
            "due_ms": row.due_ms,
            "late_min": late_ms // MINUTE_MS if late_ms >= TOLD_LATE_MS else 0,
            "nobody_on_duty": answer.is_nobody_on_duty,
            "nobody_known": not answer.people,
        }
        told = Told(
            key=row.key,
            template=row.kind,
            severity=Severity(ticket.severity),
            ticket_id=ticket.id,
            site=ticket.site.key,
            data=data
            | {
                "title": ticket.title,
                "opened_by": ticket.opened_by,
                "unit": ticket.unit.name if ticket.unit is not None else "",
                "building": ticket.unit.building if ticket.unit is not None else "",
                "site_name": ticket.site.name,
                "zone": ticket.site.timezone,
                "opened_ms": ticket.opened_ms,
                **self._basis(row),
            },
        )
        if ticket.site_id not in self._hours:
            self._hours[ticket.site_id] = hours_of(self._session, ticket.site)
        if kind is ActionKind.REMIND:
            following = following_reminder(row, hours=self._hours[ticket.site_id], now_ms=self._now_ms)
            if following is not None:
                self._session.add(following)
        return Call(told, people, self._hours[ticket.site_id], gather_ms=self._gather_ms(kind, ticket))

    def _gather_ms(self, kind: ActionKind, ticket: Ticket) -> int:
        """In a flood of alarms the calls of a few minutes go out as one; what is critical, or late, never waits."""
        if kind is not ActionKind.CALL or ticket.severity != Severity.MAJOR:
            return 0
        if ticket.site_id not in self._floods:
            self._floods[ticket.site_id] = flood_now(self._session, [ticket.site_id], now_ms=self._now_ms) is not None
        return FLOOD_DIGEST_MS if self._floods[ticket.site_id] else 0

    def _basis(self, row: DueAction) -> dict[str, Any]:
        key = (row.site_id, row.matter)
        if key not in self._deadlines:
            self._deadlines[key] = deadlines_of(self._session, row.site_id, Matter(row.matter))
        for deadline in self._deadlines[key]:
            if deadline.goal == row.goal:
                return {"basis": deadline.basis, "is_law": deadline.is_law, "within_s": deadline.within_s}
        return {"basis": "", "is_law": False, "within_s": 0}

    def _answer(self, ticket: Ticket, rung: int) -> Responsible:
        key = (ticket.site_id, rung)
        if key not in self._responsible:
            self._responsible[key] = responsible(self._session, ticket, LADDER[rung], at_ms=self._now_ms)
        return self._responsible[key]


_RECORDED = ("goal", "kind", "matter", "rung", "number", "due_ms", "late_min", "nobody_on_duty", "nobody_known")


def _entry(row: DueAction, ticket: Ticket, call: Call, count: int) -> Entry:
    return Entry(
        verb=ACTIVITY_OF[ActionKind(row.kind)],
        subject=ticket.subject,
        site=ticket.site.key,
        unit_id=ticket.unit_id,
        data={
            "title": ticket.title,
            "severity": ticket.severity,
            "stage": ticket.stage,
            "unit": ticket.unit.unit_key.path if ticket.unit is not None else None,
            "told": count,
            **{name: call.told.data[name] for name in _RECORDED},
        },
    )


def responsible(session: Session, ticket: Ticket, rung: Rung, *, at_ms: int) -> Responsible:
    """Who is on duty for the rung; all who hold its roles where there is no roster, and where it has a gap."""
    site = ticket.site
    has_roster = False
    if rung.party is not Party.DISTRICT:
        roster = shifts_of(session, site.id, party=rung.party)
        present = [each.person for each in on_duty_of(session, roster, site, rung.party, at_ms=at_ms)]
        if present:
            return Responsible(present, is_nobody_on_duty=False)
        has_roster = bool(roster)
    everybody = holders(session, site, rung.roles, is_everywhere=rung.is_everywhere)
    return Responsible(everybody, is_nobody_on_duty=has_roster)


def list_due(
    session: Session,
    state: DueState,
    *,
    visible: Collection[str] | None = None,
    site: str | None = None,
    limit: int,
) -> list[tuple[DueAction, Ticket]]:
    """Actions with their tickets: what is to come by its time, what was done newest first."""
    query = select(DueAction, Ticket).join(Ticket, Ticket.id == DueAction.ticket_id).join(Ticket.site)
    query = query.where(DueAction.state == state.value)
    if state is DueState.DONE:
        query = query.order_by(DueAction.executed_ms.desc(), DueAction.id.desc())
    else:
        query = query.order_by(DueAction.due_ms, DueAction.id)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site:
        query = query.where(Site.key == site)
    return [(action, ticket) for action, ticket in session.execute(query.limit(limit))]
