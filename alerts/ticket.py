"""Tickets of the joint disposal: what is to be done, by whom, and how far it is.

Who may make which move and what it needs stands in `alerts.ticket_stages`; nothing but `move_ticket` sets a stage.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts import due_action, signing
from alerts.errors import (
    IllegalMove,
    MissingNote,
    MissingProof,
    MovedMeanwhile,
    NotPermitted,
    OtherPartyNeeded,
    UnknownTicket,
)
from alerts.hold import HoldReason
from alerts.severity import Severity
from alerts.ticket_record import has_costs, has_photo
from alerts.ticket_stages import (
    FINAL_STAGES,
    MOVES,
    PROOFS,
    TURN,
    TURN_BLOCKED_BY_GOVERNANCE,
    Move,
    Need,
    Stage,
    TicketKind,
)
from registry.database import BigId, Table
from registry.role import Actor, Party, Role
from registry.site import Site
from registry.unit import Unit

MAX_NOTE_LENGTH = 4000


class Ticket(Table):
    """A case. `case` names what it is about at its unit, so that alarms of the same matter share one ticket."""

    __tablename__ = "ticket"
    __table_args__ = (
        Index("ix_ticket_stage", "stage", "id"),
        Index("ix_ticket_unit_case", "unit_id", "case"),
        Index("ix_ticket_site_stage", "site_id", "stage", "id"),
        Index("ix_ticket_hold_reason", "hold_reason", "site_id"),
    )

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
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Counts the moves, the opening included."""
    hold_reason: Mapped[str | None] = mapped_column(String(32))
    demands: Mapped[str] = mapped_column(String(32), default="")
    """Proofs that the repair must bring, comma-separated."""
    restored_by: Mapped[str | None] = mapped_column(String(64))
    restored_party: Mapped[str | None] = mapped_column(String(16))
    site: Mapped[Site] = relationship(lazy="joined")
    unit: Mapped[Unit | None] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"ticket:{self.id}"

    @property
    def demanded(self) -> frozenset[Need]:
        return frozenset(Need(name) for name in self.demands.split(",") if name)

    @property
    def is_blocked_by_governance(self) -> bool:
        return self.hold_reason is not None and HoldReason(self.hold_reason).is_governance

    @property
    def turn(self) -> frozenset[Party]:
        """Parties that are expected to make the next move."""
        if self.is_blocked_by_governance:
            return TURN_BLOCKED_BY_GOVERNANCE
        return TURN[Stage(self.stage)] - {self.restored_party}


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
    party: Mapped[str | None] = mapped_column(String(16))
    """The party for which the person acted."""
    hold_reason: Mapped[str | None] = mapped_column(String(32))
    stands_in: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether an administrator signed where another party should have."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a person brings to a move beside the note. `expected_version` is what they looked at when they decided."""

    hold_reason: HoldReason | None = None
    demands: frozenset[Need] | None = None
    expected_stage: Stage | None = None
    expected_version: int | None = None


NOTHING_MORE = Brought()


def allowed_moves(ticket: Ticket, actor: Actor) -> list[Stage]:
    """Stages this person may move the ticket to now, in the order of the table."""
    roles = actor.roles_at(ticket.site.key)
    moves = MOVES[Stage(ticket.stage)]
    return [
        to
        for to, move in moves.items()
        if (Role.ADMIN in roles or roles & move.roles) and signing_refusal(ticket, to, actor) is None
    ]


def signing_refusal(ticket: Ticket, to: Stage, actor: Actor) -> signing.Refusal | None:
    """Why this person may not sign a move that is for another party than the one that repaired."""
    move = MOVES[Stage(ticket.stage)][to]
    if Need.OTHER_PARTY not in move.needs:
        return None
    return signing.refusal(
        name=actor.name,
        roles=actor.roles_at(ticket.site.key),
        permitted=move.roles,
        restored_by=ticket.restored_by or "",
        restored_party=_restored_party(ticket),
    )


def refused_signature(ticket: Ticket, actor: Actor) -> signing.Refusal | None:
    """Why this person may not sign the next step, although their role would permit it; None when that is not so."""
    roles = actor.roles_at(ticket.site.key)
    for to, move in MOVES[Stage(ticket.stage)].items():
        if Need.OTHER_PARTY in move.needs and roles & move.roles:
            return signing_refusal(ticket, to, actor)
    return None


def _restored_party(ticket: Ticket) -> Party | None:
    return Party(ticket.restored_party) if ticket.restored_party else None


