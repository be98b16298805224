"""What every telemetry store does, shown on the real engines."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.stores.contract import Point, StoreUnavailable, TelemetryStore
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.influx import InfluxAddress, InfluxStore
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey

T0 = 1_700_000_000_000
NAN = float("nan")
FOR_EVER = {"start_ms": -(2**62), "end_ms": 2**62}

NewStore = Callable[[], TelemetryStore]


@pytest.fixture(scope="module", params=["duckdb", "duckdb-settling-often", "influx"])
def new_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewStore]:
    """Makes prepared stores that are empty and share nothing."""
    opened: list[TelemetryStore] = []
    influx = request.getfixturevalue("influx") if request.param == "influx" else None

    def make() -> TelemetryStore:
        store: TelemetryStore
        if influx is not None:
            address = InfluxAddress(influx.url, influx.org, f"{influx.bucket}-{uuid4().hex}")
            store = InfluxStore(address, influx.token, write_timeout_s=30, query_timeout_s=30)
        else:
            path: Path = tmp_path_factory.mktemp("store") / "telemetry.duckdb"
            store = DuckDBStore(path, settle_values=7 if request.param == "duckdb-settling-often" else 1_000_000)
        store.prepare()
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture(scope="module")
def store(new_store: NewStore) -> TelemetryStore:
    """One store for tests that keep to units of their own."""
    return new_store()


def new_unit(kind: Kind = Kind.PUMP) -> UnitKey:
    return UnitKey("site-a", kind, f"unit-{uuid4().hex}")


def readings(unit: UnitKey, values: Mapping[str, Sequence[float]], at_ms: Sequence[int]) -> ReadingBlock:
    """Rows of one unit: a column for each metric, a row for each time."""
    return ReadingBlock(
        unit.kind,
        tuple(values),
        (unit,),
        np.zeros(len(at_ms), np.int64),
        np.array(at_ms, np.int64),
        np.array(list(values.values()), np.float64).T.reshape(len(at_ms), len(values)),
    )


def write(store: TelemetryStore, *blocks: ReadingBlock) -> None:
    store.write(uuid4().hex, blocks)


def everything(store: TelemetryStore, unit: UnitKey, metric: str) -> list[tuple[int, float]]:
    """All values of a series, read as steps of one millisecond."""
    points = store.points(unit, metric, step_ms=1, start_ms=T0 - 10**9, end_ms=T0 + 10**9)
    assert all(point.n == 1 and point.mean == point.min == point.max for point in points)
    return [(point.t_ms, point.mean) for point in points]


def test_empty_store_answers(new_store: NewStore) -> None:
    store = new_store()
    unit = new_unit()
    assert store.count_values() == 0
    assert store.newest_ms() == {}
    assert store.latest([unit]) == {}
    assert store.latest([]) == {}
    assert store.metrics_of(unit) == []
    assert store.points(unit, "level_m", start_ms=T0, end_ms=T0 + 1000, step_ms=100) == []
    assert len(store.history(unit, end_ms=T0, rows=10)) == 0
    assert not store.existing(readings(unit, {"level_m": [1.0]}, [T0])).any()


def test_preparing_twice_changes_nothing(new_store: NewStore) -> None:
    store, unit = new_store(), new_unit()
    write(store, readings(unit, {"level_m": [1.0]}, [T0]))
    store.prepare()
    assert everything(store, unit, "level_m") == [(T0, 1.0)]


def test_what_was_written_is_read_back_exactly(store: TelemetryStore) -> None:
    unit = new_unit()
    values = [0.1, -0.0, 1e-300, 1.7976931348623157e308, 5e-324, 123456789.123456789, 1.0]
    write(store, readings(unit, {"level_m": values}, range(T0, T0 + len(values))))
    assert everything(store, unit, "level_m") == list(zip(range(T0, T0 + len(values)), values, strict=True))


def test_the_same_batch_twice_adds_nothing(new_store: NewStore) -> None:
    store, unit = new_store(), new_unit()
    block = readings(unit, {"level_m": [1.0, 2.0], "flow_m3_h": [3.0, NAN]}, [T0, T0 + 1])
    store.write("batch-1", [block])
    store.write("batch-1", [block])
    assert store.count_values() == 3


def test_the_same_value_in_another_batch_adds_nothing(new_store: NewStore) -> None:
    store, unit = new_store(), new_unit()
    write(store, readings(unit, {"level_m": [1.0, 2.0]}, [T0, T0 + 1]))
    write(store, readings(unit, {"level_m": [1.0, 2.0, 3.0]}, [T0, T0 + 1, T0 + 2]))
    write(store, readings(unit, {"level_m": [3.0], "flow_m3_h": [0.0]}, [T0 + 2]))
    assert store.count_values() == 4
    assert everything(store, unit, "level_m") == [(T0, 1.0), (T0 + 1, 2.0), (T0 + 2, 3.0)]


def test_the_same_value_twice_in_one_batch_is_one_value(new_store: NewStore) -> None:
    store, unit = new_store(), new_unit()
    block = readings(unit, {"level_m": [1.0, 1.0]}, [T0, T0])
    write(store, block, readings(unit, {"level_m": [1.0], "flow_m3_h": [5.0]}, [T0]))
    assert store.count_values() == 2


def test_a_batch_that_comes_again_with_more_is_completed(new_store: NewStore) -> None:
    """A writer that died before it knew may join what waits to another batch under the same name."""
    store, unit = new_store(), new_unit()
    first, second = readings(unit, {"level_m": [1.0]}, [T0 + 5]), readings(unit, {"level_m": [2.0]}, [T0])
    store.write("batch-1", [first])
    store.write("batch-1", [first, second])
    assert everything(store, unit, "level_m") == [(T0, 2.0), (T0 + 5, 1.0)]
    assert store.count_values() == 2


def test_a_batch_without_values_is_a_batch(new_store: NewStore) -> None:
    store, unit = new_store(), new_unit()
    write(store)
    write(store, readings(unit, {"level_m": []}, []))
    write(store, readings(unit, {"level_m": [NAN]}, [T0]))
    assert store.count_values() == 0
    assert store.newest_ms() == {}
    assert store.metrics_of(unit) == []


def test_what_was_not_reported_is_absent(store: TelemetryStore) -> None:
    unit = new_unit()
    write(store, readings(unit, {"level_m": [1.0, NAN], "flow_m3_h": [NAN, NAN]}, [T0, T0 + 1]))
    assert everything(store, unit, "level_m") == [(T0, 1.0)]
    assert everything(store, unit, "flow_m3_h") == []
    assert store.metrics_of(unit) == ["level_m"]
    assert store.latest([unit]) == {unit: {"level_m": (T0, 1.0)}}
    assert (unit, "flow_m3_h") not in store.newest_ms()


@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
def test_an_infinite_value_is_refused_and_costs_none_of_its_neighbours(new_store: NewStore, value: float) -> None:
    store, unit = new_store(), new_unit()
    block = readings(unit, {"level_m": [1.0, 2.0], "flow_m3_h": [3.0, value]}, [T0, T0 + 1])
    [refusal] = store.write("batch-1", [block])
    assert store.count_values() == 3
    assert everything(store, unit, "level_m") == [(T0, 1.0), (T0 + 1, 2.0)]
    assert (refusal.reason, refusal.block.ts_ms.tolist()) == ("not a finite number", [T0 + 1])
    np.testing.assert_array_equal(refusal.block.values, [[NAN, value]])


def test_steps_begin_at_multiples_and_the_end_is_outside(store: TelemetryStore) -> None:
    unit = new_unit()
    start = 1_700_000_040_000  # a full minute
    times = [start - 1, start, start + 59_999, start + 60_000, start + 180_000]
    write(store, readings(unit, {"level_m": [10.0, 1.0, 3.0, 5.0, 7.0]}, times))
    assert store.points(unit, "level_m", start_ms=start, end_ms=start + 180_000, step_ms=60_000) == [
        Point(start, 2.0, 1.0, 3.0, 2),
        Point(start + 60_000, 5.0, 5.0, 5.0, 1),
    ]
    inside = store.points(unit, "level_m", start_ms=start + 30_000, end_ms=start + 60_001, step_ms=60_000)
    assert [(point.t_ms, point.n) for point in inside] == [(start, 1), (start + 60_000, 1)]
    assert store.points(unit, "level_m", start_ms=start + 1, end_ms=start + 1, step_ms=60_000) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(
        st.integers(-5_000_000, 5_000_000), st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=40
    ),
    origin=st.sampled_from([0, T0]),
    window=st.tuples(st.integers(-5_000_000, 5_000_000), st.integers(1, 6_000_000)),
    step_ms=st.sampled_from([1_000, 7_919, 60_000, 3_600_000]),
)
def test_points_agree_with_numpy(
    store: TelemetryStore, values: dict[int, float], origin: int, window: tuple[int, int], step_ms: int
) -> None:
    unit = new_unit()
    times = np.array(sorted(values), np.int64)
    column = np.array([values[offset] for offset in times.tolist()])
    times += origin
    write(store, readings(unit, {"level_m": column.tolist()}, times.tolist()))
    start_ms, end_ms = origin + window[0], origin + window[0] + window[1]
    expected = []
    inside = (times >= start_ms) & (times < end_ms)
    for step in np.unique(times[inside] // step_ms).tolist():
        part = column[inside & (times // step_ms == step)]
        expected.append(Point(step * step_ms, float(part.mean()), float(part.min()), float(part.max()), len(part)))
    found = store.points(unit, "level_m", start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)
    assert [(p.t_ms, p.min, p.max, p.n) for p in found] == [(p.t_ms, p.min, p.max, p.n) for p in expected]
    assert [p.mean for p in found] == pytest.approx([p.mean for p in expected], rel=1e-9, abs=1e-6)


ODD_NAMES = [
    "Accelerometer1RMS",
    "Volume Flow RateRMS",
    "pressure, inlet",
    "a=b",
    "水位",
    "äé 🚰",
    'she said "no"',
    "it's",
    "back\\slash",
    "ends with \\",
    "\\,",
    "\\\\ ",
    "%5C",
    "%",
    "100%",
    "%s %r %d",
    "two\nlines",
    "tab\tand\rreturn",
    "time",
    "site",
    "unit",
    "_time",
    "_field",
    "_measurement",
    "value",
    "level_m",
    "Level_m",
    " leading",
    "#comment",
    "*",
    "/.*/",
    "mean",
    "NULL",
    "level_m 1",
    "level_m=1 1700000000000\npump,site=x level_m=2",
    '"; DROP DATABASE x; SELECT "',
    "'; DROP TABLE reading; --",
    "x' OR '1'='1",
    "$metric",
    "?",
    "{}",
]


def test_metrics_of_any_name_are_kept_apart(new_store: NewStore) -> None:
    store, unit, other = new_store(), new_unit(), new_unit()
    block = readings(unit, {name: [float(number)] for number, name in enumerate(ODD_NAMES)}, [T0])
    write(store, block)
    write(store, readings(other, {"level_m": [99.0]}, [T0]))
    assert store.count_values() == len(ODD_NAMES) + 1
    assert store.metrics_of(unit) == sorted(ODD_NAMES)
    assert store.latest([unit]) == {unit: {name: (T0, float(number)) for number, name in enumerate(ODD_NAMES)}}
    for number, name in enumerate(ODD_NAMES):
        assert everything(store, unit, name) == [(T0, float(number))], name
    assert {metric for owner, metric in store.newest_ms() if owner == unit} == set(ODD_NAMES)
    assert store.existing(block).all()
    rows = store.history(unit, end_ms=T0 + 1, rows=5)
    assert rows.metrics == tuple(sorted(ODD_NAMES))
    assert dict(zip(rows.metrics, rows.values[0].tolist(), strict=True)) == dict(
        zip(ODD_NAMES, map(float, range(len(ODD_NAMES))), strict=True)
    )


@pytest.mark.parametrize("name", ["x' OR '1'='1", "u,site=b", "u v", "单元", 'q"', "b\\", "a\nb", "a=b", "%27"])
def test_units_and_sites_of_any_name_are_kept_apart(store: TelemetryStore, name: str) -> None:
    odd, plain = UnitKey(f"{uuid4().hex}{name}", Kind.FIRE, name), new_unit(Kind.FIRE)
    write(store, readings(plain, {"battery_v": [1.0]}, [T0]))
    assert store.latest([odd]) == {}
    assert everything(store, odd, "battery_v") == []
    write(store, readings(odd, {"battery_v": [2.0]}, [T0]))
    assert everything(store, odd, "battery_v") == [(T0, 2.0)]
    assert everything(store, plain, "battery_v") == [(T0, 1.0)]
    assert store.latest([odd, plain]) == {odd: {"battery_v": (T0, 2.0)}, plain: {"battery_v": (T0, 1.0)}}
    assert store.newest_ms()[odd, "battery_v"] == T0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, max_size=6, unique=True))
def test_whatever_the_metrics_are_called_they_come_back(store: TelemetryStore, names: list[str]) -> None:
    unit = new_unit(Kind.FIRE)
    write(store, readings(unit, {name: [float(number)] for number, name in enumerate(names)}, [T0]))
    rows = store.history(unit, end_ms=T0 + 1, rows=1)
    assert dict(zip(rows.metrics, rows.values[0].tolist(), strict=True)) == {
        name: float(number) for number, name in enumerate(names)
    }


def test_units_of_one_name_in_other_sites_and_kinds_are_others(store: TelemetryStore) -> None:
    name = uuid4().hex
    units = [UnitKey(site, kind, name) for site in ("north", "south") for kind in Kind]
    for number, unit in enumerate(units):
        write(store, readings(unit, {"starts_total": [float(number)]}, [T0]))
    assert store.latest(units) == {unit: {"starts_total": (T0, float(number))} for number, unit in enumerate(units)}
    assert everything(store, units[4], "starts_total") == [(T0, 4.0)]


def test_one_batch_carries_many_units_kinds_and_channel_sets(new_store: NewStore) -> None:
    store = new_store()
    lifts = [new_unit(Kind.ELEVATOR) for _ in range(3)]
    pump = new_unit()
    lift_block = ReadingBlock(
        Kind.ELEVATOR,
        ("speed_m_s", "occupied"),
        tuple(lifts),
        np.array([0, 2, 0, 1], np.int64),
        np.array([T0, T0, T0 + 5, T0 + 1], np.int64),
        np.array([[1.0, 0.0], [2.0, 1.0], [1.5, NAN], [NAN, 1.0]]),
    )
    write(store, lift_block, readings(pump, {"level_m": [0.5]}, [T0]), readings(pump, {"flow_m3_h": [7.0]}, [T0 + 1]))
    assert store.count_values() == 8
    assert store.latest([*lifts, pump]) == {
        lifts[0]: {"speed_m_s": (T0 + 5, 1.5), "occupied": (T0, 0.0)},
        lifts[1]: {"occupied": (T0 + 1, 1.0)},
        lifts[2]: {"speed_m_s": (T0, 2.0), "occupied": (T0, 1.0)},
        pump: {"level_m": (T0, 0.5), "flow_m3_h": (T0 + 1, 7.0)},
    }


def test_late_values_land_at_their_own_time(store: TelemetryStore) -> None:
    unit = new_unit()
    write(store, readings(unit, {"level_m": [5.0]}, [T0 + 5000]))
    write(store, readings(unit, {"level_m": [1.0, 9.0]}, [T0 + 1000, T0 + 9000]))
    write(store, readings(unit, {"level_m": [3.0]}, [T0 + 3000]))
    assert everything(store, unit, "level_m") == [(T0 + at * 1000, float(at)) for at in (1, 3, 5, 9)]
    assert store.latest([unit]) == {unit: {"level_m": (T0 + 9000, 9.0)}}
    assert store.newest_ms()[unit, "level_m"] == T0 + 9000


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_arrival_does_not_matter(new_store: NewStore, seed: int) -> None:
    rng = np.random.default_rng(seed)
    store, units = new_store(), [new_unit() for _ in range(3)]
    rows = [
        (unit, at_ms, value)
        for unit in units
        for at_ms, value in zip(range(T0, T0 + 20), rng.normal(size=20).tolist(), strict=True)
    ]
    deliveries = [rows[number] for number in rng.permutation(np.repeat(np.arange(len(rows)), 2))]
    for start in range(0, len(deliveries), 11):
        write(
            store,
            *(readings(unit, {"level_m": [value]}, [at_ms]) for unit, at_ms, value in deliveries[start : start + 11]),
        )
    assert store.count_values() == len(rows)
    for unit in units:
        assert everything(store, unit, "level_m") == [row[1:] for row in rows if row[0] == unit]


def test_existing_tells_each_cell(store: TelemetryStore) -> None:
    units = (new_unit(), new_unit())
    write(
        store,
        readings(units[0], {"level_m": [1.0, NAN, 3.0], "flow_m3_h": [NAN, 2.0, 3.0]}, [T0, T0 + 1, T0 + 9]),
        readings(units[1], {"level_m": [1.0]}, [T0 + 9]),
    )
    block = ReadingBlock(
        Kind.PUMP,
        ("level_m", "flow_m3_h", "never_heard"),
        units,
        np.array([0, 0, 1, 1, 0, 0], np.int64),
        np.array([T0, T0 + 1, T0, T0 + 9, T0 + 9, T0 + 10], np.int64),
        np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, NAN, NAN], [NAN, 1.0, 1.0], [1.0] * 3]),
    )
    assert store.existing(block).tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, False],
        [True, False, False],
        [False, True, False],
        [False, False, False],
    ]


def test_history_joins_metrics_by_time_and_ends_before_its_end(store: TelemetryStore) -> None:
    unit = new_unit()
    day_ms = 86_400_000
    write(store, readings(unit, {"level_m": [0.0, 1.0, 2.0]}, [T0 - 90 * day_ms, T0 - day_ms, T0]))
    write(store, readings(unit, {"flow_m3_h": [10.0, 20.0]}, [T0 - day_ms, T0 + 1]))
    write(store, readings(unit, {"rain_mm_h": [5.0]}, [T0 - 200 * day_ms]))

    rows = store.history(unit, end_ms=T0 + 1, rows=2)
    assert (rows.metrics, rows.units) == (("flow_m3_h", "level_m"), (unit,))
    assert rows.ts_ms.tolist() == [T0 - day_ms, T0]
    np.testing.assert_array_equal(rows.values, [[10.0, 1.0], [NAN, 2.0]])

    rows = store.history(unit, end_ms=2**62, rows=100)
    assert rows.metrics == ("flow_m3_h", "level_m", "rain_mm_h")
    assert rows.ts_ms.tolist() == [T0 - 200 * day_ms, T0 - 90 * day_ms, T0 - day_ms, T0, T0 + 1]
    assert len(store.history(unit, end_ms=T0 - 200 * day_ms, rows=5)) == 0
    assert len(store.history(unit, end_ms=2**62, rows=0)) == 0


def test_latest_of_hundreds_of_units(store: TelemetryStore) -> None:
    units = tuple(new_unit(Kind.ELEVATOR) for _ in range(300))
    block = ReadingBlock(
        Kind.ELEVATOR,
        ("speed_m_s",),
        units,
        np.arange(300, dtype=np.int64),
        np.full(300, T0, np.int64),
        np.arange(300.0).reshape(300, 1),
    )
    write(store, block)
    assert store.latest(units[:299]) == {
        unit: {"speed_m_s": (T0, float(number))} for number, unit in enumerate(units[:299])
    }


def test_readers_are_answered_while_a_writer_writes(new_store: NewStore) -> None:
    store, unit = new_store(), new_unit()
    batches, rows = 60, 50
    counts: list[list[int]] = [[], []]
    failures: list[BaseException] = []
    is_written = threading.Event()

    def read(seen: list[int]) -> None:
        try:
            while not is_written.is_set():
                points = store.points(unit, "level_m", step_ms=1000, **FOR_EVER)
                seen.append(sum(point.n for point in points))
                store.history(unit, end_ms=2**62, rows=20)
                store.latest([unit])
                store.newest_ms()
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read, args=(seen,)) for seen in counts]
    for reader in readers:
        reader.start()
    for batch in range(batches):
        times = range(T0 + batch * rows, T0 + (batch + 1) * rows)
        write(store, readings(unit, {"level_m": [1.0] * rows, "flow_m3_h": [2.0] * rows}, times))
    is_written.set()
    for reader in readers:
        reader.join(timeout=30)
    assert failures == []
    assert all(seen == sorted(seen) and seen for seen in counts)
    assert store.count_values() == batches * rows * 2


def test_check_names_engine_and_place_in_one_line(store: TelemetryStore) -> None:
    line = store.check()
    assert line.startswith(("DuckDB ", "InfluxDB "))
    assert "\n" not in line


def test_a_closed_store_is_unavailable_and_may_be_closed_again(new_store: NewStore) -> None:
    store, unit = new_store(), new_unit()
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        write(store, readings(unit, {"level_m": [1.0]}, [T0]))
    with pytest.raises(StoreUnavailable, match="not open"):
        store.count_values()
