"""The facts behind fault statistics: which tickets and alarms are faults, and how long units were in service and seen.

A ticket is one fault, however often its alarm came while it was open. What was cancelled (a duplicate that was merged,
a mistake) is none. A fault that was found in late data has no ticket: its alarm stands for it.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.fault_cause import causes_of
from alerts.measured import measure
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove
from alerts.ticket_record import TicketCost
from alerts.ticket_stages import FINAL_STAGES, Stage, TicketKind
from models.equipment import Kind
from models.fault_statistics import Cause, Exposure, Fault, incidents
from registry.coverage import covered_by_unit, first_minutes_ms
from registry.database import portions
from registry.service_record import PlannedStop, planned_stops, replaced_ms
from registry.unit import Unit
from registry.unit_life import lives_of

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


def exposures_of(
    session: Session, units: Iterable[tuple[int, int]], *, start_ms: int, end_ms: int
) -> dict[int, Exposure]:
    """By unit id, of pairs of unit id and when it was registered.

    A unit is in service from its registration or its first data on, whichever was earlier, and from its replacement on
    if it was replaced. Time in which it was out of use on purpose is no exposure.
    """
    known = dict(units)
    firsts = first_minutes_ms(session, known)
    pauses = dict.fromkeys(known, 0)
    for some in portions(known):
        pauses |= {unit_id: life.pause_ms for unit_id, life in lives_of(session, some).items()}
    covered = covered_by_unit(session, pauses, start_ms=start_ms, end_ms=end_ms)
    renewed = replaced_ms(session, known, before_ms=end_ms)
    stops = planned_stops(session, known, start_ms=start_ms, end_ms=end_ms)
    found = {}
    for unit_id, created_ms in known.items():
        since_ms = max(start_ms, min(created_ms, firsts.get(unit_id, created_ms)), renewed.get(unit_id, 0))
        if unit_id in stops or renewed.get(unit_id, 0) > start_ms:
            spans = _spans_in_service(min(since_ms, end_ms), end_ms, stops.get(unit_id, ()))
            found[unit_id] = _exposure_of_spans(session, unit_id, spans, pause_ms=pauses[unit_id])
            continue
        in_service_ms = max(0, end_ms - since_ms)
        found[unit_id] = Exposure(in_service_ms, min(covered[unit_id], in_service_ms))
    return found


def _spans_in_service(since_ms: int, end_ms: int, stops: Sequence[PlannedStop]) -> list[tuple[int, int]]:
    """What is left of the time when the planned stops are taken out."""
    spans, at_ms = [], since_ms
    for stop in stops:
        if stop.begin_ms > at_ms:
            spans.append((at_ms, min(stop.begin_ms, end_ms)))
        at_ms = max(at_ms, stop.end_ms)
    if at_ms < end_ms:
        spans.append((at_ms, end_ms))
    return spans


def _exposure_of_spans(session: Session, unit_id: int, spans: Sequence[tuple[int, int]], *, pause_ms: int) -> Exposure:
    covered_ms = sum(
        covered_by_unit(session, {unit_id: pause_ms}, start_ms=begin_ms, end_ms=end_ms)[unit_id]
        for begin_ms, end_ms in spans
    )
    return Exposure(sum(end_ms - begin_ms for begin_ms, end_ms in spans), covered_ms)


def faults_of(session: Session, units: Mapping[int, Kind], *, start_ms: int, end_ms: int) -> list[Fault]:
    """Incidents of these units that began before the end and were not over before the start, in order of time."""
    found: list[Fault] = []
    for some in portions(units):
        found += _from_tickets(session, some, units, start_ms=start_ms, end_ms=end_ms)
        found += _from_late_alarms(session, some, units, start_ms=start_ms, end_ms=end_ms)
    return _of_the_present_machine(session, incidents(found), units, start_ms=start_ms, end_ms=end_ms)


def _of_the_present_machine(
    session: Session, faults: Sequence[Fault], units: Collection[int], *, start_ms: int, end_ms: int
) -> list[Fault]:
    """Without what happened to a machine that was replaced; what began during a planned stop is marked."""
    renewed = replaced_ms(session, units, before_ms=end_ms)
    stops = planned_stops(session, units, start_ms=start_ms, end_ms=end_ms)
    found = []
    for fault in faults:
        if fault.began_ms < renewed.get(fault.unit_id, 0):
            continue
        of_unit = stops.get(fault.unit_id, ())
        place = bisect_right(of_unit, fault.began_ms, key=lambda stop: stop.begin_ms)
        is_planned = any(fault.began_ms < stop.end_ms for stop in of_unit[:place])
        found.append(replace(fault, is_planned=True) if is_planned else fault)
    return found


def _from_tickets(
    session: Session, unit_ids: Sequence[int], units: Mapping[int, Kind], *, start_ms: int, end_ms: int
) -> Iterator[Fault]:
    query = select(Ticket).where(
        Ticket.unit_id.in_(unit_ids),
        Ticket.kind.in_([TicketKind.FAULT.value, TicketKind.HAZARD.value, TicketKind.RESIDENT_REPORT.value]),
        Ticket.stage != Stage.CANCELLED.value,
        or_(Ticket.closed_ms.is_(None), Ticket.closed_ms >= start_ms),
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
        until_ms = restored_ms if restored_ms is not None else ticket.closed_ms
        if began_ms >= end_ms or (until_ms is not None and until_ms < start_ms):
            continue
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


def _from_late_alarms(
    session: Session, unit_ids: Sequence[int], units: Mapping[int, Kind], *, start_ms: int, end_ms: int
) -> Iterator[Fault]:
    query = select(Alarm.id, Alarm.unit_id, Alarm.condition, Alarm.severity, Alarm.raised_ms, Alarm.cleared_ms).where(
        Alarm.unit_id.in_(unit_ids), Alarm.ticket_id.is_(None), Alarm.raised_ms < end_ms
    )
    for alarm_id, unit_id, condition, severity, raised_ms, cleared_ms in session.execute(query):
        case = CASE_OF_CONDITION.get(condition, condition)
        if case not in FAULT_CASES[units[unit_id]] or (cleared_ms is not None and cleared_ms < start_ms):
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


def kinds_of(units: Iterable[Unit]) -> dict[int, Kind]:
    """By id."""
    return {unit.id: Kind(unit.kind) for unit in units}
