"""The stages of a proposal: the four steps of the ordinary procedure and those of urgent use, as one table of moves.

Ordinary: the committee proposes, the three parties table, the community reviews beforehand, the owners' assembly
resolves; nothing but an approved resolution opens execution. Urgent: the manager reports, the committee reviews the
plan, the street office confirms, and then it is applied for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from registry.role import Party, Role


class Procedure(StrEnum):
    ORDINARY = "ordinary"
    URGENT = "urgent"


class UrgentCause(StrEnum):
    """The closed list of causes for which the fund may be used without a vote (domain rule of Hangzhou)."""

    LIFT = "lift"
    FIRE = "fire"
    FACADE = "facade"
    ROOF = "roof"
    DRAINAGE = "drainage"


class ProposalStage(StrEnum):
    DRAFTED = "drafted"
    PROPOSED = "proposed"
    TABLED = "tabled"
    PRE_REVIEWED = "pre_reviewed"
    POSTED = "posted"
    VOTING = "voting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXECUTING = "executing"
    SETTLED = "settled"
    WITHDRAWN = "withdrawn"


FINAL_STAGES = frozenset({ProposalStage.REJECTED, ProposalStage.SETTLED, ProposalStage.WITHDRAWN})
AUTHORISED = frozenset({ProposalStage.APPROVED, ProposalStage.EXECUTING, ProposalStage.SETTLED})
"""Stages that nothing reaches but by a resolution of the owners or, when urgent, by the street office's word."""


class Need(StrEnum):
    """What must be there before a step is made."""

    NOTE = "note"
    TEXTS = "texts"
    SIGNATURES = "signatures"
    EVIDENCE = "evidence"
    DATES = "dates"
    NOTICE_DAYS = "notice_days"
    RESULT = "result"
    PUBLISHED_DECISION = "published_decision"
    URGENT_TICKET = "urgent_ticket"
    CONTRACT = "contract"
    ACCEPTANCE = "acceptance"
    SETTLEMENT = "settlement"
    AUDIT = "audit"
    WITHIN_BUDGET = "within_budget"
    PUBLISHED_COSTS = "published_costs"
    FILING = "filing"


@dataclass(frozen=True, slots=True)
class Move:
    """Who may make a step and what it needs. An administrator signs for no party and makes none of them.

    `is_return`: it goes back, and what was signed is to be signed anew. `is_found`: its outcome is found, not chosen,
    and the program may make it by itself.
    """

    roles: frozenset[Role]
    needs: frozenset[Need] = frozenset()
    is_return: bool = False
    is_found: bool = False


SIGNING_PARTIES: tuple[Party, ...] = (Party.COMMITTEE, Party.PROPERTY, Party.COMMUNITY)
"""The three parties of the tabling and of the acceptance, in the order in which they sign."""
ROLE_THAT_SIGNS: Mapping[Party, Role] = MappingProxyType(
    {
        Party.COMMITTEE: Role.COMMITTEE_MEMBER,
        Party.PROPERTY: Role.PROPERTY_MANAGER,
        Party.COMMUNITY: Role.COMMUNITY_OFFICER,
    }
)

_COMMITTEE = frozenset({Role.COMMITTEE_MEMBER})
_PROPERTY = frozenset({Role.PROPERTY_MANAGER})
_COMMUNITY = frozenset({Role.COMMUNITY_OFFICER})
_STREET = frozenset({Role.DISTRICT_OFFICER})
_THREE = _COMMITTEE | _PROPERTY | _COMMUNITY
_WHY = frozenset({Need.NOTE})
_SETTLING = frozenset(
    {Need.CONTRACT, Need.ACCEPTANCE, Need.SETTLEMENT, Need.AUDIT, Need.WITHIN_BUDGET, Need.PUBLISHED_COSTS}
)
_S = ProposalStage
_Moves = Mapping[ProposalStage, Mapping[ProposalStage, Move]]

