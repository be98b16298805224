"""The section on simulated compounds whose true fault rates are known: do the intervals hold what they say?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from api.evaluation.lift_counts import covered_target
from api.evaluation.report import Cell, Column, Form, Section, Words
from api.translations import msgid
from models.evaluation.measures import bootstrap_share
from models.reading import Bools, Ints
from models.reliability import DAYS_PER_YEAR, change_of_rate, rate_table
from simulators.plan import DAY_S, STOPS, with_plan
from simulators.scenario import Scenario, load_scenario

MONTHS = (1, 3, 12, 36)
COMPOUNDS = 20
DAYS_PER_MONTH = DAYS_PER_YEAR / 12
COUNTED = frozenset({*STOPS, "entrapment"})
RATE, CHANGE = msgid("true fault rate within its 95 % interval"), msgid("true effect of overhauls within its interval")

COLUMNS = (
    Column("what", msgid("what was asked"), Form.NAME),
    Column("months", msgid("months watched"), Form.COUNT),
    Column("covered", msgid("held"), Form.PERCENT),
    Column("worst_found", msgid("worst tenth found"), Form.PERCENT),
    Column("worst_by_count", msgid("worst tenth, raw counts"), Form.PERCENT),
)


@dataclass(frozen=True, slots=True)
class JudgedCompounds:
    """An entry a lift in `is_covered`; in the others one for each lift of the true worst tenth: was it named?"""

    months: int
    is_covered: Bools
    is_worst_found: Bools
    is_worst_by_count: Bools


def judge_compounds(seed: int, months: int, compounds: int) -> JudgedCompounds:
    """Draws compounds of 94 lifts, counts their faults over so many months, and compares with the truth."""
    scenario = _scenario(overhauled_lifts=0)
    covered, found, by_count = [], [], []
    for number in range(compounds):
        duration_s = months * DAYS_PER_MONTH * DAY_S
        planned, truths = with_plan(
            scenario, seed=_seed(seed, number), live_ms=scenario.start_ms, duration_s=duration_s
        )
        rates = np.array([truth.faults_per_year for truth in truths])
        faults = _counts(planned, [truth.unit for truth in truths], 0.0, duration_s)
        rng = np.random.default_rng([seed, months, number])
        table = rate_table(faults, np.full(len(faults), months * DAYS_PER_MONTH), rng=rng)
        covered.append((table.rate_low <= rates) & (rates <= table.rate_high))
        worst = -(-len(rates) // 10)
        truly = np.argsort(-rates)[:worst]
        found.append(table.rank[truly] <= worst)
        # Equal counts stand in an order that nobody chose.
        order = np.lexsort((rng.random(len(faults)), -faults))
        by_count.append(np.isin(truly, order[:worst]))
    return JudgedCompounds(months, np.concatenate(covered), np.concatenate(found), np.concatenate(by_count))


def judge_overhauls(seed: int, compounds: int) -> Bools:
    """A year before and a year after the overhaul of the 41 worst: does the interval hold the true effect?"""
    scenario = _scenario(overhauled_lifts=41)
    rates = scenario.rates
    assert rates is not None
    year_s, days, held = DAYS_PER_YEAR * DAY_S, np.full(41, DAYS_PER_YEAR), []
    for number in range(compounds):
        planned, truths = with_plan(
            scenario, seed=_seed(seed, number), live_ms=scenario.start_ms, duration_s=2 * year_s
        )
        units = [truth.unit for truth in truths if truth.overhauled_s is not None]
        before, after = _counts(planned, units, 0.0, year_s), _counts(planned, units, year_s, 2 * year_s)
        change = change_of_rate((before, days), (after, days))
        held.append(change.high is not None and change.low <= rates.overhaul_factor <= change.high)
    return np.array(held, dtype=bool)


def known_rate_section(watched: Sequence[JudgedCompounds], overhauls: Bools, *, seed: int) -> Section:
    """A row for each span of watching, and one for the overhauls."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Cell]] = [
        {
            "what": RATE,
            "months": judged.months,
            "covered": bootstrap_share(judged.is_covered, rng=rng),
            "worst_found": bootstrap_share(judged.is_worst_found, rng=rng),
            "worst_by_count": bootstrap_share(judged.is_worst_by_count, rng=rng),
        }
        for judged in watched
    ]
    rows.append({"what": CHANGE, "months": 24, "covered": bootstrap_share(overhauls, rng=rng)})
    targets = [
        covered_target(
            Words(msgid("true fault rate within its interval, %(months)s months"), {"months": judged.months}),
            float(judged.is_covered.mean()),
        )
        for judged in watched
    ]
    return Section(
        "known_rates",
        msgid("Simulated compounds: fault rates that are known"),
        is_simulated=True,
        columns=COLUMNS,
        rows=tuple(rows),
        targets=(
            *targets,
            covered_target(Words(msgid("true effect of overhauls within its interval")), float(overhauls.mean())),
        ),
        about=(
            Words(
                msgid(
                    "Compounds of 94 lifts with gamma distributed rates, mean 2.7 faults a year, drawn as the "
                    "scenario of a year does. The model assumes just this form: on real lifts it may do worse."
                )
            ),
        ),
        charted=("covered",),
    )


def _scenario(*, overhauled_lifts: int) -> Scenario:
    scenario = load_scenario("xiaohe-year")
    assert scenario.rates is not None
    # Visits are no faults, and a power cut is none of the lift's.
    rates = msgspec.structs.replace(
        scenario.rates,
        overhauled_lifts=overhauled_lifts,
        overhaul_after_days=DAYS_PER_YEAR,
        maintenance_every_days=None,
        power_cuts=0.0,
    )
    return replace(scenario, rates=rates)


def _seed(seed: int, number: int) -> int:
    return 1000 * seed + number


def _counts(scenario: Scenario, units: Sequence[str], from_s: float, until_s: float) -> Ints:
    place = {unit: number for number, unit in enumerate(units)}
    chosen = [
        place[fault.unit]
        for fault in scenario.faults
        if fault.name in COUNTED and fault.unit in place and from_s <= fault.onset_s < until_s
    ]
    return np.bincount(np.array(chosen, dtype=np.int64), minlength=len(units))
