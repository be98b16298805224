"""Sensors that are at fault while the machine is sound: what they say in the place of what is."""

from dataclasses import replace

import numpy as np

from models.equipment import METRICS, Kind
from models.reading import Floats
from simulators.faults import (
    SENSOR_DRIFT,
    SENSOR_DROPOUT,
    SENSOR_FAULTS,
    SENSOR_METRICS,
    SENSOR_NOISE,
    SENSOR_SPIKES,
    SENSOR_STUCK,
    FaultSchedule,
)
from simulators.fleet import Round

NOISE_SHARE = 0.25
"""Standard deviation at full severity, as a share of what the sensor usually tells; the next two are shares too."""
DRIFT_SHARE_A_DAY = 0.5
SPIKE_SHARE = 2.0
SPIKES_A_READING = 0.02
DAY_MS = 86_400_000.0


class Sensors:
    """The sensors of one fleet; what is not told stays so."""

    def __init__(self, kind: Kind, faults: FaultSchedule, *, rng: np.random.Generator) -> None:
        self._kind = kind
        self._faults = faults
        self._rng = rng
        self._stuck: dict[tuple[int, str], float] = {}

    def told(self, round_: Round) -> Round:
        """The round as the sensors tell it."""
        values = dict(round_.values)
        for name in SENSOR_FAULTS:
            for unit, fault, onset_ms, end_ms in self._faults.spans(name, until_ms=float(round_.ts_ms.max())):
                ts_ms = float(round_.ts_ms[unit])
                metric = fault.metric or SENSOR_METRICS[self._kind]
                if not onset_ms <= ts_ms < end_ms:
                    self._stuck.pop((unit, metric), None)
                    continue
                column = values[metric].astype(np.float64)
                column[unit] = self._wrong(name, unit, metric, column, fault.severity, ts_ms - onset_ms)
                values[metric] = column
        return replace(round_, values=values)

    def _wrong(self, name: str, unit: int, metric: str, column: Floats, severity: float, since_ms: float) -> float:
        value = float(column[unit])
        usual = max(abs(value), float(np.nanmedian(np.abs(column))) if np.isfinite(column).any() else 0.0, 1e-3)
        scale = usual * severity
        if name == SENSOR_DROPOUT:
            return np.nan
        if name == SENSOR_STUCK:
            if np.isfinite(value):
                value = self._stuck.setdefault((unit, metric), value)
        elif name == SENSOR_DRIFT:
            value += DRIFT_SHARE_A_DAY * scale * since_ms / DAY_MS
        elif name == SENSOR_NOISE:
            value += NOISE_SHARE * scale * self._rng.normal()
        elif name == SENSOR_SPIKES and self._rng.random() < SPIKES_A_READING:
            value += SPIKE_SHARE * scale * self._rng.choice((-1.0, 1.0))
        told = METRICS[self._kind][metric]
        if not told.is_signed:
            value = max(value, 0.0) if np.isfinite(value) else value
        return float(np.clip(np.round(value), 0.0, 1.0)) if told.is_boolean else value
