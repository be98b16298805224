"""Joint meetings: their tables, how one is made exactly once, and its way from stage to stage.

Who may make which move stands in `governance.meeting_stages`; nothing but `_set_stage` sets a stage.
"""

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.errors import StepNotPermitted, StepNotPossible, SteppedMeanwhile
from governance.meeting_errors import NoQuorum, QuorumPresent, UnknownMeeting
from governance.meeting_rules import MAX_PLACE_LENGTH, MeetingDay, read_parties, write_parties
from governance.meeting_stages import (
    MEETING_MOVES,
    ItemOutcome,
    MeetingKind,
    MeetingStage,
)
from governance.work_list import WordNeeded, today_at
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table
from registry.errors import InvalidField
from registry.person import Person
from registry.role import SYSTEM, Actor, Party, Role
from registry.site import Site

MAX_TITLE_LENGTH = 200
MAX_WORDS_LENGTH = 8000


class Meeting(Table):
    """A meeting of a site. `month` is set for the monthly one, of which there is one."""

    __tablename__ = "meeting"
    __table_args__ = (
        UniqueConstraint("site_id", "month"),
        Index("ix_meeting_site_held", "site_id", "held_on"),
        Index("ix_meeting_stage", "stage", "held_on"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[str] = mapped_column(String(16))
    month: Mapped[str | None] = mapped_column(String(7))
    title: Mapped[str] = mapped_column(String(MAX_TITLE_LENGTH), default="")
    """Of an extraordinary one."""
    held_on: Mapped[date] = mapped_column(Date)
    moved_from: Mapped[date | None] = mapped_column(Date)
    starts_ms: Mapped[int] = mapped_column(BigInteger)
    reception_start_ms: Mapped[int | None] = mapped_column(BigInteger)
    reception_end_ms: Mapped[int | None] = mapped_column(BigInteger)
    place: Mapped[str] = mapped_column(String(MAX_PLACE_LENGTH), default="")
    parties: Mapped[str] = mapped_column(String(60))
    """Those needed for a quorum, by the rules that held when it was made."""
    stage: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer, default=1)
    is_arranged: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether somebody put the agenda in an order of their own."""
    prepared_ms: Mapped[int | None] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    opened_ms: Mapped[int | None] = mapped_column(BigInteger)
    closed_ms: Mapped[int | None] = mapped_column(BigInteger)
    confirmed_ms: Mapped[int | None] = mapped_column(BigInteger)
    minutes_hash: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text, default="")
    """Why it was cancelled."""
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"meeting:{self.id}"

    @property
    def needed(self) -> tuple[Party, ...]:
        return read_parties(self.parties)


class AgendaItem(Table):
    """A point of the agenda and, later, of the minutes. `source` is what it is about, as `ticket:7`; once a meeting.

    `facts` are those of the moment it was prepared; what the program prepared has its title from kind and facts.
    """

    __tablename__ = "meeting_item"
    __table_args__ = (UniqueConstraint("meeting_id", "source"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meeting.id"))
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(MAX_TITLE_LENGTH), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    added_by: Mapped[str] = mapped_column(String(64))
    added_ms: Mapped[int] = mapped_column(BigInteger)
    is_removed: Mapped[bool] = mapped_column(Boolean, default=False)
    """Taken off by a person: preparing the agenda again does not bring it back."""
    discussion: Mapped[str] = mapped_column(Text, default="")
    decision: Mapped[str] = mapped_column(Text, default="")
    outcome: Mapped[str] = mapped_column(String(16), default=ItemOutcome.PENDING.value)
    tasks: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """What the decision became, as it was decided; how far it is stands in the work lists."""
    version: Mapped[int] = mapped_column(Integer, default=1)
    changed_by: Mapped[str] = mapped_column(String(64), default="")
    carried_into_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """The item of a later meeting in which it goes on."""


class Attendance(Table):
    """A named person who was there for a party. `person_id` is set for those who have an account."""

    __tablename__ = "meeting_attendance"
    __table_args__ = (UniqueConstraint("meeting_id", "name"), UniqueConstraint("meeting_id", "person_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meeting.id"))
    party: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(60))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    noted_by: Mapped[str] = mapped_column(String(64))


class MinutesConfirmation(Table):
    """A party's confirmation of the minutes whose hash is `digest`."""

    __tablename__ = "meeting_confirmation"
    __table_args__ = (UniqueConstraint("meeting_id", "party"), UniqueConstraint("meeting_id", "person_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meeting.id"))
    party: Mapped[str] = mapped_column(String(16))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    person: Mapped[Person] = relationship(lazy="joined")


class MinutesAddendum(Table):
    """What was added to frozen minutes: a correction stands beside them, never in them."""

    __tablename__ = "meeting_addendum"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meeting.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    party: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)


# Making


