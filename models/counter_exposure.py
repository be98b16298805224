"""Exposure by use: how far a counter (trips, running hours) went on, whatever resets it had.

A counter only rises; where it falls it was reset, or another controller counts from elsewhere. What was counted
unseen around a reset is not made up: the sum is a lower bound, and never negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MS_PER_H = 3_600_000
TOLERANCE = 1.02
"""Clocks of senders are not exact."""
MOST_PER_H = {"trips_total": 720.0, "run_hours_total": 1.0}
"""[P] A trip takes five seconds at least, and in an hour nothing runs for longer than an hour."""


class Extremes(NamedTuple):
    """Least and greatest value of a counter in the step that begins at `t_ms`, as the stores condense it."""

    t_ms: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Use:
    """What a counter counted from its first to its last step; `resets_ms` are the steps in which it fell.

    `jumps_ms` are steps to which it rose faster than the machine can: those rises are not counted.
    """

    counted: float
    first_ms: int
    last_ms: int
    resets_ms: tuple[int, ...] = field(default=())
    jumps_ms: tuple[int, ...] = field(default=())


def use_of(steps: Sequence[Extremes], *, step_ms: int, most_per_h: float) -> Use | None:
    """Of steps in order of time; None without any.

    >>> day = 86_400_000
    >>> rising = [Extremes(0, 100.0, 140.0), Extremes(day, 141.0, 200.0)]
    >>> use_of(rising, step_ms=day, most_per_h=720).counted
    100.0
    >>> use_of([*rising, Extremes(2 * day, 3.0, 30.0)], step_ms=day, most_per_h=720)
    Use(counted=127.0, first_ms=0, last_ms=259200000, resets_ms=(172800000,), jumps_ms=())
    """
    if not steps:
        return None
    first = steps[0]
    # Of the first step nobody knows whether its peak came before a reset; the next one tells.
    is_rising = len(steps) > 1 and steps[1].low >= first.high
    counted = first.high - first.low if is_rising else 0.0
    resets, jumps = [], []
    before, is_told = first, False
    for step in steps[1:]:
        possible = most_per_h * TOLERANCE * (step.t_ms + step_ms - before.t_ms) / MS_PER_H
        # The peak of a step is taken for where it ended: after a reset within it that is too high, never too low.
        has_fallen = step.low < before.high
        if has_fallen and not is_told:
            resets.append(step.t_ms)
        is_within = has_fallen and step.high >= before.high
        rise = step.high - (step.low if has_fallen and not is_within else before.high)
        if rise > possible:
            jumps.append(step.t_ms)
        else:
            counted += rise
        before, is_told = step, is_within
    return Use(counted, steps[0].t_ms, steps[-1].t_ms + step_ms, tuple(resets), tuple(jumps))
