"""Call-outs: proposed, called stage by stage, answered, stood down, reported."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from alerts import call_out_moves
from alerts.call_out import (
    MAX_OUTCOME_LENGTH,
    MAX_PLACE_LENGTH,
    MAX_REASON_LENGTH,
    MUSTER_ROWS,
    CallOut,
    Summons,
    alarm_ids_of,
    count_muster,
    get_call_out,
    list_call_outs,
    muster_list,
)
from alerts.call_out_errors import NotSummoned, UnknownCallOut
from alerts.call_out_report import report_of
from alerts.call_out_states import OPEN_STATES, Answer, Audience, CallOutState, StageState
from alerts.call_out_summons import find_own, find_summons, give_answer, note_arrival
from api.call_out_links import open_links
from api.idempotency import IdempotencyKey, claimed
from api.instants import rfc3339
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, LARGEST_ID, AbsentIfEmpty, Cursor, Filter, Id, Limit, Text
from api.routes.shapes import Page, Rfc3339
from api.security import ApiActor, check_site, names_people
from registry.errors import UnknownSite
from registry.role import Actor
from registry.site import get_site

router = APIRouter(prefix="/call-outs", tags=["call-outs"])


class StageShape(BaseModel):
    position: int
    audience: Audience
    wanted: int = Field(description="the next stage is called when fewer than so many of all asked are coming")
    wait_min: int
    state: StageState
    due_at: Rfc3339 | None = Field(description="when it is called by itself")
    called_at: Rfc3339 | None
    asked: int


class MusterShape(BaseModel):
    asked: int
    coming: int
    cannot: int
    silent: int
    arrived: int
    overdue: int = Field(description="said that they come, should be there by now, and are not")


class CallOutShape(BaseModel):
    id: int
    site: str
    state: CallOutState
    reason: str
    condition: str = Field(description="of the alarm that gave reason to it; empty when a person started it")
    meeting_point: str
    facts: dict[str, Any] = Field(description="what the alarm measured; `overflow_in_min` is the forecast")
    ticket_id: int | None
    alarm_ids: list[int]
    opened_at: Rfc3339
    called_at: Rfc3339 | None
    called_by: str | None = Field(description="null for residents")
    is_automatic: bool
    stood_down_at: Rfc3339 | None
    ended_at: Rfc3339 | None
    outcome: str
    muster: MusterShape
    stages: list[StageShape]
    moves: list[CallOutState] = Field(description="what you may do with it now")


class PersonAtMuster(BaseModel):
    summons_id: int
    name: str
    position: int
    asked_at: Rfc3339
    answer: Answer | None
    minutes: int | None
    answered_at: Rfc3339 | None
    expected_at: Rfc3339 | None
    arrived_at: Rfc3339 | None


class StageFiguresShape(BaseModel):
    position: int
    audience: Audience
    state: StageState
    called_at: Rfc3339 | None
    asked: int
    coming: int
    arrived: int


class TimeToShape(BaseModel):
    number: int
    coming_s: float | None
    arrived_s: float | None


class StockUseShape(BaseModel):
    item_id: int
    name: str
    measure: str
    taken: int
    returned: int
    used_up: int
    still_out: int


class ReportShape(BaseModel):
    call_out: CallOutShape
    stages: list[StageFiguresShape]
    times: list[TimeToShape]
    stock: list[StockUseShape]
    people: list[PersonAtMuster] = Field(description="those who came, by the time of their arrival")


class NewCallOut(BaseModel):
    site: Annotated[Text, Field(min_length=1, max_length=64)]
    reason: Annotated[Text, Field(min_length=1, max_length=MAX_REASON_LENGTH)]
    meeting_point: Annotated[Text, Field(max_length=MAX_PLACE_LENGTH)] = ""
    ticket_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None


class CallOutTransition(BaseModel):
    """`called` confirms a proposal, `stood_down` sends everybody home, `closed` needs the report in `note`."""

    to: CallOutState
    note: Annotated[Text, Field(max_length=MAX_OUTCOME_LENGTH)] = ""


class NewAnswer(BaseModel):
    answer: Answer
    minutes: Literal[5, 15, 30] | None = Field(default=None, description="needed with `coming`")


class NewArrival(BaseModel):
    summons_id: Annotated[int, Field(ge=1, le=LARGEST_ID)]
    has_arrived: bool = True


@router.get("")
def list_call_outs_seen(
    actor: ApiActor,
    held: Held,
    state: Annotated[Literal["open"] | CallOutState | None, AbsentIfEmpty, Query()] = None,
    site: Filter = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[CallOutShape]:
    """The newest first; `open`: proposed or called."""
    states = OPEN_STATES if state == "open" else [state] if isinstance(state, CallOutState) else ()
    with held.database.reading() as session:
        found = list_call_outs(
            session,
            visible=actor.sites,
            site=site,
            states=states,
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[call_out_shape(session, each, actor=actor, now_ms=held.clock()) for each in found[:limit]],
            next=str(found[limit - 1].id) if len(found) > limit else None,
        )


@router.post("", status_code=201)
def start_call_out(
    request: Request,
    response: Response,
    actor: ApiActor,
    held: Held,
    new: NewCallOut,
    idempotency_key: IdempotencyKey = None,
) -> CallOutShape:
    """Calls people out at once, beginning with the first stage."""
    now_ms = held.clock()
    check_site(request, actor, new.site, unknown=UnknownSite(new.site))
    with held.database.writing() as session:
        asked = ["call-out", new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=now_ms)
        if claim is not None and claim.earlier is not None:
            call_out = call_out_seen(request, session, actor, int(claim.earlier))
        else:
            call_out = call_out_moves.start(
                session,
                get_site(session, new.site),
                reason=new.reason,
                meeting_point=new.meeting_point,
                ticket_id=new.ticket_id,
                actor=actor,
                hash_of_link=open_links(held.settings).hash_of_link,
                now_ms=now_ms,
            )
            if claim is not None:
                claim.row.result = str(call_out.id)
        response.headers["Location"] = f"/api/v1/call-outs/{call_out.id}"
        return call_out_shape(session, call_out, actor=actor, now_ms=now_ms)


@router.get("/{call_out_id}")
def show_call_out(request: Request, actor: ApiActor, held: Held, call_out_id: Id) -> CallOutShape:
    with held.database.reading() as session:
        call_out = call_out_seen(request, session, actor, call_out_id)
        return call_out_shape(session, call_out, actor=actor, now_ms=held.clock())


@router.post("/{call_out_id}/transitions")
def move_call_out(
    request: Request, actor: ApiActor, held: Held, call_out_id: Id, transition: CallOutTransition
) -> CallOutShape:
    """A move that its state does not allow is refused with the moves that it does."""
    now_ms = held.clock()
    with held.database.writing() as session:
        call_out_seen(request, session, actor, call_out_id)
        call_out = call_out_moves.move_call_out(
            session,
            call_out_id,
            transition.to,
            actor=actor,
            note=transition.note,
            hash_of_link=open_links(held.settings).hash_of_link,
            now_ms=now_ms,
        )
        return call_out_shape(session, call_out, actor=actor, now_ms=now_ms)


@router.post("/{call_out_id}/next-stage")
def call_next_stage(request: Request, actor: ApiActor, held: Held, call_out_id: Id) -> CallOutShape:
    """Calls the next stage now, without waiting for its time."""
    now_ms = held.clock()
    with held.database.writing() as session:
        call_out_seen(request, session, actor, call_out_id)
        links = open_links(held.settings)
        call_out = call_out_moves.call_next_stage(
            session, call_out_id, actor=actor, hash_of_link=links.hash_of_link, now_ms=now_ms
        )
        return call_out_shape(session, call_out, actor=actor, now_ms=now_ms)


@router.get("/{call_out_id}/muster")
def show_muster(request: Request, actor: ApiActor, held: Held, call_out_id: Id) -> Page[PersonAtMuster]:
    """Those who come first, by the time they are expected; at most 300, the counts of the call-out are of all."""
    with held.database.reading() as session:
        call_out = call_out_seen(request, session, actor, call_out_id)
        people = muster_list(session, call_out.id, limit=MUSTER_ROWS)
        return Page(items=[_person(each, call_out) for each in people], next=None)


@router.post("/{call_out_id}/answer")
def answer(actor: ApiActor, held: Held, call_out_id: Id, new: NewAnswer) -> PersonAtMuster:
    """Your own answer; the last one counts. Where you hold no role, the summons is your right to answer."""
    with held.database.writing() as session:
        summons = find_own(session, call_out_id, actor.person_id)
        summons = give_answer(session, summons, new.answer, minutes=new.minutes, now_ms=held.clock())
        return _person(summons, get_call_out(session, call_out_id))


@router.post("/{call_out_id}/arrivals")
def note_arrival_of(request: Request, actor: ApiActor, held: Held, call_out_id: Id, new: NewArrival) -> PersonAtMuster:
    """Who has arrived, by the person at the meeting point, who may take it back."""
    with held.database.writing() as session:
        call_out = call_out_seen(request, session, actor, call_out_id)
        summons = find_summons(session, new.summons_id)
        if summons.call_out_id != call_out.id:
            raise NotSummoned
        summons = note_arrival(session, summons, has_arrived=new.has_arrived, actor=actor, now_ms=held.clock())
        return _person(summons, call_out)


@router.get("/{call_out_id}/report")
def show_report(request: Request, actor: ApiActor, held: Held, call_out_id: Id) -> ReportShape:
    now_ms = held.clock()
    with held.database.reading() as session:
        call_out = call_out_seen(request, session, actor, call_out_id)
        report = report_of(session, call_out, now_ms=now_ms)
        zone = call_out.site.timezone
        return ReportShape(
            call_out=call_out_shape(session, call_out, actor=actor, now_ms=now_ms),
            stages=[
                StageFiguresShape(
                    position=each.position,
                    audience=Audience(each.audience),
                    state=StageState(each.state),
                    called_at=_at(each.called_ms, zone),
                    asked=each.asked,
                    coming=each.coming,
                    arrived=each.arrived,
                )
                for each in report.stages
            ],
            times=[
                TimeToShape(number=each.number, coming_s=_seconds(each.coming_ms), arrived_s=_seconds(each.arrived_ms))
                for each in report.times
            ],
            stock=[
                StockUseShape(
                    item_id=each.item.id,
                    name=each.item.name,
                    measure=each.item.measure,
                    taken=each.taken,
                    returned=each.returned,
                    used_up=each.used_up,
                    still_out=each.still_out,
                )
                for each in report.stock
            ],
            people=[_person(each, call_out) for each in report.people],
        )


def call_out_seen(request: Request, session: Session, actor: Actor, call_out_id: int) -> CallOut:
    """Raises UnknownCallOut for one of a site this person may not see, RoleMissing where their role is another."""
    call_out = get_call_out(session, call_out_id)
    check_site(request, actor, call_out.site.key, unknown=UnknownCallOut(call_out_id))
    return call_out


def call_out_shape(session: Session, call_out: CallOut, *, actor: Actor, now_ms: int) -> CallOutShape:
    zone, is_named = call_out.site.timezone, names_people(actor, call_out.site.key)
    muster = count_muster(session, call_out.id, now_ms=now_ms)
    return CallOutShape(
        id=call_out.id,
        site=call_out.site.key,
        state=CallOutState(call_out.state),
        reason=call_out.reason,
        condition=call_out.condition,
        meeting_point=call_out.meeting_point,
        facts=call_out.facts,
        ticket_id=call_out.ticket_id,
        alarm_ids=alarm_ids_of(session, call_out.id),
        opened_at=rfc3339(call_out.opened_ms, zone),
        called_at=_at(call_out.called_ms, zone),
        called_by=call_out.called_by if is_named else None,
        is_automatic=call_out.is_automatic,
        stood_down_at=_at(call_out.stood_down_ms, zone),
        ended_at=_at(call_out.ended_ms, zone),
        outcome=call_out.outcome,
        muster=MusterShape(
            asked=muster.asked,
            coming=muster.coming,
            cannot=muster.cannot,
            silent=muster.silent,
            arrived=muster.arrived,
            overdue=muster.overdue,
        ),
        stages=[
            StageShape(
                position=stage.position,
                audience=Audience(stage.audience),
                wanted=stage.wanted,
                wait_min=stage.wait_min,
                state=StageState(stage.state),
                due_at=_at(stage.due_ms, zone),
                called_at=_at(stage.called_ms, zone),
                asked=stage.asked,
            )
            for stage in call_out.stages
        ],
        moves=call_out_moves.may_make(call_out, actor),
    )


def _person(summons: Summons, call_out: CallOut) -> PersonAtMuster:
    zone = call_out.site.timezone
    return PersonAtMuster(
        summons_id=summons.id,
        name=summons.person.display_name,
        position=summons.position,
        asked_at=rfc3339(summons.asked_ms, zone),
        answer=Answer(summons.answer) if summons.answer else None,
        minutes=summons.minutes,
        answered_at=_at(summons.answered_ms, zone),
        expected_at=_at(summons.expected_ms, zone),
        arrived_at=_at(summons.arrived_ms, zone),
    )


def _at(at_ms: int | None, zone: str) -> str | None:
    return None if at_ms is None else rfc3339(at_ms, zone)


def _seconds(span_ms: int | None) -> float | None:
    return None if span_ms is None else span_ms / 1000
