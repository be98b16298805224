"""What every detector promises, whatever it computes. A new detector is one row in DETECTORS."""

from collections.abc import Callable

import numpy as np
import pytest

from models.detectors.contract import Detector, NotEnoughHistory, NothingVaries, Scores, StateMismatch
from models.detectors.lagged_pca import LaggedPca
from models.detectors.slow_change import SlowChange
from models.reading import Bools, Floats, Ints

MakeDetector = Callable[[tuple[str, ...]], Detector]
DETECTORS: dict[str, MakeDetector] = {
    "lagged_pca": LaggedPca,
    "slow_change": lambda channels: SlowChange(channels, rows_per_day=8),
}
FINDS_SLOW_DRIFT = frozenset({"slow_change"})
"""What is made to find wear must not follow it; all others follow slow drift as long as they are not frozen."""

CHANNELS = ("level_m", "flow_m3_h", "current_a", "temperature_c")
FIT_ROWS = 300


@pytest.fixture(params=sorted(DETECTORS))
def make_detector(request: pytest.FixtureRequest) -> MakeDetector:
    return DETECTORS[request.param]


@pytest.fixture
def follows_drift(request: pytest.FixtureRequest) -> bool:
    return request.node.callspec.params["make_detector"] not in FINDS_SLOW_DRIFT


def normal_rows(seed: int, rows: int, *, channels: int = len(CHANNELS)) -> Floats:
    """A unit that breathes: two channels follow a common slow swing, one lags behind it, the rest is noise."""
    rng = np.random.default_rng(seed)
    row = np.arange(rows + 3)
    swing = np.sin(row / 9.0 + seed) + 0.3 * rng.normal(size=len(row))
    values = rng.normal(size=(rows, channels))
    values[:, 0] = 2.0 + swing[3:] + 0.05 * values[:, 0]
    values[:, 1] = 40.0 + 7.0 * swing[3:] + 0.5 * values[:, 1]
    values[:, 2] = 8.0 + swing[:-3] + 0.05 * values[:, 2]
    return values


def shifted(values: Floats, *, channel: int = 1, by: float = 40.0) -> Floats:
    moved = values.copy()
    moved[:, channel] += by
    return moved


def score_rows(
    detector: Detector, values: Floats, *, slot: int = 0, frozen: Bools | None = None
) -> tuple[Floats, Floats, Floats]:
    """Scores, thresholds and contributions of successive rows of one slot."""
    slots = np.array([slot])
    parts = [
        detector.score(slots, values[row : row + 1], is_frozen=None if frozen is None else frozen[row : row + 1])
        for row in range(len(values))
    ]
    return (
        np.concatenate([part.anomaly_score for part in parts]),
        np.concatenate([part.threshold for part in parts]),
        np.concatenate([part.contributions for part in parts]),
    )


def fitted(make_detector: MakeDetector, *seeds: int) -> Detector:
    detector = make_detector(CHANNELS)
    for slot, seed in enumerate(seeds):
        detector.fit(slot, normal_rows(seed, FIT_ROWS))
    return detector


def after_fit(seed: int, rows: int) -> Floats:
    return normal_rows(seed, FIT_ROWS + rows)[FIT_ROWS:]


def test_normal_rows_stay_below_the_threshold_and_a_shift_does_not(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 1)
    score, threshold, _ = score_rows(detector, after_fit(1, 300))
    assert np.mean(score > threshold) < 0.02
    score, threshold, contributions = score_rows(detector, shifted(after_fit(1, 340)[300:]))
    assert np.all(score[10:] > threshold[10:])
    assert np.argmax(contributions[-1]) == 1


def test_a_row_is_scored_with_what_was_known_before_it(make_detector: MakeDetector) -> None:
    rows = after_fit(2, 60)
    one, other = rows.copy(), rows.copy()
    other[40:] = shifted(rows[40:], by=-300.0)
    score_one, _, _ = score_rows(fitted(make_detector, 2), one)
    score_other, _, _ = score_rows(fitted(make_detector, 2), other)
    np.testing.assert_array_equal(score_one[:40], score_other[:40])
    assert score_one[59] != score_other[59]


def test_the_same_rows_give_the_same_scores(make_detector: MakeDetector) -> None:
    rows = after_fit(3, 80)
    first, _, shares = score_rows(fitted(make_detector, 3), rows)
    again, _, shares_again = score_rows(fitted(make_detector, 3), rows)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(shares, shares_again)


