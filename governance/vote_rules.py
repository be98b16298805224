"""How a compound votes: the law's majorities, its own where they are stricter, secrecy, changes, proxies, identity.

A compound's rules of procedure may ask for more than the law, never for less.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.errors import GovernanceError
from governance.ruleset import RULESETS, Base, Limit, Matter, Ruleset
from registry.database import BigId, Table
from registry.site import Site

MOST_PROXIES = 3
"""[P] For so many owners one person may vote in writing, where the compound's rules say nothing else."""


class Identity(StrEnum):
    """What is asked for beside a personal link: nothing, or last signs as they stand on the roll."""

    NONE = "none"
    PHONE = "phone"
    CERTIFICATE = "certificate"


class LaxerThanLaw(GovernanceError):
    """A compound's own limit is below the law's; `law` and `own` tell both."""

    def __init__(self, what: str, *, law: Limit, own: Limit) -> None:
        self.what = what
        self.law = words_of(law)
        self.own = words_of(own)
        super().__init__(f"{what}: {self.own} is less than the law's {self.law}")


@dataclass(frozen=True, slots=True)
class VoteRules:
    """`own_quorum` and `own_consent` replace the law's limits, and are stricter."""

    is_secret: bool = False
    may_change: bool = True
    most_proxies: int = MOST_PROXIES
    identity: Identity = Identity.PHONE
    own_quorum: Limit | None = None
    own_consent: Mapping[Matter, Limit] = field(default_factory=dict)


class SiteVoteRules(Table):
    """The rules of a compound that differ from the defaults. `alias_secret` draws the pseudonyms of secret votes."""

    __tablename__ = "site_vote_rules"

    site_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    is_secret: Mapped[bool] = mapped_column(Boolean)
    may_change: Mapped[bool] = mapped_column(Boolean)
    most_proxies: Mapped[int] = mapped_column(Integer)
    identity: Mapped[str] = mapped_column(String(16))
    own_limits: Mapped[dict[str, Any]] = mapped_column(JSON)
    alias_secret: Mapped[str] = mapped_column(String(64))


def words_of(limit: Limit) -> str:
    """`> 1/2 of participating`: the same words for the same limit everywhere."""
    return f"{'>' if limit.is_exceeded else '>='} {limit.share} of {limit.base.value}"


def limit_of(words: str) -> Limit:
    """The limit of such words. Raises ValueError.

    >>> words_of(limit_of(">= 2/3 of all"))
    '>= 2/3 of all'
    """
    sign, share, _, base = words.split(" ", 3)
    if sign not in (">", ">="):
        raise ValueError(f"{sign!r} is neither > nor >=")
    return Limit(Fraction(share), Base(base), is_exceeded=sign == ">")


def is_stricter(own: Limit, law: Limit) -> bool:
    """Whether whatever meets `own` meets `law` as well; equal limits do. A share of all is more than one of some."""
    if own.share == 1 and own.is_exceeded:
        return False
    if law.base is Base.ALL and own.base is not Base.ALL:
        return False
    return own.share > law.share or (own.share == law.share and (own.is_exceeded or not law.is_exceeded))


def with_own_rules(law: Ruleset, rules: VoteRules) -> Ruleset:
    """The law with the compound's own limits in the place of its own. Raises LaxerThanLaw."""
    quorum = law.quorum if rules.own_quorum is None else _stricter("quorum", rules.own_quorum, law.quorum)
    consent = {
        matter: _stricter(matter.value, rules.own_consent[matter], limit) if matter in rules.own_consent else limit
        for matter, limit in law.consent.items()
    }
    return replace(law, quorum=quorum, consent=consent)


def _stricter(what: str, own: Limit, law: Limit) -> Limit:
    if not is_stricter(own, law):
        raise LaxerThanLaw(what, law=law, own=own)
    return own


def rules_of(session: Session, site: Site) -> VoteRules:
    kept = session.get(SiteVoteRules, site.id)
    if kept is None:
        return VoteRules()
    limits = kept.own_limits
    return VoteRules(
        is_secret=kept.is_secret,
        may_change=kept.may_change,
        most_proxies=kept.most_proxies,
        identity=Identity(kept.identity),
        own_quorum=limit_of(limits["quorum"]) if limits.get("quorum") else None,
        own_consent={matter: limit_of(limits[matter]) for matter in Matter if limits.get(matter)},
    )


def alias_secret_of(session: Session, site: Site) -> str:
    kept = session.get(SiteVoteRules, site.id)
    return kept.alias_secret if kept is not None else ""


def set_rules(session: Session, site: Site, rules: VoteRules, *, alias_secret: str) -> None:
    """Sets the rules of votes that open from now on. `alias_secret` is drawn anew. Raises LaxerThanLaw.

    Own limits must be stricter than each law that is in force now.
    """
    for law in RULESETS.values():
        if law.until is None:
            with_own_rules(law, rules)
    limits = {matter.value: words_of(limit) for matter, limit in rules.own_consent.items()}
    if rules.own_quorum is not None:
        limits["quorum"] = words_of(rules.own_quorum)
    kept = session.get(SiteVoteRules, site.id)
    if kept is None:
        kept = SiteVoteRules(site_id=site.id)
        session.add(kept)
    kept.is_secret, kept.may_change = rules.is_secret, rules.may_change
    kept.most_proxies, kept.identity = rules.most_proxies, rules.identity.value
    kept.own_limits, kept.alias_secret = limits, alias_secret
    session.flush()
