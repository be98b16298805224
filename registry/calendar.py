"""Working days, working hours and quiet hours, with China's public holidays and their make-up working days.

The State Council publishes each year's holidays late in the year before. A year that the package does not know yet is
counted by its weekdays, and `is_published` says so: nothing is guessed in silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import chinese_calendar
from chinese_calendar.constants import holidays
from sqlalchemy import ForeignKey, Integer
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import BigId, Table
from registry.errors import InvalidField
from registry.site import DEFAULT_TIMEZONE, Site

MINUTES_OF_DAY = 24 * 60
LONGEST_SEARCH_DAYS = 400


class DayKind(StrEnum):
    WORKING_DAY = "working_day"
    MAKE_UP = "make_up"
    """A Saturday or Sunday on which people work, because they have a weekday off at a holiday."""
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


LAST_PUBLISHED_YEAR: int = max(holidays).year
FIRST_PUBLISHED_YEAR: int = min(holidays).year


def is_published(day: date) -> bool:
    """Whether the holidays of that year are known; otherwise only weekends are."""
    return FIRST_PUBLISHED_YEAR <= day.year <= LAST_PUBLISHED_YEAR


def day_kind(day: date) -> DayKind:
    is_weekend = day.weekday() >= 5
    if not is_published(day):
        return DayKind.WEEKEND if is_weekend else DayKind.WORKING_DAY
    if bool(chinese_calendar.is_workday(day)):
        return DayKind.MAKE_UP if is_weekend else DayKind.WORKING_DAY
    is_named = chinese_calendar.get_holiday_detail(day)[1] is not None
    return DayKind.HOLIDAY if is_named or not is_weekend else DayKind.WEEKEND


def is_working_day(day: date) -> bool:
    return day_kind(day) in (DayKind.WORKING_DAY, DayKind.MAKE_UP)


def at_minute(day: date, minute: int, *, timezone: str) -> int:
    """The instant, in epoch ms, at which so many minutes of a local day are over; the 1440th is its end."""
    if minute == MINUTES_OF_DAY:
        day, minute = day + timedelta(days=1), 0
    local = datetime.combine(day, time(minute // 60, minute % 60), ZoneInfo(timezone))
    return round(local.astimezone(UTC).timestamp() * 1000)


def local_day(at_ms: int, *, timezone: str) -> date:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(timezone)).date()


@dataclass(frozen=True, slots=True)
class Hours:
    """When a compound's office works and when nobody is woken for minor things; minutes after midnight, local time.

    Quiet hours may go over midnight. Both are defaults of ours, not law.
    """

    work_start_min: int = 8 * 60 + 30
    work_end_min: int = 17 * 60 + 30
    quiet_start_min: int = 22 * 60
    quiet_end_min: int = 7 * 60
    timezone: str = DEFAULT_TIMEZONE

    def __post_init__(self) -> None:
        for name in ("work_start_min", "work_end_min", "quiet_start_min", "quiet_end_min"):
            if not 0 <= getattr(self, name) <= MINUTES_OF_DAY:
                raise InvalidField(name, "must be a time of the day")
        if self.work_start_min >= self.work_end_min:
            raise InvalidField("work_end_min", "must be later than the start of work")

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(self.timezone))

    def _at(self, day: date, minute: int) -> int:
        return at_minute(day, minute, timezone=self.timezone)

    def is_quiet(self, at_ms: int) -> bool:
        local = self._local(at_ms)
        minute = local.hour * 60 + local.minute
        if self.quiet_start_min <= self.quiet_end_min:
            return self.quiet_start_min <= minute < self.quiet_end_min
        return minute >= self.quiet_start_min or minute < self.quiet_end_min

    def quiet_until(self, at_ms: int) -> int:
        """The end of the quiet hours that hold then; the same instant outside them."""
        if not self.is_quiet(at_ms):
            return at_ms
        day = self._local(at_ms).date()
        ends = (self._at(day + timedelta(days=days), self.quiet_end_min) for days in (0, 1))
        return next((end for end in ends if end > at_ms), at_ms)

    def _spans(self, from_ms: int) -> Iterator[tuple[int, int]]:
        """Working time from then on."""
        day = self._local(from_ms).date()
        for days in range(LONGEST_SEARCH_DAYS):
            each = day + timedelta(days=days)
            if is_working_day(each):
                end_ms = self._at(each, self.work_end_min)
                if end_ms > from_ms:
                    yield max(self._at(each, self.work_start_min), from_ms), end_ms

    def add_working_ms(self, from_ms: int, span_ms: int) -> int:
        """The instant at which so much working time has gone by. Raises InvalidField for more than a year of it."""
        left_ms = span_ms
        for start_ms, end_ms in self._spans(from_ms):
            if left_ms <= end_ms - start_ms:
                return start_ms + left_ms
            left_ms -= end_ms - start_ms
        raise InvalidField("span_ms", "is more working time than a year has")

    def working_ms_between(self, from_ms: int, until_ms: int) -> int:
        """How much of a time is working time; what lies more than a year after its start is not counted."""
        return sum(min(end_ms, until_ms) - start_ms for start_ms, end_ms in self._spans(from_ms) if start_ms < until_ms)


class SiteHours(Table):
    """The hours of a compound that are not the defaults."""

    __tablename__ = "site_hours"

    site_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    work_start_min: Mapped[int] = mapped_column(Integer)
    work_end_min: Mapped[int] = mapped_column(Integer)
    quiet_start_min: Mapped[int] = mapped_column(Integer)
    quiet_end_min: Mapped[int] = mapped_column(Integer)


def hours_of(session: Session, site: Site) -> Hours:
    kept = session.get(SiteHours, site.id)
    if kept is None:
        return Hours(timezone=site.timezone)
    return Hours(
        work_start_min=kept.work_start_min,
        work_end_min=kept.work_end_min,
        quiet_start_min=kept.quiet_start_min,
        quiet_end_min=kept.quiet_end_min,
        timezone=site.timezone,
    )


def set_hours(session: Session, site: Site, hours: Hours) -> None:
    kept = session.get(SiteHours, site.id)
    if kept is None:
        kept = SiteHours(site_id=site.id)
        session.add(kept)
    kept.work_start_min, kept.work_end_min = hours.work_start_min, hours.work_end_min
    kept.quiet_start_min, kept.quiet_end_min = hours.quiet_start_min, hours.quiet_end_min
    session.flush()
