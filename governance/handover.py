"""What one committee hands over to the next: the units of a compound with all that happened to them, without names.

Who reported, repaired or signed is left out, and so is what they wrote: the cases stay, the people do not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.fault_cause import TicketCause
from alerts.ticket import Ticket
from alerts.ticket_record import TicketCost
from registry.service_record import ServiceRecord
from registry.site import Site
from registry.unit import Unit

ROWS_AT_ONCE = 1_000
Cell = str | int | None
Moment = Callable[[int | None], str]
"""Tells epoch ms at the site, nothing for None."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of the handover; its rows are read while they are written."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[Cell, ...]]


def handover_sheets(session: Session, site: Site, *, moment: Moment) -> Iterator[Sheet]:
    """In one consistent state of the database, the caller's transaction."""
    yield Sheet(
        "units",
        ("unit", "kind", "name", "building", "make", "installed_on", "maintainer"),
        _units(session, site),
    )
    yield Sheet(
        "service-records",
        ("unit", "kind", "done_on", "valid_until", "done_by", "cost_fen", "stopped_from", "stopped_until"),
        _services(session, site, moment),
    )
    yield Sheet(
        "tickets",
        ("ticket", "unit", "kind", "case", "title", "severity", "stage", "opened", "closed", "cause", "cost_fen"),
        _tickets(session, site, moment),
    )
    yield Sheet(
        "alarms",
        ("alarm", "unit", "condition", "severity", "raised", "cleared", "ticket"),
        _alarms(session, site, moment),
    )


def _units(session: Session, site: Site) -> Iterator[tuple[Cell, ...]]:
    query = select(Unit.key, Unit.kind, Unit.name, Unit.building, Unit.make, Unit.installed_on, Unit.maintainer).where(
        Unit.site_id == site.id
    )
    for row in session.execute(query.order_by(Unit.id).execution_options(yield_per=ROWS_AT_ONCE)):
        yield tuple(row)


def _services(session: Session, site: Site, moment: Moment) -> Iterator[tuple[Cell, ...]]:
    query = (
        select(ServiceRecord, Unit.key)
        .join(Unit, Unit.id == ServiceRecord.unit_id)
        .where(Unit.site_id == site.id, ServiceRecord.withdrawn_ms.is_(None))
        .order_by(ServiceRecord.id)
    )
    for row, unit in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
        until = row.valid_until.isoformat() if row.valid_until else None
        stop = moment(row.stop_begin_ms), moment(row.stop_end_ms)
        yield (unit, row.kind, row.done_on.isoformat(), until, row.done_by, row.cost_fen, *stop)


def _tickets(session: Session, site: Site, moment: Moment) -> Iterator[tuple[Cell, ...]]:
    cost = select(func.sum(TicketCost.amount_fen)).where(TicketCost.ticket_id == Ticket.id).scalar_subquery()
    query = (
        select(
            Ticket.id,
            Unit.key,
            Ticket.kind,
            Ticket.case,
            Ticket.title,
            Ticket.severity,
            Ticket.stage,
            Ticket.opened_ms,
            Ticket.closed_ms,
            TicketCause.cause,
            cost,
        )
        .outerjoin(Unit, Unit.id == Ticket.unit_id)
        .outerjoin(TicketCause, TicketCause.ticket_id == Ticket.id)
        .where(Ticket.site_id == site.id)
        .order_by(Ticket.id)
    )
    for *head, opened_ms, closed_ms, cause, fen in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
        yield (*head, moment(opened_ms), moment(closed_ms), cause, None if fen is None else int(fen))


def _alarms(session: Session, site: Site, moment: Moment) -> Iterator[tuple[Cell, ...]]:
    query = (
        select(Alarm.id, Unit.key, Alarm.condition, Alarm.severity, Alarm.raised_ms, Alarm.cleared_ms, Alarm.ticket_id)
        .join(Unit, Unit.id == Alarm.unit_id)
        .where(Unit.site_id == site.id)
        .order_by(Alarm.id)
    )
    rows = session.execute(query.execution_options(yield_per=ROWS_AT_ONCE))
    for alarm_id, unit, condition, severity, raised_ms, cleared_ms, ticket_id in rows:
        yield alarm_id, unit, condition, severity, moment(raised_ms), moment(cleared_ms), ticket_id
