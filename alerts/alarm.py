"""Alarms and their states after ISA-18.2 / IEC 62682.

The database holds at most one open alarm per unit and condition. What happens to an alarm is one table,
`NEXT_STATES`; nothing else sets a state.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, String, func, or_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.errors import IllegalMove, InvalidShelving, NeverShelved, UnknownAlarm
from alerts.severity import Severity
from registry.database import BigId, Table
from registry.site import Site
from registry.unit import Unit

MAX_SHELVING_MS = 7 * 24 * 3600 * 1000


class AlarmState(StrEnum):
    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class AlarmMove(StrEnum):
    RAISE = "raise"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    TAKE_OUT = "take_out_of_service"
    PUT_BACK = "put_back_in_service"


_S, _M = AlarmState, AlarmMove
_SET_ASIDE = {_M.SHELVE: _S.SHELVED, _M.SUPPRESS: _S.SUPPRESSED, _M.TAKE_OUT: _S.OUT_OF_SERVICE}

NEXT_STATES: Mapping[AlarmState, Mapping[AlarmMove, AlarmState]] = MappingProxyType(
    {
        _S.NORMAL: {_M.RAISE: _S.UNACKNOWLEDGED},
        _S.UNACKNOWLEDGED: {
            _M.RAISE: _S.UNACKNOWLEDGED,
            _M.RETURN: _S.RETURNED_UNACKNOWLEDGED,
            _M.ACKNOWLEDGE: _S.ACKNOWLEDGED,
            **_SET_ASIDE,
        },
        _S.ACKNOWLEDGED: {
            _M.RAISE: _S.ACKNOWLEDGED,
            _M.RETURN: _S.NORMAL,
            # Two people on duty press at the same moment: the second press changes nothing.
            _M.ACKNOWLEDGE: _S.ACKNOWLEDGED,
            **_SET_ASIDE,
        },
        _S.RETURNED_UNACKNOWLEDGED: {
            _M.RAISE: _S.UNACKNOWLEDGED,
            _M.RETURN: _S.RETURNED_UNACKNOWLEDGED,
            _M.ACKNOWLEDGE: _S.NORMAL,
            **_SET_ASIDE,
        },
        # While set aside the condition may come and go; `is_active` remembers it for the day of return.
        _S.SHELVED: {_M.RAISE: _S.SHELVED, _M.RETURN: _S.SHELVED, _M.UNSHELVE: _S.UNACKNOWLEDGED},
        _S.SUPPRESSED: {_M.RAISE: _S.SUPPRESSED, _M.RETURN: _S.SUPPRESSED, _M.UNSUPPRESS: _S.UNACKNOWLEDGED},
        _S.OUT_OF_SERVICE: {
            _M.RAISE: _S.OUT_OF_SERVICE,
            _M.RETURN: _S.OUT_OF_SERVICE,
            _M.PUT_BACK: _S.UNACKNOWLEDGED,
        },
    }
)
"""Every state with its possible moves; a move that is absent is forbidden."""
ASIDE = frozenset({_S.SHELVED, _S.SUPPRESSED, _S.OUT_OF_SERVICE})


class Alarm(Table):
    """A condition that held, or holds, at a unit: `raised_ms` is event time, `received_ms` the time of arrival."""

    __tablename__ = "alarm"
    __table_args__ = (
        Index(
            "uq_alarm_open",
            "unit_id",
            "condition",
            unique=True,
            sqlite_where=text("state != 'normal'"),
            postgresql_where=text("state != 'normal'"),
        ),
        Index("ix_alarm_unit", "unit_id", "id"),
        Index("ix_alarm_state", "state", "id"),
        Index("ix_alarm_raised", "raised_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    condition: Mapped[str] = mapped_column(String(64))
    severity: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(32))
    is_active: Mapped[bool] = mapped_column(Boolean)
    raised_ms: Mapped[int] = mapped_column(BigInteger)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    cleared_ms: Mapped[int | None] = mapped_column(BigInteger)
    acknowledged_ms: Mapped[int | None] = mapped_column(BigInteger)
    acknowledged_by: Mapped[str | None] = mapped_column(String(64))
    shelved_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    shelved_reason: Mapped[str | None] = mapped_column(String(500))
    occurrences: Mapped[int] = mapped_column(Integer, default=1)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    cause_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """The alarm that explains it, or explained it; an alarm is never deleted."""
    is_explained: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether its ticket is that of its cause: it calls nobody itself."""
    forth_ms: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """When it is to be decided, by our clock, whether it is a matter of its own; see `alerts.explaining`."""
    suppression_id: Mapped[int | None] = mapped_column(BigInteger)
    """What set it aside last; `state` says whether it still does."""
    is_in_service: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether it is set aside because the lift itself says that it is inspected, or in fire service."""
    unit: Mapped[Unit] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"alarm:{self.id}"

    @property
    def began_ms(self) -> int:
        """When its last occurrence began."""
        return next(reversed(self.evidence.get("again_ms", ())), self.raised_ms)


def next_state(current: AlarmState, move: AlarmMove, *, subject: str) -> AlarmState:
    """The state after a move. Raises IllegalMove with the moves that are possible."""
    moves = NEXT_STATES[current]
    if move not in moves:
        raise IllegalMove(subject, current=current.value, wanted=move.value, allowed=[m.value for m in moves])
    return moves[move]


def move_alarm(alarm: Alarm, move: AlarmMove) -> None:
    """The one setter of `state`. An alarm that is taken back from aside while its condition is gone has returned."""
    state = next_state(AlarmState(alarm.state), move, subject=alarm.subject)
    if move in (AlarmMove.UNSHELVE, AlarmMove.UNSUPPRESS, AlarmMove.PUT_BACK) and not alarm.is_active:
        state = next_state(state, AlarmMove.RETURN, subject=alarm.subject)
    alarm.state = state.value


def acknowledge(alarm: Alarm, *, by: str, now_ms: int) -> bool:
    """Whether this was the acknowledgement; a second one changes nothing."""
    was = alarm.state
    move_alarm(alarm, AlarmMove.ACKNOWLEDGE)
    if alarm.state == was:
        return False
    alarm.acknowledged_ms, alarm.acknowledged_by = now_ms, by
    return True


def shelve(alarm: Alarm, *, until_ms: int, reason: str, is_allowed: bool, now_ms: int) -> None:
    """Sets the alarm aside until an instant, with a reason. `is_allowed` is the condition's own word on it."""
    if not is_allowed:
        raise NeverShelved(alarm.id, alarm.condition)
    if not reason.strip():
        raise InvalidShelving("shelving needs a reason")
    if not now_ms < until_ms <= now_ms + MAX_SHELVING_MS:
        raise InvalidShelving("shelving must end within the next seven days")
    move_alarm(alarm, AlarmMove.SHELVE)
    alarm.shelved_until_ms, alarm.shelved_reason = until_ms, reason.strip()[:500]


