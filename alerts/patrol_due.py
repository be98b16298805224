"""Rounds whose time is over and that were not done: each is found once, and goes up the ladder by a ticket."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import incident
from alerts import ticket as tickets
from alerts.patrol_items import PlanKind
from alerts.patrol_record import record_of
from alerts.patrol_schedule import OPEN_STATES, PatrolRound, RoundState
from alerts.severity import Severity
from alerts.ticket import Ticket
from alerts.ticket_stages import TicketKind
from registry import activity
from registry.activity import Entry
from registry.role import SYSTEM
from registry.site import hold_sites

MISSED_TITLES: Mapping[PlanKind, str] = MappingProxyType(
    {
        PlanKind.LIFT: "Round of lift maintenance not done in its time",
        PlanKind.PUMP_ROOM: "Round of the pump room not done in its time",
        PlanKind.FIRE_POINTS: "Round of the fire points not done in its time",
        PlanKind.COMMON_HAZARDS: "Joint round of common hazards not done in its time",
    }
)
MISSED_SEVERITY: Mapping[PlanKind, Severity] = MappingProxyType(
    {
        PlanKind.LIFT: Severity.MAJOR,
        PlanKind.PUMP_ROOM: Severity.MINOR,
        PlanKind.FIRE_POINTS: Severity.MINOR,
        PlanKind.COMMON_HAZARDS: Severity.MINOR,
    }
)
_OPEN = [state.value for state in OPEN_STATES]


def sites_with_missed(session: Session, *, now_ms: int) -> list[int]:
    query = select(PatrolRound.site_id).where(PatrolRound.state.in_(_OPEN), PatrolRound.ends_ms <= now_ms)
    return sorted(session.scalars(query.distinct()))


def mark_missed(session: Session, site_id: int, *, now_ms: int) -> list[PatrolRound]:
    """Rounds of a site whose time is over by now; what of a plan is still open is noted on its one ticket.

    A round that leads nowhere is cancelled: its plan has no checkpoint yet.
    """
    hold_sites(session, [site_id])
    query = (
        select(PatrolRound)
        .where(PatrolRound.site_id == site_id, PatrolRound.state.in_(_OPEN), PatrolRound.ends_ms <= now_ms)
        .order_by(PatrolRound.ends_ms, PatrolRound.id)
        .with_for_update(of=PatrolRound)
        .execution_options(populate_existing=True)
    )
    entries: list[Entry] = []
    missed = []
    for patrol in session.scalars(query).all():
        record = record_of(session, patrol)
        if not record.stops:
            patrol.state = RoundState.CANCELLED.value
            continue
        patrol.missed_ms, patrol.state = now_ms, RoundState.MISSED.value
        facts = {
            "plan": patrol.plan.name,
            "kind": patrol.kind,
            "day": patrol.day.isoformat(),
            "done": record.done,
            "of": record.slots,
        }
        ticket, entry = _ticket(session, patrol, facts, now_ms=now_ms)
        patrol.missed_ticket_id = ticket.id
        told = {"ticket_id": ticket.id, **facts}
        entries += [Entry("patrol.missed", patrol.subject, site=patrol.site.key, data=told), entry]
        missed.append(patrol)
    session.flush()
    if entries:
        activity.append(session, entries, now_ms=now_ms)
    return missed


def _ticket(session: Session, patrol: PatrolRound, facts: dict[str, Any], *, now_ms: int) -> tuple[Ticket, Entry]:
    case = f"missed_round:{patrol.plan_id}"
    data = {"patrol": patrol.id, **facts}
    ticket = tickets.find_joint_ticket(session, patrol.site_id, case, since_ms=0)
    if ticket is not None:
        ticket.updated_ms = now_ms
        return ticket, incident.ticket_entry(ticket, "ticket.found_again", SYSTEM, data)
    kind = PlanKind(patrol.plan.kind)
    ticket = tickets.open_ticket(
        session,
        site=patrol.site,
        unit=None,
        kind=TicketKind.INSPECTION,
        title=MISSED_TITLES[kind],
        severity=MISSED_SEVERITY[kind],
        case=case,
        description=f"{patrol.plan.name} · {patrol.day.isoformat()} · {facts['done']}/{facts['of']}",
        opened_by=SYSTEM.name,
        now_ms=now_ms,
    )
    return ticket, incident.ticket_entry(ticket, "ticket.opened", SYSTEM, data)


def rounds_of_ticket(session: Session, ticket_id: int) -> list[PatrolRound]:
    """Missed rounds that stand in that ticket."""
    query = select(PatrolRound).where(PatrolRound.missed_ticket_id == ticket_id)
    return list(session.scalars(query.order_by(PatrolRound.ends_ms)))
