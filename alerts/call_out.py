"""Call-outs: an emergency for which people are summoned stage by stage, and who answered and arrived.

What moves them stands in `alerts.call_out_moves`, whom a stage asks in `alerts.call_out_summons`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    case,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.call_out_errors import UnknownCallOut
from alerts.call_out_states import OPEN_STATES, STAGE_MOVES, Answer, CallOutState, StageState
from alerts.errors import IllegalMove
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table
from registry.person import Person
from registry.role import SYSTEM, Actor
from registry.site import Site

MAX_REASON_LENGTH = 300
MAX_PLACE_LENGTH = 100
MAX_OUTCOME_LENGTH = 4000
MUSTER_ROWS = 300
"""So many people are listed; the counts are of all."""


class CallOut(Table):
    """One call-out. `due_ms`: when a proposal becomes a call by itself (`is_automatic`), or lapses."""

    __tablename__ = "call_out"
    __table_args__ = (
        Index(
            "uq_call_out_open",
            "site_id",
            unique=True,
            sqlite_where=text("state IN ('proposed', 'called')"),
            postgresql_where=text("state IN ('proposed', 'called')"),
        ),
        Index("ix_call_out_site", "site_id", "id"),
        Index("ix_call_out_state", "state", "due_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    state: Mapped[str] = mapped_column(String(16))
    condition: Mapped[str] = mapped_column(String(64), default="")
    """Of the alarm that gave reason to it; empty for one that a person started."""
    reason: Mapped[str] = mapped_column(String(MAX_REASON_LENGTH), default="")
    meeting_point: Mapped[str] = mapped_column(String(MAX_PLACE_LENGTH), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What the alarm measured when it gave reason to it, the forecast of the overflow among it."""
    # No foreign key: whoever moves a ticket holds its row, and those who call people out shall not wait for that.
    ticket_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    opened_ms: Mapped[int] = mapped_column(BigInteger)
    opened_by: Mapped[str] = mapped_column(String(64))
    is_automatic: Mapped[bool] = mapped_column(Boolean, default=False)
    due_ms: Mapped[int | None] = mapped_column(BigInteger)
    called_ms: Mapped[int | None] = mapped_column(BigInteger)
    called_by: Mapped[str | None] = mapped_column(String(64))
    stood_down_ms: Mapped[int | None] = mapped_column(BigInteger)
    stood_down_by: Mapped[str | None] = mapped_column(String(64))
    stand_down_note: Mapped[str] = mapped_column(Text, default="")
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_by: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(Text, default="")
    """What people said at the end: what was achieved, or why nobody was called."""
    site: Mapped[Site] = relationship(lazy="joined")
    stages: Mapped[list["CallOutStage"]] = relationship(lazy="selectin", order_by="CallOutStage.position")

    @property
    def subject(self) -> str:
        return f"call_out:{self.id}"


class CallOutAlarm(Table):
    """An alarm that gave reason to a call-out, or to the one that was open already: an alarm proposes once."""

    __tablename__ = "call_out_alarm"

    alarm_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    call_out_id: Mapped[int] = mapped_column(ForeignKey("call_out.id"), index=True)


