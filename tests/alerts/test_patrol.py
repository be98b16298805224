"""Rounds: what is found opens tickets, whatever comes twice or late or is doubtful is kept and marked."""

import random
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerts import incident
from alerts.patrol import Refusal, Said, Scanned
from alerts.patrol_conduct import join
from alerts.patrol_errors import PatrolCancelled, ResultsNotPermitted
from alerts.patrol_items import ALL_ITEMS, FOCUS_ITEMS, HABITS, ITEMS, RESULT_ROLES, Form, PlanKind, RoundKind
from alerts.patrol_plan import Place
from alerts.patrol_record import Flag, Outcome, PatrolParticipant, Record
from alerts.patrol_schedule import RoundState, cancel_round, get_round
from alerts.ticket_stages import Stage
from models.equipment import Kind
from registry.activity import after
from registry.database import Database
from registry.person import find_person
from registry.role import Actor, Grant, Role
from registry.service_record import ServiceKind, service_records
from tests.alerts.rounds import MINUTE_MS, MONDAY, Rounds, at

ADMIN = Actor("admin", (Grant(Role.ADMIN, None),))
TEN = at(MONDAY, 10)


@pytest.fixture
def rounds(database: Database) -> Rounds:
    return Rounds(database)


def first_round(rounds: Rounds, kind: PlanKind = PlanKind.LIFT, **plan: Any) -> int:
    return rounds.rounds(rounds.plan(kind, **plan))[0].id


def test_every_kind_of_round_has_items_and_every_item_can_be_right() -> None:
    assert set(ITEMS) == set(RoundKind)
    assert set(HABITS) == set(RESULT_ROLES) == set(PlanKind)
    assert set(FOCUS_ITEMS) == set(Kind)
    for item in ALL_ITEMS.values():
        if item.form is Form.MEASURED:
            bounds = [bound for bound in (item.low, item.high) if bound is not None]
            assert bounds
            assert all(item.is_possible(bound) and item.is_right(bound) for bound in bounds)


def test_a_rarer_round_of_a_lift_holds_what_the_more_frequent_ones_do() -> None:
    kinds = (
        RoundKind.LIFT_HALF_MONTHLY,
        RoundKind.LIFT_QUARTERLY,
        RoundKind.LIFT_HALF_YEARLY,
        RoundKind.LIFT_YEARLY,
    )
    for frequent, rare in pairwise(kinds):
        assert set(ITEMS[frequent]) < set(ITEMS[rare])


