"""A few tickets that the demonstration begins with, each at another point of its way, written by its own accounts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from alerts import casework, incident, resident_report
from alerts.casework import Cost
from alerts.hold import HoldReason
from alerts.resident_report import Matter
from alerts.severity import Severity
from alerts.ticket import Brought, Ticket
from alerts.ticket_list import list_tickets
from alerts.ticket_record import CostKind, MediationState
from alerts.ticket_stages import Need, Stage, TicketKind
from api.report_desk import draw_code, draw_number, draw_secret
from api.translations import Translator, msgid
from registry.person import find_person
from registry.role import Actor
from registry.site import Site
from registry.unit import Unit, list_units

STEP_MS = 100
STEPS = 180
"""The story is told in the last seconds: what is due after a ticket was opened is then not late."""
WAY = (Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS, Stage.RESTORED)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who acts in it, and when it began."""

    people: Mapping[str, Actor]
    began_ms: int

    def at(self, step: int) -> int:
        return self.began_ms + step * STEP_MS


def add_demo_tickets(session: Session, site: Site, *, people: Sequence[str], _: Translator, now_ms: int) -> None:
    """Only into a compound that has none yet. `people` are names of accounts; `_` speaks the language of the demo."""
    if list_tickets(session, limit=1):
        return
    found = [person.as_actor() for name in people if (person := find_person(session, name)) is not None]
    cast = Cast({actor.name: actor for actor in found}, began_ms=now_ms - STEPS * STEP_MS)
    lifts = [unit for unit in list_units(session, site=site.key, limit=10) if unit.kind == "elevator"]
    resident_report.make_codes(session, site=site.key, draw_code=draw_code, draw_secret=draw_secret, now_ms=now_ms)
    _facade_blocked_by_governance(session, site, cast, _)
    _bikes_under_way(session, site, cast, _)
    if len(lifts) > 1:
        _door_waits_for_the_committee(session, lifts[0], cast, _)
        _neighbours_report_noise(session, lifts[1], cast, _)


def _facade_blocked_by_governance(session: Session, site: Site, cast: Cast, _: Translator) -> None:
    title = _(msgid("Hollow facade tiles above the entrance of building 3"))
    ticket = _open(session, site, None, TicketKind.HAZARD, title, Severity.MAJOR, cast, by="community")
    _go(session, ticket, [Stage.TRIAGED], cast, start=5)
    _hold(session, ticket, HoldReason.GOVERNANCE_SEAL_WITHHELD, _(msgid("The former committee keeps the seal.")), cast)
    note = _(msgid("@district please help with the handover; the entrance is fenced off meanwhile."))
    casework.comment(session, ticket, note, actor=cast.people["community"], now_ms=cast.at(30))
    casework.note_mediation(
        session, ticket, MediationState.UNDER_WAY, reference="", actor=cast.people["community"], now_ms=cast.at(40)
    )


def _hold(session: Session, ticket: Ticket, reason: HoldReason, note: str, cast: Cast) -> None:
    brought, manager = Brought(hold_reason=reason), cast.people["manager"]
    incident.move_ticket(
        session, ticket.id, Stage.ON_HOLD, actor=manager, note=note, brought=brought, now_ms=cast.at(20)
    )


def _bikes_under_way(session: Session, site: Site, cast: Cast, _: Translator) -> None:
    title = _(msgid("E-bikes are parked and charged in the stairwell"))
    ticket = _open(session, site, None, TicketKind.HAZARD, title, Severity.MAJOR, cast, by="committee")
    _go(session, ticket, WAY[:3], cast, start=60)


def _door_waits_for_the_committee(session: Session, lift: Unit, cast: Cast, _: Translator) -> None:
    title = _(msgid("Landing door on the fifth floor scrapes"))
    ticket = _open(session, lift.site, lift, TicketKind.FAULT, title, Severity.MINOR, cast, by="manager")
    _go(session, ticket, WAY[:5], cast, start=20, demands=frozenset({Need.COSTS}))
    cost = Cost(CostKind.PART, _(msgid("Door shoe")), "2", Decimal("96.00"))
    casework.add_cost(session, ticket, cost, actor=cast.people["technician"], now_ms=cast.at(90))
    _go(session, ticket, WAY[5:], cast, start=95)


def _neighbours_report_noise(session: Session, lift: Unit, cast: Cast, _: Translator) -> None:
    code = resident_report.codes_of(session, [lift.id])[lift.id]
    words = ("", _(msgid("It shakes between the third and the fourth floor.")), "")
    for place, text in enumerate(words):
        resident_report.file_report(
            session,
            code,
            matter=Matter.NOISE,
            text=text,
            form_key=draw_secret(),
            draw_number=draw_number,
            now_ms=cast.at(120 + 7 * place),
        )


def _open(
    session: Session,
    site: Site,
    unit: Unit | None,
    kind: TicketKind,
    title: str,
    severity: Severity,
    cast: Cast,
    *,
    by: str,
) -> Ticket:
    return incident.open_ticket_by_hand(
        session,
        site=site,
        unit=unit,
        kind=kind,
        title=title,
        severity=severity,
        description="",
        actor=cast.people[by],
        now_ms=cast.at(0),
    )


def _go(
    session: Session,
    ticket: Ticket,
    way: Sequence[Stage],
    cast: Cast,
    *,
    start: int,
    demands: frozenset[Need] | None = None,
) -> None:
    """From stage to stage, some steps apart; the office sends, the technician does the work."""
    for place, stage in enumerate(way):
        name = "manager" if stage in (Stage.TRIAGED, Stage.DISPATCHED) else "technician"
        brought = Brought(demands=demands)
        now_ms = cast.at(start + 6 * place)
        incident.move_ticket(session, ticket.id, stage, actor=cast.people[name], brought=brought, now_ms=now_ms)
