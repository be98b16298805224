"""How much of many spans of many units there is data of: whole days from the roll-up, the rest from the hours.

The same to the millisecond as `registry.coverage.coverage_of`, which looks at every hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.covered_minutes import (
    LONGEST_KEPT_PAUSE_MIN,
    MINUTES_PER_H,
    MS_PER_DAY,
    MS_PER_H,
    MS_PER_MIN,
    SHARE,
    covered_ms,
    day_began_ms,
    day_of_ms,
    first_day_of,
    month_of_day,
    stretches_of,
    usual_pause_min,
)
from models.reading import Ints
from registry.coverage import CoverageHour
from registry.coverage_roll_up import CoverageMonth, marked_units, rolled_until
from registry.database import portions, rows_of_units

Span = tuple[int, int]
"""Beginning and end, ms."""
FEW_UNITS, PIECES_A_QUERY = 8, 60


def covered_by_unit(session: Session, pauses_ms: Mapping[int, int], *, start_ms: int, end_ms: int) -> dict[int, int]:
    """Covered milliseconds of a span by unit; `pauses_ms` by unit."""
    units = np.array(sorted(pauses_ms), dtype=np.int64)
    pauses_min = np.array([usual_pause_min(pauses_ms[unit_id]) for unit_id in units.tolist()], dtype=np.int64)
    starts, ends = np.full(len(units), start_ms), np.full(len(units), end_ms)
    return dict(zip(units.tolist(), covered_of(session, units, starts, ends, pauses_min).tolist(), strict=True))


def covered_by_span(session: Session, spans: Sequence[tuple[int, Span]], pauses_ms: Mapping[int, int]) -> list[int]:
    """Covered milliseconds of each span of a unit, in their order; one read for all of them."""
    table = np.array([(unit_id, *span) for unit_id, span in spans], dtype=np.int64).reshape(-1, 3)
    different, which = np.unique(table, axis=0, return_inverse=True)
    units, starts, ends = different.T
    pauses_min = np.array([usual_pause_min(pauses_ms[unit_id]) for unit_id in units.tolist()], dtype=np.int64)
    found: list[int] = covered_of(session, units, starts, ends, pauses_min)[which.ravel()].tolist()
    return found


def covered_of(session: Session, units: Ints, starts_ms: Ints, ends_ms: Ints, pauses_min: Ints) -> Ints:
    """Covered milliseconds of spans, (n,), every unit and span once; `pauses_min` (n,) are their usual pauses."""
    total = np.zeros(len(units), dtype=np.int64)
    some = np.flatnonzero(starts_ms < ends_ms)
    if not len(some):
        return total
    units, starts_ms, ends_ms, pauses_min = (each[some] for each in (units, starts_ms, ends_ms, pauses_min))
    found = np.zeros(len(some), dtype=np.int64)
    until_day = rolled_until(session)
    first_day = -((day_began_ms(0) - starts_ms) // MS_PER_DAY)
    end_day = (ends_ms - day_began_ms(0)) // MS_PER_DAY
    by_hours = pauses_min > LONGEST_KEPT_PAUSE_MIN
    if until_day is None:
        by_hours[:] = True
    else:
        end_day = np.minimum(end_day, until_day)
        months = {
            "first_month": month_of_day(day_of_ms(int(starts_ms.min()))),
            "last_month": month_of_day(day_of_ms(int(ends_ms.max()))),
        }
        by_hours |= np.isin(units, np.array(sorted(marked_units(session, **months)), dtype=np.int64))
    by_hours |= first_day >= end_day
    by_days = np.flatnonzero(~by_hours)
    _add_days(session, found, by_days, units, first_day[by_days], end_day[by_days], pauses_min)
    rolled_begin, rolled_end = day_began_ms(first_day[by_days]), day_began_ms(end_day[by_days])
    of = np.concatenate((np.flatnonzero(by_hours), by_days, by_days))
    begins = np.concatenate((starts_ms[by_hours], starts_ms[by_days], rolled_end))
    ends = np.concatenate((ends_ms[by_hours], rolled_begin, ends_ms[by_days]))
    _add_hours(session, found, of, units, begins, ends, pauses_min)
    total[some] = found
    return total


def _add_days(
    session: Session, total: Ints, of: Ints, units: Ints, first_days: Ints, end_days: Ints, pauses_min: Ints
) -> None:
    """Adds what the roll-up knows of days from the first to before the end, to the spans `of`."""
    for (first_day, end_day), members in _groups(first_days, end_days):
        for spans in _each_unit_once(of[members], units):
            _add_days_of(session, total, spans, units[spans], (first_day, end_day), pauses_min)


def _add_days_of(
    session: Session, total: Ints, spans: Ints, own: Ints, days: tuple[int, int], pauses_min: Ints
) -> None:
    """The same days of all; `own` are the units of the spans, each once and in order."""
    first_day, end_day = days
    first, last = month_of_day(first_day), month_of_day(end_day)
    whole_from = first if first_day_of(first) == first_day else first + 1
    parts = {first} if whole_from > first else set()
    if end_day > first_day_of(last):
        parts.add(last)
    unsure = np.zeros(len(own), dtype=bool)
    if whole_from < last:
        query = select(CoverageMonth.unit_id, CoverageMonth.pause_min, func.sum(CoverageMonth.covered_min))
        query = query.where(CoverageMonth.month.between(whole_from, last - 1))
        query = query.group_by(CoverageMonth.unit_id, CoverageMonth.pause_min)
        rows = _integers(rows_of_units(session, query, CoverageMonth.unit_id, own.tolist()), 3)
        places, known = _places(own, rows[:, 0])
        rows = rows[known]
        # What was rolled up for another usual pause than the present one is told by the days themselves.
        np.logical_or.at(unsure, places, rows[:, 1] != pauses_min[spans][places])
        good = ~unsure[places]
        np.add.at(total, spans[places[good]], rows[good, 2] * MS_PER_MIN)
    query = select(CoverageMonth.unit_id, CoverageMonth.month, CoverageMonth.days)
    if parts:
        some = query.where(CoverageMonth.month.in_(sorted(parts)))
        _add_shares(session, total, spans, own, some, days, pauses_min)
    if unsure.any():
        some = query.where(CoverageMonth.month.between(whole_from, last - 1))
        _add_shares(session, total, spans[unsure], own[unsure], some, days, pauses_min)


def _add_shares(
    session: Session,
    total: Ints,
    spans: Ints,
    own: Ints,
    query: Select[*tuple[Any, ...]],
    days: tuple[int, int],
    pauses_min: Ints,
) -> None:
    rows = list(_few_of_each(session, query, CoverageMonth.unit_id, own))
    if not rows:
        return
    places, known = _places(own, np.array([row[0] for row in rows], dtype=np.int64))
    blobs = [rows[number][2] for number in np.flatnonzero(known).tolist()]
    began = {month: first_day_of(month) for month in {row[1] for row in rows}}
    first = np.array([began[rows[number][1]] for number in np.flatnonzero(known).tolist()], dtype=np.int64)
    sizes = np.array([len(blob) // SHARE.itemsize for blob in blobs], dtype=np.int64)
    shares = np.frombuffer(b"".join(blobs), dtype=SHARE)
    of, day = spans[np.repeat(places, sizes)], np.repeat(first, sizes) + shares["day"]
    counts = (days[0] <= day) & (day < days[1]) & (shares["pause"] <= pauses_min[of])
    np.add.at(total, of[counts], shares["minutes"][counts].astype(np.int64) * MS_PER_MIN)


def _add_hours(
    session: Session, total: Ints, of: Ints, units: Ints, begins_ms: Ints, ends_ms: Ints, pauses_min: Ints
) -> None:
    """Adds what the hours say of pieces of the spans `of`."""
    some = begins_ms < ends_ms
    of, begins_ms, ends_ms = of[some], begins_ms[some], ends_ms[some]
    if not len(of):
        return
    own, pauses = units[of], pauses_min[of]
    # A pause at an edge is bridged only if it is known what lies beyond it.
    reach_h = np.where(pauses > 1, pauses // MINUTES_PER_H + 1, 0)
    first_h, end_h = begins_ms // MS_PER_H - reach_h, -(-ends_ms // MS_PER_H) + reach_h
    found: list[tuple[Ints, Ints]] = []
    few: list[int] = []
    query = select(CoverageHour.unit_id, CoverageHour.hour, CoverageHour.minutes)
    for (first, end), members in _groups(first_h, end_h):
        if len(members) <= FEW_UNITS:
            few += members.tolist()
            continue
        for pieces in _each_unit_once(members, own):
            between = query.where(CoverageHour.hour >= first, CoverageHour.hour < end)
            rows = _integers(_few_of_each(session, between, CoverageHour.unit_id, own[pieces]), 3)
            places, known = _places(own[pieces], rows[:, 0])
            found.append((pieces[places], rows[known]))
    for begin in range(0, len(few), PIECES_A_QUERY):
        some_few = few[begin : begin + PIECES_A_QUERY]
        found += _hours_of_few(session, query, some_few, own, first_h, end_h)
    places = np.concatenate([each for each, _ in found])
    rows = np.concatenate([each for _, each in found])
    stretches = stretches_of(places, rows[:, 1], rows[:, 2], pauses)
    np.add.at(total, of, covered_ms(stretches, begins_ms, ends_ms))


def _hours_of_few(
    session: Session, query: Select[*tuple[Any, ...]], pieces: list[int], own: Ints, first_h: Ints, end_h: Ints
) -> Iterator[tuple[Ints, Ints]]:
    """Hours of pieces that have hardly anything in common; a row may belong to several."""
    of_unit: dict[int, list[int]] = defaultdict(list)
    asked: list[ColumnElement[bool]] = []
    for piece in pieces:
        unit_id, first, end = int(own[piece]), int(first_h[piece]), int(end_h[piece])
        of_unit[unit_id].append(piece)
        asked.append(and_(CoverageHour.unit_id == unit_id, CoverageHour.hour >= first, CoverageHour.hour < end))
    rows = _integers(session.execute(query.where(or_(*asked))), 3)
    for unit_id, members in of_unit.items():
        its = rows[rows[:, 0] == unit_id]
        for piece in members:
            inside = its[(first_h[piece] <= its[:, 1]) & (its[:, 1] < end_h[piece])]
            yield np.full(len(inside), piece), inside


def _each_unit_once(members: Ints, own: Ints) -> Iterator[Ints]:
    """Sorted by unit; usually all at once, but two spans of a unit may have the same days or hours."""
    left = members[np.argsort(own[members], kind="stable")]
    while len(left):
        _, first = np.unique(own[left], return_index=True)
        yield left[first]
        left = np.delete(left, first)


def _groups(firsts: Ints, ends: Ints) -> Iterator[tuple[tuple[int, int], Ints]]:
    """Pairs that occur, each with the places where they do."""
    if not len(firsts):
        return
    order = np.lexsort((ends, firsts))
    a, b = firsts[order], ends[order]
    edges = np.flatnonzero(np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1]), True])
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield (int(a[begin]), int(b[begin])), order[begin:end]


def _places(own: Ints, unit_ids: Ints) -> tuple[Ints, Any]:
    """Where each of these units stands among the sorted ones of its own, and which of them are among them."""
    places = np.minimum(np.searchsorted(own, unit_ids), len(own) - 1)
    known = own[places] == unit_ids
    return places[known], known


def _few_of_each(
    session: Session, query: Select[*tuple[Any, ...]], unit_id: InstrumentedAttribute[int], unit_ids: Ints
) -> Iterator[tuple[Any, ...]]:
    """Rows of which each unit has many more: a look into the index for each is better than reading them all."""
    for some in portions(unit_ids.tolist()):
        yield from session.execute(query.where(unit_id.in_(some)))


def _integers(rows: Iterable[tuple[Any, ...]], width: int) -> Ints:
    return np.fromiter(chain.from_iterable(rows), dtype=np.int64).reshape(-1, width)
