"""What can be wrong with a request, as facts; `api.problems` gives each its status."""

from collections.abc import Iterable

from registry.role import Role


class ApiError(Exception):
    """Base of the errors of this folder; the message is one line that a caller can act on."""


class NotSignedIn(ApiError):
    def __init__(self) -> None:
        super().__init__("sign in first: a bearer token from POST /api/v1/token, or a browser session")


class SignInNeeded(ApiError):
    """A page was asked for without a login; `next_path` is where to return to after it."""

    def __init__(self, next_path: str) -> None:
        super().__init__("sign in first")
        self.next_path = next_path


class WrongCredentials(ApiError):
    def __init__(self) -> None:
        super().__init__("name or password is wrong")


class TooManyAttempts(ApiError):
    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts to sign in; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class RoleMissing(ApiError):
    """`roles` are those that permit what was asked."""

    def __init__(self, roles: Iterable[Role], *, site: str | None = None) -> None:
        self.roles = tuple(sorted(role.value for role in roles))
        self.site = site
        where = f" at {site}" if site else ""
        super().__init__(f"this is for {', '.join(self.roles) or 'nobody'}{where}")


class ForgedRequest(ApiError):
    """An unsafe request that does not prove that it comes from our own pages."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownRoute(ApiError):
    """A route without a row in the table of roles: refused to everybody until it has one."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"{method} {path} has no row in the table of roles")


class InvalidField(ApiError):
    """`reason` completes the sentence "{field} …"; `facts` say what would do."""

    def __init__(self, field: str, reason: str, **facts: object) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason
        self.facts = facts


class UnknownMetric(ApiError):
    def __init__(self, unit: str, metric: str, *, metrics: Iterable[str]) -> None:
        super().__init__(f"{unit} has no metric {metric!r}")
        self.unit = unit
        self.metric = metric
        self.metrics = tuple(metrics)


class UnknownMessage(ApiError):
    def __init__(self, message_id: int) -> None:
        super().__init__(f"no message {message_id} in quarantine")
        self.message_id = message_id


class UnknownAttachment(ApiError):
    def __init__(self, ticket_id: int, attachment_id: int) -> None:
        super().__init__(f"ticket {ticket_id} has no attachment {attachment_id}")
        self.ticket_id = ticket_id
        self.attachment_id = attachment_id


class ResultsRefused(ApiError):
    """Nothing of what was found on a round could be taken; `refused` are the keys with their reasons."""

    def __init__(self, refused: Iterable[tuple[str, str, str]]) -> None:
        rows = list(refused)
        super().__init__("; ".join(dict.fromkeys(why for _, _, why in rows)))
        self.refused = [{"key": key, "reason": reason, "detail": why} for key, reason, why in rows]


class TooManyStreams(ApiError):
    def __init__(self, most: int) -> None:
        super().__init__(f"{most} live streams are open already")
        self.most = most


class WrongHost(ApiError):
    """A demo answers only to the names of this machine."""

    def __init__(self) -> None:
        super().__init__("this server answers only under the names of the machine it runs on")
