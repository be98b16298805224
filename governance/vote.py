"""A vote of the owners: its terms and the frozen roll of who may vote; how many did and, before its end, never how.

The terms are hashed when it opens, and that hash is where the chain of ballots begins: whoever changes the end, the
law or the area of a flat afterwards breaks the chain.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.area import area_m2
from governance.owners_roll import RollOwner, RollPart
from governance.proposal import Proposal
from governance.ruleset import RULESETS, Limit, Matter, Ruleset
from governance.tally import Part
from governance.vote_errors import EmptyRoll, UnknownVote
from governance.vote_rules import alias_secret_of, limit_of, rules_of, with_own_rules, words_of
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table, compact_json
from registry.role import Actor
from registry.site import Site

ALIAS_LENGTH = 16


class Vote(Table):
    """One for each proposal. `terms` never change; the counters grow with the ballots and tell no choice."""

    __tablename__ = "vote"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"), unique=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    building: Mapped[str] = mapped_column(String(100))
    is_secret: Mapped[bool] = mapped_column(Boolean)
    may_change: Mapped[bool] = mapped_column(Boolean)
    most_proxies: Mapped[int] = mapped_column(Integer)
    identity: Mapped[str] = mapped_column(String(16))
    opens_ms: Mapped[int] = mapped_column(BigInteger)
    closes_ms: Mapped[int] = mapped_column(BigInteger)
    terms: Mapped[dict[str, Any]] = mapped_column(JSON)
    genesis: Mapped[str] = mapped_column(String(64))
    owners: Mapped[int] = mapped_column(Integer)
    area_mm2: Mapped[int] = mapped_column(BigInteger)
    last_seq: Mapped[int] = mapped_column(Integer, default=0)
    last_hash: Mapped[str] = mapped_column(String(64))
    voted_owners: Mapped[int] = mapped_column(Integer, default=0)
    voted_area_mm2: Mapped[int] = mapped_column(BigInteger, default=0)
    closed_ms: Mapped[int | None] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"vote:{self.id}"

    @property
    def matter(self) -> Matter:
        return Matter(self.terms["matter"])


class Voter(Table):
    """An owner as the roll had them when the vote opened. `alias` is what ballots and exports call them."""

    __tablename__ = "voter"
    __table_args__ = (UniqueConstraint("vote_id", "alias"), Index("ix_voter_owner_key", "vote_id", "owner_key"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    vote_id: Mapped[int] = mapped_column(ForeignKey("vote.id"))
    alias: Mapped[str] = mapped_column(String(64))
    owner_key: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    representative: Mapped[str] = mapped_column(String(100))
    phone_end: Mapped[str] = mapped_column(String(4))
    certificate_end: Mapped[str] = mapped_column(String(4))
    area_mm2: Mapped[int] = mapped_column(BigInteger)
    link_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    identity_failures: Mapped[int] = mapped_column(Integer, default=0)
    ballot_id: Mapped[int | None] = mapped_column(BigInteger)
    """The ballot of theirs that counts."""


class VoterPart(Table):
    """A part of the frozen roll. `label` is its name in exports: its own, or a number where the vote is secret."""

    __tablename__ = "voter_part"
    __table_args__ = (UniqueConstraint("vote_id", "label"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    vote_id: Mapped[int] = mapped_column(ForeignKey("vote.id"))
    voter_id: Mapped[int] = mapped_column(ForeignKey("voter.id"), index=True)
    part: Mapped[str] = mapped_column(String(64))
    building: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(64))
    area_mm2: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Turnout:
    """Who may vote and who did, in both counts."""

    owners: int
    area_mm2: int
    voted_owners: int
    voted_area_mm2: int

    @property
    def roll(self) -> dict[str, object]:
        return {"owners": self.owners, "area_m2": str(area_m2(self.area_mm2))}

    @property
    def participating(self) -> dict[str, object]:
        return {"owners": self.voted_owners, "area_m2": str(area_m2(self.voted_area_mm2))}


def open_vote(session: Session, proposal: Proposal, *, actor: Actor, now_ms: int) -> Vote:
    """Freezes the roll of the compound, or of the one building, and opens the vote until `proposal.closes_ms`.

    Raises EmptyRoll, LaxerThanLaw.
    """
    assert proposal.closes_ms is not None, "the end is set when the topic is posted"
    assert proposal.ruleset is not None, "the law is known when the topic is posted"
    site, rules = proposal.site, rules_of(session, proposal.site)
    law = with_own_rules(RULESETS[proposal.ruleset], rules)
    parts = _roll(session, site, proposal.building)
    if not parts:
        raise EmptyRoll(site.key, proposal.building)
    secret = f"{alias_secret_of(session, site)}|{proposal.id}" if rules.is_secret else ""
    frozen = _frozen(parts, secret)
    terms = {
        "site": site.key,
        "proposal": proposal.number,
        "title": proposal.title,
        "building": proposal.building,
        "ruleset": law.key,
        "matter": proposal.matter,
        "quorum": words_of(law.quorum),
        "consent": words_of(law.consent[Matter(proposal.matter)]),
        "is_secret": rules.is_secret,
        "may_change": rules.may_change,
        "opens_ms": now_ms,
        "closes_ms": proposal.closes_ms,
        "roll": roll_digest((alias, label, area) for alias, _, _, label, area in frozen),
    }
    vote = Vote(
        proposal_id=proposal.id,
        site=site,
        building=proposal.building,
        is_secret=rules.is_secret,
        may_change=rules.may_change,
        most_proxies=rules.most_proxies,
        identity=rules.identity.value,
        opens_ms=now_ms,
        closes_ms=proposal.closes_ms,
        terms=terms,
        genesis=genesis_of(terms),
        last_hash=genesis_of(terms),
        owners=len({alias for alias, *_ in frozen}),
        area_mm2=sum(area for *_, area in frozen),
        last_seq=0,
        voted_owners=0,
        voted_area_mm2=0,
    )
    session.add(vote)
    session.flush()
    _freeze(session, vote, frozen)
    log_vote(session, vote, "vote.opened", {"genesis": vote.genesis, "closes_ms": vote.closes_ms}, actor, now_ms=now_ms)
    return vote


def genesis_of(terms: dict[str, Any]) -> str:
    return hashlib.sha256(compact_json(terms).encode()).hexdigest()


def roll_digest(rows: Iterable[tuple[str, str, int]]) -> str:
    """Over owner, part and area in square millimetres of every row, in the order of parts."""
    text = compact_json([[owner, part, area] for owner, part, area in sorted(rows, key=lambda row: row[1])])
    return hashlib.sha256(text.encode()).hexdigest()


def ruleset_of(terms: dict[str, Any]) -> Ruleset:
    """The law of a vote with the limits that it was opened with."""
    law = RULESETS[terms["ruleset"]]
    quorum, consent = limit_of(terms["quorum"]), limit_of(terms["consent"])
    limits: dict[Matter, Limit] = {**law.consent, Matter(terms["matter"]): consent}
    return Ruleset(law.key, law.title, law.since, law.until, quorum, limits)


_FrozenPart = tuple[str, RollOwner, RollPart, str, int]


def _roll(session: Session, site: Site, building: str) -> Sequence[tuple[RollPart, RollOwner]]:
    query = select(RollPart, RollOwner).join(RollOwner, RollPart.owner_id == RollOwner.id)
    query = query.where(RollPart.site_id == site.id).order_by(RollPart.part)
    if building:
        query = query.where(RollPart.building == building)
    return [(part, owner) for part, owner in session.execute(query)]


def _frozen(parts: Sequence[tuple[RollPart, RollOwner]], secret: str) -> list[_FrozenPart]:
    """(alias, owner, part, label, area) of each part; in a secret vote alias, label and order do not tell whose."""
    if not secret:
        return [(owner.key, owner, part, part.part, part.area_mm2) for part, owner in parts]

    def alias(key: str) -> str:
        return hashlib.sha256(f"{secret}|{key}".encode()).hexdigest()[:ALIAS_LENGTH]

    hidden = sorted(((alias(owner.key), alias(part.part), owner, part) for part, owner in parts), key=lambda r: r[:2])
    return [
        (owner_alias, owner, part, f"P{number:06d}", part.area_mm2)
        for number, (owner_alias, _, owner, part) in enumerate(hidden, start=1)
    ]


def _freeze(session: Session, vote: Vote, frozen: Sequence[_FrozenPart]) -> None:
    areas: dict[str, int] = {}
    for alias, _, _, _, area in frozen:
        areas[alias] = areas.get(alias, 0) + area
    owners = {alias: owner for alias, owner, *_ in frozen}
    session.execute(
        insert(Voter),
        [
            {
                "vote_id": vote.id,
                "alias": alias,
                "owner_key": owner.key,
                "name": owner.name,
                "representative": owner.representative,
                "phone_end": owner.phone_end,
                "certificate_end": owner.certificate_end,
                "area_mm2": areas[alias],
                "identity_failures": 0,
            }
            for alias, owner in owners.items()
        ],
    )
    ids = dict(session.execute(select(Voter.alias, Voter.id).where(Voter.vote_id == vote.id)).all())
    session.execute(
        insert(VoterPart),
        [
            {
                "vote_id": vote.id,
                "voter_id": ids[alias],
                "part": part.part,
                "building": part.building,
                "label": label,
                "area_mm2": area,
            }
            for alias, _, part, label, area in frozen
        ],
    )


def find_vote(session: Session, proposal_id: int) -> Vote | None:
    return session.scalar(select(Vote).where(Vote.proposal_id == proposal_id))


def get_vote(session: Session, proposal_id: int) -> Vote:
    """Raises UnknownVote."""
    vote = find_vote(session, proposal_id)
    if vote is None:
        raise UnknownVote(proposal_id)
    return vote


def hold_vote(session: Session, vote_id: int) -> Vote:
    """The vote as it is now; nobody else casts a ballot or closes it until this transaction ends."""
    query = select(Vote).where(Vote.id == vote_id).with_for_update(of=Vote)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def votes_of(session: Session) -> list[Vote]:
    return list(session.scalars(select(Vote).order_by(Vote.id)))


def turnout_of(vote: Vote) -> Turnout:
    return Turnout(vote.owners, vote.area_mm2, vote.voted_owners, vote.voted_area_mm2)


def server_ms(session: Session, now_ms: int) -> int:
    """Now by the server's clock, but never before what was logged last: a clock put back opens nothing again."""
    return max(now_ms, activity.last_at_ms(session))


