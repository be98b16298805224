"""Drift reports: what counts as steady, as moved inputs, and as moved scores."""

import numpy as np
import pytest

from models.detectors.drift import (
    DriftReport,
    Movement,
    Reference,
    drift_of,
    reference_from_json,
    reference_of,
)
from models.detectors.lagged_pca import LaggedPca
from models.reading import Floats

CHANNELS = ("level_m", "flow_m3_h", "pump1_running")


def rows(count: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=count)
    running = (rng.random(count) < 0.3).astype(float)
    return np.column_stack([common, common + 0.1 * rng.normal(size=count), running])


def reported(later: Floats, *, reference: Reference | None = None) -> DriftReport:
    fit = rows(1200, 1)
    detector = LaggedPca(CHANNELS)
    detector.fit(0, fit)
    no_gap = np.zeros(len(later), dtype=bool)
    known = reference or reference_of(CHANNELS, fit, np.zeros(len(fit), dtype=bool))
    return drift_of(known, detector, later, np.arange(len(later), dtype=np.int64), no_gap)


def test_more_of_the_same_is_steady() -> None:
    report = reported(rows(1200, 2))
    assert report.movement is Movement.STEADY
    assert max(each.index for each in report.channels) < 0.1
    assert report.over == pytest.approx(0.0, abs=0.01)


def test_another_level_is_moved_inputs_for_the_detector_follows_it() -> None:
    report = reported(rows(1200, 2) + np.array([2.0, 2.0, 0.0]))
    assert report.movement is Movement.INPUTS
    assert {each.channel for each in report.channels[:2]} == {"level_m", "flow_m3_h"}
    assert report.channels[0].shift == pytest.approx(2.0, abs=0.2)


def test_a_channel_that_fell_silent_is_moved_inputs() -> None:
    later = rows(1200, 2)
    later[:, 1] = np.nan
    report = reported(later)
    assert report.movement is Movement.INPUTS
    assert {each.channel: each.told for each in report.channels}["flow_m3_h"] == 0.0


def test_broken_relations_are_moved_scores() -> None:
    later = rows(1200, 2)
    later[:, 1] = rows(1200, 3)[:, 1]
    report = reported(later)
    assert report.movement is Movement.SCORES
    assert report.over is not None
    assert report.over > 0.1


def test_too_few_rows_say_nothing() -> None:
    assert reported(rows(100, 2)).movement is Movement.UNKNOWN


def test_a_reference_survives_json_and_other_units_of_measure_change_no_index() -> None:
    fit = rows(1200, 1)
    known = reference_of(CHANNELS, fit, np.zeros(len(fit), dtype=bool))
    assert reference_from_json(known.as_json()) == known
    scaled = reference_of(CHANNELS, 1000 * fit + 5, np.zeros(len(fit), dtype=bool))
    assert [each.shares for each in scaled.channels.values()] == [each.shares for each in known.channels.values()]
