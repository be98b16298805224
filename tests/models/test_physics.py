"""The residuals stay put in a sound machine, however hard it works, and move with the part that wears."""

import numpy as np
import pytest

from models.hourly_pump import PumpHours
from models.physics import door_work_as, slope_per_h
from models.reading import ReadingBlock
from tests.models.equipment_days import sump_rows


def pump_means(block: ReadingBlock) -> dict[str, float]:
    hours = PumpHours()
    unit = np.array([0])
    values, weights = [], []
    for row in range(len(block)):
        columns = dict(zip(block.metrics, block.values[row], strict=True))
        value, weight = hours.add(
            unit, block.ts_ms[row : row + 1], lambda name, columns=columns: np.array([columns.get(name, np.nan)])
        )
        values.append(value[0])
        weights.append(weight[0])
    total = np.sum(weights, axis=0)
    means = np.sum(np.array(values) * weights, axis=0) / np.where(total > 0, total, np.nan)
    return {feature.name: float(mean) for feature, mean in zip(hours.features, means, strict=True)}


@pytest.mark.parametrize("inflow_m3_h", [3.0, 8.0, 25.0])
def test_what_a_pump_delivers_is_the_same_at_any_inflow(inflow_m3_h: float) -> None:
    means = pump_means(sump_rows(5, inflow_m3_h=inflow_m3_h))
    assert means["pump1_rate_m_h"] == pytest.approx(50 / 4.5, rel=0.01)
    assert means["pump2_rate_m_h"] == pytest.approx(50 / 4.5, rel=0.01)
    assert means["level_per_flow_1_m2"] == pytest.approx(1 / 4.5, rel=0.01)
    assert means["rebound_m"] == pytest.approx(0.0, abs=0.005)


def test_a_clogged_pump_delivers_less_and_the_balance_still_holds() -> None:
    means = pump_means(sump_rows(5, capacity_m3_h=35.0))
    assert means["pump1_rate_m_h"] == pytest.approx(35 / 4.5, rel=0.01)
    assert means["level_per_flow_1_m2"] == pytest.approx(1 / 4.5, rel=0.01)


def test_water_that_comes_back_through_a_valve_breaks_the_balance() -> None:
    means = pump_means(sump_rows(5, returns_m3_h=10.0))
    assert means["level_per_flow_1_m2"] == pytest.approx(60 / 50 / 4.5, rel=0.02)
    assert means["pump1_flow_m3_h"] == pytest.approx(50.0)


def test_a_door_set_slower_does_the_same_work_and_a_dirty_one_more() -> None:
    close_s, current_a = np.array([3.0, 4.0, 4.0]), np.array([2.0, 1.5, 2.2])
    sound, slower, dirty = door_work_as(close_s, current_a)
    assert sound == slower < dirty


def test_a_slope_from_sums_is_that_of_the_line() -> None:
    t = np.array([0.0, 0.1, 0.4, 0.7])
    x = 0.4 - 0.02 * t
    sums = (np.array([4.0]), *(np.array([part.sum()]) for part in (t, x, t * t, t * x)))
    assert slope_per_h(*sums)[0] == pytest.approx(-0.02)
    one = (np.array([value]) for value in (1.0, 0.5, 0.4, 0.25, 0.2))
    assert np.isnan(slope_per_h(*one)[0])
