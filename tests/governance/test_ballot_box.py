"""Ballots that are taken together are judged as if they had come one after the other."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from governance import ballot, vote
from governance.ballot import Ballot, NewBallot, link_hash
from governance.ballot_box import AskedBallot, Judged, cast_ballot, hold_votes, take_ballots
from governance.identity import MOST_FAILURES
from governance.tally import Choice
from governance.vote import Voter
from governance.vote_errors import BallotRefused, Refusal
from governance.vote_proof import verify_vote
from governance.vote_result import counted_ballots
from governance.vote_rules import Identity, VoteRules
from registry import activity
from registry.database import Database
from tests.governance.polling import DAY_MS, KEEPER, NOW_MS, Polling, opened, roll_of

AFTER_MS = NOW_MS + 10 * DAY_MS


def ids_of(polling: Polling) -> dict[str, int]:
    with polling.database.reading() as session:
        query = select(Voter.owner_key, Voter.id).where(Voter.vote_id == polling.vote_id)
        return dict(session.execute(query).all())


def asked(polling: Polling, owner: str, choice: Choice = Choice.CONSENT, **link: str) -> AskedBallot:
    return AskedBallot(
        polling.vote_id, ids_of(polling)[owner], NewBallot(choice), f"{polling.vote_id}-{polling.receipt()}", **link
    )


def taken_together(polling: Polling, *ballots: AskedBallot, now_ms: int = NOW_MS + 1) -> list[Judged]:
    with polling.database.writing() as session:
        votes = hold_votes(session, {each.vote_id for each in ballots})
        return take_ballots(session, votes, ballots, now_ms=now_ms)


def told(outcomes: list[Judged]) -> list[object]:
    return [each.reason if isinstance(each, BallotRefused) else (each.seq, each.replaces) for each in outcomes]


def faults(polling: Polling) -> list[str]:
    with polling.database.reading() as session:
        return [fault.reason for fault in verify_vote(session, vote.get_vote(session, polling.proposal_id))]


def together(polling: Polling, ballots: list[AskedBallot]) -> None:
    taken_together(polling, *ballots)


def one_by_one(polling: Polling, ballots: list[AskedBallot]) -> None:
    for each in ballots:
        with polling.database.writing() as session:
            cast_ballot(session, each.vote_id, each.voter_id, each.new, receipt=each.receipt, now_ms=NOW_MS + 1)


@pytest.mark.parametrize("take", [together, one_by_one])
def test_together_or_one_by_one_the_chain_is_the_same(
    database: Database, take: Callable[[Polling, list[AskedBallot]], None]
) -> None:
    """With an owner who changes their mind within one round."""
    polling = opened(database)
    cast = (("O1", Choice.CONSENT), ("O2", Choice.OBJECT), ("O1", Choice.ABSTAIN), ("O3", Choice.CONSENT))
    take(polling, [asked(polling, owner, choice) for owner, choice in cast])
    with database.reading() as session:
        rows = session.scalars(select(Ballot).order_by(Ballot.seq))
        assert [(row.owner, row.replaces) for row in rows] == [("O1", 0), ("O2", 0), ("O1", 1), ("O3", 0)]
        found = vote.get_vote(session, polling.proposal_id)
        assert (found.voted_owners, found.voted_area_mm2, found.last_seq) == (3, 240_000_000, 4)
        counted = [each.choice for each in counted_ballots(session, found)]
        assert counted == [Choice.ABSTAIN, Choice.OBJECT, Choice.CONSENT]
        logged = [row.data for row in activity.of_subject(session, found.subject) if row.verb == "vote.ballot"]
        assert [(data["seq"], data["voted_owners"]) for data in logged] == [(1, 1), (2, 2), (3, 2), (4, 3)]
    assert faults(polling) == []


def test_one_that_is_refused_leaves_no_trace_among_those_that_are_taken(database: Database) -> None:
    polling = opened(database, rules=VoteRules(may_change=False))
    stranger = AskedBallot(polling.vote_id, 9_999, NewBallot(Choice.CONSENT), polling.receipt())
    outcomes = taken_together(
        polling, asked(polling, "O1"), stranger, asked(polling, "O1", Choice.OBJECT), asked(polling, "O2")
    )
    assert told(outcomes) == [(1, 0), Refusal.STRANGER, Refusal.VOTED_ALREADY, (2, 0)]
    assert faults(polling) == []


def test_after_the_end_all_of_a_round_are_refused(database: Database) -> None:
    polling = opened(database)
    late = taken_together(polling, asked(polling, "O1"), asked(polling, "O2"), now_ms=AFTER_MS)
    early = taken_together(polling, asked(polling, "O1"), now_ms=NOW_MS - 1)
    assert told([*late, *early]) == [Refusal.OVER, Refusal.OVER, Refusal.NOT_OPEN]


def test_ballots_of_several_votes_in_one_round_stand_each_in_their_chain(database: Database) -> None:
    roll = [*roll_of(2, building="1"), *[row for row in roll_of(4, building="2") if row.owner in ("O3", "O4")]]
    first, second = opened(database, roll=roll, building="1"), opened(database, roll=roll, building="2")
    outcomes = taken_together(
        first,
        asked(second, "O3"),
        asked(first, "O1"),
        asked(second, "O4"),
        AskedBallot(first.vote_id, ids_of(second)["O3"], NewBallot(Choice.CONSENT), "another's"),
    )
    assert told(outcomes) == [(1, 0), (1, 0), (2, 0), Refusal.STRANGER]
    assert faults(first) == faults(second) == []


def test_guesses_that_come_in_together_lock_a_link_as_if_they_came_one_by_one(database: Database) -> None:
    polling = opened(database, rules=VoteRules(identity=Identity.PHONE))
    with database.writing() as session:
        found = vote.get_vote(session, polling.proposal_id)
        ballot.draw_links(session, found, {ids_of(polling)["O1"]: "CODE"}, actor=KEEPER, now_ms=NOW_MS)
    link = link_hash("CODE")
    guesses = [asked(polling, "O1", link=link, answer=f"9{n:03d}") for n in range(MOST_FAILURES)]
    right = asked(polling, "O1", link=link, answer="0001")
    outcomes = taken_together(polling, *guesses, right)
    assert told(outcomes) == [Refusal.WRONG_IDENTITY] * MOST_FAILURES + [Refusal.LOCKED]
    assert told(taken_together(polling, right)) == [Refusal.LOCKED]


def test_a_letter_that_was_drawn_anew_meanwhile_leads_nowhere(database: Database) -> None:
    polling = opened(database, rules=VoteRules(identity=Identity.NONE))
    assert told(taken_together(polling, asked(polling, "O1", link=link_hash("OLD")))) == [Refusal.FORGED_LINK]
