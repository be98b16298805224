"""The measures of a method over all series of a data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.spans import JudgedSeries, event_outcome
from models.reading import Bools, Floats

BOOTSTRAP_DRAWS = 2000
S_PER_MONTH = 30.44 * 86_400


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`, with the 95 % interval of the bootstrap; NaN where there is nothing to count."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.hits / self.of if self.of else math.nan


@dataclass(frozen=True, slots=True)
class Measures:
    """NaN where a measure has nothing to go by. `normal_alarm_share` is the pointwise false-alarm rate."""

    recall: Share
    precision: Share
    delay_median_s: float
    delay_p90_s: float
    false_alarms: int
    false_alarms_per_month: float
    normal_alarm_share: float
    missed_share: float
    f1: float
    vus_pr: float


def bootstrap_share(is_hit: Bools, *, rng: np.random.Generator) -> Share:
    """Percentile bootstrap (Efron 1979) over the events; 2,000 draws."""
    count = len(is_hit)
    if not count:
        return Share(0, 0, math.nan, math.nan)
    drawn = is_hit[rng.integers(0, count, (BOOTSTRAP_DRAWS, count))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Share(int(is_hit.sum()), count, float(low), float(high))


def measures_of(series: Sequence[JudgedSeries], *, rng: np.random.Generator) -> Measures:
    """Events, alarms and rows of all series are pooled; months are counted in normal time only.

    Pointwise measures follow the protocol of SKAB's leaderboard: false alarms FP / (FP + TN), missed FN / (FN + TP).
    """
    outcomes = [event_outcome(judged) for judged in series]
    labels = _joined([judged.labels for judged in series])
    in_alarm = _joined([judged.in_alarm for judged in series])
    delays: Floats = np.concatenate([outcome.delay_s for outcome in outcomes]) if outcomes else np.zeros(0)
    delays = delays[~np.isnan(delays)]
    is_true = _joined([outcome.is_true_alarm for outcome in outcomes])
    false_alarms = int(np.count_nonzero(~is_true))
    months = sum(float(np.count_nonzero(~judged.labels)) * judged.step_s for judged in series) / S_PER_MONTH
    hit, false = int((in_alarm & labels).sum()), int((in_alarm & ~labels).sum())
    missed, quiet = int((~in_alarm & labels).sum()), int((~in_alarm & ~labels).sum())
    volumes = [judged.vus_pr for judged in series if judged.vus_pr is not None]
    return Measures(
        recall=bootstrap_share(_joined([outcome.is_found for outcome in outcomes]), rng=rng),
        precision=bootstrap_share(is_true, rng=rng),
        delay_median_s=float(np.median(delays)) if len(delays) else math.nan,
        delay_p90_s=float(np.quantile(delays, 0.9)) if len(delays) else math.nan,
        false_alarms=false_alarms,
        false_alarms_per_month=_ratio(false_alarms, months),
        normal_alarm_share=_ratio(false, false + quiet),
        missed_share=_ratio(missed, missed + hit),
        f1=_ratio(2 * hit, 2 * hit + false + missed) if hit + missed else math.nan,
        vus_pr=float(np.mean(volumes)) if volumes else math.nan,
    )


def _joined(parts: Sequence[Bools]) -> Bools:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
