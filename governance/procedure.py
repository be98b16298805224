"""The steps of a proposal, made by named people: drafted, signed, moved from stage to stage, remarked upon.

Functions here run in the caller's transaction and write what changed, the history and the activity log together.
`move_proposal` is the one setter of a proposal's stage.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from alerts.signing import SIGNING_PARTIES as PARTIES_IN_ORDER
from alerts.signing import parties_of
from alerts.ticket import get_ticket
from governance import evidence
from governance.errors import (
    InvalidProposal,
    SignedForAnother,
    StepLacks,
    StepNotPermitted,
    StepNotPossible,
    SteppedMeanwhile,
)
from governance.evidence_entries import set_units
from governance.execution import check_amount
from governance.proposal import (
    MAX_TEXT_LENGTH,
    MAX_TITLE_LENGTH,
    Proposal,
    ProposalMove,
    ProposalRemark,
    ProposalSignature,
    RemarkKind,
    SignedStep,
    due_proposals,
    get_proposal,
    moves_of,
    next_number,
    proposal_entry,
    remarks_of,
    signatures_of,
)
from governance.proposal_needs import Asked, VoteDates, lacking, ruleset_on
from governance.proposal_stages import (
    MOVES,
    ROLE_THAT_SIGNS,
    Move,
    Need,
    Procedure,
    ProposalStage,
    UrgentCause,
)
from governance.ruleset import Matter
from governance.statutory_days import day_of, end_of
from governance.tally import Reason
from governance.vote_result import open_vote, shut_vote, vote_result
from registry import activity
from registry.database import Database
from registry.role import PARTY_OF_ROLE, SYSTEM, Actor, Party
from registry.site import Site, hold_sites

NOT_A_DRAFT = "Only a draft may be changed; a proposal on its way is returned first"
NO_TITLE = "must not be empty"
CAUSE_NEEDED = "Urgent use needs one of the causes that the law names"
CAUSE_NOT_ASKED = "Only urgent use has a cause"
TICKET_ELSEWHERE = "The ticket is of another compound"
NO_WORDS = "must say something"
NOT_AT_THIS_STEP = "This is signed when the three parties table it and when they accept the work"
SIGNED_ALREADY = "This party has signed already"
NO_SUCH_REMARK = "There is no such remark on this proposal"
_PARTY_OF_STEP = {ProposalStage.PROPOSED: SignedStep.TABLING, ProposalStage.EXECUTING: SignedStep.ACCEPTANCE}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person writes of a proposal. `unit_ids` are the units it is about; the building is "" for the site."""

    title: str
    matter: Matter
    amount_fen: int
    reason: str = ""
    plan: str = ""
    procedure: Procedure = Procedure.ORDINARY
    building: str = ""
    urgent_cause: UrgentCause | None = None
    ticket_id: int | None = None
    supplements_id: int | None = None
    unit_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Brought:
    """What a person brings to a step beside the note. `party` is for whom they act, where they could for several."""

    vote_dates: VoteDates | None = None
    party: Party | None = None
    expected_version: int | None = None
    gathered: evidence.Gathered | None = None
    """The evidence for a step that freezes it, gathered before the transaction."""


NOTHING_MORE = Brought()


def draft_proposal(session: Session, site: Site, draft: Draft, *, actor: Actor, now_ms: int) -> Proposal:
    """Raises InvalidProposal."""
    _check_draft(session, site, draft)
    hold_sites(session, [site.id])
    proposal = Proposal(
        site=site,
        number=next_number(session, site, year=day_of(now_ms, site.timezone).year),
        matter=draft.matter.value,
        procedure=draft.procedure.value,
        stage=ProposalStage.DRAFTED.value,
        version=1,
        round=1,
        created_by=actor.name,
        created_ms=now_ms,
        supplements_id=draft.supplements_id,
    )
    _write(proposal, draft, now_ms)
    session.add(proposal)
    session.flush()
    set_units(session, proposal.id, draft.unit_ids)
    session.add(
        ProposalMove(
            proposal_id=proposal.id,
            round=1,
            at_ms=now_ms,
            actor=actor.name,
            name=actor.display_name or actor.name,
            to_stage=proposal.stage,
        )
    )
    session.flush()
    _log(session, proposal, "proposal.drafted", actor, {}, now_ms)
    return proposal


