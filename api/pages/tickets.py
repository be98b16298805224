"""The tickets: the list by stage, and a new one by hand."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import incident
from alerts.severity import Severity
from alerts.ticket import MAX_NOTE_LENGTH
from alerts.ticket_list import list_tickets
from alerts.ticket_stages import FINAL_STAGES, Stage, TicketKind
from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.rendering import reader_of, render
from api.pages.ticket_cards import ticket_card
from api.pages.wording import SEVERITY_TITLES, STAGE_TITLES, TICKET_KIND_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site
from registry.errors import UnknownSite, UnknownUnit
from registry.role import Actor
from registry.site import Site, get_site, list_sites
from registry.unit import Unit, get_unit, list_units

TICKETS_ON_PAGE = 100
UNITS_OFFERED = 500
SITES_WITH_UNITS = 6
MAX_TITLE_LENGTH = 200
NEW_TICKET = "/tickets/new"

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/tickets")
def show_tickets(
    request: Request,
    actor: PageActor,
    held: Held,
    state: str = "open",
    stage: str = "",
    site: str = "",
    before: int | None = None,
) -> HTMLResponse:
    reader = reader_of(request)
    wanted = next((each for each in Stage if each.value == stage), None)
    shows_all = state == "all"
    with held.database.reading() as session:
        sites = list_sites(session, visible=actor.sites)
        found = list_tickets(
            session,
            is_open=None if shows_all or wanted is not None else True,
            stage=wanted,
            site=site or None,
            visible=actor.sites,
            before_id=min(before, 2**62) if before is not None else None,
            limit=TICKETS_ON_PAGE + 1,
        )
        cards = [ticket_card(ticket, reader=reader) for ticket in found[:TICKETS_ON_PAGE]]
        columns = [
            (each, reader._(STAGE_TITLES[each]), sorted(members, key=lambda card: card.severity.rank))
            for each in Stage
            if (members := [card for card in cards if card.stage is each])
        ]
        return render(
            request,
            "tickets.html",
            reader,
            columns=columns,
            next_before=found[TICKETS_ON_PAGE - 1].id if len(found) > TICKETS_ON_PAGE else None,
            shows_all=shows_all,
            stages=[(each, reader._(STAGE_TITLES[each]), each is wanted) for each in Stage],
            stage=wanted or "",
            is_final=wanted in FINAL_STAGES,
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
            shows_site=len(sites) > 1,
        )


@router.get(NEW_TICKET)
def show_new_ticket(request: Request, actor: PageActor, held: Held, unit: str = "") -> HTMLResponse:
    return _new_form(request, actor, held, where=unit)


@router.post(NEW_TICKET, dependencies=FORM)
def open_ticket(
    request: Request,
    actor: PageActor,
    held: Held,
    where: Text = "",
    title: Text = "",
    kind: Text = "",
    severity: Text = "",
    description: Text = "",
    form_key: Text = "",
) -> Response:
    _ = reader_of(request)._
    chosen_kind = next((each for each in TicketKind if each.value == kind), None)
    chosen_severity = next((each for each in Severity if each.value == severity), None)
    if not title.strip() or not where or chosen_kind is None or chosen_severity is None:
        problem = _("Say where it is, what it is about, and how grave it is.")
        entered = {"title": title, "kind": kind, "severity": severity, "description": description}
        return _new_form(request, actor, held, where=where, entered=entered, problem=problem, status_code=422)
    with held.database.writing() as session:
        asked = ["open", where, title, kind, severity, description]
        claim = claimed(session, actor=actor, key=form_key, request=asked, now_ms=held.clock())
        if claim is not None and claim.earlier is not None:
            return RedirectResponse(f"/tickets/{claim.earlier}", status_code=303)
        site, unit = _place(session, where)
        check_site(request, actor, site.key, unknown=UnknownUnit(where) if unit is not None else UnknownSite(where))
        ticket = incident.open_ticket_by_hand(
            session,
            site=site,
            unit=unit,
            kind=chosen_kind,
            title=title.strip()[:MAX_TITLE_LENGTH],
            severity=chosen_severity,
            description=description.strip(),
            actor=actor,
            now_ms=held.clock(),
        )
        ticket_id = ticket.id
        if claim is not None:
            claim.row.result = str(ticket_id)
    return RedirectResponse(f"/tickets/{ticket_id}", status_code=303)


def _place(session: Session, where: str) -> tuple[Site, Unit | None]:
    """The site, and the unit where one is named, of `site` or `site~unit`."""
    if "~" in where:
        unit = get_unit(session, where)
        return unit.site, unit
    return get_site(session, where), None


def _new_form(
    request: Request,
    actor: Actor,
    held: Resources,
    *,
    where: str,
    entered: dict[str, str] | None = None,
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites = [
            site for site in list_sites(session, visible=actor.sites) if reader.may("POST", NEW_TICKET, site=site.key)
        ]
        # Whoever looks after a whole district comes from the unit's page, which names the unit.
        offers_units = len(sites) <= SITES_WITH_UNITS
        named_site = where.partition("~")[0]
        places = [
            (
                site.key,
                site.name,
                [
                    (unit.unit_key.path, " · ".join(filter(None, (unit.building, unit.name))))
                    for unit in list_units(session, site=site.key, limit=UNITS_OFFERED)
                ]
                if offers_units or site.key == named_site
                else [],
            )
            for site in sites
        ]
    return render(
        request,
        "new_ticket.html",
        reader,
        status_code=status_code,
        places=places,
        where=where,
        kinds=[(kind, reader._(TICKET_KIND_TITLES[kind])) for kind in TicketKind],
        severities=[(severity, reader._(SEVERITY_TITLES[severity])) for severity in Severity],
        entered=entered or {"title": "", "kind": TicketKind.FAULT.value, "severity": "minor", "description": ""},
        max_title_length=MAX_TITLE_LENGTH,
        max_note_length=MAX_NOTE_LENGTH,
        problem=problem,
        form_key=secrets.token_urlsafe(16),
    )
