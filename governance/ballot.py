"""Ballots: taken once from who may vote, chained by their hashes, and apart from them what was chosen.

A row of the chain holds a commitment, the hash of the choice with the receipt; choice and receipt stand in a table of
their own. So neither the chain nor the log that carries its hashes tells how anybody voted, and yet no choice can be
changed unseen. The receipt opens the commitment: with it an owner sees that their ballot counts as it was cast.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.identity import CHECKS, MOST_FAILURES
from governance.owners_roll import owners_of_person
from governance.tally import Channel, Choice
from governance.vote import Vote, Voter, VoterPart, hold_vote, is_over, log_vote, server_ms
from governance.vote_errors import BallotRefused, Refusal
from governance.vote_rules import Identity
from registry.database import BigId, Table, compact_json
from registry.role import SYSTEM, Actor

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


def cast_ballot(session: Session, vote_id: int, voter_id: int, new: NewBallot, *, receipt: str, now_ms: int) -> Ballot:
    """Takes a ballot into the chain. The server's clock decides; of what a client says about time nothing is heard.

    Raises BallotRefused before the opening, after the end, and for a second ballot where the rules allow no change.
    """
    vote = hold_vote(session, vote_id)
    check_open(session, vote, now_ms=now_ms)
    return append_ballot(session, vote, voter_id, new, receipt=receipt, now_ms=now_ms)


def check_open(session: Session, vote: Vote, *, now_ms: int) -> None:
    if is_over(session, vote, now_ms=now_ms):
        raise BallotRefused(Refusal.OVER, vote_id=vote.id)
    if now_ms < vote.opens_ms:
        raise BallotRefused(Refusal.NOT_OPEN, vote_id=vote.id)


def append_ballot(session: Session, vote: Vote, voter_id: int, new: NewBallot, *, receipt: str, now_ms: int) -> Ballot:
    """The row, its choice and the log's word of it; the caller holds the vote and knows that it may still be taken."""
    voter = session.get_one(Voter, voter_id, populate_existing=True)
    if voter.vote_id != vote.id:
        raise BallotRefused(Refusal.STRANGER, vote_id=vote.id)
    earlier = session.get_one(Ballot, voter.ballot_id) if voter.ballot_id is not None else None
    received_ms = now_ms if new.received_ms is None else new.received_ms
    if earlier is not None:
        _check_change(vote, earlier, received_ms)
    if new.proxy is not None:
        _check_proxy(session, vote, new.proxy)
    at_ms = server_ms(session, now_ms)
    ballot = Ballot(
        vote_id=vote.id,
        seq=vote.last_seq + 1,
        owner=voter.alias,
        channel=new.channel.value,
        is_proxy=new.proxy is not None,
        replaces=earlier.seq if earlier is not None else 0,
        received_ms=min(received_ms, at_ms),
        at_ms=at_ms,
        commitment=commitment_of(genesis=vote.genesis, owner=voter.alias, choice=new.choice.value, receipt=receipt),
        previous_hash=vote.last_hash,
    )
    ballot.hash = ballot_hash(ballot, previous=vote.last_hash)
    session.add(ballot)
    session.flush()
    session.add(BallotChoice(ballot_id=ballot.id, choice=new.choice.value, receipt=receipt))
    if new.proxy is not None:
        session.add(
            BallotProxy(
                ballot_id=ballot.id,
                vote_id=vote.id,
                name=new.proxy.name.strip()[:MAX_PROXY_LENGTH],
                phone_end=new.proxy.phone_end,
                authorisation=new.proxy.authorisation.strip()[:200],
            )
        )
    if earlier is None:
        vote.voted_owners += 1
        vote.voted_area_mm2 += voter.area_mm2
    voter.ballot_id = ballot.id
    vote.last_seq, vote.last_hash = ballot.seq, ballot.hash
    # Whose ballot it was and how it came is nobody's business; that it is there, and cannot go any more, is.
    data = {"seq": ballot.seq, "hash": ballot.hash, "voted_owners": vote.voted_owners}
    log_vote(session, vote, "vote.ballot", data, SYSTEM, now_ms=at_ms)
    return ballot


def _check_change(vote: Vote, earlier: Ballot, received_ms: int) -> None:
    if not vote.may_change:
        raise BallotRefused(Refusal.VOTED_ALREADY, vote_id=vote.id)
    if received_ms < earlier.received_ms:
        raise BallotRefused(Refusal.LATER_BALLOT, vote_id=vote.id)


def _check_proxy(session: Session, vote: Vote, proxy: Proxy) -> None:
    # One person is the same name with the same end of the telephone's number.
    held = (
        select(func.count())
        .select_from(BallotProxy)
        .join(Voter, Voter.ballot_id == BallotProxy.ballot_id)
        .where(
            BallotProxy.vote_id == vote.id,
            BallotProxy.name == proxy.name.strip()[:MAX_PROXY_LENGTH],
            BallotProxy.phone_end == proxy.phone_end,
        )
    )
    if (session.scalar(held) or 0) >= vote.most_proxies:
        raise BallotRefused(Refusal.TOO_MANY_PROXIES, vote_id=vote.id)


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
