"""Project action teams: the list with what is suggested, and one team with its delegates, plan and report."""

import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from alerts import action_team, action_team_work
from alerts.action_team import MAX_GOAL_LENGTH, MAX_STEP_LENGTH, MAX_WORDS_LENGTH, ActionTeam
from alerts.action_team_states import TEAM_MOVES, TEAM_PARTIES, TeamState
from alerts.action_team_work import NewTeam
from api.one_turn import Turn, one_turn
from api.pages.board import SiteChoice
from api.pages.joint_people import (
    LARGEST_ID,
    Written,
    chosen_party,
    number,
    party_offers,
    typed_day,
    typed_instant,
    words,
)
from api.pages.joint_problems import answered
from api.pages.joint_words import TEAM_MOVE_TITLES, TEAM_STATE_TITLES
from api.pages.rendering import Reader, reader_of, render
from api.pages.team_words import figure_lines, suggestion_card
from api.pages.ticket_cards import actor_name, party_list, ticket_card
from api.pages.wording import PARTY_TITLES
from api.resources import Held, Resources
from api.routes.action_teams import TeamTransition, move_team_with_figures, team_seen
from api.routes.register import unit_seen
from api.routes.tickets import ticket_seen
from api.security import PageActor, check_csrf, check_site, permitted_sites
from governance.team_report import suggestions_for
from governance.work_list import today_at
from registry.errors import InvalidField, UnknownSite
from registry.role import Actor, Party
from registry.site import get_site, list_sites

TEAMS_ON_PAGE = 100

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/action-teams")
def show_teams(
    request: Request, actor: PageActor, held: Held, site: str = "", goal: str = "", ticket: str = "", unit: str = ""
) -> HTMLResponse:
    written = {"goal": goal[:MAX_GOAL_LENGTH], "ticket": ticket[:19], "unit": unit[:129]}
    return _page(request, actor, held, site, written={name: value for name, value in written.items() if value})


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    site_key: str,
    *,
    problem: str = "",
    written: dict[str, str] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        chosen = next((each for each in sites if each.key == site_key), None) or (sites[0] if sites else None)
        if site_key and (chosen is None or chosen.key != site_key):
            raise UnknownSite(site_key)
        teams = action_team.find_teams(session, site=chosen.key, limit=TEAMS_ON_PAGE) if chosen is not None else []
        may_form = chosen is not None and reader.may("POST", "/action-teams", site=chosen.key)
        return render(
            request,
            "action_teams.html",
            reader,
            status_code=status_code,
            site=chosen.key if chosen else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            open_teams=[team_card(team, reader=reader) for team in teams if team.is_open],
            ended_teams=[team_card(team, reader=reader) for team in teams if not team.is_open],
            suggestions=[
                suggestion_card(each, reader=reader) for each in suggestions_for(session, chosen, now_ms=reader.now_ms)
            ]
            if chosen is not None
            else [],
            may_form=may_form,
            offers=party_offers(session, chosen, TEAM_PARTIES, reader=reader) if may_form and chosen else [],
            today=today_at(chosen, reader.now_ms).isoformat() if chosen else "",
            max_goal_length=MAX_GOAL_LENGTH,
            max_words_length=MAX_WORDS_LENGTH,
            problem=problem,
            written=Written(written or {}),
            form_key=secrets.token_urlsafe(16),
        )


def team_card(team: ActionTeam, *, reader: Reader) -> dict[str, object]:
    """What the list and its page tell of a team."""
    state = TeamState(team.state)
    return {
        "id": team.id,
        "goal": team.goal,
        "site": team.site.key,
        "site_name": team.site.name,
        "state": state,
        "state_title": reader._(TEAM_STATE_TITLES[state]),
        "due_on": team.due_on.isoformat(),
        "is_overdue": team.is_open and team.due_on < today_at(team.site, reader.now_ms),
        "is_open": team.is_open,
        "version": team.version,
    }


