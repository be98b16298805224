"""What people enter for the evidence of a draft: options with quotes, and what bears the cost already."""

from datetime import date

from sqlalchemy.orm import Session

from governance.errors import InvalidProposal
from governance.evidence_entries import CoverKind, OptionKind, ProposalCover, ProposalOption, covers_of, options_of
from governance.execution import check_amount
from governance.procedure import check_draft_stage
from governance.proposal import MAX_TEXT_LENGTH, Proposal, get_proposal, proposal_entry
from registry import activity
from registry.role import Actor

MOST_ENTRIES = 20
TOO_MANY = "holds as many entries as it may"
NO_WORDS = "must say something"
NO_SUCH_ENTRY = "There is no such entry"


def add_option(
    session: Session,
    proposal_id: int,
    *,
    kind: OptionKind,
    title: str,
    quoted_fen: int,
    company: str = "",
    quoted_on: date | None = None,
    is_chosen: bool = False,
    note: str = "",
    actor: Actor,
    now_ms: int,
) -> ProposalOption:
    """An option with its quote; the one that is chosen is what the vote is about. Raises InvalidProposal."""
    proposal = _draft(session, proposal_id)
    present = options_of(session, proposal_id)
    if len(present) >= MOST_ENTRIES:
        raise InvalidProposal("options", TOO_MANY)
    if not title.strip():
        raise InvalidProposal("title", NO_WORDS)
    check_amount("quoted_fen", quoted_fen)
    if is_chosen:
        for other in present:
            other.is_chosen = False
    row = ProposalOption(
        proposal_id=proposal_id,
        kind=kind.value,
        title=title.strip()[:200],
        company=company.strip()[:200],
        quoted_fen=quoted_fen,
        quoted_on=quoted_on,
        is_chosen=is_chosen,
        note=note.strip()[:MAX_TEXT_LENGTH],
        actor=actor.name,
        at_ms=now_ms,
    )
    session.add(row)
    _changed(session, proposal, {"option": row.title, "quoted_fen": quoted_fen}, actor, now_ms)
    return row


def remove_option(session: Session, proposal_id: int, option_id: int, *, actor: Actor, now_ms: int) -> None:
    """Raises InvalidProposal."""
    proposal = _draft(session, proposal_id)
    row = next((each for each in options_of(session, proposal_id) if each.id == option_id), None)
    if row is None:
        raise InvalidProposal("option_id", NO_SUCH_ENTRY)
    session.delete(row)
    _changed(session, proposal, {"option_removed": row.title}, actor, now_ms)


def add_cover(
    session: Session,
    proposal_id: int,
    *,
    kind: CoverKind,
    what: str,
    covered_fen: int | None = None,
    until_on: date | None = None,
    actor: Actor,
    now_ms: int,
) -> ProposalCover:
    """What a warranty, a contract or an insurance bears. Raises InvalidProposal."""
    proposal = _draft(session, proposal_id)
    if len(covers_of(session, proposal_id)) >= MOST_ENTRIES:
        raise InvalidProposal("covers", TOO_MANY)
    if not what.strip():
        raise InvalidProposal("what", NO_WORDS)
    row = ProposalCover(
        proposal_id=proposal_id,
        kind=kind.value,
        what=what.strip()[:MAX_TEXT_LENGTH],
        covered_fen=covered_fen,
        until_on=until_on,
        actor=actor.name,
        at_ms=now_ms,
    )
    session.add(row)
    _changed(session, proposal, {"cover": row.what[:200]}, actor, now_ms)
    return row


def _draft(session: Session, proposal_id: int) -> Proposal:
    proposal = get_proposal(session, proposal_id, for_update=True)
    check_draft_stage(proposal)
    return proposal


def _changed(session: Session, proposal: Proposal, data: dict[str, object], actor: Actor, now_ms: int) -> None:
    proposal.version += 1
    proposal.updated_ms = now_ms
    session.flush()
    activity.append(session, [proposal_entry(proposal, "proposal.changed", actor, dict(data))], now_ms=now_ms)
