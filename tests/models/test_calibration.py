"""Limits from fit rows: what few, correlated rows can prove."""

import numpy as np
import pytest
from scipy.stats import norm, t

from models.calibration import Budget, chance_limit, folds, independent_rows, normal_equivalent


def test_white_noise_counts_fully_and_a_random_walk_hardly_at_all() -> None:
    noise = np.random.default_rng(3).normal(size=(150, 2))
    counted = independent_rows(np.column_stack([noise[:, 0], np.cumsum(noise[:, 1])]))
    assert counted[0] > 100
    assert counted[1] < 8


def test_an_average_over_ten_rows_leaves_about_a_twentieth_of_them() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=3000)
    smoothed = np.empty_like(noise)
    level = 0.0
    for row, value in enumerate(noise):
        level += (value - level) / 10
        smoothed[row] = level
    counted = independent_rows(smoothed[:, None])[0]
    # The integrated autocorrelation time of an exponential average over n rows is 2n - 1.
    assert 3000 / 19 / 1.6 < counted < 3000 / 19 * 1.6


@pytest.mark.parametrize("degrees", [3.0, 8.0, 30.0, 150.0])
@pytest.mark.parametrize("distance", [1.0, 2.5, 5.0])
def test_the_normal_equivalent_is_as_unlikely_as_students_t(degrees: float, distance: float) -> None:
    exact = norm.isf(t.sf(distance, degrees))
    found = np.sqrt(normal_equivalent(np.array(distance**2), np.array(degrees)))
    assert found == pytest.approx(exact, rel=0.02)


def test_more_channels_share_one_budget() -> None:
    limits = [chance_limit(Budget(), channels) for channels in (1, 8, 40)]
    assert limits == sorted(limits)
    assert norm.sf(np.sqrt(limits[0])) * 2 == pytest.approx(Budget().chance)


def test_folds_are_contiguous_and_leave_out_what_they_test() -> None:
    parts = list(folds(20, 3, first=2))
    tested = np.concatenate([np.arange(20)[part] for part, _ in parts])
    assert tested.tolist() == list(range(2, 20))
    for part, others in parts:
        assert not others[part].any()
        assert not others[:2].any()
        assert others.sum() == 18 - len(np.arange(20)[part])
