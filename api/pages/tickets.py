"""The tickets: the list by stage, and a new one by hand."""

import secrets
from enum import StrEnum
from functools import cache
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import casework, incident
from alerts.conditions import condition_table
from alerts.incident import JOINT_TITLE, POWER_CUT_TITLE
from alerts.limits import Limits
from alerts.resident_report import TITLE_OF_MATTER
from alerts.severity import Severity
from alerts.signing import SIGNING_PARTIES, parties_of
from alerts.ticket import MAX_NOTE_LENGTH
from alerts.ticket_list import TicketFilter, Word, find_tickets
from alerts.ticket_record import PHOTO_TYPES
from alerts.ticket_stages import FINAL_STAGES, Stage, TicketKind
from alerts.upload import RefusedUpload
from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.rendering import reader_of, render
from api.pages.ticket_cards import ticket_card
from api.pages.ticket_page import kept_upload
from api.pages.wording import PARTY_TITLES, SEVERITY_TITLES, STAGE_TITLES, TICKET_KIND_TITLES, UPLOAD_FAULT_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site
from api.translations import Translator
from registry.errors import UnknownSite, UnknownUnit
from registry.role import Actor, Party
from registry.site import Site, get_site, list_sites
from registry.unit import Unit, get_unit, list_units

TICKETS_ON_PAGE = 100
LARGEST_ID = 2**62
MOST_WORDS = 8
MY_TURN = "mine"
UNITS_OFFERED = 500
SITES_WITH_UNITS = 6
MAX_TITLE_LENGTH = 200
NEW_TICKET = "/tickets/new"

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
Choice = TypeVar("Choice", bound=StrEnum)
FORM = [Depends(check_csrf)]


@router.get("/tickets")
def show_tickets(
    request: Request,
    actor: PageActor,
    held: Held,
    state: str = "open",
    stage: str = "",
    site: str = "",
    kind: str = "",
    severity: str = "",
    turn: str = "",
    blocked: str = "",
    q: str = "",
    before: int | None = None,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    wanted = _named(Stage, stage)
    shows_all = state == "all"
    chosen_kind, chosen_severity, party = _named(TicketKind, kind), _named(Severity, severity), _named(Party, turn)
    mine = parties_of(actor.roles)
    parties = mine if turn == MY_TURN else None if party is None else {party}
    looked_for = TicketFilter(
        is_open=None if shows_all or wanted is not None else True,
        stage=wanted,
        site=site.replace("\0", "") or None,
        kind=chosen_kind,
        severity=chosen_severity,
        turn=parties,
        is_blocked=bool(blocked),
        words=[Word(word, titles_with(word, _=_)) for word in q.replace("\0", "")[:200].split()[:MOST_WORDS]],
    )
    # What stands in the address of the next page: the choice that was made, and nothing else.
    choice = {"state": "all" if shows_all else "open", "stage": wanted or "", "site": site, "turn": turn}
    choice |= {"kind": kind, "severity": severity, "blocked": "1" if blocked else "", "q": q}
    with held.database.reading() as session:
        sites = list_sites(session, visible=actor.sites)
        found = find_tickets(
            session,
            looked_for,
            visible=actor.sites,
            before_id=min(before, LARGEST_ID) if before is not None else None,
            limit=TICKETS_ON_PAGE + 1,
        )
        cards = [ticket_card(ticket, reader=reader) for ticket in found[:TICKETS_ON_PAGE]]
        columns = [
            (each, _(STAGE_TITLES[each]), sorted(members, key=lambda card: card.severity.rank))
            for each in Stage
            if (members := [card for card in cards if card.stage is each])
        ]
        return render(
            request,
            "tickets.html",
            reader,
            columns=columns,
            next_before=found[TICKETS_ON_PAGE - 1].id if len(found) > TICKETS_ON_PAGE else None,
            choice={name: value for name, value in choice.items() if value},
            shows_all=shows_all,
            stages=[(each, _(STAGE_TITLES[each]), each is wanted) for each in Stage],
            kinds=[(each, _(TICKET_KIND_TITLES[each]), each is chosen_kind) for each in TicketKind],
            severities=[(each, _(SEVERITY_TITLES[each]), each is chosen_severity) for each in Severity],
            parties=[(each, _(PARTY_TITLES[each]), each is party) for each in SIGNING_PARTIES],
            offers_my_turn=bool(mine),
            is_my_turn=turn == MY_TURN,
            is_blocked=bool(blocked),
            search=q,
            site=site,
            is_final=wanted in FINAL_STAGES,
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            shows_site=len(sites) > 1,
        )


def _named(kind: type[Choice], name: str) -> Choice | None:
    return next((each for each in kind if each.value == name), None)


def titles_with(word: str, *, _: Translator) -> list[str]:
    """Titles of ours that hold a word in the reader's language; they are kept in English."""
    return [title for title in our_titles() if word.lower() in _(title).lower()]


@cache
def our_titles() -> frozenset[str]:
    conditions = (condition.title for table in condition_table(Limits()).values() for condition in table)
    return frozenset({*conditions, *TITLE_OF_MATTER.values(), JOINT_TITLE, POWER_CUT_TITLE})


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
    photo: Annotated[UploadFile | None, File()] = None,
) -> Response:
    _ = reader_of(request)._
    entered = {"title": title, "kind": kind, "severity": severity, "description": description}
    chosen_kind = next((each for each in TicketKind if each.value == kind), None)
    chosen_severity = next((each for each in Severity if each.value == severity), None)
    if not title.strip() or not where or chosen_kind is None or chosen_severity is None:
        problem = _("Say where it is, what it is about, and how grave it is.")
        return _new_form(request, actor, held, where=where, entered=entered, problem=problem, status_code=422)
    try:
        upload = kept_upload(held, photo) if photo is not None and photo.filename else None
    except RefusedUpload as error:
        problem = _(UPLOAD_FAULT_TITLES[error.fault])
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
        if upload is not None:
            casework.attach(session, ticket, *upload, actor=actor, now_ms=held.clock())
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
        picture_types=",".join(sorted(PHOTO_TYPES)),
        form_key=secrets.token_urlsafe(16),
    )
