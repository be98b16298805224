"""Fault statistics of a unit, a building, a make, a maintenance company, a compound, or of all: down to each ticket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.pages.board import SiteChoice
from api.pages.moments import duration_text, local_time
from api.pages.overhaul_words import effect_words
from api.pages.rendering import Reader, reader_of, render
from api.pages.service_words import cost_rows, service_rows, service_summary
from api.pages.statistics_words import (
    Bar,
    Teller,
    bar_of,
    exposure_text,
    rank_text,
    rate_texts,
    share_text,
)
from api.pages.use_words import UseCard, use_cards
from api.pages.wording import KIND_TITLES
from api.resources import Held
from api.security import PageActor, check_site, permitted_sites
from api.translations import msgid
from api.use_figures import use_figures
from governance.overhaul_effect import overhaul_effect
from governance.reliability_report import Facts, GroupBy, UnitFacts, gather, grouped, standings_of
from governance.service_facts import costs_by_year, service_facts
from ingest.stores.contract import StoreUnavailable
from models.equipment import Kind
from models.fault_statistics import MS_PER_DAY, Statistics
from registry.errors import UnknownUnit
from registry.site import DEFAULT_TIMEZONE, list_sites
from registry.unit import Unit, get_unit

SPANS_DAYS: Mapping[int, str] = MappingProxyType(
    {90: msgid("90 days"), 365: msgid("One year"), 730: msgid("Two years"), 1095: msgid("Three years")}
)
DEFAULT_SPAN_DAYS = 365
BY_TITLES: Mapping[GroupBy, str] = MappingProxyType(
    {
        GroupBy.UNIT: msgid("By unit"),
        GroupBy.BUILDING: msgid("By building"),
        GroupBy.MAKE: msgid("By make"),
        GroupBy.MAINTAINER: msgid("By maintenance company"),
        GroupBy.SITE: msgid("By compound"),
    }
)
ROWS_SHOWN = 500

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `query` leads to its own figures."""

    name: str
    place: str
    query: Mapping[str, str]
    units: int
    coverage: str
    faults: int
    rate: str
    interval: str
    bar: Bar | None
    entrapments: int
    availability: str
    restoration: str
    rank: str


