"""How long an InfluxDB keeps what, on the real engine: their ends, values beyond, and what was there before."""

import time
from collections.abc import Callable
from uuid import uuid4

import numpy as np
import pytest

from ingest.stores.contract import Point
from ingest.stores.influx import InfluxAddress, InfluxStore
from ingest.stores.retention import DAY_MS, FOR_EVER, HOUR_MS, MINUTE_MS, Retention
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from tests.servers.influx import Influx

UNIT = UnitKey("a", Kind.PUMP, "p1")
KEPT = Retention(raw_ms=2 * DAY_MS, minute_ms=5 * DAY_MS)

OpenStore = Callable[..., InfluxStore]


@pytest.fixture
def open_store(influx: Influx, request: pytest.FixtureRequest) -> OpenStore:
    """`open_store(retention, now_ms)` on one bucket, prepared."""
    bucket = f"retention-{uuid4().hex}"

    def open_(retention: Retention = KEPT, now_ms: int | None = None) -> InfluxStore:
        store = InfluxStore(
            InfluxAddress(influx.url, influx.org, bucket),
            influx.token,
            write_timeout_s=30,
            query_timeout_s=30,
            retention=retention,
            clock=lambda: now_ms if now_ms is not None else time.time_ns() // 1_000_000,
        )
        request.addfinalizer(store.close)
        store.prepare()
        return store

    return open_


def level(times: list[int]) -> ReadingBlock:
    count = len(times)
    return ReadingBlock(
        Kind.PUMP,
        ("level_m",),
        (UNIT,),
        np.zeros(count, np.int64),
        np.array(times),
        np.arange(count * 1.0).reshape(-1, 1),
    )


def durations(store: InfluxStore) -> list[str]:
    buckets = [store.address.bucket, f"{store.address.bucket}_minute", f"{store.address.bucket}_hour"]
    answers = [store._ask([f'SHOW RETENTION POLICIES ON "{bucket}"'])[0][0] for bucket in buckets]
    return [str(answer.rows[0][answer.columns.index("duration")]) for answer in answers]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_preparing_sets_the_ends_and_a_second_time_changes_nothing(open_store: OpenStore) -> None:
    for _ in range(2):
        assert durations(open_store()) == ["48h0m0s", "120h0m0s", "0s"]
    assert durations(open_store(Retention(raw_ms=2 * DAY_MS, minute_ms=7 * DAY_MS)))[1] == "168h0m0s"


def test_values_beyond_the_end_are_refused_and_their_neighbours_kept(open_store: OpenStore) -> None:
    store = open_store()
    old, new = now_ms() - 3 * DAY_MS, now_ms() - HOUR_MS
    times = [old + number for number in range(700)] + [new + number for number in range(700)]
    [refusal] = store.write("batch-1", [level(times)])
    assert "beyond retention policy" in refusal.reason
    assert refusal.block.ts_ms.tolist() == times[:700]
    assert store.count_values() == 700


def test_minutes_answer_where_single_values_are_gone_and_hours_where_minutes_are(open_store: OpenStore) -> None:
    hour = now_ms() // HOUR_MS * HOUR_MS - 3 * HOUR_MS
    times = list(range(hour, hour + HOUR_MS, 20_000))
    store = open_store()
    store.write("batch-1", [level(times)])
    while store.maintain(now_ms=now_ms()):
        pass
    whole = {"start_ms": hour - HOUR_MS, "end_ms": hour + 2 * HOUR_MS}
    by_minute = store.points(UNIT, "level_m", **whole, step_ms=MINUTE_MS)
    by_hour = store.points(UNIT, "level_m", **whole, step_ms=HOUR_MS)
    assert (len(by_minute), by_hour) == (60, [Point(hour, 89.5, 0.0, 179.0, 180)])

    in_three_days = open_store(KEPT, now_ms() + 3 * DAY_MS)
    assert in_three_days.points(UNIT, "level_m", **whole, step_ms=20_000) == by_minute
    assert in_three_days.points(UNIT, "level_m", **whole, step_ms=HOUR_MS) == by_hour
    in_six_days = open_store(KEPT, now_ms() + 6 * DAY_MS)
    assert in_six_days.points(UNIT, "level_m", **whole, step_ms=MINUTE_MS) == by_hour


def test_what_was_there_before_is_rolled_up_before_it_gets_an_end(open_store: OpenStore) -> None:
    hour = now_ms() // HOUR_MS * HOUR_MS - 30 * DAY_MS
    before = open_store(FOR_EVER)
    before.write("batch-1", [level([hour, hour + 1000, hour + HOUR_MS])])
    # The version before knew no roll-ups.
    for end in ("minute", "hour"):
        before._ask([f'DROP DATABASE "{before.address.bucket}_{end}"'])
    store = open_store(KEPT)
    assert durations(store) == ["0s", "120h0m0s", "0s"]
    assert store.maintain(now_ms=now_ms())
    assert durations(store)[0] == "0s"
    [fault] = store.faults()
    assert fault == (
        f"bucket {store.address.bucket} keeps values for ever and not 2 days: the running ingest changes it"
    )
    while store.maintain(now_ms=now_ms()):
        pass
    assert durations(store)[0] == "48h0m0s"
    assert store.faults() == []
    assert "keeps single values 2 days, minutes 5 days, hours for ever" in store.check()
    found = store.points(UNIT, "level_m", start_ms=hour, end_ms=hour + 2 * HOUR_MS, step_ms=HOUR_MS)
    assert found == [Point(hour, 0.5, 0.0, 1.0, 2), Point(hour + HOUR_MS, 2.0, 2.0, 2.0, 1)]
    store._ask([f'DROP DATABASE "{store.address.bucket}_minute"'])
    assert store.faults() == [f"bucket {store.address.bucket}_minute is missing: run `liandong migrate`"]
