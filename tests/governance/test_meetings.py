"""Joint meetings: made once, an agenda that freezes, a quorum, minutes that each party confirms."""

import threading
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.severity import Severity
from governance import meeting_agenda, meeting_minutes, reception
from governance.errors import StepNotPermitted, StepNotPossible, SteppedMeanwhile
from governance.meeting import (
    Meeting,
    addenda_of,
    allowed_meeting_moves,
    attendance_of,
    confirmations_of,
    get_meeting,
    items_of,
    move_meeting,
    plan_monthly,
)
from governance.meeting_agenda import AgendaPoint
from governance.meeting_errors import (
    ConfirmedAlready,
    NoQuorum,
    NotOnAgenda,
    PartyNotHeld,
    QuorumPresent,
    WordsChangedMeanwhile,
)
from governance.meeting_minutes import ItemWords, minutes_digest
from governance.meeting_rules import (
    HolidayRule,
    Procedure,
    meeting_day,
    next_meeting_day,
    procedure_of,
    set_procedure,
)
from governance.meeting_stages import MEETING_MOVES, AgendaKind, ItemOutcome, MeetingStage
from governance.work_list import NewTask, WordNeeded, get_task, tasks_of_items
from registry import activity
from registry.calendar import DayKind, day_kind
from registry.database import Database
from registry.errors import InvalidField
from registry.role import Party
from registry.site import DEFAULT_TIMEZONE, get_site
from tests.governance.compound import KEY, NOW_MS, Compound

S = MeetingStage


@pytest.fixture
def compound(database: Database) -> Compound:
    return Compound(database)


@pytest.fixture
def meeting_id(compound: Compound) -> int:
    return compound.plan()


def add(compound: Compound, meeting_id: int, title: str = "Rubbish in the basement") -> int:
    with compound.at_work() as (session, _):
        actor = compound.actor("committee")
        return meeting_agenda.add_item(session, meeting_id, title=title, actor=actor, now_ms=NOW_MS).id


def come(compound: Compound, meeting_id: int, *names: str) -> None:
    party = {"manager": Party.PROPERTY, "committee": Party.COMMITTEE, "community": Party.COMMUNITY}
    with compound.at_work() as (session, _):
        for name in names:
            meeting_minutes.note_attendance(
                session,
                meeting_id,
                party=party[name],
                person_id=compound.ids[name],
                actor=compound.actor("community"),
                now_ms=NOW_MS,
            )


def move(compound: Compound, meeting_id: int, *stages: MeetingStage, by: str = "community") -> None:
    for stage in stages:
        with compound.at_work() as (session, _):
            move_meeting(session, meeting_id, stage, actor=compound.actor(by), note="so", now_ms=NOW_MS)


def write(compound: Compound, meeting_id: int, item_id: int, words: ItemWords, version: int | None = None) -> int:
    with compound.at_work() as (session, _):
        return meeting_minutes.write_minutes(
            session,
            meeting_id,
            item_id,
            words,
            expected_version=version,
            actor=compound.actor("community"),
            now_ms=NOW_MS,
        ).version


def confirm(compound: Compound, meeting_id: int, name: str, party: Party, digest: str | None = None) -> Meeting:
    with compound.at_work() as (session, _):
        return meeting_minutes.confirm_minutes(
            session, meeting_id, party, expected_digest=digest, actor=compound.actor(name), now_ms=NOW_MS
        )


def outcomes(compound: Compound, meeting_id: int) -> list[str]:
    with compound.database.reading() as session:
        return [item.outcome for item in items_of(session, meeting_id)]


# The day


def test_the_table_of_stages_is_total_and_leads_to_an_end() -> None:
    assert set(MEETING_MOVES) == set(S)
    assert {to for moves in MEETING_MOVES.values() for to in moves} == set(S) - {S.PLANNED}


