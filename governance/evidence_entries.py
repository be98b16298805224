"""What people enter for the evidence of a proposal: the units it is about, options with quotes, what covers the cost.

These rows may change while the proposal is drafted; what was frozen when it was posted stays what it was.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, Date, ForeignKey, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.database import BigId, Table
from registry.unit import Unit


class OptionKind(StrEnum):
    REPAIR = "repair"
    OVERHAUL = "overhaul"
    REPLACE = "replace"
    OTHER = "other"


class CoverKind(StrEnum):
    WARRANTY = "warranty"
    MAINTENANCE_CONTRACT = "maintenance_contract"
    INSURANCE = "insurance"
    OTHER = "other"


class ProposalUnit(Table):
    """A unit that the proposal is about."""

    __tablename__ = "proposal_unit"
    __table_args__ = (UniqueConstraint("proposal_id", "unit_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    unit: Mapped[Unit] = relationship(lazy="joined")


class ProposalOption(Table):
    """A way to go and what it was quoted at, for all units together. `is_chosen` is what the vote is about."""

    __tablename__ = "proposal_option"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(200))
    company: Mapped[str] = mapped_column(String(200), default="")
    quoted_fen: Mapped[int] = mapped_column(BigInteger)
    quoted_on: Mapped[date | None] = mapped_column(Date)
    is_chosen: Mapped[bool] = mapped_column(Boolean, default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    actor: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)


class ProposalCover(Table):
    """What a warranty, a maintenance contract or an insurance bears already, in words and, where known, in money."""

    __tablename__ = "proposal_cover"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    what: Mapped[str] = mapped_column(Text)
    covered_fen: Mapped[int | None] = mapped_column(BigInteger)
    until_on: Mapped[date | None] = mapped_column(Date)
    actor: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)


def units_of(session: Session, proposal_id: int) -> list[Unit]:
    query = select(ProposalUnit).where(ProposalUnit.proposal_id == proposal_id).order_by(ProposalUnit.unit_id)
    return [row.unit for row in session.scalars(query)]


def set_units(session: Session, proposal_id: int, unit_ids: Sequence[int]) -> None:
    """The units that the proposal is about, in the place of those it was."""
    wanted = set(unit_ids)
    for row in session.scalars(select(ProposalUnit).where(ProposalUnit.proposal_id == proposal_id)):
        if row.unit_id in wanted:
            wanted.remove(row.unit_id)
        else:
            session.delete(row)
    session.add_all(ProposalUnit(proposal_id=proposal_id, unit_id=unit_id) for unit_id in sorted(wanted))
    session.flush()


def options_of(session: Session, proposal_id: int) -> list[ProposalOption]:
    query = select(ProposalOption).where(ProposalOption.proposal_id == proposal_id)
    return list(session.scalars(query.order_by(ProposalOption.id)))


def covers_of(session: Session, proposal_id: int) -> list[ProposalCover]:
    query = select(ProposalCover).where(ProposalCover.proposal_id == proposal_id)
    return list(session.scalars(query.order_by(ProposalCover.id)))
