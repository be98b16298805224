"""The shapes of rounds, and how they are told."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field

from alerts.patrol import Refusal, Taken
from alerts.patrol_conduct import may_answer
from alerts.patrol_focus import FocusReason
from alerts.patrol_items import Form, Photo, PlanKind, RoundKind
from alerts.patrol_plan import PatrolPlan
from alerts.patrol_record import Answer, Flag, Outcome, Record, Stop
from alerts.patrol_schedule import PatrolRound, RoundState
from alerts.patrol_statutory import Due, Duty
from api.instants import rfc3339
from api.routes.shapes import Rfc3339
from api.security import names_people
from registry.role import Actor, Party
from registry.unit import Unit


class PatrolShape(BaseModel):
    id: int
    site: str
    plan_id: int
    plan: str
    kind: RoundKind
    number: int
    day: str = Field(description="its last day, at the site")
    starts_at: Rfc3339
    ends_at: Rfc3339
    state: RoundState
    done_at: Rfc3339 | None
    missed_at: Rfc3339 | None = Field(description="when it was found that it was missed")
    missed_ticket_id: int | None


class AnswerShape(BaseModel):
    outcome: Outcome
    value: float | None
    note: str
    at: Rfc3339
    received_at: Rfc3339
    by: str = Field(description="empty for residents")
    party: Party
    flags: list[Flag] = Field(description="what is doubtful; it stops nothing")
    ticket_id: int | None
    photos: list[int]
    key: str


class ItemShape(BaseModel):
    item: str
    title: str
    form: Form
    unit: str
    low: float | None = Field(description="right from here")
    high: float | None = Field(description="up to here")
    possible_low: float | None = Field(description="what lies outside cannot be and is refused")
    possible_high: float | None
    photo: Photo
    source: str
    answer: AnswerShape | None = Field(description="the last one")
    earlier: list[AnswerShape]


class FocusShape(BaseModel):
    reason: FocusReason
    facts: dict[str, Any]


class ScanShape(BaseModel):
    at: Rfc3339
    by: str
    flags: list[Flag]


class StopShape(BaseModel):
    checkpoint: int
    code: str
    name: str
    building: str
    unit: str | None = Field(description="`{site}~{unit}`")
    focus: FocusShape | None = Field(description="why the unit was put on this round")
    is_done: bool
    scans: list[ScanShape]
    items: list[ItemShape]


class ParticipantShape(BaseModel):
    name: str
    party: Party


class PatrolDetail(PatrolShape):
    parties_wanted: list[Party]
    participants: list[ParticipantShape]
    items_done: int
    items: int
    may_answer: bool
    stops: list[StopShape]


class RefusedShape(BaseModel):
    key: str
    item: str | None
    reason: Refusal
    possible_low: float | None = None
    possible_high: float | None = None


class TakenShape(BaseModel):
    accepted: int
    duplicates: int
    refused: list[RefusedShape]
    tickets: list[int] = Field(description="opened for what is not in order, or in which it is noted")
    patrol: PatrolDetail


class PlanShape(BaseModel):
    id: int
    site: str
    kind: PlanKind
    name: str
    interval_days: int
    window_days: int
    start_min: int
    end_min: int
    is_working_days: bool
    parties: list[Party]
    is_active: bool
    planned_until: str | None


class StatutoryShape(BaseModel):
    unit: str
    duty: Duty
    since: str
    due_on: str = Field(description="the last day that the law allows")
    days_left: int = Field(description="negative when it is exceeded")
    is_recorded: bool = Field(description="false: counted from the day of registration")
    ticket_id: int | None = Field(description="in which it was escalated")


def patrol_facts(patrol: PatrolRound) -> dict[str, Any]:
    zone = patrol.site.timezone
    return {
        "id": patrol.id,
        "site": patrol.site.key,
        "plan_id": patrol.plan_id,
        "plan": patrol.plan.name,
        "kind": patrol.kind,
        "number": patrol.number,
        "day": patrol.day.isoformat(),
        "starts_at": rfc3339(patrol.starts_ms, zone),
        "ends_at": rfc3339(patrol.ends_ms, zone),
        "state": patrol.state,
        "done_at": None if patrol.done_ms is None else rfc3339(patrol.done_ms, zone),
        "missed_at": None if patrol.missed_ms is None else rfc3339(patrol.missed_ms, zone),
        "missed_ticket_id": patrol.missed_ticket_id,
    }


def patrol_detail(record: Record, *, actor: Actor) -> PatrolDetail:
    patrol = record.patrol
    is_named = names_people(actor, patrol.site.key)

    def told(at_ms: int) -> str:
        return rfc3339(at_ms, patrol.site.timezone)

    return PatrolDetail(
        **patrol_facts(patrol),
        parties_wanted=list(patrol.plan.wanted_parties),
        participants=[
            ParticipantShape(name=each.person.name if is_named else "", party=Party(each.party))
            for each in record.participants
        ],
        items_done=record.done,
        items=record.slots,
        may_answer=may_answer(patrol, actor),
        stops=[_stop(stop, told, is_named=is_named) for stop in record.stops],
    )


def _stop(stop: Stop, told: Callable[[int], str], *, is_named: bool) -> StopShape:
    checkpoint = stop.checkpoint
    return StopShape(
        checkpoint=checkpoint.id,
        code=checkpoint.code,
        name=checkpoint.name,
        building=checkpoint.where,
        unit=checkpoint.unit.unit_key.path if checkpoint.unit is not None else None,
        focus=FocusShape(reason=FocusReason(stop.focus.reason), facts=stop.focus.facts) if stop.focus else None,
        is_done=stop.is_done,
        scans=[
            ScanShape(at=told(scan.at_ms), by=scan.actor if is_named else "", flags=sorted(flags))
            for scan, flags in stop.scans
        ],
        items=[
            ItemShape(
                item=slot.item.code,
                title=slot.item.title,
                form=slot.item.form,
                unit=slot.item.unit,
                low=slot.item.low,
                high=slot.item.high,
                possible_low=slot.item.possible_low if slot.item.form is Form.MEASURED else None,
                possible_high=slot.item.possible_high if slot.item.form is Form.MEASURED else None,
                photo=slot.item.photo,
                source=slot.item.source,
                answer=_answer(slot.answer, told, is_named=is_named) if slot.answer else None,
                earlier=[_answer(each, told, is_named=is_named) for each in slot.earlier],
            )
            for slot in stop.slots
        ],
    )


def _answer(answer: Answer, told: Callable[[int], str], *, is_named: bool) -> AnswerShape:
    result = answer.result
    return AnswerShape(
        outcome=Outcome(result.outcome),
        value=result.value,
        note=result.note if is_named else "",
        at=told(result.at_ms),
        received_at=told(result.received_ms),
        by=result.actor if is_named else "",
        party=Party(result.party),
        flags=sorted(answer.flags),
        ticket_id=result.ticket_id,
        photos=list(answer.photos) if is_named else [],
        key=result.key,
    )


def taken_shape(taken: Taken, *, actor: Actor) -> TakenShape:
    return TakenShape(
        accepted=taken.accepted,
        duplicates=taken.duplicates,
        refused=[
            RefusedShape(
                key=each.key,
                item=each.item.code if each.item else None,
                reason=each.reason,
                possible_low=each.item.possible_low if each.item and each.item.form is Form.MEASURED else None,
                possible_high=each.item.possible_high if each.item and each.item.form is Form.MEASURED else None,
            )
            for each in taken.refused
        ],
        tickets=list(taken.ticket_ids),
        patrol=patrol_detail(taken.record, actor=actor),
    )


def plan_shape(plan: PatrolPlan) -> PlanShape:
    return PlanShape(
        id=plan.id,
        site=plan.site.key,
        kind=PlanKind(plan.kind),
        name=plan.name,
        interval_days=plan.interval_days,
        window_days=plan.window_days,
        start_min=plan.start_min,
        end_min=plan.end_min,
        is_working_days=plan.is_working_days,
        parties=list(plan.wanted_parties),
        is_active=plan.is_active,
        planned_until=plan.last_day.isoformat() if plan.last_day else None,
    )


def statutory_shape(unit: Unit, due: Due, *, days_left: int, ticket_id: int | None) -> StatutoryShape:
    return StatutoryShape(
        unit=unit.unit_key.path,
        duty=due.duty,
        since=due.since.isoformat(),
        due_on=due.due_on.isoformat(),
        days_left=days_left,
        is_recorded=due.is_recorded,
        ticket_id=ticket_id,
    )
