"""One tap answers a summons: by the personal link without a login, or signed in.

Looking at the page changes nothing, so that the preview of a link in a chat answers for nobody.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.call_out import Summons, get_call_out
from alerts.call_out_errors import InvalidCallOut, NotSummoned, SummonsOver
from alerts.call_out_states import ARRIVES_IN_MIN, Answer
from alerts.call_out_summons import find_by_link, find_own, give_answer, note_arrival, why_over
from api.answer_desk import AnswerDesk
from api.call_out_links import PATH, SECRET, hash_of_secret
from api.call_out_words import ANSWER_TITLES, OVER_TITLES, forecast_lines, reason_text
from api.pages.moments import duration_text
from api.pages.rendering import LANGUAGE_COOKIE, Reader, reader_of, render
from api.resources import Held, Resources
from api.routes.parameters import LARGEST_ID
from api.security import PageActor, check_csrf
from api.translations import as_language, translator
from registry.role import Actor

CANNOT, ARRIVED = "cannot", "arrived"
Say = Annotated[str, Form(max_length=16)]

router = APIRouter(include_in_schema=False)


@router.get(PATH + "/{secret}")
def show_question(request: Request, held: Held, secret: str) -> Response:
    wait_ms = _desk(request).looks.wait_ms(_address(request), now_ms=held.clock())
    if wait_ms:
        return _too_often(request, wait_ms)
    with held.database.reading() as session:
        try:
            summons = _by_secret(session, secret)
        except NotSummoned:
            return _unknown(request, held)
        return _question(request, session, summons, action=f"{PATH}/{secret}", is_signed_in=False)


@router.post(PATH + "/{secret}")
def answer_by_link(request: Request, held: Held, secret: str, say: Say = "") -> Response:
    """The secret is all that proves who answers: a form of another site cannot know it."""
    wait_ms = _desk(request).looks.wait_ms(_address(request), now_ms=held.clock())
    if wait_ms:
        return _too_often(request, wait_ms)
    try:
        with held.database.writing() as session:
            _say(session, _by_secret(session, secret), say, now_ms=held.clock())
    except NotSummoned:
        return _unknown(request, held)
    return RedirectResponse(f"{PATH}/{secret}", status_code=HTTPStatus.SEE_OTHER)


@router.get("/call-outs/{call_out_id}/answer")
def show_own_question(request: Request, actor: PageActor, held: Held, call_out_id: int) -> Response:
    with held.database.reading() as session:
        summons = _own(session, actor, call_out_id)
        return _question(request, session, summons, action=f"/call-outs/{call_out_id}/answer", is_signed_in=True)


@router.post("/call-outs/{call_out_id}/answer", dependencies=[Depends(check_csrf)])
def answer_signed_in(request: Request, actor: PageActor, held: Held, call_out_id: int, say: Say = "") -> Response:
    with held.database.writing() as session:
        _say(session, _own(session, actor, call_out_id), say, now_ms=held.clock())
    return RedirectResponse(f"/call-outs/{call_out_id}/answer", status_code=HTTPStatus.SEE_OTHER)


def _own(session: Session, actor: Actor, call_out_id: int) -> Summons:
    return find_own(session, min(call_out_id, LARGEST_ID), actor.person_id)


def _by_secret(session: Session, secret: str) -> Summons:
    if not SECRET.fullmatch(secret):
        raise NotSummoned
    return find_by_link(session, hash_of_secret(secret))


def _say(session: Session, summons: Summons, said: str, *, now_ms: int) -> None:
    """Raises InvalidCallOut for what no button says. What comes too late changes nothing: the page tells why."""
    try:
        if said == ARRIVED:
            note_arrival(session, summons, has_arrived=True, now_ms=now_ms)
        elif said == CANNOT:
            give_answer(session, summons, Answer.CANNOT, now_ms=now_ms)
        elif said.isascii() and said.isdecimal():
            give_answer(session, summons, Answer.COMING, minutes=int(said), now_ms=now_ms)
        else:
            raise InvalidCallOut("say", "is no answer")
    except SummonsOver:
        return


def _question(request: Request, session: Session, summons: Summons, *, action: str, is_signed_in: bool) -> HTMLResponse:
    call_out = get_call_out(session, summons.call_out_id)
    reader = _reader(request, summons)
    over = why_over(call_out, summons, now_ms=reader.now_ms)
    zone = call_out.site.timezone
    return render(
        request,
        "call_out_answer.html",
        reader,
        action=action,
        is_signed_in=is_signed_in,
        site_name=call_out.site.name,
        name=summons.person.display_name,
        reason=reason_text(call_out, _=reader._),
        meeting_point=call_out.meeting_point,
        forecast=forecast_lines(call_out.facts, _=reader._),
        asked=reader.moment(summons.asked_ms, zone),
        over=reader._(OVER_TITLES.get(over, OVER_TITLES["expired"])) if over else "",
        stand_down_note=call_out.stand_down_note,
        answer=summons.answer,
        answer_title=reader._(ANSWER_TITLES[Answer(summons.answer) if summons.answer else None]),
        minutes=summons.minutes,
        expected=reader.moment(summons.expected_ms, zone) if summons.expected_ms is not None else None,
        arrived=reader.moment(summons.arrived_ms, zone) if summons.arrived_ms is not None else None,
        choices=ARRIVES_IN_MIN,
    )


def _reader(request: Request, summons: Summons) -> Reader:
    """Speaks the language chosen on this phone, else that of the person who was asked."""
    reader = reader_of(request)
    if as_language(request.cookies.get(LANGUAGE_COOKIE)) is None and reader.actor is None:
        language = as_language(summons.person.language)
        if language is not None:
            return replace(reader, _=translator(language))
    return reader


def _desk(request: Request) -> AnswerDesk:
    desk = request.app.state.answer_desk
    assert isinstance(desk, AnswerDesk)
    return desk


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _unknown(request: Request, held: Resources) -> Response:
    wait_ms = _desk(request).wrong_links.wait_ms(_address(request), now_ms=held.clock())
    if wait_ms:
        return _too_often(request, wait_ms)
    reader = reader_of(request)
    problem = reader._("This link leads to no question. Open it from the message again, and take all of it.")
    return render(request, "call_out_unknown.html", reader, problem=problem, status_code=HTTPStatus.NOT_FOUND)


def _too_often(request: Request, wait_ms: int) -> Response:
    reader = reader_of(request)
    wait = duration_text(wait_ms, _=reader._)
    problem = reader._("Too many requests came from your connection. Try again in %(wait)s.", wait=wait)
    response = render(
        request, "call_out_unknown.html", reader, problem=problem, status_code=HTTPStatus.TOO_MANY_REQUESTS
    )
    response.headers["Retry-After"] = str(-(-wait_ms // 1000))
    return response
