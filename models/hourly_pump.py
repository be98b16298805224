"""The hour of a sump: what each pump moves at any inflow, what comes back through the valves, who takes its turn."""

import numpy as np

from models.equipment import Metric
from models.hourly import Columns, Feature, filled, grown
from models.physics import level_per_flow_1_m2, pump_rate_m_h
from models.reading import Bools, Floats, Ints

UNKNOWN, IDLE, FIRST, SECOND, BOTH = -1.0, 0.0, 1.0, 2.0, 3.0
SETTLING_MS = 15_000
"""Starting current, and a level that still swings, are left out."""
LEAST_PHASE_MS = 60_000
LONGEST_STEP_MS = 180_000
REBOUND_MS = (30_000, 180_000)


class PumpHours:
    """Follows each sump from phase to phase: nobody runs, one pump, the other, both."""

    features = (
        Feature(Metric("pump1_rate_m_h", "Pump 1 delivery in level", "m/h"), worse=-1, least_share=0.06),
        Feature(Metric("pump2_rate_m_h", "Pump 2 delivery in level", "m/h"), worse=-1, least_share=0.06),
        Feature(Metric("pump1_flow_m3_h", "Flow of pump 1 alone", "m³/h"), worse=-1, least_share=0.06),
        Feature(Metric("pump2_flow_m3_h", "Flow of pump 2 alone", "m³/h"), worse=-1, least_share=0.06),
        Feature(Metric("pump1_load_a", "Current of pump 1 while running", "A"), least_share=0.06),
        Feature(Metric("pump2_load_a", "Current of pump 2 while running", "A"), least_share=0.06),
        Feature(Metric("level_per_flow_1_m2", "Level change per volume pumped", "1/m²"), worse=1, least_share=0.1),
        Feature(Metric("rebound_m", "Level rebound after a stop", "m", is_signed=True), worse=1, least_change=0.03),
        Feature(Metric("duty_share", "Share of starts of pump 1"), least_change=0.3),
    )

    def __init__(self) -> None:
        # Phase, when it began, first settled level and its time, newest level and its time, flow sum and count.
        self._state = np.full((0, 8), np.nan)
        self._fill = np.full(0, np.nan)
        self._stop = np.full((0, 2), np.nan)

    def add(self, units: Ints, ts_ms: Ints, columns: Columns) -> tuple[Floats, Floats]:
        self._reserve(int(units.max(initial=-1)) + 1)
        first, second, level, flow = (
            columns(name) for name in ("pump1_running", "pump2_running", "level_m", "flow_m3_h")
        )
        now = ts_ms.astype(np.float64)
        phase = np.where(np.isnan(first) | np.isnan(second), UNKNOWN, (first == 1) + 2.0 * (second == 1))
        was, began, from_m, from_ms, to_m, to_ms, flow_sum, flow_count = self._state[units].T.copy()
        # Where a row does not tell of the pumps, nothing is learned from it and nothing forgotten.
        is_told = (phase != UNKNOWN) & ~np.isnan(level)
        is_gap = is_told & ~(now - to_ms <= LONGEST_STEP_MS)
        changes = is_told & (is_gap | (phase != was))
        ended = changes & ~is_gap
        with np.errstate(invalid="ignore", divide="ignore"):
            lasted = to_ms - from_ms
            rate = np.where(ended & (lasted >= LEAST_PHASE_MS), (to_m - from_m) / lasted * 3_600_000, np.nan)
            fill = np.where(ended & (was == IDLE) & (rate > 0), rate, np.nan)
            draws = np.where(ended & ((was == FIRST) | (was == SECOND)), -rate, np.nan)
            moved = pump_rate_m_h(draws, self._fill[units])
            ratio = level_per_flow_1_m2(moved, flow_sum / flow_count)
        rebound = self._rebound(units, now, phase, level, is_told)
        started_alone = ended & (was == IDLE) & ((phase == FIRST) | (phase == SECOND))
        is_settled = is_told & ~changes & (now - began >= SETTLING_MS)
        values = {
            0: np.where(was == FIRST, moved, np.nan),
            1: np.where(was == SECOND, moved, np.nan),
            2: np.where(is_settled & (phase == FIRST), flow, np.nan),
            3: np.where(is_settled & (phase == SECOND), flow, np.nan),
            4: np.where(is_settled & ((phase == FIRST) | (phase == BOTH)), columns("pump1_current_a"), np.nan),
            5: np.where(is_settled & ((phase == SECOND) | (phase == BOTH)), columns("pump2_current_a"), np.nan),
            6: ratio,
            7: rebound,
            8: np.where(started_alone, (phase == FIRST).astype(np.float64), np.nan),
        }
        self._fill[units] = np.where(is_gap, np.nan, np.where(np.isnan(fill), self._fill[units], fill))
        stops = ended & (phase == IDLE)
        self._stop[units] = np.where(
            stops[:, None], np.column_stack([level, now]), np.where(is_gap[:, None], np.nan, self._stop[units])
        )
        begins = is_settled & np.isnan(from_m)
        has_flow = is_settled & ~np.isnan(flow)
        state = np.column_stack(
            [
                np.where(changes, phase, was),
                np.where(changes, now, began),
                np.where(changes, np.nan, np.where(begins, level, from_m)),
                np.where(changes, np.nan, np.where(begins, now, from_ms)),
                np.where(is_told, level, to_m),
                np.where(is_told, now, to_ms),
                np.where(changes, 0.0, flow_sum + np.where(has_flow, flow, 0.0)),
                np.where(changes, 0.0, flow_count + has_flow),
            ]
        )
        self._state[units] = state
        return filled(values, {}, len(units), len(self.features))

    def _rebound(self, units: Ints, now: Floats, phase: Floats, level: Floats, is_told: Bools) -> Floats:
        """What the level rose shortly after a stop beyond what the inflow explains, m: once a stop."""
        stop_m, stop_ms = self._stop[units].T
        waited = now - stop_ms
        is_due = is_told & (phase == IDLE) & (waited >= REBOUND_MS[0]) & (waited <= REBOUND_MS[1])
        rebound = np.where(is_due, level - stop_m - self._fill[units] * waited / 3_600_000, np.nan)
        self._stop[units[is_due]] = np.nan
        return np.asarray(rebound)

    def _reserve(self, count: int) -> None:
        self._state, self._fill, self._stop = (grown(part, count) for part in (self._state, self._fill, self._stop))
