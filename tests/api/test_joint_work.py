"""Meetings, reception, work lists and action teams by the API."""

from typing import Any

import httpx
import pytest

from governance.meeting_rhythm import keep_rhythm
from registry.role import Role
from tests.api.kit import ELSEWHERE, HERE, LIFT, PUMP, World, items

DAY_S = 86_400
Headers = dict[str, str]


@pytest.fixture
def people(world: World, request: pytest.FixtureRequest) -> dict[str, Headers]:
    """Signed in on 23 November, or on 4 December where the meeting of that month is asked for."""
    if "meeting" in request.fixturenames:
        world.signal(PUMP, "dry_run")
        world.clock.move_s(11 * DAY_S)
    roles = {
        "manager": Role.PROPERTY_MANAGER,
        "committee": Role.COMMITTEE_MEMBER,
        "community": Role.COMMUNITY_OFFICER,
        "technician": Role.TECHNICIAN,
        "owner": Role.OWNER,
        "admin": Role.ADMIN,
    }
    return {name: world.bearer((role, HERE)) for name, role in roles.items()}


def post(world: World, path: str, headers: Headers, status: int = 200, **body: object) -> dict[str, Any]:
    answer = world.client.post(f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def meeting(world: World, people: dict[str, Headers]) -> dict[str, Any]:
    """The monthly meeting of December, a week ahead, as the worker makes it."""
    assert keep_rhythm(world.database, now_ms=world.clock()) == 4, "two sites, each made and prepared"
    assert keep_rhythm(world.database, now_ms=world.clock()) == 0
    (found,) = items(world.client.get(f"/api/v1/meetings?site={HERE}", headers=people["technician"]))
    return dict(found)


def everybody_comes(world: World, people: dict[str, Headers], path: str) -> None:
    for party in ("property", "committee", "community"):
        post(world, f"{path}/attendance", people["community"], 201, party=party, name=f"Somebody of the {party}")


def test_a_meeting_from_its_agenda_to_frozen_minutes(
    world: World, people: dict[str, Headers], meeting: dict[str, Any]
) -> None:
    assert (meeting["held_on"], meeting["starts_at"]) == ("2026-12-10", "2026-12-10T19:00:00.000+08:00")
    path = f"/meetings/{meeting['id']}"
    detail = post(world, f"{path}/items", people["committee"], 201, title="Rubbish in the basement")
    assert [item["kind"] for item in detail["items"]][-2:] == ["alarm_kpis", "by_hand"]
    item_id = detail["items"][-1]["id"]
    order = [item_id, *(item["id"] for item in detail["items"][:-1])]
    assert post(world, f"{path}/order", people["manager"], items=order)["items"][0]["id"] == item_id
    post(world, f"{path}/transitions", people["community"], to="open")
    refused = post(world, f"{path}/items", people["manager"], 409, title="Too late")
    assert refused["allowed"] == ["minuted", "without_quorum"]
    body: dict[str, object] = {"discussion": "It smells", "decision": "The company clears it"}
    refused = post(world, f"{path}/items/{item_id}/minutes", people["manager"], 409, **body)
    assert refused["missing"] == ["property", "committee", "community"]
    everybody_comes(world, people, path)
    body["tasks"] = [{"title": "Clear it", "party": "property", "due_on": "2026-12-20"}]
    body["expected_version"] = 1
    detail = post(world, f"{path}/items/{item_id}/minutes", people["manager"], **body)
    refused = post(world, f"{path}/items/{item_id}/minutes", people["committee"], 409, **body)
    assert refused["version"] == 2
    task_id = detail["items"][0]["tasks"][0]["task_id"]
    detail = post(world, f"{path}/transitions", people["manager"], to="minuted")
    assert {item["outcome"] for item in detail["items"]} == {"decided", "carried"}
    for party, name in (("property", "manager"), ("committee", "committee"), ("community", "community")):
        shown = detail["minutes"]["sha256"]
        post(world, f"{path}/confirmations", people["admin"], 403, party=party)
        detail = post(world, f"{path}/confirmations", people[name], 201, party=party, expected_sha256=shown)
    assert detail["stage"] == "confirmed"
    assert detail["minutes"]["frozen_sha256"] == detail["minutes"]["sha256"]
    post(world, f"{path}/items/{item_id}/minutes", people["manager"], 409, discussion="Other words")
    detail = post(world, f"{path}/addenda", people["committee"], 201, text="Of building 4")
    assert [each["party"] for each in detail["minutes"]["addenda"]] == ["committee"]
    task = world.client.get(f"/api/v1/tasks/{task_id}", headers=people["technician"]).json()
    assert (task["source"], task["party"], task["is_overdue"]) == ("meeting", "property", False)


def test_a_form_sent_twice_is_carried_out_once(
    world: World, people: dict[str, Headers], meeting: dict[str, Any]
) -> None:
    path = f"/meetings/{meeting['id']}"
    keyed = people["community"] | {"Idempotency-Key": "form-1"}
    for _ in range(2):
        detail = post(world, f"{path}/items", keyed, 201, title="Once")
    assert [item["title"] for item in detail["items"]].count("Once") == 1
    post(world, f"{path}/items", keyed, 422, title="Something else")
    entries = [post(world, f"{path}/reception", keyed | {"Idempotency-Key": "r"}, 201, matter="Noise") for _ in "ab"]
    assert entries[0]["id"] == entries[1]["id"]


def test_what_an_owner_brought_becomes_a_ticket_and_an_item(
    world: World, people: dict[str, Headers], meeting: dict[str, Any]
) -> None:
    path = f"/meetings/{meeting['id']}/reception"
    entry = post(world, path, people["community"], 201, matter="The lift shakes", name="Auntie Li", unit=LIFT.path)
    address = f"{path}/{entry['id']}"
    ticket_id = post(world, f"{address}/ticket", people["community"], severity="minor")["ticket_id"]
    assert post(world, f"{address}/ticket", people["community"])["ticket_id"] == ticket_id
    ticket = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=people["owner"])
    assert "Li" not in ticket.text.replace("Lift", "").replace("lift", "")
    item_id = post(world, f"{address}/agenda", people["community"])["item_id"]
    detail = world.client.get(f"/api/v1/meetings/{meeting['id']}", headers=people["community"]).json()
    assert [item["kind"] for item in detail["items"] if item["id"] == item_id] == ["owners_matter"]
    post(world, f"{address}/answer", people["community"], answer="It is looked into")
    for name in ("technician", "owner"):
        assert world.client.get(f"/api/v1{path}", headers=people[name]).status_code == 403


