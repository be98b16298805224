"""Finding tickets: the list with its filters, and how many there are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session

from alerts.hold import BLOCKED_BY_GOVERNANCE
from alerts.severity import Severity
from alerts.ticket import Ticket
from alerts.ticket_stages import FINAL_STAGES, TURN, TURN_BLOCKED_BY_GOVERNANCE, Stage, TicketKind
from registry.role import Party
from registry.site import Site
from registry.unit import Unit

_FINAL = [stage.value for stage in FINAL_STAGES]
_BLOCKED = [reason.value for reason in BLOCKED_BY_GOVERNANCE]


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is searched for, and titles of ours that hold it in the language of who searches."""

    text: str
    titles: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What is looked for; what is None or empty does not matter."""

    is_open: bool | None = None
    stage: Stage | None = None
    site: str | None = None
    unit_id: int | None = None
    kind: TicketKind | None = None
    severity: Severity | None = None
    turn: Collection[Party] | None = None
    """Tickets whose next move is expected of one of these parties."""
    is_blocked: bool = False
    """On hold because of governance."""
    words: Sequence[Word] = ()


def find_tickets(
    session: Session,
    wanted: TicketFilter,
    *,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Ticket]:
    """Tickets, newest first, at most `limit` older than `before_id`."""
    query = select(Ticket).join(Ticket.site).order_by(Ticket.id.desc()).limit(limit)
    if visible is not None or wanted.site:
        query = query.where(_at_sites(session, wanted.site, visible))
    if wanted.is_open is not None:
        query = query.where(Ticket.stage.not_in(_FINAL) if wanted.is_open else Ticket.stage.in_(_FINAL))
    for column, value in (
        (Ticket.stage, wanted.stage),
        (Ticket.kind, wanted.kind),
        (Ticket.severity, wanted.severity),
        (Ticket.unit_id, wanted.unit_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.is_blocked:
        query = query.where(Ticket.hold_reason.in_(_BLOCKED))
    if wanted.turn is not None:
        query = query.where(or_(False, *(_turn_of(party) for party in wanted.turn)))
    if wanted.words:
        query = query.outerjoin(Ticket.unit)
    for word in wanted.words:
        query = query.where(_says(word))
    if before_id is not None:
        query = query.where(Ticket.id < before_id)
    return list(session.scalars(query))


def _at_sites(session: Session, site: str | None, visible: Collection[str] | None) -> ColumnElement[bool]:
    """By their ids, looked up before: only then both databases go by the index of the sites."""
    query = select(Site.id)
    if site:
        query = query.where(Site.key == site)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    ids = list(session.scalars(query))
    return Ticket.site_id == ids[0] if len(ids) == 1 else Ticket.site_id.in_(ids)


def _turn_of(party: Party) -> ColumnElement[bool]:
    """The rule of `Ticket.turn` for the database."""
    stages = [stage.value for stage, parties in TURN.items() if party in parties]
    is_blocked = and_(Ticket.hold_reason.is_not(None), Ticket.hold_reason.in_(_BLOCKED))
    repaired_itself = and_(Ticket.restored_party.is_not(None), Ticket.restored_party == party.value)
    ordinary = and_(Ticket.stage.in_(stages), not_(is_blocked), not_(repaired_itself))
    return or_(ordinary, is_blocked) if party in TURN_BLOCKED_BY_GOVERNANCE else ordinary


def _says(word: Word) -> ColumnElement[bool]:
    columns = (Ticket.title, Ticket.description, Unit.name, Unit.key, Unit.building, Site.name)
    text = word.text.lower()
    found: list[ColumnElement[bool]] = [func.lower(column).contains(text, autoescape=True) for column in columns]
    if word.titles:
        found.append(Ticket.title.in_(word.titles))
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 18:
        found.append(Ticket.id == int(number))
    return or_(*found)


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
    """The filters that most callers need, by name."""
    wanted = TicketFilter(is_open=is_open, stage=stage, site=site, unit_id=unit_id)
    return find_tickets(session, wanted, visible=visible, before_id=before_id, limit=limit)


def stages_of(session: Session, ticket_ids: Collection[int]) -> dict[int, Stage]:
    """By ticket."""
    query = select(Ticket.id, Ticket.stage).where(Ticket.id.in_(ticket_ids))
    return {ticket_id: Stage(stage) for ticket_id, stage in session.execute(query)}


def count_by_stage(session: Session, *, visible: Collection[str] | None = None) -> dict[Stage, int]:
    query = select(Ticket.stage, func.count()).group_by(Ticket.stage)
    if visible is not None:
        query = query.where(_at_sites(session, None, visible))
    return {Stage(stage): count for stage, count in session.execute(query)}


def count_blocked(session: Session, *, visible: Collection[str] | None = None) -> int:
    """Tickets that wait because the compound can neither decide nor pay."""
    query = select(func.count()).where(Ticket.hold_reason.in_(_BLOCKED))
    if visible is not None:
        query = query.where(_at_sites(session, None, visible))
    return session.scalar(query) or 0
