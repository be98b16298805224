"""The facts behind the service half: tickets answered, not come again and verified, rounds made, owners' ratings."""

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.deadlines import Deadline, Goal, Matter, due_of, matter_of
from alerts.due_action import deadlines_of
from alerts.measured import measure
from alerts.patrol_schedule import PatrolRound, RoundState
from alerts.rating import ratings_between
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove
from alerts.ticket_stages import Stage
from governance.appraisal_rule import RULE, ComponentKey, Record, RecordKind, Rule, Scored, score_component
from registry.calendar import hours_of
from registry.database import portions
from registry.site import Site

DAY_MS = 86_400_000
_REPAIRED = frozenset({Stage.RESTORED, Stage.VERIFIED, Stage.CLOSED})


def scored_components(
    session: Session, site: Site, *, start_ms: int, end_ms: int, now_ms: int, rule: Rule = RULE
) -> list[Scored]:
    """Each component of the service half, with the records it rests on, by what is in the database now."""
    tickets = _tickets(session, site.id, start_ms=start_ms, end_ms=end_ms)
    moves = _moves(session, [ticket.id for ticket in tickets])
    records = {
        ComponentKey.RESPONSE: _answered(session, site, tickets, moves, now_ms=now_ms),
        ComponentKey.RECURRENCE: _not_come_again(session, tickets, rule=rule),
        ComponentKey.PATROLS: _rounds(session, site.id, start_ms=start_ms, end_ms=min(end_ms, now_ms)),
        ComponentKey.VERIFIED: _verified(tickets, moves),
        ComponentKey.RATINGS: [
            Record(RecordKind.TICKET, rating.ticket_id, rating.stars)
            for rating in ratings_between(session, site.id, start_ms=start_ms, end_ms=end_ms)
        ],
    }
    return [score_component(component, records[component.key]) for component in rule.components]


def _tickets(session: Session, site_id: int, *, start_ms: int, end_ms: int) -> list[Ticket]:
    """Of the period, by their opening; what was cancelled (a duplicate, a mistake) is none."""
    query = select(Ticket).where(
        Ticket.site_id == site_id,
        Ticket.opened_ms >= start_ms,
        Ticket.opened_ms < end_ms,
        Ticket.stage != Stage.CANCELLED.value,
    )
    return list(session.scalars(query.order_by(Ticket.id)))


def _moves(session: Session, ticket_ids: list[int]) -> dict[int, list[TicketMove]]:
    found: defaultdict[int, list[TicketMove]] = defaultdict(list)
    for some in portions(ticket_ids):
        query = select(TicketMove).where(TicketMove.ticket_id.in_(some)).order_by(TicketMove.id)
        for move in session.scalars(query):
            found[move.ticket_id].append(move)
    return found


def _answered(
    session: Session, site: Site, tickets: list[Ticket], moves: dict[int, list[TicketMove]], *, now_ms: int
) -> list[Record]:
    """Taken up within the deadline of the compound; what is not due yet is no fact yet."""
    hours = hours_of(session, site)
    goals: dict[Matter, Deadline | None] = {}
    records = []
    for ticket in tickets:
        matter = matter_of(ticket.case, Severity(ticket.severity))
        if matter not in goals:
            found = deadlines_of(session, site.id, matter)
            goals[matter] = next((each for each in found if each.goal is Goal.RESPONSE), None)
        deadline = goals[matter]
        if deadline is None:
            continue
        due_ms = due_of(deadline, start_ms=ticket.opened_ms, hours=hours)
        took_ms = measure(moves[ticket.id]).response_ms
        if took_ms is None and due_ms > now_ms:
            continue
        is_in_time = took_ms is not None and ticket.opened_ms + took_ms <= due_ms
        records.append(Record(RecordKind.TICKET, ticket.id, int(is_in_time)))
    return records


def _not_come_again(session: Session, tickets: list[Ticket], *, rule: Rule) -> list[Record]:
    """Closed cases of units: whether the same case of the same unit came again within the days of the rule."""
    closed = [ticket for ticket in tickets if ticket.unit_id is not None and ticket.case and ticket.closed_ms]
    openings: defaultdict[tuple[int | None, str], list[int]] = defaultdict(list)
    for some in portions({ticket.unit_id for ticket in closed if ticket.unit_id is not None}):
        query = select(Ticket.unit_id, Ticket.case, Ticket.opened_ms).where(
            Ticket.unit_id.in_(some), Ticket.stage != Stage.CANCELLED.value
        )
        for unit_id, case, opened_ms in session.execute(query):
            openings[unit_id, case].append(opened_ms)
    span_ms = rule.recurrence_days * DAY_MS
    return [
        Record(
            RecordKind.TICKET,
            ticket.id,
            int(
                not any(
                    (ticket.closed_ms or 0) < opened_ms <= (ticket.closed_ms or 0) + span_ms
                    for opened_ms in openings[ticket.unit_id, ticket.case]
                )
            ),
        )
        for ticket in closed
    ]


def _rounds(session: Session, site_id: int, *, start_ms: int, end_ms: int) -> list[Record]:
    """Rounds whose window ended in the period: made in time, or not."""
    query = select(PatrolRound.id, PatrolRound.state).where(
        PatrolRound.site_id == site_id,
        PatrolRound.ends_ms >= start_ms,
        PatrolRound.ends_ms < end_ms,
        PatrolRound.state != RoundState.CANCELLED.value,
    )
    return [
        Record(RecordKind.PATROL, round_id, int(state == RoundState.DONE))
        for round_id, state in session.execute(query.order_by(PatrolRound.id))
    ]


def _verified(tickets: list[Ticket], moves: dict[int, list[TicketMove]]) -> list[Record]:
    """Repaired cases: verified by another party than the one that repaired, and nobody stood in for it."""
    records = []
    for ticket in tickets:
        if Stage(ticket.stage) not in _REPAIRED:
            continue
        signed = any(
            move.to_stage == Stage.VERIFIED and not move.stands_in and move.party != ticket.restored_party
            for move in moves[ticket.id]
        )
        records.append(Record(RecordKind.TICKET, ticket.id, int(signed)))
    return records
