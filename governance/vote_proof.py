"""Proves that no ballot was added, changed or removed: in the database, and in an exported file on any machine."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from governance.ballot import Ballot, BallotChoice, ballot_hash, commitment_of
from governance.vote import Vote, Voter, VoterPart, genesis_of, roll_digest
from registry.activity import Activity

CHANGED_TERMS = "the terms of the vote are not those that it was opened with"
CHANGED_ROLL = "the frozen roll is not the one that the vote was opened with"


@dataclass(frozen=True, slots=True)
class VoteFault:
    """`seq` is the number of the ballot in its chain; 0 is the vote itself."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChainEnd:
    seq: int
    hash: str


def walk_chain(
    rows: Iterable[tuple[Mapping[str, Any], Mapping[str, str] | None]], *, genesis: str, owners: frozenset[str]
) -> Iterator[VoteFault | ChainEnd]:
    """Every break of a chain and, last, where it ends. `rows` are ballots with their choice and receipt, by number."""
    expected, previous = 1, genesis
    last_of: dict[str, int] = {}
    for row, opened in rows:
        seq = int(row["seq"])
        if seq != expected:
            yield VoteFault(expected, f"ballots {expected} to {seq - 1} are missing")
        elif row["previous_hash"] != previous:
            yield VoteFault(seq, "does not follow from the ballot before it")
        if ballot_hash(dict(row), previous=row["previous_hash"]) != row["hash"]:
            yield VoteFault(seq, "was changed after it was cast")
        if row["owner"] not in owners:
            yield VoteFault(seq, "is of nobody on the frozen roll")
        if row["replaces"] != last_of.get(row["owner"], 0):
            yield VoteFault(seq, "does not replace the ballot of its owner before it")
        last_of[row["owner"]] = seq
        if opened is None:
            yield VoteFault(seq, "has lost its choice")
        elif row["commitment"] != commitment_of(
            genesis=genesis, owner=row["owner"], choice=opened["choice"], receipt=opened["receipt"]
        ):
            yield VoteFault(seq, "has another choice than the one that was cast")
        expected, previous = seq + 1, str(row["hash"])
    yield ChainEnd(expected - 1, previous)


def verify_vote(session: Session, vote: Vote) -> Iterator[VoteFault]:
    """Walks one vote in the database, against itself and against what the activity log wrote down of it."""
    yield from _terms(session, vote)
    logged = _logged(session, vote)
    aliases = frozenset(session.scalars(select(Voter.alias).where(Voter.vote_id == vote.id)))
    ballot_ids: dict[str, int] = {}
    for found in walk_chain(_rows(session, vote, ballot_ids), genesis=vote.genesis, owners=aliases):
        if isinstance(found, VoteFault):
            yield found
        elif (found.seq, found.hash) != (vote.last_seq, vote.last_hash):
            yield VoteFault(
                found.seq + 1, "the end of the chain does not match its head: ballots at the end are missing"
            )
    hashes = dict(session.execute(select(Ballot.seq, Ballot.hash).where(Ballot.vote_id == vote.id)).all())
    for seq in sorted(hashes.keys() | logged.keys()):
        if seq not in logged:
            yield VoteFault(seq, "is not in the activity log: it was added past the service")
        elif hashes.get(seq) != logged[seq]:
            yield VoteFault(seq, "is not the ballot that the activity log wrote down")
    yield from _counters(session, vote, ballot_ids)


def _terms(session: Session, vote: Vote) -> Iterator[VoteFault]:
    own = {"opens_ms": vote.opens_ms, "closes_ms": vote.closes_ms, "building": vote.building}
    own |= {"is_secret": vote.is_secret, "may_change": vote.may_change}
    if genesis_of(vote.terms) != vote.genesis or any(vote.terms.get(name) != value for name, value in own.items()):
        yield VoteFault(0, CHANGED_TERMS)
    opened = session.scalar(_log_of(vote, "vote.opened").limit(1))
    if opened is None or opened.data.get("genesis") != vote.genesis:
        yield VoteFault(0, "the activity log tells of other terms")
    query = select(Voter.alias, VoterPart.label, VoterPart.area_mm2).join(Voter, VoterPart.voter_id == Voter.id)
    rows = [(alias, label, area) for alias, label, area in session.execute(query.where(VoterPart.vote_id == vote.id))]
    areas = dict(session.execute(select(Voter.alias, Voter.area_mm2).where(Voter.vote_id == vote.id)).all())
    sums: dict[str, int] = {}
    for alias, _, area in rows:
        sums[alias] = sums.get(alias, 0) + area
    if roll_digest(rows) != vote.terms.get("roll") or areas != sums or vote.area_mm2 != sum(sums.values()):
        yield VoteFault(0, CHANGED_ROLL)


def _counters(session: Session, vote: Vote, last_ids: Mapping[str, int]) -> Iterator[VoteFault]:
    current = select(Voter.alias, Voter.ballot_id, Voter.area_mm2).where(Voter.vote_id == vote.id)
    area = 0
    for alias, ballot_id, area_mm2 in session.execute(current):
        if ballot_id != last_ids.get(alias):
            yield VoteFault(0, f"another ballot of {alias} is counted than the last one")
        area += area_mm2 if ballot_id is not None else 0
    if (vote.voted_owners, vote.voted_area_mm2) != (len(last_ids), area):
        yield VoteFault(0, "the turnout is not that of the ballots")


def _rows(
    session: Session, vote: Vote, last_ids: dict[str, int]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, str] | None]]:
    columns = [*Ballot.__table__.c, BallotChoice.choice, BallotChoice.receipt]
    query = select(*columns).outerjoin(BallotChoice, BallotChoice.ballot_id == Ballot.id)
    query = query.where(Ballot.vote_id == vote.id).order_by(Ballot.seq)
    for row in session.execute(query.execution_options(yield_per=1000)):
        cells = row._asdict()
        last_ids[cells["owner"]] = cells["id"]
        opened = None if cells["choice"] is None else {"choice": cells["choice"], "receipt": cells["receipt"]}
        yield cells, opened


def _log_of(vote: Vote, verb: str) -> Any:
    return select(Activity).where(Activity.subject == vote.subject, Activity.verb == verb).order_by(Activity.id)


def _logged(session: Session, vote: Vote) -> dict[int, str]:
    """Numbers and hashes of ballots as the activity log wrote them down; unreadable data is told by its own chain."""
    data = cast(Activity.data, Text)
    query = select(data).where(Activity.subject == vote.subject, Activity.verb == "vote.ballot")
    found = {}
    for (text,) in session.execute(query.execution_options(yield_per=1000)):
        try:
            told = json.loads(text)
            found[int(told["seq"])] = str(told["hash"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def orphaned_choices(session: Session) -> int:
    """Choices without a ballot: nothing of ours leaves one behind."""
    query = select(func.count()).select_from(BallotChoice).outerjoin(Ballot, BallotChoice.ballot_id == Ballot.id)
    return session.scalar(query.where(Ballot.id.is_(None))) or 0
