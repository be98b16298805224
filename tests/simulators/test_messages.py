"""What goes out has the shape of the contract, and the same seed says the same."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.wire import MAX_PAYLOAD_BYTES, RawMessage, decode_batch
from models.equipment import EVENT_TITLES, METRICS, Kind
from simulators.errors import NothingToDo
from simulators.message import WHOLE_NUMBERS, Message
from simulators.run import simulate
from simulators.scenario import load_scenario
from simulators.world import BACKLOG_READINGS, World
from tests.simulators.hearing import hear, live

TOPIC = re.compile(r"liandong/v1/xiaohe/(elevator|pump|fire)/([a-z0-9][a-z0-9-]{0,63})/(telemetry|event|status)")
SIX_AM_MS = 1_767_564_000_000
"""2026-01-05T06:00:00+08:00"""


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    scenario = load_scenario("xiaohe")
    return list(live(World(scenario, seed=3, start_ms=scenario.start_ms), live_ms=scenario.start_ms, hours=0.75))


def test_topics_and_payloads_are_those_of_the_contract(messages: list[Message]) -> None:
    channels = set()
    for message in messages:
        match = TOPIC.fullmatch(message.topic)
        assert match is not None, message.topic
        kind, channel, body = Kind(match[1]), match[3], json.loads(message.payload)
        channels.add((kind, channel))
        assert isinstance(body["ts"], int)
        assert body["ts"] == message.ts_ms
        assert message.is_retained == (channel == "status")
        if channel == "telemetry":
            assert set(body) == {"ts", "values"}
            assert body["values"]
            for name, value in body["values"].items():
                metric = METRICS[kind][name]
                assert isinstance(value, bool) == metric.is_boolean, name
                assert isinstance(value, bool | int) or round(value, 3) == value, name
                assert isinstance(value, int) or name not in WHOLE_NUMBERS, name
        elif channel == "event":
            assert set(body) <= {"ts", "code", "on", "point"}
            assert body["code"] in EVENT_TITLES[kind]
            assert isinstance(body["on"], bool)
        else:
            assert set(body) == {"ts", "online"}
            assert isinstance(body["online"], bool)
    assert channels == {(kind, channel) for kind in Kind for channel in ("telemetry", "event", "status")}


def test_the_service_can_read_all_of_it(messages: list[Message]) -> None:
    decoded = decode_batch([RawMessage(m.topic, m.payload, m.ts_ms + 1000) for m in messages])
    assert decoded.rejected == []
    assert sum(decoded_block.block.value_count for decoded_block in decoded.blocks) == sum(
        message.value_count for message in messages
    )


def test_messages_come_in_order_of_time(messages: list[Message]) -> None:
    times = [message.ts_ms for message in messages]
    assert times == sorted(times)


def test_no_unit_says_two_things_of_one_moment(messages: list[Message]) -> None:
    readings = [(m.topic, m.ts_ms) for m in messages if m.topic.endswith("telemetry")]
    assert len(set(readings)) == len(readings)


def test_trips_are_told_when_they_end_and_temperatures_once_a_minute(messages: list[Message]) -> None:
    heard = hear(messages)
    for unit in ("lift-01", "lift-50"):
        readings = heard.readings[unit]
        counts = [reading["values"]["trips_total"] for reading in readings]
        for before, after, reading in zip(counts, counts[1:], readings[1:], strict=False):
            assert ("vibration_rms_m_s2" in reading["values"]) <= (after > before)
        temperatures = [r["ts"] for r in readings if "motor_temp_c" in r["values"]]
        assert 40 <= len(temperatures) <= 50


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("two", 4), ("three", 5)):
        simulate(
            "xiaohe",
            seed=seed,
            duration_s=300,
            history_s=3600,
            out_path=tmp_path / name,
            truth_path=tmp_path / f"{name}.truth",
            should_stop=lambda: False,
        )
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three
    assert (tmp_path / "one.truth").read_bytes() == (tmp_path / "two.truth").read_bytes()


def test_a_file_holds_json_lines_from_the_scenarios_start_to_its_end(tmp_path: Path) -> None:
    out, truth = tmp_path / "said", tmp_path / "truth"
    done = simulate("xiaohe", duration_s=60, out_path=out, truth_path=truth, should_stop=lambda: False)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == done.messages
    assert all(set(line) == {"topic", "payload"} for line in lines)
    times = [line["payload"]["ts"] for line in lines]
    assert times[0] == SIX_AM_MS
    assert SIX_AM_MS + 55_000 < max(times) < SIX_AM_MS + 60_000
    staged = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [(one["unit"], one["fault"], one["onset_ms"] - SIX_AM_MS) for one in staged] == [
        ("sump-2", "trip", 8_000),
        ("fire-3", "pump_in_manual", 14_000),
        ("lift-42", "door_wear", 20_000),
        ("lift-17", "entrapment", 26_000),
    ]
    assert all(one["end_ms"] == SIX_AM_MS + 60_000 and one["severity"] == 1 for one in staged)


def test_a_start_and_fewer_units_can_be_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "said"
    done = simulate(
        "quiet-day", units=4, duration_s=30, start_ms=1_700_000_000_000, out_path=out, should_stop=lambda: False
    )
    assert done.units == 4
    assert done.live_ms == 1_700_000_000_000
    assert len({json.loads(line)["topic"].split("/")[4] for line in out.read_text().splitlines()}) == 4


def test_history_is_quiet_comes_first_and_in_arrays_that_may_be_sent() -> None:
    scenario = load_scenario("xiaohe")
    live_ms = scenario.start_ms
    # The middle of the story would be in the history if faults counted there.
    world = World(replace(scenario, duration_s=1), seed=1, start_ms=live_ms - 12 * 3_600_000)
    backlog = [message for _, message in world.history(live_ms)]
    assert all(len(message.payload) <= MAX_PAYLOAD_BYTES for message in backlog)
    assert all(len(json.loads(message.payload)) <= BACKLOG_READINGS for message in backlog)
    assert all(message.topic.endswith("/telemetry") for message in backlog)
    heard = hear(backlog)
    assert len(heard.readings) == 108
    for unit in heard.readings:
        times = heard.times(unit)
        assert (times[1:] > times[:-1]).all()
        assert times[0] >= live_ms - 12 * 3_600_000
        assert live_ms - 600_000 < times[-1] < live_ms
    first_s = [(heard.times(unit)[0] - live_ms) // 1000 + 12 * 3600 for unit in heard.units("lift")]
    assert max(first_s) - min(first_s) > 200
    assert all((heard.column(unit, "pump1_current_a") < 11).all() for unit in heard.units("sump"))
    assert all((heard.column(unit, "pump_auto") == 1).all() for unit in heard.units("fire"))
    assert all((heard.column(unit, "service_mode") == 1).all() for unit in heard.units("lift"))


def test_counters_go_on_from_history_into_live_time() -> None:
    scenario = load_scenario("quiet-day")
    world = World(scenario, seed=1, start_ms=scenario.start_ms - 6 * 3_600_000)
    messages = [message for _, message in world.history(scenario.start_ms)]
    heard = hear([*messages, *live(world, live_ms=scenario.start_ms + 7_000, hours=0.1)])
    for unit in heard.units("lift"):
        for counter in ("trips_total", "door_cycles_total", "run_hours_total"):
            counts = heard.column(unit, counter)
            assert (counts[1:] >= counts[:-1]).all()


@pytest.mark.parametrize("both", [True, False])
def test_exactly_one_place_to_write_to_is_needed(tmp_path: Path, both: bool) -> None:
    with pytest.raises(NothingToDo):
        simulate("quiet-day", out_path=tmp_path / "x" if both else None, broker_url="mqtt://h" if both else None)
