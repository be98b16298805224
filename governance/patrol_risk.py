"""The combined risk of units for the planning of patrols: where to look first, and why.

Units are compared with the others of their kind in their own compound: a patrol of one compound is to be planned.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.conditions import ANOMALY
from governance.reliability_report import WINDOW_MS, Facts, UnitFacts, gather, is_comparable
from governance.service_facts import ServiceFacts, service_facts
from models.equipment import Kind
from models.fault_statistics import MS_PER_DAY, Exposure
from models.patrol_risk import Risk, Signs, aged_counts, patrol_risks
from registry.database import portions
from registry.site import DEFAULT_TIMEZONE

ANOMALIES_WITHIN_MS = 90 * MS_PER_DAY


LIKELY_TIMES_PEERS = 2.0
"""[P] From here on a unit is proposed for the next round: twice the faults to be expected of its peers."""
MOST_PROPOSED = 3
"""[P] So many of a kind in a compound: a round that looks closely at everything looks closely at nothing."""


@dataclass(frozen=True, slots=True)
class UnitRisk:
    """`sources` are the faults of the last year that it counts, `anomalies` the alarms of models."""

    unit: UnitFacts
    risk: Risk
    signs: Signs
    exposure: Exposure
    sources: tuple[str, ...]
    anomalies: tuple[str, ...]

    @property
    def is_proposed(self) -> bool:
        return self.risk.times_peers >= LIKELY_TIMES_PEERS


@dataclass(frozen=True, slots=True)
class RiskOrder:
    """Units of a kind in a compound, those with the highest risk first; of `not_judged` too little is known."""

    risks: Sequence[UnitRisk] = ()
    not_judged: Sequence[UnitFacts] = field(default=())

    @property
    def proposed(self) -> Sequence[UnitRisk]:
        """Those to be put on the next round."""
        return [each for each in self.risks if each.is_proposed][:MOST_PROPOSED]


def unit_risks(session: Session, *, kind: Kind, site: str, now_ms: int) -> RiskOrder:
    """Of the units of a kind in a compound, by the faults of the last year and what else is known now."""
    facts = gather(session, kind=kind, site=site, start_ms=now_ms - WINDOW_MS, end_ms=now_ms)
    return risks_by_site(session, facts).get(site, RiskOrder())


def risks_by_site(session: Session, facts: Facts) -> dict[str, RiskOrder]:
    """By compound, from the facts of the year that ends now."""
    units = [unit for unit in facts.units if is_comparable(facts.exposures[unit.id])]
    zone = ZoneInfo(units[0].zone if units else DEFAULT_TIMEZONE)
    today = datetime.fromtimestamp(facts.end_ms / 1000, UTC).astimezone(zone).date()
    service = service_facts(session, units, as_of=today)
    since_ms = facts.end_ms - ANOMALIES_WITHIN_MS
    anomalies = _anomalies(session, [unit.id for unit in units], since_ms=since_ms, now_ms=facts.end_ms)
    judged: dict[str, list[UnitFacts]] = defaultdict(list)
    for unit in units:
        judged[unit.site_key].append(unit)
    not_judged: dict[str, list[UnitFacts]] = defaultdict(list)
    for unit in facts.units:
        if not is_comparable(facts.exposures[unit.id]):
            not_judged[unit.site_key].append(unit)
    return {
        site: RiskOrder(_ordered(facts, judged.get(site, ()), service, anomalies), not_judged.get(site, ()))
        for site in {*judged, *not_judged}
    }


def _ordered(
    facts: Facts,
    units: Sequence[UnitFacts],
    service: Mapping[int, ServiceFacts],
    anomalies: Mapping[int, Sequence[str]],
) -> list[UnitRisk]:
    if not units:
        return []
    own = [facts.own_faults(unit.id) for unit in units]
    ages = [np.array([(facts.end_ms - fault.began_ms) / MS_PER_DAY for fault in faults]) for faults in own]
    exposures = [facts.exposures[unit.id] for unit in units]
    counts, exposure_days = aged_counts(ages, np.array([each.days for each in exposures]))
    signs = [
        Signs(
            anomalies=len(anomalies.get(unit.id, ())),
            age_years=service[unit.id].age_years,
            maintenance_late_days=service[unit.id].maintenance_late_days,
            is_inspection_expired=service[unit.id].is_inspection_overdue,
        )
        for unit in units
    ]
    found = [
        UnitRisk(
            unit=unit,
            risk=risk,
            signs=sign,
            exposure=exposure,
            sources=tuple(fault.source for fault in faults),
            anomalies=tuple(anomalies.get(unit.id, ())),
        )
        for unit, risk, sign, exposure, faults in zip(
            units, patrol_risks(counts, exposure_days, signs), signs, exposures, own, strict=True
        )
    ]
    return sorted(found, key=lambda each: (-each.risk.expected, each.unit.id))


def _anomalies(session: Session, unit_ids: Sequence[int], *, since_ms: int, now_ms: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for some in portions(unit_ids):
        query = select(Alarm.unit_id, Alarm.id).where(
            Alarm.unit_id.in_(some), Alarm.condition == ANOMALY, Alarm.raised_ms.between(since_ms, now_ms)
        )
        for unit_id, alarm_id in session.execute(query.order_by(Alarm.id)):
            found[unit_id].append(f"alarm:{alarm_id}")
    return found
