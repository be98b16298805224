"""Work lists: tasks with an owner and a day, moves from a table, reminders that come exactly once."""

import threading
from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerts.notification import Notification
from governance import work_list
from governance.errors import GovernanceError, StepNotPermitted, StepNotPossible, SteppedMeanwhile
from governance.work_list import NewTask, TaskFilter, WordNeeded, WorkTask, find_tasks, get_task, move_task, open_task
from governance.work_reminder import MOST_REMINDERS, remind_of_tasks
from governance.work_stages import FINAL_TASK_STATES, TASK_MOVES, TaskSource, TaskState, WorkList
from registry.database import Database
from registry.errors import InvalidField
from registry.role import Party
from tests.governance.compound import DAY_MS, HOUR_MS, KEY, NOW_MS, Compound

TODAY = date(2026, 11, 23)
S = TaskState


@pytest.fixture
def compound(database: Database) -> Compound:
    return Compound(database)


def open_one(compound: Compound, owner: str | None = "technician", due_on: date | None = TODAY) -> int:
    with compound.at_work() as (session, site):
        new = NewTask("Mend the gate", Party.PROPERTY, compound.ids[owner] if owner else None, due_on)
        return open_task(
            session, site, new, source=TaskSource.HAND, actor=compound.actor("community"), now_ms=NOW_MS
        ).id


def move(compound: Compound, task_id: int, to: TaskState, *, by: str = "community", note: str = "done so") -> None:
    with compound.at_work() as (session, _):
        move_task(session, task_id, to, actor=compound.actor(by), note=note, now_ms=NOW_MS)


def remind(compound: Compound, now_ms: int) -> int:
    with compound.at_work() as (session, _):
        return remind_of_tasks(session, now_ms=now_ms)


def told(compound: Compound) -> list[tuple[int, str, str]]:
    """(number of the reminder, person, severity) in their order."""
    with compound.database.reading() as session:
        rows = session.scalars(select(Notification).order_by(Notification.id))
        return [(row.data["number"], row.person.name, row.severity) for row in rows]


def test_the_table_of_moves_is_total() -> None:
    assert set(TASK_MOVES) == set(S)
    assert {to for moves in TASK_MOVES.values() for to in moves} == set(S)


def test_done_needs_a_word_on_what_was_done_and_two_people_meet(compound: Compound) -> None:
    task_id = open_one(compound)
    with pytest.raises(WordNeeded):
        move(compound, task_id, S.DONE, note=" ")
    with compound.at_work() as (session, _):
        actor = compound.actor("technician")
        move_task(session, task_id, S.UNDER_WAY, actor=actor, expected_version=1, now_ms=NOW_MS)
        with pytest.raises(SteppedMeanwhile) as refused:
            move_task(session, task_id, S.DONE, actor=actor, note="x", expected_version=1, now_ms=NOW_MS)
        assert refused.value.allowed == ("done", "open", "dropped")
        move_task(session, task_id, S.DONE, actor=actor, note="New hinge", now_ms=NOW_MS)
        assert get_task(session, task_id).outcome == "New hinge"
    with pytest.raises(StepNotPossible):
        move(compound, task_id, S.DONE)


def test_a_task_is_moved_by_its_owner_or_by_those_who_keep_the_lists(compound: Compound) -> None:
    of_others, own = open_one(compound, owner="manager"), open_one(compound)
    for task_id, to, by in (
        (of_others, S.UNDER_WAY, "technician"),
        (own, S.DROPPED, "technician"),
        (own, S.DONE, "owner"),
    ):
        with pytest.raises(StepNotPermitted):
            move(compound, task_id, to, by=by)
    move(compound, own, S.UNDER_WAY, by="technician")
    with compound.database.reading() as session:
        allowed = work_list.allowed_task_moves(get_task(session, own), compound.actor("technician"))
        assert allowed == [S.DONE, S.OPEN]


def test_nothing_is_put_on_the_party_building_list_but_by_hand_and_nothing_is_counted_of_it(
    compound: Compound,
) -> None:
    with compound.at_work() as (session, site):
        new = NewTask("Reading evening", Party.COMMUNITY, work_list=WorkList.PARTY_BUILDING)
        actor = compound.actor("community")
        open_task(session, site, new, source=TaskSource.HAND, actor=actor, now_ms=NOW_MS)
        for source in (TaskSource.MEETING, TaskSource.TICKET):
            with pytest.raises(InvalidField):
                open_task(session, site, new, source=source, actor=actor, now_ms=NOW_MS)
        assert WorkList.PARTY_BUILDING not in work_list.count_by_list(session, today=TODAY)


