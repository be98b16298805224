"""Exposure by counters: worked out by hand, with resets, replaced controllers, holes and wrong values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.counter_exposure import Extremes, use_of

DAY_MS = 86_400_000
TRIPS_PER_H = 720.0


def days(*values: list[float]) -> list[Extremes]:
    """The values of one day each, as a store condenses them; a day without values is absent."""
    return [Extremes(n * DAY_MS, min(day), max(day)) for n, day in enumerate(values) if day]


def counted(*values: list[float]) -> float:
    use = use_of(days(*values), step_ms=DAY_MS, most_per_h=TRIPS_PER_H)
    assert use is not None
    return use.counted


def test_without_a_reset_it_is_the_last_value_less_the_first() -> None:
    assert counted([1000, 1200], [1300, 1500], [1510, 1730]) == 730


def test_a_hole_in_the_data_loses_nothing_because_the_counter_went_on() -> None:
    assert counted([1000, 1200], [], [], [1900, 2000]) == 1000


def test_a_reset_between_two_days_takes_nothing_away() -> None:
    # 200 before it, and from 5 to 90 after it.
    assert counted([1000, 1100], [1100, 1200], [5, 90]) == 200 + 85
    use = use_of(days([1000, 1100], [1100, 1200], [5, 90]), step_ms=DAY_MS, most_per_h=TRIPS_PER_H)
    assert use is not None
    assert use.resets_ms == (2 * DAY_MS,)


def test_of_a_day_with_a_reset_only_what_is_sure_counts() -> None:
    # Up to 1250 before the reset, then from 0 to 40; the next day from 60 to 100.
    assert counted([1000, 1100], [1100, 1200], [1210, 1250, 0, 40], [60, 100]) == 200 + 50 + 40
    use = use_of(
        days([1000, 1100], [1100, 1200], [1210, 1250, 0, 40], [60, 100]), step_ms=DAY_MS, most_per_h=TRIPS_PER_H
    )
    assert use is not None
    assert use.resets_ms == (2 * DAY_MS,), "one reset, though the day after lies below the peak as well"


def test_a_first_day_with_a_reset_does_not_count_the_distance_between_peak_and_zero() -> None:
    assert counted([5000, 5100, 0, 30], [40, 90]) == 50


def test_another_controller_that_counts_from_elsewhere_adds_no_rise_that_cannot_be() -> None:
    use = use_of(days([1000, 1100], [1100, 1200], [9_000_000, 9_000_050]), step_ms=DAY_MS, most_per_h=TRIPS_PER_H)
    assert use is not None
    assert (use.counted, use.jumps_ms) == (200, (2 * DAY_MS,))


def test_one_wrong_zero_does_not_count_the_whole_life_of_the_lift_again() -> None:
    use = use_of(
        days([900_000, 900_100], [900_100, 900_200], [900_210, 0, 900_400], [900_500]),
        step_ms=DAY_MS,
        most_per_h=TRIPS_PER_H,
    )
    assert use is not None
    assert use.counted == 200 + 200 + 100
    assert (use.resets_ms, use.jumps_ms) == ((2 * DAY_MS,), ())


def test_without_values_there_is_no_exposure_and_one_value_is_none_yet() -> None:
    assert use_of([], step_ms=DAY_MS, most_per_h=1.0) is None
    assert counted([77]) == 0


@given(st.lists(st.lists(st.floats(0, 1e7), max_size=4), max_size=12))
def test_whatever_comes_it_is_never_negative(values: list[list[float]]) -> None:
    use = use_of(days(*values), step_ms=DAY_MS, most_per_h=TRIPS_PER_H)
    assert use is None or use.counted >= 0


@given(st.integers(0, 2**31))
def test_it_never_tells_more_than_was_done(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps, shown, done = [], float(rng.integers(0, 1000)), 0.0
    first = shown
    for day in range(20):
        values = []
        for _ in range(5):
            trips = float(rng.integers(0, 60))
            done += trips
            shown = trips if rng.random() < 0.05 else shown + trips
            values.append(shown)
        if day == 0:
            first = min(values)
        if rng.random() < 0.8 or day == 0:
            steps.append(Extremes(day * DAY_MS, min(values), max(values)))
    use = use_of(steps, step_ms=DAY_MS, most_per_h=TRIPS_PER_H)
    assert use is not None
    assert first >= 0
    assert use.counted <= done
