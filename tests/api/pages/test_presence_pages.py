"""A unit whose state is not known is nowhere shown as well."""

from collections.abc import Callable

import pytest

from alerts import incident
from alerts.watch import Signal
from api.condition_index import find_condition
from registry.role import Role
from registry.unit import get_unit
from registry.unit_life import LifeWord, add_late, put_gateways, put_life
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, NOON_MS, PUMP, World
from tests.api.pages.conftest import Browser
from tests.api.test_presence import MS_PER_D, cover, heard, listened


def test_a_unit_that_speaks_is_told_with_its_coverage_its_pause_and_its_clock(world: World, admin: Browser) -> None:
    listened(world)
    heard(world, ago_s=5, skew_s=-3600)
    cover(world, (40 * 1440, 10 * 1440), (9 * 1440, 0))
    world.measure(PUMP, {"level_m": [0.8]}, start_ms=NOON_MS - 5_000, step_ms=1)
    text = admin.get(f"/units/{PUMP.path}").text
    for words in (
        "Sends readings",
        "Data for 96.6 % of the last 30 days",
        "Usually speaks every 10 s",
        "Its clock 1 h ahead",
    ):
        assert words in text


def test_of_a_young_unit_coverage_is_told_since_it_began(world: World, admin: Browser) -> None:
    listened(world)
    heard(world, ago_s=5)
    cover(world, (60, 0))
    assert "Data for 100 % of the time since 11:00:00" in admin.get(f"/units/{PUMP.path}").text


@pytest.mark.parametrize("why", ["silent", "nobody listens", "recording"])
def test_what_is_not_known_is_unknown_on_every_page(world: World, admin: Browser, why: str) -> None:
    listened(world, ago_s=600 if why == "nobody listens" else 5)
    heard(world, ago_s=600 if why == "silent" else 5, behind_s=MS_PER_D if why == "recording" else 0)
    world.measure(PUMP, {"level_m": [0.8]}, start_ms=NOON_MS - 600_000, step_ms=1)
    title = {"silent": "Silent", "nobody listens": "Nobody listens", "recording": "Sends readings of the past"}[why]
    unit, units, board = (admin.get(path).text for path in (f"/units/{PUMP.path}", "/units?kind=pump", "/"))
    for text in (unit, units):
        assert title in text
        assert "Sends readings " not in text.replace("Sends readings of the past", "")
    assert "how it is now is not known" in unit
    assert "This does not mean that all is well" in unit
    assert "Basement pumps 2 unknown 2" in board or "2 unknown" in board
    if why == "nobody listens":
        assert "the state of all units is unknown" in board


def test_silent_units_wrong_clocks_and_late_values_are_named(world: World, admin: Browser) -> None:
    listened(world)
    heard(world, ago_s=600, skew_s=90)
    with world.database.writing() as session:
        unit_id = get_unit(session, PUMP.path).id
        add_late(session, {unit_id: 1200}, received_ms=NOON_MS - 60_000, limit_ms=1)
        put_gateways(session, [(HERE, "g1", NOON_MS, -7_200_000), (HERE, "g2", NOON_MS, 3_000)])
    heard(world, ago_s=600, skew_s=90)
    text = admin.get("/data-quality").text
    assert "Wrong clocks 2" in text
    assert "Gateway g1 xiaohe · 2 h ahead" in text
    assert "p1 xiaohe · 1 min 30 s behind" in text
    assert "Late values 1" in text
    assert "1,200 values, the last 1 minute ago" in text


def test_people_see_the_senders_of_their_compounds_only(world: World, browser_of: Callable[..., Browser]) -> None:
    with world.database.writing() as session:
        far_id = get_unit(session, FAR_PUMP.path).id
        put_life(session, [LifeWord(far_id, NOON_MS - MS_PER_D, NOON_MS - MS_PER_D, 10_000, 9, 120_000, 90_000)])
        add_late(session, {far_id: 7}, received_ms=NOON_MS - MS_PER_D, limit_ms=1)
        put_gateways(session, [(ELSEWHERE, "far-gateway", NOON_MS, 7_200_000)])
    text = browser_of((Role.PROPERTY_MANAGER, HERE)).get("/data-quality").text
    assert "far-gateway" not in text
    for title in ("Silent units 0", "Wrong clocks 0", "Late values 0"):
        assert title in text


def test_an_alarm_of_the_past_is_told_with_both_times_and_as_over(world: World, admin: Browser) -> None:
    condition = find_condition(world.limits, PUMP.kind, "dry_run")
    assert condition is not None
    began = Signal(PUMP, condition, NOON_MS - MS_PER_D, True, {"level_m": 0.1})
    with world.database.writing() as session:
        units = {PUMP: get_unit(session, PUMP.path).id}
        [alarm] = incident.note_past(session, [began], units=units, received_ms=NOON_MS - 5_000)
        alarm_id = alarm.id
    page = admin.get(f"/alarms/{alarm_id}")
    for words in (
        "Raised 2026-11-22 12:00:00",
        "Heard of it 11:59:55",
        "It was over when we heard of it",
        "When it ended is not known",
        "Found in data that came late",
    ):
        assert words in page.text
    assert page.actions().isdisjoint({f"/alarms/{alarm_id}/acknowledge"})
    assert "Pump runs dry" not in admin.get("/").text
    assert "Pump runs dry" in admin.get("/alarms?state=all").text
    told = world.client.get(f"/api/v1/alarms/{alarm_id}", headers=world.bearer((Role.ADMIN, None))).json()
    assert (told["state"], told["ticket_id"]) == ("normal", None)
    assert told["raised_at"] == "2026-11-22T12:00:00.000+08:00"
    assert told["received_at"] == "2026-11-23T11:59:55.000+08:00"
