"""Project action teams: a complex or recurring case, three named delegates, a goal, a plan, and a report at its end.

Here are their tables and how they are found; what people do with them stands in `alerts.action_team_work`.
"""

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, ForeignKey, Index, Integer, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.action_team_states import FINAL_TEAM_STATES, TEAM_PARTIES, TeamState
from alerts.errors import AlertsError
from alerts.ticket import Ticket
from registry.database import BigId, Table
from registry.duty import parties_at
from registry.person import Person
from registry.role import Party
from registry.site import Site
from registry.unit import Unit

MAX_GOAL_LENGTH = 300
MAX_STEP_LENGTH = 300
MAX_WORDS_LENGTH = 8000
MOST_STEPS = 50
MOST_LINKS = 100


class UnknownTeam(AlertsError):
    def __init__(self, team_id: int) -> None:
        super().__init__(f"no action team {team_id}")
        self.team_id = team_id


class DelegateMissing(AlertsError):
    """`parties` have no delegate, or one who no longer holds a role of the party."""

    def __init__(self, subject: str, *, wanted: str, parties: Collection[str]) -> None:
        self.subject = subject
        self.wanted = wanted
        self.parties = tuple(parties)
        super().__init__(f"{wanted} of {subject} needs a delegate of {', '.join(self.parties)}")


class ReportedByThemselves(AlertsError):
    """Whoever reported, and their party, does not accept the report; `parties` may."""

    def __init__(self, subject: str, *, wanted: str, parties: Collection[str]) -> None:
        self.subject = subject
        self.wanted = wanted
        self.parties = tuple(parties)
        super().__init__(f"{wanted} of {subject} is for another party than the one that reported")


class ActionTeam(Table):
    """A team. `figures` are those of the closing report, as they were when it was made."""

    __tablename__ = "action_team"
    __table_args__ = (Index("ix_action_team_site_state", "site_id", "state"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    goal: Mapped[str] = mapped_column(String(MAX_GOAL_LENGTH))
    reason: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer, default=1)
    due_on: Mapped[date] = mapped_column(Date)
    formed_by: Mapped[str] = mapped_column(String(64))
    formed_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    reported_by: Mapped[str | None] = mapped_column(String(64))
    reported_party: Mapped[str | None] = mapped_column(String(16))
    report: Mapped[str] = mapped_column(Text, default="")
    figures: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text, default="")
    """Of the last move."""
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"team:{self.id}"

    @property
    def is_open(self) -> bool:
        return TeamState(self.state) not in FINAL_TEAM_STATES


class TeamDelegate(Table):
    """Who sits for a party: one person a party, and nobody for two."""

    __tablename__ = "action_team_delegate"
    __table_args__ = (UniqueConstraint("team_id", "party"), UniqueConstraint("team_id", "person_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("action_team.id"))
    party: Mapped[str] = mapped_column(String(16))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    named_ms: Mapped[int] = mapped_column(BigInteger)
    person: Mapped[Person] = relationship(lazy="joined")


class TeamTicket(Table):
    __tablename__ = "action_team_ticket"

    team_id: Mapped[int] = mapped_column(BigId, ForeignKey("action_team.id"), primary_key=True, autoincrement=False)
    ticket_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("ticket.id"), primary_key=True, autoincrement=False, index=True
    )


class TeamUnit(Table):
    __tablename__ = "action_team_unit"

    team_id: Mapped[int] = mapped_column(BigId, ForeignKey("action_team.id"), primary_key=True, autoincrement=False)
    unit_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("unit.id"), primary_key=True, autoincrement=False, index=True
    )


class TeamStep(Table):
    """A step of the plan, and what came of it."""

    __tablename__ = "action_team_step"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("action_team.id"), index=True)
    text: Mapped[str] = mapped_column(String(MAX_STEP_LENGTH))
    party: Mapped[str | None] = mapped_column(String(16))
    due_on: Mapped[date | None] = mapped_column(Date)
    done_ms: Mapped[int | None] = mapped_column(BigInteger)
    done_by: Mapped[str] = mapped_column(String(64), default="")
    done_note: Mapped[str] = mapped_column(Text, default="")


