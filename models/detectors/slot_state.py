"""The stacked state of all slots of a lagged PCA: slot i stands at index i of every array."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.detectors.contract import StateArrays, check_state
from models.detectors.fitting import SlotFit
from models.reading import Floats

FIRST_CAPACITY = 8
ADDED_LATER = {"is_cause": 0, "returned_rows": 0, "highest": 0, "restlessness": 1}
"""What states kept by older versions lack, and what it starts with."""


class SlotState:
    """Arrays (slots, channels) unless said otherwise. Channels that are not used hold harmless numbers.

    Learned in the fit: `level_spread`, `deviation`, `degrees`, `level_limit`; `residual_spread`, `residual_limit`,
    `residual_map` (slots, lags * channels, lags * channels), `sensitivity` (slots, channels, channels: how much of a
    variance of one channel reaches the residual of another), `reach`, `memory_rows` (slots,), `fit_quantum`,
    `usual_low` and `usual_high` (from the slow average).
    Carried from row to row: the averages, `smoothed`, `farthest`, `energy`, `lagged` and `is_known` (slots, lags,
    channels; newest first), `settled_rows`, `slow_rows` and `frozen_rows` (slots,), `quantum`, `last`.
    Of the standing alarm: `is_cause` (channels that raised it), `highest` (their level ratio), `returned_rows` (slots,;
    rows since all of them are back). Of the alarms that ended: `restlessness`, what the level limit is multiplied by.
    """

    def __init__(self, channels: int, lags: int) -> None:
        wide = channels * lags
        self._channels, self._lags = channels, lags
        self.is_used = np.zeros((0, channels), dtype=bool)
        self.level_spread = np.ones((0, channels))
        self.deviation = np.ones((0, channels))
        self.degrees = np.ones((0, channels))
        self.level_limit = np.ones((0, channels))
        self.smoothed = np.zeros((0, channels))
        self.first_average = np.zeros((0, channels))
        self.second_average = np.zeros((0, channels))
        self.farthest = np.zeros((0, channels))
        self.residual_spread = np.ones((0, channels))
        self.residual_limit = np.ones((0, channels))
        # The largest by far: half the digits are still a thousand times finer than the least limit.
        self.residual_map = np.zeros((0, wide, wide), dtype=np.float32)
        self.sensitivity = np.zeros((0, channels, channels), dtype=np.float32)
        self.memory_rows = np.ones(0)
        self.slow_average = np.zeros((0, channels))
        self.slow_rows = np.zeros(0)
        self.energy = np.zeros((0, channels))
        self.lagged = np.zeros((0, lags, channels))
        self.settled_rows = np.zeros(0, dtype=np.int64)
        self.is_known = np.zeros((0, lags, channels), dtype=bool)
        self.reach = np.ones((0, channels))
        self.usual_low = np.zeros((0, channels))
        self.usual_high = np.zeros((0, channels))
        self.frozen_rows = np.zeros(0, dtype=np.int64)
        self.is_cause = np.zeros((0, channels), dtype=bool)
        self.returned_rows = np.zeros(0, dtype=np.int64)
        self.highest = np.zeros((0, channels))
        self.restlessness = np.ones((0, channels))
        self.fit_quantum = np.zeros((0, channels))
        self.quantum = np.zeros((0, channels))
        self.last = np.zeros((0, channels))

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._arrays().values())

    def of(self, slot: int) -> dict[str, npt.NDArray[Any]]:
        return {name: array[slot].copy() for name, array in self._arrays().items()}

    def put(self, slot: int, arrays: StateArrays) -> None:
        """Replaces the slot by what `of` gave. Raises `StateMismatch`."""
        expected = {name: np.empty(array.shape[1:], array.dtype) for name, array in self._arrays().items()}
        added = {name: np.full_like(expected[name], start) for name, start in ADDED_LATER.items() if name not in arrays}
        arrays = {**arrays, **added}
        check_state(arrays, expected)
        self.reserve(slot)
        for name, array in self._arrays().items():
            array[slot] = arrays[name]

    def reserve(self, slot: int) -> None:
        have = len(self.memory_rows)
        if slot < have:
            return
        more = max(slot + 1, have + have // 2, FIRST_CAPACITY) - have
        for name, array in self._arrays().items():
            extra = np.full((more, *array.shape[1:]), 1.0 if array.dtype.kind == "f" else 0, dtype=array.dtype)
            setattr(self, name, np.concatenate([array, extra]))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def take(self, slot: int, fitted: SlotFit) -> None:
        """Puts what was learned into the slot, ready for the row after the fit rows."""
        used, lags = fitted.used, self._lags

        def spread_out(values: Floats, rest: float) -> Floats:
            out = np.full((*values.shape[:-1], self._channels), rest)
            out[..., used] = values
            return out

        level, residual = fitted.level, fitted.residual
        self.is_used[slot] = used
        self.level_spread[slot] = spread_out(level.spread, 1.0)
        self.deviation[slot] = spread_out(level.deviation, 1.0)
        self.degrees[slot] = spread_out(level.degrees, 1.0)
        self.level_limit[slot] = spread_out(level.limit, 1.0)
        self.smoothed[slot] = spread_out(level.smoothed, 0.0)
        self.first_average[slot] = spread_out(level.first_average, 0.0)
        self.second_average[slot] = spread_out(level.second_average, 0.0)
        self.farthest[slot] = 0.0
        self.residual_spread[slot] = spread_out(residual.spread, 1.0)
        self.residual_limit[slot] = spread_out(residual.limit, 1.0)
        wide = np.tile(used, lags)
        self.residual_map[slot] = 0.0
        self.residual_map[slot][np.ix_(wide, wide)] = residual.residual_map
        blocks = self.residual_map[slot].reshape(lags, self._channels, lags, self._channels)
        self.sensitivity[slot] = np.sum(blocks**2, axis=(0, 2))
        self.memory_rows[slot] = residual.memory_rows
        self.slow_average[slot] = spread_out(residual.average, 0.0)
        self.slow_rows[slot] = residual.memory_rows
        self.energy[slot] = spread_out(residual.energy, 0.0)
        self.lagged[slot] = spread_out(residual.lagged, 0.0)
        self.settled_rows[slot] = np.iinfo(np.int32).max
        self.is_known[slot] = used
        self.reach[slot] = spread_out(residual.reach, 0.0)
        self.usual_low[slot] = spread_out(residual.usual_low, 0.0)
        self.usual_high[slot] = spread_out(residual.usual_high, 0.0)
        self.frozen_rows[slot] = 0
        for name, start in ADDED_LATER.items():
            getattr(self, name)[slot] = start
        self.fit_quantum[slot] = spread_out(fitted.quantum, 0.0)
        self.quantum[slot] = spread_out(fitted.quantum, 0.0)
        self.last[slot] = spread_out(fitted.last, 0.0)
