"""Where a patrol should look first: units of a compound by their combined risk, with every part of it explained."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.pages.board import SiteChoice
from api.pages.record_links import record_links
from api.pages.rendering import reader_of, render
from api.pages.risk_words import part_rows
from api.pages.statistics_words import Source
from api.pages.values import number_text
from api.pages.wording import KIND_TITLES
from api.resources import Held
from api.security import PageActor, check_site, permitted_sites
from governance.patrol_risk import LIKELY_TIMES_PEERS, MOST_PROPOSED, RiskOrder, UnitRisk, unit_risks
from models.equipment import Kind
from models.patrol_risk import MOST_AGEING, MOST_LATE
from registry.site import list_sites

ROWS_SHOWN = 300

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class RiskRow:
    """One unit; `parts` are (part, the fact, its factor)."""

    name: str
    building: str
    path: str
    expected: str
    times: str
    parts: list[tuple[str, str, str]]
    sources: list[Source]
    anomalies: list[Source]
    is_proposed: bool


@router.get("/patrol-risk")
def show_patrol_risk(request: Request, actor: PageActor, held: Held, site: str = "", kind: str = "") -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    chosen_kind = next((each for each in Kind if each.value == kind), Kind.ELEVATOR)
    if site:
        check_site(request, actor, site)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        chosen = site or (sites[0].key if sites else "")
        order = RiskOrder()
        if chosen:
            order = unit_risks(session, kind=chosen_kind, site=chosen, now_ms=reader.now_ms)
        choices = [SiteChoice(each.key, each.name, each.key == chosen) for each in sites]
    proposed = {each.unit.id for each in order.proposed}

    def row(each: UnitRisk) -> RiskRow:
        return RiskRow(
            name=each.unit.name,
            building=each.unit.building,
            path=each.unit.path,
            expected=number_text(each.risk.expected),
            times=number_text(each.risk.times_peers),
            parts=part_rows(each, _=_),
            sources=record_links(each.sources, _=_),
            anomalies=record_links(each.anomalies, _=_),
            is_proposed=each.unit.id in proposed,
        )

    return render(
        request,
        "patrol_risk.html",
        reader,
        sites=choices,
        site=chosen,
        title=next((each.name for each in choices if each.is_chosen), ""),
        kinds=[(each, _(KIND_TITLES[each]), each is chosen_kind) for each in Kind],
        kind_title=_(KIND_TITLES[chosen_kind]),
        rows=[row(each) for each in order.risks[:ROWS_SHOWN]],
        total=len(order.risks),
        not_judged=[(each.name, each.path) for each in order.not_judged],
        peers_expected=number_text(order.risks[0].risk.peers_expected) if order.risks else "",
        likely_times=number_text(LIKELY_TIMES_PEERS),
        most_proposed=MOST_PROPOSED,
        most_ageing=number_text(MOST_AGEING),
        most_late=number_text(MOST_LATE),
    )
