"""What was done to a unit, entered through the API and on its page."""

from registry.role import Role
from tests.api.kit import HERE, LIFT, World, items
from tests.api.pages.conftest import Browser

PATH = f"/api/v1/units/{LIFT.path}/service-records"
OVERHAUL = {"kind": "overhaul", "done_on": "2026-11-20", "done_by": "Xizi", "cost": "81500.50", "note": "new ropes"}


def test_a_record_is_entered_once_and_told_to_residents_without_names(world: World) -> None:
    technician = world.bearer((Role.TECHNICIAN, HERE))
    for _ in range(2):
        answer = world.client.post(PATH, json=OVERHAUL, headers={**technician, "Idempotency-Key": "k1"})
        assert answer.status_code == 201, answer.text
    (told,) = items(world.client.get(PATH, headers=technician))
    assert (told["kind"], told["done_on"], told["cost"], told["note"]) == (
        "overhaul",
        "2026-11-20",
        "81500.50",
        "new ropes",
    )
    (for_owner,) = items(world.client.get(PATH, headers=world.bearer((Role.OWNER, HERE))))
    assert (for_owner["recorded_by"], for_owner["note"]) == (None, "")


def test_only_hands_enter_and_only_the_desk_withdraws(world: World) -> None:
    for role in (Role.OWNER, Role.COMMITTEE_MEMBER):
        assert world.client.post(PATH, json=OVERHAUL, headers=world.bearer((role, HERE))).status_code == 403
    technician = world.bearer((Role.TECHNICIAN, HERE))
    record_id = world.client.post(PATH, json=OVERHAUL, headers=technician).json()["id"]
    assert world.client.post(f"{PATH}/{record_id}/withdraw", headers=technician).status_code == 403
    manager = world.bearer((Role.PROPERTY_MANAGER, HERE))
    assert world.client.post(f"{PATH}/{record_id}/withdraw", headers=manager).status_code == 204
    assert items(world.client.get(PATH, headers=manager)) == []
    assert world.client.post(f"{PATH}/4711/withdraw", headers=manager).status_code == 404


def test_the_future_is_refused_by_its_field(world: World) -> None:
    manager = world.bearer((Role.PROPERTY_MANAGER, HERE))
    answer = world.client.post(PATH, json={**OVERHAUL, "done_on": "2027-01-01"}, headers=manager)
    assert (answer.status_code, answer.json()["field"]) == (422, "done_on")


def test_the_page_takes_a_record_and_shows_it_on_the_unit(world: World, admin: Browser) -> None:
    page = admin.get(f"/units/{LIFT.path}/service-records")
    assert "Nothing is recorded yet." in page.text
    admin.post(f"/units/{LIFT.path}/service-records", **{**OVERHAUL, "cost": "81,500.5"})
    page = admin.get(f"/units/{LIFT.path}")
    assert "Overhaul · 2026-11-20" in page.text
    assert "81500.50 yuan" in page.text


def test_the_page_says_what_was_wrong(world: World, admin: Browser) -> None:
    for field, value, words in (
        ("cost", "1.005", "Give the amount in yuan"),
        ("done_on", "2030-01-01", "must not lie in the future"),
        ("kind", "party", "Say what was done."),
        ("stopped_from", "2026-11-20T10:00", "needs its beginning"),
    ):
        answer = admin.post(f"/units/{LIFT.path}/service-records", **{**OVERHAUL, field: value})
        assert answer.status == 422, field
        assert words in answer.text, field
