"""From messages to what is safe: decoded, judged, committed, and only then acknowledged.

One transaction a batch holds its alarms, tickets, events, quarantined messages, counts, and the readings themselves
(in the outbox, from where `ingest.store_writer` takes them on). After its commit the broker is told; the telemetry
store may be slow or down without anybody having to wait for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alerts import incident
from alerts.alarm import open_alarms
from alerts.conditions import ANOMALY
from alerts.derived import DERIVED_COLUMNS
from alerts.watch import Signal, Watch
from ingest import event_log, ledger, outbox, quarantine, unknown_metric
from ingest.directory import UnitDirectory
from ingest.errors import BatchTooWide, Reason
from ingest.event_log import EventKey
from ingest.novelty import found_in, repeated_in_block
from ingest.outbox import PendingBatch
from ingest.quarantine import Quarantined
from ingest.recollection import FAR_FUTURE_MS, open_since, recollect
from ingest.store_writer import StoreWriter
from ingest.stores.contract import StoreUnavailable, TelemetryStore
from ingest.watermark import NEVER_MS, Watermark
from ingest.wire import DecodedBlock, RawMessage, Rejected, decode_batch, is_alarm_topic
from models.equipment import METRICS
from models.event import Event, StatusChange
from models.reading import Bools, Floats, ReadingBlock, UnitKey
from registry.database import Database
from registry.unit import connection_states, set_status

MAX_BACK_MS = 300 * 24 * 3600 * 1000
"""A reading so much older than its unit's newest comes from a wrong clock, not from a gateway's backlog."""
RETRY_S = 1.0
HISTORY_ROWS = 1_100
"""Three hours at a row every ten seconds: as far back as the sums of the rules reach."""

log = structlog.get_logger(__name__)

messages_total = Counter("liandong_messages", "Messages by what became of them", ["outcome"])
failures_total = Counter("liandong_ingest_failures", "Defects met while taking messages", ["where"])
batch_seconds = Histogram("liandong_batch_seconds", "Time from taking a batch to its acknowledgement")
batch_size = Histogram("liandong_batch_messages", "Messages in a batch", buckets=(1, 3, 10, 30, 100, 300, 1000))


Result = TypeVar("Result")


class Door(Protocol):
    """What the pipeline needs of the connection to the broker."""

    def acknowledge(self, messages: Iterable[RawMessage]) -> None: ...


@dataclass(slots=True)
class Batch:
    """Everything one batch of messages says, ready to be committed."""

    received_ms: int
    message_count: int = 0
    blocks: list[ReadingBlock] = field(default_factory=list)
    units: dict[UnitKey, int] = field(default_factory=dict)
    events: list[tuple[EventKey, Event]] = field(default_factory=list)
    statuses: list[tuple[int, StatusChange]] = field(default_factory=list)
    rejected: list[Quarantined] = field(default_factory=list)
    unknown_metrics: list[tuple[int, str]] = field(default_factory=list)
    duplicate_count: int = 0
    late_count: int = 0
    repeated_count: int = 0
    signals: list[Signal] = field(default_factory=list)

    @property
    def value_count(self) -> int:
        return sum(block.value_count for block in self.blocks)


class Pipeline:
    """The work of one ingest worker; not for several threads at once."""

    def __init__(
        self,
        *,
        database: Database,
        store: TelemetryStore,
        writer: StoreWriter,
        watch: Watch,
        door: Door,
        clock: Callable[[], int],
        draw_batch_id: Callable[[], str],
        pause: Callable[[float], bool],
        registers_unknown_sites: bool,
    ) -> None:
        """`pause(seconds)` waits between attempts and says whether to go on."""
        self._database = database
        self._store = store
        self._writer = writer
        self._watch = watch
        watch.on_failure = _note_failed_rule
        self._door = door
        self._clock = clock
        self._draw_batch_id = draw_batch_id
        self._pause = pause
        self._directory = UnitDirectory(database, registers_unknown_sites=registers_unknown_sites)
        self._watermark = Watermark()
        self._is_online: dict[int, tuple[bool, int]] = {}
        self._reported_metrics: set[tuple[int, str]] = set()
        self._carried: list[Signal] = []

    # Start.

    def restore(self) -> None:
        """Takes up where the last process ended: known times, unit states, alarms that are active."""
        now_ms = self._clock()
        units = self._directory.load()
        newest = self._store.newest_ms()
        self._watermark.load(newest)
        by_unit = _newest_by_unit(newest)
        with self._database.reading() as session:
            states = connection_states(session)
            active = [
                (alarm.unit.unit_key, alarm.condition, alarm.evidence)
                for alarm in open_alarms(session)
                if alarm.is_active
            ]
            self._is_online = {state.unit_id: (state.is_online, state.status_ms) for state in states}
            self._watch.restore(
                latest=self._store.latest(units),
                history=self._history(unit for unit in by_unit if DERIVED_COLUMNS[unit.kind]),
                pending=self._pending_noted(),
                events=event_log.last_words(session),
                statuses=[StatusChange(state.unit, state.status_ms, state.is_online) for state in states],
                active=[(unit, condition) for unit, condition, _ in active],
                now_ms=now_ms,
            )
        anomalous = {unit: evidence for unit, condition, evidence in active if condition == ANOMALY}
        self._recollect(anomalous, by_unit, now_ms=now_ms)

    def _pending_noted(self) -> Iterable[ReadingBlock]:
        for block in self._writer.pending_blocks():
            self._watermark.advance(block)
            yield block

    def _history(self, units: Iterable[UnitKey]) -> Iterable[ReadingBlock]:
        for unit in units:
            yield self._store.history(unit, end_ms=FAR_FUTURE_MS, rows=HISTORY_ROWS)

    def _recollect(
        self, anomalous: dict[UnitKey, dict[str, Any]], newest_ms: dict[UnitKey, int], *, now_ms: int
    ) -> None:
        """The detectors learn again; an anomaly that ended while nobody watched has returned."""
        since_ms = open_since(anomalous)
        for unit in newest_ms:
            bank = self._watch.banks.get(unit.kind)
            if bank is not None:
                recollect(bank, self._store, unit=unit, alarm_since_ms=since_ms.get(unit), fit_rows=bank.fit_rows)
        standing = {unit for bank in self._watch.banks.values() for unit in bank.standing()}
        for unit in anomalous.keys() - standing:
            self._carried += self._watch.end_anomaly(unit, ts_ms=newest_ms.get(unit, now_ms), received_ms=now_ms)

    # One batch.

    def process(self, messages: Sequence[RawMessage]) -> None:
        """Takes a batch to its acknowledgement. Waits and tries again while the database does not answer."""
        with batch_seconds.time():
            counted = [message for message in messages if not is_alarm_topic(message.topic)]
            if counted:
                self._take(counted)
            self._door.acknowledge(messages)
        batch_size.observe(len(messages))

    def _take(self, messages: Sequence[RawMessage]) -> None:
        try:
            batch = self._retried(lambda: self._read(messages))
            self._judge(batch)
            self._commit(batch)
        except Stopped:
            raise
        except BatchTooWide:
            half = len(messages) // 2
            self._take(messages[:half])
            self._take(messages[half:])
        except Exception as error:
            # A message that brings us down must not stop the stream: find it, keep it, go on.
            log.exception("a batch could not be taken", messages=len(messages))
            failures_total.labels("batch").inc()
            self._commit_signals_singly()
            if len(messages) > 1:
                for message in messages:
                    self._take([message])
                return
            batch = Batch(received_ms=self._clock(), message_count=1)
            batch.rejected = [Quarantined(messages[0], Reason.INTERNAL_ERROR, type(error).__name__)]
            self._commit(batch)

    def _commit_signals_singly(self) -> None:
        """Alarms first: a message, or another signal, that cannot be committed must not cost them."""
        carried, self._carried = self._carried, []
        for signal in carried:
            now_ms = self._clock()
            units = self._directory.look_up({signal.unit}, now_ms=now_ms).ids
            self._carried = [signal]
            try:
                self._commit(Batch(received_ms=now_ms, units=units, signals=[signal]))
            except Stopped:
                raise
            except Exception:
                log.exception("a signal could not be committed", unit=signal.unit.path, condition=signal.condition.code)
                failures_total.labels("signal").inc()
                self._carried = []

    def tick(self) -> None:
        """Signals that are due because time passed, and alarms whose time on the shelf is over."""
        now_ms = self._clock()
        self._carried += self._watch.tick(now_ms)
        if self._carried:
            units = self._directory.look_up({s.unit for s in self._carried}, now_ms=now_ms).ids
            self._commit(Batch(received_ms=now_ms, units=units, signals=list(self._carried)))
        self._retried(lambda: self._unshelve(now_ms))

    def _unshelve(self, now_ms: int) -> None:
        if incident.any_due_for_unshelving(self._database, now_ms=now_ms):
            with self._database.writing() as session:
                incident.unshelve_due(session, now_ms=now_ms)

    def _read(self, messages: Sequence[RawMessage]) -> Batch:
        """Decodes, finds the units, and takes out what was told before."""
        now_ms = self._clock()
        decoded = decode_batch(messages)
        batch = Batch(received_ms=now_ms, message_count=len(messages))
        keys = {unit for decoded_block in decoded.blocks for unit in decoded_block.block.units}
        keys.update(event.unit for _, event in decoded.events)
        keys.update(status.unit for _, status in decoded.statuses)
        found = self._directory.look_up(keys, now_ms=now_ms)
        batch.units = found.ids
        rejected: dict[int, Rejected] = {item.message: item for item in decoded.rejected}
        if found.refused:
            for number, unit in _units_by_message(decoded.blocks, decoded.events, decoded.statuses):
                if unit in found.refused:
                    rejected.setdefault(number, Rejected(number, *found.refused[unit]))
        for decoded_block in decoded.blocks:
            self._reject_wrong_clocks(decoded_block, rejected)
        heard: dict[int, bool] = {}
        for decoded_block in decoded.blocks:
            self._keep_new_values(decoded_block, rejected, heard, batch)
        self._keep_new_events(decoded.events, rejected, heard, batch)
        self._keep_new_statuses(decoded.statuses, messages, rejected, heard, batch)
        batch.duplicate_count = sum(1 for is_new in heard.values() if not is_new)
        self._note_rejected(messages, rejected, batch)
        return batch

    def _reject_wrong_clocks(self, decoded: DecodedBlock, rejected: dict[int, Rejected]) -> None:
        newest = self._watermark.newest_of_units(decoded.block)
        too_old = (newest != NEVER_MS) & (decoded.block.ts_ms < newest - MAX_BACK_MS)
        for row in np.flatnonzero(too_old):
            number = int(decoded.message[row])
            detail = f"{int(decoded.block.ts_ms[row])} is months before the unit's newest reading"
            rejected.setdefault(number, Rejected(number, Reason.TIME_TOO_OLD, detail))

    def _keep_new_values(
        self, decoded: DecodedBlock, rejected: dict[int, Rejected], heard: dict[int, bool], batch: Batch
    ) -> None:
        block, message = decoded.block, decoded.message
        if rejected:
            keep = ~np.isin(message, list(rejected))
            if not keep.all():
                block, message = block.rows(keep), message[keep]
        if not len(block):
            return
        told = ~np.isnan(block.values)
        repeated = repeated_in_block(block, told)
        is_newer = self._watermark.is_new(block)
        older = told & ~is_newer & ~repeated
        if older.any():
            rows: Bools = np.asarray(older.any(axis=1))
            repeated[rows] |= older[rows] & self._stored_already(block.rows(rows), older[rows])
        is_new = told & ~repeated
        batch.repeated_count += int(np.count_nonzero(told & repeated))
        batch.late_count += int(np.count_nonzero(is_new & ~is_newer))
        has_new: Bools = np.asarray(is_new.any(axis=1))
        # A gateway's message may have readings of several kinds, each in a block of its own: one new one is enough.
        for number in message[~has_new].tolist():
            heard.setdefault(number, False)
        heard.update(dict.fromkeys(message[has_new].tolist(), True))
        if repeated.any():
            values: Floats = np.where(is_new, block.values, np.nan)
            block = ReadingBlock(block.kind, block.metrics, block.units, block.unit_index, block.ts_ms, values)
            block = block.rows(has_new)
        if len(block):
            batch.blocks.append(block)
            self._report_unknown_metrics(block, batch)

    def _stored_already(self, block: ReadingBlock, asked: Bools) -> Bools:
        values: Floats = np.where(asked, block.values, np.nan)
        asked_block = ReadingBlock(block.kind, block.metrics, block.units, block.unit_index, block.ts_ms, values)
        known = found_in(asked_block, self._writer.pending_blocks())
        try:
            known |= self._store.existing(asked_block)
        except StoreUnavailable as error:
            # Taken as new: the store itself keeps each value once, so the worst is a count that is too high.
            log.warning("late readings could not be looked up", reason=str(error))
        return known

    def _report_unknown_metrics(self, block: ReadingBlock, batch: Batch) -> None:
        names = [place for place, name in enumerate(block.metrics) if name not in METRICS[block.kind]]
        for place in names:
            told = ~np.isnan(block.values[:, place])
            for unit in {block.units[index] for index in np.unique(block.unit_index[told])}:
                found = (batch.units[unit], block.metrics[place])
                if found not in self._reported_metrics:
                    batch.unknown_metrics.append(found)

    def _keep_new_events(
        self,
        events: list[tuple[int, Event]],
        rejected: dict[int, Rejected],
        heard: dict[int, bool],
        batch: Batch,
    ) -> None:
        pairs = [
            (number, event_log.key_of(batch.units[event.unit], event), event)
            for number, event in events
            if number not in rejected
        ]
        if not pairs:
            return
        with self._database.reading() as session:
            known = event_log.known_keys(session, [key for _, key, _ in pairs])
        for number, key, event in pairs:
            heard[number] = key not in known
            if key not in known:
                known.add(key)
                batch.events.append((key, event))

    def _keep_new_statuses(
        self,
        statuses: list[tuple[int, StatusChange]],
        messages: Sequence[RawMessage],
        rejected: dict[int, Rejected],
        heard: dict[int, bool],
        batch: Batch,
    ) -> None:
        """The order of arrival decides: a last will bears the time of the connection it belongs to, and the clock of a
        unit that comes back may be behind the time at which we heard of its end. Then it counts from when it was told.

        Only a retained "online" may be an echo of what was before.
        """
        last: dict[int, tuple[bool, int]] = {}
        for number, status in statuses:
            if number in rejected:
                continue
            unit_id = batch.units[status.unit]
            before = last.get(unit_id) or self._is_online.get(unit_id)
            was_online, was_ms = before or (None, NEVER_MS)
            ts_ms = status.ts_ms
            may_be_echo = status.is_online and messages[number].is_retained
            if ts_ms <= was_ms and status.is_online is not was_online and not may_be_echo:
                ts_ms = max(messages[number].received_ms, was_ms + 1)
            heard[number] = ts_ms > was_ms
            if ts_ms > was_ms:
                last[unit_id] = (status.is_online, ts_ms)
                batch.statuses.append((unit_id, StatusChange(status.unit, ts_ms, status.is_online)))

    def _note_rejected(self, messages: Sequence[RawMessage], rejected: dict[int, Rejected], batch: Batch) -> None:
        items = [Quarantined(messages[r.message], r.reason, r.detail) for r in rejected.values()]
        again = [item for item in items if item.message.is_redelivery]
        if again:
            # The broker sends again what was not acknowledged before a crash; its bytes may be kept already.
            with self._database.reading() as session:
                known = quarantine.known_digests(session, [item.digest for item in again])
            batch.duplicate_count += sum(1 for item in again if item.digest in known)
            items = [item for item in items if not (item.message.is_redelivery and item.digest in known)]
        batch.rejected = items

    def _judge(self, batch: Batch) -> None:
        try:
            signals = self._watch.observe(
                batch.blocks,
                [event for _, event in batch.events],
                [status for _, status in batch.statuses],
                received_ms=batch.received_ms,
            )
        except Exception:
            # A rule that fails must not cost the readings; it is told loudly and counted.
            log.exception("a batch could not be judged", messages=batch.message_count)
            failures_total.labels("judgement").inc()
            signals = []
        # The watch has moved on: signals that were not committed would never come again.
        self._carried += signals
        batch.signals = list(self._carried)
        batch.units |= self._directory.look_up({s.unit for s in batch.signals}, now_ms=batch.received_ms).ids

    def _commit(self, batch: Batch) -> None:
        values = batch.value_count
        quarantined = len(batch.rejected)
        accepted = batch.message_count - quarantined - batch.duplicate_count
        pending = PendingBatch(self._draw_batch_id(), values, tuple(batch.blocks)) if batch.blocks else None

        attempts = 0

        def write() -> None:
            nonlocal attempts
            attempts += 1
            with self._database.writing() as session:
                if attempts > 1 and pending is not None and outbox.holds(session, pending.batch_id):
                    # The connection broke just after the commit: it was done, and nobody could tell us.
                    return
                event_log.put(session, [key for key, _ in batch.events], received_ms=batch.received_ms)
                for unit_id, status in batch.statuses:
                    set_status(session, unit_id, is_online=status.is_online, ts_ms=status.ts_ms)
                unknown_metric.put(session, batch.unknown_metrics, now_ms=batch.received_ms)
                quarantine.put(session, batch.rejected)
                incident.apply_signals(session, batch.signals, units=batch.units, received_ms=batch.received_ms)
                if pending is not None:
                    outbox.put(session, pending, now_ms=batch.received_ms)
                counts = {
                    ledger.ACCEPTED: accepted,
                    ledger.DUPLICATE: batch.duplicate_count,
                    ledger.QUARANTINED: quarantined,
                    ledger.VALUES_ACCEPTED: values,
                    ledger.VALUES_LATE: batch.late_count,
                    ledger.VALUES_REPEATED: batch.repeated_count,
                }
                ledger.add_counts(session, counts)
                if batch.message_count:
                    ledger.tell_received(session, at_ms=batch.received_ms)

        self._retried(write)
        self._carried = self._carried[len(batch.signals) :]
        self._is_online.update({unit_id: (s.is_online, s.ts_ms) for unit_id, s in batch.statuses})
        for block in batch.blocks:
            self._watermark.advance(block)
        self._reported_metrics.update(batch.unknown_metrics)
        if pending is not None:
            self._writer.hand_over(pending)
        messages_total.labels("accepted").inc(accepted)
        messages_total.labels("duplicate").inc(batch.duplicate_count)
        messages_total.labels("quarantined").inc(quarantined)

    def _retried(self, work: Callable[[], Result]) -> Result:
        """Runs database work until it succeeds, as long as the failure lies with the database and not with the work."""
        while True:
            try:
                return work()
            except SQLAlchemyError as error:
                if not _may_pass(error):
                    raise
                log.error("the database does not answer; messages wait at the broker", reason=_one_line(error))
                if not self._pause(RETRY_S):
                    raise Stopped from error


class Stopped(Exception):
    """The worker is to end while a batch could not be committed; its messages stay with the broker."""


def _note_failed_rule(where: str, error: Exception) -> None:
    log.error("a rule failed; the others went on", rule=where, exc_info=error)
    failures_total.labels("rule").inc()


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether the same work may succeed later: the server is away, locked, or out of room."""
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _one_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _newest_by_unit(newest_ms: Mapping[tuple[UnitKey, str], int]) -> dict[UnitKey, int]:
    by_unit: dict[UnitKey, int] = {}
    for (unit, _metric), ts_ms in newest_ms.items():
        by_unit[unit] = max(ts_ms, by_unit.get(unit, ts_ms))
    return by_unit


def _units_by_message(
    blocks: Iterable[DecodedBlock],
    events: Iterable[tuple[int, Event]],
    statuses: Iterable[tuple[int, StatusChange]],
) -> Iterable[tuple[int, UnitKey]]:
    for decoded in blocks:
        for number, index in zip(decoded.message.tolist(), decoded.block.unit_index.tolist(), strict=True):
            yield number, decoded.block.units[index]
    for number, event in events:
        yield number, event.unit
    for number, status in statuses:
        yield number, status.unit