@router.get("/statistics")
def show_statistics(
    request: Request,
    actor: PageActor,
    held: Held,
    site: str = "",
    kind: str = "",
    by: str = "",
    group: str = "",
    unit: str = "",
    days: str = "",
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    chosen_kind = next((each for each in Kind if each.value == kind), Kind.ELEVATOR)
    span_days = next((each for each in SPANS_DAYS if str(each) == days), DEFAULT_SPAN_DAYS)
    visible = permitted_sites(request, actor)
    with held.database.reading() as session:
        found: Unit | None = None
        if unit:
            found = get_unit(session, unit)
            check_site(request, actor, found.site.key, unknown=UnknownUnit(unit))
            chosen_kind = Kind(found.kind)
        elif site:
            check_site(request, actor, site)
        sites = list_sites(session, visible=visible)
        facts = gather(
            session,
            kind=chosen_kind,
            site=found.site.key if found is not None else site or None,
            visible=visible,
            start_ms=reader.now_ms - span_days * MS_PER_DAY,
            end_ms=reader.now_ms,
        )
        title = _("All compounds") if len(sites) != 1 else sites[0].name
        title = next((each.name for each in sites if each.key == site), title)
        unit_name = found.name if found is not None else ""
        unit_id = found.id if found is not None else None
        is_narrow = found is not None or bool(site) or len(sites) == 1
        about = [each for each in facts.units if each.id == unit_id] if found is not None else facts.units
        effect = overhaul_effect(session, facts.units, now_ms=reader.now_ms) if is_narrow and found is None else None
        if found is not None:
            effect = overhaul_effect(session, about, now_ms=reader.now_ms)
        zone = facts.units[0].zone if facts.units else DEFAULT_TIMEZONE
        costs = costs_by_year(session, [each.id for each in about], zone=zone) if is_narrow else []
        today = local_time(reader.now_ms, zone).date()
        service = service_facts(session, about, as_of=today) if is_narrow else {}
        choices = [SiteChoice(each.key, each.name, each.key == site) for each in sites]
    chosen_by = next((each for each in GroupBy if each.value == by), None)
    if chosen_by is None:
        chosen_by = GroupBy.SITE if len(choices) > 1 and not site else GroupBy.UNIT
    is_one = unit_id is not None
    is_group = not is_one and "group" in request.query_params
    shown_units = list(facts.units)
    if is_one:
        shown_units = [each for each in facts.units if each.id == unit_id]
    elif is_group:
        shown_units = grouped(facts.units, chosen_by).get(group, [])
    told = facts.of(shown_units)
    teller = Teller(facts, units=shown_units, _=_)
    standings = standings_of(facts) if is_one or (site or len(choices) == 1) else {}
    query = {"site": site, "kind": chosen_kind.value, "days": str(span_days)}
    use: list[UseCard] = []
    is_store_away = False
    if is_one and shown_units:
        try:
            use = use_cards(use_figures(held.store, facts, shown_units[0]), zone=zone, _=_)
        except StoreUnavailable:
            is_store_away = True
    return render(
        request,
        "statistics.html",
        reader,
        title=unit_name or (group_title(shown_units, chosen_by, group, _=_) if is_group else title),
        kind_title=_(KIND_TITLES[chosen_kind]),
        unit=unit if is_one else "",
        units=shown_units,
        exposure=exposure_text(told.exposure, _=_),
        span=(reader.moment(facts.start_ms).text[:10], reader.moment(facts.end_ms).iso[:10]),
        cautions=teller.words(told.cautions),
        cards=teller.cards(told),
        use=use,
        is_store_away=is_store_away,
        causes=teller.causes(told),
        standing=standings.get(unit_id) if unit_id is not None else None,
        rank=rank_text(standings.get(unit_id), _=_) if unit_id is not None else "",
        rows=[]
        if is_one
        else _rows(facts, shown_units, GroupBy.UNIT if is_group else chosen_by, standings, query, reader),
        sites=choices,
        site=site,
        kinds=[(each, _(KIND_TITLES[each]), each is chosen_kind) for each in Kind],
        bys=[(each, _(title), each is chosen_by) for each, title in BY_TITLES.items()],
        spans=[(each, _(title), each == span_days) for each, title in SPANS_DAYS.items()],
        query=query,
        is_group=is_group,
        effect=None if effect is None or is_group else effect_words(effect, _=_),
        effect_sources=None
        if effect is None
        else (teller.sources(effect.before.sources), teller.sources(effect.after.sources)),
        costs=[] if is_group else cost_rows(costs),
        service=service_rows(service, _=_) if is_one else service_summary(service, today=today, _=_),
        planned=teller.sources(told.planned) if told.planned else None,
        download={**query, "by": chosen_by.value, **({"unit": unit} if is_one else {})},
        start_ms=facts.start_ms,
        end_ms=facts.end_ms,
    )


def group_title(units: Sequence[UnitFacts], by: GroupBy, group: str, *, _: Any) -> str:
    if by is GroupBy.SITE and units:
        return units[0].site_name
    if by is GroupBy.BUILDING and units:
        return f"{units[0].site_name} {units[0].building}"
    return group or str(_("Not entered"))


def _rows(
    facts: Facts,
    units: Sequence[UnitFacts],
    by: GroupBy,
    standings: Mapping[int, Any],
    query: Mapping[str, str],
    reader: Reader,
) -> list[Row]:
    _ = reader._
    groups = [(name, members, facts.of(members)) for name, members in grouped(units, by).items()]
    groups.sort(key=lambda each: -(each[2].faults.value or 0.0))
    most = max((each[2].faults.high or 0.0 for each in groups[:20]), default=0.0)
    rows = []
    for name, members, told in groups[:ROWS_SHOWN]:
        rate, interval = rate_texts(told.faults, _=_)
        one = members[0]
        if by is GroupBy.UNIT:
            title, leads = one.name, {"unit": one.path, "days": query["days"]}
        elif by is GroupBy.SITE:
            title, leads = one.site_name, {**query, "site": one.site_key}
        else:
            title, leads = group_title(members, by, name, _=_), {**query, "by": by.value, "group": name}
        rows.append(
            Row(
                name=title,
                place=one.building if by is GroupBy.UNIT else "",
                query=leads,
                units=told.units,
                coverage=share_text(told.exposure.coverage),
                faults=told.faults.n,
                rate=rate,
                interval=interval,
                bar=bar_of(told.faults, most=most),
                entrapments=told.entrapments.n,
                availability=_availability(told),
                restoration="–"
                if told.restoration.median_ms is None
                else duration_text(told.restoration.median_ms, _=_),
                rank=rank_text(standings.get(one.id), _=_) if by is GroupBy.UNIT else "",
            )
        )
    return rows


def _availability(told: Statistics) -> str:
    return "–" if told.availability.value is None else f"{100 * told.availability.value:.2f} %"
