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

    def __init__(self, subject: str, *, current: str, wanted: str, allowed: Iterable[str]) -> None:
        self.subject = subject
        self.current = current
        self.wanted = wanted
        self.allowed = tuple(allowed)
        choices = ", ".join(self.allowed) or "none"
        super().__init__(f"{subject} is {current}: {wanted} is not possible; allowed: {choices}")


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
