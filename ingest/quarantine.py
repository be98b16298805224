"""Quarantine: messages that could not be taken, with their bytes and the reason, until somebody looks."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, LargeBinary, String, false, func, or_, select, true
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest.errors import Reason
from ingest.wire import PREFIX, RawMessage
from registry.database import BigId, Table

MAX_TOPIC_LENGTH = 1000
MAX_DETAIL_LENGTH = 300


class QuarantinedMessage(Table):
    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    topic: Mapped[str] = mapped_column(String(MAX_TOPIC_LENGTH))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    reason: Mapped[str] = mapped_column(String(32), index=True)
    detail: Mapped[str] = mapped_column(String(MAX_DETAIL_LENGTH))
    replayed_ms: Mapped[int | None] = mapped_column(BigInteger)


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
    replayed_ms: int | None


def _of_sites(visible: Collection[str] | None) -> ColumnElement[bool]:
    """Messages whose topic names one of the sites; a topic that names no site is for those who see all sites."""
    if visible is None:
        return true()
    return or_(false(), *(QuarantinedMessage.topic.startswith(f"{PREFIX}/{site}/") for site in sorted(visible)))


def count_by_reason(session: Session, *, visible: Collection[str] | None = None) -> dict[Reason, int]:
    query = (
        select(QuarantinedMessage.reason, func.count())
        .where(QuarantinedMessage.replayed_ms.is_(None), _of_sites(visible))
        .group_by(QuarantinedMessage.reason)
    )
    return {Reason(reason): count for reason, count in session.execute(query)}


def newest(
    session: Session, *, visible: Collection[str] | None = None, before_id: int | None = None, limit: int = 50
) -> list[Summary]:
    kept = QuarantinedMessage
    size = func.length(kept.payload)
    query = (
        select(kept.id, kept.received_ms, kept.topic, size, kept.digest, kept.reason, kept.detail, kept.replayed_ms)
        .where(_of_sites(visible))
        .order_by(kept.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(kept.id < before_id)
    return [
        Summary(id_, received_ms, topic, size_bytes, digest, Reason(reason), detail, replayed_ms)
        for id_, received_ms, topic, size_bytes, digest, reason, detail, replayed_ms in session.execute(query)
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
    session: Session, *, reason: Reason | None = None, after_id: int = 0, limit: int = 500
) -> list[QuarantinedMessage]:
    """Messages that were not replayed yet, oldest first."""
    query = select(QuarantinedMessage).where(QuarantinedMessage.replayed_ms.is_(None), QuarantinedMessage.id > after_id)
    if reason is not None:
        query = query.where(QuarantinedMessage.reason == reason.value)
    return list(session.scalars(query.order_by(QuarantinedMessage.id).limit(limit)))


def mark_replayed(session: Session, message_id: int, *, now_ms: int) -> None:
    session.get_one(QuarantinedMessage, message_id).replayed_ms = now_ms
