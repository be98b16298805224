"""Ballots are taken into the chain: several that came in together in one transaction, each judged by itself.

The dear part of a ballot is the commit, and nothing is told to anybody before it; so those who wait for it meanwhile
may as well share the next one. The order in which they came is that of the chain.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from governance.ballot import (
    MAX_PROXY_LENGTH,
    Ballot,
    BallotChoice,
    BallotProxy,
    NewBallot,
    Proxy,
    ballot_hash,
    commitment_of,
)
from governance.identity import CHECKS, MOST_FAILURES
from governance.vote import Vote, Voter, has_ended, hold_vote, server_ms, vote_entry
from governance.vote_errors import BallotRefused, Refusal
from governance.vote_rules import Identity
from registry import activity
from registry.database import portions
from registry.role import SYSTEM

# As tables and not as objects: of each ballot the half of its time went into making objects that nobody looked at.
BALLOT, CHOICE, VOTER = (each.metadata.tables[each.__tablename__] for each in (Ballot, BallotChoice, Voter))
_OF_VOTER = (
    "id",
    "vote_id",
    "alias",
    "area_mm2",
    "ballot_id",
    "link_hash",
    "identity_failures",
    "phone_end",
    "certificate_end",
)


@dataclass(frozen=True, slots=True)
class CastBallot:
    """A ballot that is to be taken into the chain; the receipt was drawn for it."""

    voter_id: int
    new: NewBallot
    receipt: str


@dataclass(frozen=True, slots=True)
class TakenBallot:
    """A ballot as it stands in the chain; `replaces` is the number of the owner's earlier one, or 0."""

    id: int
    seq: int
    replaces: int
    hash: str


Judged = TakenBallot | BallotRefused


@dataclass(frozen=True, slots=True)
class AskedBallot:
    """A ballot as somebody wants to cast it. `link` is the hash of the code by which they came, with their answer to
    what is asked for beside it; None for who came by account."""

    vote_id: int
    voter_id: int
    new: NewBallot
    receipt: str
    link: str | None = None
    answer: str = ""


def hold_votes(session: Session, vote_ids: Collection[int]) -> dict[int, Vote]:
    """Holds votes until the transaction ends, all before anything is written: so two that hold several never wait for
    each other."""
    return {vote_id: hold_vote(session, vote_id) for vote_id in sorted(set(vote_ids))}


def take_ballots(
    session: Session, votes: Mapping[int, Vote], asked: Sequence[AskedBallot], *, now_ms: int
) -> list[Judged]:
    """What came of each, in their order; wrong answers are counted. The caller holds the votes and commits."""
    at_ms, voters = server_ms(session, now_ms), _voters(session, {each.voter_id for each in asked})
    judged: dict[int, Judged] = {}
    for vote_id in sorted({each.vote_id for each in asked}):
        vote, mine = votes[vote_id], {place: each for place, each in enumerate(asked) if each.vote_id == vote_id}
        reasons = dict.fromkeys(mine, _closed(vote, at_ms=at_ms, now_ms=now_ms))
        if not any(reasons.values()):
            reasons |= _wrong_identities(session, vote, mine, voters)
        judged |= {place: BallotRefused(reason, vote_id=vote_id) for place, reason in reasons.items() if reason}
        casts = [(place, CastBallot(each.voter_id, each.new, each.receipt)) for place, each in mine.items()]
        left = [(place, cast) for place, cast in casts if place not in judged]
        outcomes = _append(session, vote, [cast for _, cast in left], voters, now_ms=now_ms, at_ms=at_ms)
        judged |= dict(zip((place for place, _ in left), outcomes, strict=True))
    return [judged[place] for place in range(len(asked))]


