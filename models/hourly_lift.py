"""The hour of a lift: doors, levelling, ride, brake, and how much warmer the motor is than its room."""

import numpy as np

from models.equipment import METRICS, SILENT_SERVICE_MODES, Kind, Metric
from models.hourly import Columns, Feature, filled, grown
from models.physics import door_work_as
from models.reading import Floats, Ints

_METRICS = METRICS[Kind.ELEVATOR]
TRIPS = 3.0
"""Fewer trips of an hour, as at night, say more of who rode than of the lift."""
MODES = np.array(sorted(SILENT_SERVICE_MODES), dtype=np.float64)
ROOM_HEARD_MS = 900_000


class LiftHours:
    """Silent while people work on the lift or ride it in special service."""

    features = (
        Feature(_METRICS["door_close_s"], worse=1, least_change=0.15, least_weight=TRIPS),
        Feature(_METRICS["door_reopens"], worse=1, least_change=0.15, least_weight=TRIPS, is_mean=False),
        Feature(_METRICS["door_motor_current_a"], least_share=0.08, least_weight=TRIPS),
        Feature(Metric("door_work_as", "Door closing work", "A·s"), worse=1, least_share=0.1, least_weight=TRIPS),
        Feature(_METRICS["levelling_error_mm"], least_change=2.0, least_weight=TRIPS),
        Feature(Metric("levelling_scatter_mm", "Levelling scatter", "mm"), 1, least_change=1.0, least_weight=TRIPS),
        Feature(_METRICS["vibration_rms_m_s2"], worse=1, least_change=0.015, least_weight=TRIPS),
        Feature(_METRICS["motor_current_a"], least_share=0.06, least_weight=TRIPS),
        Feature(_METRICS["brake_release_s"], worse=1, least_change=0.02, least_weight=TRIPS),
        Feature(Metric("motor_rise_c", "Motor above room temperature", "K", is_signed=True), 1, least_change=5.0),
    )

    def __init__(self) -> None:
        self._mode = np.full(0, np.nan)
        self._room = np.full((0, 2), np.nan)
        self._levelling = np.full(0, np.nan)

    def add(self, units: Ints, ts_ms: Ints, columns: Columns) -> tuple[Floats, Floats]:
        self._reserve(int(units.max(initial=-1)) + 1)
        mode = columns("service_mode")
        mode = self._mode[units] = np.where(np.isnan(mode), self._mode[units], mode)
        room = columns("machine_room_temp_c")
        has_room = ~np.isnan(room)
        self._room[units[has_room]] = np.column_stack([room, ts_ms])[has_room]
        room_c, room_ms = self._room[units].T
        level, before = columns("levelling_error_mm"), self._levelling[units]
        self._levelling[units] = np.where(np.isnan(level), before, level)
        close_s, current_a = columns("door_close_s"), columns("door_motor_current_a")
        values = {
            0: close_s,
            1: columns("door_reopens"),
            2: current_a,
            3: door_work_as(close_s, current_a),
            4: level,
            # The mean difference of two independent errors is 2/sqrt(pi) of their deviation, whatever their mean.
            5: np.abs(level - before) * np.sqrt(np.pi) / 2,
            6: columns("vibration_rms_m_s2"),
            7: columns("motor_current_a"),
            8: columns("brake_release_s"),
            9: columns("motor_temp_c") - np.where(ts_ms - room_ms <= ROOM_HEARD_MS, room_c, np.nan),
        }
        is_silent = np.isin(mode, MODES)
        out, weights = filled(values, {}, len(units), len(self.features))
        weights[is_silent] = 0.0
        return out, weights

    def _reserve(self, count: int) -> None:
        self._mode, self._levelling = grown(self._mode, count), grown(self._levelling, count)
        self._room = grown(self._room, count)
