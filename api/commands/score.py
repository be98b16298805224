"""`liandong score`: fits the detector on the first rows of a file and scores the rest in order."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from models.detectors.contract import DetectorError
from models.detectors.lagged_pca import LaggedPca
from models.detectors.series import judge_series
from models.reading import Bools, Floats

MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "-"})
MOST_NAMED = 5
SILENT_SHARE = 0.1
GAP_INTERVALS = 10
"""A step in time of more usual intervals than this is a gap: what stands on its two sides are no neighbours."""
TIME_FORMATS = ("%d/%m/%y %H", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")
"""Beside ISO 8601 and epoch numbers; times of no known form are only copied."""


class ScoreRefused(Exception):
    """A file that cannot be scored; the message is one line that says why and where."""

    def __init__(self, path: Path, reason: str, **facts: object) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What was written. `notes` are lines for the reader: what was not judged, and what the file has of odd things."""

    rows: int
    rows_in_alarm: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A file as it stands: values of shape (rows, channels), NaN where a cell was empty."""

    time_name: str
    times: list[str]
    channels: tuple[str, ...]
    values: Floats


def score_file(path: Path, *, fit_rows: int, ignore: Sequence[str] = (), out: Path) -> ScoreReport:
    """Writes one row for each row after the first `fit_rows`: time, anomaly_score, threshold, in_alarm, top_channel.

    Separator `,` or `;`; the first column is the time and is copied as it stands; every other column that is not in
    `ignore` is a channel. A row that could not be judged has an empty score and is not in alarm. Raises `ScoreRefused`.
    """
    series = read_series(path, ignore=ignore)
    if len(series.times) <= fit_rows:
        raise ScoreRefused(
            path,
            f"{fit_rows} fit rows leave nothing to score: the file has {len(series.times)} rows",
            fit_rows=fit_rows,
            rows=len(series.times),
        )
    detector = LaggedPca(series.channels)
    try:
        facts = detector.fit(0, series.values[:fit_rows])
    except DetectorError as error:
        raise ScoreRefused(path, str(error), fit_rows=fit_rows) from error
    timing = timing_of(series.times)
    judged = judge_series(detector, series.values[fit_rows:], follows_gap=timing.follows_gap[fit_rows:])
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([series.time_name, "anomaly_score", "threshold", "in_alarm", "top_channel"])
            for time, score, limit, is_alarm, top in zip(
                series.times[fit_rows:],
                judged.anomaly_score.tolist(),
                judged.threshold.tolist(),
                judged.is_anomalous.tolist(),
                judged.top_channel.tolist(),
                strict=True,
            ):
                is_scored = not math.isnan(score)
                writer.writerow(
                    [
                        time,
                        f"{score:.6g}" if is_scored else "",
                        f"{limit:.6g}",
                        int(is_alarm),
                        series.channels[top] if is_scored else "",
                    ]
                )
    except OSError as error:
        raise ScoreRefused(out, f"cannot be written: {error.strerror}") from error
    notes = [*_notes(series, constant=facts.constant, missing=facts.missing), *timing.notes]
    notes += _fallen_silent(series, facts.used, first_row=fit_rows)
    blind = int(np.count_nonzero(np.isnan(judged.anomaly_score)))
    if blind:
        notes.append(f"{_rows(blind)} could not be judged (nothing told, or the first after such a row)")
    return ScoreReport(len(judged.anomaly_score), int(judged.is_anomalous.sum()), tuple(notes))


def read_series(path: Path, *, ignore: Sequence[str] = ()) -> Series:
    """Separator `,` or `;`, the first column is the time. Raises `ScoreRefused`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ScoreRefused(path, "no such file") from error
    except UnicodeDecodeError as error:
        raise ScoreRefused(path, "is not UTF-8 text") from error
    except OSError as error:
        raise ScoreRefused(path, f"cannot be read: {error.strerror}") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise ScoreRefused(path, "has no rows below its header")
    separator = ";" if lines[0].count(";") > lines[0].count(",") else ","
    header, *rows = csv.reader(lines, delimiter=separator)
    header = [name.strip() for name in header]
    ragged = next((number for number, row in enumerate(rows, 2) if len(row) != len(header)), None)
    if ragged is not None:
        cells = len(rows[ragged - 2])
        raise ScoreRefused(path, f"line {ragged} has {cells} columns, the header has {len(header)}", line=ragged)
    unknown = [name for name in ignore if name.strip() not in header[1:]]
    if unknown:
        raise ScoreRefused(path, f"no such column: {', '.join(unknown)}", columns=tuple(unknown))
    ignored = {name.strip() for name in ignore}
    kept = [column for column in range(1, len(header)) if header[column] not in ignored]
    if not kept:
        raise ScoreRefused(path, "no channel is left beside the time", ignored=tuple(sorted(ignored)))
    names = [header[column] for column in kept]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ScoreRefused(path, f"two columns are called {twice[0]!r}", columns=tuple(twice))
    values = np.column_stack([_numbers(path, header[c], [row[c] for row in rows]) for c in kept])
    return Series(header[0], [row[0] for row in rows], tuple(names), values)


