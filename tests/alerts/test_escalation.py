"""Deadlines: what is planned with a ticket, what its moves take back, and that each action is done once."""

import threading
from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerts import incident
from alerts.deadlines import (
    DEADLINES,
    LADDER,
    LONGEST_BY_LAW_S,
    MINUTE_MS,
    ActionKind,
    Goal,
    Matter,
    matter_of,
    plan_goal,
)
from alerts.due_action import DueAction, DueState, actions_of, count_overdue
from alerts.errors import AlertsError
from alerts.escalation import run_due
from alerts.escalation_audit import audit_part
from alerts.notification import Notification
from alerts.severity import Severity
from alerts.ticket import Ticket, get_ticket, make_graver, open_ticket
from alerts.ticket_stages import Stage, TicketKind
from registry.activity import of_subject
from registry.calendar import Hours
from registry.database import Database
from registry.duty import Days, add_absence, add_shift
from registry.person import Person, RoleGrant
from registry.role import Actor, Grant, Party, Role
from registry.site import Site, add_site

NOW_MS = 1_795_406_400_000  # 2026-11-23T12:00:00+08:00, a Monday
ADMIN = Actor("admin", (Grant(Role.ADMIN, None),))


@dataclass
class Office:
    database: Database
    site_id: int
    people: dict[str, int]

    def open(self, case: str = "entrapment", severity: Severity = Severity.CRITICAL, now_ms: int = NOW_MS) -> int:
        with self.database.writing() as session:
            ticket = open_ticket(
                session,
                site=session.get_one(Site, self.site_id),
                unit=None,
                kind=TicketKind.FAULT,
                title="Stuck",
                severity=severity,
                case=case,
                opened_by="system",
                now_ms=now_ms,
            )
            return ticket.id

    def move(self, ticket_id: int, *stages: Stage, now_ms: int) -> None:
        for stage in stages:
            with self.database.writing() as session:
                incident.move_ticket(session, ticket_id, stage, actor=ADMIN, note="so", now_ms=now_ms)

    def run(self, now_ms: int) -> int:
        done = 0
        while True:
            with self.database.writing() as session:
                count = run_due(session, now_ms=now_ms)
            done += count
            if not count:
                return done

    def actions(self, ticket_id: int) -> list[DueAction]:
        with self.database.reading() as session:
            rows = actions_of(session, ticket_id)
            session.expunge_all()
            return rows

    def told(self, ticket_id: int, kind: str | None = None) -> list[tuple[str, str]]:
        """(kind:goal:number, name) in the order of telling."""
        with self.database.reading() as session:
            rows = session.scalars(
                select(Notification).where(Notification.ticket_id == ticket_id).order_by(Notification.id)
            )
            return [
                (f"{row.template}:{row.data['goal']}:{row.data['number']}", row.person.name)
                for row in rows
                if kind in (None, row.template)
            ]


@pytest.fixture
def office(database: Database) -> Office:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=0)
        people: dict[str, int] = {}
        for name, role, where in (
            ("manager", Role.PROPERTY_MANAGER, site),
            ("technician", Role.TECHNICIAN, site),
            ("committee", Role.COMMITTEE_MEMBER, site),
            ("community", Role.COMMUNITY_OFFICER, site),
            ("street", Role.DISTRICT_OFFICER, site),
            ("district", Role.DISTRICT_OFFICER, None),
            ("owner", Role.OWNER, site),
        ):
            person = Person(
                name=name,
                display_name=name,
                password_hash="none",
                created_ms=0,
                grants=[RoleGrant(role=role.value, site=where)],
            )
            session.add(person)
            session.flush()
            people[name] = person.id
        return Office(database, site.id, people)


def test_every_matter_has_deadlines_and_the_law_is_marked() -> None:
    assert set(DEADLINES) == set(Matter)
    arrival = next(each for each in DEADLINES[Matter.ENTRAPMENT] if each.goal is Goal.ARRIVAL)
    assert (arrival.within_s, arrival.is_law) == (1800, True)
    accident = next(each for each in DEADLINES[Matter.ENTRAPMENT] if each.goal is Goal.RESTORATION)
    assert (accident.within_s, accident.is_law) == (7200, True)
    for (matter, goal), longest_s in LONGEST_BY_LAW_S.items():
        assert all(each.within_s <= longest_s for each in DEADLINES[matter] if each.goal is goal)
    assert matter_of("flood", Severity.CRITICAL) is Matter.CRITICAL


def test_an_entrapment_calls_the_property_at_once_and_then_climbs_the_ladder(office: Office) -> None:
    ticket_id = office.open()
    office.run(NOW_MS)
    assert {name for _, name in office.told(ticket_id)} == {"manager", "technician"}
    office.run(NOW_MS + 2 * MINUTE_MS)
    office.run(NOW_MS + 14 * MINUTE_MS)
    climbed = [
        (step, name) for step, name in office.told(ticket_id, "escalate") if step.startswith("escalate:response")
    ]
    ladder = ["manager", "technician", "committee", "community", "street", "district"]
    assert [name for _, name in climbed] == ladder
    assert len(climbed) == len(set(climbed))


