"""How soon what must have happened to a ticket, why, and who is told when it has not: tables, and the plan they give.

`is_law` marks what stands in a rule that applies [S]; all else is a professional default [P] that a compound may set
otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from alerts.severity import Severity
from alerts.ticket_stages import Stage
from registry.calendar import Hours
from registry.role import Party, Role

SECOND_MS, MINUTE_MS, HOUR_MS = 1000, 60_000, 3_600_000
MINUTE_S, HOUR_S = 60, 3600
WORKING_DAY_S = 9 * HOUR_S
"""Of the default working hours."""


class Goal(StrEnum):
    """What a deadline is for."""

    RESPONSE = "response"
    """Somebody has taken it up."""
    ON_THE_WAY = "on_the_way"
    ARRIVAL = "arrival"
    RESTORATION = "restoration"
    VERIFICATION = "verification"


class Matter(StrEnum):
    """What decides how soon: an entrapment and a fire by themselves, all else by its severity."""

    ENTRAPMENT = "entrapment"
    FIRE = "fire"
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    ADVISORY = "advisory"


_RANK = {
    Stage.REPORTED: 0,
    Stage.TRIAGED: 1,
    Stage.DISPATCHED: 2,
    Stage.ACCEPTED: 3,
    Stage.ARRIVED: 4,
    Stage.IN_PROGRESS: 5,
    Stage.ON_HOLD: 1,
    Stage.RESTORED: 6,
    Stage.VERIFIED: 7,
    Stage.CLOSED: 8,
    Stage.CANCELLED: 8,
}
_GOAL_RANK = {
    Goal.RESPONSE: 1,
    Goal.ON_THE_WAY: 3,
    Goal.ARRIVAL: 4,
    Goal.RESTORATION: 6,
    Goal.VERIFICATION: 7,
}


def has_reached(stage: Stage, goal: Goal) -> bool:
    return _RANK[stage] >= _GOAL_RANK[goal]


@dataclass(frozen=True, slots=True)
class Deadline:
    """`rungs` of the ladder are told when it is missed, `step_s` apart. Working time counts where it says so."""

    goal: Goal
    within_s: int
    basis: str
    is_law: bool = False
    is_working_time: bool = False
    rungs: tuple[int, ...] = (0, 1, 2, 3, 4)
    step_s: int = 30 * MINUTE_S


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder. `is_everywhere`: only those who hold the role for all compounds, not for this one alone."""

    party: Party
    roles: frozenset[Role]
    is_everywhere: bool | None = None


LADDER: tuple[Rung, ...] = (
    Rung(Party.PROPERTY, frozenset({Role.PROPERTY_MANAGER, Role.TECHNICIAN})),
    Rung(Party.COMMITTEE, frozenset({Role.COMMITTEE_MEMBER})),
    Rung(Party.COMMUNITY, frozenset({Role.COMMUNITY_OFFICER})),
    # The street's three-party office looks after some compounds, that of the district after all.
    Rung(Party.DISTRICT, frozenset({Role.DISTRICT_OFFICER}), is_everywhere=False),
    Rung(Party.DISTRICT, frozenset({Role.DISTRICT_OFFICER}), is_everywhere=True),
)

REMIND_EVERY_S: Mapping[Matter, int] = MappingProxyType(
    {
        Matter.ENTRAPMENT: 2 * MINUTE_S,
        Matter.FIRE: 2 * MINUTE_S,
        Matter.CRITICAL: 5 * MINUTE_S,
        Matter.MAJOR: 20 * MINUTE_S,
        Matter.MINOR: 4 * HOUR_S,
        Matter.ADVISORY: WORKING_DAY_S,
    }
)
MOST_REMINDERS = 12

DEFAULT_BASIS = "Default of liandong, not law"
RESCUE_BASIS = "Hangzhou lift regulation: rescue arrives within 30 min in built-up areas, 1 h elsewhere"
ACCIDENT_BASIS = "An entrapment of 2 h or more is a statutory accident"
VERIFY = Deadline(Goal.VERIFICATION, 3 * WORKING_DAY_S, DEFAULT_BASIS, is_working_time=True, step_s=24 * HOUR_S)

