"""Stretches of rows, as labels and alarms have them, and what becomes of each."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.reading import Bools, Floats


class Span(NamedTuple):
    """Rows from `first` up to, but not with, `end`."""

    first: int
    end: int


def spans_of(labels: Bools) -> list[Span]:
    """The unbroken stretches of true rows.

    >>> spans_of(np.array([False, True, True, False, True]))
    [Span(first=1, end=3), Span(first=4, end=5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], labels, [False]]).astype(np.int8)))
    return [Span(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


@dataclass(frozen=True, slots=True)
class JudgedSeries:
    """One series as one method judged it. Shapes (n,); a score that is NaN was not given. `vus_pr` None: no event."""

    labels: Bools
    in_alarm: Bools
    step_s: float
    vus_pr: float | None = None


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """Entries an event, and an alarm: `delay_s` is NaN where the event was missed."""

    is_found: Bools
    delay_s: Floats
    is_true_alarm: Bools


def event_outcome(judged: JudgedSeries) -> EventOutcome:
    """An event is found if any of its rows is in alarm; an alarm is true if any of its rows lies in an event.

    The delay runs from the first row of the event to its first row in alarm. An alarm that never ends touches an event
    and so counts as true: the share of normal time in alarm tells it.
    """
    delays = []
    for event in spans_of(judged.labels):
        rows = np.flatnonzero(judged.in_alarm[event.first : event.end])
        delays.append(rows[0] * judged.step_s if len(rows) else np.nan)
    alarms = spans_of(judged.in_alarm)
    delay_s = np.array(delays, dtype=np.float64)
    is_true = np.array([bool(judged.labels[alarm.first : alarm.end].any()) for alarm in alarms], dtype=bool)
    return EventOutcome(~np.isnan(delay_s), delay_s, is_true)
