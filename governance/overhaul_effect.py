"""What an overhaul brought: faults of the same units in the year before and the year after, with the interval.

"Down by 80 %" is said only with how surely that is known. Units are overhauled because they were bad, and bad luck ends
by itself: beside the effect stands what the others of the compound did in the same time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
from sqlalchemy.orm import Session

from governance.fault_facts import exposures_within, faults_within
from governance.reliability_report import UnitFacts
from models.fault_statistics import MS_PER_DAY, MS_PER_YEAR, Exposure
from models.reliability import Change, change_of_rate
from registry.service_record import ServiceKind, day_began_ms, records_of_units

LONGEST_DAYS = 365
LEAST_DAYS = 30.0
"""[P] Less than a month on either side says nothing."""
SHORT_DAYS = 180.0
FEW_FAULTS = 10

Counted = tuple[tuple[str, ...], Exposure]
"""Records of faults, and the time with data in which they were counted."""
Both = tuple[Counted, Counted]
"""Before and after."""


class EffectCaution(StrEnum):
    NOTHING_BEFORE = "nothing_before"
    SHORT = "short"
    FEW_FAULTS = "few_faults"
    UNITS_DIFFER = "units_differ"
    CHOSEN = "chosen"
    OTHERS_TOO = "others_too"


@dataclass(frozen=True, slots=True)
class Side:
    """Faults and unit-years with data on one side of the overhaul, with the records."""

    faults: int
    years: float
    sources: tuple[str, ...]

    @property
    def rate_per_year(self) -> float | None:
        return self.faults / self.years if self.years else None


@dataclass(frozen=True, slots=True)
class Effect:
    """Of the units that were overhauled and watched on both sides. `others` is the change of those that were not."""

    units: tuple[int, ...]
    not_judged: tuple[int, ...]
    """Overhauled, but not watched for a month on both sides."""
    first_on: date
    last_on: date
    before: Side
    after: Side
    change: Change
    others: Change | None
    others_units: int
    cautions: tuple[EffectCaution, ...]


def overhaul_effect(session: Session, units: Sequence[UnitFacts], *, now_ms: int) -> Effect | None:
    """Of the last overhaul of each of these units; None when none was overhauled and watched on both sides."""
    known = {unit.id: unit for unit in units}
    records = records_of_units(session, known, kinds=(ServiceKind.OVERHAUL,))
    cuts: dict[int, tuple[int, int, date]] = {}
    for unit_id, rows in records.items():
        last = rows[-1]
        zone = known[unit_id].zone
        stop = last.stop_begin_ms, last.stop_end_ms
        begin_ms = stop[0] if stop[0] is not None else day_began_ms(last.done_on, zone)
        end_ms = stop[1] if stop[1] is not None else day_began_ms(last.done_on + timedelta(days=1), zone)
        if end_ms < now_ms:
            cuts[unit_id] = begin_ms, end_ms, last.done_on
    if not cuts:
        return None
    sides = _sides(session, known, {unit_id: cut[:2] for unit_id, cut in cuts.items()}, now_ms=now_ms)
    judged = [unit_id for unit_id in sorted(cuts) if all(side[1].days >= LEAST_DAYS for side in sides[unit_id])]
    if not judged:
        return None
    change = _change([sides[unit_id] for unit_id in judged])
    middle = sorted(cuts[unit_id][:2] for unit_id in judged)[len(judged) // 2]
    others = {unit_id: middle for unit_id in known if unit_id not in cuts}
    of_others = [
        side
        for side in _sides(session, known, others, now_ms=now_ms).values()
        if all(each[1].days >= LEAST_DAYS for each in side)
    ]
    before, after = (_total([sides[unit_id][side] for unit_id in judged]) for side in (0, 1))
    told = _change(of_others) if of_others else None
    days = [cuts[unit_id][2] for unit_id in judged]
    return Effect(
        units=tuple(judged),
        not_judged=tuple(sorted(set(cuts) - set(judged))),
        first_on=min(days),
        last_on=max(days),
        before=before,
        after=after,
        change=change,
        others=told,
        others_units=len(of_others),
        cautions=tuple(_cautions(before, after, change, told, len(judged))),
    )


def _sides(
    session: Session, known: Mapping[int, UnitFacts], cuts: Mapping[int, tuple[int, int]], *, now_ms: int
) -> dict[int, Both]:
    """By unit: records of the faults and the exposure, before and after; all are read at once."""
    spans = [
        (unit_id, span)
        for unit_id, (begin_ms, end_ms) in cuts.items()
        for span in (
            (begin_ms - LONGEST_DAYS * MS_PER_DAY, begin_ms),
            (end_ms, min(end_ms + LONGEST_DAYS * MS_PER_DAY, now_ms)),
        )
    ]
    faults = faults_within(session, {unit_id: known[unit_id].kind for unit_id in cuts}, spans)
    exposures = exposures_within(session, spans, {unit_id: known[unit_id].created_ms for unit_id in cuts})
    sides = [
        (tuple(fault.source for fault in found if start <= fault.began_ms < end and not fault.is_planned), exposure)
        for (_, (start, end)), found, exposure in zip(spans, faults, exposures, strict=True)
    ]
    return dict(zip(cuts, zip(sides[::2], sides[1::2], strict=True), strict=True))


def _change(sides: Iterable[Both]) -> Change:
    pairs = list(sides)
    counts = np.array([[len(sources) for sources, _ in pair] for pair in pairs], dtype=np.int64)
    days = np.array([[exposure.days for _, exposure in pair] for pair in pairs], dtype=np.float64)
    return change_of_rate((counts[:, 0], days[:, 0]), (counts[:, 1], days[:, 1]))


def _total(sides: Sequence[Counted]) -> Side:
    sources = tuple(source for each, _ in sides for source in each)
    return Side(len(sources), sum(exposure.covered_ms for _, exposure in sides) / MS_PER_YEAR, sources)


def _cautions(before: Side, after: Side, change: Change, others: Change | None, units: int) -> Iterable[EffectCaution]:
    if change.ratio is None:
        yield EffectCaution.NOTHING_BEFORE
    if min(before.years, after.years) * MS_PER_YEAR / MS_PER_DAY < SHORT_DAYS * units:
        yield EffectCaution.SHORT
    if before.faults + after.faults < FEW_FAULTS:
        yield EffectCaution.FEW_FAULTS
    if change.dispersion > 2.0:
        yield EffectCaution.UNITS_DIFFER
    yield EffectCaution.CHOSEN
    if others is not None and others.high is not None and others.high < 1.0:
        yield EffectCaution.OTHERS_TOO
