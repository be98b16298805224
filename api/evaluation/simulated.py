"""The sections on simulations: for each fault whether it is found, and what alarms where nothing is wrong."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from scipy.stats import chi2

from api.evaluation.judging import ALWAYS, CLOCK, COLUMNS, DETECTOR, NEVER, RANDOM, row_of
from api.evaluation.report import Cell, Column, Form, Section, Target, Words
from api.evaluation.staging import (
    HOUR_S,
    MUST_STAY_SILENT,
    Staging,
    UnitRun,
    growing_staging,
    judged_faults,
    sudden_staging,
    wear_staging,
)
from api.pages.wording import KIND_TITLES
from api.translations import msgid
from models.equipment import Kind
from models.evaluation import baselines
from models.evaluation.measures import bootstrap_share, measures_of
from models.evaluation.spans import JudgedSeries
from models.reading import Bools
from simulators.faults import nature_of

HELD_OUT_SEED = 90_000
"""Nothing was tuned on worlds of these seeds."""
WORLDS = 2
RUNS = 2
"""Units of each fault in each world."""
HEALTHY_UNITS: Mapping[Kind, int] = {Kind.ELEVATOR: 24, Kind.PUMP: 26, Kind.FIRE: 30}
"""In each of the worlds in which wear grows over weeks; with the weeks before faults four unit-years of each kind."""
S_PER_YEAR = 365.25 * 86_400
SUDDEN, GROWING = msgid("sudden"), msgid("growing")


def stagings(seed: int, *, is_quick: bool) -> list[Staging]:
    """The longest first, so that no process waits for it at the end."""
    if is_quick:
        return [Staging(Kind.ELEVATOR, HELD_OUT_SEED + seed, ("entrapment", "motor_overheating"), 1, 5 * HOUR_S)]
    base = HELD_OUT_SEED + 100 * seed
    wear = [
        wear_staging(kind, base + 40 + world, runs=RUNS, sudden_runs=1, healthy_units=HEALTHY_UNITS[kind])
        for kind in (Kind.PUMP, Kind.ELEVATOR, Kind.FIRE)
        for world in range(WORLDS)
    ]
    growing = [growing_staging(kind, base + 20 + world, runs=RUNS) for kind in Kind for world in range(WORLDS)]
    sudden = [sudden_staging(kind, base + world, runs=RUNS) for kind in Kind for world in range(WORLDS)]
    return [*wear, *growing, *sudden]


def fault_section(results: Sequence[Sequence[UnitRun]], *, seed: int) -> Section:
    """A row for each fault of each kind, as it comes at once and as it grows."""
    runs, rng = list(chain.from_iterable(results)), np.random.default_rng(seed)
    rows = tuple(_fault_rows(runs, rng))
    told = [row for row in rows if not isinstance(row["found"], str)]
    asked = [row for row in told if nature_of(str(row["fault"])) == "fault"]
    worst = min(_value(row["found"]) for row in asked) if asked else math.nan
    missed = ", ".join(f"{row['kind']}/{row['fault']} ({row['staging']})" for row in told if _value(row["found"]) < 0.9)
    about = [
        Words(
            msgid(
                "Every fault that can be staged, each on units of its own, in worlds of held-out seeds from %(seed)s "
                "on. Found is what opened a ticket while the fault lasted, by a rule or by a detector; the lead is the "
                "time from the ticket to the full severity. Sudden faults last ten hours; growing ones are full after "
                "twenty and last six more. Wear comes between day 15 and 17 of the life of a unit, grows over ten "
                "days or is there at once, and lasts to the end of day 33."
            ),
            {"seed": HELD_OUT_SEED + 100 * seed},
        ),
        Words(msgid("The faults, the physics and the rules come from the same house: this flatters the rules.")),
        Words(
            msgid(
                "The aim is for faults of the machine. A sensor that falls silent while its unit speaks is listed, but "
                "nobody is called for it at once."
            )
        ),
    ]
    if missed:
        about.append(Words(msgid("Found in less than 90 %% of the runs: %(faults)s."), {"faults": missed}))
    return Section(
        "simulated_faults",
        msgid("Simulated faults"),
        is_simulated=True,
        columns=(
            Column("kind", msgid("kind"), Form.NAME),
            Column("fault", msgid("fault"), Form.NAME),
            Column("staging", msgid("comes"), Form.NAME),
            Column("found", msgid("found"), Form.PERCENT),
            Column("by_rule", msgid("by a rule"), Form.PERCENT),
            Column("by_detector", msgid("by a detector"), Form.PERCENT),
            Column("delay_median_s", msgid("delay, median"), Form.DURATION),
            Column("lead_median_s", msgid("lead, median"), Form.DURATION),
            Column("conditions", msgid("told as"), Form.NAME, is_brief=False),
        ),
        rows=rows,
        targets=(
            Target(
                Words(msgid("event recall of the worst fault of a machine")),
                "≥ 0.9",
                worst,
                Form.PERCENT,
                None if math.isnan(worst) else worst >= 0.9,
            ),
        ),
        about=tuple(about),
        charted=("found",),
    )


def false_alarm_section(results: Sequence[Sequence[UnitRun]], *, seed: int) -> Section:
    """A row for each kind and method, on all simulated units together."""
    runs, rng = list(chain.from_iterable(results)), np.random.default_rng(seed)
    rows: list[dict[str, Cell]] = []
    targets, told = [], []
    for kind in Kind:
        of_kind = [run for run in runs if run.kind is kind]
        if not of_kind:
            continue
        alarms = [code for run in of_kind for code in run.false_conditions]
        years = sum(run.healthy_s for run in of_kind) / S_PER_YEAR
        rate = len(alarms) / years
        # Exact Poisson interval (Garwood 1936).
        most = float(chi2.ppf(0.975, 2 * len(alarms) + 2)) / 2 / years
        for method, series in _methods(of_kind, rng):
            measures = measures_of(series, rng=rng)
            row = {"kind": KIND_TITLES[kind], **row_of(method, measures)}
            if method == DETECTOR:
                row |= {"healthy_years": years, "per_year": rate, "per_year_most": most}
            rows.append(row)
        measure = Words(
            msgid("false alarms per unit-year, %(kind)s (95 %% surely below %(most)s)"),
            {"kind": KIND_TITLES[kind], "most": f"{most:.1f}"},
        )
        targets.append(Target(measure, "≤ 1", rate, Form.DECIMAL, _is_at_most_one(rate, most)))
        if alarms:
            counts = ", ".join(f"{code} {alarms.count(code)}" for code in sorted(set(alarms)))
            values = {"kind": KIND_TITLES[kind], "counts": counts}
            told.append(Words(msgid("False alarms of %(kind)s: %(counts)s."), values))
    kept = {"method", "recall", "normal_alarm_share", "missed_share", "delay_median_s"}
    return Section(
        "simulated_false_alarms",
        msgid("Simulated units: false alarms, and the baselines"),
        is_simulated=True,
        columns=(
            Column("kind", msgid("kind"), Form.NAME),
            *(column for column in COLUMNS if column.key in kept),
            Column("per_year", msgid("false tickets per unit-year")),
            Column("per_year_most", msgid("at most (95 %)")),
            Column("healthy_years", msgid("healthy unit-years"), is_brief=False),
        ),
        rows=tuple(rows),
        targets=tuple(targets),
        about=(
            Words(
                msgid(
                    "Counted is what opens a ticket at a unit before anything is wrong with it: healthy units over "
                    "five weeks from their first reading on, with showers, visits and held doors, and the time before "
                    "each fault. A few unit-years cannot prove a rate below one a year: see the upper limit."
                )
            ),
            Words(
                msgid(
                    "The baselines are judged by the minute on the same units. The clock knows when the faults of the "
                    "other units of its kind began, which is much, as all of a staging begin within two hours or days."
                )
            ),
            *told,
        ),
        charted=("normal_alarm_share",),
    )


def _fault_rows(runs: Sequence[UnitRun], rng: np.random.Generator) -> Iterator[Mapping[str, Any]]:
    for kind in Kind:
        for is_growing in (False, True):
            for fault in judged_faults(kind):
                chosen = [r for r in runs if r.kind is kind and r.fault == fault and r.is_growing == is_growing]
                if chosen:
                    yield _fault_row(kind, fault, chosen, rng)


def _fault_row(kind: Kind, fault: str, runs: Sequence[UnitRun], rng: np.random.Generator) -> Mapping[str, Any]:
    row: dict[str, Any] = {
        "kind": KIND_TITLES[kind],
        "fault": fault,
        "staging": GROWING if runs[0].is_growing else SUDDEN,
    }
    if (kind, fault) in MUST_STAY_SILENT:
        is_quiet = not any(run.false_conditions for run in runs)
        return row | {"found": msgid("rightly silent") if is_quiet else msgid("wrongly told")}
    delays, leads = (_known([getattr(run, name) for run in runs]) for name in ("delay_s", "lead_s"))
    return row | {
        "found": bootstrap_share(_hits([bool(run.conditions) for run in runs]), rng=rng),
        "by_rule": bootstrap_share(_hits([run.is_by_rule for run in runs]), rng=rng),
        "by_detector": bootstrap_share(_hits([run.is_by_detector for run in runs]), rng=rng),
        "delay_median_s": float(np.median(delays)) if delays else math.nan,
        "lead_median_s": float(np.median(leads)) if leads else math.nan,
        "conditions": ", ".join(sorted({code for run in runs for code in run.conditions})),
    }


def _methods(runs: Sequence[UnitRun], rng: np.random.Generator) -> Iterator[tuple[str, list[JudgedSeries]]]:
    own = [run.judged for run in runs]
    yield DETECTOR, own
    yield ALWAYS, [_as(series, np.ones_like(series.labels)) for series in own]
    yield NEVER, [_as(series, np.zeros_like(series.labels)) for series in own]
    yield RANDOM, [_as(series, baselines.shuffled(series.in_alarm, rng=rng).in_alarm) for series in own]
    yield (
        CLOCK,
        [
            _as(run.judged, baselines.clock(len(run.judged.labels), _others(runs, place)).in_alarm)
            for place, run in enumerate(runs)
        ],
    )


def _is_at_most_one(rate: float, most: float) -> bool | None:
    """None while too little was watched to say."""
    return False if rate > 1.0 else True if most <= 1.0 else None


def _others(runs: Sequence[UnitRun], place: int) -> list[Bools]:
    """Labels of the other units that had a fault and were watched for as long."""
    rows = len(runs[place].judged.labels)
    others = (run.judged.labels for number, run in enumerate(runs) if number != place)
    return [labels for labels in others if len(labels) == rows and labels.any()]


def _as(series: JudgedSeries, in_alarm: Bools) -> JudgedSeries:
    return JudgedSeries(series.labels, in_alarm, series.step_s)


def _hits(each: Sequence[bool]) -> Bools:
    return np.array(each, dtype=bool)


def _known(numbers: Sequence[float]) -> list[float]:
    return [number for number in numbers if not math.isnan(number)]


def _value(share: Any) -> float:
    return float(share.value)
