"""The shapes of fault statistics: every figure with its interval, the records it counts, and what it cannot say."""

from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, Field

from api.instants import rfc3339
from api.routes.shapes import Rfc3339
from api.use_figures import UseFigure
from governance.overhaul_effect import Effect, EffectCaution, Side
from governance.reliability_report import Facts, GroupBy, Standing, UnitFacts
from governance.service_facts import ServiceFacts
from models.equipment import Kind
from models.fault_statistics import MS_PER_DAY, Cause, Caution, Exposure, Figure, Statistics, TimeTaken
from models.reliability import Change

SOURCES_TEXT = "records it counts, as `ticket:7` or `alarm:9`"
CAUTIONS_TEXT = "what it cannot say, or why it is withheld"


class ExposureShape(BaseModel):
    in_service_days: float
    covered_days: float = Field(description="days with data")
    years: float = Field(description="covered, in unit-years: what rates are divided by")
    coverage: float | None = Field(description="covered by in service; null without any time in service")


class FigureShape(BaseModel):
    value: float | None = Field(description="null: withheld, see `cautions`")
    low: float | None
    high: float | None
    n: int
    sources: list[str] = Field(description=SOURCES_TEXT)
    cautions: list[Caution] = Field(description=CAUTIONS_TEXT)


class TimeTakenShape(BaseModel):
    """From the opening of the case; cases that still run are censored, not left out."""

    median_s: float | None
    p90_s: float | None
    n: int
    censored: int
    sources: list[str] = Field(description=SOURCES_TEXT)
    cautions: list[Caution] = Field(description=CAUTIONS_TEXT)


class CountShape(BaseModel):
    n: int
    sources: list[str] = Field(description=SOURCES_TEXT)


class StandingShape(BaseModel):
    """Among the peers of the same kind in what was asked for; rates are drawn towards the peers."""

    rate_per_year: float
    rate_low: float
    rate_high: float
    p_worst_decile: float
    rank: int = Field(description="1 is the worst")
    rank_low: int
    rank_high: int
    peers: int


class ServiceShape(BaseModel):
    """Age and last work of a unit on the last day of the span; null where nothing was recorded."""

    new_since: date | None = Field(description="installed, or replaced")
    age_years: float | None
    last_overhaul: date | None
    last_maintenance: date | None
    maintenance_late_days: int | None = Field(description="beyond fifteen days since the last one")
    last_inspection: date | None
    inspection_valid_until: date | None
    is_inspection_overdue: bool


class YearCostShape(BaseModel):
    year: int
    repairs_yuan: str = Field(description="written down on tickets in that year")
    service_yuan: str = Field(description="of maintenance, inspections and overhauls")


class SideShape(BaseModel):
    faults: int
    unit_years: float
    faults_per_year: float | None
    sources: list[str] = Field(description=SOURCES_TEXT)


class ChangeShape(BaseModel):
    """The rate after divided by the rate before: 0.2 is 80 % fewer."""

    ratio: float | None
    low: float
    high: float | None = Field(description="null: nothing was counted before, so there is no upper bound")


class OverhaulEffectShape(BaseModel):
    """What the last overhaul of some units brought; `change` is null when none was watched on both sides of it."""

    units: list[str]
    not_judged: list[str] = Field(description="overhauled, but not watched for a month on both sides")
    first_on: date | None
    last_on: date | None
    before: SideShape | None
    after: SideShape | None
    change: ChangeShape | None
    others: ChangeShape | None = Field(description="of the units that were not overhauled, over the same time")
    others_units: int
    cautions: list[EffectCaution]


class ReliabilityShape(BaseModel):
    """Statistics of one unit, or of the units that have `group` in common."""

    by: GroupBy
    group: str
    units: int
    unit: str | None = Field(description="`{site}~{unit}`; null for a group")
    site: str | None = Field(description="null where the group has units of several")
    kind: Kind
    name: str
    building: str | None
    make: str | None
    maintainer: str | None
    installed_on: str | None
    exposure: ExposureShape
    faults_per_year: FigureShape
    entrapments_per_year: FigureShape
    causes: dict[Cause, CountShape]
    downtime_h: float
    availability: FigureShape
    mtbf_days: FigureShape = Field(description="operating days by failures")
    mtbf_censored: int = Field(description="units that still run since their last failure")
    response: TimeTakenShape
    arrival: TimeTakenShape
    repair: TimeTakenShape = Field(description="work alone")
    restoration: TimeTakenShape
    repeats: CountShape = Field(description="of the same matter within 30 days of its repair")
    planned: CountShape = Field(description="during a planned stop: told apart, counted by no figure")
    costs_yuan: str
    costs_per_unit_year_yuan: str | None
    service: ServiceShape | None = Field(description="of a unit; null for groups")
    standing: StandingShape | None = Field(description="of a unit; null for groups and where too little is known")
    cautions: list[Caution] = Field(description=CAUTIONS_TEXT)


