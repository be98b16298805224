"""Proposals of a compound: what is proposed, its stage and dates, who signed, and what people say about it.

Who may make which step stands in `governance.proposal_stages`; nothing but `governance.procedure.move_proposal` sets a
stage.
"""

from collections.abc import Collection
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, ForeignKey, Index, Integer, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.errors import UnknownProposal
from governance.proposal_stages import FINAL_STAGES, Procedure, ProposalStage
from governance.statutory_days import disclosed_until, publish_by
from registry.activity import Entry
from registry.database import BigId, Table
from registry.role import Actor
from registry.site import Site

MAX_TITLE_LENGTH = 200
MAX_TEXT_LENGTH = 8000
MAX_AMOUNT_FEN = 10**13
"""A hundred thousand million yuan: what is more is a slip of the pen."""


class Proposal(Table):
    """One matter on its way. `building` is empty for the whole site, else the one building that pays and votes.

    `number` counts the proposals of a site within a year: `2026-003`. `amount_fen` is the estimate that is put to the
    vote. `round` counts how often it was drafted: what was signed in an earlier round does not hold.
    """

    __tablename__ = "proposal"
    __table_args__ = (
        UniqueConstraint("site_id", "number"),
        Index("ix_proposal_site_stage", "site_id", "stage", "id"),
        Index("ix_proposal_stage_closes", "stage", "closes_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    number: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(MAX_TITLE_LENGTH))
    matter: Mapped[str] = mapped_column(String(16))
    procedure: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer, default=1)
    round: Mapped[int] = mapped_column(Integer, default=1)
    ruleset: Mapped[str | None] = mapped_column(String(64))
    building: Mapped[str] = mapped_column(String(100), default="")
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text, default="")
    plan: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    meeting: Mapped[str | None] = mapped_column(String(16))
    posted_on: Mapped[date | None] = mapped_column(Date)
    opens_on: Mapped[date | None] = mapped_column(Date)
    closes_on: Mapped[date | None] = mapped_column(Date)
    opened_ms: Mapped[int | None] = mapped_column(BigInteger)
    closes_ms: Mapped[int | None] = mapped_column(BigInteger)
    """The end of the last day of the vote, set when it is posted and never moved."""
    decided_on: Mapped[date | None] = mapped_column(Date)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    urgent_cause: Mapped[str | None] = mapped_column(String(16))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))
    supplements_id: Mapped[int | None] = mapped_column(ForeignKey("proposal.id"), index=True)
    """The proposal whose overrun this one declares anew."""
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"proposal:{self.id}"

    @property
    def is_open(self) -> bool:
        return ProposalStage(self.stage) not in FINAL_STAGES

    @property
    def is_urgent(self) -> bool:
        return self.procedure == Procedure.URGENT

    @property
    def dates(self) -> dict[str, str]:
        """The days that are set or follow from law by now, as ISO dates."""
        days = {
            "posted_on": self.posted_on,
            "opens_on": self.opens_on,
            "closes_on": self.closes_on,
            "disclosed_until": disclosed_until(self.posted_on) if self.posted_on else None,
            "decided_on": self.decided_on,
            "publish_by": publish_by(self.decided_on) if self.decided_on else None,
        }
        return {name: day.isoformat() for name, day in days.items() if day is not None}


class ProposalMove(Table):
    """A step that was made: the proposal's history, never changed."""

    __tablename__ = "proposal_move"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), index=True)
    round: Mapped[int] = mapped_column(Integer)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    """The person's name as it stood then: a signature names a person, not an account."""
    party: Mapped[str | None] = mapped_column(String(16))
    from_stage: Mapped[str | None] = mapped_column(String(16))
    to_stage: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text, default="")


class SignedStep(StrEnum):
    TABLING = "tabling"
    ACCEPTANCE = "acceptance"


class ProposalSignature(Table):
    """A party's named signature; one per party, and one per person, in each round of each step."""

    __tablename__ = "proposal_signature"
    __table_args__ = (
        UniqueConstraint("proposal_id", "round", "step", "party"),
        UniqueConstraint("proposal_id", "round", "step", "actor"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"))
    round: Mapped[int] = mapped_column(Integer)
    step: Mapped[str] = mapped_column(String(16))
    party: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text, default="")


class RemarkKind(StrEnum):
    COMMENT = "comment"
    OBJECTION = "objection"
    ANSWER = "answer"


class ProposalRemark(Table):
    """What somebody says about a proposal; an answer names the remark it is for."""

    __tablename__ = "proposal_remark"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("proposal_remark.id"))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    party: Mapped[str | None] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)


