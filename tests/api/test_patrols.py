"""Rounds over HTTP: as phones and programs use them."""

import csv
import io
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alerts.patrol_items import PlanKind
from api.patrol_worker import PatrolWorker, plan_all_ahead
from registry.activity import after
from registry.calendar import local_day
from registry.role import SYSTEM, Role
from registry.service_record import Service, ServiceKind, add_service_record
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, NOON_MS, World, items
from tests.api.patrolled import Patrolled, plan_rounds

DAY_MS = 24 * 3_600_000


@pytest.fixture
def hazards(world: World) -> Patrolled:
    return plan_rounds(world)


@pytest.fixture
def volunteer(world: World) -> dict[str, str]:
    return world.bearer((Role.VOLUNTEER, HERE))


@pytest.fixture
def staff(world: World) -> dict[str, str]:
    return world.bearer((Role.PROPERTY_MANAGER, HERE))


def send(world: World, patrol_id: int, headers: dict[str, str], *results: dict[str, Any], **others: Any) -> Any:
    body = {"results": list(results), **others}
    return world.client.post(f"/api/v1/patrols/{patrol_id}/results", json=body, headers=headers)


def test_rounds_are_listed_page_by_page_of_the_sites_one_sees(
    world: World, hazards: Patrolled, staff: dict[str, str]
) -> None:
    found: list[Any] = []
    cursor = ""
    while True:
        answer = world.client.get(f"/api/v1/patrols?limit=2&cursor={cursor}", headers=staff)
        found += items(answer)
        cursor = answer.json()["next"]
        if not cursor:
            break
    assert [each["number"] for each in found] == list(range(1, len(found) + 1))
    assert found[0]["id"] == hazards.patrol_id
    assert found[0]["starts_at"] == "2026-11-23T08:00:00.000+08:00"
    elsewhere = world.bearer((Role.PROPERTY_MANAGER, ELSEWHERE))
    assert items(world.client.get("/api/v1/patrols", headers=elsewhere)) == []
    assert world.client.get(f"/api/v1/patrols/{hazards.patrol_id}", headers=elsewhere).status_code == 404


def test_what_is_found_opens_a_ticket_that_the_round_links_to(
    world: World, hazards: Patrolled, volunteer: dict[str, str], staff: dict[str, str]
) -> None:
    result = {"checkpoint": hazards.checkpoints[0], "item": "rubbish", "ok": False, "note": "three sofas", "key": "k1"}
    answer = send(world, hazards.patrol_id, volunteer, result, scans=[{"code": hazards.codes[0], "key": "s1"}])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["accepted"], told["duplicates"], told["refused"]) == (2, 0, [])
    (ticket_id,) = told["tickets"]
    ticket = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=staff).json()
    assert (ticket["title"], ticket["kind"]) == ("Rubbish heaped up", "hazard")
    detail = world.client.get(f"/api/v1/patrols/{hazards.patrol_id}", headers=staff).json()
    assert (detail["state"], detail["items_done"]) == ("under_way", 1)
    item = next(each for each in detail["stops"][0]["items"] if each["item"] == "rubbish")
    assert (item["answer"]["outcome"], item["answer"]["ticket_id"], item["answer"]["party"]) == (
        "failed",
        ticket_id,
        "owners",
    )
    assert item["answer"]["flags"] == ["photo_missing"]
    assert [each["party"] for each in detail["participants"]] == ["owners"]


def test_an_upload_twice_changes_nothing(world: World, hazards: Patrolled, volunteer: dict[str, str]) -> None:
    result = {"checkpoint": hazards.checkpoints[0], "item": "rubbish", "ok": False, "key": "k1", "at": NOON_MS}
    first = send(world, hazards.patrol_id, volunteer, result).json()
    world.clock.move_s(90)
    again = send(world, hazards.patrol_id, volunteer, result, result).json()
    assert (again["accepted"], again["duplicates"], again["tickets"]) == (0, 2, [])
    assert again["patrol"] == first["patrol"]


def test_a_checkpoint_may_be_named_by_its_code(world: World, hazards: Patrolled, volunteer: dict[str, str]) -> None:
    result = {"code": hazards.codes[1].lower(), "item": "rubbish", "ok": True}
    told = send(world, hazards.patrol_id, volunteer, result).json()
    assert [stop["items"][4]["answer"] is not None for stop in told["patrol"]["stops"]] == [False, True]


def test_what_cannot_be_is_told_with_what_can(world: World) -> None:
    lift = plan_rounds(world, PlanKind.LIFT)
    technician = world.bearer((Role.TECHNICIAN, HERE))
    bad = {"checkpoint": lift.checkpoints[0], "item": "levelling_error", "value": 9000, "key": "bad"}
    answer = send(world, lift.patrol_id, technician, bad)
    assert (answer.status_code, answer.json()["refused"][0]["reason"]) == (422, "impossible_value")
    good = {"checkpoint": lift.checkpoints[0], "item": "levelling_error", "value": 4, "key": "good"}
    told = send(world, lift.patrol_id, technician, bad, good).json()
    assert told["accepted"] == 1
    assert told["refused"] == [
        {
            "key": "bad",
            "item": "levelling_error",
            "reason": "impossible_value",
            "possible_low": -300.0,
            "possible_high": 300.0,
        }
    ]
    for value in ("1e999", "NaN", '"4"x'):
        raw = f'{{"results": [{{"checkpoint": 1, "item": "levelling_error", "value": {value}}}]}}'
        answer = world.client.post(
            f"/api/v1/patrols/{lift.patrol_id}/results",
            content=raw,
            headers={**technician, "Content-Type": "application/json"},
        )
        assert answer.status_code == 422, value


