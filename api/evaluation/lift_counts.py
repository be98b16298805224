"""The section on counted outages of lifts: forecasts from the first half of the months, judged on the second."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from api.commands.csv_table import BadLine, TableRefused, read_table
from api.evaluation.judging import DETECTOR
from api.evaluation.report import Cell, Column, Form, Section, Target, Words, written
from api.translations import msgid
from models.count_forecast import fit_counts, forecast_counts
from models.evaluation.counts import CountMeasures, count_measures, fleet_mean, gamma_poisson, raw_rate
from models.reading import Floats, Ints
from models.reliability import fit_fleet

FOLDER = "mta"
TITLE = msgid("MTA: outages of subway lifts by month")
COUNTED = {
    "unscheduled outages": msgid("unscheduled outages"),
    "entrapments": msgid("entrapments"),
}
HOURS_PER_DAY = 24
COVERED_FROM, COVERED_TO = 0.93, 0.97
FLEET_MEAN, RAW_RATE = msgid("fleet mean"), msgid("raw rate")
RANK = msgid("gamma-Poisson (liandong rank)")

COLUMNS = (
    Column("counted", msgid("counted"), Form.NAME),
    Column("method", msgid("method"), Form.NAME),
    Column("log_loss", msgid("negative log-likelihood a lift")),
    Column("covered", msgid("within the 95 % range"), Form.PERCENT),
    Column("width", msgid("width of the range, median"), Form.COUNT),
)


@dataclass(frozen=True, slots=True)
class LiftMonths:
    """Counts and exposure of lifts by month, shapes (lifts, months)."""

    counted: str
    faults: Ints
    exposure_days: Floats


@dataclass(frozen=True, slots=True)
class JudgedCounts:
    """`lifts` had exposure in both halves."""

    counted: str
    lifts: int
    months: int
    faults: int
    measures: dict[str, CountMeasures]


def lift_months(data_dir: Path | None, *, is_quick: bool) -> list[LiftMonths]:
    """What was counted of elevators, from the first file of the folder. Nothing where it is not there.

    Raises TableRefused.
    """
    paths = sorted((data_dir / FOLDER).glob("availability*.csv")) if data_dir is not None else []
    if not paths:
        return []
    columns = ("month", "equipment type", "equipment code", *COUNTED, "24-hour total hours")
    rows = [
        (line, cells) for line, cells in read_table(paths[0], columns) if cells["equipment type"].lower() == "elevator"
    ]
    bad = [BadLine(line, "has a month or a number that cannot be read") for line, cells in rows if not _is_told(cells)]
    if bad or not rows:
        raise TableRefused(paths[0], bad or [BadLine(2, "there is no elevator")])
    lifts = sorted({cells["equipment code"] for _, cells in rows})
    months = sorted({_month(cells["month"]) for _, cells in rows})
    place = {lift: number for number, lift in enumerate(lifts)}
    faults = {name: np.zeros((len(lifts), len(months)), dtype=np.int64) for name in COUNTED}
    days = np.zeros((len(lifts), len(months)))
    for _, cells in rows:
        at = place[cells["equipment code"]], months.index(_month(cells["month"]))
        days[at] += float(cells["24-hour total hours"] or 0) / HOURS_PER_DAY
        for name in COUNTED:
            faults[name][at] += int(float(cells[name] or 0))
    return [LiftMonths(name, faults[name], days) for name in list(COUNTED)[: 1 if is_quick else None]]


def judge_counts(told: LiftMonths, seed: int) -> JudgedCounts:
    """Fits on the first half of the months, forecasts the sum of the second."""
    rng = np.random.default_rng(seed)
    half = told.faults.shape[1] // 2
    days, ahead = told.exposure_days[:, :half], told.exposure_days[:, half:].sum(axis=1)
    is_known = (days.sum(axis=1) > 0) & (ahead > 0)
    faults, days, ahead = told.faults[is_known, :half], days[is_known], ahead[is_known]
    came = told.faults[is_known, half:].sum(axis=1)
    total, exposure = faults.sum(axis=1), days.sum(axis=1)
    most = int(max(came.max(), 3 * (total / exposure * ahead).max())) + 100
    forecasts = {
        DETECTOR: forecast_counts(fit_counts(faults, days), ahead, most=most),
        RANK: gamma_poisson(fit_fleet(total, exposure), total, exposure, ahead, most=most),
        RAW_RATE: raw_rate(total, exposure, ahead, most=most),
        FLEET_MEAN: fleet_mean(total, exposure, ahead, most=most),
    }
    measures = {name: count_measures(forecast, came, rng=rng) for name, forecast in forecasts.items()}
    return JudgedCounts(told.counted, len(came), half, int(came.sum()), measures)


def lift_count_section(results: Sequence[JudgedCounts]) -> Section:
    """Beside the forecast: the fleet's mean and the raw rate, as Poisson counts."""
    if not results:
        absent = Words(msgid("There is no folder %(folder)s with this data; --data names it."), {"folder": FOLDER})
        return Section("mta", TITLE, is_simulated=False, missing=absent)
    rows: list[dict[str, Cell]] = []
    targets: list[Target] = []
    for judged in results:
        counted = COUNTED[judged.counted]
        for name, measures in judged.measures.items():
            told: dict[str, Any] = {key: getattr(measures, key) for key in ("log_loss", "covered", "width")}
            rows.append({"counted": counted, "method": name, **told})
        targets += _targets(judged, counted)
    first = results[0]
    return Section(
        "mta",
        TITLE,
        is_simulated=False,
        columns=COLUMNS,
        rows=tuple(rows),
        targets=tuple(targets),
        about=(
            Words(
                msgid(
                    "%(lifts)s lifts: fitted on the first %(months)s months, judged on what was counted in all that "
                    "followed. The order of units is hardly better than that of the raw counts; what is better is how "
                    "sure one can be of the numbers."
                ),
                {"lifts": first.lifts, "months": first.months},
            ),
            Words(msgid("Lifts of a subway, heavily used: they say nothing of how often residential lifts fail.")),
        ),
        charted=("log_loss",),
    )


def _targets(judged: JudgedCounts, counted: str) -> list[Target]:
    own, mean, raw = (judged.measures[name] for name in (DETECTOR, FLEET_MEAN, RAW_RATE))
    rival = min(mean.log_loss, raw.log_loss)
    share = own.covered.value
    return [
        Target(
            Words(
                msgid("negative log-likelihood a lift, %(counted)s, against fleet mean and raw rate"),
                {"counted": counted},
            ),
            f"< {written(rival, Form.DECIMAL)}",
            own.log_loss,
            Form.DECIMAL,
            own.log_loss < rival,
        ),
        covered_target(Words(msgid("counts within the 95 %% range, %(counted)s"), {"counted": counted}), share),
    ]


def covered_target(measure: Words, share: float) -> Target:
    """An interval that says 95 % should hold neither much less nor much more."""
    is_reached = None if math.isnan(share) else COVERED_FROM <= share <= COVERED_TO
    return Target(measure, "93-97 %", share, Form.PERCENT, is_reached)


def _is_told(cells: dict[str, str]) -> bool:
    try:
        _month(cells["month"])
        numbers = [float(cells[name] or 0) for name in (*COUNTED, "24-hour total hours")]
    except ValueError:
        return False
    return all(math.isfinite(number) and number >= 0 for number in numbers)


def _month(text: str) -> tuple[int, int]:
    form = "%m/%d/%Y" if "/" in text else "%Y-%m-%d"
    moment = datetime.strptime(text[:10], form)  # noqa: DTZ007 - a month, no moment
    return moment.year, moment.month
