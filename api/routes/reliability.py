"""Fault statistics with exposure and intervals, and which units are fault-prone; as JSON and as CSV."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from api.csv_text import safe_cell
from api.errors import InvalidField
from api.resources import Held
from api.routes.case_presenting import yuan
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Filter, Instant, Limit
from api.routes.register import unit_seen
from api.routes.reliability_shapes import (
    FaultPronePage,
    FaultProneShape,
    FigureShape,
    OverhaulEffectShape,
    ReliabilityPage,
    ReliabilityShape,
    YearCostShape,
    effect_shape,
    reliability_shape,
    span_fields,
    use_shape,
)
from api.security import ApiActor, check_site, permitted_sites
from api.use_figures import use_figures
from governance.overhaul_effect import overhaul_effect
from governance.reliability_report import (
    WINDOW_MS,
    Facts,
    GroupBy,
    Standing,
    UnitFacts,
    gather,
    grouped,
    list_unit_facts,
    standings_of,
    watch_rule_of,
)
from governance.service_facts import ServiceFacts, YearCost, costs_by_year, service_facts
from models.equipment import Kind
from registry.role import Actor
from registry.site import DEFAULT_TIMEZONE, SLUG

MOST_SPAN_MS = 10 * 366 * 24 * 3600 * 1000
CSV_TYPE = "text/csv; charset=utf-8"

router = APIRouter(tags=["statistics"])

KindAsked = Annotated[Kind | None, AbsentIfEmpty, Query(description="lifts when absent")]
By = Annotated[GroupBy | None, AbsentIfEmpty, Query(description="unit when absent")]
Start = Annotated[Instant | None, AbsentIfEmpty, Query(description="365 days before the end when absent")]
End = Annotated[Instant | None, AbsentIfEmpty, Query(description="now when absent")]
UnitAsked = Annotated[str | None, AbsentIfEmpty, Query(max_length=129, description="`{site}~{unit}` alone")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What statistics are asked of, seen to be within what the person may see."""

    facts: Facts
    by: GroupBy
    service: Mapping[int, ServiceFacts]
    costs: Sequence[YearCost]


def asked_for(
    session: Session,
    *,
    visible: Collection[str] | None,
    site: str | None,
    kind: Kind | None,
    by: GroupBy | None,
    start_ms: int | None,
    end_ms: int | None,
    now_ms: int,
    unit_id: int | None = None,
) -> Asked:
    """Raises InvalidField for a span that is none, or longer than ten years."""
    end = now_ms if end_ms is None else min(end_ms, now_ms)
    start = max(0, end - WINDOW_MS) if start_ms is None else start_ms
    if not start < end <= start + MOST_SPAN_MS:
        raise InvalidField("start", "must lie before end and before now, by ten years at most")
    facts = gather(
        session,
        kind=kind or Kind.ELEVATOR,
        site=site,
        unit_id=unit_id,
        visible=visible,
        start_ms=start,
        end_ms=end,
    )
    zone = facts.units[0].zone if facts.units else DEFAULT_TIMEZONE
    as_of = datetime.fromtimestamp(end / 1000, UTC).astimezone(ZoneInfo(zone)).date()
    return Asked(
        facts,
        by or GroupBy.UNIT,
        service_facts(session, facts.units, as_of=as_of),
        costs_by_year(session, [unit.id for unit in facts.units], zone=zone),
    )


def _checked_site(request: Request, actor: Actor, site: str | None) -> None:
    if site and SLUG.fullmatch(site):
        check_site(request, actor, site)


