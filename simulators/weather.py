"""Weather over a compound: temperature with its daily rhythm, and showers."""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from models.reading import Floats, Ints

MS_PER_H = 3_600_000
MS_PER_DAY = 24 * MS_PER_H
LOCAL_OFFSET_MS = 8 * MS_PER_H
"""China has one time zone and no summer time."""
WARMEST_H = 15.0
GUST_PERIODS_S = (97.0, 311.0, 1009.0)
GUST_SHARE = 0.08


class Shower(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rain of `mm_h` that begins `onset_s` after live time began, and takes `ramp_s` to swell and to die away."""

    onset_s: float
    duration_s: float
    mm_h: float
    ramp_s: float = 300.0


class Climate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Daily mean and half the daily range of the outdoor temperature, and the showers."""

    temperature_c: float = 12.0
    swing_c: float = 4.0
    showers: tuple[Shower, ...] = ()


@dataclass(slots=True)
class Weather:
    """Seeded once; afterwards a function of time. Dry before live time began."""

    climate: Climate
    gust_phases: Floats
    live_ms: float = math.inf

    @classmethod
    def seeded(cls, climate: Climate, *, rng: np.random.Generator) -> "Weather":
        return cls(climate, rng.uniform(0.0, 2 * math.pi, len(GUST_PERIODS_S)))

    def begin(self, live_ms: int) -> None:
        self.live_ms = live_ms

    def temperature_c(self, ts_ms: Floats | Ints) -> Floats:
        phase = 2 * math.pi * (local_hour(ts_ms) - WARMEST_H) / 24
        return np.asarray(self.climate.temperature_c + self.climate.swing_c * np.cos(phase))

    def rain_mm_h(self, ts_ms: Floats | Ints) -> Floats:
        """Rain at these moments; gusts make it swing by up to a quarter."""
        rain = np.zeros(np.shape(ts_ms))
        if not self.climate.showers or math.isinf(self.live_ms):
            return rain
        since_s = (np.asarray(ts_ms) - self.live_ms) / 1000
        for shower in self.climate.showers:
            inside_s = np.minimum(since_s - shower.onset_s, shower.onset_s + shower.duration_s - since_s)
            rain += shower.mm_h * np.clip(inside_s / max(shower.ramp_s, 1.0), 0.0, 1.0)
        gusts = np.zeros(np.shape(ts_ms))
        for period_s, phase in zip(GUST_PERIODS_S, self.gust_phases.tolist(), strict=True):
            gusts += np.sin(2 * math.pi * since_s / period_s + phase)
        return np.asarray(rain * (1 + GUST_SHARE * gusts))


def local_hour(ts_ms: Floats | Ints) -> Floats:
    """Hour of the day in China, 0 to 24, with fractions."""
    return np.asarray((np.asarray(ts_ms) + LOCAL_OFFSET_MS) % MS_PER_DAY / MS_PER_H)
