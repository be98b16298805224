"""The page and the API of what alarms ask of those who watch, and the board in a flood."""

from collections.abc import Callable

from registry.role import Role
from registry.unit import add_unit, get_unit
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, LIFT, PUMP, World
from tests.api.pages.conftest import Browser


def flood(world: World) -> None:
    codes = [f"fault.0{number}" for number in (1, 2, 3, 4, 6, 7, 8)]
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        other = add_unit(session, site=unit.site, kind=LIFT.kind, key="b3-l2", now_ms=world.clock()).unit_key
    for code in codes:
        world.signal(LIFT, code)
        world.signal(other, code)


def test_without_alarms_the_page_says_so(world: World, admin: Browser) -> None:
    assert "No alarm in this time." in admin.get("/alarm-figures").text


def test_the_figures_are_told_in_words_and_narrowed_to_a_compound(world: World, admin: Browser) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    world.signal(FAR_PUMP, "trip")
    world.clock.move_s(90)
    admin.post(f"/alarms/{alarm_id}/acknowledge")
    admin.post(f"/alarms/{alarm_id}/false-alarm", cause="sensor")
    page = admin.get("/alarm-figures?days=1")
    assert "Alarms a day 2.0" in page.text
    assert "Until acknowledged 1 min 30 s" in page.text
    assert "Sensor faulty, dirty or badly placed 1" in page.text
    assert f"/alarms/{alarm_id}" in page.targets()
    assert "Alarms a day 1.0" in admin.get(f"/alarm-figures?days=1&site={HERE}").text


def test_in_a_flood_the_board_says_so_and_folds_what_is_minor(world: World, admin: Browser) -> None:
    assert "Flood of alarms" not in admin.get("/").text
    flood(world)
    board = admin.get("/")
    assert "Flood of alarms since 12:00:00: 14 so far." in board.text
    assert 'id="folded-minor"' in board.html
    assert 'id="folded-major"' not in board.html
    assert "Alarms are flooding in now" in admin.get("/alarm-figures").text
    assert "Flood of alarms" not in admin.get(f"/?site={ELSEWHERE}").text
    world.clock.move_s(601)
    assert "Flood of alarms" not in admin.get("/").text


def test_programs_read_the_same_figures(world: World) -> None:
    flood(world)
    figures = world.client.get("/api/v1/alarm-figures?days=1", headers=world.bearer((Role.ADMIN, None))).json()
    assert figures["alarms"] == 14
    assert figures["flood_now"]["alarms"] == 14
    assert (figures["acceptable_a_day"], figures["most_a_day"]) == (150, 300)
    assert figures["target_shares"] == {"critical": 0.05, "major": 0.15, "minor": 0.8}
    [load] = figures["sites"]
    assert (load["site"], round(load["a_day"], 3), load["busiest_day"], load["floods"]) == (HERE, 14, 14, 1)
    assert len(figures["frequent"]) == 10
    assert figures["unacknowledged"] == 14


def test_the_figures_are_for_staff_and_of_their_compounds(world: World, browser_of: Callable[..., Browser]) -> None:
    world.signal(FAR_PUMP, "trip")
    assert "No alarm in this time." in browser_of((Role.PROPERTY_MANAGER, HERE)).get("/alarm-figures").text
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    assert manager.get(f"/alarm-figures?site={ELSEWHERE}").status == 404
    assert browser_of((Role.OWNER, HERE)).get("/alarm-figures").status == 403
    headers = world.bearer((Role.PROPERTY_MANAGER, HERE))
    assert world.client.get("/api/v1/alarm-figures", headers=headers).json()["alarms"] == 0
    assert world.client.get("/api/v1/alarm-figures?days=8", headers=headers).status_code == 422
