"""How old units are, what was done to them last and what is overdue; and what they cost by the year."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.ticket import Ticket
from alerts.ticket_record import TicketCost
from alerts.ticket_stages import Stage
from governance.reliability_report import UnitFacts
from registry.database import portions
from registry.service_record import ServiceKind, ServiceRecord, latest_service, records_of_units

DAYS_PER_YEAR = 365.25
MAINTENANCE_EVERY_DAYS = 15
"""[S] Lifts: at least every fifteen days (Special equipment rules TSG T5002-2017)."""
INSPECTION_APPLIED_BEFORE_DAYS = 30
"""[S] Inspection is applied for one month before the last one expires."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What is known on a day; None where nothing was recorded. `new_since` is when it was installed or replaced."""

    new_since: date | None
    age_years: float | None
    last_maintenance: date | None
    last_overhaul: date | None
    last_inspection: date | None
    inspection_valid_until: date | None
    maintenance_late_days: int | None
    """Days beyond the longest pause between two maintenances; 0 when in time, None when none was ever recorded."""
    is_inspection_overdue: bool
    is_inspection_due_soon: bool


def service_facts(session: Session, units: Iterable[UnitFacts], *, as_of: date) -> dict[int, ServiceFacts]:
    """By unit id, for as many units as you like."""
    known = {unit.id: unit for unit in units}
    done = latest_service(session, known, as_of=as_of)
    return {unit_id: _facts(unit, done.get(unit_id, {}), as_of=as_of) for unit_id, unit in known.items()}


def _facts(unit: UnitFacts, done: Mapping[ServiceKind, ServiceRecord], *, as_of: date) -> ServiceFacts:
    def day_of(kind: ServiceKind) -> date | None:
        return done[kind].done_on if kind in done else None

    installed = date.fromisoformat(unit.installed_on) if unit.installed_on else None
    new_since = day_of(ServiceKind.REPLACEMENT) or installed
    maintained = day_of(ServiceKind.MAINTENANCE)
    inspection = done.get(ServiceKind.INSPECTION)
    valid_until = inspection.valid_until if inspection is not None else None
    return ServiceFacts(
        new_since=new_since,
        age_years=None if new_since is None else max(0.0, (as_of - new_since).days / DAYS_PER_YEAR),
        last_maintenance=maintained,
        last_overhaul=day_of(ServiceKind.OVERHAUL),
        last_inspection=day_of(ServiceKind.INSPECTION),
        inspection_valid_until=valid_until,
        maintenance_late_days=None
        if maintained is None
        else max(0, (as_of - maintained).days - MAINTENANCE_EVERY_DAYS),
        is_inspection_overdue=valid_until is not None and valid_until < as_of,
        is_inspection_due_soon=valid_until is not None
        and 0 <= (valid_until - as_of).days <= INSPECTION_APPLIED_BEFORE_DAYS,
    )


@dataclass(frozen=True, slots=True)
class YearCost:
    """Fen of one calendar year: of tickets (repairs) and of recorded work (maintenance, overhauls …)."""

    year: int
    repairs_fen: int
    service_fen: int

    @property
    def total_fen(self) -> int:
        return self.repairs_fen + self.service_fen


def costs_by_year(session: Session, unit_ids: Collection[int], *, zone: str) -> list[YearCost]:
    """All years in which something was written down, in their order; a cost counts in the year of its entry.

    What was written on a ticket that was cancelled is left out, as its fault is.
    """
    repairs: dict[int, int] = defaultdict(int)
    service: dict[int, int] = defaultdict(int)
    for some in portions(unit_ids):
        query = (
            select(TicketCost.at_ms, TicketCost.amount_fen)
            .join(Ticket, Ticket.id == TicketCost.ticket_id)
            .where(Ticket.unit_id.in_(some), Ticket.stage != Stage.CANCELLED.value)
        )
        for at_ms, amount_fen in session.execute(query):
            repairs[datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)).year] += amount_fen
    for records in records_of_units(session, unit_ids).values():
        for record in records:
            if record.cost_fen:
                service[record.done_on.year] += record.cost_fen
    return [YearCost(year, repairs[year], service[year]) for year in sorted({*repairs, *service})]