def test_a_site_sets_its_own_rules_of_procedure(world: World, people: dict[str, Headers]) -> None:
    address = f"/api/v1/meeting-rules?site={HERE}"
    rules = world.client.get(address, headers=people["technician"]).json()
    assert (rules["day"], rules["parties"]) == (10, ["property", "committee", "community"])
    changed = world.client.put(address, json=rules | {"day": 24, "lead_days": 2}, headers=people["manager"])
    assert changed.json()["day"] == 24
    assert world.client.put(address, json=rules | {"day": 31}, headers=people["manager"]).status_code == 422
    wrong = rules | {"parties": ["district"]}
    assert world.client.put(address, json=wrong, headers=people["manager"]).status_code == 422
    assert world.client.put(address, json=rules, headers=people["committee"]).status_code == 403
    keep_rhythm(world.database, now_ms=world.clock())
    (found,) = items(world.client.get(f"/api/v1/meetings?site={HERE}", headers=people["manager"]))
    assert found["held_on"] == "2026-11-24"


def test_an_extraordinary_meeting_is_called_and_one_without_quorum_decides_nothing(
    world: World, people: dict[str, Headers]
) -> None:
    new = {"site": HERE, "title": "Flood in the garage", "starts_at": "2026-11-24T20:00:00+08:00"}
    detail = post(world, "/meetings", people["community"], 201, **new)
    path = f"/meetings/{detail['id']}"
    post(world, f"{path}/items", people["community"], 201, title="Barriers")
    post(world, f"{path}/transitions", people["community"], to="open")
    refused = post(world, f"{path}/transitions", people["community"], 409, to="minuted")
    assert refused["missing"] == ["property", "committee", "community"]
    detail = post(world, f"{path}/transitions", people["community"], to="without_quorum")
    assert (detail["stage"], detail["items"][0]["outcome"]) == ("without_quorum", "carried")
    post(world, "/meetings", people["community"], 422, **new | {"starts_at": "2026-11-01T20:00:00+08:00"})


