"""The count of a vote, in exact fractions, by owners and by area.

One exclusive part belongs to one owner of the roll; several parts of one owner are one owner with their whole area.
Silence is not consent. Who sent two ballots that contradict each other took part and consented to nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from governance.ruleset import Base, Limit, Matter, Ruleset


class Choice(StrEnum):
    CONSENT = "consent"
    OBJECT = "object"
    ABSTAIN = "abstain"


class Channel(StrEnum):
    ELECTRONIC = "electronic"
    PAPER = "paper"


@dataclass(frozen=True, slots=True)
class Part:
    """One exclusive part (a flat, a shop, a garage) of the roll and its area."""

    owner: str
    part: str
    area_m2: Decimal


@dataclass(frozen=True, slots=True)
class Ballot:
    owner: str
    choice: Choice
    channel: Channel


@dataclass(frozen=True, slots=True)
class Count:
    """Owners and the area that is theirs."""

    owners: int
    area_m2: Decimal


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that decided, or that was left out: a message and the facts for its places."""

    message: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tally:
    ruleset: str
    matter: Matter
    roll: Count
    participating: Count
    consenting: Count
    is_quorum_met: bool
    is_approved: bool
    reasons: tuple[Reason, ...]


QUORUM_OWNERS = "Taking part: %(count)s of %(base)s owners; needed: %(needed)s"
QUORUM_AREA = "Taking part: %(count)s of %(base)s m²; needed: %(needed)s"
CONSENT_OWNERS = "Consenting: %(count)s of %(base)s owners; needed: %(needed)s"
CONSENT_AREA = "Consenting: %(count)s of %(base)s m²; needed: %(needed)s"
NO_CONSENT_WITHOUT_QUORUM = "Too few took part: nothing is decided"
STRANGERS = "Not counted: %(count)s ballots of people who are not on the roll, the first of %(first)s"
REPEATED = "Counted once: %(count)s owners sent the same ballot more than once, the first %(first)s"
CONTRADICTING = (
    "Taking part without consent: %(count)s owners sent ballots that contradict each other, the first %(first)s"
)


def tally(roll: Sequence[Part], ballots: Iterable[Ballot], *, ruleset: Ruleset, matter: Matter) -> Tally:
    """Counts; the order of ballots changes nothing. The roll must name each part once, with an area above zero."""
    area_of: dict[str, Decimal] = {}
    for part in roll:
        area_of[part.owner] = area_of.get(part.owner, Decimal(0)) + part.area_m2
    choices: dict[str, list[Choice]] = {}
    strangers: list[str] = []
    for ballot in ballots:
        if ballot.owner in area_of:
            choices.setdefault(ballot.owner, []).append(ballot.choice)
        else:
            strangers.append(ballot.owner)
    consenting = [owner for owner, chosen in choices.items() if set(chosen) == {Choice.CONSENT}]
    counts = {
        Base.ALL: _count(area_of, area_of),
        Base.PARTICIPATING: _count(choices, area_of),
    }
    consent = _count(consenting, area_of)
    limit = ruleset.consent[matter]
    quorum_met, reasons = _judge(counts[Base.PARTICIPATING], counts[Base.ALL], ruleset.quorum, is_quorum=True)
    consent_met, consent_reasons = _judge(consent, counts[limit.base], limit, is_quorum=False)
    reasons += consent_reasons
    if not quorum_met:
        reasons.append(Reason(NO_CONSENT_WITHOUT_QUORUM))
    reasons += _left_out(choices, strangers)
    return Tally(
        ruleset=ruleset.key,
        matter=matter,
        roll=counts[Base.ALL],
        participating=counts[Base.PARTICIPATING],
        consenting=consent,
        is_quorum_met=quorum_met,
        is_approved=quorum_met and consent_met,
        reasons=tuple(reasons),
    )


def _count(owners: Collection[str], area_of: Mapping[str, Decimal]) -> Count:
    # Decimal sums of fewer than 28 digits are exact, and keep the places that the roll is written with.
    return Count(len(owners), sum((area_of[owner] for owner in owners), Decimal(0)))


def _judge(count: Count, base: Count, limit: Limit, *, is_quorum: bool) -> tuple[bool, list[Reason]]:
    owners, area = (QUORUM_OWNERS, QUORUM_AREA) if is_quorum else (CONSENT_OWNERS, CONSENT_AREA)
    needed = ("> " if limit.is_exceeded else "≥ ") + str(limit.share)
    reasons = [
        Reason(owners, {"count": count.owners, "base": base.owners, "needed": needed}),
        Reason(area, {"count": f"{count.area_m2:f}", "base": f"{base.area_m2:f}", "needed": needed}),
    ]
    is_met = limit.is_met(Fraction(count.owners), Fraction(base.owners))
    return is_met and limit.is_met(Fraction(count.area_m2), Fraction(base.area_m2)), reasons


def _left_out(choices: Mapping[str, list[Choice]], strangers: Sequence[str]) -> Iterable[Reason]:
    repeated = sorted(owner for owner, chosen in choices.items() if len(chosen) > 1 and len(set(chosen)) == 1)
    contradicting = sorted(owner for owner, chosen in choices.items() if len(set(chosen)) > 1)
    for message, owners in ((STRANGERS, sorted(strangers)), (REPEATED, repeated), (CONTRADICTING, contradicting)):
        if owners:
            yield Reason(message, {"count": len(owners), "first": owners[0]})