def test_many_slots_at_once_score_as_each_alone(make_detector: MakeDetector) -> None:
    seeds = (4, 5, 6)
    together = fitted(make_detector, *seeds)
    alone = [fitted(make_detector, seed) for seed in seeds]
    rows = np.stack([after_fit(seed, 50) for seed in seeds])
    rows[1, 20:] = shifted(rows[1, 20:])
    for row in range(50):
        all_at_once = together.score(np.arange(3), rows[:, row])
        for slot, detector in enumerate(alone):
            one = detector.score(np.array([0]), rows[slot, row : row + 1])
            np.testing.assert_allclose(all_at_once.anomaly_score[slot], one.anomaly_score[0], rtol=1e-9)
            np.testing.assert_allclose(all_at_once.contributions[slot], one.contributions[0], rtol=1e-7, atol=1e-12)


def test_the_order_of_slots_in_a_call_does_not_matter(make_detector: MakeDetector) -> None:
    forward, backward = fitted(make_detector, 7, 8, 9), fitted(make_detector, 7, 8, 9)
    order = np.array([2, 0, 1])
    rows = np.stack([after_fit(seed, 30) for seed in (7, 8, 9)])
    for row in range(30):
        straight = forward.score(np.arange(3), rows[:, row])
        turned = backward.score(order, rows[order, row])
        np.testing.assert_allclose(straight.anomaly_score[order], turned.anomaly_score, rtol=1e-9)


def test_a_slot_that_is_not_scored_does_not_move(make_detector: MakeDetector) -> None:
    busy, idle = fitted(make_detector, 10, 11), fitted(make_detector, 10, 11)
    score_rows(busy, shifted(after_fit(10, 40)), slot=0)
    rows = after_fit(11, 20)
    np.testing.assert_array_equal(score_rows(busy, rows, slot=1)[0], score_rows(idle, rows, slot=1)[0])


def test_missing_values_never_poison_the_state(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 12)
    rows = after_fit(12, 400)
    holes = rows.copy()
    holes[np.random.default_rng(0).random(rows.shape) < 0.2] = np.nan
    holes[50:70] = np.nan
    holes[100:130, 2] = np.nan
    score, threshold, contributions = score_rows(detector, holes)
    told = ~np.isnan(holes).all(axis=1)
    assert np.isnan(score[~told]).all()
    assert np.isfinite(score[told]).all()
    assert np.isfinite(contributions[told]).all()
    assert np.mean(score[told] > threshold[told]) < 0.03
    score, threshold, _ = score_rows(detector, shifted(after_fit(12, 440)[400:]))
    assert np.all(score[15:] > threshold[15:])


def test_a_row_that_tells_nothing_changes_nothing(make_detector: MakeDetector) -> None:
    silent, plain = fitted(make_detector, 13), fitted(make_detector, 13)
    rows = after_fit(13, 30)
    score_rows(silent, np.full((5, len(CHANNELS)), np.nan))
    np.testing.assert_array_equal(score_rows(silent, rows)[0], score_rows(plain, rows)[0])


def test_contributions_of_a_scored_row_are_shares(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 14)
    rows = after_fit(14, 60)
    rows[30:] = shifted(rows[30:])
    score, _, contributions = score_rows(detector, rows)
    scored = ~np.isnan(score)
    assert scored.all()
    assert contributions.min() >= 0
    np.testing.assert_allclose(contributions.sum(axis=1), 1.0)


def test_too_little_history_is_told_in_numbers(make_detector: MakeDetector) -> None:
    with pytest.raises(NotEnoughHistory) as caught:
        make_detector(CHANNELS).fit(0, normal_rows(15, 12))
    assert caught.value.have_rows == 12
    assert caught.value.need_rows > 12
    assert f"12 of {caught.value.need_rows}" in str(caught.value)
    need = caught.value.need_rows
    make_detector(CHANNELS).fit(0, normal_rows(15, need))


def test_rows_that_tell_nothing_are_no_history(make_detector: MakeDetector) -> None:
    rows = normal_rows(16, 200)
    rows[5:] = np.nan
    with pytest.raises(NotEnoughHistory) as caught:
        make_detector(CHANNELS).fit(0, rows)
    assert caught.value.have_rows == 5


def test_rows_that_never_change_cannot_be_learned_from(make_detector: MakeDetector) -> None:
    with pytest.raises(NothingVaries) as caught:
        make_detector(CHANNELS).fit(0, np.ones((200, 4)))
    assert caught.value.channels == CHANNELS


def test_a_failed_fit_leaves_the_slot_as_it_was(make_detector: MakeDetector) -> None:
    detector, untouched = fitted(make_detector, 17), fitted(make_detector, 17)
    with pytest.raises(NotEnoughHistory):
        detector.fit(0, normal_rows(17, 3))
    rows = after_fit(17, 20)
    np.testing.assert_array_equal(score_rows(detector, rows)[0], score_rows(untouched, rows)[0])


