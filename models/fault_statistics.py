"""What can be said of the faults of a group of units: rates, times, availability, each with what it rests on.

A failure is an event, a fault is a state (EN 13306). Nothing is estimated here that was not counted: a figure without
enough behind it is withheld, and its cautions say why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np
from scipy.special import gammaincinv

from models.reading import Bools, Ints

MS_PER_DAY = 86_400_000
MS_PER_YEAR = 365.25 * MS_PER_DAY
TAIL = 0.025
"""On either side of a 95 % interval."""
SHORT_HISTORY_MS = 90 * MS_PER_DAY
"""[P] Less than a quarter of a year sees no season and hardly a fault."""
POOR_COVERAGE, LEAST_COVERAGE = 0.8, 0.2
"""[P] Below the first a figure warns, below the second it is withheld."""
REPEAT_WITHIN_MS = 30 * MS_PER_DAY
"""[P] A fault of the same matter so soon after the repair is a repeat."""
ONE_INCIDENT_MS = 3_600_000
"""[P] Records of one unit that begin so close together are of one incident."""
CLUSTERED_SHARE = 0.25
DISAGREEING_MS = 3_600_000
HALF, MOST = 0.5, 0.9


class Cause(StrEnum):
    """What a fault is put down to; what nobody recorded is unknown, never guessed."""

    MISUSE = "misuse"
    EQUIPMENT = "equipment"
    POWER = "power"
    UNKNOWN = "unknown"


class Caution(StrEnum):
    """What a figure cannot say, or why it is withheld."""

    NO_EXPOSURE = "no_exposure"
    SHORT_HISTORY = "short_history"
    POOR_COVERAGE = "poor_coverage"
    COVERAGE_TOO_POOR = "coverage_too_poor"
    NO_FAULTS = "no_faults"
    FEW_CASES = "few_cases"
    CLUSTERED = "clustered"
    CAUSES_UNKNOWN = "causes_unknown"
    STILL_OPEN = "still_open"
    SOURCES_DISAGREE = "sources_disagree"
    REPLACED = "replaced"


WITHHOLDING = frozenset({Caution.NO_EXPOSURE, Caution.COVERAGE_TOO_POOR})
FEW = 5
"""[P] Fewer cases give no median worth the name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, from its beginning to its restoration (None: not yet, or not told). Times are epoch ms.

    `source` names the record it came from, `also` further records of the same incident; `stops_unit` tells whether the
    unit was out of use, `normal_ms` when the unit itself said that it was well again. The four lengths of time are ms
    from the opening of the case, repair is work alone.
    """

    unit_id: int
    source: str
    matter: str
    began_ms: int
    restored_ms: int | None = None
    is_entrapment: bool = False
    stops_unit: bool = True
    cause: Cause = Cause.UNKNOWN
    response_ms: int | None = None
    arrival_ms: int | None = None
    repair_ms: int | None = None
    restoration_ms: int | None = None
    normal_ms: int | None = None
    ended_ms: int | None = None
    """When the case ended; a length that is not told by then was never told."""
    cost_fen: int = 0
    also: tuple[str, ...] = ()
    is_planned: bool = False
    """It began while the unit was out of use on purpose: told apart, and no fault of the unit."""

    @property
    def is_open(self) -> bool:
        return self.restored_ms is None and self.ended_ms is None


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long units were in service within the span, and for how much of it there is data."""

    in_service_ms: int
    covered_ms: int

    @property
    def coverage(self) -> float | None:
        return self.covered_ms / self.in_service_ms if self.in_service_ms else None

    @property
    def years(self) -> float:
        return self.covered_ms / MS_PER_YEAR

    @property
    def days(self) -> float:
        return self.covered_ms / MS_PER_DAY

    def __add__(self, other: "Exposure") -> "Exposure":
        return Exposure(self.in_service_ms + other.in_service_ms, self.covered_ms + other.covered_ms)


