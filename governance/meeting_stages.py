"""The stages of a joint meeting, what its agenda is made of, and what becomes of an item, as tables."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from governance.work_stages import CONVENERS
from registry.role import Party, Role


class MeetingKind(StrEnum):
    MONTHLY = "monthly"
    EXTRAORDINARY = "extraordinary"


class MeetingStage(StrEnum):
    PLANNED = "planned"
    """The agenda is being prepared."""
    OPEN = "open"
    """In session: the agenda is frozen."""
    MINUTED = "minuted"
    """Over; the draft of the minutes waits for each party's confirmation."""
    CONFIRMED = "confirmed"
    """The minutes are frozen."""
    WITHOUT_QUORUM = "without_quorum"
    """Over, and nothing could be decided: its items carry over."""
    CANCELLED = "cancelled"


FINAL_MEETING_STAGES = frozenset({MeetingStage.CONFIRMED, MeetingStage.WITHOUT_QUORUM, MeetingStage.CANCELLED})
_S = MeetingStage

MEETING_MOVES: Mapping[MeetingStage, Mapping[MeetingStage, frozenset[Role]]] = MappingProxyType(
    {
        _S.PLANNED: {
            _S.OPEN: CONVENERS,
            _S.CANCELLED: frozenset({Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER}),
        },
        _S.OPEN: {_S.MINUTED: CONVENERS, _S.WITHOUT_QUORUM: CONVENERS},
        # Nobody moves it there: the last party's confirmation does.
        _S.MINUTED: {_S.CONFIRMED: frozenset()},
        _S.CONFIRMED: {},
        _S.WITHOUT_QUORUM: {},
        _S.CANCELLED: {},
    }
)
"""Every stage with those that may follow, and who may make the move (an administrator as well)."""


class AgendaKind(StrEnum):
    """What an item is about; the order is that of the prepared agenda: hard cases first."""

    CARRIED_OVER = "carried_over"
    BLOCKED = "blocked"
    ON_HOLD_LONG = "on_hold_long"
    ESCALATED = "escalated"
    OVERDUE = "overdue"
    ACTION_TEAM = "action_team"
    TASK_NOT_DONE = "task_not_done"
    OWNERS_MATTER = "owners_matter"
    REPEATED_FAULTS = "repeated_faults"
    FAULT_PRONE = "fault_prone"
    PATROL_FINDINGS = "patrol_findings"
    OPEN_TICKETS = "open_tickets"
    ALARM_KPIS = "alarm_kpis"
    BY_HAND = "by_hand"


class ItemOutcome(StrEnum):
    PENDING = "pending"
    DECIDED = "decided"
    NOTED = "noted"
    """Talked about; there was nothing to decide."""
    CARRIED = "carried"
    """Goes over to the next meeting."""


MEETING_PARTIES: tuple[Party, ...] = (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY)
"""The three parties. Who else comes (owners, the three-party office) is named, and counts for no quorum."""
ATTENDING_PARTIES: tuple[Party, ...] = (*MEETING_PARTIES, Party.DISTRICT, Party.OWNERS)
