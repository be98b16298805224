"""Fire systems: pressures that seep away and are topped up by the jockey pump, tank, supply, battery, cable, panel."""

from dataclasses import dataclass

import numpy as np

from models.equipment import Kind
from models.reading import Floats, Ints
from simulators.faults import FaultSchedule
from simulators.fleet import Round
from simulators.weather import Weather, local_hour

HYDRANT_MPA = 0.30
SPRINKLER_MPA = 0.40
BAND_MPA = 0.02
"""The jockey pump starts this much below the set pressure and stops this much above."""
TOP_UP_MPA_PER_S = 0.001
LEAK_FACTOR = 80.0
TANK_M = 3.0
TANK_LOW_M = 1.4
TANK_REFILL_BELOW_M = 2.9
TANK_REFILL_M_PER_H = 0.4
LONGEST_STEP_S = 20.0
BATTERY_V = 27.2
BATTERY_BAD_V = 20.5
BATTERY_ON_LOAD_V = 25.2
BATTERY_AGED_V = 25.6
"""What a charger still keeps at the posts of a battery near its end; professional estimate."""
AGED_DISCHARGE = 4.0
PUMP_TEST_MPA = 0.25
CABLE_HOT_C = 95.0
RESIDUAL_HIGH_MA = 480.0


@dataclass(frozen=True, slots=True)
class FireSystem:
    """The fire system of a few buildings: hydrants and sprinklers on one tank and one panel."""

    unit: str
    hydrant_mpa: float = HYDRANT_MPA
    sprinkler_mpa: float = SPRINKLER_MPA


