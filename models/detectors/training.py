"""From a unit's stored history to a fitted model, the known-bad time left out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.detectors.artefact import FittedModel
from models.detectors.contract import DetectorError
from models.detectors.lagged_pca import LaggedPca
from models.equipment import METRICS
from models.reading import Bools, ReadingBlock

DAY_MS = 86_400_000
LEAST_TOLD_SHARE = 0.5
MOST_CHANNELS = 48


class TooShortHistory(DetectorError):
    """Less usable time than was asked for; `have_days` counts time with readings and without known faults."""

    def __init__(self, *, have_days: float, need_days: float) -> None:
        super().__init__(f"not enough history: {have_days:.3g} of {need_days:.3g} days")
        self.have_days = have_days
        self.need_days = need_days


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time from `start_ms` up to and with `end_ms` that is no example of normal, and why."""

    start_ms: int
    end_ms: int
    reason: str


def usable(ts_ms: np.ndarray[tuple[int], np.dtype[np.int64]], left_out: Sequence[Stretch]) -> Bools:
    """Which rows lie in no stretch: shape as `ts_ms`."""
    kept = np.ones(len(ts_ms), dtype=bool)
    for stretch in left_out:
        kept &= (ts_ms < stretch.start_ms) | (ts_ms > stretch.end_ms)
    return kept


def fit_history(history: ReadingBlock, *, need_days: float) -> FittedModel:
    """A model of the one unit in `history`, whose rows are in order of time and free of known-bad time.

    Time with readings is the number of rows times their usual pause, so that gaps do not count as history. Raises
    TooShortHistory, NotEnoughHistory, NothingVaries.
    """
    steps = np.diff(history.ts_ms)
    interval_ms = max(1, int(np.median(steps))) if len(steps) else 1
    have_days = len(steps) * interval_ms / DAY_MS
    if not len(steps) or have_days < need_days * 0.95:
        # A twentieth is forgiven: readings are lost now and then.
        raise TooShortHistory(have_days=have_days, need_days=need_days)
    metrics = METRICS[history.kind]
    share = np.mean(~np.isnan(history.values), axis=0)
    named = {name: c for c, name in enumerate(history.metrics) if name not in metrics or not metrics[name].is_counter}
    told = sorted(name for name, c in named.items() if share[c] >= LEAST_TOLD_SHARE) or sorted(named)
    channels = tuple(told[:MOST_CHANNELS])
    values = np.ascontiguousarray(history.values[:, [named[name] for name in channels]])
    detector = LaggedPca(channels)
    facts = detector.fit(0, values)
    digest = hashlib.sha256("\n".join(channels).encode())
    digest.update(history.ts_ms.astype("<i8").tobytes())
    digest.update(values.astype("<f8").tobytes())
    return FittedModel(
        channels=channels,
        interval_ms=interval_ms,
        longest_step_ms=max(1, int(1.5 * np.quantile(steps, 0.9))),
        first_ms=int(history.ts_ms[0]),
        last_ms=int(history.ts_ms[-1]),
        rows=facts.rows,
        data_sha256=digest.hexdigest(),
        constant=facts.constant,
        missing=(*(name for name in sorted(named) if name not in channels), *facts.missing),
        arrays=detector.state_of(0),
    )
