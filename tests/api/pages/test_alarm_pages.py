from collections.abc import Callable

import pytest

from registry.role import Role
from tests.api.kit import FAR_PUMP, FIRE, HERE, LIFT, PUMP, World
from tests.api.pages.conftest import Browser


def test_an_alarm_is_told_with_its_evidence_in_words(world: World, admin: Browser) -> None:
    evidence = {"occupied": 1.0, "in_door_zone": 0.0, "position_floor": 7.0}
    text = admin.get(f"/alarms/{world.signal(LIFT, 'entrapment', evidence=evidence)}").text
    for words in (
        "Person trapped in lift",
        "Occupied somebody inside",
        "In door zone no",
        "Floor 7",
        "send the rescue",
    ):
        assert words in text


def test_points_of_a_fire_alarm_are_named(world: World, admin: Browser) -> None:
    evidence = {"event": "fire", "points": ["3-7F-012", "3-7F-003"]}
    text = admin.get(f"/alarms/{world.signal(FIRE, 'fire', evidence=evidence)}").text  # type: ignore[arg-type]
    assert "Points 3-7F-012, 3-7F-003" in text


def test_an_alarm_can_be_shelved_with_an_end_and_a_reason(world: World, admin: Browser) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    assert admin.post(f"/alarms/{alarm_id}/shelve", hours="4", reason="valve is changed today").status == 303
    page = admin.get(f"/alarms/{alarm_id}")
    assert "Shelved until 16:00:00" in page.text
    assert "valve is changed today" in page.text
    assert f"/alarms/{alarm_id}/unshelve" in page.actions()
    assert admin.post(f"/alarms/{alarm_id}/unshelve").status == 303
    assert "Not acknowledged" in admin.get(f"/alarms/{alarm_id}").text


@pytest.mark.parametrize(("hours", "reason"), [("4", " "), ("", "why"), ("5000", "why"), ("four", "why")])
def test_shelving_without_an_end_or_a_reason_is_refused(world: World, admin: Browser, hours: str, reason: str) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    page = admin.post(f"/alarms/{alarm_id}/shelve", hours=hours, reason=reason)
    assert page.status == 422
    assert "Choose how long, and say why." in page.text


@pytest.mark.parametrize(("unit", "code"), [(FIRE, "fire"), (LIFT, "entrapment"), (LIFT, "alarm.90")])
def test_an_alarm_on_which_lives_depend_is_not_shelved_and_the_page_says_why(
    world: World, admin: Browser, unit: object, code: str
) -> None:
    alarm_id = world.signal(unit, code)  # type: ignore[arg-type]
    page = admin.get(f"/alarms/{alarm_id}")
    assert "never set aside: lives depend on it" in page.text
    assert f"/alarms/{alarm_id}/shelve" not in page.actions()
    assert admin.post(f"/alarms/{alarm_id}/shelve", hours="4", reason="a test").status == 409


def test_shelving_is_for_the_desk(world: World, browser_of: Callable[..., Browser]) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    technician = browser_of((Role.TECHNICIAN, HERE))
    assert technician.get(f"/alarms/{alarm_id}").actions() >= {f"/alarms/{alarm_id}/acknowledge"}
    assert f"/alarms/{alarm_id}/shelve" not in technician.get(f"/alarms/{alarm_id}").actions()
    assert technician.post(f"/alarms/{alarm_id}/shelve", hours="4", reason="why").status == 403


def test_an_alarm_that_came_again_tells_when(world: World, admin: Browser) -> None:
    world.signal(PUMP, "dry_run")
    world.clock.move_s(60)
    world.signal(PUMP, "dry_run", is_active=False)
    world.clock.move_s(60)
    alarm_id = world.signal(PUMP, "dry_run")
    text = admin.get(f"/alarms/{alarm_id}").text
    assert "Occurrences 2 · again at 12:01:58" in text
    assert "Raised 11:59:58" in text


def test_an_alarm_that_is_over_offers_nothing_to_do(world: World, admin: Browser) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    admin.post(f"/alarms/{alarm_id}/acknowledge")
    world.signal(PUMP, "dry_run", is_active=False)
    page = admin.get(f"/alarms/{alarm_id}")
    assert "Over" in page.text
    # What was found may still be told.
    assert {a for a in page.actions() if a.startswith("/alarms/")} == {f"/alarms/{alarm_id}/false-alarm"}


def test_the_readings_around_an_alarm_are_one_link_away(world: World, admin: Browser) -> None:
    world.measure(PUMP, {"level_m": [0.5] * 600}, start_ms=world.clock() - 600_000, step_ms=1_000)
    alarm_id = world.signal(PUMP, "dry_run")
    link = next(target for target in admin.get(f"/alarms/{alarm_id}").targets() if "#chart" in target)
    page = admin.get(link.partition("#")[0])
    assert "Readings: Sump level" in page.text
    assert ">Pump runs dry</text>" in page.html


def test_the_list_has_open_alarms_and_earlier_ones_on_request(world: World, admin: Browser) -> None:
    over = world.signal(PUMP, "dry_run")
    admin.post(f"/alarms/{over}/acknowledge")
    world.signal(PUMP, "dry_run", is_active=False)
    still_open = world.signal(LIFT, "fault.02")
    assert f"/alarms/{over}" not in admin.get("/alarms").targets()
    assert {f"/alarms/{over}", f"/alarms/{still_open}"} <= admin.get("/alarms?state=all").targets()
    assert f"/alarms/{still_open}" not in admin.get("/alarms?severity=critical").targets()


def test_an_alarm_and_its_cause_lead_to_each_other(world: World, admin: Browser) -> None:
    cause = world.signal(LIFT, "event.41")
    effect = world.signal(LIFT, "fault.03")
    assert f"/alarms/{cause}" in admin.get(f"/alarms/{effect}").targets()
    assert f"/alarms/{effect}" in admin.get(f"/alarms/{cause}").targets()
    assert "Explains 1 alarm" in admin.get(f"/alarms/{cause}").text
    for path in ("/", "/alarms", f"/tickets/{world.ticket_of(cause)}"):
        assert f"explained by alarm {cause}" in admin.get(path).text


def test_a_long_list_of_alarms_has_pages(world: World, admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.pages.alarms.ALARMS_ON_PAGE", 2)
    made = {f"/alarms/{world.signal(PUMP, code)}" for code in ("dry_run", "phase_loss", "trip")}
    first = admin.get("/alarms")
    second = admin.get(next(target for target in first.targets() if "before=" in target))
    shown = [target for page in (first, second) for target in page.targets() if target in made]
    assert set(shown) == made


def test_an_alarm_of_another_compound_is_not_found(world: World, browser_of: Callable[..., Browser]) -> None:
    alarm_id = world.signal(FAR_PUMP, "dry_run")
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    assert manager.get(f"/alarms/{alarm_id}").status == 404
    for move in ("acknowledge", "shelve", "unshelve"):
        assert manager.post(f"/alarms/{alarm_id}/{move}", hours="4", reason="why").status == 404


@pytest.mark.parametrize("path", ["/alarms/0", "/alarms/99999999999999999999999", "/tickets/99999999999999999999999"])
def test_what_does_not_exist_is_not_found(admin: Browser, path: str) -> None:
    assert admin.get(path).status == 404
