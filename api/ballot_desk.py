"""Where requests put their ballots: those that wait for the same database at once share a transaction.

Whoever comes while nobody writes, writes; whoever comes meanwhile waits, and the first of these writes for all of them
next. So one ballot alone waits for nobody, and a crowd needs a commit for many. Nobody is answered before the commit.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fastapi import Request
from sqlalchemy.exc import InterfaceError, OperationalError

from governance.ballot_box import AskedBallot, Judged, TakenBallot, hold_votes, take_ballots
from registry.database import Database

MOST_AT_ONCE = 64
"""A transaction of so many takes some 20 ms, for which everybody else who writes waits."""


@dataclass(slots=True, eq=False)
class _Waiting:
    asked: AskedBallot
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: Judged | Exception | None = None


class BallotDesk:
    """Ballots of one process; those of another one wait for the vote's row as anybody who writes does."""

    def __init__(self, database: Database, *, clock: Callable[[], int], most_at_once: int = MOST_AT_ONCE) -> None:
        self._database = database
        self._clock = clock
        self._most_at_once = most_at_once
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_writing = False

    def cast(self, asked: AskedBallot) -> TakenBallot:
        """Blocks until the ballot is on disk. Raises BallotRefused, and whatever kept the database from taking it."""
        own = _Waiting(asked)
        with self._lock:
            self._waiting.append(own)
            leads, self._is_writing = not self._is_writing, True
        if not leads:
            own.turn.wait()
        if own.outcome is None:
            self._write_next()
        if isinstance(own.outcome, TakenBallot):
            return own.outcome
        assert own.outcome is not None, "whoever writes answers everybody for whom it writes"
        raise own.outcome

    def _write_next(self) -> None:
        """Writes for those who wait, its own caller the first of them, and hands over to whoever waits by then."""
        with self._lock:
            some, self._waiting = self._waiting[: self._most_at_once], self._waiting[self._most_at_once :]
        try:
            self._write(some)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_writing = following is not None
            for each in some:
                if each.outcome is None:
                    each.outcome = RuntimeError("the transaction of this ballot was broken off")
                each.turn.set()
            if following is not None:
                following.turn.set()

    def _write(self, some: Sequence[_Waiting]) -> None:
        is_committing = False
        try:
            with self._database.writing() as session:
                votes = hold_votes(session, {each.asked.vote_id for each in some})
                outcomes = take_ballots(session, votes, [each.asked for each in some], now_ms=self._clock())
                is_committing = True
        except Exception as error:
            # After a commit that failed nobody knows what is on disk, and a database that is away is away for all.
            if len(some) == 1 or is_committing or isinstance(error, OperationalError | InterfaceError):
                for each in some:
                    each.outcome = error
                return
            # One of them cannot be written; the others have nothing to do with it.
            for each in some:
                self._write([each])
            return
        for each, outcome in zip(some, outcomes, strict=True):
            each.outcome = outcome


def ballot_desk(request: Request) -> BallotDesk:
    desk = request.app.state.ballot_desk
    assert isinstance(desk, BallotDesk)
    return desk
