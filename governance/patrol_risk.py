"""The combined risk of units for the planning of patrols: where to look first, and why."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.conditions import ANOMALY
from governance.reliability_report import WINDOW_MS, UnitFacts, gather, is_comparable
from governance.service_facts import service_facts
from models.equipment import Kind
from models.fault_statistics import MS_PER_DAY
from models.patrol_risk import Risk, Signs, aged_counts, patrol_risks
from registry.database import portions
from registry.site import DEFAULT_TIMEZONE

ANOMALIES_WITHIN_MS = 90 * MS_PER_DAY


@dataclass(frozen=True, slots=True)
class UnitRisk:
    """`sources` are the faults of the last year that it counts, `anomalies` the alarms of models."""

    unit: UnitFacts
    risk: Risk
    signs: Signs
    sources: tuple[str, ...]
    anomalies: tuple[str, ...]


def unit_risks(
    session: Session, *, kind: Kind, site: str | None = None, visible: Collection[str] | None = None, now_ms: int
) -> list[UnitRisk]:
    """Units of a kind, of one compound or of all that may be seen, those with the highest risk first.

    Units of which too little is known to compare them are absent: nothing is made up for them.
    """
    facts = gather(session, kind=kind, site=site, visible=visible, start_ms=now_ms - WINDOW_MS, end_ms=now_ms)
    units = [unit for unit in facts.units if is_comparable(facts.exposures[unit.id])]
    if not units:
        return []
    zone = ZoneInfo(units[0].zone or DEFAULT_TIMEZONE)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    service = service_facts(session, units, as_of=today)
    anomalies = _anomalies(session, [unit.id for unit in units], since_ms=now_ms - ANOMALIES_WITHIN_MS, now_ms=now_ms)
    own = [facts.own_faults(unit.id) for unit in units]
    ages = [np.array([(now_ms - fault.began_ms) / MS_PER_DAY for fault in faults]) for faults in own]
    counts, exposure = aged_counts(ages, np.array([facts.exposures[unit.id].days for unit in units]))
    signs = [
        Signs(
            anomalies=len(anomalies[unit.id]),
            age_years=service[unit.id].age_years,
            maintenance_late_days=service[unit.id].maintenance_late_days,
            is_inspection_expired=service[unit.id].is_inspection_overdue,
        )
        for unit in units
    ]
    found = [
        UnitRisk(unit, risk, sign, tuple(fault.source for fault in faults), tuple(anomalies[unit.id]))
        for unit, risk, sign, faults in zip(units, patrol_risks(counts, exposure, signs), signs, own, strict=True)
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
