"""What can go wrong on the way of a proposal and its vote, as facts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from governance.tally import Reason


class GovernanceError(Exception):
    """Base of the errors of this folder; the message is one line that a person can act on."""


class UnknownProposal(GovernanceError):
    def __init__(self, proposal_id: int) -> None:
        super().__init__(f"no proposal {proposal_id}")
        self.proposal_id = proposal_id


class InvalidProposal(GovernanceError):
    """`reason` is a message key with places for `facts`."""

    def __init__(self, field: str, reason: str, facts: Mapping[str, object] | None = None) -> None:
        self.field = field
        self.reason = reason
        self.facts = dict(facts or {})
        super().__init__(f"{field}: {reason % self.facts if self.facts else reason}")


class StepNotPossible(GovernanceError):
    """A step that the present stage does not have; `allowed` names those it has, `dates` those that are set."""

    def __init__(
        self, subject: str, *, current: str, wanted: str, allowed: Iterable[str], dates: Mapping[str, Any]
    ) -> None:
        self.subject = subject
        self.current = current
        self.wanted = wanted
        self.allowed = tuple(allowed)
        self.dates = dict(dates)
        choices = ", ".join(self.allowed) or "none"
        super().__init__(f"{subject} is {current}: {wanted} is not possible; allowed: {choices}")


class SteppedMeanwhile(StepNotPossible):
    """Somebody else moved it on since the person who asks looked at it."""


class StepLacks(StepNotPossible):
    """The step exists, but what it needs is not there; `lacking` tells what, with the earliest date where one is."""

    def __init__(
        self,
        subject: str,
        *,
        current: str,
        wanted: str,
        allowed: Iterable[str],
        dates: Mapping[str, Any],
        reasons: Sequence[Reason],
    ) -> None:
        super().__init__(subject, current=current, wanted=wanted, allowed=allowed, dates=dates)
        self.reasons = tuple(reasons)
        told = "; ".join(reason.message % reason.facts for reason in reasons)
        self.args = (f"{wanted} of {subject} is not possible yet: {told}",)

    @property
    def lacking(self) -> list[dict[str, object]]:
        return [{"reason": each.message % each.facts, "facts": dict(each.facts)} for each in self.reasons]


class StepNotPermitted(GovernanceError):
    """The person's roles at the site do not permit the step; `roles` are those that do."""

    def __init__(self, subject: str, *, wanted: str, roles: Iterable[str]) -> None:
        self.subject = subject
        self.wanted = wanted
        self.roles = tuple(sorted(roles))
        super().__init__(f"{wanted} of {subject} is for {', '.join(self.roles) or 'nobody'}")


class SignedForAnother(GovernanceError):
    """Nobody acts for two parties in one proposal; this person acted for `party` already."""

    def __init__(self, subject: str, *, wanted: str, party: str) -> None:
        self.subject = subject
        self.wanted = wanted
        self.party = party
        super().__init__(f"{wanted} of {subject}: this person acted for the party {party} already, and for no other")
