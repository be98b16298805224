"""What a section needs done, in pieces that run side by side, and how the results become the section."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.evaluation.cuts import CUTS, cut_data, cut_section, judge_cut
from api.evaluation.known_rates import COMPOUNDS, MONTHS, judge_compounds, judge_overhauls, known_rate_section
from api.evaluation.lift_counts import FOLDER, judge_counts, lift_count_section, lift_months
from api.evaluation.patrol_risk import (
    RATES_DRIFT,
    RISK,
    SIGNS_DO_NOT,
    SIGNS_MATTER,
    judge_compounds_at_risk,
    judge_lifts_at_risk,
    patrol_risk_section,
)
from api.evaluation.public_data import DATA_SETS, DataSet, judge, judged_cases
from api.evaluation.report import Section
from api.evaluation.simulated import false_alarm_section, fault_section, stagings
from api.evaluation.staging import staged_run
from models.equipment import Kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """`data_dir` None: there is no data, and only what is simulated can be told. `only`: parts, none means all."""

    data_dir: Path | None
    seed: int
    is_quick: bool
    only: frozenset[str] = frozenset()

    def has(self, part: str) -> bool:
        return not self.only or part in self.only


RATES = "rates"
RISK_COMPOUNDS = 200
PARTS = (*(data_set.key for data_set in DATA_SETS), CUTS, FOLDER, *(kind.value for kind in Kind), RATES, RISK)
"""What can be asked for by itself; of what is simulated each kind."""


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


NOTHING = Work((), lambda _: ())
"""Of a part that was not asked for."""


def _public(data_set: DataSet) -> Callable[[Wanted], Work]:
    def work(wanted: Wanted) -> Work:
        if not wanted.has(data_set.key):
            return NOTHING
        cases = data_set.cases(wanted.data_dir, is_quick=wanted.is_quick)
        return Work(
            [Task(judge, each) for each in judged_cases(cases, wanted.seed)],
            lambda results: (data_set.section(results, seed=wanted.seed),),
        )

    return work


def _cuts(wanted: Wanted) -> Work:
    if not wanted.has(CUTS):
        return NOTHING
    found = cut_data(wanted.data_dir, wanted.seed, is_quick=wanted.is_quick)
    return Work([Task(judge_cut, (each,)) for each in found], lambda results: (cut_section(results),))


def _simulated(wanted: Wanted) -> Work:
    chosen = [each for each in stagings(wanted.seed, is_quick=wanted.is_quick) if wanted.has(each.kind.value)]
    if not chosen:
        return NOTHING
    return Work(
        [Task(staged_run, (staging,)) for staging in chosen],
        lambda results: (
            fault_section(results, seed=wanted.seed),
            false_alarm_section(results, seed=wanted.seed),
        ),
    )


def _lift_counts(wanted: Wanted) -> Work:
    if not wanted.has(FOLDER):
        return NOTHING
    told = lift_months(wanted.data_dir, is_quick=wanted.is_quick)
    return Work(
        [Task(judge_counts, (counts, wanted.seed)) for counts in told],
        lambda results: (lift_count_section(results),),
    )


def _known_rates(wanted: Wanted) -> Work:
    if not wanted.has(RATES):
        return NOTHING
    months, compounds = (MONTHS[:1], 1) if wanted.is_quick else (MONTHS, COMPOUNDS)
    watched = [Task(judge_compounds, (wanted.seed, each, compounds)) for each in months]
    return Work(
        [*watched, Task(judge_overhauls, (wanted.seed, 10 * compounds))],
        lambda results: (known_rate_section(results[:-1], results[-1], seed=wanted.seed),),
    )


def _patrol_risk(wanted: Wanted) -> Work:
    if not wanted.has(RISK):
        return NOTHING
    compounds = 2 if wanted.is_quick else RISK_COMPOUNDS
    tasks = [
        Task(judge_compounds_at_risk, (wanted.seed, compounds, what))
        for what in (SIGNS_MATTER, SIGNS_DO_NOT, RATES_DRIFT)
    ]
    tasks += [Task(judge_lifts_at_risk, (counts,)) for counts in lift_months(wanted.data_dir, is_quick=wanted.is_quick)]
    return Work(tasks, lambda results: (patrol_risk_section(results),))


SECTIONS: tuple[Callable[[Wanted], Work], ...] = (
    *map(_public, DATA_SETS),
    _cuts,
    _lift_counts,
    _simulated,
    _known_rates,
    _patrol_risk,
)
"""In the order of the report. Another section is another entry."""
