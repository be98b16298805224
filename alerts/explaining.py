"""Decides of alarms that may have a cause whether they are matters of their own, and keeps what was decided.

An alarm of the table in `alerts.inhibition` waits, in its row, until `forth_ms`. Then it is explained by its cause and
has the ticket of that, or it comes forth with a ticket of its own. When the cause has gone it is looked at once more.
Nothing is kept in memory: a restart, or another worker, goes on where this one was.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from alerts.alarm import ASIDE, Alarm, AlarmState
from alerts.annunciation import annunciate, note_explained
from alerts.condition import CONNECTION
from alerts.conditions import Condition
from alerts.incident import (
    MANY_UNITS,
    POWER_OUT,
    SILENCE,
    Joint,
    alarm_entry,
    attach_ticket,
    has_own_open_ticket,
    opened_entry,
)
from alerts.inhibition import AFTERGLOW_MS, CAUSES, PERSISTS_MS, POWER_CUT, Explanation, Fact, Key, depth, explain
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.site import hold_sites
from registry.unit import Unit, hold_units

_OPEN = [state.value for state in AlarmState if state is not AlarmState.NORMAL]
_ASIDE = [state.value for state in ASIDE]
_Cause = aliased(Alarm)
_CAUSE_CODES = sorted({code for _, code in CAUSES})


def settle_due(database: Database, conditions: Mapping[Key, Condition], *, now_ms: int) -> list[int]:
    """Decides on whatever waits for it by now; gives back the ids of the alarms that were decided on."""
    with database.reading() as session:
        if session.scalar(_due(now_ms).limit(1)) is None and session.scalar(_turned().limit(1)) is None:
            return []
    with database.writing() as session:
        return [alarm.id for alarm in settle(session, conditions, now_ms=now_ms)]


def settle(session: Session, conditions: Mapping[Key, Condition], *, now_ms: int) -> list[Alarm]:
    """One transaction, the caller's. Those of one site are decided on by one worker at a time."""
    wanted = [*session.scalars(_due(now_ms)), *session.scalars(_turned())]
    if not wanted:
        return []
    units = set(session.scalars(select(Alarm.unit_id).where(Alarm.id.in_(wanted))))
    sites = set(session.scalars(select(Unit.site_id).where(Unit.id.in_(units))))
    hold_sites(session, sites)
    hold_units(session, units)
    for alarm, is_active in _fresh(session, _turned(Alarm, _Cause.is_active), units):
        alarm.forth_ms = None if is_active else now_ms + PERSISTS_MS
    session.flush()
    due = [alarm for (alarm,) in _fresh(session, _due(now_ms, Alarm), units)]
    return _Round(session, due, sites, conditions, now_ms=now_ms).decide() if due else []


def _due(now_ms: int, *columns: Any) -> Select[Any]:
    # What was set aside while it waited is looked at when it comes back.
    return select(*(columns or (Alarm.id,))).where(Alarm.forth_ms <= now_ms, Alarm.state.not_in(_ASIDE))


def _turned(*columns: Any) -> Select[Any]:
    """Explained alarms that still hold and whose cause has gone, and those whose cause has come back."""
    has_gone = and_(Alarm.forth_ms.is_(None), ~_Cause.is_active)
    is_back = and_(Alarm.forth_ms.is_not(None), _Cause.is_active)
    query = select(*(columns or (Alarm.id,))).join(_Cause, _Cause.id == Alarm.cause_id)
    return query.where(Alarm.state.in_(_OPEN), Alarm.is_explained, Alarm.is_active, or_(has_gone, is_back))


def _fresh(session: Session, query: Select[Any], units: Collection[int]) -> list[Any]:
    """Rows of the units that are held: another worker may have decided on them while this one waited."""
    rows = session.execute(query.execution_options(populate_existing=True)).all()
    return [row for row in rows if row[0].unit_id in units]


