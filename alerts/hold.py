"""Why a ticket rests: reasons as data, so that what is blocked can be counted and unblocked by those who can."""

from enum import StrEnum


class HoldReason(StrEnum):
    """Those that begin with `governance` are unblocked by no repair: the compound cannot decide or pay."""

    PARTS = "parts"
    ACCESS = "access"
    CONTRACTOR = "contractor"
    WEATHER = "weather"
    GOVERNANCE_NO_COMMITTEE = "governance_no_committee"
    GOVERNANCE_SEAL_WITHHELD = "governance_seal_withheld"
    GOVERNANCE_ACCOUNTS = "governance_accounts"
    GOVERNANCE_VOTE = "governance_vote"
    GOVERNANCE_FUND = "governance_fund"
    OTHER = "other"

    @property
    def is_governance(self) -> bool:
        return self in BLOCKED_BY_GOVERNANCE


BLOCKED_BY_GOVERNANCE = frozenset(
    {
        HoldReason.GOVERNANCE_NO_COMMITTEE,
        HoldReason.GOVERNANCE_SEAL_WITHHELD,
        HoldReason.GOVERNANCE_ACCOUNTS,
        HoldReason.GOVERNANCE_VOTE,
        HoldReason.GOVERNANCE_FUND,
    }
)
