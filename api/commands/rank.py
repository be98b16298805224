"""`liandong rank`: fault rates of units with their uncertainty, from counts in a file."""

import csv
import math
from pathlib import Path

import numpy as np

from api.commands.csv_table import BadLine, TableRefused, read_table
from models.reliability import RateTable, rate_table

COLUMNS = ("unit", "faults", "exposure_days")
RESULT_COLUMNS = ("unit", "rate_per_year", "rate_low", "rate_high", "p_worst_decile", "rank")
SEED = 20_171_110
"""The same file gives the same result on every machine."""
MOST_FAULTS = 10_000_000
MOST_DAYS = 1e6


def rank_file(path: Path, *, out: Path) -> tuple[int, tuple[str, ...]]:
    """Writes the units in the order of the file; returns how many, and notes for the reader. Raises TableRefused."""
    units, faults, days = _read(path)
    table = rate_table(np.array(faults, dtype=np.int64), np.array(days), rng=np.random.default_rng(SEED))
    partial = out.with_name(out.name + ".part")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(RESULT_COLUMNS)
        for index, unit in enumerate(units):
            writer.writerow((unit, *_cells(table, index)))
    partial.replace(out)
    notes = []
    if unheard := [unit for unit, seen in zip(units, days, strict=True) if seen == 0]:
        notes.append(f"{len(unheard)} without exposure have what the fleet says, {unheard[0]} the first")
    if not any(faults):
        notes.append("no fault was counted at all: the order says nothing")
    return len(units), tuple(notes)


def _cells(table: RateTable, index: int) -> tuple[str, ...]:
    rates = (table.rate_per_year[index], table.rate_low[index], table.rate_high[index])
    return (*(f"{rate:.6f}" for rate in rates), f"{table.p_worst_decile[index]:.4f}", str(table.rank[index]))


def _read(path: Path) -> tuple[list[str], list[int], list[float]]:
    bad: list[BadLine] = []
    first_line: dict[str, int] = {}
    units: list[str] = []
    faults: list[int] = []
    days: list[float] = []
    for line, cells in read_table(path, COLUMNS):
        unit, count, exposure = cells["unit"], _count(cells["faults"]), _number(cells["exposure_days"])
        if not unit:
            bad.append(BadLine(line, "has no unit"))
        elif (stands := first_line.setdefault(unit, line)) != line:
            bad.append(BadLine(line, f"{unit} stands already at line {stands}"))
        if count is None:
            bad.append(BadLine(line, f"faults {cells['faults']!r} is no whole number from 0 on"))
        if exposure is None:
            bad.append(BadLine(line, f"exposure_days {cells['exposure_days']!r} is no number from 0 on"))
        elif count and exposure == 0:
            bad.append(BadLine(line, f"{unit} has faults but no exposure"))
        if count is not None and exposure is not None:
            units.append(unit)
            faults.append(count)
            days.append(exposure)
    if not bad and not units:
        bad.append(BadLine(2, "there is no unit"))
    if not bad and not any(days):
        bad.append(BadLine(2, "no unit has any exposure"))
    if bad:
        raise TableRefused(path, bad)
    return units, faults, days


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= MOST_DAYS else None


def _count(text: str) -> int | None:
    """A whole number, also one that a spreadsheet wrote as 3.0."""
    number = _number(text) if text else None
    return int(number) if number is not None and number.is_integer() and number <= MOST_FAULTS else None
