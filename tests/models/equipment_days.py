"""Weeks of a unit in a few lines: readings with the physics that a wear detector looks for, and nothing else."""

import numpy as np

from models.equipment import Kind
from models.reading import Floats, ReadingBlock, UnitKey

FIRE, LIFT, PUMP = (
    UnitKey("xiaohe", Kind.FIRE, "fire-1"),
    UnitKey("xiaohe", Kind.ELEVATOR, "lift-1"),
    UnitKey("xiaohe", Kind.PUMP, "sump-1"),
)
DAY_MS = 86_400_000
T0_MS = 20_000 * DAY_MS


def moments(days: float, every_s: int, *, from_day: float = 0.0) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return T0_MS + np.arange(int(from_day * 86_400), int((from_day + days) * 86_400), every_s, dtype=np.int64) * 1000


def block_of(unit: UnitKey, ts_ms: np.ndarray[tuple[int], np.dtype[np.int64]], **columns: Floats) -> ReadingBlock:
    values = np.column_stack(list(columns.values()))
    return ReadingBlock(unit.kind, tuple(columns), (unit,), np.zeros(len(ts_ms), dtype=np.int64), ts_ms, values)


def with_column(block: ReadingBlock, metric: str, values: Floats) -> ReadingBlock:
    """The block with this metric, in place of what it had of it."""
    columns = dict(zip(block.metrics, block.values.T, strict=True)) | {metric: values}
    return block_of(block.units[0], block.ts_ms, **columns)


def fire_days(days: float, *, leak_from: float = np.inf, leak: float = 6.0, seed: int = 1) -> ReadingBlock:
    """Two pressures that seep by 0.02 MPa an hour and are topped up at once; from day `leak_from` on, `leak` times."""
    rng = np.random.default_rng(seed)
    ts_ms = moments(days, 300)
    day = (ts_ms - T0_MS) / DAY_MS
    lost = np.cumsum(np.where(day >= leak_from, leak, 1.0) * 0.02 / 12)
    hydrant, sprinkler = 0.32 - lost % 0.04, 0.42 - (lost + 0.017) % 0.04
    starts = np.floor(lost / 0.04) + np.floor((lost + 0.017) / 0.04)
    noise = rng.normal(0.0, 0.0008, (2, len(ts_ms)))
    return block_of(
        FIRE,
        ts_ms,
        hydrant_pressure_mpa=hydrant + noise[0],
        sprinkler_pressure_mpa=sprinkler + noise[1],
        jockey_starts_total=1000.0 + starts,
        battery_v=27.2 + rng.normal(0.0, 0.02, len(ts_ms)),
    )


def lift_days(
    days: float, *, wear_s_per_day: float = 0.0, wear_from: float = 0.0, from_day: float = 0.0, mode: float = 1.0
) -> ReadingBlock:
    """A trip in ten minutes between six and midnight; doors slower at noon, and by wear."""
    rng = np.random.default_rng(int(from_day * 10) + 2)
    ts_ms = moments(days, 600, from_day=from_day)
    day = (ts_ms - T0_MS) / DAY_MS
    hour = day % 1 * 24
    worn_s = wear_s_per_day * np.maximum(day - wear_from, 0.0)
    close_s = 3.0 + 0.3 * np.sin(hour / 24 * 2 * np.pi) + worn_s + rng.normal(0.0, 0.05, len(day))
    close_s = np.where(hour >= 6, close_s, np.nan)
    return block_of(
        LIFT,
        ts_ms,
        door_close_s=close_s,
        door_motor_current_a=close_s * 0 + 1.8 + 0.4 * worn_s + rng.normal(0.0, 0.03, len(day)),
        motor_temp_c=45.0 + 6.0 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0.0, 0.5, len(day)),
        machine_room_temp_c=np.full(len(day), 25.0),
        service_mode=np.full(len(day), mode),
    )


def sump_rows(
    hours: float,
    *,
    inflow_m3_h: float = 8.0,
    capacity_m3_h: float = 50.0,
    returns_m3_h: float = 0.0,
    area_m2: float = 4.5,
    every_s: int = 10,
) -> ReadingBlock:
    """A sump drawn down from 1.2 to 0.4 m by its pumps in turn; `returns_m3_h` runs back while none runs."""
    ts_ms = moments(hours / 24, every_s)
    level, running, turn = 0.6, 0, 0
    rows = np.zeros((len(ts_ms), 4))
    for row in range(len(ts_ms)):
        pumped = capacity_m3_h if running else 0.0
        comes = inflow_m3_h + (0.0 if running else returns_m3_h)
        level += (comes - pumped) / 3600 * every_s / area_m2
        if running and level <= 0.4:
            running, turn = 0, 1 - turn
        elif not running and level >= 1.2:
            running = turn + 1
        rows[row] = level, running == 1, running == 2, capacity_m3_h if running else 0.0
    return block_of(
        PUMP,
        ts_ms,
        level_m=rows[:, 0],
        pump1_running=rows[:, 1],
        pump2_running=rows[:, 2],
        flow_m3_h=rows[:, 3],
        pump1_current_a=10.0 * rows[:, 1],
        pump2_current_a=10.0 * rows[:, 2],
    )
