"""The detectors of a live stream: each unit learns on its own first rows, then is judged, and tells only changes."""

import numpy as np

from models.detectors.bank import DetectorBank, VerdictChange
from models.equipment import Kind
from models.reading import Floats, ReadingBlock, UnitKey

FIRST, SECOND = UnitKey("xiaohe", Kind.PUMP, "sump-1"), UnitKey("xiaohe", Kind.PUMP, "sump-2")
METRICS = ("level_m", "flow_m3_h", "pump1_current_a")
STEP_MS, FIT_ROWS = 10_000, 400
FAULT_FROM = 600


def rows_of(count: int, *, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    load = rng.normal(size=count)
    noise = rng.normal(0, 0.1, (count, 3))
    return np.asarray((load[:, None] + noise) * np.array([0.2, 3.0, 1.0]) + [0.8, 30.0, 9.0])


def faulty_rows(count: int, *, seed: int = 1, by: float = 20.0) -> Floats:
    rows = rows_of(count, seed=seed)
    rows[FAULT_FROM:, 1] -= by
    return rows


def block(unit: UnitKey, values: Floats, *, first_row: int = 0, metrics: tuple[str, ...] = METRICS) -> ReadingBlock:
    ts_ms = (first_row + np.arange(len(values), dtype=np.int64)) * STEP_MS
    return ReadingBlock(unit.kind, metrics, (unit,), np.zeros(len(values), dtype=np.int64), ts_ms, values)


def test_a_unit_learns_first_and_is_judged_then() -> None:
    bank = DetectorBank(fit_rows=FIT_ROWS)
    bank.observe(block(FIRST, rows_of(100)))
    assert (bank.progress(FIRST).rows, bank.progress(FIRST).is_fitted) == (100, False)
    bank.observe(block(FIRST, rows_of(500)[100:], first_row=100))
    assert bank.progress(FIRST).is_fitted
    assert not bank.progress(SECOND).is_fitted


def test_a_fault_is_told_once_while_it_lasts_with_the_sensor_that_differs_most() -> None:
    changes = DetectorBank(fit_rows=FIT_ROWS).observe(block(FIRST, faulty_rows(700, by=3.0)))
    assert [change.is_anomalous for change in changes[:1]] == [True]
    assert sum(change.is_anomalous for change in changes) == 1
    raised = changes[0]
    assert FAULT_FROM * STEP_MS <= raised.since_ms <= raised.ts_ms < (FAULT_FROM + 60) * STEP_MS
    assert raised.contributions[0][0] == "flow_m3_h"
    flow = raised.differences[0]
    assert flow.channel == "flow_m3_h"
    assert 20.0 < flow.low < 25.0
    assert 35.0 < flow.high < 41.0
    assert flow.low < flow.now < 30.0
    assert raised.anomaly_score > raised.threshold


def test_an_anomaly_that_is_over_is_told_to_be_over() -> None:
    values = faulty_rows(1400)
    values[900:, 1] += 20.0
    bank = DetectorBank(fit_rows=FIT_ROWS)
    changes = bank.observe(block(FIRST, values))
    assert [change.is_anomalous for change in changes[:2]] == [True, False]
    assert bank.standing() == []


def test_a_normal_stream_tells_nothing() -> None:
    assert DetectorBank(fit_rows=FIT_ROWS).observe(block(FIRST, rows_of(3000))) == []


def test_how_a_stream_is_cut_into_batches_does_not_matter() -> None:
    values, cut = faulty_rows(900), DetectorBank(fit_rows=FIT_ROWS)
    whole = DetectorBank(fit_rows=FIT_ROWS).observe(block(FIRST, values))
    parts: list[VerdictChange] = []
    for first in range(0, 900, 37):
        parts += cut.observe(block(FIRST, values[first : first + 37], first_row=first))
    assert whole == parts != []


def test_late_rows_are_counted_and_change_nothing() -> None:
    values = faulty_rows(900)
    plain, disturbed = DetectorBank(fit_rows=FIT_ROWS), DetectorBank(fit_rows=FIT_ROWS)
    expected = plain.observe(block(FIRST, values))
    told = disturbed.observe(block(FIRST, values[:500]))
    told += disturbed.observe(block(FIRST, values[100:130] + 50, first_row=100))
    told += disturbed.observe(block(FIRST, values[500:], first_row=500))
    assert told == expected
    assert disturbed.late_rows == 30


def test_units_do_not_disturb_each_other() -> None:
    alone = DetectorBank(fit_rows=FIT_ROWS).observe(block(FIRST, faulty_rows(900)))
    bank = DetectorBank(fit_rows=FIT_ROWS)
    both = [change for first in range(0, 900, 100) for change in bank.observe(_pair(first, 100))]
    assert [change for change in both if change.unit == FIRST] == alone
    assert [change for change in both if change.unit == SECOND] == []


def _pair(first_row: int, count: int) -> ReadingBlock:
    one = faulty_rows(900)[first_row : first_row + count]
    two = rows_of(900, seed=2)[first_row : first_row + count]
    ts_ms = (first_row + np.arange(count, dtype=np.int64)) * STEP_MS
    index = np.tile(np.array([0, 1], dtype=np.int64), count)
    values = np.stack([one, two], axis=1).reshape(-1, 3)
    return ReadingBlock(Kind.PUMP, METRICS, (FIRST, SECOND), index, np.repeat(ts_ms, 2), values)


def test_a_restart_in_the_middle_of_an_anomaly_knows_that_it_stands() -> None:
    bank = DetectorBank(fit_rows=FIT_ROWS)
    bank.restore(block(FIRST, faulty_rows(700)))
    assert bank.standing() == [FIRST]


def test_counters_are_no_channels() -> None:
    values = np.column_stack([rows_of(900), np.arange(900.0)])
    bank = DetectorBank(fit_rows=FIT_ROWS)
    assert bank.observe(block(FIRST, values, metrics=(*METRICS, "starts_total"))) == []


def test_a_regime_that_stays_becomes_the_normal_one_and_is_told() -> None:
    bank = DetectorBank(fit_rows=FIT_ROWS, settle_rows=300)
    changes = bank.observe(block(FIRST, faulty_rows(2500)))
    assert [(change.is_anomalous, change.is_rebaselined) for change in changes[:2]] == [(True, False), (False, True)]
    assert bank.standing() == []


PUMPS = ("level_m", "flow_m3_h", "pump1_running", "pump2_running", "pump1_current_a", "pump2_current_a")
BOTH = ("pump1_running", "pump2_running")


def taking_turns(count: int, *, runs: tuple[int, ...] = (0, 1), rows_a_turn: int = 220) -> Floats:
    """A sump in a dry time: it fills slowly, then one of `runs` empties it within thirty rows."""
    rng, rows = np.random.default_rng(3), np.arange(count)
    place, turn = rows % rows_a_turn, rows // rows_a_turn
    fills = rows_a_turn - 30
    is_emptied = place >= fills
    level = np.where(is_emptied, 1.2 - 0.8 * (place - fills) / 30, 0.4 + 0.8 * place / fills)
    who = np.array(runs)[turn % len(runs)]
    running = np.column_stack([is_emptied & (who == pump) for pump in (0, 1)]).astype(float)
    flow = np.where(is_emptied, 50.0 * rng.normal(1.0, 0.01, count), 0.0)
    currents = running * (10.0 + rng.normal(0, 0.08, (count, 2)))
    return np.column_stack([level + rng.normal(0, 0.003, count), flow, running, currents])


def test_a_pump_that_had_not_run_while_all_was_learned_is_no_fault_when_it_runs() -> None:
    """Its first turn comes when there are rows enough to learn from, and others follow."""
    values = taking_turns(2200)
    for must_vary, is_told in (((), True), (BOTH, False)):
        changes = DetectorBank(fit_rows=FIT_ROWS, must_vary=must_vary).observe(block(FIRST, values, metrics=PUMPS))
        assert any(change.is_anomalous for change in changes) is is_told


def test_a_unit_waits_until_both_pumps_have_run_and_says_so() -> None:
    bank = DetectorBank(fit_rows=FIT_ROWS, must_vary=BOTH)
    bank.observe(block(FIRST, taking_turns(450, runs=(0,)), metrics=PUMPS))
    assert not bank.progress(FIRST).is_fitted
    assert "pump2_running" in bank.progress(FIRST).waits_for
    bank.observe(block(FIRST, taking_turns(1100), first_row=450, metrics=PUMPS))
    assert bank.progress(FIRST).is_fitted


def test_a_pump_that_never_runs_keeps_its_sump_from_being_judged_for_so_long_only() -> None:
    bank = DetectorBank(fit_rows=FIT_ROWS, must_vary=BOTH)
    bank.observe(block(FIRST, taking_turns(3300, runs=(0,)), metrics=PUMPS))
    assert bank.progress(FIRST).is_fitted
    changes = bank.observe(block(FIRST, taking_turns(3300), first_row=3300, metrics=PUMPS))
    assert not any(change.is_anomalous for change in changes)
    assert bank.progress(FIRST).is_fitted
