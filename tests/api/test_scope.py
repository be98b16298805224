"""A person sees the sites of their roles, and acts where a role permits it; the rest does not exist for them."""

import pytest

from registry.role import Role
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, PUMP, World, items

MANAGER_HERE = (Role.PROPERTY_MANAGER, HERE)


@pytest.mark.parametrize("path", ["sites", "units", "alarms", "tickets", "activity"])
def test_lists_hold_only_ones_own_sites(world: World, path: str) -> None:
    for unit in (PUMP, FAR_PUMP):
        world.signal(unit, "dry_run")
    here = {row["site"] for row in items(world.client.get(f"/api/v1/{path}", headers=world.bearer(MANAGER_HERE)))}
    both = {row["site"] for row in items(world.client.get(f"/api/v1/{path}", headers=world.bearer((Role.ADMIN, None))))}
    assert (here, both) == ({HERE}, {HERE, ELSEWHERE})


def test_things_of_other_sites_are_told_like_things_that_are_not(world: World) -> None:
    alarm_id = world.signal(FAR_PUMP, "dry_run")
    ticket_id = world.ticket_of(alarm_id)
    headers = world.bearer(MANAGER_HERE)
    for method, path, beside in (
        ("GET", f"units/{FAR_PUMP.path}", f"units/{ELSEWHERE}~nothing"),
        ("GET", f"units/{FAR_PUMP.path}/readings?metric=level_m", f"units/{ELSEWHERE}~nothing/readings?metric=level_m"),
        ("GET", f"alarms/{alarm_id}", "alarms/999999"),
        ("POST", f"alarms/{alarm_id}/acknowledge", "alarms/999999/acknowledge"),
        ("POST", f"alarms/{alarm_id}/unshelve", "alarms/999999/unshelve"),
        ("GET", f"tickets/{ticket_id}", "tickets/999999"),
    ):
        there = world.client.request(method, f"/api/v1/{path}", headers=headers)
        nowhere = world.client.request(method, f"/api/v1/{beside}", headers=headers)
        assert (there.status_code, nowhere.status_code) == (404, 404), path
        assert there.json().keys() == nowhere.json().keys()
        assert ELSEWHERE not in there.text.replace(FAR_PUMP.path, "")


def test_a_move_of_another_sites_ticket_is_not_even_told_to_be_forbidden(world: World) -> None:
    ticket_id = world.ticket_of(world.signal(FAR_PUMP, "dry_run"))
    answer = world.client.post(
        f"/api/v1/tickets/{ticket_id}/transitions", json={"to": "triaged"}, headers=world.bearer(MANAGER_HERE)
    )
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:liandong:problem:unknown-ticket")


def test_nobody_reports_at_a_site_that_is_not_theirs(world: World) -> None:
    headers = world.bearer(MANAGER_HERE)
    for place in ({"site": ELSEWHERE}, {"unit": FAR_PUMP.path}, {"site": "nowhere"}):
        answer = world.client.post("/api/v1/tickets", json={"title": "Leak", **place}, headers=headers)
        assert answer.status_code == 404, answer.text


def test_a_role_counts_only_at_its_site(world: World) -> None:
    alarm_id = world.signal(FAR_PUMP, "dry_run")
    headers = world.bearer(MANAGER_HERE, (Role.OWNER, ELSEWHERE))
    assert world.client.get(f"/api/v1/alarms/{alarm_id}", headers=headers).status_code == 200
    refused = world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:liandong:problem:role-missing")
    moved = world.client.post(
        f"/api/v1/tickets/{world.ticket_of(alarm_id)}/transitions", json={"to": "triaged"}, headers=headers
    )
    assert moved.status_code == 403


def test_residents_see_what_happened_but_neither_names_nor_notes(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    ticket_id = world.ticket_of(alarm_id)
    manager = world.bearer(MANAGER_HERE)
    world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=manager)
    until = "2026-11-24T12:00:00+08:00"
    shelving = {"until": until, "reason": "Mrs Wang is ill"}
    assert world.client.post(f"/api/v1/alarms/{alarm_id}/shelve", json=shelving, headers=manager).status_code == 200
    move = {"to": "triaged", "note": "Mr Li of 3-2-501 called"}
    assert world.client.post(f"/api/v1/tickets/{ticket_id}/transitions", json=move, headers=manager).status_code == 200

    name = world.client.get("/api/v1/me", headers=manager).json()["name"]
    paths = (f"alarms/{alarm_id}", "alarms", f"tickets/{ticket_id}", "tickets", "activity")
    told_staff = "".join(world.client.get(f"/api/v1/{path}", headers=manager).text for path in paths)
    assert all(told in told_staff for told in (name, "Mrs Wang", "Mr Li"))
    for resident in (Role.OWNER, Role.VOLUNTEER):
        headers = world.bearer((resident, HERE))
        answers = [world.client.get(f"/api/v1/{path}", headers=headers) for path in paths]
        assert [answer.status_code for answer in answers] == [200] * len(paths)
        told = "".join(answer.text for answer in answers)
        assert not any(secret in told for secret in (name, "Mrs Wang", "Mr Li"))
        assert "triaged" in told


def test_who_is_staff_elsewhere_is_a_resident_at_home(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=world.bearer(MANAGER_HERE))
    headers = world.bearer((Role.OWNER, HERE), (Role.PROPERTY_MANAGER, ELSEWHERE))
    assert world.client.get(f"/api/v1/alarms/{alarm_id}", headers=headers).json()["acknowledged_by"] is None
    assert all(row["actor"] in (None, "system") for row in items(world.client.get("/api/v1/activity", headers=headers)))
