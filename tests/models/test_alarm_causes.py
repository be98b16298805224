"""What an alarm is held by, how it ends, and what is learned of it."""

from dataclasses import replace

import numpy as np

from models.detectors.fitting import DEFAULT_TUNING
from models.detectors.lagged_pca import LaggedPca
from models.detectors.series import judge_series
from models.detectors.slot_state import ADDED_LATER
from models.evaluation.spans import spans_of
from models.reading import Bools, Floats

CHANNELS = ("vibration_rms_m_s2", "motor_current_a", "motor_temp_c")
FIT_ROWS = 400


def fitted(seed: int, **tuning: float) -> tuple[LaggedPca, np.random.Generator]:
    rng = np.random.default_rng(seed)
    detector = LaggedPca(CHANNELS, tuning=replace(DEFAULT_TUNING, **tuning))
    detector.fit(0, rng.normal(size=(FIT_ROWS, 3)))
    return detector, rng


def judged(detector: LaggedPca, values: Floats) -> Bools:
    return judge_series(detector, values).is_anomalous


def test_an_alarm_ends_with_its_cause_although_another_channel_moved_meanwhile() -> None:
    detector, rng = fitted(1)
    values = rng.normal(size=(900, 3))
    values[100:400, 0] += 8.0
    # It grows warm over the fault and stays so: this raised nothing, so it must hold nothing.
    values[:, 2] += 8.0 * np.clip((np.arange(900) - 200) / 150, 0.0, 1.0)
    in_alarm = judged(detector, values)
    assert in_alarm[120:400].all()
    assert not in_alarm[600:].any()


def test_an_alarm_stands_while_what_raised_it_stands() -> None:
    detector, rng = fitted(2)
    values = rng.normal(size=(900, 3))
    values[100:, 0] += 8.0
    values[300:400, 1] += 8.0
    assert judged(detector, values)[120:].all()


def recurring(seed: int, *, second: float, share: float) -> list[bool]:
    """Whether each of two deviations of a channel is told: the first of 2.5 spreads, then the second."""
    detector, rng = fitted(seed, restless_share=share)
    values = rng.normal(size=(700, 3))
    values[100:200, 0] += 2.5
    values[400:500, 0] += second
    in_alarm = judged(detector, values)
    return [bool(in_alarm[100:220].any()), bool(in_alarm[400:520].any())]


def test_what_came_and_went_is_told_again_when_it_is_as_large_or_larger() -> None:
    told = [recurring(seed, second=second, share=0.25) for seed in range(10) for second in (2.5, 4.0)]
    first = [second for first, second in told if first]
    assert len(first) >= 15
    assert np.mean(first) >= 0.9


def test_limits_grow_by_a_part_of_what_exceeded_them_and_no_farther_than_told() -> None:
    detector, rng = fitted(3)
    values = rng.normal(size=(1500, 3))
    for begin in range(100, 1500, 300):
        values[begin : begin + 100, 0] += 6.0
    assert len(spans_of(judged(detector, values))) == 5
    restlessness = detector.state_of(0)["restlessness"]
    assert restlessness[0] == DEFAULT_TUNING.most_restless
    assert restlessness[1:].tolist() == [1.0, 1.0]


def test_a_new_baseline_in_an_alarm_is_no_end_to_learn_from() -> None:
    detector, _ = fitted(4)
    slot = np.array([0])
    for _ in range(50):
        detector.score(slot, np.array([[9.0, 0.0, 0.0]]), is_frozen=np.array([True]))
    detector.rebaseline(slot)
    detector.score(slot, np.array([[9.0, 0.0, 0.0]]))
    assert detector.state_of(0)["restlessness"].tolist() == [1.0, 1.0, 1.0]


def test_a_model_kept_by_an_older_version_is_taken_up() -> None:
    detector, rng = fitted(5)
    older = {name: array for name, array in detector.state_of(0).items() if name not in ADDED_LATER}
    other = LaggedPca(CHANNELS)
    other.load(0, older)
    values = rng.normal(size=(60, 3))
    assert np.array_equal(judge_series(detector, values).anomaly_score, judge_series(other, values).anomaly_score)
