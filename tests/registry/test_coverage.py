"""Coverage is the same however the data came: in any order, twice, in any pieces, and by several workers."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from models.covered_minutes import MS_PER_MIN
from models.equipment import Kind
from registry.coverage import (
    CoverageHour,
    coverage_by_span,
    coverage_of,
    first_minute_ms,
    hours_of,
    put_hours,
)
from registry.database import Database
from registry.site import add_site
from registry.unit import add_unit

FIRST = 28_333_333
"""A minute after 1970; the spans of the tests lie about it."""


@pytest.fixture
def unit_id(database: Database) -> int:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=0)
        return add_unit(session, site=site, kind=Kind.PUMP, key="p1", now_ms=0).id


def put(database: Database, unit_id: int, minutes: Sequence[int]) -> None:
    with database.writing() as session:
        put_hours(session, hours_of(np.full(len(minutes), unit_id), np.array(minutes, dtype=np.int64) + FIRST))


def covered(database: Database, unit_id: int, start: int, end: int, *, pause: int = 0) -> tuple[int, int]:
    """(minutes covered, minutes in all) between two minutes."""
    span = {"start_ms": (FIRST + start) * MS_PER_MIN, "end_ms": (FIRST + end) * MS_PER_MIN}
    with database.reading() as session:
        found = coverage_of(session, unit_id, **span, pause_ms=pause * MS_PER_MIN)
    return found.covered_ms // MS_PER_MIN, found.total_ms // MS_PER_MIN


def test_minutes_with_data_are_counted(database: Database, unit_id: int) -> None:
    put(database, unit_id, [0, 1, 2, 5])
    assert covered(database, unit_id, 0, 10) == (4, 10)
    assert covered(database, unit_id, 2, 5) == (1, 3)
    assert covered(database, unit_id, 6, 10) == (0, 4)


def test_a_span_begins_with_the_first_data(database: Database, unit_id: int) -> None:
    assert covered(database, unit_id, 0, 100) == (0, 0)
    put(database, unit_id, [40, 41])
    assert covered(database, unit_id, 0, 100) == (2, 60)
    put(database, unit_id, [10])
    assert covered(database, unit_id, 0, 100) == (3, 90)
    with database.reading() as session:
        assert first_minute_ms(session, unit_id) == (FIRST + 10) * MS_PER_MIN


def test_a_usual_pause_is_no_hole_and_a_longer_one_is(database: Database, unit_id: int) -> None:
    put(database, unit_id, [0, 10, 20, 51])
    assert covered(database, unit_id, 0, 60, pause=10) == (22, 60)
    assert covered(database, unit_id, 0, 60, pause=9) == (4, 60)


def test_a_pause_across_the_edge_of_the_span_is_no_hole(database: Database, unit_id: int) -> None:
    put(database, unit_id, [0, 30, 60])
    assert covered(database, unit_id, 10, 50, pause=30) == (40, 40)


def test_spans_side_by_side_make_the_whole(database: Database, unit_id: int) -> None:
    put(database, unit_id, [3, 4, 5, 70, 71, 130])
    edges = [(FIRST + minute) * MS_PER_MIN for minute in (0, 60, 120, 180)]
    with database.reading() as session:
        spans = coverage_by_span(session, unit_id, edges_ms=edges, pause_ms=0)
    assert [span.covered_ms // MS_PER_MIN for span in spans] == [3, 2, 1]
    assert sum(span.total_ms for span in spans) == 177 * MS_PER_MIN


@given(
    minutes=st.lists(st.integers(0, 200), min_size=1, max_size=60),
    order=st.randoms(use_true_random=False),
    pieces=st.integers(1, 5),
)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_any_pieces_and_twice_make_the_same(
    database: Database, unit_id: int, minutes: list[int], order: object, pieces: int
) -> None:
    with database.writing() as session:
        session.execute(delete(CoverageHour))
    told = [*minutes, *minutes[::2]]
    order.shuffle(told)  # type: ignore[attr-defined]
    for start in range(pieces):
        if part := told[start::pieces]:
            put(database, unit_id, part)
    first = min(minutes)
    assert covered(database, unit_id, 0, 201) == (len(set(minutes)), 201 - first)
