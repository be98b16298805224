"""The auditor finds what no row tells of any more, and writes it anew with the time at which it was due."""

import pytest
from sqlalchemy import delete, select, update

from alerts import incident
from alerts.deadlines import MINUTE_MS, ActionKind, Goal
from alerts.due_action import DueAction, DueState, actions_of
from alerts.escalation import run_due
from alerts.escalation_audit import Fault, Gap, audit_part, keep_run, last_run, mend_ticket
from alerts.hold import HoldReason
from alerts.severity import Severity
from alerts.ticket import Brought, open_ticket
from alerts.ticket_stages import Stage, TicketKind
from api.escalation_auditor import FIRST_MS, EscalationAuditor
from registry.activity import of_subject
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.site import add_site, get_site

NOW_MS = 1_795_406_400_000  # 2026-11-23T12:00:00+08:00, a Monday
ADMIN = Actor("admin", (Grant(Role.ADMIN, None),))


@pytest.fixture
def ticket_id(database: Database) -> int:
    with database.writing() as session:
        add_site(session, key="xiaohe", now_ms=NOW_MS)
    return opened(database)


def opened(database: Database, case: str = "entrapment") -> int:
    with database.writing() as session:
        return open_ticket(
            session,
            site=get_site(session, "xiaohe"),
            unit=None,
            kind=TicketKind.FAULT,
            title="Stuck",
            severity=Severity.CRITICAL,
            case=case,
            opened_by="system",
            now_ms=NOW_MS,
        ).id


def move(database: Database, ticket_id: int, *stages: Stage, now_ms: int = NOW_MS) -> None:
    for stage in stages:
        with database.writing() as session:
            brought = Brought(hold_reason=HoldReason.PARTS) if stage is Stage.ON_HOLD else Brought()
            incident.move_ticket(session, ticket_id, stage, actor=ADMIN, note="n", brought=brought, now_ms=now_ms)


def look(database: Database, now_ms: int = NOW_MS) -> list[Gap]:
    with database.reading() as session:
        return list(audit_part(session, now_ms=now_ms).gaps)


def lose(database: Database, **where: object) -> list[tuple[str, str, int, int]]:
    """Deletes rows behind the program's back; gives back what they said."""
    with database.writing() as session:
        conditions = [getattr(DueAction, name) == value for name, value in where.items()]
        gone = session.scalars(select(DueAction).where(*conditions).order_by(DueAction.due_ms)).all()
        told = [(row.goal, row.kind, row.number, row.due_ms) for row in gone]
        session.execute(delete(DueAction).where(*conditions))
    assert told, "something was lost"
    return told


def standing(database: Database, ticket_id: int, goal: Goal) -> list[tuple[str, str, int, int]]:
    with database.reading() as session:
        return [
            (row.goal, row.kind, row.number, row.due_ms)
            for row in actions_of(session, ticket_id)
            if row.goal == goal and row.state in (DueState.PENDING, DueState.PAUSED)
        ]


def test_where_nothing_is_missing_nothing_is_found(database: Database, ticket_id: int) -> None:
    assert look(database) == []
    with database.writing() as session:
        run_due(session, now_ms=NOW_MS)
    assert look(database) == []


@pytest.mark.parametrize("number", [0, 2])
def test_a_step_of_the_ladder_that_was_removed_is_found_and_comes_back_with_its_time(
    database: Database, ticket_id: int, number: int
) -> None:
    [lost] = lose(database, goal=Goal.ARRIVAL.value, number=number)
    assert look(database) == [Gap(Fault.MISSING, ticket_id, ActionKind.ESCALATE, Goal.ARRIVAL, number)]
    with database.writing() as session:
        assert len(mend_ticket(session, ticket_id, now_ms=NOW_MS + MINUTE_MS)) == 1
        assert mend_ticket(session, ticket_id, now_ms=NOW_MS + MINUTE_MS) == [], "it is written once"
    assert lost in standing(database, ticket_id, Goal.ARRIVAL)
    assert look(database) == []
    with database.reading() as session:
        verbs = [row.verb for row in of_subject(session, f"ticket:{ticket_id}")]
        assert verbs.count("ticket.deadline_mended") == 1


