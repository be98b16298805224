"""Tickets of the joint disposal: what is to be done, by whom, and how far it is.

The stages and who may make which move are one table, `MOVES`; nothing else sets a stage.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.errors import IllegalMove, MissingNote, NotPermitted, UnknownTicket
from alerts.severity import Severity
from registry.database import BigId, Table
from registry.role import Actor, Role
from registry.site import Site
from registry.unit import Unit

MAX_NOTE_LENGTH = 4000


class TicketKind(StrEnum):
    FAULT = "fault"
    HAZARD = "hazard"
    INSPECTION = "inspection"
    FLOOD = "flood"
    RESIDENT_REPORT = "resident_report"


class Stage(StrEnum):
    REPORTED = "reported"
    TRIAGED = "triaged"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    RESTORED = "restored"
    VERIFIED = "verified"
    CLOSED = "closed"
    CANCELLED = "cancelled"


FINAL_STAGES = frozenset({Stage.CLOSED, Stage.CANCELLED})


@dataclass(frozen=True, slots=True)
class Move:
    """Who may make a move (an administrator always may), and whether it must say why."""

    roles: frozenset[Role]
    needs_note: bool = False


_OFFICE = frozenset({Role.PROPERTY_MANAGER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
_DESK = frozenset({Role.PROPERTY_MANAGER})
_HANDS = frozenset({Role.PROPERTY_MANAGER, Role.TECHNICIAN})
_CHECK = frozenset({Role.PROPERTY_MANAGER, Role.COMMITTEE_MEMBER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
_Stg = Stage

MOVES: Mapping[Stage, Mapping[Stage, Move]] = MappingProxyType(
    {
        _Stg.REPORTED: {
            _Stg.TRIAGED: Move(_OFFICE),
            _Stg.CANCELLED: Move(_OFFICE, needs_note=True),
        },
        _Stg.TRIAGED: {
            _Stg.DISPATCHED: Move(_DESK),
            _Stg.ON_HOLD: Move(_DESK, needs_note=True),
            _Stg.CANCELLED: Move(_OFFICE, needs_note=True),
        },
        _Stg.DISPATCHED: {
            _Stg.ACCEPTED: Move(_HANDS),
            # Handed back: nobody could take it.
            _Stg.TRIAGED: Move(_HANDS, needs_note=True),
            _Stg.CANCELLED: Move(_DESK, needs_note=True),
        },
        _Stg.ACCEPTED: {
            _Stg.ARRIVED: Move(_HANDS),
            _Stg.ON_HOLD: Move(_HANDS, needs_note=True),
            _Stg.TRIAGED: Move(_HANDS, needs_note=True),
        },
        _Stg.ARRIVED: {
            _Stg.IN_PROGRESS: Move(_HANDS),
            _Stg.ON_HOLD: Move(_HANDS, needs_note=True),
        },
        _Stg.IN_PROGRESS: {
            _Stg.RESTORED: Move(_HANDS),
            _Stg.ON_HOLD: Move(_HANDS, needs_note=True),
        },
        _Stg.ON_HOLD: {
            _Stg.TRIAGED: Move(_DESK),
            _Stg.IN_PROGRESS: Move(_HANDS),
            _Stg.CANCELLED: Move(_OFFICE, needs_note=True),
        },
        _Stg.RESTORED: {
            _Stg.VERIFIED: Move(_CHECK),
            # Found not to be right: back to work.
            _Stg.IN_PROGRESS: Move(_CHECK | _HANDS, needs_note=True),
        },
        _Stg.VERIFIED: {
            _Stg.CLOSED: Move(_CHECK),
            _Stg.IN_PROGRESS: Move(_CHECK, needs_note=True),
        },
        _Stg.CLOSED: {},
        _Stg.CANCELLED: {},
    }
)
"""Every stage with the stages that may follow."""


class Ticket(Table):
    """A case. `case` names what it is about at its unit, so that alarms of the same matter share one ticket."""

    __tablename__ = "ticket"
    __table_args__ = (Index("ix_ticket_stage", "stage", "id"), Index("ix_ticket_unit_case", "unit_id", "case"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    kind: Mapped[str] = mapped_column(String(32))
    case: Mapped[str] = mapped_column(String(64), default="")
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    severity: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(16))
    opened_by: Mapped[str] = mapped_column(String(64))
    opened_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    closed_ms: Mapped[int | None] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")
    unit: Mapped[Unit | None] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"ticket:{self.id}"


class TicketMove(Table):
    """A move that was made: the ticket's history."""

    __tablename__ = "ticket_move"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    from_stage: Mapped[str | None] = mapped_column(String(16))
    to_stage: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text, default="")


def allowed_moves(ticket: Ticket, actor: Actor) -> list[Stage]:
    """Stages this person may move the ticket to now, in the order of the table."""
    roles = actor.roles_at(ticket.site.key)
    moves = MOVES[Stage(ticket.stage)]
    return [to for to, move in moves.items() if Role.ADMIN in roles or roles & move.roles]


