"""What the rounds of a span brought to light, in one line for a meeting: done, missed, and the tickets of findings."""

from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from alerts.patrol_record import Outcome, PatrolResult
from alerts.patrol_schedule import PatrolRound, RoundState

MOST_TICKETS = 10


@dataclass(frozen=True, slots=True)
class PatrolFindings:
    """`rounds` ended in the span, `missed` of them were not done in time; `findings` are answers that failed."""

    rounds: int
    missed: int
    findings: int
    ticket_ids: tuple[int, ...]


def patrol_findings(session: Session, site_id: int, *, start_ms: int, end_ms: int) -> PatrolFindings:
    ended = (PatrolRound.site_id == site_id, PatrolRound.ends_ms >= start_ms, PatrolRound.ends_ms < end_ms)
    late = (RoundState.MISSED.value, RoundState.DONE_LATE.value)
    counts = session.execute(
        select(func.count(), func.count().filter(PatrolRound.state.in_(late))).where(
            *ended, PatrolRound.state != RoundState.CANCELLED.value
        )
    ).one()
    failed = (
        select(PatrolResult.ticket_id)
        .join(PatrolRound, PatrolRound.id == PatrolResult.round_id)
        # Of rounds that are under way too: what was found yesterday need not wait for their end.
        .where(
            PatrolRound.site_id == site_id,
            or_(PatrolRound.ends_ms >= start_ms, PatrolRound.state == RoundState.UNDER_WAY.value),
            PatrolResult.outcome == Outcome.FAILED.value,
            PatrolResult.at_ms >= start_ms,
            PatrolResult.at_ms < end_ms,
        )
    )
    tickets = list(session.scalars(failed))
    known = sorted({ticket_id for ticket_id in tickets if ticket_id is not None})
    return PatrolFindings(int(counts[0]), int(counts[1]), len(tickets), tuple(known[:MOST_TICKETS]))
