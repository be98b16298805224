"""Tokens: given for a name and a password, kept as a hash, ended by time and by will."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from api.security import WAITING_AT_MOST
from api.sign_in_limit import FAILURES_OF_PAIR, WINDOW_MS
from registry.login import LIFETIME_MS, Login
from registry.person import Person, add_person
from registry.role import Role
from tests.api.kit import World

PASSWORD = "correct horse battery"


@pytest.fixture
def chen(world: World) -> str:
    with world.database.writing() as session:
        add_person(session, name="chen", password=PASSWORD, role=Role.PROPERTY_MANAGER, now_ms=world.clock())
    return "chen"


def ask(world: World, name: str, password: str) -> tuple[int, dict[str, object]]:
    response = world.client.post("/api/v1/token", data={"username": name, "password": password})
    return response.status_code, response.json()


def test_a_token_says_who_calls(world: World, chen: str) -> None:
    status, token = ask(world, chen, PASSWORD)
    assert status == 200
    assert token["token_type"] == "bearer"
    me = world.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token['access_token']}"}).json()
    assert (me["name"], me["grants"]) == ("chen", [{"role": "property_manager", "site": None}])


@pytest.mark.parametrize(
    ("name", "password"),
    [("chen", "wrong password"), ("nobody", PASSWORD), ("chen\0", PASSWORD), ("-", "-"), ("陈" * 300, "x" * 5000)],
)
def test_a_wrong_name_or_password_is_refused_in_the_same_words(
    world: World, chen: str, name: str, password: str
) -> None:
    response = world.client.post("/api/v1/token", data={"username": name, "password": password})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "name or password is wrong"


def test_only_a_hash_of_the_token_is_kept(world: World, chen: str) -> None:
    _, token = ask(world, chen, PASSWORD)
    with world.database.reading() as session:
        (kept,) = session.scalars(select(Login))
        assert str(token["access_token"]) not in (kept.secret_hash, kept.csrf_token)


def test_guessing_is_slowed_down_and_told_how_long(world: World, chen: str) -> None:
    for _ in range(FAILURES_OF_PAIR):
        assert ask(world, chen, "guess")[0] == 401
    refused = world.client.post("/api/v1/token", data={"username": chen, "password": PASSWORD})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) == refused.json()["retry_after_s"] == WINDOW_MS // 1000
    world.clock.move_s(WINDOW_MS / 1000)
    assert ask(world, chen, PASSWORD)[0] == 200


def test_guessing_one_name_leaves_the_others_alone(world: World, chen: str) -> None:
    for _ in range(FAILURES_OF_PAIR):
        ask(world, "li", "guess")
    assert ask(world, "li", "guess")[0] == 429
    assert ask(world, chen, PASSWORD)[0] == 200


def test_signing_in_often_is_no_guessing(world: World, chen: str) -> None:
    assert [ask(world, chen, PASSWORD)[0] for _ in range(FAILURES_OF_PAIR + 2)] == [200] * (FAILURES_OF_PAIR + 2)


def test_a_token_ends_with_the_shift(world: World) -> None:
    headers = world.bearer((Role.TECHNICIAN, None))
    world.clock.move_s(LIFETIME_MS / 1000 - 1)
    assert world.client.get("/api/v1/me", headers=headers).status_code == 200
    world.clock.move_s(1)
    assert world.client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_token_can_be_given_back(world: World) -> None:
    headers = world.bearer((Role.TECHNICIAN, None))
    assert world.client.delete("/api/v1/token", headers=headers).status_code == 204
    assert world.client.get("/api/v1/me", headers=headers).status_code == 401


def test_who_is_no_longer_active_is_out_at_once(world: World) -> None:
    person_id = world.person((Role.ADMIN, None))
    headers = world.bearer_of(person_id)
    with world.database.writing() as session:
        session.get_one(Person, person_id).is_active = False
    assert world.client.get("/api/v1/me", headers=headers).status_code == 401


def test_what_is_no_token_opens_nothing(world: World, subtests: pytest.Subtests) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic Y2hlbjp4", "Bearer " + "x" * 5000, "Bearer ü"):
        with subtests.test(header=header[:20]):
            response = world.client.get("/api/v1/me", headers={"Authorization": header.encode("latin-1")})
            assert response.status_code == 401


def test_a_crowd_at_the_door_leaves_threads_for_the_rest(world: World, chen: str) -> None:
    together = threading.Barrier(40)

    def come(_: int) -> int:
        together.wait(20)
        return ask(world, chen, PASSWORD)[0]

    with ThreadPoolExecutor(together.parties) as pool:
        statuses = list(pool.map(come, range(together.parties)))
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= WAITING_AT_MOST
