"""Births of Sparkplug nodes and devices, kept so that their aliases are known after a restart."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, LargeBinary, String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import Table


class SparkplugBirth(Table):
    __tablename__ = "sparkplug_birth"

    group: Mapped[str] = mapped_column("group_id", String(200), primary_key=True)
    edge: Mapped[str] = mapped_column(String(200), primary_key=True)
    device: Mapped[str] = mapped_column(String(200), primary_key=True)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    born_ms: Mapped[int] = mapped_column(BigInteger)
    life: Mapped[str] = mapped_column(String(8))
    bd_seq: Mapped[int | None] = mapped_column(BigInteger)
    gaps: Mapped[int] = mapped_column(BigInteger)


class BirthRow(NamedTuple):
    """`device` is empty for the node itself, the only one with `bd_seq` and `gaps`."""

    group: str
    edge: str
    device: str
    payload: bytes
    born_ms: int
    life: str
    bd_seq: int | None
    gaps: int


def put(session: Session, rows: Sequence[BirthRow]) -> None:
    if not rows:
        return
    names = ("group_id", *BirthRow._fields[1:])
    values = [dict(zip(names, row, strict=True)) for row in rows]
    table = SparkplugBirth.__table__
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    changed = {name: statement.excluded[name] for name in names[3:]}
    session.execute(
        statement.on_conflict_do_update(index_elements=["group_id", "edge", "device"], set_=changed), values
    )


def all_births(session: Session) -> list[BirthRow]:
    """Nodes before their devices."""
    found = session.scalars(select(SparkplugBirth).order_by(SparkplugBirth.device, SparkplugBirth.edge))
    return [BirthRow(r.group, r.edge, r.device, r.payload, r.born_ms, r.life, r.bd_seq, r.gaps) for r in found]
