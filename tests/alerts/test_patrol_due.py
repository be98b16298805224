"""Plans ahead of time, dates that the law sets, missed rounds, and units that are put on the next one."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerts import patrol_due, patrol_statutory
from alerts.deadlines import ActionKind
from alerts.due_action import actions_of
from alerts.patrol_errors import InvalidPlan
from alerts.patrol_focus import FocusReason, put_on_next_round
from alerts.patrol_items import HABITS, Habit, PlanKind, RoundKind, round_kind
from alerts.patrol_plan import Place, get_plan, next_day, retire_checkpoint
from alerts.patrol_schedule import RoundState, change_habit, days_of, plan_ahead, plans_behind
from alerts.patrol_statutory import Duty, StatutoryDate, dues_of, month_before, note_application
from models.equipment import Kind
from registry.activity import after
from registry.calendar import is_working_day
from registry.database import Database
from registry.service_record import Service, ServiceKind, add_service_record
from registry.site import Site
from registry.unit import add_unit, get_unit_by_id
from tests.alerts.rounds import MONDAY, Rounds, at

LIFT_DAYS = 15


@pytest.fixture
def rounds(database: Database) -> Rounds:
    return Rounds(database)


@given(
    first=st.dates(date(2020, 1, 1), date(2027, 12, 31)),
    interval=st.integers(1, 40),
    is_working=st.booleans(),
)
def test_no_two_rounds_are_further_apart_than_the_interval(first: date, interval: int, is_working: bool) -> None:
    days = days_of(
        first_day=first,
        interval_days=interval,
        is_working_days=is_working,
        last_day=None,
        until=first + timedelta(days=400),
    )
    assert days
    for before, after_it in pairwise(days):
        assert 0 < (after_it - before).days <= interval


@given(st.dates(date(2020, 1, 1), date(2026, 12, 31)))
def test_a_lift_is_never_planned_for_a_day_that_nobody_works(day: date) -> None:
    assert is_working_day(next_day(day, interval_days=LIFT_DAYS, is_working_days=True))


def test_of_24_rounds_of_a_lift_two_are_half_yearly_or_rarer() -> None:
    kinds = [round_kind(PlanKind.LIFT, number) for number in range(1, 25)]
    assert [kinds[number - 1] for number in (1, 6, 12, 18, 24)] == [
        RoundKind.LIFT_HALF_MONTHLY,
        RoundKind.LIFT_QUARTERLY,
        RoundKind.LIFT_HALF_YEARLY,
        RoundKind.LIFT_QUARTERLY,
        RoundKind.LIFT_YEARLY,
    ]


def test_planning_ahead_again_adds_nothing_and_later_goes_on_where_it_ended(rounds: Rounds) -> None:
    plan = rounds.plan(until=MONDAY + timedelta(days=60))
    before = [(each.number, each.day) for each in rounds.rounds(plan)]
    assert rounds.ahead(plan, MONDAY + timedelta(days=60)) == 0
    rounds.ahead(plan, MONDAY + timedelta(days=400))
    after_it = [(each.number, each.day) for each in rounds.rounds(plan)]
    assert after_it[: len(before)] == before
    assert [number for number, _ in after_it] == list(range(1, len(after_it) + 1))
    with rounds.database.writing() as session:
        assert plans_behind(session, until=MONDAY + timedelta(days=400)) == []
        assert [each.id for each in plans_behind(session, until=MONDAY + timedelta(days=500))] == [plan]


def test_a_plan_that_is_behind_by_a_lost_count_writes_no_round_twice(rounds: Rounds) -> None:
    plan = rounds.plan(until=MONDAY + timedelta(days=60))
    count = len(rounds.rounds(plan))
    with rounds.database.writing() as session:
        row = get_plan(session, plan, for_update=True)
        row.last_number, row.last_day = 0, None
        plan_ahead(session, [row], until=MONDAY + timedelta(days=60))
    assert len(rounds.rounds(plan)) == count


@pytest.mark.parametrize(
    ("habit", "field", "reason"),
    [
        (Habit(16, 1, 480, 1080, is_working_days=True), "interval_days", "law"),
        (Habit(0, 1, 480, 1080, is_working_days=True), "interval_days", "range"),
        (Habit(15, 16, 480, 1080, is_working_days=True), "window_days", "range"),
        (Habit(15, 1, 1080, 480, is_working_days=True), "hours", "order"),
    ],
)
def test_a_plan_that_cannot_be_or_breaks_the_law_is_refused(
    rounds: Rounds, habit: Habit, field: str, reason: str
) -> None:
    with pytest.raises(InvalidPlan) as caught:
        rounds.plan(habit=habit)
    assert (caught.value.field, caught.value.reason) == (field, reason)


def test_a_plan_made_otherwise_keeps_what_has_begun_and_plans_the_rest_anew(rounds: Rounds) -> None:
    plan = rounds.plan()
    before = rounds.rounds(plan)
    rounds.say(before[0].id, rounds.all_right(before[0].id, at(MONDAY, 10), stop=0), now_ms=at(MONDAY, 10))
    with rounds.database.writing() as session:
        row = get_plan(session, plan, for_update=True)
        change_habit(session, row, Habit(7, 1, 540, 1020, is_working_days=True), is_active=True, today=MONDAY)
        plan_ahead(session, [row], until=MONDAY + timedelta(days=60))
    after_it = rounds.rounds(plan)
    assert after_it[0].id == before[0].id
    assert after_it[1].day == MONDAY + timedelta(days=7)
    assert len({each.number for each in after_it}) == len(after_it)
    with rounds.database.writing() as session:
        row = get_plan(session, plan, for_update=True)
        change_habit(session, row, Habit(7, 1, 540, 1020, is_working_days=True), is_active=False, today=MONDAY)
        assert plan_ahead(session, [row], until=MONDAY + timedelta(days=60)) == 0
    assert [each.id for each in rounds.rounds(plan)] == [before[0].id]


def test_a_round_made_early_brings_the_next_ones_forward(rounds: Rounds) -> None:
    plan = rounds.plan()
    second, third = rounds.rounds(plan)[1:3]
    early = second.day - timedelta(days=5)
    rounds.say(second.id, rounds.all_right(second.id, at(early, 10)), now_ms=at(early, 10))
    moved = rounds.rounds(plan)[2:]
    assert moved[0].day < third.day
    assert moved[0].day <= early + timedelta(days=LIFT_DAYS)
    days = [early, *(each.day for each in moved)]
    assert all((b - a).days <= LIFT_DAYS for a, b in pairwise(days))


def test_a_missed_round_is_found_once_and_goes_up_the_ladder(rounds: Rounds) -> None:
    patrol = rounds.rounds(rounds.plan())[0]
    rounds.run(patrol.ends_ms - 1)
    assert rounds.tickets() == []
    for _ in range(3):
        rounds.run(patrol.ends_ms)
    (ticket,) = rounds.tickets()
    assert ticket.title == patrol_due.MISSED_TITLES[PlanKind.LIFT]
    assert rounds.rounds()[0].missed_ticket_id == ticket.id
    with rounds.database.reading() as session:
        kinds = [each.kind for each in actions_of(session, ticket.id)]
        verbs = [each.verb for each in after(session, 0, limit=100) if each.subject == patrol.subject]
    assert kinds.count(ActionKind.ESCALATE) >= 5
    assert verbs == ["patrol.missed"]


def test_further_missed_rounds_of_a_plan_stand_in_its_open_ticket(rounds: Rounds) -> None:
    plan = rounds.plan(PlanKind.COMMON_HAZARDS, places=[Place(place="门口")])
    rounds.run(at(MONDAY + timedelta(days=30), 22))
    (ticket,) = [each for each in rounds.tickets() if each.case.startswith("missed_round")]
    missed = [each for each in rounds.rounds(plan) if each.state == RoundState.MISSED]
    assert len(missed) == 5
    assert {each.missed_ticket_id for each in missed} == {ticket.id}


def test_a_round_that_leads_nowhere_is_nobodys_fault(rounds: Rounds) -> None:
    plan = rounds.plan(PlanKind.COMMON_HAZARDS, places=[])
    rounds.run(at(MONDAY, 22))
    assert rounds.rounds(plan)[0].state == RoundState.CANCELLED
    assert [each for each in rounds.tickets() if each.case.startswith("missed")] == []


def test_a_checkpoint_given_up_is_left_out_from_the_next_day_on(rounds: Rounds) -> None:
    plan = rounds.plan()
    first, second = rounds.rounds(plan)[:2]
    with rounds.database.writing() as session:
        checkpoint = rounds.record(first.id).stops[0].checkpoint
        retire_checkpoint(session, session.merge(checkpoint), last_day=MONDAY)
    assert [len(rounds.record(each.id).stops) for each in (first, second)] == [2, 1]


@pytest.mark.parametrize(
    ("day", "before"),
    [
        (date(2026, 12, 15), date(2026, 11, 15)),
        (date(2027, 1, 10), date(2026, 12, 10)),
        (date(2027, 3, 31), date(2027, 2, 28)),
        (date(2028, 3, 31), date(2028, 2, 29)),
    ],
)
def test_a_month_before(day: date, before: date) -> None:
    assert month_before(day) == before


def test_what_is_overdue_on_the_same_day_is_escalated_in_one_ticket_once(rounds: Rounds) -> None:
    rounds.refresh()
    last_day = MONDAY + timedelta(days=LIFT_DAYS)
    rounds.run(at(last_day, 19.9))
    assert rounds.tickets() == []
    for hour in (20, 21, 30):
        rounds.run(at(last_day, hour))
    (ticket,) = rounds.tickets()
    assert (ticket.unit_id, ticket.severity) == (None, "major")
    with rounds.database.reading() as session:
        overdue = [each.unit_id for each in after(session, 0, limit=100) if each.verb == "statutory.overdue"]
    assert overdue == rounds.lift_ids


def test_a_record_entered_elsewhere_counts_before_anything_is_raised(rounds: Rounds) -> None:
    rounds.refresh()
    tenth = MONDAY + timedelta(days=10)
    with rounds.database.writing() as session:
        unit = get_unit_by_id(session, rounds.lift_ids[0])
        service = Service(kind=ServiceKind.MAINTENANCE, done_on=tenth)
        add_service_record(session, unit, service, actor=rounds.people["technician"], now_ms=at(tenth, 12))
    rounds.run(at(MONDAY + timedelta(days=LIFT_DAYS), 20))
    assert [each.unit_id for each in rounds.tickets()] == [rounds.lift_ids[1]]


def test_an_inspection_is_to_be_applied_for_a_month_before_it_expires(rounds: Rounds) -> None:
    valid_until = MONDAY + timedelta(days=200)
    with rounds.database.writing() as session:
        unit = get_unit_by_id(session, rounds.lift_ids[0])
        service = Service(kind=ServiceKind.INSPECTION, done_on=MONDAY, valid_until=valid_until)
        add_service_record(session, unit, service, actor=rounds.people["manager"], now_ms=at(MONDAY, 12))
        duties = {due.duty: due.due_on for due in dues_of(session, [unit])[unit.id]}
        assert duties[Duty.INSPECTION_APPLICATION] == month_before(valid_until)
        assert duties[Duty.INSPECTION] == valid_until
        assert note_application(session, unit, actor=rounds.people["manager"], now_ms=at(MONDAY, 13))
        assert not note_application(session, unit, actor=rounds.people["manager"], now_ms=at(MONDAY, 13))
        duties = {due.duty: due.due_on for due in dues_of(session, [unit])[unit.id]}
        assert Duty.INSPECTION_APPLICATION not in duties
        kept = select(StatutoryDate.duty).where(StatutoryDate.unit_id == unit.id)
        assert set(session.scalars(kept)) == {Duty.MAINTENANCE, Duty.INSPECTION}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    visits=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 50)), max_size=9), skipped=st.sets(st.integers(1, 50))
)
def test_no_statutory_interval_is_ever_exceeded_without_an_escalation(
    migrated_sqlite: Any, tmp_path_factory: pytest.TempPathFactory, visits: list[tuple[int, int]], skipped: set[int]
) -> None:
    """Whenever the worker has run since the last permitted day ended, that very date was escalated, and once."""
    path = tmp_path_factory.mktemp("statutory") / "liandong.sqlite"
    path.write_bytes(migrated_sqlite.read_bytes())
    rounds = Rounds(Database(f"sqlite:///{path}"))
    rounds.refresh()
    done = {day: [place for place, d in visits if d == day] for day in range(1, 51)}
    last = [MONDAY, MONDAY]
    for day in range(1, 51):
        today = MONDAY + timedelta(days=day)
        for place in done[day]:
            with rounds.database.writing() as session:
                unit = get_unit_by_id(session, rounds.lift_ids[place])
                service = Service(kind=ServiceKind.MAINTENANCE, done_on=today)
                add_service_record(session, unit, service, actor=rounds.people["technician"], now_ms=at(today, 12))
                patrol_statutory.refresh(session, [unit])
            last[place] = today
        if day in skipped:
            # The worker was down; nothing is looked at before it has run again.
            continue
        for hour in (20, 23.9):
            rounds.run(at(today, hour))
        with rounds.database.reading() as session:
            rows = {
                row.unit_id: row
                for row in session.scalars(select(StatutoryDate).where(StatutoryDate.duty == Duty.MAINTENANCE.value))
            }
            for place, unit_id in enumerate(rounds.lift_ids):
                is_last_day_over = today >= last[place] + timedelta(days=LIFT_DAYS)
                assert (rows[unit_id].raised_ms is not None) == is_last_day_over, (place, today)
    with rounds.database.reading() as session:
        told = [
            (each.unit_id, each.data["due_on"])
            for each in after(session, 0, limit=10_000)
            if each.verb == "statutory.overdue"
        ]
    assert len(told) == len(set(told))
    rounds.database.close()


def test_a_unit_that_stands_out_is_on_the_next_round_with_its_reason_and_more_items(rounds: Rounds) -> None:
    plan = rounds.plan()
    facts = {"rate_per_year": 6.5, "rank": 1, "peers": 40}
    with rounds.database.writing() as session:
        for _ in range(2):
            patrol = put_on_next_round(
                session,
                rounds.lift_ids[1],
                FocusReason.FAULT_PRONE,
                facts=facts,
                draw_code=rounds.draw,
                now_ms=at(MONDAY, 9),
            )
    assert patrol is not None
    assert patrol.id == rounds.rounds(plan)[0].id
    plain, focused = rounds.record(patrol.id).stops
    assert plain.focus is None
    assert focused.focus is not None
    assert (focused.focus.reason, focused.focus.facts) == ("fault_prone", facts)
    assert len(focused.slots) == len(plain.slots) + 3


def test_a_round_that_has_begun_gets_nobody_put_on_it(rounds: Rounds) -> None:
    first, second = rounds.rounds(rounds.plan())[:2]
    rounds.say(first.id, rounds.all_right(first.id, at(MONDAY, 9), stop=0), now_ms=at(MONDAY, 9))
    with rounds.database.writing() as session:
        patrol = put_on_next_round(
            session, rounds.lift_ids[0], FocusReason.BY_HAND, draw_code=rounds.draw, now_ms=at(MONDAY, 10)
        )
    assert patrol is not None
    assert patrol.id == second.id


def test_a_unit_that_no_plan_goes_past_is_on_the_joint_round_of_that_day_alone(rounds: Rounds) -> None:
    plan = rounds.plan(PlanKind.COMMON_HAZARDS, places=[Place(place="门口")])
    with rounds.database.writing() as session:
        site = session.get_one(Site, rounds.site_id)
        pump = add_unit(session, site=site, kind=Kind.PUMP, key="p1", now_ms=0)
        patrol = put_on_next_round(
            session, pump.id, FocusReason.REPEATED_FAULT, draw_code=rounds.draw, now_ms=at(MONDAY, 7)
        )
    assert patrol is not None
    stops = [rounds.record(each.id).stops for each in rounds.rounds(plan)[:2]]
    assert [len(each) for each in stops] == [2, 1]
    assert [slot.item.code for slot in stops[0][1].slots] == ["focus_look"]


def test_a_compound_without_plans_has_no_next_round(rounds: Rounds) -> None:
    with rounds.database.writing() as session:
        assert (
            put_on_next_round(session, rounds.lift_ids[0], FocusReason.BY_HAND, draw_code=rounds.draw, now_ms=0) is None
        )


def test_the_habits_of_every_kind_of_plan_are_lawful(rounds: Rounds) -> None:
    for kind, habit in HABITS.items():
        rounds.plan(kind, habit=habit, places=[])
