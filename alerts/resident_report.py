"""What residents report of a unit without signing in: a code on the unit, a number to follow, a ticket behind it.

A code is drawn at random, so that nobody reports of a unit without having stood before it; a number likewise, so that
nobody reads of a report but who wrote it. Nothing is asked or kept that says who reported.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.incident import ticket_entry
from alerts.severity import Severity
from alerts.ticket import Ticket, find_open_ticket, open_ticket
from alerts.ticket_stages import TicketKind
from models.equipment import Kind
from registry import activity
from registry.database import BigId, Table
from registry.role import Actor
from registry.unit import Unit, hold_units, list_units

RESIDENT = Actor(name="(resident)")
"""Whoever reports without signing in; no person can have this name."""
MAX_TEXT_LENGTH = 1_000
HOUR_MS = 3_600_000
REPORTS_OF_UNIT_HOUR = 20
"""So many reports of one unit are kept within an hour; more would tell nothing new, and bury what they tell."""


class Matter(StrEnum):
    """What a resident can say with one touch."""

    TRAPPED = "trapped"
    SMOKE = "smoke"
    WATER = "water"
    NOT_WORKING = "not_working"
    DOOR = "door"
    NOISE = "noise"
    DAMAGE = "damage"
    OTHER = "other"


SEVERITY_OF_MATTER: Mapping[Matter, Severity] = MappingProxyType(
    {
        Matter.TRAPPED: Severity.CRITICAL,
        Matter.SMOKE: Severity.CRITICAL,
        Matter.WATER: Severity.MAJOR,
        Matter.NOT_WORKING: Severity.MAJOR,
        Matter.DOOR: Severity.MAJOR,
        Matter.NOISE: Severity.MINOR,
        Matter.DAMAGE: Severity.MINOR,
        Matter.OTHER: Severity.MINOR,
    }
)

TITLE_OF_MATTER: Mapping[Matter, str] = MappingProxyType(
    {
        Matter.TRAPPED: "Residents report: somebody is trapped",
        Matter.SMOKE: "Residents report: smoke or a burning smell",
        Matter.WATER: "Residents report: water where it should not be",
        Matter.NOT_WORKING: "Residents report: it does not work",
        Matter.DOOR: "Residents report: the door does not close or open rightly",
        Matter.NOISE: "Residents report: unusual noise or shaking",
        Matter.DAMAGE: "Residents report: damage or dirt",
        Matter.OTHER: "Residents report: something else",
    }
)

MATTERS_OF_KIND: Mapping[Kind, tuple[Matter, ...]] = MappingProxyType(
    {
        Kind.ELEVATOR: tuple(Matter),
        Kind.PUMP: (Matter.WATER, Matter.NOT_WORKING, Matter.NOISE, Matter.SMOKE, Matter.DAMAGE, Matter.OTHER),
        Kind.FIRE: (Matter.SMOKE, Matter.NOT_WORKING, Matter.WATER, Matter.DAMAGE, Matter.OTHER),
    }
)


class ReportCode(Table):
    """The code that stands on a unit. `secret` signs the forms that are handed out for it."""

    __tablename__ = "report_code"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    secret: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    turned_away: Mapped[int] = mapped_column(Integer, default=0)
    """Reports that were not kept because there were so many of the unit within an hour."""
    turned_away_ms: Mapped[int | None] = mapped_column(BigInteger)
    unit: Mapped[Unit] = relationship(lazy="joined")


class ResidentReport(Table):
    """One report. Several of the same matter share a ticket."""

    __tablename__ = "resident_report"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    matter: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    form_key: Mapped[str] = mapped_column(String(64), unique=True)


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a report. `number` is empty when it was not kept because the unit was reported too often."""

    number: str
    ticket: Ticket | None
    is_first: bool


def find_code(session: Session, code: str) -> ReportCode | None:
    return session.scalar(select(ReportCode).where(ReportCode.code == code))


def codes_of(session: Session, unit_ids: Collection[int]) -> dict[int, ReportCode]:
    """By unit."""
    return {row.unit_id: row for row in session.scalars(select(ReportCode).where(ReportCode.unit_id.in_(unit_ids)))}


