"""A change of a compound's own vote rules: what stood before, what stands now, by which resolution, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from governance.errors import GovernanceError
from governance.ruleset import RULESETS, Limit, Matter, Ruleset
from governance.vote_rules import LaxerThanLaw, VoteRules, rules_of, set_rules, with_own_rules, words_of
from registry import activity
from registry.activity import Activity, Entry
from registry.role import Actor
from registry.site import Site

MAX_BASIS_LENGTH = 500
RULES_SET = "vote_rules.set"


class RulesRefused(GovernanceError):
    """`reason` is `basis`, `unchanged` or `changed_meanwhile`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the vote rules are refused: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TooLax:
    """A limit that is below the law's; `matter` is None for the quorum."""

    matter: Matter | None
    own: Limit
    law: Limit


def laws_in_force() -> list[Ruleset]:
    """The laws that votes opened from now on are under."""
    return [law for law in RULESETS.values() if law.until is None]


def floor_of(law: Ruleset, matter: Matter | None) -> Limit:
    """What the law asks at least: of a matter, or of the quorum when it is None."""
    return law.quorum if matter is None else law.consent[matter]


def too_lax(rules: VoteRules) -> list[TooLax]:
    """Every own limit that is below a law in force, so that all of them can be told at once."""
    found = []
    for law in laws_in_force():
        owns: list[tuple[Matter | None, Limit]] = [*rules.own_consent.items()]
        if rules.own_quorum is not None:
            owns.insert(0, (None, rules.own_quorum))
        for matter, own in owns:
            alone = VoteRules(own_quorum=own) if matter is None else VoteRules(own_consent={matter: own})
            try:
                with_own_rules(law, alone)
            except LaxerThanLaw:
                found.append(TooLax(matter, own, floor_of(law, matter)))
    return found


def facts_of(rules: VoteRules) -> dict[str, str | int | bool]:
    """The rules as plain values, the same keys always; a limit is empty where the law's holds."""
    return {
        "quorum": words_of(rules.own_quorum) if rules.own_quorum is not None else "",
        **{
            matter.value: words_of(rules.own_consent[matter]) if matter in rules.own_consent else ""
            for matter in Matter
        },
        "is_secret": rules.is_secret,
        "may_change": rules.may_change,
        "most_proxies": rules.most_proxies,
        "identity": rules.identity.value,
    }


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str, object, object]]:
    """What is not the same: key, before, after."""
    return [(key, before.get(key), after[key]) for key in after if before.get(key) != after[key]]


def rules_history(session: Session, site: Site) -> list[Activity]:
    """Every change of the rules, oldest first; `data` holds `before`, `after` and `basis`."""
    return activity.of_subject(session, _subject(site))


def change_rules(
    session: Session,
    site: Site,
    rules: VoteRules,
    *,
    basis: str,
    seen: int,
    alias_secret: str,
    actor: Actor,
    now_ms: int,
) -> None:
    """Sets the rules of votes that open from now on. `basis` names the resolution of the owners that decided them.

    `seen` is the number of changes that whoever asks knew of. Raises RulesRefused, LaxerThanLaw.
    """
    if not basis.strip():
        raise RulesRefused("basis")
    if seen != len(rules_history(session, site)):
        raise RulesRefused("changed_meanwhile")
    before, after = facts_of(rules_of(session, site)), facts_of(rules)
    if before == after:
        raise RulesRefused("unchanged")
    set_rules(session, site, rules, alias_secret=alias_secret)
    data = {"before": before, "after": after, "basis": basis.strip()[:MAX_BASIS_LENGTH]}
    entry = Entry(RULES_SET, _subject(site), actor=actor.name, site=site.key, data=data)
    activity.append(session, [entry], now_ms=now_ms)


def _subject(site: Site) -> str:
    return f"vote_rules:{site.id}"
