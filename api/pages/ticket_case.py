"""Forms of a ticket's page beside its moves: a comment, a cost, a file, a link, a merge, the state of a mediation."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from alerts import casework
from alerts.casework import Cost, InvalidAddition
from alerts.errors import IllegalMove, NotPermitted, UnknownTicket
from alerts.fault_cause import set_cause
from alerts.ticket import Ticket
from alerts.ticket_record import CostKind, MediationState
from alerts.upload import RefusedUpload
from api.idempotency import claimed
from api.pages.rendering import reader_of
from api.pages.ticket_page import kept_upload, ticket_page, visible_ticket
from api.pages.wording import ADDITION_FAULTS, UPLOAD_FAULT_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf
from models.fault_statistics import Cause
from registry.replay import KeyReused
from registry.role import Actor

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]
Add = Callable[[Session, Ticket, int], None]


@router.post("/tickets/{ticket_id}/comments", dependencies=FORM)
def comment(
    request: Request, actor: PageActor, held: Held, ticket_id: int, text: Text = "", form_key: Text = ""
) -> Response:
    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.comment(session, ticket, text, actor=actor, now_ms=now_ms)

    return _added(request, actor, held, ticket_id, add, key=form_key and f"{form_key}-comment", asked=["comment", text])


@router.post("/tickets/{ticket_id}/costs", dependencies=FORM)
def add_cost(
    request: Request,
    actor: PageActor,
    held: Held,
    ticket_id: int,
    what: Text = "",
    kind: Text = "",
    quantity: Text = "",
    amount: Text = "",
    form_key: Text = "",
) -> Response:
    chosen = next((each for each in CostKind if each.value == kind), CostKind.OTHER)
    cost = Cost(kind=chosen, what=what, quantity=quantity, amount=_decimal(amount))

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.add_cost(session, ticket, cost, actor=actor, now_ms=now_ms)

    asked = ["cost", what, kind, quantity, amount]
    return _added(request, actor, held, ticket_id, add, key=form_key and f"{form_key}-cost", asked=asked)


@router.post("/tickets/{ticket_id}/attachments", dependencies=FORM)
def attach(
    request: Request,
    actor: PageActor,
    held: Held,
    ticket_id: int,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    with held.database.reading() as session:
        visible_ticket(request, session, actor, ticket_id)
    _ = reader_of(request)._
    try:
        upload, digest = kept_upload(held, file)
    except RefusedUpload as error:
        problem = _(UPLOAD_FAULT_TITLES[error.fault])
        return ticket_page(request, actor, held, ticket_id, problem=problem, status_code=422)

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        casework.attach(session, ticket, upload, digest, actor=actor, now_ms=now_ms)

    return _added(request, actor, held, ticket_id, add)


@router.post("/tickets/{ticket_id}/links", dependencies=FORM)
def link(request: Request, actor: PageActor, held: Held, ticket_id: int, other: Text = "") -> Response:
    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        found = visible_ticket(request, session, actor, _number(other))
        casework.link(session, ticket, found, actor=actor, now_ms=now_ms)

    return _added(request, actor, held, ticket_id, add)


@router.post("/tickets/{ticket_id}/merge", dependencies=FORM)
def merge(
    request: Request, actor: PageActor, held: Held, ticket_id: int, into: Text = "", form_key: Text = ""
) -> Response:
    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        visible_ticket(request, session, actor, _number(into))
        casework.merge(session, ticket.id, _number(into), actor=actor, now_ms=now_ms)

    return _added(request, actor, held, ticket_id, add, key=form_key and f"{form_key}-merge", asked=["merge", into])


@router.post("/tickets/{ticket_id}/mediation", dependencies=FORM)
def note_mediation(
    request: Request, actor: PageActor, held: Held, ticket_id: int, state: Text = "", reference: Text = ""
) -> Response:
    chosen = next((each for each in MediationState if each.value == state), None)

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        if chosen is None:
            raise InvalidAddition("empty", "say how far it is")
        casework.note_mediation(session, ticket, chosen, reference=reference, actor=actor, now_ms=now_ms)

    return _added(request, actor, held, ticket_id, add)


@router.post("/tickets/{ticket_id}/cause", dependencies=FORM)
def say_cause(request: Request, actor: PageActor, held: Held, ticket_id: int, cause: Text = "") -> Response:
    chosen = next((each for each in Cause if each.value == cause), None)

    def add(session: Session, ticket: Ticket, now_ms: int) -> None:
        if chosen is None:
            raise InvalidAddition("empty", "say what it was")
        set_cause(session, ticket, chosen, actor=actor, now_ms=now_ms)

    return _added(request, actor, held, ticket_id, add)


def _added(
    request: Request,
    actor: Actor,
    held: Resources,
    ticket_id: int,
    add: Add,
    *,
    key: str = "",
    asked: object = None,
) -> Response:
    """Back to the ticket's page; with the reason when it could not be added."""
    _ = reader_of(request)._
    now_ms = held.clock()
    with held.database.reading() as session:
        visible_ticket(request, session, actor, ticket_id)
    try:
        with held.database.writing() as session:
            ticket = visible_ticket(request, session, actor, ticket_id)
            claim = claimed(session, actor=actor, key=key, request=[ticket_id, asked], now_ms=now_ms)
            if claim is None or claim.earlier is None:
                add(session, ticket, now_ms)
        return RedirectResponse(f"/tickets/{ticket_id}", status_code=303)
    except InvalidAddition as error:
        problem, status_code = _(ADDITION_FAULTS[error.reason]), 422
    except UnknownTicket as error:
        problem, status_code = _("There is no ticket %(id)s.", id=error.ticket_id), 422
    except (IllegalMove, NotPermitted):
        problem, status_code = _("At its present stage this ticket cannot be merged: work on it has begun."), 409
    except KeyReused:
        problem, status_code = _("This form was sent before with other words. Look at the ticket as it is now."), 409
    return ticket_page(request, actor, held, ticket_id, problem=problem, status_code=status_code)


def _number(text: str) -> int:
    digits = text.strip().removeprefix("#")
    return int(digits[:18]) if digits.isascii() and digits.isdigit() else 0


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text.strip().replace("，", ",").replace(",", "")[:20] or "0")
    except InvalidOperation:
        return Decimal("NaN")
