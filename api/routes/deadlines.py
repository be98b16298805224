"""What is due, and who is on duty."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from alerts.due_action import DueState
from alerts.escalation import list_due
from api.instants import rfc3339
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, Filter, Limit
from api.routes.shapes import DueActionShape, DutyShape, OnDutyShape, Page, PartyOnDutyShape
from api.security import ApiActor, check_site, permitted_sites
from registry.duty import on_duty, shifts_of
from registry.errors import UnknownSite
from registry.role import Party
from registry.site import get_site

router = APIRouter(tags=["deadlines"])


@router.get("/due-actions")
def list_due_actions(
    request: Request,
    actor: ApiActor,
    held: Held,
    state: DueState = DueState.PENDING,
    site: Filter = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[DueActionShape]:
    """What comes next by its time, or what was done, newest first; at most `limit`, and no further page."""
    with held.database.reading() as session:
        visible = permitted_sites(request, actor)
        return Page(
            items=[
                DueActionShape(
                    id=action.id,
                    ticket_id=action.ticket_id,
                    site=ticket.site.key,
                    matter=action.matter,
                    kind=action.kind,
                    goal=action.goal,
                    rung=action.rung,
                    state=action.state,
                    due_at=rfc3339(action.due_ms, ticket.site.timezone),
                    executed_at=None
                    if action.executed_ms is None
                    else rfc3339(action.executed_ms, ticket.site.timezone),
                    late_s=None if action.late_ms is None else action.late_ms / 1000,
                )
                for action, ticket in list_due(session, state, visible=visible, site=site, limit=limit)
            ],
            next=None,
        )


@router.get("/duty")
def show_duty(request: Request, actor: ApiActor, held: Held, site: Annotated[str, Query(max_length=64)]) -> DutyShape:
    """Who is responsible for each party of a site now."""
    check_site(request, actor, site, unknown=UnknownSite(site))
    now_ms = held.clock()
    with held.database.reading() as session:
        place = get_site(session, site)
        return DutyShape(
            site=place.key,
            at=rfc3339(now_ms, place.timezone),
            parties=[
                PartyOnDutyShape(
                    party=party,
                    has_roster=bool(shifts_of(session, place.id, party=party)),
                    people=[
                        OnDutyShape(
                            name=each.person.name,
                            stands_in_for=each.stands_in_for.name if each.stands_in_for else None,
                        )
                        for each in on_duty(session, place, party, at_ms=now_ms)
                    ],
                )
                for party in (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY)
            ],
        )
