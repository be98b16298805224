"""A district at a glance: its compounds and maintenance companies with their hard cases, watch-list and silence.

A few queries that count in the database, whatever the number of units; nothing here is a rate. Rates with their
intervals are those of `governance.district_rates`.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.call_out import CallOut
from alerts.deadlines import ActionKind
from alerts.due_action import DueAction, DueState
from alerts.hold import BLOCKED_BY_GOVERNANCE
from alerts.ticket import Ticket
from alerts.ticket_stages import FINAL_STAGES, Stage
from governance.watch_list import WatchEntry
from models.equipment import Kind
from models.fault_statistics import MS_PER_DAY
from registry.site import Site
from registry.unit import Unit
from registry.unit_life import UnitLife

HEARD_WITHIN_MS = MS_PER_DAY


class Trouble(StrEnum):
    """What a district looks for."""

    BLOCKED = "blocked"
    OVERDUE = "overdue"
    ON_HOLD = "on_hold"
    WATCHED = "watched"
    SILENT = "silent"
    CALL_OUT = "call_out"


@dataclass(slots=True)
class Standing:
    """Counts of one compound, or of one maintenance company over all compounds."""

    key: str
    name: str
    units: int = 0
    lifts: int = 0
    heard: int = 0
    """Units that sent a reading within the last day."""
    open_cases: int = 0
    on_hold: int = 0
    blocked: int = 0
    overdue: int = 0
    """Open cases of which a deadline was missed."""
    watched: int = 0
    call_outs: int = 0
    sites: set[str] = field(default_factory=set)

    @property
    def silent(self) -> int:
        return self.units - self.heard

    @property
    def hard_cases(self) -> int:
        return self.blocked + self.overdue + self.on_hold

    def has(self, trouble: Trouble) -> bool:
        return bool(
            {
                Trouble.BLOCKED: self.blocked,
                Trouble.OVERDUE: self.overdue,
                Trouble.ON_HOLD: self.on_hold,
                Trouble.WATCHED: self.watched,
                Trouble.SILENT: self.silent,
                Trouble.CALL_OUT: self.call_outs,
            }[trouble]
        )


@dataclass(frozen=True, slots=True)
class District:
    sites: list[Standing]
    companies: list[Standing]


def district_view(session: Session, *, visible: Collection[str] | None, now_ms: int) -> District:
    """Of all compounds that may be seen; companies by their units in them."""
    wanted = select(Site.id, Site.key, Site.name)
    if visible is not None:
        wanted = wanted.where(Site.key.in_(visible))
    rows = session.execute(wanted.order_by(Site.key)).all()
    sites = {row.id: Standing(row.key, row.name) for row in rows}
    companies: dict[str, Standing] = {}
    _count_units(session, sites, companies, now_ms=now_ms)
    _count_cases(session, sites, companies)
    watched = select(WatchEntry.site_id, Unit.maintainer, func.count()).outerjoin(Unit, Unit.id == WatchEntry.unit_id)
    watched = watched.where(WatchEntry.left_on.is_(None)).group_by(WatchEntry.site_id, Unit.maintainer)
    for site_id, maintainer, n in session.execute(watched):
        if site_id in sites:
            sites[site_id].watched += n
            if maintainer in companies:
                companies[maintainer].watched += n
    called = select(CallOut.site_id, func.count()).where(CallOut.state.in_(["proposed", "called"]))
    for site_id, n in session.execute(called.group_by(CallOut.site_id)):
        if site_id in sites:
            sites[site_id].call_outs += n
    return District(list(sites.values()), sorted(companies.values(), key=lambda each: each.name))


def _count_units(session: Session, sites: dict[int, Standing], companies: dict[str, Standing], *, now_ms: int) -> None:
    heard = func.count(UnitLife.unit_id).filter(UnitLife.heard_ms >= now_ms - HEARD_WITHIN_MS)
    query = (
        select(Unit.site_id, Unit.maintainer, Unit.kind, func.count(), heard)
        .outerjoin(UnitLife, UnitLife.unit_id == Unit.id)
        .group_by(Unit.site_id, Unit.maintainer, Unit.kind)
    )
    for site_id, maintainer, kind, n, n_heard in session.execute(query):
        if site_id not in sites:
            continue
        company = companies.setdefault(maintainer, Standing(maintainer, maintainer))
        company.sites.add(sites[site_id].key)
        for standing in (sites[site_id], company):
            standing.units += n
            standing.heard += n_heard
            standing.lifts += n if kind == Kind.ELEVATOR.value else 0


def _count_cases(session: Session, sites: dict[int, Standing], companies: dict[str, Standing]) -> None:
    missed = (
        select(DueAction.ticket_id)
        .where(DueAction.kind == ActionKind.ESCALATE.value, DueAction.state == DueState.DONE.value)
        .distinct()
    )
    is_missed = Ticket.id.in_(missed)
    query = (
        select(Ticket.site_id, Unit.maintainer, Ticket.stage, Ticket.hold_reason, is_missed, func.count())
        .outerjoin(Unit, Unit.id == Ticket.unit_id)
        .where(Ticket.stage.not_in([stage.value for stage in FINAL_STAGES]))
        .group_by(Ticket.site_id, Unit.maintainer, Ticket.stage, Ticket.hold_reason, is_missed)
    )
    blocked = {reason.value for reason in BLOCKED_BY_GOVERNANCE}
    counts: dict[tuple[int, str | None], list[tuple[str, str | None, bool, int]]] = defaultdict(list)
    for site_id, maintainer, stage, reason, late, n in session.execute(query):
        counts[(site_id, maintainer)].append((stage, reason, bool(late), n))
    for (site_id, company), rows in counts.items():
        if site_id not in sites:
            continue
        standings = [sites[site_id], *([companies[company]] if company in companies else [])]
        for stage, reason, late, n in rows:
            for standing in standings:
                standing.open_cases += n
                standing.blocked += n if reason in blocked else 0
                standing.on_hold += n if stage == Stage.ON_HOLD.value and reason not in blocked else 0
                standing.overdue += n if late else 0