class FireFleet:
    """All fire systems of a compound."""

    kind = Kind.FIRE

    def __init__(
        self,
        systems: tuple[FireSystem, ...],
        *,
        start_ms: int,
        weather: Weather,
        faults: FaultSchedule,
        rng: np.random.Generator,
    ) -> None:
        self.units = tuple(system.unit for system in systems)
        self.faults = faults
        self._weather = weather
        self._rng = rng
        count = len(systems)
        self._set_mpa = np.array([[system.hydrant_mpa, system.sprinkler_mpa] for system in systems]).reshape(count, 2)
        self._pressure = self._set_mpa + rng.uniform(-0.6, 0.9, (count, 2)) * BAND_MPA
        self._seep_mpa_h = rng.uniform(0.012, 0.03, (count, 2))
        self._topping_up = np.zeros((count, 2), dtype=bool)
        self._jockey_starts = np.floor(rng.uniform(800, 6000, count))
        self._tank = rng.uniform(2.95, 3.05, count)
        self._filling = np.zeros(count, dtype=bool)
        self._tank_lost = np.zeros(count)
        self._battery = BATTERY_V + rng.uniform(-0.15, 0.2, count)
        self._discharged_h = np.zeros(count)
        self._residual = rng.uniform(25.0, 55.0, count)
        self._cable_above_c = rng.uniform(4.0, 9.0, count)
        self._hot = np.zeros(count)
        self._now_ms = np.full(count, float(start_ms))

    def begin(self, live_ms: int) -> None:
        self.faults.begin(live_ms)

    def advance(self, ts_ms: Ints) -> Round:
        now = ts_ms.astype(np.float64)
        elapsed_s = (now - self._now_ms) / 1000
        steps = max(1, int(np.ceil(elapsed_s.max() / LONGEST_STEP_S)))
        for step in range(1, steps + 1):
            self._step(self._now_ms + (now - self._now_ms) * step / steps, elapsed_s / steps)
        self._now_ms = now
        return Round(ts_ms, self._told(now))

    def _step(self, now: Floats, step_s: Floats) -> None:
        faults = self.faults
        leak = 1 + LEAK_FACTOR * faults.severity("pressure_leak", now)
        # A jockey pump lifts the pressure of what holds water; through a closed main valve it does nothing.
        closed = faults.severity("main_valve_closed", now) > 0
        starts = ~self._topping_up & (self._pressure < self._set_mpa - BAND_MPA) & ~closed[:, None]
        self._jockey_starts += starts.sum(axis=1)
        self._topping_up = (self._topping_up | starts) & (self._pressure < self._set_mpa + BAND_MPA)
        self._topping_up &= ~closed[:, None]
        gain = np.where(self._topping_up, TOP_UP_MPA_PER_S * step_s[:, None], 0.0)
        loss = self._seep_mpa_h * leak[:, None] * step_s[:, None] / 3600
        self._pressure = np.maximum(self._pressure + gain - loss, 0.0)
        # Evaporation and tests take a little, the float valve gives it back.
        self._filling = np.where(self._filling, self._tank < TANK_M, self._tank < TANK_REFILL_BELOW_M)
        refill = np.where(self._filling, TANK_REFILL_M_PER_H, 0.0) - 0.004
        self._tank += refill * step_s / 3600
        self._tank_lost += ((TANK_M - TANK_LOW_M) * faults.severity("low_tank", now) - self._tank_lost) * -np.expm1(
            -step_s / 120.0
        )
        mains_off = faults.severity("power_fault", now) > 0
        # What an old battery has lost of its capacity it lacks when the mains are off.
        used_h = step_s / 3600 * (1 + AGED_DISCHARGE * faults.severity("battery_ageing", now))
        self._discharged_h = np.where(
            mains_off, self._discharged_h + used_h, np.maximum(self._discharged_h - step_s / 1800, 0.0)
        )
        self._hot += (faults.severity("cable_hot", now) - self._hot) * -np.expm1(-step_s / 300.0)

    def _told(self, now: Floats) -> dict[str, Floats]:
        faults, rng, count = self.faults, self._rng, len(now)
        mains_off = faults.severity("power_fault", now) > 0
        battery = np.where(mains_off, BATTERY_ON_LOAD_V - 0.25 * self._discharged_h, self._battery)
        battery -= (BATTERY_V - BATTERY_BAD_V) * faults.severity("battery_fault", now)
        battery -= (BATTERY_V - BATTERY_AGED_V) * faults.severity("battery_ageing", now)
        load = np.interp(local_hour(now), (0, 6, 8, 18, 21, 24), (0.3, 0.3, 0.7, 0.8, 1.0, 0.3))
        residual = self._residual * (0.8 + 0.3 * load) + rng.normal(0.0, 1.0, count)
        residual += (RESIDUAL_HIGH_MA - 40.0) * faults.severity("residual_current", now)
        cable = self._weather.temperature_c(now) * 0.5 + 10.0 + self._cable_above_c * (0.6 + load)
        cable = cable + (CABLE_HOT_C - cable) * self._hot
        pressure = self._pressure + rng.normal(0.0, 0.0008, (count, 2))
        # A fire pump that is run to try it presses through its test line, and back into the tank.
        tested = faults.severity("pump_test", now) > 0
        pressure += np.where(tested, PUMP_TEST_MPA, 0.0)[:, None]
        tank = np.maximum(self._tank - self._tank_lost, 0.0) + rng.normal(0.0, 0.003, count)
        return {
            "hydrant_pressure_mpa": np.maximum(pressure[:, 0], 0.0),
            "sprinkler_pressure_mpa": np.maximum(pressure[:, 1], 0.0),
            "tank_level_m": tank,
            "pump_auto": (faults.severity("pump_in_manual", now) <= 0).astype(np.float64),
            "main_valve_open": (faults.severity("main_valve_closed", now) <= 0).astype(np.float64),
            "mains_ok": (~mains_off).astype(np.float64),
            "battery_v": battery + rng.normal(0.0, 0.02, count),
            "residual_current_ma": np.maximum(residual, 0.0),
            "cable_temp_c": cable + rng.normal(0.0, 0.2, count),
            "jockey_starts_total": self._jockey_starts,
        }
