"""From a unit's stored history to a fitted model, the known-bad time left out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.detectors.artefact import FittedModel
from models.detectors.contract import DetectorError
from models.detectors.drift import DriftReport, drift_of, reference_from_json, reference_of
from models.detectors.judged_channels import channels_only
from models.detectors.lagged_pca import LaggedPca
from models.detectors.live_banks import EVERY_MS, JUDGED
from models.equipment import Kind, ServiceMode
from models.reading import Bools, Floats, Ints, ReadingBlock

DAY_MS = 86_400_000
LEAST_TOLD_SHARE = 0.5
FORGIVEN_SHARE = 0.05
"""Of the time asked for; readings are lost now and then."""
MOST_CHANNELS = 48
LONGEST_PAUSE_MS = {Kind.ELEVATOR: 6 * 3_600_000}
"""Of a lift that tells once a trip: the hours of a night without one are history, those of a day are not."""


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


def judged_rows(history: ReadingBlock) -> ReadingBlock:
    """The rows and channels that the live stream would judge; none of a lift that is not in service."""
    judged = channels_only(_in_service(history), JUDGED[history.kind])
    every_ms = EVERY_MS[history.kind]
    return judged.rows(_apart(judged.ts_ms, every_ms)) if every_ms else judged


def days_of(judged: ReadingBlock) -> float:
    """How many days the rows of one unit cover; gaps are no history."""
    if len(judged) < 2:
        return 0.0
    steps = np.diff(judged.ts_ms)
    longest_ms = LONGEST_PAUSE_MS.get(judged.kind, 1.5 * float(np.median(steps)))
    return float(np.minimum(steps, longest_ms).sum()) / DAY_MS


def check_days(judged: ReadingBlock, *, need_days: float) -> None:
    """Raises TooShortHistory."""
    have_days = days_of(judged)
    if len(judged) < 2 or have_days < need_days * (1.0 - FORGIVEN_SHARE):
        raise TooShortHistory(have_days=have_days, need_days=need_days)


def fit_history(judged: ReadingBlock, *, need_days: float) -> FittedModel:
    """A model of the one unit in `judged`: rows as `judged_rows` gives them, free of known-bad time.

    Raises TooShortHistory, NotEnoughHistory, NothingVaries.
    """
    check_days(judged, need_days=need_days)
    steps = np.diff(judged.ts_ms)
    share = np.mean(~np.isnan(judged.values), axis=0)
    named = {name: c for c, name in enumerate(judged.metrics)}
    told = sorted(name for name, c in named.items() if share[c] >= LEAST_TOLD_SHARE) or sorted(named)
    channels = tuple(told[:MOST_CHANNELS])
    values = _columns(judged, channels)
    detector = LaggedPca(channels)
    # In the precision in which a unit in the stream gathers its rows: both learn the same from the same.
    facts = detector.fit(0, values.astype(np.float32).astype(np.float64))
    digest = hashlib.sha256("\n".join(channels).encode())
    digest.update(judged.ts_ms.astype("<i8").tobytes())
    digest.update(values.astype("<f8").tobytes())
    longest_step_ms = max(1, int(1.5 * np.quantile(steps, 0.9)))
    return FittedModel(
        channels=channels,
        interval_ms=max(1, int(np.median(steps))),
        longest_step_ms=longest_step_ms,
        first_ms=int(judged.ts_ms[0]),
        last_ms=int(judged.ts_ms[-1]),
        rows=facts.rows,
        data_sha256=digest.hexdigest(),
        constant=facts.constant,
        missing=(*(name for name in sorted(named) if name not in channels), *facts.missing),
        arrays=detector.state_of(0),
        reference=reference_of(channels, values, _gaps(judged.ts_ms, longest_step_ms)).as_json(),
    )


def measure_drift(model: FittedModel, judged: ReadingBlock) -> DriftReport | None:
    """How the rows that came after the fit differ from those it rests on; None of a model that kept no reference.

    Raises StateMismatch.
    """
    if model.reference is None:
        return None
    reference = reference_from_json(model.reference)
    detector = LaggedPca(model.channels)
    detector.load(0, model.arrays)
    later = judged.rows(np.asarray(judged.ts_ms > model.last_ms))
    gaps = _gaps(later.ts_ms, model.longest_step_ms)
    return drift_of(reference, detector, _columns(later, model.channels), later.ts_ms, gaps)


def _columns(block: ReadingBlock, channels: Sequence[str]) -> Floats:
    place = {name: c for c, name in enumerate(block.metrics)}
    nothing = np.full(len(block), np.nan)
    columns = [block.values[:, place[name]] if name in place else nothing for name in channels]
    return np.ascontiguousarray(np.column_stack(columns))


def _gaps(ts_ms: Ints, longest_step_ms: int) -> Bools:
    return np.asarray(np.diff(ts_ms, prepend=ts_ms[:1]) > longest_step_ms)


def _in_service(history: ReadingBlock) -> ReadingBlock:
    """Without the rows of inspection, fire recall and the like; what mode holds is told only now and then."""
    if "service_mode" not in history.metrics or not len(history):
        return history
    mode = history.values[:, history.metrics.index("service_mode")]
    last_told = np.maximum.accumulate(np.where(np.isnan(mode), -1, np.arange(len(mode))))
    known = np.where(last_told >= 0, mode[np.maximum(last_told, 0)], ServiceMode.NORMAL)
    return history.rows(np.asarray(known == ServiceMode.NORMAL))


def _apart(ts_ms: Ints, every_ms: int) -> Ints:
    """Rows that lie at least `every_ms` after the one before that was kept."""
    kept = [0] if len(ts_ms) else []
    while kept:
        following = int(np.searchsorted(ts_ms, ts_ms[kept[-1]] + every_ms))
        if following >= len(ts_ms):
            break
        kept.append(following)
    return np.array(kept, dtype=np.int64)
