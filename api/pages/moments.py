"""Instants as people read them: in the time zone of the site, absolute and relative."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from babel.dates import TIMEDELTA_UNITS, format_timedelta

from api.instants import EARLIEST_MS, LATEST_MS, rfc3339
from api.translations import Translator, msgid
from registry.site import DEFAULT_TIMEZONE

JUST_NOW_MS = 1_000


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant with its words: `text` in the site's zone, `ago` relative to now, `iso` for machines."""

    text: str
    ago: str
    iso: str
    zone: str


def local_time(at_ms: int, zone: str = DEFAULT_TIMEZONE) -> datetime:
    """The instant in the zone; what lies outside the calendar is moved to its edge."""
    instant = datetime.fromtimestamp(min(max(at_ms, EARLIEST_MS), LATEST_MS) / 1000, UTC)
    return instant.astimezone(ZoneInfo(zone))


def clock_text(at_ms: int, *, now_ms: int, zone: str = DEFAULT_TIMEZONE) -> str:
    """The time of day if it is today there, else date and time."""
    local = local_time(at_ms, zone)
    is_today = local.date() == local_time(now_ms, zone).date()
    return local.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def relative_text(at_ms: int, *, now_ms: int, _: Translator) -> str:
    """How long ago, in the largest fitting unit."""
    if abs(now_ms - at_ms) < JUST_NOW_MS:
        return _(msgid("just now"))
    # Whole units only: six years and eight months are six years ago, not seven.
    seconds = (at_ms - now_ms) / 1000
    size = next((size for _name, size in TIMEDELTA_UNITS if abs(seconds) >= size), 1)
    return format_timedelta(int(seconds / size) * size, add_direction=True, threshold=1, locale=_.language)


def duration_text(duration_ms: int, *, _: Translator) -> str:
    """A length of time with its two largest units."""
    seconds = max(0, round(duration_ms / 1000))
    parts = []
    for size, word in ((86_400, msgid("%(n)s d")), (3_600, msgid("%(n)s h")), (60, msgid("%(n)s min"))):
        if seconds >= size:
            parts.append(_(word, n=seconds // size))
            seconds %= size
    if seconds or not parts:
        parts.append(_(msgid("%(n)s s"), n=seconds))
    if len(parts) == 1:
        return parts[0]
    return _(msgid("%(large)s %(small)s"), large=parts[0], small=parts[1])


def moment(at_ms: int, *, now_ms: int, _: Translator, zone: str = DEFAULT_TIMEZONE) -> Moment:
    return Moment(
        text=clock_text(at_ms, now_ms=now_ms, zone=zone),
        ago=relative_text(at_ms, now_ms=now_ms, _=_),
        iso=rfc3339(at_ms, zone),
        zone=zone,
    )


def on_the_minute(at_ms: int, *, now_ms: int, _: Translator, zone: str = DEFAULT_TIMEZONE) -> Moment:
    """What is appointed: its day always, its time to the minute."""
    told = moment(at_ms, now_ms=now_ms, _=_, zone=zone)
    return replace(told, text=local_time(at_ms, zone).strftime("%Y-%m-%d %H:%M"))


def on_the_day(at_ms: int, *, now_ms: int, _: Translator, zone: str = DEFAULT_TIMEZONE) -> Moment:
    """What is told by its day alone."""
    told = moment(at_ms, now_ms=now_ms, _=_, zone=zone)
    return replace(told, text=local_time(at_ms, zone).strftime("%Y-%m-%d"))


def at_the_end(until_ms: int, *, now_ms: int, _: Translator, zone: str = DEFAULT_TIMEZONE) -> Moment:
    """Until when something runs, which is over at `until_ms`: a midnight is the end of the last day, named by it."""
    local = local_time(until_ms, zone)
    if (local.hour, local.minute) != (0, 0):
        return on_the_minute(until_ms, now_ms=now_ms, _=_, zone=zone)
    told = moment(until_ms, now_ms=now_ms, _=_, zone=zone)
    last_day = local_time(until_ms - 1, zone).strftime("%Y-%m-%d")
    return replace(told, text=_(msgid("the end of %(day)s"), day=last_day))
