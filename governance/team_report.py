"""What an action team's work did to the units it was about, and where a team is suggested; figures, not praise.

Units that get a team were chosen because they were bad, and improve somewhat by chance alone: the figures say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from alerts.action_team import ActionTeam, teams_about, tickets_of, units_of
from alerts.hard_case import Hardness, hard_cases
from alerts.ticket import Ticket
from alerts.ticket_stages import FINAL_STAGES, Stage
from governance.reliability_report import gather
from governance.repeated_faults import Repeater, repeaters, yearly_facts
from models.equipment import Kind
from models.reliability import change_of_rate
from registry.site import Site

DAY_MS = 86_400_000
BEFORE_DAYS = 365
"""[P] What the work is compared with: the year before the team was formed."""
LEAST_REPEATS = 2
"""[P] A unit that failed again so often within two months is a case for a team."""
BLOCKED_LONG_DAYS = 30
"""[P] A ticket that has been on hold for so long is one."""
MOST_SUGGESTED = 10


def figures_of(session: Session, team: ActionTeam, *, since_ms: int | None = None, now_ms: int) -> dict[str, Any]:
    """The team's units before it was formed and after `since_ms` (the day the work was done; else since it was
    formed), and how many of its tickets have ended. JSON values; `change` is None where nothing can be compared.
    """
    since_ms = max(team.formed_ms, min(since_ms or team.formed_ms, now_ms))
    spans = ((team.formed_ms - BEFORE_DAYS * DAY_MS, team.formed_ms), (since_ms, max(now_ms, since_ms + 1)))
    units = {unit.id: Kind(unit.kind) for unit in units_of(session, team.id)}
    tickets = tickets_of(session, team.id)
    sides = []
    for start_ms, end_ms in spans:
        faults, days = [], []
        for kind in dict.fromkeys(units.values()):
            facts = gather(session, kind=kind, site=team.site.key, start_ms=start_ms, end_ms=end_ms)
            for unit in facts.units:
                if unit.id in units:
                    faults.append(len(facts.begun_within(unit.id)))
                    days.append(facts.exposures[unit.id].days)
        sides.append((np.array(faults, dtype=np.int64), np.array(days, dtype=np.float64)))
    told = {
        name: {"faults": int(counts.sum()), "days": round(float(days.sum()), 1), "start_ms": start_ms, "end_ms": end_ms}
        for name, (counts, days), (start_ms, end_ms) in zip(("before", "after"), sides, spans, strict=True)
    }
    return {
        **told,
        "units": len(units),
        "tickets": len(tickets),
        "tickets_closed": sum(Stage(ticket.stage) in FINAL_STAGES for ticket in tickets),
        "change": _change(*sides),
    }


def _change(
    before: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], after: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
) -> dict[str, float | None] | None:
    # A unit nobody watched on a side says nothing of it; faults of late data may lie where no minute was covered.
    watched = (before[1] > 0) & (after[1] > 0)
    if not watched.any():
        return None
    change = change_of_rate((before[0][watched], before[1][watched]), (after[0][watched], after[1][watched]))
    if change.ratio is None:
        return None
    return {"ratio": change.ratio, "low": change.low, "high": change.high}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Where a team could be formed: for a unit that fails again and again, or a ticket that has been lying."""

    repeater: Repeater | None = None
    ticket: Ticket | None = None
    hold_days: int = 0


def suggestions_for(session: Session, site: Site, *, now_ms: int) -> Sequence[Suggestion]:
    """Without those at which an open team is at work already. A suggestion only: people form teams."""
    cases, _ = hard_cases(session, site.id, now_ms=now_ms)
    lying = [
        case
        for case in cases
        if case.hardness in (Hardness.BLOCKED, Hardness.ON_HOLD_LONG) and (case.hold_days or 0) >= BLOCKED_LONG_DAYS
    ]
    failing = [
        each
        for kind in Kind
        for each in repeaters(yearly_facts(session, kind=kind, site=site.key, now_ms=now_ms))
        if each.repeats >= LEAST_REPEATS
    ]
    with_team = teams_about(
        session, site.id, ticket_ids=[c.ticket.id for c in lying], unit_ids=[r.unit.id for r in failing]
    )
    return [
        *(Suggestion(repeater=each) for each in failing if each.unit.id not in with_team[1]),
        *(
            Suggestion(ticket=case.ticket, hold_days=case.hold_days or 0)
            for case in lying
            if case.ticket.id not in with_team[0]
        ),
    ][:MOST_SUGGESTED]