def site_of_proposal(session: Session, proposal_id: int) -> str:
    """The key of its site. Raises UnknownProposal."""
    query = select(Site.key).join(Proposal, Proposal.site_id == Site.id).where(Proposal.id == proposal_id)
    key = session.scalar(query)
    if key is None:
        raise UnknownProposal(proposal_id)
    return key


def get_proposal(session: Session, proposal_id: int, *, for_update: bool = False) -> Proposal:
    """Raises UnknownProposal."""
    query = select(Proposal).where(Proposal.id == proposal_id)
    if for_update:
        # Populate: what this session read before it held the row may have changed meanwhile.
        query = query.with_for_update(of=Proposal).execution_options(populate_existing=True)
    proposal = session.scalar(query)
    if proposal is None:
        raise UnknownProposal(proposal_id)
    return proposal


def list_proposals(
    session: Session,
    *,
    visible: Collection[str] | None = None,
    site: str | None = None,
    stage: ProposalStage | None = None,
    is_open: bool | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Proposal]:
    """Newest first; `visible` limits them to the sites a person may see."""
    query = select(Proposal).join(Site, Proposal.site_id == Site.id).order_by(Proposal.id.desc()).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site is not None:
        query = query.where(Site.key == site)
    if stage is not None:
        query = query.where(Proposal.stage == stage.value)
    if is_open is not None:
        final = [each.value for each in FINAL_STAGES]
        query = query.where(Proposal.stage.not_in(final) if is_open else Proposal.stage.in_(final))
    if before_id is not None:
        query = query.where(Proposal.id < before_id)
    return list(session.scalars(query))


def due_proposals(session: Session, stage: ProposalStage, *, now_ms: int) -> list[int]:
    """Ids of those in a stage whose vote is over."""
    query = select(Proposal.id).where(Proposal.stage == stage.value, Proposal.closes_ms <= now_ms)
    return list(session.scalars(query.order_by(Proposal.id)))


def next_number(session: Session, site: Site, *, year: int) -> str:
    """The next free number of a site in a year; the caller holds the site."""
    prefix = f"{year}-"
    query = select(Proposal.number).where(Proposal.site_id == site.id, Proposal.number.startswith(prefix))
    # By length first: after 999 comes 1000.
    last = session.scalar(query.order_by(func.length(Proposal.number).desc(), Proposal.number.desc()).limit(1))
    return f"{prefix}{int(last.removeprefix(prefix)) + 1 if last else 1:03d}"


def moves_of(session: Session, proposal_id: int) -> list[ProposalMove]:
    query = select(ProposalMove).where(ProposalMove.proposal_id == proposal_id)
    return list(session.scalars(query.order_by(ProposalMove.id)))


def reached_ms(session: Session, proposal: Proposal) -> int:
    """When the present stage was reached."""
    query = select(func.max(ProposalMove.at_ms)).where(
        ProposalMove.proposal_id == proposal.id, ProposalMove.to_stage == proposal.stage
    )
    return session.scalar(query) or proposal.created_ms


def signatures_of(session: Session, proposal_id: int, *, round_: int | None = None) -> list[ProposalSignature]:
    query = select(ProposalSignature).where(ProposalSignature.proposal_id == proposal_id)
    if round_ is not None:
        query = query.where(ProposalSignature.round == round_)
    return list(session.scalars(query.order_by(ProposalSignature.id)))


def remarks_of(session: Session, proposal_id: int) -> list[ProposalRemark]:
    query = select(ProposalRemark).where(ProposalRemark.proposal_id == proposal_id)
    return list(session.scalars(query.order_by(ProposalRemark.id)))


def supplements_of(session: Session, proposal_id: int) -> list[Proposal]:
    query = select(Proposal).where(Proposal.supplements_id == proposal_id)
    return list(session.scalars(query.order_by(Proposal.id)))


def proposal_entry(proposal: Proposal, verb: str, actor: Actor, data: dict[str, Any]) -> Entry:
    """A line of the activity log about a proposal."""
    known = {
        "number": proposal.number,
        "title": proposal.title,
        "stage": proposal.stage,
        "version": proposal.version,
        "amount_fen": proposal.amount_fen,
    }
    return Entry(verb, proposal.subject, actor=actor.name, site=proposal.site.key, data={**known, **data})