def test_a_whole_goal_that_was_removed_is_planned_from_when_it_began_to_be_waited_for(
    database: Database, ticket_id: int
) -> None:
    later = NOW_MS + 10 * MINUTE_MS
    work = (Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS, Stage.RESTORED)
    move(database, ticket_id, *work, now_ms=NOW_MS + MINUTE_MS)
    move(database, ticket_id, Stage.IN_PROGRESS, now_ms=later)
    lost = lose(database, goal=Goal.RESTORATION.value, state=DueState.PENDING.value)
    with database.writing() as session:
        mend_ticket(session, ticket_id, now_ms=later)
    assert standing(database, ticket_id, Goal.RESTORATION) == lost


@pytest.mark.parametrize("goal", [Goal.RESPONSE, Goal.RESTORATION])
def test_what_is_long_due_when_it_is_found_is_done_at_once_and_told_late(
    database: Database, ticket_id: int, goal: Goal
) -> None:
    lose(database, goal=goal.value)
    late_ms = NOW_MS + 24 * 60 * MINUTE_MS
    with database.writing() as session:
        mend_ticket(session, ticket_id, now_ms=late_ms)
        run_due(session, now_ms=late_ms)
    with database.reading() as session:
        done = [row for row in actions_of(session, ticket_id) if row.goal == goal and row.kind == ActionKind.ESCALATE]
        assert done
        assert all(row.state == DueState.DONE and (row.late_ms or 0) > MINUTE_MS for row in done)


def test_what_waits_on_hold_comes_back_waiting(database: Database, ticket_id: int) -> None:
    other = opened(database, case="c")
    move(database, other, Stage.TRIAGED, Stage.ON_HOLD)
    assert look(database) == []
    lose(database, ticket_id=other, goal=Goal.RESTORATION.value)
    with database.writing() as session:
        assert {gap.goal for gap in mend_ticket(session, other, now_ms=NOW_MS)} == {Goal.RESTORATION}
    with database.reading() as session:
        states = {row.state for row in actions_of(session, other) if row.goal == Goal.RESTORATION}
        assert states == {"paused"}


def test_a_row_that_says_done_while_the_log_knows_nothing_is_found(database: Database, ticket_id: int) -> None:
    with database.writing() as session:
        session.execute(update(DueAction).where(DueAction.kind == ActionKind.CALL.value).values(state="done"))
    assert look(database) == [Gap(Fault.UNTOLD, ticket_id, ActionKind.CALL, Goal.RESPONSE, 0)]


def test_what_is_due_and_not_done_is_found_after_a_minute(database: Database, ticket_id: int) -> None:
    assert look(database, NOW_MS + MINUTE_MS) == []
    found = look(database, NOW_MS + MINUTE_MS + 1)
    assert [(gap.fault, gap.kind) for gap in found] == [(Fault.OVERDUE, ActionKind.CALL)]


def test_a_ticket_that_has_ended_owes_nothing(database: Database, ticket_id: int) -> None:
    move(database, ticket_id, Stage.CANCELLED)
    lose(database, ticket_id=ticket_id)
    assert look(database) == []
    with database.writing() as session:
        assert mend_ticket(session, ticket_id, now_ms=NOW_MS) == []


def test_the_auditor_walks_over_all_tickets_in_parts_and_writes_down_what_it_found(
    database: Database, ticket_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [opened(database, case=f"c{number}") for number in range(4)]
    lose(database, ticket_id=others[2], goal=Goal.ARRIVAL.value)
    with database.reading() as session:
        parts = [audit_part(session, after_id=0, limit=2, now_ms=NOW_MS)]
        while parts[-1].last_id is not None:
            parts.append(audit_part(session, after_id=parts[-1].last_id, limit=2, now_ms=NOW_MS))
        assert [part.checked for part in parts] == [2, 2, 1]
    auditor = EscalationAuditor(database, started_ms=NOW_MS)
    auditor.step(NOW_MS + FIRST_MS - 1)
    with database.reading() as session:
        assert last_run(session) is None
    auditor.step(NOW_MS + FIRST_MS)
    with database.reading() as session:
        run = last_run(session)
        assert run is not None
        assert (run.tickets, run.missing, run.overdue, run.untold) == (5, 5, 0, 0)
    assert auditor.walk(lambda: NOW_MS + FIRST_MS) == []


def test_old_runs_are_forgotten(database: Database) -> None:
    with database.writing() as session:
        keep_run(session, tickets=1, gaps=[], now_ms=NOW_MS)
        keep_run(session, tickets=2, gaps=[], now_ms=NOW_MS + 40 * 24 * 60 * MINUTE_MS)
        found = last_run(session)
        assert found is not None
        assert found.tickets == 2
