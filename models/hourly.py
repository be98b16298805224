"""What units are compared by from hour to hour: a row of features a unit and hour, from readings as they come.

A feature is a weighted mean over the hour. Where every reading weighs the same, the largest and the smallest of the
hour are left out, so that one wild reading moves nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.equipment import Metric
from models.reading import Bools, Floats, Ints

HOUR_MS = 3_600_000
LEAST_TO_TRIM = 5
FIRST_CAPACITY = 64

Columns = Callable[[str], Floats]
"""The values of a metric in the rows at hand, shape (n,), NaN where not told."""


@dataclass(frozen=True, slots=True)
class Feature:
    """`worse`: the direction of a fault, 0 for both. The least change that matters to people is a professional
    default, in the feature's unit (`least_change`) or as a share of its usual level (`least_share`).

    `least_weight`: with less of it an hour says nothing. `is_mean` is false where readings weigh differently or count
    rare things: there the largest and the smallest stay in.
    """

    metric: Metric
    worse: int = 0
    least_change: float = 0.0
    least_share: float = 0.0
    least_weight: float = 1.0
    is_mean: bool = True

    @property
    def name(self) -> str:
        return self.metric.name


class HourlyFeatures(Protocol):
    """Turns rows into what they add to the hour's features; at most one row a unit in a call, in order of time."""

    @property
    def features(self) -> tuple[Feature, ...]: ...

    def add(self, units: Ints, ts_ms: Ints, columns: Columns) -> tuple[Floats, Floats]:
        """Values and their weights, both (n, features); weight 0 where a row adds nothing. `units` are places."""


class HourlySums:
    """The hour of each unit that is under way."""

    def __init__(self, features: tuple[Feature, ...]) -> None:
        width = len(features)
        self._least_weight = np.array([feature.least_weight for feature in features])
        self._is_mean = np.array([feature.is_mean for feature in features], dtype=bool)
        self.hour = np.full(0, -1)
        self._sum = np.zeros((0, width))
        self._weight = np.zeros((0, width))
        self._least = np.zeros((0, width))
        self._most = np.zeros((0, width))

    def add(self, units: Ints, values: Floats, weights: Floats) -> None:
        told = weights > 0
        known = np.where(told, values, 0.0)
        self._sum[units] += known * weights
        self._weight[units] += weights
        self._least[units] = np.where(told, np.minimum(self._least[units], values), self._least[units])
        self._most[units] = np.where(told, np.maximum(self._most[units], values), self._most[units])

    def close(self, units: Ints) -> Floats:
        """The features of the hour that ends: shape (n, features), NaN where too little was told. A new one begins."""
        total, weight = self._sum[units], self._weight[units]
        trims = self._is_mean & (weight >= LEAST_TO_TRIM)
        with np.errstate(invalid="ignore"):
            total = np.where(trims, total - self._least[units] - self._most[units], total)
            values = total / np.where(weight > 0, np.where(trims, weight - 2, weight), np.nan)
        self._begin(units)
        return np.where(weight >= self._least_weight, values, np.nan)

    def reserve(self, count: int) -> None:
        have = len(self.hour)
        if count <= have:
            return
        more = max(count, 2 * have, FIRST_CAPACITY) - have
        self.hour = np.concatenate([self.hour, np.full(more, -1)])
        for name in ("_sum", "_weight", "_least", "_most"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((more, array.shape[1]))]))
        self._begin(np.arange(have, have + more))

    def _begin(self, units: Ints) -> None:
        self._sum[units] = self._weight[units] = 0.0
        self._least[units], self._most[units] = np.inf, -np.inf

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in (self.hour, self._sum, self._weight, self._least, self._most))


def grown(array: Floats, count: int, fill: float = np.nan) -> Floats:
    """The array with room for `count` units along its first axis."""
    if len(array) >= count:
        return array
    more = max(count, 2 * len(array), FIRST_CAPACITY) - len(array)
    return np.concatenate([array, np.full((more, *array.shape[1:]), fill)])


def filled(
    values: Mapping[int, Floats], weights: Mapping[int, Floats | Bools], rows: int, width: int
) -> tuple[Floats, Floats]:
    """Columns by their number as the two arrays of `HourlyFeatures.add`; a value that is NaN weighs nothing."""
    out, weight = np.zeros((rows, width)), np.zeros((rows, width))
    for c, column in values.items():
        told = ~np.isnan(column)
        out[:, c] = np.where(told, column, 0.0)
        weight[:, c] = np.where(told, weights.get(c, 1.0), 0.0)
    return out, weight
