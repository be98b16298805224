"""How long the detectors take and how much they hold, and how both grow with units and channels."""

import json
from itertools import product
from time import process_time

import numpy as np

from models.detectors.bank import DetectorBank
from models.detectors.lagged_pca import LaggedPca
from models.equipment import Kind
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