NO_EXPOSURE = Exposure(0, 0)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval, the records it counts, and what it cannot say. None: withheld, or unbounded."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    sources: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeTaken:
    """Median and ninth decile, ms, of cases that may still run (Kaplan and Meier 1958); None where not reached."""

    median_ms: int | None
    most_ms: int | None
    n: int
    censored: int
    sources: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one unit or of many. `causes` holds the records of each cause; `availability` is a share of time.

    `mtbf_censored` units still run since their last failure: how long they will run is not known.
    """

    units: int
    exposure: Exposure
    faults: Figure
    entrapments: Figure
    causes: dict[Cause, tuple[str, ...]]
    downtime_ms: int
    availability: Figure
    mtbf_days: Figure
    mtbf_censored: int
    response: TimeTaken
    arrival: TimeTaken
    repair: TimeTaken
    restoration: TimeTaken
    repeats: tuple[str, ...]
    cost_fen: int
    cautions: tuple[Caution, ...]
    planned: tuple[str, ...] = ()
    """Records of what happened while the unit was out of use on purpose; nothing else counts them."""


def rate_interval(count: int, exposure: float) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson rate, at least 95 % whatever the rate (Garwood 1936).

    >>> [round(end, 3) for end in rate_interval(0, 1.0)], [round(end, 3) for end in rate_interval(10, 1.0)]
    ([0.0, 3.689], [4.795, 18.39])
    """
    low = float(gammaincinv(count, TAIL)) if count else 0.0
    return low / exposure, float(gammaincinv(count + 1, 1 - TAIL)) / exposure


def incidents(faults: Iterable[Fault]) -> list[Fault]:
    """Faults with those joined that one unit tells within an hour and before it is restored: a trapped person, the
    stop that trapped them and the resident's report are one incident. In order of time.
    """
    found: list[Fault] = []
    last: dict[int, int] = {}
    for fault in sorted(faults, key=lambda each: (each.began_ms, each.source)):
        place = last.get(fault.unit_id)
        if place is not None:
            first = found[place]
            until_ms = first.restored_ms if first.restored_ms is not None else first.ended_ms
            if fault.began_ms - first.began_ms <= ONE_INCIDENT_MS and (until_ms is None or fault.began_ms <= until_ms):
                found[place] = _joined(first, fault)
                continue
        last[fault.unit_id] = len(found)
        found.append(fault)
    return found


def _joined(first: Fault, other: Fault) -> Fault:
    """The incident lasts until both are restored; its lengths are those of the record that stood first."""
    restored_ms = None
    if first.restored_ms is not None and other.restored_ms is not None:
        restored_ms = max(first.restored_ms, other.restored_ms)
    ended = [each for each in (first.ended_ms, other.ended_ms) if each is not None]
    return replace(
        first,
        matter="entrapment" if first.is_entrapment or other.is_entrapment else first.matter,
        restored_ms=restored_ms,
        is_entrapment=first.is_entrapment or other.is_entrapment,
        stops_unit=first.stops_unit or other.stops_unit,
        cause=first.cause if first.cause is not Cause.UNKNOWN else other.cause,
        ended_ms=max(ended) if len(ended) == 2 else None,
        cost_fen=first.cost_fen + other.cost_fen,
        also=(*first.also, other.source, *other.also),
    )


