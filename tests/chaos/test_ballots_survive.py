"""Killed while owners crowd at the ballot box, the service keeps every ballot that it acknowledged, in one chain."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

import alerts.ticket  # noqa: F401  the table that a proposal points to
from api import clock
from governance import ballot, vote
from governance.ballot import BallotChoice
from governance.vote import Voter
from governance.vote_proof import orphaned_choices, verify_vote
from governance.vote_rules import Identity, VoteRules
from registry.activity import verify_chain
from registry.database import Database
from tests.chaos.stream import NAME, PASSWORD
from tests.governance.polling import KEEPER, Polling, opened, roll_of
from tests.servers.liandong import LiandongProcess, StartLiandong
from tests.waiting import wait_until

OWNERS, AT_ONCE, KILLED_AFTER = 240, 12, 80


@pytest.fixture
def polling(data_dir: Path) -> Iterator[Polling]:
    now_ms = clock.now_ms()
    database = Database(f"sqlite:///{data_dir / 'liandong.sqlite'}")
    made = opened(database, roll=roll_of(OWNERS), rules=VoteRules(identity=Identity.NONE), now_ms=now_ms)
    with database.writing() as session:
        found = vote.get_vote(session, made.proposal_id)
        ids = session.scalars(select(Voter.id).where(Voter.vote_id == found.id).order_by(Voter.id))
        letters = {voter_id: f"CODE{number:04d}" for number, voter_id in enumerate(ids)}
        ballot.draw_links(session, found, letters, actor=KEEPER, now_ms=now_ms)
    yield made
    database.close()


class Crowd:
    """Owners who vote side by side; whoever gets no answer tries again later, as people do."""

    def __init__(self, polling: Polling) -> None:
        self._path = f"/api/v1/proposals/{polling.proposal_id}/ballots"
        self._lock = threading.Lock()
        self._codes = [f"CODE{number:04d}" for number in range(OWNERS)]
        self.receipts: list[str] = []

    def vote_at(self, running: LiandongProcess) -> list[threading.Thread]:
        form = {"username": NAME, "password": PASSWORD}
        token = httpx.post(f"{running.http_url}/api/v1/token", data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        voting = [threading.Thread(target=self._vote, args=(running.http_url, headers)) for _ in range(AT_ONCE)]
        for each in voting:
            each.start()
        return voting

    def _vote(self, url: str, headers: dict[str, str]) -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            while (code := self._next()) is not None:
                try:
                    answer = client.post(self._path, json={"choice": "consent", "link": code})
                except httpx.TransportError:
                    with self._lock:
                        self._codes.append(code)
                    return
                assert answer.status_code == 201, answer.text
                with self._lock:
                    self.receipts.append(answer.json()["receipt"])

    def _next(self) -> str | None:
        with self._lock:
            return self._codes.pop(0) if self._codes else None


def test_killed_while_owners_vote_no_ballot_that_was_acknowledged_is_lost(
    liandong_process: StartLiandong, polling: Polling
) -> None:
    crowd, running = Crowd(polling), liandong_process("up")
    voting = crowd.vote_at(running)
    wait_until(lambda: len(crowd.receipts) >= KILLED_AFTER, within_s=60, what="some have voted")
    running.kill()
    for each in voting:
        each.join()
    assert len(crowd.receipts) < OWNERS, "it was killed in the middle"
    running = liandong_process("up")
    for each in crowd.vote_at(running):
        each.join()
    running.stop()
    with polling.database.reading() as session:
        kept = set(session.scalars(select(BallotChoice.receipt)))
        assert set(crowd.receipts) <= kept
        found = vote.get_vote(session, polling.proposal_id)
        assert found.voted_owners == OWNERS
        # Who got no answer voted again, and that replaced what was on disk without their knowing.
        assert OWNERS <= found.last_seq <= OWNERS + AT_ONCE
        assert list(verify_vote(session, found)) == []
        assert list(verify_chain(session)) == []
        assert orphaned_choices(session) == 0
