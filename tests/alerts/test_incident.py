"""From a signal to an alarm and its ticket, in one transaction."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError

from alerts import explaining, incident
from alerts.alarm import (
    Alarm,
    AlarmState,
    count_open_by_severity,
    get_alarm,
    list_alarms,
    open_alarms,
    open_alarms_of_unit,
)
from alerts.conditions import Condition, condition_table
from alerts.errors import IllegalMove, NeverShelved, UnknownAlarm
from alerts.inhibition import HOLD_MS
from alerts.limits import Limits
from alerts.severity import Severity
from alerts.ticket import get_ticket, moves_of
from alerts.ticket_list import list_tickets
from alerts.ticket_stages import FINAL_STAGES, Stage
from alerts.watch import Signal
from models.equipment import Kind
from models.reading import UnitKey
from registry import activity
from registry.activity import Activity
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.site import Site, add_site
from registry.unit import add_unit

NOW_MS = 1_700_000_000_000
MANAGER = Actor("mei", (Grant(Role.PROPERTY_MANAGER, "xiaohe"),))
CONDITIONS = {
    (kind, condition.code): condition
    for kind, conditions in condition_table(Limits()).items()
    for condition in conditions
}
DRY_RUN = CONDITIONS[Kind.PUMP, "dry_run"]
WET = CONDITIONS[Kind.PUMP, "floor_water_wet"]
CLOSE = CONDITIONS[Kind.PUMP, "floor_water_close"]
RAIN = CONDITIONS[Kind.PUMP, "heavy_rain"]
FIRE = CONDITIONS[Kind.FIRE, "fire"]


@dataclass
class House:
    """One compound with one pump; signals are given by condition and second."""

    database: Database
    unit: UnitKey
    unit_id: int

    def signal(self, condition: Condition, second: float, *, on: bool = True, **evidence: object) -> None:
        with self.database.writing() as session:
            incident.apply_signals(
                session,
                [Signal(self.unit, condition, self.at_ms(second), on, dict(evidence))],
                units={self.unit: self.unit_id},
                received_ms=self.at_ms(second) + 50,
            )
        explaining.settle_due(self.database, CONDITIONS, now_ms=self.at_ms(second) + 50 + HOLD_MS)

    @staticmethod
    def at_ms(second: float) -> int:
        return NOW_MS + int(second * 1000)

    def alarms(self, condition: Condition | None = None) -> list[Alarm]:
        with self.database.reading() as session:
            found = list_alarms(session, unit_id=self.unit_id, limit=1000)[::-1]
            session.expunge_all()
            return [alarm for alarm in found if condition is None or alarm.condition == condition.code]

    def tickets(self) -> list[tuple[int, str, str, str]]:
        with self.database.reading() as session:
            found = list_tickets(session, unit_id=self.unit_id, limit=1000)[::-1]
            return [(ticket.id, ticket.stage, ticket.severity, ticket.title) for ticket in found]

    def close_ticket(self, ticket_id: int, second: float = 0) -> None:
        with self.database.writing() as session:
            ticket = get_ticket(session, ticket_id)
            if Stage(ticket.stage) not in FINAL_STAGES:
                incident.move_ticket(
                    session, ticket_id, Stage.CANCELLED, actor=MANAGER, note="done", now_ms=self.at_ms(second)
                )

    def acknowledge(self, alarm_id: int, second: float = 0) -> None:
        with self.database.writing() as session:
            incident.acknowledge_alarm(session, alarm_id, actor=MANAGER, now_ms=self.at_ms(second))

    def shelve(self, alarm_id: int, *, until: float, second: float = 0, is_allowed: bool = True) -> None:
        with self.database.writing() as session:
            incident.shelve_alarm(
                session,
                alarm_id,
                until_ms=self.at_ms(until),
                reason="a test",
                is_allowed=is_allowed,
                actor=MANAGER,
                now_ms=self.at_ms(second),
            )

    def log(self) -> list[tuple[str, str, str]]:
        with self.database.reading() as session:
            assert not list(activity.verify_chain(session))
            return [(row.verb, row.subject, row.actor) for row in activity.after(session, 0, limit=10_000)]


def new_house(database: Database, site: str = "xiaohe", kind: Kind = Kind.PUMP) -> House:
    with database.writing() as session:
        found = session.query(Site).filter_by(key=site).one_or_none() or add_site(session, key=site, now_ms=NOW_MS)
        number = session.scalar(text("SELECT count(*) FROM unit"))
        unit = add_unit(session, site=found, kind=kind, key=f"u{number}", now_ms=NOW_MS)
        return House(database, unit.unit_key, unit.id)


@pytest.fixture
def house(database: Database) -> House:
    return new_house(database)


# Raising


def test_a_signal_opens_an_alarm_and_its_ticket_together(house: House) -> None:
    house.signal(DRY_RUN, 0, level_m=0.1)
    [alarm] = house.alarms()
    assert (alarm.condition, alarm.severity, alarm.state, alarm.occurrences) == (
        "dry_run",
        "major",
        "unacknowledged",
        1,
    )
    assert (alarm.raised_ms, alarm.received_ms) == (NOW_MS, NOW_MS + 50)
    assert alarm.evidence == {"level_m": 0.1}
    assert house.tickets() == [(alarm.ticket_id, "reported", "major", DRY_RUN.title)]
    with house.database.reading() as session:
        assert [made.to_stage for made in moves_of(session, alarm.ticket_id or 0)] == ["reported"]
    assert house.log() == [
        ("alarm.raised", f"alarm:{alarm.id}", "system"),
        ("ticket.opened", f"ticket:{alarm.ticket_id}", "system"),
    ]


def test_an_advisory_opens_no_ticket(house: House) -> None:
    house.signal(RAIN, 0)
    [alarm] = house.alarms()
    assert alarm.ticket_id is None
    assert house.tickets() == []


def test_every_other_condition_opens_a_ticket_of_its_case(database: Database) -> None:
    for number, ((kind, _code), condition) in enumerate(CONDITIONS.items()):
        house = new_house(database, site=f"site-{number}", kind=kind)
        house.signal(condition, 0)
        assert len(house.tickets()) == (condition.severity is not Severity.ADVISORY)


def test_the_same_signal_again_changes_nothing(house: House) -> None:
    for second in range(3):
        house.signal(DRY_RUN, second)
    assert [alarm.occurrences for alarm in house.alarms()] == [1]
    assert len(house.tickets()) == 1
    assert len(house.log()) == 2


def test_the_end_of_what_never_began_changes_nothing(house: House) -> None:
    house.signal(DRY_RUN, 0, on=False)
    assert house.alarms() == []
    assert house.log() == []


def test_a_transaction_that_fails_leaves_neither_alarm_nor_ticket_nor_activity(house: House) -> None:
    good = Signal(house.unit, DRY_RUN, NOW_MS, True)
    bad = Signal(house.unit, WET, NOW_MS, True, {"kept": object()})

    def apply() -> None:
        with house.database.writing() as session:
            incident.apply_signals(session, [good, bad], units={house.unit: house.unit_id}, received_ms=NOW_MS)

    with pytest.raises((StatementError, TypeError)):
        apply()
    assert house.alarms() == []
    assert house.tickets() == []
    assert house.log() == []


# Returning and coming again


def test_an_alarm_that_returns_waits_for_its_acknowledgement(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.signal(DRY_RUN, 30, on=False)
    [alarm] = house.alarms()
    assert (alarm.state, alarm.is_active, alarm.cleared_ms) == ("returned_unacknowledged", False, house.at_ms(30))
    house.acknowledge(alarm.id, 40)
    [alarm] = house.alarms()
    assert (alarm.state, alarm.acknowledged_by, alarm.acknowledged_ms) == ("normal", "mei", house.at_ms(40))


def test_an_acknowledged_alarm_ends_when_its_condition_does(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.acknowledge(house.alarms()[0].id)
    house.acknowledge(house.alarms()[0].id)
    house.signal(DRY_RUN, 30, on=False)
    assert [alarm.state for alarm in house.alarms()] == ["normal"]
    verbs = [verb for verb, _, _ in house.log()]
    assert verbs == ["alarm.raised", "ticket.opened", "alarm.acknowledged", "alarm.returned"]


@pytest.mark.parametrize("is_acknowledged", [False, True])
def test_back_within_its_hysteresis_it_is_the_same_alarm_and_the_same_ticket(
    house: House, is_acknowledged: bool
) -> None:
    house.signal(DRY_RUN, 0)
    [first] = house.alarms()
    if is_acknowledged:
        house.acknowledge(first.id)
    house.signal(DRY_RUN, 30, on=False)
    house.signal(DRY_RUN, 30 + DRY_RUN.reuse_s)
    [again] = house.alarms()
    assert (again.id, again.ticket_id, again.occurrences) == (first.id, first.ticket_id, 2)
    assert (again.state, again.is_active, again.cleared_ms) == ("unacknowledged", True, None)
    assert (again.acknowledged_by, again.acknowledged_ms) == (None, None)
    assert again.raised_ms == NOW_MS
    assert again.evidence["again_ms"] == [house.at_ms(30 + DRY_RUN.reuse_s)]
    assert len(house.tickets()) == 1


def test_back_after_its_hysteresis_it_is_a_new_alarm_on_the_open_ticket(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.acknowledge(house.alarms()[0].id)
    house.signal(DRY_RUN, 30, on=False)
    house.signal(DRY_RUN, 30.001 + DRY_RUN.reuse_s)
    first, second = house.alarms()
    assert (first.state, second.state) == ("normal", "unacknowledged")
    assert (first.occurrences, second.occurrences) == (1, 1)
    assert first.ticket_id == second.ticket_id
    assert len(house.tickets()) == 1


def test_an_alarm_nobody_looked_at_stays_one_alarm_however_late_it_comes_again(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.signal(DRY_RUN, 30, on=False)
    house.signal(DRY_RUN, 100_000)
    [alarm] = house.alarms()
    assert (alarm.occurrences, alarm.state) == (2, "unacknowledged")


def test_a_signal_from_before_the_return_is_a_new_alarm(house: House) -> None:
    """Event time may run backwards when a clock was set right; the earlier incident is not reopened by it."""
    house.signal(DRY_RUN, 0)
    house.acknowledge(house.alarms()[0].id)
    house.signal(DRY_RUN, 30, on=False)
    house.signal(DRY_RUN, 20)
    assert [alarm.occurrences for alarm in house.alarms()] == [1, 1]


def test_many_occurrences_are_counted_and_the_last_of_them_told(house: House) -> None:
    for round_ in range(30):
        house.signal(DRY_RUN, round_ * 10)
        house.signal(DRY_RUN, round_ * 10 + 5, on=False)
    [alarm] = house.alarms()
    assert alarm.occurrences == 30
    assert alarm.evidence["again_ms"][-1] == house.at_ms(290)
    assert len(alarm.evidence["again_ms"]) <= incident.EVIDENCE_LIMIT + 1


# Tickets


def test_alarms_of_one_case_share_a_ticket_and_the_graver_one_names_it(house: House) -> None:
    house.signal(WET, 0)
    assert house.tickets()[0][2:] == ("minor", WET.title)
    house.signal(CLOSE, 60)
    wet, close = house.alarms()
    assert wet.ticket_id == close.ticket_id
    assert house.tickets() == [(wet.ticket_id, "reported", "major", CLOSE.title)]


def test_a_lighter_alarm_of_the_case_leaves_the_ticket_as_grave_as_it_is(house: House) -> None:
    house.signal(CLOSE, 0)
    house.signal(WET, 60)
    assert [row[2:] for row in house.tickets()] == [("major", CLOSE.title)]


def test_alarms_of_different_cases_have_different_tickets(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.signal(WET, 0)
    assert len(house.tickets()) == 2


def test_the_same_case_at_another_unit_is_another_ticket(database: Database) -> None:
    first, second = new_house(database), new_house(database)
    first.signal(WET, 0)
    second.signal(WET, 0)
    assert first.tickets()[0][0] != second.tickets()[0][0]


def test_an_occurrence_after_its_ticket_was_closed_opens_a_new_one(house: House) -> None:
    house.signal(DRY_RUN, 0)
    [before] = house.alarms()
    house.close_ticket(before.ticket_id or 0)
    house.signal(DRY_RUN, 30, on=False)
    house.signal(DRY_RUN, 60)
    [after] = house.alarms()
    assert after.ticket_id != before.ticket_id
    assert [stage for _, stage, _, _ in house.tickets()] == ["cancelled", "reported"]


def test_a_ticket_may_be_closed_while_the_alarm_stands_and_none_is_opened_for_what_was_known(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.close_ticket(house.alarms()[0].ticket_id or 0)
    house.signal(DRY_RUN, 60)
    assert [stage for _, stage, _, _ in house.tickets()] == ["cancelled"]


# Shelving


def test_fire_and_entrapment_are_never_shelved() -> None:
    never = {code for (_, code), condition in CONDITIONS.items() if not condition.may_be_shelved}
    assert never == {"fire", "entrapment", "alarm.90"}


def test_what_may_not_be_shelved_stays_as_it_is(database: Database) -> None:
    house = new_house(database, kind=Kind.FIRE)
    house.signal(FIRE, 0)
    with pytest.raises(NeverShelved):
        house.shelve(house.alarms()[0].id, until=60, is_allowed=FIRE.may_be_shelved)
    assert house.alarms()[0].state == "unacknowledged"
    assert len(house.log()) == 2


def test_the_shelf_ends_by_itself_and_exactly_then(house: House) -> None:
    house.signal(DRY_RUN, 0)
    [alarm] = house.alarms()
    house.shelve(alarm.id, until=600)
    for second, is_due in ((599.999, False), (600, True)):
        assert incident.any_due_for_unshelving(house.database, now_ms=house.at_ms(second)) is is_due
        with house.database.writing() as session:
            assert len(incident.unshelve_due(session, now_ms=house.at_ms(second))) == is_due
    assert [alarm.state for alarm in house.alarms()] == ["unacknowledged"]
    assert [row[0] for row in house.log()][-2:] == ["alarm.shelved", "alarm.unshelved"]


def test_back_from_the_shelf_an_alarm_whose_condition_is_gone_has_returned(house: House) -> None:
    house.signal(DRY_RUN, 0)
    [alarm] = house.alarms()
    house.shelve(alarm.id, until=600)
    house.signal(DRY_RUN, 100, on=False)
    assert house.alarms()[0].state == "shelved"
    with house.database.writing() as session:
        incident.unshelve_alarm(session, alarm.id, actor=MANAGER, now_ms=house.at_ms(200))
    assert house.alarms()[0].state == "returned_unacknowledged"


def test_on_the_shelf_occurrences_are_still_counted(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.shelve(house.alarms()[0].id, until=6000)
    house.signal(DRY_RUN, 100, on=False)
    house.signal(DRY_RUN, 200)
    [alarm] = house.alarms()
    assert (alarm.state, alarm.occurrences, alarm.is_active) == ("shelved", 2, True)


def test_a_shelved_alarm_is_not_acknowledged_behind_its_back(house: House) -> None:
    house.signal(DRY_RUN, 0)
    house.shelve(house.alarms()[0].id, until=6000)
    with pytest.raises(IllegalMove):
        house.acknowledge(house.alarms()[0].id)


def test_an_alarm_that_does_not_exist_is_told(database: Database) -> None:
    with database.writing() as session, pytest.raises(UnknownAlarm, match="77"):
        get_alarm(session, 77, for_update=True)


# What the database holds


def test_the_database_itself_holds_one_open_alarm_for_a_unit_and_condition(house: House) -> None:
    house.signal(DRY_RUN, 0)
    again = (
        "INSERT INTO alarm (unit_id, condition, severity, state, is_active, raised_ms, received_ms, occurrences,"
        " evidence) SELECT unit_id, condition, severity, '{state}', is_active, raised_ms, received_ms, occurrences,"
        " evidence FROM alarm"
    )
    for state in set(AlarmState) - {AlarmState.NORMAL}:
        with house.database.engine.connect() as connection, pytest.raises(IntegrityError):
            connection.execute(text(again.format(state=state.value)))
    with house.database.engine.begin() as connection:
        connection.execute(text(again.format(state="normal")))
    assert len(house.alarms()) == 2


def test_workers_that_race_with_the_same_signal_make_one_alarm_and_one_ticket(house: House) -> None:
    barrier = threading.Barrier(4)

    def race(_number: int) -> None:
        barrier.wait()
        house.signal(DRY_RUN, 0)

    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(race, range(4)))
        [alarm] = house.alarms()
        assert alarm.occurrences == 1
        assert len(house.tickets()) == 1
        with house.database.engine.begin() as connection:
            for table in ("activity", "annunciation", "alarm", "due_action", "ticket_move", "ticket"):
                connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text(f"UPDATE activity_head SET last_id = 0, last_hash = '{activity.GENESIS_HASH}'"))


def test_workers_that_race_for_a_returning_alarm_reopen_it_once(house: House) -> None:
    barrier = threading.Barrier(4)
    house.signal(DRY_RUN, 0)
    house.acknowledge(house.alarms()[0].id)

    def race(_number: int, *, second: float) -> None:
        barrier.wait()
        house.signal(DRY_RUN, second)

    for round_ in range(1, 6):
        house.signal(DRY_RUN, round_ * 100, on=False)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n, second=round_ * 100 + 50: race(n, second=second), range(4)))
        [alarm] = house.alarms()
        assert alarm.occurrences == round_ + 1
        house.acknowledge(alarm.id)


def test_workers_that_race_with_two_conditions_of_one_case_open_one_ticket(database: Database) -> None:
    for _ in range(5):
        house = new_house(database)
        barrier = threading.Barrier(2)

        def race(condition: Condition, house: House = house, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            house.signal(condition, 0)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(race, [WET, CLOSE]))
        assert len(house.alarms()) == 2
        assert len(house.tickets()) == 1


# Lists


def test_alarms_are_listed_newest_first_within_what_a_person_may_see(database: Database) -> None:
    here, there = new_house(database), new_house(database, site="elsewhere")
    here.signal(DRY_RUN, 0)
    here.signal(RAIN, 1)
    there.signal(WET, 2)
    here.acknowledge(here.alarms(RAIN)[0].id)
    here.signal(RAIN, 3, on=False)
    with database.reading() as session:

        def found(**options: object) -> list[str]:
            return [alarm.condition for alarm in list_alarms(session, **options)]  # type: ignore[arg-type]

        assert found() == ["floor_water_wet", "heavy_rain", "dry_run"]
        assert found(is_open=True) == ["floor_water_wet", "dry_run"]
        assert found(is_open=False) == found(severity=Severity.ADVISORY) == ["heavy_rain"]
        assert found(state=AlarmState.UNACKNOWLEDGED, site="xiaohe") == ["dry_run"]
        assert found(visible={"elsewhere"}) == ["floor_water_wet"]
        assert found(visible=frozenset()) == []
        assert found(limit=1, before_id=here.alarms(RAIN)[0].id) == ["dry_run"]
        assert [alarm.condition for alarm in open_alarms(session)] == ["dry_run", "floor_water_wet"]
        assert [alarm.condition for alarm in open_alarms_of_unit(session, here.unit_id)] == ["dry_run"]
        assert count_open_by_severity(session, visible={"xiaohe"}) == {
            Severity.CRITICAL: 0,
            Severity.MAJOR: 1,
            Severity.MINOR: 0,
            Severity.ADVISORY: 0,
        }


# Any sequence of signals and of what people do


class PumpLife(RuleBasedStateMachine):
    """Signals come and go, people acknowledge, shelve and close; plain Python knows what must be so after each."""

    database: Database
    conditions = (DRY_RUN, WET, CLOSE, RAIN)

    @initialize()
    def build(self) -> None:
        self.house = new_house(self.database)
        self.second = 0.0
        self.is_active = dict.fromkeys((condition.code for condition in self.conditions), False)
        self.occurrences = dict.fromkeys(self.is_active, 0)

    @rule(seconds=st.sampled_from([1, 30, 599, 700, 8000]))
    def time_passes(self, seconds: int) -> None:
        self.second += seconds
        with self.database.writing() as session:
            incident.unshelve_due(session, now_ms=self.house.at_ms(self.second))

    @rule(condition=st.sampled_from(conditions), on=st.booleans())
    def signal(self, condition: Condition, on: bool) -> None:
        self.second += 1
        self.house.signal(condition, self.second, on=on)
        if on and not self.is_active[condition.code]:
            self.occurrences[condition.code] += 1
        self.is_active[condition.code] = on

    @rule(place=st.integers(0, 50))
    def acknowledge(self, place: int) -> None:
        if alarms := self.house.alarms():
            alarm = alarms[place % len(alarms)]
            if alarm.state in ("shelved", "normal"):
                with pytest.raises(IllegalMove):
                    self.house.acknowledge(alarm.id, self.second)
            else:
                self.house.acknowledge(alarm.id, self.second)

    @rule(place=st.integers(0, 50), seconds=st.sampled_from([10, 1000]))
    def shelve(self, place: int, seconds: int) -> None:
        if alarms := [alarm for alarm in self.house.alarms() if alarm.state not in ("normal", "shelved")]:
            alarm = alarms[place % len(alarms)]
            self.house.shelve(alarm.id, until=self.second + seconds, second=self.second)

    @rule(place=st.integers(0, 50))
    def unshelve(self, place: int) -> None:
        if alarms := [alarm for alarm in self.house.alarms() if alarm.state == "shelved"]:
            with self.database.writing() as session:
                incident.unshelve_alarm(
                    session, alarms[place % len(alarms)].id, actor=MANAGER, now_ms=self.house.at_ms(self.second)
                )

    @rule(place=st.integers(0, 50))
    def close_ticket(self, place: int) -> None:
        if tickets := self.house.tickets():
            self.house.close_ticket(tickets[place % len(tickets)][0], self.second)

    @invariant()
    def alarms_are_as_the_signals_said(self) -> None:
        for condition in self.conditions:
            alarms = self.house.alarms(condition)
            open_ = [alarm for alarm in alarms if alarm.state != "normal"]
            assert len(open_) <= 1
            assert any(alarm.is_active for alarm in alarms) == self.is_active[condition.code]
            assert sum(alarm.occurrences for alarm in alarms) == self.occurrences[condition.code]
            for alarm in alarms:
                assert (alarm.cleared_ms is None) == alarm.is_active
                assert (alarm.state == "shelved") == (alarm.shelved_until_ms is not None)
                assert not (alarm.is_active and alarm.state in ("normal", "returned_unacknowledged"))
                assert alarm.is_active or alarm.state not in ("unacknowledged", "acknowledged")
                assert (alarm.ticket_id is not None) == condition.opens_ticket

    @invariant()
    def tickets_have_a_history_and_no_case_has_two_that_are_open(self) -> None:
        with self.database.reading() as session:
            tickets = list_tickets(session, unit_id=self.house.unit_id, limit=1000)
            open_cases = [ticket.case for ticket in tickets if Stage(ticket.stage) not in FINAL_STAGES]
            assert len(set(open_cases)) == len(open_cases)
            for ticket in tickets:
                assert moves_of(session, ticket.id)[-1].to_stage == ticket.stage

    def teardown(self) -> None:
        alarms, tickets = {alarm.subject for alarm in self.house.alarms()}, {row[0] for row in self.house.tickets()}
        with self.database.reading() as session:
            assert not list(activity.verify_chain(session))
            subjects = {row.subject for row in session.query(Activity).filter_by(unit_id=self.house.unit_id)}
        assert subjects == alarms | {f"ticket:{ticket_id}" for ticket_id in tickets}


def test_whatever_comes_and_whatever_people_do_one_incident_is_one_alarm_and_one_ticket(database: Database) -> None:
    class Life(PumpLife):
        pass

    Life.database = database
    run_state_machine_as_test(Life, settings=settings(max_examples=6, stateful_step_count=25, deadline=None))
