"""What happens to proposals and to the fund, as lines of the activity log."""

from collections.abc import Mapping
from types import MappingProxyType

from api.translations import msgid

PROPOSAL_ACTIVITY: Mapping[str, str] = MappingProxyType(
    {
        "proposal.drafted": msgid("Proposal drafted"),
        "proposal.changed": msgid("Draft of a proposal changed"),
        "proposal.moved": msgid("Proposal moved on"),
        "proposal.signed": msgid("Proposal signed by a party"),
        "proposal.remarked": msgid("Remark on a proposal"),
        "proposal.contracted": msgid("Contract for a proposal entered"),
        "proposal.accounted": msgid("Settlement of a proposal entered"),
        "proposal.filed": msgid("Urgent use filed"),
        "fund.moved": msgid("Movement of the maintenance fund"),
    }
)
