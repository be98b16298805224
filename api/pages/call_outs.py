"""Call-outs: those that are open, how far each is, and the decisions about it."""

import secrets
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import call_out_moves
from alerts.call_out import (
    MAX_OUTCOME_LENGTH,
    MAX_PLACE_LENGTH,
    MAX_REASON_LENGTH,
    MUSTER_ROWS,
    CallOut,
    alarm_ids_of,
    count_muster,
    get_call_out,
    list_call_outs,
    muster_list,
)
from alerts.call_out_errors import InvalidCallOut, NotSummoned, OpenCallOut, UnknownCallOut
from alerts.call_out_plan import stages_of_site
from alerts.call_out_report import stock_use
from alerts.call_out_states import OPEN_STATES, CallOutState, StageState
from alerts.call_out_stock import items_of
from alerts.call_out_summons import find_summons, note_arrival
from alerts.errors import MissingNote
from api.call_out_links import CallOutLinks, open_links
from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.call_out_cards import CallOutCard, call_out_card, muster_rows, planned_stages, stage_cards
from api.pages.history_lines import activity_lines
from api.pages.rendering import Reader, reader_of, render
from api.resources import Held, Resources
from api.routes.parameters import LARGEST_ID
from api.security import PageActor, check_csrf, check_site, names_people, permitted_sites
from registry import activity
from registry.errors import UnknownSite
from registry.role import Actor
from registry.site import get_site, list_sites

SHOWN = 50
HISTORY_LINES = 60
ALARMS_NAMED = 5
OF_THE_MUSTER = frozenset({"call_out.answered", "call_out.arrived", "call_out.not_arrived"})
FORM = [Depends(check_csrf)]
Text = Annotated[str, Form()]

router = APIRouter(include_in_schema=False)


