"""Each owner's share of what a proposal costs: by area, of the owners of its building or of the whole compound."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from governance.area import MM2_OF_M2, area_m2
from governance.owners_roll import RollOwner, RollPart, count_roll
from governance.proposal import Proposal
from governance.shares import shares_fen


@dataclass(frozen=True, slots=True)
class OwnersMeasure:
    """Whom a proposal concerns: how many owners with how many parts, and their area in square metres as text."""

    owners: int
    parts: int
    area_mm2: int

    @property
    def area_m2(self) -> str:
        return str(area_m2(self.area_mm2))


@dataclass(frozen=True, slots=True)
class OwnerShare:
    """`owner` is the key of the roll, never a name."""

    owner: str
    parts: int
    area_mm2: int
    share_fen: int

    @property
    def area_m2(self) -> str:
        return str(area_m2(self.area_mm2))


def owners_measure(session: Session, proposal: Proposal) -> OwnersMeasure | None:
    """None while the roll holds nobody whom it concerns."""
    counted = count_roll(session, proposal.site, building=proposal.building)
    return OwnersMeasure(counted.owners, counted.parts, counted.area_mm2) if counted.area_mm2 else None


def share_of_area(total_fen: int, m2: str, measure: OwnersMeasure) -> int:
    """What an area of so many square metres bears, to the nearest fen: an example, not a bill."""
    return round(Decimal(total_fen) * Decimal(m2) * MM2_OF_M2 / measure.area_mm2)


def owner_shares(session: Session, proposal: Proposal, total_fen: int) -> list[OwnerShare]:
    """The share of every owner, in order of their key; together exactly the total."""
    query = (
        select(RollOwner.key, func.count(), func.sum(RollPart.area_mm2))
        .join(RollPart, RollPart.owner_id == RollOwner.id)
        .where(RollPart.site_id == proposal.site_id)
        .group_by(RollOwner.key)
        .order_by(RollOwner.key)
    )
    if proposal.building:
        query = query.where(RollPart.building == proposal.building)
    rows = [(key, parts, int(area)) for key, parts, area in session.execute(query)]
    if not rows:
        return []
    shares = shares_fen(total_fen, {key: area for key, _, area in rows})
    return [OwnerShare(key, parts, area, shares[key]) for key, parts, area in rows]
