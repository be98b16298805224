"""What cumulative sums promise beside the contract: bounded steps, one direction, and counts that are no drift."""

import numpy as np

from models.detectors.slow_change import LEAST_DAYS, SlowChange
from models.reading import Floats

DAY = 24


def highest(detector: SlowChange, rows: Floats) -> float:
    slot = np.array([0])
    return max(float(detector.score(slot, row[None, :]).anomaly_score[0]) for row in rows)


def noise(days: int, *, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(size=(days * DAY, 1))


def test_rare_counts_whose_mean_is_far_from_their_middle_are_no_drift() -> None:
    """In most hours a jockey pump does not start at all; its mean is not zero for that."""
    rng = np.random.default_rng(2)
    starts = rng.choice([0.0, 1.5], p=[0.6, 0.4], size=(80 * DAY, 1))
    detector = SlowChange(("jockey_starts_per_h",), least_change={"jockey_starts_per_h": 1.0})
    detector.fit(0, starts[: LEAST_DAYS * DAY])
    assert highest(detector, starts[LEAST_DAYS * DAY :]) < 0.5


def test_the_least_change_that_matters_is_told_in_about_six_days_and_half_of_it_never() -> None:
    def fitted() -> SlowChange:
        detector = SlowChange(("door_close_s",), least_change={"door_close_s": 4.0})
        detector.fit(0, noise(LEAST_DAYS))
        return detector

    later = noise(30, seed=3)
    assert highest(fitted(), later + 1.8) < 1.0
    assert highest(fitted(), later[: 5 * DAY] + 4.0) < 1.0
    assert highest(fitted(), later[: 8 * DAY] + 4.0) > 1.0


def test_no_four_rows_however_wild_are_enough() -> None:
    detector = SlowChange(("battery_v",))
    detector.fit(0, noise(LEAST_DAYS))
    wild = noise(3, seed=4)
    wild[10:13] = -1e9
    assert highest(detector, wild[:13]) < 1.0


def test_only_the_direction_that_is_a_fault_counts() -> None:
    one_sided, both = SlowChange(("brake_s",), worse={"brake_s": 1}), SlowChange(("brake_s",))
    for detector in (one_sided, both):
        detector.fit(0, noise(LEAST_DAYS))
    better = noise(10, seed=5) - 4.0
    assert highest(one_sided, better) < 1.0
    assert highest(both, better) > 1.0
    assert highest(one_sided, better + 8.0) > 1.0
