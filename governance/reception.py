"""The reception of owners: what they brought, what they were told, and what it became.

Nobody has to say who they are. A name is kept only if it is given, is shown to staff alone, and stands in no log.
"""

from collections.abc import Collection

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts import incident
from alerts.severity import Severity
from alerts.ticket import Ticket
from alerts.ticket_stages import TicketKind
from governance.meeting import AgendaItem, Meeting, check_stage, get_meeting, record
from governance.meeting_agenda import add_item
from governance.meeting_errors import UnknownReception
from governance.meeting_stages import AgendaKind, MeetingStage
from registry.database import BigId, Table
from registry.errors import InvalidField
from registry.role import Actor
from registry.unit import Unit

MAX_MATTER_LENGTH = 2000
MAX_PLACE_LENGTH = 100
MAX_NAME_LENGTH = 40
MOST_ENTRIES = 500
TITLE_LENGTH = 80


class ReceptionEntry(Table):
    """What one owner brought; numbered within the day."""

    __tablename__ = "reception_entry"
    __table_args__ = (UniqueConstraint("meeting_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meeting.id"))
    number: Mapped[int] = mapped_column(Integer)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    received_by: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), default="")
    matter: Mapped[str] = mapped_column(Text)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    place: Mapped[str] = mapped_column(String(MAX_PLACE_LENGTH), default="")
    answer: Mapped[str] = mapped_column(Text, default="")
    answered_by: Mapped[str] = mapped_column(String(64), default="")
    answered_ms: Mapped[int | None] = mapped_column(BigInteger)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))
    item_id: Mapped[int | None] = mapped_column(ForeignKey("meeting_item.id"))
    unit: Mapped[Unit | None] = relationship(lazy="joined")

    @property
    def short(self) -> str:
        """The matter in one line, as a title."""
        line = " ".join(self.matter.split())
        return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1]}…"


def receive(
    session: Session,
    meeting_id: int,
    *,
    matter: str,
    name: str = "",
    place: str = "",
    unit: Unit | None = None,
    actor: Actor,
    now_ms: int,
) -> ReceptionEntry:
    """Raises InvalidField without a matter or for a unit of elsewhere, StepNotPossible once the meeting is over."""
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "reception", MeetingStage.PLANNED, MeetingStage.OPEN)
    matter = matter.strip()[:MAX_MATTER_LENGTH]
    if not matter:
        raise InvalidField("matter", "must say what it is about")
    if unit is not None and unit.site_id != meeting.site_id:
        raise InvalidField("unit", "must be of the compound of the meeting")
    last = session.scalar(select(func.max(ReceptionEntry.number)).where(ReceptionEntry.meeting_id == meeting.id)) or 0
    if last >= MOST_ENTRIES:
        raise InvalidField("matter", f"is one too many: {MOST_ENTRIES} on a day at most")
    entry = ReceptionEntry(
        meeting_id=meeting.id,
        number=last + 1,
        at_ms=now_ms,
        received_by=actor.name,
        name=name.strip()[:MAX_NAME_LENGTH],
        matter=matter,
        unit=unit,
        place=place.strip()[:MAX_PLACE_LENGTH],
    )
    session.add(entry)
    session.flush()
    record(session, meeting, "meeting.received", actor, {"number": entry.number}, now_ms=now_ms)
    return entry


def answer(session: Session, entry_id: int, text: str, *, actor: Actor, now_ms: int) -> ReceptionEntry:
    """What the owner was told; it can be put otherwise later, and the log says that it was."""
    entry = get_entry(session, entry_id, for_update=True)
    text = text.strip()[:MAX_MATTER_LENGTH]
    if not text:
        raise InvalidField("answer", "must say what the owner was told")
    entry.answer, entry.answered_by, entry.answered_ms = text, actor.name, now_ms
    session.flush()
    meeting = get_meeting(session, entry.meeting_id)
    record(session, meeting, "meeting.answered", actor, {"number": entry.number}, now_ms=now_ms)
    return entry


def make_ticket(session: Session, entry_id: int, *, severity: Severity, actor: Actor, now_ms: int) -> Ticket | None:
    """A ticket of what the owner brought, without their name; None when it has one already."""
    entry = get_entry(session, entry_id, for_update=True)
    if entry.ticket_id is not None:
        return None
    meeting = get_meeting(session, entry.meeting_id)
    ticket = incident.open_ticket_by_hand(
        session,
        site=meeting.site,
        unit=entry.unit,
        kind=TicketKind.RESIDENT_REPORT,
        title=entry.short,
        severity=severity,
        description="\n".join(filter(None, (entry.matter, entry.place))),
        actor=actor,
        now_ms=now_ms,
    )
    entry.ticket_id = ticket.id
    session.flush()
    data = {"number": entry.number, "ticket_id": ticket.id}
    record(session, meeting, "meeting.made_ticket", actor, data, now_ms=now_ms)
    return ticket


def put_on_agenda(session: Session, entry_id: int, *, actor: Actor, now_ms: int) -> AgendaItem:
    """A matter for the meeting of the same day; twice is once. Raises StepNotPossible once the agenda is frozen."""
    entry = get_entry(session, entry_id, for_update=True)
    item = add_item(
        session,
        entry.meeting_id,
        title=entry.short,
        actor=actor,
        kind=AgendaKind.OWNERS_MATTER,
        source=f"reception:{entry.id}",
        facts={"number": entry.number, "place": entry.place},
        now_ms=now_ms,
    )
    entry.item_id = item.id
    session.flush()
    return item


def get_entry(session: Session, entry_id: int, *, for_update: bool = False) -> ReceptionEntry:
    query = select(ReceptionEntry).where(ReceptionEntry.id == entry_id)
    if for_update:
        query = query.with_for_update(of=ReceptionEntry).execution_options(populate_existing=True)
    entry = session.scalar(query)
    if entry is None:
        raise UnknownReception(entry_id)
    return entry


def entries_of(session: Session, meeting_id: int) -> list[ReceptionEntry]:
    query = select(ReceptionEntry).where(ReceptionEntry.meeting_id == meeting_id)
    return list(session.scalars(query.order_by(ReceptionEntry.number)))


def count_entries(session: Session, meeting_ids: Collection[int]) -> dict[int, int]:
    query = (
        select(ReceptionEntry.meeting_id, func.count())
        .where(ReceptionEntry.meeting_id.in_(meeting_ids))
        .group_by(ReceptionEntry.meeting_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def meeting_of(session: Session, entry_id: int) -> Meeting:
    return get_meeting(session, get_entry(session, entry_id).meeting_id)
