"""What is known of each unit as a sender: when it was last heard, how often it usually speaks, how its clock goes.

Written by the ingest workers a few times a minute; several of them add to the same rows, and the newest word stays.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, String, case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import Table, portions
from registry.site import Site
from registry.unit import Unit

CHUNK = 500
USUAL_PAUSES = 3
"""As many of its usual pauses may pass between two readings without a hole in the data."""


class UnitLife(Table):
    """`heard_ms` is the arrival of its last reading, `newest_ms` the newest time that a reading of it bears.

    `interval_ms` is the usual pause between arrivals, null until it was learned; `limit_ms` is the pause after which
    nobody can say how the unit is. `skew_ms` is by how much its clock is behind ours (negative: ahead), null until it
    was measured.
    """

    __tablename__ = "unit_life"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    heard_ms: Mapped[int] = mapped_column(BigInteger)
    newest_ms: Mapped[int] = mapped_column(BigInteger)
    interval_ms: Mapped[int | None] = mapped_column(BigInteger)
    gap_count: Mapped[int] = mapped_column(Integer, default=0)
    limit_ms: Mapped[int] = mapped_column(BigInteger)
    skew_ms: Mapped[int | None] = mapped_column(BigInteger)
    late_values: Mapped[int] = mapped_column(BigInteger, default=0)
    late_ms: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def pause_ms(self) -> int:
        """A pause that is no hole in its data."""
        return USUAL_PAUSES * self.interval_ms if self.interval_ms is not None else self.limit_ms


class GatewayClock(Table):
    """A gateway as a sender; `skew_ms` as above."""

    __tablename__ = "gateway_clock"

    site_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    gateway: Mapped[str] = mapped_column(String(200), primary_key=True)
    heard_ms: Mapped[int] = mapped_column(BigInteger)
    skew_ms: Mapped[int | None] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class LifeWord:
    """What one worker learned of one unit."""

    unit_id: int
    heard_ms: int
    newest_ms: int
    interval_ms: int | None
    gap_count: int
    limit_ms: int
    skew_ms: int | None


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """A clock that is wrong by more than is tolerated; `unit` is None for a gateway's."""

    site_key: str
    name: str
    unit: Unit | None
    skew_ms: int


def put_life(session: Session, words: Sequence[LifeWord]) -> None:
    if words:
        rows = [{field: getattr(word, field) for field in LifeWord.__slots__} | {"late_values": 0} for word in words]
        session.connection().execute(_insert(session, UnitLife, _life_changes), rows)


def put_gateways(session: Session, rows: Sequence[tuple[str, str, int, int | None]]) -> None:
    """Rows of (site, gateway, heard_ms, skew_ms)."""
    if rows:
        named = [{"site_key": s[:64], "gateway": g[:200], "heard_ms": h, "skew_ms": k} for s, g, h, k in rows]
        session.connection().execute(_insert(session, GatewayClock, _gateway_changes), named)


def add_late(session: Session, counts: Mapping[int, int], *, received_ms: int, limit_ms: int) -> None:
    """Counts values that came after newer ones, by unit; within the transaction that accepts them."""
    rows = [
        {
            "unit_id": unit_id,
            "heard_ms": received_ms,
            "newest_ms": 0,
            "gap_count": 0,
            "limit_ms": limit_ms,
            "late_values": count,
            "late_ms": received_ms,
        }
        for unit_id, count in sorted(counts.items())
    ]
    if rows:
        session.connection().execute(_insert(session, UnitLife, _late_changes), rows)


def _insert(session: Session, table: type[Table], changes: Any) -> Any:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(table) if is_postgresql else sqlite.insert(table)
    larger = func.greatest if is_postgresql else func.max
    return insert.on_conflict_do_update(
        index_elements=list(table.__table__.primary_key),
        set_=changes(table, insert.excluded, larger),
    )


def _life_changes(table: Any, new: Any, larger: Any) -> dict[str, Any]:
    return {
        "heard_ms": larger(table.heard_ms, new.heard_ms),
        "newest_ms": larger(table.newest_ms, new.newest_ms),
        "interval_ms": func.coalesce(new.interval_ms, table.interval_ms),
        "gap_count": larger(table.gap_count, new.gap_count),
        "limit_ms": case((new.interval_ms.is_(None), table.limit_ms), else_=new.limit_ms),
        "skew_ms": func.coalesce(new.skew_ms, table.skew_ms),
    }