def _wrong_identities(
    session: Session, vote: Vote, asked: Mapping[int, AskedBallot], voters: Mapping[int, Any]
) -> dict[int, Refusal | None]:
    """By their places those whose link was replaced meanwhile, or locked, or who answered wrong; these are counted."""
    failures = {voter_id: row.identity_failures for voter_id, row in voters.items()}
    check, found = CHECKS[Identity(vote.identity)], dict[int, Refusal | None]()
    for place, each in asked.items():
        row = voters.get(each.voter_id)
        if each.link is None:
            continue
        if row is None or row.link_hash != each.link:
            found[place] = Refusal.FORGED_LINK
        elif failures[row.id] >= MOST_FAILURES:
            found[place] = Refusal.LOCKED
        elif check.is_asked(row) and not check.is_met(row, each.answer):
            failures[row.id] += 1
            found[place] = Refusal.WRONG_IDENTITY
    changed = [
        {"voter_id": voter_id, "failures": count}
        for voter_id, count in failures.items()
        if count != voters[voter_id].identity_failures
    ]
    if changed:
        counting = update(VOTER).where(VOTER.c.id == bindparam("voter_id"))
        session.execute(counting.values(identity_failures=bindparam("failures")), changed)
    return found


def cast_ballot(
    session: Session, vote_id: int, voter_id: int, new: NewBallot, *, receipt: str, now_ms: int
) -> TakenBallot:
    """Takes a ballot into the chain. The server's clock decides; of what a client says about time nothing is heard.

    Raises BallotRefused before the opening, after the end, and for a second ballot where the rules allow no change.
    """
    asked = AskedBallot(vote_id, voter_id, new, receipt)
    [judged] = take_ballots(session, hold_votes(session, {vote_id}), [asked], now_ms=now_ms)
    return _taken(judged)


def check_open(session: Session, vote: Vote, *, now_ms: int) -> None:
    if (reason := _closed(vote, at_ms=server_ms(session, now_ms), now_ms=now_ms)) is not None:
        raise BallotRefused(reason, vote_id=vote.id)


def _closed(vote: Vote, *, at_ms: int, now_ms: int) -> Refusal | None:
    if has_ended(vote, at_ms=at_ms):
        return Refusal.OVER
    return Refusal.NOT_OPEN if now_ms < vote.opens_ms else None


def append_ballot(
    session: Session, vote: Vote, voter_id: int, new: NewBallot, *, receipt: str, now_ms: int
) -> TakenBallot:
    """The row, its choice and the log's word of it; the caller holds the vote and knows that it may still be taken.

    Raises BallotRefused.
    """
    voters, cast = _voters(session, {voter_id}), CastBallot(voter_id, new, receipt)
    [judged] = _append(session, vote, [cast], voters, now_ms=now_ms, at_ms=server_ms(session, now_ms))
    return _taken(judged)


def _taken(judged: Judged) -> TakenBallot:
    if isinstance(judged, BallotRefused):
        raise judged
    return judged


def _append(
    session: Session, vote: Vote, casts: Sequence[CastBallot], voters: Mapping[int, Any], *, now_ms: int, at_ms: int
) -> list[Judged]:
    """What came of each, in their order, which is that of the chain. One that is refused leaves no trace.

    The caller holds the vote and knows that it may still be taken. A ballot with a proxy comes alone.
    """
    standing = {row.id: _Standing(row.seq, row.received_ms) for row in voters.values() if row.ballot_id is not None}
    seq, last_hash = vote.last_seq, vote.last_hash
    rows: list[dict[str, Any]] = []
    taken: list[CastBallot] = []
    refused: list[BallotRefused | None] = []
    for cast in casts:
        received_ms = min(now_ms if cast.new.received_ms is None else cast.new.received_ms, at_ms)
        voter, earlier = voters.get(cast.voter_id), standing.get(cast.voter_id)
        reason = _refusal(session, vote, cast.new, voter, earlier, received_ms)
        refused.append(BallotRefused(reason, vote_id=vote.id) if reason is not None else None)
        if reason is not None or voter is None:
            continue
        seq += 1
        row = {
            "vote_id": vote.id,
            "seq": seq,
            "owner": voter.alias,
            "channel": cast.new.channel.value,
            "is_proxy": cast.new.proxy is not None,
            "replaces": earlier.seq if earlier is not None else 0,
            "received_ms": received_ms,
            "at_ms": at_ms,
            "commitment": commitment_of(
                genesis=vote.genesis, owner=voter.alias, choice=cast.new.choice.value, receipt=cast.receipt
            ),
            "previous_hash": last_hash,
        }
        last_hash = row["hash"] = ballot_hash(row, previous=last_hash)
        rows.append(row)
        taken.append(cast)
        standing[cast.voter_id] = _Standing(seq, received_ms)
    made = iter(_write(session, vote, rows, taken, voters, at_ms=at_ms))
    return [each if each is not None else next(made) for each in refused]


