"""Whom a stage summons, and what they answer: each person is asked once, and may change their answer.

Functions here run in the caller's transaction, which holds the head of the activity log before any row of a call-out:
so nobody waits in a ring, and what one of them decides the next one sees.
"""

from collections.abc import Callable, Collection

from sqlalchemy import insert, select
from sqlalchemy.orm import Session, joinedload

from alerts.call_out import (
    CallOut,
    CallOutStage,
    Summons,
    count_coming,
    get_call_out,
    move_stage,
    record,
    stage_before,
)
from alerts.call_out_errors import InvalidCallOut, NotSummoned, SummonsOver
from alerts.call_out_states import ARRIVES_IN_MIN, Answer, Audience, CallOutState, StageState
from alerts.notification import Call, Told, tell
from alerts.severity import Severity
from registry import activity
from registry.calendar import hours_of
from registry.database import portions
from registry.duty import holders, on_duty
from registry.neighbourhood import helpers_of
from registry.person import Person
from registry.role import Actor, Party, Role
from registry.site import Site

LINK_LIFETIME_MS = 24 * 3_600_000
PERSON_ALONE = joinedload(Summons.person).lazyload(Person.grants)
"""A hundred answers a second need a name, not what else belongs to a person."""
DUTY_PARTIES = (Party.PROPERTY, Party.COMMUNITY)
STAFF_ROLES = frozenset({Role.PROPERTY_MANAGER, Role.TECHNICIAN})
DUTY_ROLES = STAFF_ROLES | {Role.COMMUNITY_OFFICER}
SUMMONS, STAND_DOWN, PROPOSAL = "call_out.summons", "call_out.stand_down", "call_out.proposal"
"""Templates of messages."""

HashOfLink = Callable[[int, int], str]
"""(call-out, person) → hash of the secret in that person's link; the secret is made outside and kept nowhere."""


def audience(session: Session, site: Site, whom: Audience, *, at_ms: int) -> list[Person]:
    """People whom a stage reaches, each once, whether or not an earlier stage has asked them."""
    if whom is Audience.ON_DUTY:
        return _on_duty(session, site, at_ms=at_ms)
    if whom is Audience.VOLUNTEERS:
        return holders(session, site, {Role.VOLUNTEER})
    found: dict[int, Person] = {}
    for helper in helpers_of(session, site.id):
        # Those of all compounds are nobody's neighbours.
        for person in holders(session, helper, STAFF_ROLES, is_everywhere=False):
            found.setdefault(person.id, person)
    return list(found.values())


def _on_duty(session: Session, site: Site, *, at_ms: int) -> list[Person]:
    """Who is on duty; where a party has nobody on its roster just now, all who hold its roles."""
    found: dict[int, Person] = {}
    for party in DUTY_PARTIES:
        present = [each.person for each in on_duty(session, site, party, at_ms=at_ms)]
        roles = STAFF_ROLES if party is Party.PROPERTY else DUTY_ROLES - STAFF_ROLES
        for person in present or holders(session, site, roles):
            found.setdefault(person.id, person)
    return list(found.values())


def summon(
    session: Session,
    call_out: CallOut,
    stage: CallOutStage,
    people: Collection[Person],
    *,
    hash_of_link: HashOfLink,
    now_ms: int,
) -> int:
    """Asks those who were not asked yet; returns how many. The call-out's row is held."""
    query = select(Summons.person_id).where(Summons.call_out_id == call_out.id)
    known = set(session.scalars(query))
    new = {person.id: person for person in people if person.id not in known}
    rows = [
        {
            "call_out_id": call_out.id,
            "person_id": person_id,
            "position": stage.position,
            "link_hash": hash_of_link(call_out.id, person_id),
            "asked_ms": now_ms,
            "expires_ms": now_ms + LINK_LIFETIME_MS,
        }
        for person_id in new
    ]
    if rows:
        session.execute(insert(Summons), rows)
        send(session, call_out, SUMMONS, list(new.values()), now_ms=now_ms)
    return len(new)


def send(session: Session, call_out: CallOut, template: str, people: Collection[Person], *, now_ms: int) -> int:
    """Tells each of them at once: an emergency knows neither quiet hours nor digests. Nobody is told twice."""
    told = Told(
        key=message_key(call_out, template),
        template=template,
        severity=Severity.CRITICAL,
        ticket_id=call_out.ticket_id,
        site=call_out.site.key,
        data={
            "call_out_id": call_out.id,
            "site_name": call_out.site.name,
            "zone": call_out.site.timezone,
            "reason": call_out.reason,
            "condition": call_out.condition,
            "facts": call_out.facts,
            "meeting_point": call_out.meeting_point,
            "note": call_out.stand_down_note,
        },
    )
    hours = hours_of(session, call_out.site)
    by_id = {person.id: person for person in people}
    return sum(
        sum(tell(session, [Call(told, [by_id[each] for each in ids], hours)], now_ms=now_ms)) for ids in portions(by_id)
    )


def message_key(call_out: CallOut, template: str) -> str:
    return f"call_out:{call_out.id}:{template}"