def change_draft(
    session: Session, proposal_id: int, draft: Draft, *, expected_version: int | None, actor: Actor, now_ms: int
) -> Proposal:
    """Writes a draft anew. Raises InvalidProposal, SteppedMeanwhile."""
    proposal = get_proposal(session, proposal_id, for_update=True)
    check_version(proposal, expected_version, wanted=ProposalStage.DRAFTED.value)
    check_draft_stage(proposal)
    _check_draft(session, proposal.site, draft)
    proposal.matter, proposal.procedure = draft.matter.value, draft.procedure.value
    _write(proposal, draft, now_ms)
    proposal.version += 1
    set_units(session, proposal.id, draft.unit_ids)
    _log(session, proposal, "proposal.changed", actor, {}, now_ms)
    return proposal


def check_draft_stage(proposal: Proposal) -> None:
    """Raises InvalidProposal unless the proposal is a draft."""
    if ProposalStage(proposal.stage) is not ProposalStage.DRAFTED:
        raise InvalidProposal("stage", NOT_A_DRAFT)


def _check_draft(session: Session, site: Site, draft: Draft) -> None:
    if not draft.title.strip():
        raise InvalidProposal("title", NO_TITLE)
    check_amount("amount_fen", draft.amount_fen)
    if draft.procedure is Procedure.URGENT and draft.urgent_cause is None:
        raise InvalidProposal("urgent_cause", CAUSE_NEEDED)
    if draft.procedure is Procedure.ORDINARY and draft.urgent_cause is not None:
        raise InvalidProposal("urgent_cause", CAUSE_NOT_ASKED)
    if draft.ticket_id is not None and get_ticket(session, draft.ticket_id).site_id != site.id:
        raise InvalidProposal("ticket_id", TICKET_ELSEWHERE)


def _write(proposal: Proposal, draft: Draft, now_ms: int) -> None:
    proposal.title = draft.title.strip()[:MAX_TITLE_LENGTH]
    proposal.building = draft.building.strip()[:100]
    proposal.amount_fen = draft.amount_fen
    proposal.reason = draft.reason.strip()[:MAX_TEXT_LENGTH]
    proposal.plan = draft.plan.strip()[:MAX_TEXT_LENGTH]
    proposal.urgent_cause = draft.urgent_cause.value if draft.urgent_cause is not None else None
    proposal.ticket_id = draft.ticket_id
    proposal.updated_ms = now_ms


def moves_from(proposal: Proposal) -> dict[ProposalStage, Move]:
    """The steps that the present stage has, whoever may make them."""
    return dict(MOVES[Procedure(proposal.procedure)][ProposalStage(proposal.stage)])


def allowed_steps(proposal: Proposal, actor: Actor) -> list[ProposalStage]:
    """Stages this person's roles may move the proposal to; whether all is there that it needs is another question."""
    roles = actor.roles_at(proposal.site.key)
    return [to for to, move in moves_from(proposal).items() if roles & move.roles]


def acted_for(session: Session, proposal: Proposal, actor: Actor) -> Party | None:
    """The party for which this person made a step or signed in this round."""
    for made in moves_of(session, proposal.id):
        if made.actor == actor.name and made.round == proposal.round and made.party:
            return Party(made.party)
    for signed in signatures_of(session, proposal.id, round_=proposal.round):
        if signed.actor == actor.name:
            return Party(signed.party)
    return None


def _acting_party(
    session: Session, proposal: Proposal, actor: Actor, move: Move, *, wanted: str, asked: Party | None
) -> Party | None:
    if actor.name == SYSTEM.name and move.is_found:
        return None
    roles = actor.roles_at(proposal.site.key)
    able = parties_of(roles & move.roles)
    if not able:
        raise StepNotPermitted(proposal.subject, wanted=wanted, roles=[role.value for role in move.roles])
    acted = acted_for(session, proposal, actor)
    if acted is not None and (acted not in able or asked not in (None, acted)):
        raise SignedForAnother(proposal.subject, wanted=wanted, party=acted.value)
    if acted is not None:
        return acted
    if asked is not None:
        if asked not in able:
            raise StepNotPermitted(proposal.subject, wanted=wanted, roles=[role.value for role in move.roles])
        return asked
    return next(party for party in PARTIES_IN_ORDER if party in able)


