"""Alarms that people found to be false, and why: what the figures of alarms and the report on models learn from.

A mark says nothing about the ticket: whoever is called goes and looks. It can be taken back; both stay written.
"""

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.alarm import Alarm, alarms_of_ticket, get_alarm
from alerts.errors import AlertsError
from alerts.incident import alarm_entry
from registry import activity
from registry.database import BigId, Table
from registry.role import Actor
from registry.site import Site
from registry.unit import Unit

MAX_NOTE_LENGTH = 500


class FalseCause(StrEnum):
    SENSOR = "sensor"
    LIMIT = "limit"
    WORK = "work"
    ENVIRONMENT = "environment"
    MISUSE = "misuse"
    LINK = "link"
    MODEL = "model"
    UNKNOWN = "unknown"


class FalseAlarm(Table):
    """`raised_ms` is when the alarm began, event time; a mark that was taken back has `withdrawn_ms`."""

    __tablename__ = "false_alarm"
    __table_args__ = (
        Index(
            "uq_false_alarm_standing",
            "alarm_id",
            unique=True,
            sqlite_where=text("withdrawn_ms IS NULL"),
            postgresql_where=text("withdrawn_ms IS NULL"),
        ),
        Index("ix_false_alarm_unit", "unit_id", "raised_ms"),
        Index("ix_false_alarm_site", "site_id", "raised_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("alarm.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    condition: Mapped[str] = mapped_column(String(64))
    raised_ms: Mapped[int] = mapped_column(BigInteger)
    cause: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(String(MAX_NOTE_LENGTH), default="")
    marked_by: Mapped[str] = mapped_column(String(64))
    marked_ms: Mapped[int] = mapped_column(BigInteger)
    withdrawn_by: Mapped[str | None] = mapped_column(String(64))
    withdrawn_ms: Mapped[int | None] = mapped_column(BigInteger)
    unit: Mapped[Unit] = relationship(lazy="joined")


class NoCauseGiven(AlertsError):
    """A false alarm whose cause is not known needs a note: what was found on site."""

    def __init__(self, alarm_id: int) -> None:
        super().__init__(f"alarm {alarm_id}: say what was found when the cause is not known")
        self.alarm_id = alarm_id


def mark_false(
    session: Session, alarm_id: int, *, cause: FalseCause, note: str = "", actor: Actor, now_ms: int
) -> FalseAlarm:
    """Says that there was nothing, and why. Who marks again changes cause and note. Raises NoCauseGiven."""
    alarm = get_alarm(session, alarm_id, for_update=True)
    note = note.strip()[:MAX_NOTE_LENGTH]
    if cause is FalseCause.UNKNOWN and not note:
        raise NoCauseGiven(alarm_id)
    mark = mark_of(session, alarm_id)
    if mark is None:
        mark = FalseAlarm(
            alarm_id=alarm.id,
            site_id=alarm.unit.site_id,
            unit_id=alarm.unit_id,
            condition=alarm.condition,
            raised_ms=alarm.raised_ms,
        )
        session.add(mark)
    elif (mark.cause, mark.note) == (cause.value, note):
        return mark
    mark.cause, mark.note = cause.value, note
    mark.marked_by, mark.marked_ms = actor.name, now_ms
    session.flush()
    data = {"cause": cause.value, "note": note}
    activity.append(session, [alarm_entry(alarm, "alarm.marked_false", data, actor)], now_ms=now_ms)
    return mark


def mark_ticket_false(
    session: Session, ticket_id: int, *, cause: FalseCause, note: str = "", actor: Actor, now_ms: int
) -> list[FalseAlarm]:
    """Marks every alarm of a case."""
    return [
        mark_false(session, alarm.id, cause=cause, note=note, actor=actor, now_ms=now_ms)
        for alarm in alarms_of_ticket(session, ticket_id)
    ]


def withdraw_mark(session: Session, alarm_id: int, *, actor: Actor, now_ms: int) -> bool:
    """It was real after all; whether there was a mark."""
    alarm = get_alarm(session, alarm_id, for_update=True)
    mark = mark_of(session, alarm_id)
    if mark is None:
        return False
    mark.withdrawn_by, mark.withdrawn_ms = actor.name, now_ms
    session.flush()
    activity.append(session, [alarm_entry(alarm, "alarm.mark_withdrawn", {"cause": mark.cause}, actor)], now_ms=now_ms)
    return True


def mark_of(session: Session, alarm_id: int) -> FalseAlarm | None:
    """The mark that stands."""
    query = select(FalseAlarm).where(FalseAlarm.alarm_id == alarm_id, FalseAlarm.withdrawn_ms.is_(None))
    return session.scalar(query)


def marks_of(session: Session, alarm_ids: Collection[int]) -> dict[int, FalseAlarm]:
    """The marks that stand, by alarm."""
    query = select(FalseAlarm).where(FalseAlarm.alarm_id.in_(alarm_ids), FalseAlarm.withdrawn_ms.is_(None))
    return {mark.alarm_id: mark for mark in session.scalars(query)}


def false_alarms(
    session: Session,
    *,
    since_ms: int,
    until_ms: int,
    unit_ids: Collection[int] | None = None,
    conditions: Collection[str] | None = None,
    site: str | None = None,
    visible: Collection[str] | None = None,
    limit: int | None = None,
) -> list[FalseAlarm]:
    """Marks that stand of alarms that began from `since_ms` to before `until_ms`, event time; the newest first."""
    query = select(FalseAlarm).join(Site, Site.id == FalseAlarm.site_id)
    query = query.where(
        FalseAlarm.withdrawn_ms.is_(None), FalseAlarm.raised_ms >= since_ms, FalseAlarm.raised_ms < until_ms
    )
    if unit_ids is not None:
        query = query.where(FalseAlarm.unit_id.in_(unit_ids))
    if conditions is not None:
        query = query.where(FalseAlarm.condition.in_(conditions))
    if site:
        query = query.where(Site.key == site)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return list(session.scalars(query.order_by(FalseAlarm.raised_ms.desc(), FalseAlarm.id.desc()).limit(limit)))


def count_alarms_and_false(
    session: Session, *, since_ms: int, until_ms: int, unit_ids: Collection[int] | None = None
) -> dict[str, tuple[int, int]]:
    """By condition: alarms that began in that time, and how many of them people marked as false."""
    counted = select(Alarm.condition, func.count(), func.count(FalseAlarm.id)).outerjoin(
        FalseAlarm, (FalseAlarm.alarm_id == Alarm.id) & FalseAlarm.withdrawn_ms.is_(None)
    )
    counted = counted.where(Alarm.raised_ms >= since_ms, Alarm.raised_ms < until_ms).group_by(Alarm.condition)
    if unit_ids is not None:
        counted = counted.where(Alarm.unit_id.in_(unit_ids))
    return {condition: (alarms, false) for condition, alarms, false in session.execute(counted)}
