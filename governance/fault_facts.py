"""The facts behind fault statistics: the faults of units in a span, and how long units were in service and seen."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from governance.fault_record import recorded_faults
from models.equipment import Kind
from models.fault_statistics import Exposure, Fault, incidents
from registry.coverage import first_minutes_ms
from registry.covered_time import Span, covered_by_span
from registry.service_record import PlannedStop, planned_stops, replacements_ms
from registry.unit_life import pauses_of


def exposures_of(
    session: Session, units: Iterable[tuple[int, int]], *, start_ms: int, end_ms: int
) -> dict[int, Exposure]:
    """By unit id, of pairs of unit id and when it was registered.

    A unit is in service from its registration or its first data on, whichever was earlier, and from its replacement on
    if it was replaced. Time in which it was out of use on purpose is no exposure.
    """
    known = dict(units)
    found = exposures_within(session, [(unit_id, (start_ms, end_ms)) for unit_id in known], known)
    return dict(zip(known, found, strict=True))


def exposures_within(
    session: Session, spans: Sequence[tuple[int, Span]], created_ms: Mapping[int, int]
) -> list[Exposure]:
    """Of spans of units, in their order, as `exposures_of` has it; one read for all of them."""
    if not spans:
        return []
    units = {unit_id for unit_id, _ in spans}
    first_ms, last_ms = min(span[0] for _, span in spans), max(span[1] for _, span in spans)
    # Who was registered before the spans began was in service from their beginning, whenever the first data came.
    firsts = first_minutes_ms(session, [unit_id for unit_id in units if created_ms[unit_id] > first_ms])
    pauses = dict.fromkeys(units, 0) | pauses_of(session, units)
    replaced = replacements_ms(session, units)
    stops = planned_stops(session, units, start_ms=first_ms, end_ms=last_ms)
    pieces: list[tuple[int, Span]] = []
    of: list[int] = []
    in_service = [0] * len(spans)
    for place, (unit_id, (start_ms, end_ms)) in enumerate(spans):
        created = created_ms[unit_id]
        renewed_ms = max((at_ms for at_ms in replaced.get(unit_id, ()) if at_ms <= end_ms), default=0)
        since_ms = max(start_ms, min(created, firsts.get(unit_id, created)), renewed_ms)
        stopped = [stop for stop in stops.get(unit_id, ()) if stop.begin_ms < end_ms and stop.end_ms > start_ms]
        if stopped or renewed_ms > start_ms:
            own = _spans_in_service(min(since_ms, end_ms), end_ms, stopped)
            in_service[place] = sum(end - begin for begin, end in own)
        else:
            own = [(start_ms, end_ms)]
            in_service[place] = max(0, end_ms - since_ms)
        pieces += [(unit_id, piece) for piece in own]
        of += [place] * len(own)
    covered = [0] * len(spans)
    for place, ms in zip(of, covered_by_span(session, pieces, pauses), strict=True):
        covered[place] += ms
    return [Exposure(ms, min(covered[place], ms)) for place, ms in enumerate(in_service)]


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
    found = faults_within(session, units, [(unit_id, (start_ms, end_ms)) for unit_id in units])
    return sorted((fault for each in found for fault in each), key=lambda fault: (fault.began_ms, fault.source))


def faults_within(session: Session, units: Mapping[int, Kind], spans: Sequence[tuple[int, Span]]) -> list[list[Fault]]:
    """Of spans of units, in their order, each as `faults_of` has it; one read for all of them."""
    if not spans:
        return []
    first_ms, last_ms = min(span[0] for _, span in spans), max(span[1] for _, span in spans)
    records: dict[int, list[Fault]] = defaultdict(list)
    for fault in recorded_faults(session, units, start_ms=first_ms, end_ms=last_ms):
        records[fault.unit_id].append(fault)
    replaced = replacements_ms(session, records)
    # One that is still open may have begun in a stop that was over before the span began.
    first_ms = min([first_ms, *(fault.began_ms for of_unit in records.values() for fault in of_unit)])
    stops = planned_stops(session, records, start_ms=first_ms, end_ms=last_ms)
    found = []
    for unit_id, (start_ms, end_ms) in spans:
        renewed_ms = max((at_ms for at_ms in replaced.get(unit_id, ()) if at_ms <= end_ms), default=0)
        inside = (fault for fault in records.get(unit_id, ()) if _touches(fault, start_ms, end_ms))
        found.append(_of_the_present_machine(incidents(inside), renewed_ms, stops.get(unit_id, ())))
    return found


def _touches(fault: Fault, start_ms: int, end_ms: int) -> bool:
    until_ms = fault.restored_ms if fault.restored_ms is not None else fault.ended_ms
    return fault.began_ms < end_ms and (until_ms is None or until_ms >= start_ms)


def _of_the_present_machine(faults: Iterable[Fault], renewed_ms: int, stops: Sequence[PlannedStop]) -> list[Fault]:
    """Without what happened to a machine that was replaced; what began during a planned stop is marked."""
    found = []
    for fault in faults:
        if fault.began_ms < renewed_ms:
            continue
        place = bisect_right(stops, fault.began_ms, key=lambda stop: stop.begin_ms)
        is_planned = any(fault.began_ms < stop.end_ms for stop in stops[:place])
        found.append(replace(fault, is_planned=True) if is_planned else fault)
    return found
