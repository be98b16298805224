"""The law of votes as data: which majorities a matter needs, from when to when, counted of whom.

"以上" includes the number itself, "过半数" does not. Both counts, owners and area, must reach each limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType


class Matter(StrEnum):
    """What is voted on: use of the maintenance fund, raising it, rebuilding or changing common use."""

    USE = "use"
    RAISE = "raise"
    REBUILD = "rebuild"


class Base(StrEnum):
    """Of whom a share is counted."""

    ALL = "all"
    PARTICIPATING = "participating"


@dataclass(frozen=True, slots=True)
class Limit:
    """A share of `base` that must be reached, or exceeded when `is_exceeded` ("more than")."""

    share: Fraction
    base: Base
    is_exceeded: bool = False

    def is_met(self, count: Fraction, base_count: Fraction) -> bool:
        """Whether `count` of `base_count` is enough; of nothing, nothing is."""
        if base_count <= 0:
            return False
        wanted = self.share * base_count
        return count > wanted if self.is_exceeded else count >= wanted


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A law in force from `since` to `until` (both days included; None is still in force)."""

    key: str
    title: str
    since: date
    until: date | None
    quorum: Limit
    consent: Mapping[Matter, Limit]


_TWO_THIRDS, _THREE_QUARTERS, _HALF = Fraction(2, 3), Fraction(3, 4), Fraction(1, 2)
_TWO_THIRDS_OF_ALL = Limit(_TWO_THIRDS, Base.ALL)
_THREE_QUARTERS_OF_VOTERS = Limit(_THREE_QUARTERS, Base.PARTICIPATING)

RULESETS: Mapping[str, Ruleset] = MappingProxyType(
    {
        ruleset.key: ruleset
        for ruleset in (
            Ruleset(
                key="property-law-2007",
                title="Property Law, article 76",
                since=date(2007, 10, 1),
                until=date(2020, 12, 31),
                quorum=Limit(_HALF, Base.ALL, is_exceeded=True),
                consent=MappingProxyType(dict.fromkeys(Matter, _TWO_THIRDS_OF_ALL)),
            ),
            Ruleset(
                key="civil-code-2021",
                title="Civil Code, article 278",
                since=date(2021, 1, 1),
                until=None,
                quorum=Limit(_TWO_THIRDS, Base.ALL),
                consent=MappingProxyType(
                    {
                        Matter.USE: Limit(_HALF, Base.PARTICIPATING, is_exceeded=True),
                        Matter.RAISE: _THREE_QUARTERS_OF_VOTERS,
                        Matter.REBUILD: _THREE_QUARTERS_OF_VOTERS,
                    }
                ),
            ),
        )
    }
)
