"""Where to look first, as people and programs read it, and how the next round tells it."""

from datetime import date, timedelta

from alerts import incident
from alerts.patrol_focus import FocusReason
from alerts.severity import Severity
from alerts.ticket_stages import TicketKind
from api.pages.risk_words import risk_facts_words
from api.patrol_worker import put_risky_on_next_round
from api.translations import translator
from governance.patrol_risk import LIKELY_TIMES_PEERS
from models.covered_minutes import WHOLE_HOUR
from registry.coverage import put_hours
from registry.database import Database
from registry.role import Role
from registry.service_record import Service, ServiceKind, put_service_records
from registry.unit import get_unit, get_unit_by_id
from tests.alerts.rounds import MONDAY, Rounds, at
from tests.api.kit import ELSEWHERE, HERE, LIFT, World
from tests.api.pages.conftest import Browser

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def watched_lift(world: World) -> None:
    """Of every hour of the last hundred days there is data; maintained 35 days ago, installed 20 years ago."""
    now_ms = world.clock()
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        unit.installed_on = "2006-11-23"
        hours = range((now_ms - 100 * DAY_MS) // HOUR_MS, now_ms // HOUR_MS)
        put_hours(session, [{"unit_id": unit.id, "hour": hour, "minutes": WHOLE_HOUR} for hour in hours])
        late = Service(kind=ServiceKind.MAINTENANCE, done_on=date(2026, 10, 19))
        put_service_records(session, [(unit.id, late)], by="import", now_ms=now_ms)


def test_every_part_stands_on_the_page_with_its_fact_and_its_factor(world: World, admin: Browser) -> None:
    watched_lift(world)
    page = admin.get(f"/patrol-risk?site={HERE}")
    assert f"/statistics?unit={LIFT.path}" in page.targets()
    for words in (
        "Own faults 0 faults in 100 days with data",
        "Age 20 years × 1.10",
        "Maintenance 20 days late × 1.10",
    ):
        assert words in page.text
    assert "Inspection not expired, as far as is recorded × 1.00" in page.text
    assert "A unit low on the list is not safe." in page.text


def test_a_program_reads_the_same_parts(world: World) -> None:
    watched_lift(world)
    answer = world.client.get(f"/api/v1/patrol-risk?site={HERE}", headers=world.bearer((Role.TECHNICIAN, HERE)))
    (told,) = answer.json()["items"]
    assert told["unit"] == LIFT.path
    assert told["parts"]["age"]["factor"] == told["parts"]["maintenance"]["factor"] == 1.1
    # The product of all factors and of the peers' mean.
    rate = told["parts"]["rate"]["factor"]
    assert abs(told["expected"] - answer.json()["peers_expected"] * rate * 1.1 * 1.1) < 1e-4
    assert told["is_proposed"] is False


def test_a_unit_without_data_is_told_and_not_judged(world: World, admin: Browser) -> None:
    page = admin.get(f"/patrol-risk?site={HERE}")
    assert "Too little is known 1" in page.text
    assert f"/units/{LIFT.path}" in page.targets()


def test_another_compound_and_residents_do_not_see_it(world: World) -> None:
    stranger = Browser(world, world.session((Role.TECHNICIAN, ELSEWHERE)))
    assert stranger.get(f"/patrol-risk?site={HERE}").status == 404
    headers = world.bearer((Role.TECHNICIAN, ELSEWHERE))
    assert world.client.get(f"/api/v1/patrol-risk?site={HERE}", headers=headers).status_code == 404
    assert Browser(world, world.session((Role.OWNER, HERE))).get(f"/patrol-risk?site={HERE}").status == 403


def test_the_next_round_looks_at_the_likeliest_and_says_why(database: Database) -> None:
    rounds = Rounds(database, lifts=6)
    plan, now_ms = rounds.plan(), at(MONDAY, 9)
    hours = range((now_ms - 200 * DAY_MS) // HOUR_MS, now_ms // HOUR_MS)
    with database.writing() as session:
        rows = [{"unit_id": each, "hour": hour, "minutes": WHOLE_HOUR} for each in rounds.lift_ids for hour in hours]
        put_hours(session, rows)
        unit = get_unit_by_id(session, rounds.lift_ids[2])
        for days in (5, 20, 40, 60):
            incident.open_ticket_by_hand(
                session,
                site=unit.site,
                unit=unit,
                kind=TicketKind.FAULT,
                title="It stands",
                severity=Severity.MAJOR,
                description="",
                actor=rounds.people["manager"],
                now_ms=now_ms - days * DAY_MS,
            )
        late = Service(kind=ServiceKind.MAINTENANCE, done_on=MONDAY - timedelta(days=25))
        put_service_records(session, [(unit.id, late)], by="import", now_ms=now_ms)
    assert put_risky_on_next_round(database, now_ms=now_ms) == 1
    assert put_risky_on_next_round(database, now_ms=now_ms) == 1
    (focus,) = [each.focus for each in rounds.record(rounds.rounds(plan)[0].id).stops if each.focus is not None]
    assert (focus.unit_id, focus.reason) == (rounds.lift_ids[2], FocusReason.LIKELY_FAULT)
    assert (focus.facts["faults"], focus.facts["raising"]) == (4, ["rate", "maintenance"])
    assert focus.facts["times_peers"] >= LIKELY_TIMES_PEERS
    words = risk_facts_words(focus.facts, _=translator("en"))
    assert words[1:] == ["maintenance 10 days late"]


def test_what_raises_nothing_is_not_said() -> None:
    _ = translator("en")
    facts = {"expected_30_days": 0.81, "times_peers": 3.2, "anomalies": 1, "age_years": 4.0, "raising": ["anomalies"]}
    assert risk_facts_words(facts, _=_) == [
        "0.81 faults expected in 30 days, 3.2 times its peers",
        "1 verdict in the last 90 days",
    ]
    assert risk_facts_words({"faults": 7}, _=_) == []
