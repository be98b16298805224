"""What moves a call-out: a proposal by an alarm, people's decisions, and the stages that come due.

Every function that changes one holds the head of the activity log first and the call-out's row after it. Stages come
due as rows; whoever holds the row calls the stage, once, whichever server it is and however late.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.call_out import (
    MAX_OUTCOME_LENGTH,
    MAX_PLACE_LENGTH,
    MAX_REASON_LENGTH,
    CallOut,
    CallOutAlarm,
    CallOutStage,
    call_out_entry,
    count_coming,
    find_open_call_out,
    get_call_out,
    move_stage,
    record,
    stage_before,
)
from alerts.call_out_errors import InvalidCallOut, NoStageLeft, OpenCallOut
from alerts.call_out_plan import is_called_by_itself, setting_of, stages_of_site
from alerts.call_out_states import (
    CALLERS,
    MOVES,
    Audience,
    CallOutState,
    StageState,
)
from alerts.call_out_summons import (
    PROPOSAL,
    STAND_DOWN,
    SUMMONS,
    HashOfLink,
    audience,
    message_key,
    people_summoned,
    send,
    summon,
)
from alerts.errors import IllegalMove, MissingNote, NotPermitted
from alerts.notification import withdraw
from alerts.severity import Severity
from registry import activity
from registry.activity import Entry
from registry.duty import holders
from registry.role import SYSTEM, Actor, Role
from registry.site import Site

PROPOSING = frozenset({"inflow_exceeds_capacity", "floor_water_close", "floor_water_evacuate"})
"""Conditions of pumps that give reason to call people out."""
LAPSES_MS = 12 * 3_600_000
BATCH = 20
MINUTE_MS = 60_000


# The proposal


def propose(session: Session, alarm: Alarm, *, now_ms: int) -> list[Entry]:
    """Proposes a call-out for a flood alarm, once for each; returns what is to be recorded.

    Where a call-out is open already the alarm is put to it. Runs in the transaction that raises the alarm.
    """
    if alarm.condition not in PROPOSING or session.get(CallOutAlarm, alarm.id) is not None:
        return []
    site = alarm.unit.site
    is_automatic = is_called_by_itself(setting_of(session, site.id), Severity(alarm.severity))
    call_out = find_open_call_out(session, site.id)
    is_new = call_out is None
    if call_out is None:
        call_out = _insert_proposal(session, alarm, site, now_ms=now_ms)
        if call_out is None:
            # Another worker was first.
            call_out, is_new = find_open_call_out(session, site.id), False
    if call_out is None:
        return []
    session.add(CallOutAlarm(alarm_id=alarm.id, call_out_id=call_out.id))
    if is_automatic and call_out.state == CallOutState.PROPOSED and not call_out.is_automatic:
        call_out.is_automatic, call_out.due_ms = True, now_ms
    session.flush()
    if is_new and not is_automatic:
        send(session, call_out, PROPOSAL, holders(session, site, CALLERS), now_ms=now_ms)
    verb = "call_out.proposed" if is_new else "call_out.alarm_added"
    return [call_out_entry(call_out, verb, {"alarm_id": alarm.id, "condition": alarm.condition})]


def _insert_proposal(session: Session, alarm: Alarm, site: Site, *, now_ms: int) -> CallOut | None:
    call_out = CallOut(
        site=site,
        state=CallOutState.PROPOSED.value,
        condition=alarm.condition,
        meeting_point=setting_of(session, site.id).meeting_point,
        facts={name: value for name, value in alarm.evidence.items() if isinstance(value, int | float)},
        ticket_id=alarm.ticket_id,
        opened_ms=now_ms,
        opened_by=SYSTEM.name,
        due_ms=now_ms + LAPSES_MS,
    )
    try:
        with session.begin_nested():
            session.add(call_out)
    except IntegrityError:
        return None
    return call_out


# People's decisions


def start(
    session: Session,
    site: Site,
    *,
    reason: str,
    meeting_point: str,
    ticket_id: int | None = None,
    actor: Actor,
    hash_of_link: HashOfLink,
    now_ms: int,
) -> CallOut:
    """A person calls people out without an alarm. Raises NotPermitted, InvalidCallOut or OpenCallOut."""
    reason = reason.strip()[:MAX_REASON_LENGTH]
    if not reason:
        raise InvalidCallOut("reason", "is missing: say what people are called for")
    _permit(actor, site, CALLERS, subject="call_out", wanted=CallOutState.CALLED)
    activity.append(session, [], now_ms=now_ms)
    present = find_open_call_out(session, site.id)
    if present is not None:
        raise OpenCallOut(site.key, present.id)
    call_out = CallOut(
        site=site,
        state=CallOutState.PROPOSED.value,
        reason=reason,
        meeting_point=meeting_point.strip()[:MAX_PLACE_LENGTH] or setting_of(session, site.id).meeting_point,
        facts={},
        ticket_id=ticket_id,
        opened_ms=now_ms,
        opened_by=actor.name,
    )
    session.add(call_out)
    session.flush()
    _set_state(call_out, CallOutState.CALLED, actor=actor)
    _begin(session, call_out, actor=actor, hash_of_link=hash_of_link, now_ms=now_ms)
    return call_out


def move_call_out(
    session: Session,
    call_out_id: int,
    to: CallOutState,
    *,
    actor: Actor,
    note: str = "",
    hash_of_link: HashOfLink,
    now_ms: int,
) -> CallOut:
    """One person's decision. Raises UnknownCallOut, IllegalMove, NotPermitted or MissingNote."""
    call_out = _hold(session, call_out_id, now_ms=now_ms)
    note = note.strip()[:MAX_OUTCOME_LENGTH]
    _set_state(call_out, to, actor=actor, note=note)
    if to is CallOutState.CALLED:
        if note:
            call_out.reason = note[:MAX_REASON_LENGTH]
        _begin(session, call_out, actor=actor, hash_of_link=hash_of_link, now_ms=now_ms)
    elif to is CallOutState.STOOD_DOWN:
        _stand_down(session, call_out, note, actor=actor, now_ms=now_ms)
    else:
        call_out.due_ms, call_out.ended_ms, call_out.ended_by, call_out.outcome = None, now_ms, actor.name, note
        record(session, call_out, f"call_out.{to.value}", {"note": note}, actor, now_ms=now_ms)
    return call_out


