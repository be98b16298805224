"""How firmly the figures on development data stand: the same runs with rows cut off, or fitted on fewer rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from api.evaluation.cases import Case, batadal_cases, free_cases, nab_cases, skab_cases
from api.evaluation.report import Cell, Column, Form, Section, Words
from api.translations import msgid
from models.detectors.contract import DetectorError
from models.detectors.lagged_pca import LaggedPca
from models.detectors.series import judge_series
from models.evaluation.batadal import batadal_score
from models.evaluation.measures import measures_of
from models.evaluation.spans import JudgedSeries

CUTS = "cuts"
FREE, BATADAL = msgid("SKAB, nothing wrong"), "BATADAL"
TITLE = msgid("Development data cut and fitted otherwise")
SKAB_FIRST = (0, 25, 50, 75, 100, 125, 150)
SKAB_FEWER_FIT_ROWS = (350, 300)
DRAWS, DRAWN_FIRST, DRAWN_LAST = 4, 120, 150
FREE_FIRST = {400: (0, 200, 500, 1000, 1500, 2000, 2500, 3000), 2000: (0, 500, 1000, 2000)}
BATADAL_FIT_FIRST, BATADAL_FROM = (0, 1000, 5000), (300, 800, 1500)
NAB_FIRST = (0, 50, 150)

COLUMNS = (
    Column("data", msgid("data"), Form.NAME),
    Column("fit_rows", msgid("fit rows"), Form.COUNT),
    Column("first", msgid("rows cut off at the beginning"), Form.NAME),
    Column("last", msgid("rows cut off at the end"), Form.NAME),
    Column("judged_from", msgid("judged from row"), Form.COUNT),
    Column("recall", msgid("events found"), Form.PERCENT),
    Column("false_alarms", msgid("false alarms"), Form.COUNT),
    Column("normal_alarm_share", msgid("normal time in alarm"), Form.PERCENT),
    Column("missed_share", msgid("missed rows"), Form.PERCENT),
    Column("s_score", "S"),
)
MEASURED = ("recall", "false_alarms", "normal_alarm_share", "missed_share")


@dataclass(frozen=True, slots=True)
class CutData:
    """The cases of one data set, all cut in the same way; `first` and `last` tell how many rows are gone.

    `judged_from`: so many of the rows after the fit rows are not judged.
    """

    data: str
    cases: tuple[Case, ...]
    first: str = "0"
    last: str = "0"
    judged_from: int = 0


@dataclass(frozen=True, slots=True)
class JudgedCut:
    """`cut` without its cases, which are large."""

    cut: CutData
    fit_rows: float
    series: tuple[JudgedSeries, ...]


def cut_ends(case: Case, *, first: int = 0, last: int = 0) -> Case:
    """The case as its file would give it without these rows: as many fit rows, which now end later."""
    fit_rows = len(case.fit)
    rows = slice(first, len(case.values) - last)
    return replace(
        case,
        fit=np.vstack([case.fit, case.values])[first : first + fit_rows],
        values=case.values[rows],
        labels=case.labels[rows],
        follows_gap=case.follows_gap[rows],
    )


def cut_data(data_dir: Path | None, seed: int, *, is_quick: bool) -> list[CutData]:
    """All that is to be judged; nothing of data that is not there. Raises ScoreRefused."""
    if data_dir is None:
        return []
    found = [*_skab(data_dir / "skab", seed), *_free(data_dir / "skab")]
    found += [*_batadal(data_dir / "batadal"), *_nab(data_dir / "nab")]
    found = [each for each in found if each.cases]
    return found[:2] if is_quick else found


def judge_cut(cut: CutData) -> JudgedCut:
    """By the detector alone; what cannot be fitted is never in alarm."""
    fit_rows = float(np.median([len(case.fit) for case in cut.cases]))
    return JudgedCut(replace(cut, cases=()), fit_rows, tuple(map(_judged, cut.cases)))


def cut_section(judged: Sequence[JudgedCut]) -> Section:
    if not judged:
        return Section(CUTS, TITLE, is_simulated=False, missing=Words(msgid("There is no data; --data names it.")))
    rng = np.random.default_rng(0)
    rows: list[dict[str, Cell]] = []
    for each in judged:
        cut, measures = each.cut, measures_of(each.series, rng=rng)
        told: dict[str, Cell] = {"data": cut.data, "fit_rows": each.fit_rows, "first": cut.first, "last": cut.last}
        told |= {"judged_from": cut.judged_from} | {key: getattr(measures, key) for key in MEASURED}
        if cut.data == BATADAL:
            told["s_score"] = batadal_score(each.series[0].labels, each.series[0].in_alarm)
        rows.append(told)
    about = Words(
        msgid(
            "Development data: rules were chosen with a view of it, so it says how firmly the figures stand, not how "
            "good they would be elsewhere. Fewer normal rows before an event make each false row weigh more."
        )
    )
    return Section(CUTS, TITLE, is_simulated=False, columns=COLUMNS, rows=tuple(rows), about=(about,))


def _judged(case: Case) -> JudgedSeries:
    detector = LaggedPca(case.channels)
    try:
        detector.fit(0, case.fit)
    except DetectorError:
        return JudgedSeries(case.labels, np.zeros(len(case.values), dtype=bool), case.step_s, None)
    judged = judge_series(detector, case.values, follows_gap=case.follows_gap)
    return JudgedSeries(case.labels, judged.is_anomalous, case.step_s, None)


def _skab(folder: Path, seed: int) -> list[CutData]:
    cases = skab_cases(folder)
    found = [
        CutData("SKAB", tuple(cut_ends(each, first=rows) for each in cases), first=str(rows)) for rows in SKAB_FIRST
    ]
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        ends = [(int(rng.integers(0, DRAWN_FIRST)), int(rng.integers(0, DRAWN_LAST))) for _ in cases]
        drawn = [cut_ends(each, first=first, last=last) for each, (first, last) in zip(cases, ends, strict=True)]
        found.append(CutData("SKAB", tuple(drawn), first=f"0-{DRAWN_FIRST}", last=f"0-{DRAWN_LAST}"))
    return found + [CutData("SKAB", tuple(skab_cases(folder, fit_rows=rows))) for rows in SKAB_FEWER_FIT_ROWS]


def _free(folder: Path) -> list[CutData]:
    return [
        CutData(FREE, (cut_ends(case, first=rows),), first=str(rows))
        for case in free_cases(folder)
        for rows in FREE_FIRST.get(len(case.fit), ())
        if rows < len(case.values)
    ]


def _batadal(folder: Path) -> list[CutData]:
    found = []
    for case in batadal_cases(folder):
        found += [
            CutData(BATADAL, (replace(case, fit=case.fit[rows:]),), first=str(rows)) for rows in BATADAL_FIT_FIRST
        ]
        for rows in BATADAL_FROM:
            gaps = case.follows_gap[rows:].copy()
            # Between the fit rows and these lies time of which nothing is told.
            gaps[:1] = True
            later = replace(case, values=case.values[rows:], labels=case.labels[rows:], follows_gap=gaps)
            found.append(CutData(BATADAL, (later,), judged_from=rows))
    return found


def _nab(folder: Path) -> list[CutData]:
    cases = nab_cases(folder)
    return [CutData("NAB", tuple(cut_ends(each, first=rows) for each in cases), first=str(rows)) for rows in NAB_FIRST]
