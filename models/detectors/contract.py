"""What every detector of unlabelled change offers: it holds many units and judges one row of each at a time.

A *slot* is a unit's place in a detector's stacked arrays. All slots of a detector share the same channels. A detector
knows no units, no clock and no verdicts: it turns rows into scores, and tells what it could not judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.reading import Bools, Floats, Ints

StateArrays = Mapping[str, npt.NDArray[Any]]
"""A slot's whole state by name: plain arrays of numbers and truth values, no objects."""


class DetectorError(Exception):
    """Base of the errors of this folder; the message is one line that a reader can act on."""


class NotEnoughHistory(DetectorError):
    """Too few usable rows to fit on; the same rows can be offered again once there are more."""

    def __init__(self, *, have_rows: int, need_rows: int) -> None:
        super().__init__(f"not enough history: {have_rows} of {need_rows} rows")
        self.have_rows = have_rows
        self.need_rows = need_rows


class NothingVaries(DetectorError):
    """No channel changes in the fit rows, so there is no scale to measure a change with."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        super().__init__(f"no channel varies in the fit rows: {', '.join(channels)}")
        self.channels = channels


class StateMismatch(DetectorError):
    """Arrays that are not the state of a slot of this detector: of another channel set, version or tuning."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not the state of such a detector: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FitFacts:
    """What a fit rests on: `constant` channels never changed, `missing` ones were hardly told; neither is judged."""

    rows: int
    used: tuple[str, ...]
    constant: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """Judged rows, in the order they were given; `threshold` is the slot's own, fixed when it was fitted.

    Shapes: anomaly_score and threshold (n,), contributions (n, channels). Higher scores are worse; NaN where a row was
    not scored (warm-up after a gap, nothing told). Contributions of a scored row are shares that sum to 1.
    """

    anomaly_score: Floats
    threshold: Floats
    contributions: Floats


@dataclass(frozen=True, slots=True)
class Described:
    """Where channels stand, in their own units: shapes (n, channels), NaN for a channel that is not judged.

    `now` is the level of the last rows, `low` to `high` the range it usually kept before what it is judged for began.
    """

    now: Floats
    low: Floats
    high: Floats


class Detector(Protocol):
    """Many units of one channel set, vectorised. Scores a row with what was known before it, then learns from it."""

    @property
    def channels(self) -> tuple[str, ...]: ...

    def fit(self, slot: int, history: Floats) -> FitFacts:
        """Fits a slot on normal rows (rows, channels) in order of time; its next scored row is the one after them.

        Raises `NotEnoughHistory` or `NothingVaries`; the slot then keeps what it had.
        """

    def score(self, slots: Ints, values: Floats, *, is_frozen: Bools | None = None) -> Scores:
        """Scores at most one row a slot, in order of time. A frozen slot (in alarm) scores but does not adapt."""

    def describe(self, slots: Ints) -> Described:
        """What the last scores rest on, in words of the channels' own units."""

    def interrupt(self, slots: Ints) -> None:
        """Rows are missing before the next one: what it follows is not known. What was fitted and learned stays."""

    def rebaseline(self, slots: Ints, *, keeps_relations: bool = False) -> None:
        """Takes the level of the next rows as the normal one: the regime has changed, or the unit was long away.

        `keeps_relations`: how channels go together is still as it was (the unit was only away).
        """

    def release(self, slot: int) -> None:
        """Forgets the slot; its place may be fitted anew."""

    def state_of(self, slot: int) -> dict[str, npt.NDArray[Any]]:
        """A copy of all that the slot holds, learned and carried: what `load` takes."""

    def load(self, slot: int, arrays: StateArrays) -> None:
        """Puts what `state_of` gave, of this or another detector of as many channels, into the slot.

        The slot then scores as the other one would have. Raises `StateMismatch`; the slot then keeps what it had.
        """

    def state_bytes(self) -> int:
        """Memory of all state held, for the limits a process has to keep."""


def check_state(arrays: StateArrays, expected: StateArrays) -> None:
    """Raises `StateMismatch` unless names, shapes and kinds of number are those `expected`, and nothing is infinite."""
    odd = sorted(set(arrays) ^ set(expected))
    if odd:
        raise StateMismatch(f"{odd[0]} is {'not known' if odd[0] in arrays else 'missing'}")
    for name, example in expected.items():
        array = np.asarray(arrays[name])
        if array.shape != example.shape:
            raise StateMismatch(f"{name} has the shape {array.shape} instead of {example.shape}")
        if array.dtype.kind != example.dtype.kind:
            raise StateMismatch(f"{name} holds {array.dtype} instead of {example.dtype}")
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise StateMismatch(f"{name} is not finite")
