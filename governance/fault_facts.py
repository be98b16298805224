"""The facts behind fault statistics: the faults of units in a span, and how long units were in service and seen."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from governance.fault_record import recorded_faults
from models.equipment import Kind
from models.fault_statistics import Exposure, Fault, incidents
from registry.coverage import first_minutes_ms
from registry.covered_time import Span, covered_by_span
from registry.service_record import PlannedStop, planned_stops, replaced_ms
from registry.unit_life import pauses_of


def exposures_of(
    session: Session, units: Iterable[tuple[int, int]], *, start_ms: int, end_ms: int
) -> dict[int, Exposure]:
    """By unit id, of pairs of unit id and when it was registered.

    A unit is in service from its registration or its first data on, whichever was earlier, and from its replacement on
    if it was replaced. Time in which it was out of use on purpose is no exposure.
    """
    known = dict(units)
    # Who was registered before the span began was in service from its beginning, whenever the first data came.
    firsts = first_minutes_ms(session, [unit_id for unit_id, created_ms in known.items() if created_ms > start_ms])
    pauses = dict.fromkeys(known, 0) | pauses_of(session, known)
    renewed = replaced_ms(session, known, before_ms=end_ms)
    stops = planned_stops(session, known, start_ms=start_ms, end_ms=end_ms)
    spans: list[tuple[int, Span]] = []
    in_service = dict.fromkeys(known, 0)
    for unit_id, created_ms in known.items():
        since_ms = max(start_ms, min(created_ms, firsts.get(unit_id, created_ms)), renewed.get(unit_id, 0))
        if unit_id in stops or renewed.get(unit_id, 0) > start_ms:
            own = _spans_in_service(min(since_ms, end_ms), end_ms, stops.get(unit_id, ()))
            in_service[unit_id] = sum(end - begin for begin, end in own)
            spans += [(unit_id, span) for span in own]
        else:
            in_service[unit_id] = max(0, end_ms - since_ms)
            spans.append((unit_id, (start_ms, end_ms)))
    covered = dict.fromkeys(known, 0)
    for (unit_id, _), ms in zip(spans, covered_by_span(session, spans, pauses), strict=True):
        covered[unit_id] += ms
    return {unit_id: Exposure(ms, min(covered[unit_id], ms)) for unit_id, ms in in_service.items()}


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


def faults_of(session: Session, units: Mapping[int, Kind], *, start_ms: int, end_ms: int) -> list[Fault]:
    """Incidents of these units that began before the end and were not over before the start, in order of time."""
    found = incidents(recorded_faults(session, units, start_ms=start_ms, end_ms=end_ms))
    return _of_the_present_machine(session, found, units, start_ms=start_ms, end_ms=end_ms)


def _of_the_present_machine(
    session: Session, faults: Sequence[Fault], units: Collection[int], *, start_ms: int, end_ms: int
) -> list[Fault]:
    """Without what happened to a machine that was replaced; what began during a planned stop is marked."""
    renewed = replaced_ms(session, units, before_ms=end_ms)
    # One that is still open may have begun in a stop that was over before the span began.
    first_ms = min((fault.began_ms for fault in faults), default=start_ms)
    stops = planned_stops(session, units, start_ms=min(start_ms, first_ms), end_ms=end_ms)
    found = []
    for fault in faults:
        if fault.began_ms < renewed.get(fault.unit_id, 0):
            continue
        of_unit = stops.get(fault.unit_id, ())
        place = bisect_right(of_unit, fault.began_ms, key=lambda stop: stop.begin_ms)
        is_planned = any(fault.began_ms < stop.end_ms for stop in of_unit[:place])
        found.append(replace(fault, is_planned=True) if is_planned else fault)
    return found
