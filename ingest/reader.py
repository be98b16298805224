"""Reads a batch of messages: what is new in it, what was told before, and what cannot be taken."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from alerts.watch import Signal
from ingest import event_log, quarantine
from ingest.directory import UnitDirectory
from ingest.errors import Reason
from ingest.event_log import EventKey
from ingest.foreign import ForeignDraft, ForeignTopics
from ingest.life import HeardBlock, Minutes
from ingest.novelty import found_in, repeated_in_block
from ingest.quarantine import Quarantined
from ingest.status_words import StatusWords
from ingest.stores.contract import StoreUnavailable, TelemetryStore
from ingest.watermark import NEVER_MS, Watermark
from ingest.wire import DecodedBlock, RawMessage, Rejected, decode_batch
from models.equipment import METRICS, Kind
from models.event import Event, StatusChange
from models.event_codes import STATUS_WORD_METRIC, status_point
from models.reading import Bools, Floats, ReadingBlock, UnitKey
from registry.database import Database

MAX_BACK_MS = 300 * 24 * 3600 * 1000
"""A reading so much older than its unit's newest comes from a wrong clock, not from a gateway's backlog."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Batch:
    """Everything one batch of messages says, ready to be committed."""

    received_ms: int
    message_count: int = 0
    blocks: list[ReadingBlock] = field(default_factory=list)
    heard: list[HeardBlock] = field(default_factory=list)
    minutes: Minutes | None = None
    units: dict[UnitKey, int] = field(default_factory=dict)
    events: list[tuple[EventKey, Event]] = field(default_factory=list)
    statuses: list[tuple[int, StatusChange]] = field(default_factory=list)
    rejected: list[Quarantined] = field(default_factory=list)
    unknown_metrics: list[tuple[int, str]] = field(default_factory=list)
    duplicate_count: int = 0
    late_count: int = 0
    late_by_unit: dict[int, int] = field(default_factory=dict)
    repeated_count: int = 0
    foreign: ForeignDraft | None = None
    words: list[ReadingBlock] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    past: list[Signal] = field(default_factory=list)

    @property
    def value_count(self) -> int:
        return sum(block.value_count for block in self.blocks)


