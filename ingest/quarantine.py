"""Quarantine: messages that could not be taken, with their bytes and the reason, until somebody looks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, LargeBinary, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest.errors import Reason
from ingest.wire import RawMessage
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


def count_by_reason(session: Session) -> dict[Reason, int]:
    query = (
        select(QuarantinedMessage.reason, func.count())
        .where(QuarantinedMessage.replayed_ms.is_(None))
        .group_by(QuarantinedMessage.reason)
    )
    return {Reason(reason): count for reason, count in session.execute(query)}


def newest(session: Session, *, before_id: int | None = None, limit: int = 50) -> list[QuarantinedMessage]:
    query = select(QuarantinedMessage).order_by(QuarantinedMessage.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(QuarantinedMessage.id < before_id)
    return list(session.scalars(query))


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
