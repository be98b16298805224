"""Says of an alarm, or of all alarms of a ticket, that there was nothing, and why; or that it was real after all."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from alerts.false_alarm import FalseCause, NoCauseGiven, mark_false, mark_ticket_false, withdraw_mark
from api.pages.alarms import alarm_page, visible_alarm
from api.pages.false_alarm_cards import MARK
from api.pages.rendering import Reader, reader_of
from api.pages.ticket_page import ticket_page, visible_ticket
from api.resources import Held
from api.security import PageActor, check_csrf

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


def _chosen(cause: str) -> FalseCause | None:
    return next((each for each in FalseCause if each.value == cause), None)


def _problem(reader: Reader) -> str:
    return reader._("Choose what was found; if the cause is not known, say what was looked at.")


@router.post(MARK, dependencies=FORM)
def mark_alarm(
    request: Request, actor: PageActor, held: Held, alarm_id: int, cause: Text = "", note: Text = ""
) -> Response:
    chosen = _chosen(cause)
    try:
        with held.database.writing() as session:
            alarm = visible_alarm(request, session, actor, alarm_id)
            if chosen is None:
                raise NoCauseGiven(alarm_id)
            mark_false(session, alarm.id, cause=chosen, note=_clean(note), actor=actor, now_ms=held.clock())
    except NoCauseGiven:
        problem = _problem(reader_of(request))
        return alarm_page(request, actor, held, alarm_id, problem=problem, status_code=422)
    return RedirectResponse(f"/alarms/{alarm_id}", status_code=303)


@router.post("/alarms/{alarm_id}/real", dependencies=FORM)
def withdraw(request: Request, actor: PageActor, held: Held, alarm_id: int) -> Response:
    with held.database.writing() as session:
        alarm = visible_alarm(request, session, actor, alarm_id)
        withdraw_mark(session, alarm.id, actor=actor, now_ms=held.clock())
    return RedirectResponse(f"/alarms/{alarm_id}", status_code=303)


@router.post("/tickets/{ticket_id}/false-alarm", dependencies=FORM)
def mark_ticket(
    request: Request, actor: PageActor, held: Held, ticket_id: int, cause: Text = "", note: Text = ""
) -> Response:
    """Marks the alarms only: the ticket goes its way, because somebody else verifies that there was nothing."""
    chosen = _chosen(cause)
    try:
        with held.database.writing() as session:
            ticket = visible_ticket(request, session, actor, ticket_id)
            if chosen is None:
                raise NoCauseGiven(0)
            mark_ticket_false(session, ticket.id, cause=chosen, note=_clean(note), actor=actor, now_ms=held.clock())
    except NoCauseGiven:
        problem = _problem(reader_of(request))
        return ticket_page(request, actor, held, ticket_id, problem=problem, status_code=422)
    return RedirectResponse(f"/tickets/{ticket_id}", status_code=303)


def _clean(text: str) -> str:
    # PostgreSQL keeps no NUL in text.
    return text.replace("\0", "")
