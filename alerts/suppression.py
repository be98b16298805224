"""When a unit, a building or a compound calls nobody, because people decided so beforehand: windows and out of service.

ISA-18.2 knows both: *suppressed by design* (planned maintenance, an inspection, a drill) and *out of service* (a unit
that is taken out until a day on which somebody looks again). `alerts.suppressing` sets alarms aside by it and brings
them back. Whether a condition may be set aside at all is its own word: fire and entrapment never are.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, String, and_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.alarm import Alarm, AlarmMove, AlarmState, move_alarm
from alerts.errors import InvalidSuppression, UnknownSuppression
from registry.database import BigId, Table
from registry.site import Site
from registry.unit import Unit

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MAX_REASON_LENGTH = 500
MAX_AHEAD_MS = 90 * DAY_MS
"""So far ahead a window may be planned."""


class SuppressionKind(StrEnum):
    MAINTENANCE = "maintenance"
    INSPECTION = "inspection"
    DRILL = "drill"
    OUT_OF_SERVICE = "out_of_service"


LONGEST_MS: Mapping[SuppressionKind, int] = MappingProxyType(
    {
        SuppressionKind.MAINTENANCE: 3 * DAY_MS,
        SuppressionKind.INSPECTION: 3 * DAY_MS,
        SuppressionKind.DRILL: 12 * HOUR_MS,
        SuppressionKind.OUT_OF_SERVICE: 180 * DAY_MS,
    }
)
"""[P] Nothing is set aside without an end; then it comes forth by itself."""
LONGEST_OF_SITE_MS = DAY_MS
"""[P] A building or a compound calls nobody for no longer than that."""

STATE_OF: Mapping[SuppressionKind, AlarmState] = MappingProxyType(
    {
        kind: AlarmState.OUT_OF_SERVICE if kind is SuppressionKind.OUT_OF_SERVICE else AlarmState.SUPPRESSED
        for kind in SuppressionKind
    }
)
MOVE_ASIDE: Mapping[SuppressionKind, AlarmMove] = MappingProxyType(
    {
        kind: AlarmMove.TAKE_OUT if kind is SuppressionKind.OUT_OF_SERVICE else AlarmMove.SUPPRESS
        for kind in SuppressionKind
    }
)
MOVE_BACK: Mapping[AlarmState, AlarmMove] = MappingProxyType(
    {AlarmState.SUPPRESSED: AlarmMove.UNSUPPRESS, AlarmState.OUT_OF_SERVICE: AlarmMove.PUT_BACK}
)
"""The states that end with what set the alarm aside, and the way back."""


class Phase(StrEnum):
    PLANNED = "planned"
    ACTIVE = "active"
    OVER = "over"


class Suppression(Table):
    """Who set what aside, why, from when until when. `until_ms` is its end; earlier than planned if it was ended."""

    __tablename__ = "suppression"
    __table_args__ = (Index("ix_suppression_until", "until_ms"), Index("ix_suppression_site", "site_id", "id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    building: Mapped[str] = mapped_column(String(100), default="")
    """Empty for the whole compound, or for one unit."""
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    reason: Mapped[str] = mapped_column(String(MAX_REASON_LENGTH))
    starts_ms: Mapped[int] = mapped_column(BigInteger)
    until_ms: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    ended_by: Mapped[str | None] = mapped_column(String(64))
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")
    unit: Mapped[Unit | None] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"suppression:{self.id}"

    def phase(self, now_ms: int) -> Phase:
        if now_ms >= self.until_ms:
            return Phase.OVER
        return Phase.ACTIVE if self.starts_ms <= now_ms else Phase.PLANNED


def add_suppression(
    session: Session,
    *,
    kind: SuppressionKind,
    site: Site,
    unit: Unit | None,
    building: str = "",
    reason: str,
    starts_ms: int,
    until_ms: int,
    by: str,
    now_ms: int,
) -> Suppression:
    """Raises InvalidSuppression with a code: `reason`, `span`, `too_long`, `too_far`, `unit_only` or `building`."""
    reason, building = reason.strip()[:MAX_REASON_LENGTH], building.strip()
    if not reason:
        raise InvalidSuppression("reason", "setting alarms aside needs a reason")
    if kind is SuppressionKind.OUT_OF_SERVICE and unit is None:
        raise InvalidSuppression("unit_only", "only a unit is taken out of service")
    if unit is not None and (unit.site_id != site.id or building):
        raise InvalidSuppression("building", "name either a unit of the compound or a building")
    if building and session.scalar(select(Unit.id).where(_in_building(site.id, building)).limit(1)) is None:
        raise InvalidSuppression("building", "the compound has no unit in that building")
    starts_ms = max(starts_ms, now_ms)
    if until_ms <= starts_ms:
        raise InvalidSuppression("span", "the end must be later than the start, and lie ahead")
    longest_ms = LONGEST_MS[kind] if unit is not None else min(LONGEST_MS[kind], LONGEST_OF_SITE_MS)
    if until_ms - starts_ms > longest_ms:
        raise InvalidSuppression("too_long", f"at most {longest_ms // HOUR_MS} hours")
    if starts_ms > now_ms + MAX_AHEAD_MS:
        raise InvalidSuppression("too_far", f"at most {MAX_AHEAD_MS // DAY_MS} days ahead")
    made = Suppression(
        kind=kind.value,
        site=site,
        building=building,
        unit=unit,
        reason=reason,
        starts_ms=starts_ms,
        until_ms=until_ms,
        created_by=by,
        created_ms=now_ms,
    )
    session.add(made)
    session.flush()
    return made


def end_suppression(found: Suppression, *, by: str, now_ms: int) -> bool:
    """Ends it now, or takes back what has not begun; whether there was anything to end."""
    if found.phase(now_ms) is Phase.OVER:
        return False
    found.until_ms = found.ended_ms = now_ms
    found.ended_by = by
    return True


def get_suppression(session: Session, suppression_id: int, *, for_update: bool = False) -> Suppression:
    """Raises UnknownSuppression."""
    query = select(Suppression).where(Suppression.id == suppression_id)
    if for_update:
        query = query.with_for_update(of=Suppression).execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise UnknownSuppression(suppression_id)
    return found


def _in_building(site_id: int, building: str) -> ColumnElement[bool]:
    return and_(Unit.site_id == site_id, Unit.building == building)


def is_on(now_ms: int) -> ColumnElement[bool]:
    return and_(Suppression.starts_ms <= now_ms, Suppression.until_ms > now_ms)


COVERS: ColumnElement[bool] = or_(
    Suppression.unit_id == Unit.id,
    and_(
        Suppression.unit_id.is_(None),
        Suppression.site_id == Unit.site_id,
        or_(Suppression.building == "", Suppression.building == Unit.building),
    ),
)
"""Joins a suppression with the units it is for."""


def covering(session: Session, unit_ids: Collection[int], *, now_ms: int) -> dict[int, Suppression]:
    """What is on at each unit: out of service before a window, then what ends last."""
    if not unit_ids or not is_any_on(session, now_ms=now_ms):
        return {}
    query = select(Unit.id, Suppression).join(Suppression, COVERS).where(is_on(now_ms), Unit.id.in_(unit_ids))
    # What counts most comes last, and stays.
    ranked = sorted(((id_, each) for id_, each in session.execute(query)), key=lambda pair: _weight(pair[1]))
    return dict(ranked)


def _weight(suppression: Suppression) -> tuple[bool, int, int]:
    return suppression.kind == SuppressionKind.OUT_OF_SERVICE, suppression.until_ms, suppression.id


def is_any_on(session: Session, *, now_ms: int) -> bool:
    return session.scalar(select(Suppression.id).where(is_on(now_ms)).limit(1)) is not None


def set_aside(alarm: Alarm, found: Suppression) -> None:
    """The alarm calls nobody until `alerts.suppressing` brings it back."""
    move_alarm(alarm, MOVE_ASIDE[SuppressionKind(found.kind)])
    alarm.suppression_id, alarm.forth_ms = found.id, None


def aside_facts(found: Suppression) -> dict[str, Any]:
    return {"suppression_id": found.id, "until_ms": found.until_ms, "reason": found.reason}


def list_suppressions(
    session: Session,
    *,
    now_ms: int,
    phases: Collection[Phase] = tuple(Phase),
    site: str | None = None,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Suppression]:
    """The newest first."""
    query = select(Suppression).join(Suppression.site).order_by(Suppression.id.desc()).limit(limit)
    wanted: dict[Phase, ColumnElement[bool]] = {
        Phase.PLANNED: and_(Suppression.starts_ms > now_ms, Suppression.until_ms > now_ms),
        Phase.ACTIVE: is_on(now_ms),
        Phase.OVER: Suppression.until_ms <= now_ms,
    }
    query = query.where(or_(*(wanted[phase] for phase in phases)))
    if site:
        query = query.where(Site.key == site)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if before_id is not None:
        query = query.where(Suppression.id < before_id)
    return list(session.scalars(query))


def suppressions_of_unit(session: Session, unit: Unit, *, now_ms: int) -> list[Suppression]:
    """Those that are on or to come, the next to end first."""
    query = select(Suppression).join(Unit, COVERS).where(Unit.id == unit.id, Suppression.until_ms > now_ms)
    return list(session.scalars(query.order_by(Suppression.starts_ms, Suppression.id)))
