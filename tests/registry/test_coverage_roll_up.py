"""What is counted from the roll-up is what the hours say, whatever came late and however pauses are judged since."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from models.covered_minutes import MS_PER_DAY, MS_PER_H, MS_PER_MIN, day_began_ms
from models.equipment import Kind
from registry.coverage import CoverageHour, CoverageMark, coverage_of, hours_of, put_hours
from registry.coverage_roll_up import CoverageMonth, CoverageRolled, roll_up_coverage, rolled_until
from registry.covered_time import covered_by_span, covered_by_unit
from registry.database import Database
from registry.site import add_site
from registry.unit import add_unit

FIRST_DAY = 19_600
"""30 August 2023 in China: the days of the tests lie on both sides of the end of a month."""
FIRST_MS = day_began_ms(FIRST_DAY)
DAYS = 4
NOW_MS = FIRST_MS + DAYS * MS_PER_DAY + 14 * MS_PER_H
MINUTES = st.one_of(
    st.integers(-60, DAYS * 24 * 60 + 800),
    # About midnights and at distances that some pause just bridges, and some does not.
    st.builds(
        lambda day, by: day * 1440 + by, st.integers(0, DAYS), st.sampled_from([-361, -360, -3, -1, 0, 1, 2, 357, 358])
    ),
)
STRETCHES = st.lists(st.tuples(MINUTES, st.sampled_from([1, 2, 45, 60, 700, 1500])), max_size=8)
PAUSES = st.sampled_from([0, 1, 2, 3, 15, 359, 360, 361, 900])


@pytest.fixture
def units(database: Database) -> list[int]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=0)
        return [add_unit(session, site=site, kind=Kind.PUMP, key=f"p{n}", now_ms=0).id for n in range(12)]


def put(database: Database, unit_id: int, stretches: Sequence[tuple[int, int]], *, now_ms: int | None) -> None:
    minutes = np.unique(np.concatenate([np.arange(at, at + length) for at, length in stretches] or [np.empty(0, int)]))
    minutes = minutes.astype(np.int64) + FIRST_MS // MS_PER_MIN
    with database.writing() as session:
        put_hours(session, hours_of(np.full(len(minutes), unit_id), minutes), now_ms=now_ms)


def roll_up(database: Database, *, now_ms: int = NOW_MS) -> None:
    for _ in range(1_000):
        with database.writing() as session:
            if not roll_up_coverage(session, now_ms=now_ms):
                return
    raise AssertionError("it never comes to an end")


def as_the_hours_say(database: Database, spans: Sequence[tuple[int, tuple[int, int]]], pause_ms: int) -> list[int]:
    with database.reading() as session:
        return [
            coverage_of(session, unit_id, start_ms=start_ms, end_ms=end_ms, pause_ms=pause_ms).covered_ms
            for unit_id, (start_ms, end_ms) in spans
        ]


@given(
    before=STRETCHES,
    late=STRETCHES,
    pauses=st.lists(PAUSES, min_size=2, max_size=2),
    edges=st.lists(st.integers(-2 * 1440, (DAYS + 2) * 1440), min_size=6, max_size=6),
    is_followed=st.booleans(),
)
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_roll_up_tells_what_the_hours_say(
    database: Database,
    units: list[int],
    before: list[tuple[int, int]],
    late: list[tuple[int, int]],
    pauses: list[int],
    edges: list[int],
    is_followed: bool,
) -> None:
    with database.writing() as session:
        for table in (CoverageHour, CoverageMark, CoverageMonth, CoverageRolled):
            session.execute(delete(table))
    for unit_id, shift in zip(units[:3], (0, 1, 90), strict=True):
        put(database, unit_id, [(at + shift, length) for at, length in before], now_ms=NOW_MS)
    # Half of the days are rolled up a day earlier than the others.
    roll_up(database, now_ms=NOW_MS - 2 * MS_PER_DAY)
    put(database, units[0], late, now_ms=NOW_MS)
    if is_followed:
        roll_up(database)
    spans = [
        (unit_id, (FIRST_MS + a * MS_PER_MIN + 7, FIRST_MS + b * MS_PER_MIN - 7))
        for unit_id in units[:4]
        for a, b in ((edges[0], edges[1]), (edges[2], edges[3]), (edges[4], edges[5]))
    ]
    for pause in pauses:
        pause_ms = pause * MS_PER_MIN
        with database.reading() as session:
            found = covered_by_span(session, [*spans, *spans[:2]], dict.fromkeys(units, pause_ms))
        slow = as_the_hours_say(database, spans, pause_ms)
        assert found == [*slow, *slow[:2]]


def test_many_units_over_many_months_are_counted_together(database: Database, units: list[int]) -> None:
    rng = np.random.default_rng(3)
    first_m, days = FIRST_MS // MS_PER_MIN, 100
    for place, unit_id in enumerate(units):
        gaps = rng.choice([1, 1, 1, 1, 2, 5, 200], days * 24 * 3)
        minutes = first_m + np.cumsum(gaps)[: days * 24 * (1 + place % 3)]
        with database.writing() as session:
            put_hours(session, hours_of(np.full(len(minutes), unit_id), minutes), now_ms=NOW_MS)
    end_ms = FIRST_MS + days * MS_PER_DAY
    roll_up(database, now_ms=end_ms)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(CoverageMark)) == 0
        assert rolled_until(session) == FIRST_DAY + days - 1
        for pause in (0, 2, 300):
            pauses = dict.fromkeys(units, pause * MS_PER_MIN)
            for start_ms, until_ms in ((FIRST_MS, end_ms), (FIRST_MS + 7, end_ms - 40 * MS_PER_DAY - 1)):
                told = covered_by_unit(session, pauses, start_ms=start_ms, end_ms=until_ms)
                spans = [(unit_id, (start_ms, until_ms)) for unit_id in units]
                assert [told[unit_id] for unit_id in units] == as_the_hours_say(database, spans, pause * MS_PER_MIN)
                assert sum(told.values()) > 0


def test_a_month_is_read_from_the_roll_up_and_not_from_the_hours(database: Database, units: list[int]) -> None:
    put(database, units[0], [(0, 1440 * 3)], now_ms=NOW_MS)
    roll_up(database)
    with database.writing() as session:
        session.execute(delete(CoverageHour))
    with database.reading() as session:
        told = covered_by_unit(session, {units[0]: 0}, start_ms=FIRST_MS, end_ms=FIRST_MS + 3 * MS_PER_DAY)
    assert told == {units[0]: 3 * MS_PER_DAY}, "or the other tests compare the hours with themselves"


def test_what_comes_in_time_leaves_no_mark_and_what_comes_late_does(database: Database, units: list[int]) -> None:
    put(database, units[0], [(0, 60)], now_ms=FIRST_MS + MS_PER_H)
    with database.reading() as session:
        assert list(session.scalars(select(CoverageMark.month))) == []
    put(database, units[0], [(0, 60)], now_ms=FIRST_MS + 4 * MS_PER_H)
    with database.reading() as session:
        assert list(session.scalars(select(CoverageMark.unit_id))) == [units[0]]


def test_nothing_is_rolled_up_where_nothing_was_ever_heard(database: Database, units: list[int]) -> None:
    roll_up(database)
    with database.reading() as session:
        assert rolled_until(session) is None
        assert covered_by_unit(session, dict.fromkeys(units, 0), start_ms=0, end_ms=NOW_MS) == dict.fromkeys(units, 0)