def test_a_round_that_finds_nothing_wrong_is_done_and_stands_in_the_service_records(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    taken = rounds.say(patrol, rounds.all_right(patrol, TEN), now_ms=TEN + MINUTE_MS)
    assert (taken.refused, taken.ticket_ids, taken.record.state()) == ((), (), RoundState.DONE)
    assert rounds.tickets() == []
    with rounds.database.reading() as session:
        for unit_id in rounds.lift_ids:
            records = service_records(session, unit_id, kind=ServiceKind.MAINTENANCE)
            assert [(each.done_on, each.done_by) for each in records] == [(MONDAY, "technician")]


def test_a_lift_is_maintained_when_its_own_items_are_done(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    rounds.say(patrol, rounds.all_right(patrol, TEN, stop=0), now_ms=TEN)
    with rounds.database.reading() as session:
        counts = [len(service_records(session, unit_id)) for unit_id in rounds.lift_ids]
    assert counts == [1, 0]
    assert rounds.rounds()[0].state == RoundState.UNDER_WAY


def test_a_failed_item_opens_one_ticket_for_the_unit_that_further_failures_stand_in(rounds: Rounds) -> None:
    plan = rounds.plan(until=MONDAY + timedelta(days=40))
    first, second = (each.id for each in rounds.rounds(plan)[:2])
    rounds.say(first, rounds.all_right(first, TEN, failed=["intercom"]), now_ms=TEN)
    assert [(t.title, t.case, t.kind, t.unit_id) for t in rounds.tickets()] == [
        (ALL_ITEMS["intercom"].failed, "patrol:intercom", "inspection", unit_id) for unit_id in rounds.lift_ids
    ]
    later = at(MONDAY + timedelta(days=14), 10)
    taken = rounds.say(second, rounds.all_right(second, later, failed=["intercom"], stop=0), now_ms=later)
    assert taken.ticket_ids == (rounds.tickets()[0].id,)
    assert len(rounds.tickets()) == 2
    with rounds.database.reading() as session:
        verbs = [each.verb for each in after(session, 0, limit=1000) if each.subject == rounds.tickets()[0].subject]
    assert verbs == ["ticket.opened", "ticket.found_again"]


def test_the_same_item_fails_anew_after_its_ticket_was_closed(rounds: Rounds) -> None:
    plan = rounds.plan(until=MONDAY + timedelta(days=40))
    first, second = (each.id for each in rounds.rounds(plan)[:2])
    rounds.say(first, rounds.all_right(first, TEN, failed=["pit"], stop=0), now_ms=TEN)
    ticket_id = rounds.tickets()[0].id
    with rounds.database.writing() as session:
        incident.move_ticket(session, ticket_id, Stage.CANCELLED, actor=ADMIN, note="dried", now_ms=TEN + 1000)
    late = rounds.all_right(first, TEN - MINUTE_MS, failed=["pit"], stop=0)
    rounds.say(first, late, by="manager", now_ms=TEN + 2000)
    assert len(rounds.tickets()) == 1, "it had been found wrong before it was put right"
    later = at(MONDAY + timedelta(days=14), 10)
    rounds.say(second, rounds.all_right(second, later, failed=["pit"], stop=0), now_ms=later)
    assert [each.stage for each in rounds.tickets()] == [Stage.CANCELLED, Stage.REPORTED]


def test_a_place_without_a_unit_has_a_ticket_of_the_compound_that_names_the_place(rounds: Rounds) -> None:
    places = [Place(place="地下室东侧", building="3幢", items=("rubbish",)), Place(place="西侧", items=("rubbish",))]
    patrol = first_round(rounds, PlanKind.COMMON_HAZARDS, places=places)
    rounds.say(patrol, rounds.all_right(patrol, TEN, failed=["rubbish"]), by="volunteer", now_ms=TEN)
    tickets = rounds.tickets()
    assert [(each.unit_id, each.kind, each.description) for each in tickets] == [
        (None, "hazard", "3幢 · 地下室东侧"),
        (None, "hazard", "西侧"),
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"item": "levelling_error", "value": 301.0}, Refusal.IMPOSSIBLE_VALUE),
        ({"item": "levelling_error", "value": float("nan")}, Refusal.IMPOSSIBLE_VALUE),
        ({"item": "levelling_error", "value": float("inf")}, Refusal.IMPOSSIBLE_VALUE),
        ({"item": "levelling_error"}, Refusal.VALUE_MISSING),
        ({"item": "intercom"}, Refusal.ANSWER_MISSING),
        ({"item": "intercom", "is_skipped": True}, Refusal.NOTE_MISSING),
        ({"item": "no_such_item", "is_ok": True}, Refusal.UNKNOWN_ITEM),
        ({"item": "intercom", "is_ok": True, "checkpoint_id": 999_999}, Refusal.UNKNOWN_CHECKPOINT),
        ({"item": "intercom", "is_ok": True, "at_ms": -1}, Refusal.UNREADABLE_TIME),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason_and_stops_nothing_else(
    rounds: Rounds, said: dict[str, Any], reason: Refusal
) -> None:
    patrol = first_round(rounds)
    checkpoint = rounds.record(patrol).stops[0].checkpoint.id
    bad = Said(**{"checkpoint_id": checkpoint, "at_ms": TEN, "key": "bad", **said})
    good = Said(checkpoint, "pit", TEN, is_ok=True, key="good")
    taken = rounds.say(patrol, [bad, good], now_ms=TEN)
    assert [(each.key, each.reason) for each in taken.refused] == [("bad", reason)]
    assert (taken.accepted, taken.record.done) == (1, 1)


def test_a_measured_value_is_judged_by_the_limits_that_it_is_kept_with(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    checkpoint = rounds.record(patrol).stops[0].checkpoint.id
    for value, outcome in ((10.0, Outcome.OK), (10.1, Outcome.FAILED), (-10.0, Outcome.OK)):
        said = Said(checkpoint, "levelling_error", TEN + round(value * 100), value=value, is_ok=True, key=str(value))
        record = rounds.say(patrol, [said], now_ms=TEN + 10_000).record
        slot = next(slot for slot in record.stops[0].slots if slot.item.code == "levelling_error")
        answers = [each.result for each in (*slot.earlier, slot.answer) if each is not None]
        result = next(each for each in answers if each.key == str(value))
        assert (result.outcome, result.low, result.high) == (outcome, -10, 10)


def test_who_may_not_work_on_lifts_takes_part_but_answers_nothing(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    with pytest.raises(ResultsNotPermitted):
        rounds.say(patrol, rounds.all_right(patrol, TEN), by="committee", now_ms=TEN)
    with rounds.database.writing() as session:
        person = find_person(session, "committee")
        assert person is not None
        for _ in range(2):
            join(session, patrol, person=person, actor=rounds.people["committee"], now_ms=TEN)
    rounds.say(patrol, rounds.all_right(patrol, TEN), now_ms=TEN)
    assert [each.party for each in rounds.record(patrol).participants] == ["committee", "property"]


def test_a_role_revoked_in_the_middle_leaves_what_was_done_and_ends_the_rest(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    rounds.say(patrol, rounds.all_right(patrol, TEN, stop=0), now_ms=TEN)
    technician = rounds.people["technician"]
    rounds.people["technician"] = Actor("technician", (), technician.person_id)
    with pytest.raises(ResultsNotPermitted):
        rounds.say(patrol, rounds.all_right(patrol, TEN, stop=1), now_ms=TEN)
    record = rounds.record(patrol)
    assert [stop.is_done for stop in record.stops] == [True, False]
    assert {slot.answer.result.actor for slot in record.stops[0].slots if slot.answer} == {"technician"}


def test_a_cancelled_round_takes_nothing_and_one_that_has_begun_is_not_cancelled(rounds: Rounds) -> None:
    first, second = (each.id for each in rounds.rounds(rounds.plan())[:2])
    with rounds.database.writing() as session:
        cancel_round(session, get_round(session, first, for_update=True))
    with pytest.raises(PatrolCancelled):
        rounds.say(first, rounds.all_right(first, TEN), now_ms=TEN)
    rounds.say(second, rounds.all_right(second, TEN, stop=0), now_ms=TEN)
    with rounds.database.writing() as session, pytest.raises(PatrolCancelled):
        cancel_round(session, get_round(session, second, for_update=True))


def flags_of(record: Record) -> dict[str, set[Flag]]:
    return {
        slot.item.code: set(slot.answer.flags)
        for stop in record.stops
        for slot in stop.slots
        if slot.answer is not None
    }


def test_results_that_come_days_late_are_taken_and_marked(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    rounds.run(at(MONDAY, 19))
    assert rounds.rounds()[0].state == RoundState.MISSED
    two_days = at(MONDAY + timedelta(days=2), 10)
    record = rounds.say(patrol, rounds.all_right(patrol, TEN), now_ms=two_days).record
    assert all(Flag.LATE in flags for flags in flags_of(record).values())
    found = rounds.rounds()[0]
    assert (found.state, found.missed_ms) == (RoundState.DONE, at(MONDAY, 19)), "it was done in time, and told late"


def test_what_is_done_after_the_window_is_done_late(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    rounds.run(at(MONDAY, 19))
    tuesday = at(MONDAY + timedelta(days=1), 10)
    record = rounds.say(patrol, rounds.all_right(patrol, tuesday), now_ms=tuesday).record
    assert rounds.rounds()[0].state == RoundState.DONE_LATE
    assert all(Flag.OUTSIDE_WINDOW in flags for flags in flags_of(record).values())


def test_a_clock_that_is_ahead_counts_from_when_it_came(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    future = at(MONDAY + timedelta(days=300), 10)
    record = rounds.say(patrol, rounds.all_right(patrol, future), now_ms=TEN).record
    assert all(Flag.CLOCK_AHEAD in flags for flags in flags_of(record).values())
    assert record.done_ms == TEN
    with rounds.database.reading() as session:
        assert service_records(session, rounds.lift_ids[0])[0].done_on == MONDAY


def test_codes_scanned_faster_than_anybody_walks_are_marked_and_stop_nothing(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    codes = [stop.checkpoint.code for stop in rounds.record(patrol).stops]
    said = rounds.all_right(patrol, TEN)
    scans = [Scanned(codes[0], TEN - 20_000, "s0"), Scanned(codes[1].lower(), TEN - 10_000, "s1")]
    record = rounds.say(patrol, said, scans=scans, now_ms=TEN).record
    assert [set(stop.scans[0][1]) for stop in record.stops] == [set(), {Flag.TOO_FAST}]
    assert record.state() is RoundState.DONE
    assert all(Flag.NOT_SCANNED not in flags for flags in flags_of(record).values())


def test_a_code_scanned_long_before_the_round_is_marked(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    code = rounds.record(patrol).stops[0].checkpoint.code
    early = at(MONDAY - timedelta(days=6), 10)
    record = rounds.say(patrol, [], scans=[Scanned(code, early, "s")], now_ms=TEN).record
    assert record.stops[0].scans[0][1] == {Flag.LATE, Flag.OUTSIDE_WINDOW}


def test_an_item_that_always_needs_its_photo_is_not_done_without(rounds: Rounds) -> None:
    places = [Place(place="泵房", items=("main_valve",))]
    patrol = first_round(rounds, PlanKind.FIRE_POINTS, places=places)
    record = rounds.say(patrol, rounds.all_right(patrol, TEN), now_ms=TEN).record
    assert flags_of(record)["main_valve"] >= {Flag.PHOTO_MISSING}
    assert record.state() is RoundState.UNDER_WAY


def picture_of(rounds: Rounds, patrol: int) -> Any:
    """All that the record says, without when it came and which numbers it has."""
    record = rounds.record(patrol)
    found = rounds.rounds()[0]
    with rounds.database.reading() as session:
        services = [
            [(each.done_on, each.done_by) for each in service_records(session, unit_id)] for unit_id in rounds.lift_ids
        ]
        people = sorted(session.scalars(select(PatrolParticipant.person_id)))
    return (
        found.state,
        found.done_ms,
        [
            (
                [
                    (
                        slot.item.code,
                        [
                            (a.result.key, a.result.outcome, a.result.value, a.result.actor, sorted(a.flags))
                            for a in (*slot.earlier, slot.answer)
                            if a is not None
                        ],
                    )
                    for slot in stop.slots
                ],
                [(scan.key, sorted(flags)) for scan, flags in stop.scans],
            )
            for stop in record.stops
        ],
        sorted((each.case, each.unit_id) for each in rounds.tickets()),
        services,
        people,
    )


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), portions=st.integers(1, 9), now_ms=st.just(at(MONDAY, 12)))
def test_whatever_the_order_and_however_often_results_come_the_record_is_the_same(
    migrated_sqlite: Any, tmp_path_factory: pytest.TempPathFactory, seed: int, portions: int, now_ms: int
) -> None:
    chance = random.Random(seed)
    pictures = []
    for is_shuffled in (False, True):
        path = tmp_path_factory.mktemp("rounds") / "liandong.sqlite"
        path.write_bytes(migrated_sqlite.read_bytes())
        database = Database(f"sqlite:///{path}")
        rounds = Rounds(database)
        patrol = first_round(rounds)
        technician = rounds.all_right(patrol, TEN, failed=["pit", "levelling_error"])
        manager = rounds.all_right(patrol, TEN + 90 * MINUTE_MS, failed=["intercom"], stop=1)
        codes = [stop.checkpoint.code for stop in rounds.record(patrol).stops]
        scans = [Scanned(code, TEN + n * 1000, f"scan{n}") for n, code in enumerate(codes)]
        uploads: list[tuple[str, Said | Scanned]] = [("technician", each) for each in technician]
        uploads += [("manager", each) for each in manager]
        uploads += [("technician", each) for each in scans]
        if is_shuffled:
            uploads += chance.choices(uploads, k=20)
            chance.shuffle(uploads)
        size = -(-len(uploads) // portions)
        for first in range(0, len(uploads), size):
            for by in ("technician", "manager"):
                part = [each for name, each in uploads[first : first + size] if name == by]
                said = [each for each in part if isinstance(each, Said)]
                read = [each for each in part if isinstance(each, Scanned)]
                rounds.say(patrol, said, scans=read, by=by, now_ms=now_ms)
        pictures.append(picture_of(rounds, patrol))
        database.close()
    assert pictures[0] == pictures[1]


def test_two_phones_that_send_the_same_add_nothing(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    said = rounds.all_right(patrol, TEN, failed=["pit"])
    first = rounds.say(patrol, said, now_ms=TEN)
    before = picture_of(rounds, patrol)
    again = rounds.say(patrol, said, by="manager", now_ms=TEN + MINUTE_MS)
    assert (again.accepted, again.duplicates) == (0, first.accepted)
    assert picture_of(rounds, patrol) == before


def test_what_comes_without_a_key_is_known_by_its_content(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    said = Said(rounds.record(patrol).stops[0].checkpoint.id, "pit", TEN, is_ok=False)
    for accepted in (1, 0):
        assert rounds.say(patrol, [said], now_ms=TEN).accepted == accepted


def test_everything_is_written_into_the_log(rounds: Rounds) -> None:
    patrol = first_round(rounds)
    rounds.say(patrol, rounds.all_right(patrol, TEN, failed=["pit"]), now_ms=TEN)
    with rounds.database.reading() as session:
        verbs = {each.verb for each in after(session, 0, limit=1000)}
    assert {"patrol.results", "patrol.done", "ticket.opened", "service.recorded"} <= verbs


def test_a_round_begins_with_the_first_day_that_is_worked(rounds: Rounds) -> None:
    sunday = date(2026, 11, 22)
    plan = rounds.plan(first=sunday)
    assert rounds.rounds(plan)[0].day == MONDAY