@router.post("/action-teams", dependencies=FORM)
def form_team(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    goal: Text = "",
    reason: Text = "",
    due_on: Text = "",
    ticket: Text = "",
    unit: Text = "",
    delegates: Annotated[list[str] | None, Form()] = None,
    form_key: Text = "",
) -> Response:
    check_site(request, actor, site)

    def act(turn: Turn) -> object:
        found = get_site(turn.session, site)
        due = typed_day("due_on", due_on)
        if due is None:
            raise InvalidField("due_on", "must be a day")
        named = dict(chosen_party(each) for each in delegates or () if each)
        ticket_id = number(ticket)
        if ticket_id is not None:
            ticket_seen(request, turn.session, actor, ticket_id)
        if unit:
            unit_seen(request, turn.session, actor, unit)
        return action_team_work.form_team(
            turn.session,
            found,
            NewTeam(
                goal=words(goal),
                due_on=due,
                reason=words(reason),
                delegates={party: person_id for party, person_id in named.items() if person_id is not None},
                ticket_ids=[ticket_id] if ticket_id is not None else [],
                unit_paths=[unit] if unit else [],
            ),
            today=today_at(found, held.clock()),
            actor=actor,
            now_ms=held.clock(),
        ).id

    written = {"goal": goal, "reason": reason, "due_on": due_on, "ticket": ticket, "unit": unit}
    asked = ["team", site, goal, reason, due_on, ticket, unit, delegates]
    return answered(
        request,
        one_turn(held, actor, key=form_key, asked=asked),
        act,
        back=lambda team_id: f"/action-teams/{team_id}",
        again=lambda problem, status: _page(
            request, actor, held, site, problem=problem, written=written, status_code=status
        ),
    )


# One team


@router.get("/action-teams/{team_id}")
def show_team(request: Request, actor: PageActor, held: Held, team_id: int) -> HTMLResponse:
    return _team_page(request, actor, held, team_id)


