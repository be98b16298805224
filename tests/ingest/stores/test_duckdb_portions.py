"""Roll-ups and retention of the DuckDB store: what stays when single values go, and what a death in between leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ingest.stores import duckdb_portions
from ingest.stores.contract import Point, StoreUnavailable
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.retention import DAY_MS, HOUR_MS, MINUTE_MS, Retention
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey

T0 = 1_700_000_000_000 // DAY_MS * DAY_MS
UNIT = UnitKey("site-a", Kind.PUMP, "sump-1")
KEPT = Retention(raw_ms=2 * DAY_MS, minute_ms=5 * DAY_MS)
# What a file of the version before portions held.
BEFORE_PORTIONS = """
CREATE TABLE series (number INTEGER NOT NULL, site VARCHAR NOT NULL, kind VARCHAR NOT NULL, unit VARCHAR NOT NULL,
    metric VARCHAR NOT NULL);
CREATE TABLE arrived (series INTEGER, ts_ms BIGINT, value DOUBLE);
CREATE TABLE settled (series INTEGER, ts_ms BIGINT, value DOUBLE);
CREATE TABLE settled_newest (series INTEGER, ts_ms BIGINT, value DOUBLE);
CREATE VIEW reading AS SELECT * FROM settled UNION ALL SELECT * FROM arrived;
INSERT INTO series VALUES (0, 'site-a', 'pump', 'sump-1', 'level_m');
INSERT INTO settled SELECT 0, {t0} + i * 1000, i FROM range(5000) r(i);
INSERT INTO settled_newest VALUES (0, {t0} + 4999000, 4999);
INSERT INTO arrived SELECT 0, {t0} + i * 1000, i FROM range(5000, 5100) r(i);
"""


@contextmanager
def opened(path: Path, *, settle_values: int = 1_000_000, retention: Retention = KEPT) -> Iterator[DuckDBStore]:
    store = DuckDBStore(path, settle_values=settle_values, retention=retention)
    store.prepare()
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.duckdb"


def level(at_ms: range | list[int], values: list[float] | None = None) -> ReadingBlock:
    times = np.array(at_ms, np.int64)
    column = np.array(values, np.float64) if values is not None else (times - T0) / 1000
    return ReadingBlock(Kind.PUMP, ("level_m",), (UNIT,), np.zeros(len(times), np.int64), times, column.reshape(-1, 1))


def maintained(store: DuckDBStore, *, now_ms: int) -> int:
    """Steps until there is nothing left to do."""
    steps = 0
    while store.maintain(now_ms=now_ms):
        steps += 1
        assert steps < 1000
    return steps


def points(store: DuckDBStore, step_ms: int, start_ms: int = T0, end_ms: int = T0 + 40 * DAY_MS) -> list[Point]:
    return store.points(UNIT, "level_m", start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)


def test_single_values_go_first_then_minutes_and_hours_stay(path: Path) -> None:
    with opened(path) as store:
        store.write("a", [level(range(T0, T0 + 2 * HOUR_MS, 10_000))])
        maintained(store, now_ms=T0 + 2 * HOUR_MS)
        fine, by_minute, by_hour = points(store, 10_000), points(store, MINUTE_MS), points(store, HOUR_MS)
        assert (len(fine), len(by_minute), len(by_hour)) == (720, 120, 2)

        maintained(store, now_ms=T0 + 2 * DAY_MS + 3 * HOUR_MS)
        assert store.count_values() == 0
        assert points(store, 10_000) == by_minute
        assert points(store, MINUTE_MS) == by_minute
        assert points(store, HOUR_MS) == by_hour
        assert store.latest([UNIT]) == {UNIT: {"level_m": (T0 + 2 * HOUR_MS - 10_000, 7190.0)}}

        maintained(store, now_ms=T0 + 5 * DAY_MS + 3 * HOUR_MS)
        assert points(store, MINUTE_MS) == by_hour
        assert points(store, HOUR_MS) == by_hour
    with opened(path) as store:
        assert points(store, HOUR_MS) == by_hour
        assert store.newest_ms() == {(UNIT, "level_m"): T0 + 2 * HOUR_MS - 10_000}


def test_what_is_not_rolled_up_is_never_deleted(path: Path) -> None:
    with opened(path) as store:
        store.write("a", [level([T0, T0 + 1000])])
        # Years later the values are sorted, and from then on they have an age.
        maintained(store, now_ms=T0 + 900 * DAY_MS)
        assert store.count_values() == 2
        maintained(store, now_ms=T0 + 901 * DAY_MS)
        assert store.count_values() == 2
        maintained(store, now_ms=T0 + 903 * DAY_MS)
        assert store.count_values() == 0
        assert points(store, HOUR_MS) == [Point(T0, 0.5, 0.0, 1.0, 2)]


def test_a_recording_of_years_ago_is_kept_as_long_as_what_was_measured_today(path: Path) -> None:
    with opened(path) as store:
        store.write("a", [level(range(T0, T0 + HOUR_MS, 1000))])
        maintained(store, now_ms=T0 + 1000 * DAY_MS)
        maintained(store, now_ms=T0 + 1001 * DAY_MS)
        assert len(points(store, 1000)) == 3600


def test_a_clock_that_is_put_back_deletes_nothing_and_sorts_nothing_twice(path: Path) -> None:
    with opened(path) as store:
        store.write("a", [level(range(T0, T0 + HOUR_MS, 1000))])
        maintained(store, now_ms=T0)
        maintained(store, now_ms=T0 - 900 * DAY_MS)
        assert store.count_values() == 3600
        assert sum(point.n for point in points(store, MINUTE_MS)) == 3600


def test_late_values_correct_their_minutes_after_the_single_values_are_gone(path: Path) -> None:
    with opened(path) as store:
        store.write("a", [level(range(T0, T0 + HOUR_MS, 20_000))])
        maintained(store, now_ms=T0 + HOUR_MS)
        maintained(store, now_ms=T0 + 3 * DAY_MS)
        assert store.count_values() == 0
        store.write("late", [level([T0 + 10_000], [1000.0])])
        expected = Point(T0, (0 + 20 + 40 + 1000) / 4, 0.0, 1000.0, 4)
        assert points(store, MINUTE_MS)[0] == expected
        maintained(store, now_ms=T0 + 3 * DAY_MS + HOUR_MS)
        assert points(store, MINUTE_MS)[0] == expected
        assert points(store, HOUR_MS)[0].n == 181


def test_retention_deletes_in_steps_of_one_portion(path: Path) -> None:
    with opened(path, settle_values=100) as store:
        for number in range(5):
            store.write(str(number), [level(range(T0 + number * 100_000, T0 + (number + 1) * 100_000, 1000))])
        store.maintain(now_ms=T0)
        counts = []
        while store.maintain(now_ms=T0 + 3 * DAY_MS):
            counts.append(store.count_values())
        assert counts == [400, 300, 200, 100, 0]


def test_the_file_does_not_grow_once_values_leave(path: Path) -> None:
    rng = np.random.default_rng(1)
    sizes = []
    with opened(path, retention=Retention(raw_ms=2 * DAY_MS, minute_ms=4 * DAY_MS)) as store:
        for day in range(16):
            times = range(T0 + day * DAY_MS, T0 + (day + 1) * DAY_MS, 500)
            store.write(str(day), [level(times, rng.normal(size=len(times)).tolist())])
            maintained(store, now_ms=T0 + (day + 1) * DAY_MS)
            sizes.append(path.stat().st_size)
    assert sizes[15] < 1.3 * max(sizes[:8])


@pytest.mark.parametrize("dies_in", ["minute", "hour", "portion"])
def test_a_death_while_values_are_rolled_up_neither_loses_nor_doubles(path: Path, dies_in: str) -> None:
    with opened(path) as store:
        store.write("a", [level(range(T0, T0 + HOUR_MS, 1000))])
        expected = points(store, MINUTE_MS)
    with duckdb.connect(str(path)) as connection:
        # A name that is taken by something else stops the roll-up in the middle.
        connection.execute(f"ALTER TABLE {dies_in} RENAME TO away")
        connection.execute(f"CREATE TABLE {dies_in} AS SELECT 1 AS nothing")
    with opened(path) as store, pytest.raises(StoreUnavailable):
        store.maintain(now_ms=T0 + HOUR_MS)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"DROP TABLE {dies_in}")
        connection.execute(f"ALTER TABLE away RENAME TO {dies_in}")
    with opened(path) as store:
        assert points(store, MINUTE_MS) == expected
        maintained(store, now_ms=T0 + HOUR_MS)
        assert points(store, MINUTE_MS) == expected
        assert store.count_values() == 3600


@pytest.mark.parametrize("dies_after", [None, 0, 2])
def test_a_file_of_the_version_before_is_taken_over_without_loss(
    path: Path, dies_after: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(BEFORE_PORTIONS.format(t0=T0))
    monkeypatch.setattr(duckdb_portions, "CARRIED_ROWS", 1200)
    add_portion, done = duckdb_portions.add_portion, []

    def mortal(connection: duckdb.DuckDBPyConnection, source: str) -> None:
        add_portion(connection, source)
        done.append(source)
        if dies_after is not None and len(done) == dies_after + 1:
            raise duckdb.IOException("no space left")

    if dies_after is not None:
        with monkeypatch.context() as patched:
            patched.setattr(duckdb_portions, "add_portion", mortal)
            with pytest.raises(StoreUnavailable):
                DuckDBStore(path).prepare()
    for _ in range(2):
        with opened(path) as store:
            assert store.count_values() == 5100
            assert [point.mean for point in points(store, 1000)] == list(range(5100))
            assert points(store, HOUR_MS) == [
                Point(T0, 1799.5, 0.0, 3599.0, 3600),
                Point(T0 + HOUR_MS, (3600 + 5099) / 2, 3600.0, 5099.0, 1500),
            ]
            assert store.latest([UNIT]) == {UNIT: {"level_m": (T0 + 5_099_000, 5099.0)}}
            store.write("again", [level(range(T0, T0 + 5_100_000, 1000))])
            assert store.count_values() == 5100
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT * FROM duckdb_tables() WHERE table_name = 'settled'").fetchall() == []
