"""The outbox: batches of readings that are committed and on their way to the telemetry store.

A batch is written here in the same transaction as its alarms and its counts. From then on it is safe, the broker may be
told, and the store may be slow, down, or killed: what stands here is written to it later, oldest first, and leaves only
in the transaction that counts it as stored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
import numpy as np
from sqlalchemy import BigInteger, Integer, LargeBinary, String, delete, func, insert, select
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.database import BigId, Table

WALK_STEP = 20


class OutboxBatch(Table):
    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(32), unique=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    value_count: Mapped[int] = mapped_column(Integer)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class PendingBatch:
    batch_id: str
    value_count: int
    blocks: tuple[ReadingBlock, ...]


class _PackedBlock(msgspec.Struct, array_like=True):
    kind: str
    metrics: list[str]
    units: list[tuple[str, str]]
    unit_index: bytes
    ts_ms: bytes
    values: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_PackedBlock])


def pack(blocks: Sequence[ReadingBlock]) -> bytes:
    return _encoder.encode(
        [
            _PackedBlock(
                kind=block.kind.value,
                metrics=list(block.metrics),
                units=[(unit.site, unit.unit) for unit in block.units],
                unit_index=block.unit_index.astype("<i4").tobytes(),
                ts_ms=block.ts_ms.astype("<i8").tobytes(),
                values=block.values.astype("<f8").tobytes(),
            )
            for block in blocks
        ]
    )


def unpack(payload: bytes) -> tuple[ReadingBlock, ...]:
    """The blocks of `pack`, equal in every value. Raises msgspec.DecodeError for bytes that are none."""
    blocks = []
    for packed in _decoder.decode(payload):
        kind = Kind(packed.kind)
        ts_ms = np.frombuffer(packed.ts_ms, dtype="<i8").astype(np.int64)
        blocks.append(
            ReadingBlock(
                kind=kind,
                metrics=tuple(packed.metrics),
                units=tuple(UnitKey(site, kind, unit) for site, unit in packed.units),
                unit_index=np.frombuffer(packed.unit_index, dtype="<i4").astype(np.int64),
                ts_ms=ts_ms,
                values=np.frombuffer(packed.values, dtype="<f8").reshape(len(ts_ms), len(packed.metrics)).copy(),
            )
        )
    return tuple(blocks)


def put(session: Session, batch: PendingBatch, *, now_ms: int) -> None:
    row = {
        "batch_id": batch.batch_id,
        "created_ms": now_ms,
        "value_count": batch.value_count,
        "payload": pack(batch.blocks),
    }
    session.connection().execute(_INSERT, row)


_INSERT = insert(cast(SqlTable, OutboxBatch.__table__))


def oldest(session: Session, *, limit: int) -> list[PendingBatch]:
    rows = select(OutboxBatch).order_by(OutboxBatch.id).limit(limit)
    return [PendingBatch(row.batch_id, row.value_count, unpack(row.payload)) for row in session.scalars(rows)]


def walk(session: Session) -> Iterator[PendingBatch]:
    """All of them, oldest first, few at a time: after an outage there may be more than fit into memory."""
    rows = select(OutboxBatch).order_by(OutboxBatch.id).execution_options(yield_per=WALK_STEP)
    for partition in session.scalars(rows).partitions():
        for row in partition:
            yield PendingBatch(row.batch_id, row.value_count, unpack(row.payload))
            session.expunge(row)


def remove(session: Session, batch_ids: Sequence[str]) -> int:
    """Takes batches out; returns how many values they held, counting only those that were still there."""
    gone = delete(OutboxBatch).where(OutboxBatch.batch_id.in_(batch_ids)).returning(OutboxBatch.value_count)
    return sum(session.scalars(gone.execution_options(synchronize_session=False)))


def holds(session: Session, batch_id: str) -> bool:
    return session.scalar(select(OutboxBatch.id).where(OutboxBatch.batch_id == batch_id)) is not None


def size_bytes(session: Session) -> int:
    return int(session.scalar(select(func.coalesce(func.sum(func.length(OutboxBatch.payload)), 0))) or 0)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is on its way, and since when: `oldest_ms` is None when nothing is."""

    batches: int
    size_bytes: int
    oldest_ms: int | None


def backlog(session: Session) -> Backlog:
    size = func.coalesce(func.sum(func.length(OutboxBatch.payload)), 0)
    batches, size_bytes, oldest_ms = session.execute(
        select(func.count(OutboxBatch.id), size, func.min(OutboxBatch.created_ms))
    ).one()
    return Backlog(int(batches), int(size_bytes), oldest_ms)
