"""What people decide on: how a version in shadow did beside the one in force, and how often detectors were wrong."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from alerts.alarm import Alarm, list_alarms
from alerts.conditions import ANOMALY, VERDICTS
from alerts.false_alarm import count_alarms_and_false, false_alarms, marks_of
from api.pages.alarm_stretches import held_times
from registry.model_trial import ModelTrial, ShadowVerdict, shadow_verdicts, trials_of
from registry.model_version import ModelVersion

DAY_MS = 86_400_000
LEAST_TRIAL_DAYS = 7.0
"""A week has every day of the week in it."""
ALARMS_CONSIDERED = 200
DETECTOR_CONDITIONS = VERDICTS
REPORT_DAYS = 90

Times = tuple[int, int]


class Advice(StrEnum):
    """What the figures of a trial speak for; a person decides."""

    NOTHING_JUDGED = "nothing_judged"
    TOO_EARLY = "too_early"
    MISSES = "misses"
    """An alarm of the one in force, not marked as false, would not have been raised."""
    LOUDER = "louder"
    AS_GOOD = "as_good"


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """Of the time in shadow: alarms and share of the time in alarm, would-be and of the version in force.

    `found_too`: of the alarms in force those that would also have been raised; `spared`: of those marked as false
    (`marked_false`) those that would not.
    """

    first_ms: int
    last_ms: int
    rows: int
    would_be: int
    would_be_share: float
    in_force: int
    in_force_share: float
    found_too: int
    marked_false: int
    spared: int
    advice: Advice

    @property
    def days(self) -> float:
        return (self.last_ms - self.first_ms) / DAY_MS


@dataclass(frozen=True, slots=True)
class FalseReport:
    """Alarms of one condition of the detectors in the last `REPORT_DAYS`; how many people found false, and why."""

    condition: str
    alarms: int
    false: int
    causes: Mapping[str, int]


def trial_figures(session: Session, versions: Collection[ModelVersion]) -> dict[int, TrialFigures]:
    """By version id, of those that ran in shadow."""
    ids = [version.id for version in versions]
    trials = trials_of(session, ids)
    verdicts: dict[int, list[ShadowVerdict]] = {}
    for verdict in shadow_verdicts(session, ids):
        verdicts.setdefault(verdict.version_id, []).append(verdict)
    return {
        version.id: _figures(session, version, trials[version.id], verdicts.get(version.id, []))
        for version in versions
        if version.id in trials
    }


def false_report(
    session: Session, *, unit_ids: Collection[int] | None, visible: Collection[str] | None, now_ms: int
) -> list[FalseReport]:
    """One row for each condition that the detectors raise."""
    since_ms, until_ms = now_ms - REPORT_DAYS * DAY_MS, now_ms + DAY_MS
    counts = count_alarms_and_false(session, since_ms=since_ms, until_ms=until_ms, unit_ids=unit_ids)
    marks = false_alarms(
        session,
        since_ms=since_ms,
        until_ms=until_ms,
        unit_ids=unit_ids,
        conditions=DETECTOR_CONDITIONS,
        visible=visible,
    )
    causes: dict[str, Counter[str]] = {condition: Counter() for condition in DETECTOR_CONDITIONS}
    for mark in marks:
        causes[mark.condition][mark.cause] += 1
    return [
        FalseReport(condition, *counts.get(condition, (0, 0)), causes=dict(causes[condition]))
        for condition in DETECTOR_CONDITIONS
    ]


def _figures(
    session: Session, version: ModelVersion, trial: ModelTrial, verdicts: Sequence[ShadowVerdict]
) -> TrialFigures:
    first_ms, last_ms = trial.first_ms, trial.last_ms
    would_be = [(each.since_ms, each.ended_ms if each.ended_ms is not None else last_ms) for each in verdicts]
    alarms: dict[int, list[Times]] = {}
    for alarm in list_alarms(session, unit_id=version.unit_id, limit=ALARMS_CONSIDERED):
        if alarm.condition == ANOMALY:
            times = [each for each in _times(session, alarm, last_ms) if each[1] >= first_ms and each[0] <= last_ms]
            if times:
                alarms[alarm.id] = times
    false_ids = set(marks_of(session, list(alarms)))
    in_force = [each for times in alarms.values() for each in times]
    false = [each for alarm_id in false_ids for each in alarms[alarm_id]]
    found_too = sum(_touches(each, would_be) for each in in_force)
    spared = sum(not _touches(each, would_be) for each in false)
    missed = len(in_force) - found_too - spared
    span_ms = max(last_ms - first_ms, 1)
    return TrialFigures(
        first_ms=first_ms,
        last_ms=last_ms,
        rows=trial.rows,
        would_be=len(would_be),
        would_be_share=_length(would_be, first_ms, last_ms) / span_ms,
        in_force=len(in_force),
        in_force_share=_length(in_force, first_ms, last_ms) / span_ms,
        found_too=found_too,
        marked_false=len(false),
        spared=spared,
        advice=_advice(trial, would_be=len(would_be), in_force=len(in_force), missed=missed),
    )


def _advice(trial: ModelTrial, *, would_be: int, in_force: int, missed: int) -> Advice:
    if not trial.rows:
        return Advice.NOTHING_JUDGED
    if trial.last_ms - trial.first_ms < LEAST_TRIAL_DAYS * DAY_MS:
        return Advice.TOO_EARLY
    if missed:
        return Advice.MISSES
    return Advice.LOUDER if would_be > in_force else Advice.AS_GOOD


def _times(session: Session, alarm: Alarm, open_end_ms: int) -> list[Times]:
    return held_times(session, alarm, open_end_ms=open_end_ms)


def _touches(one: Times, others: Sequence[Times]) -> bool:
    return any(one[0] <= end_ms and start_ms <= one[1] for start_ms, end_ms in others)


def _length(times: Sequence[Times], first_ms: int, last_ms: int) -> int:
    return sum(max(0, min(end_ms, last_ms) - max(start_ms, first_ms)) for start_ms, end_ms in times)
