"""What can go wrong with patrols, as facts."""

from collections.abc import Iterable

from alerts.errors import AlertsError


class UnknownPatrol(AlertsError):
    def __init__(self, patrol_id: int) -> None:
        super().__init__(f"no patrol {patrol_id}")
        self.patrol_id = patrol_id


class UnknownPlan(AlertsError):
    def __init__(self, plan_id: int) -> None:
        super().__init__(f"no patrol plan {plan_id}")
        self.plan_id = plan_id


class UnknownCheckpoint(AlertsError):
    def __init__(self, code: str) -> None:
        super().__init__(f"no checkpoint {code!r}")
        self.code = code


class UnknownPatrolPhoto(AlertsError):
    def __init__(self, photo_id: int) -> None:
        super().__init__(f"no photo {photo_id} of a patrol")
        self.photo_id = photo_id


class ResultsNotPermitted(AlertsError):
    """The person's roles at the site do not permit them to say what a round of that kind found."""

    def __init__(self, patrol_id: int, *, roles: Iterable[str]) -> None:
        self.patrol_id = patrol_id
        self.roles = tuple(sorted(roles))
        super().__init__(f"results of patrol {patrol_id} are for {', '.join(self.roles)}")


class PatrolCancelled(AlertsError):
    def __init__(self, patrol_id: int) -> None:
        super().__init__(f"patrol {patrol_id} was cancelled: nothing is recorded any more")
        self.patrol_id = patrol_id


class InvalidPlan(AlertsError):
    """`field` of a plan cannot be so; `reason` is a code."""

    def __init__(self, field: str, reason: str, told: str) -> None:
        super().__init__(told)
        self.field = field
        self.reason = reason
