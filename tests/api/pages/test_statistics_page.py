"""The page of fault statistics: figures with what they rest on, opened down to their tickets."""

import re

from alerts import incident
from alerts.severity import Severity
from alerts.ticket_stages import TicketKind
from registry.role import Actor, Grant, Role
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, World
from tests.api.pages.conftest import Browser
from tests.api.test_reliability import fault, seen

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
