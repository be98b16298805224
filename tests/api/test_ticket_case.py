"""What people add to a ticket: it is checked, kept, told in the log, and shown to those who may see it."""

import io
from typing import Any

import pytest
from PIL import Image

from registry import activity
from registry.person import Person
from registry.role import Role
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, LIFT, PUMP, World

MANAGER = (Role.PROPERTY_MANAGER, HERE)


@pytest.fixture
def ticket_id(world: World) -> int:
    return world.ticket_of(world.signal(PUMP, "dry_run"))


@pytest.fixture
def manager(world: World) -> dict[str, str]:
    return world.bearer(MANAGER)


def photo(colour: str = "red") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(made, "JPEG")
    return made.getvalue()


def add(world: World, number: int, thing: str, headers: dict[str, str], **body: Any) -> Any:
    return world.client.post(f"/api/v1/tickets/{number}/{thing}", json=body, headers=headers)


def upload(world: World, ticket_id: int, headers: dict[str, str], content: bytes, name: str = "leak.jpg") -> Any:
    files = {"file": (name, content, "image/jpeg")}
    return world.client.post(f"/api/v1/tickets/{ticket_id}/attachments", files=files, headers=headers)


def name_of(world: World, person_id: int) -> str:
    with world.database.reading() as session:
        return session.get_one(Person, person_id).name


def test_a_comment_calls_those_it_names_who_may_see_it(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    here = name_of(world, world.person((Role.TECHNICIAN, HERE)))
    far = name_of(world, world.person((Role.TECHNICIAN, ELSEWHERE)))
    text = f"@{here}请看 @{far} @nobody mail a@{here}"
    told = add(world, ticket_id, "comments", manager, text=text).json()
    assert [(each["text"], each["mentions"]) for each in told["comments"]] == [(text, [here])]
    with world.database.reading() as session:
        last = activity.of_subject(session, f"ticket:{ticket_id}")[-1]
        assert (last.verb, last.data["mentions"]) == ("ticket.commented", [here])


def test_costs_are_counted_to_the_fen_and_shown_to_those_who_pay(
    world: World, ticket_id: int, manager: dict[str, str]
) -> None:
    for what, amount in (("Impeller", "1280.50"), ("Seal", "0.10"), ("Seal", "0.20")):
        assert add(world, ticket_id, "costs", manager, what=what, amount=amount).status_code == 201
    told = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=world.bearer((Role.OWNER, HERE))).json()
    assert told["cost_total"] == "1280.80"
    first = told["costs"][0]
    assert (first["what"], first["amount"], first["actor"]) == ("Impeller", "1280.50", None)
    for amount in ("-1", "1.005", "NaN", "1e12", "many", None):
        assert add(world, ticket_id, "costs", manager, what="Seal", amount=amount).status_code == 422, amount


def test_a_photo_is_painted_anew_kept_outside_the_web_and_given_to_staff_only(
    world: World, ticket_id: int, manager: dict[str, str]
) -> None:
    told = upload(world, ticket_id, manager, photo() + b"<script>", "../../a.html").json()
    (file,) = told["attachments"]
    assert (file["name"], file["media_type"]) == ("a.jpg", "image/jpeg")
    answer = world.client.get(file["url"], headers=manager)
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert b"<script>" not in answer.content
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert world.client.get(file["url"], headers=world.bearer((Role.OWNER, HERE))).status_code == 403
    stranger = world.bearer((Role.PROPERTY_MANAGER, ELSEWHERE))
    assert world.client.get(file["url"], headers=stranger).status_code == 404
    assert world.client.get(file["url"]).status_code == 401
    other = world.ticket_of(world.signal(LIFT, "entrapment"))
    moved = file["url"].replace(f"/{ticket_id}/", f"/{other}/")
    assert world.client.get(moved, headers=manager).status_code == 404


