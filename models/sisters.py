"""One unit against its sisters: units of one kind, make and site, compared by where their features stand lately.

Its own past cannot tell that a lift was bad from the first day; its sisters can. The distance from the median of the
others is measured in their robust spread (1.4826 times the median absolute deviation), which is never taken as smaller
than half of the least change that matters to people. From few sisters the spread is known badly, so the limit is a
quantile of Student's distribution with one degree of freedom less than there are others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from models.explain import Difference
from models.hourly import Feature
from models.reading import Floats, UnitKey

LEAST_SISTERS = 5
"""Others, besides the unit itself."""
CHANCE = 1e-4
"""Of one feature of one unit passing the limit though it is one of them."""
LEAST_DAYS = 3
"""So many comparisons in a row, one a day, before anything is told or taken back."""
TO_NORMAL = 1.4826


@dataclass(frozen=True, slots=True)
class SisterVerdict:
    """A unit began or ceased to stand apart; differences are those of the features that do, farthest first.

    `low` to `high` of a difference is where the limit lies about the sisters' median; `ratio` is distance over limit.
    """

    unit: UnitKey
    is_apart: bool
    ratio: float
    sisters: int
    differences: tuple[Difference, ...]


class SisterComparison:
    """Call `compare` once a day. Groups with too few sisters are not compared, and nothing is told of them."""

    def __init__(self, features: Sequence[Feature], *, least_sisters: int = LEAST_SISTERS) -> None:
        self._features = tuple(features)
        self.least_sisters = least_sisters
        self._worse = np.array([feature.worse for feature in features])
        self._apart: set[UnitKey] = set()
        self._days: dict[UnitKey, int] = {}

    def stand(self, unit: UnitKey) -> None:
        """A verdict of an earlier process stands."""
        self._apart.add(unit)

    def compare(self, units: Sequence[UnitKey], values: Floats, group_of: Mapping[UnitKey, str]) -> list[SisterVerdict]:
        """Verdicts that changed. `values` (units, features), NaN where not told; `group_of` leaves out who has none."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index, unit in enumerate(units):
            if unit in group_of:
                groups.setdefault((unit.site, group_of[unit]), []).append(index)
        changed = []
        for members in groups.values():
            if len(members) <= self.least_sisters:
                continue
            of_group = values[members]
            for place, index in enumerate(members):
                verdict = self._judge(units[index], of_group[place], np.delete(of_group, place, axis=0))
                if verdict is not None:
                    changed.append(verdict)
        return changed

    def _judge(self, unit: UnitKey, own: Floats, others: Floats) -> SisterVerdict | None:
        middle, limit, known = self._limits(others)
        distance = own - middle
        counts = known & ~np.isnan(own) & ((self._worse == 0) | (np.sign(distance) == self._worse))
        ratio = np.where(counts, np.abs(distance) / limit, 0.0)
        is_apart = bool((ratio >= 1.0).any())
        if is_apart == (unit in self._apart):
            self._days.pop(unit, None)
            return None
        days = self._days.get(unit, 0) + 1
        if days < LEAST_DAYS:
            self._days[unit] = days
            return None
        self._days.pop(unit, None)
        self._apart ^= {unit}
        order = [c for c in np.argsort(-ratio, kind="stable").tolist() if ratio[c] >= 1.0]
        total = float(sum(ratio[c] for c in order)) or 1.0
        return SisterVerdict(
            unit=unit,
            is_apart=is_apart,
            ratio=float(ratio.max(initial=0.0)),
            sisters=len(others),
            differences=tuple(
                Difference(
                    channel=self._features[c].name,
                    share=float(ratio[c]) / total,
                    now=float(own[c]),
                    low=float(middle[c] - limit[c]),
                    high=float(middle[c] + limit[c]),
                )
                for c in order
            ),
        )

    def _limits(self, others: Floats) -> tuple[Floats, Floats, Floats]:
        """Median of the others, how far from it is far, and whether enough of them tell the feature."""
        middle, limit = np.zeros(len(self._features)), np.ones(len(self._features))
        known = np.zeros(len(self._features), dtype=bool)
        for c, feature in enumerate(self._features):
            told = others[~np.isnan(others[:, c]), c]
            if len(told) < self.least_sisters:
                continue
            middle[c] = np.median(told)
            spread = TO_NORMAL * float(np.median(np.abs(told - middle[c])))
            spread = max(spread, feature.least_change / 2, feature.least_share * abs(middle[c]) / 2)
            limit[c] = max(spread * float(stats.t.ppf(1 - CHANCE / 2, len(told) - 1)), 1e-12)
            known[c] = True
        return middle, limit, known
