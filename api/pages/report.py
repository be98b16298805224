"""What residents do without an account: report of the unit whose code they scanned, and follow their report."""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from alerts import casework, resident_report
from alerts.attachment_store import AttachmentStore
from alerts.casework import InvalidAddition
from alerts.rating import MOST_STARS, NotRateable, rate, rating_of
from alerts.resident_report import MATTERS_OF_KIND, MAX_TEXT_LENGTH, RESIDENT, Matter, ReportCode, ResidentReport
from alerts.ticket import get_ticket, moves_of
from alerts.ticket_record import merged_into
from alerts.ticket_stages import FINAL_STAGES, Stage
from alerts.upload import MAX_UPLOAD_BYTES, RefusedUpload, Upload, read_upload
from api.pages.moments import duration_text
from api.pages.rendering import Reader, reader_of, render
from api.pages.report_words import FORM_FAULTS, MATTER_TITLES, PLAIN_STAGES
from api.pages.ticket_cards import hold_title
from api.pages.wording import KIND_TITLES, UPLOAD_FAULT_TITLES
from api.report_desk import ReportDesk, as_number, check_form, draw_number, form_key, sign_form
from api.resources import Held, Resources, get_resources
from api.security import check_same_origin
from models.equipment import Kind

LONGEST_CODE = 32
MOST_FIELDS = 12
MOST_FIELD_BYTES = 16 * 1024
TRAP = "website"
"""A field that people do not see and leave empty."""

router = APIRouter(include_in_schema=False)


@router.get("/report")
def ask_for_number(request: Request) -> Response:
    """Where a number is typed in that was written down."""
    reader = reader_of(request)
    if "number" in request.query_params:
        number = as_number(request.query_params["number"])
        if number:
            return RedirectResponse(f"/report/status/{number}", status_code=HTTPStatus.SEE_OTHER)
    return render(request, "report_find.html", reader, problem="")


@router.get("/report/{code}")
def show_form(request: Request, held: Held, code: str) -> Response:
    reader = reader_of(request)
    with held.database.reading() as session:
        row = _find(session, code)
        if row is None:
            return _unknown(request, reader)
        token = sign_form(row.secret, now_ms=held.clock())
        return _form(request, reader, row, token=token)


@router.post("/report/{code}")
async def report(request: Request, code: str) -> Response:
    """Takes a report. What is asked too often is refused before its body is read."""
    check_same_origin(request)
    held = get_resources(request)
    address = request.client.host if request.client else ""
    wait_ms = _desk(request).reports.wait_ms(address, now_ms=held.clock())
    if wait_ms:
        return await run_in_threadpool(_too_often, request, wait_ms)
    async with request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES) as form:
        return await run_in_threadpool(_take, request, held, code, form)


@router.get("/report/status/{number}")
def show_status(request: Request, held: Held, number: str) -> Response:
    """How far it is, in plain words: no names, no notes, no photos."""
    reader = reader_of(request)
    address = request.client.host if request.client else ""
    wait_ms = _desk(request).looks.wait_ms(address, now_ms=held.clock())
    if wait_ms:
        return _too_often(request, wait_ms)
    with held.database.reading() as session:
        row = resident_report.find_report(session, as_number(number[:40]))
        if row is None:
            problem = reader._("There is no report with this number. Look again at how it is written.")
            return render(request, "report_find.html", reader, problem=problem, status_code=404)
        return render(request, "report_status.html", reader, **_status(session, row, reader))


@router.post("/report/status/{number}/rating")
def rate_report(
    request: Request, held: Held, number: str, stars: Annotated[int, Form(ge=1, le=MOST_STARS)]
) -> Response:
    """How well it was handled, once for each report; the number is the key."""
    check_same_origin(request)
    reader = reader_of(request)
    address = request.client.host if request.client else ""
    wait_ms = _desk(request).looks.wait_ms(address, now_ms=held.clock())
    if wait_ms:
        return _too_often(request, wait_ms)
    with held.database.writing() as session:
        row = resident_report.find_report(session, as_number(number[:40]))
        if row is None:
            problem = reader._("There is no report with this number. Look again at how it is written.")
            return render(request, "report_find.html", reader, problem=problem, status_code=404)
        # Twice, or too early: the page shows how it is.
        with suppress(NotRateable):
            rate(session, row, stars, now_ms=held.clock())
        kept = row.number
    return RedirectResponse(f"/report/status/{kept}", status_code=HTTPStatus.SEE_OTHER)


def _desk(request: Request) -> ReportDesk:
    desk = request.app.state.report_desk
    assert isinstance(desk, ReportDesk)
    return desk


def _find(session: Session, code: str) -> ReportCode | None:
    return resident_report.find_code(session, code.upper()) if code.isascii() and len(code) <= LONGEST_CODE else None


