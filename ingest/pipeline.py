"""From messages to what is safe: decoded, judged, committed, and only then acknowledged.

One transaction a batch holds its alarms, tickets, events, quarantined messages, counts, and the readings themselves
(in the outbox, from where `ingest.store_writer` takes them on). After its commit the broker is told; the telemetry
store may be slow or down without anybody having to wait for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alerts import explaining, incident, suppressing
from alerts.alarm import open_alarms
from alerts.conditions import ANOMALY, SILENT, SLOW_CHANGE
from alerts.derived import DERIVED_COLUMNS
from alerts.limits import Limits
from alerts.watch import Signal, Watch
from ingest import event_log, ledger, outbox, quarantine, unknown_metric
from ingest.directory import UnitDirectory
from ingest.errors import BatchTooWide, Reason
from ingest.foreign import ForeignTopics
from ingest.lane import Lane
from ingest.life import Life
from ingest.model_following import MakeBanks, ModelFollower
from ingest.model_history import take_up
from ingest.outbox import PendingBatch
from ingest.quarantine import Quarantined
from ingest.reader import Batch, BatchReader
from ingest.recollection import FAR_FUTURE_MS, open_since, recollect
from ingest.sparkplug_topics import is_sparkplug, is_told_to_others
from ingest.store_writer import StoreWriter
from ingest.stores.contract import TelemetryStore
from ingest.wear_keeping import WearKeeper
from ingest.wire import RawMessage, is_alarm_topic
from models.event import StatusChange
from models.reading import ReadingBlock, UnitKey
from registry.activity import Entry
from registry.coverage import put_hours
from registry.database import Database
from registry.unit import connection_states, set_status
from registry.unit_life import add_late

RETRY_S = 1.0
HISTORY_ROWS = 1_100
"""Three hours at a row every ten seconds: as far back as the sums of the rules reach."""

log = structlog.get_logger(__name__)

messages_total = Counter("liandong_ingest_messages", "Messages this process took, by what became of them", ["outcome"])
failures_total = Counter("liandong_ingest_failures", "Defects met while taking messages", ["where"])
batch_seconds = Histogram("liandong_batch_seconds", "Time from taking a batch to its acknowledgement")
judgement_seconds = Histogram("liandong_judgement_seconds", "Time rules and detectors took to judge a batch")
lag_seconds = Histogram(
    "liandong_reading_lag_seconds",
    "How old the newest reading of a batch was when it came",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 14_400, 86_400),
)
batch_size = Histogram("liandong_batch_messages", "Messages in a batch", buckets=(1, 3, 10, 30, 100, 300, 1000))


Result = TypeVar("Result")


class Door(Protocol):
    """What the pipeline needs of the connection to the broker."""

    def acknowledge(self, messages: Iterable[RawMessage]) -> None: ...


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
        limits: Limits | None = None,
        worker: str = "ingest",
        foreign: ForeignTopics | None = None,
        lane: Lane | None = None,
        make_shadow_banks: MakeBanks | None = None,
    ) -> None:
        """`pause(seconds)` waits between attempts and says whether to go on; `worker` names this one among others."""
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
        self._foreign = foreign or ForeignTopics()
        self._reader = BatchReader(
            database=database,
            store=store,
            pending=writer.pending_blocks,
            directory=self._directory,
            clock=clock,
            foreign=self._foreign,
        )
        self._lane = lane or Lane()
        self._carried: list[Signal] = []
        self._life = Life(limits=limits or Limits(), worker=worker)
        self._to_tell: list[Entry] = []
        self._wear = WearKeeper(watch, database)
        self._models = ModelFollower(watch, database, make_shadow_banks)

    # Start.

    def restore(self) -> None:
        """Takes up where the last process ended: known times, unit states, alarms that are active."""
        now_ms = self._clock()
        # What is of another lane stays as we knew it for ever, and must not be judged by the passing of time.
        is_ours = self._lane.has_site
        ids = {unit: unit_id for unit, unit_id in self._directory.load().items() if is_ours(unit.site)}
        newest = self._store.newest_ms()
        by_unit = {unit: ts_ms for unit, ts_ms in _newest_by_unit(newest).items() if is_ours(unit.site)}
        with self._database.reading() as session:
            states = [state for state in connection_states(session) if is_ours(state.unit.site)]
            standing = [alarm for alarm in open_alarms(session) if alarm.is_active and is_ours(alarm.unit.site.key)]
            active = [(alarm.unit.unit_key, alarm.condition, alarm.evidence) for alarm in standing]
            kept = [(alarm.unit.unit_key, alarm.condition) for alarm in standing if alarm.is_in_service]
            is_online = {state.unit_id: (state.is_online, state.status_ms) for state in states}
            self._foreign.restore(session)
            events = [event for event in event_log.last_words(session) if is_ours(event.unit.site)]
            self._reader.restore(newest_ms=newest, is_online=is_online, events=events)
            self._watch.restore(
                latest=self._store.latest(list(ids)),
                history=self._history(unit for unit in by_unit if DERIVED_COLUMNS[unit.kind]),
                pending=self._pending_noted(),
                events=events,
                statuses=[StatusChange(state.unit, state.status_ms, state.is_online) for state in states],
                active=[(unit, condition) for unit, condition, _ in active],
                kept=kept,
                now_ms=now_ms,
            )
            self._life.restore(
                session,
                ids=ids,
                newest_ms=by_unit,
                told=[unit for unit, condition, _ in active if condition == SILENT],
                offline=[state.unit for state in states if not state.is_online],
                now_ms=now_ms,
            )
            anomalous = {unit: evidence for unit, condition, evidence in active if condition == ANOMALY}
            told = [(unit, condition) for unit, condition, _ in active]
            self._wear.restore(session, ids, active=told, now_ms=now_ms)
            known_to_ms = take_up(session, self._watch.banks, ids, alarm_since_ms=open_since(anomalous))
            self._models.restore(session, ids, now_ms=now_ms)
        self._models.end_left_verdicts(now_ms=now_ms)
        self._recollect(anomalous, by_unit, known_to_ms, now_ms=now_ms)

    def _pending_noted(self) -> Iterable[ReadingBlock]:
        for block in self._writer.pending_blocks():
            self._reader.note(block)
            if self._lane.is_everything:
                yield block
            else:
                is_ours = np.array([self._lane.has_site(unit.site) for unit in block.units], dtype=np.bool_)
                yield block.rows(is_ours[block.unit_index])

    def _history(self, units: Iterable[UnitKey]) -> Iterable[ReadingBlock]:
        for unit in units:
            yield self._store.history(unit, end_ms=FAR_FUTURE_MS, rows=HISTORY_ROWS)

    def _recollect(
        self,
        anomalous: dict[UnitKey, dict[str, Any]],
        newest_ms: dict[UnitKey, int],
        known_to_ms: dict[UnitKey, int],
        *,
        now_ms: int,
    ) -> None:
        """The detectors take up what came since their fit, or learn again; an anomaly that ended has returned."""
        since_ms = open_since(anomalous)
        for unit in newest_ms:
            bank = self._watch.banks.get(unit.kind)
            if bank is not None:
                recollect(
                    bank,
                    self._store,
                    unit=unit,
                    alarm_since_ms=since_ms.get(unit),
                    known_to_ms=known_to_ms.get(unit),
                )
        standing = {unit for bank in self._watch.banks.values() for unit in bank.standing()}
        for unit in anomalous.keys() - standing:
            bank = self._watch.banks.get(unit.kind)
            if bank is not None and not bank.is_judging(unit):
                # It learns for longer than what was read again, and cannot say that anything is over.
                continue
            self._carried += self._watch.end_verdict(unit, ts_ms=newest_ms.get(unit, now_ms), received_ms=now_ms)

    # One batch.

    def process(self, messages: Sequence[RawMessage]) -> None:
        """Takes a batch to its acknowledgement. Waits and tries again while the database does not answer."""
        with batch_seconds.time():
            has_topic = self._lane.has_topic
            counted = [m for m in messages if not is_for_others(m.topic) and has_topic(m.topic)]
            if counted:
                self._take(counted)
            self._door.acknowledge(messages)
        batch_size.observe(len(messages))

    def _take(self, messages: Sequence[RawMessage]) -> None:
        try:
            batch = self._retried(lambda: self._reader.read(messages))
            self._judge(batch)
            self._look_back(batch)
            self._hear(batch, messages)
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

    def tick(self, *, is_listening: bool = True) -> None:
        """Signals that are due because time passed, and alarms whose time on the shelf, or set aside, is over.

        To be called every second; `is_listening` says whether the broker would reach us.
        """
        now_ms = self._clock()
        self._carried += self._watch.tick(now_ms)
        self._to_tell += self._life.listen(now_ms, is_listening=is_listening)
        if self._to_tell or self._life.is_due(now_ms):
            changes = self._retried(lambda: self._life.summarise(self._database, told=self._to_tell, now_ms=now_ms))
            self._to_tell = []
            self._carried += self._watch.tell_silence(changes, now_ms)
        self._retried(lambda: self._keep_wear(now_ms))
        self._retried(lambda: self._models.follow_due(self._directory.known(), now_ms=now_ms))
        if self._carried:
            units = self._directory.look_up({s.unit for s in self._carried}, now_ms=now_ms).ids
            self._commit(Batch(received_ms=now_ms, units=units, signals=list(self._carried)))
        self._retried(lambda: self._unshelve(now_ms))
        self._retried(lambda: suppressing.settle_due(self._database, self._watch.conditions, now_ms=now_ms))
        self._retried(lambda: explaining.settle_due(self._database, self._watch.conditions, now_ms=now_ms))

    def _keep_wear(self, now_ms: int) -> None:
        for unit in self._wear.take_overhauls(self._directory.known(), now_ms=now_ms):
            self._carried += self._watch.end_verdict(unit, SLOW_CHANGE, ts_ms=now_ms, received_ms=now_ms)
        self._wear.save_due(self._directory.known(), now_ms=now_ms)
        self._carried += self._watch.tell_sisters(self._wear.compare_due(now_ms), now_ms)

    def end(self) -> None:
        """After the last batch: says that this worker listens no more."""
        try:
            self._life.end(self._database, now_ms=self._clock())
            self._wear.save_at_end(self._directory.known(), now_ms=self._clock())
            self._models.save()
        except SQLAlchemyError as error:
            log.warning("the end could not be written down", reason=_one_line(error))

    def _unshelve(self, now_ms: int) -> None:
        if incident.any_due_for_unshelving(self._database, now_ms=now_ms):
            with self._database.writing() as session:
                incident.unshelve_due(session, now_ms=now_ms)

    def _judge(self, batch: Batch) -> None:
        try:
            with judgement_seconds.time():
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
        self._judge_in_shadow(batch)
        # The watch has moved on: signals that were not committed would never come again.
        self._carried += signals
        batch.signals = list(self._carried)
        batch.units |= self._directory.look_up({s.unit for s in batch.signals}, now_ms=batch.received_ms).ids

    def _judge_in_shadow(self, batch: Batch) -> None:
        try:
            self._models.observe(batch.blocks)
        except Exception:
            log.exception("models in shadow could not judge a batch", messages=batch.message_count)
            failures_total.labels("shadow").inc()

    def _look_back(self, batch: Batch) -> None:
        """What held in the past, as late data tells; a memory that fails must cost neither readings nor alarms."""
        try:
            past = self._watch.look_back(received_ms=batch.received_ms)
        except Exception:
            log.exception("late data could not be judged", messages=batch.message_count)
            failures_total.labels("hindsight").inc()
            return
        batch.past = [signal for signal in past if signal.unit in batch.units]

    def _hear(self, batch: Batch, messages: Sequence[RawMessage]) -> None:
        try:
            batch.minutes = self._life.hear(batch.heard, messages, ids=batch.units, received_ms=batch.received_ms)
        except Exception:
            log.exception("it could not be noted who was heard", messages=batch.message_count)
            failures_total.labels("life").inc()

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
                if batch.foreign is not None:
                    batch.foreign.save(session)
                incident.apply_signals(session, batch.signals, units=batch.units, received_ms=batch.received_ms)
                if batch.past:
                    incident.note_past(session, batch.past, units=batch.units, received_ms=batch.received_ms)
                if pending is not None:
                    outbox.put(session, pending, now_ms=batch.received_ms)
                if batch.minutes is not None:
                    put_hours(session, batch.minutes.rows(), now_ms=batch.received_ms)
                if batch.late_by_unit:
                    unlearned_ms = self._life.unlearned_ms
                    add_late(session, batch.late_by_unit, received_ms=batch.received_ms, limit_ms=unlearned_ms)
                counts = {
                    ledger.ACCEPTED: accepted,
                    ledger.DUPLICATE: batch.duplicate_count,
                    ledger.QUARANTINED: quarantined,
                    ledger.VALUES_ACCEPTED: values,
                    ledger.VALUES_LATE: batch.late_count,
                    ledger.VALUES_REPEATED: batch.repeated_count,
                }
                received_ms = batch.received_ms if batch.message_count else None
                ledger.add_counts(session, counts, received_ms=received_ms)

        self._retried(write)
        self._carried = self._carried[len(batch.signals) :]
        self._reader.committed(batch)
        if batch.minutes is not None:
            self._life.written(batch.minutes)
        if batch.statuses:
            self._life.tell_connections(status for _, status in batch.statuses)
        if pending is not None:
            self._writer.hand_over(pending)
        newest_ms = max((int(block.ts_ms[-1]) for block in batch.blocks), default=None)
        if newest_ms is not None:
            lag_seconds.observe(max(batch.received_ms - newest_ms, 0) / 1000)
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


def is_for_others(topic: str) -> bool:
    """What we hear only because we listen to everything: our own alarms, and commands to Sparkplug nodes."""
    return is_alarm_topic(topic) or (is_sparkplug(topic) and is_told_to_others(topic))


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
