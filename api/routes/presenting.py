"""Rows of the tables as the shapes of the API, for the person who asks."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from alerts import alarm as alarms
from alerts import ticket as tickets
from alerts.alarm import Alarm, AlarmState
from alerts.false_alarm import FalseCause, mark_of
from alerts.hold import HoldReason
from alerts.limits import Limits
from alerts.measured import Measured, measure
from alerts.presence import presence_of
from alerts.severity import Severity
from alerts.ticket import Ticket
from alerts.ticket_stages import MOVES, Stage, TicketKind
from api.condition_index import find_condition
from api.instants import rfc3339
from api.routes.case_presenting import case_fields
from api.routes.shapes import (
    ActivityShape,
    AlarmDetail,
    AlarmShape,
    MeasuredShape,
    MoveShape,
    NextStageShape,
    SigningRefusal,
    TicketDetail,
    TicketShape,
    UnitShape,
)
from api.security import names_people
from models.equipment import Kind
from registry.activity import Activity
from registry.listening import deaf_since_ms
from registry.role import SYSTEM, Actor, Party
from registry.site import DEFAULT_TIMEZONE, list_sites
from registry.unit import Unit
from registry.unit_life import UnitLife, lives_of

FACTS_FOR_RESIDENTS = frozenset(
    {
        "alarm_id",
        "condition",
        "from",
        "hold_reason",
        "occurrences",
        "party",
        "severity",
        "stage",
        "state",
        "ticket_id",
        "title",
        "to",
        "ts_ms",
        "unit",
        "until_ms",
    }
)
"""What residents read of an activity: what happened to the equipment; not who did it, nor what they wrote."""


def _moment(at_ms: int | None, zone: str) -> str | None:
    return None if at_ms is None else rfc3339(at_ms, zone)


def presence_fields(unit: Unit, life: UnitLife | None, *, deaf_ms: int | None, now_ms: int) -> dict[str, Any]:
    fact, zone = presence_of(unit, life, deaf_since_ms=deaf_ms, now_ms=now_ms), unit.site.timezone
    fields: dict[str, Any] = {
        "presence": fact.presence,
        "stale_because": fact.because,
        "known_until": _moment(fact.since_ms, zone),
    }
    if life is None:
        return {
            **dict.fromkeys(("heard_at", "usual_pause_s", "silent_after_s", "clock_skew_s")),
            "late_values": 0,
        } | fields
    return fields | {
        "heard_at": rfc3339(life.heard_ms, zone),
        "usual_pause_s": None if life.interval_ms is None else life.interval_ms / 1000,
        "silent_after_s": life.limit_ms / 1000,
        "clock_skew_s": None if life.skew_ms is None else life.skew_ms / 1000,
        "late_values": life.late_values,
    }


def unit_fields(session: Session, unit: Unit, *, now_ms: int) -> dict[str, Any]:
    deaf_ms, life = deaf_since_ms(session, now_ms=now_ms), lives_of(session, [unit.id]).get(unit.id)
    return _named(unit) | presence_fields(unit, life, deaf_ms=deaf_ms, now_ms=now_ms)


def _named(unit: Unit) -> dict[str, Any]:
    return {
        "unit": unit.unit_key.path,
        "site": unit.site.key,
        "key": unit.key,
        "kind": Kind(unit.kind),
        "name": unit.name,
        "building": unit.building,
        "make": unit.make,
        "installed_on": unit.installed_on,
        "maintainer": unit.maintainer,
        "is_confirmed": unit.is_confirmed,
        "is_online": unit.is_online,
        "status_at": _moment(unit.status_ms, unit.site.timezone),
    }


def unit_shapes(session: Session, units: Sequence[Unit], *, now_ms: int) -> list[UnitShape]:
    deaf_ms, lives = deaf_since_ms(session, now_ms=now_ms), lives_of(session, [unit.id for unit in units])
    return [
        UnitShape(**_named(unit), **presence_fields(unit, lives.get(unit.id), deaf_ms=deaf_ms, now_ms=now_ms))
        for unit in units
    ]


def _alarm_fields(alarm: Alarm, *, limits: Limits, actor: Actor) -> dict[str, Any]:
    unit, zone = alarm.unit, alarm.unit.site.timezone
    condition = find_condition(limits, Kind(unit.kind), alarm.condition)
    is_named = names_people(actor, unit.site.key)
    return {
        "id": alarm.id,
        "unit": unit.unit_key.path,
        "site": unit.site.key,
        "condition": alarm.condition,
        "title": condition.title if condition is not None else alarm.condition,
        "severity": Severity(alarm.severity),
        "state": AlarmState(alarm.state),
        "is_active": alarm.is_active,
        "raised_at": rfc3339(alarm.raised_ms, zone),
        "received_at": rfc3339(alarm.received_ms, zone),
        "cleared_at": _moment(alarm.cleared_ms, zone),
        "acknowledged_at": _moment(alarm.acknowledged_ms, zone),
        "acknowledged_by": alarm.acknowledged_by if is_named else None,
        "shelved_until": _moment(alarm.shelved_until_ms, zone),
        "shelved_reason": alarm.shelved_reason if is_named else None,
        "occurrences": alarm.occurrences,
        "evidence": alarm.evidence,
        "ticket_id": alarm.ticket_id,
        "cause_id": alarm.cause_id,
        "is_explained": alarm.is_explained,
        "suppression_id": alarm.suppression_id,
        "is_in_service": alarm.is_in_service,
    }


def alarm_shape(alarm: Alarm, *, limits: Limits, actor: Actor) -> AlarmShape:
    return AlarmShape(**_alarm_fields(alarm, limits=limits, actor=actor))


def alarm_detail(session: Session, alarm: Alarm, *, limits: Limits, actor: Actor) -> AlarmDetail:
    condition, mark = find_condition(limits, Kind(alarm.unit.kind), alarm.condition), mark_of(session, alarm.id)
    return AlarmDetail(
        **_alarm_fields(alarm, limits=limits, actor=actor),
        advice=condition.advice if condition is not None else "",
        may_be_shelved=condition is not None and condition.may_be_shelved,
        explains=[effect.id for effect in alarms.explained_by(session, alarm.id)],
        false_alarm=FalseCause(mark.cause) if mark is not None else None,
    )


def _ticket_fields(ticket: Ticket, *, actor: Actor) -> dict[str, Any]:
    zone = ticket.site.timezone
    is_named = names_people(actor, ticket.site.key)
    return {
        "id": ticket.id,
        "site": ticket.site.key,
        "unit": ticket.unit.unit_key.path if ticket.unit is not None else None,
        "kind": TicketKind(ticket.kind),
        "title": ticket.title,
        "description": ticket.description if is_named else None,
        "severity": Severity(ticket.severity),
        "stage": Stage(ticket.stage),
        "opened_by": _who(ticket.opened_by, is_named=is_named),
        "opened_at": rfc3339(ticket.opened_ms, zone),
        "updated_at": rfc3339(ticket.updated_ms, zone),
        "closed_at": _moment(ticket.closed_ms, zone),
        "version": ticket.version,
        "turn": sorted(ticket.turn),
        "hold_reason": _hold_reason(ticket.hold_reason),
        "is_blocked_by_governance": ticket.is_blocked_by_governance,
        "demands": sorted(ticket.demanded),
        "restored_party": Party(ticket.restored_party) if ticket.restored_party else None,
        "restored_by": ticket.restored_by if is_named else None,
    }


def _hold_reason(name: str | None) -> HoldReason | None:
    return HoldReason(name) if name else None


def ticket_shape(ticket: Ticket, *, actor: Actor) -> TicketShape:
    return TicketShape(**_ticket_fields(ticket, actor=actor))


def _measured_shape(measured: Measured) -> MeasuredShape:
    def seconds(span_ms: int | None) -> float | None:
        return None if span_ms is None else span_ms / 1000

    return MeasuredShape(
        response_s=seconds(measured.response_ms),
        arrival_s=seconds(measured.arrival_ms),
        repair_s=seconds(measured.repair_ms),
        restoration_s=seconds(measured.restoration_ms),
    )


def ticket_detail(session: Session, ticket: Ticket, *, limits: Limits, actor: Actor) -> TicketDetail:
    zone = ticket.site.timezone
    is_named = names_people(actor, ticket.site.key)
    return TicketDetail(
        **_ticket_fields(ticket, actor=actor),
        measured=_measured_shape(measure(tickets.moves_of(session, ticket.id))),
        moves=[
            MoveShape(
                at=rfc3339(move.at_ms, zone),
                actor=_who(move.actor, is_named=is_named),
                from_stage=Stage(move.from_stage) if move.from_stage else None,
                to_stage=Stage(move.to_stage),
                note=move.note if is_named else None,
                party=Party(move.party) if move.party else None,
                hold_reason=_hold_reason(move.hold_reason),
                stands_in=move.stands_in,
            )
            for move in tickets.moves_of(session, ticket.id)
        ],
        allowed=[_next_stage(ticket, to) for to in tickets.allowed_moves(ticket, actor)],
        signing_refused=_signing_refused(ticket, actor),
        **case_fields(session, ticket, is_named=is_named),
        alarms=[
            alarm_shape(alarm, limits=limits, actor=actor) for alarm in alarms.alarms_of_ticket(session, ticket.id)
        ],
    )


def _next_stage(ticket: Ticket, to: Stage) -> NextStageShape:
    move = MOVES[Stage(ticket.stage)][to]
    needs = move.needs | move.asks & ticket.demanded
    return NextStageShape(
        stage=to, needs_note=move.needs_note, needs=sorted(needs), asks=sorted(move.asks - ticket.demanded)
    )


def _signing_refused(ticket: Ticket, actor: Actor) -> SigningRefusal | None:
    """Told to those whose role would permit the step."""
    refused = tickets.refused_signature(ticket, actor)
    if refused is None:
        return None
    return SigningRefusal(parties=list(refused.parties), is_cross_appointed=refused.is_cross_appointed)


def _who(name: str, *, is_named: bool) -> str | None:
    return name if is_named or name == SYSTEM.name else None


def zones_of(session: Session, sites: Iterable[str]) -> dict[str, str]:
    """Time zones by site."""
    return {site.key: site.timezone for site in list_sites(session, visible=set(sites))}


def activity_shape(row: Activity, *, zone: str = DEFAULT_TIMEZONE, is_named: bool) -> ActivityShape:
    unit = row.data.get("unit")
    return ActivityShape(
        id=row.id,
        at=rfc3339(row.at_ms, zone),
        verb=row.verb,
        subject=row.subject,
        site=row.site or None,
        unit=unit if isinstance(unit, str) else None,
        data=row.data if is_named else {k: v for k, v in row.data.items() if k in FACTS_FOR_RESIDENTS},
        actor=_who(row.actor, is_named=is_named),
        at_ms=row.at_ms,
        unit_id=row.unit_id,
        previous_hash=row.previous_hash if is_named else None,
        hash=row.hash if is_named else None,
    )


def may_see_activity(actor: Actor, site: str) -> bool:
    """Rows of no site tell about people and the register of all: for staff of all sites."""
    return actor.may_see(site) if site else names_people(actor, None)
