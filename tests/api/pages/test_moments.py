import pytest

from api.pages.moments import at_the_end, clock_text, duration_text, on_the_minute, relative_text
from api.pages.telemetry_window import MS_PER_D, MS_PER_H, MS_PER_MIN, MS_PER_S
from api.pages.values import number_text, value_text
from api.translations import translator
from models.equipment import Kind

NOON_MS = 1_795_406_400_000  # 2026-11-23T12:00:00+08:00
en, zh = translator("en"), translator("zh")


def test_a_moment_of_today_is_a_time_of_day_and_any_other_has_its_date() -> None:
    assert clock_text(NOON_MS - MS_PER_H, now_ms=NOON_MS) == "11:00:00"
    assert clock_text(NOON_MS - 13 * MS_PER_H, now_ms=NOON_MS) == "2026-11-22 23:00:00"


def test_today_is_that_of_the_site() -> None:
    # In Berlin it is five in the morning, and what was six hours ago was yesterday.
    assert clock_text(NOON_MS - 6 * MS_PER_H, now_ms=NOON_MS, zone="Europe/Berlin") == "2026-11-22 23:00:00"


def test_what_ends_at_midnight_ends_with_the_day_before() -> None:
    midnight_ms = NOON_MS + 12 * MS_PER_H
    assert at_the_end(midnight_ms, now_ms=NOON_MS, _=en).text == "the end of 2026-11-23"
    assert at_the_end(midnight_ms, now_ms=NOON_MS, _=zh).text == "2026-11-23 24时"
    assert at_the_end(midnight_ms + MS_PER_H, now_ms=NOON_MS, _=en).text == "2026-11-24 01:00"


def test_what_is_appointed_has_its_day_and_no_seconds() -> None:
    assert on_the_minute(NOON_MS + 59_000, now_ms=NOON_MS, _=en).text == "2026-11-23 12:00"


def test_an_instant_outside_the_calendar_is_told_all_the_same() -> None:
    assert clock_text(-1, now_ms=NOON_MS).startswith("1970")
    assert clock_text(10**17, now_ms=NOON_MS).startswith("2100")


@pytest.mark.parametrize(
    ("ago_ms", "words", "chinese"),
    [
        (300, "just now", "刚刚"),
        (59 * MS_PER_S, "59 seconds ago", "59秒钟前"),
        (119 * MS_PER_S, "1 minute ago", "1分钟前"),
        (47 * MS_PER_H, "1 day ago", "1天前"),
        (int(6.9 * 365 * MS_PER_D), "6 years ago", "6年前"),
        (-2 * MS_PER_H, "in 2 hours", "2小时后"),
    ],
)
def test_relative_times_count_whole_units(ago_ms: int, words: str, chinese: str) -> None:
    assert relative_text(NOON_MS - ago_ms, now_ms=NOON_MS, _=en) == words
    assert relative_text(NOON_MS - ago_ms, now_ms=NOON_MS, _=zh) == chinese


@pytest.mark.parametrize(
    ("duration_ms", "words", "chinese"),
    [
        (0, "0 s", "0秒"),
        (65 * MS_PER_S, "1 min 5 s", "1分钟5秒"),
        (25 * MS_PER_H + 3 * MS_PER_MIN + 4 * MS_PER_S, "1 d 1 h", "1天1小时"),
    ],
)
def test_a_duration_has_its_two_largest_units(duration_ms: int, words: str, chinese: str) -> None:
    assert duration_text(duration_ms, _=en) == words
    assert duration_text(duration_ms, _=zh) == chinese


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_304_221.0, "1,304,221"),
        (231.08, "231.1"),
        (28.957, "28.96"),
        (0.4213, "0.421"),
        (0.00042, "0.00042"),
        (-0.0, "0"),
        (-3.10, "-3.1"),
        (1e-9, "0"),
    ],
)
def test_a_number_has_as_many_digits_as_people_read(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_state_is_told_in_a_word_and_a_measure_with_its_unit() -> None:
    assert value_text(Kind.ELEVATOR, "door_closed", 0.0, _=en) == "open"
    assert value_text(Kind.ELEVATOR, "service_mode", 2.0, _=zh) == "检修运行"
    assert value_text(Kind.ELEVATOR, "service_mode", 2.5, _=en) == "2.5"
    assert value_text(Kind.FIRE, "hydrant_pressure_mpa", 0.42, _=en) == "0.42 MPa"
    assert value_text(Kind.PUMP, "Flow of the test bed", 32.0, _=zh) == "32"
