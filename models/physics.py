"""Residuals of physics: what stays the same in a sound machine however it is used, and moves when a part of it wears.

Balances of volume, work and heat; nothing here is fitted. Arrays of any one shape, NaN where an input is not known.
"""

import numpy as np

from models.reading import Floats


def pump_rate_m_h(draw_m_h: Floats, fill_m_h: Floats) -> Floats:
    """How fast the pump alone would lower the level, m/h, from the fall while it runs and the rise before it.

    Volume balance of a sump of area A: fall = (pumped - inflow) / A and rise = inflow / A, so their sum is pumped / A,
    at any inflow. Draw-down time by itself says little: in rain it is long with a sound pump.
    """
    return np.asarray(draw_m_h + fill_m_h)


def level_per_flow_1_m2(pump_rate_m_h_: Floats, flow_m3_h: Floats) -> Floats:
    """Level change that belongs to a cubic metre pumped, 1/m²: one over the sump's area as long as all water leaves.

    Water that runs back through a leaking check valve while no pump runs fills the sump faster than the inflow does;
    the rise before a draw-down then counts for more than what was pumped.
    """
    return np.asarray(np.divide(pump_rate_m_h_, flow_m3_h, out=np.full_like(flow_m3_h, np.nan), where=flow_m3_h > 0))


def door_work_as(close_s: Floats, current_a: Floats) -> Floats:
    """Charge a closing takes, A·s: at constant voltage and flux it goes with the work done against friction.

    A door set to close slower takes longer at less current and the same work; dirt in the sill takes more of both.
    """
    return np.asarray(close_s * current_a)


def slope_per_h(count: Floats, t: Floats, x: Floats, tt: Floats, tx: Floats) -> Floats:
    """Slope of a straight line through points by least squares, from sums of t (in hours), x, t² and t·x."""
    spread = tt - t * t / np.maximum(count, 1)
    covered = tx - t * x / np.maximum(count, 1)
    return np.asarray(np.divide(covered, spread, out=np.full_like(spread, np.nan), where=spread > 0))
