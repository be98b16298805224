"""Quarantine: messages that could not be taken, with their bytes and the reason, until somebody looks."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    delete,
    false,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest.errors import Reason
from ingest.wire import PREFIX, RawMessage
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table

MAX_TOPIC_LENGTH = 1000
MAX_DETAIL_LENGTH = 300


class QuarantinedMessage(Table):
    __tablename__ = "quarantine"
    __table_args__ = (Index("ix_quarantine_replay_asked", "replay_asked_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    topic: Mapped[str] = mapped_column(String(MAX_TOPIC_LENGTH))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    reason: Mapped[str] = mapped_column(String(32), index=True)
    detail: Mapped[str] = mapped_column(String(MAX_DETAIL_LENGTH))
    replay_asked_ms: Mapped[int | None] = mapped_column(BigInteger)
    replayed_ms: Mapped[int | None] = mapped_column(BigInteger)
    discarded_ms: Mapped[int | None] = mapped_column(BigInteger)
    discarded_because: Mapped[str | None] = mapped_column(String(MAX_DETAIL_LENGTH))


@dataclass(frozen=True, slots=True)
class Quarantined:
    message: RawMessage
    reason: Reason
    detail: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.message.topic.encode() + b"\0" + self.message.payload).hexdigest()


def put(session: Session, items: Sequence[Quarantined]) -> None:
    for item in items:
        session.add(
            QuarantinedMessage(
                received_ms=item.message.received_ms,
                # PostgreSQL keeps no NUL in text; brokers refuse it too, but the door trusts nobody.
                topic=item.message.topic[:MAX_TOPIC_LENGTH].replace("\0", "�"),
                payload=item.message.payload,
                digest=item.digest,
                reason=item.reason.value,
                detail=item.detail[:MAX_DETAIL_LENGTH].replace("\0", "�"),
            )
        )
    session.flush()


def known_digests(session: Session, digests: Sequence[str]) -> set[str]:
    return set(session.scalars(select(QuarantinedMessage.digest).where(QuarantinedMessage.digest.in_(digests))))


@dataclass(frozen=True, slots=True)
class Summary:
    """A quarantined message without its bytes, of which there may be millions."""

    id: int
    received_ms: int
    topic: str
    size_bytes: int
    digest: str
    reason: Reason
    detail: str
    replay_asked_ms: int | None
    replayed_ms: int | None
    discarded_ms: int | None
    discarded_because: str | None


def _of_sites(visible: Collection[str] | None) -> ColumnElement[bool]:
    """Messages whose topic names one of the sites; a topic that names no site is for those who see all sites."""
    if visible is None:
        return true()
    return or_(false(), *(QuarantinedMessage.topic.startswith(f"{PREFIX}/{site}/") for site in sorted(visible)))


_WAITING = (QuarantinedMessage.replayed_ms.is_(None), QuarantinedMessage.discarded_ms.is_(None))


def count_by_reason(session: Session, *, visible: Collection[str] | None = None) -> dict[Reason, int]:
    query = (
        select(QuarantinedMessage.reason, func.count())
        .where(*_WAITING, _of_sites(visible))
        .group_by(QuarantinedMessage.reason)
    )
    return {Reason(reason): count for reason, count in session.execute(query)}


def newest(
    session: Session,
    *,
    visible: Collection[str] | None = None,
    reason: Reason | None = None,
    topic_part: str = "",
    before_id: int | None = None,
    limit: int = 50,
) -> list[Summary]:
    kept = QuarantinedMessage
    query = (
        select(
            kept.id,
            kept.received_ms,
            kept.topic,
            func.length(kept.payload).label("size_bytes"),
            kept.digest,
            kept.reason,
            kept.detail,
            kept.replay_asked_ms,
            kept.replayed_ms,
            kept.discarded_ms,
            kept.discarded_because,
        )
        .where(_of_sites(visible))
        .order_by(kept.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(kept.id < before_id)
    if reason is not None:
        query = query.where(kept.reason == reason.value)
    if topic_part:
        query = query.where(kept.topic.contains(topic_part, autoescape=True))
    return [
        Summary(
            id=row.id,
            received_ms=row.received_ms,
            topic=row.topic,
            size_bytes=row.size_bytes,
            digest=row.digest,
            reason=Reason(row.reason),
            detail=row.detail,
            replay_asked_ms=row.replay_asked_ms,
            replayed_ms=row.replayed_ms,
            discarded_ms=row.discarded_ms,
            discarded_because=row.discarded_because,
        )
        for row in session.execute(query)
    ]


def heads(session: Session, message_ids: Collection[int], *, size_bytes: int) -> dict[int, bytes]:
    """The first bytes of messages, for people to recognise them by."""
    head = func.substr(QuarantinedMessage.payload, 1, size_bytes, type_=LargeBinary)
    query = select(QuarantinedMessage.id, head).where(QuarantinedMessage.id.in_(message_ids))
    return {id_: bytes(found) for id_, found in session.execute(query)}


def find_message(
    session: Session, message_id: int, *, visible: Collection[str] | None = None
) -> QuarantinedMessage | None:
    return session.scalar(select(QuarantinedMessage).where(QuarantinedMessage.id == message_id, _of_sites(visible)))


def waiting(
    session: Session,
    *,
    reason: Reason | None = None,
    ids: Collection[int] | None = None,
    site: str | None = None,
    after_id: int = 0,
    limit: int = 500,
) -> list[QuarantinedMessage]:
    """Messages that were neither replayed nor discarded, oldest first."""
    query = select(QuarantinedMessage).where(*_WAITING, QuarantinedMessage.id > after_id)
    if reason is not None:
        query = query.where(QuarantinedMessage.reason == reason.value)
    if ids is not None:
        query = query.where(QuarantinedMessage.id.in_(ids))
    if site is not None:
        query = query.where(_of_sites([site]))
    return list(session.scalars(query.order_by(QuarantinedMessage.id).limit(limit)))


def ask_replay(
    session: Session,
    *,
    by: str,
    now_ms: int,
    message_id: int | None = None,
    reason: Reason | None = None,
    visible: Collection[str] | None = None,
) -> int:
    """Asks the ingest to take a message, or all of a reason, once more; returns how many wait for it now."""
    kept = QuarantinedMessage
    wanted = [*_WAITING, kept.replay_asked_ms.is_(None), _of_sites(visible)]
    if message_id is not None:
        wanted.append(kept.id == message_id)
    if reason is not None:
        wanted.append(kept.reason == reason.value)
    asked = session.execute(update(kept).where(*wanted).values(replay_asked_ms=now_ms))
    count = int(asked.rowcount)  # type: ignore[attr-defined]
    if count:
        subject = "quarantine" if message_id is None else f"quarantine:{message_id}"
        data = {"messages": count, "reason": reason.value if reason else ""}
        activity.append(session, [Entry("quarantine.replay_asked", subject, actor=by, data=data)], now_ms=now_ms)
    return count


def asked_again(session: Session, *, after_id: int = 0, limit: int) -> list[tuple[int, str]]:
    """Ids and topics of messages that somebody asked for again, oldest first."""
    kept = QuarantinedMessage
    query = select(kept.id, kept.topic).where(*_WAITING, kept.replay_asked_ms.is_not(None), kept.id > after_id)
    return [(row.id, row.topic) for row in session.execute(query.order_by(kept.id).limit(limit))]


def mark_replayed(session: Session, message_id: int, *, now_ms: int) -> None:
    session.get_one(QuarantinedMessage, message_id).replayed_ms = now_ms


def discard(session: Session, message: QuarantinedMessage, *, because: str, by: str, now_ms: int) -> bool:
    """Puts a message aside for good; its bytes stay as long as those of others. False when it was aside already."""
    if message.discarded_ms is not None or message.replayed_ms is not None:
        return False
    message.discarded_ms = now_ms
    message.discarded_because = because[:MAX_DETAIL_LENGTH]
    data = {"topic": message.topic[:200], "reason": message.reason, "because": message.discarded_because}
    entry = Entry("quarantine.discarded", f"quarantine:{message.id}", actor=by, data=data)
    activity.append(session, [entry], now_ms=now_ms)
    return True


def let_go(session: Session, *, before_ms: int, limit: int, now_ms: int) -> int:
    """Deletes messages that were kept long enough, oldest first, and writes down how many; returns the number."""
    old = select(QuarantinedMessage.id).where(QuarantinedMessage.received_ms < before_ms)
    ids = list(session.scalars(old.order_by(QuarantinedMessage.id).limit(limit)))
    if ids:
        session.execute(delete(QuarantinedMessage).where(QuarantinedMessage.id.in_(ids)))
        data = {"messages": len(ids), "received_before_ms": before_ms}
        activity.append(session, [Entry("quarantine.let_go", "quarantine", data=data)], now_ms=now_ms)
    return len(ids)