def move_proposal(
    session: Session,
    proposal_id: int,
    to: ProposalStage,
    *,
    actor: Actor,
    note: str = "",
    brought: Brought = NOTHING_MORE,
    now_ms: int,
) -> Proposal:
    """One person's step; the row is held, so that of two at once the second meets the new stage.

    Changes nothing when it raises: StepNotPossible, SteppedMeanwhile, StepNotPermitted, SignedForAnother, StepLacks.
    """
    proposal = get_proposal(session, proposal_id, for_update=True)
    current, moves = ProposalStage(proposal.stage), moves_from(proposal)
    check_version(proposal, brought.expected_version, wanted=to.value)
    if to not in moves:
        raise StepNotPossible(proposal.subject, **_state(proposal, to.value))
    move = moves[to]
    party = _acting_party(session, proposal, actor, move, wanted=to.value, asked=brought.party)
    asked = Asked(proposal, to, note, brought.vote_dates, now_ms)
    if reasons := lacking(session, asked, move.needs):
        raise StepLacks(proposal.subject, **_state(proposal, to.value), reasons=reasons)
    made = ProposalMove(
        proposal_id=proposal.id,
        round=proposal.round,
        at_ms=now_ms,
        actor=actor.name,
        name=actor.display_name or actor.name,
        party=party.value if party is not None else None,
        from_stage=current.value,
        to_stage=to.value,
        note=note.strip()[:MAX_TEXT_LENGTH],
    )
    session.add(made)
    proposal.stage = to.value
    proposal.version += 1
    proposal.updated_ms = now_ms
    data: dict[str, Any] = {"from": current.value, "to": to.value, "note": made.note, "party": made.party}
    if Need.EVIDENCE in move.needs:
        seen = proposal.version - 1
        pack = evidence.freeze(session, proposal, version=seen, gathered=brought.gathered, now_ms=now_ms)
        data["evidence"] = pack.digest
    if move.is_return:
        _return_to_draft(proposal)
    if to is ProposalStage.POSTED and brought.vote_dates is not None:
        _announce(proposal, brought.vote_dates, now_ms)
    if to is ProposalStage.VOTING:
        proposal.opened_ms = now_ms
        open_vote(session, proposal, actor=actor, now_ms=now_ms)
    if to in (ProposalStage.APPROVED, ProposalStage.REJECTED):
        _decide(session, proposal, data, now_ms)
    session.flush()
    _log(session, proposal, "proposal.moved", actor, data, now_ms)
    return proposal


def _return_to_draft(proposal: Proposal) -> None:
    proposal.round += 1
    proposal.meeting = proposal.ruleset = None
    proposal.posted_on = proposal.opens_on = proposal.closes_on = None
    proposal.closes_ms = None


def _announce(proposal: Proposal, wanted: VoteDates, now_ms: int) -> None:
    zone = proposal.site.timezone
    proposal.meeting = wanted.meeting.value
    proposal.posted_on = day_of(now_ms, zone)
    proposal.opens_on, proposal.closes_on = wanted.opens_on, wanted.closes_on
    proposal.closes_ms = end_of(wanted.closes_on, zone)
    proposal.ruleset = ruleset_on(wanted.opens_on)


def _decide(session: Session, proposal: Proposal, data: dict[str, Any], now_ms: int) -> None:
    counted = vote_result(session, proposal, now_ms=now_ms)
    assert counted is not None, "the step needs the result"
    shut_vote(session, proposal, now_ms=now_ms)
    # The day on which the vote ended, not on which somebody looked: from it the days of publication count.
    proposal.decided_on = proposal.closes_on
    proposal.result = data["result"] = counted.shown


def check_version(proposal: Proposal, expected: int | None, *, wanted: str) -> None:
    """Raises SteppedMeanwhile when the proposal is not as the person saw it."""
    if expected not in (None, proposal.version):
        raise SteppedMeanwhile(proposal.subject, **_state(proposal, wanted))


def _state(proposal: Proposal, wanted: str) -> dict[str, Any]:
    return {
        "current": proposal.stage,
        "wanted": wanted,
        "allowed": [stage.value for stage in moves_from(proposal)],
        "dates": proposal.dates,
    }


def outlook(
    session: Session, proposal: Proposal, to: ProposalStage, *, dates: VoteDates | None, now_ms: int
) -> list[Reason]:
    """What a step lacks now beside what its form asks for."""
    needs = moves_from(proposal)[to].needs - {Need.NOTE} - ({Need.DATES} if dates is None else frozenset())
    return lacking(session, Asked(proposal, to, "", dates, now_ms), needs)