def _team_page(
    request: Request,
    actor: Actor,
    held: Resources,
    team_id: int,
    *,
    problem: str = "",
    note: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        team = team_seen(request, session, actor, min(team_id, LARGEST_ID))
        zone, site = team.site.timezone, team.site.key
        seats = action_team.delegates_of(session, team.id)
        empty = action_team.empty_seats(team, seats)
        names = {row.party: row.person.display_name for row in seats}
        may_plan = team.is_open and reader.may("POST", "/action-teams/{team_id}/steps", site=site)
        state = TeamState(team.state)
        return render(
            request,
            "action_team.html",
            reader,
            status_code=status_code,
            team=team_card(team, reader=reader),
            reason=team.reason,
            note=note or "",
            last_note=team.note if state in (TeamState.DISSOLVED, TeamState.WORKING) else "",
            formed=reader.moment(team.formed_ms, zone),
            formed_by=actor_name(team.formed_by, reader=reader),
            seats=[
                (each.value, _(PARTY_TITLES[each]), names.get(each.value, ""), each in empty) for each in TEAM_PARTIES
            ],
            empty=party_list(empty, reader=reader) if team.is_open else "",
            moves=[
                (to.value, _(TEAM_MOVE_TITLES[to]), TEAM_MOVES[state][to].needs_note)
                for to in action_team_work.allowed_team_moves(session, team, actor)
            ],
            steps=[
                {
                    "id": step.id,
                    "text": step.text,
                    "party": _(PARTY_TITLES[Party(step.party)]) if step.party else "",
                    "due_on": step.due_on.isoformat() if step.due_on else "",
                    "done": reader.moment(step.done_ms, zone) if step.done_ms is not None else None,
                    "done_by": reader.who_and_role(step.done_by),
                    "done_note": step.done_note,
                }
                for step in action_team.steps_of(session, team.id)
            ],
            tickets=[ticket_card(each, reader=reader) for each in action_team.tickets_of(session, team.id)],
            units=[(each.unit_key.path, each.name, each.building) for each in action_team.units_of(session, team.id)],
            report=team.report,
            reported_by=actor_name(team.reported_by, reader=reader) if team.reported_by else "",
            figures=figure_lines(team.figures, reader=reader),
            may_plan=may_plan,
            may_finish=team.is_open and reader.may("POST", "/action-teams/{team_id}/steps/{step_id}/done", site=site),
            offers=party_offers(session, team.site, TEAM_PARTIES, reader=reader) if may_plan else [],
            today=today_at(team.site, reader.now_ms).isoformat(),
            max_step_length=MAX_STEP_LENGTH,
            max_words_length=MAX_WORDS_LENGTH,
            problem=problem,
            form_key=secrets.token_urlsafe(16),
        )


def _done(
    request: Request,
    actor: Actor,
    held: Resources,
    team_id: int,
    act: Callable[[Turn, ActionTeam], object],
    *,
    key: str = "",
    asked: object = None,
    note: str = "",
) -> Response:
    def checked(turn: Turn) -> None:
        act(turn, team_seen(request, turn.session, actor, min(team_id, LARGEST_ID)))

    return answered(
        request,
        one_turn(held, actor, key=key, asked=[team_id, asked]),
        checked,
        back=lambda _: f"/action-teams/{team_id}",
        again=lambda problem, status: _team_page(
            request, actor, held, team_id, problem=problem, note=note, status_code=status
        ),
    )


@router.post("/action-teams/{team_id}/moves", dependencies=FORM)
def move_team(
    request: Request,
    actor: PageActor,
    held: Held,
    team_id: int,
    to: Text = "",
    note: Text = "",
    since: Text = "",
    version: Text = "",
    form_key: Text = "",
) -> Response:
    def act(turn: Turn, team: ActionTeam) -> None:
        if to not in set(TeamState):
            raise InvalidField("text", "must be chosen")
        done_ms = typed_instant("due_on", since, team.site.timezone) if since else None
        transition = TeamTransition.model_construct(
            to=TeamState(to), note=words(note), since=done_ms, expected_version=number(version)
        )
        move_team_with_figures(turn.session, team, transition, actor=actor, now_ms=held.clock())

    key = form_key and f"{form_key}-{to[:16]}"
    return _done(request, actor, held, team_id, act, key=key, asked=["move", to, note, since], note=note)


@router.post("/action-teams/{team_id}/delegates", dependencies=FORM)
def name_delegate(request: Request, actor: PageActor, held: Held, team_id: int, who: Text = "") -> Response:
    def act(turn: Turn, team: ActionTeam) -> None:
        party, person_id = chosen_party(who)
        if person_id is None:
            raise InvalidField("person", "must be named")
        action_team_work.name_delegate(turn.session, team.id, party, person_id, actor=actor, now_ms=held.clock())

    return _done(request, actor, held, team_id, act)


@router.post("/action-teams/{team_id}/steps", dependencies=FORM)
def add_step(
    request: Request,
    actor: PageActor,
    held: Held,
    team_id: int,
    text: Text = "",
    party: Text = "",
    due_on: Text = "",
    form_key: Text = "",
) -> Response:
    def act(turn: Turn, team: ActionTeam) -> None:
        action_team_work.add_step(
            turn.session,
            team.id,
            words(text),
            party=chosen_party(party)[0] if party else None,
            due_on=typed_day("due_on", due_on),
            actor=actor,
            now_ms=held.clock(),
        )

    key = form_key and f"{form_key}-step"
    return _done(request, actor, held, team_id, act, key=key, asked=["step", text, party, due_on])


@router.post("/action-teams/{team_id}/steps/{step_id}/done", dependencies=FORM)
def finish_step(
    request: Request, actor: PageActor, held: Held, team_id: int, step_id: int, note: Text = ""
) -> Response:
    def act(turn: Turn, team: ActionTeam) -> None:
        action_team_work.finish_step(
            turn.session, team.id, min(step_id, LARGEST_ID), note=words(note), actor=actor, now_ms=held.clock()
        )

    return _done(request, actor, held, team_id, act)


@router.post("/action-teams/{team_id}/links", dependencies=FORM)
def link(request: Request, actor: PageActor, held: Held, team_id: int, what: Text = "") -> Response:
    """A ticket by its number, or a unit as `site~unit`."""

    def act(turn: Turn, team: ActionTeam) -> None:
        name, ticket_id, now_ms = words(what).strip()[:129], number(what), held.clock()
        if ticket_id is not None:
            ticket_seen(request, turn.session, actor, ticket_id)
            action_team_work.link_ticket(turn.session, team, ticket_id, actor=actor, now_ms=now_ms)
        else:
            path = name if "~" in name else f"{team.site.key}~{name}"
            unit_seen(request, turn.session, actor, path)
            action_team_work.link_unit(turn.session, team, path, actor=actor, now_ms=now_ms)

    return _done(request, actor, held, team_id, act)
