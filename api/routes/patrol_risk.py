"""The combined risk of units for the planning of patrols, with every part of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Limit
from api.routes.reliability_shapes import SOURCES_TEXT, ExposureShape, exposure_shape
from api.security import ApiActor, check_site
from governance.patrol_risk import UnitRisk, unit_risks
from models.equipment import Kind
from models.patrol_risk import AHEAD_DAYS, Part

router = APIRouter(tags=["statistics"])


class RiskPartShape(BaseModel):
    factor: float = Field(description="by which this part multiplies the peers' mean; 1 changes nothing")
    share: float = Field(description="of all that sets the unit apart from its peers; the shares sum to 1, or to 0")


class SignsShape(BaseModel):
    """What is known beside the faults; null where nothing was recorded, which raises nothing."""

    anomalies: int = Field(description="verdicts of models in the last 90 days")
    age_years: float | None
    maintenance_late_days: int | None
    is_inspection_expired: bool


class UnitRiskShape(BaseModel):
    unit: str
    name: str
    building: str
    expected: float = Field(description="faults in the coming `ahead_days`: the peers' mean times all factors")
    times_peers: float
    is_proposed: bool = Field(description="it is put on the next round of its compound")
    faults: int = Field(description="of the last year, without power cuts")
    exposure: ExposureShape
    parts: dict[Part, RiskPartShape]
    signs: SignsShape
    sources: list[str] = Field(description=SOURCES_TEXT)
    anomaly_sources: list[str]


class PatrolRiskPage(BaseModel):
    items: list[UnitRiskShape] = Field(description="the highest risk first")
    next: str | None
    site: str
    kind: Kind
    ahead_days: float = AHEAD_DAYS
    peers_expected: float | None = Field(description="the peers' mean; null without anybody to compare")
    not_judged: list[str] = Field(description="units of which there is too little data")


@router.get("/patrol-risk")
def show_patrol_risk(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Annotated[str, Query(max_length=64, description="peers are the units of a kind of one compound")],
    kind: Annotated[Kind | None, AbsentIfEmpty, Query(description="lifts when absent")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> PatrolRiskPage:
    """Faults to be expected of each unit of a compound in the coming 30 days, and what makes them so many."""
    check_site(request, actor, site)
    chosen = kind or Kind.ELEVATOR
    with held.database.reading() as session:
        order = unit_risks(session, kind=chosen, site=site, now_ms=held.clock())
    first = min(int(cursor or 0), len(order.risks))
    proposed = {each.unit.id for each in order.proposed}
    return PatrolRiskPage(
        items=[_risk_shape(each, is_proposed=each.unit.id in proposed) for each in order.risks[first : first + limit]],
        next=str(first + limit) if len(order.risks) > first + limit else None,
        site=site,
        kind=chosen,
        peers_expected=round(order.risks[0].risk.peers_expected, 5) if order.risks else None,
        not_judged=[unit.path for unit in order.not_judged],
    )


def _risk_shape(each: UnitRisk, *, is_proposed: bool) -> UnitRiskShape:
    risk, signs = each.risk, each.signs
    return UnitRiskShape(
        unit=each.unit.path,
        name=each.unit.name,
        building=each.unit.building,
        expected=round(risk.expected, 5),
        times_peers=round(risk.times_peers, 4),
        is_proposed=is_proposed,
        faults=len(each.sources),
        exposure=exposure_shape(each.exposure),
        parts={
            part: RiskPartShape(factor=round(factor, 4), share=round(risk.shares[part], 4))
            for part, factor in risk.factors.items()
        },
        signs=SignsShape(
            anomalies=signs.anomalies,
            age_years=None if signs.age_years is None else round(signs.age_years, 1),
            maintenance_late_days=signs.maintenance_late_days,
            is_inspection_expired=signs.is_inspection_expired,
        ),
        sources=list(each.sources),
        anomaly_sources=list(each.anomalies),
    )