def settle_due_votes(database: Database, *, publish: Callable[[Session, Proposal], object], now_ms: int) -> list[int]:
    """Finds the outcome of every vote that is over; the count decides, and nobody has to press a button for it.

    `publish` posts the decision in the transaction that finds it: so it is posted once, and never late.
    """
    with database.reading() as session:
        # One whose papers still wait for their second entry is looked at again, and holds nobody up meanwhile.
        due = [
            proposal_id
            for proposal_id in due_proposals(session, ProposalStage.VOTING, now_ms=now_ms)
            if vote_result(session, get_proposal(session, proposal_id), now_ms=now_ms) is not None
        ]
    decided = []
    for proposal_id in due:
        with database.writing() as session:
            proposal = get_proposal(session, proposal_id, for_update=True)
            counted = vote_result(session, proposal, now_ms=now_ms)
            if counted is None or ProposalStage(proposal.stage) is not ProposalStage.VOTING:
                continue
            to = ProposalStage.APPROVED if counted.is_approved else ProposalStage.REJECTED
            publish(session, move_proposal(session, proposal_id, to, actor=SYSTEM, now_ms=now_ms))
            decided.append(proposal_id)
    return decided


def sign(
    session: Session,
    proposal_id: int,
    party: Party,
    *,
    actor: Actor,
    note: str = "",
    expected_version: int | None = None,
    now_ms: int,
) -> ProposalSignature:
    """A person signs for one of the three parties, at the tabling or at the acceptance of the work.

    Nobody signs for two parties, whatever roles they hold. Raises InvalidProposal, StepNotPermitted, SignedForAnother.
    """
    proposal = get_proposal(session, proposal_id, for_update=True)
    check_version(proposal, expected_version, wanted="signature")
    step = _PARTY_OF_STEP.get(ProposalStage(proposal.stage))
    is_tabled = step is not None and not (proposal.is_urgent and step is SignedStep.TABLING)
    if step is None or not is_tabled:
        raise InvalidProposal("stage", NOT_AT_THIS_STEP)
    role = ROLE_THAT_SIGNS.get(party)
    if role is None or role not in actor.roles_at(proposal.site.key):
        raise StepNotPermitted(proposal.subject, wanted=f"signature of {party}", roles=[role.value] if role else [])
    acted = acted_for(session, proposal, actor)
    if acted not in (None, party):
        raise SignedForAnother(proposal.subject, wanted=f"signature of {party}", party=str(acted))
    signed = [each for each in signatures_of(session, proposal.id, round_=proposal.round) if each.step == step]
    if any(each.party == party for each in signed):
        raise InvalidProposal("party", SIGNED_ALREADY)
    row = ProposalSignature(
        proposal_id=proposal.id,
        round=proposal.round,
        step=step.value,
        party=party.value,
        actor=actor.name,
        name=actor.display_name or actor.name,
        at_ms=now_ms,
        note=note.strip()[:MAX_TEXT_LENGTH],
    )
    session.add(row)
    proposal.version += 1
    proposal.updated_ms = now_ms
    session.flush()
    _log(session, proposal, "proposal.signed", actor, {"party": party.value, "step": step.value}, now_ms)
    return row


def remark(
    session: Session,
    proposal_id: int,
    kind: RemarkKind,
    text: str,
    *,
    answers_id: int | None = None,
    actor: Actor,
    now_ms: int,
) -> ProposalRemark:
    """Anybody who may see a proposal may remark upon it, at any stage. Raises InvalidProposal."""
    proposal = get_proposal(session, proposal_id, for_update=True)
    text = text.strip()[:MAX_TEXT_LENGTH]
    if not text:
        raise InvalidProposal("text", NO_WORDS)
    known = {each.id for each in remarks_of(session, proposal_id)}
    if (kind is RemarkKind.ANSWER) != (answers_id is not None) or (answers_id is not None and answers_id not in known):
        raise InvalidProposal("answers_id", NO_SUCH_REMARK)
    row = ProposalRemark(
        proposal_id=proposal_id,
        kind=kind.value,
        answers_id=answers_id,
        at_ms=now_ms,
        actor=actor.name,
        name=actor.display_name or actor.name,
        party=_party_at(actor, proposal.site.key),
        text=text,
    )
    session.add(row)
    session.flush()
    # What was said stands with the proposal; the log tells only that it was.
    _log(session, proposal, "proposal.remarked", actor, {"kind": kind.value, "remark_id": row.id}, now_ms)
    return row


def _party_at(actor: Actor, site: str) -> str | None:
    parties: Collection[Party] = {PARTY_OF_ROLE[role] for role in actor.roles_at(site)}
    return next(iter(parties)).value if len(parties) == 1 else None


def _log(session: Session, proposal: Proposal, verb: str, actor: Actor, data: dict[str, Any], now_ms: int) -> None:
    activity.append(session, [proposal_entry(proposal, verb, actor, data)], now_ms=now_ms)
