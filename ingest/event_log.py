"""Events as they were told, each once: identity is unit, code, point, time, and on or off."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, UniqueConstraint, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.event import Event
from models.reading import UnitKey
from registry.database import BigId, Table
from registry.unit import all_units

LOOKUP_CHUNK = 200


class EventRecord(Table):
    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("unit_id", "code", "point", "ts_ms", "is_on"),
        Index("ix_event_unit_time", "unit_id", "ts_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    code: Mapped[str] = mapped_column(String(32))
    point: Mapped[str] = mapped_column(String(100))
    ts_ms: Mapped[int] = mapped_column(BigInteger)
    is_on: Mapped[bool] = mapped_column(Boolean)
    received_ms: Mapped[int] = mapped_column(BigInteger)


EventKey = tuple[int, str, str, int, bool]


def key_of(unit_id: int, event: Event) -> EventKey:
    return (unit_id, event.code, event.point, event.ts_ms, event.is_on)


def known_keys(session: Session, keys: Sequence[EventKey]) -> set[EventKey]:
    """Which of the events were told before."""
    known: set[EventKey] = set()
    for start in range(0, len(keys), LOOKUP_CHUNK):
        part = keys[start : start + LOOKUP_CHUNK]
        query = select(
            EventRecord.unit_id, EventRecord.code, EventRecord.point, EventRecord.ts_ms, EventRecord.is_on
        ).where(EventRecord.unit_id.in_({k[0] for k in part}), EventRecord.ts_ms.in_({k[3] for k in part}))
        known.update((row.unit_id, row.code, row.point, row.ts_ms, row.is_on) for row in session.execute(query))
    return known.intersection(keys)


def put(session: Session, keys: Sequence[EventKey], *, received_ms: int) -> None:
    if not keys:
        return
    rows = [
        {"unit_id": u, "code": c, "point": p, "ts_ms": t, "is_on": on, "received_ms": received_ms}
        for u, c, p, t, on in keys
    ]
    if session.get_bind().dialect.name == "postgresql":
        session.execute(postgresql.insert(EventRecord).on_conflict_do_nothing(), rows)
    else:
        session.execute(sqlite.insert(EventRecord).on_conflict_do_nothing(), rows)


def of_unit(session: Session, unit_id: int, *, limit: int = 50) -> list[EventRecord]:
    """The newest events of a unit, newest first."""
    query = select(EventRecord).where(EventRecord.unit_id == unit_id)
    return list(session.scalars(query.order_by(EventRecord.ts_ms.desc(), EventRecord.id.desc()).limit(limit)))


def last_words(session: Session) -> list[Event]:
    """The newest word on each code and point of all units, on or off, in order of time."""
    last = (
        select(EventRecord.unit_id, EventRecord.code, EventRecord.point, func.max(EventRecord.ts_ms).label("ts_ms"))
        .group_by(EventRecord.unit_id, EventRecord.code, EventRecord.point)
        .subquery()
    )
    query = select(EventRecord).join(
        last,
        and_(
            EventRecord.unit_id == last.c.unit_id,
            EventRecord.code == last.c.code,
            EventRecord.point == last.c.point,
            EventRecord.ts_ms == last.c.ts_ms,
        ),
    )
    newest: dict[tuple[int, str, str], EventRecord] = {}
    for row in session.scalars(query.order_by(EventRecord.ts_ms, EventRecord.id)):
        newest[row.unit_id, row.code, row.point] = row
    units: dict[int, UnitKey] = {unit.id: unit.unit_key for unit in all_units(session)}
    words = sorted(newest.values(), key=lambda row: (row.ts_ms, row.id))
    return [Event(units[row.unit_id], row.ts_ms, row.code, row.is_on, row.point) for row in words]
