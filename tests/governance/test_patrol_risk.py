"""The combined risk from what the database knows, with the records behind it."""

from datetime import date

from alerts.alarm import Alarm, AlarmState
from governance.patrol_risk import unit_risks
from models.equipment import Kind
from models.patrol_risk import Part
from registry.database import Database
from registry.service_record import Service, ServiceKind, put_service_records
from tests.governance.watched_lifts import DAY_MS, NOW_MS, faults, lifts


def test_the_worst_comes_first_with_its_parts_and_their_records(database: Database) -> None:
    ids = lifts(database, number=4, days=100)
    tickets = faults(database, "l2", [10, 30, 50, 70])
    late = Service(kind=ServiceKind.MAINTENANCE, done_on=date(2023, 10, 1))
    with database.writing() as session:
        put_service_records(session, [(ids[2], late)], by="import", now_ms=NOW_MS)
        session.add(
            Alarm(
                unit_id=ids[3],
                condition="anomaly",
                severity="advisory",
                state=AlarmState.NORMAL.value,
                is_active=False,
                raised_ms=NOW_MS - 20 * DAY_MS,
                received_ms=NOW_MS - 20 * DAY_MS,
                evidence={},
            )
        )
    with database.reading() as session:
        told = unit_risks(session, kind=Kind.ELEVATOR, site="xiaohe", now_ms=NOW_MS).risks
    assert [each.unit.id for each in told[:3]] == [ids[1], ids[2], ids[3]]
    assert told[0].sources == tuple(f"ticket:{number}" for number in sorted(tickets, reverse=True))
    assert told[1].signs.maintenance_late_days == 45 - 15
    assert told[1].risk.factors[Part.MAINTENANCE] == 1.15
    assert len(told[2].anomalies) == 1


def test_a_unit_without_data_is_not_made_up(database: Database) -> None:
    seen = lifts(database, number=2, days=100)
    (silent,) = lifts(database, number=1, days=0, name="silent")
    with database.reading() as session:
        told = unit_risks(session, kind=Kind.ELEVATOR, site="xiaohe", now_ms=NOW_MS)
    assert {each.unit.id for each in told.risks} == set(seen)
    assert [unit.id for unit in told.not_judged] == [silent]
