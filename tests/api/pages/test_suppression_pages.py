"""The page of maintenance windows, and false alarms on the pages of alarms and tickets."""

from collections.abc import Callable

import pytest

from registry.role import Role
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, PUMP, World
from tests.api.pages.conftest import Browser


def form(**others: str) -> dict[str, str]:
    usual = {"site": HERE, "where": PUMP.path, "kind": "maintenance", "reason": "the float is changed"}
    return usual | {"starts": "2026-11-23T12:00", "until": "2026-11-23T16:00"} | others


def test_a_page_with_nothing_set_aside_says_what_it_is_for(world: World, admin: Browser) -> None:
    text = admin.get(f"/suppressions?site={HERE}").text
    assert "Nothing is set aside: every alarm calls people." in text
    assert "plan a window here" in text


def test_a_window_is_planned_seen_everywhere_and_ended(world: World, admin: Browser) -> None:
    assert admin.post("/suppressions", **form()).status == 303
    alarm_id = world.signal(PUMP, "dry_run")
    page = admin.get(f"/suppressions?site={HERE}")
    assert "Planned maintenance" in page.text
    assert "the float is changed" in page.text
    assert "Planned maintenance" in admin.get(f"/units/{PUMP.path}").text
    assert "the float is changed" in admin.get(f"/alarms/{alarm_id}").text
    aside = admin.get("/alarms?state=aside")
    assert "Alarms set aside" in aside.text
    assert f"/alarms/{alarm_id}" in aside.targets()
    end = next(action for action in page.actions() if action.endswith("/end"))
    assert admin.post(end).status == 303
    assert "ended by" in admin.get(f"/suppressions?site={HERE}").text


def test_the_same_form_twice_is_one_window(world: World, admin: Browser) -> None:
    for _ in range(2):
        assert admin.post("/suppressions", **form(form_key="k1")).status == 303
    assert len([a for a in admin.get(f"/suppressions?site={HERE}").actions() if a.endswith("/end")]) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": " "}, "Say why"),
        ({"where": "site", "kind": "out_of_service"}, "Only a single unit"),
        ({"where": "building:none"}, "no unit here"),
        ({"until": "2026-11-23T10:00"}, "The end must be later"),
        ({"until": "2026-12-23T10:00"}, "Too long"),
        ({"starts": "2027-12-23T10:00", "until": "2027-12-23T11:00"}, "too far ahead"),
        ({"until": "tomorrow"}, "Give the time"),
    ],
)
def test_what_cannot_be_is_told_and_what_was_entered_is_kept(
    world: World, admin: Browser, fields: dict[str, str], words: str
) -> None:
    page = admin.post("/suppressions", **form(**fields))
    assert page.status == 422
    assert words in page.text
    assert fields.get("reason", "the float is changed").strip() in page.html


def test_a_building_and_the_whole_compound_can_be_chosen(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        get_unit(session, LIFT.path).building = "3"
    assert admin.post("/suppressions", **form(where="building:3")).status == 303
    assert admin.post("/suppressions", **form(where="site", kind="drill")).status == 303
    text = admin.get(f"/suppressions?site={HERE}").text
    assert "The whole compound" in text
    assert "Drill" in text


def test_who_may_not_plan_sees_what_is_on(world: World, admin: Browser, browser_of: Callable[..., Browser]) -> None:
    admin.post("/suppressions", **form())
    member = browser_of((Role.COMMITTEE_MEMBER, HERE))
    page = member.get("/suppressions")
    assert "the float is changed" in page.text
    assert not any(action.startswith("/suppressions") for action in page.actions())
    assert member.post("/suppressions", **form()).status == 403
    assert browser_of((Role.OWNER, HERE)).get("/suppressions").status == 403
    assert browser_of((Role.PROPERTY_MANAGER, ELSEWHERE)).get(f"/suppressions?site={HERE}").status == 404


def test_residents_read_that_a_unit_is_out_of_service_and_not_why(
    world: World, admin: Browser, browser_of: Callable[..., Browser]
) -> None:
    admin.post("/suppressions", **form(kind="out_of_service"))
    text = browser_of((Role.OWNER, HERE)).get(f"/units/{PUMP.path}").text
    assert "Taken out of service" in text
    assert "the float is changed" not in text


def test_an_alarm_is_marked_as_false_and_the_mark_taken_back(world: World, admin: Browser) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    page = admin.post(f"/alarms/{alarm_id}/false-alarm", cause="unknown")
    assert page.status == 422
    assert "say what was looked at" in page.text
    assert admin.post(f"/alarms/{alarm_id}/false-alarm", cause="sensor", note="foam on the probe").status == 303
    text = admin.get(f"/alarms/{alarm_id}").text
    assert "False alarm Sensor faulty" in text
    assert "foam on the probe" in text
    assert admin.post(f"/alarms/{alarm_id}/real").status == 303
    assert "False alarm Sensor faulty" not in admin.get(f"/alarms/{alarm_id}").text


def test_all_alarms_of_a_ticket_are_marked_and_its_stage_stays(world: World, admin: Browser) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "floor_water_wet"))
    world.signal(PUMP, "floor_water_close")
    assert admin.post(f"/tickets/{ticket_id}/false-alarm", cause="work", note="the garage was washed").status == 303
    page = admin.get(f"/tickets/{ticket_id}")
    assert page.text.count("the garage was washed") == 2
    assert "Stage: Reported" in page.text
    assert admin.post(f"/tickets/{ticket_id}/false-alarm", cause="").status == 422
