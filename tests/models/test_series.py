"""A recorded series is judged the same whatever its channels are called, scaled by and counted from."""

import numpy as np
import pytest

from models.detectors.lagged_pca import LaggedPca
from models.detectors.series import Judged, judge_series
from models.reading import Floats

FIT_ROWS = 400


def recording(rows: int = 1_200, *, fault_from: int = 800, memory: int = 12) -> Floats:
    """Three channels on one slowly changing load; from `fault_from` on the last one falls."""
    rng = np.random.default_rng(11)
    load = np.convolve(rng.normal(size=rows + memory - 1), np.ones(memory) / memory**0.5, mode="valid")
    values = load[:, None] * [1.0, 0.4, 0.7] + 0.3 * rng.normal(size=(rows, 3))
    values[fault_from:, 2] -= 6.0
    return np.asarray(values)


def judged(values: Floats, *, fit_rows: int = FIT_ROWS) -> Judged:
    detector = LaggedPca(("a", "b", "c"))
    detector.fit(0, values[:fit_rows])
    return judge_series(detector, values[fit_rows:])


@pytest.mark.parametrize("factors", [(1e-3, 1.0, 1e6), (1e6, 1e-3, 1.0), (-1.0, 1e3, 1e-3)])
@pytest.mark.parametrize("offsets", [(0.0, 0.0, 0.0), (1e3, -1e3, 1e2)])
def test_scale_and_offset_of_each_channel_change_no_verdict(
    factors: tuple[float, ...], offsets: tuple[float, ...]
) -> None:
    values = recording()
    plain = judged(values)
    scaled = judged((values + offsets) * factors)
    np.testing.assert_array_equal(scaled.is_anomalous, plain.is_anomalous)
    np.testing.assert_allclose(scaled.anomaly_score, plain.anomaly_score, rtol=1e-3)
    assert plain.is_anomalous.any()


@pytest.mark.parametrize("cropped", [0, 100, 250])
def test_where_a_recording_begins_does_not_decide_what_is_found_in_it(cropped: int) -> None:
    found = judged(recording()[cropped:]).is_anomalous
    fault_row = 800 - cropped - FIT_ROWS
    assert found[fault_row : fault_row + 40].any()
    assert not found[:fault_row].any()


def test_a_single_wild_value_is_no_event() -> None:
    values = recording(fault_from=1_200)
    values[[600, 700, 900], [0, 1, 2]] += [30.0, -40.0, 1e9]
    assert not judged(values).is_anomalous.any()


@pytest.mark.parametrize(("fit_rows", "most"), [(400, 9), (1_200, 1)])
def test_noise_without_a_fault_is_hardly_ever_an_event_and_less_the_more_was_learned(fit_rows: int, most: int) -> None:
    """Of 20 series of 1,600 judged rows: chance may bring a few after the shortest fit, not one in each."""
    events = 0
    for seed in range(20):
        rng = np.random.default_rng(100 + seed)
        count = fit_rows + 1_600
        load = np.convolve(rng.normal(size=count + 7), np.ones(8) / 8**0.5, mode="valid")
        rows = load[:, None] + rng.normal(0, 0.1, (count, 3))
        events += int(np.count_nonzero(np.diff(judged(rows, fit_rows=fit_rows).is_anomalous.astype(int)) == 1))
    assert events <= most