class _Round:
    """Decides on the alarms of some sites that are due, the causes before their effects."""

    def __init__(
        self,
        session: Session,
        due: Sequence[Alarm],
        sites: Collection[int],
        conditions: Mapping[Key, Condition],
        *,
        now_ms: int,
    ) -> None:
        self._session = session
        self._conditions = conditions
        self._now_ms = now_ms
        self._entries: list[Entry] = []
        self._newly_explained: list[int] = []
        self._ended: dict[int, bool] = {}
        self._alarms = {alarm.id: alarm for alarm in (*due, *self._causes(due, sites))}
        roots = {alarm.cause_id for alarm in self._alarms.values()} - {None} - self._alarms.keys()
        self._alarms |= {root.id: root for root in session.scalars(select(Alarm).where(Alarm.id.in_(roots)))}
        self._facts = {alarm.id: _fact(alarm) for alarm in self._alarms.values()}
        self._due = sorted((self._facts[alarm.id] for alarm in due), key=lambda fact: (depth(fact.key), fact.order))

    def _causes(self, due: Sequence[Alarm], sites: Collection[int]) -> Iterable[Alarm]:
        since_ms = min(alarm.began_ms for alarm in due) - AFTERGLOW_MS
        query = select(Alarm).join(Alarm.unit).where(Unit.site_id.in_(sites), Alarm.condition.in_(_CAUSE_CODES))
        is_decided = or_(Alarm.state.not_in(_ASIDE), Alarm.ticket_id.is_not(None))
        return self._session.scalars(query.where(is_decided, or_(Alarm.is_active, Alarm.cleared_ms >= since_ms)))

    def decide(self) -> list[Alarm]:
        decided = []
        unheard: list[tuple[Alarm, Condition]] = []
        for fact in self._due:
            alarm = self._alarms[fact.alarm_id]
            condition = self._conditions.get(fact.key)
            if condition is None or not condition.opens_ticket or (alarm.is_explained and not alarm.is_active):
                # Nobody watches it any more, it calls nobody anyway, or it went with its cause.
                alarm.forth_ms = None
                continue
            known = {id_: other for id_, other in self._facts.items() if other.site_id == fact.site_id}
            found = explain(fact, known, is_first=not alarm.is_explained)
            if found is not None and found.cause_id != alarm.id and self._has_ended(found.cause_id):
                # Nobody works on it any more: this one is not to be lost in a closed case.
                found = None
            if found is not None and found.cause_id != alarm.id:
                if self._join(alarm, found):
                    decided.append(alarm)
            elif condition.case == CONNECTION:
                unheard.append((alarm, condition))
            else:
                is_cut = found is not None and found.rule.name == POWER_CUT
                self._come_forth(alarm, condition, POWER_OUT if is_cut else None)
                decided.append(alarm)
        gone = Counter(alarm.unit.site_id for alarm, _ in unheard)
        for alarm, condition in unheard:
            self._come_forth(alarm, condition, SILENCE if gone[alarm.unit.site_id] >= MANY_UNITS else None)
            decided.append(alarm)
        self._session.flush()
        if self._newly_explained:
            note_explained(self._session, self._newly_explained)
        if self._entries:
            activity.append(self._session, self._entries, now_ms=self._now_ms)
        return decided

    def _has_ended(self, alarm_id: int) -> bool:
        """Whether people have closed the ticket of a cause."""
        alarm = self._alarms[alarm_id]
        if not self._facts[alarm_id].is_settled or alarm.is_explained:
            return False
        if alarm_id not in self._ended:
            self._ended[alarm_id] = not has_own_open_ticket(self._session, alarm)
        return self._ended[alarm_id]

    def _join(self, alarm: Alarm, found: Explanation) -> bool:
        """Whether the alarm is now explained; a cause that waits itself comes first."""
        cause = self._alarms[found.cause_id]
        if cause.forth_ms is not None and not self._facts[cause.id].is_settled:
            alarm.forth_ms = max(cause.forth_ms, self._now_ms + 1)
            return False
        is_news = not alarm.is_explained or alarm.cause_id != cause.id
        alarm.cause_id, alarm.is_explained, alarm.forth_ms = cause.id, True, None
        alarm.ticket_id = cause.ticket_id
        self._decided(alarm, cause.id)
        if is_news:
            self._newly_explained.append(alarm.id)
            self._entries.append(alarm_entry(alarm, "alarm.explained", {"cause_id": cause.id, "rule": found.rule.name}))
        return True

    def _come_forth(self, alarm: Alarm, condition: Condition, joint: Joint | None) -> None:
        cause_id, was_explained = alarm.cause_id, alarm.is_explained
        alarm.forth_ms, alarm.is_explained = None, False
        if was_explained:
            alarm.ticket_id = None
        opened = attach_ticket(self._session, alarm, condition, self._now_ms, joint=joint)
        self._decided(alarm, alarm.id)
        if was_explained:
            annunciate(self._session, alarm, now_ms=self._now_ms)
            self._entries.append(alarm_entry(alarm, "alarm.came_forth", {"cause_id": cause_id}))
        if opened is not None:
            self._entries.append(opened_entry(opened, alarm))

    def _decided(self, alarm: Alarm, root_id: int) -> None:
        self._facts[alarm.id] = replace(self._facts[alarm.id], root_id=root_id, is_settled=True)


def _fact(alarm: Alarm) -> Fact:
    is_explained = alarm.is_explained and alarm.cause_id is not None
    return Fact(
        alarm_id=alarm.id,
        key=(Kind(alarm.unit.kind), alarm.condition),
        unit_id=alarm.unit_id,
        site_id=alarm.unit.site_id,
        began_ms=alarm.began_ms,
        cleared_ms=alarm.cleared_ms,
        is_active=alarm.is_active,
        root_id=alarm.cause_id if is_explained and alarm.cause_id is not None else alarm.id,
        is_settled=alarm.ticket_id is not None and (alarm.forth_ms is None or is_explained),
    )
