"""What every telemetry store makes of many values: the same answers from roll-ups as from the values themselves."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from ingest.stores.contract import Point, TelemetryStore
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.influx import InfluxAddress, InfluxStore
from ingest.stores.retention import HOUR_MS, MINUTE_MS
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from tests.servers.influx import Influx

T0 = 1_700_000_000_000 // HOUR_MS * HOUR_MS
LATER = T0 + 10_000 * HOUR_MS

Open = Callable[[], TelemetryStore]
Values = dict[int, float]


@pytest.fixture(params=["duckdb", "influx"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens one and the same store; what was open before is left as a killed process leaves it."""
    opened: list[TelemetryStore] = []
    bucket = f"roll-ups-{uuid4().hex}"
    influx: Influx | None = request.getfixturevalue("influx") if request.param == "influx" else None

    def open_() -> TelemetryStore:
        store: TelemetryStore
        if influx is not None:
            address = InfluxAddress(influx.url, influx.org, bucket)
            store = InfluxStore(address, influx.token, write_timeout_s=30, query_timeout_s=30)
        else:
            for before in opened:
                before.close()
            store = DuckDBStore(tmp_path / "telemetry.duckdb")
        store.prepare()
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()


def block(unit: UnitKey, metric: str, values: Values) -> ReadingBlock:
    times = np.array(sorted(values), np.int64)
    column = np.array([values[t_ms] for t_ms in times.tolist()], np.float64).reshape(-1, 1)
    return ReadingBlock(unit.kind, (metric,), (unit,), np.zeros(len(times), np.int64), times, column)


def maintained(store: TelemetryStore, *, now_ms: int = LATER) -> int:
    steps = 0
    while store.maintain(now_ms=now_ms):
        steps += 1
        assert steps < 500
    return steps


def reference(values: Values, start_ms: int, end_ms: int, step_ms: int) -> list[Point]:
    """The same as `points`, one value after the other."""
    steps: dict[int, list[float]] = {}
    for t_ms in sorted(values):
        if start_ms <= t_ms < end_ms:
            steps.setdefault(t_ms // step_ms * step_ms, []).append(values[t_ms])
    return [Point(t, sum(v) / len(v), min(v), max(v), len(v)) for t, v in sorted(steps.items())]


def assert_answers(store: TelemetryStore, unit: UnitKey, metric: str, values: Values, *, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    ranges = [(T0 - HOUR_MS, T0 + 30 * HOUR_MS), (T0, T0 + 24 * HOUR_MS), (T0 + 1, T0 + HOUR_MS - 1)]
    ranges += [tuple(sorted(rng.integers(T0 - HOUR_MS, T0 + 27 * HOUR_MS, 2).tolist())) for _ in range(4)]
    for start_ms, end_ms in ranges:
        for step_ms in (10_007, MINUTE_MS, 7 * MINUTE_MS, HOUR_MS, 24 * HOUR_MS):
            found = store.points(unit, metric, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)
            expected = reference(values, start_ms, end_ms, step_ms)
            told = (start_ms - T0, end_ms - T0, step_ms)
            assert [(p.t_ms, p.min, p.max, p.n) for p in found] == [(p.t_ms, p.min, p.max, p.n) for p in expected], told
            assert [p.mean for p in found] == pytest.approx([p.mean for p in expected], rel=1e-9, abs=1e-6), told


def day_of_values(rng: np.random.Generator, count: int = 600) -> Values:
    times = T0 + rng.choice(24 * HOUR_MS, count, replace=False)
    return dict(zip(times.tolist(), rng.normal(10, 3, count).tolist(), strict=True))


@pytest.mark.parametrize("seed", range(2))
def test_answers_are_the_same_before_and_after_rolling_up_and_after_late_values(open_again: Open, seed: int) -> None:
    rng = np.random.default_rng(seed)
    store, unit, other = open_again(), UnitKey("a", Kind.PUMP, "p1"), UnitKey("a", Kind.PUMP, "p2")
    metric = ["level_m", "time", "水位 %5C,\\"][seed]
    values, others = day_of_values(rng), day_of_values(rng, 50)
    store.write("first", [block(unit, metric, values), block(other, metric, others)])
    assert_answers(store, unit, metric, values, seed=seed)
    assert maintained(store) > 0
    assert maintained(store) == 0
    assert_answers(store, unit, metric, values, seed=seed)

    # A gateway was offline for the day and sends its backlog; other metrics of the unit are late as well.
    late = {t_ms: value for t_ms, value in day_of_values(rng, 200).items() if t_ms not in values}
    store.write("late", [block(unit, metric, late), block(unit, "flow_m3_h", late)])
    values |= late
    assert_answers(store, unit, metric, values, seed=seed)
    maintained(store)
    store = open_again()
    for each, kept in ((unit, values), (other, others)):
        assert_answers(store, each, metric, kept, seed=seed)
    assert_answers(store, unit, "flow_m3_h", late, seed=seed)


def test_a_batch_that_comes_again_changes_no_roll_up(open_again: Open) -> None:
    store, unit = open_again(), UnitKey("a", Kind.FIRE, "f1")
    values = day_of_values(np.random.default_rng(7), 100)
    for _ in range(3):
        store.write("batch-1", [block(unit, "battery_v", values)])
        maintained(store)
        assert_answers(store, unit, "battery_v", values)


def test_a_process_that_dies_before_rolling_up_leaves_it_to_the_next(open_again: Open) -> None:
    rng = np.random.default_rng(3)
    unit, values = UnitKey("a", Kind.PUMP, "p1"), day_of_values(rng)
    open_again().write("batch-1", [block(unit, "level_m", values)])
    half_way = open_again()
    for _ in range(2):
        half_way.maintain(now_ms=LATER)
    assert_answers(half_way, unit, "level_m", values)
    store = open_again()
    assert_answers(store, unit, "level_m", values)
    maintained(store)
    assert_answers(store, unit, "level_m", values)


def test_the_hour_that_is_not_over_is_answered_as_it_grows(open_again: Open) -> None:
    store, unit = open_again(), UnitKey("a", Kind.PUMP, "p1")
    values: Values = {}
    for minute in range(0, 130, 10):
        now_ms = T0 + minute * MINUTE_MS
        new = {now_ms - 5 * MINUTE_MS: float(minute), now_ms: minute / 2}
        store.write(str(minute), [block(unit, "level_m", new)])
        values |= new
        maintained(store, now_ms=now_ms)
        found = store.points(unit, "level_m", start_ms=T0 - HOUR_MS, end_ms=now_ms + 1, step_ms=HOUR_MS)
        assert found == reference(values, T0 - HOUR_MS, now_ms + 1, HOUR_MS)
