"""Before and after an overhaul, and what stands beside it: age, late work, costs by the year."""

from datetime import date
from decimal import Decimal

import pytest

from alerts import casework
from alerts.casework import Cost
from alerts.ticket import get_ticket
from alerts.ticket_record import CostKind
from api.pages.overhaul_words import change_text, effect_words, width_text
from api.translations import translator
from governance.overhaul_effect import EffectCaution, overhaul_effect
from governance.service_facts import YearCost, costs_by_year, service_facts
from models.reliability import Change
from registry.database import Database
from registry.service_record import Service, ServiceKind, put_service_records
from tests.governance.watched_lifts import ADMIN, DAY_MS, NOW_MS, fault, faults, lifts, unit_facts

_ = translator("en")
OVERHAUL = Service(
    kind=ServiceKind.OVERHAUL,
    done_on=date(2023, 5, 15),
    cost_fen=8_000_000,
    stop_begin_ms=NOW_MS - 200 * DAY_MS,
    stop_end_ms=NOW_MS - 180 * DAY_MS,
)


@pytest.fixture
def overhauled(database: Database) -> list[int]:
    """Two lifts with ten faults before and two after; a third that was not overhauled."""
    ids = lifts(database, number=3, days=600)
    faults(database, "l1", [210, 240, 270, 300, 330, 190, 100])  # five before, one in the stop, one after
    faults(database, "l2", [215, 245, 275, 305, 335, 50])
    faults(database, "l3", [400, 300, 100, 60])
    fault(database, "l1", 590)  # more than a year before
    with database.writing() as session:
        put_service_records(session, [(unit_id, OVERHAUL) for unit_id in ids[:2]], by="import", now_ms=NOW_MS)
    return ids


def test_the_effect_is_the_ratio_of_rates_with_its_exact_interval(database: Database, overhauled: list[int]) -> None:
    with database.reading() as session:
        effect = overhaul_effect(session, unit_facts(database), now_ms=NOW_MS)
    assert effect is not None
    assert effect.units == tuple(overhauled[:2])
    assert (effect.before.faults, effect.after.faults) == (10, 2), "neither the stop nor what lies further back"
    assert effect.before.years == pytest.approx(2 * 365 / 365.25)
    assert effect.after.years == pytest.approx(2 * 180 / 365.25)
    assert len(effect.after.sources) == 2
    # Clopper and Pearson for 2 of 12: 2.09 % to 48.41 %; as odds, times 365/180 days.
    odds = 180 / 365
    assert effect.change.ratio == pytest.approx(2 / 10 / odds, rel=1e-6)
    assert effect.change.low == pytest.approx(0.020863 / (1 - 0.020863) / odds, rel=1e-3)
    assert effect.change.high == pytest.approx(0.484138 / (1 - 0.484138) / odds, rel=1e-3)
    assert EffectCaution.CHOSEN in effect.cautions
    assert effect.others_units == 1
    words = effect_words(effect, _=_)
    assert words.headline == "59 % fewer faults; 95 % sure between 96 % fewer and 90 % more"
    assert words.width == "This may be chance: the interval holds “no change”."


def test_who_was_not_watched_on_both_sides_is_not_judged(database: Database) -> None:
    (unit_id,) = lifts(database, days=190)
    with database.writing() as session:
        put_service_records(session, [(unit_id, OVERHAUL)], by="import", now_ms=NOW_MS)
    with database.reading() as session:
        assert overhaul_effect(session, unit_facts(database), now_ms=NOW_MS) is None


def test_no_fault_before_gives_no_figure_but_a_reason(database: Database) -> None:
    (unit_id,) = lifts(database, days=500)
    fault(database, "l1", 20)
    with database.writing() as session:
        put_service_records(session, [(unit_id, OVERHAUL)], by="import", now_ms=NOW_MS)
    with database.reading() as session:
        effect = overhaul_effect(session, unit_facts(database), now_ms=NOW_MS)
    assert effect is not None
    assert effect.change.ratio is None
    assert EffectCaution.NOTHING_BEFORE in effect.cautions
    assert effect_words(effect, _=_).headline == "no comparison"


@pytest.mark.parametrize(
    ("change", "told", "width"),
    [
        (Change(0.2, 0.12, 0.32, 1.0), "80 % fewer faults; 95 % sure between 88 % fewer and 68 % fewer", "Well known"),
        (Change(0.4, 0.2, 0.65, 1.0), "60 % fewer faults", "Fairly well known: at least 35 % fewer"),
        (Change(0.3, 0.02, 0.9, 1.0), "70 % fewer faults", "hardly known: at least 10 % fewer"),
        (Change(1.5, 1.1, 2.0, 1.0), "50 % more faults", "There were more faults afterwards"),
    ],
)
def test_the_width_of_the_interval_is_told_in_words(change: Change, told: str, width: str) -> None:
    assert told in change_text(change, _=_)
    assert width in width_text(change, _=_)


def test_costs_count_in_the_year_of_their_entry(database: Database, overhauled: list[int]) -> None:
    with database.writing() as session:
        ticket = get_ticket(session, 1)
        # 2022-12-31 in London is already the new year in China.
        for at_ms, yuan in ((1_672_500_000_000, "10.00"), (1_672_503_000_000, "100.00")):
            cost = Cost(CostKind.PART, "Shoe", "1", Decimal(yuan))
            casework.add_cost(session, ticket, cost, actor=ADMIN, now_ms=at_ms)
    with database.reading() as session:
        told = costs_by_year(session, overhauled, zone="Asia/Shanghai")
    assert told == [YearCost(2022, 1_000, 0), YearCost(2023, 10_000, 16_000_000)]


def test_age_counts_from_the_replacement_and_late_work_is_told(database: Database) -> None:
    first, second = lifts(database, number=2, days=1)
    done = date(2023, 10, 20)
    with database.writing() as session:
        rows = [
            (first, Service(kind=ServiceKind.MAINTENANCE, done_on=done)),
            (first, Service(kind=ServiceKind.INSPECTION, done_on=date(2022, 11, 1), valid_until=date(2023, 11, 1))),
            (second, Service(kind=ServiceKind.REPLACEMENT, done_on=date(2021, 11, 15))),
        ]
        put_service_records(session, rows, by="import", now_ms=NOW_MS)
    with database.reading() as session:
        told = service_facts(session, unit_facts(database), as_of=date(2023, 11, 15))
    assert told[first].age_years == pytest.approx(14.0, abs=0.01)
    assert told[first].maintenance_late_days == 26 - 15
    assert told[first].is_inspection_overdue
    assert told[second].age_years == pytest.approx(2.0, abs=0.01)
    assert told[second].maintenance_late_days is None
