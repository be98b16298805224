"""What stands before the routes: headers of every answer, limits, and errors that tell nothing of the inside."""

import io
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import DataError

from api.app import create_app
from api.edge import CONTENT_SECURITY_POLICY, MAX_BODY_BYTES
from api.logs import configure_logs
from api.resources import DemoAccount
from api.settings import Settings
from registry.role import Role
from tests.api.kit import BASE_URL, PUMP, World, resources_of

ADMIN = (Role.ADMIN, None)


def broken() -> None:
    raise RuntimeError("password=hunter2 in /srv/secret")


@pytest.fixture
def faulty(world: World, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The client of an application in which telling the ledger fails in a way that nobody thought of."""

    def fail(_: object) -> None:
        broken()

    monkeypatch.setattr("api.routes.data_quality.read_ledger", fail)
    return world.client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/api/v1/me", 401),
        ("GET", "/nowhere", 404),
        ("DELETE", "/healthz", 405),
        ("GET", "/api/v1/ledger", 500),
    ],
)
def test_every_answer_carries_the_security_headers(
    world: World, faulty: TestClient, method: str, path: str, status: int
) -> None:
    headers = world.bearer(ADMIN) if status == 500 else {}
    answer = faulty.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path", ["/api/v1/meeting-rules?site=a%00b", "/api/v1/units/a~b%00", "/units/a%00~b", "/roll?q=%00"]
)
def test_an_address_with_nul_is_refused_by_whichever_database(world: World, path: str) -> None:
    answer = world.client.get(path, headers=world.bearer(ADMIN))
    assert answer.status_code == 400
    assert "NUL" in answer.json()["detail"]


def test_a_value_that_the_database_cannot_keep_is_the_senders_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise DataError("SELECT 1", {}, ValueError("text fields cannot contain NUL"))

    monkeypatch.setattr("api.routes.data_quality.read_ledger", refuse)
    answer = world.client.get("/api/v1/ledger", headers=world.bearer(ADMIN))
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:liandong:problem:invalid-request"
    assert "SELECT" not in answer.text


def test_nothing_is_allowed_inline() -> None:
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/nowhere", 404), ("PUT", "/api/v1/units", 405), ("GET", "/api/v1/units/", 404)],
)
def test_what_no_route_answers_is_a_problem(world: World, method: str, path: str, status: int) -> None:
    answer = world.client.request(method, path, headers=world.bearer(ADMIN))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    told = answer.json()
    assert (told["status"], told["instance"]) == (status, path)
    assert re.fullmatch(r"urn:liandong:problem:[a-z-]+", told["type"])
    assert (answer.headers.get("allow") == "GET") is (status == 405)


def test_our_own_fault_is_recorded_and_not_told(world: World, faulty: TestClient) -> None:
    log = io.StringIO()
    configure_logs(is_json=True, file=log)
    answer = faulty.get("/api/v1/ledger", headers=world.bearer(ADMIN))
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "RuntimeError" in log.getvalue()


def test_what_was_sent_is_not_told_back(world: World) -> None:
    form = {"username": "chen", "password": "hunter2", "grant_type": "hunter3"}
    answer = world.client.post("/api/v1/token", data=form)
    assert answer.status_code == 422
    assert "hunter" not in answer.text


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_larger_than_anything_we_take_is_refused(world: World, is_announced: bool) -> None:
    piece = b" " * 65_536
    count = MAX_BODY_BYTES // len(piece) + 1
    body: Any = piece * count if is_announced else iter([piece] * count)
    headers = {**world.bearer(ADMIN), "Content-Type": "application/json"}
    answer = world.client.post("/api/v1/tickets", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_a_body_that_is_no_json_is_told_as_such(world: World) -> None:
    headers = {**world.bearer(ADMIN), "Content-Type": "application/json"}
    for body in (b"{", b"\xff", b'{"title": "\\ud800", "site": "xiaohe"}', b"[" * 100_000, b'{"a": NaN}'):
        answer = world.client.post("/api/v1/tickets", content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_json_is_taken_only_as_json(world: World) -> None:
    # What a form of another site can send without asking first.
    headers = {**world.bearer(ADMIN), "Content-Type": "text/plain"}
    answer = world.client.post("/api/v1/tickets", content=b'{"title": "x", "site": "xiaohe"}', headers=headers)
    assert answer.status_code == 422


def test_a_demo_answers_only_to_names_of_this_machine(
    world: World, settings: Settings, subtests: pytest.Subtests
) -> None:
    accounts = (DemoAccount("demo", "demo-password", Role.ADMIN),)
    held = resources_of(world.database, world.store, world.clock, settings=settings, demo_accounts=accounts)
    expected = {
        "127.0.0.1": 200,
        "localhost:8000": 200,
        "LOCALHOST": 200,
        "[::1]:8000": 200,
        "evil.example": 421,
        "localhost.evil.example": 421,
        "": 421,
    }
    with TestClient(create_app(held), base_url=BASE_URL) as client:
        for host, status in expected.items():
            with subtests.test(host=host):
                assert client.get("/healthz", headers={"Host": host}).status_code == status
                assert world.client.get("/healthz", headers={"Host": host}).status_code == 200


def test_two_people_never_share_an_answer(world: World) -> None:
    world.signal(PUMP, "dry_run")
    manager, owner = world.bearer(ADMIN), world.bearer((Role.OWNER, PUMP.site))
    for path in ("me", "activity", "tickets"):
        one, other = (world.client.get(f"/api/v1/{path}", headers=headers) for headers in (manager, owner))
        assert one.text != other.text
        assert one.headers["cache-control"] == other.headers["cache-control"] == "no-store"
