"""Whether a unit's state is known at all. What is not known is never shown as well.

Derived whenever somebody looks, from what the ingest wrote down; so it is right also when the ingest has ended, and
after any restart.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from models.equipment import Kind
from registry.site import Site
from registry.unit import Unit
from registry.unit_life import UnitLife

BEHIND_MS = 15 * 60_000
"""Readings that are older when they come say how the unit was, not how it is."""


class Presence(StrEnum):
    CURRENT = "current"
    STALE = "stale"
    NEVER_HEARD = "never_heard"


class StaleBecause(StrEnum):
    OFFLINE = "offline"
    """It said goodbye, or its last will or its gateway did."""
    SILENT = "silent"
    """It stopped sending."""
    BEHIND = "behind"
    """What it sends is of the past: a backlog, or a recording."""
    NOT_LISTENING = "not_listening"
    """Nobody listens: no broker, or no ingest."""


@dataclass(frozen=True, slots=True)
class PresenceFact:
    """`since_ms` is until when the state was known, None where it is known or never was."""

    presence: Presence
    because: StaleBecause | None = None
    since_ms: int | None = None


def presence_of(unit: Unit, life: UnitLife | None, *, deaf_since_ms: int | None, now_ms: int) -> PresenceFact:
    """`deaf_since_ms` is since when nobody listens, as `registry.listening.deaf_since_ms` has it."""
    if unit.is_online is False:
        return PresenceFact(Presence.STALE, StaleBecause.OFFLINE, unit.status_ms)
    if life is None:
        return PresenceFact(Presence.NEVER_HEARD)
    if deaf_since_ms is not None:
        return PresenceFact(Presence.STALE, StaleBecause.NOT_LISTENING, min(deaf_since_ms, life.heard_ms))
    if now_ms - life.heard_ms > life.limit_ms:
        return PresenceFact(Presence.STALE, StaleBecause.SILENT, life.heard_ms)
    newest_ms = life.newest_ms + (life.skew_ms or 0)
    if now_ms - newest_ms > max(life.limit_ms, BEHIND_MS):
        return PresenceFact(Presence.STALE, StaleBecause.BEHIND, life.newest_ms)
    return PresenceFact(Presence.CURRENT)


def is_current(*, now_ms: int) -> ColumnElement[bool]:
    """The same as SQL, while somebody listens; for unit joined with its life."""
    age_ms = now_ms - UnitLife.newest_ms - func.coalesce(UnitLife.skew_ms, 0)
    return and_(
        or_(Unit.is_online.is_(None), Unit.is_online.is_(True)),
        UnitLife.unit_id.is_not(None),
        now_ms - UnitLife.heard_ms <= UnitLife.limit_ms,
        or_(age_ms <= UnitLife.limit_ms, age_ms <= BEHIND_MS),
    )


def list_silent(
    session: Session, *, now_ms: int, visible: Collection[str] | None = None, limit: int = 100
) -> list[tuple[Unit, PresenceFact]]:
    """Units that were heard once and are not known now though they did not say goodbye, the latest first."""
    query = select(Unit, UnitLife).join(UnitLife, UnitLife.unit_id == Unit.id).join(Unit.site)
    query = query.where(or_(Unit.is_online.is_(None), Unit.is_online.is_(True)), ~is_current(now_ms=now_ms))
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    found = session.execute(query.order_by(UnitLife.heard_ms.desc(), Unit.id).limit(limit))
    return [(unit, presence_of(unit, life, deaf_since_ms=None, now_ms=now_ms)) for unit, life in found]


def count_unknown(
    session: Session, *, deaf_since_ms: int | None, now_ms: int, visible: Collection[str] | None = None
) -> dict[Kind, int]:
    """Units whose state is not known now, by kind; kinds without any are absent."""
    query = select(Unit.kind, func.count()).join(Unit.site).outerjoin(UnitLife, UnitLife.unit_id == Unit.id)
    if deaf_since_ms is None:
        query = query.where(func.coalesce(~is_current(now_ms=now_ms), True))
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return {Kind(kind): count for kind, count in session.execute(query.group_by(Unit.kind))}
