"""Who is asking: sign-in, sessions and tokens, the guard of every route, and protection of forms.

A browser carries a session cookie, a program a bearer token; both are random secrets of which the register keeps only a
hash. Which roles may call which route stands in `api.route_roles`, and the guard here asks that table.
"""

import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from fastapi.security import OAuth2PasswordBearer
from starlette.responses import Response
from starlette.types import Scope

from api.errors import (
    ForgedRequest,
    NotSignedIn,
    RoleMissing,
    SignInNeeded,
    TooManyAttempts,
    UnknownRoute,
    WrongCredentials,
)
from api.resources import Resources, get_resources
from api.route_roles import PUBLIC, RESIDENTS, ROUTE_ROLES, Access
from api.sign_in_limit import SignInLimit
from registry.database import Database
from registry.errors import UnknownSite
from registry.login import LIFETIME_MS, Purpose, SignedIn, close_login, find_login, open_login
from registry.person import NAME, Person, authenticate
from registry.role import Actor

SESSION_COOKIE = "liandong_session"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SECRET_BYTES = 32
LONGEST_SECRET = 200
# Verifying one password takes 64 MiB and a core for a moment; a crowd at the door must not take the memory of all.
PASSWORDS_AT_ONCE = 2
# Those who wait hold a thread each, and there are forty for all routes.
WAITING_AT_MOST = 20
WAIT_S = 2

# Documents the scheme in OpenAPI; the guard below reads the header itself, because a cookie may stand in its place.
_bearer_scheme = OAuth2PasswordBearer(tokenUrl="/api/v1/token", auto_error=False)


@dataclass(frozen=True, slots=True)
class OpenedLogin:
    """A login that was just opened. `secret` is known only here and to whom it is given."""

    secret: str
    signed_in: SignedIn


class SignInDesk:
    """Where names and passwords are checked, so many at once and so often as is bearable."""

    def __init__(self) -> None:
        self._limit = SignInLimit()
        self._turns = threading.BoundedSemaphore(PASSWORDS_AT_ONCE)
        self._places = threading.BoundedSemaphore(PASSWORDS_AT_ONCE + WAITING_AT_MOST)

    def open_login(
        self, resources: Resources, *, name: str, password: str, address: str, purpose: Purpose
    ) -> OpenedLogin:
        """Raises WrongCredentials or TooManyAttempts."""
        self._limit.check(address=address, name=name, now_ms=resources.clock())
        if not self._places.acquire(blocking=False):
            raise TooManyAttempts(WAIT_S)
        try:
            with self._turns:
                person_id = _authenticated(resources.database, name, password)
        finally:
            self._places.release()
        if person_id is None:
            self._limit.failed(address=address, name=name, now_ms=resources.clock())
            raise WrongCredentials
        self._limit.succeeded(address=address, name=name)
        secret, csrf_token = secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        now_ms = resources.clock()
        with resources.database.writing() as session:
            person = session.get_one(Person, person_id)
            login = open_login(session, person, secret=secret, purpose=purpose, csrf_token=csrf_token, now_ms=now_ms)
            return OpenedLogin(secret, SignedIn(person.as_actor(), csrf_token, login.expires_ms))


def _authenticated(database: Database, name: str, password: str) -> int | None:
    """The person's id. In a transaction of its own: while a password is verified nobody shall wait to write."""
    with database.reading() as session:
        # A name that nobody can have takes as long as any other, but never reaches the database.
        person = authenticate(session, name=name if NAME.fullmatch(name) else "-", password=password)
        return None if person is None else person.id


def sign_in(request: Request, *, name: str, password: str, purpose: Purpose) -> OpenedLogin:
    """Opens a login, for the pages (`Purpose.WEB`) or the API. Raises WrongCredentials or TooManyAttempts. Blocks."""
    desk = request.app.state.sign_in_desk
    assert isinstance(desk, SignInDesk)
    address = request.client.host if request.client else ""
    return desk.open_login(get_resources(request), name=name, password=password, address=address, purpose=purpose)


def sign_out(request: Request) -> None:
    """Ends the login of the request, token or session, on the server. Blocks."""
    if secret := bearer_token(request) or request.cookies.get(SESSION_COOKIE):
        with get_resources(request).database.writing() as session:
            close_login(session, secret[:LONGEST_SECRET])


