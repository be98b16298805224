"""How long the detectors take and how much they hold, and how both grow with units and channels."""

import json
from itertools import product
from time import process_time

import numpy as np

from models.detectors.bank import DetectorBank
from models.detectors.lagged_pca import LaggedPca
from models.detectors.seasonal import HOURS
from models.detectors.slow_bank import SlowBank
from models.detectors.slow_change import LEAST_DAYS
from models.equipment import METRICS, Kind
from models.hourly import HOUR_MS
from models.hourly_pump import PumpHours
from models.reading import Floats, ReadingBlock, UnitKey

FIT_ROWS = 400
STEP_MS = 10_000


def detectors_as_json(*, units: int, channels: int, rows: int) -> str:
    """CPU microseconds a value and bytes a unit: for the figures asked for, and for fewer units and other widths."""
    told: dict[str, float] = {"units": units, "channels": channels, "rows": rows}
    sizes = sorted({(units // 100, channels), (units // 10, channels), (units, channels)})
    widths = [(units // 10, width) for width in sorted({1, channels // 2, 2 * channels}) if width]
    told["fit_ms_per_unit"] = round(_fit_ms(channels), 2)
    for count, width in [size for size in (*sizes, *widths) if size[0]]:
        us, state_bytes = _score_us(count, width, rows)
        told[f"us_per_value_{count}_units_{width}_channels"] = round(us, 3)
        told[f"bytes_per_unit_{count}_units_{width}_channels"] = state_bytes
    us, state_bytes = _stream_us(max(1, units // 10), channels, rows)
    told["us_per_value_in_the_stream"] = round(us, 3)
    told["bytes_per_unit_in_the_stream"] = state_bytes
    us, state_bytes, most_bytes = _wear_us(max(1, units // 10), max(1, 4 * rows))
    told["us_per_value_wear_in_the_stream"] = round(us, 3)
    told["bytes_per_unit_wear_in_the_stream"] = state_bytes
    told["bytes_per_unit_wear_while_learning"] = most_bytes
    return json.dumps(told)


def _rows(count: int, channels: int, *, seed: int) -> Floats:
    """A unit that breathes: a common load, and noise of each channel."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(count) / 20.0)[:, None] + 0.2 * rng.normal(size=(count, 1))
    return np.asarray(10.0 + load * (1.0 + np.arange(channels)) + 0.3 * rng.normal(size=(count, channels)))


def _names(channels: int) -> tuple[str, ...]:
    return tuple(f"channel_{number:02d}" for number in range(channels))


def _fit_ms(channels: int) -> float:
    detector = LaggedPca(_names(channels))
    history = _rows(FIT_ROWS, channels, seed=1)
    before_s = process_time()
    for slot in range(20):
        detector.fit(slot, history)
    return (process_time() - before_s) * 1000 / 20


def _score_us(units: int, channels: int, rows: int) -> tuple[float, int]:
    """Of the detector alone, all units in one call a row."""
    detector = LaggedPca(_names(channels))
    detector.fit(units - 1, _rows(FIT_ROWS, channels, seed=1))
    learned = detector.state_of(units - 1)
    for slot in range(units - 1):
        detector.load(slot, learned)
    slots = np.arange(units)
    values = np.stack([_rows(rows, channels, seed=seed) for seed in range(2, 12)])[slots % 10]
    before_s = process_time()
    for row in range(rows):
        detector.score(slots, values[:, row])
    return (process_time() - before_s) * 1e6 / (units * channels * rows), detector.state_bytes() // units


def _stream_us(units: int, channels: int, rows: int) -> tuple[float, int]:
    """Of the bank in the live stream: places, gaps, verdicts, and the explanation of those that changed."""
    bank = DetectorBank(fit_rows=FIT_ROWS)
    keys = tuple(UnitKey("bench", Kind.PUMP, f"sump-{number}") for number in range(units))
    values = np.stack([_rows(FIT_ROWS + rows, channels, seed=seed) for seed in range(10)])
    taken_s = 0.0
    for row, half in product(range(FIT_ROWS + rows), (0, 1)):
        part = np.arange(half, units, 2)
        if not len(part):
            continue
        block = ReadingBlock(
            Kind.PUMP, _names(channels), keys, part, np.full(len(part), row * STEP_MS), values[part % 10, row]
        )
        before_s = process_time()
        bank.observe(block)
        taken_s += process_time() - before_s if row >= FIT_ROWS else 0.0
    return taken_s * 1e6 / (units * channels * rows), bank.state_bytes() // units


def _wear_us(units: int, rows: int) -> tuple[float, int, int]:
    """Of the wear detectors beside it, per value a sump tells; bytes a unit once it has learned, and at most."""
    bank = SlowBank(PumpHours)
    keys = tuple(UnitKey("bench", Kind.PUMP, f"sump-{number}") for number in range(units))
    names = tuple(METRICS[Kind.PUMP])
    level, first, second, flow = (names.index(n) for n in ("level_m", "pump1_running", "pump2_running", "flow_m3_h"))
    rng = np.random.default_rng(1)
    everyone = np.arange(units)
    hours = (LEAST_DAYS + 1) * HOURS + 2
    hourly = np.arange(hours)[:, None] * HOUR_MS + np.arange(3) * STEP_MS
    taken_s, most_bytes = 0.0, 0
    # Two weeks of three readings an hour, so that all are judged; then a steady stream.
    moments = [*hourly.ravel().tolist(), *(hours * HOUR_MS + np.arange(1, rows + 1) * STEP_MS).tolist()]
    for number, ts_ms in enumerate(moments):
        values = 10.0 + rng.normal(size=(units, len(names)))
        values[:, [first, second]] = number // 3 % 2, 1 - number // 3 % 2
        values[:, level], values[:, flow] = 0.8, 50.0
        block = ReadingBlock(Kind.PUMP, names, keys, everyone, np.full(units, ts_ms), values)
        before_s = process_time()
        bank.observe(block)
        taken_s += process_time() - before_s if number >= hourly.size else 0.0
        most_bytes = max(most_bytes, bank.state_bytes())
    return taken_s * 1e6 / (units * len(names) * rows), bank.state_bytes() // units, most_bytes // units
