"""Rounds, plans and dates of the law as people meet them in a browser, without a script."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.patrol_items import PlanKind
from alerts.patrol_schedule import get_round
from registry.calendar import local_day
from registry.person import Person
from registry.role import SYSTEM, Role
from registry.service_record import Service, ServiceKind, add_service_record
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, NOON_MS, World
from tests.api.pages.conftest import Browser
from tests.api.patrolled import Patrolled, plan_rounds


@pytest.fixture
def manager(browser_of: Any) -> Browser:
    found: Browser = browser_of((Role.PROPERTY_MANAGER, HERE))
    return found


@pytest.fixture
def hazards(world: World) -> Patrolled:
    return plan_rounds(world)


def test_a_round_is_answered_stop_by_stop_without_a_script(hazards: Patrolled, manager: Browser) -> None:
    page = manager.get(f"/c/{hazards.codes[0]}")
    assert page.location == f"/patrols/{hazards.patrol_id}?at={hazards.codes[0]}&scanned=1"
    page = manager.get(page.location)
    assert "Code scanned" in page.text
    answers = {f"ok-{item}": "yes" for item in ("ebike_charging", "escape_route", "fire_doors", "fire_lane")}
    answers |= {"ok-rubbish": "no", "note-rubbish": "three sofas", "ok-access_control": "skip"}
    form = {"checkpoint": str(hazards.checkpoints[0]), "at": hazards.codes[0], "form_key": "abc"}
    form |= {"scanned_ms": str(NOON_MS), "following": hazards.codes[1]}
    page = manager.post(f"/patrols/{hazards.patrol_id}/results", **form, **answers)
    assert (page.status, "Say why it could not be looked at." in page.text) == (422, True)
    again = {**answers, "note-access_control": "key is missing"}
    page = manager.post(f"/patrols/{hazards.patrol_id}/results", **form, **again)
    assert page.location == f"/patrols/{hazards.patrol_id}?at={hazards.codes[1]}"
    page = manager.get(f"/patrols/{hazards.patrol_id}?at={hazards.codes[0]}")
    assert "6 of 14 items are done." in page.text
    assert "three sofas" in page.text
    assert "code not scanned" not in page.text
    ticket = manager.get("/tickets/1")
    assert "Rubbish heaped up" in ticket.text
    assert "Found on rounds" in ticket.text
    record = manager.get(f"/patrols/{hazards.patrol_id}/record")
    assert "key is missing" in record.text


def test_a_measured_value_that_cannot_be_is_told_and_one_outside_its_limits_opens_a_ticket(
    world: World, manager: Browser
) -> None:
    lift = plan_rounds(world, PlanKind.LIFT)
    form = {"checkpoint": str(lift.checkpoints[0]), "at": lift.codes[0], "form_key": "k"}
    for typed, words in (("999", "Such a value cannot be"), ("4 mm", "is no number")):
        page = manager.post(f"/patrols/{lift.patrol_id}/results", **form, **{"value-levelling_error": typed})
        assert page.status == 422
        assert words in page.text
    page = manager.post(f"/patrols/{lift.patrol_id}/results", **form, **{"value-levelling_error": "12,5"})
    assert page.status == 303
    assert "12.5 mm" in manager.get("/tickets/1").text


def test_a_role_that_was_revoked_in_the_middle_keeps_what_was_done(world: World, hazards: Patrolled) -> None:
    person_id = world.person((Role.VOLUNTEER, HERE))
    browser = Browser(world, world.session_of(person_id))
    form = {"checkpoint": str(hazards.checkpoints[0]), "at": hazards.codes[0]}
    assert browser.post(f"/patrols/{hazards.patrol_id}/results", **form, **{"ok-rubbish": "yes"}).status == 303
    with world.database.writing() as session:
        session.get_one(Person, person_id).grants[0].role = Role.OWNER.value
    page = browser.post(f"/patrols/{hazards.patrol_id}/results", **form, **{"ok-wiring": "yes"})
    assert page.status == 403
    answer = world.client.get(
        f"/api/v1/patrols/{hazards.patrol_id}", headers=world.bearer((Role.PROPERTY_MANAGER, HERE))
    )
    assert answer.json()["items_done"] == 1


def test_all_three_parties_are_named(world: World, hazards: Patrolled, manager: Browser, browser_of: Any) -> None:
    page = manager.get(f"/patrols/{hazards.patrol_id}")
    assert "Still missing: Property company, Owners' committee, Community" in " ".join(page.text.split())
    manager.post(f"/patrols/{hazards.patrol_id}/join")
    browser_of((Role.COMMITTEE_MEMBER, HERE)).post(f"/patrols/{hazards.patrol_id}/join")
    with world.database.reading() as session:
        name = session.get_one(Person, world.person((Role.COMMUNITY_OFFICER, HERE))).name
    manager.post(f"/patrols/{hazards.patrol_id}/participants", person=name)
    page = manager.get(f"/patrols/{hazards.patrol_id}")
    assert "Still missing" not in page.text
    assert name in page.text


def test_a_round_is_called_off_with_a_reason_before_it_begins(
    world: World, hazards: Patrolled, manager: Browser
) -> None:
    assert manager.post(f"/patrols/{hazards.patrol_id}/cancel", note=" ").status == 422
    assert manager.post(f"/patrols/{hazards.patrol_id}/cancel", note="typhoon").status == 303
    assert manager.post(f"/patrols/{hazards.patrol_id}/cancel", note="again").status == 409
    with world.database.reading() as session:
        assert get_round(session, hazards.patrol_id).state == "cancelled"


def test_plans_are_made_changed_and_printed(manager: Browser) -> None:
    assert "There is no plan yet." in manager.get(f"/patrol-plans?site={HERE}").text
    assert manager.post("/patrol-plans", site=HERE, kind="lift", name="").status == 303
    assert manager.post("/patrol-plans", site=HERE, kind="lift", name="").status == 422
    assert manager.post("/patrol-plans", site=HERE, kind="nonsense", name="x").status == 422
    page = manager.get(f"/patrol-plans?site={HERE}")
    assert "1 checkpoint" in page.text
    habit = {"interval_days": "16", "window_days": "1", "start": "09:00", "end": "17:00", "active": "1"}
    page = manager.post("/patrol-plans/1", **habit)
    assert "A lift is maintained at least every 15 days" in page.text
    for field, odd in (("interval_days", "²"), ("window_days", "²"), ("start", "²:00"), ("end", "17:0²")):
        assert manager.post("/patrol-plans/1", **{**habit, field: odd}).status == 422, field
    assert manager.post("/patrol-plans/1", **{**habit, "interval_days": "14"}).status == 303
    assert "every 14 days" in manager.get(f"/patrol-plans?site={HERE}").text
    manager.post("/patrol-plans", site=HERE, kind="common_hazards", name="Rounds")
    assert manager.post("/patrol-plans/2/checkpoints", place="Basement", building="B1").status == 303
    assert manager.post("/patrol-plans/2/checkpoints", place=" ").status == 422
    sheet = manager.get("/patrol-plans/2/codes")
    assert "Basement" in sheet.text
    assert "<svg" in sheet.html
    manager.post("/patrol-plans/2/checkpoints/2/remove")
    assert "The plan has no checkpoint yet." in manager.get("/patrol-plans/2/codes").text


def test_another_compound_sees_and_changes_nothing(hazards: Patrolled, browser_of: Any) -> None:
    stranger = browser_of((Role.PROPERTY_MANAGER, ELSEWHERE))
    for path in (f"/patrols/{hazards.patrol_id}", f"/c/{hazards.codes[0]}", f"/patrol-plans/{hazards.plan_id}/codes"):
        assert stranger.get(path).status == 404, path
    assert stranger.post(f"/patrol-plans/{hazards.plan_id}/checkpoints", place="x").status == 404
    assert stranger.post(f"/patrols/{hazards.patrol_id}/join").status == 404
    assert stranger.get("/patrols/999999").status == 404
    assert stranger.get("/c/NOTHING").status == 404


def test_dates_of_the_law_are_on_their_page_and_on_the_unit(world: World, manager: Browser) -> None:
    page = manager.get(f"/statutory?site={HERE}")
    assert "15 days left" in page.text
    assert "Of 1 lift nobody entered an inspection" in page.text
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        on = local_day(world.clock(), timezone="Asia/Shanghai")
        service = Service(
            kind=ServiceKind.INSPECTION, done_on=on - timedelta(days=350), valid_until=on + timedelta(days=15)
        )
        add_service_record(session, unit, service, actor=SYSTEM, now_ms=NOON_MS)
    page = manager.get(f"/statutory?site={HERE}")
    assert "Apply for the inspection" in page.text
    assert "Dates set by law" in manager.get(f"/units/{LIFT.path}").text
    assert manager.post("/statutory/applied", unit=LIFT.path, site=HERE).location == f"/statutory?site={HERE}"
    assert "Apply for the inspection" not in manager.get(f"/statutory?site={HERE}").text


def test_the_worker_of_the_phone_may_answer_for_all_pages_and_no_other_file_may(world: World) -> None:
    assert world.client.get("/static/patrol-worker.js").headers["service-worker-allowed"] == "/"
    assert "service-worker-allowed" not in world.client.get("/static/patrol.js").headers