def _late_changes(table: Any, new: Any, larger: Any) -> dict[str, Any]:
    return {
        "heard_ms": larger(table.heard_ms, new.heard_ms),
        "late_values": table.late_values + new.late_values,
        "late_ms": new.late_ms,
    }


def _gateway_changes(table: Any, new: Any, larger: Any) -> dict[str, Any]:
    return {
        "heard_ms": larger(table.heard_ms, new.heard_ms),
        "skew_ms": func.coalesce(new.skew_ms, table.skew_ms),
    }


def all_lives(session: Session) -> list[UnitLife]:
    return list(session.scalars(select(UnitLife)))


def lives_of(session: Session, unit_ids: Collection[int]) -> dict[int, UnitLife]:
    found: dict[int, UnitLife] = {}
    ids = sorted(unit_ids)
    for start in range(0, len(ids), CHUNK):
        query = select(UnitLife).where(UnitLife.unit_id.in_(ids[start : start + CHUNK]))
        found.update((life.unit_id, life) for life in session.scalars(query))
    return found


def pauses_of(session: Session, unit_ids: Collection[int]) -> dict[int, int]:
    """The pauses that are no hole in the data, ms, by unit; units that were never heard are absent."""
    found: dict[int, int] = {}
    for some in portions(unit_ids):
        query = select(UnitLife.unit_id, UnitLife.interval_ms, UnitLife.limit_ms).where(UnitLife.unit_id.in_(some))
        for unit_id, interval_ms, limit_ms in session.execute(query):
            found[unit_id] = USUAL_PAUSES * interval_ms if interval_ms is not None else limit_ms
    return found


def late_units(
    session: Session, *, visible: Collection[str] | None = None, limit: int = 20
) -> list[tuple[Unit, UnitLife]]:
    """Units that sent values after newer ones, the latest first."""
    query = select(Unit, UnitLife).join(UnitLife, UnitLife.unit_id == Unit.id).join(Unit.site)
    query = query.where(UnitLife.late_values > 0).order_by(UnitLife.late_ms.desc(), Unit.id).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return [(unit, life) for unit, life in session.execute(query)]


def skewed_clocks(
    session: Session, *, above_ms: int, visible: Collection[str] | None = None, limit: int = 50
) -> list[SkewedClock]:
    """Clocks of gateways, then of units, that are off by more than `above_ms`, the worst first."""
    gateways = select(GatewayClock).where(func.abs(GatewayClock.skew_ms) > above_ms)
    units = select(Unit, UnitLife.skew_ms).join(UnitLife, UnitLife.unit_id == Unit.id).join(Unit.site)
    units = units.where(func.abs(UnitLife.skew_ms) > above_ms)
    if visible is not None:
        gateways = gateways.where(GatewayClock.site_key.in_(visible))
        units = units.where(Site.key.in_(visible))
    gateways = gateways.order_by(func.abs(GatewayClock.skew_ms).desc()).limit(limit)
    units = units.order_by(func.abs(UnitLife.skew_ms).desc()).limit(limit)
    return [
        *(SkewedClock(row.site_key, row.gateway, None, row.skew_ms or 0) for row in session.scalars(gateways)),
        *(SkewedClock(unit.site.key, unit.name, unit, skew_ms or 0) for unit, skew_ms in session.execute(units)),
    ]


def largest_skews(session: Session) -> dict[str, int]:
    """The largest skew of a gateway's clock and of a unit's, either way, in ms."""
    columns = {"gateway": GatewayClock.skew_ms, "unit": UnitLife.skew_ms}
    return {sender: session.scalar(select(func.max(func.abs(column)))) or 0 for sender, column in columns.items()}


def gateways_of(session: Session, site_key: str) -> dict[str, GatewayClock]:
    """Gateways that were heard at a site, by name."""
    query = select(GatewayClock).where(GatewayClock.site_key == site_key).order_by(GatewayClock.gateway)
    return {row.gateway: row for row in session.scalars(query)}


def pause_of(session: Session, unit_id: int) -> int:
    """The pause that is no hole in a unit's data, ms; 0 for a unit that was never heard."""
    life = session.get(UnitLife, unit_id)
    return life.pause_ms if life is not None else 0
