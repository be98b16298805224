"""Deadlines, duties and messages as people see them, and as programs read them."""

import re

from sqlalchemy import select

from api.due_worker import run_all_due
from registry.channel import Channel
from registry.role import Role
from tests.api.kit import ELSEWHERE, HERE, LIFT, NOON_MS, PUMP, World, items
from tests.api.pages.conftest import Browser

MANAGER = (Role.PROPERTY_MANAGER, HERE)
SECRET = "a-key-that-nobody-shall-see"


def run(world: World) -> None:
    run_all_due(world.database, now_ms=world.clock(), rest=lambda _seconds: False)


def test_a_manager_is_called_by_name_and_sees_it(world: World) -> None:
    manager, stranger = Browser(world, world.session(MANAGER)), Browser(world, world.session((Role.OWNER, HERE)))
    world.signal(LIFT, "entrapment")
    run(world)
    assert "Critical, please act: Person trapped in lift" in manager.get("/messages").text
    assert "Nobody has told you anything yet." in stranger.get("/messages").text


def test_what_is_due_what_was_missed_and_what_was_done_late_stand_apart(world: World) -> None:
    manager = Browser(world, world.session(MANAGER))
    assert "Nothing is due." in manager.get("/due").text
    world.signal(PUMP, "dry_run")
    assert "Should have been done and was not" not in manager.get("/due").text
    world.clock.move_s(35 * 60)
    assert "Should have been done and was not" in manager.get("/due").text
    run(world)
    page = manager.get("/due").text
    assert "Should have been done and was not" not in page
    assert re.search(r"done 5 min.* late", page)


def test_the_address_of_a_channel_is_never_shown_again(world: World) -> None:
    manager = Browser(world, world.session(MANAGER))
    answer = manager.post("/messages/channels", kind="wecom", address=f"wecombot://{SECRET}", label="Our group")
    assert answer.status == 303
    assert SECRET not in manager.get("/messages").html
    with world.database.reading() as session:
        assert SECRET not in session.scalars(select(Channel)).one().sealed
    refused = manager.post("/messages/channels", kind="mail", address=f"wecombot://{SECRET}")
    assert refused.status == 422
    assert SECRET not in refused.html


def test_nobody_tests_or_removes_the_channel_of_another(world: World) -> None:
    mine, other = Browser(world, world.session(MANAGER)), Browser(world, world.session(MANAGER))
    mine.post("/messages/channels", kind="console", label="Log")
    with world.database.reading() as session:
        channel_id = session.scalars(select(Channel.id)).one()
    assert other.post(f"/messages/channels/{channel_id}/remove").status == 404
    assert other.post(f"/messages/channels/{channel_id}/test").status == 404
    assert mine.post(f"/messages/channels/{channel_id}/test").status == 303
    assert "Test message" in mine.get("/messages").text
    assert mine.post(f"/messages/channels/{channel_id}/remove").status == 303
    assert "You have no channel yet" in mine.get("/messages").text


def test_a_gap_in_the_roster_is_told_loudly(world: World) -> None:
    person_id = world.person(MANAGER)
    manager = Browser(world, world.session_of(person_id))
    name = f"{Role.PROPERTY_MANAGER.value}-1"
    shift = {"site": HERE, "person": name, "party": "property", "days": "every", "first": "2026-01-01"}
    assert "There is no roster yet" in manager.get(f"/duty?site={HERE}").text
    assert manager.post("/duty/shifts", **shift, starts="20:00", ends="06:00").status == 303
    assert "NOBODY IS ON DUTY." in manager.get(f"/duty?site={HERE}").text
    assert manager.post("/duty/shifts", **shift, starts="08:00", ends="20:00").status == 303
    assert "NOBODY IS ON DUTY." not in manager.get(f"/duty?site={HERE}").text
    away = {"site": HERE, "person": name, "starts": "2026-11-23T08:00", "ends": "2026-11-24T08:00"}
    assert manager.post("/duty/absences", **away).status == 303
    page = manager.get(f"/duty?site={HERE}").text
    assert "NOBODY IS ON DUTY." in page
    assert "no substitute" in page


