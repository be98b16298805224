"""The codes that residents scan: a sheet to be printed, cut and put up on the units."""

from dataclasses import dataclass
from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Form, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import resident_report
from api.pages.board import SiteChoice
from api.pages.rendering import reader_of, render
from api.pages.wording import KIND_TITLES
from api.report_desk import draw_code, draw_secret
from api.resources import Held
from api.security import PageActor, check_csrf, check_site, permitted_sites
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.errors import UnknownSite, UnknownUnit
from registry.site import get_site, list_sites
from registry.unit import get_unit, list_units

SHEETS = "/report-codes"
UNITS_ON_SHEET = 300

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@dataclass(frozen=True, slots=True)
class CodeCard:
    """What is printed for one unit. `drawing` is SVG that the library drew from an address of ours."""

    name: str
    path: str
    building: str
    kind_title: str
    address: str
    drawing: Markup


@router.get(SHEETS)
def show_codes(
    request: Request, actor: PageActor, held: Held, site: str = "", building: str = "", unit: str = ""
) -> HTMLResponse:
    reader = reader_of(request)
    base = (held.settings.public_url or str(request.base_url)).rstrip("/")
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        named = unit.partition("~")[0] or site
        chosen = next((each for each in sites if each.key == named), sites[0] if sites else None)
        units = list_units(session, site=chosen.key, limit=10_000) if chosen is not None else []
        buildings = sorted({each.building for each in units if each.building})
        wanted = [
            each
            for each in units
            if (not unit or each.unit_key.path == unit) and (not building or each.building == building)
        ]
        codes = resident_report.codes_of(session, [each.id for each in wanted[:UNITS_ON_SHEET]])
        cards = [
            CodeCard(
                name=each.name,
                path=each.unit_key.path,
                building=each.building,
                kind_title=reader._(KIND_TITLES[Kind(each.kind)]),
                address=f"{base}/report/{codes[each.id].code}",
                drawing=drawn(f"{base}/report/{codes[each.id].code}"),
            )
            for each in wanted[:UNITS_ON_SHEET]
            if each.id in codes
        ]
        return render(
            request,
            "report_codes.html",
            reader,
            cards=cards,
            without_code=len(wanted[:UNITS_ON_SHEET]) - len(cards),
            more=max(0, len(wanted) - UNITS_ON_SHEET),
            site=chosen.key if chosen is not None else "",
            site_name=chosen.name if chosen is not None else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            buildings=[(each, each == building) for each in buildings],
            unit=unit,
            base=base,
        )


@router.post(f"{SHEETS}/make", dependencies=FORM)
def make_codes(request: Request, actor: PageActor, held: Held, site: Text = "") -> Response:
    """Gives a code to every unit of the compound that has none."""
    with held.database.writing() as session:
        check_site(request, actor, site, unknown=UnknownSite(site))
        now_ms = held.clock()
        get_site(session, site)
        made = resident_report.make_codes(
            session, site=site, draw_code=draw_code, draw_secret=draw_secret, now_ms=now_ms
        )
        if made:
            entry = Entry("report_codes.made", f"site:{site}", actor=actor.name, site=site, data={"codes": made})
            activity.append(session, [entry], now_ms=now_ms)
    return RedirectResponse(f"{SHEETS}?site={site}", status_code=303)


@router.post(f"{SHEETS}/renew", dependencies=FORM)
def renew_code(request: Request, actor: PageActor, held: Held, unit: Text = "") -> Response:
    """A new code for a unit whose old one is misused or lost."""
    with held.database.writing() as session:
        found = get_unit(session, unit)
        check_site(request, actor, found.site.key, unknown=UnknownUnit(unit))
        now_ms = held.clock()
        resident_report.renew_code(session, found, draw_code=draw_code, draw_secret=draw_secret, now_ms=now_ms)
        entry = Entry(
            "report_codes.renewed",
            f"unit:{found.id}",
            actor=actor.name,
            site=found.site.key,
            unit_id=found.id,
            data={"unit": unit},
        )
        activity.append(session, [entry], now_ms=now_ms)
    return RedirectResponse(f"{SHEETS}?unit={unit}", status_code=303)


def drawn(address: str) -> Markup:
    """A QR code as SVG without any style; quarter of it may be covered and it still reads."""
    code = segno.make_qr(address, error="q")
    svg = code.svg_inline(svgclass="qr", lineclass=None, omitsize=True, dark="black", light="white", border=4)
    return Markup(svg)  # noqa: S704  drawn by the library from an address of ours
