"""How far a unit has moved from what its model was fitted on: its inputs, and the scores that the model gives them.

A model keeps a *reference* of its fit rows: for each channel the shares of ten bins, and the scores that rows it had
not learned from got from a first fit. Later rows are laid beside it. The bins are compared by the population stability
index (Kullback-Leibler both ways); below 0.1 is taken as steady and above 0.25 as moved, the rule of thumb of credit
scoring, where it comes from. Detectors follow slow drift, so moved inputs alone are no reason for a new model: moved
inputs whose scores have moved too are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from models.detectors.contract import DetectorError
from models.detectors.lagged_pca import LaggedPca
from models.detectors.series import judge_series
from models.reading import Bools, Floats

BINS = 10
STEADY_BELOW, MOVED_ABOVE = 0.1, 0.25
LEAST_SHARE = 1e-4
"""In the place of an empty bin, so that the index stays finite."""
LEAST_ROWS = 200
HELD_OUT_SHARE = 0.25
MOST_HELD_OUT_ROWS = 3_000
OVER_FACTOR, OVER_SHARE = 3.0, 0.02
"""Scores have moved when more than this share of rows is over the limit, and so many times more than at first."""


class Movement(StrEnum):
    """What a drift report comes to, from the least to the most."""

    UNKNOWN = "unknown"
    STEADY = "steady"
    INPUTS = "inputs"
    """The unit is read otherwise than before, and the model still takes it for normal."""
    SCORES = "scores"
    """The model finds the unit unlike before more often than at first: a fault stands, or it is to be renewed."""


@dataclass(frozen=True, slots=True)
class ChannelReference:
    """`edges` divide the fit rows into bins of these `shares`; `spread` is half of what holds the middle 68 %."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    median: float
    spread: float
    told: float


@dataclass(frozen=True, slots=True)
class ScoreReference:
    """Of held-out rows: how many, the share over the limit, and what half and all but a hundredth stay below."""

    rows: int
    over: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Reference:
    channels: Mapping[str, ChannelReference]
    scores: ScoreReference | None

    def as_json(self) -> dict[str, Any]:
        return {
            "channels": {name: asdict(each) for name, each in self.channels.items()},
            "scores": None if self.scores is None else asdict(self.scores),
        }


def reference_from_json(told: Mapping[str, Any]) -> Reference:
    """Raises KeyError, TypeError, ValueError for what is no reference."""
    return Reference(
        {
            str(name): ChannelReference(
                tuple(map(float, each["edges"])),
                tuple(map(float, each["shares"])),
                float(each["median"]),
                float(each["spread"]),
                float(each["told"]),
            )
            for name, each in told["channels"].items()
        },
        None if told["scores"] is None else ScoreReference(**told["scores"]),
    )


@dataclass(frozen=True, slots=True)
class ChannelDrift:
    """`index` is the stability index, `shift` how far the median moved in spreads of the fit rows."""

    channel: str
    index: float
    shift: float
    told: float
    told_before: float


@dataclass(frozen=True, slots=True)
class DriftReport:
    """`channels` with the most moved first; of scores the share over the limit, now and when fitted."""

    rows: int
    first_ms: int
    last_ms: int
    movement: Movement
    channels: tuple[ChannelDrift, ...]
    over: float | None = None
    over_before: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def reference_of(channels: Sequence[str], values: Floats, follows_gap: Bools) -> Reference:
    """What fit rows (rows, channels), in order of time, are remembered by."""
    found = {}
    for c, name in enumerate(channels):
        told = values[:, c][~np.isnan(values[:, c])]
        if len(told):
            found[name] = _channel_reference(told, share=len(told) / len(values))
    return Reference(found, _held_out_scores(tuple(channels), values, follows_gap))


