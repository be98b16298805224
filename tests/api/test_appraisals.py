"""Appraisals by the API and on pages: who sees and does what, and what leaves the house."""

from collections.abc import Callable

import pytest

from registry.role import Role
from tests.api.appraised import start_appraisal
from tests.api.kit import ELSEWHERE, HERE, World, items
from tests.api.pages.conftest import Browser

APPRAISALS = "/api/v1/appraisals"
DAY_S = 86_400


def test_the_company_objects_and_the_appraisal_is_corrected_and_exported(world: World) -> None:
    appraisal_id = start_appraisal(world, company="=示范物业")
    there, client = f"{APPRAISALS}/{appraisal_id}", world.client
    company, district = world.bearer((Role.PROPERTY_MANAGER, HERE)), world.bearer((Role.DISTRICT_OFFICER, None))
    seen = client.get(there, headers=company).json()
    assert (seen["state"], seen["party"], seen["service"], seen["total"]) == ("published", "82.00", None, None)
    objected = client.post(f"{there}/transitions", json={"to": "objected", "note": "Wrong"}, headers=company)
    assert objected.json()["state"] == "objected"
    entered = client.post(f"{there}/entries", json={"item": "meetings", "points": "25"}, headers=district)
    assert entered.json()["party"] == "86.50"
    for to in ("corrected", "final"):
        moved = client.post(f"{there}/transitions", json={"to": to, "note": "Found"}, headers=district)
        assert moved.status_code == 200, moved.text
    assert [step["to"] for step in moved.json()["history"]] == ["published", "objected", "corrected", "final"]
    (row,) = items(client.get("/api/v1/credit-file", headers=district))
    assert (row["party_building"], row["community"], row["period"]) == ("86.50", "70.00", "2026Q3")
    file = client.get("/api/v1/credit-file.csv", headers=district)
    assert file.headers["content-type"].startswith("text/csv")
    assert "'=示范物业" in file.text, "a spreadsheet does not take a name for a formula"


def test_nobody_of_another_compound_and_no_resident_sees_a_draft(world: World) -> None:
    draft = start_appraisal(world, company="甲", is_published=False)
    published = start_appraisal(world, company="乙", note="between us")
    owner = world.bearer((Role.OWNER, HERE))
    assert [each["id"] for each in items(world.client.get(APPRAISALS, headers=owner))] == [published]
    assert world.client.get(f"{APPRAISALS}/{draft}", headers=owner).status_code == 404
    shown = world.client.get(f"{APPRAISALS}/{published}", headers=owner).text
    assert "between us" not in shown
    stranger = world.bearer((Role.PROPERTY_MANAGER, ELSEWHERE))
    assert world.client.get(f"{APPRAISALS}/{published}", headers=stranger).status_code == 404


def test_what_is_not_possible_says_why(world: World) -> None:
    appraisal_id = start_appraisal(world)
    district = world.bearer((Role.DISTRICT_OFFICER, None))
    early = world.client.post(f"{APPRAISALS}/{appraisal_id}/transitions", json={"to": "final"}, headers=district)
    assert (early.status_code, early.json()["reason"]) == (409, "early")
    late = world.client.post(
        f"{APPRAISALS}/{appraisal_id}/entries", json={"item": "meetings", "points": "1"}, headers=district
    )
    assert (late.status_code, late.json()["reason"]) == (409, "state")
    body = {"site": HERE, "company": "丙", "period": "2026Q9"}
    assert world.client.post(APPRAISALS, json=body, headers=district).status_code == 422


@pytest.mark.parametrize("points", [-1, 101, "x", 1.005])
def test_points_that_cannot_be_are_refused(world: World, points: object) -> None:
    appraisal_id = start_appraisal(world, is_published=False)
    district = world.bearer((Role.DISTRICT_OFFICER, None))
    body = {"item": "meetings", "points": points}
    assert world.client.post(f"{APPRAISALS}/{appraisal_id}/entries", json=body, headers=district).status_code == 422


def test_the_page_offers_the_company_its_objection_until_the_days_are_over(
    world: World, browser_of: Callable[..., Browser]
) -> None:
    appraisal_id = start_appraisal(world)
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    page = manager.get(f"/appraisals/{appraisal_id}")
    assert "The company may object until" in page.text
    assert "Withheld: 0 facts, at least 5 are needed." in page.text
    refused = manager.post(f"/appraisals/{appraisal_id}/moves", to="objected", note=" ")
    assert (refused.status, "Write down why." in refused.text) == (422, True)
    world.clock.move_s(7 * DAY_S)
    assert f"/appraisals/{appraisal_id}/moves" not in manager.get(f"/appraisals/{appraisal_id}").actions()


@pytest.fixture
def browser_of(world: World) -> Callable[..., Browser]:
    return lambda *grants: Browser(world, world.session(*grants))