def statistics_of(faults: Sequence[Fault], exposures: dict[int, Exposure], *, start_ms: int, end_ms: int) -> Statistics:
    """Of the units in `exposures` (by id) and their faults; those that began within start <= t < end are counted."""
    planned = [fault for fault in faults if fault.is_planned]
    faults = [fault for fault in faults if not fault.is_planned]
    units = len(exposures)
    exposure = sum(exposures.values(), NO_EXPOSURE)
    counted = sorted((f for f in faults if start_ms <= f.began_ms < end_ms), key=lambda f: (f.began_ms, f.source))
    repeats = _repeats(counted)
    cautions = exposure_cautions(exposure, units)
    clustered = (Caution.CLUSTERED,) if len(repeats) > CLUSTERED_SHARE * len(counted) else ()
    entrapments = [fault for fault in counted if fault.is_entrapment]
    causes = {cause: tuple(f.source for f in counted if f.cause is cause) for cause in Cause}
    down = dict.fromkeys(exposures, 0)
    down_sources: list[str] = []
    for unit_id, stretches, sources in _down_by_unit(faults, start_ms, end_ms):
        if unit_id in down:
            down[unit_id] = min(sum(b - a for a, b in stretches), exposures[unit_id].in_service_ms)
            down_sources += sources
    downtime_ms = sum(down.values())
    availability = _availability(exposure, downtime_ms, tuple(down_sources), counted, cautions)
    running = {u for u, each in exposures.items() if each.covered_ms} - {f.unit_id for f in counted if f.is_open}
    return Statistics(
        units=units,
        exposure=exposure,
        faults=_rate(counted, exposure, (*cautions, *clustered)),
        entrapments=_rate(entrapments, exposure, cautions),
        causes=causes,
        downtime_ms=downtime_ms,
        availability=availability,
        mtbf_days=_mtbf(counted, exposure, downtime_ms, (*cautions, *clustered)),
        mtbf_censored=len(running),
        response=_time_taken(counted, [f.response_ms for f in counted], end_ms),
        arrival=_time_taken(counted, [f.arrival_ms for f in counted], end_ms),
        repair=_time_taken(counted, [f.repair_ms for f in counted], end_ms, may_run=False),
        restoration=_time_taken(counted, [f.restoration_ms for f in counted], end_ms),
        repeats=repeats,
        cost_fen=sum(fault.cost_fen for fault in counted),
        cautions=(
            *cautions,
            *((Caution.CAUSES_UNKNOWN,) if 2 * len(causes[Cause.UNKNOWN]) > len(counted) else ()),
        ),
        planned=tuple(f.source for f in planned if start_ms <= f.began_ms < end_ms),
    )


def exposure_cautions(exposure: Exposure, units: int) -> tuple[Caution, ...]:
    """What so much data of so many units cannot say."""
    coverage = exposure.coverage
    if coverage is None or exposure.covered_ms == 0:
        return (Caution.NO_EXPOSURE,)
    found = []
    if exposure.in_service_ms < SHORT_HISTORY_MS * units:
        found.append(Caution.SHORT_HISTORY)
    if coverage < LEAST_COVERAGE:
        found.append(Caution.COVERAGE_TOO_POOR)
    elif coverage < POOR_COVERAGE:
        found.append(Caution.POOR_COVERAGE)
    return tuple(found)


def _rate(faults: Sequence[Fault], exposure: Exposure, cautions: tuple[Caution, ...]) -> Figure:
    sources = tuple(fault.source for fault in faults)
    if WITHHOLDING & set(cautions):
        return Figure(None, None, None, len(faults), sources, cautions)
    low, high = rate_interval(len(faults), exposure.years)
    return Figure(len(faults) / exposure.years, low, high, len(faults), sources, cautions)


def _mtbf(faults: Sequence[Fault], exposure: Exposure, downtime_ms: int, cautions: tuple[Caution, ...]) -> Figure:
    """Operating time by failures; without a failure only its lower bound is known."""
    sources = tuple(fault.source for fault in faults)
    n = len(faults)
    if WITHHOLDING & set(cautions):
        return Figure(None, None, None, n, sources, cautions)
    operating_days = exposure.days * (1 - downtime_ms / exposure.in_service_ms)
    low, high = rate_interval(n, 1.0)
    if n == 0:
        return Figure(None, operating_days / high, None, 0, (), (*cautions, Caution.NO_FAULTS))
    return Figure(operating_days / n, operating_days / high, operating_days / low, n, sources, cautions)


def _availability(
    exposure: Exposure,
    downtime_ms: int,
    sources: tuple[str, ...],
    counted: Sequence[Fault],
    cautions: tuple[Caution, ...],
) -> Figure:
    """Share of the time in service in which no fault kept a unit from use. It is counted whole: it has no interval."""
    if not exposure.in_service_ms:
        return Figure(None, None, None, 0, (), (Caution.NO_EXPOSURE,))
    said = [caution for caution in cautions if caution not in WITHHOLDING]
    by_source = {fault.source: fault for fault in counted}
    of_down = [by_source[source] for source in sources if source in by_source]
    if any(fault.is_open for fault in of_down):
        said.append(Caution.STILL_OPEN)
    if any(_disagrees(fault) for fault in of_down):
        said.append(Caution.SOURCES_DISAGREE)
    share = 1 - downtime_ms / exposure.in_service_ms
    return Figure(share, None, None, len(sources), sources, tuple(said))


