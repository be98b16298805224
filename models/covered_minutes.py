"""Minutes with data, of many units at once: how much of a span they cover, and what each day holds of them.

A pause between two minutes with data is bridged when it is usual for the unit. What is usual is learned and changes, so
a day is kept as the minutes that a pause of each length would bridge (`day_shares`), from which any usual pause gives
what it covers (`covered_share`).

Hours come as bits: bit m stands for minute m of the hour that begins `hour` hours after 1970 (UTC). `places` numbers
the units. A day is one of China, which has had the same hours since 1991; months are numbered from January 1970.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.reading import Bools, Ints

MS_PER_MIN = 60_000
MINUTES_PER_H = 60
HOURS_PER_DAY = 24
WHOLE_HOUR = (1 << MINUTES_PER_H) - 1
DAY_BEGINS_BEFORE_UTC_H = 8
MS_PER_H = MINUTES_PER_H * MS_PER_MIN
MS_PER_DAY = HOURS_PER_DAY * MS_PER_H
LONGEST_KEPT_PAUSE_MIN = 360
"""Longer ones are not told apart in `day_shares`: a unit with one that is usual must be looked at hour by hour."""
SHARE = np.dtype([("day", "<i2"), ("pause", "<i2"), ("minutes", "<i2")])
"""Minutes of a day (counted from the first of its month) in pauses of this length; 1: minutes with data."""

Number = TypeVar("Number", int, Ints)
Shares = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches of data, in order of their places and times; minutes after 1970, `ends` exclusive; all (n,)."""

    places: Ints
    begins: Ints
    ends: Ints


def usual_pause_min(pause_ms: int) -> int:
    """The longest distance between two minutes with data that is no hole, in minutes; at least 1."""
    return max(1, pause_ms // MS_PER_MIN)


def day_of_ms(at_ms: int) -> int:
    """Number of the day after 1970."""
    return day_of_hour(at_ms // MS_PER_H)


def day_of_hour(hour: int) -> int:
    return (hour + DAY_BEGINS_BEFORE_UTC_H) // HOURS_PER_DAY


def first_hour_of(day: Number) -> Number:
    return day * HOURS_PER_DAY - DAY_BEGINS_BEFORE_UTC_H


def day_began_ms(day: Number) -> Number:
    return first_hour_of(day) * MS_PER_H


def month_of_day(day: int) -> int:
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64))


def first_day_of(month: int) -> int:
    return int(np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64))


def stretches_of(places: Ints, hours: Ints, bits: Ints, pauses_min: Ints) -> Stretches:
    """Of rows in any order, each place and hour once, all (n,); `pauses_min` (m,) is the usual pause of each place."""
    is_whole = bits == WHOLE_HOUR
    part = np.flatnonzero(~is_whole)
    is_set = (bits[part, None] >> np.arange(MINUTES_PER_H)) & 1 == 1
    minutes = (hours[part, None] * MINUTES_PER_H + np.arange(MINUTES_PER_H))[is_set]
    begins = np.concatenate((hours[is_whole] * MINUTES_PER_H, minutes))
    ends = np.concatenate(((hours[is_whole] + 1) * MINUTES_PER_H, minutes + 1))
    of = np.concatenate((places[is_whole], np.broadcast_to(places[part, None], is_set.shape)[is_set]))
    if not len(begins):
        return Stretches(of, begins, ends)
    order = np.lexsort((begins, of))
    of, begins, ends = of[order], begins[order], ends[order]
    breaks = (of[1:] != of[:-1]) | (begins[1:] - ends[:-1] + 1 > pauses_min[of[1:]])
    first, last = np.flatnonzero(np.r_[True, breaks]), np.flatnonzero(np.r_[breaks, True])
    return Stretches(of[first], begins[first], ends[last])


def covered_ms(stretches: Stretches, starts_ms: Ints, ends_ms: Ints) -> Ints:
    """Of the span of each place, (m,)."""
    of = stretches.places
    lengths = np.minimum(stretches.ends * MS_PER_MIN, ends_ms[of])
    lengths -= np.maximum(stretches.begins * MS_PER_MIN, starts_ms[of])
    total = np.zeros(len(starts_ms), dtype=np.int64)
    np.add.at(total, of, np.maximum(lengths, 0))
    return total


def day_shares(places: Ints, hours: Ints, bits: Ints, *, first_day: int, end_day: int) -> tuple[Ints, Shares]:
    """Places (n,) and what their days hold (n,), in order; of the days from the first to before the end, of one month.

    The rows must reach beyond these days by the longest pause that is kept.
    """
    pieces = [_data_by_day(places, hours, bits), _pauses_by_day(places, hours, bits)]
    of, day, pause, minutes = (np.concatenate(column) for column in zip(*pieces, strict=True))
    inside = (first_day <= day) & (day < end_day)
    of, day, pause, minutes = of[inside], day[inside], pause[inside], minutes[inside]
    offset = day - first_day_of(month_of_day(first_day))
    key = (of * 32 + offset) * (LONGEST_KEPT_PAUSE_MIN + 1) + pause
    keys, inverse = np.unique(key, return_inverse=True)
    sums = np.zeros(len(keys), dtype=np.int64)
    np.add.at(sums, inverse, minutes)
    told = np.zeros(len(keys), dtype=SHARE)
    rest, told["pause"] = np.divmod(keys, LONGEST_KEPT_PAUSE_MIN + 1)
    found, told["day"] = np.divmod(rest, 32)
    told["minutes"] = sums
    return found, told


def _data_by_day(places: Ints, hours: Ints, bits: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    day = (hours + DAY_BEGINS_BEFORE_UTC_H) // HOURS_PER_DAY
    return places, day, np.ones(len(places), dtype=np.int64), np.bitwise_count(bits).astype(np.int64)


def _pauses_by_day(places: Ints, hours: Ints, bits: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Each pause on the day of its first minute, and what is left of it on the next."""
    most = int(places.max()) + 1 if len(places) else 0
    data = stretches_of(places, hours, bits, np.ones(most, dtype=np.int64))
    begins, ends = data.ends[:-1], data.begins[1:]
    length = ends - begins + 1
    kept = (data.places[1:] == data.places[:-1]) & (length <= LONGEST_KEPT_PAUSE_MIN)
    of, begins, ends, length = data.places[:-1][kept], begins[kept], ends[kept], length[kept]
    day, midnight = _day_and_its_end(begins)
    today, after = np.minimum(ends, midnight) - begins, np.maximum(ends - midnight, 0)
    two = after > 0
    return (
        np.concatenate((of, of[two])),
        np.concatenate((day, day[two] + 1)),
        np.concatenate((length, length[two])),
        np.concatenate((today, after[two])),
    )


def _day_and_its_end(minutes: Ints) -> tuple[Ints, Ints]:
    per_day, before = HOURS_PER_DAY * MINUTES_PER_H, DAY_BEGINS_BEFORE_UTC_H * MINUTES_PER_H
    day = (minutes + before) // per_day
    return day, (day + 1) * per_day - before


def covered_share(shares: Shares, pauses_min: Ints | int) -> Bools:
    """Which of these minutes are covered, where pauses up to so many minutes are usual; (n,)."""
    is_covered: Bools = shares["pause"] <= pauses_min
    return is_covered
