"""Coverage: for which minutes there is data of a unit, whenever it came.

A row holds the sixty minutes of an hour as bits. Bits are only ever set, so that duplicates, several workers and a
backlog of last week leave the same as if everything had come once and in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ForeignKey, Integer, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.reading import Ints
from registry.database import Table

MS_PER_MIN = 60_000
MINUTES_PER_H = 60


class CoverageHour(Table):
    """Bit m of `minutes` stands for minute m of the hour that begins `hour` hours after 1970 (UTC)."""

    __tablename__ = "coverage"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    hour: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    minutes: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a span there is data of; `share` is None where the span has no length."""

    start_ms: int
    end_ms: int
    covered_ms: int

    @property
    def total_ms(self) -> int:
        return max(0, self.end_ms - self.start_ms)

    @property
    def share(self) -> float | None:
        return self.covered_ms / self.total_ms if self.total_ms else None


def hours_of(unit_ids: Ints, minutes: Ints) -> list[dict[str, int]]:
    """Rows to put, from pairs of unit and minute after 1970 (both (n,)); each unit and hour once."""
    found: dict[tuple[int, int], int] = {}
    for unit_id, minute in zip(unit_ids.tolist(), minutes.tolist(), strict=True):
        key = (unit_id, minute // MINUTES_PER_H)
        found[key] = found.get(key, 0) | 1 << minute % MINUTES_PER_H
    return [{"unit_id": unit_id, "hour": hour, "minutes": bits} for (unit_id, hour), bits in sorted(found.items())]


def put_hours(session: Session, rows: Sequence[dict[str, int]]) -> None:
    if rows:
        connection = session.connection()
        connection.execute(_PUT_ON_POSTGRESQL if connection.dialect.name == "postgresql" else _PUT_ON_SQLITE, rows)


def _upsert(insert: Any) -> Any:
    row = insert(CoverageHour.__table__)
    changed = CoverageHour.minutes.op("|")(row.excluded.minutes)
    return row.on_conflict_do_update(index_elements=["unit_id", "hour"], set_={"minutes": changed})


_PUT_ON_POSTGRESQL, _PUT_ON_SQLITE = _upsert(postgresql.insert), _upsert(sqlite.insert)


def first_minute_ms(session: Session, unit_id: int) -> int | None:
    """The beginning of the first minute of which there is data."""
    hour = session.scalar(select(func.min(CoverageHour.hour)).where(CoverageHour.unit_id == unit_id))
    if hour is None:
        return None
    bits = session.get_one(CoverageHour, (unit_id, hour)).minutes
    return (hour * MINUTES_PER_H + (bits & -bits).bit_length() - 1) * MS_PER_MIN


def coverage_of(session: Session, unit_id: int, *, start_ms: int, end_ms: int, pause_ms: int) -> Coverage:
    """The share of the span with data. It begins with the first data of the unit at the earliest.

    A pause of up to `pause_ms` between one minute with data and the next is not a hole: some units speak seldom.
    """
    return coverage_by_span(session, unit_id, edges_ms=[start_ms, end_ms], pause_ms=pause_ms)[0]


def coverage_by_span(session: Session, unit_id: int, *, edges_ms: Sequence[int], pause_ms: int) -> list[Coverage]:
    """Coverage of the spans between consecutive edges, as `coverage_of` has it."""
    first_ms = first_minute_ms(session, unit_id)
    if first_ms is None:
        return [Coverage(end, end, 0) for end in edges_ms[1:]]
    start_ms, end_ms = edges_ms[0], edges_ms[-1]
    minutes = _minutes_between(session, unit_id, start_ms - pause_ms - MS_PER_MIN, end_ms + pause_ms + MS_PER_MIN)
    begins, ends = _stretches(minutes, pause_ms)
    spans = []
    for start, end in pairwise(edges_ms):
        since = min(max(start, first_ms), end)
        covered = np.minimum(ends, end) - np.maximum(begins, since)
        spans.append(Coverage(since, end, int(covered[covered > 0].sum())))
    return spans


def _minutes_between(session: Session, unit_id: int, start_ms: int, end_ms: int) -> Ints:
    per_h = MS_PER_MIN * MINUTES_PER_H
    query = select(CoverageHour.hour, CoverageHour.minutes).where(
        CoverageHour.unit_id == unit_id,
        CoverageHour.hour >= start_ms // per_h,
        CoverageHour.hour <= end_ms // per_h,
    )
    rows = np.array([tuple(row) for row in session.execute(query.order_by(CoverageHour.hour))], dtype=np.int64)
    if not len(rows):
        return np.empty(0, dtype=np.int64)
    is_set = (rows[:, 1, None] >> np.arange(MINUTES_PER_H)) & 1 == 1
    minutes: Ints = (rows[:, 0, None] * MINUTES_PER_H + np.arange(MINUTES_PER_H))[is_set]
    return minutes


def _stretches(minutes: Ints, pause_ms: int) -> tuple[Ints, Ints]:
    """Beginnings and ends (ms) of the stretches of data, from the minutes of which there is some, in order."""
    if not len(minutes):
        return minutes, minutes
    breaks = np.flatnonzero(np.diff(minutes) * MS_PER_MIN > max(pause_ms, MS_PER_MIN))
    begins = minutes[np.r_[0, breaks + 1]] * MS_PER_MIN
    ends = (minutes[np.r_[breaks, len(minutes) - 1]] + 1) * MS_PER_MIN
    return begins, ends
