"""Many units of a site that fall silent at once are one matter: one ticket, and an alarm for each."""

from collections.abc import Iterable

import pytest

from alerts import explaining, incident
from alerts.alarm import alarms_of_ticket, list_alarms
from alerts.condition import CONNECTION
from alerts.conditions import condition_table
from alerts.incident import JOINT_MS, JOINT_TITLE, MANY_UNITS
from alerts.inhibition import HOLD_MS
from alerts.limits import Limits
from alerts.ticket import Ticket
from alerts.ticket_list import list_tickets
from alerts.watch import Signal
from models.equipment import Kind
from models.reading import UnitKey
from registry.database import Database
from registry.site import add_site
from registry.unit import add_unit

NOW_MS = 1_700_000_000_000
TABLE = condition_table(Limits())
CONDITIONS = {(kind, each.code): each for kind, table in TABLE.items() for each in table}
UNITS = [UnitKey("xiaohe", kind, f"{kind}-{number}") for number in range(10) for kind in (Kind.ELEVATOR, Kind.FIRE)]


@pytest.fixture
def ids(database: Database) -> dict[UnitKey, int]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=NOW_MS)
        return {u: add_unit(session, site=site, kind=u.kind, key=u.unit, now_ms=NOW_MS).id for u in UNITS}


def tell(
    database: Database,
    ids: dict[UnitKey, int],
    units: Iterable[UnitKey],
    *,
    code: str = "silent",
    at_ms: int = NOW_MS,
    is_active: bool = True,
) -> None:
    conditions = {
        kind: next(c for c in table if c.code == code) for kind, table in TABLE.items() if kind is not Kind.PUMP
    }
    signals = [Signal(unit, conditions[unit.kind], at_ms, is_active) for unit in units]
    with database.writing() as session:
        incident.apply_signals(session, signals, units=ids, received_ms=at_ms)
    explaining.settle_due(database, CONDITIONS, now_ms=at_ms + HOLD_MS)


def tickets(database: Database) -> list[tuple[str, str, bool, int]]:
    """(title, severity, whether it is about one unit, alarms), oldest first."""
    with database.reading() as session:
        found: list[Ticket] = list_tickets(session)[::-1]
        return [
            (ticket.title, ticket.severity, ticket.unit_id is not None, len(alarms_of_ticket(session, ticket.id)))
            for ticket in found
        ]


def test_a_gateway_that_dies_opens_one_ticket(database: Database, ids: dict[UnitKey, int]) -> None:
    tell(database, ids, UNITS)
    assert tickets(database) == [(JOINT_TITLE, "major", False, len(UNITS))]
    with database.reading() as session:
        assert len(list_alarms(session)) == len(UNITS), "each unit has its alarm"


def test_those_that_are_missed_a_little_later_belong_to_it(database: Database, ids: dict[UnitKey, int]) -> None:
    tell(database, ids, UNITS[:MANY_UNITS])
    tell(database, ids, UNITS[MANY_UNITS:10], code="offline", at_ms=NOW_MS + JOINT_MS - HOLD_MS)
    tell(database, ids, UNITS[10:11], at_ms=NOW_MS + JOINT_MS + 1)
    assert [(title, alarms) for title, _, _, alarms in tickets(database)] == [
        (JOINT_TITLE, 10),
        ("Unit has gone silent", 1),
    ]


def test_a_few_have_tickets_of_their_own(database: Database, ids: dict[UnitKey, int]) -> None:
    tell(database, ids, UNITS[: MANY_UNITS - 1])
    assert [(is_single, alarms) for _, _, is_single, alarms in tickets(database)] == [(True, 1)] * (MANY_UNITS - 1)


def test_when_they_come_back_and_go_again_it_stays_one(database: Database, ids: dict[UnitKey, int]) -> None:
    for minute in (0, 10, 20, 30):
        tell(database, ids, UNITS, at_ms=NOW_MS + minute * 60_000)
        tell(database, ids, UNITS, at_ms=NOW_MS + (minute + 5) * 60_000, is_active=False)
    assert tickets(database) == [(JOINT_TITLE, "major", False, len(UNITS))]


def test_faults_at_many_units_are_many_matters(database: Database, ids: dict[UnitKey, int]) -> None:
    lifts = [unit for unit in UNITS if unit.kind is Kind.ELEVATOR]
    conditions = [c for c in TABLE[Kind.ELEVATOR] if c.code == "fault.05"]
    assert all(condition.case != CONNECTION for condition in conditions)
    with database.writing() as session:
        signals = [Signal(unit, conditions[0], NOW_MS, True) for unit in lifts]
        incident.apply_signals(session, signals, units=ids, received_ms=NOW_MS)
    assert len(tickets(database)) == len(lifts)
