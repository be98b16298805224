"""The formula of the dual-hundred appraisal (双百分), as data, and what it makes of facts, in exact fractions.

All numbers are defaults of ours, published with every appraisal; no law sets them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction

HUNDRED = Fraction(100)
_CENT = Decimal("0.01")


class ComponentKey(StrEnum):
    """Of the service half, which is computed."""

    RESPONSE = "response"
    RECURRENCE = "recurrence"
    PATROLS = "patrols"
    VERIFIED = "verified"
    RATINGS = "ratings"


class PartyItem(StrEnum):
    """Of the party-building half, which people enter and nothing computes."""

    MEETINGS = "meetings"
    CROSS_APPOINTMENT = "cross_appointment"
    EMERGENCIES = "emergencies"
    CONCERNS = "concerns"


COMMUNITY = "community"
"""The community's own assessment of the company, out of a hundred."""


@dataclass(frozen=True, slots=True)
class Component:
    """Nothing for a value of `zero_at` or worse, all `points` from `full_at` on, in proportion between."""

    key: ComponentKey
    points: int
    zero_at: Fraction
    full_at: Fraction
    least_facts: int
    """With fewer, chance would decide: the component is withheld."""

    def score(self, value: Fraction) -> Fraction:
        share = (value - self.zero_at) / (self.full_at - self.zero_at)
        return self.points * min(max(share, Fraction(0)), Fraction(1))


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    components: tuple[Component, ...]
    party_points: Mapping[PartyItem, int]
    least_known_points: int
    """Of the service half's hundred; with fewer known the whole half is withheld."""
    community_weight: Fraction
    objection_days: int
    recurrence_days: int


def _percent(number: int) -> Fraction:
    return Fraction(number, 100)


RULE = Rule(
    id="dual-hundred-1",
    components=(
        Component(ComponentKey.RESPONSE, 25, _percent(50), _percent(95), least_facts=5),
        Component(ComponentKey.RECURRENCE, 20, _percent(70), _percent(95), least_facts=5),
        Component(ComponentKey.PATROLS, 20, _percent(60), _percent(100), least_facts=4),
        Component(ComponentKey.VERIFIED, 20, _percent(50), _percent(100), least_facts=3),
        Component(ComponentKey.RATINGS, 15, Fraction(2), Fraction(48, 10), least_facts=5),
    ),
    party_points={
        PartyItem.MEETINGS: 25,
        PartyItem.CROSS_APPOINTMENT: 25,
        PartyItem.EMERGENCIES: 25,
        PartyItem.CONCERNS: 25,
    },
    least_known_points=50,
    community_weight=Fraction(1, 5),
    objection_days=7,
    recurrence_days=30,
)


class RecordKind(StrEnum):
    TICKET = "ticket"
    PATROL = "patrol"


@dataclass(frozen=True, slots=True)
class Record:
    """One fact behind a component: a ticket or a round, and whether it speaks for the company. `worth` counts."""

    kind: RecordKind
    id: int
    worth: int
    """1 or 0 of a share; the stars of a rating."""


@dataclass(frozen=True, slots=True)
class Scored:
    """`score` is None when the component is withheld: `facts` are fewer than `least_facts`."""

    component: Component
    facts: int
    value: Fraction | None
    score: Fraction | None
    records: tuple[Record, ...]


def score_component(component: Component, records: Sequence[Record]) -> Scored:
    """
    >>> part = RULE.components[3]
    >>> score_component(part, [Record(RecordKind.TICKET, n, int(n > 0)) for n in range(4)]).score
    Fraction(10, 1)
    >>> score_component(part, []).score is None
    True
    """
    value = Fraction(sum(record.worth for record in records), len(records)) if records else None
    is_enough = len(records) >= component.least_facts and value is not None
    return Scored(
        component=component,
        facts=len(records),
        value=value,
        score=component.score(value) if is_enough and value is not None else None,
        records=tuple(records),
    )


def service_half(scored: Sequence[Scored], rule: Rule = RULE) -> Fraction | None:
    """Out of a hundred, of what is known: a withheld component counts neither for nor against the company.

    None when less than `least_known_points` is known.
    """
    known = [each for each in scored if each.score is not None]
    points = sum(each.component.points for each in known)
    if points < rule.least_known_points:
        return None
    return HUNDRED * sum((each.score for each in known if each.score is not None), Fraction(0)) / points


def total(
    service: Fraction | None, party: Fraction | None, community: Fraction | None, rule: Rule = RULE
) -> Fraction | None:
    """Out of two hundred: both halves, and the community's assessment with its weight; None when one is missing.

    >>> total(Fraction(80), Fraction(90), Fraction(50))
    Fraction(156, 1)
    """
    if service is None or party is None or community is None:
        return None
    return (1 - rule.community_weight) * (service + party) + rule.community_weight * 2 * community


def as_text(number: Fraction | None) -> str | None:
    """With two decimals, rounded half up; only for reading: nothing is computed from it.

    >>> as_text(Fraction(2, 3)), as_text(Fraction(5, 1000))
    ('0.67', '0.01')
    """
    if number is None:
        return None
    # Exact: a decimal of a fraction may be endless, so the half is decided on the fraction itself.
    cents = (number * 100 + Fraction(1, 2)).__floor__()
    return str((Decimal(cents) / 100).quantize(_CENT, rounding=ROUND_HALF_UP))
