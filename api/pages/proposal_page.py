"""One proposal: how far it is, what the next step lacks, who signed, what was spent, and all that was said and done."""

import secrets
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse

from api.pages.moments import Moment
from api.pages.proposal_words import (
    COVER_TITLES,
    MATTER_TITLES,
    MEETING_TITLES,
    NOTE_TITLES,
    OPTION_TITLES,
    PROCEDURE_TITLES,
    REMARK_TITLES,
    reason_text,
    stage_title,
    step_title,
)
from api.pages.proposals import ProposalCard, proposal_card, visible_proposal
from api.pages.rendering import Reader, reader_of, render
from api.pages.wording import PARTY_TITLES
from api.proposal_desk import CAUSE_WORDS
from api.resources import Held, Resources
from api.security import PageActor, names_people
from api.translations import Translator, msgid
from governance import execution, fund
from governance.evidence import frozen_pack
from governance.evidence_entries import CoverKind, OptionKind, covers_of, options_of, units_of
from governance.execution import AUDIT_WAIVER_FEN, contract_of, filing_of, settlement_of, yuan
from governance.notice import list_notices
from governance.notice_rules import NoticeKind
from governance.procedure import acted_for, allowed_steps, moves_from, outlook
from governance.proposal import (
    MAX_TEXT_LENGTH,
    Proposal,
    RemarkKind,
    SignedStep,
    get_proposal,
    moves_of,
    reached_ms,
    remarks_of,
    signatures_of,
    supplements_of,
)
from governance.proposal_stages import (
    ROLE_THAT_SIGNS,
    SIGNING_PARTIES,
    Need,
    Procedure,
    ProposalStage,
    UrgentCause,
)
from governance.publication import is_published
from governance.ruleset import Matter
from governance.statutory_days import Meeting, closing_range, day_of, earliest_opening
from registry import activity
from registry.role import ROLE_TITLES, Actor, Party

router = APIRouter(include_in_schema=False)
ADDRESS = "/proposals/{proposal_id}"
MAIN_WAY = {
    Procedure.ORDINARY: (
        *(ProposalStage.DRAFTED, ProposalStage.PROPOSED, ProposalStage.TABLED, ProposalStage.PRE_REVIEWED),
        *(ProposalStage.POSTED, ProposalStage.VOTING, ProposalStage.APPROVED, ProposalStage.EXECUTING),
        ProposalStage.SETTLED,
    ),
    Procedure.URGENT: (
        *(ProposalStage.DRAFTED, ProposalStage.PROPOSED, ProposalStage.TABLED, ProposalStage.PRE_REVIEWED),
        *(ProposalStage.EXECUTING, ProposalStage.SETTLED),
    ),
}
NOTHING_TYPED = dict.fromkeys(("to", "note", "meeting", "opens_on", "closes_on", "text"), "")
DATE_TITLES = {
    "posted_on": msgid("Posted on"),
    "opens_on": msgid("The vote opens on"),
    "closes_on": msgid("The vote closes at the end of"),
    "disclosed_until": msgid("Hangs at least until"),
    "decided_on": msgid("Decided on"),
    "publish_by": msgid("The decision is to be published by"),
}


@dataclass(frozen=True, slots=True)
class WayStep:
    title: str
    state: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A step that may follow: whether it is this reader's, and what lacks."""

    to: ProposalStage
    title: str
    is_mine: bool
    roles: str
    needs_note: bool
    note_title: str
    asks_dates: bool
    is_return: bool
    lacks: list[str]


@dataclass(frozen=True, slots=True)
class PartyLine:
    """A party's signature of a step, or that it lacks; `may_sign` for this reader."""

    party: Party
    title: str
    by: str
    at: Moment | None
    note: str
    may_sign: bool


@dataclass(frozen=True, slots=True)
class MoveLine:
    at: Moment
    title: str
    by: str
    party: str
    note: str
    round: int


@dataclass(frozen=True, slots=True)
class RemarkLine:
    id: int
    at: Moment
    kind_title: str
    is_objection: bool
    by: str
    text: str
    answers: list["RemarkLine"]


@router.get(ADDRESS)
def show_proposal(request: Request, actor: PageActor, held: Held, proposal_id: int) -> HTMLResponse:
    return proposal_page(request, actor, held, proposal_id)


