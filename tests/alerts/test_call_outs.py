"""Call-outs: stages that are called by themselves, one question for each person, and the way home for all."""

import threading

import pytest
from sqlalchemy import select

from alerts import incident
from alerts.call_out import CallOut, list_call_outs, muster_list
from alerts.call_out_errors import InvalidCallOut, NoStageLeft, NotSummoned, NotThatMany, OpenCallOut, SummonsOver
from alerts.call_out_moves import LAPSES_MS
from alerts.call_out_plan import settle_plan, stages_of_site
from alerts.call_out_report import report_of
from alerts.call_out_states import (
    DEFAULT_STAGES,
    MOVES,
    OPEN_STATES,
    STAGE_MOVES,
    Audience,
    CallOutState,
    StageRule,
    StageState,
)
from alerts.call_out_stock import StockMove, add_item, get_item, move_stock
from alerts.errors import IllegalMove, MissingNote, NotPermitted
from alerts.notification import Delivery, DeliveryState
from alerts.severity import Severity
from alerts.watch import Signal
from models.equipment import Kind
from registry.activity import of_subject
from registry.channel import Channel
from registry.database import Database
from registry.person import Person, RoleGrant
from registry.role import Role
from registry.site import Site
from registry.unit import add_unit, list_units
from tests.alerts.callers import HERE, MINUTE_MS, PROPOSAL, STAND_DOWN, SUMMONS, T0_MS, District
from tests.alerts.compound import CONDITIONS


@pytest.fixture
def district(database: Database) -> District:
    return District(database)


def minute(number: float) -> int:
    return T0_MS + round(number * MINUTE_MS)


# The tables


def test_the_tables_of_states_are_total_and_end() -> None:
    assert set(MOVES) == set(CallOutState)
    assert set(STAGE_MOVES) == set(StageState)
    final = {state for state, moves in MOVES.items() if not moves}
    assert final == {CallOutState.CLOSED, CallOutState.REJECTED, CallOutState.LAPSED}
    assert {to for moves in MOVES.values() for to in moves} == set(CallOutState) - {CallOutState.PROPOSED}
    assert not OPEN_STATES & final


def test_every_audience_has_a_default_stage() -> None:
    assert [rule.audience for rule in DEFAULT_STAGES] == list(Audience)


# Stages


def test_staff_on_duty_are_asked_first_and_nobody_else(district: District) -> None:
    call_out_id = district.start()
    assert district.asked(call_out_id) == {"manager", "staff-1", "staff-2"}
    assert district.stages(call_out_id) == ["called", "waiting", "waiting"]


def test_the_next_stages_follow_by_themselves_when_too_few_answer(district: District) -> None:
    call_out_id = district.start()
    assert district.run(minute(4.9)) == 0
    assert district.run(minute(5)) == 1
    assert {name.split("-")[0] for name in district.asked(call_out_id)} == {"manager", "staff", "helper"}
    assert district.run(minute(14.9)) == 0
    assert district.run(minute(15)) == 1
    assert district.stages(call_out_id) == ["called"] * 3
    assert district.run(minute(600)) == 0
    assert set(district.told(SUMMONS).values()) == {1}
    assert len(district.asked(call_out_id)) == 3 + 4 + 12


def test_a_stage_is_not_called_while_enough_are_coming_and_is_when_one_of_them_cannot(district: District) -> None:
    _settle(district, StageRule(Audience.ON_DUTY, 2, 5), StageRule(Audience.VOLUNTEERS, 5, 5))
    call_out_id = district.start()
    for name in ("staff-1", "staff-2"):
        district.answer(call_out_id, name, 15, now_ms=minute(1))
    assert district.run(minute(5)) == 1
    assert district.stages(call_out_id) == ["called", "not_needed"]
    assert district.run(minute(60)) == 0
    district.answer(call_out_id, "staff-2", None, now_ms=minute(61))
    assert district.run(minute(61)) == 1
    assert district.stages(call_out_id) == ["called", "called"]


