"""Why a ballot is not taken and a result not given, as facts."""

from datetime import UTC, datetime
from enum import StrEnum

from governance.errors import GovernanceError


class Refusal(StrEnum):
    FORGED_LINK = "forged_link"
    STRANGER = "stranger"
    OTHERS_PART = "others_part"
    NOT_OPEN = "not_open"
    OVER = "over"
    VOTED_ALREADY = "voted_already"
    WRONG_IDENTITY = "wrong_identity"
    LOCKED = "locked"
    TOO_MANY_PROXIES = "too_many_proxies"
    SAME_PERSON = "same_person"
    NO_ENTRY = "no_entry"
    LATER_BALLOT = "later_ballot"


class BallotRefused(GovernanceError):
    """`vote_id` is None where nothing says which vote was meant."""

    def __init__(self, reason: Refusal, *, vote_id: int | None = None) -> None:
        super().__init__(f"the ballot is refused: {reason.value.replace('_', ' ')}")
        self.reason = reason
        self.vote_id = vote_id


class UnknownVote(GovernanceError):
    def __init__(self, proposal_id: int) -> None:
        super().__init__(f"proposal {proposal_id} has no vote yet")
        self.proposal_id = proposal_id


class EmptyRoll(GovernanceError):
    """There is nobody who could vote; `building` is empty for the whole site."""

    def __init__(self, site: str, building: str) -> None:
        super().__init__(f"the owners' roll of {building or site} is empty: import it before a vote opens")
        self.site = site
        self.building = building


class ResultNotYet(GovernanceError):
    """Before the end nobody learns how the vote stands, only how many took part; then papers are counted first.

    Areas are decimal strings, `closes_at` is the end in UTC; of `papers_waiting` the second entry is lacking.
    """

    def __init__(
        self,
        *,
        is_over: bool,
        closes_ms: int,
        roll: dict[str, object],
        participating: dict[str, object],
        papers_waiting: int,
    ) -> None:
        waits = f"{papers_waiting} paper ballots wait for their second entry" if is_over else "the vote is not over"
        super().__init__(f"there is no result yet: {waits}")
        self.is_over = is_over
        self.closes_ms = closes_ms
        self.closes_at = datetime.fromtimestamp(closes_ms / 1000, UTC).isoformat(timespec="milliseconds")
        self.roll = roll
        self.participating = participating
        self.papers_waiting = papers_waiting
