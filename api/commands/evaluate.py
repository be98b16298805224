"""`liandong evaluate`: the detection report, from the development data and from simulations."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from api.clock import now_ms
from api.evaluation.page import page_of
from api.evaluation.report import Cell, Report, Section, as_json
from api.evaluation.work import SECTIONS, Task, Wanted
from api.metrics import program_version
from api.translations import Translator, translator
from models.alarm_budget import BUDGET_PER_MONTH
from models.detectors.fitting import DEFAULT_TUNING
from models.verdict import CLEAR_RATIO, CLEAR_ROWS, RAISE_EVIDENCE

Progress = Callable[[int, int], None]
"""Told how many pieces are done, and of how many."""


class EvaluationRefused(Exception):
    """Nothing could be evaluated, or the report could not be written; the message is one line."""


def evaluate(wanted: Wanted, *, workers: int, progress: Progress) -> Report:
    """Raises EvaluationRefused, api.commands.score.ScoreRefused."""
    if wanted.data_dir is not None and not wanted.data_dir.is_dir():
        raise EvaluationRefused(f"{wanted.data_dir}: no such folder")
    began_s = perf_counter()
    works = [section(wanted) for section in SECTIONS]
    tasks = [task for work in works for task in work.tasks]
    results: list[Any] = []
    progress(0, len(tasks))
    for result in Parallel(n_jobs=workers, return_as="generator")(delayed(_done)(task) for task in tasks):
        results.append(result)
        progress(len(results), len(tasks))
    sections: list[Section] = []
    first = 0
    for work in works:
        sections.extend(work.tell(results[first : first + len(work.tasks)]))
        first += len(work.tasks)
    return Report(
        version=program_version(),
        made_ms=now_ms(),
        seed=wanted.seed,
        settings=_settings(wanted),
        sections=tuple(sections),
        took_s=perf_counter() - began_s,
    )


def write_report(report: Report, folder: Path, translate: Translator) -> tuple[Path, Path]:
    """`report.json`, always in English, and `report.html`; where they are. Raises EvaluationRefused."""
    as_data, as_page = folder / "report.json", folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        as_data.write_text(
            json.dumps(as_json(report, translator("en")), ensure_ascii=False, indent=1, allow_nan=False),
            encoding="utf-8",
        )
        as_page.write_text(page_of(report, translate), encoding="utf-8")
    except OSError as error:
        raise EvaluationRefused(f"{folder}: the report cannot be written: {error.strerror}") from error
    return as_data, as_page


def _done(task: Task) -> object:
    # Each process has a core of its own; threads of the linear algebra would only stand in each other's way.
    with threadpool_limits(1):
        return task.run(*task.arguments)


def _settings(wanted: Wanted) -> dict[str, Cell]:
    tuning = {name: value for name, value in asdict(DEFAULT_TUNING).items() if isinstance(value, int | float)}
    budget = {f"budget_{name}": value for name, value in asdict(DEFAULT_TUNING.budget).items()}
    return {
        "is_quick": wanted.is_quick,
        **tuning,
        **budget,
        "raise_evidence": RAISE_EVIDENCE,
        "clear_rows": CLEAR_ROWS,
        "clear_ratio": CLEAR_RATIO,
        "live_budget_per_unit_month": BUDGET_PER_MONTH,
    }
