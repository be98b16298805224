"""What follows a resolution: contract, settlement with audit, the budget they keep to, and filing.

These rows are only ever added; of contracts and settlements the last one counts. Nothing here is possible before the
proposal is being executed, and nothing but the owners' resolution (or, when urgent, the street office) brings it there.
"""

from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import BigInteger, Date, ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.errors import InvalidProposal
from governance.proposal import MAX_AMOUNT_FEN, Proposal, get_proposal, proposal_entry, supplements_of
from governance.proposal_stages import AUTHORISED, ProposalStage
from governance.tally import Reason
from registry import activity
from registry.database import BigId, Table
from registry.role import Actor

AUDIT_WAIVER_FEN = 3_000_000
"""Up to 30,000 yuan the audit of the settlement may be waived (Hangzhou, since 2022-03-01)."""
OVERRUN = Fraction(1, 10)
"""A settlement that is more than the declared amount by this share or more is declared anew (Hangzhou)."""

MAX_NAME_LENGTH, MAX_REFERENCE_LENGTH = 200, 100

NOT_EXECUTING = "Only what the owners approved, and what is being carried out, has a contract and a settlement"
NO_CONTRACT = "The contract is not entered yet"
NO_SETTLEMENT = "The settlement is not entered yet"
NO_AUDIT = "A settlement above %(limit)s yuan needs the report of an auditor"
OVER_BUDGET = (
    "The settlement of %(final)s yuan is at least 10 %% above the %(authorised)s yuan that were declared: "
    "it goes back to the owners"
)
CONTRACT_OVER_BUDGET = (
    "The contract of %(final)s yuan is at least 10 %% above the %(authorised)s yuan that were declared: "
    "it goes back to the owners"
)
NO_FILING = "Urgent use is filed with the authority; the filing is not entered yet"
MAIN_NOT_SETTLED = "The proposal that it supplements is not settled yet"
ONLY_URGENT_IS_FILED = "Only urgent use is filed afterwards"
NO_REFERENCE = "must name the authority and its number of the filing"
AMOUNT_OUT_OF_RANGE = "must be above zero and below 100,000,000,000 yuan"
NO_COMPANY = "must name the company"
ENDS_BEFORE_IT_STARTS = "must not lie before the start"


class ProposalContract(Table):
    __tablename__ = "proposal_contract"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), index=True)
    company: Mapped[str] = mapped_column(String(200))
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    signed_on: Mapped[date] = mapped_column(Date)
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date] = mapped_column(Date)
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger)


class ProposalSettlement(Table):
    """The final amount. Without `audit_report` the audit was waived."""

    __tablename__ = "proposal_settlement"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), index=True)
    final_fen: Mapped[int] = mapped_column(BigInteger)
    auditor: Mapped[str] = mapped_column(String(200), default="")
    audit_report: Mapped[str] = mapped_column(String(100), default="")
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger)


class ProposalFiling(Table):
    """That urgent use was filed with the authority."""

    __tablename__ = "proposal_filing"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), index=True)
    authority: Mapped[str] = mapped_column(String(200))
    reference: Mapped[str] = mapped_column(String(100))
    filed_on: Mapped[date] = mapped_column(Date)
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger)


def contract_of(session: Session, proposal_id: int) -> ProposalContract | None:
    query = select(ProposalContract).where(ProposalContract.proposal_id == proposal_id)
    return session.scalar(query.order_by(ProposalContract.id.desc()).limit(1))


def settlement_of(session: Session, proposal_id: int) -> ProposalSettlement | None:
    query = select(ProposalSettlement).where(ProposalSettlement.proposal_id == proposal_id)
    return session.scalar(query.order_by(ProposalSettlement.id.desc()).limit(1))


def filing_of(session: Session, proposal_id: int) -> ProposalFiling | None:
    query = select(ProposalFiling).where(ProposalFiling.proposal_id == proposal_id)
    return session.scalar(query.order_by(ProposalFiling.id.desc()).limit(1))


def authorised_fen(session: Session, proposal: Proposal) -> int:
    """What was declared, with what the owners approved beside it when an overrun was declared anew."""
    extra = (each for each in supplements_of(session, proposal.id) if ProposalStage(each.stage) in AUTHORISED)
    return proposal.amount_fen + sum(each.amount_fen for each in extra)


def is_overrun(final_fen: int, authorised: int) -> bool:
    """Whether an amount is so far above what was declared that the owners must be asked anew.

    >>> is_overrun(10_999_99, 10_000_00), is_overrun(11_000_00, 10_000_00)
    (False, True)
    """
    return final_fen - authorised >= OVERRUN * authorised and final_fen > authorised


def yuan(fen: int) -> str:
    """
    >>> yuan(3_000_000), yuan(123_456_789), yuan(-5)
    ('30,000.00', '1,234,567.89', '-0.05')
    """
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def check_amount(field: str, amount_fen: int) -> int:
    """Raises InvalidProposal for what is no amount of money."""
    if not 0 < amount_fen <= MAX_AMOUNT_FEN:
        raise InvalidProposal(field, AMOUNT_OUT_OF_RANGE)
    return amount_fen


def check_executing(proposal: Proposal) -> None:
    """Raises InvalidProposal unless the work is authorised and under way."""
    if ProposalStage(proposal.stage) is not ProposalStage.EXECUTING:
        raise InvalidProposal("stage", NOT_EXECUTING)


