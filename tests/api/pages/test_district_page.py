"""The district on one page: what is counted, who sees it, and that it stays one page with 1,529 compounds."""

import time
from datetime import date

from alerts import incident
from alerts.hold import HoldReason
from alerts.severity import Severity
from alerts.ticket import Brought
from alerts.ticket_stages import Stage, TicketKind
from governance.district import Trouble, district_view
from governance.watch_list import WatchEntry
from models.equipment import Kind
from registry.role import Actor, Grant, Role
from registry.site import Site, get_site
from registry.unit import Unit, get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, World
from tests.api.pages.conftest import Browser

ADMIN = Actor("root", (Grant(Role.ADMIN),))


def blocked_case(world: World) -> None:
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        unit.maintainer = "Antin"
        ticket = incident.open_ticket_by_hand(
            session,
            site=unit.site,
            unit=unit,
            kind=TicketKind.HAZARD,
            title="Seal withheld",
            severity=Severity.MAJOR,
            description="",
            actor=ADMIN,
            now_ms=world.clock(),
        )
        incident.move_ticket(session, ticket.id, Stage.TRIAGED, actor=ADMIN, now_ms=world.clock())
        why = Brought(hold_reason=HoldReason.GOVERNANCE_SEAL_WITHHELD)
        incident.move_ticket(
            session, ticket.id, Stage.ON_HOLD, actor=ADMIN, note="so", brought=why, now_ms=world.clock()
        )
        session.add(
            WatchEntry(
                kind=Kind.ELEVATOR.value,
                subject=f"unit:{unit.id}",
                site_id=unit.site_id,
                unit_id=unit.id,
                entered_on=date(2026, 3, 1),
                entry={},
            )
        )


def test_every_compound_and_company_has_its_counts(world: World) -> None:
    blocked_case(world)
    with world.database.reading() as session:
        told = district_view(session, visible=None, now_ms=world.clock())
    here = next(each for each in told.sites if each.key == HERE)
    assert (here.units, here.lifts, here.open_cases, here.blocked, here.on_hold, here.watched) == (3, 1, 1, 1, 0, 1)
    assert here.has(Trouble.BLOCKED)
    assert here.silent == 3
    company = next(each for each in told.companies if each.name == "Antin")
    assert (company.units, company.blocked, company.watched, company.sites) == (1, 1, 1, {HERE})


def test_the_page_filters_by_trouble_and_searches(world: World, admin: Browser) -> None:
    blocked_case(world)
    page = admin.get("/district?trouble=blocked")
    assert f"/statistics?site={HERE}" in page.targets()
    assert f"/statistics?site={ELSEWHERE}" not in page.targets()
    assert "No compound fits." in admin.get("/district?search=nowhere").text
    assert f"/statistics?site={ELSEWHERE}" in admin.get("/district?search=ping&sort=name").targets()


def test_an_officer_sees_their_own_compounds_and_an_owner_none(world: World) -> None:
    officer = Browser(world, world.session((Role.COMMUNITY_OFFICER, HERE)))
    targets = officer.get("/district").targets()
    assert f"/statistics?site={HERE}" in targets
    assert f"/statistics?site={ELSEWHERE}" not in targets
    assert Browser(world, world.session((Role.OWNER, HERE))).get("/district").status == 403


def test_a_city_of_1529_compounds_is_pages_of_a_hundred_and_quick(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        zone = get_site(session, HERE).timezone
        sites = [
            Site(key=f"s{n}", name=f"小区{n}", timezone=zone, is_confirmed=True, created_ms=1) for n in range(1_527)
        ]
        session.add_all(sites)
        session.flush()
        session.add_all(
            Unit(site_id=site.id, kind="elevator", key=f"l{n}", name="l", maintainer=f"m{n}", created_ms=1)
            for site in sites
            for n in range(4)
        )
    began = time.process_time()
    page = admin.get("/district?sort=name&page=2")
    assert time.process_time() - began < 5
    assert "Compounds 1529" in page.text
    assert "Page 2 of 16" in page.text
    assert len([target for target in page.targets() if target.startswith("/statistics?site=")]) == 100
