from collections.abc import Callable

import pytest

from registry.role import Role
from tests.api.kit import ELSEWHERE, FAR_PUMP, FIRE, HERE, LIFT, PUMP, World
from tests.api.pages.conftest import Browser


def order_of(page_text: str, *words: str) -> list[int]:
    return [page_text.index(word) for word in words]


def test_the_gravest_alarm_stands_first(world: World, admin: Browser) -> None:
    world.signal(PUMP, "heavy_rain")
    world.signal(PUMP, "dry_run")
    world.signal(FIRE, "fire")
    text = admin.get("/").text
    places = order_of(text, "Fire alarm", "Pump runs dry", "Heavy rain: prepare")
    assert places == sorted(places)


def test_what_waits_for_somebody_stands_before_what_was_acknowledged(world: World, admin: Browser) -> None:
    world.signal(PUMP, "dry_run")
    newer = world.signal(FIRE, "pump_in_manual")
    admin.post(f"/alarms/{newer}/acknowledge")
    places = order_of(admin.get("/").text, "Pump runs dry", "Fire pump in manual")
    assert places == sorted(places)


def test_an_alarm_is_told_with_unit_time_state_and_ticket(world: World, admin: Browser) -> None:
    alarm_id = world.signal(LIFT, "entrapment")
    page = admin.get("/")
    for words in (
        "Critical",
        "Person trapped in lift",
        LIFT.unit,
        "Xiaohe Garden",
        "(2 seconds ago)",
        "Not acknowledged",
    ):
        assert words in page.text
    assert f"Ticket {world.ticket_of(alarm_id)} · Reported" in page.text
    assert f"/alarms/{alarm_id}/acknowledge" in page.actions()
    assert next(page.all("time"))["datetime"].endswith("+08:00")


def test_a_board_without_alarms_says_what_comes_next(admin: Browser) -> None:
    text = admin.get("/").text
    assert "No open alarms." in text
    assert "New ones appear here by themselves." in text


def test_people_see_the_alarms_of_their_compounds_only(world: World, browser_of: Callable[..., Browser]) -> None:
    world.signal(FAR_PUMP, "dry_run")
    world.signal(FIRE, "pump_in_manual")
    text = browser_of((Role.PROPERTY_MANAGER, HERE)).get("/").text
    assert "Fire pump in manual" in text
    assert "Pump runs dry" not in text


def test_one_compound_can_be_chosen_and_one_that_is_not_theirs_cannot(
    world: World, admin: Browser, browser_of: Callable[..., Browser]
) -> None:
    world.signal(FAR_PUMP, "dry_run")
    assert "Pump runs dry" in admin.get(f"/?site={ELSEWHERE}").text
    assert "Pump runs dry" not in admin.get(f"/?site={HERE}").text
    assert "Pump runs dry" not in browser_of((Role.TECHNICIAN, HERE)).get(f"/?site={ELSEWHERE}").text


def test_only_those_on_duty_are_offered_to_acknowledge(world: World, browser_of: Callable[..., Browser]) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    offered = f"/alarms/{alarm_id}/acknowledge"
    assert offered in browser_of((Role.TECHNICIAN, HERE)).get("/").actions()
    for role in (Role.OWNER, Role.VOLUNTEER, Role.COMMITTEE_MEMBER):
        assert offered not in browser_of((role, HERE)).get("/").actions()


def test_acknowledging_leads_back_and_shows_it(world: World, admin: Browser) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    assert admin.post(f"/alarms/{alarm_id}/acknowledge", next="/").status == 303
    page = admin.get("/")
    assert "Acknowledged" in page.text
    assert f"/alarms/{alarm_id}/acknowledge" not in page.actions()


def test_the_way_back_never_leads_to_another_place(world: World, admin: Browser) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    answer = world.client.post(
        f"/alarms/{alarm_id}/acknowledge",
        headers=admin.headers,
        data={"csrf_token": admin.headers["X-CSRF-Token"], "next": "//evil.example/"},
    )
    assert answer.headers["location"] == "/"


def test_the_fragment_holds_the_board_and_no_page_around_it(world: World, admin: Browser) -> None:
    world.signal(PUMP, "dry_run")
    fragment = admin.get("/fragments/board")
    assert "Pump runs dry" in fragment.text
    assert not list(fragment.all("html"))


def test_alarms_that_are_not_listed_are_counted(world: World, admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.pages.board.CARDS_PER_SEVERITY", 1)
    world.signal(PUMP, "dry_run")
    world.signal(PUMP, "phase_loss")
    assert "1 more" in admin.get("/").text


def test_silence_is_told_and_not_called_well(world: World, admin: Browser) -> None:
    page = admin.get("/")
    assert "Nothing has been received yet." in page.text
    assert "is-unwell" in page.html


def test_without_a_script_the_board_loads_itself_again(admin: Browser) -> None:
    page = admin.get("/")
    assert next(page.all("meta", **{"http-equiv": "refresh"}))["content"] == "30"
    assert "Load again" in page.text
