"""Whether we listen at all: a row of each ingest worker, with the time at which it last said that it does.

Silence says something of a unit only while somebody listened; and whoever shows a unit must know whether anybody does.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import Table

HEARTBEAT_MS = 15_000
LOST_AFTER_MS = 4 * HEARTBEAT_MS
"""A worker that has not said for so long that it listens is taken to have ended."""


class Listening(Table):
    """One ingest worker: it listens since `since_ms`, said so at `seen_ms`, or has had no broker since `lost_ms`."""

    __tablename__ = "listening"

    worker: Mapped[str] = mapped_column(String(200), primary_key=True)
    since_ms: Mapped[int] = mapped_column(BigInteger)
    seen_ms: Mapped[int] = mapped_column(BigInteger)
    lost_ms: Mapped[int | None] = mapped_column(BigInteger)


def note_listening(session: Session, worker: str, *, since_ms: int, now_ms: int, lost_ms: int | None) -> None:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Callable[[Any], Any] = postgresql.insert if is_postgresql else sqlite.insert
    row = {"since_ms": since_ms, "seen_ms": now_ms, "lost_ms": lost_ms}
    session.execute(
        insert(Listening).values(worker=worker[:200], **row).on_conflict_do_update(index_elements=["worker"], set_=row)
    )


def find_listening(session: Session, worker: str) -> Listening | None:
    return session.get(Listening, worker[:200])


def deaf_since_ms(session: Session, *, now_ms: int) -> int | None:
    """Since when nobody listens; None while somebody does, or where nobody ever did."""
    workers = list(session.scalars(select(Listening)))
    if not workers:
        return None
    ended = [
        row.lost_ms if row.lost_ms is not None and now_ms - row.seen_ms <= LOST_AFTER_MS else row.seen_ms
        for row in workers
        if row.lost_ms is not None or now_ms - row.seen_ms > LOST_AFTER_MS
    ]
    return max(ended) if len(ended) == len(workers) else None
