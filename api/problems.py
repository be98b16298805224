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
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from alerts.action_team import DelegateMissing, ReportedByThemselves, UnknownTeam
from alerts.call_out_errors import (
    InvalidCallOut,
    NoStageLeft,
    NotSummoned,
    NotThatMany,
    OpenCallOut,
    SummonsOver,
    UnknownCallOut,
    UnknownStockItem,
)
from alerts.casework import InvalidAddition
from alerts.errors import (
    IllegalMove,
    InvalidShelving,
    InvalidSuppression,
    MissingNote,
    MissingProof,
    MovedMeanwhile,
    NeverShelved,
    NotPermitted,
    OtherPartyNeeded,
    UnknownAlarm,
    UnknownSuppression,
    UnknownTicket,
)
from alerts.false_alarm import NoCauseGiven
from alerts.patrol_errors import (
    InvalidPlan,
    PatrolCancelled,
    ResultsNotPermitted,
    UnknownCheckpoint,
    UnknownPatrol,
    UnknownPatrolPhoto,
    UnknownPlan,
)
from alerts.rating import NotRateable
from alerts.upload import RefusedUpload
from alerts.webhook import UnknownWebhook
from api.errors import (
    ForgedRequest,
    InvalidField,
    NotSignedIn,
    ResultsRefused,
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
from governance.appraisal import AppraisalRefused, InvalidAppraisal, UnknownAppraisal
from governance.errors import (
    InvalidProposal,
    SignedForAnother,
    StepLacks,
    StepNotPermitted,
    StepNotPossible,
    SteppedMeanwhile,
    UnknownProposal,
)
from governance.fund import UnknownAccount
from governance.meeting_errors import (
    ConfirmedAlready,
    NoQuorum,
    NotOnAgenda,
    PartyNotHeld,
    QuorumPresent,
    UnknownMeeting,
    UnknownReception,
    WordsChangedMeanwhile,
)
from governance.notice import InvalidNotice, UnknownNotice
from governance.objection import ObjectionRefused, UnknownObjection
from governance.owners_roll import DraftGone, UnknownPart
from governance.roll_link import LinkRefused, UnknownOwner
from governance.vote_errors import BallotRefused, EmptyRoll, ResultNotYet, UnknownVote
from governance.vote_rules import LaxerThanLaw
from governance.vote_rules_change import RulesRefused
from governance.work_list import UnknownTask, WordNeeded
from ingest.stores.contract import StoreError, StoreInUse, StoreUnavailable
from registry.channel import UnknownChannel
from registry.errors import DatabaseUnavailable, UnknownSite, UnknownUnit
from registry.errors import InvalidField as InvalidRegisterField
from registry.model_version import UnknownVersion
from registry.replay import KeyReused
from registry.service_record import UnknownServiceRecord

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
        UnknownVersion: Row(_S.NOT_FOUND, "unknown-model-version", "No such model version", ("unit", "number")),
        UnknownServiceRecord: Row(_S.NOT_FOUND, "unknown-service-record", "No such service record", ("record_id",)),
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
        UnknownCallOut: Row(_S.NOT_FOUND, "unknown-call-out", "No such call-out", ("call_out_id",)),
        UnknownStockItem: Row(_S.NOT_FOUND, "unknown-stock-item", "No such item in stock", ("item_id",)),
        NotSummoned: Row(_S.NOT_FOUND, "not-summoned", "Not asked, or no such link"),
        SummonsOver: Row(_S.GONE, "summons-over", "Nobody needs to answer any more", ("state",)),
        OpenCallOut: Row(_S.CONFLICT, "open-call-out", "A call-out is open already", ("site", "call_out_id")),
        NoStageLeft: Row(_S.CONFLICT, "no-stage-left", "All stages have been called", ("call_out_id",)),
        UnknownAppraisal: Row(_S.NOT_FOUND, "unknown-appraisal", "No such appraisal", ("appraisal_id",)),
        InvalidAppraisal: Row(_S.UNPROCESSABLE_ENTITY, "invalid-appraisal", "Invalid request", ("reason",)),
        AppraisalRefused: Row(_S.CONFLICT, "appraisal-refused", "Not possible", ("reason", "allowed")),
        NotRateable: Row(_S.CONFLICT, "not-rateable", "Cannot be rated", ("reason",)),
        NotThatMany: Row(_S.CONFLICT, "not-that-many", "Not that many", ("item_id", "wanted", "most")),
        InvalidCallOut: Row(_S.UNPROCESSABLE_ENTITY, "invalid-field", "Invalid request", ("field", "reason")),
        RefusedUpload: Row(_S.UNPROCESSABLE_ENTITY, "refused-upload", "File refused", ("fault",)),
        UnknownPatrol: Row(_S.NOT_FOUND, "unknown-patrol", "No such patrol", ("patrol_id",)),
        UnknownPlan: Row(_S.NOT_FOUND, "unknown-plan", "No such plan", ("plan_id",)),
        UnknownCheckpoint: Row(_S.NOT_FOUND, "unknown-checkpoint", "No such checkpoint", ("code",)),
        UnknownPatrolPhoto: Row(_S.NOT_FOUND, "unknown-photo", "No such photo", ("photo_id",)),
        ResultsNotPermitted: Row(_S.FORBIDDEN, "results-not-permitted", "Not permitted", ("patrol_id", "roles")),
        PatrolCancelled: Row(_S.CONFLICT, "patrol-cancelled", "The patrol was called off", ("patrol_id",)),
        InvalidPlan: Row(_S.UNPROCESSABLE_ENTITY, "invalid-plan", "Plan not possible", ("field", "reason")),
        ResultsRefused: Row(_S.UNPROCESSABLE_ENTITY, "results-refused", "Results refused", ("refused",)),
        KeyReused: Row(_S.UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Key used before"),
        NeverShelved: Row(_S.CONFLICT, "never-shelved", "May never be shelved", ("alarm_id", "condition")),
        MissingNote: Row(_S.UNPROCESSABLE_ENTITY, "missing-note", "Note needed", ("subject", "wanted")),
        InvalidShelving: Row(_S.UNPROCESSABLE_ENTITY, "invalid-shelving", "Shelving not possible"),
        UnknownWebhook: Row(_S.NOT_FOUND, "unknown-webhook", "No such webhook", ("webhook_id",)),
        UnknownSuppression: Row(_S.NOT_FOUND, "unknown-suppression", "No such window", ("suppression_id",)),
        InvalidSuppression: Row(_S.UNPROCESSABLE_ENTITY, "invalid-suppression", "Window not possible", ("reason",)),
        NoCauseGiven: Row(_S.UNPROCESSABLE_ENTITY, "no-cause-given", "Cause needed", ("alarm_id",)),
        InvalidField: Row(_S.UNPROCESSABLE_ENTITY, "invalid-field", "Invalid request", ("field", "reason", "facts")),
        InvalidRegisterField: Row(_S.UNPROCESSABLE_ENTITY, "invalid-field", "Invalid request", ("field", "reason")),
        UnknownVote: Row(_S.NOT_FOUND, "no-vote", "No vote yet", ("proposal_id",)),
        ResultNotYet: Row(
            _S.CONFLICT,
            "no-result-yet",
            "No result before the end",
            ("is_over", "closes_at", "roll", "participating", "papers_waiting"),
        ),
        BallotRefused: Row(_S.CONFLICT, "ballot-refused", "Ballot refused", ("reason",)),
        EmptyRoll: Row(_S.CONFLICT, "empty-roll", "Nobody could vote", ("site", "building")),
        LaxerThanLaw: Row(_S.UNPROCESSABLE_ENTITY, "laxer-than-law", "Less than the law asks", ("what", "law", "own")),
        UnknownNotice: Row(_S.NOT_FOUND, "unknown-notice", "No such notice", ("notice_id",)),
        InvalidNotice: Row(_S.UNPROCESSABLE_ENTITY, "invalid-notice", "Notice refused", ("reason", "least_days")),
        UnknownPart: Row(_S.NOT_FOUND, "unknown-part", "No such part", ("part_id",)),
        UnknownOwner: Row(_S.NOT_FOUND, "unknown-owner", "No such owner", ("owner_id",)),
        LinkRefused: Row(_S.UNPROCESSABLE_ENTITY, "link-refused", "Account not linked", ("reason",)),
        RulesRefused: Row(_S.CONFLICT, "vote-rules-refused", "Vote rules refused", ("reason",)),
        DraftGone: Row(_S.CONFLICT, "draft-gone", "Look it through again", ("site",)),
        UnknownObjection: Row(_S.NOT_FOUND, "unknown-objection", "No such objection", ("objection_id",)),
        ObjectionRefused: Row(_S.UNPROCESSABLE_ENTITY, "objection-refused", "Objection refused", ("reason",)),
        UnknownProposal: Row(_S.NOT_FOUND, "unknown-proposal", "No such proposal", ("proposal_id",)),
        UnknownAccount: Row(_S.NOT_FOUND, "unknown-account", "No such account of the fund", ("account_id",)),
        InvalidProposal: Row(_S.UNPROCESSABLE_ENTITY, "invalid-proposal", "Not possible", ("field", "reason", "facts")),
        StepNotPermitted: Row(_S.FORBIDDEN, "step-not-permitted", "Not permitted", ("subject", "wanted", "roles")),
        SignedForAnother: Row(
            _S.CONFLICT, "signed-for-another", "Nobody acts for two parties", ("subject", "wanted", "party")
        ),
        StepNotPossible: Row(
            _S.CONFLICT, "illegal-move", "Step not possible", ("subject", "current", "wanted", "allowed", "dates")
        ),
        SteppedMeanwhile: Row(
            _S.CONFLICT,
            "moved-meanwhile",
            "Somebody else moved it meanwhile",
            ("subject", "current", "wanted", "allowed", "dates"),
        ),
        StepLacks: Row(
            _S.CONFLICT,
            "step-lacks",
            "Step not possible yet",
            ("subject", "current", "wanted", "allowed", "dates", "lacking"),
        ),
        UnknownMeeting: Row(_S.NOT_FOUND, "unknown-meeting", "No such meeting", ("meeting_id",)),
        UnknownReception: Row(_S.NOT_FOUND, "unknown-reception", "No such reception entry", ("entry_id",)),
        UnknownTask: Row(_S.NOT_FOUND, "unknown-task", "No such task", ("task_id",)),
        UnknownTeam: Row(_S.NOT_FOUND, "unknown-team", "No such action team", ("team_id",)),
        NotOnAgenda: Row(_S.CONFLICT, "not-on-agenda", "Not on the agenda", ("meeting_id", "item_id")),
        NoQuorum: Row(_S.CONFLICT, "no-quorum", "No quorum", ("subject", "missing")),
        QuorumPresent: Row(_S.CONFLICT, "quorum-present", "The quorum is there", ("subject",)),
        WordsChangedMeanwhile: Row(
            _S.CONFLICT, "changed-meanwhile", "Somebody else wrote there", ("subject", "version", "changed_by")
        ),
        PartyNotHeld: Row(_S.FORBIDDEN, "party-not-held", "Not for this party", ("subject", "party", "parties")),
        ConfirmedAlready: Row(_S.CONFLICT, "confirmed-already", "Confirmed already", ("subject", "party", "by")),
        WordNeeded: Row(_S.UNPROCESSABLE_ENTITY, "missing-note", "Note needed", ("subject", "wanted")),
        DelegateMissing: Row(
            _S.CONFLICT, "delegate-missing", "A delegate is missing", ("subject", "wanted", "parties")
        ),
        ReportedByThemselves: Row(
            _S.CONFLICT, "other-party-needed", "Another party must sign", ("subject", "wanted", "parties")
        ),
        # What no check of ours foresaw, such as a NUL typed into a form; psycopg knows before the server does.
        DataError: Row(
            _S.UNPROCESSABLE_ENTITY,
            "invalid-request",
            "Invalid request",
            detail="a value holds something that cannot be kept, or is too large",
        ),
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
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE or isinstance(error, DataError):
        told = "unavailable" if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else "refused by the database"
        log.warning(told, problem=problem.name, error=f"{type(error).__name__}: {error}".splitlines()[0])
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