_ORDINARY: _Moves = {
    _S.DRAFTED: {
        _S.PROPOSED: Move(_COMMITTEE, frozenset({Need.TEXTS})),
        _S.WITHDRAWN: Move(_THREE, _WHY),
    },
    _S.PROPOSED: {
        _S.TABLED: Move(_THREE, frozenset({Need.SIGNATURES})),
        _S.DRAFTED: Move(_THREE, _WHY, is_return=True),
        _S.WITHDRAWN: Move(_COMMITTEE, _WHY),
    },
    _S.TABLED: {
        # The note is the community's opinion.
        _S.PRE_REVIEWED: Move(_COMMUNITY, _WHY),
        _S.DRAFTED: Move(_COMMUNITY, _WHY, is_return=True),
        _S.WITHDRAWN: Move(_COMMITTEE, _WHY),
    },
    _S.PRE_REVIEWED: {
        _S.POSTED: Move(_COMMITTEE | _COMMUNITY, frozenset({Need.DATES, Need.EVIDENCE})),
        _S.DRAFTED: Move(_COMMITTEE | _COMMUNITY, _WHY, is_return=True),
        _S.WITHDRAWN: Move(_COMMITTEE, _WHY),
    },
    _S.POSTED: {
        _S.VOTING: Move(_COMMITTEE | _COMMUNITY, frozenset({Need.NOTICE_DAYS}), is_found=True),
        _S.DRAFTED: Move(_COMMITTEE | _COMMUNITY, _WHY, is_return=True),
        _S.WITHDRAWN: Move(_COMMITTEE, _WHY),
    },
    # A vote that runs is neither withdrawn nor sent back: whoever loses could end it otherwise.
    _S.VOTING: {
        _S.APPROVED: Move(_COMMITTEE | _COMMUNITY | _STREET, frozenset({Need.RESULT}), is_found=True),
        _S.REJECTED: Move(_COMMITTEE | _COMMUNITY | _STREET, frozenset({Need.RESULT}), is_found=True),
    },
    _S.APPROVED: {_S.EXECUTING: Move(_COMMITTEE, frozenset({Need.PUBLISHED_DECISION}))},
    _S.REJECTED: {},
    _S.EXECUTING: {_S.SETTLED: Move(_COMMITTEE | _COMMUNITY, _SETTLING)},
    _S.SETTLED: {},
    _S.WITHDRAWN: {},
}

_URGENT: _Moves = {
    _S.DRAFTED: {
        _S.PROPOSED: Move(_PROPERTY, frozenset({Need.TEXTS, Need.URGENT_TICKET})),
        _S.WITHDRAWN: Move(_PROPERTY, _WHY),
    },
    _S.PROPOSED: {
        # The note is the committee's review of the plan.
        _S.TABLED: Move(_COMMITTEE, _WHY),
        _S.DRAFTED: Move(_COMMITTEE, _WHY, is_return=True),
        _S.WITHDRAWN: Move(_PROPERTY, _WHY),
    },
    _S.TABLED: {
        # The note is the street office's confirmation.
        _S.PRE_REVIEWED: Move(_STREET, _WHY | {Need.URGENT_TICKET}),
        _S.DRAFTED: Move(_STREET, _WHY, is_return=True),
        _S.WITHDRAWN: Move(_PROPERTY, _WHY),
    },
    _S.PRE_REVIEWED: {
        # The note is the number of the application at the fund's office.
        _S.EXECUTING: Move(_PROPERTY | _COMMITTEE, _WHY | {Need.EVIDENCE}),
        _S.DRAFTED: Move(_COMMITTEE | _STREET, _WHY, is_return=True),
        _S.WITHDRAWN: Move(_PROPERTY, _WHY),
    },
    # No topic is posted, nobody votes: these stages do not exist on this way.
    _S.POSTED: {},
    _S.VOTING: {},
    _S.APPROVED: {},
    _S.REJECTED: {},
    _S.EXECUTING: {_S.SETTLED: Move(_COMMITTEE | _COMMUNITY, _SETTLING | {Need.FILING})},
    _S.SETTLED: {},
    _S.WITHDRAWN: {},
}

MOVES: Mapping[Procedure, _Moves] = MappingProxyType(
    {Procedure.ORDINARY: MappingProxyType(_ORDINARY), Procedure.URGENT: MappingProxyType(_URGENT)}
)
"""Every procedure with every stage and the stages that may follow."""