def budget_reasons(session: Session, proposal: Proposal, amount_fen: int, message: str) -> list[Reason]:
    authorised = authorised_fen(session, proposal)
    if not is_overrun(amount_fen, authorised):
        return []
    return [Reason(message, {"final": yuan(amount_fen), "authorised": yuan(authorised)})]


def record_contract(
    session: Session,
    proposal: Proposal,
    *,
    company: str,
    amount_fen: int,
    signed_on: date,
    starts_on: date,
    ends_on: date,
    actor: Actor,
    now_ms: int,
) -> ProposalContract:
    """Raises InvalidProposal, also for a contract so far above what was declared that the owners must be asked anew."""
    check_executing(proposal)
    check_amount("amount_fen", amount_fen)
    if not company.strip():
        raise InvalidProposal("company", NO_COMPANY)
    if ends_on < starts_on:
        raise InvalidProposal("ends_on", ENDS_BEFORE_IT_STARTS)
    for reason in budget_reasons(session, proposal, amount_fen, CONTRACT_OVER_BUDGET):
        raise InvalidProposal("amount_fen", reason.message, reason.facts)
    row = ProposalContract(
        proposal_id=proposal.id,
        company=company.strip()[:MAX_NAME_LENGTH],
        amount_fen=amount_fen,
        signed_on=signed_on,
        starts_on=starts_on,
        ends_on=ends_on,
        **_by(actor, now_ms),
    )
    data = {"company": row.company, "amount_fen": amount_fen, "signed_on": signed_on.isoformat()}
    _keep(session, proposal, row, "proposal.contracted", data, actor, now_ms)
    return row


def record_settlement(
    session: Session,
    proposal: Proposal,
    *,
    final_fen: int,
    auditor: str = "",
    audit_report: str = "",
    actor: Actor,
    now_ms: int,
) -> ProposalSettlement:
    """The final amount; whether it is within the budget and audited is asked when the proposal is to be closed."""
    check_executing(proposal)
    check_amount("final_fen", final_fen)
    if contract_of(session, proposal.id) is None:
        raise InvalidProposal("contract", NO_CONTRACT)
    row = ProposalSettlement(
        proposal_id=proposal.id,
        final_fen=final_fen,
        auditor=auditor.strip()[:MAX_NAME_LENGTH],
        audit_report=audit_report.strip()[:MAX_REFERENCE_LENGTH],
        **_by(actor, now_ms),
    )
    data = {"final_fen": final_fen, "auditor": row.auditor, "audit_report": row.audit_report}
    _keep(session, proposal, row, "proposal.accounted", data, actor, now_ms)
    return row


def record_filing(
    session: Session,
    proposal: Proposal,
    *,
    authority: str,
    reference: str,
    filed_on: date,
    actor: Actor,
    now_ms: int,
) -> ProposalFiling:
    """That urgent use was filed. Raises InvalidProposal."""
    check_executing(proposal)
    if not proposal.is_urgent:
        raise InvalidProposal("procedure", ONLY_URGENT_IS_FILED)
    if not authority.strip() or not reference.strip():
        raise InvalidProposal("reference", NO_REFERENCE)
    row = ProposalFiling(
        proposal_id=proposal.id,
        authority=authority.strip()[:MAX_NAME_LENGTH],
        reference=reference.strip()[:MAX_REFERENCE_LENGTH],
        filed_on=filed_on,
        **_by(actor, now_ms),
    )
    data = {"authority": row.authority, "reference": row.reference, "filed_on": filed_on.isoformat()}
    _keep(session, proposal, row, "proposal.filed", data, actor, now_ms)
    return row


def _by(actor: Actor, now_ms: int) -> dict[str, Any]:
    return {"actor": actor.name, "name": actor.display_name or actor.name, "at_ms": now_ms}


def _keep(
    session: Session, proposal: Proposal, row: Table, verb: str, data: dict[str, Any], actor: Actor, now_ms: int
) -> None:
    session.add(row)
    proposal.version += 1
    proposal.updated_ms = now_ms
    session.flush()
    activity.append(session, [proposal_entry(proposal, verb, actor, data)], now_ms=now_ms)


# What stands in the way of closing a proposal. A supplement is settled with what it supplements.


def lacks_contract(session: Session, proposal: Proposal) -> list[Reason]:
    if proposal.supplements_id is not None:
        is_settled = get_proposal(session, proposal.supplements_id).stage == ProposalStage.SETTLED
        return [] if is_settled else [Reason(MAIN_NOT_SETTLED)]
    return [] if contract_of(session, proposal.id) else [Reason(NO_CONTRACT)]


def lacks_settlement(session: Session, proposal: Proposal) -> list[Reason]:
    if proposal.supplements_id is not None or settlement_of(session, proposal.id):
        return []
    return [Reason(NO_SETTLEMENT)]


def lacks_audit(session: Session, proposal: Proposal) -> list[Reason]:
    settlement = settlement_of(session, proposal.id)
    if settlement is None or settlement.audit_report or settlement.final_fen <= AUDIT_WAIVER_FEN:
        return []
    return [Reason(NO_AUDIT, {"limit": yuan(AUDIT_WAIVER_FEN)})]


def lacks_budget(session: Session, proposal: Proposal) -> list[Reason]:
    settlement = settlement_of(session, proposal.id)
    return [] if settlement is None else budget_reasons(session, proposal, settlement.final_fen, OVER_BUDGET)


def lacks_filing(session: Session, proposal: Proposal) -> list[Reason]:
    return [] if filing_of(session, proposal.id) else [Reason(NO_FILING)]
