"""The days that law sets between the steps of a decision, as data with their source and the time they are in force.

A period is counted in calendar days of the site's zone; the day on which it begins is not counted (Civil Code, article
201) and its last day counts to its end (article 203). So what was posted on the 1st with 15 days of notice hangs to the
end of the 16th and may be voted on from the 17th on. `first_day_after` is the one place where this is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo


class Meeting(StrEnum):
    ORDINARY = "ordinary"
    EXTRAORDINARY = "extraordinary"


class Period(StrEnum):
    NOTICE_ORDINARY = "notice_ordinary"
    NOTICE_EXTRAORDINARY = "notice_extraordinary"
    SHORTEST_VOTE = "shortest_vote"
    LONGEST_VOTE = "longest_vote"
    DECISION_WITHIN = "decision_within"
    """The decision is published at most so many days after it was made."""
    SHORTEST_DISCLOSURE = "shortest_disclosure"


NOTICE: Mapping[Meeting, Period] = MappingProxyType(
    {Meeting.ORDINARY: Period.NOTICE_ORDINARY, Meeting.EXTRAORDINARY: Period.NOTICE_EXTRAORDINARY}
)


@dataclass(frozen=True, slots=True)
class StatutoryDays:
    """`days` of a period from `since` to `until`, both days included; None is still in force."""

    period: Period
    days: int
    since: date
    until: date | None
    source: str


HANGZHOU = "Hangzhou regulation on property management, in force since 2022-03-01"
STATE_COUNCIL = "State Council regulation on property management, article 14"
HOUSE_RULE = "House rule of this service where no law sets a period"
_HANGZHOU_SINCE = date(2022, 3, 1)
_BEFORE = date(2022, 2, 28)
_ONCE = date(2003, 9, 1)

STATUTORY_DAYS: tuple[StatutoryDays, ...] = (
    StatutoryDays(Period.NOTICE_ORDINARY, 15, _ONCE, _BEFORE, STATE_COUNCIL),
    StatutoryDays(Period.NOTICE_EXTRAORDINARY, 15, _ONCE, _BEFORE, STATE_COUNCIL),
    StatutoryDays(Period.SHORTEST_VOTE, 5, _ONCE, _BEFORE, HOUSE_RULE),
    StatutoryDays(Period.LONGEST_VOTE, 60, _ONCE, _BEFORE, HOUSE_RULE),
    StatutoryDays(Period.DECISION_WITHIN, 3, _ONCE, _BEFORE, HOUSE_RULE),
    StatutoryDays(Period.SHORTEST_DISCLOSURE, 15, _ONCE, _BEFORE, HOUSE_RULE),
    StatutoryDays(Period.NOTICE_ORDINARY, 15, _HANGZHOU_SINCE, None, HANGZHOU),
    StatutoryDays(Period.NOTICE_EXTRAORDINARY, 7, _HANGZHOU_SINCE, None, HANGZHOU),
    StatutoryDays(Period.SHORTEST_VOTE, 5, _HANGZHOU_SINCE, None, HANGZHOU),
    StatutoryDays(Period.LONGEST_VOTE, 60, _HANGZHOU_SINCE, None, HANGZHOU),
    StatutoryDays(Period.DECISION_WITHIN, 3, _HANGZHOU_SINCE, None, HANGZHOU),
    StatutoryDays(Period.SHORTEST_DISCLOSURE, 15, _HANGZHOU_SINCE, None, HANGZHOU),
)


def statutory(period: Period, on: date) -> StatutoryDays:
    """The row in force on a day; before the first of them, the first."""
    rows = [row for row in STATUTORY_DAYS if row.period is period]
    return next((row for row in reversed(rows) if row.since <= on), rows[0])


def first_day_after(began_on: date, days: int) -> date:
    """The day that follows a period of so many whole days; the day on which it began is none of them.

    >>> first_day_after(date(2026, 11, 1), 15)
    datetime.date(2026, 11, 17)
    """
    return began_on + timedelta(days=days + 1)


def earliest_opening(posted_on: date, meeting: Meeting) -> date:
    """The first day on which a topic posted that day may be voted on: it has hung for all the days of notice then.

    "15 days before" could be read a day shorter. A vote that opens a day later is valid either way; one that opens a
    day too early can be contested.
    """
    return first_day_after(posted_on, statutory(NOTICE[meeting], posted_on).days)


def closing_range(opens_on: date) -> tuple[date, date]:
    """The first and the last day on which a vote that opens that day may close, at the end of the day."""
    shortest = statutory(Period.SHORTEST_VOTE, opens_on).days
    longest = statutory(Period.LONGEST_VOTE, opens_on).days
    return opens_on + timedelta(days=shortest), opens_on + timedelta(days=longest)


def publish_by(decided_on: date) -> date:
    """The last day on which a decision may be published in time."""
    return decided_on + timedelta(days=statutory(Period.DECISION_WITHIN, decided_on).days)


def disclosed_until(posted_on: date) -> date:
    """The first day on which a disclosure may be taken down."""
    return first_day_after(posted_on, statutory(Period.SHORTEST_DISCLOSURE, posted_on).days)


def day_of(at_ms: int, zone: str) -> date:
    """The calendar day of an instant in a site's zone."""
    return datetime.fromtimestamp(at_ms / 1000, tz=ZoneInfo(zone)).date()


def start_of(day: date, zone: str) -> int:
    """The instant at which a day begins in a site's zone."""
    begins = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return int(begins.timestamp() * 1000)


def end_of(day: date, zone: str) -> int:
    """The instant at which a day is over."""
    return start_of(day + timedelta(days=1), zone)
