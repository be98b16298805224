"""The figures of ISA-18.2: floods, chattering, what stands too long, what is asked of whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from alerts import incident, suppressing
from alerts.alarm_figures import DAY_MS, AlarmFigures, alarm_figures
from alerts.alarm_flood import BEGINS_ABOVE, ENDS_BELOW, WINDOW_MS, chatters, flood_now, flooded_ms, floods
from alerts.escalation import FLOOD_DIGEST_MS, run_due
from alerts.false_alarm import FalseCause, mark_false
from alerts.notification import Delivery
from alerts.severity import Severity
from alerts.suppression import SuppressionKind
from registry.channel import ChannelKind, SecretBox, add_channel, new_key
from registry.database import Database
from registry.person import PasswordHash, add_person
from registry.role import Actor, Grant, Role
from registry.site import get_site
from registry.unit import get_unit
from tests.alerts.compound import T0_MS, Compound, at_ms

MANAGER = Actor("mei", (Grant(Role.PROPERTY_MANAGER, None),))
MINUTE = 60_000


@pytest.fixture
def compound(database: Database) -> Compound:
    return Compound(database, lifts=12)


def figures(compound: Compound, *, now: float = 86_400.0, days: int = 1) -> AlarmFigures:
    with compound.database.reading() as session:
        sites = [get_site(session, compound.site)]
        now_ms = at_ms(now)
        made = alarm_figures(
            session, sites, since_ms=now_ms - days * DAY_MS, until_ms=now_ms, now_ms=now_ms, offset_ms=0
        )
        session.expunge_all()
        return made


def lifts_fail(compound: Compound, count: int, second: float = 0, code: str = "fault.01") -> None:
    compound.happen(*((f"lift-{number}", code, second + number / 10) for number in range(1, count + 1)))


# Floods


def test_a_flood_begins_with_the_eleventh_in_ten_minutes_and_ends_below_five() -> None:
    times = [minute * 30_000 for minute in range(11)]
    assert floods(times[:10], now_ms=times[9]) == []
    [flood] = floods(times, now_ms=times[-1])
    assert (flood.began_ms, flood.ended_ms, flood.count, flood.peak) == (times[-1], None, 11, 11)
    # The seventh leaves the window: four are left.
    [flood] = floods(times, now_ms=DAY_MS)
    assert flood.ended_ms == times[6] + WINDOW_MS
    assert flooded_ms([flood], now_ms=DAY_MS) == flood.ended_ms - flood.began_ms


def test_between_five_and_ten_a_flood_goes_on_and_none_begins() -> None:
    burst, trickle = [0] * 11, [minute * 100_000 for minute in range(1, 40)]
    [flood] = floods([*burst, *trickle], now_ms=trickle[-1])
    assert flood.ended_ms is None, "six in ten minutes keep it on"
    assert floods(trickle, now_ms=trickle[-1]) == []


@given(st.lists(st.integers(0, 40 * MINUTE), max_size=60), st.integers(0, 60 * MINUTE))
def test_a_flood_is_on_exactly_as_the_counts_of_every_moment_say(times: list[int], now_ms: int) -> None:
    times = [each for each in times if each <= now_ms]
    found = floods(times, now_ms=now_ms)
    is_on = False
    for moment in sorted({*times, *(each + WINDOW_MS for each in times if each + WINDOW_MS <= now_ms), now_ms}):
        count = sum(moment - WINDOW_MS < each <= moment for each in times)
        is_on = count > BEGINS_ABOVE if not is_on else count >= ENDS_BELOW
        told = any(f.began_ms <= moment and (f.ended_ms is None or moment < f.ended_ms) for f in found)
        # Within one moment it may end and begin again; only its last word is asked for.
        assert told == is_on
    assert all(f.peak > BEGINS_ABOVE and f.count >= f.peak for f in found)


@given(st.lists(st.integers(0, 10 * MINUTE), max_size=20))
def test_an_alarm_chatters_when_any_minute_holds_three(times: list[int]) -> None:
    assert chatters(times) == any(sum(first <= each < first + MINUTE for each in times) >= 3 for first in times)


def test_a_flood_is_that_of_a_compound_and_what_is_explained_does_not_count(compound: Compound) -> None:
    lifts_fail(compound, 10)
    with compound.database.reading() as session:
        site_id = get_site(session, compound.site).id
        assert flood_now(session, [site_id], now_ms=at_ms(10)) is None
    compound.happen(("lift-11", "fault.01", 20))
    with compound.database.reading() as session:
        flood = flood_now(session, [site_id], now_ms=at_ms(30))
        assert flood is not None
        assert flood.count == 11
        assert flood_now(session, [site_id + 1], now_ms=at_ms(30)) is None
        assert flood_now(session, [site_id], now_ms=at_ms(3600)) is None


def test_a_power_cut_is_one_alarm_for_those_who_watch_and_no_flood(compound: Compound) -> None:
    lifts_fail(compound, 12, code="event.41")
    made = figures(compound)
    assert (made.called, made.explained, made.floods) == (1, 11, [])


# What people are sent in a flood


def test_in_a_flood_calls_for_major_cases_are_gathered_and_critical_ones_are_not(compound: Compound) -> None:
    with compound.database.writing() as session:
        person = add_person(
            session, name="mei", password=PasswordHash("none"), role=Role.PROPERTY_MANAGER, now_ms=T0_MS
        )
        add_channel(
            session,
            person_id=person.id,
            kind=ChannelKind.CONSOLE,
            address="",
            label="",
            least_severity="advisory",
            box=SecretBox(new_key()),
            now_ms=T0_MS,
        )
    compound.happen(("lift-12", "fault.01", 0))
    with compound.database.writing() as session:
        run_due(session, now_ms=at_ms(4))
    lifts_fail(compound, 11, 10)
    compound.happen(("lift-12", "fault.05", 12))
    with compound.database.writing() as session:
        run_due(session, now_ms=at_ms(20))
        sent = session.scalars(select(Delivery).order_by(Delivery.id)).all()
        before, *gathered = [(each.is_urgent, each.next_ms - at_ms(20)) for each in sent if each.next_ms != at_ms(20)]
        assert before == (True, 4_000 - 20_000), "before the flood"
        assert gathered == [(False, FLOOD_DIGEST_MS)] * 11
        assert [each.is_urgent for each in sent if each.next_ms == at_ms(20)] == [True], "the critical one"


# The figures


def test_what_was_set_aside_or_false_is_counted_apart(compound: Compound) -> None:
    with compound.database.writing() as session:
        suppressing.plan_suppression(
            session,
            kind=SuppressionKind.MAINTENANCE,
            site=get_site(session, compound.site),
            unit=get_unit(session, f"{compound.site}~lift-1"),
            reason="x",
            starts_ms=at_ms(0),
            until_ms=at_ms(3600),
            actor=MANAGER,
            now_ms=at_ms(0),
        )
    lifts_fail(compound, 3)
    with compound.database.writing() as session:
        alarm_id = compound.alarm("lift-2", "fault.01").id
        mark_false(session, alarm_id, cause=FalseCause.SENSOR, actor=MANAGER, now_ms=at_ms(60))
    made = figures(compound)
    assert (made.called, made.aside) == (2, 1)
    assert made.false_by_cause == {FalseCause.SENSOR: 1}
    assert made.a_day == 2
    assert [(each.site.key, each.busiest, each.floods) for each in made.by_site] == [("xiaohe", 2, 0)]


def test_days_without_an_alarm_are_days_too_and_begin_at_local_midnight(compound: Compound) -> None:
    lifts_fail(compound, 2)
    compound.happen(("lift-3", "fault.01", 2 * 86_400))
    with compound.database.reading() as session:
        sites, shift = [get_site(session, compound.site)], 8 * 3_600_000
        # 1970-01-01T00:00+08:00 and whole days after it.
        midnight = (T0_MS + shift) // DAY_MS * DAY_MS - shift
        made = alarm_figures(
            session,
            sites,
            since_ms=midnight,
            until_ms=midnight + 3 * DAY_MS,
            now_ms=midnight + 3 * DAY_MS,
            offset_ms=shift,
        )
        assert made.days == [(midnight, 2), (midnight + DAY_MS, 0), (midnight + 2 * DAY_MS, 1)]


def test_the_most_frequent_the_chattering_and_the_stale_are_named(compound: Compound) -> None:
    compound.happen(("lift-1", "event.42", 0))
    for second in range(0, 40, 10):
        compound.happen(("pump-1", "trip", second), ("pump-1", "-trip", second + 5))
    made = figures(compound, now=86_400 + 100, days=2)
    assert [(each.alarm.condition, each.count) for each in made.frequent] == [("trip", 4), ("event.42", 1)]
    assert made.frequent[0].share == 0.8
    assert [(alarm.condition, times) for alarm, times in made.chattering] == [("trip", 4)]
    assert [alarm.condition for alarm in made.stale] == ["event.42"]
    assert figures(compound, now=86_000).stale == []


def test_how_long_alarms_waited_is_told_in_all_and_by_person(compound: Compound) -> None:
    lifts_fail(compound, 4)
    for number, waited in ((1, 10), (2, 20), (3, 30)):
        with compound.database.writing() as session:
            alarm_id = compound.alarm(f"lift-{number}", "fault.01").id
            incident.acknowledge_alarm(session, alarm_id, actor=MANAGER, now_ms=at_ms(0.4 + waited))
            incident.acknowledge_alarm(session, alarm_id, actor=Actor("late"), now_ms=at_ms(500))
    made = figures(compound)
    assert (made.waiting.count, made.waiting.median_ms, made.unacknowledged) == (3, 20_000, 1)
    assert list(made.by_person) == ["mei"]


def test_severities_stand_beside_their_targets_and_advisories_are_left_out(compound: Compound) -> None:
    lifts_fail(compound, 3)
    compound.happen(("lift-1", "event.42", 10), ("pump-1", "heavy_rain", 10))
    made = figures(compound)
    assert made.by_severity[Severity.ADVISORY] == 1
    assert made.share_of == {Severity.CRITICAL: 0.0, Severity.MAJOR: 0.75, Severity.MINOR: 0.25}


def test_nothing_at_all_gives_zeros(compound: Compound) -> None:
    made = figures(compound)
    assert (made.called, made.a_day, made.floods, made.frequent, made.waiting.median_ms) == (0, 0.0, [], [], None)
    assert set(made.share_of.values()) == {0.0}
