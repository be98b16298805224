"""Ballots: taken once from who may vote, chained by their hashes, and apart from them what was chosen.

A row of the chain holds a commitment, the hash of the choice with the receipt; choice and receipt stand in a table of
their own. So neither the chain nor the log that carries its hashes tells how anybody voted, and yet no choice can be
changed unseen. The receipt opens the commitment: with it an owner sees that their ballot counts as it was cast.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.identity import CHECKS, MOST_FAILURES
from governance.owners_roll import owners_of_person
from governance.tally import Channel, Choice
from governance.vote import Vote, Voter, VoterPart, log_vote
from governance.vote_errors import BallotRefused, Refusal
from governance.vote_rules import Identity
from registry.database import BigId, Table, compact_json
from registry.role import Actor

MAX_PROXY_LENGTH = 100


class Ballot(Table):
    """A row of a vote's chain, never changed. `replaces` is the number of the owner's earlier ballot, or 0.

    `received_ms` is when it came in; of a paper ballot `at_ms`, when it was taken into the chain, may be later.
    """

    __tablename__ = "ballot"
    __table_args__ = (UniqueConstraint("vote_id", "seq"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    vote_id: Mapped[int] = mapped_column(ForeignKey("vote.id"))
    seq: Mapped[int] = mapped_column(Integer)
    owner: Mapped[str] = mapped_column(String(64))
    channel: Mapped[str] = mapped_column(String(16))
    is_proxy: Mapped[bool] = mapped_column(Boolean)
    replaces: Mapped[int] = mapped_column(Integer)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    commitment: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class BallotChoice(Table):
    """What was chosen, apart from the chain."""

    __tablename__ = "ballot_choice"

    ballot_id: Mapped[int] = mapped_column(BigId, ForeignKey("ballot.id"), primary_key=True, autoincrement=False)
    choice: Mapped[str] = mapped_column(String(16))
    receipt: Mapped[str] = mapped_column(String(32), unique=True)


class BallotProxy(Table):
    """Who voted for an owner with their written authorisation."""

    __tablename__ = "ballot_proxy"

    ballot_id: Mapped[int] = mapped_column(BigId, ForeignKey("ballot.id"), primary_key=True, autoincrement=False)
    vote_id: Mapped[int] = mapped_column(ForeignKey("vote.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    phone_end: Mapped[str] = mapped_column(String(4))
    authorisation: Mapped[str] = mapped_column(String(200))


class RefusedBallots(Table):
    """How many ballots were refused and why; `vote_id` is 0 where no vote was named."""

    __tablename__ = "refused_ballots"

    vote_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(String(32), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


@dataclass(frozen=True, slots=True)
class Proxy:
    """`authorisation` says where the owner's written word is kept."""

    name: str
    phone_end: str
    authorisation: str


@dataclass(frozen=True, slots=True)
class NewBallot:
    choice: Choice
    channel: Channel = Channel.ELECTRONIC
    proxy: Proxy | None = None
    received_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LinkedVoter:
    """To whom a personal link leads."""

    voter_id: int
    vote_id: int
    proposal_id: int


@dataclass(frozen=True, slots=True)
class FoundReceipt:
    """A ballot as its receipt opens it. `counts` is false when the owner cast another one later."""

    ballot: Ballot
    vote: Vote
    choice: Choice
    counts: bool
    is_sound: bool


def commitment_of(*, genesis: str, owner: str, choice: str, receipt: str) -> str:
    return hashlib.sha256(compact_json([genesis, owner, choice, receipt]).encode()).hexdigest()


def ballot_hash(row: dict[str, Any] | Ballot, *, previous: str) -> str:
    """SHA-256 over the row's compact JSON, the hash of the row before (or of the terms) included."""
    cells = row if isinstance(row, dict) else row.__dict__
    names = ("seq", "owner", "channel", "is_proxy", "replaces", "received_ms", "at_ms", "commitment")
    return hashlib.sha256(compact_json([*(cells[name] for name in names), previous]).encode()).hexdigest()


def link_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def find_by_link(session: Session, token: str) -> tuple[Vote, Voter]:
    """Whose personal link this is. Raises BallotRefused for one that was forged, or replaced by a newer one."""
    query = select(Vote, Voter).join(Voter, Voter.vote_id == Vote.id).where(Voter.link_hash == link_hash(token))
    found = session.execute(query).one_or_none()
    if found is None:
        raise BallotRefused(Refusal.FORGED_LINK)
    return found[0], found[1]


def find_linked(session: Session, token: str) -> LinkedVoter:
    """The same, and nothing of them but their numbers. Raises BallotRefused."""
    query = select(Voter.id, Voter.vote_id, Vote.proposal_id).join(Vote, Voter.vote_id == Vote.id)
    found = session.execute(query.where(Voter.link_hash == link_hash(token))).one_or_none()
    if found is None:
        raise BallotRefused(Refusal.FORGED_LINK)
    return LinkedVoter(*found)


