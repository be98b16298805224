"""Lag-embedded PCA with per-channel residuals, on channels measured against their own slow average; many units at once.

Two questions are asked of each channel of a row, and the worst answer counts most:

- *Level.* Has it left the level it had lately? Its distance from a slow exponentially weighted average is averaged over
  the last rows (a MEWMA with one limit a channel: Lowry, Woodall, Champ and Rigdon 1992) and weighed by how many
  independent rows the fit rows held (`models.calibration`). The average follows normal drift and stands still for the
  channels that are part of an alarm.
- *Relation.* Does it still go with the other channels and with its own past? The last rows stand side by side in one
  vector (dynamic PCA: Ku, Storer and Georgakis 1995); what its principal components leave unexplained is summed for
  each channel over the lags, averaged, and compared with what the fit rows left out of sample. These are the
  contributions to Q, each with an empirical limit of its own in place of the one limit of Jackson and Mudholkar (1979)
  for their sum. T² inside the components is left to the level part: drift along them is what is normal.

A channel that is told in coarser steps than before brings an error into the residuals of all that go with it; their
limits are widened by as much. While it is not told at all, the residuals it matters for are not judged.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.calibration import normal_equivalent
from models.detectors.contract import Described, FitFacts, Scores, StateArrays
from models.detectors.fitting import DEFAULT_TUNING, Tuning, fit_slot, next_quantum
from models.detectors.slot_state import SlotState
from models.reading import Bools, Floats, Ints

SETTLING_ROWS = 30
"""Rows after a change of level from which the new one is learned; they are not judged."""
FREEZE_MEMORIES = 1.0
ROUNDING = 1e-9
MOST_DOUBT = 0.5
"""A residual is not judged when values that were not told could bring in more than this share of its limit."""
CHUNK_ROWS = 1024
"""Rows whose residual maps are gathered at a time: bounds the copy, not the result."""


class LaggedPca:
    """The detector. `tuning` is one for all data; everything particular to a unit is learned from its fit rows.

    Scores are in units of the slot's limit, so every threshold is 1.

    >>> rng = np.random.default_rng(7)
    >>> detector = LaggedPca(("level_m", "flow_m3_h"))
    >>> detector.fit(0, rng.normal(size=(400, 2))).used
    ('level_m', 'flow_m3_h')
    >>> slot = np.array([0])
    >>> for _ in range(15):
    ...     scores = detector.score(slot, np.array([[0.0, 9.0]]))
    >>> bool(scores.anomaly_score[0] > scores.threshold[0]), scores.contributions[0].round().tolist()
    (True, [0.0, 1.0])
    """

    def __init__(self, channels: tuple[str, ...], *, tuning: Tuning = DEFAULT_TUNING) -> None:
        self._channels = channels
        self.tuning = tuning
        self._state = SlotState(len(channels), tuning.lags)
        # A channel that falls silent in an alarm must not hold it up for ever, nor end it at once.
        self._fading = 1.0 - 1.0 / tuning.level_rows

    @property
    def channels(self) -> tuple[str, ...]:
        return self._channels

    def fit(self, slot: int, history: Floats) -> FitFacts:
        fitted = fit_slot(history, self._channels, self.tuning)
        self._state.reserve(slot)
        self._state.take(slot, fitted)
        return FitFacts(
            rows=fitted.rows,
            used=self._names(fitted.used),
            constant=self._names(fitted.constant),
            missing=self._names(fitted.missing),
        )

    def score(self, slots: Ints, values: Floats, *, is_frozen: Bools | None = None) -> Scores:
        frozen = np.zeros(len(slots), dtype=bool) if is_frozen is None else is_frozen
        has_ended: Bools = ~frozen & (self._state.frozen_rows[slots] > 0)
        if has_ended.any():
            self._learn_from_alarm(slots[has_ended])
        told = ~np.isnan(values) & self._state.is_used[slots]
        is_told: Bools = np.asarray(told.any(axis=1))
        is_settling: Bools = is_told & (self._state.settled_rows[slots] < SETTLING_ROWS)
        if is_settling.any():
            self._settle(slots[is_settling], values[is_settling], told[is_settling])
        level = self._level_ratios(slots, values, told & ~is_settling[:, None])
        relation = self._relation_ratios(slots, values, told & ~is_settling[:, None])
        is_scored = is_told & ~is_settling
        sharpness = self.tuning.sharpness
        total = np.sum(level**sharpness + relation**sharpness, axis=1) ** (1.0 / sharpness)
        anomaly_score = np.where(is_scored, total, np.nan)
        shares = _shares(level, relation, self._state.is_used[slots])
        shares[~is_scored] = np.nan
        self._learn(slots, values, told & ~is_settling[:, None], level, frozen, anomaly_score >= 1.0)
        return Scores(anomaly_score, np.ones(len(slots)), shares)

    def describe(self, slots: Ints) -> Described:
        state = self._state
        is_used, usual = state.is_used[slots], state.slow_average[slots]
        now = state.second_average[slots] + state.smoothed[slots] * state.level_spread[slots]
        return Described(
            now=np.where(is_used, now, np.nan),
            low=np.where(is_used, usual + state.usual_low[slots], np.nan),
            high=np.where(is_used, usual + state.usual_high[slots], np.nan),
        )

    def interrupt(self, slots: Ints) -> None:
        self._state.is_known[slots] = False
        self._state.last[slots] = np.nan

    def rebaseline(self, slots: Ints, *, keeps_relations: bool = False) -> None:
        self.interrupt(slots)
        self._state.smoothed[slots] = 0.0
        self._state.energy[slots] = 0.0
        self._state.settled_rows[slots] = 0
        self._state.farthest[slots] = 0.0
        self._state.frozen_rows[slots] = 0
        if not keeps_relations:
            self._state.slow_rows[slots] = 0.0

    def release(self, slot: int) -> None:
        self._state.is_used[slot] = False

    def state_of(self, slot: int) -> dict[str, npt.NDArray[Any]]:
        return self._state.of(slot)

    def load(self, slot: int, arrays: StateArrays) -> None:
        self._state.put(slot, arrays)

    def state_bytes(self) -> int:
        return self._state.nbytes

    def _names(self, chosen: Bools) -> tuple[str, ...]:
        return tuple(name for name, is_chosen in zip(self._channels, chosen, strict=True) if is_chosen)

    # Score.

    def _level_ratios(self, slots: Ints, values: Floats, told: Bools) -> Floats:
        """How near each channel's averaged distance is to its limit: shape (n, channels), 1 at the limit."""
        state, tuning = self._state, self.tuning
        distance = np.where(told, values - state.second_average[slots], 0.0) / state.level_spread[slots]
        distance = np.clip(distance, -tuning.level_clip, tuning.level_clip)
        before = state.smoothed[slots]
        faded = before * np.where(told.any(axis=1), self._fading, 1.0)[:, None]
        news = np.clip(distance - before, -tuning.level_news, tuning.level_news)
        smoothed = np.where(told, before + news / tuning.smoothing_rows, faded)
        state.smoothed[slots] = smoothed
        evidence = normal_equivalent((smoothed / state.deviation[slots]) ** 2, state.degrees[slots])
        limit = state.level_limit[slots] * state.restlessness[slots]
        return np.where(state.is_used[slots], evidence / limit, 0.0)

    def _relation_ratios(self, slots: Ints, values: Floats, told: Bools) -> Floats:
        """How near each channel's averaged squared residual is to its limit: shape (n, channels), 1 at the limit."""
        state, tuning = self._state, self.tuning
        spread = state.residual_spread[slots]
        lagged = state.lagged[slots]
        distance = np.where(told, values - state.slow_average[slots], 0.0) / spread
        newest = np.clip(distance, -tuning.residual_clip, tuning.residual_clip)
        moves: Bools = np.asarray(told.any(axis=1))
        is_known = state.is_known[slots]
        for ring, values_now in ((lagged, newest), (is_known, told)):
            ring[moves, 1:] = ring[moves, :-1]
            ring[moves, 0] = values_now[moves]
        state.lagged[slots] = lagged
        state.is_known[slots] = is_known

        energy = np.empty_like(distance)
        for first in range(0, len(slots), CHUNK_ROWS):
            part = slice(first, first + CHUNK_ROWS)
            flat = lagged[part].astype(np.float32).reshape(len(lagged[part]), -1, 1)
            residual = np.matmul(state.residual_map[slots[part]], flat)[:, :, 0]
            residual = residual.astype(np.float64)
            energy[part] = (residual**2).reshape(len(residual), tuning.lags, -1).sum(axis=1)
        before = state.energy[slots]
        is_judged = told & ~self._blinded(slots, is_known)
        faded = before * np.where(moves, self._fading, 1.0)[:, None]
        limit = state.residual_limit[slots] + self._coarseness(slots, values, told, spread)
        news = np.minimum(energy - before, tuning.residual_news * limit)
        averaged = np.where(is_judged, before + news / tuning.residual_smoothing_rows, faded)
        state.energy[slots] = averaged
        ratios = averaged / limit
        return np.where(state.is_used[slots], ratios, 0.0)

    def _blinded(self, slots: Ints, is_known: Bools) -> Bools:
        """Channels whose residual says nothing now, because too much of it may come from what was not told."""
        state = self._state
        missing = state.is_used[slots] & ~is_known.all(axis=1)
        blinded = np.zeros_like(missing)
        rows = np.flatnonzero(missing.any(axis=1))
        if len(rows):
            doubt = np.where(missing[rows], state.reach[slots[rows]], 0.0)
            passed_on = np.einsum("nij,nj->ni", state.sensitivity[slots[rows]], doubt)
            blinded[rows] = passed_on > MOST_DOUBT * state.residual_limit[slots[rows]]
        return blinded

    def _coarseness(self, slots: Ints, values: Floats, told: Bools, spread: Floats) -> Floats:
        """What coarser steps than in the fit rows, as a uniform error, add to the squared residual of each channel."""
        state = self._state
        last, quantum = state.last[slots], state.quantum[slots]
        step = np.abs(np.where(told, values, np.nan) - last)
        quantum = next_quantum(quantum, np.nan_to_num(step), ROUNDING * spread)
        state.quantum[slots] = quantum
        state.last[slots] = np.where(told, values, last)
        coarser = np.maximum(0.0, quantum**2 - state.fit_quantum[slots] ** 2) / 12.0 / spread**2
        variance = np.where(state.is_used[slots], coarser, 0.0)
        added: Floats = np.zeros_like(variance)
        rows = np.flatnonzero(np.any(variance > 1e-6, axis=1))
        if len(rows):
            passed_on = np.einsum("nij,nj->ni", state.sensitivity[slots[rows]], variance[rows])
            added[rows] = self.tuning.resolution_weight * passed_on
        return added

    # Learn.

    def _learn(
        self, slots: Ints, values: Floats, told: Bools, level: Floats, frozen: Bools, is_exceeded: Bools
    ) -> None:
        state, tuning = self._state, self.tuning
        away = np.abs(state.smoothed[slots])
        farthest = np.where(frozen[:, None], np.maximum(state.farthest[slots], away), 0.0)
        state.farthest[slots] = farthest
        has_returned = away < tuning.returned_share * farthest
        frozen_rows = np.where(frozen, state.frozen_rows[slots] + 1, 0)
        state.frozen_rows[slots] = frozen_rows
        is_over = self._is_cause_over(slots, level, frozen_rows)[:, None]
        follows_alarm = (level < tuning.adapts_below) | has_returned | is_over
        adapts = np.where(frozen[:, None], follows_alarm, ~is_exceeded[:, None]) & told
        stage_rows = tuning.level_rows / 2
        first, second = state.first_average[slots], state.second_average[slots]
        # A wild reading is no new level: it may pull as far as the farthest that is believed.
        farthest_news = tuning.level_news * state.level_spread[slots]
        news = np.clip(np.where(adapts, values - first, 0.0), -farthest_news, farthest_news)
        first = first + news / stage_rows
        state.first_average[slots] = first
        state.second_average[slots] = second + np.where(adapts, first - second, 0.0) / stage_rows
        # Relations are measured over a long time. Their average stands still no longer than it reaches back, so that
        # it cannot hold an alarm for ever.
        follows = ~frozen | (frozen_rows > FREEZE_MEMORIES * state.memory_rows[slots])
        self._follow_slowly(slots, values, told & follows[:, None])

    def _is_cause_over(self, slots: Ints, level: Floats, frozen_rows: Ints) -> Bools:
        """Alarms whose every cause is back: shape (n,). What merely came with them, or moved meanwhile, holds none.

        Causes are the channels over their limit in the alarm's first rows: by then a step has reached all averages.
        An alarm of broken relations alone has none, and ends as these mend or are given up.
        """
        state, tuning = self._state, self.tuning
        is_young = (frozen_rows > 0) & (frozen_rows <= tuning.level_rows)
        cause = (state.is_cause[slots] & (frozen_rows > 1)[:, None]) | (is_young[:, None] & (level >= 1.0))
        state.is_cause[slots] = cause
        state.highest[slots] = np.where(
            cause, np.maximum(level, state.highest[slots] * (frozen_rows > 1)[:, None]), 0.0
        )
        worst = np.max(level, axis=1, where=cause, initial=0.0)
        is_back = (frozen_rows > tuning.level_rows) & cause.any(axis=1) & (worst < tuning.returned_below)
        state.returned_rows[slots] = np.where(is_back, state.returned_rows[slots] + 1, 0)
        return np.asarray(state.returned_rows[slots] >= tuning.returned_rows)

    def _learn_from_alarm(self, slots: Ints) -> None:
        """What came and went by itself may be the unit's normal life: smaller ones are told no more, equal ones are.

        It counts at a part of its height, for it may have been a fault, and limits grow no farther than told.
        """
        state, tuning = self._state, self.tuning
        exceeded = np.maximum(state.highest[slots] - 1.0, 0.0) * state.is_cause[slots]
        grown = state.restlessness[slots] * (1.0 + tuning.restless_share * exceeded)
        state.restlessness[slots] = np.minimum(grown, tuning.most_restless)

    def _follow_slowly(self, slots: Ints, values: Floats, told: Bools) -> None:
        """The average that relations are measured against: after a new baseline a plain mean at first."""
        state = self._state
        slow = state.slow_average[slots]
        rows = np.minimum(state.slow_rows[slots] + 1.0, state.memory_rows[slots])
        farthest_news = np.where(
            state.slow_rows[slots, None] >= SETTLING_ROWS,
            self.tuning.residual_clip * state.residual_spread[slots],
            np.inf,
        )
        news = np.clip(np.where(told, values - slow, 0.0), -farthest_news, farthest_news)
        state.slow_average[slots] = slow + news / rows[:, None]
        state.slow_rows[slots] = np.where(told.any(axis=1), rows, state.slow_rows[slots])

    def _settle(self, slots: Ints, values: Floats, told: Bools) -> None:
        """Learns a new level as the plain mean of the rows since the old one was given up."""
        state = self._state
        seen = state.settled_rows[slots]
        for average in (state.first_average, state.second_average):
            before = average[slots]
            average[slots] = before + np.where(told, values - before, 0.0) / (seen + 1.0)[:, None]
        state.settled_rows[slots] = seen + 1
        self._follow_slowly(slots, values, told)


def _shares(level: Floats, relation: Floats, is_used: Bools) -> Floats:
    """Each channel's part of what is unlike before; even parts where all is exactly as expected.

    A broken relation shows in all channels that belong to it, so it is put down to those that also moved.
    """
    moved = (0.1 + level) / (0.1 + level.max(axis=1, keepdims=True, initial=0.0))
    squares = np.maximum(level, relation * moved) ** 2
    total = squares.sum(axis=1, keepdims=True)
    used = np.maximum(1, is_used.sum(axis=1, keepdims=True))
    return np.asarray(np.where(total > 0, squares / np.where(total > 0, total, 1.0), is_used / used))
