"""The activity log: everything that happened, append-only, each row bound to the one before by its hash.

It is audit trail, history and the source of the live stream at once. Ids have no gaps and are in order of commit,
because the head row is held from reading it until the end of the transaction; so a reader that knows the last id it
saw misses nothing.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, cast, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import BigId, Table, compact_json

GENESIS_HASH = "0" * 64
HEAD_ID = 1


class Activity(Table):
    """One thing that happened. `subject` names what it happened to, as `alarm:12`; `site` is empty when none."""

    __tablename__ = "activity"
    __table_args__ = (Index("ix_activity_subject", "subject", "id"), Index("ix_activity_unit", "unit_id", "id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(200))
    verb: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    site: Mapped[str] = mapped_column(String(64), default="")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class ActivityHead(Table):
    """The one row that says where the chain ends; whoever appends holds it."""

    __tablename__ = "activity_head"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    last_id: Mapped[int] = mapped_column(BigInteger)
    last_hash: Mapped[str] = mapped_column(String(64))


LOG, HEAD = (each.metadata.tables[each.__tablename__] for each in (Activity, ActivityHead))


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded; `data` holds JSON values only."""

    verb: str
    subject: str
    actor: str = "system"
    site: str = ""
    unit_id: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainFault:
    activity_id: int
    reason: str


def entry_hash(
    *,
    id_: int,
    at_ms: int,
    actor: str,
    verb: str,
    subject: str,
    site: str,
    unit_id: int | None,
    data: Any,
    previous: str,
) -> str:
    """SHA-256 over the row's compact JSON, the hash of the row before included."""
    text = compact_json([id_, at_ms, actor, verb, subject, site, unit_id, data, previous])
    return hashlib.sha256(text.encode()).hexdigest()


def append(session: Session, entries: Sequence[Entry], *, now_ms: int) -> int:
    """Appends within the caller's transaction; returns the id of the last row written."""
    # Tables and not objects: whatever happens here is appended to this log, and nobody looks at the objects.
    session.flush()
    held = select(HEAD.c.last_id, HEAD.c.last_hash).where(HEAD.c.id == HEAD_ID).with_for_update()
    last_id_, last_hash = session.execute(held).one()
    rows = []
    for entry in entries:
        last_id_ += 1
        digest = entry_hash(
            id_=last_id_,
            at_ms=now_ms,
            actor=entry.actor,
            verb=entry.verb,
            subject=entry.subject,
            site=entry.site,
            unit_id=entry.unit_id,
            data=entry.data,
            previous=last_hash,
        )
        rows.append(
            {
                "id": last_id_,
                "at_ms": now_ms,
                "actor": entry.actor,
                "verb": entry.verb,
                "subject": entry.subject,
                "site": entry.site,
                "unit_id": entry.unit_id,
                "data": entry.data,
                "previous_hash": last_hash,
                "hash": digest,
            }
        )
        last_hash = digest
    if rows:
        session.execute(insert(LOG), rows)
        session.execute(update(HEAD).where(HEAD.c.id == HEAD_ID).values(last_id=last_id_, last_hash=last_hash))
    return int(last_id_)


def last_id(session: Session) -> int:
    return session.scalar(select(ActivityHead.last_id).where(ActivityHead.id == HEAD_ID)) or 0


def last_at_ms(session: Session) -> int:
    """When the last row was written; 0 when there is none."""
    newest = select(Activity.at_ms).join(ActivityHead, Activity.id == ActivityHead.last_id)
    return session.scalar(newest.where(ActivityHead.id == HEAD_ID)) or 0


def has_happened(session: Session, site: str, *, after_id: int, but: str) -> bool:
    """Whether anything else than `but` was logged of a site since that row."""
    query = select(Activity.id).where(Activity.id > after_id, Activity.site == site, Activity.verb != but).limit(1)
    return session.scalar(query) is not None


def after(
    session: Session, after_id: int, *, visible: Collection[str] | None = None, limit: int = 100
) -> list[Activity]:
    """Rows after an id in their order; `visible` limits them to sites a person may see (and rows of no site)."""
    query = select(Activity).where(Activity.id > after_id).order_by(Activity.id).limit(limit)
    if visible is not None:
        query = query.where(or_(Activity.site.in_(visible), Activity.site == ""))
    return list(session.scalars(query))


def of_subject(session: Session, subject: str) -> list[Activity]:
    return list(session.scalars(select(Activity).where(Activity.subject == subject).order_by(Activity.id)))


def of_unit(session: Session, unit_id: int, *, limit: int = 50) -> list[Activity]:
    """The newest rows about a unit, newest first."""
    query = select(Activity).where(Activity.unit_id == unit_id).order_by(Activity.id.desc()).limit(limit)
    return list(session.scalars(query))


def verify_chain(session: Session) -> Iterator[ChainFault]:
    """Walks the whole chain and yields every break; none means that no row was added, changed or removed."""
    expected_id, previous = 1, GENESIS_HASH
    # As text: data that somebody made unreadable must not end the walk.
    columns = [column for column in Activity.__table__.c if column.name != "data"]
    query = select(*columns, cast(Activity.data, Text).label("data")).order_by(Activity.id)
    for row in session.execute(query.execution_options(yield_per=1000)):
        if row.id != expected_id:
            yield ChainFault(expected_id, f"rows {expected_id} to {row.id - 1} are missing")
        elif row.previous_hash != previous:
            yield ChainFault(row.id, "does not follow from the row before it")
        try:
            data = json.loads(row.data)
        except ValueError:
            data = None
        digest = entry_hash(
            id_=row.id,
            at_ms=row.at_ms,
            actor=row.actor,
            verb=row.verb,
            subject=row.subject,
            site=row.site,
            unit_id=row.unit_id,
            data=data,
            previous=row.previous_hash,
        )
        if digest != row.hash:
            yield ChainFault(row.id, "was changed after it was written")
        expected_id, previous = row.id + 1, row.hash
    head = session.get(ActivityHead, HEAD_ID)
    if head is None or head.last_id != expected_id - 1 or head.last_hash != previous:
        yield ChainFault(expected_id, "the end of the chain does not match its head: rows at the end are missing")
