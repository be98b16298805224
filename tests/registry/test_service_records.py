"""What was done to a unit: entered, withdrawn, and asked for many units at once."""

from datetime import date, timedelta

import pytest

from models.equipment import Kind
from registry import activity
from registry.database import Database
from registry.errors import InvalidField
from registry.role import Actor
from registry.service_record import (
    Service,
    ServiceKind,
    UnknownServiceRecord,
    add_service_record,
    latest_service,
    planned_stops,
    put_service_records,
    records_of_units,
    service_records,
    withdraw_service_record,
)
from registry.site import add_site
from registry.unit import Unit, add_unit
from registry.wear_state import overhauled

NOON_MS = 1_795_406_400_000  # 2026-11-23T12:00:00+08:00
TODAY = date(2026, 11, 23)
DAY_MS = 86_400_000
TECHNICIAN = Actor("wang")


@pytest.fixture
def units(database: Database) -> list[Unit]:
    with database.writing() as session:
        site = add_site(session, key="s", now_ms=NOON_MS)
        return [add_unit(session, site=site, kind=Kind.ELEVATOR, key=f"l{n}", now_ms=NOON_MS) for n in range(3)]


def record(database: Database, unit: Unit, kind: ServiceKind, done_on: date, **others: object) -> int:
    with database.writing() as session:
        service = Service(kind=kind, done_on=done_on, **others)  # type: ignore[arg-type]
        present = session.get_one(Unit, unit.id)
        return add_service_record(session, present, service, actor=TECHNICIAN, now_ms=NOON_MS).id


def test_what_was_done_last_is_told_by_unit_and_kind(database: Database, units: list[Unit]) -> None:
    first, second, third = units
    record(database, first, ServiceKind.MAINTENANCE, date(2026, 11, 20))
    record(database, first, ServiceKind.MAINTENANCE, date(2026, 11, 5), note="entered late")
    record(database, first, ServiceKind.OVERHAUL, date(2025, 6, 1))
    record(database, second, ServiceKind.INSPECTION, date(2026, 3, 1), valid_until=date(2027, 3, 1))
    with database.reading() as session:
        ids = [unit.id for unit in units]
        last = latest_service(session, ids)
        assert {kind: row.done_on for kind, row in last[first.id].items()} == {
            ServiceKind.MAINTENANCE: date(2026, 11, 20),
            ServiceKind.OVERHAUL: date(2025, 6, 1),
        }
        assert last[second.id][ServiceKind.INSPECTION].valid_until == date(2027, 3, 1)
        assert third.id not in last
        earlier = latest_service(session, ids, as_of=date(2026, 11, 10))
        assert earlier[first.id][ServiceKind.MAINTENANCE].done_on == date(2026, 11, 5)
        assert [row.done_on for row in records_of_units(session, ids)[first.id]] == [
            date(2025, 6, 1),
            date(2026, 11, 5),
            date(2026, 11, 20),
        ]


def test_what_was_withdrawn_counts_nowhere_and_stays_in_the_log(database: Database, units: list[Unit]) -> None:
    unit, other, _ = units
    stop = {"stop_begin_ms": NOON_MS - DAY_MS, "stop_end_ms": NOON_MS}
    record_id = record(database, unit, ServiceKind.OVERHAUL, TODAY, **stop)
    with database.writing() as session:
        with pytest.raises(UnknownServiceRecord):
            withdraw_service_record(session, session.get_one(Unit, other.id), record_id, actor=TECHNICIAN, now_ms=1)
        for _ in range(2):
            present = session.get_one(Unit, unit.id)
            withdraw_service_record(session, present, record_id, actor=TECHNICIAN, now_ms=NOON_MS + 1)
    with database.reading() as session:
        assert service_records(session, unit.id) == []
        assert latest_service(session, [unit.id]) == {}
        assert records_of_units(session, [unit.id]) == {}
        assert planned_stops(session, [unit.id], start_ms=0, end_ms=2 * NOON_MS) == {}
        verbs = [row.verb for row in activity.of_subject(session, f"unit:{unit.id}")]
        assert verbs == ["service.recorded", "unit.overhauled", "service.withdrawn"]
        assert list(activity.verify_chain(session)) == []


def test_wear_is_judged_anew_only_after_a_recent_overhaul(database: Database, units: list[Unit]) -> None:
    record(database, units[0], ServiceKind.OVERHAUL, TODAY - timedelta(days=15))
    record(database, units[1], ServiceKind.REPLACEMENT, TODAY - timedelta(days=14))
    record(database, units[2], ServiceKind.MAINTENANCE, TODAY)
    with database.reading() as session:
        assert overhauled(session) == {units[1].id}


@pytest.mark.parametrize(
    ("field", "service"),
    [
        ("done_on", Service(kind=ServiceKind.OVERHAUL, done_on=TODAY + timedelta(days=1))),
        ("done_on", Service(kind=ServiceKind.OVERHAUL, done_on=date(1949, 1, 1))),
        ("valid_until", Service(kind=ServiceKind.INSPECTION, done_on=TODAY, valid_until=TODAY - timedelta(days=1))),
        ("cost", Service(kind=ServiceKind.OVERHAUL, done_on=TODAY, cost_fen=-1)),
        ("stop", Service(kind=ServiceKind.OVERHAUL, done_on=TODAY, stop_begin_ms=5)),
        ("stop", Service(kind=ServiceKind.OVERHAUL, done_on=TODAY, stop_begin_ms=5, stop_end_ms=5)),
        ("note", Service(kind=ServiceKind.OVERHAUL, done_on=TODAY, note="x" * 1001)),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    database: Database, units: list[Unit], field: str, service: Service
) -> None:
    with database.writing() as session, pytest.raises(InvalidField) as refused:
        add_service_record(session, session.get_one(Unit, units[0].id), service, actor=TECHNICIAN, now_ms=NOON_MS)
    assert refused.value.field == field


def test_a_day_is_judged_in_the_time_zone_of_the_site(database: Database, units: list[Unit]) -> None:
    an_hour_past_midnight_ms = NOON_MS + 13 * 3_600_000
    with database.writing() as session:
        service = Service(kind=ServiceKind.MAINTENANCE, done_on=TODAY + timedelta(days=1))
        unit = session.get_one(Unit, units[0].id)
        assert add_service_record(session, unit, service, actor=TECHNICIAN, now_ms=an_hour_past_midnight_ms).id


def test_planned_stops_are_those_that_touch_the_span(database: Database, units: list[Unit]) -> None:
    rows = [
        (units[0].id, Service(kind=ServiceKind.OVERHAUL, done_on=TODAY, stop_begin_ms=100, stop_end_ms=200)),
        (units[0].id, Service(kind=ServiceKind.MAINTENANCE, done_on=TODAY, stop_begin_ms=300, stop_end_ms=400)),
        (units[1].id, Service(kind=ServiceKind.MAINTENANCE, done_on=TODAY)),
    ]
    with database.writing() as session:
        assert put_service_records(session, rows, by="import", now_ms=NOON_MS) == 3
    with database.reading() as session:
        found = planned_stops(session, [unit.id for unit in units], start_ms=200, end_ms=301)
        assert [(stop.begin_ms, stop.end_ms) for stop in found[units[0].id]] == [(300, 400)]
        assert set(found) == {units[0].id}