def test_a_stage_that_reaches_nobody_is_not_waited_for(database: Database) -> None:
    district = District(database, helpers=0)
    call_out_id = district.start()
    assert district.run(minute(5)) == 2
    assert district.stages(call_out_id) == ["called"] * 3
    assert "volunteer-0" in district.asked(call_out_id)


def test_a_person_may_call_the_next_stage_at_once_but_skips_none(district: District) -> None:
    call_out_id = district.start()
    district.call_next(call_out_id, now_ms=minute(1))
    assert district.stages(call_out_id) == ["called", "called", "waiting"]
    district.call_next(call_out_id, now_ms=minute(2))
    with pytest.raises(NoStageLeft):
        district.call_next(call_out_id, now_ms=minute(3))
    assert district.run(minute(60)) == 0


def test_two_servers_call_a_stage_once(district: District) -> None:
    call_out_id = district.start()
    done: list[int] = []
    threads = [threading.Thread(target=lambda: done.append(district.run(minute(20)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(done) == 1
    assert set(district.told(SUMMONS).values()) == {1}
    assert district.stages(call_out_id) == ["called", "called", "waiting"]


def test_a_stage_that_came_late_says_by_how_much(district: District) -> None:
    call_out_id = district.start()
    district.run(minute(35))
    assert district.call_out(call_out_id).stages[1].late_ms == 30 * MINUTE_MS


def test_somebody_of_two_stages_is_asked_once(district: District) -> None:
    with district.database.writing() as session:
        from_here = session.get_one(Site, district.site_id)
        person = session.get_one(Person, district.people["staff-1"])
        person.grants.append(RoleGrant(role=Role.VOLUNTEER.value, site=from_here))
    call_out_id = district.start()
    district.run(minute(5))
    district.run(minute(15))
    assert district.told(SUMMONS)["staff-1"] == 1
    assert district.call_out(call_out_id).stages[2].asked == 12


# Answers


def test_an_answer_may_be_changed_and_the_last_one_counts(district: District) -> None:
    call_out_id = district.start()
    district.answer(call_out_id, "staff-1", 5, now_ms=minute(1))
    district.answer(call_out_id, "staff-1", 30, now_ms=minute(2))
    muster = district.muster(call_out_id)
    assert (muster.asked, muster.coming, muster.cannot, muster.silent) == (3, 1, 0, 2)
    district.answer(call_out_id, "staff-1", None, now_ms=minute(3))
    assert (district.muster(call_out_id).coming, district.muster(call_out_id).cannot) == (0, 1)


def test_the_same_tap_twice_is_one_answer(district: District) -> None:
    call_out_id = district.start()
    for second in (0, 5):
        district.answer(call_out_id, "staff-1", 5, now_ms=minute(1) + second * 1000)
    with district.database.reading() as session:
        verbs = [row.verb for row in of_subject(session, f"call_out:{call_out_id}")]
    assert verbs.count("call_out.answered") == 1


def test_who_said_five_minutes_is_overdue_after_them_and_no_more_once_there(district: District) -> None:
    call_out_id = district.start()
    district.answer(call_out_id, "staff-1", 5, now_ms=minute(1))
    assert district.muster(call_out_id, now_ms=minute(6)).overdue == 0
    assert district.muster(call_out_id, now_ms=minute(6.1)).overdue == 1
    district.arrive(call_out_id, "staff-1", now_ms=minute(7))
    muster = district.muster(call_out_id, now_ms=minute(8))
    assert (muster.arrived, muster.overdue) == (1, 0)


def test_an_arrival_is_noted_by_the_person_at_the_meeting_point_and_taken_back(district: District) -> None:
    call_out_id = district.start()
    district.arrive(call_out_id, "staff-2", by="manager", now_ms=minute(7))
    assert (district.muster(call_out_id).arrived, district.muster(call_out_id).coming) == (1, 1)
    with district.database.reading() as session:
        assert [row.noted_by for row in muster_list(session, call_out_id) if row.arrived_ms] == ["manager"]
    district.arrive(call_out_id, "staff-2", has_arrived=False, by="manager", now_ms=minute(8))
    assert district.muster(call_out_id).arrived == 0


def test_who_was_not_asked_cannot_answer(district: District) -> None:
    call_out_id = district.start()
    with pytest.raises(NotSummoned):
        district.answer(call_out_id, "volunteer-1", 5, now_ms=minute(1))


def test_minutes_that_no_button_has_are_refused(district: District) -> None:
    call_out_id = district.start()
    with pytest.raises(InvalidCallOut):
        district.answer(call_out_id, "staff-1", 7, now_ms=minute(1))


def test_after_a_day_a_link_has_run_out(district: District) -> None:
    call_out_id = district.start()
    with pytest.raises(SummonsOver):
        district.answer(call_out_id, "staff-1", 5, now_ms=minute(24 * 60 + 1))


# Stand-down


def test_a_stand_down_reaches_everybody_who_was_asked_also_of_a_mistake(district: District) -> None:
    call_out_id = district.start()
    district.run(minute(5))
    district.answer(call_out_id, "helper-1", None, now_ms=minute(6))
    district.move(call_out_id, CallOutState.STOOD_DOWN, note="Pressed by mistake", now_ms=minute(7))
    assert district.told(STAND_DOWN) == district.told(SUMMONS)
    assert district.stages(call_out_id) == ["called", "called", "cancelled"]
    assert district.run(minute(60)) == 0
    with pytest.raises(SummonsOver):
        district.answer(call_out_id, "staff-1", 5, now_ms=minute(8))


def test_a_summons_that_did_not_go_out_does_not_follow_its_stand_down(district: District) -> None:
    with district.database.writing() as session:
        for person_id in district.people.values():
            session.add(
                Channel(person_id=person_id, kind="console", label="", sealed="", least_severity="major", created_ms=0)
            )
    call_out_id = district.start()
    district.move(call_out_id, CallOutState.STOOD_DOWN, now_ms=minute(1))
    with district.database.reading() as session:
        states = list(session.scalars(select(Delivery.state).order_by(Delivery.id)))
    assert states == [DeliveryState.WITHDRAWN] * 3 + [DeliveryState.WAITING] * 3


def test_a_closing_needs_its_report_and_then_nothing_moves(district: District) -> None:
    call_out_id = district.start()
    with pytest.raises(IllegalMove):
        district.move(call_out_id, CallOutState.CLOSED, now_ms=minute(1))
    district.move(call_out_id, CallOutState.STOOD_DOWN, note="", now_ms=minute(1))
    with pytest.raises(MissingNote):
        district.move(call_out_id, CallOutState.CLOSED, note=" ", now_ms=minute(2))
    district.move(call_out_id, CallOutState.CLOSED, note="500 cars saved", now_ms=minute(2))
    assert district.call_out(call_out_id).outcome == "500 cars saved"
    for to in CallOutState:
        with pytest.raises(IllegalMove):
            district.move(call_out_id, to, now_ms=minute(3))


def test_only_those_who_may_call_people_out_do_so(district: District) -> None:
    call_out_id = district.start()
    with pytest.raises(NotPermitted):
        district.move(call_out_id, CallOutState.STOOD_DOWN, now_ms=minute(1), by="staff-1")


def test_a_compound_has_one_call_out_at_a_time(district: District) -> None:
    first = district.start()
    with pytest.raises(OpenCallOut) as told:
        district.start()
    assert told.value.call_out_id == first
    district.move(first, CallOutState.STOOD_DOWN, now_ms=minute(1))
    assert district.start(now_ms=minute(2)) != first


def test_a_call_for_nothing_is_refused(district: District) -> None:
    with pytest.raises(InvalidCallOut):
        district.start(reason="  ")


# The plan


def _settle(district: District, *stages: StageRule, automatic_from: Severity | None = None) -> None:
    with district.database.writing() as session:
        settle_plan(
            session,
            session.get_one(Site, district.site_id),
            stages=stages,
            meeting_point="Gate 1",
            automatic_from=automatic_from,
            actor=district.actor(),
            now_ms=T0_MS,
        )


@pytest.mark.parametrize(
    "stages",
    [
        (),
        (StageRule(Audience.ON_DUTY, 0, 5),),
        (StageRule(Audience.ON_DUTY, 5, 0),),
        (StageRule(Audience.ON_DUTY, 5, 5), StageRule(Audience.ON_DUTY, 6, 5)),
    ],
)
def test_a_plan_that_cannot_be_is_refused(district: District, stages: tuple[StageRule, ...]) -> None:
    with pytest.raises(InvalidCallOut):
        _settle(district, *stages)
    with district.database.reading() as session:
        assert stages_of_site(session, district.site_id) == DEFAULT_STAGES


# What the flood alarm does


@pytest.fixture
def flooded(district: District) -> District:
    """The district with two pumps, so that alarms can be raised at it."""
    with district.database.writing() as session:
        site = session.get_one(Site, district.site_id)
        for name in ("pump-1", "pump-2"):
            add_unit(session, site=site, kind=Kind.PUMP, key=name, now_ms=0)
    return district


def _hear(district: District, *said: tuple[str, str], at_ms: int) -> None:
    with district.database.writing() as session:
        units = {unit.unit_key: unit.id for unit in list_units(session, site=HERE, limit=10)}
        by_name = {key.unit: key for key in units}
        signals = [
            Signal(by_name[name], CONDITIONS[Kind.PUMP, code.removeprefix("-")], at_ms, not code.startswith("-"))
            for name, code in said
        ]
        incident.apply_signals(session, signals, units=units, received_ms=at_ms)


def _all(district: District) -> list[CallOut]:
    with district.database.reading() as session:
        found = list_call_outs(session, site=HERE)
        session.expunge_all()
        return found


def test_a_flood_alarm_proposes_a_call_out_and_calls_nobody(flooded: District) -> None:
    _hear(flooded, ("pump-1", "inflow_exceeds_capacity"), at_ms=T0_MS)
    (proposed,) = _all(flooded)
    assert (proposed.state, proposed.condition) == ("proposed", "inflow_exceeds_capacity")
    assert proposed.ticket_id is not None
    assert flooded.told(PROPOSAL) == {"manager": 1}
    assert flooded.asked(proposed.id) == set()
    assert flooded.run(minute(60)) == 0
    flooded.move(proposed.id, CallOutState.CALLED, note="", now_ms=minute(61))
    assert len(flooded.asked(proposed.id)) == 3


def test_an_alarm_proposes_once_whatever_becomes_of_it(flooded: District) -> None:
    _hear(flooded, ("pump-1", "inflow_exceeds_capacity"), at_ms=T0_MS)
    flooded.move(_all(flooded)[0].id, CallOutState.REJECTED, note="A test of the pumps", now_ms=minute(1))
    _hear(flooded, ("pump-1", "-inflow_exceeds_capacity"), at_ms=minute(2))
    _hear(flooded, ("pump-1", "inflow_exceeds_capacity"), at_ms=minute(3))
    assert len(_all(flooded)) == 1
    _hear(flooded, ("pump-2", "floor_water_close"), at_ms=minute(4))
    assert [each.state for each in _all(flooded)] == ["proposed", "rejected"]


def test_alarms_of_one_flood_share_one_call_out(flooded: District) -> None:
    _hear(flooded, ("pump-1", "inflow_exceeds_capacity"), ("pump-2", "inflow_exceeds_capacity"), at_ms=T0_MS)
    _hear(flooded, ("pump-1", "floor_water_evacuate"), at_ms=minute(1))
    (only,) = _all(flooded)
    with flooded.database.reading() as session:
        assert len(report_of(session, only, now_ms=minute(2)).alarm_ids) == 3


def test_other_alarms_propose_nothing(flooded: District) -> None:
    _hear(flooded, ("pump-1", "dry_run"), ("pump-1", "floor_water_wet"), at_ms=T0_MS)
    assert _all(flooded) == []


def test_a_compound_may_let_grave_alarms_call_by_themselves(flooded: District) -> None:
    _settle(flooded, *DEFAULT_STAGES, automatic_from=Severity.CRITICAL)
    _hear(flooded, ("pump-1", "floor_water_close"), at_ms=T0_MS)
    assert flooded.run(T0_MS) == 0
    _hear(flooded, ("pump-1", "inflow_exceeds_capacity"), at_ms=minute(1))
    assert flooded.run(minute(1)) == 1
    (called,) = _all(flooded)
    assert (called.state, called.is_automatic, called.called_by) == ("called", True, "system")
    assert len(flooded.asked(called.id)) == 3


def test_a_proposal_that_nobody_decides_on_lapses(flooded: District) -> None:
    _hear(flooded, ("pump-1", "inflow_exceeds_capacity"), at_ms=T0_MS)
    assert flooded.run(T0_MS + LAPSES_MS - 1) == 0
    assert flooded.run(T0_MS + LAPSES_MS) == 1
    assert [each.state for each in _all(flooded)] == ["lapsed"]


# Barriers and equipment


def test_no_more_is_taken_than_there_is_and_no_more_given_back_than_was_taken(district: District) -> None:
    call_out_id = district.start()
    actor = district.actor()
    with district.database.writing() as session:
        site = session.get_one(Site, district.site_id)
        bags = add_item(
            session, site, name="Sandbags", measure="pcs", place="Gate 1", amount=200, actor=actor, now_ms=T0_MS
        )
    moves = [(StockMove.TAKEN, 150), (StockMove.USED_UP, 30), (StockMove.RETURNED, 100)]
    for move, number in moves:
        with district.database.writing() as session:
            move_stock(session, bags.id, move, number, call_out_id=call_out_id, actor=actor, now_ms=minute(1))
    for move, number, most in ((StockMove.TAKEN, 151, 150), (StockMove.RETURNED, 21, 20), (StockMove.USED_UP, 0, 20)):
        with pytest.raises(NotThatMany) as told, district.database.writing() as session:
            move_stock(session, bags.id, move, number, actor=actor, now_ms=minute(2))
        assert told.value.most == most
    with district.database.reading() as session:
        item = get_item(session, bags.id)
        assert (item.amount, item.out, item.present) == (170, 20, 150)
        (used,) = report_of(session, district.call_out(call_out_id), now_ms=minute(3)).stock
        assert (used.taken, used.returned, used.used_up, used.still_out) == (150, 100, 30, 20)


# The report


def test_the_report_tells_how_long_it_took_until_so_many_were_there(district: District) -> None:
    call_out_id = district.start()
    district.run(minute(5))
    district.run(minute(15))
    for number in range(6):
        district.answer(call_out_id, f"volunteer-{number}", 15, now_ms=minute(16 + number))
        district.arrive(call_out_id, f"volunteer-{number}", now_ms=minute(30 + number))
    with district.database.reading() as session:
        report = report_of(session, district.call_out(call_out_id), now_ms=minute(60))
    assert [(each.number, each.coming_ms, each.arrived_ms) for each in report.times] == [
        (1, 16 * MINUTE_MS, 30 * MINUTE_MS),
        (5, 20 * MINUTE_MS, 34 * MINUTE_MS),
    ]
    assert [(stage.asked, stage.coming, stage.arrived) for stage in report.stages] == [(3, 0, 0), (4, 0, 0), (12, 6, 6)]
