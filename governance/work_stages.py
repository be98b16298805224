"""The work lists and the states of a task, as tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from registry.role import Role


class WorkList(StrEnum):
    """What a task is kept under: 协同, 破难, 责任/任务, 党建."""

    COORDINATION = "coordination"
    HARD_PROBLEMS = "hard_problems"
    DUTIES = "duties"
    PARTY_BUILDING = "party_building"


class TaskSource(StrEnum):
    MEETING = "meeting"
    TICKET = "ticket"
    HAND = "hand"


SOURCES: Mapping[WorkList, frozenset[TaskSource]] = MappingProxyType(
    {
        WorkList.COORDINATION: frozenset(TaskSource),
        WorkList.HARD_PROBLEMS: frozenset(TaskSource),
        WorkList.DUTIES: frozenset(TaskSource),
        # A plain list that people write: nothing is ever put on it, or counted of it, by the program.
        WorkList.PARTY_BUILDING: frozenset({TaskSource.HAND}),
    }
)
"""Where the tasks of a list may come from."""


class TaskState(StrEnum):
    OPEN = "open"
    UNDER_WAY = "under_way"
    DONE = "done"
    DROPPED = "dropped"


FINAL_TASK_STATES = frozenset({TaskState.DONE, TaskState.DROPPED})
CONVENERS = frozenset({Role.PROPERTY_MANAGER, Role.COMMITTEE_MEMBER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
"""Those who call meetings, write minutes and keep the lists."""
WORKERS = CONVENERS | {Role.TECHNICIAN, Role.VOLUNTEER}
"""Those to whom a task may be given."""


@dataclass(frozen=True, slots=True)
class TaskMove:
    """Who may make a move (the task's owner always may what `owner_may`), and whether it needs a word on why."""

    roles: frozenset[Role]
    needs_note: bool = False
    owner_may: bool = True


_S = TaskState

TASK_MOVES: Mapping[TaskState, Mapping[TaskState, TaskMove]] = MappingProxyType(
    {
        _S.OPEN: {
            _S.UNDER_WAY: TaskMove(CONVENERS),
            _S.DONE: TaskMove(CONVENERS, needs_note=True),
            _S.DROPPED: TaskMove(CONVENERS, needs_note=True, owner_may=False),
        },
        _S.UNDER_WAY: {
            _S.DONE: TaskMove(CONVENERS, needs_note=True),
            _S.OPEN: TaskMove(CONVENERS, needs_note=True),
            _S.DROPPED: TaskMove(CONVENERS, needs_note=True, owner_may=False),
        },
        _S.DONE: {_S.OPEN: TaskMove(CONVENERS, needs_note=True, owner_may=False)},
        _S.DROPPED: {_S.OPEN: TaskMove(CONVENERS, needs_note=True, owner_may=False)},
    }
)
"""Every state with those that may follow."""
