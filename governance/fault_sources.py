"""Which tickets and alarms are faults, read from their own rows: what happened, when, and what it is put down to.

A ticket is one fault, however often its alarm came while it was open. What was cancelled (a duplicate that was merged,
a mistake) is none. A fault that was found in late data has no ticket: its alarm stands for it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.fault_cause import causes_of
from alerts.measured import measure
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove
from alerts.ticket_record import TicketCost
from alerts.ticket_stages import FINAL_STAGES, Stage, TicketKind
from models.equipment import Kind
from models.fault_statistics import Cause, Fault
from registry.database import portions

ENTRAPMENT = "entrapment"
FAULT_CASES: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        Kind.ELEVATOR: frozenset(
            {
                ENTRAPMENT,
                "motor_heat",
                "machine_room",
                "event.41",
                *(f"fault.0{number}" for number in range(1, 9)),
            }
        ),
        Kind.PUMP: frozenset({"dry_run", "pump_trip", "sump_sensor", "standby", "short_cycling"}),
        Kind.FIRE: frozenset({"fire_fault", "fire_power", "mains_lost", "battery_low"}),
    }
)
"""Cases of alarms that are failures of the unit. Silence, verdicts of models, floods, fire alarms and service modes
are none."""
CASE_OF_CONDITION: Mapping[str, str] = MappingProxyType(
    {
        "alarm.90": ENTRAPMENT,
        "motor_overheating": "motor_heat",
        "machine_room_hot": "machine_room",
        "no_current": "pump_trip",
        "phase_loss": "pump_trip",
        "trip": "pump_trip",
        "float_disagrees": "sump_sensor",
        "standby_never_runs": "standby",
        "fault": "fire_fault",
        "power_fault": "fire_power",
    }
)
"""Of alarms without a ticket, where the case is not called as the condition is."""
POWER_CASES = frozenset({"event.41", "fire_power", "mains_lost"})
TRAPPED = "report.trapped"
REPORTED_FAULTS = frozenset({TRAPPED, "report.not_working", "report.door"})
"""Cases of residents' reports that are faults once somebody has repaired something."""
STOPPING = frozenset({Severity.CRITICAL.value, Severity.MAJOR.value})
"""[P] A fault of this severity keeps the unit from use until it is restored."""


def read_faults(session: Session, units: Mapping[int, Kind]) -> list[Fault]:
    """Of all time, each record by itself: nothing is joined to incidents yet, nothing left out."""
    found: list[Fault] = []
    for some in portions(units):
        found += _from_tickets(session, some, units)
        found += _from_late_alarms(session, some, units)
    return found


def _from_tickets(session: Session, unit_ids: Sequence[int], units: Mapping[int, Kind]) -> Iterator[Fault]:
    query = select(Ticket).where(
        Ticket.unit_id.in_(unit_ids),
        Ticket.kind.in_([TicketKind.FAULT.value, TicketKind.HAZARD.value, TicketKind.RESIDENT_REPORT.value]),
        Ticket.stage != Stage.CANCELLED.value,
    )
    tickets = [ticket for ticket in session.scalars(query) if is_failure(ticket, units)]
    ids = [ticket.id for ticket in tickets]
    moves, costs, alarms = _moves(session, ids), _costs(session, ids), _alarm_times(session, ids)
    causes = causes_of(session, ids)
    for ticket in tickets:
        made = moves[ticket.id]
        restored = {Stage.RESTORED.value} & {move.to_stage for move in made}
        if ticket.kind == TicketKind.RESIDENT_REPORT.value and not restored:
            continue
        raised_ms, normal_ms = alarms.get(ticket.id, (None, None))
        began_ms = ticket.opened_ms if raised_ms is None else min(raised_ms, ticket.opened_ms)
        measured = measure(made)
        restored_ms = None if measured.restoration_ms is None else ticket.opened_ms + measured.restoration_ms
        yield Fault(
            unit_id=int(ticket.unit_id or 0),
            source=ticket.subject,
            matter=ENTRAPMENT if ticket.case == TRAPPED else ticket.case,
            began_ms=began_ms,
            restored_ms=restored_ms,
            is_entrapment=ticket.case in (ENTRAPMENT, TRAPPED),
            stops_unit=ticket.severity in STOPPING,
            cause=causes.get(ticket.id) or _cause(ticket),
            response_ms=measured.response_ms,
            arrival_ms=measured.arrival_ms,
            repair_ms=measured.repair_ms,
            restoration_ms=measured.restoration_ms,
            normal_ms=normal_ms,
            ended_ms=ticket.closed_ms if Stage(ticket.stage) in FINAL_STAGES else None,
            cost_fen=costs.get(ticket.id, 0),
        )


