"""Instants as programs read and write them: RFC 3339 with an offset outside, epoch milliseconds inside."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from registry.site import DEFAULT_TIMEZONE

EARLIEST_MS = 0
LATEST_MS = 4_102_444_800_000  # the year 2100

_EPOCH_MS = re.compile(r"-?[0-9]{1,19}")
# What is left of "…+08:00" in a query string whose writer did not escape the plus.
_LOST_PLUS = re.compile(r"(.*\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?) (\d{2}:\d{2})")


class UnreadableInstant(ValueError):
    """`text` is no instant; the message says what one looks like."""


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def rfc3339(at_ms: int, zone: str = DEFAULT_TIMEZONE) -> str:
    """`2026-11-23T10:00:00.000+08:00`; what lies outside the calendar is moved to its edge."""
    instant = datetime.fromtimestamp(min(max(at_ms, EARLIEST_MS), LATEST_MS) / 1000, UTC)
    return instant.astimezone(_zone(zone)).isoformat(timespec="milliseconds")


def day_edges_ms(start_ms: int, end_ms: int, zone: str = DEFAULT_TIMEZONE) -> list[int]:
    """The span's ends, and every midnight of the zone between them."""
    edges = [start_ms]
    day = datetime.fromtimestamp(start_ms / 1000, _zone(zone)).date()
    while True:
        day += timedelta(days=1)
        midnight_ms = round(datetime(day.year, day.month, day.day, tzinfo=_zone(zone)).timestamp() * 1000)
        if midnight_ms >= end_ms:
            return [*edges, end_ms]
        edges.append(midnight_ms)


def read_instant(value: str | int) -> int:
    """Epoch milliseconds of epoch milliseconds or of RFC 3339 with an offset. Raises UnreadableInstant."""
    at_ms = int(value) if isinstance(value, int) or _EPOCH_MS.fullmatch(value) else _read_rfc3339(value)
    if not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise UnreadableInstant("must lie between the years 1970 and 2100")
    return at_ms


def _read_rfc3339(text: str) -> int:
    try:
        instant = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
    except ValueError as error:
        raise UnreadableInstant("must be epoch milliseconds or look like 2026-11-23T10:00:00+08:00") from error
    if instant.tzinfo is None:
        raise UnreadableInstant("must carry its offset, as in 2026-11-23T10:00:00+08:00")
    try:
        return round(instant.timestamp() * 1000)
    except (OverflowError, ValueError) as error:
        raise UnreadableInstant("must lie between the years 1970 and 2100") from error


def utc_offset_ms(at_ms: int, zone: str) -> int:
    """By how much local time there is ahead of UTC at that moment."""
    offset = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).utcoffset()
    return round(offset.total_seconds() * 1000) if offset is not None else 0