def test_lists_are_filtered_and_counted(compound: Compound) -> None:
    first, second = open_one(compound), open_one(compound, owner=None, due_on=TODAY + timedelta(days=9))
    later = TODAY + timedelta(days=2)
    move(compound, open_one(compound), S.DROPPED)
    with compound.database.reading() as session:

        def ids(**wanted: object) -> list[int]:
            return [task.id for task in find_tasks(session, TaskFilter(**wanted))]  # type: ignore[arg-type]

        assert ids(site=KEY, is_open=True) == [second, first]
        assert ids(owner_id=compound.ids["technician"], is_open=True) == [first]
        assert ids(due_before=later) == [first]
        assert ids(party=Party.COMMITTEE) == []
        assert ids(state=S.DROPPED) == [second + 1]
        assert find_tasks(session, TaskFilter(), visible=["elsewhere"]) == []
        counts = work_list.count_by_list(session, today=later, site=KEY)
        assert counts[WorkList.DUTIES] == (2, 1, 1)


def test_an_owner_is_reminded_on_the_morning_after_and_the_community_when_it_lies(compound: Compound) -> None:
    open_one(compound)
    morning = NOW_MS - 12 * HOUR_MS + DAY_MS + 8 * HOUR_MS + HOUR_MS // 2
    assert remind(compound, morning - 1) == 0
    for day in range(0, 60):
        remind(compound, morning + day * DAY_MS)
    numbers = [number for number, _, _ in told(compound)]
    assert [number for number, name, _ in told(compound) if name == "technician"] == list(range(1, MOST_REMINDERS + 1))
    assert [(number, severity) for number, name, severity in told(compound) if name == "community"] == [
        (3, "major"),
        (4, "major"),
        (5, "major"),
    ]
    assert len(numbers) == MOST_REMINDERS + 3


def test_nobody_is_reminded_of_what_has_ended_or_was_given_another_day(compound: Compound) -> None:
    done, postponed = open_one(compound), open_one(compound)
    move(compound, done, S.DONE)
    with compound.at_work() as (session, _):
        actor = compound.actor("community")
        with pytest.raises(WordNeeded):
            work_list.postpone_task(session, postponed, date(2026, 12, 1), actor=actor, note="", now_ms=NOW_MS)
        with pytest.raises(InvalidField):
            work_list.postpone_task(session, postponed, date(2026, 11, 1), actor=actor, note="x", now_ms=NOW_MS)
        work_list.postpone_task(session, postponed, date(2026, 12, 1), actor=actor, note="parts", now_ms=NOW_MS)
    assert remind(compound, NOW_MS + 7 * DAY_MS) == 0
    assert remind(compound, NOW_MS + 9 * DAY_MS) == 1
    with compound.at_work() as (session, _), pytest.raises(StepNotPossible):
        work_list.postpone_task(session, done, date(2027, 1, 1), actor=actor, note="x", now_ms=NOW_MS)


def test_an_owner_who_has_left_is_replaced_by_those_who_speak_for_the_party(compound: Compound) -> None:
    open_one(compound)
    compound.lose_roles("technician")
    remind(compound, NOW_MS + 2 * DAY_MS)
    assert {name for _, name, _ in told(compound)} == {"manager", "both"}


def test_workers_that_race_remind_once(compound: Compound) -> None:
    for _ in range(20):
        open_one(compound)
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(remind(compound, NOW_MS + 2 * DAY_MS))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remind(compound, NOW_MS + 2 * DAY_MS)
    assert len(told(compound)) == 20


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=st.lists(st.tuples(st.sampled_from(list(S)), st.integers(0, 20)), max_size=10))
def test_however_a_task_moves_it_is_reminded_of_only_while_it_is_open(
    compound: Compound, walk: list[tuple[TaskState, int]]
) -> None:
    task_id, now_ms = open_one(compound), NOW_MS
    for to, days in walk:
        now_ms += days * DAY_MS
        remind(compound, now_ms)
        with compound.at_work() as (session, _):
            with suppress(GovernanceError):
                move_task(session, task_id, to, actor=compound.actor("admin"), note="so", now_ms=now_ms)
            task: WorkTask = get_task(session, task_id)
            if TaskState(task.state) in FINAL_TASK_STATES:
                assert task.next_reminder_ms is None
                assert task.outcome
            assert task.reminders <= MOST_REMINDERS
