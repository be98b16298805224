"""What a section needs done, in pieces that run side by side, and how the results become the section."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.evaluation.public_data import DATA_SETS, DataSet, judge, judged_cases
from api.evaluation.report import Section
from api.evaluation.simulated import false_alarm_section, fault_section, stagings
from api.evaluation.staging import staged_run


@dataclass(frozen=True, slots=True)
class Wanted:
    """`data_dir` None: there is no data, and only what is simulated can be told."""

    data_dir: Path | None
    seed: int
    is_quick: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A function at the top of a module with its arguments, so that another process can run it."""

    run: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """The tasks of some sections, and `tell`, which takes their results in the same order."""

    tasks: Sequence[Task]
    tell: Callable[[Sequence[Any]], tuple[Section, ...]]


def _public(data_set: DataSet) -> Callable[[Wanted], Work]:
    def work(wanted: Wanted) -> Work:
        cases = data_set.cases(wanted.data_dir, is_quick=wanted.is_quick)
        return Work(
            [Task(judge, each) for each in judged_cases(cases, wanted.seed)],
            lambda results: (data_set.section(results, seed=wanted.seed),),
        )

    return work


def _simulated(wanted: Wanted) -> Work:
    return Work(
        [Task(staged_run, (staging,)) for staging in stagings(wanted.seed, is_quick=wanted.is_quick)],
        lambda results: (
            fault_section(results, seed=wanted.seed),
            false_alarm_section(results, seed=wanted.seed),
        ),
    )


SECTIONS: tuple[Callable[[Wanted], Work], ...] = (*map(_public, DATA_SETS), _simulated)
"""In the order of the report. Another section is another entry."""
