"""The line from a message to the store, wired by hand: real databases, a real store, and a door that only remembers."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from alerts.alarm import list_alarms
from alerts.ticket_list import list_tickets
from alerts.watch import Watch
from ingest import ledger, quarantine
from ingest.foreign import ForeignTopics
from ingest.ledger import Ledger
from ingest.model_following import MakeBanks
from ingest.pipeline import Pipeline
from ingest.store_writer import StoreWriter
from ingest.stores.contract import Point, Refusal, StoreUnavailable
from ingest.stores.duckdb import DuckDBStore
from ingest.wire import Channel, RawMessage, topic_of
from models.equipment import Kind
from models.reading import Bools, ReadingBlock, UnitKey
from registry.database import Database
from tests.waiting import wait_until

T0_MS = 1_700_000_000_000
PUMP = UnitKey("xiaohe", Kind.PUMP, "pump-1")
LIFT = UnitKey("xiaohe", Kind.ELEVATOR, "lift-1")
FIRE = UnitKey("xiaohe", Kind.FIRE, "fire-1")
GATEWAY_TOPIC = "liandong/v1/xiaohe/gateway/g1/telemetry"


def at_ms(second: float) -> int:
    return T0_MS + round(second * 1000)


def raw(topic: str, payload: Any, *, second: float = 0, dup: bool = False, retained: bool = False) -> RawMessage:
    encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return RawMessage(topic, encoded, at_ms(second), dup, retained, (1, 1, 1))


def reading(unit: UnitKey, second: float, **values: float) -> RawMessage:
    return raw(topic_of(unit, Channel.TELEMETRY), {"ts": at_ms(second), "values": values}, second=second)


def event(unit: UnitKey, second: float, code: str, *, on: bool = True, point: str = "") -> RawMessage:
    said = {"ts": at_ms(second), "code": code, "on": on, "point": point}
    return raw(topic_of(unit, Channel.EVENT), said, second=second)


def status(
    unit: UnitKey, second: float, online: bool, *, told: float | None = None, dup: bool = False, retained: bool = False
) -> RawMessage:
    """What was said at `second` and arrives at `told`."""
    said = {"ts": at_ms(second), "online": online}
    arrives = second if told is None else told
    return raw(topic_of(unit, Channel.STATUS), said, second=arrives, dup=dup, retained=retained)


def again(message: RawMessage) -> RawMessage:
    """The broker sends it once more because it heard no acknowledgement."""
    return message._replace(is_redelivery=True)


class Door:
    """Remembers what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[RawMessage] = []

    def acknowledge(self, messages: Iterable[RawMessage]) -> None:
        self.acknowledged += messages


class FragileStore:
    """A real store that can be made to be away, or to refuse what holds a certain metric."""

    def __init__(self, path: Path) -> None:
        self._store = DuckDBStore(path)
        self.is_away = False
        self.refuses: str | None = None
        self.writes = 0

    def _answer(self) -> DuckDBStore:
        if self.is_away:
            raise StoreUnavailable("fragile", "away")
        return self._store

    def prepare(self) -> None:
        self._store.prepare()

    def write(self, batch_id: str, blocks: Sequence[ReadingBlock]) -> list[Refusal]:
        refused = [block for block in blocks if self.refuses in block.metrics]
        refusals = self._answer().write(batch_id, [block for block in blocks if self.refuses not in block.metrics])
        self.writes += 1
        return refusals + [Refusal(f"{self.refuses} is refused", block) for block in refused]

    def maintain(self, *, now_ms: int) -> bool:
        return self._answer().maintain(now_ms=now_ms)

    def newest_ms(self) -> dict[tuple[UnitKey, str], int]:
        return self._answer().newest_ms()

    def existing(self, block: ReadingBlock) -> Bools:
        return self._answer().existing(block)

    def points(self, unit: UnitKey, metric: str, *, start_ms: int, end_ms: int, step_ms: int) -> list[Point]:
        return self._answer().points(unit, metric, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)

    def latest(self, units: Sequence[UnitKey]) -> dict[UnitKey, dict[str, tuple[int, float]]]:
        return self._answer().latest(units)

    def history(self, unit: UnitKey, *, end_ms: int, rows: int) -> ReadingBlock:
        return self._answer().history(unit, end_ms=end_ms, rows=rows)

    def metrics_of(self, unit: UnitKey) -> list[str]:
        return self._answer().metrics_of(unit)

    def count_values(self) -> int:
        return self._answer().count_values()

    def check(self) -> str:
        return self._answer().check()

    def faults(self) -> list[str]:
        return self._answer().faults()

    def close(self) -> None:
        self._store.close()