DEADLINES: Mapping[Matter, tuple[Deadline, ...]] = MappingProxyType(
    {
        Matter.ENTRAPMENT: (
            Deadline(Goal.RESPONSE, 2 * MINUTE_S, DEFAULT_BASIS, step_s=3 * MINUTE_S),
            Deadline(Goal.ON_THE_WAY, 5 * MINUTE_S, DEFAULT_BASIS, step_s=5 * MINUTE_S),
            Deadline(Goal.ARRIVAL, 30 * MINUTE_S, RESCUE_BASIS, is_law=True, step_s=0),
            Deadline(Goal.RESTORATION, 2 * HOUR_S, ACCIDENT_BASIS, is_law=True, step_s=0),
            VERIFY,
        ),
        Matter.FIRE: (
            Deadline(Goal.RESPONSE, 2 * MINUTE_S, DEFAULT_BASIS, step_s=2 * MINUTE_S),
            Deadline(Goal.ON_THE_WAY, 3 * MINUTE_S, DEFAULT_BASIS, step_s=2 * MINUTE_S),
            Deadline(Goal.ARRIVAL, 5 * MINUTE_S, DEFAULT_BASIS, step_s=2 * MINUTE_S),
            VERIFY,
        ),
        Matter.CRITICAL: (
            Deadline(Goal.RESPONSE, 10 * MINUTE_S, DEFAULT_BASIS, step_s=10 * MINUTE_S),
            Deadline(Goal.ARRIVAL, HOUR_S, DEFAULT_BASIS),
            Deadline(Goal.RESTORATION, 24 * HOUR_S, DEFAULT_BASIS, step_s=12 * HOUR_S),
            VERIFY,
        ),
        Matter.MAJOR: (
            Deadline(Goal.RESPONSE, 30 * MINUTE_S, DEFAULT_BASIS),
            Deadline(Goal.ARRIVAL, 4 * HOUR_S, DEFAULT_BASIS, step_s=2 * HOUR_S),
            Deadline(Goal.RESTORATION, 72 * HOUR_S, DEFAULT_BASIS, step_s=24 * HOUR_S),
            VERIFY,
        ),
        Matter.MINOR: (
            Deadline(
                Goal.RESPONSE,
                WORKING_DAY_S,
                DEFAULT_BASIS,
                is_working_time=True,
                rungs=(0, 1, 2),
                step_s=24 * HOUR_S,
            ),
            Deadline(
                Goal.RESTORATION,
                10 * WORKING_DAY_S,
                DEFAULT_BASIS,
                is_working_time=True,
                rungs=(0, 1, 2),
                step_s=72 * HOUR_S,
            ),
            VERIFY,
        ),
        Matter.ADVISORY: (
            Deadline(
                Goal.RESPONSE,
                3 * WORKING_DAY_S,
                DEFAULT_BASIS,
                is_working_time=True,
                rungs=(0, 1),
                step_s=72 * HOUR_S,
            ),
        ),
    }
)
"""Every matter with its deadlines."""

LONGEST_BY_LAW_S: Mapping[tuple[Matter, Goal], int] = MappingProxyType(
    {(Matter.ENTRAPMENT, Goal.ARRIVAL): HOUR_S, (Matter.ENTRAPMENT, Goal.RESTORATION): 2 * HOUR_S}
)
"""A compound may set these shorter, and up to this."""


def matter_of(case: str, severity: Severity) -> Matter:
    if case == "entrapment":
        return Matter.ENTRAPMENT
    if case == "fire":
        return Matter.FIRE
    return Matter(severity.value)


class ActionKind(StrEnum):
    CALL = "call"
    """Whose turn it is is told at once."""
    REMIND = "remind"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class PlannedAction:
    kind: ActionKind
    goal: Goal
    rung: int
    number: int
    due_ms: int


def due_of(deadline: Deadline, *, start_ms: int, hours: Hours) -> int:
    span_ms = deadline.within_s * SECOND_MS
    return hours.add_working_ms(start_ms, span_ms) if deadline.is_working_time else start_ms + span_ms


def plan_goal(deadline: Deadline, *, start_ms: int, hours: Hours) -> list[PlannedAction]:
    """What is done when a goal is missed: the rungs of the ladder in turn. In order of time."""
    due_ms = due_of(deadline, start_ms=start_ms, hours=hours)
    return [
        PlannedAction(ActionKind.ESCALATE, deadline.goal, rung, number, due_ms + number * deadline.step_s * SECOND_MS)
        for number, rung in enumerate(deadline.rungs)
    ]


def next_reminder(matter: Matter, *, number: int, after_ms: int, hours: Hours) -> PlannedAction | None:
    """The reminder of that number, counted from 1; None when there were enough and the ladder must do."""
    if number > MOST_REMINDERS:
        return None
    every_ms = REMIND_EVERY_S[matter] * SECOND_MS
    is_patient = matter in (Matter.MINOR, Matter.ADVISORY)
    due_ms = hours.add_working_ms(after_ms, every_ms) if is_patient else after_ms + every_ms
    return PlannedAction(ActionKind.REMIND, Goal.RESPONSE, 0, number, due_ms)
