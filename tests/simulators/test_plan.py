"""What a year of many lifts holds: rates that are true, visits by the calendar, one thing at a time."""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from models.equipment import Kind
from simulators.faults import FAULT_EVENTS, STOPPING_CODES, Fault, FaultSchedule
from simulators.plan import DAY_S, QUIET_BETWEEN_S, YEAR_S, LiftRate, with_plan
from simulators.run import simulate
from simulators.scenario import Scenario, load_scenario
from simulators.world import LOOK_MS

STOPS = {*STOPPING_CODES, "entrapment"}
OVERHAUL_S = 182 * DAY_S


def planned(*, seed: int, years: float = 1.0) -> tuple[Scenario, list[LiftRate]]:
    scenario = load_scenario("xiaohe-year")
    return with_plan(scenario, seed=seed, live_ms=scenario.start_ms, duration_s=years * YEAR_S)


@pytest.fixture(scope="module")
def year() -> tuple[Scenario, list[LiftRate]]:
    return planned(seed=7)


def test_a_seed_is_a_plan_and_another_seed_is_another(year: tuple[Scenario, list[LiftRate]]) -> None:
    assert planned(seed=7) == year
    assert planned(seed=8)[0].faults != year[0].faults


def test_a_scenario_without_rates_stays_as_it_is() -> None:
    scenario = load_scenario("xiaohe")
    assert with_plan(scenario, seed=1, live_ms=0, duration_s=YEAR_S) == (scenario, [])


def test_the_41_worst_are_overhauled_and_have_a_fifth_of_their_faults(year: tuple[Scenario, list[LiftRate]]) -> None:
    rates = year[1]
    overhauled = [rate for rate in rates if rate.overhauled_s is not None]
    assert (len(rates), len(overhauled)) == (94, 41)
    assert {rate.overhauled_s for rate in overhauled} == {OVERHAUL_S}
    for rate in overhauled:
        assert rate.faults_per_year_after == pytest.approx(0.2 * rate.faults_per_year)
    kept = [rate.faults_per_year for rate in rates if rate.overhauled_s is None]
    assert max(kept) <= min(rate.faults_per_year for rate in overhauled)


def test_as_many_faults_are_staged_as_the_rates_say() -> None:
    expected = before = after = 0.0
    for seed in range(30):
        scenario, rates = planned(seed=seed)
        overhauled = {rate.unit for rate in rates if rate.overhauled_s is not None}
        first, rest = OVERHAUL_S / YEAR_S, 1 - OVERHAUL_S / YEAR_S
        expected += sum(
            rate.faults_per_year * first
            + (rate.faults_per_year if rate.faults_per_year_after is None else rate.faults_per_year_after) * rest
            for rate in rates
        )
        stops = [fault for fault in scenario.faults if fault.name in STOPS]
        before += sum(fault.onset_s < OVERHAUL_S for fault in stops)
        after += sum(fault.onset_s >= OVERHAUL_S for fault in stops)
        of_overhauled = Counter(fault.onset_s >= OVERHAUL_S for fault in stops if fault.unit in overhauled)
        assert of_overhauled[True] < 0.5 * of_overhauled[False]
    # A lift that stands has no second fault, so a little fewer.
    assert 0.93 * expected < before + after < 1.05 * expected


def test_somebody_comes_every_15_days_and_works_by_day(year: tuple[Scenario, list[LiftRate]]) -> None:
    scenario = year[0]
    visits: dict[str, list[Fault]] = defaultdict(list)
    for fault in scenario.faults:
        if fault.name == "maintenance_visit":
            visits[fault.unit].append(fault)
    assert len(visits) == 94
    for of_lift in visits.values():
        days = np.array([(scenario.start_ms / 1000 + 8 * 3600 + visit.onset_s) / DAY_S for visit in of_lift])
        assert ((days % 1 * 24 >= 9) & (days % 1 * 24 <= 16)).all()
        # A visit that falls on a fault is left out.
        steps = np.round(np.diff(np.floor(days)))
        assert np.median(steps) == 15
        assert (steps % 15 == 0).all()


def test_nothing_begins_while_the_lift_stands(year: tuple[Scenario, list[LiftRate]]) -> None:
    of_unit: dict[str, list[Fault]] = defaultdict(list)
    for fault in year[0].faults:
        of_unit[fault.unit].append(fault)
    for faults in of_unit.values():
        for one, next_ in pairwise(sorted(faults, key=lambda fault: fault.onset_s)):
            assert one.duration_s is not None
            assert next_.onset_s >= one.onset_s + one.duration_s + QUIET_BETWEEN_S


def test_a_rescue_is_over_before_it_is_a_statutory_accident(year: tuple[Scenario, list[LiftRate]]) -> None:
    rescues = [fault.duration_s or 0 for fault in year[0].faults if fault.name == "entrapment"]
    assert rescues
    assert max(rescues) < 2 * 3600


def test_looking_at_an_interval_only_changes_nothing_in_it(year: tuple[Scenario, list[LiftRate]]) -> None:
    scenario = year[0]
    units = [lift.unit for lift in scenario.lifts]
    whole, looking = (FaultSchedule(Kind.ELEVATOR, scenario.faults, units) for _ in range(2))
    whole.begin(scenario.start_ms)
    looking.begin(scenario.start_ms)
    for hour in range(0, 24 * 60, 7):
        from_ms = scenario.start_ms + hour * 3_600_000
        looking.look_at(from_ms - LOOK_MS, from_ms + 3_600_000 + LOOK_MS)
        ts_ms = np.full(94, float(from_ms + 1_234_567))
        for name in FAULT_EVENTS[Kind.ELEVATOR]:
            assert (looking.severity(name, ts_ms) == whole.severity(name, ts_ms)).all()
            around = {"from_ms": from_ms - 3_600_000.0, "until_ms": from_ms + 7_200_000.0}
            assert looking.spans(name, **around) == whole.spans(name, **around)


def test_three_days_tell_what_was_staged_and_the_rates_behind_it(tmp_path: Path) -> None:
    out, truth = tmp_path / "out.jsonl", tmp_path / "truth.jsonl"
    simulate("xiaohe-year", out_path=out, seed=7, duration_s=3 * DAY_S, truth_path=truth)
    told = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    staged = [line for line in told if "fault" in line]
    assert sum("faults_per_year" in line for line in told) == 94
    topics = Counter(json.loads(line)["topic"].split("/")[-1] for line in out.read_text(encoding="utf-8").splitlines())
    # A row an hour of each lift; some carry nothing new and are still a row.
    assert topics["telemetry"] == 72 * 94
    assert topics["event"] >= len(staged)