def plan_monthly(
    session: Session, site: Site, when: MeetingDay, *, parties: Collection[Party], place: str, now_ms: int
) -> Meeting | None:
    """The month's meeting; None when it exists already, also when another worker has just made it."""
    known = select(Meeting.id).where(Meeting.site_id == site.id, Meeting.month == when.month)
    if session.scalar(known) is not None:
        return None
    meeting = Meeting(
        site_id=site.id,
        site=site,
        kind=MeetingKind.MONTHLY.value,
        month=when.month,
        held_on=when.day,
        moved_from=when.moved_from,
        starts_ms=when.starts_ms,
        reception_start_ms=when.reception_start_ms,
        reception_end_ms=when.reception_end_ms,
        place=place,
        parties=write_parties(parties),
        stage=MeetingStage.PLANNED.value,
        created_by=SYSTEM.name,
        created_ms=now_ms,
    )
    try:
        with session.begin_nested():
            session.add(meeting)
    except IntegrityError:
        return None
    record(session, meeting, "meeting.planned", SYSTEM, {}, now_ms=now_ms)
    return meeting


def call_meeting(
    session: Session,
    site: Site,
    *,
    title: str,
    starts_ms: int,
    place: str,
    parties: Collection[Party],
    actor: Actor,
    now_ms: int,
) -> Meeting:
    """An extraordinary meeting. Raises InvalidField for one without a subject or in the past."""
    title = title.strip()[:MAX_TITLE_LENGTH]
    if not title:
        raise InvalidField("title", "must say what the meeting is about")
    if starts_ms < now_ms:
        raise InvalidField("starts_at", "must not be in the past")
    meeting = Meeting(
        site_id=site.id,
        site=site,
        kind=MeetingKind.EXTRAORDINARY.value,
        title=title,
        held_on=today_at(site, starts_ms),
        starts_ms=starts_ms,
        place=place.strip()[:MAX_PLACE_LENGTH],
        parties=write_parties(parties),
        stage=MeetingStage.PLANNED.value,
        created_by=actor.name,
        created_ms=now_ms,
    )
    session.add(meeting)
    session.flush()
    record(session, meeting, "meeting.planned", actor, {}, now_ms=now_ms)
    return meeting


# Moving


def move_meeting(
    session: Session,
    meeting_id: int,
    to: MeetingStage,
    *,
    actor: Actor,
    note: str = "",
    expected_version: int | None = None,
    now_ms: int,
) -> Meeting:
    """Opens, ends or cancels a meeting; the row is held, so that of two people the second meets the new stage.

    Ended with a quorum, what was left pending is carried over; without one, everything is. Raises StepNotPossible,
    SteppedMeanwhile, StepNotPermitted, NoQuorum, QuorumPresent, or WordNeeded for cancelling without a reason.
    """
    meeting = get_meeting(session, meeting_id, for_update=True)
    current = MeetingStage(meeting.stage)
    moves = MEETING_MOVES[current]
    is_stale = expected_version not in (None, meeting.version)
    if is_stale or to not in moves:
        raise (SteppedMeanwhile if is_stale else StepNotPossible)(
            meeting.subject, current=current.value, wanted=to.value, allowed=allowed_names(meeting), dates={}
        )
    roles = actor.roles_at(meeting.site.key)
    if not moves[to] or not (Role.ADMIN in roles or roles & moves[to]):
        raise StepNotPermitted(meeting.subject, wanted=to.value, roles=[role.value for role in moves[to]])
    missing = missing_parties(session, meeting)
    if to is MeetingStage.MINUTED and missing:
        raise NoQuorum(meeting.subject, missing=[party.value for party in missing])
    if to is MeetingStage.WITHOUT_QUORUM and not missing:
        raise QuorumPresent(meeting.subject)
    if to is MeetingStage.CANCELLED and not note.strip():
        raise WordNeeded(meeting.subject, wanted=to.value)
    if to is MeetingStage.OPEN:
        meeting.opened_ms = now_ms
    else:
        meeting.closed_ms = now_ms
        meeting.note = note.strip()[:MAX_WORDS_LENGTH]
        session.execute(
            update(AgendaItem)
            .where(
                AgendaItem.meeting_id == meeting.id,
                AgendaItem.outcome == ItemOutcome.PENDING.value,
                AgendaItem.is_removed.is_(False),
            )
            .values(outcome=ItemOutcome.CARRIED.value)
        )
    data = {"from": current.value, "to": to.value, "note": note.strip()[:MAX_WORDS_LENGTH]}
    if missing:
        data["missing"] = ",".join(missing)
    set_stage(session, meeting, to, actor=actor, data=data, now_ms=now_ms)
    return meeting