def _disagrees(fault: Fault) -> bool:
    """The unit said long before people did that it was well again."""
    if fault.normal_ms is None or fault.restored_ms is None:
        return False
    return fault.restored_ms - fault.normal_ms > DISAGREEING_MS


def disagreeing(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Records of which the unit and the people tell ends that lie more than an hour apart."""
    return tuple(fault.source for fault in faults if _disagrees(fault))


def _down_by_unit(
    faults: Sequence[Fault], start_ms: int, end_ms: int
) -> Iterable[tuple[int, list[tuple[int, int]], list[str]]]:
    """Stretches out of use within the span, those that overlap joined, with the records they came from."""
    by_unit: dict[int, list[tuple[int, int, str]]] = {}
    for fault in faults:
        until_ms = fault.restored_ms if fault.restored_ms is not None else fault.ended_ms
        until_ms = end_ms if until_ms is None else until_ms
        stretch = max(fault.began_ms, start_ms), min(until_ms, end_ms)
        if fault.stops_unit and stretch[0] < stretch[1]:
            by_unit.setdefault(fault.unit_id, []).append((*stretch, fault.source))
    for unit_id, stretches in by_unit.items():
        joined: list[tuple[int, int]] = []
        for begin, end, _ in sorted(stretches):
            if joined and begin <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((begin, end))
        yield unit_id, joined, [source for _, _, source in sorted(stretches)]


def _repeats(counted: Sequence[Fault]) -> tuple[str, ...]:
    """Records of faults that came within 30 days of the repair of the same matter at the same unit."""
    by_matter: dict[tuple[int, str], list[Fault]] = {}
    for fault in counted:
        by_matter.setdefault((fault.unit_id, fault.matter), []).append(fault)
    found = []
    for of_matter in by_matter.values():
        for before, after in pairwise(of_matter):
            repaired_ms = before.restored_ms if before.restored_ms is not None else before.began_ms
            if after.matter and after.began_ms - repaired_ms <= REPEAT_WITHIN_MS:
                found.append((after.began_ms, after.source))
    return tuple(source for _, source in sorted(found))


def _time_taken(
    faults: Sequence[Fault], lengths_ms: Sequence[int | None], end_ms: int, *, may_run: bool = True
) -> TimeTaken:
    """Cases that still wait count as longer than they have waited; those that ended untold say nothing."""
    known: list[tuple[int, bool, str]] = []
    for fault, length_ms in zip(faults, lengths_ms, strict=True):
        if length_ms is not None:
            known.append((length_ms, True, fault.source))
        elif may_run and fault.is_open:
            known.append((max(0, end_ms - fault.began_ms), False, fault.source))
    n = sum(1 for _, is_told, _ in known if is_told)
    censored = len(known) - n
    said = [Caution.FEW_CASES] if n < FEW else []
    if censored:
        said.append(Caution.STILL_OPEN)
    lengths = np.array([length for length, _, _ in known], dtype=np.int64)
    told = np.array([is_told for _, is_told, _ in known], dtype=bool)
    median, most = _reached(lengths, told, (HALF, MOST))
    return TimeTaken(median, most, n, censored, tuple(source for _, _, source in known), tuple(said))


def _reached(lengths_ms: Ints, is_told: Bools, shares: Sequence[float]) -> list[int | None]:
    """The first lengths by which these shares of the cases have ended."""
    steps, ended = np.unique(lengths_ms[is_told], return_counts=True)
    at_risk = len(lengths_ms) - np.searchsorted(np.sort(lengths_ms), steps)
    gone = 1 - np.cumprod(1 - ended / at_risk)
    # Rounding may leave a hole in what never falls.
    places = np.searchsorted(np.maximum.accumulate(gone), [share - 1e-12 for share in shares])
    return [int(steps[place]) if place < len(steps) else None for place in places]