def unshelve(alarm: Alarm) -> None:
    move_alarm(alarm, AlarmMove.UNSHELVE)
    alarm.shelved_until_ms, alarm.shelved_reason = None, None


def get_alarm(session: Session, alarm_id: int, *, for_update: bool = False) -> Alarm:
    query = select(Alarm).where(Alarm.id == alarm_id)
    if for_update:
        # Populate: what this session read before it held the row may have changed meanwhile.
        query = query.with_for_update(of=Alarm).execution_options(populate_existing=True)
    alarm = session.scalar(query)
    if alarm is None:
        raise UnknownAlarm(alarm_id)
    return alarm


def find_open_alarm(session: Session, unit_id: int, condition: str) -> Alarm | None:
    query = select(Alarm).where(
        Alarm.unit_id == unit_id, Alarm.condition == condition, Alarm.state != AlarmState.NORMAL.value
    )
    return session.scalar(query.with_for_update(of=Alarm))


def find_last_alarm(session: Session, unit_id: int, condition: str) -> Alarm | None:
    query = select(Alarm).where(Alarm.unit_id == unit_id, Alarm.condition == condition)
    return session.scalar(query.order_by(Alarm.id.desc()).limit(1))


def known_alarms(
    session: Session, unit_ids: Collection[int], conditions: Collection[str]
) -> tuple[dict[tuple[int, str], Alarm], dict[tuple[int, str], Alarm]]:
    """The open alarm, and the last one, by unit and condition, of many at once; the open ones are held."""
    of_keys = (Alarm.unit_id.in_(unit_ids), Alarm.condition.in_(conditions))
    is_open = Alarm.state != AlarmState.NORMAL.value
    found = session.scalars(select(Alarm).where(*of_keys, is_open).with_for_update(of=Alarm))
    newest = select(func.max(Alarm.id)).where(*of_keys).group_by(Alarm.unit_id, Alarm.condition)
    last = session.scalars(select(Alarm).where(Alarm.id.in_(newest)))
    return tuple({(alarm.unit_id, alarm.condition): alarm for alarm in each} for each in (found, last))  # type: ignore[return-value]


