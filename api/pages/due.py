"""What is due, what should have been done already, and what was done and how late."""

from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from alerts.deadlines import LADDER, ActionKind, Goal
from alerts.due_action import DueAction, DueState
from alerts.escalation import list_due
from alerts.escalation_audit import OVERDUE_MS, AuditRun, last_run
from alerts.ticket import Ticket
from api.message_words import GOAL_TITLES
from api.pages.board import SiteChoice
from api.pages.moments import Moment, duration_text
from api.pages.rendering import Reader, reader_of, render
from api.pages.ticket_cards import ticket_title
from api.pages.wording import PARTY_TITLES
from api.resources import Held
from api.security import PageActor, permitted_sites
from api.translations import msgid
from registry.site import list_sites

SHOWN = 50
"""Tickets of a state."""
LOOKED_AT = 400
"""Actions of a state: a case has one for each rung of the ladder."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class DueCard:
    what: str
    ticket_id: int
    title: str
    severity: str
    site_name: str
    at: Moment
    late: str
    """How much too late it was done, or is; empty when in time."""


@dataclass(frozen=True, slots=True)
class DueCase:
    """What one ticket calls for: first what comes next, then what follows if that does not help."""

    first: DueCard
    others: list[DueCard]


def _cases(cards: Iterable[DueCard]) -> list[DueCase]:
    """One for each ticket, in the order of the first that it calls for."""
    by_ticket: dict[int, list[DueCard]] = {}
    for card in cards:
        by_ticket.setdefault(card.ticket_id, []).append(card)
    return [DueCase(first, others) for first, *others in list(by_ticket.values())[:SHOWN]]


def _card(action: DueAction, ticket: Ticket, *, reader: Reader) -> DueCard:
    _ = reader._
    party = _(PARTY_TITLES[LADDER[action.rung].party])
    goal = _(GOAL_TITLES[Goal(action.goal)])
    what = {
        ActionKind.CALL: _("Tell those responsible (%(party)s)", party=party),
        ActionKind.REMIND: _("Reminder %(n)s (%(party)s)", n=action.number, party=party),
        ActionKind.ESCALATE: _(msgid("Deadline: %(goal)s. Else tell: %(party)s"), goal=goal, party=party),
    }[ActionKind(action.kind)]
    late_ms = action.late_ms
    if action.state == DueState.PENDING:
        late_ms = reader.now_ms - action.due_ms
    return DueCard(
        what=what,
        ticket_id=ticket.id,
        title=ticket_title(ticket, reader=reader),
        severity=ticket.severity,
        site_name=ticket.site.name,
        at=reader.moment(action.executed_ms or action.due_ms, ticket.site.timezone),
        late=duration_text(late_ms, _=_) if late_ms is not None and late_ms >= OVERDUE_MS else "",
    )


@router.get("/due")
def show_due(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    reader = reader_of(request)
    visible = permitted_sites(request, actor)
    with held.database.reading() as session:
        found = {
            state: [
                _card(action, ticket, reader=reader)
                for action, ticket in list_due(session, state, visible=visible, site=site or None, limit=LOOKED_AT)
            ]
            for state in (DueState.PENDING, DueState.PAUSED, DueState.DONE)
        }
        sites = list_sites(session, visible=visible)
        pending = found[DueState.PENDING]
        run = last_run(session)
        return render(
            request,
            "due.html",
            reader,
            overdue=_cases(card for card in pending if card.late),
            pending=_cases(card for card in pending if not card.late),
            paused=_cases(found[DueState.PAUSED]),
            done=_cases(found[DueState.DONE]),
            audit=_audit_words(run, reader=reader) if run is not None else "",
            is_audit_bad=run is not None and bool(run.missing or run.untold),
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
        )


def _audit_words(run: AuditRun, *, reader: Reader) -> str:
    """What the auditor found on its last walk over all tickets."""
    _, at = reader._, reader.moment(run.at_ms)
    if not (run.missing or run.untold):
        return _("Audited %(ago)s: of %(n)s open tickets none lacks a deadline.", ago=at.ago, n=run.tickets)
    return _(
        "Audited %(ago)s: of %(n)s open tickets, %(missing)s deadlines were missing and are planned anew; %(untold)s"
        " are said to be done and were not told to anybody.",
        ago=at.ago,
        n=run.tickets,
        missing=run.missing,
        untold=run.untold,
    )