@given(st.integers(2020, 2032), st.integers(1, 12), st.integers(1, 28))
def test_a_meeting_is_never_on_a_public_holiday_and_never_before_its_day(year: int, month: int, day: int) -> None:
    when = meeting_day(Procedure(day=day), year=year, month=month, timezone=DEFAULT_TIMEZONE)
    assert day_kind(when.day) is not DayKind.HOLIDAY
    assert when.day >= date(year, month, day)
    assert (when.moved_from is None) == (when.day == date(year, month, day))
    assert when.reception_start_ms < when.reception_end_ms < when.starts_ms
    kept = meeting_day(
        Procedure(day=day, holiday_rule=HolidayRule.KEEP), year=year, month=month, timezone=DEFAULT_TIMEZONE
    )
    assert kept.day == date(year, month, day)


def test_a_weekend_moves_nothing_and_a_holiday_moves_to_the_next_working_day() -> None:
    saturday = meeting_day(Procedure(), year=2026, month=10, timezone=DEFAULT_TIMEZONE)
    assert saturday.day == date(2026, 10, 10)
    new_year = meeting_day(Procedure(day=1), year=2026, month=10, timezone=DEFAULT_TIMEZONE)
    assert (new_year.moved_from, new_year.day) == (date(2026, 10, 1), date(2026, 10, 8))


@given(st.dates(date(2021, 1, 1), date(2031, 12, 31)), st.integers(1, 28))
def test_the_next_meeting_is_never_past_and_at_most_two_months_away(today: date, day: int) -> None:
    when = next_meeting_day(Procedure(day=day), today=today, timezone=DEFAULT_TIMEZONE)
    assert 0 <= (when.day - today).days <= 62


def test_the_rules_of_procedure_are_a_sites_own(compound: Compound) -> None:
    own = Procedure(day=15, place="Community hall", parties=(Party.PROPERTY, Party.COMMUNITY))
    with compound.at_work() as (session, site):
        assert procedure_of(session, site) == Procedure()
        set_procedure(session, site, own)
        set_procedure(session, site, own)
    with compound.database.reading() as session:
        assert procedure_of(session, get_site(session, KEY)) == own
    for wrong in ({"day": 31}, {"reception_end_min": 1}, {"lead_days": 0}, {"parties": ()}):
        with pytest.raises(InvalidField):
            Procedure(**wrong)  # type: ignore[arg-type]


