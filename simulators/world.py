"""A compound as a whole: its fleets advanced side by side, and what they say as messages in order of time."""

from collections.abc import Iterator

import numpy as np

from models.equipment import Kind
from models.reading import UnitKey
from simulators.elevator import ElevatorFleet
from simulators.faults import CLOCK_BEHIND_MS, CLOCK_SKEW, UNIT_OFFLINE, FaultSchedule
from simulators.fire import FireFleet
from simulators.fleet import Fleet
from simulators.message import Message, Values, backlog, due_at, event, reading_values, status, telemetry
from simulators.pump import PumpFleet
from simulators.scenario import Scenario
from simulators.sensors import Sensors
from simulators.weather import Weather

EDGE_MS = 300
"""Readings keep this far from the edges of the interval, so that jitter never moves one into the next."""
JITTER_MS = 200
LOOK_MS = 4 * 3_600_000
"""A cycle of a lift lies within so much before and after the interval in which it is drawn."""
HISTORY_INTERVAL_S = {Kind.ELEVATOR: 300, Kind.PUMP: 10, Kind.FIRE: 300}
"""Pumps more often than the others: a run of a few minutes must not fall between two readings."""
BACKLOG_READINGS = 500


class World:
    """Everything of one scenario, from `start_ms` on. Time only goes on; all randomness comes from the seed."""

    def __init__(self, scenario: Scenario, *, seed: int, start_ms: int) -> None:
        rngs = np.random.default_rng(seed).spawn(6)
        self._interval_ms = round(scenario.interval_s * 1000)
        self._weather = Weather.seeded(scenario.climate, rng=rngs[0])
        self._rng = rngs[1]
        weather = self._weather

        def faults(kind: Kind, units: list[str]) -> FaultSchedule:
            return FaultSchedule(kind, scenario.faults, units)

        fleets: list[Fleet] = []
        if scenario.lifts:
            lift_faults = faults(Kind.ELEVATOR, [lift.unit for lift in scenario.lifts])
            fleets.append(
                ElevatorFleet(scenario.lifts, start_ms=start_ms, weather=weather, faults=lift_faults, rng=rngs[2])
            )
        if scenario.sumps:
            sump_faults = faults(Kind.PUMP, [sump.unit for sump in scenario.sumps])
            fleets.append(
                PumpFleet(scenario.sumps, start_ms=start_ms, weather=weather, faults=sump_faults, rng=rngs[3])
            )
        if scenario.fire_systems:
            fire_faults = faults(Kind.FIRE, [system.unit for system in scenario.fire_systems])
            fleets.append(
                FireFleet(scenario.fire_systems, start_ms=start_ms, weather=weather, faults=fire_faults, rng=rngs[4])
            )
        self.fleets = tuple(fleets)
        self._sensors = {fleet.kind: Sensors(fleet.kind, fleet.faults, rng=rngs[5]) for fleet in fleets}
        self._keys = {
            fleet.kind: tuple(UnitKey(scenario.site, fleet.kind, unit) for unit in fleet.units) for fleet in fleets
        }
        # Not all units speak in the same millisecond: each has its own place in the interval.
        self._offsets_ms = {
            fleet.kind: self._rng.integers(EDGE_MS, self._interval_ms - EDGE_MS, len(fleet.units)) for fleet in fleets
        }
        self._now_ms = start_ms

    @property
    def unit_keys(self) -> list[UnitKey]:
        return [key for keys in self._keys.values() for key in keys]

    def history(self, until_ms: int) -> Iterator[tuple[float, Message]]:
        """Quiet readings from now until then at a wide interval, many in one message. Events are not told.

        Each message comes with how much has been told by then, as seconds summed over the units.
        """
        start_ms, told_s = self._now_ms, 0.0
        for fleet in self.fleets:
            step_ms = HISTORY_INTERVAL_S[fleet.kind] * 1000
            offsets = self._offsets_ms[fleet.kind] * step_ms // self._interval_ms
            gathered: list[list[tuple[int, Values]]] = [[] for _ in fleet.units]
            for moment_ms in range(start_ms, until_ms - step_ms + 1, step_ms):
                round_ = fleet.advance(moment_ms + offsets)
                for unit, values in enumerate(reading_values(round_, fleet.kind)):
                    gathered[unit].append((int(round_.ts_ms[unit]), values))
                if len(gathered[0]) == BACKLOG_READINGS or moment_ms + 2 * step_ms > until_ms:
                    for message in self._backlog(fleet.kind, gathered):
                        yield told_s, message
                told_s += len(fleet.units) * step_ms / 1000
        self._now_ms = until_ms

    def begin(self, live_ms: int) -> list[Message]:
        """Live time begins: every unit says that it is there."""
        self._now_ms = live_ms
        self._weather.begin(live_ms)
        for fleet in self.fleets:
            fleet.begin(live_ms)
        return [status(key, live_ms, is_online=True) for key in self.unit_keys]

    def next_interval(self) -> list[Message]:
        """What is said within the next interval, in order of time."""
        from_ms, until_ms = self._now_ms, self._now_ms + self._interval_ms
        messages: list[Message] = []
        for fleet in self.fleets:
            keys, faults = self._keys[fleet.kind], fleet.faults
            faults.look_at(from_ms - LOOK_MS, until_ms + LOOK_MS)
            ts_ms = from_ms + self._offsets_ms[fleet.kind] + self._rng.integers(-JITTER_MS, JITTER_MS, len(keys))
            round_ = self._sensors[fleet.kind].told(fleet.advance(ts_ms))
            offline = faults.severity(UNIT_OFFLINE, ts_ms) > 0
            behind_ms = (CLOCK_BEHIND_MS * faults.severity(CLOCK_SKEW, ts_ms)).astype(np.int64)
            for unit, values in enumerate(reading_values(round_, fleet.kind)):
                if not offline[unit] and values:
                    at_ms, skew_ms = int(ts_ms[unit]), int(behind_ms[unit])
                    messages.append(due_at(telemetry(keys[unit], at_ms - skew_ms, values), at_ms))
            for said in (*faults.events(from_ms, until_ms), *round_.events):
                moments = np.full(len(keys), said.ts_ms)
                if not faults.severity(UNIT_OFFLINE, moments)[said.unit_index]:
                    key = keys[said.unit_index]
                    told_ms = said.ts_ms - int(behind_ms[said.unit_index])
                    told = event(key, told_ms, said.code, is_on=said.is_on, point=said.point)
                    messages.append(due_at(told, said.ts_ms))
            for unit, moment_ms, is_online in faults.connection_changes(from_ms, until_ms):
                messages.append(status(keys[unit], moment_ms, is_online=is_online))
        self._now_ms = until_ms
        return sorted(messages, key=lambda message: message.ts_ms)

    @property
    def now_ms(self) -> int:
        return self._now_ms

    def farewell(self, ts_ms: int) -> list[Message]:
        """Every unit says that it goes."""
        return [status(key, ts_ms, is_online=False) for key in self.unit_keys]

    def _backlog(self, kind: Kind, gathered: list[list[tuple[int, Values]]]) -> Iterator[Message]:
        for unit, readings in enumerate(gathered):
            if readings:
                yield backlog(self._keys[kind][unit], readings)
                readings.clear()
