"""The hours of one unit that a baseline is to be learned from, small: half precision about the size of each channel.

A part in two thousand is far finer than what an hour's mean is good for, and halves what ten thousand units hold.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.detectors.contract import StateArrays, StateMismatch
from models.reading import Floats

HOURS_A_DAY = 24
GROWS_BY = 48
LARGEST = 60_000.0
"""What half precision can hold; a channel that grows so far beyond its first value is cut off here."""


class LearnedHours:
    """At most `most` hours in order of time; the oldest goes first."""

    def __init__(self, width: int, *, most: int) -> None:
        self.most = most
        self._count = 0
        self._hours = np.zeros(0, dtype=np.int32)
        self._values = np.zeros((0, width), dtype=np.float16)
        self._is_sized = np.zeros(width, dtype=bool)
        self._exponent = np.zeros(width, dtype=np.int16)

    def __len__(self) -> int:
        return self._count

    def add(self, hour: int, row: Floats) -> None:
        new = ~self._is_sized & ~np.isnan(row) & (row != 0)
        self._exponent[new] = np.frexp(row[new])[1]
        self._is_sized |= new
        if self._count == self.most:
            self._hours[:-1], self._values[:-1] = self._hours[1:].copy(), self._values[1:].copy()
            self._count -= 1
        elif self._count == len(self._hours):
            self._hours = np.concatenate([self._hours, np.zeros(GROWS_BY, dtype=np.int32)])
            self._values = np.concatenate([self._values, np.zeros((GROWS_BY, len(row)), dtype=np.float16)])
        self._hours[self._count] = hour
        self._values[self._count] = np.clip(np.ldexp(row, -self._exponent.astype(np.int64)), -LARGEST, LARGEST)
        self._count += 1

    def days(self) -> Floats:
        """All of it as (days, 24, channels), NaN where nothing was told; only days of which there is something."""
        hours = self._hours[: self._count].astype(np.int64)
        values = np.ldexp(self._values[: self._count].astype(np.float64), self._exponent.astype(np.int64))
        days, place = np.unique(hours // HOURS_A_DAY, return_inverse=True)
        table = np.full((len(days), HOURS_A_DAY, self._values.shape[1]), np.nan)
        table[place, hours % HOURS_A_DAY] = values
        return table

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self._hours, self._values, self._is_sized, self._exponent))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "learned_hours": self._hours[: self._count].copy(),
            "learned": self._values[: self._count].copy(),
            "learned_is_sized": self._is_sized.copy(),
            "learned_exponent": self._exponent.copy(),
        }

    def take(self, arrays: StateArrays) -> None:
        """Puts what `state` gave in place of what is there. Raises StateMismatch."""
        hours, values = np.asarray(arrays["learned_hours"]), np.asarray(arrays["learned"])
        if len(hours) != len(values) or len(hours) > self.most or (np.diff(hours) <= 0).any():
            raise StateMismatch("its hours are out of order, or too many")
        self._count = len(hours)
        self._hours, self._values = hours.astype(np.int32), values.astype(np.float16)
        self._is_sized = np.asarray(arrays["learned_is_sized"]).astype(bool)
        self._exponent = np.asarray(arrays["learned_exponent"]).astype(np.int16)
