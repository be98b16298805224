"""The district on one page: what is counted, who sees it, and that it stays one page with 1,529 compounds."""

import time
from datetime import date

from alerts import incident
from alerts.hold import HoldReason
from alerts.severity import Severity
from alerts.ticket import Brought
from alerts.ticket_stages import Stage, TicketKind
from governance.district import Standing, Trouble, district_view
from governance.district_rates import Order, arranged
from governance.watch_list import WatchEntry
from models.covered_minutes import WHOLE_HOUR
from models.equipment import Kind
from models.fault_statistics import Exposure, Fault, statistics_of
from registry.coverage import put_hours
from registry.role import Actor, Grant, Role
from registry.site import Site, get_site
from registry.unit import Unit, get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, World
from tests.api.pages.conftest import Browser

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WEEK_MS, YEAR_MS = 7 * DAY_MS, 365 * DAY_MS
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


def watched_lift(world: World, *, faults: int) -> None:
    """With data of every hour of the last hundred days, and so many faults in them."""
    now_ms = world.clock()
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        unit.maintainer = "Antin"
        hours = range((now_ms - 100 * DAY_MS) // HOUR_MS, now_ms // HOUR_MS)
        put_hours(session, [{"unit_id": unit.id, "hour": hour, "minutes": WHOLE_HOUR} for hour in hours])
        for number in range(faults):
            incident.open_ticket_by_hand(
                session,
                site=unit.site,
                unit=unit,
                kind=TicketKind.FAULT,
                title="It stands",
                severity=Severity.MAJOR,
                description="",
                actor=ADMIN,
                now_ms=now_ms - (10 + 20 * number) * DAY_MS,
            )


def test_a_compound_and_its_company_have_their_rate_with_interval_and_exposure(world: World, admin: Browser) -> None:
    watched_lift(world, faults=2)
    # 2 faults in 100 days are 2 / (100 / 365.25) a year; a count of two is between 0.242 and 7.225 (Garwood 1936).
    page = admin.get("/district?sort=rate")
    assert page.text.count("7.31 95 % sure between 0.885 and 26.39 2 / 0.274 100 %") == 2
    headers = world.bearer((Role.ADMIN, None))
    for by, key in (("site", HERE), ("maintainer", "Antin")):
        answer = world.client.get(f"/api/v1/district?by={by}&sort=rate", headers=headers).json()
        first = answer["items"][0]
        assert first["key"] == key
        told = first["faults_per_year"]
        assert (told["value"], told["low"], told["high"], told["n"]) == (7.305, 0.8847, 26.3882, 2)
        assert told["exposure"]["covered_days"] == 100.0


def test_a_rate_without_data_is_withheld_and_says_why(world: World, admin: Browser) -> None:
    assert "withheld ⚠ Withheld: there is no data of this time, so nothing to divide by." in admin.get("/district").text
    answer = world.client.get("/api/v1/district", headers=world.bearer((Role.ADMIN, None))).json()
    told = next(each for each in answer["items"] if each["key"] == HERE)["faults_per_year"]
    assert (told["value"], told["cautions"]) == (None, ["no_exposure"])


def test_who_was_unlucky_for_a_week_stands_behind_who_surely_fails_often() -> None:
    a_week = statistics_of([Fault(1, "ticket:1", "x", 1)], {1: Exposure(WEEK_MS, WEEK_MS)}, start_ms=0, end_ms=WEEK_MS)
    years = [Fault(2, f"ticket:{n}", "", n) for n in range(40)]
    often = statistics_of(years, {2: Exposure(2 * YEAR_MS, 2 * YEAR_MS)}, start_ms=0, end_ms=2 * YEAR_MS)
    assert (a_week.faults.value or 0) > (often.faults.value or 0)
    rates = {"unlucky": a_week, "often": often}
    found = arranged([Standing(key, key) for key in ("unlucky", "often", "none")], rates, order=Order.RATE)
    assert [each.key for each in found] == ["often", "unlucky", "none"]


def test_a_program_sees_only_its_own_compounds(world: World) -> None:
    answer = world.client.get("/api/v1/district", headers=world.bearer((Role.COMMUNITY_OFFICER, HERE))).json()
    assert [each["key"] for each in answer["items"]] == [HERE]
    assert world.client.get("/api/v1/district", headers=world.bearer((Role.OWNER, HERE))).status_code == 403


def test_the_page_filters_by_trouble_and_searches(world: World, admin: Browser) -> None:
    blocked_case(world)
    page = admin.get("/district?trouble=blocked")
    assert f"/statistics?site={HERE}&kind=elevator" in page.targets()
    assert f"/statistics?site={ELSEWHERE}&kind=elevator" not in page.targets()
    assert "No compound fits." in admin.get("/district?search=nowhere").text
    assert f"/statistics?site={ELSEWHERE}&kind=elevator" in admin.get("/district?search=ping&sort=name").targets()


def test_an_officer_sees_their_own_compounds_and_an_owner_none(world: World) -> None:
    officer = Browser(world, world.session((Role.COMMUNITY_OFFICER, HERE)))
    targets = officer.get("/district").targets()
    assert f"/statistics?site={HERE}&kind=elevator" in targets
    assert f"/statistics?site={ELSEWHERE}&kind=elevator" not in targets
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
    assert len({target for target in page.targets() if target.startswith("/statistics?site=")}) == 100