def move_ticket(
    session: Session,
    ticket: Ticket,
    to: Stage,
    *,
    actor: Actor,
    note: str = "",
    brought: Brought = NOTHING_MORE,
    now_ms: int,
) -> TicketMove:
    """The one setter of `stage`; it changes nothing when it raises.

    Raises IllegalMove, MovedMeanwhile, NotPermitted, OtherPartyNeeded, MissingNote or MissingProof.
    """
    current = Stage(ticket.stage)
    move = _checked(session, ticket, to, actor=actor, note=note, brought=brought)
    roles = actor.roles_at(ticket.site.key)
    party = signing.acting_party(roles, move.roles)
    hold_reason = (brought.hold_reason or HoldReason.OTHER).value if to is Stage.ON_HOLD else None
    made = TicketMove(
        ticket_id=ticket.id,
        at_ms=now_ms,
        actor=actor.name,
        from_stage=current.value,
        to_stage=to.value,
        note=note.strip()[:MAX_NOTE_LENGTH],
        party=party.value,
        hold_reason=hold_reason,
        stands_in=Need.OTHER_PARTY in move.needs
        and signing.stands_in(
            name=actor.name,
            roles=roles,
            restored_by=ticket.restored_by or "",
            restored_party=_restored_party(ticket),
        ),
    )
    ticket.stage = to.value
    ticket.version += 1
    ticket.updated_ms = now_ms
    ticket.closed_ms = now_ms if to in FINAL_STAGES else None
    ticket.hold_reason = hold_reason
    if to is Stage.DISPATCHED and brought.demands is not None:
        ticket.demands = ",".join(sorted(brought.demands & PROOFS))
    if to is Stage.RESTORED:
        ticket.restored_by, ticket.restored_party = actor.name, party.value
    elif to is Stage.IN_PROGRESS:
        ticket.restored_by = ticket.restored_party = None
    session.add(made)
    session.flush()
    due_action.follow_move(
        session,
        ticket.id,
        site=ticket.site,
        case=ticket.case,
        severity=ticket.severity,
        before=current,
        stage=to,
        version=ticket.version,
        now_ms=now_ms,
    )
    return made


def _checked(session: Session, ticket: Ticket, to: Stage, *, actor: Actor, note: str, brought: Brought) -> Move:
    """The row of the move, if this person may make it now with what they bring."""
    current = Stage(ticket.stage)
    moves = MOVES[current]
    is_stale = brought.expected_version not in (None, ticket.version) or brought.expected_stage not in (None, current)
    if is_stale or to not in moves:
        raise (MovedMeanwhile if is_stale else IllegalMove)(
            ticket.subject,
            current=current.value,
            wanted=to.value,
            allowed=[stage.value for stage in moves],
            moved_by=_last_actor(session, ticket),
        )
    move, roles = moves[to], actor.roles_at(ticket.site.key)
    if Role.ADMIN not in roles and not roles & move.roles:
        raise NotPermitted(ticket.subject, wanted=to.value, roles=[role.value for role in move.roles])
    refused = signing_refusal(ticket, to, actor)
    if refused is not None:
        raise OtherPartyNeeded(
            ticket.subject,
            wanted=to.value,
            parties=[party.value for party in refused.parties],
            allowed=[stage.value for stage in allowed_moves(ticket, actor)],
            is_cross_appointed=refused.is_cross_appointed,
        )
    if move.needs_note and not note.strip():
        raise MissingNote(ticket.subject, wanted=to.value)
    if lacking := lacking_proofs(session, ticket, to):
        raise MissingProof(ticket.subject, wanted=to.value, lacking=[need.value for need in lacking])
    return move


def lacking_proofs(session: Session, ticket: Ticket, to: Stage) -> frozenset[Need]:
    """What the ticket demands of this move and nobody has added since the work began."""
    move = MOVES[Stage(ticket.stage)][to]
    wanted = move.needs & PROOFS | move.asks & ticket.demanded
    if not wanted:
        return frozenset()
    began = select(func.max(TicketMove.at_ms)).where(
        TicketMove.ticket_id == ticket.id, TicketMove.to_stage == Stage.IN_PROGRESS.value
    )
    since_ms = session.scalar(began) or ticket.opened_ms
    has = {Need.PHOTO: has_photo, Need.COSTS: has_costs}
    return frozenset(need for need in wanted if not has[need](session, ticket.id, since_ms=since_ms))


def _last_actor(session: Session, ticket: Ticket) -> str | None:
    query = select(TicketMove.actor).where(TicketMove.ticket_id == ticket.id).order_by(TicketMove.id.desc())
    return session.scalar(query.limit(1))


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
        version=1,
        demands="",
    )
    session.add(ticket)
    session.flush()
    session.add(TicketMove(ticket_id=ticket.id, at_ms=now_ms, actor=opened_by, from_stage=None, to_stage=ticket.stage))
    session.flush()
    due_action.plan_ticket(
        session,
        ticket.id,
        site=site,
        case=case,
        severity=ticket.severity,
        stage=Stage.REPORTED,
        version=ticket.version,
        now_ms=now_ms,
    )
    return ticket


def make_graver(session: Session, ticket: Ticket, severity: Severity, *, now_ms: int) -> None:
    """A graver alarm or a duplicate came to the ticket: its deadlines are those of the graver case from now on."""
    ticket.severity = severity.value
    due_action.follow_severity(
        session,
        ticket.id,
        site=ticket.site,
        case=ticket.case,
        severity=ticket.severity,
        stage=Stage(ticket.stage),
        version=ticket.version,
        now_ms=now_ms,
    )


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
