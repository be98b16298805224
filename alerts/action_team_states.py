"""The states of a project action team, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from registry.role import Party, Role


class TeamState(StrEnum):
    FORMED = "formed"
    WORKING = "working"
    REPORTED = "reported"
    """The closing report is there and waits to be accepted."""
    CLOSED = "closed"
    DISSOLVED = "dissolved"
    """Ended without having reached its goal; the note says why."""


TEAM_PARTIES: tuple[Party, ...] = (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY)
"""Each sends one named delegate."""
FINAL_TEAM_STATES = frozenset({TeamState.CLOSED, TeamState.DISSOLVED})


@dataclass(frozen=True, slots=True)
class TeamMove:
    """Who may make a move (an administrator and, where `delegates_may`, the team itself), and what it needs."""

    roles: frozenset[Role]
    needs_note: bool = False
    needs_delegates: bool = False
    """All three seats are filled by people who still hold a role of their party."""
    needs_other_party: bool = False
    """Whoever reported does not accept the report."""
    delegates_may: bool = False


_CALLERS = frozenset({Role.PROPERTY_MANAGER, Role.COMMITTEE_MEMBER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
_ABOVE = frozenset({Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
_S = TeamState

TEAM_MOVES: Mapping[TeamState, Mapping[TeamState, TeamMove]] = MappingProxyType(
    {
        _S.FORMED: {
            _S.WORKING: TeamMove(_CALLERS, needs_delegates=True),
            _S.DISSOLVED: TeamMove(_ABOVE, needs_note=True),
        },
        _S.WORKING: {
            _S.REPORTED: TeamMove(frozenset(), needs_note=True, needs_delegates=True, delegates_may=True),
            _S.DISSOLVED: TeamMove(_ABOVE, needs_note=True),
        },
        _S.REPORTED: {
            _S.CLOSED: TeamMove(_CALLERS, needs_other_party=True),
            _S.WORKING: TeamMove(_CALLERS, needs_note=True),
        },
        _S.CLOSED: {},
        _S.DISSOLVED: {},
    }
)
"""Every state with those that may follow."""
