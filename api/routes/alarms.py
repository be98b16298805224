"""Alarms, and what people on duty may do about them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from alerts import incident
from alerts.alarm import ASIDE, Alarm, AlarmState, get_alarm, list_alarms
from alerts.errors import UnknownAlarm
from alerts.false_alarm import MAX_NOTE_LENGTH, FalseCause, mark_false, withdraw_mark
from alerts.severity import Severity
from api.condition_index import find_condition
from api.resources import Held, Resources
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Filter, Id, Instant, Limit, Text
from api.routes.presenting import alarm_detail, alarm_shape
from api.routes.register import find_unit_seen
from api.routes.shapes import AlarmDetail, AlarmShape, Page
from api.security import ApiActor, check_site
from models.equipment import Kind
from registry.role import Actor

MAX_REASON_LENGTH = 500

router = APIRouter(prefix="/alarms", tags=["alarms"])


class FoundFalse(BaseModel):
    cause: FalseCause
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH, description="needed when the cause is `unknown`")] = ""


class Shelving(BaseModel):
    until: Instant
    reason: Annotated[Text, Field(min_length=1, max_length=MAX_REASON_LENGTH)]


@router.get("")
def list_alarms_seen(
    actor: ApiActor,
    held: Held,
    state: Annotated[
        Literal["open", "aside"] | AlarmState | None,
        AbsentIfEmpty,
        Query(description="`open`: every state but normal; `aside`: shelved, suppressed or out of service"),
    ] = None,
    site: Filter = None,
    severity: Annotated[Severity | None, AbsentIfEmpty] = None,
    unit: Filter = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[AlarmShape]:
    """Alarms, newest first."""
    with held.database.reading() as session:
        unit_id = None
        if unit:
            found = find_unit_seen(session, actor, unit)
            if found is None:
                return Page(items=[], next=None)
            unit_id = found.id
        alarms = list_alarms(
            session,
            is_open=True if state == "open" else None,
            state=state if isinstance(state, AlarmState) else ASIDE if state == "aside" else None,
            site=site,
            unit_id=unit_id,
            severity=severity,
            visible=actor.sites,
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[alarm_shape(alarm, limits=held.limits, actor=actor) for alarm in alarms[:limit]],
            next=str(alarms[limit - 1].id) if len(alarms) > limit else None,
        )


@router.get("/{alarm_id}")
def show_alarm(request: Request, actor: ApiActor, held: Held, alarm_id: Id) -> AlarmDetail:
    with held.database.reading() as session:
        return alarm_detail(session, _alarm_seen(request, session, actor, alarm_id), limits=held.limits, actor=actor)


@router.post("/{alarm_id}/acknowledge")
def acknowledge(request: Request, actor: ApiActor, held: Held, alarm_id: Id) -> AlarmDetail:
    """Takes note of an alarm. A second acknowledgement changes nothing."""
    with held.database.writing() as session:
        _alarm_seen(request, session, actor, alarm_id)
        alarm = incident.acknowledge_alarm(session, alarm_id, actor=actor, now_ms=held.clock())
        return alarm_detail(session, alarm, limits=held.limits, actor=actor)


@router.post("/{alarm_id}/shelve")
def shelve(request: Request, actor: ApiActor, held: Held, alarm_id: Id, shelving: Shelving) -> AlarmDetail:
    """Sets an alarm aside for a time, seven days at most. Fire and entrapment are never set aside."""
    with held.database.writing() as session:
        is_allowed = _may_be_shelved(held, _alarm_seen(request, session, actor, alarm_id))
        alarm = incident.shelve_alarm(
            session,
            alarm_id,
            until_ms=shelving.until,
            reason=shelving.reason,
            is_allowed=is_allowed,
            actor=actor,
            now_ms=held.clock(),
        )
        return alarm_detail(session, alarm, limits=held.limits, actor=actor)


@router.post("/{alarm_id}/unshelve")
def unshelve(request: Request, actor: ApiActor, held: Held, alarm_id: Id) -> AlarmDetail:
    with held.database.writing() as session:
        _alarm_seen(request, session, actor, alarm_id)
        alarm = incident.unshelve_alarm(session, alarm_id, actor=actor, now_ms=held.clock())
        return alarm_detail(session, alarm, limits=held.limits, actor=actor)


@router.post("/{alarm_id}/false-alarm")
def mark_false_alarm(request: Request, actor: ApiActor, held: Held, alarm_id: Id, found: FoundFalse) -> AlarmDetail:
    """Says that there was nothing, and why. It closes nothing; who marks again corrects the cause."""
    with held.database.writing() as session:
        alarm = _alarm_seen(request, session, actor, alarm_id)
        mark_false(session, alarm_id, cause=found.cause, note=found.note, actor=actor, now_ms=held.clock())
        return alarm_detail(session, alarm, limits=held.limits, actor=actor)


@router.delete("/{alarm_id}/false-alarm")
def withdraw_false_alarm(request: Request, actor: ApiActor, held: Held, alarm_id: Id) -> AlarmDetail:
    """It was real after all. Without a mark nothing changes."""
    with held.database.writing() as session:
        alarm = _alarm_seen(request, session, actor, alarm_id)
        withdraw_mark(session, alarm_id, actor=actor, now_ms=held.clock())
        return alarm_detail(session, alarm, limits=held.limits, actor=actor)


def _alarm_seen(request: Request, session: Session, actor: Actor, alarm_id: int) -> Alarm:
    alarm = get_alarm(session, alarm_id)
    check_site(request, actor, alarm.unit.site.key, unknown=UnknownAlarm(alarm_id))
    return alarm


def _may_be_shelved(held: Resources, alarm: Alarm) -> bool:
    condition = find_condition(held.limits, Kind(alarm.unit.kind), alarm.condition)
    return condition is not None and condition.may_be_shelved
