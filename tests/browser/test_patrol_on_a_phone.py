"""A round on a phone whose connection is cut in the middle: nothing is lost, nothing is sent twice."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from alerts.patrol_items import PlanKind
from registry.person import RoleGrant
from registry.role import Role
from tests.api.kit import HERE, World
from tests.api.patrolled import Patrolled, plan_rounds
from tests.browser.conftest import Enter
from tests.waiting import wait_until

LIMIT_MS = 20_000
YES = ("ebike_charging", "escape_route", "fire_doors", "fire_lane", "rubbish", "access_control", "wiring")


@pytest.fixture
def hazards(world: World) -> Patrolled:
    return plan_rounds(world, places=("Basement", "Gate", "Roof"))


def detail(world: World, patrol_id: int) -> Any:
    headers = world.bearer((Role.PROPERTY_MANAGER, HERE))
    return world.client.get(f"/api/v1/patrols/{patrol_id}", headers=headers).json()


def answer(page: Page, *, failed: str = "") -> None:
    for item in YES:
        choice = "no" if item == failed else "yes"
        page.locator(f"input[name='ok-{item}'][value={choice}]").check()
    page.locator("#patrol-send").click()


def count_done(world: World, patrol_id: int) -> Callable[[], int]:
    return lambda: int(detail(world, patrol_id)["items_done"])


def test_a_round_goes_on_without_a_connection_and_is_sent_when_it_is_back(
    world: World, hazards: Patrolled, phone_page: Page, enter: Enter, site: str
) -> None:
    page = phone_page
    enter(page, f"/c/{hazards.codes[0]}", (Role.VOLUNTEER, HERE))
    page.wait_for_url(f"{site}/patrols/{hazards.patrol_id}?at={hazards.codes[0]}")
    expect(page.locator("#patrol[data-ready]")).to_be_attached(timeout=LIMIT_MS)
    answer(page)
    page.wait_for_url(f"**?at={hazards.codes[1]}")
    assert count_done(world, hazards.patrol_id)() == 7

    expect(page.locator("#patrol[data-ready]")).to_be_attached(timeout=LIMIT_MS)
    page.context.set_offline(True)
    answer(page, failed="rubbish")
    page.wait_for_url(f"**?at={hazards.codes[2]}", timeout=LIMIT_MS)
    banner = page.locator("#patrol-queue")
    expect(banner).to_have_attribute("data-waiting", "7", timeout=LIMIT_MS)
    expect(banner).to_contain_text("无网络")
    expect(page.locator(f".patrol-way a[data-stop='{hazards.checkpoints[1]}'] .waits")).to_be_visible()
    answer(page)
    expect(banner).to_have_attribute("data-waiting", "14", timeout=LIMIT_MS)
    assert count_done(world, hazards.patrol_id)() == 7, "nothing was sent meanwhile"

    page.context.set_offline(False)
    wait_until(
        lambda: count_done(world, hazards.patrol_id)() == 21, within_s=30, what="everything that waited was sent"
    )
    page.goto(f"{site}/patrols/{hazards.patrol_id}")
    expect(page.locator(".patrol-way a.is-done")).to_have_count(3)
    expect(banner).to_be_hidden()
    told = detail(world, hazards.patrol_id)
    assert told["state"] == "done"
    rubbish = told["stops"][1]["items"][4]["answer"]
    assert rubbish["outcome"] == "failed"
    assert rubbish["ticket_id"] is not None
    assert "not_scanned" not in told["stops"][0]["items"][0]["answer"]["flags"]
    assert all(each["earlier"] == [] for stop in told["stops"] for each in stop["items"]), "nothing came twice"


def test_a_code_scanned_without_a_connection_leads_to_its_checkpoint(
    world: World, hazards: Patrolled, phone_page: Page, enter: Enter, site: str
) -> None:
    page = phone_page
    enter(page, f"/patrols/{hazards.patrol_id}", (Role.VOLUNTEER, HERE))
    expect(page.locator("#patrol[data-ready]")).to_be_attached(timeout=LIMIT_MS)
    page.context.set_offline(True)
    page.goto(f"{site}/c/{hazards.codes[2]}")
    expect(page.locator("#here-title")).to_contain_text("Roof")
    expect(page.locator("#patrol-queue")).to_have_attribute("data-waiting", "1", timeout=LIMIT_MS)
    page.context.set_offline(False)
    wait_until(
        lambda: len(detail(world, hazards.patrol_id)["stops"][2]["scans"]) == 1, within_s=30, what="the scan was sent"
    )


def test_a_measured_value_is_judged_as_it_is_typed(world: World, phone_page: Page, enter: Enter) -> None:
    lift = plan_rounds(world, PlanKind.LIFT)
    page = phone_page
    enter(page, f"/patrols/{lift.patrol_id}", (Role.TECHNICIAN, HERE))
    field = page.locator("input[name='value-levelling_error']")
    line = page.locator("fieldset[data-item=levelling_error] .verdict")
    for typed, verdict in (("4", "right"), ("-12", "wrong"), ("4000", "impossible")):
        field.fill(typed)
        expect(line).to_have_attribute("data-verdict", verdict)
    page.locator("#patrol-send").click()
    expect(field).to_be_focused()
    assert detail(world, lift.patrol_id)["items_done"] == 0


def test_what_waits_of_a_person_whose_role_was_revoked_is_told_and_not_lost(
    world: World, hazards: Patrolled, phone_page: Page, enter: Enter
) -> None:
    page = phone_page
    enter(page, f"/patrols/{hazards.patrol_id}", (Role.VOLUNTEER, HERE))
    expect(page.locator("#patrol[data-ready]")).to_be_attached(timeout=LIMIT_MS)
    page.context.set_offline(True)
    answer(page)
    expect(page.locator("#patrol-queue")).to_have_attribute("data-waiting", "7", timeout=LIMIT_MS)
    with world.database.writing() as session:
        held = session.scalars(select(RoleGrant).where(RoleGrant.role == Role.VOLUNTEER.value)).one()
        held.role = Role.OWNER.value
    page.context.set_offline(False)
    expect(page.locator("#patrol-refused li")).to_contain_text("您的角色已无此权限", timeout=LIMIT_MS)
    assert detail(world, hazards.patrol_id)["items_done"] == 0
