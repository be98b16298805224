"""Motion of a lift car between two floors: constant acceleration up to the rated speed, and the same down again."""

import numpy as np

from models.reading import Floats

ACCELERATION_M_S2 = 0.8


def peak_speed_m_s(distance_m: Floats, rated_m_s: Floats) -> Floats:
    """The rated speed, or less when the way is too short to reach it."""
    return np.asarray(np.minimum(rated_m_s, np.sqrt(ACCELERATION_M_S2 * distance_m)))


def travel_time_s(distance_m: Floats, rated_m_s: Floats) -> Floats:
    peak = peak_speed_m_s(distance_m, rated_m_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        taken = distance_m / peak + peak / ACCELERATION_M_S2
    return np.asarray(np.where(distance_m > 0, taken, 0.0))


def speed_after_m_s(elapsed_s: Floats, distance_m: Floats, rated_m_s: Floats) -> Floats:
    """Speed `elapsed_s` after leaving; 0 outside the travel."""
    peak = peak_speed_m_s(distance_m, rated_m_s)
    left_s = travel_time_s(distance_m, rated_m_s) - elapsed_s
    speed = np.minimum(np.minimum(elapsed_s, left_s) * ACCELERATION_M_S2, peak)
    return np.asarray(np.maximum(speed, 0.0))


def way_after_m(elapsed_s: Floats, distance_m: Floats, rated_m_s: Floats) -> Floats:
    """Metres travelled `elapsed_s` after leaving, between 0 and the distance."""
    peak = peak_speed_m_s(distance_m, rated_m_s)
    ramp_s = peak / ACCELERATION_M_S2
    total_s = travel_time_s(distance_m, rated_m_s)
    elapsed_s = np.clip(elapsed_s, 0.0, total_s)
    rising = np.minimum(elapsed_s, ramp_s)
    falling_s = np.maximum(elapsed_s - (total_s - ramp_s), 0.0)
    steady_s = np.clip(elapsed_s - ramp_s, 0.0, np.maximum(total_s - 2 * ramp_s, 0.0))
    slowing = peak * falling_s - ACCELERATION_M_S2 * falling_s**2 / 2
    return np.asarray(ACCELERATION_M_S2 * rising**2 / 2 + peak * steady_s + slowing)


def time_to_way_s(way_m: float, rated_m_s: float) -> float:
    """Seconds until `way_m` is behind the car on a journey long enough not to slow down before."""
    ramp_s = rated_m_s / ACCELERATION_M_S2
    ramp_m = rated_m_s * ramp_s / 2
    if way_m <= ramp_m:
        return float(np.sqrt(2 * way_m / ACCELERATION_M_S2))
    return ramp_s + (way_m - ramp_m) / rated_m_s
