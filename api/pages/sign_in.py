"""Signing in and out, and the choice of language."""

from hmac import compare_digest
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from api.errors import TooManyAttempts, WrongCredentials
from api.pages.moments import duration_text
from api.pages.rendering import LANGUAGE_COOKIE, reader_of, render
from api.resources import Held
from api.security import (
    CSRF_FIELD,
    check_csrf,
    check_same_origin,
    clear_session_cookie,
    safe_next,
    set_session_cookie,
    sign_in,
    sign_out,
    signed_in,
)
from api.translations import as_language
from registry.login import Purpose
from registry.person import set_language
from registry.role import ROLE_TITLES

LANGUAGE_COOKIE_S = 365 * 24 * 3600

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/sign-in")
def show_sign_in(request: Request, held: Held, next: str = "/") -> Response:
    if signed_in(request) is not None:
        return RedirectResponse(safe_next(next), status_code=303)
    return _form(request, held, next_path=safe_next(next))


@router.post("/sign-in")
def do_sign_in(request: Request, held: Held, name: Text = "", password: Text = "", next: Text = "/") -> Response:
    check_same_origin(request)
    next_path = safe_next(next)
    _ = reader_of(request)._
    try:
        login = sign_in(request, name=name.strip(), password=password, purpose=Purpose.WEB)
    except WrongCredentials:
        problem = _("Name or password is wrong.")
        return _form(request, held, next_path=next_path, name=name, problem=problem, status_code=401)
    except TooManyAttempts as error:
        wait = duration_text(error.retry_after_s * 1000, _=_)
        problem = _("Too many attempts. Try again in %(wait)s.", wait=wait)
        response = _form(request, held, next_path=next_path, name=name, problem=problem, status_code=429)
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    response = RedirectResponse(next_path, status_code=303)
    set_session_cookie(request, response, login)
    return response


@router.post("/sign-out", dependencies=[Depends(check_csrf)])
def do_sign_out(request: Request) -> Response:
    sign_out(request)
    response = RedirectResponse("/sign-in", status_code=303)
    clear_session_cookie(request, response)
    return response


@router.post("/language")
def choose_language(
    request: Request,
    held: Held,
    language: Text = "",
    next: Text = "/",
    csrf_token: Annotated[str, Form(alias=CSRF_FIELD)] = "",
) -> Response:
    """Keeps the choice in this browser, and for a person who is signed in, in the register."""
    check_same_origin(request)
    response = RedirectResponse(safe_next(next), status_code=303)
    chosen = as_language(language)
    if chosen is None:
        return response
    login = signed_in(request)
    if (
        login is not None
        and login.actor.person_id is not None
        and compare_digest(csrf_token.encode(), login.csrf_token.encode())
    ):
        with held.database.writing() as session:
            set_language(session, login.actor.person_id, chosen)
    response.set_cookie(
        LANGUAGE_COOKIE,
        chosen,
        max_age=LANGUAGE_COOKIE_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def _form(
    request: Request, held: Held, *, next_path: str, name: str = "", problem: str = "", status_code: int = 200
) -> Response:
    reader = reader_of(request)
    return render(
        request,
        "sign_in.html",
        reader,
        status_code=status_code,
        next_path=next_path,
        name=name[:64],
        problem=problem,
        demo_accounts=[(account, reader._(ROLE_TITLES[account.role])) for account in held.demo_accounts],
    )
