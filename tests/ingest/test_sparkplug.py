"""Sparkplug B along the whole line: births, aliases, deaths, sequence numbers, restarts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import sparkplug_births
from ingest.sparkplug_schema import Payload
from ingest.wire import RawMessage
from models.equipment import Kind
from models.reading import UnitKey
from registry.database import Database
from registry.unit import get_unit
from tests.ingest.line import Line, again, at_ms
from tests.ingest.sparkplug_edge import DOUBLE, INT64, EdgeNode

SUMP = UnitKey("xiaohe", Kind.PUMP, "sump-1")
DEVICE = "pump.sump-1"


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    line = Line(database, tmp_path / "telemetry.duckdb")
    yield line
    line.close()


def told(said: tuple[str, bytes], second: float) -> RawMessage:
    return RawMessage(said[0], said[1], at_ms(second), False, False, (1, 1, 1))


def born(line: Line, node: EdgeNode, second: float = 0) -> list[RawMessage]:
    messages = [
        told(node.node_birth(at_ms(second)), second),
        told(node.device_birth(DEVICE, at_ms(second), level_m=0.5, trip=False, maker="Acme"), second),
    ]
    line.take(*messages)
    return messages


def is_online(line: Line) -> bool | None:
    with line.database.reading() as session:
        return get_unit(session, SUMP.path).is_online


def test_aliases_of_a_birth_give_values_their_names(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    line.take(told(node.data(DEVICE, at_ms(10), level_m=0.75, pump1_running=True), 10))
    assert line.stored(SUMP, "level_m") == [(0, 0.5), (10, 0.75)]
    assert line.stored(SUMP, "pump1_running") == [(10, 1)], "a known name behind a folder is the known name"
    assert is_online(line) is True
    assert line.counts() == (3, 0, 0)


def test_integers_keep_their_sign_and_nulls_are_no_values(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    line.take(told(node.data(DEVICE, at_ms(10), flow_m3_h=-7, starts_total=-(1 << 40), level_m=None), 10))
    assert line.stored(SUMP, "flow_m3_h") == [(10, -7)]
    assert line.stored(SUMP, "starts_total") == [(10, -(1 << 40))]
    assert line.stored(SUMP, "level_m") == [(0, 0.5)]


def test_an_event_told_by_a_metric_raises_its_alarm_once(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    message = told(node.data(DEVICE, at_ms(10), trip=True), 10)
    line.take(message)
    line.take(again(message))
    assert [alarm[0] for alarm in line.alarms()] == ["trip"]
    assert line.counts() == (3, 1, 0)


def test_the_death_of_a_node_makes_all_behind_it_unknown(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    death = told(node.node_death(), 20)
    line.take(death)
    assert is_online(line) is False
    line.take(again(death))
    assert line.counts() == (3, 1, 0)


def test_the_death_of_an_earlier_session_does_not_kill_the_new_one(line: Line) -> None:
    old, new = EdgeNode(bd_seq=4), EdgeNode(bd_seq=5)
    born(line, old)
    born(line, new, 30)
    line.take(told(old.node_death(), 31))
    assert is_online(line) is True
    line.take(told(new.data(DEVICE, at_ms(32), level_m=0.8), 32))
    assert line.stored(SUMP, "level_m")[-1] == (32, 0.8)
    line.take(told(new.node_death(), 33))
    assert is_online(line) is False


def test_a_dead_device_is_unknown_and_its_data_wait_for_its_birth(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    line.take(told(node.device_death(DEVICE, at_ms(10)), 10))
    assert is_online(line) is False
    line.take(told(node.data(DEVICE, at_ms(11), level_m=1), 11))
    assert line.reasons() == ["no_birth"]
    line.take(told(node.device_birth(DEVICE, at_ms(12), level_m=0.9), 12))
    assert is_online(line) is True


def test_a_left_out_number_is_counted_told_and_costs_no_value(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    assert line.foreign.commands(now_ms=at_ms(1)) == {}
    node.skip()
    line.take(told(node.data(DEVICE, at_ms(10), level_m=0.6), 10))
    assert line.stored(SUMP, "level_m")[-1] == (10, 0.6)
    with line.database.reading() as session:
        assert [row.gaps for row in sparkplug_births.all_births(session) if not row.device] == [1]
    commands = line.foreign.commands(now_ms=at_ms(10))
    assert list(commands) == ["spBv1.0/xiaohe/NCMD/cabinet-1"]
    said = Payload.FromString(commands["spBv1.0/xiaohe/NCMD/cabinet-1"])
    assert [(metric.name, metric.boolean_value) for metric in said.metrics] == [("Node Control/Rebirth", True)]
    line.take(told(node.data(DEVICE, at_ms(11), level_m=0.7), 11))
    assert line.foreign.commands(now_ms=at_ms(11)) == {}, "what follows is in order again"


def test_a_node_is_asked_for_its_births_once_a_minute_at_most(line: Line) -> None:
    node = EdgeNode()
    for second in (1, 2, 3):
        line.take(told(node.data(DEVICE, at_ms(second), level_m=1), second))
    assert len(line.foreign.commands(now_ms=at_ms(3))) == 1
    line.take(told(node.data(DEVICE, at_ms(4), level_m=1), 4))
    assert line.foreign.commands(now_ms=at_ms(4)) == {}
    line.take(told(node.data(DEVICE, at_ms(70), level_m=1), 70))
    assert len(line.foreign.commands(now_ms=at_ms(70))) == 1


def test_messages_delivered_again_leave_no_gap(line: Line) -> None:
    node = EdgeNode()
    messages = born(line, node)
    messages += [told(node.data(DEVICE, at_ms(s), level_m=s), s) for s in range(1, 6)]
    line.take(*messages[2:])
    line.take(*(again(message) for message in messages[3:]))
    line.take(told(node.data(DEVICE, at_ms(6), level_m=6), 6))
    assert line.foreign.commands(now_ms=at_ms(6)) == {}
    assert line.counts() == (8, 4, 0)


def test_aliases_survive_our_restart(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    line.restart()
    line.take(told(node.data(DEVICE, at_ms(10), level_m=0.75), 10))
    assert line.stored(SUMP, "level_m")[-1] == (10, 0.75)
    line.take(told(node.node_death(), 20))
    line.restart()
    line.take(told(node.data(DEVICE, at_ms(21), level_m=0.8), 21))
    assert line.reasons() == ["no_birth"], "nor is a death forgotten"


def test_data_before_the_birth_can_be_replayed_after_it(line: Line) -> None:
    node = EdgeNode()
    node.node_birth(at_ms(0))
    early = told(node.data(DEVICE, at_ms(1), level_m=0.3), 1)
    line.take(early)
    assert line.reasons() == ["no_birth"]
    born(line, node, 2)
    line.take(early._replace(received_ms=at_ms(5)))
    assert line.stored(SUMP, "level_m") == [(1, 0.3), (2, 0.5)]
    line.take(told(node.data(DEVICE, at_ms(6), level_m=0.6), 6))
    assert line.foreign.commands(now_ms=at_ms(6)) != {}
    line.take(told(node.data(DEVICE, at_ms(7), level_m=0.6), 7))
    assert line.foreign.commands(now_ms=at_ms(7)) == {}, "the replayed message took no part in the order"


def test_an_alias_that_no_birth_named_is_kept_with_its_bytes(line: Line) -> None:
    node = EdgeNode()
    born(line, node)
    payload = Payload(timestamp=at_ms(3), seq=2)
    payload.metrics.add(alias=99, double_value=1.0)
    line.take(told((node.topic("DDATA", DEVICE), payload.SerializeToString()), 3))
    assert line.reasons() == ["unknown_alias"]
    assert line.counts() == (2, 0, 1)


def test_a_device_that_is_no_unit_is_kept_until_a_rule_says_which(database: Database, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("")
    line = Line(database, tmp_path / "telemetry.duckdb", mapping_file=rules)
    node = EdgeNode(group="Plant A", edge="PLC 7")
    birth = [told(node.node_birth(at_ms(0)), 0), told(node.device_birth("P1", at_ms(0), level_m=50), 0)]
    line.take(*birth)
    assert line.reasons() == ["unmapped"]
    rules.write_text("""
