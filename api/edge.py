"""What stands between the server and the routes: headers of every answer, limits, measures, and the last catch.

Plain ASGI, because an answer here may be a stream that never ends.
"""

import re
import traceback
from collections.abc import Callable, Mapping
from time import perf_counter

import structlog
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerts.upload import MAX_UPLOAD_BYTES
from api.errors import WrongHost
from api.problems import Problem, problem_of, respond
from api.security import route_template
from api.settings import LOOPBACK_HOSTS

MAX_BODY_BYTES = 256 * 1024
MAX_BODY_WITH_FILE_BYTES = MAX_UPLOAD_BYTES + 256 * 1024
RESIDENTS_REPORT = re.compile(r"/report/[A-Za-z0-9]{10,32}")
"""Where how often is asked before the body is read."""
TAKES_A_FILE = re.compile(
    r"/(api/v1/)?tickets/\d+/(attachments|moves)|/tickets/new|/api/v1/patrols/\d+/photos|/patrols/\d+/results"
    r"|/roll/look|/notices/\d+/proofs"
)
HSTS_S = 365 * 24 * 3600
REQUEST_ID_HEADER = "X-Request-ID"
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

log = structlog.get_logger(__name__)


class Named:
    """Gives each request an id that stands in every log line about it and in its answer, and logs how it ended.

    A proxy may have drawn the id. What only looks on is logged at DEBUG; neither query nor body ever is.
    """

    def __init__(self, app: ASGIApp, *, draw_id: Callable[[], str]) -> None:
        self._app = app
        self._draw_id = draw_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self._draw_id()
        started_s = perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                looks_on = scope["method"] in ("GET", "HEAD") and status < 400
                tell = log.debug if looks_on else log.info
                tell(
                    "request",
                    method=scope["method"] if scope["method"] in KNOWN_METHODS else "other",
                    route=route_template(scope),
                    status=int(status),
                    duration_s=round(perf_counter() - started_s, 4),
                )


class HeadersOfEveryAnswer:
    """Adds the security headers; a route may set its own value of each. What is not static is not kept by caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", f"max-age={HSTS_S}")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class LastCatch:
    """An error that no row of the problem table knows: recorded with its traceback, told without it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def send_noting_start(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noting_start)
        except Exception as error:
            # Formatted here, because a renderer may be set to print local variables, and one of them may be a password.
            told = "".join(traceback.format_exception(error))
            log.error("request failed", method=scope["method"], route=route_template(scope), traceback=told)
            if has_started:
                # Too late for a status: the server breaks the connection off, and the client sees that it is not whole.
                raise
            await _tell(error, scope, receive, send)


class Measured:
    """Observes how long each answer took, by route and status; streams are measured by their number instead."""

    def __init__(self, app: ASGIApp, *, duration: Histogram) -> None:
        self._app = app
        self._duration = duration

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = perf_counter()
        status = 0
        is_stream = False

        async def send_noting_status(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = Headers(scope=message).get("content-type", "").startswith("text/event-stream")
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            if not is_stream:
                route = route_template(scope) or "none"
                # Methods are whatever a client writes; only known ones become a label.
                method = scope["method"] if route != "none" else "any"
                self._duration.labels(method, route, str(status)).observe(perf_counter() - started_s)


class LoopbackNamesOnly:
    """Refuses other host names, so that no foreign page can reach a demo through a name that points here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _host_name(Headers(scope=scope).get("host", "")) not in LOOPBACK_HOSTS:
            await _tell(WrongHost(), scope, receive, send)
            return
        await self._app(scope, receive, send)


class AddressWithoutNul:
    """Refuses an address with the character NUL, which PostgreSQL keeps in no text and no person types."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            await _tell(HTTPException(400, "an address must not contain the character NUL"), scope, receive, send)
            return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a request body that is announced, or turns out, to be larger than anything we take."""

    def __init__(self, app: ASGIApp, *, most_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._most_bytes = most_bytes

    def _most_bytes_of(self, scope: Scope, headers: Headers) -> int:
        """Files are taken where they belong; of tickets not even read from those who do not try to say who they are."""
        is_somebody = "cookie" in headers or "authorization" in headers
        takes = RESIDENTS_REPORT.fullmatch(scope["path"]) or (is_somebody and TAKES_A_FILE.fullmatch(scope["path"]))
        return MAX_BODY_WITH_FILE_BYTES if takes else self._most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most_bytes = self._most_bytes_of(scope, headers)
        too_large = HTTPException(413, f"the request body may have {most_bytes} bytes", {"Connection": "close"})
        announced = headers.get("content-length", "0")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > most_bytes:
            await _tell(too_large, scope, receive, send)
            return
        received = 0

        async def receive_counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most_bytes:
                raise too_large
            return message

        await self._app(scope, receive_counting, send)


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


async def _tell(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    problem: Problem = problem_of(error, instance=request.url.path)
    await respond(request, problem)(scope, receive, send)
