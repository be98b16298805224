"""Dates that the law sets for lifts: counted down, and escalated on the last day that the law allows.

What was done stands in the register's service records, which many hands write. `StatutoryDate` is only an agenda: what
it says is compared with the records before anything is raised, so that a record entered elsewhere counts at once.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import BigInteger, Date, ForeignKey, Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts import incident
from alerts import ticket as tickets
from alerts.patrol_items import LONGEST_MAINTENANCE_DAYS
from alerts.severity import Severity
from alerts.ticket import Ticket
from alerts.ticket_stages import TicketKind
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.calendar import at_minute, local_day
from registry.database import BigId, Table, portions
from registry.role import SYSTEM, Actor
from registry.service_record import (
    MAX_BY_LENGTH,
    Service,
    ServiceKind,
    ServiceRecord,
    add_service_record,
    latest_service,
    withdraw_service_record,
)
from registry.site import Site, hold_sites
from registry.unit import Unit

RAISED_AT_MIN = 20 * 60
"""On its last permitted day: after the day's rounds, before the night [P]."""
NAMED_UNITS = 60


class Duty(StrEnum):
    MAINTENANCE = "maintenance"
    """At least every 15 days [S]."""
    INSPECTION_APPLICATION = "inspection_application"
    """One month before the inspection expires [S]."""
    INSPECTION = "inspection"


OVERDUE_TITLES: Mapping[Duty, str] = MappingProxyType(
    {
        Duty.MAINTENANCE: "Lift maintenance: the 15 days end today and it was not done",
        Duty.INSPECTION_APPLICATION: "Lift inspection: not applied for, a month before it expires",
        Duty.INSPECTION: "Lift inspection expires today: the lift must not be used without one",
    }
)


class StatutoryDate(Table):
    """The next date of a duty of a unit. `raised_ms` is when it was escalated, with the ticket that carries it."""

    __tablename__ = "statutory_date"
    __table_args__ = (Index("ix_statutory_date_due", "raised_ms", "due_ms"),)

    unit_id: Mapped[int] = mapped_column(BigId, ForeignKey("unit.id"), primary_key=True, autoincrement=False)
    duty: Mapped[str] = mapped_column(String(24), primary_key=True)
    since_on: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date)
    due_ms: Mapped[int] = mapped_column(BigInteger)
    raised_ms: Mapped[int | None] = mapped_column(BigInteger)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))


