"""What was learned of wear survives a restart, its alarm opens one ticket, and lifts are compared among sisters."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from alerts.watch import Watch
from ingest.wire import Channel, RawMessage, topic_of
from models.detectors.slow_bank import SlowBank
from models.equipment import Kind
from models.hourly_fire import FireHours
from models.hourly_lift import LiftHours
from models.reading import ReadingBlock, UnitKey
from registry.database import Database
from registry.unit import get_unit
from registry.wear_state import note_overhaul, overhauled
from tests.ingest import line as wired
from tests.ingest.line import Line, at_ms, raw
from tests.models.equipment_days import DAY_MS, FIRE, T0_MS, fire_days

LEAK_DAY = 20.0


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    line = Line(database, tmp_path / "telemetry.duckdb")
    yield line
    line.close()


def second_of(day: float) -> float:
    return (T0_MS + day * DAY_MS - wired.T0_MS) / 1000


def message(block: ReadingBlock, day: float) -> RawMessage:
    rows = [
        {"ts": int(ts_ms), "values": dict(zip(block.metrics, values.tolist(), strict=True))}
        for ts_ms, values in zip(block.ts_ms, block.values, strict=True)
    ]
    return raw(topic_of(FIRE, Channel.TELEMETRY), rows, second=second_of(day))


def between(block: ReadingBlock, first: float, last: float) -> ReadingBlock:
    return block.rows((block.ts_ms >= T0_MS + first * DAY_MS) & (block.ts_ms < T0_MS + last * DAY_MS))


def watch() -> Watch:
    return Watch(slow_banks={Kind.FIRE: SlowBank(FireHours), Kind.ELEVATOR: SlowBank(LiftHours)})


def test_two_weeks_of_learning_survive_a_restart_and_the_leak_after_it_opens_a_ticket(line: Line) -> None:
    days = fire_days(22, leak_from=LEAK_DAY)
    line.start(watch=watch())
    line.watch.slow_banks[Kind.FIRE].observe(between(days, 0, 18))
    line.take(message(between(days, 18, 18.5), 18.5))
    line.pipeline.end()
    line.restart(watch=watch())
    assert line.watch.slow_banks[Kind.FIRE].progress(FIRE).is_judged
    line.take(message(between(days, 18.5, 20), 20))
    assert line.alarms() == []
    line.take(message(between(days, 20, 21.5), 21.5))
    assert line.alarms() == [("slow_change", "unacknowledged", 1)]
    assert len(line.tickets()) == 1
    # A crash: nothing was saved since, and the alarm that stands is believed.
    line.restart(watch=watch())
    assert line.watch.slow_banks[Kind.FIRE].standing() == [FIRE]
    assert line.alarms() == [("slow_change", "unacknowledged", 1)]


def test_states_are_saved_while_it_runs(line: Line) -> None:
    days = fire_days(2)
    line.start(watch=watch())
    line.take(message(between(days, 0, 1), 1))
    line.tick(second_of(1))
    line.tick(second_of(1.3))
    line.restart(watch=watch())
    assert str(line.watch.slow_banks[Kind.FIRE].progress(FIRE)) == "0 of 14 days"
    assert line.watch.slow_banks[Kind.FIRE].progress(FIRE).days > 0.9


def test_a_lift_unlike_its_sisters_is_a_hint_without_a_ticket(line: Line) -> None:
    lifts = [UnitKey("xiaohe", Kind.ELEVATOR, f"lift-{number}") for number in range(8)]
    line.start(watch=watch())
    for lift in lifts:
        line.take(wired.reading(lift, second_of(0), vibration_rms_m_s2=0.08))
    with line.database.writing() as session:
        for lift in lifts:
            get_unit(session, lift.path).make = "chengyuan"
    bank = line.watch.slow_banks[Kind.ELEVATOR]
    ts_ms = T0_MS + np.arange(60, 7_200_000, 60_000, dtype=np.int64)
    for number, lift in enumerate(lifts):
        shake = np.full((len(ts_ms), 1), 0.3 if number == 5 else 0.08)
        bank.observe(
            ReadingBlock(
                lift.kind, ("vibration_rms_m_s2",), (lift,), np.zeros(len(ts_ms), dtype=np.int64), ts_ms, shake
            )
        )
    for day in range(1, 5):
        line.tick(second_of(day))
    assert line.alarms() == [("unlike_sisters", "unacknowledged", 1)]
    assert line.tickets() == []


def test_after_an_overhaul_the_alarm_is_over_and_the_next_week_is_the_normal(line: Line) -> None:
    days = fire_days(22, leak_from=LEAK_DAY)
    line.start(watch=watch())
    line.watch.slow_banks[Kind.FIRE].observe(between(days, 0, 20))
    line.take(message(between(days, 20, 21.5), 21.5))
    assert line.alarms() == [("slow_change", "unacknowledged", 1)]
    with line.database.writing() as session:
        note_overhaul(session, get_unit(session, FIRE.path), by="chen", now_ms=at_ms(line.second))
    line.tick(second_of(21.6))
    assert line.alarms() == [("slow_change", "returned_unacknowledged", 1)]
    line.take(message(between(days, 21.5, 22), 22))
    line.tick(second_of(22.1))
    assert line.watch.slow_banks[Kind.FIRE].standing() == []
    with line.database.reading() as session:
        assert overhauled(session) == set()
