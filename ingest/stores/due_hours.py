"""Which hours of which site and kind hold values that their roll-ups do not know yet.

An hour is due from before its values are written until they are rolled up. The caller makes what is `touched` durable
before it writes, so that a process that dies leaves its hours due.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np

from ingest.stores.retention import HOUR_MS, MINUTE_MS, floor_to
from models.equipment import Kind
from models.reading import ReadingBlock


class Hour(NamedTuple):
    kind: Kind
    site: str
    start_ms: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + HOUR_MS


@dataclass(frozen=True, slots=True)
class Touched:
    """Full minutes from `start_ms` to `end_ms` may have changed; `change` is another number after each change."""

    start_ms: int
    end_ms: int
    change: int


def touched_hours(blocks: Sequence[ReadingBlock]) -> dict[Hour, tuple[int, int]]:
    """The hours that the rows of the blocks fall into, each with its first and last time."""
    found: dict[Hour, tuple[int, int]] = {}
    for block in blocks:
        names = sorted({unit.site for unit in block.units})
        number = {site: index for index, site in enumerate(names)}
        sites = np.array([number[unit.site] for unit in block.units], np.int64)[block.unit_index]
        hours = block.ts_ms // HOUR_MS
        for site, hour in np.unique(np.column_stack((sites, hours)), axis=0).tolist():
            times = block.ts_ms[(sites == site) & (hours == hour)]
            key = Hour(block.kind, names[site], hour * HOUR_MS)
            first, last = found.get(key, (int(times.min()), int(times.max())))
            found[key] = min(first, int(times.min())), max(last, int(times.max()))
    return found


class DueHours:
    """One thread writes and another rolls up; each may call any method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._due: dict[Hour, Touched] = {}
        self._being_written: frozenset[Hour] = frozenset()
        self._changes = 0

    def __len__(self) -> int:
        return len(self._due)

    def load(self, hours: Iterable[Hour]) -> None:
        """Hours that an earlier process left due, each of them whole."""
        with self._lock:
            for hour in hours:
                self._touch(hour, hour.start_ms, hour.end_ms - 1)

    @contextmanager
    def written(self, hours: dict[Hour, tuple[int, int]]) -> Iterator[list[Hour]]:
        """Their values are written while this lasts, and none ends being due. Gives those to be made durable first."""
        with self._lock:
            new = [hour for hour in hours if hour not in self._due]
            self._being_written = frozenset(hours)
            for hour, (first_ms, last_ms) in hours.items():
                self._touch(hour, first_ms, last_ms)
        try:
            yield new
        except BaseException:
            # Whether it was made durable is not known; who writes again makes it so.
            with self._lock:
                for hour in new:
                    self._due.pop(hour, None)
            raise
        else:
            with self._lock:
                for hour, (first_ms, last_ms) in hours.items():
                    self._touch(hour, first_ms, last_ms)

        finally:
            with self._lock:
                self._being_written = frozenset()

    def _touch(self, hour: Hour, first_ms: int, last_ms: int) -> None:
        self._changes += 1
        start_ms, end_ms = floor_to(first_ms, MINUTE_MS), floor_to(last_ms, MINUTE_MS) + MINUTE_MS
        known = self._due.get(hour)
        if known is not None:
            start_ms, end_ms = min(start_ms, known.start_ms), max(end_ms, known.end_ms)
        self._due[hour] = Touched(start_ms, end_ms, self._changes)

    def oldest_past(self, *, now_ms: int) -> tuple[Hour, Touched] | None:
        """The oldest that is over and not just being written."""
        with self._lock:
            past = [hour for hour in self._due if hour.end_ms <= now_ms and hour not in self._being_written]
            oldest = min(past, key=lambda hour: hour.start_ms, default=None)
            return (oldest, self._due[oldest]) if oldest is not None else None

    @contextmanager
    def ended(self, hour: Hour, touched: Touched) -> Iterator[bool]:
        """Whether the hour is as it was when it was rolled up; then it ends being due unless the caller fails.

        Nobody touches any hour while this lasts.
        """
        with self._lock:
            is_same = hour not in self._being_written and self._due.get(hour) == touched
            yield is_same
            if is_same:
                del self._due[hour]
