"""Tickets from report to close, by the people whose turn it is."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alerts.ticket_stages import MOVES, Stage
from registry.role import Role
from tests.api.kit import HERE, LIFT, PUMP, World, items

MANAGER = (Role.PROPERTY_MANAGER, HERE)
COMMITTEE = (Role.COMMITTEE_MEMBER, HERE)
WAY = ("triaged", "dispatched", "accepted", "arrived", "in_progress", "restored", "verified", "closed")


def move(world: World, ticket_id: int, headers: dict[str, str], to: str, note: str = "") -> Any:
    body = {"to": to, "note": note}
    return world.client.post(f"/api/v1/tickets/{ticket_id}/transitions", json=body, headers=headers)


def test_an_alarm_becomes_a_ticket_that_is_carried_to_its_end(world: World) -> None:
    alarm_id = world.signal(LIFT, "entrapment")
    ticket_id = world.ticket_of(alarm_id)
    headers, committee = world.bearer(MANAGER), world.bearer(COMMITTEE)
    for to in WAY:
        world.clock.move_s(60)
        answer = move(world, ticket_id, committee if to == "verified" else headers, to)
        assert answer.status_code == 200, answer.text
    ticket = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=headers).json()
    assert (ticket["stage"], ticket["allowed"]) == ("closed", [])
    assert (ticket["unit"], ticket["site"], ticket["severity"]) == (LIFT.path, HERE, "critical")
    assert [alarm["id"] for alarm in ticket["alarms"]] == [alarm_id]
    assert [(made["from"], made["to"]) for made in ticket["moves"]] == list(
        zip((None, "reported", *WAY), ("reported", *WAY), strict=False)
    )
    assert ticket["closed_at"] == ticket["moves"][-1]["at"] == "2026-11-23T12:08:00.000+08:00"


def test_open_tickets_are_those_that_are_not_at_their_end(world: World) -> None:
    waiting = world.ticket_of(world.signal(PUMP, "dry_run"))
    done = world.ticket_of(world.signal(LIFT, "entrapment"))
    headers = world.bearer(MANAGER)
    assert move(world, done, headers, "cancelled", "it was a drill").status_code == 200

    def ids(**query: str) -> list[object]:
        return [row["id"] for row in items(world.client.get("/api/v1/tickets", params=query, headers=headers))]

    assert ids() == [done, waiting]
    assert ids(stage="open") == ids(stage="reported") == ids(unit=PUMP.path) == [waiting]
    assert ids(stage="cancelled") == [done]
    assert ids(stage="open", site="nowhere") == ids(unit="xiaohe~nothing") == []


def test_a_forbidden_move_names_the_moves_allowed(world: World) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    refused = move(world, ticket_id, world.bearer(MANAGER), "closed")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert set(refused.json()["allowed"]) == {stage.value for stage in MOVES[Stage.REPORTED]}


def test_a_move_of_another_party_is_refused_with_the_roles_that_may(world: World) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    technician = world.bearer((Role.TECHNICIAN, HERE))
    assert world.client.get(f"/api/v1/tickets/{ticket_id}", headers=technician).json()["allowed"] == []
    refused = move(world, ticket_id, technician, "triaged")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:liandong:problem:move-not-permitted")
    assert "property_manager" in refused.json()["roles"]


def test_a_move_that_must_say_why_is_refused_without_a_note(world: World) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    headers = world.bearer(MANAGER)
    offered = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=headers).json()["allowed"]
    assert {"stage": "cancelled", "needs_note": True, "needs": ["note"], "asks": []} in offered
    assert move(world, ticket_id, headers, "cancelled", "  ").status_code == 422
    assert move(world, ticket_id, headers, "cancelled", "sensor was loose").json()["stage"] == "cancelled"


def test_of_two_people_who_move_at_once_one_wins_and_the_other_is_told(world: World) -> None:
    together = threading.Barrier(4)
    people = [world.bearer(MANAGER) for _ in range(together.parties)]

    def race(ticket_id: int, headers: dict[str, str]) -> Any:
        together.wait(10)
        return move(world, ticket_id, headers, "triaged")

    with ThreadPoolExecutor(len(people)) as pool:
        for unit in (PUMP, LIFT):
            ticket_id = world.ticket_of(world.signal(unit, "offline"))
            answers = list(pool.map(lambda headers, t=ticket_id: race(t, headers), people))  # type: ignore[misc]
            assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
            loser = next(answer for answer in answers if answer.status_code == 409)
            assert loser.json()["current"] == "triaged"
            ticket = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=people[0]).json()
            assert [made["to"] for made in ticket["moves"]] == ["reported", "triaged"]


def test_a_person_reports_what_no_sensor_sees(world: World) -> None:
    headers = world.bearer((Role.VOLUNTEER, HERE))
    report = {"site": HERE, "title": " Rubbish before the fire door ", "description": "Block 3", "kind": "hazard"}
    opened = world.client.post("/api/v1/tickets", json=report, headers=headers)
    assert opened.status_code == 201
    ticket = world.client.get(opened.headers["location"], headers=world.bearer(MANAGER)).json()
    assert (ticket["title"], ticket["kind"], ticket["stage"], ticket["unit"]) == (
        "Rubbish before the fire door",
        "hazard",
        "reported",
        None,
    )


def test_a_report_about_a_unit_is_at_its_site(world: World) -> None:
    report = {"unit": PUMP.path, "title": "It rattles"}
    ticket = world.client.post("/api/v1/tickets", json=report, headers=world.bearer(MANAGER)).json()
    assert (ticket["unit"], ticket["site"], ticket["severity"]) == (PUMP.path, HERE, "minor")


def test_a_report_that_cannot_be_meant_is_refused(world: World, subtests: pytest.Subtests) -> None:
    headers = world.bearer(MANAGER)
    bodies: list[Any] = [
        {"title": "Nowhere"},
        {"site": HERE, "title": "  "},
        {"site": HERE, "title": "x" * 201},
        {"site": HERE, "title": "a\0b"},
        {"site": HERE, "title": "ok", "kind": "party"},
        {"site": HERE, "title": "ok", "description": "x" * 4001},
        {"site": "elsewhere", "unit": PUMP.path, "title": "which?"},
        [],
        "text",
        None,
    ]
    for body in bodies:
        with subtests.test(body=body):
            answer = world.client.post("/api/v1/tickets", json=body, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def restored(world: World) -> int:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    manager = world.bearer(MANAGER)
    for to in WAY[: WAY.index("verified")]:
        assert move(world, ticket_id, manager, to).status_code == 200
    return ticket_id


def test_the_party_that_repaired_is_refused_to_verify_and_told_who_may(world: World) -> None:
    ticket_id, manager = restored(world), world.bearer(MANAGER)
    seen = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=manager).json()
    assert (seen["restored_party"], seen["turn"]) == ("property", ["committee", "community"])
    assert [each["stage"] for each in seen["allowed"]] == ["in_progress"]
    assert seen["signing_refused"]["parties"] == ["committee", "community", "district"]
    refused = move(world, ticket_id, manager, "verified").json()
    assert (refused["status"], refused["parties"]) == (409, ["committee", "community", "district"])
    assert refused["allowed"] == ["in_progress"]
    assert move(world, ticket_id, world.bearer((Role.COMMUNITY_OFFICER, HERE)), "verified").status_code == 200


def test_who_has_roles_in_two_parties_signs_for_neither_of_them(world: World) -> None:
    ticket_id = restored(world)
    both = world.bearer(COMMITTEE, MANAGER)
    refused = move(world, ticket_id, both, "verified")
    assert (refused.status_code, refused.json()["is_cross_appointed"]) == (409, True)
    assert move(world, ticket_id, world.bearer(COMMITTEE, (Role.OWNER, HERE)), "verified").status_code == 200


def test_an_administrator_who_signs_in_anothers_place_is_told_as_such(world: World) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    admin = world.bearer((Role.ADMIN, None))
    for to in WAY:
        told = move(world, ticket_id, admin, to).json()
    assert [(made["to"], made["stands_in"]) for made in told["moves"] if made["stands_in"]] == [("verified", True)]


def test_who_moves_what_somebody_else_has_moved_meanwhile_is_told_who_did(world: World) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    path = f"/api/v1/tickets/{ticket_id}/transitions"
    mei, wang = world.bearer(MANAGER), world.bearer(MANAGER)
    version = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=mei).json()["version"]
    cancel = {"to": "cancelled", "note": "a drill"}
    assert move(world, ticket_id, wang, "triaged").status_code == 200
    for expected in ({"expected_version": version}, {"expected_stage": "reported"}):
        refused = world.client.post(path, json={**cancel, **expected}, headers=mei)
        assert (refused.status_code, refused.json()["current"]) == (409, "triaged")
        assert refused.json()["moved_by"] == world.client.get("/api/v1/me", headers=wang).json()["name"]
    answer = world.client.post(path, json={**cancel, "expected_version": version + 1}, headers=mei)
    assert answer.status_code == 200


def test_a_request_sent_twice_is_carried_out_once(world: World) -> None:
    headers = {**world.bearer(MANAGER), "Idempotency-Key": "f3a1"}
    report = {"site": HERE, "title": "Rubbish"}
    first = world.client.post("/api/v1/tickets", json=report, headers=headers)
    again = world.client.post("/api/v1/tickets", json=report, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    path, headers["Idempotency-Key"] = f"{first.headers['location']}/transitions", "f3a2"
    stages = [world.client.post(path, json={"to": "triaged"}, headers=headers).json() for _ in range(3)]
    assert [(told["stage"], told["version"]) for told in stages] == [("triaged", 2)] * 3
    other = world.client.post(path, json={"to": "dispatched"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:liandong:problem:idempotency-key-reused")
    # Another person's key of the same name is another key.
    theirs = {**world.bearer(MANAGER), "Idempotency-Key": "f3a2"}
    assert world.client.post(path, json={"to": "dispatched"}, headers=theirs).json()["stage"] == "dispatched"


def test_a_request_sent_twice_at_once_is_carried_out_once(world: World) -> None:
    headers = {**world.bearer(MANAGER), "Idempotency-Key": "double-click"}
    together = threading.Barrier(4)

    def click(_: int) -> Any:
        together.wait(10)
        return world.client.post("/api/v1/tickets", json={"site": HERE, "title": "Rubbish"}, headers=headers)

    with ThreadPoolExecutor(together.parties) as pool:
        answers = list(pool.map(click, range(together.parties)))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_why_a_ticket_rests_is_a_fact_and_a_blocked_compound_is_the_communitys_turn(world: World) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    headers = world.bearer(MANAGER)
    move(world, ticket_id, headers, "triaged")
    path = f"/api/v1/tickets/{ticket_id}/transitions"
    hold = {"to": "on_hold", "note": "the old committee keeps it", "hold_reason": "governance_seal_withheld"}
    told = world.client.post(path, json=hold, headers=headers).json()
    assert (told["hold_reason"], told["is_blocked_by_governance"]) == ("governance_seal_withheld", True)
    assert told["turn"] == ["community", "district"]
    assert told["moves"][-1]["hold_reason"] == "governance_seal_withheld"
    resumed = move(world, ticket_id, headers, "in_progress").json()
    assert (resumed["hold_reason"], resumed["turn"]) == (None, ["property"])
    assert move(world, ticket_id, headers, "on_hold", "no reason told").json()["hold_reason"] == "other"