def test_once_taken_up_nobody_is_reminded_and_the_next_goal_counts(office: Office) -> None:
    ticket_id = office.open()
    office.run(NOW_MS)
    office.move(ticket_id, Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, now_ms=NOW_MS + MINUTE_MS)
    office.run(NOW_MS + 29 * MINUTE_MS)
    assert {kind.split(":")[0] for kind, _ in office.told(ticket_id)} == {"call"}
    office.run(NOW_MS + 30 * MINUTE_MS)
    late = office.told(ticket_id, "escalate")
    assert {step.split(":")[1] for step, _ in late} == {"arrival"}
    assert {name for _, name in late} == {"manager", "technician", "committee", "community", "street", "district"}


def test_what_ran_too_late_says_by_how_much(office: Office) -> None:
    ticket_id = office.open(severity=Severity.MAJOR, case="motor_heat")
    office.run(NOW_MS + 47 * MINUTE_MS)
    done = [row for row in office.actions(ticket_id) if row.state == DueState.DONE]
    response = next(row for row in done if row.kind == ActionKind.ESCALATE)
    assert response.late_ms == 17 * MINUTE_MS
    with office.database.reading() as session:
        told = [row.data["late_min"] for row in of_subject(session, f"ticket:{ticket_id}") if "late_min" in row.data]
    assert 17 in told


def test_reminders_go_on_until_somebody_takes_it_up_and_end_some_day(office: Office) -> None:
    ticket_id = office.open()
    for minute in range(60):
        office.run(NOW_MS + minute * MINUTE_MS)
    numbers = [row.number for row in office.actions(ticket_id) if row.kind == ActionKind.REMIND]
    assert numbers == list(range(1, 13))


def test_a_hold_stops_our_clock_but_not_that_of_the_law(office: Office) -> None:
    lift, pump = office.open(), office.open(case="pump_trip", severity=Severity.MAJOR)
    later = NOW_MS + MINUTE_MS
    for ticket_id in (lift, pump):
        office.move(ticket_id, Stage.TRIAGED, Stage.ON_HOLD, now_ms=later)
    assert {row.goal for row in office.actions(lift) if row.state == DueState.PENDING and row.kind != "call"} == {
        "arrival",
        "restoration",
    }
    assert all(row.state != DueState.PENDING for row in office.actions(pump) if row.kind != "call")
    before = {row.key: row.due_ms for row in office.actions(pump) if row.state == DueState.PAUSED}
    office.move(pump, Stage.TRIAGED, now_ms=later + 1_000_000)
    after = {row.key: row.due_ms for row in office.actions(pump) if row.state == DueState.PENDING}
    assert before
    assert {key: after[key] - due_ms for key, due_ms in before.items()} == dict.fromkeys(before, 1_000_000)


def test_what_is_handed_back_is_due_anew_and_what_is_cancelled_calls_nobody(office: Office) -> None:
    ticket_id = office.open()
    office.move(ticket_id, Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, Stage.TRIAGED, now_ms=NOW_MS + MINUTE_MS)
    again = [row for row in office.actions(ticket_id) if row.goal == Goal.ON_THE_WAY and row.state == DueState.PENDING]
    assert min(row.due_ms for row in again) == NOW_MS + 6 * MINUTE_MS
    office.move(ticket_id, Stage.CANCELLED, now_ms=NOW_MS + 2 * MINUTE_MS)
    office.run(NOW_MS + 10_000 * MINUTE_MS)
    assert office.told(ticket_id) == []


def test_a_graver_alarm_brings_its_own_deadlines(office: Office) -> None:
    ticket_id = office.open(case="flood", severity=Severity.MINOR)
    with office.database.writing() as session:
        make_graver(session, get_ticket(session, ticket_id), Severity.CRITICAL, now_ms=NOW_MS + 1000)
    pending = [row for row in office.actions(ticket_id) if row.state == DueState.PENDING]
    assert {row.matter for row in pending} == {"critical"}
    assert min(row.due_ms for row in pending if row.kind == ActionKind.ESCALATE) == NOW_MS + 1000 + 10 * MINUTE_MS


