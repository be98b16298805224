"""Call-outs by the API: who may do what, what is refused and how it is told."""

from collections.abc import Mapping
from typing import Any

import pytest

from registry.role import Role
from tests.api.kit import ELSEWHERE, HERE, PUMP, World
from tests.api.summoned import start_call_out

CALL_OUTS = "/api/v1/call-outs"
STOCK = "/api/v1/call-out-stock"


@pytest.fixture
def manager(world: World) -> Mapping[str, str]:
    return world.bearer((Role.PROPERTY_MANAGER, HERE))


def start(world: World, headers: Mapping[str, str], **more: Any) -> dict[str, Any]:
    body = {"site": HERE, "reason": "Water in the garage", **more}
    answer = world.client.post(CALL_OUTS, json=body, headers=dict(headers))
    assert answer.status_code == 201, answer.text
    assert isinstance(answer.json(), dict)
    return dict(answer.json())


def test_a_call_out_goes_its_whole_way(world: World, manager: Mapping[str, str]) -> None:
    technician = world.bearer((Role.TECHNICIAN, HERE))
    called = start(world, manager, meeting_point="Gate 2")
    assert (called["state"], called["meeting_point"], called["muster"]["asked"]) == ("called", "Gate 2", 2)
    assert [stage["state"] for stage in called["stages"]] == ["called", "waiting", "waiting"]
    there = f"{CALL_OUTS}/{called['id']}"
    said = world.client.post(f"{there}/answer", json={"answer": "coming", "minutes": 15}, headers=technician)
    assert said.json()["expected_at"] == "2026-11-23T12:15:00.000+08:00"
    arrival = {"summons_id": said.json()["summons_id"]}
    assert world.client.post(f"{there}/arrivals", json=arrival, headers=manager).json()["arrived_at"]
    down = world.client.post(f"{there}/transitions", json={"to": "stood_down"}, headers=manager)
    assert down.json()["moves"] == ["closed"]
    closed = world.client.post(f"{there}/transitions", json={"to": "closed", "note": "All dry"}, headers=manager)
    assert (closed.json()["state"], closed.json()["outcome"]) == ("closed", "All dry")
    report = world.client.get(f"{there}/report", headers=manager).json()
    assert report["times"] == [{"number": 1, "coming_s": 0.0, "arrived_s": 0.0}]
    assert len(report["people"]) == 1


def test_a_forbidden_move_names_those_that_are_allowed(world: World, manager: Mapping[str, str]) -> None:
    call_out_id = start(world, manager)["id"]
    refused = world.client.post(
        f"{CALL_OUTS}/{call_out_id}/transitions", json={"to": "closed", "note": "x"}, headers=manager
    )
    assert (refused.status_code, refused.json()["allowed"]) == (409, ["stood_down"])


def test_the_same_request_sent_twice_calls_once(world: World, manager: Mapping[str, str]) -> None:
    headers = {**manager, "Idempotency-Key": "night-1"}
    assert start(world, headers)["id"] == start(world, headers)["id"]


def test_a_second_call_out_is_refused_and_names_the_first(world: World, manager: Mapping[str, str]) -> None:
    first = start(world, manager)["id"]
    refused = world.client.post(CALL_OUTS, json={"site": HERE, "reason": "again"}, headers=manager)
    assert (refused.status_code, refused.json()["call_out_id"]) == (409, first)


def test_an_alarm_proposes_and_a_person_confirms_over_the_api(world: World, manager: Mapping[str, str]) -> None:
    world.signal(PUMP, "inflow_exceeds_capacity", evidence={"overflow_in_min": 12.4, "level_m": 1.9})
    (proposed,) = world.client.get(f"{CALL_OUTS}?state=open", headers=manager).json()["items"]
    assert proposed["facts"]["overflow_in_min"] == 12.4
    assert proposed["moves"] == ["called", "rejected"]
    there = f"{CALL_OUTS}/{proposed['id']}/transitions"
    refused = world.client.post(there, json={"to": "rejected"}, headers=manager)
    assert refused.status_code == 422
    assert world.client.post(there, json={"to": "called"}, headers=manager).json()["muster"]["asked"] == 1