def test_a_document_is_only_to_be_saved(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    (file,) = upload(world, ticket_id, manager, b"%PDF-1.7 <script>", "quote.html").json()["attachments"]
    answer = world.client.get(file["url"], headers=manager)
    assert answer.headers["content-disposition"] == 'attachment; filename="quote.pdf"'
    assert answer.headers["content-type"] == "application/pdf"


def test_a_file_that_is_not_what_it_claims_is_refused(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    for content in (b"MZ a program", b"\xff\xd8\xff no picture", b""):
        refused = upload(world, ticket_id, manager, content)
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:liandong:problem:refused-upload")
    assert upload(world, ticket_id, manager, bytes(9 * 1024 * 1024)).status_code == 413


def test_nobody_who_does_not_say_who_they_are_sends_a_large_file(world: World, ticket_id: int) -> None:
    assert upload(world, ticket_id, {}, bytes(1024 * 1024)).status_code == 413


def test_the_same_file_twice_is_one(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    upload(world, ticket_id, manager, photo())
    upload(world, ticket_id, manager, photo("blue"))
    assert len(upload(world, ticket_id, manager, photo()).json()["attachments"]) == 2


def test_a_duplicate_goes_on_in_the_other_ticket_with_its_alarms(
    world: World, ticket_id: int, manager: dict[str, str]
) -> None:
    alarm_id = world.signal(LIFT, "entrapment")
    duplicate = world.ticket_of(alarm_id)
    told = add(world, duplicate, "merge", manager, into=ticket_id).json()
    assert (told["stage"], told["merged_into"], told["alarms"]) == ("cancelled", ticket_id, [])
    into = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=manager).json()
    assert alarm_id in [alarm["id"] for alarm in into["alarms"]]
    assert into["severity"] == "critical"
    assert [(link["ticket_id"], link["is_from_here"]) for link in into["links"]] == [(duplicate, False)]
    assert add(world, ticket_id, "merge", manager, into=duplicate).json()["reason"] == "ended"
    assert add(world, ticket_id, "merge", manager, into=ticket_id).json()["reason"] == "itself"


def test_what_is_being_worked_on_is_not_merged_away(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    working = world.ticket_of(world.signal(LIFT, "entrapment"))
    for to in ("triaged", "dispatched", "accepted"):
        add(world, working, "transitions", manager, to=to)
    refused = add(world, working, "merge", manager, into=ticket_id)
    assert (refused.status_code, "on_hold" in refused.json()["allowed"]) == (409, True)


def test_nothing_is_linked_or_merged_across_what_a_person_may_see(
    world: World, ticket_id: int, manager: dict[str, str]
) -> None:
    far = world.ticket_of(world.signal(FAR_PUMP, "dry_run"))
    assert add(world, ticket_id, "links", manager, ticket_id=far).status_code == 404
    assert add(world, ticket_id, "merge", manager, into=far).status_code == 404
    admin = world.bearer((Role.ADMIN, None))
    assert add(world, ticket_id, "merge", admin, into=far).json()["reason"] == "other_site"
    links = [add(world, ticket_id, "links", admin, ticket_id=far).json()["links"] for _ in range(2)]
    assert [len(each) for each in links] == [1, 1]


def test_a_mediation_is_a_state_of_the_case(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    for state in ("asked_for", "settled"):
        told = add(world, ticket_id, "mediation", manager, state=state, reference="People's mediation 2026-17").json()
    assert [each["state"] for each in told["mediations"]] == ["asked_for", "settled"]


def test_the_whole_history_is_told_in_its_order(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    add(world, ticket_id, "transitions", manager, to="triaged")
    add(world, ticket_id, "comments", manager, text="Mrs Wang called")
    upload(world, ticket_id, manager, photo())
    path = f"/api/v1/tickets/{ticket_id}/history"
    verbs = [row["verb"] for row in world.client.get(path, headers=manager).json()]
    assert verbs == ["ticket.opened", "ticket.moved", "ticket.commented", "ticket.attached"]
    assert "Mrs Wang" not in world.client.get(path, headers=world.bearer((Role.OWNER, HERE))).text


def test_a_resident_reads_neither_comments_nor_files(world: World, ticket_id: int, manager: dict[str, str]) -> None:
    add(world, ticket_id, "comments", manager, text="Mrs Wang called")
    upload(world, ticket_id, manager, photo())
    told = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=world.bearer((Role.OWNER, HERE))).json()
    assert (told["comments"], told["attachments"]) == ([], [])
