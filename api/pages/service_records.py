"""The page of what was done to a unit by those who keep it, and its forms."""

import secrets
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.idempotency import claimed
from api.pages.moments import local_time
from api.pages.rendering import reader_of, render
from api.pages.service_lines import SERVICE_KIND_TITLES, service_lines
from api.resources import Held, Resources
from api.routes.parameters import LARGEST_ID
from api.security import PageActor, check_csrf, check_site
from api.translations import msgid
from registry.errors import InvalidField, UnknownUnit
from registry.replay import KeyReused
from registry.role import Actor
from registry.service_record import (
    MAX_BY_LENGTH,
    MAX_NOTE_LENGTH,
    Service,
    ServiceKind,
    add_service_record,
    service_records,
    withdraw_service_record,
)
from registry.unit import Unit, get_unit

RECORDS_ON_PAGE = 50
FORM = [Depends(check_csrf)]

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]

FAULT_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "kind": msgid("Say what was done."),
        "done_on": msgid("Give the day on which it was done; it must not lie in the future."),
        "valid_until": msgid("It cannot cease to be valid before it was done."),
        "cost": msgid("Give the amount in yuan, with two decimals at most."),
        "stop": msgid("A planned stop needs its beginning and a later end, within a year."),
        "note": msgid("The text is too long, or holds characters that nobody types."),
    }
)


@router.get("/units/{unit}/service-records")
def show_service_records(request: Request, actor: PageActor, held: Held, unit: str, before: int = 0) -> HTMLResponse:
    return _page(request, actor, held, unit, before_id=min(max(before, 0), LARGEST_ID) or None)


@router.post("/units/{unit}/service-records", dependencies=FORM)
def record_service(
    request: Request,
    actor: PageActor,
    held: Held,
    unit: str,
    kind: Text = "",
    done_on: Text = "",
    valid_until: Text = "",
    done_by: Text = "",
    note: Text = "",
    cost: Text = "",
    stopped_from: Text = "",
    stopped_until: Text = "",
    form_key: Text = "",
) -> Response:
    now_ms = held.clock()
    asked = ["service", unit, kind, done_on, valid_until, done_by, note, cost, stopped_from, stopped_until]
    try:
        with held.database.writing() as session:
            found = _unit(request, session, actor, unit)
            claim = claimed(session, actor=actor, key=form_key, request=asked, now_ms=now_ms)
            if claim is None or claim.earlier is None:
                zone = ZoneInfo(found.site.timezone)
                service = Service(
                    kind=_kind(kind),
                    done_on=_day("done_on", done_on) or local_time(now_ms, found.site.timezone).date(),
                    valid_until=_day("valid_until", valid_until),
                    done_by=_words(done_by, MAX_BY_LENGTH),
                    note=_words(note, MAX_NOTE_LENGTH),
                    cost_fen=_fen(cost),
                    stop_begin_ms=_instant(stopped_from, zone),
                    stop_end_ms=_instant(stopped_until, zone),
                )
                add_service_record(session, found, service, actor=actor, now_ms=now_ms)
    except InvalidField as error:
        return _page(request, actor, held, unit, fault=error.field, status_code=422)
    except KeyReused:
        pass
    return RedirectResponse(f"/units/{unit}/service-records", status_code=303)


@router.post("/units/{unit}/service-records/{record_id}/withdraw", dependencies=FORM)
def withdraw_service(request: Request, actor: PageActor, held: Held, unit: str, record_id: int) -> Response:
    with held.database.writing() as session:
        found = _unit(request, session, actor, unit)
        withdraw_service_record(session, found, min(record_id, LARGEST_ID), actor=actor, now_ms=held.clock())
    return RedirectResponse(f"/units/{unit}/service-records", status_code=303)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    path: str,
    *,
    before_id: int | None = None,
    fault: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        unit = _unit(request, session, actor, path)
        rows = service_records(session, unit.id, before_id=before_id, limit=RECORDS_ON_PAGE + 1)
        shown, site = rows[:RECORDS_ON_PAGE], unit.site
        return render(
            request,
            "service_records.html",
            reader,
            status_code=status_code,
            unit_name=unit.name,
            unit_path=path,
            services=service_lines(shown, site=site, reader=reader),
            next_before=shown[-1].id if len(rows) > RECORDS_ON_PAGE else None,
            may_record=reader.may("POST", "/units/{unit}/service-records", site=site.key),
            may_withdraw=reader.may("POST", "/units/{unit}/service-records/{record_id}/withdraw", site=site.key),
            kinds=[(each.value, reader._(title)) for each, title in SERVICE_KIND_TITLES.items()],
            today=local_time(reader.now_ms, site.timezone).date().isoformat(),
            problem=reader._(FAULT_TITLES.get(fault, FAULT_TITLES["note"])) if fault else "",
            form_key=secrets.token_urlsafe(16),
        )


def _unit(request: Request, session: Session, actor: Actor, path: str) -> Unit:
    unit = get_unit(session, path)
    check_site(request, actor, unit.site.key, unknown=UnknownUnit(path))
    return unit


def _kind(text: str) -> ServiceKind:
    if text not in set(ServiceKind):
        raise InvalidField("kind", "must be said")
    return ServiceKind(text)


def _day(field: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise InvalidField(field, "must be a day") from error


def _words(text: str, most: int) -> str:
    if len(text) > most or "\0" in text:
        raise InvalidField("note", "is too long")
    return text


def _fen(text: str) -> int | None:
    typed = text.strip().replace("，", "").replace(",", "")
    if not typed:
        return None
    try:
        fen = Decimal(typed[:20]) * 100
        if fen != int(fen):
            raise InvalidField("cost", "must have two decimals at most")
        return int(fen)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise InvalidField("cost", "must be an amount") from error


def _instant(text: str, zone: ZoneInfo) -> int | None:
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000) if text else None
    except (ValueError, OverflowError) as error:
        raise InvalidField("stop", "must be a time") from error
