"""Units as senders, along the whole line: silence, coverage, lateness and clocks, across restarts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.alarm import list_alarms
from alerts.presence import Presence, StaleBecause, count_unknown, presence_of
from ingest.life import Life
from ingest.wire import Channel, topic_of
from models.covered_minutes import MS_PER_MIN
from models.equipment import Kind
from models.reading import UnitKey
from registry import activity
from registry.coverage import coverage_of
from registry.database import Database
from registry.listening import deaf_since_ms
from registry.unit import get_unit
from registry.unit_life import UnitLife, gateways_of, largest_skews, lives_of
from tests.ingest.line import FIRE, GATEWAY_TOPIC, LIFT, PUMP, T0_MS, Line, at_ms, event, raw, reading, status

HOUR = 3600


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    line = Line(database, tmp_path / "telemetry.duckdb")
    yield line
    line.close()


def ticked(line: Line, until: float, *, is_listening: bool = True, step: float = 10) -> None:
    """Time passes; the worker looks at the clock now and then."""
    line.pipeline.tick(is_listening=is_listening)
    while line.second < until:
        line.second = min(line.second + step, until)
        line.pipeline.tick(is_listening=is_listening)


def speaks(line: Line, until: float, *units: UnitKey, every: float = 10, lag: float = 0.0) -> None:
    while line.second < until:
        second = line.second + every
        messages = [reading(unit, second - lag, level_m=1, pump_auto=1, motor_temp_c=40) for unit in units]
        ticked(line, second)
        line.take(*(message._replace(received_ms=at_ms(second)) for message in messages))
    line.pipeline.tick()


def life_of(line: Line, unit: UnitKey) -> UnitLife:
    with line.database.reading() as session:
        unit_id = get_unit(session, unit.path).id
        life = lives_of(session, [unit_id])[unit_id]
        session.expunge(life)
        return life


def presence(line: Line, unit: UnitKey) -> tuple[Presence, StaleBecause | None]:
    with line.database.reading() as session:
        found, now_ms = get_unit(session, unit.path), at_ms(line.second)
        deaf_ms = deaf_since_ms(session, now_ms=now_ms)
        life = lives_of(session, [found.id]).get(found.id)
        fact = presence_of(found, life, deaf_since_ms=deaf_ms, now_ms=now_ms)
        counted = count_unknown(session, deaf_since_ms=deaf_ms, now_ms=now_ms).get(unit.kind, 0)
        assert counted == (fact.presence is not Presence.CURRENT), "a page and a count say the same"
        return fact.presence, fact.because


def covered_s(line: Line, unit: UnitKey, start: float, end: float, *, pause: float = 0) -> float:
    with line.database.reading() as session:
        found = get_unit(session, unit.path)
        span = {"start_ms": at_ms(start), "end_ms": at_ms(end), "pause_ms": round(pause * 1000)}
        return coverage_of(session, found.id, **span).covered_ms / 1000


# Silence


def test_a_unit_that_stops_is_unknown_and_raises_an_alarm_that_returns_when_it_speaks_again(line: Line) -> None:
    speaks(line, 200, FIRE, PUMP)
    assert presence(line, FIRE) == (Presence.CURRENT, None)
    speaks(line, 400, PUMP)
    assert presence(line, FIRE) == (Presence.STALE, StaleBecause.SILENT)
    assert presence(line, PUMP) == (Presence.CURRENT, None)
    assert line.alarms() == [("silent", "unacknowledged", 1)]
    assert line.tickets() == ["Unit has gone silent"]
    speaks(line, 420, FIRE, PUMP)
    assert presence(line, FIRE) == (Presence.CURRENT, None)
    assert line.alarms() == [("silent", "unacknowledged", 1)]
    speaks(line, 520, FIRE, PUMP)
    assert line.alarms() == [("silent", "returned_unacknowledged", 1)]


def test_a_flapping_connection_keeps_one_alarm_and_one_ticket(line: Line) -> None:
    speaks(line, 100, FIRE)
    for _ in range(4):
        ticked(line, line.second + 400)
        speaks(line, line.second + 120, FIRE)
    assert line.alarms() == [("silent", "returned_unacknowledged", 4)]
    assert line.tickets() == ["Unit has gone silent"]


def test_our_own_restart_accuses_nobody_and_forgets_no_silence(line: Line) -> None:
    speaks(line, 200, FIRE, PUMP)
    speaks(line, 400, PUMP)
    line.second += 10 * HOUR
    line.restart()
    ticked(line, line.second + 100)
    assert line.alarms() == [("silent", "unacknowledged", 1)], "that of the fire system, and none for the pump"
    assert presence(line, PUMP) == (Presence.STALE, StaleBecause.SILENT), "nobody knows before it speaks"
    speaks(line, line.second + 100, FIRE, PUMP)
    assert presence(line, PUMP) == (Presence.CURRENT, None)
    assert line.alarms() == [("silent", "returned_unacknowledged", 1)]


def test_what_a_unit_is_used_to_survives_a_restart(line: Line) -> None:
    speaks(line, 3 * HOUR, PUMP, every=HOUR / 2)
    line.restart()
    ticked(line, line.second + HOUR)
    assert line.alarms() == []
    ticked(line, line.second + HOUR)
    assert line.alarms() == [("silent", "unacknowledged", 1)]


def test_a_lost_broker_is_one_incident_and_makes_all_unknown(line: Line) -> None:
    speaks(line, 200, FIRE, LIFT)
    ticked(line, 2000, is_listening=False)
    assert line.alarms() == []
    assert presence(line, FIRE) == (Presence.STALE, StaleBecause.NOT_LISTENING)
    assert presence(line, LIFT) == (Presence.STALE, StaleBecause.NOT_LISTENING)
    speaks(line, 2100, FIRE, LIFT)
    assert presence(line, FIRE) == (Presence.CURRENT, None)
    assert line.alarms() == []
    with line.database.reading() as session:
        verbs = [row.verb for row in activity.after(session, 0) if row.verb.startswith("broker")]
    assert verbs == ["broker.lost", "broker.found"]


def test_when_the_ingest_ends_nothing_is_known_any_more(line: Line) -> None:
    speaks(line, 200, FIRE)
    line.second += 120
    assert presence(line, FIRE) == (Presence.STALE, StaleBecause.NOT_LISTENING)
    line.restart()
    line.pipeline.tick()
    speaks(line, 400, FIRE)
    assert presence(line, FIRE) == (Presence.CURRENT, None)
    line.pipeline.end()
    assert presence(line, FIRE) == (Presence.STALE, StaleBecause.NOT_LISTENING)


def test_of_two_workers_that_share_the_units_neither_accuses_whom_the_other_hears(line: Line, tmp_path: Path) -> None:
    other = Line(line.database, tmp_path / "other.duckdb")
    try:
        speaks(line, 200, FIRE, PUMP)
        other.second = line.second
        while line.second < 600:
            speaks(other, line.second + 10, FIRE)
            ticked(line, other.second)
        assert line.alarms() == [("silent", "unacknowledged", 1)], "that of the pump, which neither hears"
        while line.second < 1000:
            ticked(other, line.second + 10)
            ticked(line, other.second)
        assert line.alarms() == [("silent", "unacknowledged", 1), ("silent", "unacknowledged", 1)]
        while line.second < 1200:
            speaks(other, line.second + 10, FIRE, PUMP)
            ticked(line, other.second)
        assert line.alarms() == [("silent", "returned_unacknowledged", 1), ("silent", "returned_unacknowledged", 1)]
    finally:
        other.close()


def test_a_goodbye_makes_a_unit_unknown_and_one_alarm_is_enough(line: Line) -> None:
    speaks(line, 200, FIRE)
    line.take(status(FIRE, 201, False))
    assert presence(line, FIRE) == (Presence.STALE, StaleBecause.OFFLINE)
    ticked(line, 900)
    assert line.alarms() == [("offline", "unacknowledged", 1)]


def test_who_measures_after_its_goodbye_is_online_whatever_it_says(line: Line) -> None:
    speaks(line, 200, FIRE)
    line.take(status(FIRE, 201, False))
    ticked(line, 300)
    line.take(reading(FIRE, 150, pump_auto=1)._replace(received_ms=at_ms(300)))
    assert presence(line, FIRE) == (Presence.STALE, StaleBecause.OFFLINE), "it measured that before"
    line.take(reading(FIRE, 301, pump_auto=1))
    assert presence(line, FIRE) == (Presence.CURRENT, None)
    assert line.alarms() == [("offline", "returned_unacknowledged", 1)]


def test_a_unit_that_only_said_that_it_is_online_was_never_heard(line: Line) -> None:
    line.take(status(LIFT, 1, True))
    ticked(line, 5000)
    assert presence(line, LIFT) == (Presence.NEVER_HEARD, None)
    assert line.alarms() == []


def test_hundreds_of_units_that_say_hello_before_they_measure_are_each_heard(line: Line) -> None:
    lifts = [UnitKey("xiaohe", Kind.ELEVATOR, f"l-{number}") for number in range(200)]
    line.take(*(status(lift, 1, True) for lift in lifts))
    ticked(line, 5)
    line.take(*(reading(lift, 10, motor_temp_c=40) for lift in lifts))
    line.pipeline.tick()
    assert line.counts() == (400, 0, 0)
    heard = [life_of(line, lift) for lift in lifts]
    assert [life.newest_ms for life in heard] == [at_ms(10)] * 200


def test_a_recording_says_how_it_was_and_not_how_it_is(line: Line) -> None:
    speaks(line, 200, PUMP, lag=400 * 24 * HOUR)
    assert presence(line, PUMP) == (Presence.STALE, StaleBecause.BEHIND)
    ticked(line, 600)
    assert presence(line, PUMP) == (Presence.STALE, StaleBecause.SILENT)
    assert line.alarms() == [], "a recording that has ended calls nobody"


# Coverage


def test_coverage_counts_the_minutes_with_data(line: Line) -> None:
    speaks(line, 600, PUMP)
    ticked(line, 1200)
    speaks(line, 1800, PUMP)
    assert covered_s(line, PUMP, 0, 1800) == pytest.approx(1200, abs=120)
    assert covered_s(line, PUMP, 600, 1200) == pytest.approx(0, abs=60)
    assert covered_s(line, PUMP, -HOUR, 0) == pytest.approx(0, abs=60)


def test_a_backlog_fills_the_coverage_of_the_past_and_a_restart_takes_nothing(line: Line) -> None:
    speaks(line, 600, PUMP)
    ticked(line, 2 * HOUR, step=60)
    speaks(line, line.second + 600, PUMP)
    before = covered_s(line, PUMP, 0, 2 * HOUR)
    line.restart()
    kept = [{"ts": at_ms(second), "values": {"level_m": 1}} for second in range(600, 2 * HOUR, 30)]
    line.take(raw("liandong/v1/xiaohe/pump/pump-1/telemetry", kept, second=line.second))
    assert before < 800
    assert covered_s(line, PUMP, 0, 2 * HOUR) == pytest.approx(2 * HOUR, abs=60)


def test_what_was_not_committed_is_not_covered_and_what_is_told_again_is_covered_once(line: Line) -> None:
    line.database.failures_at_end = 1
    line.take(reading(PUMP, 30, level_m=1))
    line.take(reading(PUMP, 30, level_m=1))
    assert covered_s(line, PUMP, -HOUR, HOUR) == MS_PER_MIN / 1000


def test_a_unit_that_speaks_every_ten_minutes_has_no_holes(line: Line) -> None:
    speaks(line, 2 * HOUR, PUMP, every=600)
    interval_s = (life_of(line, PUMP).interval_ms or 0) / 1000
    assert interval_s == pytest.approx(600, abs=5)
    assert covered_s(line, PUMP, 600, 2 * HOUR, pause=3 * interval_s) == pytest.approx(2 * HOUR - 600, abs=60)


# Late


def test_late_values_are_counted_by_unit(line: Line) -> None:
    line.take(reading(PUMP, 100, level_m=1, rain_mm_h=0), reading(LIFT, 100, motor_temp_c=40))
    line.take(reading(PUMP, 50, level_m=1, rain_mm_h=0)._replace(received_ms=at_ms(110)))
    line.pipeline.tick()
    assert (life_of(line, PUMP).late_values, life_of(line, LIFT).late_values) == (2, 0)
    assert line.ledger().values_late == 2


def past_alarms(line: Line) -> list[tuple[str, str, float, float, float | None, bool]]:
    """(condition, state, raised, received, cleared, whether there is a ticket), oldest first."""
    with line.database.reading() as session:
        return [
            (
                alarm.condition,
                alarm.state,
                (alarm.raised_ms - T0_MS) / 1000,
                (alarm.received_ms - T0_MS) / 1000,
                None if alarm.cleared_ms is None else (alarm.cleared_ms - T0_MS) / 1000,
                alarm.ticket_id is not None,
            )
            for alarm in list_alarms(session)[::-1]
        ]


def backlog(line: Line, unit: UnitKey, *rows: tuple[float, float]) -> None:
    """(second, pump_auto) of the past, all in one message that arrives now."""
    said = [{"ts": at_ms(second), "values": {"pump_auto": value}} for second, value in rows]
    line.take(raw(topic_of(unit, Channel.TELEMETRY), said, second=line.second))


def test_what_was_dangerous_in_late_data_is_an_alarm_of_the_past_and_calls_nobody(line: Line) -> None:
    line.take(reading(FIRE, 10_000, pump_auto=1))
    backlog(line, FIRE, (1000, 1), (1010, 0), (1020, 0), (1500, 1), (1510, 1))
    assert past_alarms(line) == [("pump_in_manual", "normal", 1010, 10_000, 1500, False)]
    assert line.tickets() == []


def test_a_past_that_comes_in_pieces_and_twice_is_one(line: Line) -> None:
    line.take(reading(FIRE, 10_000, pump_auto=1))
    for _ in range(2):
        backlog(line, FIRE, (1000, 1), (1010, 0))
        backlog(line, FIRE, (1020, 0), (1500, 1))
    assert past_alarms(line) == [("pump_in_manual", "normal", 1010, 10_000, 1500, False)]


def test_of_a_past_without_an_end_it_is_told_until_when_it_held_at_least(line: Line) -> None:
    line.take(reading(FIRE, 10_000, pump_auto=1))
    backlog(line, FIRE, (1000, 0))
    assert past_alarms(line) == [("pump_in_manual", "normal", 1000, 10_000, 1000, False)]
    backlog(line, FIRE, (9000, 1))
    assert past_alarms(line)[0][4] == 1000, "hours later is another past"


def test_a_present_alarm_of_that_time_is_enough(line: Line) -> None:
    line.take(reading(FIRE, 1000, pump_auto=0))
    line.take(reading(FIRE, 10_000, pump_auto=1))
    backlog(line, FIRE, (2000, 0), (3000, 0))
    assert [(row[0], row[5]) for row in past_alarms(line)] == [("pump_in_manual", True)]


def test_the_past_neither_raises_nor_ends_an_alarm_of_the_present(line: Line) -> None:
    line.take(reading(FIRE, 10_000, pump_auto=0))
    backlog(line, FIRE, (1000, 1), (1010, 0), (1020, 1))
    assert line.alarms() == [("pump_in_manual", "unacknowledged", 1), ("pump_in_manual", "normal", 1)]
    line.take(reading(FIRE, 10_010, pump_auto=1))
    assert line.alarms()[0] == ("pump_in_manual", "returned_unacknowledged", 1)


def test_an_event_that_was_overtaken_is_of_the_past_too(line: Line) -> None:
    line.take(event(FIRE, 9000, "fire", on=False, point="1-1"))
    for second, on in ((1000, True), (1200, False)):
        line.take(event(FIRE, second, "fire", on=on, point="1-1")._replace(received_ms=at_ms(9100)))
    assert past_alarms(line) == [("fire", "normal", 1000, 9100, 1200, False)]


def test_a_backlog_in_order_is_judged_as_it_was_and_keeps_its_times(line: Line) -> None:
    """The gateway was away; it sends what it kept before it says anything new."""
    line.take(reading(FIRE, 0, pump_auto=1))
    line.second = 86_400
    backlog(line, FIRE, (1000, 0), (2000, 1), (86_399, 1))
    assert past_alarms(line) == [("pump_in_manual", "returned_unacknowledged", 1000, 86_400, 2000, True)]


def test_a_row_a_little_out_of_order_is_no_past(line: Line) -> None:
    line.take(reading(FIRE, 1000, pump_auto=1))
    backlog(line, FIRE, (990, 0))
    assert past_alarms(line) == []


# Clocks


@pytest.mark.parametrize("lag", [-300.0, 0.5, 3600.0])
def test_the_skew_of_a_clock_is_measured(line: Line, lag: float) -> None:
    speaks(line, 300, PUMP, lag=lag)
    assert life_of(line, PUMP).skew_ms == pytest.approx(lag * 1000, abs=10)
    assert presence(line, PUMP) == (Presence.CURRENT, None), "its clock is wrong, and it speaks"


def test_one_wrong_time_is_not_a_wrong_clock(line: Line) -> None:
    speaks(line, 200, PUMP)
    line.take(reading(PUMP, 20_000, level_m=1)._replace(received_ms=at_ms(201)))
    speaks(line, 400, PUMP)
    assert abs(life_of(line, PUMP).skew_ms or 0) < 1000


def test_a_backlog_that_catches_up_is_not_a_slow_clock(line: Line) -> None:
    speaks(line, 200, PUMP)
    ticked(line, 10_000, step=60)
    told = 200.0
    while told < line.second:
        told += 300
        now = line.second + 5
        line.take(reading(PUMP, told, level_m=1)._replace(received_ms=at_ms(now)))
        ticked(line, now)
    speaks(line, line.second + 60, PUMP)
    assert abs(life_of(line, PUMP).skew_ms or 0) < 1000


def test_a_gateway_has_a_clock_of_its_own(line: Line) -> None:
    for second in range(10, 200, 10):
        units = (("pump", "pump-1"), ("elevator", "lift-1"))
        said = [{"kind": k, "unit": u, "ts": at_ms(second - 120), "values": {"rain_mm_h": 0}} for k, u in units]
        line.take(raw(GATEWAY_TOPIC, said, second=second))
        ticked(line, second)
    assert life_of(line, PUMP).skew_ms == 120_000
    with line.database.reading() as session:
        assert {name: row.skew_ms for name, row in gateways_of(session, "xiaohe").items()} == {"g1": 120_000}
        assert largest_skews(session) == {"gateway": 120_000, "unit": 120_000}


def test_nothing_in_it_stops_the_stream(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Life, "hear", fail)
    line.take(reading(PUMP, 1, level_m=1))
    assert line.counts() == (1, 0, 0)
