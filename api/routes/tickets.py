"""Tickets, and their way from stage to stage."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.orm import Session

from alerts import incident
from alerts.errors import UnknownTicket
from alerts.hold import HoldReason
from alerts.severity import Severity
from alerts.ticket import MAX_NOTE_LENGTH, Brought, Ticket, get_ticket
from alerts.ticket_list import TicketFilter, Word, find_tickets
from alerts.ticket_stages import Need, Stage, TicketKind
from api.idempotency import IdempotencyKey, claimed
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Filter, Id, Limit, Text
from api.routes.presenting import ticket_detail, ticket_shape
from api.routes.register import find_unit_seen, unit_seen
from api.routes.shapes import Page, TicketDetail, TicketShape
from api.security import ApiActor, check_site
from registry.errors import UnknownSite
from registry.role import Actor, Party
from registry.site import get_site

MAX_TITLE_LENGTH = 200
MOST_WORDS = 8

router = APIRouter(prefix="/tickets", tags=["tickets"])


class NewTicket(BaseModel):
    """What a person reports: about a unit, or about a site as a whole."""

    site: Annotated[Text, Field(max_length=64)] | None = None
    unit: Annotated[Text, Field(max_length=129, description="`{site}~{unit}`")] | None = None
    kind: TicketKind = TicketKind.RESIDENT_REPORT
    title: Annotated[Text, Field(min_length=1, max_length=MAX_TITLE_LENGTH)]
    description: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""
    severity: Severity = Severity.MINOR

    @model_validator(mode="after")
    def _is_somewhere(self) -> "NewTicket":
        if self.site is None and self.unit is None:
            raise ValueError("a ticket needs a site or a unit")
        if self.unit is not None and self.site not in (None, self.unit.partition("~")[0]):
            raise ValueError("the unit is not of that site")
        return self


class Transition(BaseModel):
    """A move. What stands beside `to` and `note` is needed only where the ticket says so."""

    to: Stage
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""
    hold_reason: HoldReason | None = Field(default=None, description="why it rests; `other` when it is not told")
    demands: Annotated[list[Literal["photo", "costs"]], Field(max_length=2)] | None = Field(
        default=None, description="with `dispatched`: what the repair must bring"
    )
    expected_stage: Stage | None = Field(default=None, description="refused if somebody has moved it from there")
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1, description="the same, by `version`")

    @property
    def brought(self) -> Brought:
        return Brought(
            hold_reason=self.hold_reason,
            demands=None if self.demands is None else frozenset(Need(name) for name in self.demands),
            expected_stage=self.expected_stage,
            expected_version=self.expected_version,
        )


@router.get("")
def list_tickets_seen(
    actor: ApiActor,
    held: Held,
    stage: Annotated[
        Literal["open"] | Stage | None, AbsentIfEmpty, Query(description="`open`: neither closed nor cancelled")
    ] = None,
    site: Filter = None,
    unit: Filter = None,
    kind: Annotated[TicketKind | None, AbsentIfEmpty, Query()] = None,
    severity: Annotated[Severity | None, AbsentIfEmpty, Query()] = None,
    turn: Annotated[Party | None, AbsentIfEmpty, Query(description="whose turn it is")] = None,
    blocked: Annotated[bool, Query(description="only what is on hold because of governance")] = False,
    q: Annotated[Filter, Query(description="words in the title, the description, the unit's name, or a number")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[TicketShape]:
    """Tickets, newest first."""
    with held.database.reading() as session:
        unit_id = None
        if unit:
            found = find_unit_seen(session, actor, unit)
            if found is None:
                return Page(items=[], next=None)
            unit_id = found.id
        wanted = TicketFilter(
            is_open=True if stage == "open" else None,
            stage=stage if isinstance(stage, Stage) else None,
            site=site,
            unit_id=unit_id,
            kind=kind,
            severity=severity,
            turn=None if turn is None else (turn,),
            is_blocked=blocked,
            words=[Word(word) for word in (q or "").split()[:MOST_WORDS]],
        )
        tickets = find_tickets(
            session,
            wanted,
            visible=actor.sites,
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[ticket_shape(ticket, actor=actor) for ticket in tickets[:limit]],
            next=str(tickets[limit - 1].id) if len(tickets) > limit else None,
        )


@router.get("/{ticket_id}")
def show_ticket(request: Request, actor: ApiActor, held: Held, ticket_id: Id) -> TicketDetail:
    """A ticket with the moves made, the moves this person may make now, and its alarms."""
    with held.database.reading() as session:
        ticket = ticket_seen(request, session, actor, ticket_id)
        return ticket_detail(session, ticket, limits=held.limits, actor=actor)


@router.post("", status_code=201)
def open_ticket(
    request: Request,
    response: Response,
    actor: ApiActor,
    held: Held,
    new: NewTicket,
    idempotency_key: IdempotencyKey = None,
) -> TicketDetail:
    with held.database.writing() as session:
        asked = ["open", new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=held.clock())
        if claim is not None and claim.earlier is not None:
            earlier = ticket_seen(request, session, actor, int(claim.earlier))
            response.headers["Location"] = f"/api/v1/tickets/{earlier.id}"
            return ticket_detail(session, earlier, limits=held.limits, actor=actor)
        unit = unit_seen(request, session, actor, new.unit) if new.unit is not None else None
        if unit is None:
            assert new.site is not None, "the model lets no ticket through that is nowhere"
            check_site(request, actor, new.site, unknown=UnknownSite(new.site))
        ticket = incident.open_ticket_by_hand(
            session,
            site=unit.site if unit is not None else get_site(session, new.site or ""),
            unit=unit,
            kind=new.kind,
            title=new.title,
            severity=new.severity,
            description=new.description,
            actor=actor,
            now_ms=held.clock(),
        )
        if claim is not None:
            claim.row.result = str(ticket.id)
        response.headers["Location"] = f"/api/v1/tickets/{ticket.id}"
        return ticket_detail(session, ticket, limits=held.limits, actor=actor)


@router.post("/{ticket_id}/transitions")
def move_ticket(
    request: Request,
    actor: ApiActor,
    held: Held,
    ticket_id: Id,
    transition: Transition,
    idempotency_key: IdempotencyKey = None,
) -> TicketDetail:
    """Moves a ticket on. A move that its stage does not allow is refused with the moves that it does.

    What one party repaired, another verifies; who may is told in `parties`.
    """
    with held.database.writing() as session:
        ticket = ticket_seen(request, session, actor, ticket_id)
        asked = ["move", ticket_id, transition.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=held.clock())
        if claim is None or claim.earlier is None:
            ticket = incident.move_ticket(
                session,
                ticket_id,
                transition.to,
                actor=actor,
                note=transition.note,
                brought=transition.brought,
                now_ms=held.clock(),
            )
        return ticket_detail(session, ticket, limits=held.limits, actor=actor)


def ticket_seen(request: Request, session: Session, actor: Actor, ticket_id: int) -> Ticket:
    """Raises UnknownTicket for one of a site this person may not see, RoleMissing where their role is another."""
    ticket = get_ticket(session, ticket_id)
    check_site(request, actor, ticket.site.key, unknown=UnknownTicket(ticket_id))
    return ticket
