"""What can go wrong with alarms and tickets, as facts."""

from collections.abc import Iterable


class AlertsError(Exception):
    """Base of the errors of this folder."""


class UnknownAlarm(AlertsError):
    def __init__(self, alarm_id: int) -> None:
        super().__init__(f"no alarm {alarm_id}")
        self.alarm_id = alarm_id


class UnknownTicket(AlertsError):
    def __init__(self, ticket_id: int) -> None:
        super().__init__(f"no ticket {ticket_id}")
        self.ticket_id = ticket_id


class IllegalMove(AlertsError):
    """A move that the present state does not allow; `allowed` names those it does."""

    def __init__(
        self, subject: str, *, current: str, wanted: str, allowed: Iterable[str], moved_by: str | None = None
    ) -> None:
        self.subject = subject
        self.current = current
        self.wanted = wanted
        self.allowed = tuple(allowed)
        self.moved_by = moved_by
        choices = ", ".join(self.allowed) or "none"
        super().__init__(f"{subject} is {current}: {wanted} is not possible; allowed: {choices}")


class MovedMeanwhile(IllegalMove):
    """Somebody else moved it since the person who asks looked at it: `moved_by`, to `current`."""


class OtherPartyNeeded(AlertsError):
    """The party that repaired does not verify; `parties` are those that may.

    `is_cross_appointed`: the person holds roles in several parties, one of which repaired, and signs for none of them.
    """

    def __init__(
        self, subject: str, *, wanted: str, parties: Iterable[str], allowed: Iterable[str], is_cross_appointed: bool
    ) -> None:
        self.subject = subject
        self.wanted = wanted
        self.parties = tuple(parties)
        self.allowed = tuple(allowed)
        self.is_cross_appointed = is_cross_appointed
        super().__init__(f"{wanted} of {subject} is for another party than the one that repaired: {', '.join(parties)}")


class MissingProof(AlertsError):
    """The repair must bring what was asked for when it was dispatched; `lacking` is what is not there."""

    def __init__(self, subject: str, *, wanted: str, lacking: Iterable[str]) -> None:
        self.subject = subject
        self.wanted = wanted
        self.lacking = tuple(sorted(lacking))
        super().__init__(f"{wanted} of {subject} needs {' and '.join(self.lacking)}, added since the work began")


class NotPermitted(AlertsError):
    """The person's roles do not permit the move; `roles` are those that do."""

    def __init__(self, subject: str, *, wanted: str, roles: Iterable[str]) -> None:
        self.subject = subject
        self.wanted = wanted
        self.roles = tuple(sorted(roles))
        super().__init__(f"{wanted} of {subject} is for {', '.join(self.roles) or 'nobody'}")


class MissingNote(AlertsError):
    def __init__(self, subject: str, *, wanted: str) -> None:
        super().__init__(f"{wanted} of {subject} needs a note that says why")
        self.subject = subject
        self.wanted = wanted


class NeverShelved(AlertsError):
    """Fire and entrapment are neither shelved nor suppressed, by anybody."""

    def __init__(self, alarm_id: int, condition: str) -> None:
        super().__init__(f"alarm {alarm_id} ({condition}) may not be shelved")
        self.alarm_id = alarm_id
        self.condition = condition


class InvalidShelving(AlertsError):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class UnknownSuppression(AlertsError):
    def __init__(self, suppression_id: int) -> None:
        super().__init__(f"no suppression {suppression_id}")
        self.suppression_id = suppression_id


class InvalidSuppression(AlertsError):
    """A window, or a time out of service, that cannot be; `reason` is a code, the message a sentence."""

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told)
        self.reason = reason
