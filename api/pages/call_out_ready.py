"""What is kept ready for call-outs: barriers and equipment in stock, the plan of stages, neighbouring compounds."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.call_out import MAX_PLACE_LENGTH, get_call_out
from alerts.call_out_errors import InvalidCallOut, NotThatMany, UnknownStockItem
from alerts.call_out_plan import LONGEST_WAIT_MIN, MOST_WANTED, setting_of, settle_plan, stages_of_site
from alerts.call_out_states import Audience, StageRule
from alerts.call_out_stock import (
    MAX_MEASURE_LENGTH,
    MAX_NAME_LENGTH,
    MOST,
    StockMove,
    add_item,
    get_item,
    items_of,
    move_stock,
)
from alerts.severity import Severity
from api.call_out_words import AUDIENCE_TITLES, STOCK_MOVE_TITLES
from api.pages.board import SiteChoice
from api.pages.rendering import reader_of, render
from api.pages.wording import SEVERITY_TITLES
from api.resources import Held, Resources
from api.routes.call_out_stock import wanted_helpers
from api.routes.parameters import LARGEST_ID
from api.security import PageActor, check_csrf, check_site, permitted_sites, safe_next
from registry.errors import InvalidField, UnknownSite
from registry.neighbourhood import helpers_of, set_helpers
from registry.role import Actor
from registry.site import Site, get_site, list_sites

FORM = [Depends(check_csrf)]
AUTOMATIC = (Severity.CRITICAL, Severity.MAJOR)
"""From these on a compound may let alarms call people out by themselves."""
Text = Annotated[str, Form()]
Number = Annotated[int, Form(ge=0, le=MOST)]

router = APIRouter(include_in_schema=False)


@router.get("/call-outs/stock")
def show_stock(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _stock(request, actor, held, site)


@router.post("/call-outs/stock", dependencies=FORM)
def add_stock(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    name: Text = "",
    measure: Text = "",
    place: Text = "",
    amount: Number = 0,
) -> Response:
    check_site(request, actor, site, unknown=UnknownSite(site))
    try:
        with held.database.writing() as session:
            add_item(
                session,
                get_site(session, site),
                name=name.replace("\0", ""),
                measure=measure.replace("\0", ""),
                place=place.replace("\0", ""),
                amount=amount,
                actor=actor,
                now_ms=held.clock(),
            )
    except InvalidCallOut:
        problem = reader_of(request)._("The item needs a name that is not in the list yet.")
        return _stock(request, actor, held, site, problem=problem, status_code=422)
    return RedirectResponse(f"/call-outs/stock?site={site}", status_code=303)


@router.post("/call-outs/stock/{item_id}/moves", dependencies=FORM)
def move(
    request: Request,
    actor: PageActor,
    held: Held,
    item_id: int,
    move: Text = "",
    number: Number = 0,
    call_out: Annotated[int | None, Form(ge=1, le=LARGEST_ID)] = None,
    next: Text = "/call-outs/stock",
) -> Response:
    reader = reader_of(request)
    wanted = next_move(move)
    with held.database.reading() as session:
        item = get_item(session, min(item_id, LARGEST_ID))
        site = item.site.key
        check_site(request, actor, site, unknown=UnknownStockItem(item_id))
        if call_out is not None and get_call_out(session, call_out).site_id != item.site_id:
            raise UnknownStockItem(item_id)
    try:
        with held.database.writing() as session:
            move_stock(session, item_id, wanted, number, call_out_id=call_out, actor=actor, now_ms=held.clock())
    except NotThatMany as error:
        problem = reader._("Not possible: %(most)s at most.", most=error.most)
        return _stock(request, actor, held, site, problem=problem, status_code=409)
    return RedirectResponse(safe_next(next), status_code=303)


def next_move(name: str) -> StockMove:
    found = next((each for each in StockMove if each.value == name), None)
    if found is None:
        raise InvalidCallOut("move", "is none that there is")
    return found


def _stock(
    request: Request, actor: Actor, held: Resources, site_key: str, *, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites, chosen = _chosen(request, session, actor, site_key)
        return render(
            request,
            "call_out_stock.html",
            reader,
            status_code=status_code,
            problem=problem,
            items=items_of(session, chosen.id) if chosen is not None else [],
            moves=[(each.value, reader._(title)) for each, title in STOCK_MOVE_TITLES.items()],
            may_add=chosen is not None and reader.may("POST", "/call-outs/stock", site=chosen.key),
            max_name_length=MAX_NAME_LENGTH,
            max_measure_length=MAX_MEASURE_LENGTH,
            most=MOST,
            **_site_words(sites, chosen),
        )


@router.get("/call-outs/plan")
def show_plan(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _plan(request, actor, held, site)


@router.post("/call-outs/plan", dependencies=FORM)
async def settle(request: Request, actor: PageActor, held: Held) -> Response:
    form = await request.form()
    return await run_in_threadpool(_settle, request, actor, held, form)


def _settle(request: Request, actor: Actor, held: Resources, form: FormData) -> Response:
    site = str(form.get("site", ""))
    check_site(request, actor, site, unknown=UnknownSite(site))
    wanted = str(form.get("automatic_from", ""))
    try:
        with held.database.writing() as session:
            place = get_site(session, site)
            keys = [str(key) for key in form.getlist("neighbours")]
            set_helpers(session, place, wanted_helpers(session, place, keys, actor=actor), now_ms=held.clock())
            settle_plan(
                session,
                place,
                stages=_stages(form),
                meeting_point=str(form.get("meeting_point", "")).replace("\0", ""),
                automatic_from=next((each for each in AUTOMATIC if each.value == wanted), None),
                actor=actor,
                now_ms=held.clock(),
            )
    except (InvalidCallOut, InvalidField, ValueError):
        problem = reader_of(request)._("Each stage needs people and minutes above zero, and at least one is called.")
        return _plan(request, actor, held, site, problem=problem, status_code=422)
    return RedirectResponse(f"/call-outs/plan?site={site}&saved=1", status_code=303)


def _stages(form: FormData) -> list[StageRule]:
    """Raises ValueError for what is no number."""
    return [
        StageRule(
            audience,
            wanted=int(str(form.get(f"wanted_{audience.value}", ""))),
            wait_min=int(str(form.get(f"wait_min_{audience.value}", ""))),
        )
        for audience in Audience
        if form.get(f"uses_{audience.value}")
    ]


def _plan(
    request: Request, actor: Actor, held: Resources, site_key: str, *, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        sites, chosen = _chosen(request, session, actor, site_key)
        rules = {rule.audience: rule for rule in stages_of_site(session, chosen.id)} if chosen is not None else {}
        setting = setting_of(session, chosen.id) if chosen is not None else None
        helpers = {each.key for each in helpers_of(session, chosen.id)} if chosen is not None else set()
        return render(
            request,
            "call_out_plan.html",
            reader,
            status_code=status_code,
            problem=problem,
            is_saved="saved" in request.query_params,
            stages=[(each.value, _(title), rules.get(each)) for each, title in AUDIENCE_TITLES.items()],
            meeting_point=setting.meeting_point if setting is not None else "",
            automatic=[(each.value, _(SEVERITY_TITLES[each])) for each in AUTOMATIC],
            automatic_from=setting.automatic_from if setting is not None else None,
            # Which compounds there are is known to those who may see them; a helper that is set stays in the list.
            others=[
                (each.key, each.name, each.key in helpers)
                for each in list_sites(session)
                if chosen is not None
                and each.id != chosen.id
                and each.is_confirmed
                and (each.key in helpers or actor.may_see(each.key))
            ],
            may_change=chosen is not None and reader.may("POST", "/call-outs/plan", site=chosen.key),
            max_place_length=MAX_PLACE_LENGTH,
            most_wanted=MOST_WANTED,
            longest_wait_min=LONGEST_WAIT_MIN,
            **_site_words(sites, chosen),
        )


def _chosen(request: Request, session: Session, actor: Actor, site_key: str) -> tuple[list[Site], Site | None]:
    """The sites this person may look at, and the one they look at. Raises UnknownSite."""
    sites = list_sites(session, visible=permitted_sites(request, actor))
    if site_key and site_key not in {each.key for each in sites}:
        raise UnknownSite(site_key)
    return sites, next((each for each in sites if each.key == site_key), None) or (sites[0] if sites else None)


def _site_words(sites: list[Site], chosen: Site | None) -> dict[str, Any]:
    return {
        "site": chosen.key if chosen is not None else "",
        "site_name": chosen.name if chosen is not None else "",
        "sites": [SiteChoice(each.key, each.name, each is chosen) for each in sites],
    }
