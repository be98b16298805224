"""Planned windows and units out of service: what is set aside now, what will be, and who decided so."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import suppressing
from alerts.errors import InvalidSuppression, UnknownSuppression
from alerts.suppression import (
    MAX_REASON_LENGTH,
    Phase,
    Suppression,
    SuppressionKind,
    get_suppression,
    list_suppressions,
)
from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.moments import Moment, local_time
from api.pages.rendering import Reader, reader_of, render
from api.pages.ticket_cards import actor_name
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, permitted_sites
from api.translations import msgid
from registry.errors import UnknownSite
from registry.role import Actor
from registry.site import Site, get_site, list_sites
from registry.unit import get_unit, list_units

SHOWN_OVER = 30
SHOWN = 200
UNITS_OFFERED = 1000
USUAL_MS = 4 * 3_600_000
MAX_ID = 2**62
LIST = "/suppressions"
END = "/suppressions/{suppression_id}/end"

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]

KIND_TITLES: Mapping[SuppressionKind, str] = MappingProxyType(
    {
        SuppressionKind.MAINTENANCE: msgid("Planned maintenance"),
        SuppressionKind.INSPECTION: msgid("Inspection or acceptance test"),
        SuppressionKind.DRILL: msgid("Drill"),
        SuppressionKind.OUT_OF_SERVICE: msgid("Taken out of service"),
    }
)
PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "reason": msgid("Say why: whoever is on duty reads it."),
        "unit_only": msgid("Only a single unit is taken out of service. Choose one."),
        "building": msgid("That building has no unit here. Choose again."),
        "span": msgid("The end must be later than the start, and lie ahead."),
        "too_long": msgid(
            "Too long. A unit: 3 days, a drill 12 hours, out of service 180 days; a building or compound: 1 day."
        ),
        "too_far": msgid("That is too far ahead: 90 days at most."),
        "time": msgid("Give the time as day and time of day."),
    }
)


@dataclass(frozen=True, slots=True)
class SuppressionCard:
    id: int
    title: str
    is_out: bool
    where: str
    href: str
    site_name: str
    reason: str
    starts: Moment
    until: Moment
    by: str
    ended_by: str
    may_end: bool


def suppression_card(found: Suppression, *, reader: Reader) -> SuppressionCard:
    zone, unit = found.site.timezone, found.unit
    where = unit.name if unit is not None else found.building or reader._("The whole compound")
    return SuppressionCard(
        id=found.id,
        title=reader._(KIND_TITLES[SuppressionKind(found.kind)]),
        is_out=found.kind == SuppressionKind.OUT_OF_SERVICE,
        where=where,
        href=f"/units/{unit.unit_key.path}" if unit is not None else "",
        site_name=found.site.name,
        reason=found.reason,
        starts=reader.moment(found.starts_ms, zone),
        until=reader.moment(found.until_ms, zone),
        by=actor_name(found.created_by, reader=reader),
        ended_by=actor_name(found.ended_by, reader=reader) if found.ended_by else "",
        may_end=found.phase(reader.now_ms) is not Phase.OVER and reader.may("POST", END, site=found.site.key),
    )


@router.get(LIST)
def show_suppressions(request: Request, actor: PageActor, held: Held, site: str = "", unit: str = "") -> HTMLResponse:
    return _page(request, actor, held, site=site, where=unit)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    *,
    site: str,
    where: str = "",
    entered: Mapping[str, str] | None = None,
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        key = site or where.partition("~")[0] or (sites[0].key if len(sites) == 1 else "")
        chosen = next((each for each in sites if each.key == key), None)
        if key and chosen is None:
            raise UnknownSite(key)
        cards = {
            phase: [
                suppression_card(each, reader=reader)
                for each in list_suppressions(
                    session,
                    now_ms=reader.now_ms,
                    phases=[phase],
                    site=chosen.key if chosen else None,
                    visible=permitted_sites(request, actor),
                    limit=SHOWN_OVER if phase is Phase.OVER else SHOWN,
                )
            ]
            for phase in Phase
        }
        may_plan = chosen is not None and reader.may("POST", LIST, site=chosen.key)
        return render(
            request,
            "suppressions.html",
            reader,
            status_code=status_code,
            on=cards[Phase.ACTIVE],
            planned=sorted(cards[Phase.PLANNED], key=lambda card: card.starts.iso),
            over=cards[Phase.OVER],
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            site=chosen.key if chosen else "",
            site_name=chosen.name if chosen else "",
            may_plan=may_plan,
            plans_somewhere=any(reader.may("POST", LIST, site=each.key) for each in sites),
            places=_places(session, chosen) if chosen is not None and may_plan else ([], []),
            kinds=[(kind.value, reader._(title)) for kind, title in KIND_TITLES.items()],
            entered=entered or _defaults(chosen, where, reader),
            is_open=bool(problem or where),
            problem=problem,
            max_reason_length=MAX_REASON_LENGTH,
            form_key=secrets.token_urlsafe(16),
        )


def _defaults(site: Site | None, where: str, reader: Reader) -> Mapping[str, str]:
    zone = site.timezone if site is not None else "Asia/Shanghai"
    return {
        "where": where,
        "kind": SuppressionKind.MAINTENANCE.value,
        "starts": f"{local_time(reader.now_ms, zone):%Y-%m-%dT%H:%M}",
        "until": f"{local_time(reader.now_ms + USUAL_MS, zone):%Y-%m-%dT%H:%M}",
        "reason": "",
    }


def _places(session: Session, site: Site) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Buildings and units of a compound, as (value, words)."""
    units = list_units(session, site=site.key, limit=UNITS_OFFERED)
    buildings = sorted({unit.building for unit in units if unit.building})
    named = [(unit.unit_key.path, " · ".join(filter(None, (unit.building, unit.name)))) for unit in units]
    return [(f"building:{each}", each) for each in buildings], named