def is_failure(ticket: Ticket, units: Mapping[int, Kind]) -> bool:
    """Whether a ticket that was not cancelled is of a failure of its unit, as far as its own words go."""
    if ticket.unit_id is None:
        return False
    if ticket.kind == TicketKind.RESIDENT_REPORT.value:
        return ticket.case in REPORTED_FAULTS
    # What a person enters by hand has no case: a fault is one because they say so.
    by_hand = ticket.kind == TicketKind.FAULT.value and not ticket.case
    return by_hand or ticket.case in FAULT_CASES[units[ticket.unit_id]]


def _cause(ticket: Ticket) -> Cause:
    return Cause.POWER if ticket.case in POWER_CASES else Cause.UNKNOWN


def _from_late_alarms(session: Session, unit_ids: Sequence[int], units: Mapping[int, Kind]) -> Iterator[Fault]:
    query = select(Alarm.id, Alarm.unit_id, Alarm.condition, Alarm.severity, Alarm.raised_ms, Alarm.cleared_ms).where(
        Alarm.unit_id.in_(unit_ids), Alarm.ticket_id.is_(None)
    )
    for alarm_id, unit_id, condition, severity, raised_ms, cleared_ms in session.execute(query):
        case = CASE_OF_CONDITION.get(condition, condition)
        if case not in FAULT_CASES[units[unit_id]]:
            continue
        yield Fault(
            unit_id=unit_id,
            source=f"alarm:{alarm_id}",
            matter=case,
            began_ms=raised_ms,
            restored_ms=cleared_ms,
            # A pressed button that nobody looked into is not yet a trapped person.
            is_entrapment=condition == ENTRAPMENT,
            stops_unit=severity in STOPPING,
            cause=Cause.POWER if case in POWER_CASES else Cause.UNKNOWN,
            normal_ms=cleared_ms,
            ended_ms=cleared_ms,
        )


def _moves(session: Session, ticket_ids: Collection[int]) -> Mapping[int, list[TicketMove]]:
    found: dict[int, list[TicketMove]] = defaultdict(list)
    for some in portions(ticket_ids):
        query = select(TicketMove).where(TicketMove.ticket_id.in_(some)).order_by(TicketMove.id)
        for move in session.scalars(query):
            found[move.ticket_id].append(move)
    return found


def _costs(session: Session, ticket_ids: Collection[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in portions(ticket_ids):
        query = select(TicketCost.ticket_id, func.sum(TicketCost.amount_fen)).where(TicketCost.ticket_id.in_(some))
        found |= {ticket_id: int(fen) for ticket_id, fen in session.execute(query.group_by(TicketCost.ticket_id))}
    return found


def _alarm_times(session: Session, ticket_ids: Collection[int]) -> dict[int, tuple[int, int | None]]:
    """By ticket: when its first alarm was raised, and when its last one returned (None: one has not)."""
    found: dict[int, tuple[int, int | None]] = {}
    for some in portions(ticket_ids):
        query = select(
            Alarm.ticket_id,
            func.min(Alarm.raised_ms),
            func.max(Alarm.cleared_ms),
            func.count() - func.count(Alarm.cleared_ms),
        ).where(Alarm.ticket_id.in_(some))
        for ticket_id, raised_ms, cleared_ms, still_on in session.execute(query.group_by(Alarm.ticket_id)):
            if ticket_id is not None:
                found[ticket_id] = raised_ms, None if still_on else cleared_ms
    return found
