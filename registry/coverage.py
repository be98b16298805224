"""Coverage: for which minutes there is data of a unit, whenever it came.

A row holds the sixty minutes of an hour as bits. Bits are only ever set, so that duplicates, several workers and a
backlog of last week leave the same as if everything had come once and in order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ForeignKey, Index, Integer, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.covered_minutes import (
    LONGEST_KEPT_PAUSE_MIN,
    MINUTES_PER_H,
    MS_PER_H,
    MS_PER_MIN,
    day_of_hour,
    month_of_day,
    stretches_of,
    usual_pause_min,
)
from models.reading import Ints
from registry.database import BigId, Table, portions
from registry.unit import Unit

PAUSE_REACH_H = LONGEST_KEPT_PAUSE_MIN // MINUTES_PER_H
SETTLING_MS = 2 * MS_PER_H
"""What comes so soon is part of the usual stream; what comes later may come after its day was rolled up."""


class CoverageHour(Table):
    """Bit m of `minutes` stands for minute m of the hour that begins `hour` hours after 1970 (UTC)."""

    __tablename__ = "coverage"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    hour: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    minutes: Mapped[int] = mapped_column(BigInteger)


class CoverageMark(Table):
    """An hour of this month came late: what was rolled up of the month does not hold until the mark is gone."""

    __tablename__ = "coverage_mark"
    __table_args__ = (Index("ix_coverage_mark_month", "month", "unit_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    month: Mapped[int] = mapped_column(Integer)


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


def put_hours(session: Session, rows: Sequence[dict[str, int]], *, now_ms: int | None = None) -> None:
    """Late hours are marked, in the same transaction; all of them where it is not said when this is."""
    if not rows:
        return
    connection = session.connection()
    connection.execute(_PUT_ON_POSTGRESQL if connection.dialect.name == "postgresql" else _PUT_ON_SQLITE, rows)
    late_before_h = None if now_ms is None else (now_ms - SETTLING_MS) // MS_PER_H
    late = {
        # A pause that reaches over midnight belongs to both months.
        (row["unit_id"], month_of_day(day_of_hour(row["hour"] + reach)))
        for row in rows
        if late_before_h is None or row["hour"] < late_before_h
        for reach in (-PAUSE_REACH_H, PAUSE_REACH_H)
    }
    _mark(session, late)


def mark_months(session: Session, unit_ids: Collection[int], *, start_ms: int, end_ms: int) -> None:
    """For whoever writes hours of a span by other means."""
    first_h, last_h = start_ms // MS_PER_H - PAUSE_REACH_H, end_ms // MS_PER_H + PAUSE_REACH_H
    months = range(month_of_day(day_of_hour(first_h)), month_of_day(day_of_hour(last_h)) + 1)
    _mark(session, {(unit_id, month) for unit_id in unit_ids for month in months})


def _mark(session: Session, months: Collection[tuple[int, int]]) -> None:
    if months:
        marks = [{"unit_id": unit_id, "month": month} for unit_id, month in sorted(months)]
        session.connection().execute(insert(CoverageMark), marks)


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
    pause_min = usual_pause_min(pause_ms)
    reach_ms = (pause_min + 1) * MS_PER_MIN
    first_h, end_h = (start_ms - reach_ms) // MS_PER_H, (end_ms + reach_ms) // MS_PER_H + 1
    _, hours, bits = hour_rows(session, [unit_id], first_h, end_h)
    found = stretches_of(np.zeros(len(hours), dtype=np.int64), hours, bits, np.array([pause_min]))
    spans = []
    for start, end in pairwise(edges_ms):
        since = min(max(start, first_ms), end)
        covered = np.minimum(found.ends * MS_PER_MIN, end) - np.maximum(found.begins * MS_PER_MIN, since)
        spans.append(Coverage(since, end, int(covered[covered > 0].sum())))
    return spans


def first_minutes_ms(session: Session, unit_ids: Collection[int]) -> dict[int, int]:
    """The beginning of the first minute of which there is data, by unit; units without data are absent."""
    found = {}
    # One look at the index for each unit; to group all rows would read all of them.
    its = aliased(CoverageHour)
    first_h = select(func.min(its.hour)).where(its.unit_id == Unit.id).correlate(Unit).scalar_subquery()
    for some in portions(unit_ids):
        query = select(CoverageHour.unit_id, CoverageHour.hour, CoverageHour.minutes).join(
            Unit, (Unit.id == CoverageHour.unit_id) & (CoverageHour.hour == first_h)
        )
        for unit_id, hour, bits in session.execute(query.where(Unit.id.in_(some))):
            found[unit_id] = (hour * MINUTES_PER_H + (bits & -bits).bit_length() - 1) * MS_PER_MIN
    return found


def hour_rows(session: Session, unit_ids: Sequence[int], first_h: int, end_h: int) -> tuple[Ints, Ints, Ints]:
    """Unit ids, hours and bits of the hours before `end_h`, (n,) each, in order of units and hours."""
    found: list[Any] = []
    for some in portions(unit_ids):
        query = select(CoverageHour.unit_id, CoverageHour.hour, CoverageHour.minutes).where(
            CoverageHour.unit_id.in_(some), CoverageHour.hour >= first_h, CoverageHour.hour < end_h
        )
        found += session.execute(query.order_by(CoverageHour.unit_id, CoverageHour.hour)).all()
    rows = np.array([tuple(row) for row in found], dtype=np.int64).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]