def drift_of(
    reference: Reference,
    detector: LaggedPca,
    values: Floats,
    ts_ms: np.ndarray[tuple[int], np.dtype[np.int64]],
    follows_gap: Bools,
) -> DriftReport:
    """Lays rows that came later (rows, channels) beside the reference; `detector` holds the model in slot 0."""
    first_ms, last_ms = (int(ts_ms[0]), int(ts_ms[-1])) if len(ts_ms) else (0, 0)
    if len(values) < LEAST_ROWS:
        return DriftReport(len(values), first_ms, last_ms, Movement.UNKNOWN, ())
    channels = sorted(
        (
            _channel_drift(name, reference.channels[name], values[:, c])
            for c, name in enumerate(detector.channels)
            if name in reference.channels
        ),
        key=lambda each: (-each.index, each.channel),
    )
    slot = np.array([0])
    detector.rebaseline(slot, keeps_relations=True)
    scores = _summary(judge_series(detector, values, follows_gap=follows_gap).anomaly_score)
    before = reference.scores
    over_before = before.over if before is not None else None
    movement = Movement.STEADY
    if any(each.index > MOVED_ABOVE or abs(each.told - each.told_before) > MOVED_ABOVE for each in channels):
        movement = Movement.INPUTS
    if scores is not None and scores.over > max(OVER_SHARE, OVER_FACTOR * (over_before or 0.0)):
        movement = Movement.SCORES
    over = scores.over if scores is not None else None
    return DriftReport(len(values), first_ms, last_ms, movement, tuple(channels), over, over_before)


def stability_index(before: Floats, now: Floats) -> float:
    """Population stability index of two sets of shares.

    >>> round(stability_index(np.array([0.5, 0.5]), np.array([0.5, 0.5])), 3)
    0.0
    >>> round(stability_index(np.array([0.5, 0.5]), np.array([0.9, 0.1])), 3)
    0.879
    """
    before, now = np.maximum(before, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return float(np.sum((now - before) * np.log(now / before)))


def _channel_reference(told: Floats, *, share: float) -> ChannelReference:
    # A channel of few values has fewer bins: equal edges are one.
    edges = np.unique(np.quantile(told, np.linspace(0.0, 1.0, BINS + 1)[1:-1], method="higher"))
    low, median, high = np.quantile(told, [0.16, 0.5, 0.84])
    spread = max(float(high - low) / 2, float(np.std(told)) / 10, 1e-12)
    return ChannelReference(
        tuple(edges.tolist()), tuple(_shares(told, edges).tolist()), float(median), spread, float(share)
    )


def _channel_drift(name: str, before: ChannelReference, values: Floats) -> ChannelDrift:
    told = values[~np.isnan(values)]
    if not len(told):
        return ChannelDrift(name, 0.0, 0.0, 0.0, before.told)
    now = _shares(told, np.array(before.edges))
    return ChannelDrift(
        name,
        stability_index(np.array(before.shares), now),
        (float(np.median(told)) - before.median) / before.spread,
        len(told) / len(values),
        before.told,
    )


def _shares(told: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, told, side="right"), minlength=len(edges) + 1)
    return np.asarray(counts / len(told))


def _held_out_scores(channels: tuple[str, ...], values: Floats, follows_gap: Bools) -> ScoreReference | None:
    """Scores of the last rows by a model of the rows before them; None where these are too few."""
    held_out = min(int(HELD_OUT_SHARE * len(values)), MOST_HELD_OUT_ROWS)
    detector = LaggedPca(channels)
    try:
        detector.fit(0, values[: len(values) - held_out])
    except DetectorError:
        return None
    return _summary(judge_series(detector, values[-held_out:], follows_gap=follows_gap[-held_out:]).anomaly_score)


def _summary(scores: Floats) -> ScoreReference | None:
    scored = scores[~np.isnan(scores)]
    if not len(scored):
        return None
    median, high = np.quantile(scored, [0.5, 0.99])
    return ScoreReference(len(scored), float(np.mean(scored >= 1.0)), float(median), float(high))
