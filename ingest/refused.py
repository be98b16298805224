"""Values that the telemetry store will never take, kept with the reason: accepted, so they count as pending.

They are put back into the outbox when a writer starts, for what refused them may have changed: a longer retention, a
field that was of another type.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import BigInteger, Integer, LargeBinary, String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest import outbox
from ingest.outbox import OutboxBatch, pack, unpack
from ingest.stores.contract import Refusal
from models.reading import ReadingBlock, UnitKey
from registry.database import BigId, Table

REASON_LENGTH = 300


class RefusedValues(Table):
    """What one write refused of one site for one reason."""

    __tablename__ = "refused_values"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    refused_ms: Mapped[int] = mapped_column(BigInteger)
    site: Mapped[str] = mapped_column(String(64), index=True)
    reason: Mapped[str] = mapped_column(String(REASON_LENGTH))
    value_count: Mapped[int] = mapped_column(Integer)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class Kept:
    """A row for people: `first_ms` to `last_ms` are the times of the values, both included."""

    id: int
    refused_ms: int
    reason: str
    value_count: int
    units: tuple[UnitKey, ...]
    metrics: tuple[str, ...]
    first_ms: int
    last_ms: int


def put(session: Session, refusals: Sequence[Refusal], *, now_ms: int) -> int:
    """Keep them, and return how many values they are."""
    by_site: dict[tuple[str, str], list[ReadingBlock]] = {}
    for refusal in refusals:
        block = refusal.block
        sites = np.array([unit.site for unit in block.units])[block.unit_index]
        for site in np.unique(sites).tolist():
            part = block.rows(sites == site)
            # PostgreSQL keeps no NUL in text, and a reason may quote what was refused.
            reason = refusal.reason[:REASON_LENGTH].replace("\0", "�")
            by_site.setdefault((site, reason), []).append(part)
    for (site, reason), blocks in by_site.items():
        count = sum(block.value_count for block in blocks)
        session.add(RefusedValues(refused_ms=now_ms, site=site, reason=reason, value_count=count, payload=pack(blocks)))
    session.flush()
    return sum(block.value_count for blocks in by_site.values() for block in blocks)


def put_back(session: Session, *, now_ms: int) -> None:
    """Move all of them to the outbox, to be tried again."""
    rows = session.scalars(select(RefusedValues).order_by(RefusedValues.id).execution_options(yield_per=20))
    for partition in rows.partitions():
        for row in partition:
            batch = OutboxBatch(
                batch_id=f"refused-{row.id}-{now_ms}"[:32],
                created_ms=now_ms,
                value_count=row.value_count,
                payload=row.payload,
            )
            session.add(batch)
        session.flush()
    session.execute(delete(RefusedValues))


def walk(session: Session) -> Iterator[ReadingBlock]:
    """The values of all of them, a few rows at a time."""
    rows = select(RefusedValues.payload).order_by(RefusedValues.id).execution_options(yield_per=outbox.WALK_STEP)
    for payload in session.scalars(rows):
        yield from unpack(payload)


def count_values(session: Session) -> int:
    return int(session.scalar(select(func.coalesce(func.sum(RefusedValues.value_count), 0))) or 0)


def newest(session: Session, *, visible: Collection[str] | None, limit: int) -> list[Kept]:
    """The newest rows first; of the visible sites, or of all when None."""
    query = select(RefusedValues).order_by(RefusedValues.id.desc()).limit(limit)
    if visible is not None:
        query = query.where(RefusedValues.site.in_(visible))
    return [_kept(row) for row in session.scalars(query)]


def _kept(row: RefusedValues) -> Kept:
    blocks = unpack(row.payload)
    times = np.concatenate([block.ts_ms for block in blocks])
    units = {block.units[index] for block in blocks for index in np.unique(block.unit_index).tolist()}
    metrics = {
        block.metrics[column]
        for block in blocks
        for column in np.flatnonzero(~np.isnan(block.values).all(axis=0)).tolist()
    }
    return Kept(
        id=row.id,
        refused_ms=row.refused_ms,
        reason=row.reason,
        value_count=row.value_count,
        units=tuple(sorted(units)),
        metrics=tuple(sorted(metrics)),
        first_ms=int(times.min()),
        last_ms=int(times.max()),
    )
