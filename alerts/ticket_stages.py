"""The stages of a ticket: who may make which move, what it needs, and whose turn it is, as tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from registry.role import Party, Role


class TicketKind(StrEnum):
    FAULT = "fault"
    HAZARD = "hazard"
    INSPECTION = "inspection"
    FLOOD = "flood"
    RESIDENT_REPORT = "resident_report"


class Stage(StrEnum):
    REPORTED = "reported"
    TRIAGED = "triaged"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    RESTORED = "restored"
    VERIFIED = "verified"
    CLOSED = "closed"
    CANCELLED = "cancelled"


FINAL_STAGES = frozenset({Stage.CLOSED, Stage.CANCELLED})


class Need(StrEnum):
    """What a move brings with it."""

    NOTE = "note"
    PHOTO = "photo"
    COSTS = "costs"
    HOLD_REASON = "hold_reason"
    OTHER_PARTY = "other_party"


PROOFS = frozenset({Need.PHOTO, Need.COSTS})
"""What whoever dispatches a ticket may demand of the repair."""


@dataclass(frozen=True, slots=True)
class Move:
    """Who may make a move (an administrator always may), what it needs, and what it is asked for beside.

    Of what it `asks` for, a proof is needed when the ticket demands it; a reason for holding that is not told is
    `other`.
    """

    roles: frozenset[Role]
    needs: frozenset[Need] = frozenset()
    asks: frozenset[Need] = frozenset()

    @property
    def needs_note(self) -> bool:
        return Need.NOTE in self.needs


_OFFICE = frozenset({Role.PROPERTY_MANAGER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
_DESK = frozenset({Role.PROPERTY_MANAGER})
_HANDS = frozenset({Role.PROPERTY_MANAGER, Role.TECHNICIAN})
_CHECK = frozenset({Role.PROPERTY_MANAGER, Role.COMMITTEE_MEMBER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
_WHY = frozenset({Need.NOTE})
_HOLD = frozenset({Need.HOLD_REASON})
_Stg = Stage

MOVES: Mapping[Stage, Mapping[Stage, Move]] = MappingProxyType(
    {
        _Stg.REPORTED: {
            _Stg.TRIAGED: Move(_OFFICE),
            _Stg.CANCELLED: Move(_OFFICE, _WHY),
        },
        _Stg.TRIAGED: {
            _Stg.DISPATCHED: Move(_DESK),
            _Stg.ON_HOLD: Move(_DESK, _WHY, _HOLD),
            _Stg.CANCELLED: Move(_OFFICE, _WHY),
        },
        _Stg.DISPATCHED: {
            _Stg.ACCEPTED: Move(_HANDS),
            # Handed back: nobody could take it.
            _Stg.TRIAGED: Move(_HANDS, _WHY),
            _Stg.CANCELLED: Move(_DESK, _WHY),
        },
        _Stg.ACCEPTED: {
            _Stg.ARRIVED: Move(_HANDS),
            _Stg.ON_HOLD: Move(_HANDS, _WHY, _HOLD),
            _Stg.TRIAGED: Move(_HANDS, _WHY),
        },
        _Stg.ARRIVED: {
            _Stg.IN_PROGRESS: Move(_HANDS),
            _Stg.ON_HOLD: Move(_HANDS, _WHY, _HOLD),
        },
        _Stg.IN_PROGRESS: {
            _Stg.RESTORED: Move(_HANDS, asks=PROOFS),
            _Stg.ON_HOLD: Move(_HANDS, _WHY, _HOLD),
        },
        _Stg.ON_HOLD: {
            _Stg.TRIAGED: Move(_DESK),
            _Stg.IN_PROGRESS: Move(_HANDS),
            _Stg.CANCELLED: Move(_OFFICE, _WHY),
        },
        _Stg.RESTORED: {
            _Stg.VERIFIED: Move(_CHECK, frozenset({Need.OTHER_PARTY})),
            # Found not to be right: back to work.
            _Stg.IN_PROGRESS: Move(_CHECK | _HANDS, _WHY),
        },
        _Stg.VERIFIED: {
            _Stg.CLOSED: Move(_CHECK),
            _Stg.IN_PROGRESS: Move(_CHECK, _WHY),
        },
        _Stg.CLOSED: {},
        _Stg.CANCELLED: {},
    }
)
"""Every stage with the stages that may follow."""


TURN: Mapping[Stage, frozenset[Party]] = MappingProxyType(
    {
        _Stg.REPORTED: frozenset({Party.PROPERTY, Party.COMMUNITY}),
        _Stg.TRIAGED: frozenset({Party.PROPERTY}),
        _Stg.DISPATCHED: frozenset({Party.PROPERTY}),
        _Stg.ACCEPTED: frozenset({Party.PROPERTY}),
        _Stg.ARRIVED: frozenset({Party.PROPERTY}),
        _Stg.IN_PROGRESS: frozenset({Party.PROPERTY}),
        _Stg.ON_HOLD: frozenset({Party.PROPERTY}),
        _Stg.RESTORED: frozenset({Party.COMMITTEE, Party.COMMUNITY}),
        _Stg.VERIFIED: frozenset({Party.PROPERTY, Party.COMMITTEE}),
        _Stg.CLOSED: frozenset(),
        _Stg.CANCELLED: frozenset(),
    }
)
"""Whose turn it is at each stage: the parties that are expected to make the next move."""
TURN_BLOCKED_BY_GOVERNANCE = frozenset({Party.COMMUNITY, Party.DISTRICT})
"""Whose turn it is while the compound itself can neither decide nor pay."""
