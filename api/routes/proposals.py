"""Proposals: drafted, signed, moved step by step, with their evidence, their execution and the fund that pays."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from api.gathered_evidence import evidence_of
from api.idempotency import IdempotencyKey, claimed
from api.proposal_desk import gathered_ahead, make_step, publish
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Filter, Id, Limit
from api.routes.proposal_shapes import (
    ChangedProposal,
    DraftShape,
    NewAccount,
    NewContract,
    NewCover,
    NewFiling,
    NewMovement,
    NewOption,
    NewPayment,
    NewProposal,
    NewPublication,
    NewRemark,
    NewSettlement,
    NewSignature,
    ProposalDetail,
    ProposalShape,
    ProposalTransition,
    proposal_detail,
    proposal_shape,
    row_of,
)
from api.routes.register import unit_seen
from api.routes.shapes import Page
from api.security import ApiActor, check_site, permitted_sites
from api.translations import translator
from governance import evidence_desk, execution, fund, procedure
from governance.errors import InvalidProposal, UnknownProposal
from governance.evidence import content_of, digest_of, frozen_pack
from governance.notice_rules import NoticeKind
from governance.proposal import Proposal, get_proposal, list_proposals
from governance.proposal_stages import ProposalStage
from registry.database import compact_json
from registry.errors import UnknownSite
from registry.role import Actor
from registry.site import get_site

router = APIRouter(prefix="/proposals", tags=["proposals"])
fund_router = APIRouter(prefix="/fund", tags=["proposals"])

UNIT_OF_ANOTHER_SITE = "must be units of the compound that the proposal is of"


@router.get("")
def list_proposals_seen(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    stage: Annotated[
        Literal["open"] | ProposalStage | None, AbsentIfEmpty, Query(description="`open`: not at its end")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[ProposalShape]:
    """Proposals, newest first."""
    with held.database.reading() as session:
        found = list_proposals(
            session,
            visible=permitted_sites(request, actor),
            site=site or None,
            stage=stage if isinstance(stage, ProposalStage) else None,
            is_open=True if stage == "open" else None,
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[proposal_shape(each) for each in found[:limit]],
            next=str(found[limit - 1].id) if len(found) > limit else None,
        )


@router.post("", status_code=201)
def draft_proposal(
    request: Request,
    response: Response,
    actor: ApiActor,
    held: Held,
    new: NewProposal,
    idempotency_key: IdempotencyKey = None,
) -> ProposalDetail:
    with held.database.writing() as session:
        check_site(request, actor, new.site, unknown=UnknownSite(new.site))
        asked = ["draft", new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=held.clock())
        if claim is not None and claim.earlier is not None:
            proposal = proposal_seen(request, session, actor, int(claim.earlier))
        else:
            site = get_site(session, new.site)
            draft = new.draft(_unit_ids(request, session, actor, new, site.key))
            if draft.supplements_id is not None:
                proposal_seen(request, session, actor, draft.supplements_id)
            proposal = procedure.draft_proposal(session, site, draft, actor=actor, now_ms=held.clock())
            if claim is not None:
                claim.row.result = str(proposal.id)
        response.headers["Location"] = f"/api/v1/proposals/{proposal.id}"
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


def _unit_ids(request: Request, session: Session, actor: Actor, shape: DraftShape, site: str) -> list[int]:
    units = [unit_seen(request, session, actor, path) for path in shape.units]
    if any(unit.site.key != site for unit in units):
        raise InvalidProposal("units", UNIT_OF_ANOTHER_SITE)
    return [unit.id for unit in units]


@router.get("/{proposal_id}")
def show_proposal(request: Request, actor: ApiActor, held: Held, proposal_id: Id) -> ProposalDetail:
    """A proposal with its whole history, what each possible step needs, and what it lacks now."""
    with held.database.reading() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.put("/{proposal_id}")
def change_draft(
    request: Request, actor: ApiActor, held: Held, proposal_id: Id, changed: ChangedProposal
) -> ProposalDetail:
    """Writes a draft anew; what is on its way is returned first."""
    with held.database.writing() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        draft = changed.draft(_unit_ids(request, session, actor, changed, proposal.site.key))
        proposal = procedure.change_draft(
            session,
            proposal_id,
            draft,
            expected_version=changed.expected_version,
            actor=actor,
            now_ms=held.clock(),
        )
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/transitions")
def move_proposal(
    request: Request,
    actor: ApiActor,
    held: Held,
    proposal_id: Id,
    transition: ProposalTransition,
    idempotency_key: IdempotencyKey = None,
) -> ProposalDetail:
    """Makes a step. One that is not possible, or not yet, is refused with the steps that are and the earliest date."""
    brought = gathered_ahead(
        held.database, proposal_id, transition.to, transition.brought, actor=actor, now_ms=held.clock()
    )
    with held.database.writing() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        asked = ["step", proposal_id, transition.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=held.clock())
        if claim is None or claim.earlier is None:
            proposal = make_step(
                session,
                proposal_id,
                transition.to,
                actor=actor,
                note=transition.note,
                brought=brought,
                _=translator(held.settings.language),
                now_ms=held.clock(),
            )
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/signatures", status_code=201)
def sign(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewSignature) -> ProposalDetail:
    """Signs for one of the three parties, when they table it and when they accept the work."""
    with held.database.writing() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        procedure.sign(
            session,
            proposal_id,
            new.party,
            actor=actor,
            note=new.note,
            expected_version=new.expected_version,
            now_ms=held.clock(),
        )
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/remarks", status_code=201)
def remark(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewRemark) -> ProposalDetail:
    """A comment, an objection or an answer; owners may, at any stage."""
    with held.database.writing() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        procedure.remark(
            session,
            proposal_id,
            new.kind,
            new.text,
            answers_id=new.answers_id,
            actor=actor,
            now_ms=held.clock(),
        )
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/options", status_code=201)
def add_option(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewOption) -> ProposalDetail:
    with held.database.writing() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        evidence_desk.add_option(session, proposal_id, **new.model_dump(), actor=actor, now_ms=held.clock())
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.delete("/{proposal_id}/options/{option_id}")
def remove_option(request: Request, actor: ApiActor, held: Held, proposal_id: Id, option_id: Id) -> ProposalDetail:
    with held.database.writing() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        evidence_desk.remove_option(session, proposal_id, option_id, actor=actor, now_ms=held.clock())
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/covers", status_code=201)
def add_cover(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewCover) -> ProposalDetail:
    with held.database.writing() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        evidence_desk.add_cover(session, proposal_id, **new.model_dump(), actor=actor, now_ms=held.clock())
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.get("/{proposal_id}/evidence")
def show_evidence(request: Request, actor: ApiActor, held: Held, proposal_id: Id) -> dict[str, Any]:
    """The pack: as it was frozen, with its SHA-256 and whether it is intact, or as it would be frozen now."""
    with held.database.reading() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        pack = frozen_pack(session, proposal)
        if pack is not None:
            return {
                "is_frozen": True,
                "digest": pack.digest,
                "is_intact": pack.is_intact,
                "canonical": pack.content,
                "content": content_of(pack),
            }
        content = evidence_of(request, session, proposal, now_ms=held.clock())
        canonical = compact_json(content)
        return {
            "is_frozen": False,
            "digest": digest_of(canonical),
            "is_intact": True,
            "canonical": canonical,
            "content": content,
        }


@router.post("/{proposal_id}/contract", status_code=201)
def record_contract(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewContract) -> ProposalDetail:
    with held.database.writing() as session:
        proposal = held_proposal(request, session, actor, proposal_id)
        execution.record_contract(session, proposal, **new.model_dump(), actor=actor, now_ms=held.clock())
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/settlement", status_code=201)
def record_settlement(
    request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewSettlement
) -> ProposalDetail:
    with held.database.writing() as session:
        proposal = held_proposal(request, session, actor, proposal_id)
        execution.record_settlement(session, proposal, **new.model_dump(), actor=actor, now_ms=held.clock())
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/filing", status_code=201)
def record_filing(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewFiling) -> ProposalDetail:
    with held.database.writing() as session:
        proposal = held_proposal(request, session, actor, proposal_id)
        execution.record_filing(session, proposal, **new.model_dump(), actor=actor, now_ms=held.clock())
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/payments", status_code=201)
def pay(
    request: Request,
    actor: ApiActor,
    held: Held,
    proposal_id: Id,
    new: NewPayment,
    idempotency_key: IdempotencyKey = None,
) -> ProposalDetail:
    """Pays from the fund: only for what is being carried out, never more than agreed, never more than is there."""
    with held.database.writing() as session:
        proposal = held_proposal(request, session, actor, proposal_id)
        asked = ["pay", proposal_id, new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=held.clock())
        if claim is None or claim.earlier is None:
            fund.pay(session, proposal, new.amount_fen, on=new.paid_on, note=new.note, actor=actor, now_ms=held.clock())
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@router.post("/{proposal_id}/publications", status_code=201)
def publish_of_proposal(
    request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewPublication
) -> ProposalDetail:
    """Posts the public notice of the decision, or of the costs with every owner's share."""
    with held.database.writing() as session:
        proposal = held_proposal(request, session, actor, proposal_id)
        publish(
            session,
            proposal_id,
            NoticeKind(new.kind),
            actor=actor,
            _=translator(held.settings.language),
            now_ms=held.clock(),
        )
        return proposal_detail(session, proposal, actor=actor, now_ms=held.clock())