def test_constant_and_missing_channels_are_told_and_left_out(make_detector: MakeDetector) -> None:
    rows = normal_rows(18, FIT_ROWS + 50)
    rows[:, 2] = 5.0
    rows[::3, 3] = np.nan
    rows[1::3, 3] = np.nan
    detector = make_detector(CHANNELS)
    facts = detector.fit(0, rows[:FIT_ROWS])
    assert facts.rows == FIT_ROWS
    assert facts.used == ("level_m", "flow_m3_h")
    assert facts.constant == ("current_a",)
    assert facts.missing == ("temperature_c",)
    odd = rows[FIT_ROWS:].copy()
    odd[:, 2] = 500.0
    odd[:, 3] = -500.0
    score, threshold, contributions = score_rows(detector, odd)
    assert np.all(score < threshold)
    assert np.all(contributions[:, 2:] == 0)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 3.7, 1e6])
def test_neither_scale_nor_name_of_a_channel_matters(make_detector: MakeDetector, scale: float) -> None:
    rows = normal_rows(19, FIT_ROWS + 60)
    rows[FIT_ROWS + 30 :] = shifted(rows[FIT_ROWS + 30 :])
    plain, renamed = make_detector(CHANNELS), make_detector(("a", "b", "c", "d"))
    factors = np.array([scale, 1.0, -scale, 1.0 / scale])
    offsets = np.array([3.0, -2.0, 0.0, 1.0]) * factors
    plain.fit(0, rows[:FIT_ROWS])
    renamed.fit(0, (rows * factors + offsets)[:FIT_ROWS])
    score, _, shares = score_rows(plain, rows[FIT_ROWS:])
    score_scaled, _, shares_scaled = score_rows(renamed, (rows * factors + offsets)[FIT_ROWS:])
    np.testing.assert_allclose(score_scaled, score, rtol=1e-4)
    np.testing.assert_allclose(shares_scaled, shares, atol=1e-3)


def test_the_order_of_channels_does_not_matter(make_detector: MakeDetector) -> None:
    rows = normal_rows(20, FIT_ROWS + 40)
    order = np.array([3, 1, 0, 2])
    plain, turned = make_detector(CHANNELS), make_detector(tuple(CHANNELS[c] for c in order))
    plain.fit(0, rows[:FIT_ROWS])
    turned.fit(0, rows[:FIT_ROWS, order])
    score, _, shares = score_rows(plain, rows[FIT_ROWS:])
    score_turned, _, shares_turned = score_rows(turned, rows[FIT_ROWS:, order])
    np.testing.assert_allclose(score_turned, score, rtol=1e-6)
    np.testing.assert_allclose(shares_turned, shares[:, order], atol=1e-6)


def test_slow_drift_is_followed_or_found_and_a_frozen_slot_does_not_follow(
    make_detector: MakeDetector, follows_drift: bool
) -> None:
    drift = np.linspace(0.0, 12.0, 2000)[:, None] * np.array([1.0, 7.0, 1.0, 1.0])
    rows = after_fit(21, 2000) + drift
    score, threshold, _ = score_rows(fitted(make_detector, 21), rows)
    if follows_drift:
        assert np.mean(score > threshold) < 0.05
    else:
        assert np.mean(score[-500:] > threshold[-500:]) == 1.0
    score, threshold, _ = score_rows(fitted(make_detector, 21), rows, frozen=np.ones(2000, dtype=bool))
    assert score[-1] > threshold[-1]


def test_a_lasting_shift_is_seen_as_long_as_the_slot_is_frozen(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 22)
    rows = shifted(after_fit(22, 500))
    frozen = np.arange(500) > 20
    score, threshold, _ = score_rows(detector, rows, frozen=frozen)
    assert np.mean(score[20:] > threshold[20:]) > 0.95


def test_after_a_new_baseline_the_present_level_is_normal(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 23)
    rows = shifted(after_fit(23, 400))
    score_rows(detector, rows[:100], frozen=np.ones(100, dtype=bool))
    detector.rebaseline(np.array([0]))
    score, threshold, _ = score_rows(detector, rows[100:])
    scored = ~np.isnan(score)
    assert scored[60:].all()
    assert np.mean(score[scored] > threshold[scored]) < 0.05


def test_a_gap_in_time_does_not_bring_old_rows_beside_new_ones(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 24)
    score_rows(detector, after_fit(24, 50))
    detector.interrupt(np.array([0]))
    score, threshold, _ = score_rows(detector, after_fit(24, 457)[457 - 60 :])
    scored = ~np.isnan(score)
    assert scored[10:].all()
    assert np.mean(score[scored] > threshold[scored]) < 0.05


