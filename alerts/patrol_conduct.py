"""What a round is as a whole: who takes part, when it is done, and what follows from that. In the caller's transaction.

The site is held first, then the round, then tickets, then the head of the activity log.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.patrol_errors import PatrolCancelled
from alerts.patrol_items import RESULT_ROLES, PlanKind
from alerts.patrol_record import PatrolParticipant, PatrolStop, Record, record_of
from alerts.patrol_schedule import PatrolRound, RoundState, get_round, pull_forward
from alerts.patrol_statutory import maintained
from registry import activity
from registry.activity import Entry
from registry.calendar import local_day
from registry.person import Person
from registry.role import PARTY_OF_ROLE, Actor, Party, Role
from registry.site import hold_sites

_PARTY_ORDER = (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY, Party.DISTRICT, Party.OWNERS, Party.OPERATOR)


def may_answer(patrol: PatrolRound, actor: Actor) -> bool:
    roles = actor.roles_at(patrol.site.key)
    return Role.ADMIN in roles or bool(roles & RESULT_ROLES[PlanKind(patrol.plan.kind)])


def party_at(actor: Actor, site: str) -> Party:
    """The party a person takes part for; of several the first of the three."""
    parties = {PARTY_OF_ROLE[role] for role in actor.roles_at(site)}
    return next((party for party in _PARTY_ORDER if party in parties), Party.OPERATOR)


def settle(session: Session, patrol: PatrolRound, *, actor: Actor, now_ms: int) -> Record:
    """Brings the round's state, its stops and what follows from them in line with what was found."""
    record = record_of(session, patrol)
    is_lift = PlanKind(patrol.plan.kind) is PlanKind.LIFT
    kept = {
        row.checkpoint_id: row
        for row in session.scalars(select(PatrolStop).where(PatrolStop.round_id == patrol.id)).all()
    }
    for stop in record.stops:
        done_ms = stop.done_ms
        if done_ms is None or not stop.is_all_seen:
            continue
        done_on = local_day(done_ms, timezone=patrol.site.timezone)
        row = kept.get(stop.checkpoint.id)
        if row is None:
            row = PatrolStop(round_id=patrol.id, checkpoint_id=stop.checkpoint.id, done_ms=done_ms, done_on=done_on)
            session.add(row)
        row.done_ms, row.done_on = done_ms, done_on
        if is_lift and stop.checkpoint.unit is not None:
            row.service_record_id = maintained(
                session,
                stop.checkpoint.unit,
                done_on=done_on,
                by=", ".join(stop.done_by),
                patrol_id=patrol.id,
                record_id=row.service_record_id,
                actor=actor,
                now_ms=now_ms,
            )
    session.flush()
    _set_state(session, patrol, record, now_ms=now_ms)
    return record


def _set_state(session: Session, patrol: PatrolRound, record: Record, *, now_ms: int) -> None:
    state = record.state()
    done_ms = record.done_ms
    if state is RoundState(patrol.state) and done_ms == patrol.done_ms:
        return
    was_done = patrol.done_ms is not None
    patrol.state, patrol.done_ms = state.value, done_ms
    session.flush()
    if done_ms is None or was_done:
        return
    data = {"state": state.value, **facts_of(patrol)}
    entries = [Entry("patrol.done", patrol.subject, site=patrol.site.key, data=data)]
    first = min((stop.done_ms for stop in record.stops if stop.done_ms is not None), default=done_ms)
    day = pull_forward(
        session,
        patrol.plan,
        after_number=patrol.number,
        last_done=local_day(first, timezone=patrol.site.timezone),
    )
    if day is not None:
        moved = {"to": day.isoformat(), **facts_of(patrol)}
        entries.append(Entry("patrol.moved_forward", patrol.subject, site=patrol.site.key, data=moved))
    activity.append(session, entries, now_ms=now_ms)


def facts_of(patrol: PatrolRound) -> dict[str, Any]:
    return {"plan": patrol.plan.name, "kind": patrol.kind, "day": patrol.day.isoformat()}


def hold_round(session: Session, patrol_id: int) -> PatrolRound:
    """The round, with its site held before it. Raises UnknownPatrol."""
    site_id = get_round(session, patrol_id).site_id
    hold_sites(session, [site_id])
    return get_round(session, patrol_id, for_update=True)


def take_part(session: Session, patrol: PatrolRound, actor: Actor, *, now_ms: int) -> bool:
    """Names a person among those who make the round; whether that is new."""
    if actor.person_id is None:
        return False
    query = select(PatrolParticipant.id).where(
        PatrolParticipant.round_id == patrol.id, PatrolParticipant.person_id == actor.person_id
    )
    if session.scalar(query) is not None:
        return False
    session.add(
        PatrolParticipant(
            round_id=patrol.id,
            person_id=actor.person_id,
            party=party_at(actor, patrol.site.key).value,
            at_ms=now_ms,
        )
    )
    session.flush()
    return True


def join(session: Session, patrol_id: int, *, person: Person, actor: Actor, now_ms: int) -> PatrolRound:
    """`actor` says that `person` takes part, be it themselves. Raises UnknownPatrol, PatrolCancelled."""
    patrol = hold_round(session, patrol_id)
    if RoundState(patrol.state) is RoundState.CANCELLED:
        raise PatrolCancelled(patrol.id)
    if take_part(session, patrol, person.as_actor(), now_ms=now_ms):
        data = {"person": person.name, **facts_of(patrol)}
        entry = Entry("patrol.joined", patrol.subject, actor=actor.name, site=patrol.site.key, data=data)
        activity.append(session, [entry], now_ms=now_ms)
    return patrol
