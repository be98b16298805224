"""Verdicts: hysteresis and minimum duration, for many slots at once."""

import numpy as np
import pytest

from models.verdict import Verdicts

SLOT = np.array([0])


def run(verdicts: Verdicts, ratios: list[float]) -> list[bool]:
    """The standing verdict after each row."""
    standing = []
    for row, ratio in enumerate(ratios):
        verdicts.update(SLOT, np.array([ratio]), np.array([row]))
        standing.append(bool(verdicts.is_anomalous(SLOT)[0]))
    return standing


def test_a_brief_exceedance_is_no_verdict() -> None:
    verdicts = Verdicts(raise_evidence=6.5, clear_rows=2, clear_ratio=0.5)
    assert run(verdicts, [0.1, 5.0, 5.0, 0.9, 5.0, 5.0]) == [False] * 6


def test_a_lasting_exceedance_is_one_and_since_is_its_first_row() -> None:
    verdicts = Verdicts(raise_evidence=3.3, clear_rows=2, clear_ratio=0.5)
    assert run(verdicts, [0.1, 1.2, 0.2, 1.0, 1.1, 1.2]) == [False] * 5 + [True]
    assert verdicts.since_ms(SLOT).tolist() == [3]


def test_between_the_two_limits_a_verdict_stands_as_it_was() -> None:
    verdicts = Verdicts(raise_evidence=1.0, clear_rows=2, clear_ratio=0.5)
    assert run(verdicts, [0.9, 1.1, 0.6, 0.9, 0.4, 0.6, 0.4, 0.4, 0.9]) == [
        False, True, True, True, True, True, True, False, False,
    ]  # fmt: skip


def test_a_row_that_was_not_scored_neither_raises_nor_clears() -> None:
    verdicts = Verdicts(raise_evidence=4.0, clear_rows=2, clear_ratio=0.5)
    assert run(verdicts, [2.0, np.nan, 2.0, np.nan, 0.1, np.nan, 0.1]) == [False, False, True, True, True, True, False]


def test_slots_do_not_know_each_other() -> None:
    verdicts = Verdicts(raise_evidence=4.0, clear_rows=2, clear_ratio=0.5)
    both = np.array([4, 1])
    for row in range(2):
        changed = verdicts.update(both, np.array([3.0, 0.3]), np.array([row, row]))
    assert changed.tolist() == [True, False]
    assert verdicts.is_anomalous(np.arange(5)).tolist() == [False, False, False, False, True]


def test_rows_in_alarm_count_scored_rows_and_end_with_the_verdict() -> None:
    verdicts = Verdicts(raise_evidence=1.0, clear_rows=1, clear_ratio=0.5)
    run(verdicts, [2.0, 2.0, np.nan, 2.0])
    assert verdicts.rows_in_alarm(SLOT).tolist() == [3]
    verdicts.clear(SLOT)
    assert not verdicts.is_anomalous(SLOT)[0]
    assert verdicts.rows_in_alarm(SLOT).tolist() == [0]


@pytest.mark.parametrize(("ratio", "rows"), [(1.0, 6), (1.5, 4), (3.0, 2), (1000.0, 2)])
def test_what_is_far_above_the_limit_is_told_sooner_but_never_by_one_row(ratio: float, rows: int) -> None:
    assert run(Verdicts(), [ratio] * 8).index(True) == rows - 1
