"""Lines that any InfluxDB reads, whatever the names are."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stores import line_protocol
from ingest.stores.line_protocol import LINES_PER_CHUNK, chunks, from_influx_name, lines, to_influx_name
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey

NAN = float("nan")
UNITS = (UnitKey("s1", Kind.PUMP, "u 1"), UnitKey("s,2", Kind.PUMP, "u=2"))


def block(metrics: tuple[str, ...], values: list[list[float]], unit_index: list[int] | None = None) -> ReadingBlock:
    n = len(values)
    return ReadingBlock(
        Kind.PUMP,
        metrics,
        UNITS,
        np.array(unit_index or [0] * n, np.int64),
        np.arange(n, dtype=np.int64),
        np.array(values, np.float64).reshape(n, len(metrics)),
    )


def test_examples_in_the_module_are_true() -> None:
    result = doctest.testmod(line_protocol)
    assert result.attempted > 0
    assert result.failed == 0


@given(st.text(st.characters(codec="utf-8")) | st.from_regex(r"[%0-9A-F\\]*", fullmatch=True))
def test_names_come_back_and_hold_nothing_that_ends_a_line_or_a_query(name: str) -> None:
    stored = to_influx_name(name)
    assert from_influx_name(stored) == name
    assert not set(stored) & set("\n\r\0\\\"'")


@given(st.text(max_size=5), st.text(max_size=5))
def test_two_names_never_become_one(one: str, other: str) -> None:
    assert (to_influx_name(one) == to_influx_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["level_m", "水位", "Volume Flow RateRMS", "humidity %", "a%zz", "m³/h", "a,b=c"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert to_influx_name(name) == name


def test_a_line_escapes_what_has_meaning_and_leaves_out_what_was_not_reported() -> None:
    written = lines(block(("a b", "c,d", "e=f"), [[1.5, NAN, -2e-7], [NAN, NAN, NAN], [0.0, 3.0, 1e22]], [0, 0, 1]))
    assert sorted(written) == [
        r"pump,site=s1,unit=u\ 1 a\ b=1.5,e\=f=-2e-07 0",
        r"pump,site=s\,2,unit=u\=2 a\ b=0.0,c\,d=3.0,e\=f=1e+22 2",
    ]


def test_a_percent_sign_in_a_name_is_no_format() -> None:
    assert lines(block(("%d %s",), [[1.0]])) == [r"pump,site=s1,unit=u\ 1 %d\ %s=1.0 0"]


def test_chunks_hold_every_line_once_and_are_bounded() -> None:
    many = block(("a",), [[1.0]] * (2 * LINES_PER_CHUNK + 10))
    small = [block(("b",), [[2.0]] * 3) for _ in range(3)]
    portions = [chunk.split("\n") for _, chunk in chunks([*small, many, block(("c",), [[NAN]])])]
    assert all(len(portion) <= LINES_PER_CHUNK for portion in portions)
    assert len(portions) == 4
    written = [line for portion in portions for line in portion]
    assert sorted(written) == sorted([line for each in small for line in lines(each)] + lines(many))


def test_rows_of_hundreds_of_metrics_make_smaller_chunks() -> None:
    wide = block(tuple(f"m{number}" for number in range(300)), [[1.0] * 300] * 1000)
    portions = [chunk for _, chunk in chunks([wide])]
    assert len(portions) == 5
    assert max(map(len, portions)) < 3_000_000


def test_nothing_reported_makes_no_request() -> None:
    assert list(chunks([])) == []
    assert list(chunks([block(("a",), [[NAN]])])) == []
