"""The states of a call-out and of its stages, and who may make which move, as tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from registry.role import Role


class CallOutState(StrEnum):
    PROPOSED = "proposed"
    """An alarm gives reason to; nobody has been called."""
    CALLED = "called"
    STOOD_DOWN = "stood_down"
    CLOSED = "closed"
    """With its report."""
    REJECTED = "rejected"
    LAPSED = "lapsed"
    """Nobody decided on the proposal in time."""


class StageState(StrEnum):
    WAITING = "waiting"
    NOT_NEEDED = "not_needed"
    """So far: enough people are coming."""
    CALLED = "called"
    CANCELLED = "cancelled"


class Audience(StrEnum):
    ON_DUTY = "on_duty"
    NEIGHBOURS = "neighbours"
    VOLUNTEERS = "volunteers"


class Answer(StrEnum):
    COMING = "coming"
    CANNOT = "cannot"


ARRIVES_IN_MIN = (5, 15, 30)
"""What one tap can say."""
CALLERS = frozenset({Role.PROPERTY_MANAGER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
"""Who may call people out, and send them home; an administrator always may."""


@dataclass(frozen=True, slots=True)
class CallOutMove:
    """Who may make a move, whether it needs a note, and whether the program may make it by itself."""

    roles: frozenset[Role]
    needs_note: bool = False
    is_automatic: bool = False


_S, _T = CallOutState, StageState
MOVES: Mapping[CallOutState, Mapping[CallOutState, CallOutMove]] = MappingProxyType(
    {
        _S.PROPOSED: {
            _S.CALLED: CallOutMove(CALLERS, is_automatic=True),
            _S.REJECTED: CallOutMove(CALLERS, needs_note=True),
            _S.LAPSED: CallOutMove(frozenset(), is_automatic=True),
        },
        _S.CALLED: {_S.STOOD_DOWN: CallOutMove(CALLERS)},
        # What was achieved is the report's first line: it is told by a person.
        _S.STOOD_DOWN: {_S.CLOSED: CallOutMove(CALLERS, needs_note=True)},
        _S.CLOSED: {},
        _S.REJECTED: {},
        _S.LAPSED: {},
    }
)
"""Every state with the states that may follow."""
OPEN_STATES = frozenset({_S.PROPOSED, _S.CALLED})
"""A compound has one of these at most."""
STAGE_MOVES: Mapping[StageState, frozenset[StageState]] = MappingProxyType(
    {
        _T.WAITING: frozenset({_T.CALLED, _T.NOT_NEEDED, _T.CANCELLED}),
        _T.NOT_NEEDED: frozenset({_T.WAITING, _T.CALLED, _T.CANCELLED}),
        _T.CALLED: frozenset(),
        _T.CANCELLED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class StageRule:
    """Whom a stage calls. The next one is called when after `wait_min` fewer than `wanted` of all asked are coming."""

    audience: Audience
    wanted: int
    wait_min: int


DEFAULT_STAGES = (
    StageRule(Audience.ON_DUTY, wanted=6, wait_min=5),
    StageRule(Audience.NEIGHBOURS, wanted=15, wait_min=10),
    StageRule(Audience.VOLUNTEERS, wanted=40, wait_min=15),
)
"""Numbers and minutes are defaults of ours, for each compound to change; no law asks for them."""