def set_stage(
    session: Session, meeting: Meeting, to: MeetingStage, *, actor: Actor, data: dict[str, Any], now_ms: int
) -> None:
    """The one setter of `stage`; for `move_meeting` and the last confirmation of the minutes."""
    assert to in MEETING_MOVES[MeetingStage(meeting.stage)], "the caller has looked into the table"
    meeting.stage = to.value
    meeting.version += 1
    session.flush()
    record(session, meeting, "meeting.moved", actor, data, now_ms=now_ms)


def allowed_names(meeting: Meeting) -> list[str]:
    return [each.value for each, roles in MEETING_MOVES[MeetingStage(meeting.stage)].items() if roles]


def allowed_meeting_moves(session: Session, meeting: Meeting, actor: Actor) -> list[MeetingStage]:
    """Stages this person may move the meeting to now; of the two ways to end it the one that fits the quorum."""
    roles = actor.roles_at(meeting.site.key)
    moves = MEETING_MOVES[MeetingStage(meeting.stage)]
    found = [to for to, permitted in moves.items() if permitted and (Role.ADMIN in roles or roles & permitted)]
    if MeetingStage.MINUTED in found:
        unfit = MeetingStage.MINUTED if missing_parties(session, meeting) else MeetingStage.WITHOUT_QUORUM
        found.remove(unfit)
    return found


def check_stage(meeting: Meeting, wanted: str, *stages: MeetingStage) -> None:
    """Raises StepNotPossible unless the meeting is at one of the stages."""
    if meeting.stage not in stages:
        raise StepNotPossible(
            meeting.subject, current=meeting.stage, wanted=wanted, allowed=allowed_names(meeting), dates={}
        )


def missing_parties(session: Session, meeting: Meeting) -> list[Party]:
    """Parties needed for a decision of which nobody is there."""
    there = set(session.scalars(select(Attendance.party).where(Attendance.meeting_id == meeting.id)))
    return [party for party in meeting.needed if party.value not in there]


def record(session: Session, meeting: Meeting, verb: str, actor: Actor, data: dict[str, Any], *, now_ms: int) -> None:
    entry = Entry(
        verb=verb,
        subject=meeting.subject,
        actor=actor.name,
        site=meeting.site.key,
        data={"held_on": meeting.held_on.isoformat(), "kind": meeting.kind, "stage": meeting.stage, **data},
    )
    activity.append(session, [entry], now_ms=now_ms)


# Finding


def get_meeting(session: Session, meeting_id: int, *, for_update: bool = False) -> Meeting:
    query = select(Meeting).where(Meeting.id == meeting_id)
    if for_update:
        query = query.with_for_update(of=Meeting).execution_options(populate_existing=True)
    meeting = session.scalar(query)
    if meeting is None:
        raise UnknownMeeting(meeting_id)
    return meeting


def find_meetings(
    session: Session,
    *,
    site: str | None = None,
    stage: MeetingStage | None = None,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Meeting]:
    """Newest first."""
    query = select(Meeting).join(Meeting.site).order_by(Meeting.id.desc()).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site:
        query = query.where(Site.key == site)
    if stage is not None:
        query = query.where(Meeting.stage == stage.value)
    if before_id is not None:
        query = query.where(Meeting.id < before_id)
    return list(session.scalars(query))


def meeting_before(session: Session, meeting: Meeting) -> Meeting | None:
    """The site's last one that is over."""
    query = select(Meeting).where(
        Meeting.site_id == meeting.site_id, Meeting.starts_ms < meeting.starts_ms, Meeting.closed_ms.is_not(None)
    )
    return session.scalar(query.order_by(Meeting.starts_ms.desc(), Meeting.id.desc()).limit(1))


def attendance_of(session: Session, meeting_id: int) -> list[Attendance]:
    """In the order of the parties."""
    rows = session.scalars(select(Attendance).where(Attendance.meeting_id == meeting_id).order_by(Attendance.id))
    order = [party.value for party in Party]
    return sorted(rows, key=lambda row: order.index(row.party))


def confirmations_of(session: Session, meeting_id: int) -> list[MinutesConfirmation]:
    query = select(MinutesConfirmation).where(MinutesConfirmation.meeting_id == meeting_id)
    return list(session.scalars(query.order_by(MinutesConfirmation.id)))


def addenda_of(session: Session, meeting_id: int) -> list[MinutesAddendum]:
    query = select(MinutesAddendum).where(MinutesAddendum.meeting_id == meeting_id)
    return list(session.scalars(query.order_by(MinutesAddendum.id)))


def items_of(session: Session, meeting_id: int, *, with_removed: bool = False) -> list[AgendaItem]:
    query = select(AgendaItem).where(AgendaItem.meeting_id == meeting_id)
    if not with_removed:
        query = query.where(AgendaItem.is_removed.is_(False))
    return list(session.scalars(query.order_by(AgendaItem.position, AgendaItem.id)))
