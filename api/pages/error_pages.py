"""What a browser is shown when something could not be done."""

from http import HTTPStatus

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from api.pages.rendering import Reader, chosen_language, render
from api.problems import Problem
from api.resources import get_resources
from api.security import signed_in
from api.translations import msgid, translator
from registry.login import SignedIn

TITLES = {
    HTTPStatus.BAD_REQUEST: msgid("This request cannot be understood"),
    HTTPStatus.UNAUTHORIZED: msgid("Please sign in"),
    HTTPStatus.FORBIDDEN: msgid("This is not for your role"),
    HTTPStatus.NOT_FOUND: msgid("Not found"),
    HTTPStatus.METHOD_NOT_ALLOWED: msgid("This request cannot be understood"),
    HTTPStatus.CONFLICT: msgid("This is not possible now"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: msgid("What was sent is too large"),
    HTTPStatus.UNPROCESSABLE_ENTITY: msgid("This request cannot be understood"),
    HTTPStatus.TOO_MANY_REQUESTS: msgid("Too many attempts"),
    HTTPStatus.SERVICE_UNAVAILABLE: msgid("Not available at the moment"),
}
ADVICE = {
    HTTPStatus.FORBIDDEN: msgid("Ask whoever runs this service if you need it for your work."),
    HTTPStatus.NOT_FOUND: msgid("Nothing is at this address, or it belongs to a compound you are not responsible for."),
    HTTPStatus.CONFLICT: msgid("Somebody else may have been faster. Go back and load the page again."),
    HTTPStatus.SERVICE_UNAVAILABLE: msgid("Something this page needs does not answer. Try again in a moment."),
}
ADVICE_BY_NAME = {
    "forged-request": msgid("The form is out of date. Go back, load the page again, and repeat what you did."),
    "telemetry-unavailable": msgid("The telemetry store does not answer. Alarms and tickets work all the same."),
    "database-unavailable": msgid("The database does not answer. Try again in a moment."),
}


def error_page(request: Request, problem: Problem) -> Response:
    """A problem in the reader's language."""
    login = _login(request, problem)
    actor = login.actor if login is not None else None
    reader = Reader(
        _=translator(chosen_language(request, actor)),
        now_ms=get_resources(request).clock(),
        actor=actor,
        csrf_token=login.csrf_token if login is not None else "",
    )
    status = HTTPStatus(problem.status)
    fallback = msgid("Something went wrong") if status >= HTTPStatus.INTERNAL_SERVER_ERROR else msgid("Not possible")
    advice = ADVICE_BY_NAME.get(problem.name) or ADVICE.get(status)
    if advice is None and status is HTTPStatus.INTERNAL_SERVER_ERROR:
        advice = msgid("It was our fault, and it was recorded. Try again; if it stays, tell whoever runs this service.")
    return render(
        request,
        "error.html",
        reader,
        status_code=problem.status,
        status=problem.status,
        title=reader._(TITLES.get(status, fallback)),
        advice=reader._(advice) if advice is not None else "",
    )


def _login(request: Request, problem: Problem) -> SignedIn | None:
    """Who sees the page. The database is not asked when it, or something inside, may be what failed."""
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        login = getattr(request.state, "session_login", None)
        return login if isinstance(login, SignedIn) else None
    try:
        return signed_in(request)
    except SQLAlchemyError:
        return None
