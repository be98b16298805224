"""From messages to what is safe: nothing lost, nothing doubled, and the ledger balances, whatever happens."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import incident
from alerts.alarm import list_alarms
from alerts.limits import Limits
from alerts.watch import Signal, Watch
from ingest import event_log, store_writer, unknown_metric
from ingest.pipeline import Stopped
from ingest.wire import RawMessage
from models.detectors.artefact import FittedModel
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry import activity
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.site import add_site
from registry.unit import connection_states, get_unit
from tests.ingest.line import FIRE, GATEWAY_TOPIC, LIFT, PUMP, Line, again, at_ms, event, raw, reading, status

DAY = 86_400.0


@pytest.fixture(autouse=True)
def writer_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "GATHER_S", 0.0)
    monkeypatch.setattr(store_writer, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(store_writer, "RETRY_LAST_S", 0.05)


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    line = Line(database, tmp_path / "telemetry.duckdb")
    yield line
    line.close()


@pytest.fixture
def strict_line(database: Database, tmp_path: Path) -> Iterator[Line]:
    """One whose sites must be known."""
    line = Line(database, tmp_path / "telemetry.duckdb", registers_unknown_sites=False)
    yield line
    line.close()


# Once is enough


def test_readings_are_stored_counted_and_acknowledged(line: Line) -> None:
    first, second = reading(PUMP, 1, level_m=1.5, flow_m3_h=3), reading(PUMP, 2, level_m=1.6)
    line.take(first, second)
    assert line.door.acknowledged == [first, second]
    assert line.stored(PUMP, "level_m") == [(1, 1.5), (2, 1.6)]
    assert line.stored(PUMP, "flow_m3_h") == [(1, 3)]
    read = line.ledger()
    assert (read.accepted, read.values_accepted, read.values_stored, read.values_pending) == (2, 3, 3, 0)
    assert read.last_received_ms == at_ms(2)


def test_twenty_deliveries_of_one_event_are_one_alarm_and_one_ticket(line: Line) -> None:
    fire = event(FIRE, 5, "fire", point="3-12")
    line.take(*[fire] * 7)
    for _ in range(6):
        line.take(again(fire))
    line.restart()
    line.take(*[again(fire)] * 7)
    assert line.alarms() == [("fire", "unacknowledged", 1)]
    assert line.tickets() == ["Fire alarm"]
    assert line.counts() == (1, 19, 0)
    with line.database.reading() as session:
        assert len(event_log.of_unit(session, get_unit(session, "xiaohe~fire-1").id)) == 1
        assert not list(activity.verify_chain(session))


def test_a_reading_told_again_in_the_same_batch_adds_nothing(line: Line) -> None:
    told = reading(PUMP, 1, level_m=1.5)
    line.take(told, told, reading(PUMP, 1, level_m=9.9))
    assert line.stored(PUMP, "level_m") == [(1, 1.5)]
    assert line.counts() == (1, 2, 0)
    assert line.ledger().values_repeated == 2


def test_a_reading_told_again_later_adds_nothing(line: Line) -> None:
    told = reading(PUMP, 1, level_m=1.5)
    line.take(told)
    line.settle()
    line.take(again(told))
    line.restart()
    line.take(again(told))
    assert line.counts() == (1, 2, 0)
    assert line.ledger().values_stored == line.store.count_values() == 1


def test_a_reading_told_again_before_the_store_has_it_adds_nothing(line: Line) -> None:
    line.restart(writes=False)
    told = [reading(PUMP, second, level_m=second) for second in range(5)]
    line.take(*told[:3])
    line.take(*told[3:], again(told[0]))
    line.restart(writes=False)
    line.take(*map(again, told))
    assert line.counts() == (5, 6, 0)
    assert line.ledger().values_pending == 5


def test_a_metric_more_at_a_known_time_is_news(line: Line) -> None:
    line.take(reading(PUMP, 1, level_m=1.5))
    line.take(reading(PUMP, 1, level_m=1.5, flow_m3_h=2))
    assert line.counts() == (2, 0, 0)
    assert line.ledger().values_accepted == line.ledger().values_repeated + 1 == 2
    assert line.stored(PUMP, "flow_m3_h") == [(1, 2)]


def test_a_gateways_message_is_news_when_any_of_its_readings_is(line: Line) -> None:
    def said(second: float) -> RawMessage:
        return raw(
            GATEWAY_TOPIC,
            [
                {"kind": "elevator", "unit": "lift-1", "ts": at_ms(second), "values": {"occupied": 1}},
                {"kind": "pump", "unit": "pump-1", "ts": at_ms(5), "values": {"level_m": 1}},
            ],
            second=10,
        )

    line.take(said(5), said(6), said(6))
    assert line.counts() == (2, 1, 0)
    assert line.stored(LIFT, "occupied") == [(5, 1), (6, 1)]


# Late


def test_late_readings_are_stored_counted_and_not_judged(line: Line) -> None:
    line.take(reading(FIRE, 100, pump_auto=1))
    line.take(reading(FIRE, 50, pump_auto=0), reading(FIRE, 60, tank_level_m=3.0))
    assert line.stored(FIRE, "pump_auto") == [(50, 0), (100, 1)]
    assert line.alarms() == []
    # The tank was heard for the first time: of that metric the reading is the newest.
    assert line.ledger().values_late == 1


def test_a_reading_from_years_before_its_unit_is_a_wrong_clock(line: Line) -> None:
    line.take(reading(PUMP, 0, level_m=1))
    line.take(reading(PUMP, -301 * DAY, level_m=2), reading(PUMP, -299 * DAY, level_m=3))
    assert line.reasons() == ["time_too_old"]
    assert line.stored(PUMP, "level_m") == [(-299 * DAY, 3), (0, 1)]


def test_late_readings_cannot_be_looked_up_while_the_store_is_away_and_are_kept(line: Line) -> None:
    line.take(reading(PUMP, 10, level_m=1), reading(PUMP, 5, level_m=2))
    line.settle()
    line.store.is_away = True
    line.take(reading(PUMP, 5, level_m=2), reading(PUMP, 6, level_m=3))
    line.store.is_away = False
    assert line.stored(PUMP, "level_m") == [(5, 2), (6, 3), (10, 1)]
    assert line.ledger().values_pending == 0


# Who is heard


def test_a_message_of_an_unknown_site_waits_until_the_site_exists(strict_line: Line) -> None:
    line = strict_line
    messages = [reading(PUMP, 1, level_m=1), event(FIRE, 1, "fire"), status(LIFT, 1, True)]
    line.take(*messages)
    assert line.counts() == (0, 0, 3)
    assert set(line.reasons()) == {"unknown_site"}
    with line.database.writing() as session:
        add_site(session, key="xiaohe", now_ms=at_ms(0))
    line.take(*messages)
    assert line.counts() == (3, 0, 3)
    assert line.stored(PUMP, "level_m") == [(1, 1)]
    assert line.alarms() == [("fire", "unacknowledged", 1)]


def test_a_gateway_that_speaks_for_a_wrong_kind_is_refused_whole(line: Line) -> None:
    line.take(reading(PUMP, 1, level_m=1))
    said = [
        {"kind": "elevator", "unit": "pump-1", "ts": at_ms(2), "values": {"occupied": 1}},
        {"kind": "fire", "unit": "fire-1", "ts": at_ms(2), "values": {"pump_auto": 0}},
    ]
    line.take(raw(GATEWAY_TOPIC, said, second=2))
    assert line.reasons() == ["kind_conflict"]
    assert line.alarms() == []
    assert line.ledger().values_accepted == 1


def test_unknown_metrics_are_stored_and_reported_once(line: Line) -> None:
    for second in range(3):
        line.take(reading(PUMP, second, level_m=1, colour=2))
    line.restart()
    line.take(reading(PUMP, 9, colour=3, smell=1))
    with line.database.reading() as session:
        found = {row.metric: row.first_ms for row in unknown_metric.newest(session)}
    assert found == {"colour": at_ms(0), "smell": at_ms(9)}
    assert len(line.stored(PUMP, "colour")) == 4


def test_the_own_alarms_are_not_listened_to(line: Line) -> None:
    own = raw("liandong/v1/xiaohe/pump/pump-1/alarm", [], retained=True)
    line.take(own)
    line.take(own, reading(PUMP, 1, level_m=1))
    assert line.counts() == (1, 0, 0)
    assert len(line.door.acknowledged) == 3


# Quarantine


def test_what_cannot_be_read_is_kept_and_stops_nothing(line: Line) -> None:
    bad = [raw("liandong/v1/xiaohe/pump/pump-1/telemetry", payload) for payload in (b"\xff", b"{", b"x" * 300_000)]
    bad.append(raw("liandong/v1/xiaohe/toaster/t/telemetry", {}))
    line.take(*bad, reading(PUMP, 1, level_m=1))
    assert sorted(line.reasons()) == ["not_json", "not_utf8", "too_large", "unknown_kind"]
    assert line.counts() == (1, 0, 4)
    assert len(line.door.acknowledged) == 5


def test_a_bad_message_that_the_broker_sends_again_is_kept_once(line: Line) -> None:
    bad = raw("liandong/v1/xiaohe/pump/pump-1/telemetry", b"{")
    line.take(bad)
    line.restart()
    line.take(again(bad), again(bad))
    assert line.counts() == (0, 2, 1)
    line.take(bad)
    assert line.counts() == (0, 2, 2)


# Connections


def online(line: Line, unit: UnitKey = LIFT) -> bool | None:
    with line.database.reading() as session:
        return {state.unit: state.is_online for state in connection_states(session)}.get(unit)


def test_a_last_will_counts_from_when_it_is_told(line: Line) -> None:
    """It bears the time of the connection it belongs to."""
    line.take(status(LIFT, 100, True))
    line.take(status(LIFT, 99, False, told=5000))
    assert online(line) is False
    line.tick(5029)
    assert line.alarms() == []
    line.tick(5030)
    assert line.alarms() == [("offline", "unacknowledged", 1)]
    line.take(status(LIFT, 5050, True))
    assert online(line) is True
    assert line.alarms() == [("offline", "returned_unacknowledged", 1)]


def test_a_unit_with_a_slow_clock_comes_back_online(line: Line) -> None:
    line.take(status(LIFT, 100, True, told=700))
    line.take(status(LIFT, 100, False, told=5000))
    line.take(status(LIFT, 4500, True, told=5100))
    assert online(line) is True
    line.tick(9000)
    assert line.alarms() == []


def test_the_broker_tells_retained_words_again_and_nothing_follows(line: Line) -> None:
    line.take(status(LIFT, 100, True))
    line.take(status(LIFT, 100, True, told=200, retained=True))
    line.take(status(LIFT, 100, False, told=300))
    line.restart()
    for _ in range(3):
        line.take(status(LIFT, 100, False, told=400, retained=True))
    assert online(line) is False
    line.take(status(LIFT, 100, True, told=500, retained=True))
    assert online(line) is False
    assert line.counts() == (2, 5, 0)


def test_a_will_that_was_retained_while_nobody_listened_is_heard(line: Line) -> None:
    line.take(status(LIFT, 100, True))
    line.restart()
    line.take(status(LIFT, 99, False, told=5000, retained=True))
    assert online(line) is False


def test_connections_told_again_after_a_crash_end_as_they_did(line: Line) -> None:
    words = [status(LIFT, 100, True), status(LIFT, 200, False), status(LIFT, 300, True)]
    line.take(*words)
    line.restart()
    line.take(*map(again, words))
    assert online(line) is True
    line.tick(9000)
    assert line.alarms() == []


def test_many_words_in_one_batch_end_in_their_order(line: Line) -> None:
    line.take(status(LIFT, 1, True), status(LIFT, 1, False, told=50), status(LIFT, 60, True), status(FIRE, 3, False))
    assert (online(line), online(line, FIRE)) == (True, False)


# Restarts and crashes


def test_a_crash_between_commit_and_store_loses_nothing(line: Line) -> None:
    line.restart(writes=False)
    for second in range(40):
        line.take(reading(PUMP, second, level_m=second))
    assert line.ledger().values_pending == 40
    line.restart()
    assert line.stored(PUMP, "level_m") == [(second, second) for second in range(40)]
    assert line.ledger().values_stored == 40


def test_a_crash_after_the_store_took_it_doubles_nothing(line: Line) -> None:
    """The store has the first batches, but nobody noted it; more have come since."""
    line.restart(writes=False)
    for second in range(3):
        line.take(reading(PUMP, second, level_m=second))
    batches = line.writer._next()
    line.store.write(batches[0].batch_id, [block for batch in batches for block in batch.blocks])
    for second in range(3, 6):
        line.take(reading(PUMP, second, level_m=second))
    line.restart()
    assert line.stored(PUMP, "level_m") == [(second, second) for second in range(6)]
    assert line.ledger().values_stored == line.store.count_values() == 6


def test_alarms_that_stand_are_not_told_again_after_a_restart_and_end_when_they_do(line: Line) -> None:
    line.take(reading(FIRE, 1, pump_auto=0), event(FIRE, 2, "fire", point="a"), status(LIFT, 3, False))
    line.tick(40)
    for second in (50, 60):
        line.restart()
        line.tick(second)
        line.take(reading(FIRE, second, pump_auto=0, tank_level_m=3))
    assert sorted(line.alarms()) == [
        ("fire", "unacknowledged", 1),
        ("offline", "unacknowledged", 1),
        ("pump_in_manual", "unacknowledged", 1),
    ]
    line.take(reading(FIRE, 70, pump_auto=1), event(FIRE, 71, "fire", on=False), status(LIFT, 72, True))
    assert {state for _, state, _ in line.alarms()} == {"returned_unacknowledged"}
    line.restart()
    line.tick(9999)
    assert {state for _, state, _ in line.alarms()} == {"returned_unacknowledged"}


def test_readings_that_wait_for_the_store_are_remembered_over_a_restart(line: Line) -> None:
    line.take(reading(FIRE, 1, main_valve_open=1, mains_ok=1))
    line.settle()
    line.restart(writes=False)
    line.take(reading(FIRE, 2, main_valve_open=0))
    line.restart(writes=False)
    line.take(reading(FIRE, 3, mains_ok=1))
    assert line.alarms() == [("main_valve_closed", "unacknowledged", 1)]


def test_a_trapped_person_is_not_forgotten_over_a_restart(line: Line) -> None:
    shut_in = {"occupied": 1, "door_closed": 1, "in_door_zone": 0, "speed_m_s": 0, "service_mode": 1}
    line.take(reading(LIFT, 0, **shut_in))
    line.settle()
    line.restart()
    line.tick(59)
    assert line.alarms() == []
    line.tick(60)
    assert line.alarms() == [("entrapment", "unacknowledged", 1)]


def test_the_rain_of_the_last_hours_is_remembered_over_a_restart(line: Line) -> None:
    line.take(*(reading(PUMP, 600 * n, rain_mm_h=20) for n in range(19)))
    line.settle()
    line.restart()
    line.take(*(reading(PUMP, 11_400 + s, rain_mm_h=0, floor_water_cm=2.1) for s in (0, 20)))
    assert [condition for condition, _, _ in line.alarms()] == ["heavy_rain", "floor_water_wet"]


# The store away


def test_alarms_do_not_wait_for_the_store_and_it_gets_everything_later(line: Line) -> None:
    line.store.is_away = True
    for second in range(100):
        line.take(reading(PUMP, second, level_m=second, phase_loss=float(second == 50)))
    assert ("phase_loss", "returned_unacknowledged", 1) in line.alarms()
    assert line.ledger().values_stored == 0
    assert len(line.door.acknowledged) == 100
    line.store.is_away = False
    assert line.stored(PUMP, "level_m") == [(second, second) for second in range(100)]
    assert line.ledger().values_stored == 200


def test_duplicates_are_recognised_while_the_store_is_away(line: Line) -> None:
    line.store.is_away = True
    told = [reading(PUMP, second, level_m=second) for second in range(30)]
    for message in told:
        line.take(message)
    line.take(*map(again, told))
    assert line.counts() == (30, 30, 0)
    line.store.is_away = False
    assert len(line.stored(PUMP, "level_m")) == 30


def test_what_the_store_refuses_for_good_does_not_hold_the_rest(line: Line) -> None:
    line.store.refuses = "cursed"
    line.take(reading(PUMP, 1, level_m=1))
    line.take(reading(PUMP, 2, cursed=1))
    line.take(reading(PUMP, 3, level_m=3))
    assert line.stored(PUMP, "level_m") == [(1, 1), (3, 3)]
    line.take(reading(PUMP, 4, level_m=4))
    assert line.stored(PUMP, "level_m")[-1] == (4, 4)
    assert line.ledger().values_pending == 1
    line.take(again(reading(PUMP, 2, cursed=1)))
    assert line.counts() == (4, 1, 0)
    line.store.refuses = None
    line.restart()
    assert line.stored(PUMP, "cursed") == [(2, 1)]
    assert line.ledger().values_pending == 0


# The database away


def test_while_the_database_is_away_nothing_is_acknowledged_and_then_everything(line: Line) -> None:
    line.restart(writes=False)
    line.take(reading(FIRE, 0, pump_auto=1))
    line.database.failures_before = 3
    line.take(reading(FIRE, 1, pump_auto=0))
    assert line.pauses_left == 1_000 - 3
    line.database.failures_at_end = 3
    line.take(event(FIRE, 2, "fire"))
    assert line.pauses_left == 1_000 - 6
    assert line.counts() == (3, 0, 0)
    assert sorted(condition for condition, _, _ in line.alarms()) == ["fire", "pump_in_manual"]


def test_a_worker_told_to_end_leaves_its_batch_with_the_broker(line: Line) -> None:
    line.restart(writes=False)
    fire = event(FIRE, 2, "fire")
    line.take(reading(FIRE, 0, pump_auto=1))
    line.database.failures_at_end, line.pauses_left = 99, 3
    with pytest.raises(Stopped):
        line.take(fire, reading(FIRE, 3, pump_auto=0))
    assert fire not in line.door.acknowledged
    line.database.failures_at_end, line.pauses_left = 0, 99
    assert line.alarms() == []
    line.restart()
    line.take(again(fire), again(reading(FIRE, 3, pump_auto=0)))
    assert sorted(line.alarms()) == [("fire", "unacknowledged", 1), ("pump_in_manual", "unacknowledged", 1)]
    assert line.counts() == (3, 0, 0)


def test_a_commit_whose_answer_was_lost_is_not_done_twice(line: Line) -> None:
    line.restart(writes=False)
    line.take(reading(FIRE, 0, pump_auto=1))
    line.database.failures_after = 1
    line.take(reading(FIRE, 1, pump_auto=0), event(FIRE, 2, "fire"))
    assert line.counts() == (3, 0, 0)
    assert line.ledger().values_accepted == 2
    assert sorted(line.alarms()) == [("fire", "unacknowledged", 1), ("pump_in_manual", "unacknowledged", 1)]


def test_a_tick_waits_for_the_database_as_well(line: Line) -> None:
    line.take(status(LIFT, 0, False))
    line.settle()
    line.database.is_away, line.pauses_left = True, 5
    with pytest.raises(Stopped):
        line.tick(31)
    line.database.is_away, line.pauses_left = False, 99
    line.tick(32)
    assert line.alarms() == [("offline", "unacknowledged", 1)]


# Defects of our own


def test_a_rule_that_fails_stops_neither_the_stream_nor_other_rules(line: Line) -> None:
    class Bank:
        history_rows = 2

        def observe(self, block: ReadingBlock) -> list[Any]:
            raise ZeroDivisionError

        def restore(self, block: ReadingBlock) -> None:
            raise AssertionError("nothing is stored yet")

        def load(
            self, unit: UnitKey, model: FittedModel, *, after_ms: int, budget_per_month: float | None = None
        ) -> None: ...

        def standing(self) -> list[UnitKey]:
            return []

        def is_judging(self, unit: UnitKey) -> bool:
            return False

    line.restart(watch=Watch(banks={Kind.PUMP: Bank()}))
    line.take(reading(PUMP, 1, level_m=1, phase_loss=1), event(FIRE, 1, "fire"))
    assert sorted(condition for condition, _, _ in line.alarms()) == ["fire", "phase_loss"]
    assert line.stored(PUMP, "level_m") == [(1, 1)]


def test_a_watch_that_fails_altogether_costs_no_reading(line: Line) -> None:
    class Broken(Watch):
        def observe(self, *_arguments: Any, **_options: Any) -> list[Signal]:
            raise ZeroDivisionError

    line.restart(watch=Broken())
    line.take(reading(PUMP, 1, level_m=1))
    assert line.stored(PUMP, "level_m") == [(1, 1)]
    assert line.counts() == (1, 0, 0)


class Odd(Watch):
    """Says with every batch something that no database can keep."""

    def observe(self, *arguments: Any, **options: Any) -> list[Signal]:
        signals = super().observe(*arguments, **options)
        return [Signal(s.unit, s.condition, s.ts_ms, s.is_active, {"odd": object()}) for s in signals[:1]] + signals[1:]


def test_a_signal_that_cannot_be_kept_costs_no_other_signal_and_no_message(line: Line) -> None:
    line.restart(watch=Odd())
    line.take(event(FIRE, 1, "fault"), event(FIRE, 2, "fire"), reading(PUMP, 3, level_m=1))
    assert line.alarms() == [("fire", "unacknowledged", 1)]
    assert line.counts() == (3, 0, 0)
    assert line.stored(PUMP, "level_m") == [(3, 1)]


def test_a_batch_wider_than_memory_is_taken_in_parts(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.wire.MAX_CELLS", 500)
    line.take(*(reading(PUMP, n, **{f"serial-{n}": n, "level_m": n}) for n in range(60)))
    assert line.counts() == (60, 0, 0)
    assert len(line.stored(PUMP, "level_m")) == 60
    assert line.stored(PUMP, "serial-59") == [(59, 59)]


# Shelves


def test_the_shelf_ends_with_a_tick(line: Line) -> None:
    line.take(event(FIRE, 0, "fault"))
    actor = Actor("mei", (Grant(Role.ADMIN),))
    with line.database.writing() as session:
        [alarm] = list_alarms(session)
        incident.shelve_alarm(
            session, alarm.id, until_ms=at_ms(100), reason="test", is_allowed=True, actor=actor, now_ms=at_ms(1)
        )
    line.tick(99)
    assert line.alarms() == [("fault", "shelved", 1)]
    line.tick(100)
    assert line.alarms() == [("fault", "unacknowledged", 1)]


def test_limits_reach_the_rules(line: Line) -> None:
    line.restart(watch=Watch(limits=Limits(cable_temp_c=55)))
    line.take(reading(FIRE, 0, cable_temp_c=60), reading(FIRE, 10, cable_temp_c=60))
    assert [condition for condition, _, _ in line.alarms()] == ["cable_hot"]


# Any mix


Told = tuple[str, Any]
UNITS = ("p1", "p2")


@st.composite
def messages(draw: st.DrawFn) -> Told:
    """(channel, payload) of one site, at few times, so that much is told more than once."""
    second = draw(st.integers(0, 6))
    values = st.dictionaries(st.sampled_from(["level_m", "flow_m3_h", "colour"]), st.integers(0, 3), min_size=1)
    match draw(st.sampled_from(["one", "one", "many", "gateway", "event", "bad", "alarm"])):
        case "one":
            return f"pump/{draw(st.sampled_from(UNITS))}/telemetry", {"ts": at_ms(second), "values": draw(values)}
        case "many":
            rows = [{"ts": at_ms(second + n), "values": draw(values)} for n in range(draw(st.integers(1, 3)))]
            return f"pump/{draw(st.sampled_from(UNITS))}/telemetry", rows
        case "gateway":
            rows = [
                {"kind": kind, "unit": unit, "ts": at_ms(second), "values": draw(values)}
                for kind, unit in draw(
                    st.lists(st.sampled_from([("pump", "p1"), ("fire", "f1"), ("pump", "p2")]), min_size=1, max_size=3)
                )
            ]
            return "gateway/g/telemetry", rows
        case "event":
            code = draw(st.sampled_from(["fire", "fault"]))
            return "fire/f1/event", {"ts": at_ms(second), "code": code, "on": draw(st.booleans())}
        case "bad":
            return draw(
                st.sampled_from([("pump/p1/telemetry", b"{"), ("toaster/t/telemetry", {}), ("fire/p1/event", b"")])
            )
        case _:
            return "pump/p1/alarm", []


steps = st.lists(
    st.one_of(
        st.lists(messages(), min_size=1, max_size=6),
        st.lists(messages(), min_size=1, max_size=6),
        st.sampled_from(["again", "restart", "settle"]),
    ),
    min_size=1,
    max_size=10,
)


def cells_of(topic: str, payload: Any) -> list[tuple[str, str, int]]:
    kind, unit, _ = topic.split("/")
    rows = payload if isinstance(payload, list) else [payload]
    return [
        (f"{row.get('kind', kind)}/{row.get('unit', unit)}", name, row["ts"]) for row in rows for name in row["values"]
    ]


class Plain:
    """The same books, kept by a plain loop over messages."""

    def __init__(self) -> None:
        self.cells: set[tuple[str, str, int]] = set()
        self.events: set[str] = set()
        self.bad: set[str] = set()
        self.counts = {"accepted": 0, "duplicate": 0, "quarantined": 0}

    def take(self, topic: str, payload: Any, *, is_again: bool) -> None:
        if topic.endswith("/alarm"):
            return
        text = f"{topic} {payload!r}"
        if isinstance(payload, bytes) or topic.startswith("toaster"):
            known = is_again and text in self.bad
            self.bad.add(text)
            self.counts["duplicate" if known else "quarantined"] += 1
        elif topic.endswith("/event"):
            self.counts["duplicate" if text in self.events else "accepted"] += 1
            self.events.add(text)
        else:
            cells = cells_of(topic, payload)
            self.counts["accepted" if set(cells) - self.cells else "duplicate"] += 1
            self.cells.update(cells)


@given(steps)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_the_books_are_those_of_a_plain_loop(line: Line, steps: Sequence[Any]) -> None:
    before, plain = line.ledger(), Plain()
    with line.database.reading() as session:
        site = f"site-{activity.last_id(session)}-{before.received}-{before.quarantined}"
    last: list[Told] = []

    def take(told: list[Told], *, is_again: bool) -> None:
        line.take(*(raw(f"liandong/v1/{site}/{topic}", payload, dup=is_again, second=20) for topic, payload in told))
        for topic, payload in told:
            plain.take(topic, payload, is_again=is_again)

    for step in steps:
        if step == "restart":
            line.restart()
        elif step == "settle":
            line.settle()
        elif step == "again":
            take(last, is_again=True)
        else:
            last = step
            take(step, is_again=False)
    line.settle()
    after = line.ledger()
    counted = {name: getattr(after, name) - getattr(before, name) for name in plain.counts}
    assert counted == plain.counts
    assert after.values_accepted - before.values_accepted == len(plain.cells)
    assert after.values_stored - before.values_stored == len(plain.cells)
    stored = defaultdict(set)
    for kind, unit in {tuple(place.split("/")) for place, _, _ in plain.cells}:
        key = UnitKey(site, Kind(kind), unit)
        for metric in line.store.metrics_of(key):
            points = line.store.points(key, metric, start_ms=0, end_ms=at_ms(10**6), step_ms=1)
            stored[f"{kind}/{unit}"] |= {(metric, point.t_ms) for point in points}
    assert {(place, *cell) for place, cells in stored.items() for cell in cells} == plain.cells
    with line.database.reading() as session:
        assert not list(activity.verify_chain(session))


def test_json_of_messages_is_what_devices_send() -> None:
    assert json.loads(reading(PUMP, 1, level_m=1).payload) == {"ts": at_ms(1), "values": {"level_m": 1}}
