"""Fault statistics as programs read them: figures with their records, within what the person may see."""

import csv
import io

import numpy as np
import pytest

from alerts import incident
from alerts.severity import Severity
from alerts.ticket_stages import Stage, TicketKind
from models.equipment import Kind
from registry.coverage import hours_of, put_hours
from registry.role import Actor, Grant, Role
from registry.site import get_site
from registry.unit import add_unit, get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, NOON_MS, World, items

DAY_MS = 86_400_000
ADMIN = Actor("root", (Grant(Role.ADMIN),))
ADMINS = (Role.ADMIN, None)
WAY = (Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS, Stage.RESTORED)


def fault(world: World, unit: str, days_ago: float) -> int:
    """Repaired an hour after it was opened."""
    opened_ms = round(NOON_MS - days_ago * DAY_MS)
    with world.database.writing() as session:
        found = get_unit(session, unit)
        ticket = incident.open_ticket_by_hand(
            session,
            site=found.site,
            unit=found,
            kind=TicketKind.FAULT,
            title="It stands",
            severity=Severity.MAJOR,
            description="",
            actor=ADMIN,
            now_ms=opened_ms,
        )
        for place, stage in enumerate(WAY, start=1):
            incident.move_ticket(session, ticket.id, stage, actor=ADMIN, now_ms=opened_ms + place * 600_000)
        return ticket.id


def seen(world: World, unit: str, days: float) -> None:
    """Data of every minute of the last days."""
    minutes = np.arange(round(NOON_MS - days * DAY_MS) // 60_000, NOON_MS // 60_000)
    with world.database.writing() as session:
        unit_id = get_unit(session, unit).id
        put_hours(session, hours_of(np.full(len(minutes), unit_id), minutes))


@pytest.fixture
def lifts(world: World) -> list[str]:
    """Twelve lifts, watched for 100 days; the first had eight faults, the second one."""
    with world.database.writing() as session:
        for number in range(2, 13):
            unit = add_unit(
                session, site=get_site(session, HERE), kind=Kind.ELEVATOR, key=f"b3-l{number}", now_ms=NOON_MS
            )
            unit.make, unit.building = ("Xizi" if number % 2 else "=HYPERLINK(1)"), "3"
    paths = [f"{HERE}~b3-l{number}" for number in range(1, 13)]
    for path in paths:
        seen(world, path, 100)
    for days_ago in range(10, 90, 10):
        fault(world, paths[0], days_ago)
    fault(world, paths[1], 50)
    return paths


def test_a_unit_has_its_rate_with_the_tickets_it_counts(world: World, lifts: list[str]) -> None:
    me = world.bearer(ADMINS)
    answer = world.client.get(f"/api/v1/reliability?site={HERE}&limit=2", headers=me).json()
    assert answer["next"] == "2"
    first = next(each for each in answer["items"] if each["unit"] == lifts[0])
    assert first["exposure"] == {
        "in_service_days": 100.0,
        "covered_days": 100.0,
        "years": pytest.approx(100 / 365.25, abs=1e-5),
        "coverage": 1.0,
    }
    rate = first["faults_per_year"]
    assert rate["value"] == pytest.approx(8 / (100 / 365.25), abs=1e-3)
    # Garwood: 8 counted are 3.454 to 15.763.
    assert rate["low"] == pytest.approx(3.454 * 3.6525, abs=0.01)
    assert rate["high"] == pytest.approx(15.763 * 3.6525, abs=0.01)
    assert len(rate["sources"]) == rate["n"] == 8
    for source in rate["sources"]:
        assert world.client.get(f"/api/v1/tickets/{source.removeprefix('ticket:')}", headers=me).status_code == 200
    assert first["restoration"]["median_s"] == 3600
    assert first["downtime_h"] == 8
    assert first["standing"]["rank"] == 1
    assert first["standing"]["rank_low"] <= 1 <= first["standing"]["rank_high"]
    assert first["causes"]["unknown"]["n"] == 8
    assert "causes_unknown" in first["cautions"]
    assert answer["total"]["faults_per_year"]["n"] == 9
    assert answer["total"]["units"] == 12


def test_units_are_put_together_by_what_they_share(world: World, lifts: list[str]) -> None:
    me = world.bearer(ADMINS)
    makes = items(world.client.get(f"/api/v1/reliability?site={HERE}&by=make", headers=me))
    assert [(each["group"], each["units"]) for each in makes] == [("", 1), ("=HYPERLINK(1)", 6), ("Xizi", 5)]
    sites = items(world.client.get("/api/v1/reliability?by=site&kind=pump", headers=me))
    assert {each["group"]: each["name"] for each in sites} == {HERE: "Xiaohe Garden", ELSEWHERE: "Ping'an Ju"}


def test_without_data_a_rate_is_withheld_and_says_why(world: World) -> None:
    fault(world, LIFT.path, 5)
    (lift,) = items(world.client.get(f"/api/v1/reliability?site={HERE}", headers=world.bearer(ADMINS)))
    assert lift["faults_per_year"]["value"] is None  # type: ignore[index]
    assert "no_exposure" in lift["cautions"]  # type: ignore[operator]
    assert lift["standing"] is None


def test_the_worst_come_first_and_a_dozen_lifts_in_a_quarter_prove_nothing(world: World, lifts: list[str]) -> None:
    answer = world.client.get(f"/api/v1/fault-prone?site={HERE}", headers=world.bearer(ADMINS)).json()
    assert [each["unit"] for each in answer["items"]][:2] == lifts[:2]
    assert [each["is_above_peers"] for each in answer["items"]] == [False] * 12
    assert [each["rank"] for each in answer["items"]] == list(range(1, 13))
    worst = answer["items"][0]
    assert worst["rate_low"] < worst["rate_per_year"] < worst["rate_high"]
    assert worst["p_worst_decile"] > 0.9
    assert (worst["faults"], worst["exposure_days"], len(worst["sources"])) == (8, 100.0, 8)
    assert answer["quantile_per_year"] < worst["rate_per_year"]


def test_a_table_for_a_spreadsheet_holds_every_row_and_no_formula(world: World, lifts: list[str]) -> None:
    answer = world.client.get(f"/api/v1/reliability.csv?site={HERE}", headers=world.bearer(ADMINS))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["group"] for row in rows] == sorted(lifts)
    assert {row["make"] for row in rows} == {"", "Xizi", "'=HYPERLINK(1)"}
    assert next(row for row in rows if row["group"] == lifts[0])["faults"] == "8"


def test_only_sites_that_one_may_see_are_counted(world: World, lifts: list[str]) -> None:
    stranger = world.bearer((Role.OWNER, ELSEWHERE))
    assert items(world.client.get("/api/v1/reliability", headers=stranger)) == []
    for query in (f"site={HERE}", f"unit={LIFT.path}"):
        assert world.client.get(f"/api/v1/reliability?{query}", headers=stranger).status_code == 404
    assert world.client.get("/api/v1/fault-prone", headers=stranger).json()["items"] == []
    neighbour = world.bearer((Role.OWNER, HERE))
    assert len(items(world.client.get("/api/v1/reliability?limit=5", headers=neighbour))) == 5


@pytest.mark.parametrize("query", ["start=5&end=4", "start=2000000000000", "end=0", "by=colour", "kind=boat"])
def test_a_question_that_cannot_be_answered_is_told(world: World, query: str) -> None:
    answer = world.client.get(f"/api/v1/reliability?{query}", headers=world.bearer(ADMINS))
    assert answer.status_code == 422, answer.text