def people_summoned(session: Session, call_out_id: int) -> list[Person]:
    query = select(Person).join(Summons, Summons.person_id == Person.id).where(Summons.call_out_id == call_out_id)
    return list(session.scalars(query.order_by(Person.id)))


def find_by_link(session: Session, link_hash: str) -> Summons:
    """Raises NotSummoned."""
    found = session.scalar(select(Summons).where(Summons.link_hash == link_hash).options(PERSON_ALONE))
    if found is None:
        raise NotSummoned
    return found


def find_summons(session: Session, summons_id: int) -> Summons:
    """Raises NotSummoned."""
    found = session.get(Summons, summons_id)
    if found is None:
        raise NotSummoned
    return found


def find_own(session: Session, call_out_id: int, person_id: int | None) -> Summons:
    """Raises NotSummoned."""
    query = select(Summons).where(Summons.call_out_id == call_out_id, Summons.person_id == person_id)
    found = session.scalar(query)
    if found is None:
        raise NotSummoned
    return found


def why_over(call_out: CallOut, summons: Summons, *, now_ms: int) -> str:
    """Why nobody needs to answer any more; empty as long as they may."""
    if call_out.state != CallOutState.CALLED:
        return call_out.state
    return "expired" if now_ms > summons.expires_ms else ""


def give_answer(
    session: Session, summons: Summons, answer: Answer, *, minutes: int | None = None, now_ms: int
) -> Summons:
    """Notes what a person says; the last answer counts. Raises SummonsOver or InvalidCallOut."""
    if answer is Answer.COMING and minutes not in ARRIVES_IN_MIN:
        raise InvalidCallOut("minutes", f"must be one of {', '.join(map(str, ARRIVES_IN_MIN))}")
    call_out, summons = _held(session, summons, now_ms=now_ms)
    minutes = minutes if answer is Answer.COMING else None
    if (summons.answer, summons.minutes) == (answer.value, minutes):
        # The same button twice.
        return summons
    was_coming = summons.answer == Answer.COMING
    summons.answer, summons.minutes, summons.answered_ms = answer.value, minutes, now_ms
    summons.first_answered_ms = summons.first_answered_ms or now_ms
    summons.expected_ms = now_ms + minutes * 60_000 if minutes is not None else None
    if answer is Answer.CANNOT:
        summons.arrived_ms = summons.noted_by = None
    session.flush()
    if was_coming and answer is Answer.CANNOT:
        _wake_next_stage(session, call_out, now_ms=now_ms)
    data = {"answer": answer.value, "minutes": minutes, "position": summons.position}
    record(session, call_out, "call_out.answered", data, Actor(summons.person.name), now_ms=now_ms)
    return summons


def note_arrival(
    session: Session, summons: Summons, *, has_arrived: bool, actor: Actor | None = None, now_ms: int
) -> Summons:
    """They say so themselves, or the person at the meeting point (`actor`) does, who may take it back.

    Raises SummonsOver.
    """
    call_out, summons = _held(session, summons, now_ms=now_ms, until_closed=actor is not None)
    if (summons.arrived_ms is not None) == has_arrived:
        return summons
    by = actor or Actor(summons.person.name)
    if has_arrived:
        summons.arrived_ms, summons.noted_by = now_ms, by.name
        if summons.answer != Answer.COMING:
            summons.answer, summons.minutes, summons.expected_ms = Answer.COMING.value, None, now_ms
            summons.answered_ms = now_ms
            summons.first_answered_ms = summons.first_answered_ms or now_ms
    else:
        summons.arrived_ms = summons.noted_by = None
    session.flush()
    verb = "call_out.arrived" if has_arrived else "call_out.not_arrived"
    record(session, call_out, verb, {"person": summons.person.name}, by, now_ms=now_ms)
    return summons


def _held(session: Session, summons: Summons, *, now_ms: int, until_closed: bool = False) -> tuple[CallOut, Summons]:
    """The call-out and the summons as they are now, and stay until the end of the transaction."""
    activity.append(session, [], now_ms=now_ms)
    call_out = get_call_out(session, summons.call_out_id, is_fresh=True)
    query = select(Summons).where(Summons.id == summons.id).options(PERSON_ALONE).with_for_update(of=Summons)
    summons = session.scalars(query.execution_options(populate_existing=True)).one()
    over = why_over(call_out, summons, now_ms=now_ms)
    if over and not (until_closed and over in ("expired", CallOutState.STOOD_DOWN)):
        raise SummonsOver(over)
    return call_out, summons


def _wake_next_stage(session: Session, call_out: CallOut, *, now_ms: int) -> None:
    """Somebody is not coming after all: a stage that was not needed is looked at again, at once."""
    stage = next((each for each in call_out.stages if each.state == StageState.NOT_NEEDED), None)
    before = stage_before(call_out.stages, stage) if stage is not None else None
    if stage is not None and before is not None and count_coming(session, call_out.id) < before.wanted:
        move_stage(stage, StageState.WAITING)
        stage.due_ms = now_ms