def call_next_stage(
    session: Session, call_out_id: int, *, actor: Actor, hash_of_link: HashOfLink, now_ms: int
) -> CallOut:
    """Calls the next stage without waiting for its time. Raises IllegalMove, NotPermitted or NoStageLeft."""
    call_out = _hold(session, call_out_id, now_ms=now_ms)
    _permit(actor, call_out.site, CALLERS, subject=call_out.subject, wanted="next_stage")
    if call_out.state != CallOutState.CALLED:
        allowed = [each.value for each in MOVES[CallOutState(call_out.state)]]
        raise IllegalMove(call_out.subject, current=call_out.state, wanted="next_stage", allowed=allowed)
    stage = next((each for each in call_out.stages if each.state != StageState.CALLED), None)
    if stage is None:
        raise NoStageLeft(call_out.id)
    _call_stage(session, call_out, stage, actor=actor, hash_of_link=hash_of_link, now_ms=now_ms)
    return call_out


def may_make(call_out: CallOut, actor: Actor) -> list[CallOutState]:
    """The moves this person may make now."""
    roles = actor.roles_at(call_out.site.key)
    moves = MOVES[CallOutState(call_out.state)]
    return [to for to, move in moves.items() if move.roles and (Role.ADMIN in roles or roles & move.roles)]


# What comes due


def run_due_call_outs(session: Session, *, hash_of_link: HashOfLink, now_ms: int, limit: int = BATCH) -> int:
    """Does what is due by now: proposals that call by themselves or lapse, and stages; returns how many it settled."""
    activity.append(session, [], now_ms=now_ms)
    proposals = (
        select(CallOut)
        .where(CallOut.state == CallOutState.PROPOSED.value, CallOut.due_ms <= now_ms)
        .order_by(CallOut.due_ms, CallOut.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=CallOut)
    )
    settled = 0
    for call_out in session.scalars(proposals):
        settled += 1
        if call_out.is_automatic:
            _set_state(call_out, CallOutState.CALLED, actor=SYSTEM)
            _begin(session, call_out, actor=SYSTEM, hash_of_link=hash_of_link, now_ms=now_ms)
        else:
            _set_state(call_out, CallOutState.LAPSED, actor=SYSTEM)
            call_out.due_ms, call_out.ended_ms, call_out.ended_by = None, now_ms, SYSTEM.name
            record(session, call_out, "call_out.lapsed", {}, SYSTEM, now_ms=now_ms)
    stages = (
        select(CallOutStage)
        .where(CallOutStage.state == StageState.WAITING.value, CallOutStage.due_ms <= now_ms)
        .order_by(CallOutStage.due_ms, CallOutStage.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=CallOutStage)
    )
    for stage in session.scalars(stages):
        settled += 1
        call_out = get_call_out(session, stage.call_out_id, for_update=True)
        before = stage_before(call_out.stages, stage)
        coming = count_coming(session, call_out.id)
        if before is not None and coming >= before.wanted:
            move_stage(stage, StageState.NOT_NEEDED)
            data = {"position": stage.position, "coming": coming, "wanted": before.wanted}
            record(session, call_out, "call_out.stage_not_needed", data, SYSTEM, now_ms=now_ms)
            continue
        _call_stage(session, call_out, stage, actor=SYSTEM, hash_of_link=hash_of_link, now_ms=now_ms)
    return settled