def test_work_on_a_lift_is_not_for_a_volunteer(world: World, volunteer: dict[str, str]) -> None:
    lift = plan_rounds(world, PlanKind.LIFT)
    result = {"checkpoint": lift.checkpoints[0], "item": "pit", "ok": True}
    answer = send(world, lift.patrol_id, volunteer, result)
    assert answer.status_code == 403
    assert answer.json()["roles"] == ["property_manager", "technician"]


def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_photo_may_come_before_its_answer_and_is_shown_to_staff(
    world: World, hazards: Patrolled, volunteer: dict[str, str], staff: dict[str, str]
) -> None:
    where = f"/api/v1/patrols/{hazards.patrol_id}/photos"
    for _ in range(2):
        answer = world.client.post(where, data={"key": "k1"}, files={"file": ("a.png", picture())}, headers=volunteer)
        assert answer.status_code == 201, answer.text
    result = {"checkpoint": hazards.checkpoints[0], "item": "rubbish", "ok": False, "key": "k1"}
    send(world, hazards.patrol_id, volunteer, result)
    detail = world.client.get(f"/api/v1/patrols/{hazards.patrol_id}", headers=staff).json()
    answer_told = detail["stops"][0]["items"][4]["answer"]
    assert answer_told["flags"] == ["not_scanned"]
    (photo_id,) = answer_told["photos"]
    shown = world.client.get(f"{where}/{photo_id}", headers=staff)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert world.client.get(f"{where}/{photo_id}", headers=volunteer).status_code == 403
    assert world.client.get(f"{where}/{photo_id + 1}", headers=staff).status_code == 404


def test_what_is_no_picture_is_refused(world: World, hazards: Patrolled, volunteer: dict[str, str]) -> None:
    where = f"/api/v1/patrols/{hazards.patrol_id}/photos"
    answer = world.client.post(where, data={"key": "k1"}, files={"file": ("a.png", b"%PDF-1.7")}, headers=volunteer)
    assert (answer.status_code, answer.json()["fault"]) == (422, "unknown_type")


def test_records_are_exported_as_text_that_no_spreadsheet_runs(
    world: World, hazards: Patrolled, volunteer: dict[str, str], staff: dict[str, str]
) -> None:
    result = {"checkpoint": hazards.checkpoints[0], "item": "rubbish", "ok": False, "note": "=1+1", "key": "k1"}
    send(world, hazards.patrol_id, volunteer, result)
    text = world.client.get(f"/api/v1/patrol-records.csv?site={HERE}", headers=staff).text
    (row,) = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    assert (row["item"], row["note"], row["place"], row["outcome"]) == ("rubbish", "'=1+1", "Basement", "failed")
    elsewhere = world.bearer((Role.PROPERTY_MANAGER, ELSEWHERE))
    assert len(world.client.get("/api/v1/patrol-records.csv", headers=elsewhere).text.splitlines()) == 1


def test_dates_of_the_law_are_counted_down(world: World, staff: dict[str, str]) -> None:
    today = local_day(NOON_MS, timezone="Asia/Shanghai")
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        service = Service(
            kind=ServiceKind.INSPECTION,
            done_on=today - timedelta(days=340),
            valid_until=today + timedelta(days=25),
        )
        add_service_record(session, unit, service, actor=SYSTEM, now_ms=NOON_MS)
    found = items(world.client.get(f"/api/v1/statutory-dates?site={HERE}", headers=staff))
    assert [(each["duty"], each["days_left"], each["is_recorded"]) for each in found] == [
        ("inspection_application", -5, True),
        ("maintenance", 15, False),
        ("inspection", 25, True),
    ]
    soon = items(world.client.get("/api/v1/statutory-dates?within_days=0", headers=staff))
    assert [each["duty"] for each in soon] == ["inspection_application"]


def test_the_worker_does_all_of_it_once(world: World, hazards: Patrolled, staff: dict[str, str]) -> None:
    worker = PatrolWorker(world.database, clock=world.clock)
    for hours in (0, 10, 11, 16 * 24):
        for _ in range(2):
            worker.run_once(NOON_MS + hours * 3_600_000)
    missed = items(world.client.get("/api/v1/patrols?state=missed", headers=staff))
    assert [each["number"] for each in missed] == [1, 2, 3]
    tickets = items(world.client.get("/api/v1/tickets", headers=staff))
    titles = sorted(str(each["title"]) for each in tickets)
    assert titles == [
        "Joint round of common hazards not done in its time",
        "Lift maintenance: the 15 days end today and it was not done",
    ]
    assert plan_all_ahead(world.database, now_ms=NOON_MS) == 0
    with world.database.reading() as session:
        verbs = [each.verb for each in after(session, 0, limit=1000)]
    assert verbs.count("patrol.missed") == 3
    assert verbs.count("statutory.overdue") == 1


def test_plans_are_told(world: World, hazards: Patrolled, staff: dict[str, str]) -> None:
    (plan,) = items(world.client.get("/api/v1/patrol-plans", headers=staff))
    assert (plan["id"], plan["interval_days"], plan["parties"]) == (
        hazards.plan_id,
        7,
        ["property", "committee", "community"],
    )
