"""Project action teams: their delegates, plan, links, way and report, and where one is suggested."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from alerts import action_team, action_team_work
from alerts.action_team import MAX_GOAL_LENGTH, MAX_STEP_LENGTH, MAX_WORDS_LENGTH, ActionTeam, UnknownTeam, get_team
from alerts.action_team_states import TEAM_PARTIES, TeamState
from alerts.action_team_work import NewTeam
from api.idempotency import IdempotencyKey
from api.instants import rfc3339
from api.one_turn import one_turn
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, LARGEST_ID, Cursor, Filter, Id, Instant, Limit, Text
from api.routes.register import unit_seen
from api.routes.shapes import Page, Rfc3339
from api.routes.tickets import ticket_seen
from api.security import ApiActor, check_site, permitted_sites
from governance.team_report import Suggestion, figures_of, suggestions_for
from governance.work_list import today_at
from registry.errors import InvalidField, UnknownSite
from registry.role import Actor, Party
from registry.site import get_site

router = APIRouter(prefix="/action-teams", tags=["action teams"])
RowId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
UnitName = Annotated[Text, Field(max_length=129, description="`{site}~{unit}`")]


class NewTeamBody(BaseModel):
    site: Annotated[Text, Field(max_length=64)]
    goal: Annotated[Text, Field(min_length=1, max_length=MAX_GOAL_LENGTH)]
    due_on: date
    reason: Annotated[Text, Field(max_length=MAX_WORDS_LENGTH)] = ""
    delegates: dict[Party, RowId] = Field(default={}, description="person ids by party; the work needs all three")
    tickets: Annotated[list[RowId], Field(max_length=100)] = []
    units: Annotated[list[UnitName], Field(max_length=100)] = []


class NewDelegate(BaseModel):
    party: Party
    person_id: RowId


class NewStep(BaseModel):
    text: Annotated[Text, Field(min_length=1, max_length=MAX_STEP_LENGTH)]
    party: Party | None = None
    due_on: date | None = None


class StepDone(BaseModel):
    note: Annotated[Text, Field(min_length=1, max_length=MAX_WORDS_LENGTH)]


class TeamLink(BaseModel):
    """One of both."""

    ticket_id: RowId | None = None
    unit: UnitName | None = None


class TeamTransition(BaseModel):
    """With `reported` the note is the report; figures before and `since` are put beside it."""

    to: TeamState
    note: Annotated[Text, Field(max_length=MAX_WORDS_LENGTH)] = ""
    since: Instant | None = Field(default=None, description="when the work was done; else when the team was formed")
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class TeamShape(BaseModel):
    id: int
    site: str
    goal: str
    state: TeamState
    due_on: date
    is_overdue: bool
    version: int
    formed_at: Rfc3339


class DelegateShape(BaseModel):
    party: Party
    name: str | None
    holds_the_role: bool = Field(description="false when the seat is empty, or whoever sits there lost the role")


class StepShape(BaseModel):
    id: int
    text: str
    party: Party | None
    due_on: date | None
    done_at: Rfc3339 | None
    done_by: str
    done_note: str


class TeamDetail(TeamShape):
    reason: str
    delegates: list[DelegateShape]
    steps: list[StepShape]
    tickets: list[int]
    units: list[str]
    report: str
    reported_by: str | None
    figures: dict[str, Any] | None = Field(
        description="faults and days of exposure of the units before and after; `change` is the rate after divided by "
        "the rate before, with its 95 % interval"
    )
    note: str
    allowed: list[TeamState] = Field(description="states you may move it to now")


class SuggestionShape(BaseModel):
    """A team is only suggested; people form it."""

    unit: str | None
    repeats: int | None
    ticket_id: int | None
    hold_days: int | None


@router.get("")
def list_teams(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    is_open: Annotated[bool | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[TeamShape]:
    """Teams, newest first."""
    with held.database.reading() as session:
        found = action_team.find_teams(
            session,
            site=site or None,
            is_open=is_open,
            visible=permitted_sites(request, actor),
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[team_shape(team, now_ms=held.clock()) for team in found[:limit]],
            next=str(found[limit - 1].id) if len(found) > limit else None,
        )


@router.get("/suggestions")
def list_suggestions(
    request: Request, actor: ApiActor, held: Held, site: Annotated[str, Query(max_length=64)]
) -> Page[SuggestionShape]:
    """Units that fail of the same again and again, and tickets that have been lying, at which no team is at work."""
    check_site(request, actor, site, unknown=UnknownSite(site))
    with held.database.reading() as session:
        found = suggestions_for(session, get_site(session, site), now_ms=held.clock())
        return Page(items=[_suggestion_shape(each) for each in found], next=None)


@router.post("", status_code=201)
def form_team(
    request: Request,
    response: Response,
    actor: ApiActor,
    held: Held,
    new: NewTeamBody,
    idempotency_key: IdempotencyKey = None,
) -> TeamDetail:
    check_site(request, actor, new.site, unknown=UnknownSite(new.site))
    with one_turn(held, actor, key=idempotency_key, asked=["team", new.model_dump(mode="json")]) as turn:
        if turn.earlier is not None:
            team = get_team(turn.session, int(turn.earlier))
        else:
            site = get_site(turn.session, new.site)
            for ticket_id in new.tickets:
                ticket_seen(request, turn.session, actor, ticket_id)
            for path in new.units:
                unit_seen(request, turn.session, actor, path)
            team = action_team_work.form_team(
                turn.session,
                site,
                NewTeam(
                    goal=new.goal,
                    due_on=new.due_on,
                    reason=new.reason,
                    delegates=new.delegates,
                    ticket_ids=new.tickets,
                    unit_paths=new.units,
                ),
                today=today_at(site, held.clock()),
                actor=actor,
                now_ms=held.clock(),
            )
            turn.remember(team.id)
        response.headers["Location"] = f"/api/v1/action-teams/{team.id}"
        return team_detail(turn.session, team, actor=actor, now_ms=held.clock())


@router.get("/{team_id}")
def show_team(request: Request, actor: ApiActor, held: Held, team_id: Id) -> TeamDetail:
    with held.database.reading() as session:
        team = team_seen(request, session, actor, team_id)
        return team_detail(session, team, actor=actor, now_ms=held.clock())


@router.post("/{team_id}/transitions")
def move_team(
    request: Request,
    actor: ApiActor,
    held: Held,
    team_id: Id,
    transition: TeamTransition,
    idempotency_key: IdempotencyKey = None,
) -> TeamDetail:
    asked = ["team-move", team_id, transition.model_dump(mode="json")]
    with one_turn(held, actor, key=idempotency_key, asked=asked) as turn:
        team = team_seen(request, turn.session, actor, team_id)
        if turn.is_first:
            team = move_team_with_figures(turn.session, team, transition, actor=actor, now_ms=held.clock())
        return team_detail(turn.session, team, actor=actor, now_ms=held.clock())


def move_team_with_figures(
    session: Session, team: ActionTeam, transition: TeamTransition, *, actor: Actor, now_ms: int
) -> ActionTeam:
    """A report has its figures put beside it, as they are at this moment."""
    is_report = transition.to is TeamState.REPORTED
    return action_team_work.move_team(
        session,
        team.id,
        transition.to,
        actor=actor,
        note=transition.note,
        figures=figures_of(session, team, since_ms=transition.since, now_ms=now_ms) if is_report else None,
        expected_version=transition.expected_version,
        now_ms=now_ms,
    )


@router.post("/{team_id}/delegates")
def name_delegate(request: Request, actor: ApiActor, held: Held, team_id: Id, new: NewDelegate) -> TeamDetail:
    """Who sits for a party; another name takes the seat over."""
    with held.database.writing() as session:
        team_seen(request, session, actor, team_id)
        team = action_team_work.name_delegate(
            session, team_id, new.party, new.person_id, actor=actor, now_ms=held.clock()
        )
        return team_detail(session, team, actor=actor, now_ms=held.clock())


@router.post("/{team_id}/steps", status_code=201)
def add_step(
    request: Request,
    actor: ApiActor,
    held: Held,
    team_id: Id,
    new: NewStep,
    idempotency_key: IdempotencyKey = None,
) -> TeamDetail:
    asked = ["team-step", team_id, new.model_dump(mode="json")]
    with one_turn(held, actor, key=idempotency_key, asked=asked) as turn:
        team = team_seen(request, turn.session, actor, team_id)
        if turn.is_first:
            action_team_work.add_step(
                turn.session,
                team_id,
                new.text,
                party=new.party,
                due_on=new.due_on,
                actor=actor,
                now_ms=held.clock(),
            )
        return team_detail(turn.session, team, actor=actor, now_ms=held.clock())


@router.post("/{team_id}/steps/{step_id}/done")
def finish_step(request: Request, actor: ApiActor, held: Held, team_id: Id, step_id: Id, done: StepDone) -> TeamDetail:
    with held.database.writing() as session:
        team_seen(request, session, actor, team_id)
        team = action_team_work.finish_step(session, team_id, step_id, note=done.note, actor=actor, now_ms=held.clock())
        return team_detail(session, team, actor=actor, now_ms=held.clock())


@router.post("/{team_id}/links")
def link(request: Request, actor: ApiActor, held: Held, team_id: Id, new: TeamLink) -> TeamDetail:
    """A ticket or a unit that the team is about; twice is once."""
    with held.database.writing() as session:
        team = team_seen(request, session, actor, team_id)
        if (new.ticket_id is None) == (new.unit is None):
            raise InvalidField("link", "must be a ticket or a unit")
        if new.ticket_id is not None:
            ticket_seen(request, session, actor, new.ticket_id)
            action_team_work.link_ticket(session, team, new.ticket_id, actor=actor, now_ms=held.clock())
        if new.unit is not None:
            unit_seen(request, session, actor, new.unit)
            action_team_work.link_unit(session, team, new.unit, actor=actor, now_ms=held.clock())
        return team_detail(session, team, actor=actor, now_ms=held.clock())


def team_seen(request: Request, session: Session, actor: Actor, team_id: int) -> ActionTeam:
    """Raises UnknownTeam for one of a site this person may not see."""
    team = get_team(session, team_id)
    check_site(request, actor, team.site.key, unknown=UnknownTeam(team_id))
    return team


def team_shape(team: ActionTeam, *, now_ms: int) -> TeamShape:
    return TeamShape(
        id=team.id,
        site=team.site.key,
        goal=team.goal,
        state=TeamState(team.state),
        due_on=team.due_on,
        is_overdue=team.is_open and team.due_on < today_at(team.site, now_ms),
        version=team.version,
        formed_at=rfc3339(team.formed_ms, team.site.timezone),
    )


def team_detail(session: Session, team: ActionTeam, *, actor: Actor, now_ms: int) -> TeamDetail:
    zone = team.site.timezone
    seats = action_team.delegates_of(session, team.id)
    empty = set(action_team.empty_seats(team, seats))
    names = {row.party: row.person.name for row in seats}
    return TeamDetail(
        **team_shape(team, now_ms=now_ms).model_dump(),
        reason=team.reason,
        delegates=[
            DelegateShape(party=party, name=names.get(party.value), holds_the_role=party not in empty)
            for party in TEAM_PARTIES
        ],
        steps=[
            StepShape(
                id=step.id,
                text=step.text,
                party=Party(step.party) if step.party else None,
                due_on=step.due_on,
                done_at=None if step.done_ms is None else rfc3339(step.done_ms, zone),
                done_by=step.done_by,
                done_note=step.done_note,
            )
            for step in action_team.steps_of(session, team.id)
        ],
        tickets=action_team.ticket_ids_of(session, team.id),
        units=[unit.unit_key.path for unit in action_team.units_of(session, team.id)],
        report=team.report,
        reported_by=team.reported_by,
        figures=team.figures,
        note=team.note,
        allowed=action_team_work.allowed_team_moves(session, team, actor),
    )


def _suggestion_shape(suggestion: Suggestion) -> SuggestionShape:
    repeater, ticket = suggestion.repeater, suggestion.ticket
    return SuggestionShape(
        unit=repeater.unit.path if repeater is not None else None,
        repeats=repeater.repeats if repeater is not None else None,
        ticket_id=ticket.id if ticket is not None else None,
        hold_days=suggestion.hold_days if ticket is not None else None,
    )
