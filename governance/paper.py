"""Paper ballots are entered twice, by two people who do not see what the other read; a third settles a difference.

What was first entered before the end may get its second entry after it: the result waits for that. The paper itself is
kept by its number.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.ballot import NewBallot, Proxy
from governance.ballot_box import TakenBallot, append_ballot, check_open
from governance.tally import Channel, Choice
from governance.vote import Vote, Voter, hold_vote, log_vote
from governance.vote_errors import BallotRefused, Refusal
from registry.database import BigId, Table
from registry.role import Actor

MAX_NOTE_LENGTH = 200


class PaperState(StrEnum):
    WAITING = "waiting"
    DIFFERS = "differs"
    TAKEN = "taken"
    SET_ASIDE = "set_aside"


UNSETTLED = (PaperState.WAITING.value, PaperState.DIFFERS.value)


class PaperBallot(Table):
    """One sheet of paper and who read what on it."""

    __tablename__ = "paper_ballot"
    __table_args__ = (Index("ix_paper_ballot_vote_state", "vote_id", "state"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    vote_id: Mapped[int] = mapped_column(ForeignKey("vote.id"))
    voter_id: Mapped[int] = mapped_column(ForeignKey("voter.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    first_choice: Mapped[str] = mapped_column(String(16))
    first_by: Mapped[str] = mapped_column(String(64))
    first_ms: Mapped[int] = mapped_column(BigInteger)
    second_choice: Mapped[str] = mapped_column(String(16), default="")
    second_by: Mapped[str] = mapped_column(String(64), default="")
    second_ms: Mapped[int | None] = mapped_column(BigInteger)
    third_choice: Mapped[str] = mapped_column(String(16), default="")
    third_by: Mapped[str] = mapped_column(String(64), default="")
    third_ms: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(String(MAX_NOTE_LENGTH), default="")
    proxy_name: Mapped[str] = mapped_column(String(100), default="")
    proxy_phone_end: Mapped[str] = mapped_column(String(4), default="")
    proxy_authorisation: Mapped[str] = mapped_column(String(200), default="")


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of a sheet; `ballot` once it is in the chain."""

    paper: PaperBallot
    ballot: TakenBallot | None = None

    @property
    def state(self) -> PaperState:
        return PaperState(self.paper.state)


def enter_paper(
    session: Session,
    vote_id: int,
    voter: Voter,
    choice: Choice,
    *,
    proxy: Proxy | None = None,
    actor: Actor,
    receipt: str,
    now_ms: int,
) -> Entered:
    """One reading of a sheet: the first of it, or the second by somebody else.

    Raises BallotRefused after the end (for a first reading), for a second one by the same person, and for what
    `append_ballot` refuses.
    """
    vote = hold_vote(session, vote_id)
    paper = _open_sheet(session, voter)
    if paper is None:
        check_open(session, vote, now_ms=now_ms)
        if voter.ballot_id is not None and not vote.may_change:
            raise BallotRefused(Refusal.VOTED_ALREADY, vote_id=vote.id)
        paper = PaperBallot(
            vote_id=vote.id,
            voter_id=voter.id,
            state=PaperState.WAITING.value,
            first_choice=choice.value,
            first_by=actor.name,
            first_ms=now_ms,
            proxy_name=proxy.name.strip()[:100] if proxy else "",
            proxy_phone_end=proxy.phone_end if proxy else "",
            proxy_authorisation=proxy.authorisation.strip()[:200] if proxy else "",
        )
        session.add(paper)
        session.flush()
        log_vote(session, vote, "vote.paper_entered", {"paper_id": paper.id}, actor, now_ms=now_ms)
        return Entered(paper)
    _check_unfinished(vote)
    if paper.state == PaperState.DIFFERS.value or actor.name == paper.first_by:
        raise BallotRefused(Refusal.SAME_PERSON, vote_id=vote.id)
    paper.second_choice, paper.second_by, paper.second_ms = choice.value, actor.name, now_ms
    if choice.value != paper.first_choice:
        paper.state = PaperState.DIFFERS.value
        session.flush()
        log_vote(session, vote, "vote.paper_differs", {"paper_id": paper.id}, actor, now_ms=now_ms)
        return Entered(paper)
    return _take(session, vote, paper, choice, receipt=receipt, now_ms=now_ms)


