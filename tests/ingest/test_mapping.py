"""Mapping rules: what they make of foreign payloads, what they refuse, and how they follow their file."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import Unreadable
from ingest.foreign import RuleBook
from ingest.mapping_file import MappingRefused, read_rules
from ingest.wire import RawMessage, Said
from models.equipment import Kind
from models.reading import UnitKey
from registry.database import Database
from tests.ingest.line import LIFT, T0_MS, Line, at_ms

PUMP_RULE = """
[[rule]]
topic = "plant/{site}/tank/{unit}"
kind = "pump"
time = { path = "$.at", format = "s" }
[rule.metrics]
level_m = { path = "$.data.level", unit = "mm" }
pump1_running = { path = "$['data']['p'][0].state", map = { RUN = true, STOP = false } }
flow_m3_h = { path = "$.data.flow", scale = 2, offset = 1 }
"""
TOPIC = "plant/my-home/tank/sump-1"
SUMP = UnitKey("my-home", Kind.PUMP, "sump-1")


def book_of(path: Path, text: str) -> RuleBook:
    path.write_text(text, encoding="utf-8")
    book = RuleBook(path)
    assert book.refresh(), book.fault
    return book


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mapping.toml"


def read(book: RuleBook, topic: str, payload: Any) -> Said:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return book.read(RawMessage(topic, content, T0_MS))


def reason(book: RuleBook, topic: str, payload: Any) -> str:
    with pytest.raises(Unreadable) as caught:
        read(book, topic, payload)
    return caught.value.reason.value


def test_a_rule_takes_units_and_words_to_the_metrics_of_the_contract(file: Path) -> None:
    data = {"level": 820, "p": [{"state": "RUN"}], "flow": 4.5}
    said = read(book_of(file, PUMP_RULE), TOPIC, {"at": T0_MS / 1000, "data": data})
    assert said.readings == [(SUMP, T0_MS, {"level_m": 0.82, "pump1_running": 1.0, "flow_m3_h": 10.0})]


def test_what_a_payload_leaves_out_is_no_value(file: Path) -> None:
    said = read(book_of(file, PUMP_RULE), TOPIC, {"at": T0_MS / 1000, "data": {"level": 820, "flow": None}})
    assert said.readings == [(SUMP, T0_MS, {"level_m": 0.82})]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"at": 1_700_000_000, "data": {"level": "much"}}, "rule_not_met"),
        ({"at": 1_700_000_000, "data": {"p": [{"state": "OPEN"}]}}, "rule_not_met"),
        ({"at": 1_700_000_000, "data": {"level": {"mm": 3}}}, "rule_not_met"),
        ({"at": 1_700_000_000, "other": 3}, "rule_not_met"),
        ({"data": {"level": 1}}, "time_unreadable"),
        ({"at": "soon", "data": {"level": 1}}, "time_unreadable"),
        ({"at": 12, "data": {"level": 1}}, "time_too_early"),
        (b'{"at": 1700000000, "data": {"level": "1e999"}}', "not_finite"),
        (b'{"at"', "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"", "not_json"),
    ],
)
def test_what_a_rule_cannot_take_is_refused_whole_with_its_reason(file: Path, payload: Any, why: str) -> None:
    assert reason(book_of(file, PUMP_RULE), TOPIC, payload) == why


def test_a_site_that_is_no_slug_is_refused(file: Path) -> None:
    assert reason(book_of(file, PUMP_RULE), "plant/MyHome/tank/a", {"at": 1_700_000_000, "data": {"level": 1}}) == (
        "bad_topic"
    )


def test_a_plain_number_or_word_is_a_payload(file: Path) -> None:
    rules = """
[[rule]]
topic = "tele/{unit}/{what}"
site = "my-home"
kind = "fire"
unit = { from = "{unit}", slug = true }
[rule.metrics]
hydrant_pressure_mpa = { path = "$", unit = "bar" }
[[rule]]
topic = "stat/{unit}/POWER"
site = "my-home"
kind = "fire"
[rule.metrics]
pump_auto = { path = "$", map = { ON = 1, OFF = 0 } }
"""
    book = book_of(file, rules)
    unit = UnitKey("my-home", Kind.FIRE, "panel-1")
    assert read(book, "tele/Panel_1/pressure", b"3.5").readings == [(unit, T0_MS, {"hydrant_pressure_mpa": 0.35})]
    assert read(book, "stat/panel-1/POWER", b"ON").readings == [(unit, T0_MS, {"pump_auto": 1.0})]


def test_one_payload_may_hold_many_units_of_several_kinds(file: Path) -> None:
    rules = """
