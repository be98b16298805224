"""Rates of units: drawn towards the fleet as far as little is known, with intervals that hold what they say."""

import numpy as np
import pytest
from scipy.stats import beta

from models.reading import Floats, Ints
from models.reliability import DAYS_PER_YEAR, change_of_rate, fit_fleet, rate_table

LIFTS = 94


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def compound(seed: int, *, days: float, shape: float = 1.5) -> tuple[Floats, Ints, Floats]:
    """True faults a year of 94 lifts, what was counted, and for how long."""
    drawing = rng(seed)
    rate = drawing.gamma(shape, 1.5 / shape, LIFTS)
    exposure = days * drawing.uniform(0.5, 1.0, LIFTS)
    return rate, drawing.poisson(rate * exposure / DAYS_PER_YEAR), exposure


def test_a_unit_stands_between_its_own_count_and_its_fleet_and_nearer_to_its_own_the_longer_it_was_watched() -> None:
    faults = np.array([0, 1, 2, 3, 2, 1, 6, 60])
    days = np.array([365.25] * 7 + [3652.5])
    table = rate_table(faults, days, rng=rng())
    fleet = fit_fleet(faults, days).rate_per_year
    raw = faults / days * DAYS_PER_YEAR
    assert raw[0] < table.rate_per_year[0] < fleet
    assert fleet < table.rate_per_year[6] < raw[6]
    assert abs(table.rate_per_year[7] - raw[7]) < abs(table.rate_per_year[6] - raw[6])
    assert (table.rate_low < table.rate_per_year).all()
    assert (table.rate_per_year < table.rate_high).all()


def test_with_much_exposure_the_interval_is_the_textbook_one_of_a_count() -> None:
    """100 faults in 50 years; the exact interval of Garwood (1936) is 1.63 to 2.43."""
    faults, days = np.array([100, 50, 200, 100, 25]), np.full(5, 50 * DAYS_PER_YEAR)
    table = rate_table(faults, days, rng=rng())
    assert table.rate_low[0] == pytest.approx(1.63, abs=0.03)
    assert table.rate_high[0] == pytest.approx(2.43, abs=0.03)


def test_the_same_counts_and_seed_give_the_same_table_and_order_is_by_rate() -> None:
    _, faults, days = compound(1, days=365)
    first, second = (rate_table(faults, days, rng=rng()) for _ in range(2))
    assert (first.rate_low == second.rate_low).all()
    assert sorted(first.rank) == list(range(1, LIFTS + 1))
    assert (np.diff(first.rate_per_year[np.argsort(first.rank)]) <= 0).all()


def test_the_probabilities_of_the_worst_tenth_are_those_of_as_many_units() -> None:
    _, faults, days = compound(2, days=700)
    table = rate_table(faults, days, rng=rng())
    assert table.p_worst_decile.sum() == pytest.approx(10, abs=0.05)
    assert table.p_worst_decile[np.argmin(table.rank)] > 0.5
    assert ((table.p_worst_decile >= 0) & (table.p_worst_decile <= 1)).all()


@pytest.mark.parametrize("days", [90.0, 1100.0])
def test_the_interval_covers_the_true_rate_as_often_as_it_says(days: float) -> None:
    covered = []
    for seed in range(8):
        rate, faults, exposure = compound(seed, days=days)
        table = rate_table(faults, exposure, rng=rng())
        covered.append(np.mean((table.rate_low <= rate) & (rate <= table.rate_high)))
    assert 0.90 < np.mean(covered) < 0.99


def test_without_exposure_a_unit_has_what_the_fleet_says_and_is_the_least_known() -> None:
    faults, days = np.array([3, 0, 2, 4, 0]), np.array([400.0, 400.0, 400.0, 400.0, 0.0])
    table = rate_table(faults, days, rng=rng())
    width = table.rate_high - table.rate_low
    assert table.rate_per_year[4] == pytest.approx(fit_fleet(faults, days).rate_per_year)
    assert width[4] == max(width)


def test_a_fleet_without_a_fault_has_low_rates_above_zero_and_nobody_is_worst() -> None:
    table = rate_table(np.zeros(20, dtype=np.int64), np.full(20, 100.0), rng=rng())
    assert (table.rate_per_year > 0).all()
    assert (table.rate_high < 1.5).all()
    assert np.ptp(table.p_worst_decile) < 0.03


def test_one_unit_alone_has_its_own_count() -> None:
    table = rate_table(np.array([4]), np.array([DAYS_PER_YEAR]), rng=rng())
    assert 2.5 < table.rate_per_year[0] < 5.5
    assert table.p_worst_decile[0] == 1


@pytest.mark.parametrize(
    ("faults", "days"),
    [([-1, 2], [10.0, 10.0]), ([1, 2], [10.0, -1.0]), ([1, 2], [10.0, 0.0]), ([0, 0], [0.0, 0.0]), ([1], [np.nan])],
)
def test_counts_that_cannot_be_are_refused(faults: list[int], days: list[float]) -> None:
    with pytest.raises(ValueError):
        rate_table(np.array(faults), np.array(days), rng=rng())


def test_a_change_has_the_exact_interval_of_the_binomial() -> None:
    """40 faults before, 8 after, equal exposure: Clopper-Pearson for 8 of 48, as odds."""
    days = np.array([365.0])
    change = change_of_rate((np.array([40]), days), (np.array([8]), days))
    low, high = beta.ppf(0.025, 8, 41), beta.ppf(0.975, 9, 40)
    assert change.ratio == pytest.approx(0.2)
    assert (change.low, change.high) == (pytest.approx(low / (1 - low)), pytest.approx(high / (1 - high)))


def test_what_was_never_counted_before_has_no_ratio_and_nothing_after_no_lower_limit() -> None:
    days = np.array([100.0])
    none, some = np.array([0]), np.array([5])
    assert change_of_rate((none, days), (some, days)).ratio is None
    assert change_of_rate((none, days), (some, days)).high is None
    assert change_of_rate((some, days), (none, days)).low == 0


def test_the_interval_of_forty_one_overhauls_covers_the_true_fall_by_four_fifths() -> None:
    drawing, covered = rng(8), 0
    for _ in range(300):
        rate = drawing.gamma(2.0, 2.0, 41)
        noise = drawing.gamma(4.0, 0.25, (2, 41))
        before, after = drawing.poisson(rate * noise[0]), drawing.poisson(0.2 * rate * noise[1])
        change = change_of_rate((before, np.full(41, 365.0)), (after, np.full(41, 365.0)))
        assert change.high is not None
        covered += change.low <= 0.2 <= change.high
    assert covered >= 0.93 * 300
