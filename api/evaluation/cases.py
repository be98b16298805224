"""The development data as cases to be judged: rows to fit on, rows to judge, and where the labelled events lie."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from api.commands.score import Series, read_series, seconds_of, timing_of
from models.evaluation.nab import probation_rows
from models.reading import Bools, Floats

SKAB_FIT_ROWS = 400
FREE_FIT_ROWS = (400, 2000)


@dataclass(frozen=True, slots=True)
class Case:
    """Shapes: fit (rows, channels), values (n, channels), labels and follows_gap (n,)."""

    name: str
    channels: tuple[str, ...]
    fit: Floats
    values: Floats
    labels: Bools
    follows_gap: Bools
    step_s: float


def skab_cases(folder: Path, *, fit_rows: int = SKAB_FIT_ROWS) -> list[Case]:
    """One case for each labelled run, fitted on its first rows. Raises ScoreRefused."""
    return [
        _labelled(read_series(path), f"{path.parent.name}/{path.stem}", fit_rows, label="anomaly")
        for path in sorted(folder.glob("*/*.csv"))
    ]


def free_cases(folder: Path) -> list[Case]:
    """Runs without any anomaly, once for each number of fit rows. Raises ScoreRefused."""
    found = [(path, read_series(path)) for path in sorted(folder.glob("anomaly-free*.csv"))]
    return [
        _labelled(series, f"{path.stem}, {rows}", rows, label=None)
        for path, series in found
        for rows in FREE_FIT_ROWS
        if len(series.times) > rows
    ]


def batadal_cases(folder: Path) -> list[Case]:
    """Fitted on the year without attacks, judged on the months with them. Raises ScoreRefused."""
    paths = folder / "clean.csv", folder / "attacks.csv"
    if not all(path.is_file() for path in paths):
        return []
    clean, attacks = (read_series(path) for path in paths)
    label = next((name for name in attacks.channels if name.upper() == "ATT_FLAG"), None)
    channels = tuple(name for name in attacks.channels if name != label and name in clean.channels)
    values = attacks.values[:, [attacks.channels.index(name) for name in channels]]
    labels = _labels(attacks, label)
    gaps = timing_of(attacks.times).follows_gap
    # Between the two files lies time of which nothing is told.
    gaps[0] = True
    fit = clean.values[:, [clean.channels.index(name) for name in channels]]
    return [Case("attacks", channels, fit, values, labels, gaps, _step_s(attacks))]


def nab_cases(folder: Path) -> list[Case]:
    """One case a series, fitted on the benchmark's probation. Raises ScoreRefused."""
    told = folder / "windows.json"
    windows: dict[str, list[list[str]]] = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    cases = []
    for name, spans in sorted(windows.items()):
        if not (folder / name).is_file():
            continue
        series = read_series(folder / name)
        seconds = seconds_of(series.times)
        if seconds is None:
            continue
        labels = np.zeros(len(seconds), dtype=bool)
        for first, last in spans:
            labels |= (seconds >= _moment_s(first)) & (seconds <= _moment_s(last))
        fit_rows = probation_rows(len(seconds))
        cases.append(_case(series, Path(name).stem, fit_rows, series.channels, labels))
    return cases


def _labelled(series: Series, name: str, fit_rows: int, *, label: str | None) -> Case:
    channels = tuple(channel for channel in series.channels if channel not in ("anomaly", "changepoint"))
    return _case(series, name, fit_rows, channels, _labels(series, label))


def _labels(series: Series, label: str | None) -> Bools:
    if label not in series.channels:
        return np.zeros(len(series.times), dtype=bool)
    return np.asarray(series.values[:, series.channels.index(label)] > 0)


def _case(series: Series, name: str, fit_rows: int, channels: tuple[str, ...], labels: Bools) -> Case:
    values = series.values[:, [series.channels.index(channel) for channel in channels]]
    gaps = timing_of(series.times).follows_gap
    return Case(
        name, channels, values[:fit_rows], values[fit_rows:], labels[fit_rows:], gaps[fit_rows:], _step_s(series)
    )


def _step_s(series: Series) -> float:
    seconds = seconds_of(series.times)
    steps = np.diff(seconds) if seconds is not None else np.ones(1)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0


def _moment_s(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
