"""Ballots that crowd at the desk: one chain, everybody answered, and nobody before the commit."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from api.ballot_desk import BallotDesk
from governance import vote
from governance.ballot import BallotChoice, NewBallot
from governance.ballot_box import AskedBallot, TakenBallot
from governance.tally import Choice
from governance.vote import Voter
from governance.vote_errors import BallotRefused
from governance.vote_proof import verify_vote
from registry.database import Database
from tests.governance.polling import DAY_MS, NOW_MS, Polling, opened, roll_of

CROWD = 40


@pytest.fixture
def polling(database: Database) -> Polling:
    return opened(database, roll=roll_of(CROWD))


def desk_of(polling: Polling, *, now_ms: int = NOW_MS + 1, most_at_once: int = 16) -> BallotDesk:
    return BallotDesk(polling.database, clock=lambda: now_ms, most_at_once=most_at_once)


def asked_by_all(polling: Polling) -> list[AskedBallot]:
    with polling.database.reading() as session:
        ids = list(session.scalars(select(Voter.id).where(Voter.vote_id == polling.vote_id).order_by(Voter.id)))
    return [AskedBallot(polling.vote_id, each, NewBallot(Choice.CONSENT), f"R{each}") for each in ids]


def outcome_of(desk: BallotDesk, asked: AskedBallot) -> TakenBallot | Exception:
    try:
        return desk.cast(asked)
    except Exception as error:
        return error


def test_a_crowd_makes_one_chain_and_each_gets_their_own_answer(polling: Polling) -> None:
    desk = desk_of(polling)
    with ThreadPoolExecutor(CROWD) as crowd:
        taken = list(crowd.map(desk.cast, asked_by_all(polling)))
    assert sorted(each.seq for each in taken) == list(range(1, CROWD + 1))
    with polling.database.reading() as session:
        assert list(verify_vote(session, vote.get_vote(session, polling.proposal_id))) == []
        kept = dict(session.execute(select(BallotChoice.ballot_id, BallotChoice.receipt)).all())
    assert [kept[each.id] for each in taken] == [each.receipt for each in asked_by_all(polling)]


def test_two_desks_as_two_processes_have_them_make_one_chain(polling: Polling) -> None:
    desks = (desk_of(polling), desk_of(polling))
    with ThreadPoolExecutor(CROWD) as crowd:
        list(crowd.map(lambda each: desks[each.voter_id % 2].cast(each), asked_by_all(polling)))
    with polling.database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        assert (found.last_seq, list(verify_vote(session, found))) == (CROWD, [])


def test_a_ballot_that_cannot_be_written_takes_nobody_with_it(polling: Polling) -> None:
    ballots = asked_by_all(polling)
    # A receipt of which there is one already: nothing of ours draws such a one, and the table refuses it.
    bad = AskedBallot(polling.vote_id, ballots[0].voter_id, NewBallot(Choice.OBJECT), ballots[1].receipt)
    desk = desk_of(polling)
    desk.cast(ballots[1])
    with ThreadPoolExecutor(CROWD) as crowd:
        outcomes = list(crowd.map(lambda each: outcome_of(desk, each), [bad, *ballots[2:]]))
    assert isinstance(outcomes[0], DBAPIError)
    assert all(isinstance(each, TakenBallot) for each in outcomes[1:])
    assert isinstance(outcome_of(desk, ballots[0]), TakenBallot), "the desk goes on"
    with polling.database.reading() as session:
        assert list(verify_vote(session, vote.get_vote(session, polling.proposal_id))) == []


def test_a_refused_ballot_is_told_to_its_owner_and_the_desk_goes_on(polling: Polling) -> None:
    first, second, *_ = asked_by_all(polling)
    late = desk_of(polling, now_ms=NOW_MS + 11 * DAY_MS)
    with pytest.raises(BallotRefused):
        late.cast(first)
    with pytest.raises(BallotRefused):
        late.cast(second)


def test_nobody_is_answered_before_the_commit(polling: Polling) -> None:
    """Where the commit fails, everybody in the round hears of it, and nothing is there."""
    with polling.database.writing() as session:
        session.execute(text("ALTER TABLE activity RENAME TO activity_away"))
    desk, barrier = desk_of(polling), threading.Barrier(8)

    def cast(asked: AskedBallot) -> TakenBallot | Exception:
        barrier.wait()
        return outcome_of(desk, asked)

    with ThreadPoolExecutor(8) as crowd:
        outcomes = list(crowd.map(cast, asked_by_all(polling)[:8]))
    assert all(isinstance(each, DBAPIError) for each in outcomes)
    with polling.database.writing() as session:
        session.execute(text("ALTER TABLE activity_away RENAME TO activity"))
    with polling.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(BallotChoice)) == 0
