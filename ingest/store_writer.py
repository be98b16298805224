"""Carries batches from the outbox to the telemetry store, oldest first, beside the pipeline.

New batches are handed over in memory; when they come faster than the store takes them, or the store does not answer,
they are read back from the outbox later. Either way a batch leaves the outbox only when the store has it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.exc import SQLAlchemyError

from ingest import ledger, outbox, refused
from ingest.outbox import PendingBatch
from ingest.stores.contract import Refusal, StoreUnavailable, TelemetryStore
from models.reading import ReadingBlock
from registry.database import Database

HANDED_OVER_MAX = 128
MERGED_MAX = 32
MERGED_VALUES_MAX = 200_000
# Few large writes cost a fraction of many small ones; a reading is seen on a page this much later.
GATHER_S = 0.2
RETRY_FIRST_S = 0.5
RETRY_LAST_S = 30.0

log = structlog.get_logger(__name__)

write_seconds = Histogram("liandong_store_write_seconds", "Time of one write to the telemetry store")
write_failures_total = Counter("liandong_store_write_failures", "Writes that the telemetry store did not take")
refused_total = Counter(
    "liandong_store_refused_values", "Values that the telemetry store will never take; they are kept"
)
backlog_gauge = Gauge("liandong_store_backlog", "1 while batches wait in the outbox for the telemetry store")


class StoreWriter:
    """One thread, one store. `hand_over` is called after the batch was committed to the outbox."""

    def __init__(self, *, database: Database, store: TelemetryStore, clock: Callable[[], int]) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._handed: deque[PendingBatch] = deque()
        self._writing: tuple[PendingBatch, ...] = ()
        # What an earlier process left in the outbox comes first.
        self._has_backlog = True
        self._is_reading_back = False
        self._has_refused = True
        self._wake = threading.Event()
        self._idle = threading.Condition(self._lock)
        self._stopping = threading.Event()
        # Held while batches change from the outbox into the store.
        self._changing_hands = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """What the store refused an earlier process is tried again."""
        with self._database.writing() as session:
            refused.put_back(session, now_ms=self._clock())
        self._has_refused = False
        self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """Lets the write under way end; what is left stays in the outbox for the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def hand_over(self, batch: PendingBatch) -> None:
        with self._lock:
            if self._has_backlog or len(self._handed) >= HANDED_OVER_MAX:
                self._has_backlog = True
            else:
                self._handed.append(batch)
        self._wake.set()

    def pending_blocks(self) -> Iterator[ReadingBlock]:
        """Readings that are committed and perhaps not stored yet; oldest first before `start`."""
        with self._lock:
            batches = [*self._writing, *self._handed]
            is_all = not (self._has_backlog or self._is_reading_back)
        for batch in batches:
            yield from batch.blocks
        if not is_all:
            known = {batch.batch_id for batch in batches}
            with self._database.reading() as session:
                for batch in outbox.walk(session):
                    if batch.batch_id not in known:
                        yield from batch.blocks
        if self._has_refused:
            with self._database.reading() as session:
                yield from refused.walk(session)

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Whether everything handed over so far reached the store in time."""
        with self._idle:
            return self._idle.wait_for(
                lambda: not (self._handed or self._writing or self._has_backlog or self._is_reading_back),
                timeout=timeout_s,
            )

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """While this lasts, what is counted as stored is in the store, and all else that was accepted in the outbox."""
        with self._changing_hands:
            yield

    def _run(self) -> None:
        retry_s = RETRY_FIRST_S
        while not self._stopping.is_set():
            batches = self._next()
            if not batches:
                self._wake.wait(1.0)
                self._wake.clear()
                continue
            try:
                with self._changing_hands:
                    self._write(batches)
                retry_s = RETRY_FIRST_S
                self._wait(GATHER_S)
            except Exception as error:
                said = "telemetry store does not take readings; they wait in the outbox"
                if isinstance(error, StoreUnavailable | SQLAlchemyError):
                    log.warning(said, reason=str(error))
                else:
                    # A defect; the thread goes on, for nobody else would take what comes after.
                    log.exception(said)
                backlog_gauge.set(1)
                write_failures_total.inc()
                with self._lock:
                    self._has_backlog, self._writing = True, ()
                    self._handed.clear()
                self._wait(retry_s)
                retry_s = min(2 * retry_s, RETRY_LAST_S)

    def _wait(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _next(self) -> tuple[PendingBatch, ...]:
        with self._lock:
            if not self._has_backlog:
                return self._take_handed()
            # From here on new batches are handed over again; what came before stands in the outbox.
            self._has_backlog, self._is_reading_back = False, True
            self._handed.clear()
        try:
            with self._database.reading() as session:
                batches = tuple(outbox.oldest(session, limit=MERGED_MAX))
        except SQLAlchemyError as error:
            log.warning("the outbox cannot be read", reason=str(error))
            with self._lock:
                self._has_backlog, self._is_reading_back = True, False
            self._wait(RETRY_FIRST_S)
            return ()
        with self._lock:
            self._writing, self._is_reading_back = batches, False
            if len(batches) == MERGED_MAX:
                self._has_backlog = True
            elif not batches:
                self._idle.notify_all()
        if not batches:
            backlog_gauge.set(0)
        return batches

    def _take_handed(self) -> tuple[PendingBatch, ...]:
        taken: list[PendingBatch] = []
        values = 0
        while self._handed and len(taken) < MERGED_MAX and values < MERGED_VALUES_MAX:
            taken.append(self._handed.popleft())
            values += taken[-1].value_count
        self._writing = tuple(taken)
        if not taken:
            self._idle.notify_all()
        return self._writing

    def _write(self, batches: tuple[PendingBatch, ...]) -> None:
        with write_seconds.time():
            blocks = merge_blocks([block for batch in batches for block in batch.blocks])
            refusals = self._store.write(batches[0].batch_id, blocks)
        with self._database.writing() as session:
            values = outbox.remove(session, [batch.batch_id for batch in batches])
            if refusals:
                # Another writer may have carried some of them meanwhile; then only the rest is tried again.
                if values != sum(batch.value_count for batch in batches):
                    raise StoreUnavailable("outbox", "another writer carries the same batches")
                values -= refused.put(session, refusals, now_ms=self._clock())
            ledger.add_counts(session, {ledger.VALUES_STORED: values})
        if refusals:
            self._tell(refusals)
        with self._lock:
            self._writing = ()

    def _tell(self, refusals: Sequence[Refusal]) -> None:
        self._has_refused = True
        for refusal in refusals:
            count = refusal.block.value_count
            refused_total.inc(count)
            log.error("the telemetry store refuses values for good; they are kept", values=count, reason=refusal.reason)


def merge_blocks(blocks: Sequence[ReadingBlock]) -> list[ReadingBlock]:
    """One block for all that have the same kind and metrics, so that the store gets few large ones."""
    groups: dict[tuple[str, tuple[str, ...]], list[ReadingBlock]] = {}
    for block in blocks:
        groups.setdefault((block.kind, block.metrics), []).append(block)
    return [_concatenate(group) for group in groups.values()]


def _concatenate(blocks: list[ReadingBlock]) -> ReadingBlock:
    if len(blocks) == 1:
        return blocks[0]
    units = {unit: place for place, unit in enumerate(dict.fromkeys(u for block in blocks for u in block.units))}
    index = [np.array([units[unit] for unit in block.units], dtype=np.int64)[block.unit_index] for block in blocks]
    ts_ms = np.concatenate([block.ts_ms for block in blocks])
    order = np.argsort(ts_ms, kind="stable")
    return ReadingBlock(
        kind=blocks[0].kind,
        metrics=blocks[0].metrics,
        units=tuple(units),
        unit_index=np.concatenate(index)[order],
        ts_ms=ts_ms[order],
        values=np.concatenate([block.values for block in blocks])[order],
    )
