"""Errors as they leave the program: one table from exception to problem details (RFC 9457).

A problem tells the facts of its error as members of their own, and nothing about the inside of the program.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from alerts.casework import InvalidAddition
from alerts.errors import (
    IllegalMove,
    InvalidShelving,
    MissingNote,
    MissingProof,
    MovedMeanwhile,
    NeverShelved,
    NotPermitted,
    OtherPartyNeeded,
    UnknownAlarm,
    UnknownTicket,
)
from alerts.upload import RefusedUpload
from api.errors import (
    ForgedRequest,
    InvalidField,
    NotSignedIn,
    RoleMissing,
    SignInNeeded,
    TooManyAttempts,
    TooManyStreams,
    UnknownAttachment,
    UnknownMessage,
    UnknownMetric,
    WrongCredentials,
    WrongHost,
)
from ingest.stores.contract import StoreError, StoreInUse, StoreUnavailable
from registry.channel import UnknownChannel
from registry.errors import DatabaseUnavailable, UnknownSite, UnknownUnit
from registry.errors import InvalidField as InvalidRegisterField
from registry.replay import KeyReused

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:liandong:problem:"
RETRY_SOON_S = 2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """How an error is told. `facts` are attributes of the error that become members of the problem.

    With `detail` the error's own message stays inside, because it names things that are nobody's business outside.
    """

    status: HTTPStatus
    name: str
    title: str
    facts: tuple[str, ...] = ()
    headers: Callable[[Any], Mapping[str, str]] = lambda _: {}
    detail: str | None = None


_S = HTTPStatus
_BEARER: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}

TABLE: Mapping[type[Exception], Row] = MappingProxyType(
    {
        NotSignedIn: Row(_S.UNAUTHORIZED, "not-signed-in", "Sign-in needed", headers=lambda _: _BEARER),
        WrongCredentials: Row(_S.UNAUTHORIZED, "wrong-credentials", "Sign-in refused", headers=lambda _: _BEARER),
        TooManyAttempts: Row(
            _S.TOO_MANY_REQUESTS,
            "too-many-attempts",
            "Too many attempts to sign in",
            ("retry_after_s",),
            headers=lambda error: {"Retry-After": str(error.retry_after_s)},
        ),
        TooManyStreams: Row(
            _S.SERVICE_UNAVAILABLE,
            "too-many-streams",
            "Too many live streams",
            headers=lambda _: {"Retry-After": str(RETRY_SOON_S)},
        ),
        WrongHost: Row(_S.MISDIRECTED_REQUEST, "wrong-host", "Wrong host name"),
        RoleMissing: Row(_S.FORBIDDEN, "role-missing", "Not permitted", ("roles",)),
        NotPermitted: Row(_S.FORBIDDEN, "move-not-permitted", "Not permitted", ("subject", "wanted", "roles")),
        ForgedRequest: Row(_S.FORBIDDEN, "forged-request", "Request not from our own pages"),
        UnknownSite: Row(_S.NOT_FOUND, "unknown-site", "No such site", ("site",)),
        UnknownUnit: Row(_S.NOT_FOUND, "unknown-unit", "No such unit", ("unit",)),
        UnknownMetric: Row(_S.NOT_FOUND, "unknown-metric", "No such metric", ("unit", "metric", "metrics")),
        UnknownAlarm: Row(_S.NOT_FOUND, "unknown-alarm", "No such alarm", ("alarm_id",)),
        UnknownTicket: Row(_S.NOT_FOUND, "unknown-ticket", "No such ticket", ("ticket_id",)),
        UnknownChannel: Row(_S.NOT_FOUND, "unknown-channel", "No such channel", ("channel_id",)),
        UnknownMessage: Row(_S.NOT_FOUND, "unknown-message", "No such message in quarantine", ("message_id",)),
        IllegalMove: Row(
            _S.CONFLICT, "illegal-move", "Move not possible", ("subject", "current", "wanted", "allowed", "moved_by")
        ),
        MovedMeanwhile: Row(
            _S.CONFLICT,
            "moved-meanwhile",
            "Somebody else moved it meanwhile",
            ("subject", "current", "wanted", "allowed", "moved_by"),
        ),
        OtherPartyNeeded: Row(
            _S.CONFLICT,
            "other-party-needed",
            "Another party must sign",
            ("subject", "wanted", "parties", "allowed", "is_cross_appointed"),
        ),
        MissingProof: Row(_S.UNPROCESSABLE_ENTITY, "missing-proof", "Proof needed", ("subject", "wanted", "lacking")),
        UnknownAttachment: Row(
            _S.NOT_FOUND, "unknown-attachment", "No such attachment", ("ticket_id", "attachment_id")
        ),
        InvalidAddition: Row(_S.UNPROCESSABLE_ENTITY, "invalid-addition", "Cannot be added", ("reason",)),
        RefusedUpload: Row(_S.UNPROCESSABLE_ENTITY, "refused-upload", "File refused", ("fault",)),
        KeyReused: Row(_S.UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Key used before"),
        NeverShelved: Row(_S.CONFLICT, "never-shelved", "May never be shelved", ("alarm_id", "condition")),
        MissingNote: Row(_S.UNPROCESSABLE_ENTITY, "missing-note", "Note needed", ("subject", "wanted")),
        InvalidShelving: Row(_S.UNPROCESSABLE_ENTITY, "invalid-shelving", "Shelving not possible"),
        InvalidField: Row(_S.UNPROCESSABLE_ENTITY, "invalid-field", "Invalid request", ("field", "reason", "facts")),
        InvalidRegisterField: Row(_S.UNPROCESSABLE_ENTITY, "invalid-field", "Invalid request", ("field", "reason")),
        StoreUnavailable: Row(
            _S.SERVICE_UNAVAILABLE,
            "telemetry-unavailable",
            "Telemetry store not available",
            headers=lambda _: {"Retry-After": str(RETRY_SOON_S)},
            detail="the telemetry store does not answer; alarms and tickets work all the same",
        ),
        StoreError: Row(
            _S.SERVICE_UNAVAILABLE,
            "telemetry-unavailable",
            "Telemetry store not available",
            detail="the telemetry store does not do what it was asked",
        ),
        StoreInUse: Row(
            _S.SERVICE_UNAVAILABLE,
            "telemetry-unavailable",
            "Telemetry store not available",
            detail="the telemetry store is held by another process",
        ),
        **dict.fromkeys(
            (OperationalError, InterfaceError, DatabaseUnavailable),
            Row(
                _S.SERVICE_UNAVAILABLE,
                "database-unavailable",
                "Database not available",
                headers=lambda _: {"Retry-After": str(RETRY_SOON_S)},
                detail="the database does not answer",
            ),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, ready to be told; a page may render it for people instead."""

    status: int
    name: str
    title: str
    detail: str
    instance: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            **self.facts,
            "type": TYPE_PREFIX + self.name,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
        }


