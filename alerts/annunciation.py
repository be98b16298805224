"""Each time an alarm was put before people, or would have been had it not been set aside or explained.

An alarm is one row however often it comes; what people on duty bear is counted here. A row is written in the
transaction in which the alarm is raised, raised again, or brought back.
"""

from collections.abc import Collection

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.alarm import ASIDE, Alarm, AlarmState
from registry.database import BigId, Table


class Annunciation(Table):
    """`at_ms` is our clock. `is_aside` and `is_explained`: it stood in the lists, and called nobody."""

    __tablename__ = "annunciation"
    __table_args__ = (Index("ix_annunciation_site_at", "site_id", "at_ms"), Index("ix_annunciation_at", "at_ms"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("alarm.id"), index=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    condition: Mapped[str] = mapped_column(String(64))
    severity: Mapped[str] = mapped_column(String(16))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    is_aside: Mapped[bool] = mapped_column(Boolean, default=False)
    is_explained: Mapped[bool] = mapped_column(Boolean, default=False)
    acknowledged_ms: Mapped[int | None] = mapped_column(BigInteger)
    acknowledged_by: Mapped[str | None] = mapped_column(String(64))


def annunciate(session: Session, alarm: Alarm, *, now_ms: int) -> None:
    session.add(
        Annunciation(
            alarm_id=alarm.id,
            site_id=alarm.unit.site_id,
            unit_id=alarm.unit_id,
            condition=alarm.condition,
            severity=alarm.severity,
            at_ms=now_ms,
            is_aside=AlarmState(alarm.state) in ASIDE,
            is_explained=alarm.is_explained,
        )
    )


def note_explained(session: Session, alarm_ids: Collection[int]) -> None:
    """What was last put before people, of each of these alarms, turned out to follow from something else."""
    newest = select(func.max(Annunciation.id)).where(Annunciation.alarm_id.in_(alarm_ids))
    ids = list(session.scalars(newest.group_by(Annunciation.alarm_id)))
    session.execute(update(Annunciation).where(Annunciation.id.in_(ids)).values(is_explained=True))


def note_acknowledged(session: Session, alarm: Alarm, *, by: str, now_ms: int) -> None:
    last = _last(session, alarm.id)
    if last is not None and last.acknowledged_ms is None:
        last.acknowledged_ms, last.acknowledged_by = now_ms, by


def _last(session: Session, alarm_id: int) -> Annunciation | None:
    query = select(Annunciation).where(Annunciation.alarm_id == alarm_id).order_by(Annunciation.id.desc()).limit(1)
    return session.scalar(query)