def is_covered(session: Session, unit_id: int, condition: str, *, ts_ms: int) -> bool:
    """Whether an alarm of the key is known for that time."""
    query = select(Alarm.id).where(Alarm.unit_id == unit_id, Alarm.condition == condition, Alarm.raised_ms <= ts_ms)
    return session.scalar(query.where(or_(Alarm.cleared_ms.is_(None), Alarm.cleared_ms >= ts_ms)).limit(1)) is not None


def list_alarms(
    session: Session,
    *,
    is_open: bool | None = None,
    state: AlarmState | Collection[AlarmState] | None = None,
    site: str | None = None,
    unit_id: int | None = None,
    severity: Severity | None = None,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Alarm]:
    """Alarms, newest first, at most `limit` older than `before_id`."""
    query = select(Alarm).join(Alarm.unit).join(Unit.site).order_by(Alarm.id.desc()).limit(limit)
    if is_open is not None:
        normal = Alarm.state == AlarmState.NORMAL.value
        query = query.where(~normal if is_open else normal)
    if state is not None:
        wanted = [state] if isinstance(state, AlarmState) else state
        query = query.where(Alarm.state.in_([each.value for each in wanted]))
    if site:
        query = query.where(Site.key == site)
    if unit_id is not None:
        query = query.where(Alarm.unit_id == unit_id)
    if severity is not None:
        query = query.where(Alarm.severity == severity.value)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if before_id is not None:
        query = query.where(Alarm.id < before_id)
    return list(session.scalars(query))


def open_alarms(session: Session) -> list[Alarm]:
    """All open alarms, of every site, oldest first."""
    query = select(Alarm).where(Alarm.state != AlarmState.NORMAL.value).order_by(Alarm.id)
    return list(session.scalars(query))


def due_for_unshelving(session: Session, *, now_ms: int) -> list[Alarm]:
    """Shelved alarms whose time is up; rows that another worker holds are left to it."""
    query = select(Alarm).where(Alarm.state == AlarmState.SHELVED.value, Alarm.shelved_until_ms <= now_ms)
    return list(session.scalars(query.with_for_update(of=Alarm, skip_locked=True)))


def alarms_of_ticket(session: Session, ticket_id: int) -> list[Alarm]:
    """The alarms that belong to a ticket, oldest first."""
    return list(session.scalars(select(Alarm).where(Alarm.ticket_id == ticket_id).order_by(Alarm.id)))


def explained_by(session: Session, alarm_id: int) -> list[Alarm]:
    """The alarms that this one explains, or explained, oldest first."""
    return list(session.scalars(select(Alarm).where(Alarm.cause_id == alarm_id).order_by(Alarm.id)))


def open_alarms_of_unit(session: Session, unit_id: int) -> list[Alarm]:
    query = select(Alarm).where(Alarm.unit_id == unit_id, Alarm.state != AlarmState.NORMAL.value)
    return list(session.scalars(query.order_by(Alarm.id)))


def open_alarms_of_units(session: Session, unit_ids: Collection[int]) -> list[Alarm]:
    query = select(Alarm).where(Alarm.unit_id.in_(unit_ids), Alarm.state != AlarmState.NORMAL.value)
    return list(session.scalars(query.order_by(Alarm.id)))


def units_with_alarms(session: Session) -> list[int]:
    """Ids of units that have, or had, an alarm."""
    return list(session.scalars(select(Alarm.unit_id).distinct().order_by(Alarm.unit_id)))


def is_any_due_for_unshelving(session: Session, *, now_ms: int) -> bool:
    query = select(Alarm.id).where(Alarm.state == AlarmState.SHELVED.value, Alarm.shelved_until_ms <= now_ms)
    return session.scalar(query.limit(1)) is not None


def count_open_by_severity(session: Session, *, visible: Collection[str] | None = None) -> dict[Severity, int]:
    query = (
        select(Alarm.severity, func.count())
        .join(Alarm.unit)
        .join(Unit.site)
        .where(Alarm.state != AlarmState.NORMAL.value)
        .group_by(Alarm.severity)
    )
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    found = {Severity(severity): count for severity, count in session.execute(query)}
    return {severity: found.get(severity, 0) for severity in Severity}
