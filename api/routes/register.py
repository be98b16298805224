"""The register: sites and units, and what a unit measured."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy.orm import Session

from api.errors import InvalidField, UnknownMetric
from api.instants import day_edges_ms, rfc3339
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Filter, Instant, Limit, UnitPath
from api.routes.presenting import unit_fields, unit_shapes
from api.routes.shapes import (
    CoverageShape,
    CoveredDay,
    MetricShape,
    Page,
    ReadingsShape,
    SiteShape,
    UnitDetail,
    UnitShape,
)
from api.security import ApiActor, check_site
from ingest.stores.contract import StoreError, TelemetryStore
from ingest.wire import MAX_METRIC_NAME_LENGTH
from models.equipment import METRICS, Kind
from models.reading import UnitKey
from registry.coverage import coverage_by_span
from registry.errors import UnknownUnit
from registry.role import Actor
from registry.site import SLUG, list_sites
from registry.unit import Unit, get_unit, list_units
from registry.unit_life import pause_of

DEFAULT_SPAN_MS = 24 * 3600 * 1000
DEFAULT_POINTS = 500
MOST_POINTS = 5_000
DEFAULT_COVERAGE_MS = 30 * 24 * 3600 * 1000
MOST_COVERAGE_MS = 400 * 24 * 3600 * 1000
MOST_STEP_S = 366 * 24 * 3600
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)

router = APIRouter(tags=["register"])


@router.get("/sites")
def list_sites_seen(
    actor: ApiActor, held: Held, cursor: Cursor = None, limit: Limit = DEFAULT_ITEMS
) -> Page[SiteShape]:
    with held.database.reading() as session:
        sites = [site for site in list_sites(session, visible=actor.sites) if site.id > int(cursor or 0)]
        sites.sort(key=lambda site: site.id)
        shown = [
            SiteShape(site=site.key, name=site.name, timezone=site.timezone, is_confirmed=site.is_confirmed)
            for site in sites[:limit]
        ]
        return Page(items=shown, next=str(sites[limit - 1].id) if len(sites) > limit else None)


@router.get("/units")
def list_units_seen(
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    kind: Annotated[Kind | None, AbsentIfEmpty] = None,
    search: Filter = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[UnitShape]:
    """Units; each word of `search` must occur in what names them."""
    with held.database.reading() as session:
        units = list_units(
            session,
            site=site,
            kind=kind,
            search=search or "",
            visible=actor.sites,
            after_id=int(cursor or 0),
            limit=limit + 1,
        )
        more = units[limit - 1].id if len(units) > limit else None
        shapes = unit_shapes(session, units[:limit], now_ms=held.clock())
        return Page(items=shapes, next=str(more) if more is not None else None)


@router.get("/units/{unit}")
def show_unit(request: Request, actor: ApiActor, held: Held, unit: UnitPath) -> UnitDetail:
    """A unit with its metrics and their newest values."""
    with held.database.reading() as session:
        found = unit_seen(request, session, actor, unit)
        fields = unit_fields(session, found, now_ms=held.clock())
        key, zone = found.unit_key, found.site.timezone
    latest: Mapping[str, tuple[int, float]] = {}
    is_available = True
    try:
        latest = held.store.latest([key]).get(key, {})
    except StoreError:
        is_available = False
    return UnitDetail(**fields, metrics=_metrics(key.kind, latest, zone), is_telemetry_available=is_available)


@router.get("/units/{unit}/readings")
def list_readings(
    request: Request,
    actor: ApiActor,
    held: Held,
    unit: UnitPath,
    metric: Annotated[str, Query(min_length=1, max_length=MAX_METRIC_NAME_LENGTH)],
    start: Annotated[Instant | None, AbsentIfEmpty, Query(description="24 hours before the end when absent")] = None,
    end: Annotated[Instant | None, AbsentIfEmpty, Query(description="now when absent")] = None,
    step: Annotated[
        Annotated[int, Field(ge=1, le=MOST_STEP_S)] | None,
        AbsentIfEmpty,
        Query(description="seconds; chosen to fit when absent"),
    ] = None,
) -> ReadingsShape:
    """Values with start <= t < end, condensed by step. Steps begin at multiples of the step; empty ones are absent."""
    with held.database.reading() as session:
        key = unit_seen(request, session, actor, unit).unit_key
    end_ms = held.clock() if end is None else end
    start_ms = max(0, end_ms - DEFAULT_SPAN_MS) if start is None else start
    step_s = step or fitting_step_s(start_ms, end_ms)
    _check_span(start_ms, end_ms, step_s)
    _check_metric(held.store, key, metric)
    points = held.store.points(key, metric, start_ms=start_ms, end_ms=end_ms, step_ms=step_s * 1000)
    return ReadingsShape(metric=metric, step_s=step_s, points=[tuple(point) for point in points])


@router.get("/units/{unit}/coverage")
def show_coverage(
    request: Request,
    actor: ApiActor,
    held: Held,
    unit: UnitPath,
    start: Annotated[Instant | None, AbsentIfEmpty, Query(description="30 days before the end when absent")] = None,
    end: Annotated[Instant | None, AbsentIfEmpty, Query(description="now when absent")] = None,
) -> CoverageShape:
    """The share of time with data, by day of the site; a backlog counts for the time when it was measured."""
    end_ms = held.clock() if end is None else end
    start_ms = max(0, end_ms - DEFAULT_COVERAGE_MS) if start is None else start
    if not start_ms < end_ms <= start_ms + MOST_COVERAGE_MS:
        raise InvalidField("start", "must lie before end, by 400 days at most")
    with held.database.reading() as session:
        found = unit_seen(request, session, actor, unit)
        zone = found.site.timezone
        edges = day_edges_ms(start_ms, end_ms, zone)
        spans = coverage_by_span(session, found.id, edges_ms=edges, pause_ms=pause_of(session, found.id))
    covered_ms, total_ms = sum(span.covered_ms for span in spans), sum(span.total_ms for span in spans)
    return CoverageShape(
        unit=unit,
        start=rfc3339(start_ms, zone),
        end=rfc3339(end_ms, zone),
        covered_s=covered_ms // 1000,
        total_s=total_ms // 1000,
        share=covered_ms / total_ms if total_ms else None,
        days=[
            CoveredDay(
                day=rfc3339(edge, zone)[:10],
                covered_s=span.covered_ms // 1000,
                total_s=span.total_ms // 1000,
                share=span.share,
            )
            for edge, span in zip(edges[:-1], spans, strict=True)
        ],
    )


def find_unit_seen(session: Session, actor: Actor, path: str) -> Unit | None:
    """The unit of an address, if there is one and this person may see its site."""
    site, _, key = path.partition("~")
    if not (SLUG.fullmatch(site) and SLUG.fullmatch(key) and actor.may_see(site)):
        return None
    try:
        return get_unit(session, path)
    except UnknownUnit:
        return None


def unit_seen(request: Request, session: Session, actor: Actor, path: str) -> Unit:
    """The same for a route that is about the unit. Raises UnknownUnit, or RoleMissing as `check_site` does."""
    unit = find_unit_seen(session, actor, path)
    if unit is None:
        raise UnknownUnit(path)
    check_site(request, actor, unit.site.key)
    return unit


def fitting_step_s(start_ms: int, end_ms: int, *, points: int = DEFAULT_POINTS) -> int:
    """The smallest round step with which a span has no more than so many points."""
    needed_s = (end_ms - start_ms) / 1000 / points
    return next((step for step in STEPS_S if step >= needed_s), math.ceil(needed_s / STEPS_S[-1]) * STEPS_S[-1])


def _check_span(start_ms: int, end_ms: int, step_s: int) -> None:
    if start_ms >= end_ms:
        raise InvalidField("start", "must lie before end")
    wanted = -(-(end_ms - start_ms) // (step_s * 1000))
    if wanted > MOST_POINTS:
        smallest_s = fitting_step_s(start_ms, end_ms, points=MOST_POINTS)
        raise InvalidField(
            "step",
            f"gives {wanted} points, {MOST_POINTS} are the most: ask for {smallest_s} s or more",
            points=wanted,
            most_points=MOST_POINTS,
            smallest_step_s=smallest_s,
        )


def _check_metric(store: TelemetryStore, unit: UnitKey, metric: str) -> None:
    if metric in METRICS[unit.kind]:
        return
    stored = store.metrics_of(unit)
    if metric not in stored:
        raise UnknownMetric(unit.path, metric, metrics=sorted({*METRICS[unit.kind], *stored}))


def _metrics(kind: Kind, latest: Mapping[str, tuple[int, float]], zone: str) -> Sequence[MetricShape]:
    known = METRICS[kind]

    def newest(metric: str) -> dict[str, Any]:
        if metric not in latest:
            return {}
        at_ms, value = latest[metric]
        return {"at": rfc3339(at_ms, zone), "value": value}

    named = [
        MetricShape(metric=row.name, title=row.title, unit=row.unit, is_known=True, **newest(row.name))
        for row in known.values()
    ]
    others = [
        MetricShape(metric=metric, title=metric, unit="", is_known=False, **newest(metric))
        for metric in sorted(latest)
        if metric not in known
    ]
    return named + others
