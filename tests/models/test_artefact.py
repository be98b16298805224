"""A fitted model as bytes: what comes back is what was put in, and nothing else is taken."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detectors.artefact import Artefact, ArtefactRefused, FittedModel, pack, unpack
from models.detectors.bank import DetectorBank
from models.detectors.contract import StateMismatch
from models.detectors.training import DAY_MS, Stretch, TooShortHistory, fit_history, usable
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey

UNIT = UnitKey("xiaohe", Kind.PUMP, "sump-1")
STEP_MS, ROWS = 10_000, 1200
HISTORY_DAYS = ROWS * STEP_MS / DAY_MS


def history(rows: int = ROWS, *, first_row: int = 0, seed: int = 3) -> ReadingBlock:
    rng = np.random.default_rng(seed)
    load = rng.normal(size=first_row + rows)[:, None]
    values = (load + rng.normal(0, 0.1, (first_row + rows, 3))) * [0.2, 3.0, 1.0] + [0.8, 30.0, 9.0]
    ts_ms = np.arange(first_row, first_row + rows, dtype=np.int64) * STEP_MS
    metrics = ("flow_m3_h", "level_m", "pump1_current_a")
    return ReadingBlock(Kind.PUMP, metrics, (UNIT,), np.zeros(rows, dtype=np.int64), ts_ms, values[first_row:])


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return fit_history(history(), need_days=HISTORY_DAYS)


def test_equal_rows_give_equal_bytes_and_other_rows_do_not(model: FittedModel) -> None:
    assert pack(fit_history(history(), need_days=HISTORY_DAYS)) == pack(model)
    assert pack(fit_history(history(seed=4), need_days=HISTORY_DAYS)).sha256 != pack(model).sha256


def test_what_comes_back_is_what_was_put_in(model: FittedModel) -> None:
    back = unpack(pack(model))
    assert replace(back, arrays={}) == replace(model, arrays={})
    assert set(back.arrays) == set(model.arrays)
    for name, array in model.arrays.items():
        np.testing.assert_array_equal(back.arrays[name], array)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_no_changed_byte_is_taken(model: FittedModel, place: int, change: int) -> None:
    packed = pack(model)
    damaged = bytearray(packed.arrays)
    damaged[place % len(damaged)] ^= change
    with pytest.raises(ArtefactRefused, match="not what its hash says"):
        unpack(Artefact(packed.description, bytes(damaged), packed.sha256))


def test_a_changed_description_and_another_format_are_refused(model: FittedModel) -> None:
    packed = pack(model)
    with pytest.raises(ArtefactRefused, match="not what its hash says"):
        unpack(Artefact({**packed.description, "rows": 1}, packed.arrays, packed.sha256))
    with pytest.raises(ArtefactRefused, match="format 99"):
        unpack(Artefact({**packed.description, "format": 99}, packed.arrays, packed.sha256))


def test_a_pickle_is_never_read_even_under_a_right_hash(model: FittedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, trap=np.array([object()], dtype=object))
    monkeypatch.setattr("models.detectors.artefact._digest", lambda *_: "right")
    with pytest.raises(ArtefactRefused, match="cannot be read"):
        unpack(Artefact(pack(model).description, buffer.getvalue(), "right"))


def test_a_loaded_model_judges_as_one_that_never_left(model: FittedModel) -> None:
    """A bank that learned on the same rows tells the same fault at the same row, with the same score."""
    learned, loaded = DetectorBank(fit_rows=ROWS), DetectorBank(fit_rows=ROWS)
    learned.observe(history())
    loaded.load(UNIT, unpack(pack(model)), after_ms=model.last_ms)
    assert loaded.progress(UNIT).is_fitted
    later = history(400, first_row=ROWS)
    later.values[200:, 1] -= 20.0
    told = loaded.observe(later)
    assert told == learned.observe(later)
    assert told[0].is_anomalous


def test_a_bank_keeps_what_it_had_when_a_model_does_not_suit_it(model: FittedModel) -> None:
    bank = DetectorBank(fit_rows=ROWS)
    bank.observe(history(100))
    arrays = {**model.arrays, "memory_rows": np.zeros(7)}
    with pytest.raises(StateMismatch):
        bank.load(UNIT, replace(model, arrays=arrays), after_ms=0)
    assert (bank.progress(UNIT).rows, bank.progress(UNIT).is_fitted) == (100, False)


def test_too_short_a_history_says_how_much_there_is() -> None:
    with pytest.raises(TooShortHistory, match=r"not enough history: 0\.139 of 14 days"):
        fit_history(history(), need_days=14.0)
    with pytest.raises(TooShortHistory, match="not enough history: 0 of 14 days"):
        fit_history(history(0), need_days=14.0)


def test_a_pause_is_no_history() -> None:
    gapped = history()
    gapped.ts_ms[600:] += 30 * DAY_MS
    with pytest.raises(TooShortHistory):
        fit_history(gapped, need_days=1.0)


def test_both_ends_of_a_stretch_are_left_out() -> None:
    ts_ms = np.array([9, 10, 15, 20, 21], dtype=np.int64)
    assert usable(ts_ms, [Stretch(10, 20, "alarm")]).tolist() == [True, False, False, False, True]
