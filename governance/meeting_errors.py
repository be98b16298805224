"""What can go wrong in a joint meeting, as facts."""

from collections.abc import Iterable

from governance.errors import GovernanceError


class UnknownMeeting(GovernanceError):
    def __init__(self, meeting_id: int) -> None:
        super().__init__(f"no meeting {meeting_id}")
        self.meeting_id = meeting_id


class UnknownReception(GovernanceError):
    def __init__(self, entry_id: int) -> None:
        super().__init__(f"no reception entry {entry_id}")
        self.entry_id = entry_id


class NotOnAgenda(GovernanceError):
    """What is not on the agenda cannot be talked about or decided; `meeting_id` is the meeting that was asked."""

    def __init__(self, meeting_id: int, item_id: int) -> None:
        super().__init__(f"item {item_id} is not on the agenda of meeting {meeting_id}")
        self.meeting_id = meeting_id
        self.item_id = item_id


class NoQuorum(GovernanceError):
    """`missing` are the parties of which nobody is there."""

    def __init__(self, subject: str, *, missing: Iterable[str]) -> None:
        self.subject = subject
        self.missing = tuple(missing)
        super().__init__(f"{subject} cannot decide: nobody is there of {', '.join(self.missing)}")


class QuorumPresent(GovernanceError):
    """The meeting has its quorum: it is not ended as one without."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} has its quorum: it ends with minutes")
        self.subject = subject


class WordsChangedMeanwhile(GovernanceError):
    """Somebody else wrote there since the one who asks looked at it; nothing was overwritten."""

    def __init__(self, subject: str, *, version: int, changed_by: str) -> None:
        super().__init__(f"{subject} was changed by {changed_by} meanwhile and is at version {version}")
        self.subject = subject
        self.version = version
        self.changed_by = changed_by


class PartyNotHeld(GovernanceError):
    """Who confirms for a party holds a role of it at the site; `parties` are those that the person may speak for."""

    def __init__(self, subject: str, *, party: str, parties: Iterable[str]) -> None:
        self.subject = subject
        self.party = party
        self.parties = tuple(parties)
        super().__init__(f"{subject} is confirmed for the {party} by somebody who holds a role of it")


class ConfirmedAlready(GovernanceError):
    """A party confirms once, and a person for one party; `by` is who did."""

    def __init__(self, subject: str, *, party: str, by: str) -> None:
        self.subject = subject
        self.party = party
        self.by = by
        super().__init__(f"{subject} was confirmed for the {party} by {by}; nobody confirms for two parties")
