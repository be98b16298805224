"""The one door from a proposal to its vote: opens it, closes it when it is over, and asks what the count says."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from governance import vote as votes
from governance.ballot import Ballot, BallotChoice
from governance.paper import papers_waiting
from governance.proposal import Proposal
from governance.tally import Ballot as CountedBallot
from governance.tally import Channel, Choice, Count, Tally, tally
from governance.vote import Vote, Voter, find_vote, frozen_parts, hold_vote, is_over, log_vote, ruleset_of, server_ms
from governance.vote_errors import ResultNotYet
from registry.role import SYSTEM, Actor


@dataclass(frozen=True, slots=True)
class CountedVote:
    """What the count of a vote says, and that count as the interface shows it."""

    is_approved: bool
    shown: dict[str, Any]


def open_vote(session: Session, proposal: Proposal, *, actor: Actor, now_ms: int) -> None:
    """Freezes the roll and opens the vote until `closes_ms`."""
    votes.open_vote(session, proposal, actor=actor, now_ms=now_ms)


def vote_result(session: Session, proposal: Proposal, *, now_ms: int) -> CountedVote | None:
    """None as long as the vote runs or paper ballots wait for their second entry, and where there was no vote."""
    vote = find_vote(session, proposal.id)
    if vote is None:
        return None
    try:
        counted = result(session, vote, now_ms=now_ms)
    except ResultNotYet:
        return None
    return CountedVote(counted.is_approved, shown(counted))


def result(session: Session, vote: Vote, *, now_ms: int) -> Tally:
    """The exact count. Raises ResultNotYet, with the turnout, before the end and while paper ballots wait."""
    over, waiting = is_over(session, vote, now_ms=now_ms), papers_waiting(session, vote)
    if not over or waiting:
        turnout = votes.turnout_of(vote)
        raise ResultNotYet(
            is_over=over,
            closes_ms=vote.closes_ms,
            roll=turnout.roll,
            participating=turnout.participating,
            papers_waiting=waiting,
        )
    return tally(
        frozen_parts(session, vote), counted_ballots(session, vote), ruleset=ruleset_of(vote.terms), matter=vote.matter
    )


def close_vote(session: Session, vote: Vote, *, now_ms: int) -> bool:
    """Shuts a vote that is over for good and logs where its chain ends; whether it did. From then on no clock helps."""
    vote = hold_vote(session, vote.id)
    if vote.closed_ms is not None or not is_over(session, vote, now_ms=now_ms) or papers_waiting(session, vote):
        return False
    vote.closed_ms = server_ms(session, now_ms)
    counted = result(session, vote, now_ms=now_ms)
    data = {"seq": vote.last_seq, "hash": vote.last_hash, "result": shown(counted)}
    log_vote(session, vote, "vote.closed", data, SYSTEM, now_ms=now_ms)
    return True


def shut_vote(session: Session, proposal: Proposal, *, now_ms: int) -> None:
    """Shuts the vote of a proposal, if it has one that is over."""
    vote = find_vote(session, proposal.id)
    if vote is not None:
        close_vote(session, vote, now_ms=now_ms)


def counted_ballots(session: Session, vote: Vote) -> list[CountedBallot]:
    """The ballot of each owner that counts, as it is counted and exported."""
    query = (
        select(Ballot.owner, BallotChoice.choice, Ballot.channel)
        .select_from(Voter)
        # From the voters of this vote to their one ballot: each step is by a key.
        .join(Ballot, Voter.ballot_id == Ballot.id)
        .join(BallotChoice, BallotChoice.ballot_id == Ballot.id)
        .where(Voter.vote_id == vote.id)
    )
    rows = sorted(session.execute(query))
    return [CountedBallot(owner, Choice(choice), Channel(channel)) for owner, choice, channel in rows]


def shown(counted: Tally) -> dict[str, Any]:
    """The count as JSON values, without its reasons: those are told in a language."""
    return {
        "ruleset": counted.ruleset,
        "matter": counted.matter.value,
        "roll": _count(counted.roll),
        "participating": _count(counted.participating),
        "consenting": _count(counted.consenting),
        "quorum_met": counted.is_quorum_met,
        "approved": counted.is_approved,
    }


def _count(count: Count) -> dict[str, Any]:
    return {"owners": count.owners, "area_m2": format(count.area_m2, "f")}