@router.get("/reliability")
def show_reliability(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    kind: KindAsked = None,
    unit: UnitAsked = None,
    by: By = None,
    start: Start = None,
    end: End = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> ReliabilityPage:
    """Statistics by unit, building, make, maintenance company or compound; `total` is of all units asked for."""
    asked = _asked(request, actor, held, site=site, kind=kind, unit=unit, by=by, start=start, end=end)
    facts = asked.facts
    groups = list(grouped(facts.units, asked.by).items())
    first = min(int(cursor or 0), len(groups))
    standings = standings_of(facts) if asked.by is GroupBy.UNIT else {}
    shown = groups[first : first + limit]
    return ReliabilityPage(
        items=list(shapes_of(facts, shown, asked.by, standings, asked.service)),
        next=str(first + limit) if len(groups) > first + limit else None,
        total=reliability_shape(
            facts.of(facts.units), list(facts.units), kind=facts.kind, by=GroupBy.SITE, group="", name=""
        ),
        use=[use_shape(each, facts.units[0].zone) for each in use_figures(held.store, facts, facts.units[0])]
        if unit and facts.units
        else None,
        costs_by_year=[
            YearCostShape(year=each.year, repairs_yuan=yuan(each.repairs_fen), service_yuan=yuan(each.service_fen))
            for each in asked.costs
        ],
        **span_fields(facts),
    )


@router.get("/overhaul-effect")
def show_overhaul_effect(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    kind: KindAsked = None,
    unit: UnitAsked = None,
) -> OverhaulEffectShape:
    """Faults of overhauled units in the year before and the year after; needs a site or a unit."""
    if not site and not unit:
        raise InvalidField("site", "or a unit must be named")
    _checked_site(request, actor, site)
    with held.database.reading() as session:
        found = unit_seen(request, session, actor, unit) if unit else None
        units = list_unit_facts(
            session,
            kind=Kind(found.kind) if found is not None else kind or Kind.ELEVATOR,
            site=site or None,
            unit_id=found.id if found is not None else None,
            visible=permitted_sites(request, actor),
        )
        effect = overhaul_effect(session, units, now_ms=held.clock())
    return effect_shape(effect, units)


@router.get("/reliability.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def download_reliability(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    kind: KindAsked = None,
    unit: UnitAsked = None,
    by: By = None,
    start: Start = None,
    end: End = None,
) -> Response:
    """The same as a table for a spreadsheet, all rows."""
    asked = _asked(request, actor, held, site=site, kind=kind, unit=unit, by=by, start=start, end=end)
    return csv_answer(asked)


@router.get("/fault-prone")
def list_fault_prone(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    kind: KindAsked = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> FaultPronePage:
    """Units by the rate of the last year, the worst first, each compared with its peers in what was asked for."""
    asked = _asked(request, actor, held, site=site, kind=kind, unit=None, by=None, start=None, end=None)
    facts = asked.facts
    standings = standings_of(facts)
    ids, rule = watch_rule_of(facts)
    is_above = dict(zip(ids, rule.is_above.tolist(), strict=True))
    ranked = sorted((unit for unit in facts.units if unit.id in standings), key=lambda u: standings[u.id].rank)
    first = min(int(cursor or 0), len(ranked))
    return FaultPronePage(
        items=[
            _fault_prone(unit, facts, standings[unit.id], is_above=is_above[unit.id])
            for unit in ranked[first : first + limit]
        ],
        next=str(first + limit) if len(ranked) > first + limit else None,
        quantile_per_year=None if rule.quantile_per_year is None else round(rule.quantile_per_year, 4),
        not_compared=[unit.path for unit in facts.units if unit.id not in standings],
        **span_fields(facts),
    )


def _asked(
    request: Request,
    actor: Actor,
    held: Held,
    *,
    site: str | None,
    kind: Kind | None,
    unit: str | None,
    by: GroupBy | None,
    start: int | None,
    end: int | None,
) -> Asked:
    _checked_site(request, actor, site)
    with held.database.reading() as session:
        found = unit_seen(request, session, actor, unit) if unit else None
        return asked_for(
            session,
            visible=permitted_sites(request, actor),
            site=site or None,
            kind=Kind(found.kind) if found is not None else kind,
            by=by,
            start_ms=start,
            end_ms=end,
            now_ms=held.clock(),
            unit_id=found.id if found is not None else None,
        )


def shapes_of(
    facts: Facts,
    groups: Sequence[tuple[str, list[UnitFacts]]],
    by: GroupBy,
    standings: dict[int, Standing],
    service: Mapping[int, ServiceFacts],
) -> Iterator[ReliabilityShape]:
    for group, units in groups:
        name = units[0].name if by is GroupBy.UNIT else units[0].site_name if by is GroupBy.SITE else group
        standing = standings.get(units[0].id) if by is GroupBy.UNIT else None
        yield reliability_shape(
            facts.of(units),
            units,
            kind=facts.kind,
            by=by,
            group=group,
            name=name,
            standing=standing,
            service=service.get(units[0].id) if by is GroupBy.UNIT else None,
        )


def _fault_prone(unit: UnitFacts, facts: Facts, standing: Standing, *, is_above: bool) -> FaultProneShape:
    faults = facts.begun_within(unit.id)
    return FaultProneShape(
        unit=unit.path,
        site=unit.site_key,
        kind=unit.kind,
        name=unit.name,
        faults=len(faults),
        exposure_days=round(facts.exposures[unit.id].days, 3),
        rate_per_year=round(standing.rate_per_year, 4),
        rate_low=round(standing.rate_low, 4),
        rate_high=round(standing.rate_high, 4),
        p_worst_decile=round(standing.p_worst_decile, 4),
        rank=standing.rank,
        rank_low=standing.rank_low,
        rank_high=standing.rank_high,
        is_above_peers=is_above,
        sources=[fault.source for fault in faults],
    )


# As a table

COLUMNS = (
    *("by", "group", "units", "name", "site", "building", "make", "maintainer", "installed_on"),
    *("in_service_days", "covered_days", "coverage"),
    *("faults", "faults_per_year", "faults_low", "faults_high"),
    *("entrapments", "entrapments_per_year", "entrapments_low", "entrapments_high"),
    *("misuse", "equipment", "power", "unknown"),
    *("downtime_h", "availability", "mtbf_days", "mtbf_low", "mtbf_high", "mtbf_censored"),
    *("response_median_s", "arrival_median_s", "repair_median_s", "restoration_median_s", "repeats", "costs_yuan"),
    *("rank", "rank_low", "rank_high", "peers", "cautions", "fault_sources"),
    *("planned", "age_years", "last_overhaul", "last_maintenance", "inspection_valid_until"),
)


def csv_rows(asked: Asked) -> Iterator[tuple[object, ...]]:
    """Rows of `COLUMNS`, as they are; see `safe_cell`."""
    facts = asked.facts
    standings = standings_of(facts) if asked.by is GroupBy.UNIT else {}
    groups = list(grouped(facts.units, asked.by).items())
    for shape in shapes_of(facts, groups, asked.by, standings, asked.service):
        yield tuple(_row(shape))


def csv_answer(asked: Asked) -> Response:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in csv_rows(asked):
        writer.writerow([safe_cell(value) for value in row])
    headers = {"Content-Disposition": f'attachment; filename="reliability-{asked.facts.kind.value}.csv"'}
    # The mark tells spreadsheets that it is UTF-8.
    return Response(b"\xef\xbb\xbf" + text.getvalue().encode(), media_type=CSV_TYPE, headers=headers)


def _row(shape: ReliabilityShape) -> Iterator[object]:
    yield from (shape.by.value, shape.group, shape.units, shape.name, shape.site, shape.building, shape.make)
    yield from (shape.maintainer, shape.installed_on)
    yield from (shape.exposure.in_service_days, shape.exposure.covered_days, shape.exposure.coverage)
    for figure in (shape.faults_per_year, shape.entrapments_per_year):
        yield from (figure.n, *_ends(figure))
    yield from (count.n for count in shape.causes.values())
    yield from (shape.downtime_h, shape.availability.value, *_ends(shape.mtbf_days), shape.mtbf_censored)
    yield from (each.median_s for each in (shape.response, shape.arrival, shape.repair, shape.restoration))
    yield from (shape.repeats.n, shape.costs_yuan)
    standing = shape.standing
    yield from (
        (None,) * 4 if standing is None else (standing.rank, standing.rank_low, standing.rank_high, standing.peers)
    )
    yield " ".join(shape.cautions)
    yield " ".join(shape.faults_per_year.sources)
    yield shape.planned.n
    service = shape.service
    if service is None:
        yield from (None,) * 4
    else:
        yield from (service.age_years, service.last_overhaul, service.last_maintenance)
        yield service.inspection_valid_until


def _ends(figure: FigureShape) -> tuple[float | None, float | None, float | None]:
    return figure.value, figure.low, figure.high
