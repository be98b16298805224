"""The hour of a fire system: how fast its pressures seep away between jockey starts, and how often that pump starts."""

import numpy as np

from models.equipment import METRICS, Kind, Metric
from models.hourly import Columns, Feature, filled, grown
from models.physics import slope_per_h
from models.reading import Bools, Floats, Ints

_METRICS = METRICS[Kind.FIRE]
AFTER_START_MS = 180_000
"""While the jockey pump runs, pressure rises; it is given so long to finish."""
LEAST_SEEPING_H, MOST_SEEPING_H = 0.25, 0.9
LONGEST_STEP_MS = 900_000
MOST_STARTS_PER_H = 600.0
"""More within an hour is a counter that was set."""
PRESSURES = ("hydrant_pressure_mpa", "sprinkler_pressure_mpa")


class FireHours:
    """Follows each system from jockey start to jockey start. One counter tells of both pressures' pumps."""

    features = (
        Feature(
            Metric("hydrant_decay_mpa_h", "Hydrant pressure loss", "MPa/h", is_signed=True), 1, 0.02, is_mean=False
        ),
        Feature(
            Metric("sprinkler_decay_mpa_h", "Sprinkler pressure loss", "MPa/h", is_signed=True), 1, 0.02, is_mean=False
        ),
        Feature(
            Metric("jockey_starts_per_h", "Jockey pump starts per hour", "1/h"), 1, 1.0, least_weight=0.5, is_mean=False
        ),
        Feature(_METRICS["hydrant_pressure_mpa"], 0, 0.03),
        Feature(_METRICS["sprinkler_pressure_mpa"], 0, 0.03),
        Feature(_METRICS["tank_level_m"], -1, 0.2),
        Feature(_METRICS["battery_v"], -1, 0.4),
        Feature(_METRICS["residual_current_ma"], 1, 20.0),
    )

    def __init__(self) -> None:
        # Newest count and its time, the last start, then of the present seep its begin and the sums of `slope_per_h`.
        self._count = np.full((0, 3), np.nan)
        self._begin = np.full(0, np.nan)
        self._sums = np.zeros((0, 7))

    def add(self, units: Ints, ts_ms: Ints, columns: Columns) -> tuple[Floats, Floats]:
        self._reserve(int(units.max(initial=-1)) + 1)
        now = ts_ms.astype(np.float64)
        count, pressures = columns("jockey_starts_total"), np.column_stack([columns(name) for name in PRESSURES])
        before, before_ms, start_ms = self._count[units].T.copy()
        is_told = ~np.isnan(count)
        step_h = (now - before_ms) / 3_600_000
        new = np.where(is_told, count - before, np.nan)
        is_known = (
            (new >= 0) & (now - before_ms <= LONGEST_STEP_MS) & (new <= np.maximum(MOST_STARTS_PER_H * step_h, 5.0))
        )
        starts = is_told & ~(is_known & (new == 0))
        start_ms = np.where(starts, now, start_ms)
        self._count[units] = np.column_stack(
            [np.where(is_told, count, before), np.where(is_told, now, before_ms), start_ms]
        )
        seep, lasted_h = self._seep(units, now, starts)
        self._gather(units, now, pressures, now - start_ms >= AFTER_START_MS)
        values = {
            0: -seep[0],
            1: -seep[1],
            2: np.where(is_known & (step_h > 0), new / np.where(step_h > 0, step_h, 1.0), np.nan),
            **{3 + i: columns(name) for i, name in enumerate((*PRESSURES, "tank_level_m", "battery_v"))},
            7: columns("residual_current_ma"),
        }
        weights = {0: lasted_h / LEAST_SEEPING_H, 1: lasted_h / LEAST_SEEPING_H, 2: np.maximum(step_h, 0.0)}
        return filled(values, weights, len(units), len(self.features))

    def _seep(self, units: Ints, now: Floats, starts: Bools) -> tuple[tuple[Floats, Floats], Floats]:
        """Slopes of the seeps that end with this row, MPa/h, NaN elsewhere, and how long they lasted."""
        lasted_h = np.nan_to_num((now - self._begin[units]) / 3_600_000)
        ends = starts | (lasted_h >= MOST_SEEPING_H)
        n, t, tt, *per_pressure = self._sums[units].T
        is_long = ends & (lasted_h >= LEAST_SEEPING_H) & (n >= 3)
        hydrant, sprinkler = (
            np.where(is_long, slope_per_h(n, t, x, tt, tx), np.nan) for x, tx in (per_pressure[0:2], per_pressure[2:4])
        )
        self._begin[units[ends]] = np.nan
        self._sums[units[ends]] = 0.0
        return (hydrant, sprinkler), np.where(is_long, lasted_h, 0.0)

    def _gather(self, units: Ints, now: Floats, pressures: Floats, is_seeping: Bools) -> None:
        is_seeping = is_seeping & ~np.isnan(pressures).any(axis=1)
        begin = np.where(is_seeping & np.isnan(self._begin[units]), now, self._begin[units])
        self._begin[units] = begin
        t = np.where(is_seeping, (now - begin) / 3_600_000, 0.0)
        x = np.where(is_seeping[:, None], pressures, 0.0)
        self._sums[units] += np.column_stack([is_seeping, t, t * t, x[:, 0], t * x[:, 0], x[:, 1], t * x[:, 1]])

    def _reserve(self, count: int) -> None:
        self._count, self._begin = grown(self._count, count), grown(self._begin, count)
        self._sums = grown(self._sums, count, 0.0)
