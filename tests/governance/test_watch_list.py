"""The watch-list: entered and left by the rule, once for each day, with the figures that decided."""

from datetime import date

import pytest

from alerts.fault_cause import set_cause
from alerts.ticket import get_ticket
from governance.watch_list import (
    LeftBecause,
    due_look,
    judge_by_rule,
    last_look,
    look_at_rule,
    open_watch_entries,
    past_watch_entries,
    watch_entries_of_unit,
)
from models.covered_minutes import WHOLE_HOUR
from models.equipment import Kind
from models.fault_statistics import Cause
from registry import activity
from registry.coverage import put_hours
from registry.database import Database
from registry.service_record import Service, ServiceKind, put_service_records
from tests.governance.watched_lifts import ADMIN, HOUR_MS, NOW_MS, fault, faults, lifts

TODAY = date(2023, 11, 15)
BAD_DAYS = [8 + 13 * place for place in range(14)]


def look(database: Database, day: date) -> tuple[list[str], list[str]] | None:
    """Subjects that entered and left."""
    with database.writing() as session:
        told = look_at_rule(session, judge_by_rule(session, Kind.ELEVATOR, as_of=day), now_ms=NOW_MS)
        if told is None:
            return None
        return [row.subject for row in told.entered], [row.subject for row in told.left]


@pytest.fixture
def ids(database: Database) -> list[int]:
    """Twenty lifts watched for 200 days, every second with a fault; the first had fourteen more."""
    found = lifts(database, number=20, days=200)
    for number in range(1, 21, 2):
        fault(database, f"l{number}", 100)
    faults(database, "l1", BAD_DAYS)
    return found


def watched_on(database: Database, ids: list[int], days: int) -> None:
    """Data of so many days more."""
    hours = range(NOW_MS // HOUR_MS, NOW_MS // HOUR_MS + 24 * days)
    with database.writing() as session:
        put_hours(session, [{"unit_id": u, "hour": hour, "minutes": WHOLE_HOUR} for u in ids for hour in hours])


def test_a_bad_lift_enters_once_with_the_figures_that_decided(database: Database, ids: list[int]) -> None:
    assert look(database, TODAY) == ([f"unit:{ids[0]}"], [])
    assert look(database, TODAY) is None, "a day is looked at once"
    assert look(database, date(2023, 11, 1)) is None, "and no earlier day after it"
    with database.reading() as session:
        (entry,) = open_watch_entries(session)
        assert (entry.entered_on, entry.left_on) == (TODAY, None)
        assert entry.entry["faults"] == 15
        assert entry.entry["rate_low"] > entry.entry["quantile_per_year"]
        assert len(entry.entry["sources"]) == 15
        assert entry.entry["peers"] == 20
        told = last_look(session, Kind.ELEVATOR)
        assert told is not None
        assert told.unit_quantile == pytest.approx(entry.entry["quantile_per_year"], abs=0.001)
        (line,) = activity.of_subject(session, f"unit:{ids[0]}")
        assert line.verb == "watch_list.entered"
        assert list(activity.verify_chain(session)) == []


def test_it_leaves_when_the_year_is_better_and_both_dates_stay(database: Database, ids: list[int]) -> None:
    look(database, TODAY)
    watched_on(database, ids, 351)
    later = date(2024, 11, 1)
    assert look(database, later) == ([], [f"unit:{ids[0]}"])
    with database.reading() as session:
        assert open_watch_entries(session) == []
        (entry,) = past_watch_entries(session)
        assert (entry.entered_on, entry.left_on, entry.left_because) == (TODAY, later, LeftBecause.BELOW)
        assert entry.exit is not None
        assert entry.exit["faults"] < entry.entry["faults"]
        assert [row.id for row in watch_entries_of_unit(session, ids[0])] == [entry.id]


def test_nobody_leaves_by_falling_silent(database: Database, ids: list[int]) -> None:
    look(database, TODAY)
    watched_on(database, ids[1:], 351)
    assert look(database, date(2024, 11, 1)) == ([], [])


def test_a_new_machine_leaves_with_the_old_one(database: Database, ids: list[int]) -> None:
    look(database, TODAY)
    watched_on(database, ids, 20)
    with database.writing() as session:
        new = Service(kind=ServiceKind.REPLACEMENT, done_on=date(2023, 11, 20))
        put_service_records(session, [(ids[0], new)], by="import", now_ms=NOW_MS)
    assert look(database, date(2023, 12, 1)) == ([], [f"unit:{ids[0]}"])
    with database.reading() as session:
        (entry,) = past_watch_entries(session)
        assert entry.left_because == LeftBecause.REPLACED


def test_power_cuts_bring_nobody_onto_it(database: Database) -> None:
    lifts(database, number=20, days=200)
    for ticket_id in faults(database, "l1", BAD_DAYS):
        with database.writing() as session:
            set_cause(session, get_ticket(session, ticket_id), Cause.POWER, actor=ADMIN, now_ms=NOW_MS)
    assert look(database, TODAY) == ([], [])


def test_a_compound_is_judged_by_all_its_lifts(database: Database) -> None:
    for number in range(12):
        lifts(database, site=f"site-{number}", number=2, days=200)
    for lift in ("l1", "l2"):
        faults(database, lift, [9 + 15 * place for place in range(12)], site="site-3")
    told = look(database, TODAY)
    assert told is not None
    # The fourth that was registered; its two lifts come by themselves.
    assert {subject for subject in told[0] if subject.startswith("site:")} == {"site:4"}


def test_few_peers_judge_nobody_and_the_look_says_so(database: Database) -> None:
    lifts(database, number=3, days=366)
    faults(database, "l1", BAD_DAYS)
    assert look(database, TODAY) == ([], [])
    with database.reading() as session:
        told = last_look(session, Kind.ELEVATOR)
        assert told is not None
        assert told.unit_quantile is None


def test_a_look_is_due_on_the_first_of_the_month(database: Database) -> None:
    with database.reading() as session:
        assert due_look(session, Kind.ELEVATOR, today=TODAY) == date(2023, 11, 1)
    look(database, date(2023, 11, 1))
    with database.reading() as session:
        assert due_look(session, Kind.ELEVATOR, today=date(2023, 11, 30)) is None
        assert due_look(session, Kind.ELEVATOR, today=date(2023, 12, 2)) == date(2023, 12, 1)
