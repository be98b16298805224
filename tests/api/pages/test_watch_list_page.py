"""The watch-list as people and programs read it, and the worker that looks at its rule."""

from datetime import date

from api.statistics_worker import run_due_looks
from governance.watch_list import WatchEntry
from models.equipment import Kind
from registry.role import Role
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, World, items
from tests.api.pages.conftest import Browser

FIGURES = {
    "faults": 15,
    "exposure_days": 365.0,
    "rate_per_year": 15.01,
    "rate_low": 9.8,
    "quantile_per_year": 4.2,
    "peers": 94,
    "sources": ["ticket:7", "alarm:9"],
}


def enter(world: World, *, left: bool = False) -> None:
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        session.add(
            WatchEntry(
                kind=Kind.ELEVATOR.value,
                subject=f"unit:{unit.id}",
                site_id=unit.site_id,
                unit_id=unit.id,
                entered_on=date(2026, 3, 1),
                entry=FIGURES,
                left_on=date(2026, 10, 1) if left else None,
                left_because="below" if left else None,
                exit={**FIGURES, "faults": 3, "rate_per_year": 3.0, "rate_low": 1.2} if left else None,
            )
        )


def test_an_entry_tells_its_day_its_figures_and_its_tickets(world: World, admin: Browser) -> None:
    enter(world)
    page = admin.get("/watch-list")
    assert "entered on 2026-03-01 : 15 faults in 365 days with data, 15.01 a year; at least 9.8" in page.text
    assert {"/tickets/7", "/alarms/9", f"/statistics?unit={LIFT.path}"} <= page.targets()
    assert "on the watch-list since 2026-03-01" in page.text
    (told,) = items(world.client.get("/api/v1/watch-list", headers=world.bearer((Role.OWNER, HERE))))
    assert (told["unit"], told["entered_on"], told["left_on"]) == (LIFT.path, "2026-03-01", None)


def test_who_left_stands_below_with_both_dates(world: World, admin: Browser) -> None:
    enter(world, left=True)
    page = admin.get("/watch-list")
    assert "Taken off the list" in page.text
    assert "left on 2026-10-01 : its rate no longer lies above its peers beyond doubt: 3 faults in" in page.text
    assert items(world.client.get("/api/v1/watch-list", headers=world.bearer((Role.ADMIN, None)))) == []
    (told,) = items(world.client.get("/api/v1/watch-list?state=past", headers=world.bearer((Role.ADMIN, None))))
    assert told["left_because"] == "below"


def test_the_list_of_another_compound_is_not_shown(world: World) -> None:
    enter(world)
    stranger = Browser(world, world.session((Role.OWNER, ELSEWHERE)))
    assert "2026-03-01" not in stranger.get("/watch-list").text


def test_the_worker_looks_once_a_month_and_the_page_says_when(world: World, admin: Browser) -> None:
    assert "The rule has not been looked at yet." in admin.get("/watch-list").text
    assert len(run_due_looks(world.database, now_ms=world.clock())) == len(Kind)
    assert run_due_looks(world.database, now_ms=world.clock()) == []
    page = admin.get("/watch-list")
    assert "Looked at last for 2026-11-01. Units: only 0 are known well enough; nobody is judged." in page.text
    world.clock.move_s(10 * 86_400)
    assert len(run_due_looks(world.database, now_ms=world.clock())) == len(Kind)