def test_workers_that_race_make_one_meeting_of_a_month(compound: Compound) -> None:
    made: list[bool] = []

    def plan() -> None:
        with compound.at_work() as (session, site):
            when = meeting_day(Procedure(), year=2026, month=12, timezone=site.timezone)
            made.append(
                plan_monthly(session, site, when, parties=Procedure().parties, place="", now_ms=NOW_MS) is not None
            )

    threads = [threading.Thread(target=plan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, False, True]


# The agenda


def test_preparing_twice_changes_nothing_and_what_holds_no_more_goes(compound: Compound, meeting_id: int) -> None:
    points = [
        AgendaPoint(AgendaKind.ALARM_KPIS, "kpi"),
        AgendaPoint(AgendaKind.BLOCKED, "ticket:1", {"days": 3}),
        AgendaPoint(AgendaKind.OVERDUE, "ticket:2"),
    ]
    for facts in ({"days": 3}, {"days": 3}):
        points[1] = AgendaPoint(AgendaKind.BLOCKED, "ticket:1", facts)
        with compound.at_work() as (session, _):
            meeting_agenda.lay_out(session, meeting_id, points, now_ms=NOW_MS)
    add(compound, meeting_id)
    with compound.at_work() as (session, _):
        meeting_agenda.lay_out(session, meeting_id, points[:2], now_ms=NOW_MS)
        assert [item.source for item in items_of(session, meeting_id)][:2] == ["ticket:1", "kpi"]
        assert [item.kind for item in items_of(session, meeting_id)] == ["blocked", "alarm_kpis", "by_hand"]
        verbs = [row.verb for row in activity.of_subject(session, f"meeting:{meeting_id}")]
    assert verbs == ["meeting.planned", "meeting.prepared", "meeting.item_added", "meeting.prepared"]


def test_what_a_person_took_off_or_put_in_order_stays_so(compound: Compound, meeting_id: int) -> None:
    points = [AgendaPoint(AgendaKind.BLOCKED, f"ticket:{n}") for n in range(1, 4)]
    actor = compound.actor("manager")
    with compound.at_work() as (session, _):
        meeting_agenda.lay_out(session, meeting_id, points, now_ms=NOW_MS)
        first, second, third = items_of(session, meeting_id)
        meeting_agenda.remove_item(session, meeting_id, first.id, actor=actor, now_ms=NOW_MS)
        meeting_agenda.shift_item(session, meeting_id, third.id, -1, actor=actor, now_ms=NOW_MS)
        more = [*points, AgendaPoint(AgendaKind.CARRIED_OVER, "ticket:9")]
        meeting_agenda.lay_out(session, meeting_id, more, now_ms=NOW_MS)
        assert [i.source for i in items_of(session, meeting_id)] == [third.source, second.source, "ticket:9"]
        with pytest.raises(NotOnAgenda):
            meeting_agenda.arrange(session, meeting_id, [third.id, 99_999], actor=actor, now_ms=NOW_MS)


def test_the_agenda_is_frozen_when_the_meeting_opens(compound: Compound, meeting_id: int) -> None:
    item_id = add(compound, meeting_id)
    move(compound, meeting_id, S.OPEN)
    with pytest.raises(StepNotPossible) as refused:
        add(compound, meeting_id, "Something else")
    assert refused.value.allowed == ("minuted", "without_quorum")
    with compound.at_work() as (session, _):
        assert meeting_agenda.lay_out(session, meeting_id, [AgendaPoint(AgendaKind.BLOCKED, "x")], now_ms=1) is None
        with pytest.raises(StepNotPossible):
            meeting_agenda.remove_item(session, meeting_id, item_id, actor=compound.actor("admin"), now_ms=1)


# Quorum


def test_a_meeting_without_a_quorum_cannot_decide_and_its_items_carry_over(compound: Compound, meeting_id: int) -> None:
    item_id = add(compound, meeting_id)
    move(compound, meeting_id, S.OPEN)
    come(compound, meeting_id, "manager", "community")
    with pytest.raises(NoQuorum) as refused:
        write(compound, meeting_id, item_id, ItemWords("We talked", "We do it"))
    assert refused.value.missing == ("committee",)
    write(compound, meeting_id, item_id, ItemWords("We talked"))
    with pytest.raises(NoQuorum):
        move(compound, meeting_id, S.MINUTED)
    move(compound, meeting_id, S.WITHOUT_QUORUM)
    assert outcomes(compound, meeting_id) == ["carried"]
    later = compound.plan(2027, 1)
    for _ in range(2):
        with compound.at_work() as (session, _site):
            meeting_agenda.lay_out(session, later, [], now_ms=NOW_MS)
            carried = items_of(session, later)
            assert [(item.kind, item.title) for item in carried] == [("carried_over", "Rubbish in the basement")]
            assert carried[0].facts == {"was": "by_hand", "since": "2026-12-10", "times": 1}
    move(compound, later, S.OPEN)
    move(compound, later, S.WITHOUT_QUORUM)
    last = compound.plan(2027, 2)
    with compound.at_work() as (session, _site):
        meeting_agenda.lay_out(session, last, [], now_ms=NOW_MS)
        assert items_of(session, last)[0].facts["times"] == 2, "it is not lost, however often nobody comes"
        assert items_of(session, last)[0].facts["since"] == "2026-12-10"


def test_who_is_needed_cannot_be_struck_once_something_was_decided(compound: Compound, meeting_id: int) -> None:
    item_id = add(compound, meeting_id)
    come(compound, meeting_id, "manager", "committee", "community")
    move(compound, meeting_id, S.OPEN)
    write(compound, meeting_id, item_id, ItemWords("", "We do it"))
    with compound.at_work() as (session, _):
        row = attendance_of(session, meeting_id)[1]
        with pytest.raises(NoQuorum):
            meeting_minutes.strike_attendance(
                session, meeting_id, row.id, actor=compound.actor("manager"), now_ms=NOW_MS
            )
    with pytest.raises(QuorumPresent):
        move(compound, meeting_id, S.WITHOUT_QUORUM)


def test_nobody_sits_for_two_parties_or_for_one_of_which_they_hold_no_role(compound: Compound, meeting_id: int) -> None:
    def note(party: Party, **who: object) -> None:
        with compound.at_work() as (session, _):
            meeting_minutes.note_attendance(
                session,
                meeting_id,
                party=party,
                actor=compound.actor("community"),
                now_ms=NOW_MS,
                **who,  # type: ignore[arg-type]
            )

    note(Party.PROPERTY, person_id=compound.ids["both"])
    note(Party.PROPERTY, person_id=compound.ids["both"])
    note(Party.OWNERS, name="Mr Wang of building 3")
    for wrong in (
        {"party": Party.COMMITTEE, "person_id": compound.ids["both"]},
        {"party": Party.COMMITTEE, "name": "Mr Wang of building 3"},
        {"party": Party.COMMITTEE, "person_id": compound.ids["manager"]},
        {"party": Party.COMMITTEE, "person_id": 99_999},
        {"party": Party.COMMITTEE, "name": "  "},
        {"party": Party.OPERATOR, "name": "Somebody"},
    ):
        with pytest.raises(InvalidField):
            note(**wrong)  # type: ignore[arg-type]
    with compound.database.reading() as session:
        assert [(row.party, row.name) for row in attendance_of(session, meeting_id)] == [
            ("property", "Both"),
            ("owners", "Mr Wang of building 3"),
        ]


# Minutes


@pytest.fixture
def held(compound: Compound, meeting_id: int) -> tuple[int, int]:
    """A meeting that is over, with one decision, and its item."""
    item_id = add(compound, meeting_id)
    add(compound, meeting_id, "Nobody came to this")
    come(compound, meeting_id, "manager", "committee", "community")
    move(compound, meeting_id, S.OPEN)
    task = NewTask("Clear the basement", Party.PROPERTY, compound.ids["manager"], date(2026, 12, 20))
    write(compound, meeting_id, item_id, ItemWords("It smells", "The company clears it", tasks=[task]))
    move(compound, meeting_id, S.MINUTED)
    return meeting_id, item_id


def test_a_decision_becomes_a_task_with_owner_and_day(compound: Compound, held: tuple[int, int]) -> None:
    with compound.database.reading() as session:
        (task,) = tasks_of_items(session, [held[1]])
        assert (task.title, task.party, task.owner_id) == ("Clear the basement", "property", compound.ids["manager"])
        assert (task.due_on, task.state, task.work_list) == (date(2026, 12, 20), "open", "duties")
    assert outcomes(compound, held[0]) == [ItemOutcome.DECIDED, ItemOutcome.CARRIED]


def test_minutes_are_frozen_with_the_last_confirmation_and_only_added_to(
    compound: Compound, held: tuple[int, int]
) -> None:
    meeting_id, item_id = held
    confirm(compound, meeting_id, "manager", Party.PROPERTY)
    confirm(compound, meeting_id, "committee", Party.COMMITTEE)
    meeting = confirm(compound, meeting_id, "community", Party.COMMUNITY)
    assert (meeting.stage, len(meeting.minutes_hash or "")) == ("confirmed", 64)
    with pytest.raises(StepNotPossible):
        write(compound, meeting_id, item_id, ItemWords("It smelt of roses", "The company clears it"))
    with compound.at_work() as (session, _):
        actor = compound.actor("committee")
        meeting_minutes.add_addendum(session, meeting_id, "It was building 4.", actor=actor, now_ms=NOW_MS)
        with pytest.raises(StepNotPermitted):
            meeting_minutes.add_addendum(session, meeting_id, "No", actor=compound.actor("owner"), now_ms=NOW_MS)
    with compound.database.reading() as session:
        meeting = get_meeting(session, meeting_id)
        assert minutes_digest(session, meeting) == meeting.minutes_hash
        assert [(row.party, row.text) for row in addenda_of(session, meeting_id)] == [
            ("committee", "It was building 4.")
        ]
        assert list(activity.verify_chain(session)) == []


def test_a_word_changed_in_frozen_minutes_is_seen(compound: Compound, held: tuple[int, int]) -> None:
    for name, party in (("manager", Party.PROPERTY), ("committee", Party.COMMITTEE), ("community", Party.COMMUNITY)):
        confirm(compound, held[0], name, party)
    with compound.at_work() as (session, _):
        items_of(session, held[0])[0].decision = "The owners clear it"
        session.flush()
        meeting = get_meeting(session, held[0])
        assert minutes_digest(session, meeting) != meeting.minutes_hash


def test_nobody_confirms_for_two_parties_or_twice_or_for_one_they_do_not_hold(
    compound: Compound, held: tuple[int, int]
) -> None:
    confirm(compound, held[0], "both", Party.PROPERTY)
    for name, party in (("both", Party.COMMITTEE), ("manager", Party.PROPERTY)):
        with pytest.raises(ConfirmedAlready):
            confirm(compound, held[0], name, party)
    for name, party in (("manager", Party.COMMUNITY), ("admin", Party.COMMUNITY), ("district", Party.DISTRICT)):
        with pytest.raises(PartyNotHeld):
            confirm(compound, held[0], name, party)
    with compound.database.reading() as session:
        meeting = get_meeting(session, held[0])
        assert meeting_minutes.may_confirm(session, meeting, compound.actor("both")) == []
        assert meeting_minutes.may_confirm(session, meeting, compound.actor("community")) == [Party.COMMUNITY]


def test_of_two_who_write_at_once_the_second_is_told_and_overwrites_nothing(
    compound: Compound, meeting_id: int
) -> None:
    item_id = add(compound, meeting_id)
    move(compound, meeting_id, S.OPEN)
    assert write(compound, meeting_id, item_id, ItemWords("First"), version=1) == 2
    with pytest.raises(WordsChangedMeanwhile) as refused:
        write(compound, meeting_id, item_id, ItemWords("Second"), version=1)
    assert (refused.value.version, refused.value.changed_by) == (2, "community")
    with compound.database.reading() as session:
        assert items_of(session, meeting_id)[0].discussion == "First"


def test_mending_the_draft_takes_confirmations_back_and_decides_nothing_new(
    compound: Compound, held: tuple[int, int]
) -> None:
    meeting_id, item_id = held
    with compound.database.reading() as session:
        shown = minutes_digest(session, get_meeting(session, meeting_id))
        other = items_of(session, meeting_id)[1].id
    confirm(compound, meeting_id, "manager", Party.PROPERTY, digest=shown)
    write(compound, meeting_id, item_id, ItemWords("It smells badly", "The company clears it"))
    with compound.database.reading() as session:
        assert confirmations_of(session, meeting_id) == []
    with pytest.raises(WordsChangedMeanwhile):
        confirm(compound, meeting_id, "manager", Party.PROPERTY, digest=shown)
    for wrong in ((other, ItemWords("", "Decided afterwards")), (item_id, ItemWords("It smells", ""))):
        with pytest.raises(StepNotPossible):
            write(compound, meeting_id, *wrong)


def test_what_is_not_on_the_agenda_is_not_decided(compound: Compound, held: tuple[int, int]) -> None:
    other = compound.plan(2027, 1)
    move(compound, other, S.OPEN)
    for item_id in (held[1], 99_999):
        with pytest.raises(NotOnAgenda):
            write(compound, other, item_id, ItemWords("x"))


def test_two_who_open_at_once_and_a_role_that_may_not(compound: Compound, meeting_id: int) -> None:
    with compound.at_work() as (session, _):
        actor = compound.actor("community")
        move_meeting(session, meeting_id, S.OPEN, actor=actor, expected_version=1, now_ms=NOW_MS)
        with pytest.raises(SteppedMeanwhile):
            move_meeting(session, meeting_id, S.OPEN, actor=actor, expected_version=1, now_ms=NOW_MS)
        meeting = get_meeting(session, meeting_id)
        assert allowed_meeting_moves(session, meeting, actor) == [S.WITHOUT_QUORUM]
        assert allowed_meeting_moves(session, meeting, compound.actor("technician")) == []
    other = compound.plan(2027, 1)
    for name, stage in (("technician", S.OPEN), ("manager", S.CANCELLED)):
        with pytest.raises(StepNotPermitted):
            move(compound, other, stage, by=name)
    with compound.at_work() as (session, _), pytest.raises(WordNeeded):
        move_meeting(session, other, S.CANCELLED, actor=compound.actor("community"), now_ms=NOW_MS)


# Reception


def test_what_an_owner_brings_may_become_a_ticket_and_an_item_once(compound: Compound, meeting_id: int) -> None:
    compound.lifts(1)
    actor = compound.actor("community")
    with compound.at_work() as (session, _):
        entry = reception.receive(
            session, meeting_id, matter="The lamp\nis broken", name="Auntie Li", actor=actor, now_ms=NOW_MS
        )
        ticket = reception.make_ticket(session, entry.id, severity=Severity.MINOR, actor=actor, now_ms=NOW_MS)
        assert ticket is not None
        assert ticket.title == "The lamp is broken"
        assert "Li" not in ticket.title + ticket.description
        again = reception.make_ticket(session, entry.id, severity=Severity.MINOR, actor=actor, now_ms=NOW_MS)
        assert again is None
        items = [reception.put_on_agenda(session, entry.id, actor=actor, now_ms=NOW_MS).id for _ in range(2)]
        assert items[0] == items[1]
        reception.answer(session, entry.id, "It is mended tomorrow.", actor=actor, now_ms=NOW_MS)
        assert reception.receive(session, meeting_id, matter="Noise", actor=actor, now_ms=NOW_MS).number == 2
        told = [str(row.data) for row in activity.of_subject(session, f"meeting:{meeting_id}")]
        assert not any("Li" in each for each in told), "who came stands in no log"
    move(compound, meeting_id, S.OPEN, S.WITHOUT_QUORUM)
    with compound.at_work() as (session, _), pytest.raises(StepNotPossible):
        reception.receive(session, meeting_id, matter="Too late", actor=actor, now_ms=NOW_MS)


def test_a_task_of_a_decision_is_refused_when_its_owner_is_of_another_party(
    compound: Compound, meeting_id: int
) -> None:
    item_id = add(compound, meeting_id)
    come(compound, meeting_id, "manager", "committee", "community")
    move(compound, meeting_id, S.OPEN)
    for wrong in (
        NewTask("x", Party.PROPERTY, compound.ids["committee"]),
        NewTask("x", Party.PROPERTY, None, date(2026, 11, 1)),
        NewTask(" ", Party.PROPERTY),
        NewTask("x", Party.OPERATOR),
    ):
        with pytest.raises(InvalidField):
            write(compound, meeting_id, item_id, ItemWords("", "We do it", tasks=[wrong]))
    with compound.database.reading() as session:
        assert tasks_of_items(session, [item_id]) == []
        assert items_of(session, meeting_id)[0].decision == ""
        with pytest.raises(Exception, match="no task 1"):
            get_task(session, 1)
