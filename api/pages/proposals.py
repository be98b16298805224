"""Proposals: the list, and the form in which one is written."""

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.proposal_forms import number_or_none, read_choice, read_fen, yuan_typed
from api.pages.proposal_words import MATTER_TITLES, PROCEDURE_TITLES, problem_text, stage_title
from api.pages.rendering import Reader, reader_of, render
from api.proposal_desk import CAUSE_WORDS
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, permitted_sites
from governance import procedure
from governance.errors import GovernanceError, UnknownProposal
from governance.evidence_entries import units_of
from governance.execution import yuan
from governance.procedure import Draft
from governance.proposal import MAX_TEXT_LENGTH, MAX_TITLE_LENGTH, Proposal, get_proposal, list_proposals
from governance.proposal_stages import FINAL_STAGES, Procedure, ProposalStage, UrgentCause
from governance.ruleset import Matter
from registry.errors import UnknownSite
from registry.replay import KeyReused
from registry.role import Actor
from registry.site import Site, get_site, list_sites
from registry.unit import Unit, list_units

ON_PAGE = 100
UNITS_OFFERED = 500
LARGEST_ID = 2**62

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@dataclass(frozen=True, slots=True)
class ProposalCard:
    """One proposal in a list."""

    id: int
    number: str
    title: str
    site_name: str
    building: str
    amount: str
    stage: ProposalStage
    stage_title: str
    is_open: bool
    is_urgent: bool
    dates: str


