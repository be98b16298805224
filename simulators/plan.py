"""A plan of what happens to lifts over months: faults drawn from rates, visits by the calendar.

Figures of scenarios come from Hangzhou 2018 (0.06 entrapments and 0.11 dispatches by hotline a lift and year) and the
trade (half a call-back to two a year when well kept, more than four when not). Each lift has a rate of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from models.reading import Floats
from simulators.faults import ENTRAPMENT_LEAD_S, Fault
from simulators.scenario import Rates, Scenario

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S
STOPS: Mapping[str, float] = MappingProxyType(
    {
        "fault.01": 0.10,
        "fault.02": 0.30,
        "fault.03": 0.25,
        "fault.04": 0.05,
        "fault.05": 0.02,
        "fault.06": 0.08,
        "fault.07": 0.10,
        "fault.08": 0.10,
    }
)
"""What a call-back is for: doors come first."""
REPAIR_MEDIAN_S, REPAIR_SIGMA = 2.5 * 3600, 0.6
RESCUE_MEDIAN_S, RESCUE_SIGMA, LONGEST_RESCUE_S = 25 * 60.0, 0.4, 110 * 60.0
POWER_CUT_MEDIAN_S, POWER_CUT_SIGMA = 40 * 60.0, 0.5
VISIT_S = 45 * 60.0
VISITS_FROM_H, VISITS_UNTIL_H = 9.0, 16.0
QUIET_BETWEEN_S = 3600.0
PLAN_STREAM = 0x504C414E
"""Beside the seed, so that the plan and the world are drawn apart."""


@dataclass(frozen=True, slots=True)
class LiftRate:
    """The truth of one lift: faults that stop it in a year, before and after its overhaul (None: it had none)."""

    unit: str
    faults_per_year: float
    overhauled_s: float | None
    faults_per_year_after: float | None


def with_plan(scenario: Scenario, *, seed: int, live_ms: int, duration_s: float) -> tuple[Scenario, list[LiftRate]]:
    """The scenario with the faults that this seed draws from its rates added, and what the rates were."""
    if scenario.rates is None or not scenario.lifts:
        return scenario, []
    rng = np.random.default_rng([PLAN_STREAM, seed])
    rates = scenario.rates
    units = [lift.unit for lift in scenario.lifts]
    shape = rates.spread**-2.0
    own = rng.gamma(shape, 1 / shape, len(units))
    overhauled = set(np.argsort(-own)[: rates.overhauled_lifts].tolist())
    overhaul_s = rates.overhaul_after_days * DAY_S
    truths = [
        LiftRate(
            unit,
            float(factor * (rates.callbacks + rates.entrapments)),
            overhaul_s if index in overhauled else None,
            float(factor * (rates.callbacks + rates.entrapments) * rates.overhaul_factor)
            if index in overhauled
            else None,
        )
        for index, (unit, factor) in enumerate(zip(units, own, strict=True))
    ]
    cuts = _moments(rng, rates.power_cuts, duration_s)
    cut_s = rng.lognormal(np.log(POWER_CUT_MEDIAN_S), POWER_CUT_SIGMA, len(cuts))
    drawn: list[Fault] = []
    for index, unit in enumerate(units):
        overhauled_s = overhaul_s if index in overhauled else np.inf
        of_lift = list(_faults(rng, rates, unit, float(own[index]), overhauled_s, duration_s))
        of_lift += [
            Fault(unit, "mains_off", onset_s=float(t), duration_s=float(s)) for t, s in zip(cuts, cut_s, strict=True)
        ]
        if rates.maintenance_every_days is not None:
            of_lift += _visits(rng, unit, rates.maintenance_every_days, live_ms, duration_s)
        drawn += _one_at_a_time(of_lift)
    faults = tuple(sorted((*scenario.faults, *drawn), key=lambda fault: (fault.onset_s, fault.unit)))
    return replace(scenario, faults=faults), truths


def _moments(rng: np.random.Generator, per_year: float, duration_s: float) -> Floats:
    return np.sort(rng.uniform(0.0, duration_s, rng.poisson(per_year * duration_s / YEAR_S)))


def _faults(
    rng: np.random.Generator, rates: Rates, unit: str, factor: float, overhauled_s: float, duration_s: float
) -> Iterator[Fault]:
    names, weights = list(STOPS), list(STOPS.values())
    for name, per_year in (("", rates.callbacks), ("entrapment", rates.entrapments)):
        for onset_s in _moments(rng, factor * per_year, duration_s):
            is_spared = rng.random() >= rates.overhaul_factor
            chosen = name or str(rng.choice(names, p=weights))
            if name:
                length_s = min(rng.lognormal(np.log(RESCUE_MEDIAN_S), RESCUE_SIGMA), LONGEST_RESCUE_S)
            else:
                length_s = rng.lognormal(np.log(REPAIR_MEDIAN_S), REPAIR_SIGMA)
            if onset_s < ENTRAPMENT_LEAD_S or (onset_s >= overhauled_s and is_spared):
                continue
            yield Fault(unit, chosen, onset_s=float(onset_s), duration_s=float(length_s))


def _visits(rng: np.random.Generator, unit: str, every_days: float, live_ms: int, duration_s: float) -> Iterator[Fault]:
    # Local midnight in China before live time begins.
    day_began_s = -((live_ms / 1000 + 8 * 3600) % DAY_S)
    day = rng.uniform(0.0, every_days)
    while (began_s := day_began_s + np.floor(day) * DAY_S) < duration_s:
        onset_s = began_s + rng.uniform(VISITS_FROM_H, VISITS_UNTIL_H) * 3600
        if 0 <= onset_s < duration_s:
            yield Fault(unit, "maintenance_visit", onset_s=float(onset_s), duration_s=VISIT_S)
        day += every_days


def _one_at_a_time(faults: list[Fault]) -> Iterator[Fault]:
    """What would begin while the lift stands already, or is hardly running again, does not happen."""
    free_s = 0.0
    for fault in sorted(faults, key=lambda one: one.onset_s):
        if fault.onset_s >= free_s:
            yield fault
            free_s = fault.onset_s + (fault.duration_s or 0.0) + QUIET_BETWEEN_S
