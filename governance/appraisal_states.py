"""The stages of an appraisal, who may make which move, and the periods there are, as tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from registry.role import Role

PERIOD = re.compile(r"(20[0-9]{2})(?:Q([1-4]))?")


class AppraisalState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    OBJECTED = "objected"
    CORRECTED = "corrected"
    FINAL = "final"


APPRAISERS = frozenset({Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
"""The company does not appraise itself, and the operator of the system appraises nobody."""


@dataclass(frozen=True, slots=True)
class AppraisalMove:
    roles: frozenset[Role]
    needs_note: bool = False


_S = AppraisalState
MOVES: Mapping[AppraisalState, Mapping[AppraisalState, AppraisalMove]] = MappingProxyType(
    {
        _S.DRAFT: {_S.PUBLISHED: AppraisalMove(APPRAISERS)},
        _S.PUBLISHED: {
            # Within the days of the rule; after them it may become final.
            _S.OBJECTED: AppraisalMove(frozenset({Role.PROPERTY_MANAGER}), needs_note=True),
            _S.FINAL: AppraisalMove(APPRAISERS),
        },
        _S.OBJECTED: {
            _S.CORRECTED: AppraisalMove(APPRAISERS, needs_note=True),
            # The objection is refused, with the reason.
            _S.FINAL: AppraisalMove(frozenset({Role.DISTRICT_OFFICER}), needs_note=True),
        },
        _S.CORRECTED: {_S.FINAL: AppraisalMove(APPRAISERS)},
        _S.FINAL: {},
    }
)
"""Every state with the states that may follow."""
ENTERED_IN = frozenset({_S.DRAFT, _S.OBJECTED})
"""When people enter points."""
FROZEN_IN = frozenset({_S.PUBLISHED, _S.CORRECTED, _S.FINAL})
"""A move to these keeps the whole appraisal as it was then, with a hash."""


def period_bounds_ms(period: str, zone: str) -> tuple[int, int] | None:
    """First and end instant of `2026` or `2026Q3` at a place; None for what is no period.

    >>> period_bounds_ms("2026Q4", "Asia/Shanghai") == (1790784000000, 1798732800000)
    True
    """
    found = PERIOD.fullmatch(period)
    if found is None:
        return None
    year, quarter = int(found[1]), int(found[2] or 0)
    first = date(year, 3 * quarter - 2 if quarter else 1, 1)
    after = date(year + 1, 1, 1) if quarter in (0, 4) else date(year, 3 * quarter + 1, 1)
    begin, end = (datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) for day in (first, after))
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)
