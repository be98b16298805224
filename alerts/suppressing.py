"""Sets alarms aside while a window, or a time out of service, is on at their unit, and brings them back after it.

A fault of a lift that says it is inspected, or in fire service, was set aside when it was raised, until that is over.

What is to be follows from the rows of `alerts.suppression`, the row of the alarm and the clock alone: a restart, a
second worker, or a window that was ended early changes nothing. What holds when the window ends comes forth as if it
had just been raised, with a ticket of its own; what has gone meanwhile is over, and asks nobody to take note of it.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import suppression as suppressions
from alerts.alarm import Alarm, AlarmMove, AlarmState, move_alarm
from alerts.annunciation import annunciate
from alerts.conditions import Condition
from alerts.incident import alarm_entry, bring_back
from alerts.inhibition import Key
from alerts.suppression import (
    COVERS,
    MOVE_BACK,
    Suppression,
    SuppressionKind,
    aside_facts,
    covering,
    is_on,
    set_aside,
)
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.role import Actor
from registry.site import Site
from registry.unit import Unit, hold_units

_STANDING = (AlarmState.UNACKNOWLEDGED.value, AlarmState.ACKNOWLEDGED.value)
_SET_ASIDE = tuple(state.value for state in MOVE_BACK)
_VERBS: Mapping[AlarmState, tuple[str, str]] = {
    AlarmState.SUPPRESSED: ("alarm.suppressed", "alarm.unsuppressed"),
    AlarmState.OUT_OF_SERVICE: ("alarm.taken_out", "alarm.put_back"),
}


def settle_due(database: Database, conditions: Mapping[Key, Condition], *, now_ms: int) -> list[int]:
    """Brings every alarm where it belongs by now; gives back the ids of those that were moved."""
    with database.reading() as session:
        wanted = [alarm.id for alarm in _misplaced(session, conditions, now_ms=now_ms)]
    if not wanted:
        return []
    with database.writing() as session:
        return [alarm.id for alarm in settle(session, wanted, conditions, now_ms=now_ms)]


def settle(
    session: Session, alarm_ids: Collection[int], conditions: Mapping[Key, Condition], *, now_ms: int
) -> list[Alarm]:
    """One transaction, the caller's; the units are held, so that of two workers the second finds nothing to do."""
    hold_units(session, set(session.scalars(select(Alarm.unit_id).where(Alarm.id.in_(alarm_ids)))))
    fresh = session.scalars(
        select(Alarm).where(Alarm.id.in_(alarm_ids)).order_by(Alarm.id).execution_options(populate_existing=True)
    )
    alarms = list(fresh)
    now_on = covering(session, {alarm.unit_id for alarm in alarms}, now_ms=now_ms)
    moved, entries = [], []
    for alarm in alarms:
        entry = _place(session, alarm, now_on.get(alarm.unit_id), conditions, now_ms=now_ms)
        if entry is not None:
            moved.append(alarm)
            entries.append(entry)
    session.flush()
    if entries:
        activity.append(session, entries, now_ms=now_ms)
    return moved


def _place(
    session: Session,
    alarm: Alarm,
    found: Suppression | None,
    conditions: Mapping[Key, Condition],
    *,
    now_ms: int,
) -> Entry | None:
    state = AlarmState(alarm.state)
    if state in MOVE_BACK:
        if found is not None:
            # Another window goes on where this one ended.
            alarm.suppression_id = found.id
            return None
        if alarm.is_in_service:
            return None
        move_alarm(alarm, MOVE_BACK[state])
        if alarm.is_active:
            alarm.acknowledged_ms = alarm.acknowledged_by = None
            bring_back(session, alarm, now_ms=now_ms)
            annunciate(session, alarm, now_ms=now_ms)
        else:
            move_alarm(alarm, AlarmMove.ACKNOWLEDGE)
        return alarm_entry(alarm, _VERBS[state][1], {"suppression_id": alarm.suppression_id})
    if found is None or alarm.state not in _STANDING or not alarm.is_active or not _may_be(alarm, conditions):
        return None
    set_aside(alarm, found)
    return alarm_entry(alarm, _VERBS[AlarmState(alarm.state)][0], aside_facts(found))


def _may_be(alarm: Alarm, conditions: Mapping[Key, Condition]) -> bool:
    condition = conditions.get((Kind(alarm.unit.kind), alarm.condition))
    return condition is not None and condition.may_be_shelved


def _misplaced(session: Session, conditions: Mapping[Key, Condition], *, now_ms: int) -> list[Alarm]:
    aside = select(Alarm).where(Alarm.state.in_(_SET_ASIDE), ~Alarm.is_in_service)
    found = list(session.scalars(aside))
    now_on = covering(session, {alarm.unit_id for alarm in found}, now_ms=now_ms)
    misplaced = [
        alarm for alarm in found if alarm.unit_id not in now_on or now_on[alarm.unit_id].id != alarm.suppression_id
    ]
    if suppressions.is_any_on(session, now_ms=now_ms):
        standing = select(Alarm.id).join(Alarm.unit).join(Suppression, COVERS)
        standing = standing.where(is_on(now_ms), Alarm.state.in_(_STANDING), Alarm.is_active).distinct()
        found = list(session.scalars(select(Alarm).where(Alarm.id.in_(standing))))
        misplaced += [alarm for alarm in found if _may_be(alarm, conditions)]
    return misplaced


def plan_suppression(
    session: Session,
    *,
    kind: SuppressionKind,
    site: Site,
    unit: Unit | None,
    building: str = "",
    reason: str,
    starts_ms: int,
    until_ms: int,
    actor: Actor,
    now_ms: int,
) -> Suppression:
    """Writes a window down with its line in the log. Raises InvalidSuppression."""
    made = suppressions.add_suppression(
        session,
        kind=kind,
        site=site,
        unit=unit,
        building=building,
        reason=reason,
        starts_ms=starts_ms,
        until_ms=until_ms,
        by=actor.name,
        now_ms=now_ms,
    )
    activity.append(session, [_entry(made, "suppression.planned", actor)], now_ms=now_ms)
    return made


def end_suppression(session: Session, suppression_id: int, *, actor: Actor, now_ms: int) -> Suppression:
    """Ends it now; what is over already stays as it is."""
    found = suppressions.get_suppression(session, suppression_id, for_update=True)
    if suppressions.end_suppression(found, by=actor.name, now_ms=now_ms):
        activity.append(session, [_entry(found, "suppression.ended", actor)], now_ms=now_ms)
    return found


def _entry(found: Suppression, verb: str, actor: Actor) -> Entry:
    return Entry(
        verb=verb,
        subject=found.subject,
        actor=actor.name,
        site=found.site.key,
        unit_id=found.unit_id,
        data={
            "kind": found.kind,
            "unit": found.unit.unit_key.path if found.unit is not None else None,
            "building": found.building,
            "starts_ms": found.starts_ms,
            "until_ms": found.until_ms,
            "reason": found.reason,
        },
    )