def get_team(session: Session, team_id: int, *, for_update: bool = False) -> ActionTeam:
    query = select(ActionTeam).where(ActionTeam.id == team_id)
    if for_update:
        query = query.with_for_update(of=ActionTeam).execution_options(populate_existing=True)
    team = session.scalar(query)
    if team is None:
        raise UnknownTeam(team_id)
    return team


def find_teams(
    session: Session,
    *,
    site: str | None = None,
    is_open: bool | None = None,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[ActionTeam]:
    """Newest first."""
    query = select(ActionTeam).join(ActionTeam.site).order_by(ActionTeam.id.desc()).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site:
        query = query.where(Site.key == site)
    if is_open is not None:
        final = [state.value for state in FINAL_TEAM_STATES]
        query = query.where(ActionTeam.state.not_in(final) if is_open else ActionTeam.state.in_(final))
    if before_id is not None:
        query = query.where(ActionTeam.id < before_id)
    return list(session.scalars(query))


def delegates_of(session: Session, team_id: int) -> list[TeamDelegate]:
    """In the order of the parties."""
    rows = session.scalars(select(TeamDelegate).where(TeamDelegate.team_id == team_id))
    order = [party.value for party in TEAM_PARTIES]
    return sorted(rows, key=lambda row: order.index(row.party))


def empty_seats(team: ActionTeam, seats: Collection[TeamDelegate]) -> list[Party]:
    """Parties without a delegate, or whose delegate has left or lost the role since."""
    filled = {
        row.party for row in seats if row.person.is_active and Party(row.party) in parties_at(row.person, team.site)
    }
    return [party for party in TEAM_PARTIES if party.value not in filled]


def steps_of(session: Session, team_id: int) -> list[TeamStep]:
    """By their days; those without one at the end."""
    steps = session.scalars(select(TeamStep).where(TeamStep.team_id == team_id).order_by(TeamStep.id))
    return sorted(steps, key=lambda step: step.due_on or date.max)


def ticket_ids_of(session: Session, team_id: int) -> list[int]:
    query = select(TeamTicket.ticket_id).where(TeamTicket.team_id == team_id).order_by(TeamTicket.ticket_id)
    return list(session.scalars(query))


def tickets_of(session: Session, team_id: int) -> list[Ticket]:
    query = select(Ticket).join(TeamTicket, TeamTicket.ticket_id == Ticket.id).where(TeamTicket.team_id == team_id)
    return list(session.scalars(query.order_by(Ticket.id)))


def unit_ids_of(session: Session, team_id: int) -> list[int]:
    query = select(TeamUnit.unit_id).where(TeamUnit.team_id == team_id).order_by(TeamUnit.unit_id)
    return list(session.scalars(query))


def units_of(session: Session, team_id: int) -> list[Unit]:
    query = select(Unit).join(TeamUnit, TeamUnit.unit_id == Unit.id).where(TeamUnit.team_id == team_id)
    return list(session.scalars(query.order_by(Unit.id)))


def teams_about(
    session: Session, site_id: int, *, ticket_ids: Collection[int] = (), unit_ids: Collection[int] = ()
) -> tuple[frozenset[int], frozenset[int]]:
    """Of these tickets and units those that an open team of the site is at already."""
    final = [state.value for state in FINAL_TEAM_STATES]
    at_work = select(ActionTeam.id).where(ActionTeam.site_id == site_id, ActionTeam.state.not_in(final))
    tickets = select(TeamTicket.ticket_id).where(TeamTicket.team_id.in_(at_work), TeamTicket.ticket_id.in_(ticket_ids))
    units = select(TeamUnit.unit_id).where(TeamUnit.team_id.in_(at_work), TeamUnit.unit_id.in_(unit_ids))
    return frozenset(session.scalars(tickets)), frozenset(session.scalars(units))
