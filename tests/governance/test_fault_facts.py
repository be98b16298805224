"""Which tickets and alarms are faults, when they began and ended, and for how long their units were watched."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from alerts import casework, explaining, incident
from alerts.alarm import Alarm, AlarmState
from alerts.casework import Cost
from alerts.conditions import condition_table
from alerts.fault_cause import set_cause
from alerts.inhibition import HOLD_MS
from alerts.limits import Limits
from alerts.severity import Severity
from alerts.ticket import Ticket, get_ticket
from alerts.ticket_record import CostKind
from alerts.ticket_stages import Stage, TicketKind
from alerts.watch import Signal
from governance.fault_facts import exposures_of, faults_of
from models.covered_minutes import MS_PER_MIN
from models.equipment import Kind
from models.fault_statistics import Cause, Fault
from models.reading import UnitKey
from registry import activity
from registry.coverage import coverage_of, hours_of, put_hours
from registry.covered_time import covered_by_unit
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.service_record import Service, ServiceKind, put_service_records
from registry.site import add_site, get_site
from registry.unit import Unit, add_unit, get_unit

NOON_MS = 1_700_000_040_000
HOUR_MS = 3_600_000
ADMIN = Actor("root", (Grant(Role.ADMIN),))
LIFT = UnitKey("xiaohe", Kind.ELEVATOR, "l1")
WAY = (Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS, Stage.RESTORED)


@pytest.fixture
def lift_id(database: Database) -> int:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=0)
        return add_unit(session, site=site, kind=Kind.ELEVATOR, key="l1", now_ms=NOON_MS).id


def found(
    database: Database, lift_id: int, *, start_ms: int = 0, end_ms: int = NOON_MS + 1000 * HOUR_MS
) -> list[Fault]:
    with database.reading() as session:
        return faults_of(session, {lift_id: Kind.ELEVATOR}, start_ms=start_ms, end_ms=end_ms)


def signal(database: Database, lift_id: int, code: str, at_ms: int, *, is_active: bool = True) -> Alarm:
    condition = next(each for each in condition_table(Limits())[Kind.ELEVATOR] if each.code == code)
    with database.writing() as session:
        told = [Signal(LIFT, condition, at_ms, is_active, {})]
        alarm = incident.apply_signals(session, told, units={LIFT: lift_id}, received_ms=at_ms + 60_000)[0]
        explaining.settle(session, {(Kind.ELEVATOR, code): condition}, now_ms=at_ms + 60_000 + HOLD_MS)
        return alarm


def by_hand(database: Database, at_ms: int, *, kind: TicketKind = TicketKind.FAULT, case: str = "") -> int:
    with database.writing() as session:
        ticket = incident.open_ticket_by_hand(
            session,
            site=get_site(session, "xiaohe"),
            unit=get_unit(session, LIFT.path),
            kind=kind,
            title="It stands",
            severity=Severity.MAJOR,
            description="",
            actor=ADMIN,
            now_ms=at_ms,
        )
        ticket.case = case
        return ticket.id


def go(database: Database, ticket_id: int, *way: Stage, start_ms: int, step_ms: int = 600_000) -> None:
    with database.writing() as session:
        for place, stage in enumerate(way, start=1):
            at_ms = start_ms + place * step_ms
            incident.move_ticket(session, ticket_id, stage, actor=ADMIN, note="so", now_ms=at_ms)


def test_a_fault_begins_when_the_unit_said_so_and_ends_when_people_restored_it(
    database: Database, lift_id: int
) -> None:
    alarm = signal(database, lift_id, "fault.03", NOON_MS)
    signal(database, lift_id, "fault.03", NOON_MS + HOUR_MS // 2, is_active=False)
    assert alarm.ticket_id is not None
    go(database, alarm.ticket_id, *WAY, start_ms=NOON_MS + HOUR_MS)
    with database.writing() as session:
        ticket = session.get_one(Ticket, alarm.ticket_id)
        casework.add_cost(
            session, ticket, Cost(CostKind.PART, "Shoe", "1", Decimal("48.50")), actor=ADMIN, now_ms=NOON_MS
        )
    (fault,) = found(database, lift_id)
    assert (fault.source, fault.matter, fault.stops_unit) == (f"ticket:{alarm.ticket_id}", "fault.03", True)
    assert fault.began_ms == NOON_MS
    assert fault.restored_ms == NOON_MS + 2 * HOUR_MS
    assert fault.normal_ms == NOON_MS + HOUR_MS // 2
    assert fault.response_ms == HOUR_MS + 600_000 - 60_000 - HOLD_MS, "from the ticket, which waited for a cause"
    assert fault.repair_ms == 600_000
    assert fault.cost_fen == 4850
    assert fault.ended_ms is None


def test_silence_and_verdicts_and_what_was_cancelled_are_no_faults(database: Database, lift_id: int) -> None:
    for code in ("silent", "anomaly", "event.44"):
        signal(database, lift_id, code, NOON_MS)
    mistaken = by_hand(database, NOON_MS)
    go(database, mistaken, Stage.CANCELLED, start_ms=NOON_MS)
    by_hand(database, NOON_MS, kind=TicketKind.HAZARD)
    assert found(database, lift_id) == []


def test_a_merged_ticket_is_counted_once(database: Database, lift_id: int) -> None:
    first, second = by_hand(database, NOON_MS), by_hand(database, NOON_MS + 5 * HOUR_MS)
    assert len(found(database, lift_id)) == 2
    with database.writing() as session:
        casework.merge(session, second, first, actor=ADMIN, now_ms=NOON_MS + 6 * HOUR_MS)
    assert [fault.source for fault in found(database, lift_id)] == [f"ticket:{first}"]


@pytest.mark.parametrize(("case", "is_entrapment"), [("report.trapped", True), ("report.not_working", False)])
def test_a_residents_report_is_a_fault_once_it_was_repaired(
    database: Database, lift_id: int, case: str, is_entrapment: bool
) -> None:
    ticket_id = by_hand(database, NOON_MS, kind=TicketKind.RESIDENT_REPORT, case=case)
    assert found(database, lift_id) == []
    go(database, ticket_id, *WAY, start_ms=NOON_MS)
    (fault,) = found(database, lift_id)
    assert fault.is_entrapment is is_entrapment


def test_a_fault_found_in_late_data_counts_by_its_alarm(database: Database, lift_id: int) -> None:
    with database.writing() as session:
        for condition in ("fault.04", "silent"):
            session.add(
                Alarm(
                    unit_id=lift_id,
                    condition=condition,
                    severity="major",
                    state=AlarmState.NORMAL.value,
                    is_active=False,
                    raised_ms=NOON_MS,
                    received_ms=NOON_MS + 90 * HOUR_MS,
                    cleared_ms=NOON_MS + HOUR_MS,
                    evidence={},
                )
            )
    (fault,) = found(database, lift_id)
    assert fault.source.startswith("alarm:")
    assert (fault.began_ms, fault.restored_ms) == (NOON_MS, NOON_MS + HOUR_MS)


def test_a_power_cut_is_put_down_to_power(database: Database, lift_id: int) -> None:
    signal(database, lift_id, "event.41", NOON_MS)
    assert [fault.cause for fault in found(database, lift_id)] == [Cause.POWER]


def test_what_somebody_said_of_the_cause_counts_and_may_be_said_anew(database: Database, lift_id: int) -> None:
    ticket_id = by_hand(database, NOON_MS)
    for cause in (Cause.EQUIPMENT, Cause.MISUSE, Cause.MISUSE):
        with database.writing() as session:
            set_cause(session, get_ticket(session, ticket_id), cause, actor=ADMIN, now_ms=NOON_MS)
        assert [fault.cause for fault in found(database, lift_id)] == [cause]
    with database.reading() as session:
        told = [row.data for row in activity.of_subject(session, f"ticket:{ticket_id}") if "cause" in row.data]
    assert [(each["before"], each["cause"]) for each in told] == [(None, "equipment"), ("equipment", "misuse")]


def serve(database: Database, lift_id: int, **service: object) -> None:
    with database.writing() as session:
        put_service_records(session, [(lift_id, Service(**service))], by="import", now_ms=NOON_MS)  # type: ignore[arg-type]


def test_what_began_during_a_planned_stop_is_told_apart(database: Database, lift_id: int) -> None:
    serve(
        database,
        lift_id,
        kind=ServiceKind.OVERHAUL,
        done_on=date(2023, 11, 15),
        stop_begin_ms=NOON_MS,
        stop_end_ms=NOON_MS + HOUR_MS,
    )
    for at_ms in (NOON_MS - 100, NOON_MS, NOON_MS + HOUR_MS - 1, NOON_MS + HOUR_MS):
        go(database, by_hand(database, at_ms), *WAY, start_ms=at_ms, step_ms=0)
    marks = [(fault.began_ms - NOON_MS, fault.is_planned) for fault in found(database, lift_id)]
    assert marks == [(-100, False), (0, True), (HOUR_MS - 1, True), (HOUR_MS, False)]
    with database.reading() as session:
        told = exposures_of(session, [(lift_id, NOON_MS - HOUR_MS)], start_ms=0, end_ms=NOON_MS + 2 * HOUR_MS)
    assert told[lift_id].in_service_ms == 2 * HOUR_MS, "an hour before, and an hour after the stop"


def test_a_replacement_begins_the_history_anew(database: Database, lift_id: int) -> None:
    with database.writing() as session:
        minutes = np.arange(NOON_MS // MS_PER_MIN, NOON_MS // MS_PER_MIN + 48 * 60)
        put_hours(session, hours_of(np.full(len(minutes), lift_id), minutes))
    old, new = by_hand(database, NOON_MS + HOUR_MS), by_hand(database, NOON_MS + 30 * HOUR_MS)
    assert len(found(database, lift_id)) == 2
    # 2023-11-15 06:14 in China is noon here; the next midnight there is 17 h 46 min later.
    serve(database, lift_id, kind=ServiceKind.REPLACEMENT, done_on=date(2023, 11, 16))
    assert [fault.source for fault in found(database, lift_id)] == [f"ticket:{new}"]
    assert old != new
    midnight_ms = 1_700_064_000_000
    with database.reading() as session:
        told = exposures_of(session, [(lift_id, NOON_MS)], start_ms=0, end_ms=NOON_MS + 48 * HOUR_MS)
        before = exposures_of(session, [(lift_id, NOON_MS)], start_ms=0, end_ms=NOON_MS + HOUR_MS)
    left_ms = NOON_MS + 48 * HOUR_MS - midnight_ms
    assert (told[lift_id].in_service_ms, told[lift_id].covered_ms) == (left_ms, left_ms)
    assert before[lift_id].in_service_ms == HOUR_MS, "a look from before the replacement sees the old machine"


def test_only_what_lies_in_the_span_is_found(database: Database, lift_id: int) -> None:
    over = by_hand(database, NOON_MS)
    go(database, over, *WAY, start_ms=NOON_MS)
    running = by_hand(database, NOON_MS + 10 * HOUR_MS)
    assert [f.source for f in found(database, lift_id, start_ms=NOON_MS + 5 * HOUR_MS)] == [f"ticket:{running}"]
    assert [f.source for f in found(database, lift_id, end_ms=NOON_MS + 5 * HOUR_MS)] == [f"ticket:{over}"]


def test_a_unit_is_in_service_from_its_first_data_or_its_registration(database: Database, lift_id: int) -> None:
    with database.writing() as session:
        other = add_unit(session, site=get_site(session, "xiaohe"), kind=Kind.PUMP, key="p1", now_ms=NOON_MS).id
        minutes = np.arange(NOON_MS // MS_PER_MIN - 120, NOON_MS // MS_PER_MIN - 60)
        put_hours(session, hours_of(np.full(60, lift_id), minutes))
    end_ms = NOON_MS // MS_PER_MIN * MS_PER_MIN + HOUR_MS
    with database.reading() as session:
        units = [(unit.id, unit.created_ms) for unit in session.query(Unit)]
        told = exposures_of(session, units, start_ms=0, end_ms=end_ms)
    assert (told[lift_id].in_service_ms, told[lift_id].covered_ms) == (3 * HOUR_MS, HOUR_MS)
    assert told[other].covered_ms == 0
    assert told[other].in_service_ms == end_ms - NOON_MS


def test_whole_hours_counted_by_the_database_are_what_the_minutes_say(database: Database, lift_id: int) -> None:
    rng = np.random.default_rng(7)
    first = NOON_MS // HOUR_MS * 60
    minutes = np.concatenate(([*range(300)], 300 + np.flatnonzero(rng.random(600) < 0.7), [*range(960, 1300)])) + first
    with database.writing() as session:
        put_hours(session, hours_of(np.full(len(minutes), lift_id), minutes))
    with database.reading() as session:
        for _ in range(40):
            start, end = sorted(rng.integers(-90 * MS_PER_MIN, 1400 * MS_PER_MIN, 2) + first * MS_PER_MIN)
            for pause_ms in (0, 5 * MS_PER_MIN):
                fast = covered_by_unit(session, {lift_id: pause_ms}, start_ms=int(start), end_ms=int(end))
                slow = coverage_of(session, lift_id, start_ms=int(start), end_ms=int(end), pause_ms=pause_ms)
                assert fast == {lift_id: slow.covered_ms}
