"""Faults of all units as rows that are read at once, kept beside the tickets and alarms that they are made from.

Triggers of the database (migration 0035) mark a unit in the same transaction in which anything changes that its faults
are made from: tickets and their moves, causes and costs, and alarms, whoever writes them. As long as a mark stands, the
faults of the unit are read from its tickets and alarms themselves: keeping them makes it fast, not different.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, delete, func, insert, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.fault_sources import read_faults
from models.equipment import Kind
from models.fault_statistics import Cause, Fault
from registry.coverage_roll_up import is_only_worker
from registry.database import BigId, Table, rows_of_units
from registry.unit import Unit

UNITS_AT_ONCE = 100
ROLL_UP_LOCK = 4_107_271_867


class FaultRecord(Table):
    """A fault as `models.fault_statistics.Fault` has it."""

    __tablename__ = "fault_record"
    __table_args__ = (Index("ix_fault_record_began", "began_ms"),)

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(40), primary_key=True)
    matter: Mapped[str] = mapped_column(String(64))
    began_ms: Mapped[int] = mapped_column(BigInteger)
    restored_ms: Mapped[int | None] = mapped_column(BigInteger)
    is_entrapment: Mapped[bool] = mapped_column(Boolean)
    stops_unit: Mapped[bool] = mapped_column(Boolean)
    cause: Mapped[str] = mapped_column(String(16))
    response_ms: Mapped[int | None] = mapped_column(BigInteger)
    arrival_ms: Mapped[int | None] = mapped_column(BigInteger)
    repair_ms: Mapped[int | None] = mapped_column(BigInteger)
    restoration_ms: Mapped[int | None] = mapped_column(BigInteger)
    normal_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    cost_fen: Mapped[int] = mapped_column(BigInteger)


class FaultMark(Table):
    """Something changed that the faults of this unit are made from."""

    __tablename__ = "fault_mark"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(BigId, index=True)


FIELDS = tuple(column.name for column in FaultRecord.__table__.columns)


def recorded_faults(session: Session, units: Mapping[int, Kind], *, start_ms: int, end_ms: int) -> list[Fault]:
    """Records that began before the end and were not over before the start; not yet joined to incidents."""
    marked = marked_units(session) & units.keys()
    kept = units.keys() - marked
    query = select(*(FaultRecord.__table__.c[name] for name in FIELDS)).where(
        FaultRecord.began_ms < end_ms,
        or_(until_ms().is_(None), until_ms() >= start_ms),
    )
    found = [_fault(row) for row in rows_of_units(session, query, FaultRecord.unit_id, sorted(kept)) if row[0] in kept]
    for fault in read_faults(session, {unit_id: units[unit_id] for unit_id in marked}):
        over_ms = fault.restored_ms if fault.restored_ms is not None else fault.ended_ms
        if fault.began_ms < end_ms and (over_ms is None or over_ms >= start_ms):
            found.append(fault)
    return found


def _fault(row: Any) -> Fault:
    unit_id, source, matter, began_ms, restored_ms, is_entrapment, stops_unit, cause, *lengths, cost_fen = row
    response_ms, arrival_ms, repair_ms, restoration_ms, normal_ms, ended_ms = lengths
    return Fault(
        unit_id=unit_id,
        source=source,
        matter=matter,
        began_ms=began_ms,
        restored_ms=restored_ms,
        is_entrapment=is_entrapment,
        stops_unit=stops_unit,
        cause=Cause(cause),
        response_ms=response_ms,
        arrival_ms=arrival_ms,
        repair_ms=repair_ms,
        restoration_ms=restoration_ms,
        normal_ms=normal_ms,
        ended_ms=ended_ms,
        cost_fen=cost_fen,
    )


def until_ms() -> Any:
    """When a record was over, in SQL; null: it is not."""
    return func.coalesce(FaultRecord.restored_ms, FaultRecord.ended_ms)


def marked_units(session: Session) -> set[int]:
    return set(session.scalars(select(FaultMark.unit_id).distinct()))


def roll_up_faults(session: Session, *, now_ms: int) -> bool:
    """Follows the marks of some units. Returns whether there may be more; call it until it returns False."""
    if not is_only_worker(session, ROLL_UP_LOCK):
        return False
    marked = list(session.scalars(select(FaultMark.unit_id).distinct().limit(UNITS_AT_ONCE)))
    if not marked:
        return False
    # Marks go first: what is committed after this leaves one of its own, what was committed before is read below.
    session.execute(delete(FaultMark).where(FaultMark.unit_id.in_(marked)))
    session.execute(delete(FaultRecord).where(FaultRecord.unit_id.in_(marked)))
    kinds = session.execute(select(Unit.id, Unit.kind).where(Unit.id.in_(marked)))
    rows = [_row(fault) for fault in read_faults(session, {unit_id: Kind(kind) for unit_id, kind in kinds})]
    if rows:
        session.connection().execute(insert(FaultRecord), rows)
    return True


def _row(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in FIELDS} | {"cause": fault.cause.value}
