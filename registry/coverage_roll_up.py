"""Coverage rolled up by unit and month, so that years of many units are counted at once.

A row holds what each day of the month holds (`models.covered_minutes`), for the days before `CoverageRolled.until_day`.
What changes an hour of a day that may have been rolled up leaves a mark in the same transaction (`put_hours`); as long
as a mark stands, the unit is counted from its hours. A figure is therefore never that of yesterday's data: rolling up
makes it fast, not different.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from sqlalchemy import ForeignKey, Integer, LargeBinary, and_, delete, func, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.covered_minutes import (
    SHARE,
    Shares,
    covered_share,
    day_of_hour,
    day_of_ms,
    day_shares,
    first_day_of,
    first_hour_of,
    month_of_day,
    usual_pause_min,
)
from registry.coverage import PAUSE_REACH_H, CoverageHour, CoverageMark, hour_rows
from registry.database import BigId, Table
from registry.unit import Unit
from registry.unit_life import pauses_of

SETTLED_AFTER_MS = 12 * 3_600_000
"""So long after its end a day is rolled up: pauses across its end are over by then, and what comes for it is marked."""
UNITS_AT_ONCE = 100
MARKS_AT_ONCE = 50
ROLL_UP_LOCK = 4_107_271_866
REACH_H = PAUSE_REACH_H + 1


class CoverageMonth(Table):
    """`days` are the shares of its days; `covered_min` is what they cover where `pause_min` is the usual pause."""

    __tablename__ = "coverage_month"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    month: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    pause_min: Mapped[int] = mapped_column(Integer)
    covered_min: Mapped[int] = mapped_column(Integer)
    days: Mapped[bytes] = mapped_column(LargeBinary)


class CoverageRolled(Table):
    """One row: the days before `until_day` are rolled up; those before `to_day` are about to be, unit after unit."""

    __tablename__ = "coverage_rolled"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    until_day: Mapped[int] = mapped_column(Integer)
    to_day: Mapped[int | None] = mapped_column(Integer)
    after_unit_id: Mapped[int] = mapped_column(BigId)


def rolled_until(session: Session) -> int | None:
    """The first day that is not rolled up; None while nothing is."""
    return session.scalar(select(CoverageRolled.until_day))


def roll_up_coverage(session: Session, *, now_ms: int) -> bool:
    """Does a portion of what is to be done: late data first. Returns whether there may be more to do.

    Several workers may call it; one at a time does something. Call it until it returns False.
    """
    if not is_only_worker(session, ROLL_UP_LOCK):
        return False
    rolled = session.get(CoverageRolled, 1)
    if rolled is None:
        first_h = session.scalar(select(func.min(CoverageHour.hour)))
        if first_h is None:
            return False
        # A clock that is ahead may have sent the first hour; what comes before it will leave no mark.
        first_day = min(day_of_hour(first_h), day_of_ms(now_ms - SETTLED_AFTER_MS))
        rolled = CoverageRolled(id=1, until_day=first_day, to_day=None, after_unit_id=0)
        session.add(rolled)
        session.flush()
    return _follow_marks(session, rolled) or _go_on(session, rolled, now_ms=now_ms)


def is_only_worker(session: Session, lock: int) -> bool:
    """Whether nobody else does this work now; it stays so until the transaction ends."""
    if session.get_bind().dialect.name == "sqlite":
        # A second one would not have come so far.
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock}))


def _follow_marks(session: Session, rolled: CoverageRolled) -> bool:
    marked = select(CoverageMark.unit_id, CoverageMark.month).distinct().limit(MARKS_AT_ONCE)
    pairs = [(unit_id, month) for unit_id, month in session.execute(marked)]
    if not pairs:
        return False
    # Marks go first: what is committed after this leaves one of its own, what was committed before is read below.
    of_pairs = or_(*(and_(CoverageMark.unit_id == unit, CoverageMark.month == month) for unit, month in pairs))
    session.execute(delete(CoverageMark).where(of_pairs))
    done_day = max(rolled.until_day, rolled.to_day or 0)
    for month in sorted({month for _, month in pairs}):
        begin, end = first_day_of(month), min(first_day_of(month + 1), done_day)
        units = sorted(unit_id for unit_id, of in pairs if of == month)
        if begin < end:
            _roll(session, units, begin, end, keep=False)
    return True


def _go_on(session: Session, rolled: CoverageRolled, *, now_ms: int) -> bool:
    if rolled.to_day is None:
        month_end = first_day_of(month_of_day(rolled.until_day) + 1)
        to_day = min(day_of_ms(now_ms - SETTLED_AFTER_MS), month_end)
        if to_day <= rolled.until_day:
            return False
        rolled.to_day, rolled.after_unit_id = to_day, 0
    query = select(Unit.id).where(Unit.id > rolled.after_unit_id).order_by(Unit.id).limit(UNITS_AT_ONCE)
    units = list(session.scalars(query))
    if not units:
        rolled.until_day, rolled.to_day = rolled.to_day, None
        return True
    _roll(session, units, rolled.until_day, rolled.to_day, keep=True)
    rolled.after_unit_id = units[-1]
    return True


def _roll(session: Session, units: list[int], begin: int, end: int, *, keep: bool) -> None:
    """Writes the days of one month anew; other days of the month stay, or go."""
    month = month_of_day(begin)
    ids, hours, bits = hour_rows(session, units, first_hour_of(begin) - REACH_H, first_hour_of(end) + REACH_H)
    of, shares = day_shares(np.searchsorted(units, ids), hours, bits, first_day=begin, end_day=end)
    before: dict[int, Shares] = {}
    if keep:
        query = select(CoverageMonth.unit_id, CoverageMonth.days)
        query = query.where(CoverageMonth.unit_id.in_(units), CoverageMonth.month == month)
        before = {unit_id: np.frombuffer(days, dtype=SHARE) for unit_id, days in session.execute(query)}
    pauses = pauses_of(session, units)
    edges = np.searchsorted(of, np.arange(len(units) + 1))
    rows = []
    offset, end_offset = begin - first_day_of(month), end - first_day_of(month)
    for place, unit_id in enumerate(units):
        new = shares[edges[place] : edges[place + 1]]
        old = before.get(unit_id)
        if old is not None:
            new = np.concatenate((old[old["day"] < offset], new, old[old["day"] >= end_offset]))
        pause_min = usual_pause_min(pauses.get(unit_id, 0))
        covered = int(new["minutes"][covered_share(new, pause_min)].sum(dtype=np.int64))
        rows.append(
            {
                "unit_id": unit_id,
                "month": month,
                "pause_min": pause_min,
                "covered_min": covered,
                "days": new.tobytes(),
            }
        )
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    session.connection().execute(_PUT_ON_POSTGRESQL if is_postgresql else _PUT_ON_SQLITE, rows)


def _upsert(insert: Any) -> Any:
    row = insert(CoverageMonth.__table__)
    changed = {name: row.excluded[name] for name in ("pause_min", "covered_min", "days")}
    return row.on_conflict_do_update(index_elements=["unit_id", "month"], set_=changed)


_PUT_ON_POSTGRESQL, _PUT_ON_SQLITE = _upsert(postgresql.insert), _upsert(sqlite.insert)


def marked_units(session: Session, *, first_month: int, last_month: int) -> Collection[int]:
    """Ids of the units of which data came late for one of these months, and is not in the roll-up yet."""
    query = select(CoverageMark.unit_id).where(CoverageMark.month.between(first_month, last_month)).distinct()
    return set(session.scalars(query))