@pytest.mark.parametrize(
    "body", [{"answer": "coming"}, {"answer": "coming", "minutes": 7}, {"answer": "maybe", "minutes": 5}, {}]
)
def test_an_answer_that_no_button_gives_is_refused(world: World, body: dict[str, Any]) -> None:
    person_id = world.person((Role.TECHNICIAN, HERE))
    call_out_id = start_call_out(world)
    answer = world.client.post(f"{CALL_OUTS}/{call_out_id}/answer", json=body, headers=world.bearer_of(person_id))
    assert answer.status_code == 422


def test_who_was_not_asked_is_told_no_more_than_that(world: World, manager: Mapping[str, str]) -> None:
    call_out_id = start(world, manager)["id"]
    stranger = world.bearer((Role.TECHNICIAN, ELSEWHERE))
    said = {"answer": "coming", "minutes": 5}
    assert world.client.post(f"{CALL_OUTS}/{call_out_id}/answer", json=said, headers=stranger).status_code == 404
    assert world.client.get(f"{CALL_OUTS}/{call_out_id}", headers=stranger).status_code == 404
    assert world.client.get(CALL_OUTS, headers=stranger).json()["items"] == []


def test_residents_see_how_many_come_and_not_who(world: World, manager: Mapping[str, str]) -> None:
    call_out_id = start(world, manager)["id"]
    owner = world.bearer((Role.OWNER, HERE))
    seen = world.client.get(f"{CALL_OUTS}/{call_out_id}", headers=owner).json()
    assert (seen["muster"]["asked"], seen["called_by"], seen["moves"]) == (1, None, [])
    for part in ("muster", "report"):
        assert world.client.get(f"{CALL_OUTS}/{call_out_id}/{part}", headers=owner).status_code == 403


def test_an_answer_after_the_stand_down_is_told_to_be_over(world: World, manager: Mapping[str, str]) -> None:
    technician = world.bearer((Role.TECHNICIAN, HERE))
    there = f"{CALL_OUTS}/{start(world, manager)['id']}"
    world.client.post(f"{there}/transitions", json={"to": "stood_down"}, headers=manager)
    late = world.client.post(f"{there}/answer", json={"answer": "cannot"}, headers=technician)
    assert (late.status_code, late.json()["state"]) == (410, "stood_down")


def test_stock_is_kept_and_never_taken_beyond_what_is_there(world: World, manager: Mapping[str, str]) -> None:
    new = {"site": HERE, "name": "Sandbags", "amount": 10, "measure": "pcs"}
    item = world.client.post(STOCK, json=new, headers=manager).json()
    assert world.client.post(STOCK, json=new, headers=manager).status_code == 422
    moves = f"{STOCK}/{item['id']}/moves"
    taken = world.client.post(moves, json={"move": "taken", "number": 7}, headers=manager).json()
    assert (taken["present"], taken["out"]) == (3, 7)
    refused = world.client.post(moves, json={"move": "taken", "number": 4}, headers=manager)
    assert (refused.status_code, refused.json()["most"]) == (409, 3)
    stranger = world.bearer((Role.PROPERTY_MANAGER, ELSEWHERE))
    assert world.client.post(moves, json={"move": "taken", "number": 1}, headers=stranger).status_code == 404


def test_a_plan_is_settled_and_only_with_neighbours_one_may_see(world: World, manager: Mapping[str, str]) -> None:
    plan = {
        "stages": [{"audience": "volunteers", "wanted": 5, "wait_min": 3}],
        "automatic_from": "critical",
        "neighbours": [ELSEWHERE],
    }
    address = f"/api/v1/call-out-plan?site={HERE}"
    assert world.client.put(address, json=plan, headers=manager).status_code == 404
    district = world.bearer((Role.DISTRICT_OFFICER, None))
    assert world.client.put(address, json=plan, headers=district).json()["neighbours"] == [ELSEWHERE]
    seen = world.client.get(address, headers=manager).json()
    assert [stage["audience"] for stage in seen["stages"]] == ["volunteers"]
    assert world.client.put(address, json=plan, headers=manager).status_code == 200