def set_session_cookie(request: Request, response: Response, login: OpenedLogin) -> None:
    response.set_cookie(SESSION_COOKIE, login.secret, max_age=LIFETIME_MS // 1000, **_cookie_attributes(request))


def clear_session_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(SESSION_COOKIE, **_cookie_attributes(request))


def _cookie_attributes(request: Request) -> dict[str, Any]:
    return {"path": "/", "httponly": True, "samesite": "lax", "secure": request.url.scheme == "https"}


def bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip()[:LONGEST_SECRET] if scheme.lower() == "bearer" else None


def signed_in(request: Request, *, is_remembered: bool = True) -> SignedIn | None:
    """Who holds the session of the request's cookie. Blocks; within one request the first answer is remembered."""
    if not (is_remembered and hasattr(request.state, "session_login")):
        request.state.session_login = _find(request, request.cookies.get(SESSION_COOKIE), Purpose.WEB)
    login: SignedIn | None = request.state.session_login
    return login


def caller(request: Request, *, is_remembered: bool = True) -> SignedIn | None:
    """Who calls the API, by token or by session. Blocks. A token that is not valid is never made good by a cookie."""
    token = bearer_token(request)
    if token is not None:
        return _find(request, token, Purpose.API)
    return signed_in(request, is_remembered=is_remembered)


def _find(request: Request, secret: str | None, purpose: Purpose) -> SignedIn | None:
    if not secret:
        return None
    resources = get_resources(request)
    with resources.database.reading() as session:
        return find_login(session, secret[:LONGEST_SECRET], purpose=purpose, now_ms=resources.clock())


# The guard


def route_table(app: FastAPI) -> dict[tuple[str, Callable[..., Any]], str]:
    """(method, endpoint) → path template of every route of the finished app."""
    table: dict[tuple[str, Callable[..., Any]], str] = {}
    for route in iter_route_contexts(app.routes):
        if route.endpoint is None or route.path is None:
            continue
        for method in route.methods or ():
            other = table.setdefault((method, route.endpoint), route.path)
            assert other == route.path, f"one function serves {other} and {route.path}: the guard cannot tell which"
    return table


def access_of(method: str, path: str) -> Access:
    """The row of a route. Raises UnknownRoute."""
    access = ROUTE_ROLES.get(("GET" if method == "HEAD" else method, path))
    if access is None:
        raise UnknownRoute(method, path)
    return access


def route_template(scope: Scope) -> str | None:
    """The path template of the route that a request was given to; None before that, and where none matched."""
    app, endpoint = scope["app"], scope.get("endpoint")
    if endpoint is None:
        return None
    if not hasattr(app.state, "templates"):
        app.state.templates = route_table(app)
    templates: Mapping[tuple[str, Callable[..., Any]], str] = app.state.templates
    return templates.get((scope["method"], endpoint))


def _access(request: Request) -> Access:
    template = route_template(request.scope)
    if template is None:
        raise UnknownRoute(request.method, request.url.path)
    return access_of(request.method, template)


def may(actor: Actor, method: str, path: str, *, site: str | None = None) -> bool:
    """Whether the table lets a person call a route: anywhere, or at a site. Pages ask it before they offer a button."""
    access = access_of(method, path)
    if access is PUBLIC:
        return True
    return bool(access & (actor.roles if site is None else actor.roles_at(site)))


def check_site(request: Request, actor: Actor, site: str, *, unknown: Exception | None = None) -> None:
    """Raises `unknown` (or UnknownSite) for a thing of a site this person may not see, as if it did not exist.

    Raises RoleMissing if the route is not for the roles they hold at that site.
    """
    if not actor.may_see(site):
        raise unknown or UnknownSite(site)
    access = _access(request)
    if access is not PUBLIC and not access & actor.roles_at(site):
        raise RoleMissing(access, site=site)


def permitted_sites(request: Request, actor: Actor) -> frozenset[str] | None:
    """Sites where this person's roles permit the route; None means all."""
    access = _access(request)
    sites = {grant.site for grant in actor.grants if access is PUBLIC or grant.role in access}
    return None if None in sites else frozenset(site for site in sites if site is not None)


def names_people(actor: Actor, site: str | None) -> bool:
    """Whether this person is shown who did something at a site and what they noted; residents are not."""
    return bool(actor.roles_at(site) - RESIDENTS)


def _permit(request: Request, actor: Actor) -> Actor:
    access = _access(request)
    if access is not PUBLIC and not access & actor.roles:
        raise RoleMissing(access)
    return actor


def api_actor(request: Request, _: Annotated[str | None, Depends(_bearer_scheme)] = None) -> Actor:
    """Guard of an API route. Raises NotSignedIn, RoleMissing, ForgedRequest."""
    login = caller(request)
    if login is None:
        raise NotSignedIn
    if bearer_token(request) is None and request.method not in SAFE_METHODS:
        # A browser adds the cookie to whatever request another site makes it send; the header it cannot add.
        check_same_origin(request)
        _check_token(login, request.headers.get(CSRF_HEADER, ""))
    return _permit(request, login.actor)


def page_actor(request: Request) -> Actor:
    """Guard of a page. Raises SignInNeeded, which becomes a redirect to the sign-in page, or RoleMissing."""
    login = signed_in(request)
    if login is None:
        is_safe = request.method in SAFE_METHODS
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInNeeded(request.url.path + query if is_safe else "/")
    return _permit(request, login.actor)


ApiActor = Annotated[Actor, Depends(api_actor)]
PageActor = Annotated[Actor, Depends(page_actor)]


# Forms


def check_same_origin(request: Request) -> None:
    """Raises ForgedRequest when the browser says that another site sent this. Enough for the sign-in form alone."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise ForgedRequest("the request comes from another site")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise ForgedRequest("the request comes from another site")


async def check_csrf(request: Request, _: PageActor) -> None:
    """Dependency of every page that takes a form from a signed-in person. Raises ForgedRequest."""
    check_same_origin(request)
    login = request.state.session_login
    assert login is not None, "page_actor let nobody through without a login"
    token = (await request.form()).get(CSRF_FIELD)
    _check_token(login, token if isinstance(token, str) else "")


def _check_token(login: SignedIn, token: str) -> None:
    if not login.csrf_token or not hmac.compare_digest(token.encode(), login.csrf_token.encode()):
        raise ForgedRequest("the form is out of date or does not come from this site: load the page again")


def safe_next(path: str | None) -> str:
    """A path of this site to go to after sign-in; anything that could lead elsewhere becomes the front page."""
    if not path or not path.startswith("/") or path[1:2] in ("/", "\\") or any(ord(c) < 32 for c in path):
        return "/"
    return path