def oldest_due_call_out_ms(session: Session, *, now_ms: int) -> int | None:
    """When the oldest of what should have been done by now was due; None when nothing is."""
    proposed = select(CallOut.due_ms).where(CallOut.state == CallOutState.PROPOSED.value, CallOut.due_ms <= now_ms)
    waiting = select(CallOutStage.due_ms).where(
        CallOutStage.state == StageState.WAITING.value, CallOutStage.due_ms <= now_ms
    )
    found = [session.scalar(each.order_by(each.selected_columns[0]).limit(1)) for each in (proposed, waiting)]
    return min((each for each in found if each is not None), default=None)


# Within


def _hold(session: Session, call_out_id: int, *, now_ms: int) -> CallOut:
    activity.append(session, [], now_ms=now_ms)
    return get_call_out(session, call_out_id, for_update=True)


def _permit(actor: Actor, site: Site, roles: frozenset[Role], *, subject: str, wanted: str) -> None:
    held = actor.roles_at(site.key)
    if Role.ADMIN not in held and not held & roles:
        raise NotPermitted(subject, wanted=wanted, roles=[role.value for role in roles])


def _set_state(call_out: CallOut, to: CallOutState, *, actor: Actor, note: str = "") -> None:
    """The one setter of `state`; it changes nothing when it raises."""
    current = CallOutState(call_out.state)
    move = MOVES[current].get(to)
    if move is None:
        allowed = [each.value for each, other in MOVES[current].items() if other.roles]
        raise IllegalMove(call_out.subject, current=current.value, wanted=to.value, allowed=allowed)
    if not (move.is_automatic and actor is SYSTEM):
        if not move.roles:
            raise NotPermitted(call_out.subject, wanted=to.value, roles=[])
        _permit(actor, call_out.site, move.roles, subject=call_out.subject, wanted=to.value)
        if move.needs_note and not note:
            raise MissingNote(call_out.subject, wanted=to.value)
    call_out.state = to.value


def _begin(session: Session, call_out: CallOut, *, actor: Actor, hash_of_link: HashOfLink, now_ms: int) -> None:
    call_out.called_ms, call_out.called_by, call_out.due_ms = now_ms, actor.name, None
    call_out.stages = [
        CallOutStage(
            position=position,
            audience=rule.audience.value,
            wanted=rule.wanted,
            wait_min=rule.wait_min,
            state=StageState.WAITING.value,
        )
        for position, rule in enumerate(stages_of_site(session, call_out.site_id))
    ]
    session.flush()
    data = {
        "is_automatic": call_out.is_automatic,
        "meeting_point": call_out.meeting_point,
        "reason": call_out.reason,
    }
    record(session, call_out, "call_out.called", data, actor, now_ms=now_ms)
    _call_stage(session, call_out, call_out.stages[0], actor=actor, hash_of_link=hash_of_link, now_ms=now_ms)


def _call_stage(
    session: Session,
    call_out: CallOut,
    stage: CallOutStage,
    *,
    actor: Actor,
    hash_of_link: HashOfLink,
    now_ms: int,
) -> None:
    people = audience(session, call_out.site, Audience(stage.audience), at_ms=now_ms)
    asked = summon(session, call_out, stage, people, hash_of_link=hash_of_link, now_ms=now_ms)
    move_stage(stage, StageState.CALLED)
    stage.late_ms = max(0, now_ms - stage.due_ms) if stage.due_ms is not None and actor is SYSTEM else None
    stage.called_ms, stage.called_by, stage.asked = now_ms, actor.name, asked
    following = _after(call_out.stages, stage)
    if following is not None and following.state == StageState.WAITING:
        # Nobody to wait for: the next stage is called at once.
        following.due_ms = now_ms + stage.wait_min * MINUTE_MS if asked else now_ms
    session.flush()
    data = {"position": stage.position, "audience": stage.audience, "asked": asked, "late_ms": stage.late_ms}
    record(session, call_out, "call_out.stage_called", data, actor, now_ms=now_ms)


def _after(stages: Sequence[CallOutStage], stage: CallOutStage) -> CallOutStage | None:
    return next((each for each in stages if each.position == stage.position + 1), None)


def _stand_down(session: Session, call_out: CallOut, note: str, *, actor: Actor, now_ms: int) -> None:
    call_out.stood_down_ms, call_out.stood_down_by, call_out.stand_down_note = now_ms, actor.name, note
    for stage in call_out.stages:
        if stage.state != StageState.CALLED:
            move_stage(stage, StageState.CANCELLED)
    # A summons that comes after the stand-down would bring people for nothing.
    people = people_summoned(session, call_out.id)
    withdraw(session, [f"{message_key(call_out, SUMMONS)}:{person.id}" for person in people], now_ms=now_ms)
    told = send(session, call_out, STAND_DOWN, people, now_ms=now_ms)
    record(session, call_out, "call_out.stood_down", {"told": told, "note": note}, actor, now_ms=now_ms)