@router.get("/call-outs")
def show_call_outs(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _list(request, actor, held, site)


@router.post("/call-outs", dependencies=FORM)
def start(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    reason: Text = "",
    meeting_point: Text = "",
    sure: Text = "",
    form_key: Text = "",
) -> Response:
    """Calls people out by hand. Whoever does so says that they are sure: it wakes people up."""
    _ = reader_of(request)._
    check_site(request, actor, site, unknown=UnknownSite(site))
    entered = {"reason": reason, "meeting_point": meeting_point}
    if not reason.strip() or not sure:
        problem = _("Say what people are called for, and that they are to be called now.")
        return _list(request, actor, held, site, entered=entered, problem=problem, status_code=422)
    try:
        with held.database.writing() as session:
            asked = ["call-out", site, reason, meeting_point]
            claim = claimed(session, actor=actor, key=form_key, request=asked, now_ms=held.clock())
            if claim is not None and claim.earlier is not None:
                return RedirectResponse(f"/call-outs/{claim.earlier}", status_code=303)
            call_out = call_out_moves.start(
                session,
                get_site(session, site),
                reason=reason.replace("\0", ""),
                meeting_point=meeting_point.replace("\0", ""),
                actor=actor,
                hash_of_link=open_links(held.settings).hash_of_link,
                now_ms=held.clock(),
            )
            if claim is not None:
                claim.row.result = str(call_out.id)
            call_out_id = call_out.id
    except OpenCallOut as error:
        call_out_id = error.call_out_id
    return RedirectResponse(f"/call-outs/{call_out_id}", status_code=303)


def _list(
    request: Request,
    actor: Actor,
    held: Resources,
    site: str,
    *,
    entered: dict[str, str] | None = None,
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        visible = permitted_sites(request, actor)
        sites = list_sites(session, visible=visible)
        cards = [
            _card(session, each, reader=reader)
            for each in list_call_outs(session, visible=visible, site=site or None, limit=SHOWN)
        ]
        return render(
            request,
            "call_outs.html",
            reader,
            status_code=status_code,
            open_cards=[card for card in cards if card.state in OPEN_STATES],
            ended_cards=[card for card in cards if card.state not in OPEN_STATES],
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            callable_sites=[
                SiteChoice(each.key, each.name, each.key == site)
                for each in sites
                if reader.may("POST", "/call-outs", site=each.key)
            ],
            sees_stock=reader.may("GET", "/call-outs/stock"),
            site=site,
            entered=entered or {"reason": "", "meeting_point": ""},
            max_reason_length=MAX_REASON_LENGTH,
            max_place_length=MAX_PLACE_LENGTH,
            form_key=secrets.token_urlsafe(16),
            problem=problem,
        )


def _card(session: Session, call_out: CallOut, *, reader: Reader) -> CallOutCard:
    muster = count_muster(session, call_out.id, now_ms=reader.now_ms)
    return call_out_card(call_out, muster, reader=reader, is_named=_is_named(call_out, reader))


def _is_named(call_out: CallOut, reader: Reader) -> bool:
    return reader.actor is not None and names_people(reader.actor, call_out.site.key)


@router.get("/call-outs/{call_out_id}")
def show_call_out(request: Request, actor: PageActor, held: Held, call_out_id: int) -> HTMLResponse:
    return _page(request, actor, held, call_out_id)


def _page(
    request: Request, actor: Actor, held: Resources, call_out_id: int, *, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        call_out = _seen(request, session, actor, call_out_id)
        site = call_out.site
        may_take = reader.may("POST", "/call-outs/stock/{item_id}/moves", site=site.key)
        alarm_ids = alarm_ids_of(session, call_out.id)
        used = {each.item.id: each for each in stock_use(session, call_out)}
        # Who answered and arrived stands in the muster list.
        rows = [row for row in activity.of_subject(session, call_out.subject) if row.verb not in OF_THE_MUSTER]
        lines = rows[-HISTORY_LINES:][::-1]
        return render(
            request,
            "call_out.html",
            reader,
            status_code=status_code,
            problem=problem,
            last_activity=activity.last_id(session),
            stock=[(item, used.get(item.id)) for item in items_of(session, site.id)] if may_take else [],
            takes_stock=may_take and call_out.state in (CallOutState.CALLED, CallOutState.STOOD_DOWN),
            sees_report=reader.may("GET", "/call-outs/{call_out_id}/report", site=site.key),
            alarm_ids=alarm_ids[:ALARMS_NAMED],
            more_alarms=len(alarm_ids[ALARMS_NAMED:]),
            history=activity_lines(lines, site=site, kind=None, limits=held.limits, reader=reader),
            max_note_length=MAX_OUTCOME_LENGTH,
            **_fragment(session, call_out, actor=actor, reader=reader),
        )


@router.get("/fragments/call-outs/{call_out_id}")
def show_fragment(request: Request, actor: PageActor, held: Held, call_out_id: int) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        call_out = _seen(request, session, actor, call_out_id)
        return render(
            request, "call_out_fragment.html", reader, **_fragment(session, call_out, actor=actor, reader=reader)
        )


def _fragment(session: Session, call_out: CallOut, *, actor: Actor, reader: Reader) -> dict[str, Any]:
    site, is_named = call_out.site, _is_named(call_out, reader)
    may_move = reader.may("POST", "/call-outs/{call_out_id}/moves", site=site.key)
    people = muster_list(session, call_out.id) if is_named else []
    is_called = call_out.state == CallOutState.CALLED
    return {
        "call_out": _card(session, call_out, reader=reader),
        "read_at": reader.moment(reader.now_ms, site.timezone),
        "stages": stage_cards(call_out, reader=reader),
        "planned": planned_stages(stages_of_site(session, site.id), reader=reader),
        "people": muster_rows(people, call_out, reader=reader),
        "more_people": count_muster(session, call_out.id, now_ms=reader.now_ms).asked - len(people),
        "most_people": MUSTER_ROWS,
        "is_named": is_named,
        "moves": call_out_moves.may_make(call_out, actor) if may_move else [],
        "calls_next": may_move and is_called and any(each.state != StageState.CALLED for each in call_out.stages),
        "notes_arrivals": is_named
        and call_out.state in (CallOutState.CALLED, CallOutState.STOOD_DOWN)
        and reader.may("POST", "/call-outs/{call_out_id}/arrivals", site=site.key),
    }


@router.post("/call-outs/{call_out_id}/moves", dependencies=FORM)
def move(request: Request, actor: PageActor, held: Held, call_out_id: int, to: Text = "", note: Text = "") -> Response:
    _ = reader_of(request)._
    wanted = next((state for state in CallOutState if state.value == to), None)

    def do(session: Session, call_out: CallOut, links: CallOutLinks) -> None:
        if wanted is None:
            raise InvalidCallOut("to", "is no state")
        call_out_moves.move_call_out(
            session,
            call_out.id,
            wanted,
            actor=actor,
            note=note.replace("\0", ""),
            hash_of_link=links.hash_of_link,
            now_ms=held.clock(),
        )

    try:
        return _done(request, actor, held, call_out_id, do)
    except MissingNote:
        problem = _("Write down what was achieved, or why nobody was needed.")
        return _page(request, actor, held, call_out_id, problem=problem, status_code=422)


@router.post("/call-outs/{call_out_id}/next-stage", dependencies=FORM)
def call_next_stage(request: Request, actor: PageActor, held: Held, call_out_id: int) -> Response:
    def do(session: Session, call_out: CallOut, links: CallOutLinks) -> None:
        call_out_moves.call_next_stage(
            session, call_out.id, actor=actor, hash_of_link=links.hash_of_link, now_ms=held.clock()
        )

    return _done(request, actor, held, call_out_id, do)


@router.post("/call-outs/{call_out_id}/arrivals", dependencies=FORM)
def note_arrival_of(
    request: Request, actor: PageActor, held: Held, call_out_id: int, summons: Text = "", arrived: Text = "1"
) -> Response:
    def do(session: Session, call_out: CallOut, _: CallOutLinks) -> None:
        found = find_summons(session, min(int(summons), LARGEST_ID)) if summons.isdecimal() else None
        if found is None or found.call_out_id != call_out.id:
            raise NotSummoned
        note_arrival(session, found, has_arrived=arrived == "1", actor=actor, now_ms=held.clock())

    return _done(request, actor, held, call_out_id, do)


def _done(
    request: Request,
    actor: Actor,
    held: Resources,
    call_out_id: int,
    do: Callable[[Session, CallOut, CallOutLinks], None],
) -> Response:
    with held.database.writing() as session:
        do(session, _seen(request, session, actor, call_out_id), open_links(held.settings))
    return RedirectResponse(f"/call-outs/{call_out_id}", status_code=303)


def _seen(request: Request, session: Session, actor: Actor, call_out_id: int) -> CallOut:
    call_out = get_call_out(session, min(call_out_id, LARGEST_ID))
    check_site(request, actor, call_out.site.key, unknown=UnknownCallOut(call_out_id))
    return call_out