[[sparkplug]]
group = "Plant A"
edge = "PLC 7"
device = "P1"
site = "xiaohe"
kind = "pump"
unit = "sump-1"
[sparkplug.metrics]
level_m = { key = "level_m", unit = "cm" }
""")
    assert line.foreign.book.refresh()
    line.take(birth[1]._replace(received_ms=at_ms(1)), told(node.data("P1", at_ms(2), level_m=75), 2))
    assert line.stored(SUMP, "level_m") == [(0, 0.5), (2, 0.75)]
    assert is_online(line) is True
    line.close()


def test_backlog_keeps_its_own_time(line: Line) -> None:
    node = EdgeNode()
    born(line, node, 100)
    payload = Payload(timestamp=at_ms(110), seq=2)
    for second in (50, 60, 110):
        payload.metrics.add(alias=1, timestamp=at_ms(second), double_value=second, is_historical=second < 100)
    line.take(told((node.topic("DDATA", DEVICE), payload.SerializeToString()), 110))
    assert line.stored(SUMP, "level_m") == [(50, 50), (60, 60), (100, 0.5), (110, 110)]
    assert line.ledger().values_late == 2


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("spBv1.0/g/DDATA/e/d", b"\xff\xff\xff", "not_protobuf"),
        ("spBv1.0/g/DDATA/e", b"", "bad_topic"),
        ("spBv1.0/g/HELLO/e", b"", "bad_topic"),
        ("spBv1.0/g/NDEATH/e", b"", "wrong_shape"),
        ("spBv1.0/g/NBIRTH/e", b"", "time_unreadable"),
        ("spBv1.0/g/NBIRTH/e", Payload(timestamp=5).SerializeToString(), "time_too_early"),
        ("spBv1.0/g/NBIRTH/e", Payload(uuid="SPBV1.0_COMPRESSED", body=b"x").SerializeToString(), "wrong_shape"),
    ],
)
def test_what_cannot_be_read_is_kept_with_the_reason(line: Line, topic: str, payload: bytes, reason: str) -> None:
    line.take(told((topic, payload), 0))
    assert line.reasons() == [reason]
    assert line.counts() == (0, 0, 1)


def test_two_names_for_one_alias_are_no_birth(line: Line) -> None:
    payload = Payload(timestamp=at_ms(0), seq=0)
    for name in ("a", "b"):
        payload.metrics.add(name=name, alias=1, datatype=DOUBLE, double_value=1)
    line.take(told(("spBv1.0/g/NBIRTH/e", payload.SerializeToString()), 0))
    assert line.reasons() == ["wrong_shape"]


def test_commands_and_host_states_are_none_of_our_messages(line: Line) -> None:
    payload = Payload(timestamp=at_ms(0))
    payload.metrics.add(name="x", datatype=INT64, long_value=1)
    for topic in ("spBv1.0/g/NCMD/e", "spBv1.0/g/DCMD/e/d", "spBv1.0/STATE/host"):
        line.take(told((topic, payload.SerializeToString()), 0))
    assert line.counts() == (0, 0, 0)
    assert len(line.door.acknowledged) == 3
