"""Windows and false alarms as programs see them."""

from typing import Any

import pytest

from alerts import suppressing
from api.condition_index import find_condition
from registry.role import Role
from tests.api.kit import ELSEWHERE, FAR_PUMP, FIRE, HERE, LIFT, PUMP, World, items

MANAGER = (Role.PROPERTY_MANAGER, HERE)
LATER = "2026-11-23T16:00:00+08:00"


def plan(world: World, body: dict[str, Any], *grants: tuple[Role, str | None], key: str = "") -> Any:
    headers = world.bearer(*(grants or (MANAGER,)))
    if key:
        headers["Idempotency-Key"] = key
    return world.client.post("/api/v1/suppressions", json=body, headers=headers)


def look(world: World) -> None:
    """What the ingest worker does each second."""
    codes = [(PUMP.kind, "dry_run"), (FIRE.kind, "fire")]
    conditions = {(kind, code): find_condition(world.limits, kind, code) for kind, code in codes}
    suppressing.settle_due(world.database, conditions, now_ms=world.clock())  # type: ignore[arg-type]


def test_a_window_is_planned_listed_and_sets_aside_until_it_ends(world: World) -> None:
    made = plan(world, {"kind": "maintenance", "unit": PUMP.path, "reason": "new float", "until": LATER})
    assert made.status_code == 201, made.text
    window = made.json()
    expected = {"unit": PUMP.path, "site": HERE, "phase": "active", "until": "2026-11-23T16:00:00.000+08:00"}
    assert {name: window[name] for name in expected} == expected
    alarm_id = world.signal(PUMP, "dry_run")
    reader = world.bearer(MANAGER)
    alarm = world.client.get(f"/api/v1/alarms/{alarm_id}", headers=reader).json()
    assert (alarm["state"], alarm["ticket_id"], alarm["suppression_id"]) == ("suppressed", None, window["id"])
    aside = items(world.client.get("/api/v1/alarms?state=aside", headers=reader))
    assert [each["id"] for each in aside] == [alarm_id]
    ended = world.client.post(f"/api/v1/suppressions/{window['id']}/end", headers=reader).json()
    assert ended["phase"] == "over"
    look(world)
    assert world.client.get(f"/api/v1/alarms/{alarm_id}", headers=reader).json()["state"] == "unacknowledged"
    listed = items(world.client.get("/api/v1/suppressions?phase=over", headers=reader))
    assert [each["id"] for each in listed] == [window["id"]]
    assert items(world.client.get("/api/v1/suppressions?phase=active", headers=reader)) == []


def test_a_fire_calls_within_any_window(world: World) -> None:
    assert plan(world, {"kind": "drill", "site": HERE, "reason": "drill", "until": LATER}).status_code == 201
    alarm_id = world.signal(FIRE, "fire")
    look(world)
    assert world.ticket_of(alarm_id) > 0


def test_the_same_request_twice_is_one_window(world: World) -> None:
    person = world.person(MANAGER)
    headers = {**world.bearer_of(person), "Idempotency-Key": "w1"}
    body = {"kind": "inspection", "unit": LIFT.path, "reason": "yearly", "until": LATER}
    ids = {world.client.post("/api/v1/suppressions", json=body, headers=headers).json()["id"] for _ in range(2)}
    assert len(ids) == 1
    other = world.client.post("/api/v1/suppressions", json={**body, "reason": "other"}, headers=headers)
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ({"unit": PUMP.path, "reason": " ", "until": LATER}, 422, "invalid-request"),
        ({"unit": PUMP.path, "reason": "x", "until": "2026-11-23T11:00:00+08:00"}, 422, "invalid-suppression"),
        ({"unit": PUMP.path, "reason": "x", "until": "2027-11-23T11:00:00+08:00"}, 422, "invalid-suppression"),
        ({"unit": f"{HERE}~nothing", "reason": "x", "until": LATER}, 404, "unknown-unit"),
        ({"site": "nowhere", "reason": "x", "until": LATER}, 404, "unknown-site"),
        ({"unit": FAR_PUMP.path, "reason": "x", "until": LATER}, 404, "unknown-unit"),
        ({"site": HERE, "building": "no such", "reason": "x", "until": LATER}, 422, "invalid-suppression"),
    ],
)
def test_what_cannot_be_is_told(world: World, body: dict[str, Any], status: int, name: str) -> None:
    answer = plan(world, {"kind": "maintenance", **body})
    assert (answer.status_code, answer.json()["type"].rsplit(":", 1)[-1]) == (status, name)


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.COMMITTEE_MEMBER, Role.COMMUNITY_OFFICER, Role.OWNER])
def test_planning_is_for_the_desk(world: World, role: Role) -> None:
    body = {"kind": "maintenance", "unit": PUMP.path, "reason": "x", "until": LATER}
    assert plan(world, body, (role, HERE)).status_code == 403


def test_a_window_of_another_compound_does_not_exist(world: World) -> None:
    body = {"kind": "maintenance", "unit": FAR_PUMP.path, "reason": "x", "until": LATER}
    window = plan(world, body, (Role.PROPERTY_MANAGER, ELSEWHERE)).json()["id"]
    assert items(world.client.get("/api/v1/suppressions", headers=world.bearer(MANAGER))) == []
    answer = world.client.post(f"/api/v1/suppressions/{window}/end", headers=world.bearer(MANAGER))
    assert answer.status_code == 404


def test_a_false_alarm_is_marked_corrected_and_taken_back(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    headers = world.bearer((Role.TECHNICIAN, HERE))
    path = f"/api/v1/alarms/{alarm_id}/false-alarm"
    assert world.client.post(path, json={"cause": "unknown"}, headers=headers).status_code == 422
    assert world.client.post(path, json={"cause": "guess"}, headers=headers).status_code == 422
    marked = world.client.post(path, json={"cause": "sensor", "note": "foam"}, headers=headers).json()
    assert (marked["false_alarm"], marked["state"]) == ("sensor", "unacknowledged")
    assert world.client.delete(path, headers=headers).json()["false_alarm"] is None
    assert (
        world.client.post(path, json={"cause": "sensor"}, headers=world.bearer((Role.OWNER, HERE))).status_code == 403
    )