@dataclass(frozen=True, slots=True)
class _Standing:
    """The ballot of an owner that counts by now."""

    seq: int
    received_ms: int


def _voters(session: Session, voter_ids: Collection[int]) -> dict[int, Any]:
    """By their ids the voters, with the ballot of theirs that counts."""
    columns = [VOTER.c[name] for name in _OF_VOTER] + [BALLOT.c.seq, BALLOT.c.received_ms]
    query = select(*columns).select_from(VOTER.outerjoin(BALLOT, VOTER.c.ballot_id == BALLOT.c.id))
    voters: dict[int, Any] = {}
    for ids in portions(voter_ids):
        voters |= {row.id: row for row in session.execute(query.where(VOTER.c.id.in_(ids)))}
    return voters


def _refusal(
    session: Session, vote: Vote, new: NewBallot, voter: Any | None, earlier: _Standing | None, received_ms: int
) -> Refusal | None:
    if voter is None or voter.vote_id != vote.id:
        return Refusal.STRANGER
    if earlier is not None and not vote.may_change:
        return Refusal.VOTED_ALREADY
    if earlier is not None and received_ms < earlier.received_ms:
        return Refusal.LATER_BALLOT
    if new.proxy is not None and _has_too_many_proxies(session, vote, new.proxy):
        return Refusal.TOO_MANY_PROXIES
    return None


def _write(
    session: Session,
    vote: Vote,
    rows: Sequence[dict[str, Any]],
    taken: Sequence[CastBallot],
    voters: Mapping[int, Any],
    *,
    at_ms: int,
) -> list[TakenBallot]:
    if not rows:
        return []
    inserting = insert(BALLOT).returning(BALLOT.c.id, sort_by_parameter_order=True)
    ids: list[int] = list(session.scalars(inserting, rows))
    session.execute(
        insert(CHOICE),
        [
            {"ballot_id": id_, "choice": cast.new.choice.value, "receipt": cast.receipt}
            for id_, cast in zip(ids, taken, strict=True)
        ],
    )
    proxies = [
        {
            "ballot_id": id_,
            "vote_id": vote.id,
            "name": cast.new.proxy.name.strip()[:MAX_PROXY_LENGTH],
            "phone_end": cast.new.proxy.phone_end,
            "authorisation": cast.new.proxy.authorisation.strip()[:200],
        }
        for id_, cast in zip(ids, taken, strict=True)
        if cast.new.proxy is not None
    ]
    if proxies:
        session.execute(insert(BallotProxy), proxies)
    counting = {cast.voter_id: id_ for id_, cast in zip(ids, taken, strict=True)}
    session.execute(
        update(VOTER).where(VOTER.c.id == bindparam("voter_id")).values(ballot_id=bindparam("counts")),
        [{"voter_id": voter_id, "counts": id_} for voter_id, id_ in counting.items()],
    )
    for voter_id in counting:
        # Whoever looked at this voter earlier in the transaction is not to see the ballot before.
        if (loaded := session.identity_map.get(identity_key(Voter, voter_id))) is not None:
            session.expire(loaded, ["ballot_id"])
    entries = []
    for row, cast in zip(rows, taken, strict=True):
        if not row["replaces"]:
            vote.voted_owners += 1
            vote.voted_area_mm2 += voters[cast.voter_id].area_mm2
        # Whose ballot it was and how it came is nobody's business; that it is there, and cannot go any more, is.
        told = {"seq": row["seq"], "hash": row["hash"], "voted_owners": vote.voted_owners}
        entries.append(vote_entry(vote, "vote.ballot", told, SYSTEM))
    vote.last_seq, vote.last_hash = rows[-1]["seq"], rows[-1]["hash"]
    session.flush()
    activity.append(session, entries, now_ms=at_ms)
    return [TakenBallot(id_, row["seq"], row["replaces"], row["hash"]) for id_, row in zip(ids, rows, strict=True)]


def _has_too_many_proxies(session: Session, vote: Vote, proxy: Proxy) -> bool:
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
    return (session.scalar(held) or 0) >= vote.most_proxies
