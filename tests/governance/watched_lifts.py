"""Lifts that were watched for as long as a test says, with faults on the days it says."""

from collections.abc import Sequence

from alerts import incident
from alerts.severity import Severity
from alerts.ticket_stages import Stage, TicketKind
from governance.reliability_report import UnitFacts, list_unit_facts
from models.covered_minutes import WHOLE_HOUR
from models.equipment import Kind
from registry.coverage import put_hours
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.site import add_site, find_site
from registry.unit import add_unit, get_unit

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
NOW_MS = 1_700_006_400_000  # 2023-11-15T00:00:00 UTC, 08:00 in China
ADMIN = Actor("root", (Grant(Role.ADMIN),))
WAY = (Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS, Stage.RESTORED)


def lifts(
    database: Database, *, site: str = "xiaohe", number: int = 1, days: float = 730, name: str = "l"
) -> list[int]:
    """Ids of lifts with data of every minute of the last days."""
    first_h, last_h = round((NOW_MS - days * DAY_MS) / HOUR_MS), NOW_MS // HOUR_MS
    with database.writing() as session:
        place = find_site(session, site) or add_site(session, key=site, now_ms=0)
        found = []
        for place_number in range(1, number + 1):
            unit = add_unit(session, site=place, kind=Kind.ELEVATOR, key=f"{name}{place_number}", now_ms=NOW_MS)
            unit.installed_on = "2009-11-15"
            found.append(unit.id)
        hours = range(first_h, last_h)
        put_hours(session, [{"unit_id": u, "hour": hour, "minutes": WHOLE_HOUR} for u in found for hour in hours])
        return found


def fault(database: Database, path: str, days_ago: float, *, site: str = "xiaohe") -> int:
    """Repaired six minutes after it was opened; gives back its ticket."""
    opened_ms = round(NOW_MS - days_ago * DAY_MS)
    with database.writing() as session:
        unit = get_unit(session, f"{site}~{path}")
        ticket = incident.open_ticket_by_hand(
            session,
            site=unit.site,
            unit=unit,
            kind=TicketKind.FAULT,
            title="It stands",
            severity=Severity.MAJOR,
            description="",
            actor=ADMIN,
            now_ms=opened_ms,
        )
        for step, stage in enumerate(WAY, start=1):
            incident.move_ticket(session, ticket.id, stage, actor=ADMIN, now_ms=opened_ms + step * 60_000)
        return ticket.id


def faults(database: Database, path: str, days_ago: Sequence[float], *, site: str = "xiaohe") -> list[int]:
    return [fault(database, path, days, site=site) for days in days_ago]


def unit_facts(database: Database, *, site: str | None = None) -> list[UnitFacts]:
    with database.reading() as session:
        return list_unit_facts(session, kind=Kind.ELEVATOR, site=site)