class UseShape(BaseModel):
    """Faults by what a counter of the unit counted; resets never give negative use, the sum is a lower bound."""

    metric: str
    per: float = Field(description="`faults` per so many trips or running hours")
    counted: float | None = Field(description="null: the counter told nothing in the span")
    first: Rfc3339 | None
    last: Rfc3339 | None
    resets: int
    jumps: int = Field(description="rises that no lift can make; they are left out")
    faults: int = Field(description="those between the first and the last reading of the counter")
    value: float | None = Field(description="null: withheld, too little use")
    low: float | None
    high: float | None
    sources: list[str] = Field(description=SOURCES_TEXT)


def use_shape(figure: UseFigure, zone: str) -> UseShape:
    use = figure.use
    value, low, high = (None if each is None else round(each, 4) for each in (figure.rate, figure.low, figure.high))
    return UseShape(
        metric=figure.metric,
        per=figure.per,
        counted=None if use is None else round(use.counted, 3),
        first=None if use is None else rfc3339(use.first_ms, zone),
        last=None if use is None else rfc3339(use.last_ms, zone),
        resets=0 if use is None else len(use.resets_ms),
        jumps=0 if use is None else len(use.jumps_ms),
        faults=len(figure.sources),
        value=value,
        low=low,
        high=high,
        sources=list(figure.sources),
    )


class ReliabilityPage(BaseModel):
    items: list[ReliabilityShape]
    next: str | None
    total: ReliabilityShape = Field(description="of all units asked for")
    use: list[UseShape] | None = Field(description="of one unit that was asked for by name; else null")
    costs_by_year: list[YearCostShape] = Field(description="of all units asked for, in all years")
    start: Rfc3339
    end: Rfc3339


class FaultProneShape(BaseModel):
    """One unit among its peers; the rates are faults a year with a 95 % credible interval."""

    unit: str
    site: str
    kind: Kind
    name: str
    faults: int
    exposure_days: float
    rate_per_year: float
    rate_low: float
    rate_high: float
    p_worst_decile: float
    rank: int
    rank_low: int
    rank_high: int
    is_above_peers: bool = Field(description="the watch-list's rule holds: it is worse than chance explains")
    sources: list[str] = Field(description=SOURCES_TEXT)


class FaultPronePage(BaseModel):
    items: list[FaultProneShape]
    next: str | None
    start: Rfc3339
    end: Rfc3339
    quantile_per_year: float | None = Field(description="the peers' 90 % quantile; null: too few peers to judge")
    not_compared: list[str] = Field(description="units of which too little is known")


def exposure_shape(exposure: Exposure) -> ExposureShape:
    return ExposureShape(
        in_service_days=round(exposure.in_service_ms / MS_PER_DAY, 3),
        covered_days=round(exposure.days, 3),
        years=round(exposure.years, 5),
        coverage=None if exposure.coverage is None else round(exposure.coverage, 5),
    )


def figure_shape(figure: Figure, *, decimals: int = 4) -> FigureShape:
    value, low, high = (
        None if each is None else round(each, decimals) for each in (figure.value, figure.low, figure.high)
    )
    return FigureShape(
        value=value, low=low, high=high, n=figure.n, sources=list(figure.sources), cautions=list(figure.cautions)
    )


def time_shape(taken: TimeTaken) -> TimeTakenShape:
    median_s, p90_s = (None if each is None else each / 1000 for each in (taken.median_ms, taken.most_ms))
    return TimeTakenShape(
        median_s=median_s,
        p90_s=p90_s,
        n=taken.n,
        censored=taken.censored,
        sources=list(taken.sources),
        cautions=list(taken.cautions),
    )


def standing_shape(standing: Standing) -> StandingShape:
    return StandingShape(
        rate_per_year=round(standing.rate_per_year, 4),
        rate_low=round(standing.rate_low, 4),
        rate_high=round(standing.rate_high, 4),
        p_worst_decile=round(standing.p_worst_decile, 4),
        rank=standing.rank,
        rank_low=standing.rank_low,
        rank_high=standing.rank_high,
        peers=standing.peers,
    )


