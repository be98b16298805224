"""Fault statistics of units and of what they have in common: a building, a make, a maintenance company, a compound."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from governance.fault_facts import exposures_of, faults_of
from models.equipment import Kind
from models.fault_prone import LEAST_DAYS, WINDOW_DAYS, WatchRule, watch_rule
from models.fault_statistics import (
    LEAST_COVERAGE,
    MS_PER_DAY,
    Cause,
    Caution,
    Exposure,
    Fault,
    Statistics,
    statistics_of,
)
from models.reliability import RateTable, rate_table
from registry.service_record import replaced_ms
from registry.site import Site
from registry.unit import Unit

SEED = 20_171_110
"""The same facts give the same ranks."""
MOST_RANKED = 3_000
WINDOW_MS = WINDOW_DAYS * MS_PER_DAY


class GroupBy(StrEnum):
    """What units are put together by."""

    UNIT = "unit"
    BUILDING = "building"
    MAKE = "make"
    MAINTAINER = "maintainer"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """A unit's own data and all that is counted of it. `created_ms` is when it was registered."""

    id: int
    key: str
    kind: Kind
    name: str
    building: str
    make: str
    maintainer: str
    installed_on: str | None
    site_key: str
    site_name: str
    zone: str
    created_ms: int

    @property
    def path(self) -> str:
        return f"{self.site_key}~{self.key}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a unit stands among the peers it was compared with; rates are faults a year, drawn towards the peers."""

    rate_per_year: float
    rate_low: float
    rate_high: float
    p_worst_decile: float
    rank: int
    rank_low: int
    rank_high: int
    peers: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything of one kind of unit that statistics of a span are made from."""

    kind: Kind
    start_ms: int
    end_ms: int
    units: Sequence[UnitFacts]
    exposures: Mapping[int, Exposure]
    faults_of_unit: Mapping[int, Sequence[Fault]]
    renewed_ms: Mapping[int, int] = field(default_factory=dict)
    """Since when a unit is another machine, of those that were ever replaced."""

    def of(self, units: Iterable[UnitFacts]) -> Statistics:
        ids = [unit.id for unit in units]
        told = statistics_of(
            [fault for unit_id in ids for fault in self.faults_of_unit.get(unit_id, ())],
            {unit_id: self.exposures[unit_id] for unit_id in ids},
            start_ms=self.start_ms,
            end_ms=self.end_ms,
        )
        if any(self.renewed_ms.get(unit_id, 0) > self.start_ms for unit_id in ids):
            told = replace(told, cautions=(*told.cautions, Caution.REPLACED))
        return told

    def begun_within(self, unit_id: int) -> list[Fault]:
        """Faults of a unit that count in the span."""
        return [
            fault
            for fault in self.faults_of_unit.get(unit_id, ())
            if self.start_ms <= fault.began_ms < self.end_ms and not fault.is_planned
        ]

    def own_faults(self, unit_id: int) -> list[Fault]:
        """The same without power cuts, which are not the unit's own: the watch-list counts these."""
        return [fault for fault in self.begun_within(unit_id) if fault.cause is not Cause.POWER]


def list_unit_facts(
    session: Session,
    *,
    kind: Kind,
    site: str | None = None,
    unit_id: int | None = None,
    visible: Collection[str] | None = None,
) -> list[UnitFacts]:
    """The units of a kind, of one compound or of all that may be seen, in order of their id."""
    query = (
        select(
            Unit.id,
            Unit.key,
            Unit.name,
            Unit.building,
            Unit.make,
            Unit.maintainer,
            Unit.installed_on,
            Site.key,
            Site.name,
            Site.timezone,
            Unit.created_ms,
        )
        .join(Site, Unit.site_id == Site.id)
        .where(Unit.kind == kind.value)
        .order_by(Unit.id)
    )
    if site is not None:
        query = query.where(Site.key == site)
    if unit_id is not None:
        query = query.where(Unit.id == unit_id)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return [UnitFacts(row[0], row[1], kind, *row[2:]) for row in session.execute(query)]


def gather(
    session: Session,
    *,
    kind: Kind,
    site: str | None = None,
    unit_id: int | None = None,
    visible: Collection[str] | None = None,
    start_ms: int,
    end_ms: int,
) -> Facts:
    """The facts of the units of a kind, of one compound or of all that may be seen."""
    units = list_unit_facts(session, kind=kind, site=site, unit_id=unit_id, visible=visible)
    faults: dict[int, list[Fault]] = defaultdict(list)
    for fault in faults_of(session, {unit.id: kind for unit in units}, start_ms=start_ms, end_ms=end_ms):
        faults[fault.unit_id].append(fault)
    return Facts(
        kind=kind,
        start_ms=start_ms,
        end_ms=end_ms,
        units=units,
        exposures=exposures_of(session, [(u.id, u.created_ms) for u in units], start_ms=start_ms, end_ms=end_ms),
        faults_of_unit=faults,
        renewed_ms=replaced_ms(session, [unit.id for unit in units], before_ms=end_ms),
    )


def grouped(units: Iterable[UnitFacts], by: GroupBy) -> dict[str, list[UnitFacts]]:
    """By the name that the units have in common, in its order; a building is one of its compound."""
    found: dict[str, list[UnitFacts]] = defaultdict(list)
    for unit in units:
        name = {
            GroupBy.UNIT: unit.path,
            GroupBy.BUILDING: f"{unit.site_key}/{unit.building}",
            GroupBy.MAKE: unit.make,
            GroupBy.MAINTAINER: unit.maintainer,
            GroupBy.SITE: unit.site_key,
        }[by]
        found[name].append(unit)
    return dict(sorted(found.items()))


def is_comparable(exposure: Exposure) -> bool:
    """Whether enough is known of a unit to compare it with others."""
    return exposure.covered_ms > 0 and (exposure.coverage or 0.0) >= LEAST_COVERAGE


def standings_of(facts: Facts) -> dict[int, Standing]:
    """By unit; units of which too little is known, or which are too many to draw ranks of, are absent."""
    ids = [unit.id for unit in facts.units if is_comparable(facts.exposures[unit.id])]
    if not ids or len(ids) > MOST_RANKED:
        return {}
    table: RateTable = rate_table(
        np.array([len(facts.begun_within(unit_id)) for unit_id in ids], dtype=np.int64),
        np.array([facts.exposures[unit_id].days for unit_id in ids]),
        rng=np.random.default_rng(SEED),
    )
    return {
        unit_id: Standing(
            rate_per_year=float(table.rate_per_year[place]),
            rate_low=float(table.rate_low[place]),
            rate_high=float(table.rate_high[place]),
            p_worst_decile=float(table.p_worst_decile[place]),
            rank=int(table.rank[place]),
            rank_low=int(table.rank_low[place]),
            rank_high=int(table.rank_high[place]),
            peers=len(ids),
        )
        for place, unit_id in enumerate(ids)
    }


def watch_rule_of(facts: Facts) -> tuple[list[int], WatchRule]:
    """Ids of the units that the rule was asked of, and what it says of each; needs the facts of one window."""
    ids = [unit.id for unit in facts.units if is_comparable(facts.exposures[unit.id])]
    return ids, watch_rule(
        np.array([len(facts.own_faults(unit_id)) for unit_id in ids], dtype=np.int64),
        np.array([facts.exposures[unit_id].days for unit_id in ids], dtype=np.float64),
    )


def is_long_enough(exposure: Exposure) -> bool:
    """Whether the watch-list judges a unit that was watched so long."""
    return exposure.days >= LEAST_DAYS
