"""What a detection report consists of: sections with a table, targets, and words on what they rest on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from api.translations import Translator
from models.evaluation.measures import Share

Cell = str | int | float | bool | Share | None


@dataclass(frozen=True, slots=True)
class Words:
    """A message in English, which is the key of its translation, and what fills its places.

    What fills a place may be a message too.
    """

    message: str
    values: Mapping[str, object] = field(default_factory=dict)

    def told(self, translate: Translator) -> str:
        values = {name: translate(value) if isinstance(value, str) else value for name, value in self.values.items()}
        return translate(self.message, **values)


class Form(StrEnum):
    """How a cell is written."""

    NAME = "name"
    PERCENT = "percent"
    COUNT = "count"
    DECIMAL = "decimal"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Column:
    """`is_brief`: it stands on the terminal too; the others only in the files."""

    key: str
    title: str
    form: Form = Form.DECIMAL
    is_brief: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached. `value` is what was measured; `is_reached` None where that is only reported."""

    measure: Words
    wanted: str
    value: float
    form: Form
    is_reached: bool | None


@dataclass(frozen=True, slots=True)
class Section:
    """One data set. `missing` says why there is nothing in it; `charted` are columns to draw as bars."""

    key: str
    title: str
    is_simulated: bool
    columns: tuple[Column, ...] = ()
    rows: tuple[Mapping[str, Cell], ...] = ()
    targets: tuple[Target, ...] = ()
    about: tuple[Words, ...] = ()
    missing: Words | None = None
    charted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`settings` are those of the detectors and the run, by name."""

    version: str
    made_ms: int
    seed: int
    settings: Mapping[str, Cell]
    sections: tuple[Section, ...]
    took_s: float


def written(cell: Cell, form: Form, *, is_brief: bool = False) -> str:
    """A cell as people read it; a dash where there is nothing to tell. In brief a share has no interval."""
    if isinstance(cell, Share):
        if not cell.of:
            return "–"
        if is_brief:
            return f"{100 * cell.value:.0f} % {cell.hits}/{cell.of}"
        return f"{100 * cell.value:.0f} % [{100 * cell.low:.0f}-{100 * cell.high:.0f}] {cell.hits}/{cell.of}"
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "–"
    if isinstance(cell, str | bool):
        return str(cell)
    match form:
        case Form.PERCENT:
            return f"{100 * cell:.1f} %"
        case Form.COUNT:
            return f"{cell:.0f}"
        case Form.DURATION:
            return _duration(float(cell))
        case _:
            return f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:,.0f}"


def _duration(seconds: float) -> str:
    if abs(seconds) < 120:
        return f"{seconds:.0f} s"
    if abs(seconds) < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if abs(seconds) < 2 * 86_400 else f"{seconds / 86_400:.1f} d"


def as_json(report: Report, translate: Translator) -> dict[str, Any]:
    """Plain data; what is not known is null."""
    return {
        "version": report.version,
        "made_ms": report.made_ms,
        "took_s": round(report.took_s, 1),
        "seed": report.seed,
        "settings": {name: _plain(cell) for name, cell in report.settings.items()},
        "sections": [
            {
                "key": section.key,
                "title": translate(section.title),
                "is_simulated": section.is_simulated,
                "missing": section.missing.told(translate) if section.missing else None,
                "about": [words.told(translate) for words in section.about],
                "rows": [{key: _plain(cell) for key, cell in row.items()} for row in section.rows],
                "targets": [
                    {
                        "measure": target.measure.told(translate),
                        "wanted": target.wanted,
                        "value": _plain(target.value),
                        "is_reached": target.is_reached,
                    }
                    for target in section.targets
                ],
            }
            for section in report.sections
        ],
    }


def _plain(cell: Cell) -> Any:
    if isinstance(cell, Share):
        return {key: _plain(getattr(cell, key)) for key in ("value", "low", "high", "hits", "of")}
    if isinstance(cell, float):
        return round(cell, 6) if math.isfinite(cell) else None
    return cell
