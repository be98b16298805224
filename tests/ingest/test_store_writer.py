"""The writer between outbox and store: in order, once, and never in anybody's way."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest import ledger, outbox, refused, store_writer
from ingest.outbox import PendingBatch
from ingest.store_writer import HANDED_OVER_MAX, StoreWriter
from ingest.stores.contract import Refusal
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.database import Database
from tests.ingest.line import FragileStore
from tests.waiting import wait_until

PUMP = UnitKey("xiaohe", Kind.PUMP, "p1")
T0 = 1_700_000_000_000


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "GATHER_S", 0.0)
    monkeypatch.setattr(store_writer, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(store_writer, "RETRY_LAST_S", 0.05)


class WatchedStore(FragileStore):
    """Remembers in which order times were written, and can be held in the middle of a write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written: list[int] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_writing = threading.Event()
        self.fails_with: Exception | None = None

    def write(self, batch_id: str, blocks: Sequence[ReadingBlock]) -> list[Refusal]:
        self.is_writing.set()
        assert self.may_go_on.wait(20)
        if self.fails_with is not None:
            error, self.fails_with = self.fails_with, None
            raise error
        refusals = super().write(batch_id, blocks)
        self.written += [int(ts_ms) - T0 for block in blocks for ts_ms in block.ts_ms]
        return refusals


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WatchedStore]:
    store = WatchedStore(tmp_path / "telemetry.duckdb")
    store.prepare()
    yield store
    store.may_go_on.set()
    store.close()


@pytest.fixture
def writer(database: Database, store: WatchedStore) -> Iterator[StoreWriter]:
    writer = StoreWriter(database=database, store=store, clock=lambda: T0)
    yield writer
    store.may_go_on.set()
    writer.stop()


def put(database: Database, writer: StoreWriter | None, number: int) -> None:
    """Commits a batch of one value and hands it over, as the pipeline does."""
    block = ReadingBlock(
        Kind.PUMP, ("level_m",), (PUMP,), np.array([0]), np.array([T0 + number]), np.array([[float(number)]])
    )
    batch = PendingBatch(f"batch-{number}", 1, (block,))
    with database.writing() as session:
        outbox.put(session, batch, now_ms=T0)
        ledger.add_counts(session, {ledger.VALUES_ACCEPTED: 1})
    if writer is not None:
        writer.hand_over(batch)


def pending(writer: StoreWriter) -> set[int]:
    return {int(ts_ms) - T0 for block in writer.pending_blocks() for ts_ms in block.ts_ms}


def balance(database: Database) -> tuple[int, int]:
    with database.reading() as session:
        read = ledger.read_ledger(session)
    assert read.balances
    return read.values_stored, read.values_pending


def test_batches_reach_the_store_in_their_order(database: Database, writer: StoreWriter, store: WatchedStore) -> None:
    for number in range(5):
        put(database, None, number)
    writer.start()
    for number in range(5, 40):
        put(database, writer, number)
    assert writer.wait_until_idle(20)
    first_seen = list(dict.fromkeys(store.written))
    assert first_seen == list(range(40))
    assert balance(database) == (40, 0)
    assert pending(writer) == set()


def test_more_than_memory_may_hold_waits_in_the_outbox(
    database: Database, writer: StoreWriter, store: WatchedStore
) -> None:
    writer.start()
    assert writer.wait_until_idle(20)
    store.may_go_on.clear()
    count = 2 * HANDED_OVER_MAX + 20
    for number in range(count):
        put(database, writer, number)
    assert store.is_writing.wait(10)
    assert len(writer._handed) <= HANDED_OVER_MAX
    assert pending(writer) == set(range(count))
    store.may_go_on.set()
    assert writer.wait_until_idle(30)
    assert store.count_values() == count
    assert balance(database) == (count, 0)


