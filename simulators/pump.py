"""Sumps: inflow from ground and rain, two pumps in turn on level set points, float, currents, and the garage floor.

Units are advanced together, in steps short enough for the set points.
"""

from dataclasses import dataclass

import numpy as np

from models.equipment import Kind
from models.reading import Bools, Floats, Ints
from simulators.faults import FaultSchedule, ScheduledEvent
from simulators.fleet import Round
from simulators.weather import Weather

DUTY_START_M = 1.2
STANDBY_START_M = 1.5
STOP_M = 0.4
FLOAT_M = 1.8
FLOAT_FALLS_M = 1.7
OVERFLOW_M = 2.5
DRY_M = 0.1
SNORES_BELOW_M = 0.2
"""Between the two a pump draws air with the water and moves less of it."""
NOMINAL_CURRENT_A = 10.0
DRY_CURRENT_SHARE = 0.5

LONGEST_STEP_S = 5.0
PIT_FILLS_ABOVE_CM = 5.0
FLOOR_DRAINS_M3_H = 25.0
BACKFLOW_M3_H = 120.0
FLOOD_INFLOW_SHARE = 3.0
BURST_M3_H = 90.0
INFLOW_MEMORY_S = 1800.0
RAIN_MEMORY_S = 240.0


@dataclass(frozen=True, slots=True)
class Sump:
    """A sump with two pumps of `capacity_m3_h` each; `catchment_m3_h` is the inflow for each mm/h of rain.

    The default area makes a full cycle last at least 4 · area · 0.8 m / capacity = 17 min at any inflow, so a sound
    sump cannot start a pump more than four times an hour.
    """

    unit: str
    area_m2: float = 4.5
    capacity_m3_h: float = 50.0
    ground_m3_h: float = 8.0
    catchment_m3_h: float = 0.4
    floor_area_m2: float = 400.0
    has_lift_pit: bool = False