def _take(request: Request, held: Resources, code: str, form: FormData) -> Response:
    reader, now_ms = reader_of(request), held.clock()
    _ = reader._
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    token, text = given.get("token", ""), given.get("text", "").replace("\0", "")[:MAX_TEXT_LENGTH]
    with held.database.reading() as session:
        row = _find(session, code)
        if row is None:
            return _unknown(request, reader)
        fault = check_form(row.secret, token, now_ms=now_ms)
        offered = MATTERS_OF_KIND[Kind(row.unit.kind)]
        matter = next((each for each in offered if each.value == given.get("matter")), None)
        problem = ""
        if fault is not None:
            problem = _(FORM_FAULTS[fault])
        elif given.get(TRAP):
            problem = _("Leave the last field empty: only programs fill it in.")
        elif matter is None:
            problem = _("Choose what it is about.")
        photo: Upload | None = None
        if not problem:
            try:
                photo = _photo(request, form)
            except RefusedUpload as error:
                problem = _(UPLOAD_FAULT_TITLES[error.fault])
            except _Busy:
                problem = _("There are too many photos at this moment. Send it again in a minute, or without a photo.")
        if problem or matter is None:
            # A form that came too fast or lacks something is good for the next time; any other is drawn anew.
            kept = token if fault in (None, "too_fast") else sign_form(row.secret, now_ms=now_ms)
            entered = {"matter": given.get("matter", ""), "text": text}
            return _form(request, reader, row, token=kept, entered=entered, problem=problem, status_code=422)
    digest = AttachmentStore(held.settings.data_dir).keep(photo.content) if photo is not None else ""
    with held.database.writing() as session:
        row = _find(session, code)
        if row is None:
            return _unknown(request, reader)
        filed = resident_report.file_report(
            session,
            row,
            matter=matter,
            text=text,
            form_key=form_key(token),
            draw_number=draw_number,
            now_ms=now_ms,
        )
        if photo is not None and filed.ticket is not None:
            # Fifty photos of it may be there already; the report itself counts.
            with suppress(InvalidAddition):
                casework.attach(session, filed.ticket, photo, digest, actor=RESIDENT, now_ms=now_ms)
        if not filed.number:
            unit = row.unit.name
            return render(
                request, "report_known.html", reader, unit_name=unit, status_code=HTTPStatus.TOO_MANY_REQUESTS
            )
    return RedirectResponse(f"/report/status/{filed.number}?sent=1", status_code=HTTPStatus.SEE_OTHER)


class _Busy(Exception):
    """So many photos are being painted that one more would keep others waiting."""


def _photo(request: Request, form: FormData) -> Upload | None:
    """The photo painted anew; None without one. Raises RefusedUpload or _Busy."""
    file = form.get("photo")
    if not isinstance(file, UploadFile) or not file.filename:
        return None
    places = _desk(request).photos
    if not places.acquire(blocking=False):
        raise _Busy
    try:
        return read_upload(file.file.read(MAX_UPLOAD_BYTES + 1), name="photo", takes_documents=False)
    finally:
        places.release()


def _status(session: Session, row: ResidentReport, reader: Reader) -> Mapping[str, Any]:
    ticket = get_ticket(session, row.ticket_id)
    if (into := merged_into(session, ticket.id)) is not None:
        ticket = get_ticket(session, into)
    zone = ticket.site.timezone
    stage = Stage(ticket.stage)
    unit = ticket.unit
    return {
        "number": row.number,
        "matter": reader._(MATTER_TITLES[Matter(row.matter)]),
        "sent": reader.moment(row.at_ms, zone),
        "unit_name": unit.name if unit is not None else ticket.site.name,
        "building": unit.building if unit is not None else "",
        "now": reader._(PLAIN_STAGES[stage]),
        "hold": hold_title(ticket.hold_reason, reader=reader),
        "has_ended": stage in FINAL_STAGES,
        "stars": rating.stars if (rating := rating_of(session, row.id)) is not None else 0,
        "most_stars": MOST_STARS,
        "others": len(resident_report.reports_of(session, ticket.id)) - 1,
        "steps": [
            (reader.moment(move.at_ms, zone), reader._(PLAIN_STAGES[Stage(move.to_stage)]))
            for move in reversed(moves_of(session, ticket.id))
        ],
    }


def _form(
    request: Request,
    reader: Reader,
    row: ReportCode,
    *,
    token: str,
    entered: Mapping[str, str] | None = None,
    problem: str = "",
    status_code: int = 200,
) -> Response:
    unit = row.unit
    kind = Kind(unit.kind)
    return render(
        request,
        "report.html",
        reader,
        status_code=status_code,
        code=row.code,
        token=token,
        trap=TRAP,
        unit_name=unit.name,
        kind_title=reader._(KIND_TITLES[kind]),
        building=unit.building,
        site_name=unit.site.name,
        matters=[(each, reader._(MATTER_TITLES[each])) for each in MATTERS_OF_KIND[kind]],
        entered=entered or {"matter": "", "text": ""},
        max_text_length=MAX_TEXT_LENGTH,
        problem=problem,
    )


def _unknown(request: Request, reader: Reader) -> Response:
    problem = reader._("This code leads to no unit. It may have been replaced: look for a newer one on the spot.")
    return render(request, "report_find.html", reader, problem=problem, status_code=404)


def _too_often(request: Request, wait_ms: int) -> Response:
    reader = reader_of(request)
    wait = duration_text(wait_ms, _=reader._)
    problem = reader._("Too many reports came from your connection. Try again in %(wait)s.", wait=wait)
    response = render(request, "report_find.html", reader, problem=problem, status_code=HTTPStatus.TOO_MANY_REQUESTS)
    response.headers["Retry-After"] = str(-(-wait_ms // 1000))
    return response
