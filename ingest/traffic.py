"""Who sends how much: messages and bytes of each site, so that one that floods the door can be found.

Nothing is dropped on this account. The door is one queue, and what slows a sender down is that the broker does not take
more than we read; so a flood is told of (measures, data quality, log) and mended at its source, or by revoking the
gateway. Counts are kept for some seconds before they are written, and what a killed process had not written is missing
from them; the ledger does not rest on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import structlog
from sqlalchemy import BigInteger, String, case, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest.wire import PREFIX, Channel, RawMessage
from registry.database import Database, Table
from registry.site import SLUG, Site

FLUSH_MS = 5_000
MINUTE_MS = 60_000
NO_SITE = ""
"""What names no registered site: made up topics must not make a row each."""
MAX_SITES = 5_000
"""Named between two flushes; whoever makes up more is counted as naming none."""
OWN_WORDS = f"/{Channel.ALARM}"
"""What we tell comes back to us, and is nobody's traffic."""
SPARKPLUG_PREFIX = "spBv1.0/"

log = structlog.get_logger(__name__)


class SiteTraffic(Table):
    """`minute` numbers the minute that is being counted, `last_minute_messages` are those of the one before."""

    __tablename__ = "site_traffic"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    messages: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    minute: Mapped[int] = mapped_column(BigInteger)
    minute_messages: Mapped[int] = mapped_column(BigInteger)
    last_minute_messages: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came from a site: in all, and in the last whole minute."""

    site: str
    messages: int
    size_bytes: int
    messages_per_s: float


class TrafficMeter:
    """Counts for one ingest worker. `messages_per_s` is what a site may send before it is told of."""

    def __init__(self, database: Database, *, messages_per_s: float) -> None:
        self._database = database
        self._messages_per_s = messages_per_s
        self._counts: dict[str, list[int]] = {}
        self._flushed_ms = 0
        self._floods: set[str] = set()

    def note(self, messages: Sequence[RawMessage]) -> None:
        counts = self._counts
        for message in messages:
            topic = message.topic
            if topic.endswith(OWN_WORDS):
                continue
            site = site_of(topic)
            count = counts.get(site)
            if count is None:
                if len(counts) >= MAX_SITES:
                    site = NO_SITE
                count = counts.setdefault(site, [0, 0])
            count[0] += 1
            count[1] += len(topic) + len(message.payload)

    def flush(self, now_ms: int, *, is_last: bool = False) -> None:
        """Writes what was counted, every few seconds. A database that does not answer gets it later."""
        if not is_last and 0 <= now_ms - self._flushed_ms < FLUSH_MS:
            return
        self._flushed_ms = now_ms
        if not self._counts:
            return
        try:
            with self._database.writing() as session:
                _add(session, self._counts, minute=now_ms // MINUTE_MS)
                flooding = {
                    row.site
                    for row in read_traffic(session, now_ms=now_ms)
                    if row.messages_per_s > self._messages_per_s
                }
        except SQLAlchemyError as error:
            log.warning("what sites send cannot be counted just now", reason=str(error).splitlines()[0])
            return
        self._counts = {}
        for site in sorted(flooding - self._floods):
            log.warning("a site sends more than is expected of one", site=site, limit_per_s=self._messages_per_s)
        self._floods = flooding


@lru_cache(maxsize=100_000)
def site_of(topic: str) -> str:
    """The site that a topic names, NO_SITE for none.

    >>> site_of("liandong/v1/my-home/pump/sump-1/telemetry"), site_of("spBv1.0/my-home/NDATA/roof"), site_of("x/y")
    ('my-home', 'my-home', '')
    """
    if topic.startswith(f"{PREFIX}/"):
        site = topic[len(PREFIX) + 1 :].partition("/")[0]
    elif topic.startswith(SPARKPLUG_PREFIX):
        # As the reader has it: the group is the site, however its letters are written.
        site = topic[len(SPARKPLUG_PREFIX) :].partition("/")[0].lower()
    else:
        return NO_SITE
    return site if SLUG.fullmatch(site) else NO_SITE


def read_traffic(session: Session, *, now_ms: int) -> list[Traffic]:
    """All sites that ever sent, those that send the most first."""
    minute = now_ms // MINUTE_MS
    found = []
    for row in session.scalars(select(SiteTraffic)):
        last = {minute: row.last_minute_messages, minute - 1: row.minute_messages}.get(row.minute, 0)
        found.append(Traffic(row.site, row.messages, row.size_bytes, last / 60))
    return sorted(found, key=lambda traffic: (-traffic.messages_per_s, -traffic.messages, traffic.site))


def _add(session: Session, counts: dict[str, list[int]], *, minute: int) -> None:
    known = set(session.scalars(select(Site.key).where(Site.key.in_(counts))))
    rows: dict[str, dict[str, int | str]] = {}
    for site, (messages, size_bytes) in counts.items():
        key = site if site in known else NO_SITE
        row = rows.setdefault(key, {"site": key, "messages": 0, "size_bytes": 0, "minute_messages": 0})
        row["messages"] = int(row["messages"]) + messages
        row["size_bytes"] = int(row["size_bytes"]) + size_bytes
        row["minute_messages"] = row["messages"]
    new = [{**row, "minute": minute, "last_minute_messages": 0} for _, row in sorted(rows.items())]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(SiteTraffic)
    had, now = SiteTraffic, statement.excluded
    is_same, is_next = had.minute == now.minute, had.minute == now.minute - 1
    changed = {
        "messages": had.messages + now.messages,
        "size_bytes": had.size_bytes + now.size_bytes,
        "minute": now.minute,
        "minute_messages": case((is_same, had.minute_messages + now.minute_messages), else_=now.minute_messages),
        "last_minute_messages": case((is_same, had.last_minute_messages), (is_next, had.minute_messages), else_=0),
    }
    session.execute(statement.on_conflict_do_update(index_elements=[SiteTraffic.site], set_=changed), new)