def move_ticket(
    session: Session, ticket: Ticket, to: Stage, *, actor: Actor, note: str = "", now_ms: int
) -> TicketMove:
    """The one setter of `stage`. Raises IllegalMove, NotPermitted or MissingNote and then changes nothing."""
    current = Stage(ticket.stage)
    moves = MOVES[current]
    if to not in moves:
        raise IllegalMove(ticket.subject, current=current.value, wanted=to.value, allowed=[s.value for s in moves])
    roles = actor.roles_at(ticket.site.key)
    if Role.ADMIN not in roles and not roles & moves[to].roles:
        raise NotPermitted(ticket.subject, wanted=to.value, roles=[role.value for role in moves[to].roles])
    if moves[to].needs_note and not note.strip():
        raise MissingNote(ticket.subject, wanted=to.value)
    ticket.stage = to.value
    ticket.updated_ms = now_ms
    ticket.closed_ms = now_ms if to in FINAL_STAGES else None
    made = TicketMove(
        ticket_id=ticket.id,
        at_ms=now_ms,
        actor=actor.name,
        from_stage=current.value,
        to_stage=to.value,
        note=note.strip()[:MAX_NOTE_LENGTH],
    )
    session.add(made)
    session.flush()
    return made


def open_ticket(
    session: Session,
    *,
    site: Site,
    unit: Unit | None,
    kind: TicketKind,
    title: str,
    severity: Severity,
    case: str = "",
    description: str = "",
    opened_by: str,
    now_ms: int,
) -> Ticket:
    ticket = Ticket(
        site=site,
        unit=unit,
        kind=kind.value,
        case=case,
        title=title[:200],
        description=description[:MAX_NOTE_LENGTH],
        severity=severity.value,
        stage=Stage.REPORTED.value,
        opened_by=opened_by,
        opened_ms=now_ms,
        updated_ms=now_ms,
    )
    session.add(ticket)
    session.flush()
    session.add(TicketMove(ticket_id=ticket.id, at_ms=now_ms, actor=opened_by, from_stage=None, to_stage=ticket.stage))
    session.flush()
    return ticket


def get_ticket(session: Session, ticket_id: int, *, for_update: bool = False) -> Ticket:
    query = select(Ticket).where(Ticket.id == ticket_id)
    if for_update:
        # Populate: what this session read before it held the row may have changed meanwhile.
        query = query.with_for_update(of=Ticket).execution_options(populate_existing=True)
    ticket = session.scalar(query)
    if ticket is None:
        raise UnknownTicket(ticket_id)
    return ticket


def find_open_ticket(session: Session, unit_id: int, case: str) -> Ticket | None:
    """The ticket that an alarm of this matter belongs to, if one is still being worked on."""
    query = select(Ticket).where(
        Ticket.unit_id == unit_id, Ticket.case == case, Ticket.stage.not_in([stage.value for stage in FINAL_STAGES])
    )
    return session.scalar(query.order_by(Ticket.id).limit(1).with_for_update(of=Ticket))


def find_joint_ticket(session: Session, site_id: int, case: str, *, since_ms: int) -> Ticket | None:
    """The ticket of many units of a site at once, opened since then, if it is still being worked on."""
    query = select(Ticket).where(
        Ticket.site_id == site_id,
        Ticket.unit_id.is_(None),
        Ticket.case == case,
        Ticket.opened_ms >= since_ms,
        Ticket.stage.not_in([stage.value for stage in FINAL_STAGES]),
    )
    return session.scalar(query.order_by(Ticket.id).limit(1).with_for_update(of=Ticket))


def moves_of(session: Session, ticket_id: int) -> list[TicketMove]:
    return list(session.scalars(select(TicketMove).where(TicketMove.ticket_id == ticket_id).order_by(TicketMove.id)))


def list_tickets(
    session: Session,
    *,
    is_open: bool | None = None,
    stage: Stage | None = None,
    site: str | None = None,
    unit_id: int | None = None,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Ticket]:
    """Tickets, newest first, at most `limit` older than `before_id`."""
    query = select(Ticket).join(Ticket.site).order_by(Ticket.id.desc()).limit(limit)
    final = Ticket.stage.in_([stage.value for stage in FINAL_STAGES])
    if is_open is not None:
        query = query.where(~final if is_open else final)
    if stage is not None:
        query = query.where(Ticket.stage == stage.value)
    if site:
        query = query.where(Site.key == site)
    if unit_id is not None:
        query = query.where(Ticket.unit_id == unit_id)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if before_id is not None:
        query = query.where(Ticket.id < before_id)
    return list(session.scalars(query))


def count_by_stage(session: Session, *, visible: Collection[str] | None = None) -> dict[Stage, int]:
    query = select(Ticket.stage, func.count()).join(Ticket.site).group_by(Ticket.stage)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return {Stage(stage): count for stage, count in session.execute(query)}
