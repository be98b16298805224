"""Forecasts of counts: wider than Poisson where rates change, and right as often as they say."""

import numpy as np
import pytest

from models.count_forecast import fit_counts, forecast_counts
from models.reading import Ints

UNITS, MONTH_DAYS = 300, 30.4


def counts(*, month_shape: float | None, seed: int = 3) -> tuple[Ints, Ints]:
    """Three months to fit on, shape (units, 3), and the quarter that followed, in which a change lasts."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.0, 1.0, UNITS)
    factor = np.ones((UNITS, 4)) if month_shape is None else rng.gamma(month_shape, 1 / month_shape, (UNITS, 4))
    return rng.poisson(rate[:, None] * factor[:, :3]), rng.poisson(3 * rate * factor[:, 3])


@pytest.mark.parametrize("month_shape", [None, 3.0])
def test_the_range_holds_what_then_comes_as_often_as_it_says(month_shape: float | None) -> None:
    fitted, then = counts(month_shape=month_shape)
    forecast = forecast_counts(
        fit_counts(fitted, np.full(fitted.shape, MONTH_DAYS)), np.full(UNITS, 3 * MONTH_DAYS), most=200
    )
    covered = np.mean((then >= forecast.low) & (then <= forecast.high))
    assert 0.92 < covered < 0.99
    assert np.allclose(forecast.probability.sum(axis=1), 1)


def test_it_tells_more_than_the_fleets_mean_and_than_the_raw_rate() -> None:
    fitted, then = counts(month_shape=3.0)
    days = np.full(UNITS, 3 * MONTH_DAYS)
    forecast = forecast_counts(fit_counts(fitted, np.full(fitted.shape, MONTH_DAYS)), days, most=200)

    def poisson(mean: object) -> float:
        expected = np.broadcast_to(np.asarray(mean, dtype=float), UNITS)
        factorial = np.array([np.log(np.arange(1, n + 1)).sum() for n in then])
        return float(np.mean(then * np.log(expected) - expected - factorial))

    told = forecast.log_probability(then).mean()
    assert told > poisson(fitted.sum() / UNITS)
    assert told > poisson(np.maximum(fitted.sum(axis=1), 0.5))


def test_a_month_without_exposure_says_nothing() -> None:
    fitted, _ = counts(month_shape=None)
    days = np.full(fitted.shape, MONTH_DAYS)
    days[:, 1] = 0.0
    other = fitted.copy()
    other[:, 1] = 0
    first, second = (fit_counts(told, days) for told in (fitted * (days > 0).astype(int), other))
    assert np.allclose(first.weight, second.weight)


def test_one_period_is_too_little() -> None:
    with pytest.raises(ValueError, match="two periods"):
        fit_counts(np.array([[1], [2]]), np.array([[30.0], [30.0]]))
