"""Series and their numbers stay together however many there are and in whatever order they come."""

import numpy as np
import pytest

from ingest.stores import series as series_module
from ingest.stores.series import NEVER_MS, Cells, SeriesIndex
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey


def unit(number: int) -> UnitKey:
    return UnitKey("site-a", Kind.PUMP, f"unit-{number}")


def block(units: list[UnitKey], metrics: tuple[str, ...]) -> ReadingBlock:
    n = len(units)
    return ReadingBlock(
        Kind.PUMP, metrics, tuple(units), np.arange(n), np.zeros(n, np.int64), np.zeros((n, len(metrics)))
    )


def cells(*rows: tuple[int, int, float]) -> Cells:
    series, ts_ms, values = zip(*rows, strict=True)
    return Cells(np.array(series, np.int32), np.array(ts_ms, np.int64), np.array(values, np.float64))


def test_series_without_a_number_are_told() -> None:
    index = SeriesIndex()
    index.add([(unit(1), "a"), (unit(2), "b")])
    numbers = index.numbers(block([unit(2), unit(1), unit(3)], ("a", "b")))
    assert numbers.tolist() == [[-1, 1], [0, -1], [-1, -1]]


def test_a_number_given_later_is_found_by_every_combination_of_metrics() -> None:
    index = SeriesIndex()
    before = block([unit(1)], ("a", "b"))
    index.add([(unit(1), "a")])
    assert index.numbers(before).tolist() == [[0, -1]]
    index.add([(unit(1), "b")])
    assert index.numbers(before).tolist() == [[0, 1]]
    assert index.numbers(block([unit(1)], ("b",))).tolist() == [[1]]


@pytest.mark.parametrize("cells_max", [series_module.LANE_CELLS_MAX, 100])
def test_numbers_are_right_for_many_units_and_combinations(cells_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_module, "LANE_CELLS_MAX", cells_max)
    rng = np.random.default_rng(5)
    metrics = [f"m{number}" for number in range(8)]
    expected = {(unit(u), metric): u * 8 + m for u in range(300) for m, metric in enumerate(metrics)}
    index = SeriesIndex()
    index.add(expected)
    for _ in range(60):
        chosen = tuple(rng.permutation(metrics)[: rng.integers(1, 8)].tolist())
        units = [unit(number) for number in rng.permutation(300)[: rng.integers(1, 300)].tolist()]
        assert index.numbers(block(units, chosen)).tolist() == [
            [expected[owner, metric] for metric in chosen] for owner in units
        ]


def test_the_newest_value_never_goes_back() -> None:
    index = SeriesIndex()
    index.add([(unit(1), "a"), (unit(1), "b")])
    index.note(cells((0, 5, 50.0), (0, 9, 90.0), (1, 3, 30.0)))
    index.note(cells((0, 7, 70.0), (1, 4, 40.0)))
    assert index.latest([unit(1), unit(2)]) == {unit(1): {"a": (9, 90.0), "b": (4, 40.0)}}
    assert index.newest_ms() == {(unit(1), "a"): 9, (unit(1), "b"): 4}


def test_a_series_without_a_value_is_not_told_of() -> None:
    index = SeriesIndex()
    index.add([(unit(1), "a")])
    assert index.latest([unit(1)]) == {}
    assert index.newest_ms() == {}
    assert index.of(unit(1)) == {}
    assert index.newest_ms_of(np.array([0], np.int32)).tolist() == [NEVER_MS]


def test_thousands_of_series_keep_their_newest() -> None:
    index = SeriesIndex()
    for first in range(0, 5000, 500):
        index.add((unit(number), "a") for number in range(first, first + 500))
        index.note(cells(*((number, number, float(number)) for number in range(first, first + 500))))
    assert index.newest_ms() == {(unit(number), "a"): number for number in range(5000)}


def test_in_order_keeps_the_first_of_two_values_of_one_time() -> None:
    ordered = cells((1, 5, 1.0), (0, 5, 2.0), (1, 5, 3.0), (1, 4, 4.0), (0, 5, 5.0)).in_order()
    assert list(zip(ordered.series.tolist(), ordered.ts_ms.tolist(), ordered.values.tolist(), strict=True)) == [
        (0, 5, 2.0),
        (1, 4, 4.0),
        (1, 5, 1.0),
    ]
