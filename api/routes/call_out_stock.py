"""What a compound keeps ready for call-outs: barriers and equipment, and the plan of its stages."""

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from alerts.call_out import MAX_PLACE_LENGTH, get_call_out
from alerts.call_out_errors import UnknownCallOut, UnknownStockItem
from alerts.call_out_plan import LONGEST_WAIT_MIN, MOST_WANTED, setting_of, settle_plan, stages_of_site
from alerts.call_out_states import Audience, StageRule
from alerts.call_out_stock import (
    MAX_MEASURE_LENGTH,
    MAX_NAME_LENGTH,
    MOST,
    StockItem,
    StockMove,
    add_item,
    get_item,
    items_of,
    move_stock,
)
from alerts.severity import Severity
from api.idempotency import IdempotencyKey, claimed
from api.resources import Held
from api.routes.parameters import LARGEST_ID, Id, Text
from api.routes.shapes import Page
from api.security import ApiActor, check_site
from registry.errors import UnknownSite
from registry.neighbourhood import MOST_HELPERS, helpers_of, set_helpers
from registry.role import Actor
from registry.site import Site, get_site

router = APIRouter(tags=["call-outs"])
SiteKey = Annotated[str, Query(max_length=64)]


class StockItemShape(BaseModel):
    id: int
    site: str
    name: str
    measure: str
    place: str
    amount: int
    out: int = Field(description="of the amount, not in its place just now")
    present: int


class NewStockItem(BaseModel):
    site: Annotated[Text, Field(min_length=1, max_length=64)]
    name: Annotated[Text, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
    measure: Annotated[Text, Field(max_length=MAX_MEASURE_LENGTH)] = ""
    place: Annotated[Text, Field(max_length=MAX_NAME_LENGTH)] = ""
    amount: Annotated[int, Field(ge=0, le=MOST)]


class NewStockMove(BaseModel):
    """`counted` tells how many are in their place."""

    move: StockMove
    number: Annotated[int, Field(ge=0, le=MOST)]
    call_out_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None


class StageRuleShape(BaseModel):
    audience: Audience
    wanted: Annotated[int, Field(ge=1, le=MOST_WANTED)]
    wait_min: Annotated[int, Field(ge=1, le=LONGEST_WAIT_MIN)]


class PlanShape(BaseModel):
    stages: Annotated[list[StageRuleShape], Field(min_length=1, max_length=len(Audience))]
    meeting_point: Annotated[Text, Field(max_length=MAX_PLACE_LENGTH)] = ""
    automatic_from: Severity | None = Field(
        default=None, description="flood alarms of that severity and graver ones call people out by themselves"
    )
    neighbours: Annotated[list[Annotated[Text, Field(max_length=64)]], Field(max_length=MOST_HELPERS)] = Field(
        default_factory=list, description="compounds whose staff help here"
    )


@router.get("/call-out-stock")
def list_stock(request: Request, actor: ApiActor, held: Held, site: SiteKey) -> Page[StockItemShape]:
    with held.database.reading() as session:
        place = _site_seen(request, session, actor, site)
        return Page(items=[stock_shape(item) for item in items_of(session, place.id)], next=None)


@router.post("/call-out-stock", status_code=201)
def add_stock(request: Request, actor: ApiActor, held: Held, new: NewStockItem) -> StockItemShape:
    with held.database.writing() as session:
        item = add_item(
            session,
            _site_seen(request, session, actor, new.site),
            name=new.name,
            measure=new.measure,
            place=new.place,
            amount=new.amount,
            actor=actor,
            now_ms=held.clock(),
        )
        return stock_shape(item)


@router.post("/call-out-stock/{item_id}/moves")
def move(
    request: Request,
    actor: ApiActor,
    held: Held,
    item_id: Id,
    new: NewStockMove,
    idempotency_key: IdempotencyKey = None,
) -> StockItemShape:
    """Takes out, gives back, or counts anew; never more than there is."""
    with held.database.writing() as session:
        item = get_item(session, item_id)
        check_site(request, actor, item.site.key, unknown=UnknownStockItem(item_id))
        if new.call_out_id is not None and get_call_out(session, new.call_out_id).site_id != item.site_id:
            raise UnknownCallOut(new.call_out_id)
        asked = ["stock", item_id, new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=held.clock())
        if claim is None or claim.earlier is None:
            item = move_stock(
                session,
                item_id,
                new.move,
                new.number,
                call_out_id=new.call_out_id,
                actor=actor,
                now_ms=held.clock(),
            )
        return stock_shape(item)


@router.get("/call-out-plan")
def show_plan(request: Request, actor: ApiActor, held: Held, site: SiteKey) -> PlanShape:
    """The stages that the next call-out of a compound has; defaults where it has settled nothing."""
    with held.database.reading() as session:
        return _plan(session, _site_seen(request, session, actor, site))


@router.put("/call-out-plan")
def settle(request: Request, actor: ApiActor, held: Held, site: SiteKey, new: PlanShape) -> PlanShape:
    now_ms = held.clock()
    with held.database.writing() as session:
        place = _site_seen(request, session, actor, site)
        set_helpers(session, place, wanted_helpers(session, place, new.neighbours, actor=actor), now_ms=now_ms)
        settle_plan(
            session,
            place,
            stages=[StageRule(each.audience, each.wanted, each.wait_min) for each in new.stages],
            meeting_point=new.meeting_point,
            automatic_from=new.automatic_from,
            actor=actor,
            now_ms=now_ms,
        )
        return _plan(session, place)


def wanted_helpers(session: Session, site: Site, keys: Collection[str], *, actor: Actor) -> list[Site]:
    """Compounds by their keys: such as this person may see, or as help already. Raises UnknownSite."""
    present = {each.key: each for each in helpers_of(session, site.id)}
    unknown = [key for key in keys if key not in present and not actor.may_see(key)]
    if unknown:
        raise UnknownSite(unknown[0])
    return [present[key] if key in present else get_site(session, key) for key in keys]


def _plan(session: Session, site: Site) -> PlanShape:
    setting = setting_of(session, site.id)
    return PlanShape(
        stages=[
            StageRuleShape(audience=rule.audience, wanted=rule.wanted, wait_min=rule.wait_min)
            for rule in stages_of_site(session, site.id)
        ],
        meeting_point=setting.meeting_point,
        automatic_from=Severity(setting.automatic_from) if setting.automatic_from else None,
        neighbours=[helper.key for helper in helpers_of(session, site.id)],
    )


def _site_seen(request: Request, session: Session, actor: Actor, site: str) -> Site:
    check_site(request, actor, site, unknown=UnknownSite(site))
    return get_site(session, site)


def stock_shape(item: StockItem) -> StockItemShape:
    return StockItemShape(
        id=item.id,
        site=item.site.key,
        name=item.name,
        measure=item.measure,
        place=item.place,
        amount=item.amount,
        out=item.out,
        present=item.present,
    )