class BatchReader:
    """Knows what was told: the newest times of all metrics, the last word on each connection.

    `pending` gives the readings that are committed and perhaps not stored yet. What `read` found becomes known only
    when `committed` is told so.
    """

    def __init__(
        self,
        *,
        database: Database,
        store: TelemetryStore,
        pending: Callable[[], Iterable[ReadingBlock]],
        directory: UnitDirectory,
        clock: Callable[[], int],
        foreign: ForeignTopics,
    ) -> None:
        self._database = database
        self._store = store
        self._pending = pending
        self._directory = directory
        self._clock = clock
        self._foreign = foreign
        self._status_words = StatusWords()
        self._watermark = Watermark()
        self._is_online: dict[int, tuple[bool, int]] = {}
        self._offline: set[int] = set()
        self._reported_metrics: set[tuple[int, str]] = set()

    def restore(
        self,
        *,
        newest_ms: Mapping[tuple[UnitKey, str], int],
        is_online: Mapping[int, tuple[bool, int]],
        events: Iterable[Event],
    ) -> None:
        """Takes up what the store and the register know; `is_online` is (whether, since when) by unit id, `events` are
        the last words in order of time.
        """
        self._watermark.load(newest_ms)
        self._status_words.note(events)
        self._is_online = dict(is_online)
        self._offline = {unit_id for unit_id, (is_on, _) in is_online.items() if not is_on}

    def note(self, block: ReadingBlock) -> None:
        """These readings are safe."""
        self._watermark.advance(block)

    def committed(self, batch: Batch) -> None:
        for unit_id, status in batch.statuses:
            self._is_online[unit_id] = (status.is_online, status.ts_ms)
            (self._offline.discard if status.is_online else self._offline.add)(unit_id)
        for block in batch.blocks:
            self._watermark.advance(block)
        self._reported_metrics.update(batch.unknown_metrics)
        self._status_words.note(event for _, event in batch.events)
        if batch.foreign is not None:
            self._foreign.committed(batch.foreign)

    def read(self, messages: Sequence[RawMessage]) -> Batch:
        """Decodes, finds the units, and takes out what was told before."""
        now_ms = self._clock()
        foreign = self._foreign.draft()
        decoded = decode_batch(messages, foreign.interpret)
        batch = Batch(received_ms=now_ms, message_count=len(messages), foreign=foreign)
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
        self._read_status_words(batch)
        self._keep_new_statuses(decoded.statuses, messages, rejected, heard, batch)
        for number in decoded.known:
            if number not in rejected:
                heard.setdefault(number, False)
        self._notice_return(messages, batch)
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
        is_late = is_new & ~is_newer
        self._keep_words(block, is_new & is_newer, batch)
        if is_late.any():
            self._count_late(block, is_late, batch)
        has_new: Bools = np.asarray(is_new.any(axis=1))
        # A gateway's message may have readings of several kinds, each in a block of its own: one new one is enough.
        for number in message[~has_new].tolist():
            heard.setdefault(number, False)
        heard.update(dict.fromkeys(message[has_new].tolist(), True))
        if repeated.any():
            values: Floats = np.where(is_new, block.values, np.nan)
            block = ReadingBlock(block.kind, block.metrics, block.units, block.unit_index, block.ts_ms, values)
            block, message = block.rows(has_new), message[has_new]
        if len(block):
            batch.blocks.append(block)
            batch.heard.append(HeardBlock(block, message))
            self._report_unknown_metrics(block, batch)

    def _keep_words(self, block: ReadingBlock, is_current: Bools, batch: Batch) -> None:
        """Status words that are told for the first time and in order; a late one is history and ends nothing."""
        if block.kind is not Kind.FIRE or not any(metric.startswith(STATUS_WORD_METRIC) for metric in block.metrics):
            return
        values: Floats = np.where(is_current, block.values, np.nan)
        batch.words.append(ReadingBlock(block.kind, block.metrics, block.units, block.unit_index, block.ts_ms, values))

    def _read_status_words(self, batch: Batch) -> None:
        for words in batch.words:
            for event in self._status_words.events_in(words, [event for _, event in batch.events]):
                batch.events.append((event_log.key_of(batch.units[event.unit], event), event))

    def _count_late(self, block: ReadingBlock, is_late: Bools, batch: Batch) -> None:
        batch.late_count += int(np.count_nonzero(is_late))
        by_unit = np.bincount(block.unit_index, is_late.sum(axis=1))
        for index in np.flatnonzero(by_unit).tolist():
            unit_id = batch.units[block.units[index]]
            batch.late_by_unit[unit_id] = batch.late_by_unit.get(unit_id, 0) + int(by_unit[index])

    def _stored_already(self, block: ReadingBlock, asked: Bools) -> Bools:
        values: Floats = np.where(asked, block.values, np.nan)
        asked_block = ReadingBlock(block.kind, block.metrics, block.units, block.unit_index, block.ts_ms, values)
        known = found_in(asked_block, self._pending())
        try:
            known |= self._store.existing(asked_block)
        except StoreUnavailable as error:
            # Taken as new: the store itself keeps each value once, so the worst is a count that is too high.
            log.warning("late readings could not be looked up", reason=str(error))
        return known

    def _report_unknown_metrics(self, block: ReadingBlock, batch: Batch) -> None:
        names = [
            place
            for place, name in enumerate(block.metrics)
            if name not in METRICS[block.kind] and not (block.kind is Kind.FIRE and status_point(name) is not None)
        ]
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
            heard[number] = heard.get(number, False) or key not in known
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
            heard[number] = heard.get(number, False) or ts_ms > was_ms
            if ts_ms > was_ms:
                last[unit_id] = (status.is_online, ts_ms)
                batch.statuses.append((unit_id, StatusChange(status.unit, ts_ms, status.is_online)))

    def _notice_return(self, messages: Sequence[RawMessage], batch: Batch) -> None:
        """Who measures after its goodbye, and tells us live, is online again, whether or not it says so."""
        if not self._offline:
            return
        said = {unit_id for unit_id, _ in batch.statuses}
        for part in batch.heard:
            for index, unit in enumerate(part.block.units):
                unit_id = batch.units[unit]
                if unit_id not in self._offline or unit_id in said:
                    continue
                rows = np.flatnonzero(part.block.unit_index == index)
                newest = int(rows[-1]) if len(rows) else -1
                if newest < 0 or messages[int(part.message[newest])].is_retained:
                    continue
                ts_ms = int(part.block.ts_ms[newest])
                if ts_ms > self._is_online[unit_id][1]:
                    batch.statuses.append((unit_id, StatusChange(unit, ts_ms, is_online=True)))

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