class FragileDatabase(Database):
    """A real database whose transactions can be made to fail: before they begin, at their end, or just after it."""

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.failures_before = 0
        self.failures_at_end = 0
        self.failures_after = 0
        self.is_away = False

    def _failure(self) -> OperationalError:
        return OperationalError("COMMIT", None, Exception("the server went away"))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        if self.is_away:
            raise self._failure()
        with super().reading() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        if self.is_away or self._takes("failures_before"):
            raise self._failure()
        with super().writing() as session:
            yield session
            if self._takes("failures_at_end"):
                raise self._failure()
        if self._takes("failures_after"):
            raise self._failure()

    def _takes(self, counter: str) -> bool:
        left: int = getattr(self, counter)
        setattr(self, counter, max(left - 1, 0))
        return left > 0


class Line:
    """Everything one worker has, without its thread. `restart` leaves only what is on disk."""

    def __init__(
        self, database: Database, path: Path, *, registers_unknown_sites: bool = True, mapping_file: Path | None = None
    ) -> None:
        self.database = FragileDatabase(database.url)
        self.path = path
        self.store = FragileStore(path)
        self.store.prepare()
        self.door = Door()
        self.second = 0.0
        self.pauses_left = 1_000
        self.registers_unknown_sites = registers_unknown_sites
        self.mapping_file = mapping_file
        self._numbers = itertools.count()
        self.start()

    def start(
        self, *, watch: Watch | None = None, writes: bool = True, make_shadow_banks: MakeBanks | None = None
    ) -> None:
        self.writer = StoreWriter(database=self.database, store=self.store, clock=lambda: at_ms(self.second))
        self.watch = watch or Watch()
        self.foreign = ForeignTopics(mapping_file=self.mapping_file, asks_for_rebirth=True)
        self.pipeline = Pipeline(
            database=self.database,
            store=self.store,
            writer=self.writer,
            watch=self.watch,
            door=self.door,
            clock=lambda: at_ms(self.second),
            draw_batch_id=lambda: f"{id(self):x}-{next(self._numbers)}",
            pause=self._pause,
            registers_unknown_sites=self.registers_unknown_sites,
            foreign=self.foreign,
            make_shadow_banks=make_shadow_banks,
        )
        self.pipeline.restore()
        if writes:
            self.writer.start()

    def _pause(self, _seconds: float) -> bool:
        self.pauses_left -= 1
        return self.pauses_left > 0

    def restart(self, *, watch: Watch | None = None, writes: bool = True) -> None:
        """As after a crash: what was only in memory is gone."""
        self.writer.stop()
        self.store.close()
        self.store = FragileStore(self.path)
        self.store.prepare()
        self.start(watch=watch, writes=writes)

    def close(self) -> None:
        self.database.is_away = self.store.is_away = False
        self.writer.stop()
        self.store.close()
        self.database.close()

    def take(self, *messages: RawMessage) -> None:
        """One batch, arriving when its last message does."""
        self.second = max([self.second, *((message.received_ms - T0_MS) / 1000 for message in messages)])
        self.pipeline.process(messages)

    def tick(self, second: float) -> None:
        self.second = second
        self.pipeline.tick()

    def settle(self) -> None:
        assert self.writer.wait_until_idle(20), "the store did not take everything"

    # What came of it.

    def ledger(self) -> Ledger:
        with self.database.reading() as session:
            read = ledger.read_ledger(session)
        assert read.balances
        return read

    def counts(self) -> tuple[int, int, int]:
        """Messages accepted, told before, quarantined."""
        read = self.ledger()
        return read.accepted, read.duplicate, read.quarantined

    def alarms(self) -> list[tuple[str, str, int]]:
        """(condition, state, occurrences), oldest first."""
        with self.database.reading() as session:
            return [(a.condition, a.state, a.occurrences) for a in list_alarms(session, limit=1000)[::-1]]

    def tickets(self) -> list[str]:
        with self.database.reading() as session:
            return [ticket.title for ticket in list_tickets(session, limit=1000)[::-1]]

    def reasons(self) -> list[str]:
        with self.database.reading() as session:
            return [message.reason for message in quarantine.waiting(session)]

    def stored(self, unit: UnitKey, metric: str) -> list[tuple[float, float]]:
        """(second, value) of everything stored."""
        self.settle()
        points = self.store.points(unit, metric, start_ms=0, end_ms=at_ms(10**8), step_ms=1)
        assert all(point.n == 1 for point in points)
        return [((point.t_ms - T0_MS) / 1000, point.mean) for point in points]

    def wait_for(self, condition: Any, what: str) -> None:
        wait_until(condition, within_s=20, what=what)