class CallOutStage(Table):
    """A stage is its own due row: waiting, it is called at `due_ms` unless enough people are coming by then."""

    __tablename__ = "call_out_stage"
    __table_args__ = (
        UniqueConstraint("call_out_id", "position"),
        Index("ix_call_out_stage_due", "state", "due_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    call_out_id: Mapped[int] = mapped_column(ForeignKey("call_out.id"))
    position: Mapped[int] = mapped_column(Integer)
    audience: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[int] = mapped_column(Integer)
    wait_min: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default=StageState.WAITING.value)
    due_ms: Mapped[int | None] = mapped_column(BigInteger)
    """None as long as the stage before has not been called."""
    called_ms: Mapped[int | None] = mapped_column(BigInteger)
    called_by: Mapped[str | None] = mapped_column(String(64))
    late_ms: Mapped[int | None] = mapped_column(BigInteger)
    asked: Mapped[int] = mapped_column(Integer, default=0)


class Summons(Table):
    """A person is asked once in a call-out, by the first stage that reaches them."""

    __tablename__ = "call_out_summons"
    __table_args__ = (
        UniqueConstraint("call_out_id", "person_id"),
        Index("ix_call_out_summons_answer", "call_out_id", "answer", "expected_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    call_out_id: Mapped[int] = mapped_column(ForeignKey("call_out.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    position: Mapped[int] = mapped_column(Integer)
    """Of the stage that asked."""
    link_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the secret in the personal link; the link itself is kept nowhere."""
    asked_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)
    answer: Mapped[str | None] = mapped_column(String(16))
    minutes: Mapped[int | None] = mapped_column(Integer)
    first_answered_ms: Mapped[int | None] = mapped_column(BigInteger)
    answered_ms: Mapped[int | None] = mapped_column(BigInteger)
    expected_ms: Mapped[int | None] = mapped_column(BigInteger)
    arrived_ms: Mapped[int | None] = mapped_column(BigInteger)
    noted_by: Mapped[str | None] = mapped_column(String(64))
    """Who said that they have arrived."""
    person: Mapped[Person] = relationship(lazy="joined")


@dataclass(frozen=True, slots=True)
class Muster:
    """How many were asked, and what became of it; `overdue` should be there by now."""

    asked: int
    coming: int
    cannot: int
    arrived: int
    overdue: int

    @property
    def silent(self) -> int:
        return self.asked - self.coming - self.cannot


def get_call_out(session: Session, call_out_id: int, *, for_update: bool = False, is_fresh: bool = False) -> CallOut:
    """As it is in the database now, if it is to be held or `is_fresh`. Raises UnknownCallOut."""
    query = select(CallOut).where(CallOut.id == call_out_id)
    if for_update:
        query = query.with_for_update(of=CallOut)
    if for_update or is_fresh:
        query = query.execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise UnknownCallOut(call_out_id)
    return found


def find_open_call_out(session: Session, site_id: int) -> CallOut | None:
    states = [state.value for state in OPEN_STATES]
    return session.scalar(select(CallOut).where(CallOut.site_id == site_id, CallOut.state.in_(states)))


def list_call_outs(
    session: Session,
    *,
    visible: Collection[str] | None = None,
    site: str | None = None,
    states: Collection[CallOutState] = (),
    before_id: int | None = None,
    limit: int = 50,
) -> list[CallOut]:
    """The newest first."""
    query = select(CallOut).join(CallOut.site).order_by(CallOut.id.desc()).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site:
        query = query.where(Site.key == site)
    if states:
        query = query.where(CallOut.state.in_([state.value for state in states]))
    if before_id is not None:
        query = query.where(CallOut.id < before_id)
    return list(session.scalars(query))


def alarm_ids_of(session: Session, call_out_id: int) -> list[int]:
    query = select(CallOutAlarm.alarm_id).where(CallOutAlarm.call_out_id == call_out_id)
    return list(session.scalars(query.order_by(CallOutAlarm.alarm_id)))


def call_out_of_alarm(session: Session, alarm_id: int) -> int | None:
    return session.scalar(select(CallOutAlarm.call_out_id).where(CallOutAlarm.alarm_id == alarm_id))


def count_muster(session: Session, call_out_id: int, *, now_ms: int) -> Muster:
    is_coming = Summons.answer == Answer.COMING.value
    has_arrived = Summons.arrived_ms.is_not(None)

    def count(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    query = select(
        func.count(),
        count(is_coming),
        count(Summons.answer == Answer.CANNOT.value),
        count(has_arrived),
        count(is_coming & ~has_arrived & (Summons.expected_ms < now_ms)),
    ).where(Summons.call_out_id == call_out_id)
    return Muster(*(int(number) for number in session.execute(query).one()))


def count_coming(session: Session, call_out_id: int) -> int:
    query = select(func.count()).where(Summons.call_out_id == call_out_id, Summons.answer == Answer.COMING.value)
    return session.scalar(query) or 0


def muster_list(session: Session, call_out_id: int, *, limit: int = MUSTER_ROWS) -> list[Summons]:
    """Who comes: those still expected first, by their time, then those who have arrived, then the others."""
    place = case(
        ((Summons.answer == Answer.COMING.value) & Summons.arrived_ms.is_(None), 0),
        (Summons.arrived_ms.is_not(None), 1),
        (Summons.answer.is_(None), 2),
        else_=3,
    )
    query = select(Summons).where(Summons.call_out_id == call_out_id)
    return list(session.scalars(query.order_by(place, Summons.expected_ms, Summons.id).limit(limit)))


def call_out_entry(call_out: CallOut, verb: str, data: Mapping[str, Any], actor: Actor = SYSTEM) -> Entry:
    return Entry(
        verb=verb,
        subject=call_out.subject,
        actor=actor.name,
        site=call_out.site.key,
        data={"state": call_out.state, "ticket_id": call_out.ticket_id, **data},
    )


def record(
    session: Session, call_out: CallOut, verb: str, data: Mapping[str, Any], actor: Actor, *, now_ms: int
) -> None:
    activity.append(session, [call_out_entry(call_out, verb, data, actor)], now_ms=now_ms)


def move_stage(stage: CallOutStage, to: StageState) -> None:
    """The one setter of a stage's state."""
    current = StageState(stage.state)
    if to not in STAGE_MOVES[current]:
        subject = f"call_out:{stage.call_out_id}:{stage.position}"
        raise IllegalMove(subject, current=current.value, wanted=to.value, allowed=sorted(STAGE_MOVES[current]))
    stage.state = to.value


def stage_before(stages: Sequence[CallOutStage], stage: CallOutStage) -> CallOutStage | None:
    return next((each for each in stages if each.position == stage.position - 1), None)
