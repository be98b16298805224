"""Plans of rounds: made, changed, their checkpoints and the sheet of codes; and the dates that the law sets."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from markupsafe import Markup
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.patrol_errors import InvalidPlan, UnknownPlan
from alerts.patrol_items import UNIT_KIND, Habit, PlanKind
from alerts.patrol_plan import (
    JOINT_PARTIES,
    PatrolPlan,
    Place,
    add_checkpoints,
    add_plan,
    checkpoints_of,
    get_checkpoint,
    get_plan,
    plans_of,
    retire_checkpoint,
)
from alerts.patrol_schedule import HORIZON_DAYS, change_habit, plan_ahead
from alerts.patrol_statutory import dues_of, note_application, raised_tickets
from api.pages.board import SiteChoice
from api.pages.patrol_cards import due_row, plan_kind_title
from api.pages.patrol_words import PLAN_KIND_TITLES
from api.pages.rendering import Reader, reader_of, render
from api.pages.report_codes import drawn
from api.pages.wording import PARTY_TITLES
from api.report_desk import draw_code
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, permitted_sites
from api.translations import msgid
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.calendar import local_day
from registry.errors import UnknownSite, UnknownUnit
from registry.role import Actor
from registry.site import Site, get_site, list_sites
from registry.unit import get_unit, list_units

MOST_UNITS = 2_000
SHOWN_DUES = 400
LARGEST_ID = 2**62
CODE_LENGTH = 14

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]

PLAN_FAULTS = {
    ("interval_days", "range"): msgid("The interval must be 1 to 400 days."),
    ("interval_days", "law"): msgid("A lift is maintained at least every 15 days: the interval cannot be longer."),
    ("window_days", "range"): msgid("The round must be allowed 1 day up to the interval."),
    ("hours", "order"): msgid("Give two times of one day, the earlier first."),
    ("name", "empty"): msgid("Give the plan a name."),
    ("name", "taken"): msgid("The compound has a plan of that name already."),
    ("unit", "kind"): msgid("This unit does not belong to this plan."),
    ("place", "empty"): msgid("Name the place."),
}


@dataclass(frozen=True, slots=True)
class PlanCard:
    id: int
    kind_title: str
    name: str
    site: str
    site_name: str
    interval_days: int
    window_days: int
    start: str
    end: str
    is_working_days: bool
    is_active: bool
    parties: str
    planned_until: str
    checkpoints: list[tuple[int, str, str, str]]
    """(id, name, building, code)"""
    units: list[tuple[str, str]]
    """Units that could be added: (path, words)"""
    takes_places: bool
    may_change: bool


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute) if hour.isdecimal() and minute.isdecimal() and len(text) <= 5 else -1


def _card(session: Session, plan: PatrolPlan, *, reader: Reader, now_ms: int) -> PlanCard:
    today = local_day(now_ms, timezone=plan.site.timezone)
    way = checkpoints_of(session, plan.id, day=max(today, plan.first_day))
    kind = PlanKind(plan.kind)
    wanted = UNIT_KIND[kind]
    may_change = reader.may("POST", "/patrol-plans/{plan_id}", site=plan.site.key)
    on_the_way = {each.unit_id for each in way}
    units = list_units(session, site=plan.site.key, kind=wanted, limit=MOST_UNITS) if wanted and may_change else []
    return PlanCard(
        id=plan.id,
        kind_title=plan_kind_title(plan.kind, reader=reader),
        name=plan.name,
        site=plan.site.key,
        site_name=plan.site.name,
        interval_days=plan.interval_days,
        window_days=plan.window_days,
        start=_clock(plan.start_min),
        end=_clock(plan.end_min % (24 * 60)) if plan.end_min < 24 * 60 else "23:59",
        is_working_days=plan.is_working_days,
        is_active=plan.is_active,
        parties=reader._(", ").join(reader._(PARTY_TITLES[party]) for party in plan.wanted_parties),
        planned_until=plan.last_day.isoformat() if plan.last_day is not None else "",
        checkpoints=[(each.id, each.name, each.where, each.code) for each in way],
        units=[
            (each.unit_key.path, " · ".join(filter(None, (each.building, each.name))))
            for each in units
            if each.id not in on_the_way
        ],
        takes_places=kind is not PlanKind.LIFT,
        may_change=may_change,
    )


@router.get("/patrol-plans")
def show_plans(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _plans_page(request, actor, held, site=site)


def _plans_page(
    request: Request, actor: Actor, held: Resources, *, site: str, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    visible = permitted_sites(request, actor)
    with held.database.reading() as session:
        sites = list_sites(session, visible=visible)
        chosen = next((each for each in sites if each.key == site), sites[0] if sites else None)
        plans = plans_of(session, site=chosen.key, visible=visible) if chosen is not None else []
        return render(
            request,
            "patrol_plans.html",
            reader,
            status_code=status_code,
            plans=[_card(session, each, reader=reader, now_ms=held.clock()) for each in plans],
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            site=chosen.key if chosen is not None else "",
            site_name=chosen.name if chosen is not None else "",
            kinds=[(kind, reader._(title)) for kind, title in PLAN_KIND_TITLES.items()],
            may_make=chosen is not None and reader.may("POST", "/patrol-plans", site=chosen.key),
            problem=problem,
        )


@router.post("/patrol-plans", dependencies=FORM)
def make_plan(
    request: Request, actor: PageActor, held: Held, site: Text = "", kind: Text = "", name: Text = ""
) -> Response:
    """A plan with the defaults of its kind, past every unit of that kind; it begins tomorrow."""
    _ = reader_of(request)._
    now_ms = held.clock()
    chosen = next((each for each in PlanKind if each.value == kind), None)
    try:
        with held.database.writing() as session:
            check_site(request, actor, site, unknown=UnknownSite(site))
            found = get_site(session, site)
            if chosen is None:
                return _plans_page(request, actor, held, site=site, problem=_("Choose a kind."), status_code=422)
            name = name.replace("\0", "").strip() or _(PLAN_KIND_TITLES[chosen])
            plan = start_plan(session, found, chosen, name=name, now_ms=now_ms)
            data = {"plan": plan.name, "kind": plan.kind, "interval_days": plan.interval_days}
            entry = Entry("patrol_plan.made", plan.subject, actor=actor.name, site=site, data=data)
            activity.append(session, [entry], now_ms=now_ms)
    except InvalidPlan as error:
        problem = _(PLAN_FAULTS.get((error.field, error.reason), PLAN_FAULTS["name", "empty"]))
        return _plans_page(request, actor, held, site=site, problem=problem, status_code=422)
    return RedirectResponse(f"/patrol-plans?site={site}", status_code=303)


def start_plan(session: Session, site: Site, kind: PlanKind, *, name: str, now_ms: int) -> PatrolPlan:
    """Raises InvalidPlan."""
    tomorrow = local_day(now_ms, timezone=site.timezone) + timedelta(days=1)
    plan = add_plan(session, site=site, kind=kind, name=name, first_day=tomorrow, parties=JOINT_PARTIES, now_ms=now_ms)
    wanted = UNIT_KIND[kind]
    units = list_units(session, site=site.key, kind=wanted, limit=MOST_UNITS) if wanted is not None else []
    units.sort(key=lambda unit: (unit.building, unit.name))
    add_checkpoints(session, plan, [Place(unit) for unit in units], draw_code=draw_short_code, from_day=tomorrow)
    plan_ahead(session, [plan], until=tomorrow + timedelta(days=HORIZON_DAYS))
    return plan


def draw_short_code() -> str:
    """Short enough to be typed; it opens nothing by itself."""
    return draw_code()[:CODE_LENGTH]


@router.post("/patrol-plans/{plan_id}", dependencies=FORM)
def change_plan(
    request: Request,
    actor: PageActor,
    held: Held,
    plan_id: int,
    interval_days: Text = "",
    window_days: Text = "",
    start: Text = "",
    end: Text = "",
    working_days: Text = "",
    active: Text = "",
) -> Response:
    _ = reader_of(request)._
    now_ms = held.clock()
    try:
        with held.database.writing() as session:
            plan = _plan_seen(request, session, actor, plan_id)
            site = plan.site.key
            today = local_day(now_ms, timezone=plan.site.timezone)
            habit = Habit(
                int(interval_days[:4]) if interval_days.isdecimal() else 0,
                int(window_days[:4]) if window_days.isdecimal() else 0,
                _minute(start),
                _minute(end),
                is_working_days=bool(working_days),
            )
            change_habit(session, plan, habit, is_active=bool(active), today=today)
            plan_ahead(session, [plan], until=today + timedelta(days=HORIZON_DAYS))
            data = {"plan": plan.name, "interval_days": plan.interval_days, "is_active": plan.is_active}
            entry = Entry("patrol_plan.changed", plan.subject, actor=actor.name, site=site, data=data)
            activity.append(session, [entry], now_ms=now_ms)
    except InvalidPlan as error:
        problem = _(PLAN_FAULTS[error.field, error.reason])
        return _plans_page(request, actor, held, site=site, problem=problem, status_code=422)
    return RedirectResponse(f"/patrol-plans?site={site}#plan-{plan_id}", status_code=303)


@router.post("/patrol-plans/{plan_id}/checkpoints", dependencies=FORM)
def add_checkpoint(
    request: Request,
    actor: PageActor,
    held: Held,
    plan_id: int,
    unit: Text = "",
    place: Text = "",
    building: Text = "",
) -> Response:
    _ = reader_of(request)._
    now_ms = held.clock()
    try:
        with held.database.writing() as session:
            plan = _plan_seen(request, session, actor, plan_id)
            site = plan.site.key
            today = local_day(now_ms, timezone=plan.site.timezone)
            found = get_unit(session, unit) if unit else None
            if found is not None and found.site_id != plan.site_id:
                raise UnknownUnit(unit)
            where = Place(found, place.replace("\0", ""), building.replace("\0", ""))
            add_checkpoints(session, plan, [where], draw_code=draw_short_code, from_day=min(today, plan.first_day))
            _log_change(session, plan, actor, {"added": unit or place[:100]}, now_ms)
    except InvalidPlan as error:
        problem = _(PLAN_FAULTS.get((error.field, error.reason), PLAN_FAULTS["place", "empty"]))
        return _plans_page(request, actor, held, site=site, problem=problem, status_code=422)
    return RedirectResponse(f"/patrol-plans?site={site}#plan-{plan_id}", status_code=303)


@router.post("/patrol-plans/{plan_id}/checkpoints/{checkpoint_id}/remove", dependencies=FORM)
def remove_checkpoint(request: Request, actor: PageActor, held: Held, plan_id: int, checkpoint_id: int) -> Response:
    """From now on no round goes past it; what was found there stays."""
    now_ms = held.clock()
    with held.database.writing() as session:
        plan = _plan_seen(request, session, actor, plan_id)
        site = plan.site.key
        if 0 < checkpoint_id < LARGEST_ID:
            checkpoint = get_checkpoint(session, checkpoint_id)
            if checkpoint.plan_id == plan.id:
                yesterday = local_day(now_ms, timezone=plan.site.timezone) - timedelta(days=1)
                retire_checkpoint(session, checkpoint, last_day=yesterday)
                _log_change(session, plan, actor, {"removed": checkpoint.name}, now_ms)
    return RedirectResponse(f"/patrol-plans?site={site}#plan-{plan_id}", status_code=303)


def _log_change(session: Session, plan: PatrolPlan, actor: Actor, data: dict[str, str], now_ms: int) -> None:
    facts = {"plan": plan.name, **data}
    entry = Entry("patrol_plan.changed", plan.subject, actor=actor.name, site=plan.site.key, data=facts)
    activity.append(session, [entry], now_ms=now_ms)


def _plan_seen(request: Request, session: Session, actor: Actor, plan_id: int) -> PatrolPlan:
    if not 0 < plan_id < LARGEST_ID:
        raise UnknownPlan(plan_id)
    plan = get_plan(session, plan_id, for_update=request.method == "POST")
    check_site(request, actor, plan.site.key, unknown=UnknownPlan(plan_id))
    return plan


@dataclass(frozen=True, slots=True)
class CodeCard:
    """What is printed for one checkpoint. `drawing` is SVG that the library drew from an address of ours."""

    name: str
    building: str
    number: int
    address: str
    drawing: Markup


@router.get("/patrol-plans/{plan_id}/codes")
def show_codes(request: Request, actor: PageActor, held: Held, plan_id: int) -> HTMLResponse:
    reader = reader_of(request)
    base = (held.settings.public_url or str(request.base_url)).rstrip("/")
    with held.database.reading() as session:
        plan = _plan_seen(request, session, actor, plan_id)
        today = local_day(held.clock(), timezone=plan.site.timezone)
        way = checkpoints_of(session, plan.id, day=max(today, plan.first_day))
        cards = [
            CodeCard(each.name, each.where, number, f"{base}/c/{each.code}", drawn(f"{base}/c/{each.code}"))
            for number, each in enumerate(way, start=1)
        ]
        return render(
            request,
            "patrol_codes.html",
            reader,
            cards=cards,
            plan=plan.name,
            site=plan.site.key,
            site_name=plan.site.name,
            base=base,
        )


@router.get("/statutory")
def show_statutory(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    reader = reader_of(request)
    visible = permitted_sites(request, actor)
    now_ms = held.clock()
    with held.database.reading() as session:
        sites = list_sites(session, visible=visible)
        units = list_units(
            session, site=site.replace("\0", "") or None, kind=Kind.ELEVATOR, visible=visible, limit=MOST_UNITS
        )
        tickets = raised_tickets(session, [unit.id for unit in units])
        dues = dues_of(session, units)
        rows = [
            due_row(
                unit,
                due,
                today=local_day(now_ms, timezone=unit.site.timezone),
                tickets=tickets,
                reader=reader,
                may_apply=reader.may("POST", "/statutory/applied", site=unit.site.key),
            )
            for unit in units
            for due in dues[unit.id]
        ]
        rows.sort(key=lambda row: (row.days_left, row.site_name, row.building, row.unit_name))
        without = sum(len(dues[unit.id]) == 1 for unit in units)
        return render(
            request,
            "statutory.html",
            reader,
            overdue=[row for row in rows if row.days_left < 0],
            soon=[row for row in rows if 0 <= row.days_left <= 3],
            later=[row for row in rows if row.days_left > 3][:SHOWN_DUES],
            without_inspection=without,
            lifts=len(units),
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
        )


@router.post("/statutory/applied", dependencies=FORM)
def applied(request: Request, actor: PageActor, held: Held, unit: Text = "", site: Text = "") -> Response:
    """Notes that the inspection of a lift was applied for."""
    with held.database.writing() as session:
        found = get_unit(session, unit)
        check_site(request, actor, found.site.key, unknown=UnknownUnit(unit))
        note_application(session, found, actor=actor, now_ms=held.clock())
    target = f"?site={site}" if site and site.replace("-", "").isalnum() and site.isascii() else ""
    return RedirectResponse(f"/statutory{target}", status_code=303)
