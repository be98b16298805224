"""Whatever bytes come on a foreign topic: the message is taken or refused with a reason, and costs no other."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.foreign import ForeignDraft, RuleBook
from ingest.mapping_file import MappingRefused, read_rules
from ingest.sparkplug import Sparkplug
from ingest.sparkplug_schema import Payload
from ingest.wire import Decoded, RawMessage, decode_batch
from tests.ingest.line import T0_MS
from tests.ingest.sparkplug_edge import EdgeNode
from tests.ingest.test_mapping import PUMP_RULE

DEVICE = "pump.sump-1"
GOOD = RawMessage("liandong/v1/xiaohe/pump/p/telemetry", b'{"ts":1700000000000,"values":{"level_m":1}}', T0_MS)
RULES = (
    PUMP_RULE
    + """
[[rule]]
topic = "any/{unit}"
site = "my-home"
kind = "fire"
each = "$..parts[*]"
time = "$.t"
metrics = { battery_v = "$.v" }
events = { fire = { path = "$.f", point = "$.p" } }
status_word = { path = "$.w", point = "$.p" }
[[rule]]
preset = "thingsboard-gateway"
topic = "v1/gateway/telemetry"
site = "my-home"
"""
)
TOPICS = ["plant/my-home/tank/sump-1", "any/panel-1", "v1/gateway/telemetry"]
NUMBERS = st.integers(0, (1 << 64) - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.just(1_700_000_000),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["at", "data", "level", "p", "state", "t", "parts", "v", "w", "f", "ts", "values", "pump.a"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Well-formed protobuf that means anything, or nothing."""
    payload = Payload()
    if draw(st.booleans()):
        payload.timestamp = draw(st.sampled_from([T0_MS, T0_MS - 5]) | NUMBERS)
    if draw(st.booleans()):
        payload.seq = draw(st.integers(0, 300) | NUMBERS)
    for _ in range(draw(st.integers(0, 4))):
        metric = payload.metrics.add()
        if draw(st.booleans()):
            metric.name = draw(
                st.sampled_from(["bdSeq", "level_m", "event/trip", "event/x", "Node Control/Rebirth", "é"])
            )
        if draw(st.booleans()):
            metric.alias = draw(st.integers(0, 7) | NUMBERS)
        if draw(st.booleans()):
            metric.timestamp = draw(st.just(T0_MS) | NUMBERS)
        metric.datatype = draw(st.integers(0, 34))
        metric.is_null = draw(st.booleans())
        place = draw(st.sampled_from(["int_value", "long_value", "double_value", "boolean_value", "string_value", ""]))
        if place == "int_value":
            metric.int_value = draw(st.integers(0, (1 << 32) - 1))
        elif place == "long_value":
            metric.long_value = draw(NUMBERS)
        elif place == "double_value":
            metric.double_value = draw(st.floats())
        elif place == "boolean_value":
            metric.boolean_value = draw(st.booleans())
        elif place:
            metric.string_value = draw(st.text(max_size=5))
    content: bytes = payload.SerializeToString()
    cut = draw(st.integers(0, len(content)))
    return content if draw(st.booleans()) else content[:cut] + draw(st.binary(max_size=8))


def taken(decoded: Decoded) -> set[int]:
    numbers = {number for number, _ in decoded.events} | {number for number, _ in decoded.statuses}
    for block in decoded.blocks:
        numbers |= set(block.message.tolist())
    return numbers


def check(decoded: Decoded, count: int) -> None:
    refused = [item.message for item in decoded.rejected]
    assert len(refused) == len(set(refused)), "one reason for each"
    assert not set(refused) & taken(decoded), "refused whole"
    assert 0 in taken(decoded), "its neighbour is taken"
    assert set(refused) | taken(decoded) <= set(range(count))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]), payloads(), st.booleans()
        ),
        max_size=8,
    )
)
def test_any_sequence_of_sparkplug_bytes_is_taken_or_refused(said: list[tuple[str, bytes, bool]]) -> None:
    book = RuleBook(None)
    sparkplug, node = Sparkplug(book.place), EdgeNode()
    birth = [node.node_birth(T0_MS), node.device_birth(DEVICE, T0_MS, level_m=1.0)]
    told = birth + [(node.topic(verb, DEVICE if verb[0] == "D" else ""), payload) for verb, payload, _ in said]
    again = [False, False] + [is_again for _, _, is_again in said]
    for (topic, payload), is_again in zip(told, again, strict=True):
        draft = ForeignDraft(sparkplug, book)
        check(decode_batch([GOOD, RawMessage(topic, payload, T0_MS, is_again)], draft.interpret), 2)
        sparkplug.committed(draft.sessions)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_reading_a_batch_twice_before_it_is_committed_changes_nothing(order: list[int]) -> None:
    book = RuleBook(None)
    sparkplug, node = Sparkplug(book.place), EdgeNode()
    said = [node.node_birth(T0_MS), node.device_birth(DEVICE, T0_MS, level_m=0.0), node.device_death(DEVICE, T0_MS + 1)]
    said += [node.data(DEVICE, T0_MS + n, level_m=float(n)) for n in range(6)] + [node.node_death()]
    batch = [RawMessage(*said[number], T0_MS) for number in order]
    first, second = ForeignDraft(sparkplug, book), ForeignDraft(sparkplug, book)
    seen = [decode_batch(batch, draft.interpret) for draft in (first, second)]
    assert seen[0].rejected == seen[1].rejected
    assert seen[0].statuses == seen[1].statuses
    assert first.sessions == second.sessions


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(TOPICS), JSON | st.binary(max_size=20)), max_size=5))
def test_any_payload_on_a_mapped_topic_is_taken_or_refused(tmp_path: Path, said: list[tuple[str, Any]]) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(RULES)
    book = RuleBook(path)
    book.refresh()
    assert book.fault is None
    messages = [GOOD]
    for topic, payload in said:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        messages.append(RawMessage(topic, content, T0_MS))
    check(decode_batch(messages, book.read), len(messages))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(RULES)), st.integers(0, 20), st.text(max_size=10))
def test_a_damaged_file_is_refused_with_a_line_of_it_or_read(at: int, gone: int, put: str) -> None:
    text = RULES[:at] + put + RULES[at + gone :]
    line = 1
    try:
        read_rules(text)
    except MappingRefused as refused:
        line = refused.line
    assert 1 <= line <= text.count("\n") + 1


def test_the_good_message_is_good() -> None:
    assert taken(decode_batch([GOOD])) == {0}
    with pytest.raises(MappingRefused):
        read_rules("[[rule]]")
