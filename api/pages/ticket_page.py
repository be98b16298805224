"""One ticket: how far it is, whose turn it is, what the reader may do next, and all that was done."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import casework, incident
from alerts.alarm import alarms_of_ticket
from alerts.attachment_store import AttachmentStore
from alerts.casework import InvalidAddition
from alerts.errors import IllegalMove, MissingNote, MissingProof, OtherPartyNeeded, UnknownTicket
from alerts.hold import HoldReason
from alerts.measured import measure
from alerts.ticket import MAX_NOTE_LENGTH, Brought, Ticket, get_ticket, moves_of
from alerts.ticket_list import list_tickets
from alerts.ticket_record import PHOTO_TYPES, CostKind, MediationState
from alerts.ticket_stages import PROOFS, Need, Stage
from alerts.upload import MAX_UPLOAD_BYTES, RefusedUpload, Upload, read_upload
from api.idempotency import claimed
from api.pages.alarm_cards import alarm_card
from api.pages.case_cards import case_of
from api.pages.cause_words import cause_words
from api.pages.false_alarm_cards import cause_choices, false_alarm_cards
from api.pages.patrol_beside import found_lines, missed_rounds
from api.pages.rendering import Reader, reader_of, render
from api.pages.ticket_cards import (
    TicketCard,
    actor_name,
    measured_words,
    need_list,
    offers,
    other_party_words,
    progress,
    signing_words,
    ticket_card,
)
from api.pages.unit_cards import unit_card
from api.pages.values import causes, contributions, evidence_facts
from api.pages.wording import (
    ADDITION_FAULTS,
    COST_KIND_TITLES,
    HOLD_REASON_TITLES,
    MEDIATION_TITLES,
    NEED_TITLES,
    STAGE_TITLES,
    UPLOAD_FAULT_TITLES,
)
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, names_people
from models.equipment import Kind
from registry import activity
from registry.replay import KeyReused
from registry.role import Actor, Party

LARGEST_ID = 2**62
MOST_BESIDE = 5

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/tickets/{ticket_id}")
def show_ticket(request: Request, actor: PageActor, held: Held, ticket_id: int) -> HTMLResponse:
    return ticket_page(request, actor, held, ticket_id)


@router.post("/tickets/{ticket_id}/moves", dependencies=FORM)
def move_ticket(
    request: Request,
    actor: PageActor,
    held: Held,
    ticket_id: int,
    to: Text = "",
    note: Text = "",
    hold_reason: Text = "",
    demands: Annotated[list[str] | None, Form()] = None,
    version: Text = "",
    form_key: Text = "",
    photo: Annotated[UploadFile | None, File()] = None,
) -> Response:
    reader = reader_of(request)
    _ = reader._
    wanted = next((each for each in Stage if each.value == to), None)
    if wanted is None:
        return ticket_page(request, actor, held, ticket_id, problem=_("Choose what to do."), note=note, status_code=422)
    brought = Brought(
        hold_reason=next((each for each in HoldReason if each.value == hold_reason), None),
        demands=frozenset(each for each in PROOFS if each.value in (demands or ())),
        expected_version=int(version[:9]) if version.isascii() and version.isdigit() else None,
    )
    try:
        upload = kept_upload(held, photo) if photo is not None and photo.filename else None
        with held.database.writing() as session:
            ticket = visible_ticket(request, session, actor, ticket_id)
            asked = ["move", ticket_id, to, note, hold_reason, demands]
            claim = claimed(
                session, actor=actor, key=form_key and f"{form_key}-{to}", request=asked, now_ms=held.clock()
            )
            if claim is None or claim.earlier is None:
                if upload is not None:
                    casework.attach(session, ticket, *upload, actor=actor, now_ms=held.clock())
                incident.move_ticket(
                    session, ticket_id, wanted, actor=actor, note=note, brought=brought, now_ms=held.clock()
                )
        return RedirectResponse(f"/tickets/{ticket_id}", status_code=303)
    except RefusedUpload as error:
        problem, status_code = _(UPLOAD_FAULT_TITLES[error.fault]), 422
    except InvalidAddition as error:
        problem, status_code = _(ADDITION_FAULTS[error.reason]), 422
    except MissingNote:
        problem, status_code = _("This step needs a note that says why."), 422
    except MissingProof as error:
        needs = need_list({Need(each) for each in error.lacking}, reader=reader)
        problem, status_code = _("This step still needs %(needs)s, added since the work began.", needs=needs), 422
    except OtherPartyNeeded as error:
        parties = {Party(each) for each in error.parties}
        problem = other_party_words(parties, is_cross_appointed=error.is_cross_appointed, reader=reader)
        status_code = 409
    except IllegalMove as error:
        problem = _(
            "The ticket is already at the stage “%(stage)s”: somebody was faster. Nothing was changed.",
            stage=_(STAGE_TITLES[Stage(error.current)]),
        )
        if error.moved_by is not None:
            problem += _(" It was moved by %(who)s.", who=actor_name(error.moved_by, reader=reader))
        status_code = 409
    except KeyReused:
        problem, status_code = _("This form was sent before with other words. Look at the ticket as it is now."), 409
    return ticket_page(request, actor, held, ticket_id, problem=problem, note=note, status_code=status_code)


def _beside(session: Session, ticket: Ticket, *, reader: Reader) -> list[TicketCard]:
    """Other open tickets of the same unit: one of them may be a duplicate."""
    if ticket.unit_id is None:
        return []
    found = list_tickets(session, is_open=True, unit_id=ticket.unit_id, limit=MOST_BESIDE + 1)
    return [ticket_card(other, reader=reader) for other in found if other.id != ticket.id][:MOST_BESIDE]


def kept_upload(held: Resources, file: UploadFile | None) -> tuple[Upload, str]:
    """The file, painted anew and on disk, with its digest. Raises RefusedUpload. Blocks."""
    content = file.file.read(MAX_UPLOAD_BYTES + 1) if file is not None else b""
    upload = read_upload(content, name=(file.filename if file is not None else "") or "")
    return upload, AttachmentStore(held.settings.data_dir).keep(upload.content)


def visible_ticket(request: Request, session: Session, actor: Actor, ticket_id: int) -> Ticket:
    """Raises UnknownTicket for one of a site this person may not see."""
    ticket = get_ticket(session, min(ticket_id, LARGEST_ID))
    check_site(request, actor, ticket.site.key, unknown=UnknownTicket(ticket_id))
    return ticket


def ticket_page(
    request: Request,
    actor: Actor,
    held: Resources,
    ticket_id: int,
    *,
    problem: str = "",
    note: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        ticket = visible_ticket(request, session, actor, ticket_id)
        moves = moves_of(session, ticket.id)
        names = names_people(actor, ticket.site.key)
        return render(
            request,
            "ticket.html",
            reader,
            status_code=status_code,
            ticket=ticket_card(ticket, reader=reader),
            # What a resident or a colleague wrote may name people.
            description=ticket.description if names else "",
            opened_by=actor_name(ticket.opened_by, reader=reader) if names else "",
            unit=unit_card(ticket.unit, [], reader=reader) if ticket.unit is not None else None,
            steps=progress(ticket, moves, reader=reader),
            offers=offers(session, ticket, reader=reader),
            signing=signing_words(ticket, reader=reader),
            demanded=need_list(ticket.demanded, reader=reader),
            hold_reasons=[(each, reader._(HOLD_REASON_TITLES[each])) for each in HoldReason],
            proofs=[(each, reader._(NEED_TITLES[each]), each in ticket.demanded) for each in sorted(PROOFS)],
            case=case_of(session, ticket, moves, reader=reader),
            reads_files=names,
            measured=measured_words(measure(moves), reader=reader),
            beside=_beside(session, ticket, reader=reader),
            cause=cause_words(session, ticket, reader=reader),
            found_lines=found_lines(session, ticket, reader=reader),
            missed_rounds=missed_rounds(session, ticket, reader=reader),
            cost_kinds=[(each, reader._(COST_KIND_TITLES[each])) for each in CostKind],
            mediation_states=[(each, reader._(MEDIATION_TITLES[each])) for each in MediationState],
            may=lambda what: reader.may("POST", "/tickets/{ticket_id}/" + what, site=ticket.site.key),
            picture_types=",".join(sorted(PHOTO_TYPES)),
            false_alarms=false_alarm_cards(session, alarms_of_ticket(session, ticket.id), reader=reader),
            false_causes=cause_choices(reader),
            alarms=[
                (
                    alarm_card(alarm, limits=held.limits, reader=reader),
                    evidence_facts(Kind(alarm.unit.kind), alarm.evidence, _=reader._),
                    contributions(Kind(alarm.unit.kind), alarm.evidence, _=reader._),
                    causes(Kind(alarm.unit.kind), alarm.evidence, _=reader._),
                )
                for alarm in alarms_of_ticket(session, ticket.id)
            ],
            max_note_length=MAX_NOTE_LENGTH,
            problem=problem,
            note=note[:MAX_NOTE_LENGTH],
            form_key=secrets.token_urlsafe(16),
            last_activity=activity.last_id(session),
        )