@router.get("/proposals")
def show_proposals(
    request: Request, actor: PageActor, held: Held, site: str = "", state: str = "", before: int | None = None
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        found = list_proposals(
            session,
            visible=permitted_sites(request, actor),
            site=site.replace("\0", "") or None,
            is_open=True if state == "open" else None,
            before_id=min(before, LARGEST_ID) if before is not None else None,
            limit=ON_PAGE + 1,
        )
        return render(
            request,
            "proposals.html",
            reader,
            cards=[proposal_card(each, reader=reader) for each in found[:ON_PAGE]],
            next_before=found[ON_PAGE - 1].id if len(found) > ON_PAGE else None,
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
            state=state,
            may_draft=reader.may("GET", "/proposals/new"),
        )


def proposal_card(proposal: Proposal, *, reader: Reader) -> ProposalCard:
    _ = reader._
    stage = ProposalStage(proposal.stage)
    dates = ""
    if stage in (ProposalStage.POSTED, ProposalStage.VOTING) and proposal.opens_on and proposal.closes_on:
        dates = _("vote %(opens)s to %(closes)s", opens=proposal.opens_on, closes=proposal.closes_on)
    return ProposalCard(
        id=proposal.id,
        number=proposal.number,
        title=proposal.title,
        site_name=proposal.site.name,
        building=proposal.building,
        amount=_("%(amount)s yuan", amount=yuan(proposal.amount_fen)),
        stage=stage,
        stage_title=stage_title(stage, Procedure(proposal.procedure), _=_),
        is_open=stage not in FINAL_STAGES,
        is_urgent=proposal.is_urgent,
        dates=dates,
    )


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form."""

    title: str = ""
    matter: str = Matter.USE.value
    procedure: str = Procedure.ORDINARY.value
    building: str = ""
    amount: str = ""
    reason: str = ""
    plan: str = ""
    cause: str = ""
    ticket: str = ""
    supplements: str = ""
    units: tuple[str, ...] = ()
    version: str = ""


@router.get("/proposals/new")
def show_new(
    request: Request,
    actor: PageActor,
    held: Held,
    site: str = "",
    ticket: str = "",
    unit: str = "",
    supplements: str = "",
    title: str = "",
    amount: str = "",
) -> HTMLResponse:
    typed = Typed(
        title=title[:MAX_TITLE_LENGTH],
        amount=amount[:20],
        ticket=ticket[:18],
        procedure=(Procedure.URGENT if ticket else Procedure.ORDINARY).value,
        units=(unit,) if unit else (),
        supplements=supplements[:18],
    )
    return _form(request, actor, held, site=site or unit.partition("~")[0], typed=typed)


@router.post("/proposals/new", dependencies=FORM)
def draft_new(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    title: Text = "",
    matter: Text = "",
    procedure_: Annotated[str, Form(alias="procedure")] = "",
    building: Text = "",
    amount: Text = "",
    reason: Text = "",
    plan: Text = "",
    cause: Text = "",
    ticket: Text = "",
    supplements: Text = "",
    units: Annotated[list[str] | None, Form()] = None,
    form_key: Text = "",
) -> Response:
    typed = Typed(
        title, matter, procedure_, building, amount, reason, plan, cause, ticket, supplements, tuple(units or ())
    )
    reader = reader_of(request)
    try:
        with held.database.writing() as session:
            check_site(request, actor, site, unknown=UnknownSite(site))
            place = get_site(session, site)
            claim = claimed(
                session,
                actor=actor,
                key=form_key,
                request=["draft", site, [getattr(typed, name) for name in Typed.__slots__]],
                now_ms=held.clock(),
            )
            if claim is not None and claim.earlier is not None:
                return RedirectResponse(f"/proposals/{int(claim.earlier)}", status_code=303)
            draft = _read(session, place, typed)
            proposal = procedure.draft_proposal(session, place, draft, actor=actor, now_ms=held.clock())
            if claim is not None:
                claim.row.result = str(proposal.id)
            number = proposal.id
        return RedirectResponse(f"/proposals/{number}", status_code=303)
    except GovernanceError as error:
        problem = problem_text(error, _=reader._)
    except KeyReused:
        problem = reader._("This form was sent before with other words. Look at the list of proposals.")
    return _form(request, actor, held, site=site, typed=typed, problem=problem, status_code=422)


@router.get("/proposals/{proposal_id}/edit")
def show_edit(request: Request, actor: PageActor, held: Held, proposal_id: int) -> HTMLResponse:
    with held.database.reading() as session:
        proposal = visible_proposal(request, session, actor, proposal_id)
        typed = Typed(
            title=proposal.title,
            matter=proposal.matter,
            procedure=proposal.procedure,
            building=proposal.building,
            amount=yuan_typed(proposal.amount_fen),
            reason=proposal.reason,
            plan=proposal.plan,
            cause=proposal.urgent_cause or "",
            ticket=str(proposal.ticket_id or ""),
            supplements=str(proposal.supplements_id or ""),
            units=tuple(unit.unit_key.path for unit in units_of(session, proposal.id)),
            version=str(proposal.version),
        )
        site = proposal.site.key
    return _form(request, actor, held, site=site, typed=typed, proposal_id=proposal_id)


@router.post("/proposals/{proposal_id}/edit", dependencies=FORM)
def change(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    title: Text = "",
    matter: Text = "",
    procedure_: Annotated[str, Form(alias="procedure")] = "",
    building: Text = "",
    amount: Text = "",
    reason: Text = "",
    plan: Text = "",
    cause: Text = "",
    ticket: Text = "",
    units: Annotated[list[str] | None, Form()] = None,
    version: Text = "",
) -> Response:
    typed = Typed(
        title, matter, procedure_, building, amount, reason, plan, cause, ticket, "", tuple(units or ()), version
    )
    reader = reader_of(request)
    site = ""
    try:
        with held.database.writing() as session:
            proposal = visible_proposal(request, session, actor, proposal_id)
            site = proposal.site.key
            procedure.change_draft(
                session,
                proposal_id,
                _read(session, proposal.site, typed),
                expected_version=number_or_none(version),
                actor=actor,
                now_ms=held.clock(),
            )
        return RedirectResponse(f"/proposals/{proposal_id}", status_code=303)
    except UnknownProposal:
        raise
    except GovernanceError as error:
        problem = problem_text(error, _=reader._)
    return _form(
        request, actor, held, site=site, typed=typed, problem=problem, proposal_id=proposal_id, status_code=422
    )


def _read(session: Session, site: Site, typed: Typed) -> Draft:
    """Raises InvalidProposal."""
    kind = read_choice("procedure", Procedure, typed.procedure)
    is_urgent = kind is Procedure.URGENT
    wanted = set(typed.units)
    offered = list_units(session, site=site.key, limit=UNITS_OFFERED) if wanted else []
    return Draft(
        title=typed.title.replace("\0", ""),
        matter=read_choice("matter", Matter, typed.matter),
        amount_fen=read_fen("amount", typed.amount),
        reason=typed.reason.replace("\0", ""),
        plan=typed.plan.replace("\0", ""),
        procedure=kind,
        building=typed.building.replace("\0", ""),
        urgent_cause=read_choice("cause", UrgentCause, typed.cause) if is_urgent else None,
        ticket_id=number_or_none(typed.ticket) if is_urgent else None,
        supplements_id=_supplemented(session, site, typed.supplements),
        unit_ids=[unit.id for unit in offered if unit.unit_key.path in wanted],
    )


def _supplemented(session: Session, site: Site, text: str) -> int | None:
    number = number_or_none(text)
    if number is None:
        return None
    return number if get_proposal(session, number).site_id == site.id else None


def _form(
    request: Request,
    actor: Actor,
    held: Resources,
    *,
    site: str,
    typed: Typed,
    problem: str = "",
    proposal_id: int | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        visible = permitted_sites(request, actor)
        sites = list_sites(session, visible=visible)
        chosen = next((each for each in sites if each.key == site), sites[0] if len(sites) == 1 else None)
        units: list[Unit] = []
        if chosen is not None:
            units = list_units(session, site=chosen.key, visible=visible, limit=UNITS_OFFERED)
        by_building: dict[str, list[tuple[str, str]]] = {}
        for unit in units:
            by_building.setdefault(unit.building, []).append((unit.unit_key.path, unit.name))
        return render(
            request,
            "proposal_form.html",
            reader,
            status_code=status_code,
            problem=problem,
            typed=typed,
            proposal_id=proposal_id,
            sites=[SiteChoice(each.key, each.name, each is chosen) for each in sites],
            site=chosen.key if chosen is not None else "",
            site_name=chosen.name if chosen is not None else "",
            buildings=sorted(name for name in by_building if name),
            units=sorted(by_building.items()),
            matters=[(each, _(title)) for each, title in MATTER_TITLES.items()],
            procedures=[(each, _(title)) for each, title in PROCEDURE_TITLES.items()],
            causes=[(each, _(title)) for each, title in CAUSE_WORDS.items()],
            max_title_length=MAX_TITLE_LENGTH,
            max_text_length=MAX_TEXT_LENGTH,
            form_key=secrets.token_urlsafe(16),
        )


def visible_proposal(request: Request, session: Session, actor: Actor, proposal_id: int) -> Proposal:
    """Raises UnknownProposal for one of a site this person may not see, RoleMissing where their role is another."""
    if not 0 < proposal_id <= LARGEST_ID:
        raise UnknownProposal(proposal_id)
    proposal = get_proposal(session, proposal_id)
    check_site(request, actor, proposal.site.key, unknown=UnknownProposal(proposal_id))
    return proposal