def find_by_key(session: Session, vote: Vote, owner_key: str) -> Voter:
    """Raises BallotRefused for who is not on the frozen roll."""
    query = select(Voter).where(Voter.vote_id == vote.id, Voter.owner_key == owner_key)
    voter = session.scalar(query)
    if voter is None:
        raise BallotRefused(Refusal.STRANGER, vote_id=vote.id)
    return voter


def find_by_part(session: Session, vote: Vote, part: str) -> Voter:
    """The owner of a part of the frozen roll, or of that number. Raises BallotRefused for none of it."""
    owner_id = select(VoterPart.voter_id).where(VoterPart.vote_id == vote.id, VoterPart.part == part)
    voter = session.scalar(select(Voter).where(Voter.id.in_(owner_id)))
    return voter if voter is not None else find_by_key(session, vote, part)


def voters_in(session: Session, vote: Vote, building: str, *, only: str = "", limit: int) -> list[Voter]:
    """Owners of parts of a building, or of all when it is empty, in the order of their numbers."""
    query = select(Voter).where(Voter.vote_id == vote.id).order_by(Voter.owner_key).limit(limit)
    if building:
        there = select(VoterPart.voter_id).where(VoterPart.vote_id == vote.id, VoterPart.building == building)
        query = query.where(Voter.id.in_(there))
    if only:
        query = query.where(Voter.owner_key == only)
    return list(session.scalars(query))


def buildings_of_vote(session: Session, vote: Vote) -> list[str]:
    query = select(VoterPart.building).where(VoterPart.vote_id == vote.id, VoterPart.building != "").distinct()
    return sorted(session.scalars(query))


def voters_of_person(session: Session, vote: Vote, person_id: int) -> list[Voter]:
    """Entries of the frozen roll that belong to a person's account."""
    keys = [owner.key for owner in owners_of_person(session, vote.site, person_id)]
    query = select(Voter).where(Voter.vote_id == vote.id, Voter.owner_key.in_(keys)).order_by(Voter.owner_key)
    return list(session.scalars(query))


def check_identity(session: Session, vote: Vote, voter: Voter, answer: str) -> bool:
    """Whether the answer is right; a wrong one is counted, and too many lock the link. Raises BallotRefused if locked.

    Runs in a transaction of its own, so that the count stays when the ballot is refused.
    """
    check = CHECKS[Identity(vote.identity)]
    if voter.identity_failures >= MOST_FAILURES:
        raise BallotRefused(Refusal.LOCKED, vote_id=vote.id)
    if not check.is_asked(voter) or check.is_met(voter, answer):
        return True
    more = update(Voter).where(Voter.id == voter.id).values(identity_failures=Voter.identity_failures + 1)
    session.execute(more)
    return False


def find_receipt(session: Session, receipt: str) -> FoundReceipt | None:
    query = (
        select(Ballot, Vote, Voter, BallotChoice)
        .join(BallotChoice, BallotChoice.ballot_id == Ballot.id)
        .join(Vote, Ballot.vote_id == Vote.id)
        .join(Voter, (Voter.vote_id == Ballot.vote_id) & (Voter.alias == Ballot.owner))
        .where(BallotChoice.receipt == receipt)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    ballot, vote, voter, kept = row
    opened = commitment_of(genesis=vote.genesis, owner=ballot.owner, choice=kept.choice, receipt=receipt)
    is_sound = opened == ballot.commitment and ballot_hash(ballot, previous=ballot.previous_hash) == ballot.hash
    return FoundReceipt(ballot, vote, Choice(kept.choice), voter.ballot_id == ballot.id, is_sound)


def count_refusal(session: Session, refused: BallotRefused) -> None:
    """Counts in a transaction of its own, after the one that was refused."""
    vote_id = refused.vote_id or 0
    where = (RefusedBallots.vote_id == vote_id, RefusedBallots.reason == refused.reason.value)
    more = update(RefusedBallots).where(*where).values(count=RefusedBallots.count + 1)
    changed: Any = session.execute(more)
    if changed.rowcount == 0:
        session.add(RefusedBallots(vote_id=vote_id, reason=refused.reason.value, count=1))


def refusals_of(session: Session, vote: Vote) -> dict[Refusal, int]:
    rows = session.scalars(select(RefusedBallots).where(RefusedBallots.vote_id == vote.id))
    return {Refusal(row.reason): row.count for row in rows}


def draw_links(session: Session, vote: Vote, drawn: dict[int, str], *, actor: Actor, now_ms: int) -> None:
    """Gives voters (by id) new personal links, of which only the hash is kept; older ones lead nowhere from now on."""
    for voter in session.scalars(select(Voter).where(Voter.vote_id == vote.id, Voter.id.in_(drawn))):
        voter.link_hash = link_hash(drawn[voter.id])
        voter.identity_failures = 0
    session.flush()
    log_vote(session, vote, "vote.links_drawn", {"links": len(drawn)}, actor, now_ms=now_ms)
