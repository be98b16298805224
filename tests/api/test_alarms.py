"""Alarms as the contract shapes them, and what people on duty do about them."""

from typing import Any

import pytest

from registry.role import Role
from tests.api.kit import FAR_PUMP, FIRE, HERE, LIFT, PUMP, World, items

MANAGER = (Role.PROPERTY_MANAGER, None)
TOMORROW = "2026-11-24T12:00:00+08:00"


def act(world: World, alarm_id: int, move: str, body: dict[str, Any] | None = None) -> Any:
    return world.client.post(f"/api/v1/alarms/{alarm_id}/{move}", json=body, headers=world.bearer(MANAGER))


def test_an_alarm_has_the_fields_of_the_contract(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run", evidence={"pump1_current_a": 3.5})
    alarm = world.client.get(f"/api/v1/alarms/{alarm_id}", headers=world.bearer(MANAGER)).json()
    expected = {
        "id": alarm_id,
        "unit": PUMP.path,
        "site": HERE,
        "condition": "dry_run",
        "severity": "major",
        "state": "unacknowledged",
        "raised_at": "2026-11-23T11:59:58.000+08:00",
        "received_at": "2026-11-23T12:00:00.000+08:00",
        "cleared_at": None,
        "occurrences": 1,
        "evidence": {"pump1_current_a": 3.5},
        "ticket_id": world.ticket_of(alarm_id),
    }
    assert {field: alarm[field] for field in expected} == expected
    assert alarm in [
        {**row, **{k: alarm[k] for k in ("advice", "may_be_shelved", "explains", "false_alarm")}}
        for row in _listed(world)
    ]


def _listed(world: World, **query: object) -> list[dict[str, object]]:
    return items(world.client.get("/api/v1/alarms", params=query, headers=world.bearer(MANAGER)))  # type: ignore[arg-type]


def test_an_explained_alarm_names_its_cause_and_has_its_ticket(world: World) -> None:
    cause_id, effect_id = world.signal(LIFT, "event.41"), world.signal(LIFT, "fault.03")
    cause, effect = (
        world.client.get(f"/api/v1/alarms/{each}", headers=world.bearer(MANAGER)).json()
        for each in (cause_id, effect_id)
    )
    assert (effect["cause_id"], effect["is_explained"], effect["ticket_id"]) == (cause_id, True, cause["ticket_id"])
    assert (cause["cause_id"], cause["is_explained"], cause["explains"]) == (None, False, [effect_id])


def test_times_carry_the_offset_of_the_site(world: World) -> None:
    alarm_id = world.signal(FAR_PUMP, "dry_run")
    (alarm,) = _listed(world)
    assert (alarm["id"], alarm["received_at"]) == (alarm_id, "2026-11-23T05:00:00.000+01:00")


def test_alarms_are_chosen_by_state_site_severity_and_unit(world: World) -> None:
    dry, trapped, far = (
        world.signal(PUMP, "dry_run"),
        world.signal(LIFT, "entrapment"),
        world.signal(FAR_PUMP, "dry_run"),
    )
    gone = world.signal(FIRE, "fire")
    world.signal(FIRE, "fire", is_active=False)
    act(world, gone, "acknowledge")

    def ids(**query: object) -> list[object]:
        return [alarm["id"] for alarm in _listed(world, **query)]

    assert ids() == [gone, far, trapped, dry]
    assert ids(state="open") == [far, trapped, dry]
    assert ids(state="normal") == [gone]
    assert ids(state="open", site=HERE) == [trapped, dry]
    assert ids(severity="critical", state="open") == [trapped]
    assert ids(unit=PUMP.path) == [dry]
    assert ids(unit="xiaohe~nothing") == ids(site="nowhere") == []
    assert ids(limit=2) == [gone, far]


def test_an_acknowledgement_is_kept_with_its_person_and_once(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    first = act(world, alarm_id, "acknowledge").json()
    world.clock.move_s(60)
    second = act(world, alarm_id, "acknowledge").json()
    assert first["state"] == second["state"] == "acknowledged"
    assert first["acknowledged_by"] == second["acknowledged_by"] is not None
    assert first["acknowledged_at"] == second["acknowledged_at"] == "2026-11-23T12:00:00.000+08:00"


def test_an_alarm_is_shelved_until_an_instant_and_taken_back(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    shelved = act(world, alarm_id, "shelve", {"until": TOMORROW, "reason": "pump is being replaced"}).json()
    assert (shelved["state"], shelved["shelved_until"]) == ("shelved", "2026-11-24T12:00:00.000+08:00")
    assert shelved["shelved_reason"] == "pump is being replaced"
    assert act(world, alarm_id, "unshelve").json()["state"] == "unacknowledged"


def test_a_move_that_the_state_does_not_allow_names_those_it_does(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    refused = act(world, alarm_id, "unshelve")
    assert refused.status_code == 409
    told = refused.json()
    assert (told["current"], told["wanted"]) == ("unacknowledged", "unshelve")
    assert {"acknowledge", "shelve"} <= set(told["allowed"])


@pytest.mark.parametrize(("unit", "code"), [(FIRE, "fire"), (LIFT, "entrapment")])
def test_fire_and_entrapment_are_shelved_by_nobody(world: World, unit: Any, code: str) -> None:
    alarm_id = world.signal(unit, code)
    refused = act(world, alarm_id, "shelve", {"until": TOMORROW, "reason": "it is a drill"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:liandong:problem:never-shelved")
    alarm = world.client.get(f"/api/v1/alarms/{alarm_id}", headers=world.bearer(MANAGER)).json()
    assert (alarm["state"], alarm["may_be_shelved"]) == ("unacknowledged", False)


def test_shelving_needs_a_reason_and_an_end_within_the_week(world: World, subtests: pytest.Subtests) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    bodies: list[dict[str, Any]] = [
        {"until": TOMORROW},
        {"until": TOMORROW, "reason": "   "},
        {"until": TOMORROW, "reason": "x" * 501},
        {"until": TOMORROW, "reason": "a\0b"},
        {"until": "2026-11-24T12:00:00", "reason": "no offset"},
        {"until": "2026-11-22T12:00:00+08:00", "reason": "past"},
        {"until": "2027-11-24T12:00:00+08:00", "reason": "a year"},
        {"until": True, "reason": "no time"},
        {"until": None, "reason": "no time"},
        {"until": 10**30, "reason": "no time"},
    ]
    for body in bodies:
        with subtests.test(body=body):
            assert act(world, alarm_id, "shelve", body).status_code == 422