class InspectionApplication(Table):
    """That the inspection which follows the one valid until that day was applied for."""

    __tablename__ = "inspection_application"
    __table_args__ = (UniqueConstraint("unit_id", "valid_until"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    valid_until: Mapped[date] = mapped_column(Date)
    applied_on: Mapped[date] = mapped_column(Date)
    actor: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Due:
    """What the law asks for next. `since` is the day it counts from; `is_recorded` says that a record shows that day.

    Without a record it counts from the day on which the unit was registered: nobody knows better.
    """

    unit_id: int
    duty: Duty
    since: date
    due_on: date
    is_recorded: bool

    def days_left(self, today: date) -> int:
        """0 on the last day, negative when it is exceeded."""
        return (self.due_on - today).days


def month_before(day: date) -> date:
    year, month = (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def dues_of(session: Session, units: Collection[Unit]) -> dict[int, list[Due]]:
    """By lift, from the service records, in the order of `Duty`. An inspection nobody entered has no date."""
    lifts = [unit for unit in units if unit.kind == Kind.ELEVATOR]
    ids = [unit.id for unit in lifts]
    latest = latest_service(session, ids)
    applied: set[tuple[int, date]] = set()
    for portion in portions(ids):
        query = select(InspectionApplication.unit_id, InspectionApplication.valid_until)
        applied |= {
            (row[0], row[1]) for row in session.execute(query.where(InspectionApplication.unit_id.in_(portion)))
        }
    return {unit.id: _dues(unit, latest.get(unit.id, {}), applied) for unit in lifts}


def _dues(unit: Unit, latest: Mapping[ServiceKind, ServiceRecord], applied: set[tuple[int, date]]) -> list[Due]:
    maintenance = latest.get(ServiceKind.MAINTENANCE)
    since = maintenance.done_on if maintenance else local_day(unit.created_ms, timezone=unit.site.timezone)
    due_on = since + timedelta(days=LONGEST_MAINTENANCE_DAYS)
    found = [Due(unit.id, Duty.MAINTENANCE, since, due_on, is_recorded=maintenance is not None)]
    inspection = latest.get(ServiceKind.INSPECTION)
    if inspection is not None and inspection.valid_until is not None:
        until = inspection.valid_until
        if (unit.id, until) not in applied:
            before = month_before(until)
            found.append(Due(unit.id, Duty.INSPECTION_APPLICATION, inspection.done_on, before, is_recorded=True))
        found.append(Due(unit.id, Duty.INSPECTION, inspection.done_on, until, is_recorded=True))
    return found


def refresh(session: Session, units: Collection[Unit]) -> int:
    """Brings the agenda of these units in line with the records; returns how many dates changed."""
    dues = dues_of(session, units)
    zones = {unit.id: unit.site.timezone for unit in units}
    kept: dict[tuple[int, str], StatutoryDate] = {}
    for portion in portions(list(dues)):
        for row in session.scalars(select(StatutoryDate).where(StatutoryDate.unit_id.in_(portion))):
            kept[row.unit_id, row.duty] = row
    changed = 0
    for unit_id, each in dues.items():
        for due in each:
            known = kept.pop((unit_id, due.duty.value), None)
            due_ms = at_minute(due.due_on, RAISED_AT_MIN, timezone=zones[unit_id])
            if known is None:
                session.add(
                    StatutoryDate(
                        unit_id=unit_id, duty=due.duty.value, since_on=due.since, due_on=due.due_on, due_ms=due_ms
                    )
                )
            elif known.due_on != due.due_on:
                known.since_on, known.due_on, known.due_ms = due.since, due.due_on, due_ms
                known.raised_ms = known.ticket_id = None
            else:
                continue
            changed += 1
    for row in kept.values():
        # Applied for, or the record that it came from was withdrawn.
        session.delete(row)
        changed += 1
    session.flush()
    return changed


def sites_with_due(session: Session, *, now_ms: int) -> list[int]:
    """Where something is to be raised, as far as the agenda knows."""
    query = (
        select(Unit.site_id)
        .join(StatutoryDate, StatutoryDate.unit_id == Unit.id)
        .where(StatutoryDate.raised_ms.is_(None), StatutoryDate.due_ms <= now_ms)
        .distinct()
    )
    return sorted(session.scalars(query))


def raise_due(session: Session, site_id: int, *, now_ms: int) -> int:
    """Escalates what is due at a site by now, each date once; returns how many that were.

    Units whose date is the same day share a ticket, which goes up the ladder as any other does.
    """
    hold_sites(session, [site_id])
    site = session.get_one(Site, site_id)
    pending = (
        select(StatutoryDate, Unit)
        .join(Unit, Unit.id == StatutoryDate.unit_id)
        .where(Unit.site_id == site_id, StatutoryDate.raised_ms.is_(None), StatutoryDate.due_ms <= now_ms)
        .order_by(StatutoryDate.due_on, StatutoryDate.duty, Unit.building, Unit.key)
    )
    refresh(session, {unit.id: unit for _, unit in session.execute(pending)}.values())
    groups: defaultdict[tuple[Duty, date], list[tuple[StatutoryDate, Unit]]] = defaultdict(list)
    for row, unit in session.execute(pending):
        groups[Duty(row.duty), row.due_on].append((row, unit))
    entries: list[Entry] = []
    for (duty, due_on), members in groups.items():
        units = [unit for _, unit in members]
        ticket, entry = _ticket(session, site, duty, due_on, units, now_ms=now_ms)
        entries.append(entry)
        for row, unit in members:
            row.raised_ms, row.ticket_id = now_ms, ticket.id
            data = {"duty": duty.value, "due_on": due_on.isoformat(), "ticket_id": ticket.id}
            entries.append(Entry("statutory.overdue", f"unit:{unit.id}", site=site.key, unit_id=unit.id, data=data))
    if entries:
        activity.append(session, entries, now_ms=now_ms)
    return sum(len(members) for members in groups.values())


def _ticket(
    session: Session, site: Site, duty: Duty, due_on: date, units: Sequence[Unit], *, now_ms: int
) -> tuple[Ticket, Entry]:
    case = f"statutory:{duty.value}:{due_on.isoformat()}"
    unit = units[0] if len(units) == 1 else None
    if unit is not None:
        found = tickets.find_open_ticket(session, unit.id, case)
    else:
        found = tickets.find_joint_ticket(session, site.id, case, since_ms=0)
    named = "\n".join(" · ".join(filter(None, (each.building, each.name))) for each in units[:NAMED_UNITS])
    data = {"duty": duty.value, "due_on": due_on.isoformat(), "units": len(units)}
    if found is not None:
        return found, incident.ticket_entry(found, "ticket.found_again", SYSTEM, data)
    ticket = tickets.open_ticket(
        session,
        site=site,
        unit=unit,
        kind=TicketKind.INSPECTION,
        title=OVERDUE_TITLES[duty],
        severity=Severity.MAJOR,
        case=case,
        description=named if unit is None else "",
        opened_by=SYSTEM.name,
        now_ms=now_ms,
    )
    return ticket, incident.ticket_entry(ticket, "ticket.opened", SYSTEM, data)


def maintained(
    session: Session,
    unit: Unit,
    *,
    done_on: date,
    by: str,
    patrol_id: int,
    record_id: int | None,
    actor: Actor,
    now_ms: int,
) -> int:
    """Writes the service record of a maintenance that a round has completed; returns its id.

    When an answer that came later says that it was another day or somebody else, the former record is withdrawn.
    """
    if record_id is not None:
        former = session.get_one(ServiceRecord, record_id)
        if (former.done_on, former.done_by) == (done_on, by[:MAX_BY_LENGTH]):
            return record_id
        withdraw_service_record(session, unit, record_id, actor=actor, now_ms=now_ms)
    service = Service(kind=ServiceKind.MAINTENANCE, done_on=done_on, done_by=by[:MAX_BY_LENGTH], note=f"#{patrol_id}")
    record = add_service_record(session, unit, service, actor=actor, now_ms=now_ms)
    refresh(session, [unit])
    return record.id


def note_application(session: Session, unit: Unit, *, actor: Actor, now_ms: int) -> bool:
    """Notes that the next inspection was applied for; whether there was one to apply for that nobody had noted."""
    due = next((due for due in dues_of(session, [unit]).get(unit.id, ()) if due.duty is Duty.INSPECTION), None)
    if due is None:
        return False
    query = select(InspectionApplication.id).where(
        InspectionApplication.unit_id == unit.id, InspectionApplication.valid_until == due.due_on
    )
    if session.scalar(query) is not None:
        return False
    applied_on = local_day(now_ms, timezone=unit.site.timezone)
    session.add(
        InspectionApplication(
            unit_id=unit.id, valid_until=due.due_on, applied_on=applied_on, actor=actor.name, at_ms=now_ms
        )
    )
    session.flush()
    refresh(session, [unit])
    data = {"valid_until": due.due_on.isoformat()}
    entry = Entry(
        "statutory.applied", f"unit:{unit.id}", actor=actor.name, site=unit.site.key, unit_id=unit.id, data=data
    )
    activity.append(session, [entry], now_ms=now_ms)
    return True


def lift_ids(session: Session) -> list[int]:
    return list(session.scalars(select(Unit.id).where(Unit.kind == Kind.ELEVATOR.value).order_by(Unit.id)))


def raised_tickets(session: Session, unit_ids: Iterable[int]) -> dict[tuple[int, Duty], int]:
    """Tickets in which overdue dates were escalated, by unit and duty."""
    found: dict[tuple[int, Duty], int] = {}
    for portion in portions(list(unit_ids)):
        query = select(StatutoryDate.unit_id, StatutoryDate.duty, StatutoryDate.ticket_id)
        for unit_id, duty, ticket_id in session.execute(query.where(StatutoryDate.unit_id.in_(portion))):
            if ticket_id is not None:
                found[unit_id, Duty(duty)] = ticket_id
    return found