def settle_paper(
    session: Session,
    vote_id: int,
    paper_id: int,
    choice: Choice | None,
    *,
    note: str,
    actor: Actor,
    receipt: str,
    now_ms: int,
) -> Entered:
    """A third person's look at a sheet that was read in two ways; without a choice it is invalid and set aside.

    Raises BallotRefused for one who read it before, or where nothing waits to be settled. A sheet that waits for its
    second reading may be set aside by another person too, with a note: else one lost sheet would hold the result up.
    """
    vote = hold_vote(session, vote_id)
    _check_unfinished(vote)
    paper = session.get(PaperBallot, paper_id, with_for_update=True, populate_existing=True)
    if paper is None or paper.vote_id != vote.id or paper.state not in UNSETTLED:
        raise BallotRefused(Refusal.NO_ENTRY, vote_id=vote.id)
    if paper.state == PaperState.WAITING.value and (choice is not None or not note.strip()):
        raise BallotRefused(Refusal.NO_ENTRY, vote_id=vote.id)
    if actor.name in (paper.first_by, paper.second_by):
        raise BallotRefused(Refusal.SAME_PERSON, vote_id=vote.id)
    paper.third_by, paper.third_ms, paper.note = actor.name, now_ms, note.strip()[:MAX_NOTE_LENGTH]
    if choice is None:
        paper.state = PaperState.SET_ASIDE.value
        session.flush()
        log_vote(session, vote, "vote.paper_set_aside", {"paper_id": paper.id}, actor, now_ms=now_ms)
        return Entered(paper)
    paper.third_choice = choice.value
    return _take(session, vote, paper, choice, receipt=receipt, now_ms=now_ms)


def _take(session: Session, vote: Vote, paper: PaperBallot, choice: Choice, *, receipt: str, now_ms: int) -> Entered:
    proxy = None
    if paper.proxy_name:
        proxy = Proxy(paper.proxy_name, paper.proxy_phone_end, paper.proxy_authorisation)
    new = NewBallot(choice, Channel.PAPER, proxy, received_ms=paper.first_ms)
    paper.state = PaperState.TAKEN.value
    try:
        with session.begin_nested():
            ballot = append_ballot(session, vote, paper.voter_id, new, receipt=receipt, now_ms=now_ms)
    except BallotRefused as refused:
        if refused.reason not in (Refusal.LATER_BALLOT, Refusal.VOTED_ALREADY):
            raise
        # The owner voted otherwise meanwhile; the sheet is kept with the reason and counts for nothing.
        paper.state, paper.note = PaperState.SET_ASIDE.value, refused.reason.value
        session.flush()
        return Entered(paper)
    return Entered(paper, ballot)


def _check_unfinished(vote: Vote) -> None:
    if vote.closed_ms is not None:
        raise BallotRefused(Refusal.OVER, vote_id=vote.id)


def _open_sheet(session: Session, voter: Voter) -> PaperBallot | None:
    query = select(PaperBallot).where(PaperBallot.voter_id == voter.id, PaperBallot.state.in_(UNSETTLED))
    return session.scalar(query.with_for_update().execution_options(populate_existing=True))


def papers_waiting(session: Session, vote: Vote) -> int:
    query = select(func.count()).select_from(PaperBallot)
    return session.scalar(query.where(PaperBallot.vote_id == vote.id, PaperBallot.state.in_(UNSETTLED))) or 0


def unsettled_papers(session: Session, vote: Vote, *, limit: int = 200) -> list[tuple[PaperBallot, Voter]]:
    """Sheets that wait for a second reading or a third look, oldest first."""
    query = (
        select(PaperBallot, Voter)
        .join(Voter, PaperBallot.voter_id == Voter.id)
        .where(PaperBallot.vote_id == vote.id, PaperBallot.state.in_(UNSETTLED))
        .order_by(PaperBallot.id)
        .limit(limit)
    )
    return [(paper, voter) for paper, voter in session.execute(query)]
