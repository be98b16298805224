"""Units whose faults come again, and units that are fault-prone now and were not before; for a meeting to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from governance.reliability_report import WINDOW_MS, Facts, UnitFacts, gather, watch_rule_of
from models.equipment import Kind

DAY_MS = 86_400_000
RECENT_DAYS = 60
"""[P] So far back a fault that came again is still news."""
FEWEST_FAULTS = 2


@dataclass(frozen=True, slots=True)
class Repeater:
    """A unit that was repaired and failed of the same again; `sources` are the records of those faults."""

    unit: UnitFacts
    faults: int
    """In the last year."""
    repeats: int
    """Of these in the recent days."""
    sources: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewlyProne:
    """A unit above the highest tenth of its peers that was not there at the moment it is compared with."""

    unit: UnitFacts
    faults: int
    rate_low: float
    quantile_per_year: float


def yearly_facts(session: Session, *, kind: Kind, site: str, now_ms: int) -> Facts:
    return gather(session, kind=kind, site=site, start_ms=now_ms - WINDOW_MS, end_ms=now_ms)


def repeaters(facts: Facts) -> list[Repeater]:
    """Most repeated first."""
    since_ms = facts.end_ms - RECENT_DAYS * DAY_MS
    found = []
    for unit in facts.units:
        begun = facts.begun_within(unit.id)
        if len(begun) < FEWEST_FAULTS or max(fault.began_ms for fault in begun) < since_ms:
            continue
        recent = {fault.source for fault in begun if fault.began_ms >= since_ms}
        again = [source for source in facts.of([unit]).repeats if source in recent]
        if again:
            found.append(Repeater(unit, len(begun), len(again), again))
    return sorted(found, key=lambda each: (-each.repeats, -each.faults, each.unit.id))


def newly_prone(before: Facts, now: Facts) -> list[NewlyProne]:
    """The highest lower bound first; empty where there are too few peers to judge anybody."""
    ids, rule = watch_rule_of(now)
    if rule.quantile_per_year is None:
        return []
    ids_before, rule_before = watch_rule_of(before)
    were = {unit_id for unit_id, is_above in zip(ids_before, rule_before.is_above, strict=True) if is_above}
    units = {unit.id: unit for unit in now.units}
    found = [
        NewlyProne(units[unit_id], len(now.begun_within(unit_id)), float(rule.rate_low[place]), rule.quantile_per_year)
        for place, unit_id in enumerate(ids)
        if rule.is_above[place] and unit_id not in were
    ]
    return sorted(found, key=lambda each: -each.rate_low)
