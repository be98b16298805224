"""Rates of many groups of units at once, with the figures and cautions of `models.fault_statistics`."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from models.fault_statistics import (
    MS_PER_YEAR,
    TAIL,
    WITHHOLDING,
    Cause,
    Caution,
    Exposure,
    Figure,
    exposure_cautions,
)
from models.reading import Floats, Ints


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one group, as `Statistics` has them, but for the records themselves: `causes` and `n` count them.

    Whether faults come in clusters is not told: that needs the records.
    """

    units: int
    exposure: Exposure
    faults: Figure
    entrapments: Figure
    causes: dict[Cause, int]
    downtime_ms: int
    availability: Figure
    cautions: tuple[Caution, ...]


def rates_of(
    *,
    units: Ints,
    in_service_ms: Ints,
    covered_ms: Ints,
    faults: Ints,
    entrapments: Ints,
    causes: Ints,
    downtime_ms: Ints,
    replaced: Ints,
) -> list[Rates]:
    """One entry a group, all (n,) but `causes` (n, 4), in the order of `Cause`; `replaced` counts units."""
    years = covered_ms / MS_PER_YEAR
    ends = [_rate_ends(counts, years) for counts in (faults, entrapments)]
    found = []
    for group in range(len(units)):
        exposure = Exposure(int(in_service_ms[group]), int(covered_ms[group]))
        said = exposure_cautions(exposure, int(units[group]))
        is_withheld = bool(WITHHOLDING & set(said))
        fault_figure, entrapment_figure = (
            _figure(int(counts[group]), exposure, (float(low[group]), float(high[group])), said, is_withheld)
            for counts, (low, high) in zip((faults, entrapments), ends, strict=True)
        )
        n, unknown = int(faults[group]), int(causes[group, list(Cause).index(Cause.UNKNOWN)])
        share = 1 - int(downtime_ms[group]) / exposure.in_service_ms if exposure.in_service_ms else None
        found.append(
            Rates(
                units=int(units[group]),
                exposure=exposure,
                faults=fault_figure,
                entrapments=entrapment_figure,
                causes={cause: int(causes[group, place]) for place, cause in enumerate(Cause)},
                downtime_ms=int(downtime_ms[group]),
                availability=Figure(share, None, None, 0),
                cautions=(
                    *said,
                    *((Caution.CAUSES_UNKNOWN,) if 2 * unknown > n else ()),
                    *((Caution.REPLACED,) if replaced[group] else ()),
                ),
            )
        )
    return found


def _rate_ends(counts: Ints, years: Floats) -> tuple[Floats, Floats]:
    """Exact 95 % intervals of Poisson rates (Garwood 1936), as `rate_interval`; without meaning where years are 0."""
    safe = np.where(years > 0, years, 1.0)
    low = np.where(counts > 0, gammaincinv(np.maximum(counts, 1), TAIL), 0.0)
    return low / safe, gammaincinv(counts + 1, 1 - TAIL) / safe


def _figure(
    n: int, exposure: Exposure, ends: tuple[float, float], said: tuple[Caution, ...], is_withheld: bool
) -> Figure:
    if is_withheld:
        return Figure(None, None, None, n, (), said)
    return Figure(n / exposure.years, *ends, n, (), said)
