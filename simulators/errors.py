"""What can go wrong while simulating or replaying, each as one line with its facts."""

from collections.abc import Sequence
from pathlib import Path


class SimulatorError(Exception):
    """Base of the errors of this folder."""


class UnknownScenario(SimulatorError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no scenario {name!r}; there are {', '.join(known)}")
        self.name = name
        self.known = tuple(known)


class BadScenario(SimulatorError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"scenario {path.name}: {reason}")
        self.path = path
        self.reason = reason


class BadRecording(SimulatorError):
    """A recorded file that cannot be replayed; `line` counts from 1, the header included; 0 means the whole file."""

    def __init__(self, path: Path, reason: str, *, line: int = 0) -> None:
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.reason = reason
        self.line = line


class BadName(SimulatorError):
    """A name that topics cannot hold, or that nobody knows."""

    def __init__(self, what: str, name: str) -> None:
        hint = " (small letters, digits and hyphens)" if what in ("site", "unit") else ""
        super().__init__(f"{name!r} is no {what}{hint}")
        self.what = what
        self.name = name


class BadBrokerUrl(SimulatorError):
    """The address is not repeated: it may hold a password."""


class BrokerLost(SimulatorError):
    def __init__(self, broker: str, waited_s: float) -> None:
        super().__init__(f"MQTT broker {broker} went away and did not come back within {waited_s:g} s")
        self.broker = broker
        self.waited_s = waited_s


class StartsInFuture(SimulatorError):
    def __init__(self, ahead_s: float) -> None:
        super().__init__(f"the start lies {ahead_s:.0f} s in the future; a broker is told of what has been")
        self.ahead_s = ahead_s


class NothingToDo(SimulatorError):
    """A call that names no output, or two."""
