"""Recorded CSV files: the first column is the time, the others are what was measured."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import numpy as np

from ingest.wire import EARLIEST_MS, MAX_METRIC_NAME_LENGTH, MAX_METRICS
from models.reading import Floats, Ints
from simulators.errors import BadRecording

MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "-"})
WORDS = {"true": 1.0, "false": 0.0}
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})[ T](\d{1,2})(?::(\d{2}))?(?::(\d{2}))?")
"""Day, month, year, hour, and if need be minutes and seconds."""
EPOCH_MS_FROM = 1e11
"""Larger numbers are milliseconds: as seconds they would lie beyond the year 5000."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Rows in the order of the file. Shapes: ts_ms and lines (n,), values (n, len(names)); NaN where nothing stood."""

    names: tuple[str, ...]
    ts_ms: Ints
    lines: Ints
    values: Floats


def read_recording(path: Path, *, ignore: Sequence[str] = (), zone: tzinfo) -> Recording:
    """Reads it all, so that a fault is known before anything is sent.

    The separator is `,` or `;`; names are stripped. A time may be ISO 8601, `YYYY-MM-DD HH:MM:SS`, `dd/mm/yy hh`, or
    epoch seconds or milliseconds; it is of `zone` unless it says otherwise. Raises BadRecording.
    """
    numbers, header, rows = _table(path)
    ignored = {name.strip() for name in ignore}
    if absent := sorted(ignored - set(header)):
        raise BadRecording(path, f"no such column: {', '.join(absent)}")
    kept = [column for column in range(1, len(header)) if header[column] not in ignored]
    names = tuple(header[column] for column in kept)
    _check_names(path, names)
    ts_ms = _times(path, numbers, [row[0] for row in rows], zone)
    values = np.column_stack([_column(path, numbers, header[c], [row[c] for row in rows]) for c in kept])
    return Recording(names, ts_ms, np.array(numbers, dtype=np.int64), values)


def _table(path: Path) -> tuple[list[int], list[str], list[list[str]]]:
    """Line numbers and cells of the rows that are not empty, and the header."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            separator = ";" if first.count(";") > first.count(",") else ","
            reader = csv.reader(file, delimiter=separator, strict=True)
            found = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise BadRecording(path, "is not UTF-8 text") from error
    except csv.Error as error:
        raise BadRecording(path, str(error), line=reader.line_num) from error
    except OSError as error:
        raise BadRecording(path, error.strerror or str(error)) from error
    if len(found) < 2:
        raise BadRecording(path, "has no rows below its header")
    header = [name.strip() for name in found[0][1]]
    for line, row in found[1:]:
        if len(row) != len(header):
            raise BadRecording(path, f"{len(row)} cells, the header has {len(header)}", line=line)
    return [line for line, _ in found[1:]], header, [row for _, row in found[1:]]


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    if not names:
        raise BadRecording(path, "no column is left beside the time", line=1)
    if len(names) > MAX_METRICS:
        raise BadRecording(path, f"{len(names)} columns; a message takes {MAX_METRICS}", line=1)
    for name in names:
        if names.count(name) > 1:
            raise BadRecording(path, f"two columns are called {name!r}", line=1)
        if not (0 < len(name) <= MAX_METRIC_NAME_LENGTH and name.isprintable()):
            raise BadRecording(path, f"{name[:40]!r} is no name for a metric", line=1)


def _times(path: Path, lines: Sequence[int], cells: Sequence[str], zone: tzinfo) -> Ints:
    read = _reader_for(cells[0].strip(), zone)
    ts_ms = np.empty(len(cells), dtype=np.int64)
    for row, cell in enumerate(cells):
        try:
            ts_ms[row] = round(read(cell.strip()) * 1000)
        except (ValueError, OverflowError) as error:
            raise BadRecording(path, f"{cell.strip()[:40]!r} is no time", line=lines[row]) from error
    early = np.flatnonzero(ts_ms < EARLIEST_MS)
    if len(early):
        row = int(early[0])
        raise BadRecording(path, f"the time {cells[row].strip()[:40]!r} is before the year 2000", line=lines[row])
    return ts_ms


def _reader_for(cell: str, zone: tzinfo) -> Callable[[str], float]:
    """How the times of a file are written is seen from its first one; answers epoch seconds."""

    def slashed(text: str) -> float:
        match = SLASHED.fullmatch(text)
        if match is None:
            raise ValueError(text)
        day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
        full_year = year + 2000 if year < 100 else year
        return datetime(full_year, month, day, hour, minute, second, tzinfo=zone).timestamp()

    def epoch(text: str) -> float:
        number = float(text)
        return number / 1000 if abs(number) >= EPOCH_MS_FROM else number

    def iso(text: str) -> float:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC).timestamp()

    if SLASHED.fullmatch(cell):
        return slashed
    if re.fullmatch(r"\d{9,}(\.\d*)?", cell):
        return epoch
    return iso


def _column(path: Path, lines: Sequence[int], name: str, cells: list[str]) -> Floats:
    """A column as numbers; what is empty or not finite is missing."""
    try:
        numbers = np.array(cells, dtype=np.float64)
    except ValueError:
        numbers = np.array([_number(path, line, name, cell) for line, cell in zip(lines, cells, strict=True)])
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _number(path: Path, line: int, name: str, cell: str) -> float:
    text = cell.strip().lower()
    if text in MISSING:
        return np.nan
    if text in WORDS:
        return WORDS[text]
    try:
        return float(text)
    except ValueError:
        raise BadRecording(path, f"column {name!r}: {cell.strip()[:40]!r} is not a number", line=line) from None