def test_what_is_committed_is_known_at_every_moment_until_it_is_stored(
    database: Database, writer: StoreWriter, store: WatchedStore
) -> None:
    """The writer reads back, is refused, tries again: a reading is always in the store or among those that wait."""
    missing: list[int] = []
    is_over = threading.Event()
    committed: list[int] = []

    def look() -> None:
        while not is_over.is_set():
            expected = set(committed)
            # In this order the pipeline looks as well.
            known = pending(writer)
            known |= {point.t_ms - T0 for point in store.points(PUMP, "level_m", start_ms=0, end_ms=2 * T0, step_ms=1)}
            missing.extend(expected - known)

    writer.start()
    looking = threading.Thread(target=look)
    looking.start()
    for number in range(120):
        if number in (20, 60, 100):
            store.fails_with = store_writer.StoreUnavailable("watched", "away for a moment")
        put(database, writer, number)
        committed.append(number)
    assert writer.wait_until_idle(30)
    is_over.set()
    looking.join()
    assert missing == []
    assert balance(database) == (120, 0)


@pytest.mark.parametrize("error", [ZeroDivisionError("a defect"), MemoryError(), OSError("a disk")])
def test_a_defect_in_the_store_does_not_end_the_writer(
    database: Database, writer: StoreWriter, store: WatchedStore, error: Exception
) -> None:
    store.fails_with = error
    writer.start()
    put(database, writer, 1)
    wait_until(lambda: balance(database) == (1, 0), within_s=20, what="the batch is stored after all")
    assert store.count_values() == 1


def test_a_writer_that_is_told_to_end_leaves_the_rest_for_the_next_start(
    database: Database, writer: StoreWriter, store: WatchedStore
) -> None:
    store.is_away = True
    writer.start()
    for number in range(10):
        put(database, writer, number)
    assert not writer.wait_until_idle(0.05)
    writer.stop()
    assert balance(database) == (0, 10)
    store.is_away = False
    following = StoreWriter(database=database, store=store, clock=lambda: T0)
    following.start()
    assert following.wait_until_idle(20)
    following.stop()
    assert balance(database) == (10, 0)


def test_a_writer_that_never_ran_can_be_told_to_end(database: Database, writer: StoreWriter) -> None:
    writer.stop()
    assert pending(writer) == set()


def put_rows(database: Database, writer: StoreWriter, values: list[float]) -> None:
    """Commits and hands over one batch of rows."""
    count = len(values)
    block = ReadingBlock(
        Kind.PUMP,
        ("level_m",),
        (PUMP,),
        np.zeros(count, np.int64),
        np.arange(T0, T0 + count, dtype=np.int64),
        np.array(values).reshape(-1, 1),
    )
    batch = PendingBatch(f"batch-of-{count}", count, (block,))
    with database.writing() as session:
        outbox.put(session, batch, now_ms=T0)
        ledger.add_counts(session, {ledger.VALUES_ACCEPTED: count})
    writer.hand_over(batch)


def test_a_refused_value_is_kept_with_its_reason_and_the_ledger_balances(
    database: Database, writer: StoreWriter, store: WatchedStore
) -> None:
    writer.start()
    put_rows(database, writer, [1.0, float("inf"), 3.0])
    assert writer.wait_until_idle(20)
    assert store.count_values() == 2
    assert balance(database) == (2, 1)
    with database.reading() as session:
        [kept] = refused.newest(session, visible=None, limit=5)
        assert refused.newest(session, visible=["elsewhere"], limit=5) == []
    assert (kept.reason, kept.value_count) == ("not a finite number", 1)
    assert (kept.units, kept.metrics) == ((PUMP,), ("level_m",))
    assert (kept.first_ms, kept.last_ms) == (T0 + 1, T0 + 1)
    assert pending(writer) == {1}


def test_refused_values_are_tried_again_by_the_next_writer_and_counted_once(
    database: Database, writer: StoreWriter, store: WatchedStore
) -> None:
    writer.start()
    put_rows(database, writer, [float("inf"), 2.0])
    assert writer.wait_until_idle(20)
    writer.stop()
    for _ in range(2):
        following = StoreWriter(database=database, store=store, clock=lambda: T0 + 1)
        following.start()
        assert following.wait_until_idle(20)
        following.stop()
        assert balance(database) == (1, 1)
        with database.reading() as session:
            assert outbox.oldest(session, limit=5) == []
            assert [kept.value_count for kept in refused.newest(session, visible=None, limit=5)] == [1]
