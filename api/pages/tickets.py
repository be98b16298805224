"""The tickets: the list by stage, one ticket with its moves, and a new one by hand."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import incident
from alerts.alarm import alarms_of_ticket
from alerts.errors import IllegalMove, MissingNote, UnknownTicket
from alerts.severity import Severity
from alerts.ticket import FINAL_STAGES, MAX_NOTE_LENGTH, Stage, Ticket, TicketKind, get_ticket, list_tickets, moves_of
from api.pages.alarm_cards import alarm_card
from api.pages.board import SiteChoice
from api.pages.rendering import reader_of, render
from api.pages.ticket_cards import actor_name, history, offers, progress, ticket_card
from api.pages.unit_cards import unit_card
from api.pages.values import causes, contributions, evidence_facts
from api.pages.wording import SEVERITY_TITLES, STAGE_TITLES, TICKET_KIND_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, names_people
from models.equipment import Kind
from registry import activity
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
) -> Response:
    _ = reader_of(request)._
    chosen_kind = next((each for each in TicketKind if each.value == kind), None)
    chosen_severity = next((each for each in Severity if each.value == severity), None)
    if not title.strip() or not where or chosen_kind is None or chosen_severity is None:
        problem = _("Say where it is, what it is about, and how grave it is.")
        entered = {"title": title, "kind": kind, "severity": severity, "description": description}
        return _new_form(request, actor, held, where=where, entered=entered, problem=problem, status_code=422)
    with held.database.writing() as session:
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
    return RedirectResponse(f"/tickets/{ticket_id}", status_code=303)


@router.get("/tickets/{ticket_id}")
def show_ticket(request: Request, actor: PageActor, held: Held, ticket_id: int) -> HTMLResponse:
    return _page(request, actor, held, ticket_id)


@router.post("/tickets/{ticket_id}/moves", dependencies=FORM)
def move_ticket(
    request: Request, actor: PageActor, held: Held, ticket_id: int, to: Text = "", note: Text = ""
) -> Response:
    _ = reader_of(request)._
    wanted = next((each for each in Stage if each.value == to), None)
    if wanted is None:
        return _page(request, actor, held, ticket_id, problem=_("Choose what to do."), note=note, status_code=422)
    try:
        with held.database.writing() as session:
            _visible_ticket(request, session, actor, ticket_id)
            incident.move_ticket(session, ticket_id, wanted, actor=actor, note=note, now_ms=held.clock())
    except MissingNote:
        problem = _("This step needs a note that says why.")
        return _page(request, actor, held, ticket_id, problem=problem, note=note, status_code=422)
    except IllegalMove as error:
        stage = _(STAGE_TITLES[Stage(error.current)])
        problem = _(
            "The ticket is already at the stage “%(stage)s”: somebody was faster. Nothing was changed.", stage=stage
        )
        return _page(request, actor, held, ticket_id, problem=problem, note=note, status_code=409)
    return RedirectResponse(f"/tickets/{ticket_id}", status_code=303)


def _visible_ticket(request: Request, session: Session, actor: Actor, ticket_id: int) -> Ticket:
    ticket = get_ticket(session, min(ticket_id, 2**62))
    check_site(request, actor, ticket.site.key, unknown=UnknownTicket(ticket_id))
    return ticket


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    ticket_id: int,
    *,
    problem: str = "",
    note: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        ticket = _visible_ticket(request, session, actor, ticket_id)
        moves = moves_of(session, ticket.id)
        names = names_people(actor, ticket.site.key)
        return render(
            request,
            "ticket.html",
            reader,
            status_code=status_code,
            ticket=ticket_card(ticket, reader=reader),
            # What a resident or a colleague wrote may name people.
            description=ticket.description if names else "",
            opened_by=actor_name(ticket.opened_by, reader=reader) if names else "",
            unit=unit_card(ticket.unit, [], reader=reader) if ticket.unit is not None else None,
            steps=progress(ticket, moves, reader=reader),
            offers=offers(ticket, reader=reader),
            history=history(ticket, moves, reader=reader),
            alarms=[
                (
                    alarm_card(alarm, limits=held.limits, reader=reader),
                    evidence_facts(Kind(alarm.unit.kind), alarm.evidence, _=reader._),
                    contributions(Kind(alarm.unit.kind), alarm.evidence, _=reader._),
                    causes(Kind(alarm.unit.kind), alarm.evidence, _=reader._),
                )
                for alarm in alarms_of_ticket(session, ticket.id)
            ],
            max_note_length=MAX_NOTE_LENGTH,
            problem=problem,
            note=note[:MAX_NOTE_LENGTH],
            last_activity=activity.last_id(session),
        )


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
    )
