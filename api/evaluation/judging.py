"""Every case judged by the detector and by all baselines, on the same rows and by the same measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from api.evaluation.cases import Case
from api.evaluation.report import Cell, Column, Form
from api.translations import msgid
from models.detectors.contract import DetectorError
from models.detectors.lagged_pca import LaggedPca
from models.detectors.series import judge_series
from models.evaluation import baselines
from models.evaluation.baselines import Judgement
from models.evaluation.measures import Measures, measures_of
from models.evaluation.spans import JudgedSeries
from models.evaluation.vus import vus_pr
from models.reading import Bools

DETECTOR = "liandong"
ALWAYS, NEVER, RANDOM = msgid("always on"), msgid("never on"), msgid("random, as often")
CLOCK, FOREST, GAUSSIAN = msgid("clock"), msgid("isolation forest"), msgid("windowed Gaussian")
METHODS = (DETECTOR, ALWAYS, NEVER, RANDOM, CLOCK, FOREST, GAUSSIAN)

COLUMNS = (
    Column("method", msgid("method"), Form.NAME),
    Column("recall", msgid("events found"), Form.PERCENT),
    Column("precision", msgid("alarms that are true"), Form.PERCENT, is_brief=False),
    Column("delay_median_s", msgid("delay, median"), Form.DURATION),
    Column("delay_p90_s", msgid("delay, 90 %"), Form.DURATION, is_brief=False),
    Column("false_alarms", msgid("false alarms"), Form.COUNT),
    Column("false_alarms_per_month", msgid("false alarms per unit-month"), is_brief=False),
    Column("normal_alarm_share", msgid("normal time in alarm"), Form.PERCENT),
    Column("missed_share", msgid("missed rows"), Form.PERCENT),
    Column("f1", msgid("F1 of rows"), is_brief=False),
    Column("vus_pr", "VUS-PR"),
)


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """One case by all methods but the clock, which needs the other cases. `refused`: why there was no detector."""

    case_name: str
    judgements: Mapping[str, Judgement]
    volumes: Mapping[str, float | None]
    labels: Bools
    step_s: float
    refused: str = ""

    def series(self, method: str) -> JudgedSeries:
        return JudgedSeries(self.labels, self.judgements[method].in_alarm, self.step_s, self.volumes[method])


def judge_case(case: Case, *, seed: int) -> JudgedCase:
    """Fits on the fit rows only; one configuration for all data. A case that cannot be fitted is never in alarm."""
    rng, rows, refused = np.random.default_rng(seed), len(case.values), ""
    detector = LaggedPca(case.channels)
    try:
        detector.fit(0, case.fit)
    except DetectorError as error:
        refused = str(error)
        own = Judgement(np.full(rows, np.nan), np.zeros(rows, dtype=bool))
    else:
        judged = judge_series(detector, case.values, follows_gap=case.follows_gap)
        own = Judgement(judged.anomaly_score / judged.threshold, judged.is_anomalous)
    judgements = {
        DETECTOR: own,
        ALWAYS: baselines.constant(rows, in_alarm=True),
        NEVER: baselines.constant(rows, in_alarm=False),
        RANDOM: baselines.shuffled(own.in_alarm, rng=rng),
        FOREST: baselines.isolation_forest(case.fit, case.values, seed=seed),
        GAUSSIAN: baselines.windowed_gaussian(case.fit, case.values),
    }
    volumes = {name: vus_pr(each.anomaly_score, case.labels) for name, each in judgements.items()}
    return JudgedCase(case.name, judgements, volumes, case.labels, case.step_s, refused)


def with_clock(cases: Sequence[JudgedCase]) -> list[JudgedCase]:
    """Adds the clock, which learned from the labels of all cases but the one it judges."""
    told = []
    for place, case in enumerate(cases):
        others = [other.labels for number, other in enumerate(cases) if number != place]
        judged = baselines.clock(len(case.labels), others)
        told.append(
            JudgedCase(
                case.case_name,
                {**case.judgements, CLOCK: judged},
                {**case.volumes, CLOCK: vus_pr(judged.anomaly_score, case.labels)},
                case.labels,
                case.step_s,
                case.refused,
            )
        )
    return told


def measured(cases: Sequence[JudgedCase], *, rng: np.random.Generator) -> dict[str, Measures]:
    """Measures of each method; the clock is left out where there are no others to learn from."""
    methods = [name for name in METHODS if cases and name in cases[0].judgements]
    return {name: measures_of([case.series(name) for case in cases], rng=rng) for name in methods}


def row_of(method: str, measures: Measures) -> dict[str, Cell]:
    return {"method": method} | {
        column.key: getattr(measures, column.key) for column in COLUMNS if column.key != "method"
    }