def test_bad_input_to_a_roster_is_told_and_changes_nothing(world: World) -> None:
    manager = Browser(world, world.session(MANAGER))
    good = {"site": HERE, "person": "property_manager-1", "party": "property", "starts": "08:00", "ends": "20:00"}
    for wrong in ({"person": "nobody"}, {"party": "owners"}, {"starts": "soon"}, {"ends": "08:00"}, {"first": "x"}):
        assert manager.post("/duty/shifts", **(good | wrong)).status == 422, wrong
    assert manager.post("/duty/shifts", **(good | {"site": ELSEWHERE})).status == 404
    assert manager.get(f"/duty?site={ELSEWHERE}").status == 404
    assert "There is no roster yet" in manager.get(f"/duty?site={HERE}").text


def test_programs_read_what_is_due_and_who_is_responsible(world: World) -> None:
    headers = world.bearer(MANAGER)
    world.signal(LIFT, "entrapment")
    due = items(world.client.get("/api/v1/due-actions", headers=headers))
    assert {row["goal"] for row in due} == {"response", "on_the_way", "arrival", "restoration"}
    answer = world.client.get(f"/api/v1/duty?site={HERE}", headers=headers).json()
    assert [each["party"] for each in answer["parties"]] == ["property", "committee", "community"]
    assert world.client.get(f"/api/v1/duty?site={ELSEWHERE}", headers=headers).status_code == 404


def test_the_parts_of_a_case_are_measured_apart(world: World) -> None:
    admin = world.bearer((Role.ADMIN, None))
    ticket_id = world.ticket_of(world.signal(LIFT, "entrapment"))
    for minutes, stage in ((2, "triaged"), (1, "dispatched"), (2, "accepted"), (15, "arrived"), (5, "in_progress")):
        world.clock.move_s(minutes * 60)
        moved = world.client.post(f"/api/v1/tickets/{ticket_id}/transitions", json={"to": stage}, headers=admin)
        assert moved.status_code == 200, moved.text
    assert moved.json()["measured"]["restoration_s"] is None
    world.clock.move_s(10 * 60)
    moved = world.client.post(f"/api/v1/tickets/{ticket_id}/transitions", json={"to": "restored"}, headers=admin)
    assert moved.json()["measured"] == {
        "response_s": 120.0,
        "arrival_s": 1200.0,
        "repair_s": 600.0,
        "restoration_s": 2100.0,
    }
    assert world.clock() > NOON_MS


def test_everybody_sets_their_own_quiet_hours_by_page_and_by_program(world: World) -> None:
    person_id = world.person(MANAGER)
    manager, headers = Browser(world, world.session_of(person_id)), world.bearer_of(person_id)
    path = "/api/v1/me/quiet-hours"
    assert world.client.get(path, headers=headers).json() == {"quiet_hours": None}
    assert "You have set none" in manager.get("/messages").text
    assert manager.post("/messages/quiet-hours", starts="20:30", ends="08:15").status == 303
    assert "From 20:30 to 08:15 minor messages wait" in manager.get("/messages").text
    assert world.client.get(path, headers=headers).json() == {"quiet_hours": {"start": "20:30", "end": "08:15"}}
    other = Browser(world, world.session(MANAGER))
    assert "You have set none" in other.get("/messages").text
    for starts, ends in (("08:00", "08:00"), ("08:00", "23:30"), ("25:00", "08:00"), ("soon", "08:00"), ("", "")):
        assert manager.post("/messages/quiet-hours", starts=starts, ends=ends).status == 422, (starts, ends)
        answer = world.client.put(path, json={"start": starts, "end": ends}, headers=headers)
        assert answer.status_code == 422, (starts, ends)
    answer = world.client.put(path, json={"start": "19:00", "end": "07:00"}, headers=headers)
    assert answer.json() == {"quiet_hours": {"start": "19:00", "end": "07:00"}}
    assert "From 19:00 to 07:00" in manager.get("/messages").text
    assert manager.post("/messages/quiet-hours", none="1").status == 303
    assert "You have set none" in manager.get("/messages").text
    world.client.put(path, json={"start": "19:00", "end": "07:00"}, headers=headers)
    assert world.client.delete(path, headers=headers).status_code == 204
    assert world.client.get(path, headers=headers).json() == {"quiet_hours": None}


def test_a_case_stands_once_among_what_is_due_with_its_other_steps_folded(world: World) -> None:
    manager = Browser(world, world.session(MANAGER))
    world.signal(LIFT, "entrapment")
    page = manager.get("/due")
    assert page.text.count("Person trapped in lift") == 1
    assert re.search(r"\d+ further steps", page.text)
    run(world)
    world.clock.move_s(3 * 3600)
    run(world)
    done = manager.get("/due").text.split("What was done")[1]
    assert done.count("Person trapped in lift") == 1
    assert re.search(r"\d+ steps before", done)
