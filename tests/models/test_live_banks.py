"""What the live stream judges: wear of a lift by its trips, a fire system by long times, no place and no passenger."""

import numpy as np

from models.detectors.live_banks import EVERY_MS, FIRE_FIT_ROWS, TRIP_METRICS, live_banks
from models.equipment import METRICS, Kind
from models.reading import Floats, ReadingBlock, UnitKey

LIFT, FIRE = UnitKey("xiaohe", Kind.ELEVATOR, "lift-01"), UnitKey("xiaohe", Kind.FIRE, "fire-1")
STEP_MS = 10_000


def block(unit: UnitKey, columns: dict[str, Floats], *, step_ms: int = STEP_MS) -> ReadingBlock:
    values = np.column_stack(list(columns.values()))
    rows = len(values)
    ts_ms = np.arange(rows, dtype=np.int64) * step_ms
    return ReadingBlock(unit.kind, tuple(columns), (unit,), np.zeros(rows, dtype=np.int64), ts_ms, values)


def trips(rows: int, *, slower_from: int | None = None) -> ReadingBlock:
    """A lift that tells where it is with every row, and of its doors after every tenth."""
    rng = np.random.default_rng(8)
    door_close_s, vibration = 3.0 + 0.1 * rng.normal(size=rows), 0.1 + 0.01 * rng.normal(size=rows)
    if slower_from is not None:
        door_close_s[slower_from:] += 1.5
    is_trip = np.arange(rows) % 10 == 0
    return block(
        LIFT,
        {
            "position_floor": np.cumsum(rng.integers(-1, 2, size=rows)).astype(float),
            "door_close_s": np.where(is_trip, door_close_s, np.nan),
            "vibration_rms_m_s2": np.where(is_trip, vibration, np.nan),
        },
    )


def test_every_kind_has_a_bank_and_its_metrics_exist() -> None:
    banks = live_banks()
    assert banks.keys() == set(Kind)
    for kind, bank in banks.items():
        assert bank.metrics is None or set(bank.metrics) <= METRICS[kind].keys()


def test_a_lift_is_judged_by_what_it_tells_once_a_trip() -> None:
    bank = live_banks(fit_rows=100)[Kind.ELEVATOR]
    changes = bank.observe(trips(4_000, slower_from=3_000))
    assert [change.is_anomalous for change in changes[:1]] == [True]
    assert changes[0].ts_ms >= 3_000 * STEP_MS
    assert changes[0].contributions[0][0] == "door_close_s"
    assert {name for name, _ in changes[0].contributions} <= TRIP_METRICS


def test_where_a_lift_stands_is_nothing_to_learn_from() -> None:
    bank = live_banks(fit_rows=100)[Kind.ELEVATOR]
    assert bank.observe(trips(4_000)) == []
    assert bank.progress(LIFT).constant == ()
    assert "position_floor" not in bank.progress(LIFT).missing


def test_a_fire_system_is_learned_for_two_weeks_at_a_row_in_a_quarter_of_an_hour() -> None:
    bank = live_banks()[Kind.FIRE]
    rng = np.random.default_rng(9)
    days = 3
    rows = days * 8_640
    bank.observe(block(FIRE, {"hydrant_pressure_mpa": 0.3 + 0.01 * rng.normal(size=rows)}))
    progress = bank.progress(FIRE)
    assert progress.rows == days * 86_400_000 // EVERY_MS[Kind.FIRE]
    assert progress.needed_rows == FIRE_FIT_ROWS
    assert not progress.is_fitted
    assert progress.waits_for == "not enough history: 3 of 14 days"