@fund_router.get("")
def show_fund(request: Request, actor: ApiActor, held: Held, site: Filter = None) -> Page[dict[str, Any]]:
    """The accounts of the maintenance fund with their balance, the line of 30 %, and their last movements."""
    with held.database.reading() as session:
        found = fund.accounts(session, visible=permitted_sites(request, actor), site=site or None)
        return Page(items=[_account(session, account) for account in found], next=None)


def _account(session: Session, account: fund.FundAccount) -> dict[str, Any]:
    standing = fund.standing_of(session, account)
    return {
        "id": account.id,
        "site": account.site.key,
        "building": account.building,
        "initial_fen": account.initial_fen,
        "opened_on": account.opened_on.isoformat(),
        "balance_fen": standing.balance_fen,
        "line_fen": standing.line_fen,
        "is_below_line": standing.is_below_line,
        "movements": [
            row_of(each, "id", "kind", "amount_fen", "on", "note", "proposal_id")
            for each in fund.movements_of(session, account.id)
        ],
    }


@fund_router.post("", status_code=201)
def open_account(request: Request, actor: ApiActor, held: Held, new: NewAccount) -> dict[str, Any]:
    with held.database.writing() as session:
        check_site(request, actor, new.site, unknown=UnknownSite(new.site))
        account = fund.open_account(
            session,
            get_site(session, new.site),
            building=new.building,
            initial_fen=new.initial_fen,
            opened_on=new.opened_on,
            actor=actor,
            now_ms=held.clock(),
        )
        return _account(session, account)


