"""The page of fault statistics: figures with what they rest on, opened down to their tickets."""

import re
from datetime import date

from alerts import incident
from alerts.severity import Severity
from alerts.ticket_stages import TicketKind
from registry.role import Actor, Grant, Role
from registry.service_record import Service, ServiceKind, put_service_records
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, NOON_MS, World
from tests.api.pages.conftest import Browser
from tests.api.test_reliability import DAY_MS, fault, seen

OWNER = (Role.OWNER, HERE)


def test_every_figure_of_a_unit_opens_down_to_its_tickets(world: World) -> None:
    seen(world, LIFT.path, 100)
    tickets = {fault(world, LIFT.path, days) for days in (10, 40)}
    page = Browser(world, world.session(OWNER)).get(f"/statistics?unit={LIFT.path}")
    # 2 of 100 days; Garwood: 0.242 to 7.225.
    assert re.search(r"7\.3\d? 95 % sure between 0\.885 and 26\.3", page.text)
    assert "2 cases in 0.274 unit-years with data" in page.text
    assert {f"/tickets/{number}" for number in tickets} <= page.targets()
    assert "Fewer than five cases" in page.text
    assert "Of more than half of the faults nobody recorded a cause" in page.text


def test_a_rate_without_data_is_withheld_with_the_reason(world: World) -> None:
    fault(world, LIFT.path, 5)
    page = Browser(world, world.session(OWNER)).get("/statistics")
    assert "Withheld: there is no data of this time" in page.text


def test_compounds_stand_side_by_side_and_lead_to_their_units(world: World, admin: Browser) -> None:
    page = admin.get("/statistics?kind=pump")
    assert re.search(r"Xiaohe Garden.*Ping'an Ju|Ping'an Ju.*Xiaohe Garden", page.text)
    inner = next(target for target in page.targets() if f"site={ELSEWHERE}" in target and "days" in target)
    assert "p1" in admin.get(inner).text
    assert "By compound" in page.text


def test_a_group_shows_its_own_units_alone(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        get_unit(session, LIFT.path).make = "Xizi"
    page = admin.get(f"/statistics?site={HERE}&by=make&group=Xizi")
    assert "Xizi · Fault statistics" in page.text
    assert f"/statistics?unit={HERE}%7Eb3-l1&days=365" in page.html.replace("&amp;", "&").replace("~", "%7E")
    empty = admin.get(f"/statistics?site={HERE}&by=make&group=nobody")
    assert "There is no unit of this kind here yet." in empty.text


def test_figures_of_another_compound_are_not_shown(world: World) -> None:
    stranger = Browser(world, world.session((Role.OWNER, ELSEWHERE)))
    assert stranger.get(f"/statistics?unit={LIFT.path}").status == 404
    assert stranger.get(f"/statistics?site={HERE}").status == 404
    assert "Xiaohe" not in stranger.get("/statistics?kind=pump").text


def test_an_open_fault_is_told_as_open(world: World, admin: Browser) -> None:
    seen(world, LIFT.path, 100)
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        incident.open_ticket_by_hand(
            session,
            site=unit.site,
            unit=unit,
            kind=TicketKind.FAULT,
            title="It stands",
            severity=Severity.MAJOR,
            description="",
            actor=Actor("root", (Grant(Role.ADMIN),)),
            now_ms=world.clock() - 86_400_000,
        )
    page = admin.get(f"/statistics?unit={LIFT.path}")
    assert "median of 0 cases, 1 still open" in page.text
    assert "Some cases are still open" in page.text
    assert "1 d out of use" in page.text


def test_trips_stand_beside_the_calendar_and_a_reset_takes_nothing_away(world: World, admin: Browser) -> None:
    seen(world, LIFT.path, 100)
    tickets = {fault(world, LIFT.path, days) for days in (10, 40)}
    # 100 trips every six hours; after fifty days the counter begins at 0 again.
    start_ms = (NOON_MS // DAY_MS - 100) * DAY_MS
    trips = [1000.0 + 100 * n for n in range(200)] + [100.0 * n for n in range(200)]
    world.measure(LIFT, {"trips_total": trips}, start_ms=start_ms, step_ms=DAY_MS // 4)
    # 19,900 before the reset, 19,900 after it, of which the first 300 are seen whole: 300 + 49 × 400 on either side.
    answer = world.client.get(f"/api/v1/reliability?unit={LIFT.path}", headers=world.bearer((Role.ADMIN, None))).json()
    told, hours = answer["use"]
    assert (told["counted"], told["resets"], told["jumps"], told["faults"]) == (39_800.0, 1, 0, 2)
    # 2 in 0.398 × 100,000 trips; a count of two is between 0.2422 and 7.2247 (Garwood 1936).
    assert (told["value"], told["low"], told["high"]) == (5.0251, 0.6086, 18.1525)
    assert set(told["sources"]) == {f"ticket:{number}" for number in tickets}
    assert (hours["counted"], hours["value"]) == (None, None)
    page = admin.get(f"/statistics?unit={LIFT.path}")
    assert "Faults per 100,000 trips 5.03 95 % sure between 0.609 and 18.15 39,800 trips counted from" in page.text
    assert "The counter was reset (" in page.text
    assert "Withheld: its counter told nothing in this time." in page.text


def test_a_handful_of_trips_is_no_exposure_yet(world: World, admin: Browser) -> None:
    hours = [float(n) for n in range(10)]
    world.measure(LIFT, {"run_hours_total": hours}, start_ms=NOON_MS - 20 * 3_600_000, step_ms=7_200_000)
    page = admin.get(f"/statistics?unit={LIFT.path}")
    assert "Withheld: too little use was counted to divide by." in page.text


def test_a_replaced_lift_says_since_when_it_is_another_machine(world: World, admin: Browser) -> None:
    seen(world, LIFT.path, 200)
    fault(world, LIFT.path, 150)
    kept = fault(world, LIFT.path, 20)
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        name = unit.name
        put_service_records(
            session,
            [(unit.id, Service(kind=ServiceKind.REPLACEMENT, done_on=date(2026, 8, 1)))],
            by="import",
            now_ms=world.clock(),
        )
    page = admin.get(f"/statistics?unit={LIFT.path}")
    assert f"only the new machine is counted, since it runs ({name} on 2026-08-0" in page.text
    assert f"/tickets/{kept}" in page.targets()
    assert "1 cases in" in page.text, "the fault of the old machine is none of the new one"
