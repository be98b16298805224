"""Coverage: for which minutes there is data of a unit, whenever it came.

A row holds the sixty minutes of an hour as bits. Bits are only ever set, so that duplicates, several workers and a
backlog of last week leave the same as if everything had come once and in order.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ForeignKey, Integer, and_, func, not_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.reading import Ints
from registry.database import Table, portions

MS_PER_MIN = 60_000
MINUTES_PER_H = 60
WHOLE_HOUR = (1 << MINUTES_PER_H) - 1


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


def first_minutes_ms(session: Session, unit_ids: Collection[int]) -> dict[int, int]:
    """The beginning of the first minute of which there is data, by unit; units without data are absent."""
    found = {}
    for some in portions(unit_ids):
        first = (
            select(CoverageHour.unit_id, func.min(CoverageHour.hour).label("hour"))
            .where(CoverageHour.unit_id.in_(some))
            .group_by(CoverageHour.unit_id)
            .subquery()
        )
        at_first = (CoverageHour.unit_id == first.c.unit_id) & (CoverageHour.hour == first.c.hour)
        query = select(CoverageHour.unit_id, CoverageHour.hour, CoverageHour.minutes).join(first, at_first)
        for unit_id, hour, bits in session.execute(query):
            found[unit_id] = (hour * MINUTES_PER_H + (bits & -bits).bit_length() - 1) * MS_PER_MIN
    return found


def covered_by_unit(session: Session, pauses_ms: Mapping[int, int], *, start_ms: int, end_ms: int) -> dict[int, int]:
    """Covered milliseconds of a span by unit, each as `coverage_of` has it; `pauses_ms` by unit.

    Whole hours are counted by the database, so that years of many units need not be looked at minute by minute.
    """
    found = dict.fromkeys(pauses_ms, 0)
    if start_ms >= end_ms:
        return found
    per_h = MS_PER_MIN * MINUTES_PER_H
    first_h, last_h = start_ms // per_h, end_ms // per_h
    # A pause between two minutes is bridged when it is usual: those units are looked at minute by minute.
    seldom = [unit_id for unit_id, pause_ms in pauses_ms.items() if pause_ms >= 2 * MS_PER_MIN]
    for some in portions(pauses_ms.keys() - set(seldom)):
        of_units = CoverageHour.unit_id.in_(some)
        is_inner = CoverageHour.hour.between(first_h + 1, last_h - 1)
        is_whole = CoverageHour.minutes == WHOLE_HOUR
        wholes = select(CoverageHour.unit_id, func.count()).where(of_units, is_inner, is_whole)
        for unit_id, count in session.execute(wholes.group_by(CoverageHour.unit_id)):
            found[unit_id] = count * per_h
        parts = select(CoverageHour.unit_id, CoverageHour.hour, CoverageHour.minutes).where(
            of_units, CoverageHour.hour.between(first_h, last_h), not_(and_(is_inner, is_whole))
        )
        for unit_id, hour, bits in session.execute(parts):
            found[unit_id] += _covered_in_hour(hour, bits, start_ms, end_ms)
    for unit_id in seldom:
        pause_ms = pauses_ms[unit_id]
        found[unit_id] = coverage_of(session, unit_id, start_ms=start_ms, end_ms=end_ms, pause_ms=pause_ms).covered_ms
    return found


def _covered_in_hour(hour: int, bits: int, start_ms: int, end_ms: int) -> int:
    began_ms = hour * MINUTES_PER_H * MS_PER_MIN
    if start_ms <= began_ms and began_ms + MINUTES_PER_H * MS_PER_MIN <= end_ms:
        return bits.bit_count() * MS_PER_MIN
    minutes = (began_ms + MS_PER_MIN * minute for minute in range(MINUTES_PER_H) if bits >> minute & 1)
    return sum(max(0, min(at + MS_PER_MIN, end_ms) - max(at, start_ms)) for at in minutes)


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