def make_codes(
    session: Session, *, site: str, draw_code: Callable[[], str], draw_secret: Callable[[], str], now_ms: int
) -> int:
    """Gives a code to every unit of a site that has none; returns how many."""
    made, last_id = 0, 0
    while units := list_units(session, site=site, after_id=last_id, limit=500):
        last_id = units[-1].id
        present = codes_of(session, [unit.id for unit in units])
        for unit in units:
            if unit.id not in present:
                row = ReportCode(
                    unit_id=unit.id, code=draw_code(), secret=draw_secret(), created_ms=now_ms, turned_away=0
                )
                session.add(row)
                made += 1
        session.flush()
    return made


def renew_code(
    session: Session, unit: Unit, *, draw_code: Callable[[], str], draw_secret: Callable[[], str], now_ms: int
) -> ReportCode:
    """A new code for a unit; what was printed before leads nowhere from now on."""
    row = session.get(ReportCode, unit.id)
    if row is None:
        row = ReportCode(unit_id=unit.id, turned_away=0)
        session.add(row)
    row.code, row.secret, row.created_ms = draw_code(), draw_secret(), now_ms
    session.flush()
    return row


def file_report(
    session: Session,
    code: ReportCode,
    *,
    matter: Matter,
    text: str,
    form_key: str,
    draw_number: Callable[[], str],
    now_ms: int,
) -> Filed:
    """Opens a ticket, or joins the open one of the same matter. The same form twice is one report."""
    unit = code.unit
    # Neighbours report at the same moment: one ticket of them.
    hold_units(session, [unit.id])
    earlier = session.scalar(select(ResidentReport).where(ResidentReport.form_key == form_key))
    if earlier is not None:
        return Filed(earlier.number, None, is_first=False)
    if count_recent(session, unit.id, now_ms=now_ms) >= REPORTS_OF_UNIT_HOUR:
        if code.turned_away_ms is None or now_ms - code.turned_away_ms >= HOUR_MS:
            entry = activity.Entry(
                "report.flood",
                f"unit:{unit.id}",
                actor=RESIDENT.name,
                site=unit.site.key,
                unit_id=unit.id,
                data={"unit": unit.unit_key.path, "reports": REPORTS_OF_UNIT_HOUR},
            )
            activity.append(session, [entry], now_ms=now_ms)
            code.turned_away_ms = now_ms
        code.turned_away += 1
        return Filed("", None, is_first=False)
    case = f"report.{matter.value}"
    ticket = find_open_ticket(session, unit.id, case)
    is_first = ticket is None
    if ticket is None:
        ticket = open_ticket(
            session,
            site=unit.site,
            unit=unit,
            kind=TicketKind.RESIDENT_REPORT,
            title=TITLE_OF_MATTER[matter],
            severity=SEVERITY_OF_MATTER[matter],
            case=case,
            description=text.strip()[:MAX_TEXT_LENGTH],
            opened_by=RESIDENT.name,
            now_ms=now_ms,
        )
    ticket.updated_ms = now_ms
    number = draw_number()
    session.add(
        ResidentReport(
            number=number,
            ticket_id=ticket.id,
            unit_id=unit.id,
            at_ms=now_ms,
            matter=matter.value,
            text=text.strip()[:MAX_TEXT_LENGTH],
            form_key=form_key,
        )
    )
    session.flush()
    verb = "ticket.opened" if is_first else "ticket.reported_again"
    activity.append(session, [ticket_entry(ticket, verb, RESIDENT, {"matter": matter.value})], now_ms=now_ms)
    return Filed(number, ticket, is_first=is_first)


def count_recent(session: Session, unit_id: int, *, now_ms: int) -> int:
    """Reports of a unit that were kept within the last hour."""
    query = select(func.count()).where(ResidentReport.unit_id == unit_id, ResidentReport.at_ms > now_ms - HOUR_MS)
    return session.scalar(query) or 0


def find_report(session: Session, number: str) -> ResidentReport | None:
    return session.scalar(select(ResidentReport).where(ResidentReport.number == number))


def reports_of(session: Session, ticket_id: int) -> list[ResidentReport]:
    query = select(ResidentReport).where(ResidentReport.ticket_id == ticket_id)
    return list(session.scalars(query.order_by(ResidentReport.id)))