def reliability_shape(
    told: Statistics,
    units: list[UnitFacts],
    *,
    kind: Kind,
    by: GroupBy,
    group: str,
    name: str,
    standing: Standing | None = None,
    service: ServiceFacts | None = None,
) -> ReliabilityShape:
    def common(values: set[str]) -> str | None:
        return next(iter(values)) if len(values) == 1 else None

    one = units[0] if by is GroupBy.UNIT and len(units) == 1 else None
    per_year = told.cost_fen / 100 / told.exposure.years if told.exposure.years else None
    return ReliabilityShape(
        by=by,
        group=group,
        units=told.units,
        unit=one.path if one else None,
        site=common({unit.site_key for unit in units}),
        kind=kind,
        name=name,
        building=common({unit.building for unit in units}),
        make=common({unit.make for unit in units}),
        maintainer=common({unit.maintainer for unit in units}),
        installed_on=one.installed_on if one else None,
        exposure=exposure_shape(told.exposure),
        faults_per_year=figure_shape(told.faults),
        entrapments_per_year=figure_shape(told.entrapments),
        causes={cause: CountShape(n=len(sources), sources=list(sources)) for cause, sources in told.causes.items()},
        downtime_h=round(told.downtime_ms / 3_600_000, 3),
        availability=figure_shape(told.availability, decimals=6),
        mtbf_days=figure_shape(told.mtbf_days, decimals=2),
        mtbf_censored=told.mtbf_censored,
        response=time_shape(told.response),
        arrival=time_shape(told.arrival),
        repair=time_shape(told.repair),
        restoration=time_shape(told.restoration),
        repeats=CountShape(n=len(told.repeats), sources=list(told.repeats)),
        planned=CountShape(n=len(told.planned), sources=list(told.planned)),
        costs_yuan=f"{told.cost_fen / 100:.2f}",
        costs_per_unit_year_yuan=None if per_year is None else f"{per_year:.2f}",
        service=None if service is None else service_shape(service),
        standing=None if standing is None else standing_shape(standing),
        cautions=list(told.cautions),
    )


def service_shape(service: ServiceFacts) -> ServiceShape:
    return ServiceShape(
        new_since=service.new_since,
        age_years=None if service.age_years is None else round(service.age_years, 1),
        last_overhaul=service.last_overhaul,
        last_maintenance=service.last_maintenance,
        maintenance_late_days=service.maintenance_late_days,
        last_inspection=service.last_inspection,
        inspection_valid_until=service.inspection_valid_until,
        is_inspection_overdue=service.is_inspection_overdue,
    )


def effect_shape(effect: Effect | None, units: Sequence[UnitFacts]) -> OverhaulEffectShape:
    path_of = {unit.id: unit.path for unit in units}
    if effect is None:
        nothing = dict.fromkeys(("first_on", "last_on", "before", "after", "change", "others"))
        return OverhaulEffectShape(units=[], not_judged=[], others_units=0, cautions=[], **nothing)
    return OverhaulEffectShape(
        units=[path_of[unit_id] for unit_id in effect.units],
        not_judged=[path_of[unit_id] for unit_id in effect.not_judged],
        first_on=effect.first_on,
        last_on=effect.last_on,
        before=_side_shape(effect.before),
        after=_side_shape(effect.after),
        change=_change_shape(effect.change),
        others=None if effect.others is None else _change_shape(effect.others),
        others_units=effect.others_units,
        cautions=list(effect.cautions),
    )


def _side_shape(side: Side) -> SideShape:
    rate = side.rate_per_year
    return SideShape(
        faults=side.faults,
        unit_years=round(side.years, 4),
        faults_per_year=None if rate is None else round(rate, 4),
        sources=list(side.sources),
    )


def _change_shape(change: Change) -> ChangeShape:
    ratio, low, high = (None if each is None else round(each, 4) for each in (change.ratio, change.low, change.high))
    return ChangeShape(ratio=ratio, low=low or 0.0, high=high)


def span_fields(facts: Facts) -> dict[str, str]:
    zones = {unit.zone for unit in facts.units}
    zone = zones.pop() if len(zones) == 1 else "Asia/Shanghai"
    return {"start": rfc3339(facts.start_ms, zone), "end": rfc3339(facts.end_ms, zone)}
