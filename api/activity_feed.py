"""The live stream of the activity log, for many clients from one poller.

The newest rows are kept once for all clients, and a client is no more than the id it has got to. One that is slow, or
comes back after a pause, has fallen behind what is kept and is served from the database until it has caught up; so
none can lose a row, and none can make us keep rows for it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from time import monotonic
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.routes.presenting import activity_shape, may_see_activity, zones_of
from api.security import names_people
from registry import activity
from registry.activity import Activity
from registry.database import Database
from registry.role import Actor
from registry.site import DEFAULT_TIMEZONE

POLL_S = 0.1
RETRY_S = 1.0
HEARTBEAT_S = 15.0
RECHECK_S = 15.0
RECONNECT_MS = 1_000
KEPT_ROWS = 1_000
ROWS_AT_ONCE = 200
READERS_AT_ONCE = 4
MOST_STREAMS = 2_000

Result = TypeVar("Result")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A row ready to be sent: in full, and as residents get it."""

    id: int
    site: str
    full: bytes
    for_residents: bytes

    def as_seen_by(self, actor: Actor) -> bytes:
        """Empty when it is nothing for this person."""
        if not may_see_activity(actor, self.site):
            return b""
        return self.full if names_people(actor, self.site or None) else self.for_residents


@dataclass(frozen=True, slots=True)
class _Stretch:
    """All rows after one id up to `end` that may matter."""

    rows: Sequence[FeedRow]
    end: int