@fund_router.post("/{account_id}/movements", status_code=201)
def book(
    request: Request,
    actor: ApiActor,
    held: Held,
    account_id: Id,
    new: NewMovement,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Books a contribution, interest or a correction; payments are booked with their proposal."""
    with held.database.writing() as session:
        account = fund.get_account(session, account_id)
        check_site(request, actor, account.site.key, unknown=fund.UnknownAccount(account_id))
        asked = ["book", account_id, new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=held.clock())
        if claim is None or claim.earlier is None:
            fund.book(
                session,
                account,
                new.kind,
                new.amount_fen,
                on=new.moved_on,
                note=new.note,
                actor=actor,
                now_ms=held.clock(),
            )
        return _account(session, account)


def proposal_seen(request: Request, session: Session, actor: Actor, proposal_id: int) -> Proposal:
    """Raises UnknownProposal for one of a site this person may not see, RoleMissing where their role is another."""
    proposal = get_proposal(session, proposal_id)
    check_site(request, actor, proposal.site.key, unknown=UnknownProposal(proposal_id))
    return proposal


def held_proposal(request: Request, session: Session, actor: Actor, proposal_id: int) -> Proposal:
    """The same, held until the transaction ends."""
    proposal_seen(request, session, actor, proposal_id)
    return get_proposal(session, proposal_id, for_update=True)
