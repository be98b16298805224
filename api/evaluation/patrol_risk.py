"""The section on patrol planning: where an order of units says that faults will be, and where they then were."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.evaluation.lift_counts import LiftMonths
from api.evaluation.report import Column, Form, Section, Words
from api.translations import msgid
from models.evaluation.ranking import caught_by_first
from models.patrol_risk import HALF_LIFE_DAYS, Signs, aged_counts, patrol_risks
from models.reading import Floats, Ints
from models.reliability import DAYS_PER_YEAR

RISK = "risk"
TITLE = msgid("Patrol planning: faults of the next months at the first tenth of the units")
LIFTS, WATCHED_DAYS, AHEAD_DAYS = 94, 365.0, 90.0
SHAPE, MEAN_PER_YEAR = 1.5, 2.7
MONTH_DAYS = DAYS_PER_YEAR / 12
CHANCE = 0.1

COLUMNS = (
    Column("what", msgid("data"), Form.NAME),
    Column("risk", msgid("by risk"), Form.PERCENT),
    Column("by_rate", msgid("by raw rate"), Form.PERCENT),
    Column("oracle", msgid("by the true rate"), Form.PERCENT),
    Column("chance", msgid("by chance"), Form.PERCENT),
)
SIGNS_MATTER = msgid("simulated compounds in which age, lateness and anomalies matter")
SIGNS_DO_NOT = msgid("simulated compounds in which they do not matter")
RATES_DRIFT = msgid("simulated compounds whose rates change over the year")
MTA_WORDS = {
    "unscheduled outages": msgid("MTA lifts, unscheduled outages: January to March for April to June"),
    "entrapments": msgid("MTA lifts, entrapments: January to March for April to June"),
}


@dataclass(frozen=True, slots=True)
class JudgedRisk:
    """Mean shares over the compounds; `oracle` is None where nobody knows the truth."""

    what: str
    risk: float
    by_rate: float
    oracle: float | None


def judge_compounds_at_risk(seed: int, compounds: int, what: str) -> JudgedRisk:
    """Draws compounds with known truth, ranks after a year, and looks at the next quarter.

    The true strength of age, lateness and anomalies is drawn anew for each compound, from nothing to more than the
    model takes: it does not know it.
    """
    caught = []
    for number in range(compounds):
        rng = np.random.default_rng([seed, number, len(what)])
        base = rng.gamma(SHAPE, MEAN_PER_YEAR / SHAPE, LIFTS) / DAYS_PER_YEAR
        age, late = rng.uniform(2, 24, LIFTS), rng.integers(0, 30, LIFTS) * (rng.random(LIFTS) < 0.3)
        now = base.copy()
        anomalies = rng.poisson(0.3, LIFTS)
        if what == SIGNS_MATTER:
            now = now * (1 + rng.uniform(0, 0.06) * np.maximum(age - 15, 0)) * (1 + rng.uniform(0, 0.02) * late)
            wearing = rng.random(LIFTS) < 0.15
            now = np.where(wearing, now * rng.uniform(1.0, 3.0), now)
            anomalies = rng.poisson(np.where(wearing, 2.0, 0.3))
        elif what == RATES_DRIFT:
            now = now * rng.lognormal(-0.18, 0.6, LIFTS)
        # What is so now has come to be over the year: halfway from the old rate to the new.
        early, recent = rng.poisson(base * 0.6 * WATCHED_DAYS), rng.poisson(now * 0.4 * WATCHED_DAYS)
        ages = [
            np.concatenate((rng.uniform(0.4 * WATCHED_DAYS, WATCHED_DAYS, e), rng.uniform(0, 0.4 * WATCHED_DAYS, r)))
            for e, r in zip(early, recent, strict=True)
        ]
        signs = [Signs(int(a), float(y), int(d)) for a, y, d in zip(anomalies, age, late, strict=True)]
        counts, exposure = aged_counts(ages, np.full(LIFTS, WATCHED_DAYS))
        risk = np.array([each.expected for each in patrol_risks(counts, exposure, signs)])
        came: Ints = rng.poisson(now * AHEAD_DAYS)
        caught.append([caught_by_first(order, came) for order in (risk, (early + recent).astype(float), now)])
    means = np.mean(caught, axis=0)
    return JudgedRisk(what, float(means[0]), float(means[1]), float(means[2]))


def judge_lifts_at_risk(told: LiftMonths) -> JudgedRisk:
    """Real lifts: only their counts are known, so that the risk is their rate, the newer months counting more."""
    half = told.faults.shape[1] // 2
    is_known = (told.exposure_days[:, :half].sum(axis=1) > 0) & (told.exposure_days[:, half:].sum(axis=1) > 0)
    faults, days = told.faults[is_known, :half], told.exposure_days[is_known, :half]
    came = told.faults[is_known, half:].sum(axis=1)
    decay: Floats = 0.5 ** ((np.arange(half)[::-1] + 0.5) * MONTH_DAYS / HALF_LIFE_DAYS)
    risks = patrol_risks((faults * decay).sum(axis=1), (days * decay).sum(axis=1), [Signs()] * len(faults))
    order = np.array([each.expected for each in risks])
    raw = faults.sum(axis=1) / np.maximum(days.sum(axis=1), 1e-9)
    return JudgedRisk(MTA_WORDS[told.counted], caught_by_first(order, came), caught_by_first(raw, came), None)


def patrol_risk_section(results: Sequence[JudgedRisk]) -> Section:
    """Beside the order by risk: by the raw rate, by the truth where somebody knows it, and by chance."""
    rows = tuple(
        {"what": each.what, "risk": each.risk, "by_rate": each.by_rate, "oracle": each.oracle, "chance": CHANCE}
        for each in results
    )
    return Section(
        key=RISK,
        title=TITLE,
        is_simulated=True,
        columns=COLUMNS,
        rows=rows,
        about=(
            Words(msgid("Of the faults that came, the share at the tenth of the units that stood first.")),
            Words(
                msgid(
                    "The factors of the risk are judgements of the trade. Where they do not matter they cost a little; "
                    "the second row shows how much."
                )
            ),
        ),
    )