def test_state_does_not_grow_with_rows(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 25)
    before = detector.state_bytes()
    score_rows(detector, after_fit(25, 500))
    assert detector.state_bytes() == before


def test_a_unit_of_sixteen_channels_keeps_below_20_kb(make_detector: MakeDetector) -> None:
    channels = tuple(f"c{number}" for number in range(16))
    detector = make_detector(channels)
    rows = normal_rows(26, FIT_ROWS, channels=16)
    for slot in range(40):
        detector.fit(slot, rows)
    # Capacity grows in leaps of a half at most.
    assert detector.state_bytes() / 60 < 20_000


def test_a_released_slot_can_be_fitted_anew(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 27, 28)
    score_rows(detector, shifted(after_fit(27, 30)), slot=0)
    detector.release(0)
    detector.fit(0, normal_rows(29, FIT_ROWS))
    rows = after_fit(29, 30)
    np.testing.assert_allclose(
        score_rows(detector, rows, slot=0)[0], score_rows(fitted(make_detector, 29), rows)[0], rtol=1e-9
    )


def test_a_call_without_rows_is_answered(make_detector: MakeDetector) -> None:
    none: Ints = np.array([], dtype=np.int64)
    scores: Scores = fitted(make_detector, 30).score(none, np.empty((0, 4)))
    assert scores.anomaly_score.shape == (0,)
    assert scores.contributions.shape == (0, 4)


def test_a_saved_slot_goes_on_elsewhere_as_if_nothing_had_happened(make_detector: MakeDetector) -> None:
    detector, other = fitted(make_detector, 31), fitted(make_detector, 32, 33)
    rows = after_fit(31, 60)
    rows[20:] = shifted(rows[20:])
    score_rows(detector, rows[:30])
    saved = detector.state_of(0)
    other.load(5, saved)
    neighbour = score_rows(fitted(make_detector, 32, 33), rows, slot=1)[0]
    expected = score_rows(detector, rows[30:])
    for one, same in zip(score_rows(other, rows[30:], slot=5), expected, strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-9)
    np.testing.assert_array_equal(score_rows(other, rows, slot=1)[0], neighbour)
    other.load(1, saved)
    np.testing.assert_allclose(score_rows(other, rows[30:], slot=1)[0], expected[0], rtol=1e-9)


def test_saved_state_is_plain_numbers(make_detector: MakeDetector) -> None:
    saved = fitted(make_detector, 34).state_of(0)
    assert saved
    assert all(array.dtype.kind in "fib" for array in saved.values())


def test_what_is_not_the_state_of_a_slot_is_refused_and_changes_nothing(make_detector: MakeDetector) -> None:
    detector, untouched = fitted(make_detector, 35), fitted(make_detector, 35)
    saved = detector.state_of(0)
    name = next(name for name, array in sorted(saved.items()) if array.dtype.kind == "f" and array.ndim)
    for wrong in (
        {key: array for key, array in saved.items() if key != name},
        {**saved, "something": np.zeros(1)},
        {**saved, name: saved[name][:-1]},
        {**saved, name: np.full_like(saved[name], np.inf)},
        {**saved, name: saved[name].astype(bool)},
        {},
    ):
        with pytest.raises(StateMismatch):
            detector.load(0, wrong)
    rows = after_fit(35, 20)
    np.testing.assert_array_equal(score_rows(detector, rows)[0], score_rows(untouched, rows)[0])


def test_what_differs_is_told_in_the_units_of_the_channel(make_detector: MakeDetector) -> None:
    detector = fitted(make_detector, 36)
    normal = after_fit(36, 200)
    score_rows(detector, normal)
    before = detector.describe(np.array([0]))
    assert np.all((normal >= before.low[0]) & (normal <= before.high[0]), axis=1).mean() > 0.8
    assert np.all((before.now >= before.low) & (before.now <= before.high))
    # The range is that of the rows and not a world around it.
    assert np.all(before.high - before.low < 1.5 * (normal.max(axis=0) - normal.min(axis=0)))
    score_rows(detector, shifted(after_fit(36, 260)[200:]), frozen=np.arange(60) > 10)
    after = detector.describe(np.array([0]))
    assert after.now[0, 1] == pytest.approx(80.0, abs=8.0)
    assert after.high[0, 1] == pytest.approx(before.high[0, 1], abs=8.0)


def test_a_channel_that_is_not_judged_is_not_described(make_detector: MakeDetector) -> None:
    rows = normal_rows(37, FIT_ROWS)
    rows[:, 2] = 5.0
    detector = make_detector(CHANNELS)
    detector.fit(0, rows)
    described = detector.describe(np.array([0]))
    for values in (described.now, described.low, described.high):
        assert np.isnan(values[0]).tolist() == [False, False, True, False]
