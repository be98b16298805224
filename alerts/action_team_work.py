"""What people do with an action team: form it, name delegates, plan, and move it on; each tells the activity log.

Who may make which move stands in `alerts.action_team_states`; nothing but `move_team` sets a state.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from alerts.action_team import (
    MAX_GOAL_LENGTH,
    MAX_STEP_LENGTH,
    MAX_WORDS_LENGTH,
    MOST_LINKS,
    MOST_STEPS,
    ActionTeam,
    DelegateMissing,
    ReportedByThemselves,
    TeamDelegate,
    TeamStep,
    TeamTicket,
    TeamUnit,
    delegates_of,
    empty_seats,
    get_team,
    steps_of,
    ticket_ids_of,
    unit_ids_of,
)
from alerts.action_team_states import FINAL_TEAM_STATES, TEAM_MOVES, TEAM_PARTIES, TeamMove, TeamState
from alerts.errors import IllegalMove, MissingNote, MovedMeanwhile, NotPermitted
from alerts.signing import parties_of
from alerts.ticket import get_ticket
from registry import activity
from registry.activity import Entry
from registry.duty import parties_at
from registry.errors import InvalidField
from registry.person import Person
from registry.role import Actor, Party, Role
from registry.site import Site
from registry.unit import get_unit


@dataclass(frozen=True, slots=True)
class NewTeam:
    goal: str
    due_on: date
    reason: str = ""
    delegates: Mapping[Party, int] | None = None
    """Person ids by party; who is not named yet is named later, before the work begins."""
    ticket_ids: Collection[int] = ()
    unit_paths: Collection[str] = ()


def form_team(session: Session, site: Site, new: NewTeam, *, today: date, actor: Actor, now_ms: int) -> ActionTeam:
    """Raises InvalidField; UnknownTicket and UnknownUnit for what is not of this site."""
    goal = new.goal.strip()[:MAX_GOAL_LENGTH]
    if not goal:
        raise InvalidField("goal", "must say what is to be reached")
    if new.due_on < today:
        raise InvalidField("due_on", "must not be before today")
    team = ActionTeam(
        site_id=site.id,
        site=site,
        goal=goal,
        reason=new.reason.strip()[:MAX_WORDS_LENGTH],
        state=TeamState.FORMED.value,
        due_on=new.due_on,
        formed_by=actor.name,
        formed_ms=now_ms,
        updated_ms=now_ms,
    )
    session.add(team)
    session.flush()
    _record(session, team, "team.formed", actor, {}, now_ms=now_ms)
    for ticket_id in new.ticket_ids:
        link_ticket(session, team, ticket_id, actor=actor, now_ms=now_ms)
    for path in new.unit_paths:
        link_unit(session, team, path, actor=actor, now_ms=now_ms)
    for party, person_id in (new.delegates or {}).items():
        name_delegate(session, team.id, party, person_id, actor=actor, now_ms=now_ms)
    return team


def name_delegate(
    session: Session, team_id: int, party: Party, person_id: int, *, actor: Actor, now_ms: int
) -> ActionTeam:
    """The one who sits for a party; another name takes the seat over. Raises InvalidField, IllegalMove once it ended.

    They must hold a role of the party at the site, and sit for no other in this team.
    """
    team = get_team(session, team_id, for_update=True)
    _check_open(team, "delegate")
    person = session.get(Person, person_id)
    if party not in TEAM_PARTIES:
        raise InvalidField("party", "must be one of the three")
    if person is None or not person.is_active or party not in parties_at(person, team.site):
        raise InvalidField("person", "must hold a role of that party here")
    seats = {row.party: row for row in delegates_of(session, team.id)}
    if any(row.person_id == person_id and name != party.value for name, row in seats.items()):
        raise InvalidField("person", "sits for another party already: nobody sits for two")
    seat = seats.get(party.value)
    before = seat.person.name if seat is not None else None
    if seat is None:
        session.add(TeamDelegate(team_id=team.id, party=party.value, person=person, named_ms=now_ms))
    elif seat.person_id != person_id:
        seat.person, seat.named_ms = person, now_ms
    team.updated_ms = now_ms
    session.flush()
    if before != person.name:
        data = {"party": party.value, "delegate": person.name, "before": before}
        _record(session, team, "team.delegate_named", actor, data, now_ms=now_ms)
    return team


def link_ticket(session: Session, team: ActionTeam, ticket_id: int, *, actor: Actor, now_ms: int) -> None:
    """Twice is once. Raises UnknownTicket, InvalidField for a ticket of elsewhere."""
    ticket = get_ticket(session, ticket_id)
    if ticket.site_id != team.site_id:
        raise InvalidField("ticket", "must be of the compound of the team")
    _link(
        session,
        team,
        TeamTicket(team_id=team.id, ticket_id=ticket.id),
        ticket.id,
        {"ticket_id": ticket.id},
        actor,
        now_ms,
    )


def link_unit(session: Session, team: ActionTeam, path: str, *, actor: Actor, now_ms: int) -> None:
    """Twice is once. Raises UnknownUnit, InvalidField for a unit of elsewhere."""
    unit = get_unit(session, path)
    if unit.site_id != team.site_id:
        raise InvalidField("unit", "must be of the compound of the team")
    _link(session, team, TeamUnit(team_id=team.id, unit_id=unit.id), unit.id, {"unit": path}, actor, now_ms)


def _link(
    session: Session,
    team: ActionTeam,
    row: TeamTicket | TeamUnit,
    linked_id: int,
    data: dict[str, Any],
    actor: Actor,
    now_ms: int,
) -> None:
    _check_open(team, "link")
    if session.get(type(row), (team.id, linked_id)) is not None:
        return
    linked = unit_ids_of(session, team.id) if isinstance(row, TeamUnit) else ticket_ids_of(session, team.id)
    if len(linked) >= MOST_LINKS:
        raise InvalidField("links", f"are {MOST_LINKS} at most")
    session.add(row)
    team.updated_ms = now_ms
    session.flush()
    _record(session, team, "team.linked", actor, data, now_ms=now_ms)


# The plan


def add_step(
    session: Session,
    team_id: int,
    text: str,
    *,
    party: Party | None = None,
    due_on: date | None = None,
    actor: Actor,
    now_ms: int,
) -> TeamStep:
    """Raises InvalidField for a step without words, IllegalMove once the team has ended."""
    team = get_team(session, team_id, for_update=True)
    _check_open(team, "step")
    text = text.strip()[:MAX_STEP_LENGTH]
    if not text:
        raise InvalidField("text", "must say what is to be done")
    if party is not None and party not in TEAM_PARTIES:
        raise InvalidField("party", "must be one of the three")
    if len(steps_of(session, team.id)) >= MOST_STEPS:
        raise InvalidField("steps", f"are {MOST_STEPS} at most")
    step = TeamStep(team_id=team.id, text=text, party=party.value if party else None, due_on=due_on)
    session.add(step)
    team.updated_ms = now_ms
    session.flush()
    _record(session, team, "team.step_added", actor, {"step": step.id, "text": text}, now_ms=now_ms)
    return step


def finish_step(session: Session, team_id: int, step_id: int, *, note: str, actor: Actor, now_ms: int) -> ActionTeam:
    """Says what was done; a step that is done already stays as it is. Raises MissingNote, InvalidField."""
    team = get_team(session, team_id, for_update=True)
    _check_open(team, "step")
    step = session.get(TeamStep, step_id)
    if step is None or step.team_id != team.id:
        raise InvalidField("step", "must be one of this team's plan")
    if not note.strip():
        raise MissingNote(team.subject, wanted="step")
    if step.done_ms is None:
        step.done_ms, step.done_by, step.done_note = now_ms, actor.name, note.strip()[:MAX_WORDS_LENGTH]
        team.updated_ms = now_ms
        session.flush()
        _record(session, team, "team.step_done", actor, {"step": step.id, "note": step.done_note}, now_ms=now_ms)
    return team


# The way


def move_team(
    session: Session,
    team_id: int,
    to: TeamState,
    *,
    actor: Actor,
    note: str = "",
    figures: dict[str, Any] | None = None,
    expected_version: int | None = None,
    now_ms: int,
) -> ActionTeam:
    """The one setter of `state`; with `reported` the note is the report and `figures` what stands beside it.

    Raises IllegalMove, MovedMeanwhile, NotPermitted, MissingNote, DelegateMissing, ReportedByThemselves.
    """
    team = get_team(session, team_id, for_update=True)
    current = TeamState(team.state)
    moves = TEAM_MOVES[current]
    is_stale = expected_version not in (None, team.version)
    if is_stale or to not in moves:
        raise (MovedMeanwhile if is_stale else IllegalMove)(
            team.subject, current=current.value, wanted=to.value, allowed=[each.value for each in moves]
        )
    move = moves[to]
    seats = delegates_of(session, team.id)
    if not _may(team, move, seats, actor):
        raise NotPermitted(team.subject, wanted=to.value, roles=[role.value for role in move.roles])
    if move.needs_note and not note.strip():
        raise MissingNote(team.subject, wanted=to.value)
    if move.needs_delegates and (empty := empty_seats(team, seats)):
        raise DelegateMissing(team.subject, wanted=to.value, parties=[party.value for party in empty])
    own = parties_of(actor.roles_at(team.site.key))
    if move.needs_other_party and (actor.name == team.reported_by or team.reported_party in own):
        others = [party.value for party in TEAM_PARTIES if party.value != team.reported_party]
        raise ReportedByThemselves(team.subject, wanted=to.value, parties=others)
    team.state = to.value
    team.version += 1
    team.updated_ms = now_ms
    team.note = note.strip()[:MAX_WORDS_LENGTH]
    team.ended_ms = now_ms if to in FINAL_TEAM_STATES else None
    if to is TeamState.REPORTED:
        seat = next((row.party for row in seats if row.person_id == actor.person_id), None)
        team.reported_by, team.reported_party = actor.name, seat
        team.report, team.figures = team.note, figures
    session.flush()
    data = {"from": current.value, "to": to.value, "note": team.note}
    _record(session, team, "team.moved", actor, data, now_ms=now_ms)
    return team


def _may(team: ActionTeam, move: TeamMove, seats: Collection[TeamDelegate], actor: Actor) -> bool:
    roles = actor.roles_at(team.site.key)
    if Role.ADMIN in roles or roles & move.roles:
        return True
    return move.delegates_may and any(
        row.person_id == actor.person_id and Party(row.party) in parties_of(roles) for row in seats
    )


def allowed_team_moves(session: Session, team: ActionTeam, actor: Actor) -> list[TeamState]:
    """States this person may move the team to now."""
    seats = delegates_of(session, team.id)
    own = parties_of(actor.roles_at(team.site.key))
    return [
        to
        for to, move in TEAM_MOVES[TeamState(team.state)].items()
        if _may(team, move, seats, actor)
        and not (move.needs_other_party and (actor.name == team.reported_by or team.reported_party in own))
    ]


def _check_open(team: ActionTeam, wanted: str) -> None:
    if not team.is_open:
        raise IllegalMove(team.subject, current=team.state, wanted=wanted, allowed=[])


def _record(session: Session, team: ActionTeam, verb: str, actor: Actor, data: dict[str, Any], *, now_ms: int) -> None:
    entry = Entry(
        verb=verb,
        subject=team.subject,
        actor=actor.name,
        site=team.site.key,
        data={"title": team.goal, "state": team.state, **data},
    )
    activity.append(session, [entry], now_ms=now_ms)