def proposal_page(
    request: Request,
    actor: Actor,
    held: Resources,
    proposal_id: int,
    *,
    problem: str = "",
    typed: dict[str, str] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        proposal = visible_proposal(request, session, actor, proposal_id)
        kind, stage = Procedure(proposal.procedure), ProposalStage(proposal.stage)
        zone, site = proposal.site.timezone, proposal.site.key
        today = day_of(reader.now_ms, zone)
        pack = frozen_pack(session, proposal)
        offers = _offers(session, proposal, actor, reader)
        supplemented = get_proposal(session, proposal.supplements_id) if proposal.supplements_id else None

        def may(path: str) -> bool:
            return reader.may("POST", ADDRESS + path, site=site)

        def card_of(other: Proposal) -> ProposalCard:
            return proposal_card(other, reader=reader)

        return render(
            request,
            "proposal.html",
            reader,
            status_code=status_code,
            problem=problem,
            typed={**NOTHING_TYPED, **(typed or {})},
            proposal=proposal,
            card=card_of(proposal),
            site_name=proposal.site.name,
            matter=_(MATTER_TITLES[Matter(proposal.matter)]),
            procedure=_(PROCEDURE_TITLES[kind]),
            cause=_(CAUSE_WORDS[UrgentCause(proposal.urgent_cause)]) if proposal.urgent_cause else "",
            steps=_way(proposal, kind, stage, _=_),
            offers=offers,
            mine=[offer for offer in offers if offer.is_mine],
            others=_(", ").join(dict.fromkeys(o.roles for o in offers if not o.is_mine and not o.is_return)),
            parties=_parties(session, proposal, actor, reader),
            may_sign=may("/signatures"),
            dates=[(_(DATE_TITLES[name]), day) for name, day in proposal.dates.items()],
            meetings=_meetings(today, _=_),
            closing=_closing(proposal),
            units=[(unit.unit_key.path, unit.name) for unit in units_of(session, proposal.id)],
            pack=pack,
            frozen=reader.moment(pack.frozen_ms, zone) if pack is not None else None,
            is_draft=stage is ProposalStage.DRAFTED,
            may_edit=may("/edit"),
            options=[
                (each, _(OPTION_TITLES[OptionKind(each.kind)]), yuan(each.quoted_fen))
                for each in options_of(session, proposal.id)
            ],
            option_kinds=[(each, _(title)) for each, title in OPTION_TITLES.items()],
            covers=[(each, _(COVER_TITLES[CoverKind(each.kind)])) for each in covers_of(session, proposal.id)],
            cover_kinds=[(each, _(title)) for each, title in COVER_TITLES.items()],
            tally=_tally(proposal),
            spending=_spending(session, proposal, reader),
            may_contract=may("/contract"),
            may_pay=may("/payments"),
            may_publish=may("/publications"),
            is_executing=stage is ProposalStage.EXECUTING,
            notices=[
                (notice.id, title)
                for notice, title in list_notices(session, subject=proposal.subject, posted_at_ms=None)
            ],
            publications=_publications(
                stage,
                is_posted=is_published(session, proposal, {NoticeKind.RESULT}, since_ms=reached_ms(session, proposal)),
                is_settled=settlement_of(session, proposal.id) is not None,
                _=_,
            ),
            supplements=[card_of(each) for each in supplements_of(session, proposal.id)],
            supplemented=card_of(supplemented) if supplemented is not None else None,
            remarks=_remarks(session, proposal, reader),
            history=[
                MoveLine(
                    at=reader.moment(made.at_ms, zone),
                    title=stage_title(ProposalStage(made.to_stage), kind, _=_),
                    by=made.name if made.actor != "system" else _("found by the count"),
                    party=_(PARTY_TITLES[Party(made.party)]) if made.party else "",
                    note=made.note,
                    round=made.round,
                )
                for made in moves_of(session, proposal.id)
            ],
            last_activity=activity.last_id(session),
            today=today.isoformat(),
            max_text_length=MAX_TEXT_LENGTH,
            form_key=secrets.token_urlsafe(16),
        )


def _way(proposal: Proposal, kind: Procedure, stage: ProposalStage, *, _: Translator) -> list[WayStep]:
    way = list(MAIN_WAY[kind])
    if stage is ProposalStage.REJECTED:
        way = [*way[: way.index(ProposalStage.VOTING) + 1], ProposalStage.REJECTED]
    if stage is ProposalStage.WITHDRAWN:
        way = [ProposalStage.DRAFTED, ProposalStage.WITHDRAWN]
    here = way.index(stage)
    return [
        WayStep(stage_title(each, kind, _=_), "done" if place < here else "current" if place == here else "to-come")
        for place, each in enumerate(way)
    ]


def _offers(session: Session, proposal: Proposal, actor: Actor, reader: Reader) -> list[Offer]:
    _ = reader._
    mine = set(allowed_steps(proposal, actor))
    kind = Procedure(proposal.procedure)
    found = []
    is_voting = ProposalStage(proposal.stage) is ProposalStage.VOTING
    for to, move in moves_from(proposal).items():
        needs_dates = Need.DATES in move.needs
        note = (
            _(NOTE_TITLES[to])
            if to in NOTE_TITLES and (to is not ProposalStage.TABLED or proposal.is_urgent)
            else _("Why (required)")
        )
        found.append(
            Offer(
                to=to,
                title=step_title(to, kind, _=_),
                is_mine=to in mine,
                roles=_(", ").join(_(ROLE_TITLES[role]) for role in sorted(move.roles)),
                needs_note=Need.NOTE in move.needs,
                note_title=note,
                asks_dates=needs_dates,
                is_return=move.is_return or to is ProposalStage.WITHDRAWN,
                lacks=[
                    reason_text(reason, _=_)
                    for reason in outlook(session, proposal, to, dates=None, now_ms=reader.now_ms)
                ],
            )
        )
    if is_voting:
        # The count decides: only what it says is offered, and before that one line says when.
        ready = [offer for offer in found if not offer.lacks]
        return ready or [replace(found[0], title=_("The count decides when the vote is over"))]
    return found


def _parties(session: Session, proposal: Proposal, actor: Actor, reader: Reader) -> list[PartyLine]:
    """Signatures of the step at hand, or of the last one that was signed."""
    stage, kind = ProposalStage(proposal.stage), Procedure(proposal.procedure)
    way = list(MAIN_WAY[kind])
    if stage is ProposalStage.DRAFTED or stage not in way:
        return []
    is_acceptance = way.index(stage) >= way.index(ProposalStage.EXECUTING)
    if proposal.is_urgent and not is_acceptance:
        return []
    step = SignedStep.ACCEPTANCE if is_acceptance else SignedStep.TABLING
    is_at_hand = stage in (ProposalStage.PROPOSED, ProposalStage.EXECUTING)
    signed = {
        each.party: each for each in signatures_of(session, proposal.id, round_=proposal.round) if each.step == step
    }
    roles = actor.roles_at(proposal.site.key)
    acted = acted_for(session, proposal, actor) if is_at_hand else None
    lines = []
    for party in SIGNING_PARTIES:
        row = signed.get(party.value)
        lines.append(
            PartyLine(
                party=party,
                title=reader._(PARTY_TITLES[party]),
                by=row.name if row is not None else "",
                at=reader.moment(row.at_ms, proposal.site.timezone) if row is not None else None,
                note=row.note if row is not None else "",
                may_sign=is_at_hand and row is None and ROLE_THAT_SIGNS[party] in roles and acted in (None, party),
            )
        )
    return lines


def _meetings(today: date, *, _: Translator) -> list[tuple[Meeting, str, str]]:
    return [
        (
            meeting,
            _(title),
            _("at the earliest on %(day)s", day=earliest_opening(today, meeting).isoformat()),
        )
        for meeting, title in MEETING_TITLES.items()
    ]


def _closing(proposal: Proposal) -> tuple[str, str] | None:
    if proposal.opens_on is None:
        return None
    first, last = closing_range(proposal.opens_on)
    return first.isoformat(), last.isoformat()


def _tally(proposal: Proposal) -> dict[str, Any] | None:
    result = proposal.result
    return result if result is not None and "participating" in result else None


def _spending(session: Session, proposal: Proposal, reader: Reader) -> dict[str, Any]:
    contract, settlement = contract_of(session, proposal.id), settlement_of(session, proposal.id)
    authorised = execution.authorised_fen(session, proposal)
    account = fund.account_for(session, proposal)
    return {
        "contract": contract,
        "contract_amount": yuan(contract.amount_fen) if contract else "",
        "settlement": settlement,
        "settled_amount": yuan(settlement.final_fen) if settlement else "",
        "is_overrun": settlement is not None and execution.is_overrun(settlement.final_fen, authorised),
        "over_amount": yuan(settlement.final_fen - authorised) if settlement else "",
        "filing": filing_of(session, proposal.id),
        "authorised": yuan(authorised),
        "paid": yuan(fund.paid_fen(session, proposal.id)),
        "balance": yuan(fund.standing_of(session, account).balance_fen) if account is not None else "",
        "waiver": yuan(AUDIT_WAIVER_FEN),
        "is_shown": ProposalStage(proposal.stage) in (ProposalStage.EXECUTING, ProposalStage.SETTLED),
        "zone": reader.moment(proposal.updated_ms, proposal.site.timezone).zone,
    }


def _publications(stage: ProposalStage, *, is_posted: bool, is_settled: bool, _: Translator) -> list[tuple[str, str]]:
    """What is still to be published; a decision is posted by itself when it is found."""
    found = []
    if stage in (ProposalStage.APPROVED, ProposalStage.REJECTED) and not is_posted:
        found.append((NoticeKind.RESULT.value, _("Publish the decision")))
    if is_settled and stage is ProposalStage.EXECUTING:
        found.append((NoticeKind.COSTS.value, _("Publish the costs and the shares")))
    return found


def _remarks(session: Session, proposal: Proposal, reader: Reader) -> list[RemarkLine]:
    names = reader.actor is not None and names_people(reader.actor, proposal.site.key)
    lines: dict[int, RemarkLine] = {}
    first: list[RemarkLine] = []
    for row in remarks_of(session, proposal.id):
        is_own = reader.actor is not None and reader.actor.name == row.actor
        party = reader._(PARTY_TITLES[Party(row.party)]) if row.party else ""
        line = RemarkLine(
            id=row.id,
            at=reader.moment(row.at_ms, proposal.site.timezone),
            kind_title=reader._(REMARK_TITLES[RemarkKind(row.kind)]),
            is_objection=row.kind == RemarkKind.OBJECTION,
            by=" · ".join(part for part in (row.name if names or is_own else "", party) if part),
            text=row.text,
            answers=[],
        )
        lines[row.id] = line
        parent = lines.get(row.answers_id) if row.answers_id is not None else None
        (parent.answers if parent is not None else first).append(line)
    return first