def _numbers(path: Path, name: str, cells: list[str]) -> Floats:
    """The column as numbers; an empty or infinite cell is a missing one."""
    try:
        numbers = np.array(cells, dtype=np.float64)
    except ValueError:
        numbers = np.array([_number(path, name, line, cell) for line, cell in enumerate(cells, 2)])
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _number(path: Path, name: str, line: int, cell: str) -> float:
    text = cell.strip().lower()
    if text in MISSING:
        return math.nan
    if text in ("true", "false"):
        return float(text == "true")
    try:
        return float(text)
    except ValueError:
        raise ScoreRefused(
            path, f"line {line}, column {name!r}: {cell!r} is not a number", line=line, column=name
        ) from None


def _notes(series: Series, *, constant: tuple[str, ...], missing: tuple[str, ...]) -> list[str]:
    notes = []
    if constant:
        notes.append(f"not judged, constant in the fit rows: {_named(constant)}")
    if missing:
        notes.append(f"not judged, mostly missing in the fit rows: {_named(missing)}")
    return notes


def _fallen_silent(series: Series, used: Sequence[str], *, first_row: int) -> list[str]:
    """Channels that were learned and are often missing afterwards: while they are, nothing is said of them."""
    scored = series.values[first_row:]
    notes = []
    for column, name in enumerate(series.channels):
        untold = int(np.count_nonzero(np.isnan(scored[:, column])))
        if name in used and untold > SILENT_SHARE * len(scored):
            notes.append(f"not told in {untold} of {_rows(len(scored))} after the fit, and not judged there: {name}")
    return notes


@dataclass(frozen=True, slots=True)
class Timing:
    """`follows_gap` says of each row whether rows are missing before it; times that cannot be read know no gap."""

    follows_gap: Bools
    notes: tuple[str, ...]


def timing_of(times: list[str]) -> Timing:
    """Where rows are missing or out of order, as far as the times can be read."""
    none: Bools = np.zeros(len(times), dtype=bool)
    seconds = seconds_of(times)
    if seconds is None:
        repeated = sum(1 for before, after in pairwise(times) if before == after)
        return Timing(none, _order_notes(repeated, 0))
    steps = np.diff(seconds)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else math.inf
    is_gap = steps > GAP_INTERVALS * usual
    notes = _order_notes(int(np.count_nonzero(steps == 0)), int(np.count_nonzero(steps < 0)))
    if is_gap.any():
        longest = int(np.argmax(steps))
        span = str(timedelta(seconds=round(float(steps[longest]))))
        notes = (*notes, f"gaps in time: {np.count_nonzero(is_gap)}, the longest {span} before {times[longest + 1]}")
    return Timing(np.r_[False, is_gap], notes)


def _order_notes(repeated: int, backward: int) -> tuple[str, ...]:
    notes = []
    if repeated:
        notes.append(f"{_rows(repeated)} with the time of the row before; taken in the order of the file")
    if backward:
        notes.append(f"{_rows(backward)} earlier than the row before; taken in the order of the file")
    return tuple(notes)


def seconds_of(times: list[str]) -> Floats | None:
    """The times as seconds, None if they are in no form that is known."""
    try:
        numbers = np.array(times, dtype=np.float64)
    except ValueError:
        pass
    else:
        # Epoch milliseconds and seconds differ by a thousand; no gap depends on which it is, only how it is told.
        return np.where(np.abs(numbers) > 1e11, numbers / 1000.0, numbers) if np.isfinite(numbers).all() else None
    readers: list[Callable[[str], datetime]] = [
        datetime.fromisoformat,
        *(partial(_read_time, form=form) for form in TIME_FORMATS),
    ]
    for read in readers:
        try:
            moments = [read(text.strip()) for text in times]
        except ValueError:
            continue
        return np.array([moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() for moment in moments])
    return None


def _read_time(text: str, *, form: str) -> datetime:
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