ErrorPage = Callable[[Request, Problem], Response]
"""Renders a problem for a browser; the pages put theirs at `app.state.error_page`."""


def problem_of(error: Exception, *, instance: str) -> Problem:
    """The problem of any error; one that is in no row is our own fault and stays inside."""
    if isinstance(error, RequestValidationError):
        return _of_validation(error, instance=instance)
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        name = status.phrase.lower().replace(" ", "-")
        return Problem(status, name, status.phrase, str(error.detail), instance, headers=error.headers or {})
    row = next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), None)
    if row is None:
        detail = "something went wrong inside; it was recorded"
        return Problem(500, "internal-error", HTTPStatus.INTERNAL_SERVER_ERROR.phrase, detail, instance)
    facts: dict[str, Any] = {name: getattr(error, name) for name in row.facts}
    facts.update(facts.pop("facts", {}))
    detail = str(error) if row.detail is None else row.detail
    return Problem(row.status, row.name, row.title, detail, instance, facts, row.headers(error))


def _of_validation(error: RequestValidationError, *, instance: str) -> Problem:
    # The value itself is not told back: it may be a password.
    errors = []
    for each in error.errors():
        where, *path = each["loc"] or ("request",)
        # Behind the name of a parameter stands only which of its types did not fit.
        name = ".".join(str(part) for part in (path if where == "body" else path[:1]))
        errors.append({"in": str(where), "field": name, "reason": str(each["msg"])})
    told = "; ".join(f"{each['field'] or each['in']}: {each['reason']}" for each in errors)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, "invalid-request", "Invalid request", told, instance, {"errors": errors})


def respond(request: Request, problem: Problem) -> Response:
    """JSON for programs, a page for people who look at pages."""
    error_page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    if error_page is not None and is_for_browser(request):
        response = error_page(request, problem)
    else:
        response = JSONResponse(problem.as_json(), status_code=problem.status, media_type=MEDIA_TYPE)
    for name, value in problem.headers.items():
        response.headers[name] = value
    return response


def is_for_browser(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def handle(request: Request, error: Exception) -> Response:
    problem = problem_of(error, instance=request.url.path)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("unavailable", problem=problem.name, error=f"{type(error).__name__}: {error}".splitlines()[0])
    return respond(request, problem)


def handle_sign_in_needed(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    query = "" if error.next_path == "/" else "?" + urlencode({"next": error.next_path})
    return RedirectResponse("/sign-in" + query, status_code=HTTPStatus.SEE_OTHER)


def install(app: FastAPI) -> None:
    kinds: Iterable[type[Exception]] = (*TABLE, RequestValidationError, HTTPException)
    for kind in kinds:
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(SignInNeeded, handle_sign_in_needed)
