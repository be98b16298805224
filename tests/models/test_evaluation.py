"""The measures of the detection report, each against an example that can be worked out by hand."""

import math

import numpy as np
import pytest

from models.evaluation import baselines
from models.evaluation.batadal import batadal_score
from models.evaluation.measures import S_PER_MONTH, bootstrap_share, measures_of
from models.evaluation.nab import normalised, raw_score
from models.evaluation.spans import JudgedSeries, Span, event_outcome, spans_of
from models.evaluation.vus import range_auc_pr, vus_pr
from models.reading import Bools


def rows(text: str) -> Bools:
    """`#` is a true row, anything else is not."""
    return np.array([character == "#" for character in text], dtype=bool)


def test_an_event_is_found_by_any_row_in_alarm_and_its_delay_runs_from_its_beginning() -> None:
    judged = JudgedSeries(rows("..####...###.."), rows("#...#####....."), step_s=10.0)
    outcome = event_outcome(judged)
    assert outcome.is_found.tolist() == [True, False]
    assert outcome.delay_s[0] == 20.0
    assert math.isnan(outcome.delay_s[1])
    assert outcome.is_true_alarm.tolist() == [False, True]


def test_measures_pool_the_rows_and_events_of_all_series() -> None:
    series = [
        JudgedSeries(rows("..##..."), rows("...##.#"), step_s=60.0),
        JudgedSeries(rows("##....."), rows("......."), step_s=60.0),
    ]
    measures = measures_of(series, rng=np.random.default_rng(1))
    # By hand: 1 hit, 3 missed, 2 false, 8 quiet rows; alarms are one true, one false; 10 normal minutes.
    assert (measures.recall.hits, measures.recall.of) == (1, 2)
    assert (measures.precision.hits, measures.precision.of) == (1, 2)
    assert measures.normal_alarm_share == pytest.approx(2 / 10)
    assert measures.missed_share == pytest.approx(3 / 4)
    assert measures.f1 == pytest.approx(2 / 7)
    assert measures.false_alarms_per_month == pytest.approx(S_PER_MONTH / 600)
    assert measures.delay_median_s == measures.delay_p90_s == 60.0


def test_the_bootstrap_interval_is_that_of_the_binomial() -> None:
    share = bootstrap_share(np.arange(100) < 80, rng=np.random.default_rng(3))
    # 0.80 with a standard error of 0.04.
    assert (share.low, share.high) == (pytest.approx(0.72, abs=0.02), pytest.approx(0.875, abs=0.02))


def test_nothing_to_count_is_told_as_unknown_and_not_as_nought() -> None:
    measures = measures_of([JudgedSeries(rows("..."), rows("..."), step_s=1.0)], rng=np.random.default_rng(1))
    assert math.isnan(measures.recall.value)
    assert math.isnan(measures.delay_median_s)
    assert measures.normal_alarm_share == 0.0


def test_the_s_score_is_that_of_the_published_formula() -> None:
    # Found after 1 of 4 hours: S_TTD 0.75. TPR 3/4 and TNR 5/6: S_CLF 0.7917.
    assert batadal_score(rows("..####...."), rows("#..###....")) == pytest.approx(0.5 * 0.75 + 0.5 * (0.75 + 5 / 6) / 2)
    assert batadal_score(rows("..####...."), rows("##########")) == 0.75


def test_nab_scores_early_detections_higher_and_distant_false_ones_worst() -> None:
    window = [Span(10, 20)]
    assert raw_score([12], window) > raw_score([19], window) > raw_score([], window) == -1.0
    assert raw_score([10, 12, 15], window) == raw_score([10], window)
    assert raw_score([10, 21], window) > raw_score([10, 60], window) == pytest.approx(1.0 - 0.11)
    assert (normalised(-2.0, 2), normalised(2.0, 2)) == (0.0, 100.0)
    # Half-way through the window: 2 / (1 + e^-2.5) - 1, over that of its beginning.
    assert raw_score([15], window) == pytest.approx((2 / (1 + math.exp(-2.5)) - 1) / (2 / (1 + math.exp(-5)) - 1))


def test_the_area_without_a_buffer_is_the_average_precision() -> None:
    labels = rows(".#.#")
    # Ranked: hit, miss, hit, miss. As both rows are events of their own, recall is also scaled by the events told:
    # 1/2 * 1/2 at precision 1, then 1 at precision 2/3.
    area = range_auc_pr(np.array([0.3, 0.9, 0.8, 0.5]), labels, buffer_rows=0)
    third = range_auc_pr(np.array([0.1, 0.9, 0.8, 0.5]), labels, buffer_rows=0)
    assert third == pytest.approx(0.25 * 1.0 + 0.75 * 2 / 3)
    assert area == third


def test_a_row_beside_an_event_counts_by_the_root_of_its_nearness() -> None:
    labels = rows("...#...")
    near, far = (np.eye(7)[place] for place in (2, 0))
    # Buffer 4: the neighbours count sqrt(3/4) and sqrt(1/2), positives are (1 + 1 + 2 * (0.866 + 0.707)) / 2.
    weight, positives = math.sqrt(0.75), (2 + 2 * (math.sqrt(0.75) + math.sqrt(0.5))) / 2
    first = weight / positives * weight
    assert range_auc_pr(near, labels, buffer_rows=4) > first
    assert range_auc_pr(near, labels, buffer_rows=4) > range_auc_pr(far, labels, buffer_rows=4)


def test_a_perfect_score_has_a_larger_volume_than_noise_and_a_constant_one() -> None:
    labels = rows("." * 300 + "#" * 100 + "." * 300)
    noise = np.random.default_rng(1).random(700)
    perfect, random, flat = (vus_pr(score, labels) or 0.0 for score in (labels.astype(float), noise, np.zeros(700)))
    assert perfect > 0.8
    assert random < 0.35
    assert flat < 0.35
    assert vus_pr(noise, rows("." * 700)) is None


def test_the_random_baseline_is_in_alarm_just_as_often() -> None:
    in_alarm = rows("..###....#......")
    moved = baselines.shuffled(in_alarm, rng=np.random.default_rng(5)).in_alarm
    assert moved.sum() == in_alarm.sum()
    assert moved.tolist() != in_alarm.tolist()


def test_the_clock_learns_from_the_others_where_events_are() -> None:
    judged = baselines.clock(6, [rows("..##.."), rows("..#..."), rows("....")])
    assert judged.in_alarm.tolist() == rows("..#...").tolist()


def test_the_windowed_gaussian_measures_against_what_came_before() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(500, 1))
    values[450] = 9.0
    judged = baselines.windowed_gaussian(values[:200], values[200:])
    assert judged.in_alarm[250]
    assert judged.in_alarm.sum() < 10
    # The past alone: mean and spread of the 450 rows before.
    past = values[:450, 0]
    assert judged.anomaly_score[250] == pytest.approx(abs(9.0 - past.mean()) / past.std())


def test_the_isolation_forest_takes_its_limit_from_the_fit_rows() -> None:
    rng = np.random.default_rng(2)
    fit, values = rng.normal(size=(300, 2)), rng.normal(size=(200, 2))
    values[50] = [8.0, -8.0]
    values[60, 0] = np.nan
    judged = baselines.isolation_forest(fit, values, seed=1)
    assert judged.in_alarm[50]
    assert judged.in_alarm.sum() < 20


def test_stretches_at_the_edges_are_stretches() -> None:
    assert spans_of(rows("##..#")) == [Span(0, 2), Span(4, 5)]
    assert spans_of(rows("....")) == []
