"""Faults by use: trips and running hours that a lift's own counters tell, beside the calendar.

A fault counts where the counter was heard before and after it, so that both are of the same time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from governance.reliability_report import Facts, UnitFacts
from ingest.stores.contract import TelemetryStore
from models.counter_exposure import MOST_PER_H, Extremes, Use, use_of
from models.equipment import Kind
from models.fault_statistics import rate_interval
from models.reading import UnitKey

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOURLY_UNTIL_MS = 60 * DAY_MS
"""So far back the store is asked by the hour: a young unit has few days."""
COUNTERS: Mapping[Kind, Mapping[str, float]] = MappingProxyType(
    {Kind.ELEVATOR: MappingProxyType({"trips_total": 100_000.0, "run_hours_total": 1_000.0})}
)
"""By how much of each counter faults are told: an often used lift makes 100,000 trips in some months."""
LEAST_SHARE = 0.02
"""[P] Of `per`: with less use than that the figure is withheld."""


@dataclass(frozen=True, slots=True)
class UseFigure:
    """Faults per so much use with the exact 95 % interval; None where too little use was counted to say it.

    `use` is None where the counter told nothing in the span.
    """

    metric: str
    per: float
    use: Use | None
    sources: tuple[str, ...] = ()
    rate: float | None = None
    low: float | None = None
    high: float | None = None


def use_figures(store: TelemetryStore, facts: Facts, unit: UnitFacts) -> list[UseFigure]:
    """Of one unit over the span of its facts, from its replacement on. Raises StoreUnavailable."""
    start_ms = max(facts.start_ms, facts.renewed_ms.get(unit.id, 0))
    key = UnitKey(unit.site_key, unit.kind, unit.key)
    found = []
    for metric, per in COUNTERS.get(unit.kind, {}).items():
        steps, step_ms = _steps(store, key, metric, start_ms, facts.end_ms)
        found.append(_figure(metric, per, use_of(steps, step_ms=step_ms, most_per_h=MOST_PER_H[metric]), facts, unit))
    return found


def _steps(
    store: TelemetryStore, key: UnitKey, metric: str, start_ms: int, end_ms: int
) -> tuple[Sequence[Extremes], int]:
    days = store.points(key, metric, start_ms=start_ms, end_ms=end_ms, step_ms=DAY_MS)
    step_ms = DAY_MS
    if days and days[-1].t_ms - days[0].t_ms <= HOURLY_UNTIL_MS:
        step_ms = HOUR_MS
        days = store.points(key, metric, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)
    return [Extremes(point.t_ms, point.min, point.max) for point in days], step_ms


def _figure(metric: str, per: float, use: Use | None, facts: Facts, unit: UnitFacts) -> UseFigure:
    if use is None:
        return UseFigure(metric, per, None)
    faults = [fault for fault in facts.begun_within(unit.id) if use.first_ms <= fault.began_ms < use.last_ms]
    sources = tuple(fault.source for fault in faults)
    share = use.counted / per
    if share < LEAST_SHARE:
        return UseFigure(metric, per, use, sources)
    low, high = rate_interval(len(faults), share)
    return UseFigure(metric, per, use, sources, len(faults) / share, low, high)
