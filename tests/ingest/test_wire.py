"""What devices may say, and the reason for each message that cannot be taken."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.errors import BatchTooWide, Reason, Unreadable
from ingest.wire import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    MAX_METRICS,
    MAX_PAYLOAD_BYTES,
    MAX_READINGS,
    Channel,
    Decoded,
    RawMessage,
    decode_batch,
    is_alarm_topic,
    read_time,
    read_topic,
    topic_of,
)
from models.equipment import EVENT_TITLES, METRICS, Kind
from models.event import Event, StatusChange
from models.reading import UnitKey

NOW_MS = 1_790_000_000_000
TS = 1_789_999_000_000
PUMP = UnitKey("xiaohe", Kind.PUMP, "p1")
TOPIC = "liandong/v1/xiaohe/pump/p1/telemetry"
EVENTS = "liandong/v1/xiaohe/fire/f1/event"
STATUS = "liandong/v1/xiaohe/fire/f1/status"
GATEWAY = "liandong/v1/xiaohe/gateway/g1/telemetry"


def raw(topic: str, payload: Any) -> RawMessage:
    encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return RawMessage(topic, encoded, NOW_MS)


def decode(*messages: tuple[str, Any]) -> Decoded:
    return decode_batch([raw(topic, payload) for topic, payload in messages])


def cells(decoded: Decoded) -> set[tuple[str, int, str, float]]:
    """Every value of every block: unit, time, metric, value."""
    found = set()
    for item in decoded.blocks:
        block = item.block
        for row in range(len(block)):
            for column, name in enumerate(block.metrics):
                value = block.values[row, column]
                if not np.isnan(value):
                    unit = block.units[block.unit_index[row]]
                    found.add((f"{unit.kind}/{unit.unit}", int(block.ts_ms[row]), name, float(value)))
    return found


# What is taken


def test_a_reading_is_its_values_at_its_time() -> None:
    assert cells(decode((TOPIC, {"ts": TS, "values": {"level_m": 1.5, "starts_total": 7}}))) == {
        ("pump/p1", TS, "level_m", 1.5),
        ("pump/p1", TS, "starts_total", 7.0),
    }


def test_booleans_are_one_and_nought() -> None:
    told = cells(decode((TOPIC, {"ts": TS, "values": {"high_float": True, "phase_loss": False}})))
    assert told == {("pump/p1", TS, "high_float", 1.0), ("pump/p1", TS, "phase_loss", 0.0)}


def test_an_unknown_metric_is_taken_with_the_others() -> None:
    told = cells(decode((TOPIC, {"ts": TS, "values": {"level_m": 1, "Volume Flow RateRMS": 2, "水位": 3}})))
    assert {name for _, _, name, _ in told} == {"level_m", "Volume Flow RateRMS", "水位"}


def test_an_array_is_many_readings() -> None:
    readings = [{"ts": TS + n, "values": {"level_m": n}} for n in range(MAX_READINGS)]
    decoded = decode((TOPIC, readings))
    assert len(decoded.blocks[0].block) == MAX_READINGS
    assert set(decoded.blocks[0].message.tolist()) == {0}


def test_a_gateway_speaks_for_units_of_all_kinds() -> None:
    decoded = decode(
        (
            GATEWAY,
            [
                {"kind": "pump", "unit": "p1", "ts": TS, "values": {"level_m": 1}},
                {"kind": "elevator", "unit": "l1", "ts": TS, "values": {"occupied": True}},
                {"kind": "pump", "unit": "p2", "ts": TS, "values": {"level_m": 2}},
            ],
        )
    )
    assert cells(decoded) == {
        ("pump/p1", TS, "level_m", 1.0),
        ("pump/p2", TS, "level_m", 2.0),
        ("elevator/l1", TS, "occupied", 1.0),
    }
    assert decoded.blocks[0].block.units[0].site == "xiaohe"


def test_an_event_may_name_its_point_in_words_or_numbers() -> None:
    decoded = decode(
        (EVENTS, {"ts": TS, "code": "fire", "on": True, "point": "3-12"}),
        (EVENTS, {"ts": TS, "code": "fire", "on": False, "point": 17}),
        (EVENTS, {"ts": TS, "code": "fault", "on": True}),
    )
    unit = UnitKey("xiaohe", Kind.FIRE, "f1")
    assert decoded.events == [
        (0, Event(unit, TS, "fire", True, "3-12")),
        (1, Event(unit, TS, "fire", False, "17")),
        (2, Event(unit, TS, "fault", True, "")),
    ]


@pytest.mark.parametrize("kind", Kind)
def test_every_code_of_the_contract_is_known(kind: Kind) -> None:
    topic = topic_of(UnitKey("s", kind, "u"), Channel.EVENT)
    decoded = decode(*((topic, {"ts": TS, "code": code, "on": True}) for code in EVENT_TITLES[kind]))
    assert [event.code for _, event in decoded.events] == list(EVENT_TITLES[kind])


def test_a_status_says_whether_the_unit_is_connected() -> None:
    decoded = decode((STATUS, {"ts": TS, "online": True}), (STATUS, {"ts": TS + 1, "online": False}))
    unit = UnitKey("xiaohe", Kind.FIRE, "f1")
    assert decoded.statuses == [(0, StatusChange(unit, TS, True)), (1, StatusChange(unit, TS + 1, False))]


def test_more_than_was_asked_for_does_no_harm() -> None:
    assert cells(decode((TOPIC, {"ts": TS, "values": {"level_m": 1}, "firmware": {"version": [1, 2]}})))


def test_rows_come_in_order_of_time_with_the_number_of_their_message() -> None:
    decoded = decode(
        (TOPIC, {"ts": TS + 5, "values": {"level_m": 5}}),
        (TOPIC, {"ts": TS + 1, "values": {"flow_m3_h": 1}}),
        (TOPIC, {"ts": TS + 3, "values": {"level_m": 3, "flow_m3_h": 3}}),
    )
    [item] = decoded.blocks
    assert item.block.ts_ms.tolist() == [TS + 1, TS + 3, TS + 5]
    assert item.message.tolist() == [1, 2, 0]
    assert np.isnan(item.block.values[0, item.block.metrics.index("level_m")])


# Times


@pytest.mark.parametrize(
    ("ts", "read"),
    [
        (TS, TS),
        (float(TS) + 0.4, TS),
        ("2026-09-21T11:33:20Z", 1_789_990_400_000),
        ("2026-09-21T19:33:20+08:00", 1_789_990_400_000),
        ("2026-09-21T11:33:20.123456Z", 1_789_990_400_123),
        (EARLIEST_MS, EARLIEST_MS),
        (NOW_MS + MAX_AHEAD_MS, NOW_MS + MAX_AHEAD_MS),
    ],
)
def test_times_are_milliseconds_or_rfc_3339(ts: int | float | str, read: int) -> None:
    assert read_time(ts, now_ms=NOW_MS) == read


@pytest.mark.parametrize(
    ("ts", "reason"),
    [
        ("2026-09-21T11:33:20", Reason.TIME_UNREADABLE),
        ("yesterday", Reason.TIME_UNREADABLE),
        ("", Reason.TIME_UNREADABLE),
        ("2026-13-01T00:00:00Z", Reason.TIME_UNREADABLE),
        ("2026-09-21T11:33:20+99:00", Reason.TIME_UNREADABLE),
        (0, Reason.TIME_TOO_EARLY),
        (TS // 1000, Reason.TIME_TOO_EARLY),
        (-(10**30), Reason.TIME_TOO_EARLY),
        ("1999-12-31T23:59:59Z", Reason.TIME_TOO_EARLY),
        ("0001-01-01T00:00:00+23:59", Reason.TIME_TOO_EARLY),
        (NOW_MS + MAX_AHEAD_MS + 1, Reason.TIME_IN_FUTURE),
        (TS * 1000, Reason.TIME_IN_FUTURE),
        (10**30, Reason.TIME_IN_FUTURE),
        (1e300, Reason.TIME_IN_FUTURE),
        ("9999-12-31T23:59:59-23:59", Reason.TIME_IN_FUTURE),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(ts: int | float | str, reason: Reason) -> None:
    with pytest.raises(Unreadable) as refused:
        read_time(ts, now_ms=NOW_MS)
    assert refused.value.reason is reason


@given(st.integers() | st.floats() | st.text() | st.datetimes(timezones=st.timezones()).map(lambda d: d.isoformat()))
@settings(max_examples=150, deadline=None)
def test_any_time_is_read_within_its_bounds_or_refused(ts: int | float | str) -> None:
    reason = None
    try:
        read = read_time(ts, now_ms=NOW_MS)
    except Unreadable as refused:
        reason = refused.reason
    assert reason in (Reason.TIME_UNREADABLE, Reason.TIME_TOO_EARLY, Reason.TIME_IN_FUTURE) or (
        EARLIEST_MS <= read <= NOW_MS + MAX_AHEAD_MS
    )


# Topics


def test_topics_are_written_as_they_are_read() -> None:
    for kind in Kind:
        for channel in Channel:
            unit = UnitKey("s-1", kind, "u-1")
            route = read_topic(topic_of(unit, channel))
            assert (route.unit, route.channel, route.site) == (unit, channel, "s-1")


BAD_TOPICS = {
    "": Reason.BAD_TOPIC,
    "/": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/pump/p1": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/pump/p1/telemetry/": Reason.BAD_TOPIC,
    "liandong/v2/xiaohe/pump/p1/telemetry": Reason.BAD_TOPIC,
    "LIANDONG/v1/xiaohe/pump/p1/telemetry": Reason.BAD_TOPIC,
    "liandong/v1//pump/p1/telemetry": Reason.BAD_TOPIC,
    "liandong/v1/Xiaohe/pump/p1/telemetry": Reason.BAD_TOPIC,
    "liandong/v1/小河/pump/p1/telemetry": Reason.BAD_TOPIC,
    f"liandong/v1/{'a' * 65}/pump/p1/telemetry": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/pump/p 1/telemetry": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/pump/p1\n/telemetry": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/pump/../telemetry": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/pump/p1\0/telemetry": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/gateway/G/telemetry": Reason.BAD_TOPIC,
    "liandong/v1/xiaohe/toaster/p1/telemetry": Reason.UNKNOWN_KIND,
    "liandong/v1/xiaohe/Pump/p1/telemetry": Reason.UNKNOWN_KIND,
    "liandong/v1/xiaohe/pump/p1/command": Reason.UNKNOWN_CHANNEL,
    "liandong/v1/xiaohe/pump/p1/": Reason.UNKNOWN_CHANNEL,
    "liandong/v1/xiaohe/gateway/g1/event": Reason.UNKNOWN_CHANNEL,
    "liandong/v1/xiaohe/gateway/g1/alarm": Reason.UNKNOWN_CHANNEL,
    "liandong/v1/xiaohe/pump/p1/alarm": Reason.UNKNOWN_CHANNEL,
}


@pytest.mark.parametrize("topic", BAD_TOPICS, ids=repr)
def test_a_topic_that_is_none_of_the_contract_is_refused(topic: str) -> None:
    [rejected] = decode((topic, {"ts": TS, "values": {"level_m": 1}})).rejected
    assert rejected.reason is BAD_TOPICS[topic]
    assert len(rejected.detail) < 200


def test_the_own_alarms_are_recognised() -> None:
    assert is_alarm_topic("liandong/v1/xiaohe/pump/p1/alarm")
    for topic in (TOPIC, EVENTS, STATUS, "liandong/v1/xiaohe/pump/alarm", "elsewhere/v1/xiaohe/pump/p1/alarm"):
        assert not is_alarm_topic(topic)


# Payloads that cannot be taken


def nested(depth: int) -> bytes:
    return b'{"ts":1789999000000,"values":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)


BAD_PAYLOADS: dict[str, tuple[str, Any, Reason]] = {
    "nothing": (TOPIC, b"", Reason.NOT_JSON),
    "words": (TOPIC, b"level 3", Reason.NOT_JSON),
    "half a message": (TOPIC, b'{"ts": 1789999000000, "values": {"lev', Reason.NOT_JSON),
    "two messages": (TOPIC, b'{"ts":1789999000000,"values":{"a":1}}{}', Reason.NOT_JSON),
    "NaN": (TOPIC, b'{"ts":1789999000000,"values":{"level_m":NaN}}', Reason.NOT_JSON),
    "Infinity": (TOPIC, b'{"ts":1789999000000,"values":{"level_m":-Infinity}}', Reason.NOT_JSON),
    "a number too large": (TOPIC, b'{"ts":1789999000000,"values":{"level_m":1e400}}', Reason.NOT_FINITE),
    "four hundred digits": (TOPIC, b'{"ts":1789999000000,"values":{"a":%s}}' % (b"9" * 400), Reason.NOT_FINITE),
    "UTF-16": (TOPIC, '{"ts":1789999000000,"values":{"a":1}}'.encode("utf-16"), Reason.NOT_UTF8),
    "Latin-1": (TOPIC, '{"ts":1789999000000,"values":{"é":1}}'.encode("latin-1"), Reason.NOT_UTF8),
    "GBK": (EVENTS, '{"ts":1789999000000,"code":"火警","on":true}'.encode("gbk"), Reason.NOT_UTF8),
    "bytes": (TOPIC, bytes(range(256)), Reason.NOT_UTF8),
    "half a character": (TOPIC, b'{"ts":1789999000000,"values":{"\\ud800":1}}', Reason.NOT_JSON),
    "1 MB": (TOPIC, b" " * 1_000_000, Reason.TOO_LARGE),
    "a byte too many": (TOPIC, b" " * (MAX_PAYLOAD_BYTES + 1), Reason.TOO_LARGE),
    "5,000 readings": (TOPIC, [{"ts": TS, "values": {"a": 1}}] * 5_000, Reason.TOO_MANY_READINGS),
    "5,000 of a gateway": (
        GATEWAY,
        b"[" + b",".join([b'{"kind":"pump","unit":"p","ts":1789999000000,"values":{}}'] * 4_000) + b"]",
        Reason.TOO_MANY_READINGS,
    ),
    "no readings": (TOPIC, [], Reason.NO_VALUES),
    "no values": (TOPIC, {"ts": TS, "values": {}}, Reason.NO_VALUES),
    "one without values": (TOPIC, [{"ts": TS, "values": {"a": 1}}, {"ts": TS, "values": {}}], Reason.NO_VALUES),
    "words for a value": (TOPIC, {"ts": TS, "values": {"level_m": "1.5"}}, Reason.WRONG_SHAPE),
    "null for a value": (TOPIC, {"ts": TS, "values": {"level_m": None}}, Reason.WRONG_SHAPE),
    "an array for a value": (TOPIC, {"ts": TS, "values": {"level_m": [1]}}, Reason.WRONG_SHAPE),
    "an array for values": (TOPIC, {"ts": TS, "values": [1]}, Reason.WRONG_SHAPE),
    "no time": (TOPIC, {"values": {"level_m": 1}}, Reason.WRONG_SHAPE),
    "null for a time": (TOPIC, {"ts": None, "values": {"level_m": 1}}, Reason.WRONG_SHAPE),
    "true for a time": (TOPIC, {"ts": True, "values": {"level_m": 1}}, Reason.WRONG_SHAPE),
    "a bare number": (TOPIC, 3, Reason.WRONG_SHAPE),
    "null": (TOPIC, None, Reason.WRONG_SHAPE),
    "a year off": (TOPIC, {"ts": TS - 57 * 365 * 86_400_000, "values": {"a": 1}}, Reason.TIME_TOO_EARLY),
    "next week": (TOPIC, {"ts": NOW_MS + 7 * 86_400_000, "values": {"a": 1}}, Reason.TIME_IN_FUTURE),
    "no time in the words": (TOPIC, {"ts": "noon", "values": {"a": 1}}, Reason.TIME_UNREADABLE),
    "too many metrics": (TOPIC, {"ts": TS, "values": {f"m{n}": 1 for n in range(201)}}, Reason.WRONG_SHAPE),
    "ever new metrics": (
        TOPIC,
        [{"ts": TS + n, "values": {f"m{n}": 1}} for n in range(MAX_METRICS + 1)],
        Reason.WRONG_SHAPE,
    ),
    "a nameless metric": (TOPIC, {"ts": TS, "values": {"": 1}}, Reason.BAD_METRIC_NAME),
    "a name with NUL": (TOPIC, {"ts": TS, "values": {"a\0": 1}}, Reason.BAD_METRIC_NAME),
    "a name of two lines": (TOPIC, {"ts": TS, "values": {"a\nb": 1}}, Reason.BAD_METRIC_NAME),
    "a name too long": (TOPIC, {"ts": TS, "values": {"a" * 101: 1}}, Reason.BAD_METRIC_NAME),
    "depth 10": (TOPIC, nested(10), Reason.WRONG_SHAPE),
    "depth 50,000": (TOPIC, nested(40_000), Reason.WRONG_SHAPE),
    "depth in what nobody asked for": (TOPIC, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Reason.NOT_JSON),
    "an unknown code": (EVENTS, {"ts": TS, "code": "explosion", "on": True}, Reason.UNKNOWN_EVENT_CODE),
    "a code of another kind": (EVENTS, {"ts": TS, "code": "fault.01", "on": True}, Reason.UNKNOWN_EVENT_CODE),
    "a number for on": (EVENTS, {"ts": TS, "code": "fire", "on": 1}, Reason.WRONG_SHAPE),
    "no word on on": (EVENTS, {"ts": TS, "code": "fire"}, Reason.WRONG_SHAPE),
    "a point too long": (EVENTS, {"ts": TS, "code": "fire", "on": True, "point": "p" * 101}, Reason.WRONG_SHAPE),
    "a point with NUL": (EVENTS, {"ts": TS, "code": "fire", "on": True, "point": "a\0"}, Reason.WRONG_SHAPE),
    "an event too late": (EVENTS, {"ts": 1, "code": "fire", "on": True}, Reason.TIME_TOO_EARLY),
    "an array of events": (EVENTS, [{"ts": TS, "code": "fire", "on": True}], Reason.WRONG_SHAPE),
    "words for online": (STATUS, {"ts": TS, "online": "true"}, Reason.WRONG_SHAPE),
    "a cleared status": (STATUS, b"", Reason.NOT_JSON),
    "a gateway's one reading": (
        GATEWAY,
        {"kind": "pump", "unit": "p", "ts": TS, "values": {"a": 1}},
        Reason.WRONG_SHAPE,
    ),
    "a gateway's unknown kind": (
        GATEWAY,
        [{"kind": "toaster", "unit": "p", "ts": TS, "values": {"a": 1}}],
        Reason.UNKNOWN_KIND,
    ),
    "a gateway's bad unit": (
        GATEWAY,
        [{"kind": "pump", "unit": "P 1", "ts": TS, "values": {"a": 1}}],
        Reason.BAD_TOPIC,
    ),
}


@pytest.mark.parametrize("case", BAD_PAYLOADS)
def test_a_payload_that_cannot_be_taken_is_refused_whole_with_its_reason(case: str) -> None:
    topic, payload, reason = BAD_PAYLOADS[case]
    decoded = decode((topic, payload))
    assert [(item.message, item.reason) for item in decoded.rejected] == [(0, reason)]
    assert not decoded.blocks
    assert not decoded.events
    assert not decoded.statuses
    assert len(decoded.rejected[0].detail) <= 300


def test_every_reason_that_a_message_alone_can_give_has_its_case() -> None:
    seen = {reason for _, _, reason in BAD_PAYLOADS.values()} | set(BAD_TOPICS.values())
    of_the_pipeline = {Reason.UNKNOWN_SITE, Reason.KIND_CONFLICT, Reason.TIME_TOO_OLD, Reason.INTERNAL_ERROR}
    of_foreign = {Reason.NOT_PROTOBUF, Reason.NO_BIRTH, Reason.UNKNOWN_ALIAS, Reason.UNMAPPED, Reason.RULE_NOT_MET}
    assert seen == set(Reason) - of_the_pipeline - of_foreign


def test_a_bad_message_costs_its_neighbours_nothing() -> None:
    messages = [(topic, payload) for topic, payload, _ in BAD_PAYLOADS.values()]
    good = (TOPIC, {"ts": TS, "values": {"level_m": 1}})
    mixed = [part for message in messages for part in (message, good)]
    decoded = decode(*mixed)
    assert sorted(item.message for item in decoded.rejected) == list(range(0, len(mixed), 2))
    assert sorted(decoded.blocks[0].message.tolist()) == list(range(1, len(mixed), 2))


def test_a_gateway_message_with_one_bad_reading_is_refused_for_all_its_kinds() -> None:
    decoded = decode(
        (
            GATEWAY,
            [
                {"kind": "elevator", "unit": "l1", "ts": TS, "values": {"occupied": 1}},
                {"kind": "pump", "unit": "p1", "ts": TS, "values": {"a\0": 1}},
                {"kind": "fire", "unit": "f1", "ts": TS, "values": {"b\0": 1}},
            ],
        ),
        (TOPIC, {"ts": TS, "values": {"level_m": 1}}),
    )
    assert [item.message for item in decoded.rejected] == [0]
    assert [set(item.message.tolist()) for item in decoded.blocks] == [{1}]
    assert decoded.blocks[0].block.metrics == ("level_m",)


def test_a_batch_that_names_ever_new_metrics_asks_to_be_taken_in_parts() -> None:
    """Devices that put a serial number into their names must not cost a matrix of a thousand times a thousand."""
    messages = [
        (TOPIC, [{"ts": TS + n, "values": {f"{number}-{k}": 1 for k in range(100)}} for n in range(50)])
        for number in range(100)
    ]
    with pytest.raises(BatchTooWide) as refused:
        decode(*messages)
    assert (refused.value.rows, refused.value.metrics) == (5_000, 10_000)
    assert decode(messages[0]).blocks[0].block.values.shape == (50, 100)


# Anything at all


topics = st.one_of(
    st.sampled_from([TOPIC, EVENTS, STATUS, GATEWAY, *BAD_TOPICS]),
    st.text(max_size=40),
    st.lists(st.sampled_from(["liandong", "v1", "xiaohe", "pump", "gateway", "p1", "", "telemetry", "event", "é"])).map(
        "/".join
    ),
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([TS, "pump", "fire", "p1", 1.5, "2026-09-21T11:33:20Z"])
)
names = st.sampled_from(["ts", "values", "code", "on", "point", "online", "kind", "unit"]) | st.text(max_size=5)
jsons = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=12)
readings = st.fixed_dictionaries(
    {"ts": st.integers(TS - 5, TS + 5) | scalars, "values": st.dictionaries(names, st.floats(-9, 9) | scalars)}
)
payloads = st.one_of(
    st.binary(max_size=80),
    jsons.map(lambda value: json.dumps(value).encode()),
    readings.map(lambda value: json.dumps(value).encode()),
    st.lists(readings, max_size=4).map(lambda value: json.dumps(value).encode()),
    st.lists(
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["pump", "elevator", "fire"]),
                "unit": st.sampled_from(["p1", "l1"]),
                "ts": st.just(TS),
                "values": st.dictionaries(names, st.floats(-9, 9), min_size=1, max_size=2),
            }
        ),
        max_size=4,
    ).map(lambda value: json.dumps(value).encode()),
)


@given(st.lists(st.tuples(topics, payloads), max_size=8))
@example([(GATEWAY, b'[{"kind":"pump","unit":"p","ts":1789999000000,"values":{"":1}}]')])
@settings(max_examples=250, deadline=None)
def test_whatever_comes_each_message_is_taken_once_or_refused_once(batch: list[tuple[str, bytes]]) -> None:
    decoded = decode(*batch)
    rejected = [item.message for item in decoded.rejected]
    taken = {number for item in decoded.blocks for number in item.message.tolist()}
    taken |= {number for number, _ in decoded.events} | {number for number, _ in decoded.statuses}
    assert max(Counter(rejected).values(), default=1) == 1
    assert taken.isdisjoint(rejected)
    assert taken | set(rejected) == set(range(len(batch)))
    for item in decoded.blocks:
        assert np.isfinite(item.block.values[~np.isnan(item.block.values)]).all()
        assert (np.diff(item.block.ts_ms) >= 0).all()
        assert (~np.isnan(item.block.values)).any(axis=1).all()
        assert (~np.isnan(item.block.values)).any(axis=0).all()


def slow_decode(messages: list[tuple[str, Any]]) -> set[tuple[str, int, str, float]]:
    found = set()
    for topic, payload in messages:
        parts = topic.split("/")
        for reading in payload if isinstance(payload, list) else [payload]:
            kind = reading.get("kind", parts[3])
            unit = reading.get("unit", parts[4])
            for name, value in reading["values"].items():
                found.add((f"{kind}/{unit}", reading["ts"], name, float(value)))
    return found


good_values = st.dictionaries(
    st.sampled_from([*list(METRICS[Kind.PUMP])[:5], "x", "水"]), st.floats(-1e9, 1e9) | st.booleans(), min_size=1
)
good_readings = st.fixed_dictionaries({"ts": st.integers(TS, TS + 10_000), "values": good_values})
good_messages = st.one_of(
    st.tuples(st.sampled_from([TOPIC, TOPIC.replace("p1", "p2")]), good_readings),
    st.tuples(st.just(TOPIC), st.lists(good_readings, min_size=1, max_size=5, unique_by=lambda r: r["ts"])),
    st.tuples(
        st.just(GATEWAY),
        st.lists(
            st.tuples(good_readings, st.sampled_from(["pump", "fire"]), st.sampled_from(["a", "b"])).map(
                lambda item: {**item[0], "kind": item[1], "unit": item[2]}
            ),
            min_size=1,
            max_size=5,
        ),
    ),
)


@given(st.lists(good_messages, min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_columns_hold_what_a_plain_loop_over_the_messages_finds(messages: list[tuple[str, Any]]) -> None:
    decoded = decode(*messages)
    assert not decoded.rejected
    assert len({item.block.kind for item in decoded.blocks}) == len(decoded.blocks)
    assert cells(decoded) == slow_decode(messages)
