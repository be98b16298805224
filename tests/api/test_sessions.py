"""Browser sessions: what the cookie is, what it may do alone, and how forms are protected."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from api.security import CSRF_HEADER, OpenedLogin, safe_next, set_session_cookie
from registry.login import Purpose, SignedIn
from registry.role import Actor, Role
from tests.api.kit import PUMP, World

MANAGER = (Role.PROPERTY_MANAGER, None)


def request_over(scheme: str) -> Request:
    return Request(
        {"type": "http", "scheme": scheme, "server": ("x", 1), "path": "/", "headers": [], "query_string": b""}
    )


@pytest.mark.parametrize(("scheme", "is_secure"), [("http", False), ("https", True)])
def test_scripts_and_other_sites_do_not_get_the_cookie(scheme: str, is_secure: bool) -> None:
    response = Response()
    set_session_cookie(request_over(scheme), response, OpenedLogin("secret", SignedIn(Actor("chen"), "", 0)))
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert ("secure" in cookie.split("; ")) is is_secure


def test_a_session_may_read_the_api(world: World) -> None:
    headers = world.session(MANAGER)
    del headers[CSRF_HEADER]
    assert world.client.get("/api/v1/me", headers=headers).status_code == 200


@pytest.mark.parametrize("token", [None, "", "x", "\u00e9"])
def test_a_session_changes_nothing_without_its_token(world: World, token: str | None) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    headers = world.session(MANAGER)
    del headers[CSRF_HEADER]
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    if token is not None:
        sent[CSRF_HEADER] = token.encode("latin-1")
    response = world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=sent)
    assert (response.status_code, response.json()["type"]) == (403, "urn:liandong:problem:forged-request")


def test_a_session_changes_things_with_its_token(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    response = world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=world.session(MANAGER))
    assert response.json()["state"] == "acknowledged"


def test_the_token_of_another_session_does_not_help(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    headers = world.session(MANAGER) | {CSRF_HEADER: world.session(MANAGER)[CSRF_HEADER]}
    assert world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "told", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_what_the_browser_says_comes_from_another_site_is_refused(world: World, told: dict[str, str]) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    headers = world.session(MANAGER) | told
    assert world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=headers).status_code == 403


def test_a_session_secret_is_no_token_and_a_token_no_session(world: World) -> None:
    person_id = world.person(MANAGER)
    web, api = world.login(person_id, Purpose.WEB)[0], world.login(person_id, Purpose.API)[0]
    assert world.client.get("/api/v1/me", headers={"Authorization": f"Bearer {web}"}).status_code == 401
    assert world.client.get("/api/v1/me", headers={"Cookie": f"liandong_session={api}"}).status_code == 401


def test_a_wrong_token_is_not_made_good_by_a_cookie(world: World) -> None:
    headers = world.session(MANAGER) | {"Authorization": "Bearer wrong"}
    assert world.client.get("/api/v1/me", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/units?kind=pump", "/units?kind=pump"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_sign_in_one_stays_on_this_site(asked: str | None, given: str) -> None:
    assert safe_next(asked) == given
