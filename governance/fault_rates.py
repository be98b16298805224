"""Fault rates of all compounds, companies or makes of a district at once, without an object for each fault.

What is counted is what `governance.reliability_report` counts, to the last event; what needs a list of the records
(repeats, times, sources) is not told here. Units of which something is out of the ordinary (overlapping records, a
planned stop, a replacement, news that are not rolled up yet) are counted one by one by that module's own way.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from governance.fault_facts import exposures_of, faults_of
from governance.fault_record import FaultRecord, marked_units, until_ms
from governance.reliability_report import GroupBy
from models.covered_minutes import MS_PER_MIN
from models.equipment import Kind
from models.fault_rates import Rates, rates_of
from models.fault_statistics import ONE_INCIDENT_MS, Cause, Fault, statistics_of
from models.reading import Bools, Ints
from registry.coverage import first_minutes_ms
from registry.covered_time import covered_of
from registry.service_record import ServiceKind, ServiceRecord, replaced_ms
from registry.site import Site
from registry.unit import Unit
from registry.unit_life import USUAL_PAUSES, UnitLife

CAUSES = tuple(Cause)


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """One entry a unit, (n,), `causes` (n, 4) in the order of `Cause`; the counts are of the span."""

    unit_ids: Ints
    in_service_ms: Ints
    covered_ms: Ints
    faults: Ints
    entrapments: Ints
    causes: Ints
    downtime_ms: Ints
    is_replaced: Bools
    names: Mapping[GroupBy, Sequence[str]]
    """What the units are put together by."""


def count_units(
    session: Session,
    *,
    kind: Kind,
    site: str | None = None,
    visible: Collection[str] | None = None,
    by: Collection[GroupBy] = (GroupBy.SITE, GroupBy.MAINTAINER),
    start_ms: int,
    end_ms: int,
) -> UnitCounts:
    """All units of a kind, of one compound or of all that may be seen."""
    units, created_ms, pauses_min, names = _units(session, kind, site, visible, by)
    special, served, replaced = _out_of_the_ordinary(session, units, start_ms=start_ms, end_ms=end_ms)
    in_service, covered = _exposure(session, units, created_ms, pauses_min, start_ms=start_ms, end_ms=end_ms)
    counts = np.zeros((len(units), 3 + len(CAUSES)), dtype=np.int64)
    special |= _count_plain(session, units, served, counts, start_ms=start_ms, end_ms=end_ms)
    chosen = np.flatnonzero(special)
    pairs = [(int(units[place]), int(created_ms[place])) for place in chosen]
    exposures = exposures_of(session, pairs, start_ms=start_ms, end_ms=end_ms)
    of_unit: dict[int, list[Fault]] = defaultdict(list)
    for fault in faults_of(session, {unit_id: kind for unit_id, _ in pairs}, start_ms=start_ms, end_ms=end_ms):
        of_unit[fault.unit_id].append(fault)
    for place, (unit_id, _) in zip(chosen, pairs, strict=True):
        exposure = exposures[unit_id]
        told = statistics_of(of_unit[unit_id], {unit_id: exposure}, start_ms=start_ms, end_ms=end_ms)
        in_service[place], covered[place] = exposure.in_service_ms, exposure.covered_ms
        counts[place] = [
            told.faults.n,
            told.entrapments.n,
            told.downtime_ms,
            *(len(told.causes[cause]) for cause in CAUSES),
        ]
    return UnitCounts(
        unit_ids=units,
        in_service_ms=in_service,
        covered_ms=covered,
        faults=counts[:, 0],
        entrapments=counts[:, 1],
        causes=counts[:, 3:],
        downtime_ms=np.minimum(counts[:, 2], in_service),
        is_replaced=replaced,
        names=names,
    )


def rates_by(counts: UnitCounts, by: GroupBy) -> dict[str, Rates]:
    """By the name that the units have in common, in its order."""
    numbers: dict[str, int] = {}
    place = np.array([numbers.setdefault(name, len(numbers)) for name in counts.names[by]], dtype=np.int64)
    return dict(sorted(zip(numbers, _rates(counts, place, len(numbers)), strict=True)))


def rates_of_all(counts: UnitCounts) -> Rates:
    return _rates(counts, np.zeros(len(counts.unit_ids), dtype=np.int64), 1)[0]


def _rates(counts: UnitCounts, place: Ints, groups: int) -> list[Rates]:
    def total(column: Ints) -> Ints:
        found = np.zeros(groups, dtype=np.int64)
        np.add.at(found, place, column)
        return found

    return rates_of(
        units=np.bincount(place, minlength=groups),
        in_service_ms=total(counts.in_service_ms),
        covered_ms=total(counts.covered_ms),
        faults=total(counts.faults),
        entrapments=total(counts.entrapments),
        causes=np.stack([total(counts.causes[:, number]) for number in range(len(CAUSES))], axis=1),
        downtime_ms=total(counts.downtime_ms),
        replaced=total(counts.is_replaced.astype(np.int64)),
    )


def _units(
    session: Session, kind: Kind, site: str | None, visible: Collection[str] | None, by: Collection[GroupBy]
) -> tuple[Ints, Ints, Ints, dict[GroupBy, Sequence[str]]]:
    """Ids in order, when they were registered, their usual pauses (minutes), and the names asked for."""
    columns: Mapping[GroupBy, Any] = {
        GroupBy.UNIT: Site.key + "~" + Unit.key,
        GroupBy.BUILDING: Site.key + "/" + Unit.building,
        GroupBy.MAKE: Unit.make,
        GroupBy.MAINTAINER: Unit.maintainer,
        GroupBy.SITE: Site.key,
    }
    pause_ms = func.coalesce(USUAL_PAUSES * UnitLife.interval_ms, UnitLife.limit_ms, 0)
    query = (
        select(Unit.id, Unit.created_ms, pause_ms, *(columns[each] for each in by))
        .join(Site, Unit.site_id == Site.id)
        .outerjoin(UnitLife, UnitLife.unit_id == Unit.id)
        .where(Unit.kind == kind.value)
        .order_by(Unit.id)
    )
    if site is not None:
        query = query.where(Site.key == site)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    rows = session.connection().execute(query).all()
    table = list(zip(*rows, strict=True)) if rows else [()] * (3 + len(by))
    ids, created, pauses = (np.array(column, dtype=np.int64) for column in table[:3])
    return ids, created, np.maximum(1, pauses // MS_PER_MIN), dict(zip(by, table[3:], strict=True))


def _out_of_the_ordinary(session: Session, units: Ints, *, start_ms: int, end_ms: int) -> tuple[Bools, Bools, Bools]:
    """Units to be counted one by one; those that were ever stopped on purpose or replaced; those replaced meanwhile."""
    kept = select(ServiceRecord.unit_id).where(ServiceRecord.withdrawn_ms.is_(None)).distinct()
    is_replacement = ServiceRecord.kind == ServiceKind.REPLACEMENT.value
    served = session.scalars(kept.where(or_(is_replacement, ServiceRecord.stop_begin_ms < end_ms)))
    stopped = session.scalars(kept.where(ServiceRecord.stop_begin_ms < end_ms, ServiceRecord.stop_end_ms > start_ms))
    renewed = replaced_ms(session, list(session.scalars(kept.where(is_replacement))), before_ms=end_ms)
    replaced = {unit_id for unit_id, at_ms in renewed.items() if at_ms > start_ms}
    special = {*marked_units(session), *stopped, *replaced}
    found = [np.isin(units, np.array(sorted(some), dtype=np.int64)) for some in (special, set(served), replaced)]
    return found[0], found[1], found[2]


def _exposure(
    session: Session, units: Ints, created_ms: Ints, pauses_min: Ints, *, start_ms: int, end_ms: int
) -> tuple[Ints, Ints]:
    """In service and covered, of units to which nothing out of the ordinary happened."""
    since = np.full(len(units), start_ms, dtype=np.int64)
    for place in np.flatnonzero(created_ms > start_ms):
        since[place] = created_ms[place]
    firsts = first_minutes_ms(session, units[created_ms > start_ms].tolist())
    for place in np.searchsorted(units, sorted(firsts)):
        since[place] = max(start_ms, min(int(created_ms[place]), firsts[int(units[place])]))
    in_service = np.maximum(0, end_ms - since)
    starts, ends = np.full(len(units), start_ms), np.full(len(units), end_ms)
    return in_service, np.minimum(covered_of(session, units, starts, ends, pauses_min), in_service)


def _count_plain(session: Session, units: Ints, served: Bools, counts: Ints, *, start_ms: int, end_ms: int) -> Bools:
    """Counts the records of each unit as they stand; gives back the units of which that is not enough."""
    cause = case({each.value: number for number, each in enumerate(CAUSES)}, value=FaultRecord.cause)
    query = select(
        FaultRecord.unit_id,
        FaultRecord.began_ms,
        func.coalesce(until_ms(), end_ms),
        case((FaultRecord.is_entrapment, 1), else_=0),
        case((FaultRecord.stops_unit, 1), else_=0),
        cause,
    ).where(FaultRecord.began_ms < end_ms, or_(until_ms().is_(None), until_ms() >= start_ms))
    rows = np.fromiter(chain.from_iterable(session.connection().execute(query)), dtype=np.int64).reshape(-1, 6)
    if not len(units):
        return np.zeros(0, dtype=bool)
    place = np.minimum(np.searchsorted(units, rows[:, 0]), len(units) - 1)
    mine = units[place] == rows[:, 0]
    rows, place = rows[mine], place[mine]
    order = np.lexsort((rows[:, 1], place))
    rows, place = rows[order], place[order]
    began, until = rows[:, 1], rows[:, 2]
    odd = np.zeros(len(units), dtype=bool)
    again = place[1:] == place[:-1]
    odd[place[1:][again & ((began[1:] - began[:-1] <= ONE_INCIDENT_MS) | (began[1:] <= until[:-1]))]] = True
    early = place[began < start_ms]
    odd[early[served[early]]] = True
    counted = began >= start_ms
    of = place[counted]
    np.add.at(counts[:, 0], of, 1)
    np.add.at(counts[:, 1], of, rows[counted, 3])
    np.add.at(counts, (of, 3 + rows[counted, 5]), 1)
    down = np.maximum(np.minimum(until, end_ms) - np.maximum(began, start_ms), 0) * rows[:, 4]
    np.add.at(counts[:, 2], place, down)
    return odd
