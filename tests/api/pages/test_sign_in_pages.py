from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.resources import DemoAccount
from api.security import SESSION_COOKIE
from registry.person import add_person, find_person
from registry.role import Role
from tests.api.kit import BASE_URL, HERE, World
from tests.api.pages.conftest import Browser
from tests.api.pages.reading import Page

PASSWORD = "a good password"


@pytest.fixture
def wang(world: World) -> str:
    with world.database.writing() as session:
        add_person(session, name="wang", password=PASSWORD, role=Role.PROPERTY_MANAGER, site=HERE, now_ms=world.clock())
    return "wang"


def test_signing_in_leads_to_where_one_wanted_to_go(world: World, wang: str) -> None:
    refused = world.client.get("/tickets?state=all")
    assert refused.status_code == 303
    form = Page(world.client.get(refused.headers["location"]))
    # The first is that of the choice of language.
    wanted = list(form.all("input", name="next"))[-1]["value"]
    answer = world.client.post("/sign-in", data={"name": wang, "password": PASSWORD, "next": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, "/tickets?state=all")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert world.client.get("/tickets?state=all").status_code == 200


@pytest.mark.parametrize("wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_place(world: World, wang: str, wanted: str) -> None:
    answer = world.client.post("/sign-in", data={"name": wang, "password": PASSWORD, "next": wanted})
    assert answer.headers["location"] == "/"


def test_a_wrong_password_is_refused_and_the_name_kept(world: World, wang: str) -> None:
    answer = world.client.post(
        "/sign-in", data={"name": wang, "password": "wrong"}, headers={"Accept-Language": "zh-CN"}
    )
    page = Page(answer)
    assert page.status == 401
    assert "用户名或密码错误。" in page.text
    assert next(page.all("input", name="name"))["value"] == wang
    assert SESSION_COOKIE not in answer.cookies


def test_guessing_has_to_wait(world: World, wang: str) -> None:
    for _ in range(6):
        world.client.post("/sign-in", data={"name": wang, "password": "wrong"})
    answer = world.client.post("/sign-in", data={"name": wang, "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_signing_in_from_another_site_is_refused(world: World, wang: str) -> None:
    answer = world.client.post(
        "/sign-in", data={"name": wang, "password": PASSWORD}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


def test_signing_out_ends_the_session_on_the_server(world: World, admin: Browser) -> None:
    assert admin.post("/sign-out").status == 303
    assert admin.get("/").status == 303


def test_whoever_is_signed_in_is_not_asked_again(admin: Browser) -> None:
    assert admin.get("/sign-in").status == 303


def test_demo_accounts_are_shown_only_where_there_are_some(world: World) -> None:
    assert "demo" not in Page(world.client.get("/sign-in")).text
    accounts = (DemoAccount("demo-wang", "demo-password", Role.PROPERTY_MANAGER),)
    app = create_app(replace(world.app.state.resources, demo_accounts=accounts))
    with TestClient(app, base_url=BASE_URL, follow_redirects=False) as client:
        page = Page(client.get("/sign-in", headers={"Accept-Language": "en"}))
    assert "Property manager demo-wang" in page.text
    assert {"type": "hidden", "name": "password", "value": "demo-password"} in list(page.all("input"))


def test_the_language_is_that_of_the_person_then_of_the_browser_then_the_setting(world: World, admin: Browser) -> None:
    def title() -> str:
        return admin.get("/").text

    admin.headers["Accept-Language"] = "fr"
    assert "实时看板" in title()
    admin.headers["Accept-Language"] = "en"
    assert "Live board" in title()
    assert admin.post("/language", language="zh", next="/").status == 303
    assert "实时看板" in title(), "the person's own choice wins over what the browser asks for"


def test_the_choice_of_a_language_is_kept_with_the_person(world: World, wang: str) -> None:
    world.client.post("/sign-in", data={"name": wang, "password": PASSWORD})
    page = Page(world.client.get("/", headers={"Accept-Language": "zh"}))
    token = next(page.all("input", name="csrf_token"))["value"]
    world.client.post("/language", data={"language": "en", "csrf_token": token})
    with world.database.reading() as session:
        person = find_person(session, wang)
        assert person is not None
        assert person.language == "en"


def test_without_a_login_the_choice_is_kept_in_the_browser(world: World) -> None:
    world.client.post("/language", data={"language": "en", "next": "/sign-in"})
    assert "Password" in Page(world.client.get("/sign-in", headers={"Accept-Language": "zh"})).text


def test_a_foreign_form_does_not_change_a_persons_language(world: World, wang: str) -> None:
    world.client.post("/sign-in", data={"name": wang, "password": PASSWORD})
    world.client.post("/language", data={"language": "en", "csrf_token": "guessed"})
    with world.database.reading() as session:
        person = find_person(session, wang)
        assert person is not None
        assert person.language is None


def test_an_unknown_language_changes_nothing(world: World) -> None:
    answer = world.client.post("/language", data={"language": "klingon"})
    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers


def test_a_demo_that_is_still_being_filled_says_so_and_no_other_does(world: World) -> None:
    line, headers = "still being filled", {"Accept-Language": "en"}
    assert line not in world.client.get("/sign-in", headers=headers).text
    app = create_app(replace(world.app.state.resources, is_being_filled=lambda: True))
    with TestClient(app, base_url=BASE_URL, headers=headers) as client:
        assert line in client.get("/sign-in").text