class ActivityFeed:
    """`close` ends all streams and may be called from any thread or signal handler."""

    def __init__(self, database: Database, *, poll_s: float = POLL_S, kept_rows: int = KEPT_ROWS) -> None:
        self._database = database
        self._poll_s = poll_s
        self._kept_rows = kept_rows
        self._kept: deque[FeedRow] = deque()
        # The kept rows are all that have an id after `_begin` up to `_end`.
        self._begin = self._end = 0
        self._changed = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers = ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="activity-feed")
        self._is_closed = False
        self.clients = 0

    @property
    def is_full(self) -> bool:
        return self.clients >= MOST_STREAMS

    def close(self) -> None:
        self._is_closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    @contextmanager
    def client(self) -> Iterator[None]:
        """Counts a client, and keeps the poller going as long as there is one."""
        self.clients += 1
        try:
            yield
        finally:
            self.clients -= 1
            if not self.clients and self._poller is not None:
                self._poller.cancel()
                self._poller = None

    async def follow(self, actor: Actor, *, after_id: int, recheck: Callable[[], Actor | None]) -> AsyncIterator[bytes]:
        """Server-sent events after an id, until the feed is closed or `recheck` says that the login has ended."""
        yield f"retry: {RECONNECT_MS}\n: connected\n\n".encode()
        try:
            async for events in self._events(actor, after_id, recheck):
                yield events
        except SQLAlchemyError as error:
            # The client comes back with the last id it has, and finds the database or not.
            log.warning("live stream ended", error=type(error).__name__)

    async def _events(self, actor: Actor, at: int, recheck: Callable[[], Actor | None]) -> AsyncIterator[bytes]:
        checked_s = told_s = monotonic()
        poller = await self._running_poller()
        if at > self._end:
            # The client knows a log that went further than ours, as after a restore: it has to begin anew.
            at = self._end
            yield f"event: reset\nid: {at}\ndata: {{}}\n\n".encode()
        while not self._is_closed and not poller.done():
            if monotonic() - checked_s >= RECHECK_S:
                checked_s = monotonic()
                found = await self._in_thread(recheck)
                if found is None:
                    return
                actor = found
            changed = self._changed
            stretch = self._kept_after(at)
            if stretch is None:
                stretch = await self._in_thread(partial(self._read_visible, actor, at))
            at = stretch.end
            if events := b"".join(row.as_seen_by(actor) for row in stretch.rows):
                told_s = monotonic()
                yield events
            elif not stretch.rows and at >= self._end:
                silent_s = told_s + HEARTBEAT_S - monotonic()
                if silent_s <= 0:
                    told_s = monotonic()
                    yield b": still here\n\n"
                else:
                    await _wait(changed, silent_s)

    def _kept_after(self, at: int) -> _Stretch | None:
        """From memory; None when that does not reach back so far."""
        if at < self._begin:
            return None
        newer = list(takewhile(lambda row: row.id > at, reversed(self._kept)))[::-1][:ROWS_AT_ONCE]
        return _Stretch(newer, newer[-1].id if newer else max(at, self._end))

    def _read_visible(self, actor: Actor, at: int) -> _Stretch:
        with self._database.reading() as session:
            end = activity.last_id(session)
            rows = activity.after(session, at, visible=actor.sites, limit=ROWS_AT_ONCE)
            is_whole = len(rows) < ROWS_AT_ONCE
            return _Stretch(_feed_rows(session, rows), max(end, at) if is_whole else rows[-1].id)

    # The poller

    async def _running_poller(self) -> "asyncio.Task[None]":
        """The poller, which keeps rows from when it began; what was before stands in the database."""
        if self._poller is None or self._poller.done():
            self._loop = asyncio.get_running_loop()
            self._changed = asyncio.Event()
            self._kept.clear()
            self._started = self._loop.create_future()
            self._poller = asyncio.create_task(self._poll(self._started))
            self._poller.add_done_callback(self._tell_end)
        poller = self._poller
        await asyncio.shield(self._started)
        return poller

    def _tell_end(self, poller: "asyncio.Task[None]") -> None:
        if not poller.cancelled() and (error := poller.exception()) is not None:
            log.error("live stream ended", error=f"{type(error).__name__}: {error}")
        self._wake()

    async def _poll(self, started: "asyncio.Future[None]") -> None:
        is_failing = False
        while not self._is_closed:
            try:
                if not started.done():
                    self._begin = self._end = await self._in_thread(self._last_id)
                    started.set_result(None)
                rows = await self._in_thread(self._read_new)
            except SQLAlchemyError as error:
                if not started.done():
                    started.set_exception(error)
                    return
                if not is_failing:
                    log.warning("live stream waits for the database", error=type(error).__name__)
                is_failing = True
                await asyncio.sleep(RETRY_S)
                continue
            is_failing = False
            if rows:
                self._keep(rows)
            if len(rows) < ROWS_AT_ONCE:
                await asyncio.sleep(self._poll_s)
        if not started.done():
            started.set_result(None)

    def _keep(self, rows: Sequence[FeedRow]) -> None:
        self._kept.extend(rows)
        self._end = rows[-1].id
        while len(self._kept) > self._kept_rows:
            self._begin = self._kept.popleft().id
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _last_id(self) -> int:
        with self._database.reading() as session:
            return activity.last_id(session)

    def _read_new(self) -> list[FeedRow]:
        with self._database.reading() as session:
            return _feed_rows(session, activity.after(session, self._end, limit=ROWS_AT_ONCE))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


class FeedResponse(StreamingResponse):
    """A stream that is counted as a client for as long as it is open."""

    media_type = "text/event-stream"

    def __init__(self, feed: ActivityFeed, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._feed.client():
            await super().__call__(scope, receive, send)


def _feed_rows(session: Session, rows: Sequence[Activity]) -> list[FeedRow]:
    if not rows:
        return []
    zones = zones_of(session, {row.site for row in rows})
    return [
        FeedRow(row.id, row.site, _event(row, zones, is_named=True), _event(row, zones, is_named=False)) for row in rows
    ]


def _event(row: Activity, zones: dict[str, str], *, is_named: bool) -> bytes:
    shape = activity_shape(row, zone=zones.get(row.site, DEFAULT_TIMEZONE), is_named=is_named)
    return f"id: {row.id}\ndata: {shape.model_dump_json()}\n\n".encode()


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