@router.post(LIST, dependencies=[Depends(check_csrf)])
def plan(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    where: Text = "",
    kind: Text = "",
    starts: Text = "",
    until: Text = "",
    reason: Text = "",
    form_key: Text = "",
) -> Response:
    check_site(request, actor, site)
    _, now_ms = reader_of(request)._, held.clock()
    asked = [site, where, kind, starts, until, reason]
    wanted = next((each for each in SuppressionKind if each.value == kind), SuppressionKind.MAINTENANCE)
    try:
        with held.database.writing() as session:
            place = get_site(session, site)
            zone = ZoneInfo(place.timezone)
            unit = get_unit(session, where.replace("\0", "")) if "~" in where else None
            claim = claimed(session, actor=actor, key=form_key, request=asked, now_ms=now_ms)
            if claim is None or claim.earlier is None:
                made = suppressing.plan_suppression(
                    session,
                    kind=wanted,
                    site=place,
                    unit=unit,
                    building=where.removeprefix("building:").replace("\0", "") if where.startswith("building:") else "",
                    reason=reason.replace("\0", ""),
                    starts_ms=_instant(starts, zone) if starts else now_ms,
                    until_ms=_instant(until, zone),
                    actor=actor,
                    now_ms=now_ms,
                )
                if claim is not None:
                    claim.row.result = str(made.id)
    except InvalidSuppression as error:
        entered = {"where": where, "kind": wanted.value, "starts": starts, "until": until, "reason": reason}
        problem = _(PROBLEMS[error.reason])
        return _page(request, actor, held, site=site, entered=entered, problem=problem, status_code=422)
    return RedirectResponse(f"{LIST}?site={site}", status_code=303)


@router.post(END, dependencies=[Depends(check_csrf)])
def end(request: Request, actor: PageActor, held: Held, suppression_id: int) -> Response:
    suppression_id = min(suppression_id, MAX_ID)
    with held.database.writing() as session:
        site = get_suppression(session, suppression_id).site.key
        check_site(request, actor, site, unknown=UnknownSuppression(suppression_id))
        suppressing.end_suppression(session, suppression_id, actor=actor, now_ms=held.clock())
    return RedirectResponse(f"{LIST}?site={site}", status_code=303)


def _instant(text: str, zone: ZoneInfo) -> int:
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidSuppression("time", "must be a time") from error
