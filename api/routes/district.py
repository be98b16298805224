"""The district: counts and rates of every compound and maintenance company, for the office that coordinates them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.instants import rfc3339
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Limit
from api.routes.reliability_shapes import CAUTIONS_TEXT, ExposureShape, exposure_shape
from api.routes.shapes import Rfc3339
from api.security import ApiActor, permitted_sites
from governance.district import Standing, Trouble, district_view
from governance.district_rates import Order, arranged, district_rates
from models.equipment import Kind
from models.fault_rates import Rates
from models.fault_statistics import Caution
from registry.site import DEFAULT_TIMEZONE

router = APIRouter(tags=["statistics"])


class DistrictRateShape(BaseModel):
    """Faults per unit and year with the exact 95 % interval; its records are those of `GET /reliability`."""

    value: float | None = Field(description="null: withheld, see `cautions`")
    low: float | None
    high: float | None
    n: int
    cautions: list[Caution] = Field(description=CAUTIONS_TEXT)
    exposure: ExposureShape


class DistrictItem(BaseModel):
    """A compound (`key` is its site) or a maintenance company (`key` is its name); counts are of now."""

    key: str
    name: str
    sites: int = Field(description="compounds that a company works in; 1 for a compound")
    units: int
    lifts: int
    heard: int = Field(description="units that sent a reading within the last day")
    open_cases: int
    blocked: int = Field(description="open cases that are blocked by governance")
    overdue: int = Field(description="open cases of which a deadline was missed")
    on_hold: int
    watched: int = Field(description="entries on the watch-list")
    call_outs: int
    faults_per_year: DistrictRateShape | None = Field(description="null: it has no unit of the kind")


class DistrictPage(BaseModel):
    items: list[DistrictItem]
    next: str | None
    kind: Kind = Field(description="of the rates; counts are of all kinds")
    total: DistrictRateShape
    start: Rfc3339
    end: Rfc3339


@router.get("/district")
def show_district(
    request: Request,
    actor: ApiActor,
    held: Held,
    kind: Annotated[Kind | None, AbsentIfEmpty, Query(description="of the rates; lifts when absent")] = None,
    by: Annotated[Literal["site", "maintainer"] | None, AbsentIfEmpty, Query(description="`site` when absent")] = None,
    search: Annotated[str, Query(max_length=200, description="words in name or key")] = "",
    trouble: Annotated[Trouble | None, AbsentIfEmpty, Query(description="only those that have it")] = None,
    sort: Annotated[
        Order | None, AbsentIfEmpty, Query(description="`hard` when absent; `rate` goes by the lower bound")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> DistrictPage:
    """Compounds or companies with their open cases, watch-list, coverage, and fault rate of the last year."""
    chosen, visible, now_ms = kind or Kind.ELEVATOR, permitted_sites(request, actor), held.clock()
    with held.database.reading() as session:
        district = district_view(session, visible=visible, now_ms=now_ms)
        rates = district_rates(session, kind=chosen, visible=visible, now_ms=now_ms)
    standings, told = district.sites, rates.sites
    if by == "maintainer":
        standings, told = district.companies, rates.companies
    found = arranged(standings, told, search=search, trouble=trouble, order=sort or Order.HARD)
    first = min(int(cursor or 0), len(found))
    return DistrictPage(
        items=[_item(each, told.get(each.key)) for each in found[first : first + limit]],
        next=str(first + limit) if len(found) > first + limit else None,
        kind=chosen,
        total=_rate_shape(rates.total),
        start=rfc3339(rates.start_ms, DEFAULT_TIMEZONE),
        end=rfc3339(rates.end_ms, DEFAULT_TIMEZONE),
    )


def _item(each: Standing, told: Rates | None) -> DistrictItem:
    return DistrictItem(
        key=each.key,
        name=each.name,
        sites=len(each.sites) or 1,
        units=each.units,
        lifts=each.lifts,
        heard=each.heard,
        open_cases=each.open_cases,
        blocked=each.blocked,
        overdue=each.overdue,
        on_hold=each.on_hold,
        watched=each.watched,
        call_outs=each.call_outs,
        faults_per_year=None if told is None else _rate_shape(told),
    )


def _rate_shape(told: Rates) -> DistrictRateShape:
    value, low, high = (
        None if each is None else round(each, 4) for each in (told.faults.value, told.faults.low, told.faults.high)
    )
    return DistrictRateShape(
        value=value,
        low=low,
        high=high,
        n=told.faults.n,
        cautions=list(told.faults.cautions),
        exposure=exposure_shape(told.exposure),
    )