class PumpFleet:
    """All sumps of a compound."""

    kind = Kind.PUMP

    def __init__(
        self,
        sumps: tuple[Sump, ...],
        *,
        start_ms: int,
        weather: Weather,
        faults: FaultSchedule,
        rng: np.random.Generator,
    ) -> None:
        self.units = tuple(sump.unit for sump in sumps)
        self.faults = faults
        self._weather = weather
        self._rng = rng
        count = len(sumps)
        self._area = np.array([sump.area_m2 for sump in sumps])
        self._capacity = np.array([sump.capacity_m3_h for sump in sumps])[:, None] * rng.uniform(0.95, 1.03, (count, 2))
        self._ground = np.array([sump.ground_m3_h for sump in sumps])
        self._catchment = np.array([sump.catchment_m3_h for sump in sumps])
        self._floor_area = np.array([sump.floor_area_m2 for sump in sumps])
        self._has_pit = np.array([sump.has_lift_pit for sump in sumps])
        self._current = NOMINAL_CURRENT_A * rng.uniform(0.93, 1.02, (count, 2))
        self._now_ms = np.full(count, float(start_ms))
        self._level = rng.uniform(0.45, 1.15, count)
        self._running = np.zeros((count, 2), dtype=bool)
        self._next = rng.integers(0, 2, count)
        self._starts = np.floor(rng.uniform(4000, 20000, count))
        self._float = np.zeros(count, dtype=bool)
        self._floor_m3 = np.zeros(count)
        self._pit_filling_s = np.zeros(count)
        self._swing = np.zeros(count)
        self._runoff = np.zeros(count)
        self._was_tripped = np.zeros((count, 2), dtype=bool)
        self._stuck_level = np.full(count, np.nan)
        self._leaks_after_stop = np.zeros(count, dtype=bool)

    def begin(self, live_ms: int) -> None:
        self.faults.begin(live_ms)

    def advance(self, ts_ms: Ints) -> Round:
        now = ts_ms.astype(np.float64)
        elapsed_s = (now - self._now_ms) / 1000
        steps = max(1, int(np.ceil(elapsed_s.max() / LONGEST_STEP_S)))
        float_before = self._float_signal(self._now_ms)
        outflow = np.zeros((len(self.units), 2))
        for step in range(1, steps + 1):
            moment = self._now_ms + (now - self._now_ms) * step / steps
            outflow = self._step(moment, elapsed_s / steps)
        self._now_ms = now
        float_now = self._float_signal(now)
        events = [
            ScheduledEvent(int(unit), int(ts_ms[unit]), "high_float", is_on=bool(float_now[unit]))
            for unit in np.flatnonzero(float_now != float_before)
        ]
        return Round(ts_ms, self._told(now, outflow, float_now), events)

    def _step(self, now: Floats, step_s: Floats) -> Floats:
        """One short step; returns the outflow of both pumps in m³/h."""
        faults, rng = self.faults, self._rng
        self._control(now)
        tripped, phase_loss = self._is_tripped(now), faults.severity("phase_loss", now) > 0
        turning = self._running & ~tripped & ~phase_loss[:, None]
        # Blocked, a pump moves little and draws little; jammed by a rag it moves little and draws much.
        hindered = 0.7 * self._by_pump("clog", now) + 0.4 * self._by_pump("jam", now)
        outflow = np.where(turning, self._capacity * (1 - hindered), 0.0)
        outflow *= np.clip((self._level - DRY_M) / (SNORES_BELOW_M - DRY_M), 0.0, 1.0)[:, None]
        # Ground water swings slowly about its mean; runoff follows the rain with a delay.
        share = np.exp(-step_s / INFLOW_MEMORY_S)
        self._swing = self._swing * share + np.sqrt(1 - share**2) * rng.normal(0.0, 0.06, len(now))
        self._runoff += (self._catchment * self._weather.rain_mm_h(now) - self._runoff) * -np.expm1(
            -step_s / RAIN_MEMORY_S
        )
        inflow = self._ground * (1 + np.clip(self._swing, -0.3, 0.3)) + self._runoff
        inflow += FLOOD_INFLOW_SHARE * faults.severity("inflow_exceeds_capacity", now) * self._capacity.sum(axis=1)
        idle = ~self._running.any(axis=1)
        inflow += np.where(idle, BACKFLOW_M3_H * faults.severity("check_valve_leak", now), 0.0)
        inflow = np.where(faults.severity("dry_run", now) > 0, 0.5 * inflow, inflow)
        self._level += (inflow - outflow.sum(axis=1)) / 3600 * step_s / self._area
        self._flood(now, step_s)
        self._float = np.where(self._float, self._level >= FLOAT_FALLS_M, self._level >= FLOAT_M)
        return outflow

    def _control(self, now: Floats) -> None:
        """The panel: starts by the level it sees; the duty pump is another one after each stop."""
        seen = self._seen_level(now)
        runs_on = self.faults.severity("dry_run", now) > 0
        any_running = self._running.any(axis=1)
        stop = any_running & (seen <= STOP_M) & ~runs_on
        before = self._running.copy()
        self._next = np.where(stop, 1 - self._next, self._next)
        self._running[stop] = False
        lonely = self.faults.severity("standby_never_runs", now) > 0
        start = ~any_running & (seen >= DUTY_START_M)
        # A dry run needs a pump that runs in the first place.
        start |= ~any_running & runs_on
        self._next = np.where(lonely, 0, self._next)
        units = np.flatnonzero(start)
        self._running[units, self._next[units]] = True
        both = (seen >= STANDBY_START_M) & self._running.any(axis=1) & ~lonely
        self._running[both] = True
        tripped = self._is_tripped(now)
        newly = tripped & ~self._was_tripped
        # A thermal relay trips under load: the pump had been commanded.
        self._running |= newly
        self._was_tripped = tripped
        self._starts += (self._running & ~before).sum(axis=1)

    def _seen_level(self, now: Floats) -> Floats:
        stuck = self.faults.severity("level_stuck", now) > 0
        begins = stuck & np.isnan(self._stuck_level)
        self._stuck_level = np.where(begins, np.minimum(self._level, DUTY_START_M - 0.2), self._stuck_level)
        self._stuck_level = np.where(stuck, self._stuck_level, np.nan)
        return np.where(stuck, self._stuck_level, self._level)

    def _flood(self, now: Floats, step_s: Floats) -> None:
        """What the sump cannot hold stands on the lowest part of the garage floor, and runs back later."""
        excess = np.maximum(self._level - OVERFLOW_M, 0.0) * self._area
        self._level = np.clip(self._level, 0.05, OVERFLOW_M)
        burst = BURST_M3_H / 3600 * step_s * self.faults.severity("floor_water", now)
        self._floor_m3 += excess + burst
        drains = np.where(self._level < OVERFLOW_M, FLOOR_DRAINS_M3_H / 3600 * step_s, 0.0)
        back = np.where(burst > 0, 0.0, np.minimum(self._floor_m3, drains))
        self._floor_m3 -= back
        self._level += back / self._area
        wet = self._floor_cm() >= PIT_FILLS_ABOVE_CM
        self._pit_filling_s = np.where(wet, self._pit_filling_s + step_s, np.maximum(self._pit_filling_s - step_s, 0.0))

    def _floor_cm(self) -> Floats:
        return np.asarray(100 * self._floor_m3 / self._floor_area)

    def _float_signal(self, now: Floats) -> Bools:
        stuck_up = self.faults.severity("float_stuck", now) > 0
        return np.asarray(self._float | stuck_up)

    def _is_tripped(self, now: Floats) -> Bools:
        return np.asarray(self._by_pump("trip", now) > 0)

    def _by_pump(self, name: str, now: Floats) -> Floats:
        """Severity of a fault that sits in one of the two pumps: shape (units, 2)."""
        severity = np.zeros((len(self.units), 2))
        if self.faults.has(name):
            found = self.faults.severity(name, now)
            for unit, fault, onset_ms, end_ms in self.faults.spans(name):
                if onset_ms <= now[unit] < end_ms:
                    severity[unit, fault.pump - 1] = found[unit]
        return severity

    def _told(self, now: Floats, outflow: Floats, float_now: Bools) -> dict[str, Floats]:
        rng, count = self._rng, len(now)
        phase_loss = self.faults.severity("phase_loss", now) > 0
        turning = self._running & ~self._is_tripped(now) & ~phase_loss[:, None]
        effort = 1 - 0.35 * self._by_pump("clog", now) + 0.45 * self._by_pump("jam", now)
        current = self._current * effort + rng.normal(0.0, 0.08, (count, 2))
        snores = self._level <= SNORES_BELOW_M
        current = np.where(snores[:, None], DRY_CURRENT_SHARE * self._current, current)
        current = np.where(turning, current, 0.0)
        flow = outflow.sum(axis=1)
        flow = np.where(flow > 0, flow * rng.normal(1.0, 0.01, count), 0.0)
        stuck = ~np.isnan(self._stuck_level)
        level = np.where(stuck, self._stuck_level, self._level + rng.normal(0.0, 0.003, count))
        rain = self._weather.rain_mm_h(now)
        pit = self._has_pit & (self._pit_filling_s > 120.0) | (self.faults.severity("lift_pit_water", now) > 0)
        return {
            "level_m": np.maximum(level, 0.0),
            "flow_m3_h": flow,
            "pump1_running": self._running[:, 0].astype(np.float64),
            "pump2_running": self._running[:, 1].astype(np.float64),
            "pump1_current_a": current[:, 0],
            "pump2_current_a": current[:, 1],
            "starts_total": self._starts,
            "high_float": float_now.astype(np.float64),
            "floor_water_cm": self._floor_cm(),
            "lift_pit_water": pit.astype(np.float64),
            "rain_mm_h": np.where(rain > 0, np.maximum(rain * rng.normal(1.0, 0.02, count), 0.0), 0.0),
            "phase_loss": phase_loss.astype(np.float64),
        }
