"""Fault rates of a district's compounds and maintenance companies, beside its counts, each with what it rests on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from governance.district import Standing, Trouble
from governance.fault_rates import count_units, rates_by, rates_of_all
from governance.reliability_report import WINDOW_MS, GroupBy
from models.equipment import Kind
from models.fault_rates import Rates as GroupRates

Rates = Mapping[str, GroupRates]


class Order(StrEnum):
    """Who comes first."""

    HARD = "hard"
    RATE = "rate"
    """By the lower bound of the rate: who surely has many faults, not who was unlucky in a week."""
    OPEN = "open"
    SILENT = "silent"
    UNITS = "units"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class DistrictRates:
    """Of one kind of unit, over the year that ends now: by key of the compound, and by name of the company."""

    kind: Kind
    start_ms: int
    end_ms: int
    sites: Rates
    companies: Rates
    total: GroupRates


def district_rates(session: Session, *, kind: Kind, visible: Collection[str] | None, now_ms: int) -> DistrictRates:
    """Of all compounds that may be seen; who has no unit of the kind is absent."""
    start_ms = now_ms - WINDOW_MS
    counts = count_units(session, kind=kind, visible=visible, start_ms=start_ms, end_ms=now_ms)
    return DistrictRates(
        kind=kind,
        start_ms=start_ms,
        end_ms=now_ms,
        sites=rates_by(counts, GroupBy.SITE),
        companies=rates_by(counts, GroupBy.MAINTAINER),
        total=rates_of_all(counts),
    )


def arranged(
    standings: Sequence[Standing],
    rates: Rates,
    *,
    search: str = "",
    trouble: Trouble | None = None,
    order: Order = Order.HARD,
) -> list[Standing]:
    """Those that have the trouble and all words in their name or key, in the order asked for."""
    words = search.lower().split()

    def place(each: Standing) -> tuple[float | str, ...]:
        numbers: Mapping[Order, tuple[float, ...]] = {
            Order.HARD: (-each.hard_cases, -each.watched),
            Order.RATE: (-_surely_at_least(rates.get(each.key)),),
            Order.OPEN: (-each.open_cases,),
            Order.SILENT: (-each.silent,),
            Order.UNITS: (-each.units,),
            Order.NAME: (),
        }
        return *numbers[order], each.name, each.key

    found = [
        each
        for each in standings
        if (trouble is None or each.has(trouble)) and all(word in f"{each.name} {each.key}".lower() for word in words)
    ]
    return sorted(found, key=place)


def _surely_at_least(told: GroupRates | None) -> float:
    """Below all rates where it is withheld."""
    return -1.0 if told is None or told.faults.low is None else told.faults.low