[[rule]]
topic = "building/#"
each = "$.things[?@.ok == true]"
site = "my-home"
kind = { from = "$.type", map = { LIFT = "elevator", SUMP = "pump" } }
unit = "$.id"
time = { path = "$.time", format = "%Y-%m-%d %H:%M:%S", zone = "Asia/Shanghai" }
[rule.metrics]
motor_temp_c = { path = "$.temp", unit = "°F" }
level_m = "$.level"
"""
    things = [
        {"type": "LIFT", "id": "l-1", "temp": 212, "ok": True},
        {"type": "SUMP", "id": "s-1", "level": 0.5, "ok": True},
        {"type": "SUMP", "id": "s-2", "level": 0.5, "ok": False},
    ]
    said = read(book_of(file, rules), "building/a/b", {"time": "2023-11-15 06:13:20", "things": things})
    assert said.readings == [
        (UnitKey("my-home", Kind.ELEVATOR, "l-1"), T0_MS, {"motor_temp_c": pytest.approx(100)}),
        (UnitKey("my-home", Kind.PUMP, "s-1"), T0_MS, {"level_m": 0.5}),
    ]


def test_codes_of_a_lift_become_the_events_of_the_contract(file: Path) -> None:
    rules = """
[[rule]]
topic = "lifts/{unit}"
site = "xiaohe"
kind = "elevator"
[rule.event_code]
path = "$.code"
on = "$.active"
codes = "gb24476-2023"
[[rule]]
topic = "maker/{unit}"
site = "xiaohe"
kind = "elevator"
[rule.event_code]
path = "$.code"
codes = { E12 = "fault.02" }
[rule.events]
"alarm.90" = "$.button"
"""
    book = book_of(file, rules)
    told = [
        read(book, "lifts/lift-1", {"code": 4, "active": True}),
        read(book, "lifts/lift-1", {"code": "04", "active": False}),
        read(book, "maker/lift-1", {"code": "E12", "button": "ON"}),
    ]
    events = [(event.unit, event.code, event.is_on) for said in told for event in said.events]
    assert events == [
        (LIFT, "fault.04", True),
        (LIFT, "fault.04", False),
        (LIFT, "alarm.90", True),
        (LIFT, "fault.02", True),
    ]
    assert reason(book, "lifts/lift-1", {"code": 77, "active": True}) == "unknown_event_code"


def test_thingsboard_shapes_are_read_through_presets(file: Path) -> None:
    rules = """
