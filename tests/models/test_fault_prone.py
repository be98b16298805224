"""The watch-list's rule: chance alone brings nobody onto it, and a truly bad unit comes onto it and leaves it."""

import numpy as np
import pytest
from scipy.stats import gamma

from models.fault_prone import LEAST_PEERS, watch_rule
from models.reading import Floats, Ints
from models.reliability import DAYS_PER_YEAR, rate_table

LIFTS, MONTHS, MONTH_DAYS = 94, 36, 30.4375
LOOK_EVERY_MONTHS = 3
"""The rule is looked at monthly; every third look costs the tests a third and was as often wrong."""


def years_of_looks(seed: int, *, shape: float | None, mean: float) -> tuple[Floats, np.ndarray]:  # type: ignore[type-arg]
    """True rates of 94 lifts, and who was on the list at any of the looks over three years, with yearly windows."""
    rng = np.random.default_rng(seed)
    rate = np.full(LIFTS, mean) if shape is None else rng.gamma(shape, mean / shape, LIFTS)
    counts: Ints = rng.poisson(rate / 12, (MONTHS, LIFTS))
    was_on = np.zeros(LIFTS, dtype=bool)
    for month in range(LOOK_EVERY_MONTHS, MONTHS + 1, LOOK_EVERY_MONTHS):
        seen = counts[max(0, month - 12) : month]
        was_on |= watch_rule(seen.sum(axis=0), np.full(LIFTS, len(seen) * MONTH_DAYS)).is_above
    return rate, was_on


@pytest.mark.parametrize(("shape", "mean"), [(1.5, 1.5), (0.7, 3.0)])
def test_at_most_one_in_a_hundred_is_ever_entered_that_does_not_belong_there(shape: float, mean: float) -> None:
    limit = gamma.ppf(0.9, shape, scale=mean / shape)
    wrong = innocent = 0
    for seed in range(3):
        rate, was_on = years_of_looks(seed, shape=shape, mean=mean)
        wrong += np.count_nonzero(was_on & (rate <= limit))
        innocent += np.count_nonzero(rate <= limit)
    assert wrong / innocent <= 0.01


def test_nobody_is_entered_where_all_are_alike() -> None:
    assert not years_of_looks(3, shape=None, mean=1.5)[1].any()


def test_a_lift_that_fails_monthly_enters_and_leaves_after_its_overhaul() -> None:
    faults = np.random.default_rng(1).poisson(1.0, LIFTS)
    faults[7] = 14
    days = np.full(LIFTS, DAYS_PER_YEAR)
    told = watch_rule(faults, days)
    assert np.flatnonzero(told.is_above).tolist() == [7]
    assert told.quantile_per_year is not None
    assert told.rate_low[7] > told.quantile_per_year
    faults[7] = 2
    assert not watch_rule(faults, days).is_above.any()


def test_the_lower_bound_is_what_decides() -> None:
    told = watch_rule(np.array([9, 6, 5, 4, *[1] * 30, *[0] * 30]), np.full(64, DAYS_PER_YEAR))
    assert told.quantile_per_year is not None
    assert (told.is_above == (told.is_judged & (told.rate_low > told.quantile_per_year))).all()
    assert told.is_judged.sum() == 4


def test_two_faults_or_a_month_or_nine_peers_are_not_judged() -> None:
    one_year = np.full(LEAST_PEERS, DAYS_PER_YEAR)
    assert not watch_rule(np.array([2] + [0] * 9), one_year).is_judged.any()
    days = np.array([30.0, *[DAYS_PER_YEAR] * 10])
    assert not watch_rule(np.array([8] + [0] * 10), days).is_judged.any()
    few = watch_rule(np.array([30] + [0] * 8), np.full(9, DAYS_PER_YEAR))
    assert few.quantile_per_year is None
    assert not few.is_above.any()


def test_true_ranks_lie_within_their_intervals_in_95_of_100() -> None:
    inside = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rate = rng.gamma(1.5, 1.0, LIFTS)
        days = rng.uniform(200, 900, LIFTS)
        table = rate_table(rng.poisson(rate * days / DAYS_PER_YEAR), days, rng=rng)
        rank = np.argsort(np.argsort(-rate)) + 1
        inside.append((table.rank_low <= rank) & (rank <= table.rank_high))
    assert 0.92 <= np.mean(inside) <= 0.985
