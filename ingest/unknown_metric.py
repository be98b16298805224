"""Metrics that the vocabulary of their kind does not know: stored like all others, and reported here."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, ForeignKey, String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.database import Table
from registry.unit import Unit


class UnknownMetric(Table):
    __tablename__ = "unknown_metric"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    metric: Mapped[str] = mapped_column(String(100), primary_key=True)
    first_ms: Mapped[int] = mapped_column(BigInteger)
    unit: Mapped[Unit] = relationship(lazy="joined")


def put(session: Session, found: Iterable[tuple[int, str]], *, now_ms: int) -> None:
    rows = [{"unit_id": unit_id, "metric": metric, "first_ms": now_ms} for unit_id, metric in found]
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(postgresql.insert(UnknownMetric).on_conflict_do_nothing(), rows)
    else:
        session.execute(sqlite.insert(UnknownMetric).on_conflict_do_nothing(), rows)


def newest(session: Session, *, limit: int = 200) -> list[UnknownMetric]:
    return list(session.scalars(select(UnknownMetric).order_by(UnknownMetric.first_ms.desc()).limit(limit)))