def test_the_one_on_duty_is_called_and_a_substitute_for_who_is_away(office: Office) -> None:
    with office.database.writing() as session:
        site = session.get_one(Site, office.site_id)
        manager = session.get_one(Person, office.people["manager"])
        add_shift(
            session,
            site=site,
            person=manager,
            party=Party.PROPERTY,
            days=Days.WORKING,
            start_min=8 * 60,
            end_min=18 * 60,
            from_day=date(2026, 1, 1),
        )
    ticket_id = office.open()
    office.run(NOW_MS)
    assert {name for _, name in office.told(ticket_id)} == {"manager"}
    with office.database.writing() as session:
        manager = session.get_one(Person, office.people["manager"])
        technician = session.get_one(Person, office.people["technician"])
        add_absence(session, person=manager, substitute=technician, starts_ms=NOW_MS, ends_ms=NOW_MS + 10**9)
    ticket_id = office.open(now_ms=NOW_MS + 1)
    office.run(NOW_MS + 1)
    assert {name for _, name in office.told(ticket_id)} == {"technician"}


def test_nobody_on_duty_is_told_loudly_to_all_of_the_party_and_to_the_next(office: Office) -> None:
    with office.database.writing() as session:
        add_shift(
            session,
            site=session.get_one(Site, office.site_id),
            person=session.get_one(Person, office.people["manager"]),
            party=Party.PROPERTY,
            days=Days.OFF,
            start_min=0,
            end_min=24 * 60,
            from_day=date(2026, 1, 1),
        )
    ticket_id = office.open()
    office.run(NOW_MS)
    assert {name for _, name in office.told(ticket_id)} == {"manager", "technician", "committee"}
    with office.database.reading() as session:
        called = next(row for row in of_subject(session, f"ticket:{ticket_id}") if row.verb == "ticket.called")
        assert called.data["nobody_on_duty"] is True


def test_workers_that_race_do_each_action_once(office: Office) -> None:
    tickets = [office.open() for _ in range(30)]
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(office.run(NOW_MS + 14 * MINUTE_MS))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ticket_id in tickets:
        told = office.told(ticket_id)
        assert len(told) == len(set(told))
        assert len([each for each in told if each[0].startswith("escalate:response")]) == 6
    with office.database.reading() as session:
        assert count_overdue(session, before_ms=NOW_MS + 14 * MINUTE_MS) == 0


def test_an_action_that_is_broken_off_is_done_by_the_next(office: Office) -> None:
    ticket_id = office.open()

    def do_and_die() -> None:
        with office.database.writing() as session:
            assert run_due(session, now_ms=NOW_MS) == 1
            raise RuntimeError("killed before the end of the transaction")

    with pytest.raises(RuntimeError):
        do_and_die()
    assert office.told(ticket_id) == []
    office.run(NOW_MS)
    assert len(office.told(ticket_id)) == 2


STAGES = st.lists(st.tuples(st.sampled_from(list(Stage)), st.integers(0, 90)), max_size=12)


@settings(max_examples=15, deadline=None)
@given(matter=st.sampled_from(list(Matter)), start=st.integers(NOW_MS, NOW_MS + 10**10))
def test_the_ladder_is_climbed_in_order_and_never_before_its_deadline(matter: Matter, start: int) -> None:
    for deadline in DEADLINES[matter]:
        planned = plan_goal(deadline, start_ms=start, hours=Hours())
        assert [each.due_ms for each in planned] == sorted(each.due_ms for each in planned)
        assert planned[0].due_ms >= start + deadline.within_s * 1000
        assert all(each.rung < len(LADDER) for each in planned)


def test_however_a_ticket_moves_nothing_is_lost_or_doubled_on_a_virtual_clock(office: Office) -> None:
    """Random walks: after each, what is pending is what the stage still owes, and what was told was told once."""

    @settings(max_examples=12, deadline=None)
    @given(moves=STAGES, severity=st.sampled_from(list(Severity)))
    def walk(moves: list[tuple[Stage, int]], severity: Severity) -> None:
        ticket_id, now_ms = office.open(case="c", severity=severity), NOW_MS
        for stage, minutes in moves:
            now_ms += minutes * MINUTE_MS
            office.run(now_ms)
            try:
                office.move(ticket_id, stage, now_ms=now_ms)
            except AlertsError:
                continue
            with office.database.reading() as session:
                part = audit_part(session, after_id=ticket_id - 1, limit=1, now_ms=now_ms)
                assert [gap for gap in part.gaps if gap.ticket_id == ticket_id] == [], "the auditor cries no wolf"
        office.run(now_ms)
        with office.database.reading() as session:
            stage = Stage(session.get_one(Ticket, ticket_id).stage)
        rows = office.actions(ticket_id)
        assert all(row.due_ms > now_ms for row in rows if row.state == DueState.PENDING)
        assert len({row.key for row in rows}) == len(rows)
        told = office.told(ticket_id)
        rounds = {row.round for row in rows}
        assert all(told.count(each) <= len(rounds) for each in told)
        if stage in (Stage.CLOSED, Stage.CANCELLED):
            assert all(row.state in (DueState.DONE, DueState.CANCELLED) for row in rows)
        if stage is Stage.REPORTED:
            assert any(row.goal == Goal.RESPONSE for row in rows)

    walk()
