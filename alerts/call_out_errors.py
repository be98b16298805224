"""What can go wrong with call-outs, as facts."""

from alerts.errors import AlertsError


class UnknownCallOut(AlertsError):
    def __init__(self, call_out_id: int) -> None:
        super().__init__(f"no call-out {call_out_id}")
        self.call_out_id = call_out_id


class OpenCallOut(AlertsError):
    """The compound has a call-out under way, or proposed, already."""

    def __init__(self, site: str, call_out_id: int) -> None:
        super().__init__(f"{site} has call-out {call_out_id} open: end that one first, or confirm it")
        self.site = site
        self.call_out_id = call_out_id


class NotSummoned(AlertsError):
    """Nobody asked this person, or there is no such link."""

    def __init__(self) -> None:
        super().__init__("there is no summons for this link or person")


class SummonsOver(AlertsError):
    """The link has run out, or people have been sent home; `state` is that of the call-out."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the call-out is {state}: nobody needs to answer any more")
        self.state = state


class NoStageLeft(AlertsError):
    def __init__(self, call_out_id: int) -> None:
        super().__init__(f"all stages of call-out {call_out_id} have been called")
        self.call_out_id = call_out_id


class InvalidCallOut(AlertsError):
    """What cannot be; `field` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class NotThatMany(AlertsError):
    """More taken than there is, or more given back than was taken; `most` would be possible."""

    def __init__(self, item_id: int, *, wanted: int, most: int) -> None:
        super().__init__(f"{wanted} is not possible: {most} at most")
        self.item_id = item_id
        self.wanted = wanted
        self.most = most


class UnknownStockItem(AlertsError):
    def __init__(self, item_id: int) -> None:
        super().__init__(f"no stock item {item_id}")
        self.item_id = item_id
