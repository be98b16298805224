"""What is known to be new, what was told before, and how batches are packed: arrays against plain loops."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import outbox, watermark
from ingest.novelty import found_in, repeated_in_block
from ingest.outbox import PendingBatch, pack, unpack
from ingest.store_writer import merge_blocks
from ingest.watermark import NEVER_MS, Watermark
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.database import Database

UNITS = tuple(UnitKey(site, Kind.PUMP, unit) for site in ("a", "b") for unit in ("p1", "p2"))
METRICS = ("level_m", "flow_m3_h", "x")
T0 = 1_700_000_000_000
Cell = tuple[UnitKey, str, int]


@st.composite
def blocks(draw: st.DrawFn, *, most: int = 12, sites: tuple[UnitKey, ...] = UNITS) -> ReadingBlock:
    """Few units, few times, few metrics, many holes: much of it meets."""
    units = tuple(draw(st.permutations(sites)))[: draw(st.integers(1, len(sites)))]
    metrics = tuple(draw(st.permutations(METRICS)))[: draw(st.integers(1, 3))]
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(units) - 1),
                st.integers(T0, T0 + 3),
                st.lists(st.sampled_from([1.0, 2.5, np.nan]), min_size=len(metrics), max_size=len(metrics)),
            ),
            max_size=most,
        )
    )
    rows.sort(key=lambda row: row[1])
    return ReadingBlock(
        Kind.PUMP,
        metrics,
        units,
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64).reshape(len(rows), len(metrics)),
    )


def cells(block: ReadingBlock) -> list[list[Cell | None]]:
    """Unit, metric and time of every cell that was told, in the shape of the values."""
    return [
        [
            None if np.isnan(block.values[row, column]) else (block.units[block.unit_index[row]], name, int(ts_ms))
            for column, name in enumerate(block.metrics)
        ]
        for row, ts_ms in enumerate(block.ts_ms)
    ]


def told(block: ReadingBlock) -> set[Cell]:
    return {cell for row in cells(block) for cell in row if cell is not None}


# Told before


@given(blocks())
@settings(deadline=None)
def test_a_cell_is_repeated_when_an_earlier_row_has_it(block: ReadingBlock) -> None:
    seen: set[Cell] = set()
    expected = []
    for row in cells(block):
        expected.append([cell is not None and cell in seen for cell in row])
        seen.update(cell for cell in row if cell is not None)
    assert repeated_in_block(block, ~np.isnan(block.values)).tolist() == expected


@given(blocks(most=6), st.lists(blocks(), max_size=4))
@settings(deadline=None)
def test_a_cell_is_found_when_one_of_the_blocks_has_it(asked: ReadingBlock, others: list[ReadingBlock]) -> None:
    known = set().union(*map(told, others)) if others else set()
    found = found_in(asked, others)
    for row, of_row in enumerate(cells(asked)):
        for column, cell in enumerate(of_row):
            if cell is not None:
                assert found[row, column] == (cell in known)


def test_nothing_is_found_in_blocks_of_another_kind() -> None:
    block = ReadingBlock(Kind.PUMP, ("m",), (UNITS[0],), np.array([0]), np.array([T0]), np.array([[1.0]]))
    lift = UnitKey("a", Kind.ELEVATOR, "p1")
    other = ReadingBlock(Kind.ELEVATOR, ("m",), (lift,), np.array([0]), np.array([T0]), np.array([[1.0]]))
    assert found_in(block, [block]).all()
    assert not found_in(block, [other]).any()


# Newest times


@given(st.lists(blocks(), max_size=5))
@settings(deadline=None)
def test_new_is_what_is_later_than_all_that_was_heard_of_the_metric(stream: list[ReadingBlock]) -> None:
    mark = Watermark()
    newest: dict[tuple[UnitKey, str], int] = {}
    for block in stream:
        is_new = mark.is_new(block)
        of_units = mark.newest_of_units(block)
        for row, ts_ms in enumerate(block.ts_ms):
            unit = block.units[block.unit_index[row]]
            for column, name in enumerate(block.metrics):
                assert is_new[row, column] == (ts_ms > newest.get((unit, name), NEVER_MS))
            known = [at for (of, _), at in newest.items() if of == unit]
            assert of_units[row] == max(known, default=NEVER_MS)
        mark.advance(block)
        for unit, name, ts_ms in told(block):
            newest[unit, name] = max(ts_ms, newest.get((unit, name), ts_ms))


def test_many_units_and_metrics_are_kept_apart_as_the_table_grows() -> None:
    mark = Watermark()
    for number in range(150):
        unit = UnitKey("a", Kind.PUMP, f"p{number}")
        mark.load({(unit, f"m{number}"): T0 + number, (unit, "level_m"): T0})
    for number in (0, 63, 64, 149):
        unit = UnitKey("a", Kind.PUMP, f"p{number}")
        names = (f"m{number}", "level_m", "m0" if number else "m1")
        block = ReadingBlock(
            Kind.PUMP, names, (unit,), np.array([0]), np.array([T0 + number]), np.array([[1.0, 1.0, 1.0]])
        )
        assert mark.is_new(block).tolist() == [[False, number > 0, True]]


def test_names_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watermark, "MAX_METRICS", 50)
    mark = Watermark()
    for number in range(200):
        unit = UNITS[number % 4]
        block = ReadingBlock(
            Kind.PUMP, (f"m{number}",), (unit,), np.array([0]), np.array([T0 + number]), np.array([[1.0]])
        )
        # What is not kept is never known to be new: it is looked up in the store instead.
        assert mark.is_new(block).all() == (number < 50)
        mark.advance(block)
    known = ReadingBlock(Kind.PUMP, ("m0",), (UNITS[0],), np.array([0]), np.array([T0 + 1]), np.array([[1.0]]))
    assert mark.is_new(known).all()
    assert mark._tables[Kind.PUMP].newest_ms.shape == (64, 64)
    assert mark.newest_of_units(known).tolist() == [T0 + 48]


# Packing


def same(first: ReadingBlock, second: ReadingBlock) -> bool:
    return (
        (first.kind, first.metrics, first.units) == (second.kind, second.metrics, second.units)
        and np.array_equal(first.unit_index, second.unit_index)
        and np.array_equal(first.ts_ms, second.ts_ms)
        and np.array_equal(first.values, second.values, equal_nan=True)
        and first.values.flags.writeable == second.values.flags.writeable
    )


@given(st.lists(blocks(), max_size=4), st.sampled_from(Kind), st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_what_is_packed_comes_back_the_same(packed: list[ReadingBlock], kind: Kind, value: float) -> None:
    unit = UnitKey("s", kind, "u-1")
    odd = ReadingBlock(kind, ("Volume Flow 水",), (unit,), np.array([0]), np.array([-1]), np.array([[value]]))
    unpacked = unpack(pack([*packed, odd]))
    assert len(unpacked) == len(packed) + 1
    assert all(same(before, after) for before, after in zip([*packed, odd], unpacked, strict=True))


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_bytes_that_are_no_batch_are_refused(payload: bytes) -> None:
    try:
        blocks_ = unpack(payload)
    except (msgspec.DecodeError, ValueError):
        return
    assert blocks_ == ()


@given(st.lists(blocks(), max_size=5))
@settings(deadline=None)
def test_merged_blocks_hold_the_same_cells_in_order_of_time(parts: list[ReadingBlock]) -> None:
    merged = merge_blocks(parts)
    assert len({block.metrics for block in merged}) == len(merged) <= len(parts)
    assert sum(len(block) for block in merged) == sum(len(block) for block in parts)
    assert set().union(*map(told, merged)) == set().union(*map(told, parts))
    assert all((np.diff(block.ts_ms) >= 0).all() for block in merged)


# The outbox itself


def batch(number: int, rows: int = 1) -> PendingBatch:
    block = ReadingBlock(
        Kind.PUMP,
        ("level_m",),
        (UNITS[0],),
        np.zeros(rows, dtype=np.int64),
        np.arange(T0 + number * 100, T0 + number * 100 + rows),
        np.ones((rows, 1)),
    )
    return PendingBatch(f"batch-{number}", rows, (block,))


def test_what_was_put_in_first_comes_out_first_until_it_is_taken_out(database: Database) -> None:
    with database.writing() as session:
        for number in range(50):
            outbox.put(session, batch(number, rows=1 + number % 3), now_ms=T0)
    with database.reading() as session:
        assert [b.batch_id for b in outbox.oldest(session, limit=3)] == ["batch-0", "batch-1", "batch-2"]
        walked = list(outbox.walk(session))
        assert [b.batch_id for b in walked] == [f"batch-{number}" for number in range(50)]
        assert same(walked[7].blocks[0], batch(7, rows=2).blocks[0])
        assert outbox.size_bytes(session) > 0
    with database.writing() as session:
        assert outbox.remove(session, ["batch-0", "batch-1", "batch-2"]) == 1 + 2 + 3
        assert outbox.remove(session, ["batch-0", "batch-3", "unheard-of"]) == 1
        assert outbox.remove(session, []) == 0
    with database.reading() as session:
        assert len(list(outbox.walk(session))) == 46