def test_tasks_are_given_filtered_and_done_with_a_word(world: World, people: dict[str, Headers]) -> None:
    new: dict[str, object] = {"site": HERE, "title": "Mend the gate", "party": "property", "due_on": "2026-11-24"}
    task = post(world, "/tasks", people["community"], 201, **new)
    post(world, "/tasks", people["technician"], 403, **new)
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    post(world, "/tasks", people["community"], 422, **new | {"work_list": "party_building", "ticket_id": ticket_id})
    assert post(world, "/tasks", people["community"], 201, **new | {"ticket_id": ticket_id})["source"] == "ticket"
    post(world, "/tasks", people["community"], 404, **new | {"ticket_id": 77})
    address = f"/tasks/{task['id']}"
    post(world, f"{address}/transitions", people["committee"], 422, to="done")
    refused = post(world, f"{address}/transitions", people["committee"], 409, to="open")
    assert refused["allowed"] == ["under_way", "done", "dropped"]
    post(world, f"{address}/comments", people["technician"], 201, text="Hinge is ordered")
    post(world, f"{address}/postpone", people["manager"], due_on="2026-11-30", note="parts")
    done = post(world, f"{address}/transitions", people["manager"], to="done", note="New hinge")
    assert (done["outcome"], done["allowed"]) == ("New hinge", ["open"])
    still = items(world.client.get(f"/api/v1/tasks?site={HERE}&is_open=true", headers=people["manager"]))
    assert [each["source"] for each in still] == ["ticket"]
    lists = {
        each["work_list"]: each for each in items(world.client.get("/api/v1/work-lists", headers=people["manager"]))
    }
    assert lists["duties"]["ended"] == 1
    assert lists["party_building"]["open"] is None, "nothing is computed of it"


def person_ids(world: World) -> dict[str, int]:
    return {
        party: world.person((role, HERE))
        for party, role in (
            ("property", Role.PROPERTY_MANAGER),
            ("committee", Role.COMMITTEE_MEMBER),
            ("community", Role.COMMUNITY_OFFICER),
        )
    }


def test_an_action_team_from_its_forming_to_its_report(world: World, people: dict[str, Headers]) -> None:
    ids = person_ids(world)
    new = {"site": HERE, "goal": "The lift runs", "due_on": "2027-01-31", "units": [LIFT.path], "delegates": {}}
    team = post(world, "/action-teams", people["community"], 201, **new)
    address = f"/action-teams/{team['id']}"
    refused = post(world, f"{address}/transitions", people["community"], 409, to="working")
    assert refused["parties"] == ["property", "committee", "community"]
    for party, person_id in ids.items():
        post(world, f"{address}/delegates", people["community"], party=party, person_id=person_id)
    post(world, f"{address}/delegates", people["community"], 422, party="committee", person_id=ids["property"])
    team = post(world, f"{address}/steps", people["community"], 201, text="Order a door operator", party="property")
    post(world, f"{address}/steps/{team['steps'][0]['id']}/done", people["technician"], note="ordered")
    post(world, f"{address}/transitions", people["community"], to="working")
    post(world, f"{address}/transitions", people["community"], 403, to="reported", note="x")
    reporter = world.bearer_of(ids["property"])
    team = post(world, f"{address}/transitions", reporter, to="reported", note="The operator was replaced")
    assert (team["figures"]["units"], team["figures"]["change"]) == (1, None), "no exposure, nothing is claimed"
    post(world, f"{address}/transitions", reporter, 409, to="closed")
    assert post(world, f"{address}/transitions", people["committee"], to="closed")["state"] == "closed"
    assert items(world.client.get(f"/api/v1/action-teams/suggestions?site={HERE}", headers=reporter)) == []


@pytest.mark.parametrize("kind", ["meetings", "tasks", "action-teams"])
def test_what_is_of_another_compound_is_not_there(
    world: World, people: dict[str, Headers], meeting: dict[str, Any], kind: str
) -> None:
    admin = world.bearer((Role.ADMIN, None))
    if kind == "tasks":
        post(world, "/tasks", admin, 201, site=ELSEWHERE, title="x", party="property")
    if kind == "action-teams":
        post(world, "/action-teams", admin, 201, site=ELSEWHERE, goal="x", due_on="2027-01-31")
    (far,) = items(world.client.get(f"/api/v1/{kind}?site={ELSEWHERE}", headers=admin))
    answer: httpx.Response = world.client.get(f"/api/v1/{kind}/{far['id']}", headers=people["manager"])
    assert answer.status_code == 404
    assert items(world.client.get(f"/api/v1/{kind}?site={ELSEWHERE}", headers=people["manager"])) == []
    assert world.client.get(f"/api/v1/{kind}", headers=people["owner"]).status_code == 403
