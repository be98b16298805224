"""What people do on the page of a proposal: steps, signatures, remarks, entries of evidence, contract, payment."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from api.idempotency import claimed
from api.pages.proposal_forms import number_or_none, optional_day, read_choice, read_day, read_fen
from api.pages.proposal_page import ADDRESS, proposal_page
from api.pages.proposal_words import (
    problem_text,
)
from api.pages.proposals import visible_proposal
from api.pages.rendering import reader_of
from api.problems import problem_of
from api.proposal_desk import gathered_ahead, make_step, publish
from api.resources import Held, Resources
from api.security import PageActor, check_csrf
from api.translations import translator
from governance import evidence_desk, execution, fund, procedure
from governance.errors import GovernanceError, UnknownProposal
from governance.evidence_entries import CoverKind, OptionKind
from governance.notice_rules import NoticeKind
from governance.procedure import Brought
from governance.proposal import (
    Proposal,
    RemarkKind,
    get_proposal,
)
from governance.proposal_needs import VoteDates
from governance.proposal_stages import (
    ProposalStage,
)
from governance.statutory_days import Meeting
from registry.replay import KeyReused
from registry.role import Actor, Party

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]
Do = Callable[[Session, Proposal, int], object]


def _act(
    request: Request,
    actor: Actor,
    held: Resources,
    proposal_id: int,
    do: Do,
    *,
    form_key: str = "",
    asked: object = None,
    typed: dict[str, str] | None = None,
) -> Response:
    """Does one thing in one transaction and shows the page again; a refusal is told on it and nothing is lost."""
    reader = reader_of(request)
    try:
        with held.database.writing() as session:
            proposal = visible_proposal(request, session, actor, proposal_id)
            claim = claimed(session, actor=actor, key=form_key, request=[proposal_id, asked], now_ms=held.clock())
            if claim is None or claim.earlier is None:
                do(session, proposal, held.clock())
        return RedirectResponse(f"/proposals/{proposal_id}", status_code=303)
    except UnknownProposal:
        raise
    except GovernanceError as error:
        problem = problem_text(error, _=reader._)
        status_code = problem_of(error, instance=request.url.path).status
    except KeyReused:
        problem = reader._("This form was sent before with other words. Look at the proposal as it is now.")
        status_code = 409
    return proposal_page(
        request, actor, held, proposal_id, problem=problem, typed=typed, status_code=min(status_code, 422)
    )


@router.post(ADDRESS + "/steps", dependencies=FORM)
def make_a_step(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    to: Text = "",
    note: Text = "",
    meeting: Text = "",
    opens_on: Text = "",
    closes_on: Text = "",
    version: Text = "",
) -> Response:
    chosen = next((each for each in ProposalStage if each.value == to), None)
    ahead = Brought()
    if chosen is not None:
        ahead = gathered_ahead(held.database, proposal_id, chosen, ahead, actor=actor, now_ms=held.clock())

    def do(session: Session, _: Proposal, now_ms: int) -> None:
        wanted = read_choice("to", ProposalStage, to)
        dates = None
        if wanted is ProposalStage.POSTED:
            dates = VoteDates(
                read_choice("meeting", Meeting, meeting),
                read_day("opens_on", opens_on),
                read_day("closes_on", closes_on),
            )
        brought = replace(ahead, vote_dates=dates, expected_version=number_or_none(version))
        speak = translator(held.settings.language)
        make_step(
            session,
            proposal_id,
            wanted,
            actor=actor,
            note=note.replace("\0", ""),
            brought=brought,
            _=speak,
            now_ms=now_ms,
        )

    typed = {"note": note, "opens_on": opens_on, "closes_on": closes_on, "meeting": meeting, "to": to}
    return _act(request, actor, held, proposal_id, do, typed=typed)


@router.post(ADDRESS + "/signatures", dependencies=FORM)
def sign(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    party: Text = "",
    note: Text = "",
    version: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        procedure.sign(
            session,
            proposal_id,
            read_choice("party", Party, party),
            actor=actor,
            note=note.replace("\0", ""),
            expected_version=number_or_none(version),
            now_ms=now_ms,
        )

    return _act(request, actor, held, proposal_id, do)


@router.post(ADDRESS + "/remarks", dependencies=FORM)
def remark(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    kind: Text = RemarkKind.COMMENT.value,
    text: Text = "",
    answers: Text = "",
    form_key: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        answers_id = number_or_none(answers)
        wanted = RemarkKind.ANSWER if answers_id is not None else read_choice("kind", RemarkKind, kind)
        procedure.remark(
            session,
            proposal_id,
            wanted,
            text.replace("\0", ""),
            answers_id=answers_id,
            actor=actor,
            now_ms=now_ms,
        )

    asked = ["remark", kind, text, answers]
    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=asked, typed={"text": text})


@router.post(ADDRESS + "/options", dependencies=FORM)
def add_option(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    kind: Text = "",
    title: Text = "",
    company: Text = "",
    quoted: Text = "",
    quoted_on: Text = "",
    chosen: Text = "",
    note: Text = "",
    form_key: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        evidence_desk.add_option(
            session,
            proposal_id,
            kind=read_choice("kind", OptionKind, kind),
            title=title.replace("\0", ""),
            quoted_fen=read_fen("quoted_fen", quoted),
            company=company.replace("\0", ""),
            quoted_on=optional_day("day", quoted_on),
            is_chosen=bool(chosen),
            note=note.replace("\0", ""),
            actor=actor,
            now_ms=now_ms,
        )

    asked = ["option", kind, title, company, quoted, quoted_on, chosen, note]
    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=asked)


@router.post(ADDRESS + "/options/{option_id}/remove", dependencies=FORM)
def remove_option(request: Request, actor: PageActor, held: Held, proposal_id: int, option_id: int) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        evidence_desk.remove_option(session, proposal_id, option_id, actor=actor, now_ms=now_ms)

    return _act(request, actor, held, proposal_id, do)


@router.post(ADDRESS + "/covers", dependencies=FORM)
def add_cover(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    kind: Text = "",
    what: Text = "",
    covered: Text = "",
    until_on: Text = "",
    form_key: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        evidence_desk.add_cover(
            session,
            proposal_id,
            kind=read_choice("kind", CoverKind, kind),
            what=what.replace("\0", ""),
            covered_fen=read_fen("amount", covered) if covered.strip() else None,
            until_on=optional_day("day", until_on),
            actor=actor,
            now_ms=now_ms,
        )

    asked = ["cover", kind, what, covered, until_on]
    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=asked)


@router.post(ADDRESS + "/contract", dependencies=FORM)
def record_contract(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    company: Text = "",
    amount: Text = "",
    signed_on: Text = "",
    starts_on: Text = "",
    ends_on: Text = "",
    form_key: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        execution.record_contract(
            session,
            get_proposal(session, proposal_id, for_update=True),
            company=company.replace("\0", ""),
            amount_fen=read_fen("amount", amount),
            signed_on=read_day("day", signed_on),
            starts_on=read_day("day", starts_on),
            ends_on=read_day("ends_on", ends_on),
            actor=actor,
            now_ms=now_ms,
        )

    asked = ["contract", company, amount, signed_on, starts_on, ends_on]
    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=asked)


@router.post(ADDRESS + "/settlement", dependencies=FORM)
def record_settlement(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    final: Text = "",
    auditor: Text = "",
    audit_report: Text = "",
    form_key: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        execution.record_settlement(
            session,
            get_proposal(session, proposal_id, for_update=True),
            final_fen=read_fen("final_fen", final),
            auditor=auditor.replace("\0", ""),
            audit_report=audit_report.replace("\0", ""),
            actor=actor,
            now_ms=now_ms,
        )

    asked = ["settlement", final, auditor, audit_report]
    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=asked)


@router.post(ADDRESS + "/filing", dependencies=FORM)
def record_filing(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    authority: Text = "",
    reference: Text = "",
    filed_on: Text = "",
    form_key: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        execution.record_filing(
            session,
            get_proposal(session, proposal_id, for_update=True),
            authority=authority.replace("\0", ""),
            reference=reference.replace("\0", ""),
            filed_on=read_day("day", filed_on),
            actor=actor,
            now_ms=now_ms,
        )

    asked = ["filing", authority, reference, filed_on]
    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=asked)


@router.post(ADDRESS + "/payments", dependencies=FORM)
def pay(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    amount: Text = "",
    paid_on: Text = "",
    note: Text = "",
    form_key: Text = "",
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        fund.pay(
            session,
            get_proposal(session, proposal_id, for_update=True),
            read_fen("amount", amount),
            on=read_day("day", paid_on),
            note=note.replace("\0", ""),
            actor=actor,
            now_ms=now_ms,
        )

    asked = ["pay", amount, paid_on, note]
    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=asked)


@router.post(ADDRESS + "/publications", dependencies=FORM)
def publish_of_proposal(
    request: Request, actor: PageActor, held: Held, proposal_id: int, kind: Text = "", form_key: Text = ""
) -> Response:
    def do(session: Session, _: Proposal, now_ms: int) -> None:
        speak = translator(held.settings.language)
        publish(session, proposal_id, read_choice("kind", NoticeKind, kind), actor=actor, _=speak, now_ms=now_ms)

    return _act(request, actor, held, proposal_id, do, form_key=form_key, asked=["publish", kind])
