"""Working days as they are in China, and time counted by them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.calendar import DayKind, Hours, day_kind, hours_of, is_published, set_hours
from registry.database import Database
from registry.errors import InvalidField
from registry.site import add_site

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR_MS = 3_600_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        (date(2026, 10, 1), DayKind.HOLIDAY),
        (date(2026, 10, 10), DayKind.MAKE_UP),
        (date(2026, 11, 23), DayKind.WORKING_DAY),
        (date(2026, 11, 22), DayKind.WEEKEND),
    ],
)
def test_holidays_and_the_weekends_worked_for_them_are_known(day: date, kind: DayKind) -> None:
    assert day_kind(day) is kind


def test_a_year_that_was_not_published_yet_is_told_and_counted_by_weekdays() -> None:
    new_year = date(2199, 1, 1)
    assert (is_published(new_year), is_published(date(2026, 11, 23))) == (False, True)
    assert day_kind(new_year) is DayKind.WORKING_DAY, "a Tuesday of which nobody knows better"


def test_working_time_runs_over_the_national_day_to_the_saturday_that_is_worked() -> None:
    # From Wednesday the 30th at 17:00, half an hour is left; the 1st to the 7th are off.
    assert Hours().add_working_ms(at("2026-09-30T17:00"), HOUR_MS) == at("2026-10-08T09:00")
    assert Hours().add_working_ms(at("2026-10-09T17:00"), HOUR_MS) == at("2026-10-10T09:00")


def test_quiet_hours_go_over_midnight() -> None:
    hours = Hours()
    assert hours.quiet_until(at("2026-11-23T23:10")) == at("2026-11-24T07:00")
    assert hours.quiet_until(at("2026-11-24T06:59")) == at("2026-11-24T07:00")
    assert hours.quiet_until(at("2026-11-24T12:00")) == at("2026-11-24T12:00")


@given(
    start=st.integers(at("2025-01-01T00:00"), at("2027-06-01T00:00")),
    first=st.integers(0, 60 * HOUR_MS),
    second=st.integers(0, 60 * HOUR_MS),
)
def test_working_time_adds_up(start: int, first: int, second: int) -> None:
    hours = Hours()
    middle = hours.add_working_ms(start, first)
    end = hours.add_working_ms(middle, second)
    assert start <= middle <= end
    assert hours.working_ms_between(start, end) == first + second
    assert hours.add_working_ms(start, first + second) == end


def test_a_compound_keeps_its_own_hours(database: Database) -> None:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=0)
        assert hours_of(session, site) == Hours()
        set_hours(session, site, Hours(work_start_min=540, quiet_start_min=0, quiet_end_min=0))
        assert hours_of(session, site).work_start_min == 540
    with pytest.raises(InvalidField):
        Hours(work_start_min=1000, work_end_min=900)