def is_over(session: Session, vote: Vote, *, now_ms: int) -> bool:
    return has_ended(vote, at_ms=server_ms(session, now_ms))


def has_ended(vote: Vote, *, at_ms: int) -> bool:
    """Whether it is over at a moment that `server_ms` told."""
    # The hashed terms hold against a row that somebody changed.
    ends_ms = min(vote.closes_ms, int(vote.terms["closes_ms"]))
    return vote.closed_ms is not None or at_ms >= ends_ms


def frozen_parts(session: Session, vote: Vote) -> list[Part]:
    """The roll of a vote as it is counted and exported, in the order of parts."""
    query = select(Voter.alias, VoterPart.label, VoterPart.area_mm2).join(Voter, VoterPart.voter_id == Voter.id)
    query = query.where(VoterPart.vote_id == vote.id)
    rows = sorted(session.execute(query), key=lambda row: row[1])
    return [Part(alias, label, area_m2(area)) for alias, label, area in rows]


def parts_of_voters(session: Session, voter_ids: Sequence[int]) -> dict[int, list[VoterPart]]:
    found: dict[int, list[VoterPart]] = {voter_id: [] for voter_id in voter_ids}
    query = select(VoterPart).where(VoterPart.voter_id.in_(voter_ids)).order_by(VoterPart.part)
    for part in session.scalars(query):
        found[part.voter_id].append(part)
    return found


def log_vote(session: Session, vote: Vote, verb: str, data: dict[str, Any], actor: Actor, *, now_ms: int) -> None:
    activity.append(session, [vote_entry(vote, verb, data, actor)], now_ms=now_ms)


def vote_entry(vote: Vote, verb: str, data: dict[str, Any], actor: Actor) -> Entry:
    return Entry(
        verb, vote.subject, actor=actor.name, site=vote.site.key, data={"proposal_id": vote.proposal_id, **data}
    )