[[rule]]
preset = "thingsboard"
topic = "tb/{unit}/telemetry"
site = "my-home"
kind = "pump"
metrics = { level_m = { key = "waterLevel", unit = "cm" } }
[[rule]]
preset = "thingsboard-gateway"
topic = "v1/gateway/telemetry"
site = "my-home"
[rule.devices]
"Sump pump 1" = "pump.sump-1"
"""
    book = book_of(file, rules)
    values = {"waterLevel": 82, "flow_m3_h": "3.5", "model": "XC"}
    expected = (SUMP, T0_MS, {"level_m": pytest.approx(0.82), "flow_m3_h": 3.5})
    assert read(book, "tb/sump-1/telemetry", {"ts": T0_MS, "values": values}).readings == [expected]
    assert read(book, "tb/sump-1/telemetry", [{"ts": T0_MS, "values": values}] * 2).readings == [expected] * 2
    assert read(book, "tb/sump-1/telemetry", values).readings == [expected]
    lift = UnitKey("other", Kind.ELEVATOR, "l-1")
    told = {
        "Sump pump 1": [{"ts": T0_MS, "values": {"level_m": 1}}, {"ts": T0_MS + 1, "values": {"level_m": 2}}],
        "other.elevator.l-1": [{"ts": T0_MS, "values": {"motor_temp_c": 40}}],
    }
    assert read(book, "v1/gateway/telemetry", told).readings == [
        (SUMP, T0_MS, {"level_m": 1}),
        (SUMP, T0_MS + 1, {"level_m": 2}),
        (lift, T0_MS, {"motor_temp_c": 40}),
    ]
    assert reason(book, "v1/gateway/telemetry", {"Thermometer": [{"ts": T0_MS, "values": {"x": 1}}]}) == "unmapped"
    assert reason(book, "v1/gateway/telemetry", [1]) == "wrong_shape"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[[rule]\n", 1, "expected"),
        ("[rule]\ntopic = 'a/b'\n", 1, "two brackets"),
        ("\n[rules]\n", 2, "neither"),
        ("[[rule]]\nname = 'x'\n", 1, "topic"),
        (PUMP_RULE.replace('"pump"', '"boiler"'), 4, "none of elevator, pump, fire"),
        (PUMP_RULE.replace("{site}", "my-home"), 2, "no level called {site}"),
        (PUMP_RULE.replace("$.data.level", "$..[("), 7, "no JSON path"),
        (PUMP_RULE.replace('"mm"', '"furlong"'), 7, "known: mm, cm"),
        (PUMP_RULE.replace('"s"', '"noon"'), 5, "a time is written as"),
        (PUMP_RULE.replace("scale", "scales"), 9, "unknown field `scales`"),
        (PUMP_RULE.replace("plant/", "#/"), 3, "# may stand only at the end"),
        (PUMP_RULE.replace("plant/", "liandong/"), 3, "their own meaning"),
        (PUMP_RULE + PUMP_RULE.replace("kind", "knid"), 13, "unknown field `knid`"),
        (PUMP_RULE + "[[sparkplug]]\nedge = 'e'\nsite = 'a'\nunit = 'b'\n", 10, "is missing"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(MappingRefused, match="line") as caught:
        read_rules(text)
    assert (caught.value.line, said in caught.value.said) == (line, True), str(caught.value)


def test_a_broken_new_file_keeps_the_old_rules_in_force(file: Path) -> None:
    book = book_of(file, PUMP_RULE)
    file.write_text("[[rule]\n")
    assert not book.refresh()
    assert book.fault is not None
    assert "line 1" in book.fault
    assert read(book, TOPIC, {"at": T0_MS / 1000, "data": {"level": 820}}).readings
    file.unlink()
    assert not book.refresh()
    assert book.rules.subscriptions == ("plant/+/tank/+",)
    file.write_text(PUMP_RULE.replace("tank", "basin"))
    assert book.refresh()
    assert book.fault is None
    assert book.rules.subscriptions == ("plant/+/basin/+",)


def test_a_file_that_did_not_change_is_not_read_again(file: Path) -> None:
    book = book_of(file, PUMP_RULE)
    rules = book.rules
    assert not book.refresh()
    assert book.rules is rules
    os.utime(file, ns=(1, 1))
    assert book.refresh()


def test_a_retained_value_of_unknown_age_is_no_reading_of_now(file: Path) -> None:
    book = book_of(
        file,
        """
[[rule]]
topic = "stat/{unit}"
site = "xiaohe"
kind = "pump"
metrics = { level_m = "$.level" }
events = { trip = "$.trip" }
""",
    )
    message = RawMessage("stat/sump-1", b'{"level": 1, "trip": true}', T0_MS)
    assert len(book.read(message).readings) == 1
    kept = book.read(message._replace(is_retained=True))
    assert (kept.readings, [event.code for event in kept.events]) == ([], ["trip"])
    assert book.read(message._replace(payload=b'{"level": 1}', is_retained=True)).was_known


@pytest.fixture
def line(database: Database, tmp_path: Path, file: Path) -> Iterator[Line]:
    file.write_text(PUMP_RULE)
    line = Line(database, tmp_path / "telemetry.duckdb", mapping_file=file)
    yield line
    line.close()


def test_mapped_messages_stand_in_the_ledger_like_all_others(line: Line) -> None:
    good = RawMessage(TOPIC, b'{"at": 1700000000, "data": {"level": 820}}', at_ms(0), receipt=(1, 1, 1))
    bad = good._replace(payload=b'{"at": 1700000000, "data": {"level": "much"}}')
    stranger = good._replace(topic="elsewhere/x")
    line.take(good, good, bad, stranger)
    assert line.counts() == (1, 1, 2)
    assert sorted(line.reasons()) == ["bad_topic", "rule_not_met"]
    assert line.stored(SUMP, "level_m") == [(0, 0.82)]
