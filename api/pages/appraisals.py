"""Dual-hundred appraisals: the list, one with each component opened down to its records, and the decisions about it."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.appraisal_words import COMPONENT_TITLES, FAULT_TITLES, ITEM_TITLES, MOVE_TITLES, STATE_TITLES
from api.pages.board import SiteChoice
from api.pages.moments import Moment, local_time
from api.pages.rendering import Reader, reader_of, render
from api.resources import Held, Resources
from api.routes.appraisals import appraisal_seen, content_now, may_look
from api.routes.parameters import LARGEST_ID
from api.security import PageActor, check_csrf, check_site, names_people, permitted_sites
from governance import appraisal as appraisals
from governance.appraisal import MAX_COMPANY_LENGTH, MAX_NOTE_LENGTH, Appraisal, AppraisalRefused, InvalidAppraisal
from governance.appraisal_rule import COMMUNITY, RULE, ComponentKey, RecordKind
from governance.appraisal_states import ENTERED_IN, MOVES, AppraisalState
from registry.errors import UnknownSite
from registry.role import Actor, Role
from registry.site import get_site, list_sites

FORM = [Depends(check_csrf)]
RECORDS_SHOWN = 200
Text = Annotated[str, Form()]

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class AppraisalCard:
    id: int
    site_name: str
    company: str
    period: str
    state: AppraisalState
    state_title: str
    service: str | None
    party: str | None
    community: str | None
    total: str | None
    objection_until: Moment | None


@dataclass(frozen=True, slots=True)
class RecordLink:
    label: str
    href: str
    is_good: bool


@dataclass(frozen=True, slots=True)
class ComponentCard:
    title: str
    what: str
    points: int
    score: str | None
    value: str
    limits: str
    facts: int
    least_facts: int
    records: list[RecordLink]
    more: int


@router.get("/appraisals")
def show_appraisals(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _list(request, actor, held, site)


@router.post("/appraisals", dependencies=FORM)
def open_appraisal(
    request: Request, actor: PageActor, held: Held, site: Text = "", company: Text = "", period: Text = ""
) -> Response:
    check_site(request, actor, site, unknown=UnknownSite(site))
    try:
        with held.database.writing() as session:
            opened = appraisals.open_appraisal(
                session,
                get_site(session, site),
                company=company.replace("\0", ""),
                period=period,
                actor=actor,
                now_ms=held.clock(),
            )
            appraisal_id = opened.id
    except (InvalidAppraisal, AppraisalRefused) as error:
        return _list(request, actor, held, site, problem=error.reason, company=company)
    return RedirectResponse(f"/appraisals/{appraisal_id}", status_code=303)


def _list(
    request: Request, actor: Actor, held: Resources, site: str, *, problem: str = "", company: str = ""
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        visible = permitted_sites(request, actor)
        sites = list_sites(session, visible=visible)
        found = appraisals.list_appraisals(session, visible=visible, site=site or None)
        return render(
            request,
            "appraisals.html",
            reader,
            status_code=422 if problem else 200,
            problem=reader._(FAULT_TITLES[problem]) if problem else "",
            cards=[_card(session, each, reader=reader) for each in found if may_look(each, actor)],
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
            appraised_sites=[
                SiteChoice(each.key, each.name, each.key == site)
                for each in sites
                if reader.may("POST", "/appraisals", site=each.key)
            ],
            periods=_periods(reader),
            company=company,
            max_company_length=MAX_COMPANY_LENGTH,
        )


def _periods(reader: Reader) -> list[str]:
    """The quarter that ended last, the present one, and the years."""
    today = local_time(reader.now_ms).date()
    quarter = (today.month - 1) // 3 + 1
    last = f"{today.year}Q{quarter - 1}" if quarter > 1 else f"{today.year - 1}Q4"
    return [last, f"{today.year}Q{quarter}", str(today.year - 1), str(today.year)]


def _card(session: Session, appraisal: Appraisal, *, reader: Reader) -> AppraisalCard:
    content, _ = content_now(session, appraisal, now_ms=reader.now_ms)
    state, zone = AppraisalState(appraisal.state), appraisal.site.timezone
    until_ms = appraisal.objection_until_ms
    return AppraisalCard(
        id=appraisal.id,
        site_name=appraisal.site.name,
        company=appraisal.company,
        period=appraisal.period,
        state=state,
        state_title=reader._(STATE_TITLES[state]),
        service=content["service"],
        party=content["party"],
        community=content["community"],
        total=content["total"],
        objection_until=reader.end(until_ms, zone)
        if until_ms is not None and state is AppraisalState.PUBLISHED
        else None,
    )


@router.get("/appraisals/{appraisal_id}")
def show_appraisal(request: Request, actor: PageActor, held: Held, appraisal_id: int) -> HTMLResponse:
    return _page(request, actor, held, appraisal_id)


def _page(request: Request, actor: Actor, held: Resources, appraisal_id: int, *, problem: str = "") -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        found = appraisal_seen(request, session, actor, min(appraisal_id, LARGEST_ID))
        content, sha256 = content_now(session, found, now_ms=reader.now_ms)
        site, state = found.site, AppraisalState(found.state)
        is_named = names_people(actor, site.key)
        roles = actor.roles_at(site.key)
        enters = state in ENTERED_IN and reader.may("POST", "/appraisals/{appraisal_id}/entries", site=site.key)
        return render(
            request,
            "appraisal.html",
            reader,
            status_code=422 if problem else 200,
            problem=reader._(FAULT_TITLES[problem]) if problem else "",
            card=_card(session, found, reader=reader),
            rule=RULE,
            weight=f"{float(RULE.community_weight):.0%}",
            sha256=sha256,
            computed=reader.moment(content["computed_ms"], site.timezone),
            components=[_component(each, reader=reader) for each in content["components"]],
            entries=_entries(content, reader=reader, zone=site.timezone, is_named=is_named),
            items=[
                (item, reader._(title), appraisals.most_points(item))
                for item, title in ITEM_TITLES.items()
                if enters and (item != COMMUNITY or Role.COMMUNITY_OFFICER in roles)
            ],
            moves=[
                (to.value, reader._(MOVE_TITLES[to]), move.needs_note)
                for to, move in MOVES[state].items()
                if move.roles & roles and _is_time_for(found, to, now_ms=reader.now_ms)
            ],
            steps=[
                (
                    reader.moment(step.at_ms, site.timezone),
                    reader._(STATE_TITLES[AppraisalState(step.to_state)]),
                    reader.who_and_role(step.actor) if is_named else "",
                    step.note if is_named else "",
                    step.sha256,
                )
                for step in appraisals.steps_of(session, found.id)
            ],
            max_note_length=MAX_NOTE_LENGTH,
        )


def _is_time_for(appraisal: Appraisal, to: AppraisalState, *, now_ms: int) -> bool:
    """Whether the days allow the move; what they do not is not offered."""
    until_ms = appraisal.objection_until_ms or 0
    if to is AppraisalState.PUBLISHED:
        return now_ms >= appraisal.end_ms
    if to is AppraisalState.OBJECTED:
        return now_ms < until_ms
    return appraisal.state != AppraisalState.PUBLISHED or now_ms >= until_ms


def _component(told: dict[str, Any], *, reader: Reader) -> ComponentCard:
    key = ComponentKey(told["key"])
    rule = next(each for each in RULE.components if each.key is key)
    title, what = COMPONENT_TITLES[key]
    is_stars = key is ComponentKey.RATINGS
    records = told["records"]
    value = Fraction(told["value"]) if told["value"] is not None else None
    return ComponentCard(
        title=reader._(title),
        what=reader._(what),
        points=told["points"],
        score=told["score"],
        value="–" if value is None else _value_text(value, is_stars=is_stars),
        limits=f"{_value_text(rule.zero_at, is_stars=is_stars)} – {_value_text(rule.full_at, is_stars=is_stars)}",
        facts=told["facts"],
        least_facts=rule.least_facts,
        records=[_record(*each, is_stars=is_stars, reader=reader) for each in records[:RECORDS_SHOWN]],
        more=len(records[RECORDS_SHOWN:]),
    )


def _value_text(value: Fraction, *, is_stars: bool) -> str:
    return f"{float(value):.1f} ★" if is_stars else f"{float(value):.1%}"


def _record(kind: str, id_: int, worth: int, *, is_stars: bool, reader: Reader) -> RecordLink:
    is_ticket = kind == RecordKind.TICKET
    name = reader._("Ticket %(id)s", id=id_) if is_ticket else reader._("Round %(id)s", id=id_)
    return RecordLink(
        label=f"{name} · {'★' * worth}" if is_stars else f"{'✓' if worth else '✗'} {name}",
        href=f"/tickets/{id_}" if is_ticket else f"/patrols/{id_}",
        is_good=bool(worth),
    )


def _entries(
    content: dict[str, Any], *, reader: Reader, zone: str, is_named: bool
) -> list[tuple[str, str | None, int, str, Moment | None, str]]:
    given = {each["item"]: each for each in content["entries"]}
    rows: list[tuple[str, str | None, int, str, Moment | None, str]] = []
    for item, title in ITEM_TITLES.items():
        each = given.get(item)
        rows.append(
            (
                reader._(title),
                each["points"] if each else None,
                appraisals.most_points(item),
                each["by"] if each and is_named else "",
                reader.moment(each["at_ms"], zone) if each else None,
                each["note"] if each and is_named else "",
            )
        )
    return rows


@router.post("/appraisals/{appraisal_id}/entries", dependencies=FORM)
def enter_points(
    request: Request,
    actor: PageActor,
    held: Held,
    appraisal_id: int,
    item: Text = "",
    points: Text = "",
    note: Text = "",
) -> Response:
    try:
        amount = Decimal(points.strip().replace(",", "."))
    except InvalidOperation:
        amount = Decimal("NaN")
    try:
        with held.database.writing() as session:
            found = appraisal_seen(request, session, actor, min(appraisal_id, LARGEST_ID))
            appraisals.enter_points(
                session, found.id, item, amount, note=note.replace("\0", ""), actor=actor, now_ms=held.clock()
            )
    except (InvalidAppraisal, AppraisalRefused) as error:
        return _page(request, actor, held, appraisal_id, problem=error.reason)
    return RedirectResponse(f"/appraisals/{appraisal_id}", status_code=303)


@router.post("/appraisals/{appraisal_id}/moves", dependencies=FORM)
def move_appraisal(
    request: Request, actor: PageActor, held: Held, appraisal_id: int, to: Text = "", note: Text = ""
) -> Response:
    wanted = next((state for state in AppraisalState if state.value == to), AppraisalState.DRAFT)
    try:
        with held.database.writing() as session:
            found = appraisal_seen(request, session, actor, min(appraisal_id, LARGEST_ID))
            appraisals.move_appraisal(
                session, found.id, wanted, actor=actor, note=note.replace("\0", ""), now_ms=held.clock()
            )
    except (InvalidAppraisal, AppraisalRefused) as error:
        return _page(request, actor, held, appraisal_id, problem=error.reason)
    return RedirectResponse(f"/appraisals/{appraisal_id}", status_code=303)
