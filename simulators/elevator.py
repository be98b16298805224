"""Lifts: calls over the day, door cycles and travels, wear, heat and counters.

A lift lives in *cycles*: it waits, goes empty to whoever called, takes them in, carries them, lets them out. A cycle is
drawn as a whole, with the moments at which its phases end, so the state at any later moment is a comparison and no step
has to be small. All units are advanced together.
"""

from dataclasses import dataclass

import numpy as np

from models.equipment import Kind, ServiceMode
from models.reading import Floats, Ints
from simulators.faults import ENTRAPMENT_LEAD_S, STOPPING_CODES, FaultSchedule
from simulators.fleet import Round
from simulators.travel import peak_speed_m_s, speed_after_m_s, time_to_way_s, travel_time_s, way_after_m
from simulators.weather import Weather, local_hour

FLOOR_HEIGHT_M = 2.9
DOOR_ZONE_M = 0.2
DOOR_OPENING_S = 2.0
LONGEST_WAIT_S = 600.0
LONGEST_STAND_S = 3600.0
TRAPPED_AFTER_FLOORS = 1.5
TEMPERATURE_EVERY_MS = 55_000
MOTOR_TIME_CONSTANT_S = 2400.0

TRAFFIC_HOURS = (0.0, 5.5, 6.5, 7.5, 8.5, 9.5, 11.5, 12.5, 14.0, 16.5, 18.0, 19.5, 21.0, 23.0, 24.0)
TRAFFIC = (0.03, 0.04, 0.45, 1.0, 0.85, 0.4, 0.5, 0.45, 0.3, 0.6, 1.0, 0.8, 0.45, 0.12, 0.03)
"""Share of the busiest hour's calls over the day: people leave in the morning and come home in the evening."""
DOWNWARD = (0.5, 0.6, 0.85, 0.9, 0.85, 0.65, 0.5, 0.45, 0.5, 0.35, 0.2, 0.25, 0.35, 0.4, 0.5)
"""Share of calls that go down to the entrance, at the same hours."""

WORKED_ON = ("inspection", "maintenance_visit")
RECALLED = "recall_drill"
HALTING = (*STOPPING_CODES, "mains_off", *WORKED_ON, RECALLED)
HALTED_MODE = {**dict.fromkeys(WORKED_ON, ServiceMode.INSPECTION), RECALLED: ServiceMode.FIRE_RECALL}
"""Else the lift is stopped."""


@dataclass(frozen=True, slots=True)
class Lift:
    """What a lift is; `wear` in [0, 1] comes with its age, `calls_per_h` are those of the busiest hour."""

    unit: str
    floors: int
    rated_m_s: float = 1.75
    wear: float = 0.2
    calls_per_h: float = 22.0


class ElevatorFleet:
    """All lifts of a compound."""

    kind = Kind.ELEVATOR

    def __init__(
        self,
        lifts: tuple[Lift, ...],
        *,
        start_ms: int,
        weather: Weather,
        faults: FaultSchedule,
        rng: np.random.Generator,
    ) -> None:
        self.units = tuple(lift.unit for lift in lifts)
        self.faults = faults
        self._weather = weather
        self._rng = rng
        count = len(lifts)
        self._floors = np.array([lift.floors for lift in lifts], dtype=np.float64)
        self._rated = np.array([lift.rated_m_s for lift in lifts])
        wear = np.array([lift.wear for lift in lifts])
        self._calls_per_h = np.array([lift.calls_per_h for lift in lifts]) * rng.uniform(0.75, 1.2, count)
        # What makes one lift differ from its sister.
        self._door_close_s = rng.uniform(2.6, 3.0, count) + 0.6 * wear
        self._door_current_a = rng.uniform(1.5, 1.9, count) + 0.3 * wear
        self._levelling_bias_mm = rng.normal(0.0, 1.5, count)
        self._vibration = rng.uniform(0.06, 0.09, count) + 0.03 * wear
        self._motor_current_a = rng.uniform(20.0, 28.0, count)
        self._brake_release_s = rng.uniform(0.14, 0.20, count) + 0.05 * wear
        self._room_above_c = rng.uniform(4.0, 9.0, count)
        # Where things stand when we begin to look.
        age_days = rng.uniform(1500, 4000, count)
        self._trips = np.floor(age_days * self._calls_per_h * 11.0)
        self._door_cycles = np.floor(self._trips * rng.uniform(1.02, 1.06, count))
        self._run_s = self._trips * 17.0
        self._motor_c = 40.0 + 10.0 * self._activity(np.full(count, float(start_ms)))
        self._now_ms = np.full(count, float(start_ms))
        self._run_s_before = self._run_s.copy()
        # Calls served since we began to look, and how many of them readings told of.
        self._cycles = np.zeros(count)
        self._told_trips = np.zeros(count)
        self._told_doors = np.zeros(count)
        self._told_temperature_ms = np.full(count, -np.inf)
        # The present cycle: `_edges[:, k]` is when phase k ends, see `_draw`.
        self._edges = np.full((count, 8), float(start_ms))
        self._car = np.ones(count)
        self._call = np.ones(count)
        self._goal = np.ones(count)
        self._has_call = np.zeros(count, dtype=bool)
        self._stall_ms = np.full(count, np.inf)
        self._stall_end_ms = np.full(count, np.inf)
        self._trip_values = np.zeros((4, count))
        self._last_trip_values = np.zeros((4, count))
        self._door_values = np.zeros((3, count))
        self._last_door_values = np.zeros((3, count))
        self._draw(np.arange(count))

    def begin(self, live_ms: int) -> None:
        self.faults.begin(live_ms)
        now = np.full(len(self.units), float(live_ms))
        floor = self._state(now)["position_floor"]
        for unit in dict.fromkeys(unit for name in (*HALTING, "entrapment") for unit, *_ in self.faults.spans(name)):
            # Its present cycle was drawn when nobody knew of the fault.
            lifts = np.array([unit])
            self._trips[unit] = self._trips_at(now[lifts], lifts)[0]
            self._door_cycles[unit] = self._doors_at(now[lifts], lifts)[0]
            self._run_s[unit] = self._run_s_at(now[lifts], lifts)[0]
            self._told_trips[unit] = self._told_doors[unit] = self._cycles[unit]
            self._car[unit] = floor[unit]
            self._stand(unit, live_ms)
            self._draw(lifts)

    def advance(self, ts_ms: Ints) -> Round:
        now = ts_ms.astype(np.float64)
        while len(due := np.flatnonzero(self._edges[:, 7] <= now)):
            self._finish(due)
            self._draw(due)
        state = self._state(now)
        self._warm_up(now)
        has_carried = self._has_call & (now >= self._edges[:, 4])
        has_closed = self._has_call & (now >= self._edges[:, 6])
        is_new_trip = self._cycles + has_carried > self._told_trips
        is_new_door = self._cycles + has_closed > self._told_doors
        self._told_trips, self._told_doors = self._cycles + has_carried, self._cycles + has_closed
        trip = np.where(has_carried, self._trip_values, self._last_trip_values)
        door = np.where(has_closed, self._door_values, self._last_door_values)
        tells_heat = now - self._told_temperature_ms >= TEMPERATURE_EVERY_MS
        self._told_temperature_ms = np.where(tells_heat, now, self._told_temperature_ms)
        noise = self._rng.normal(0.0, 0.15, (2, len(now)))
        values = {
            "door_close_s": np.where(is_new_door, door[0], np.nan),
            "door_reopens": np.where(is_new_door, door[1], np.nan),
            "door_motor_current_a": np.where(is_new_door, door[2], np.nan),
            "levelling_error_mm": np.where(is_new_trip, trip[0], np.nan),
            "vibration_rms_m_s2": np.where(is_new_trip, trip[1], np.nan),
            "motor_current_a": np.where(is_new_trip, trip[2], np.nan),
            "brake_release_s": np.where(is_new_trip, trip[3], np.nan),
            "motor_temp_c": np.where(tells_heat, self._motor_c + noise[0], np.nan),
            "machine_room_temp_c": np.where(tells_heat, self._room_c(now) + noise[1], np.nan),
            **state,
            "trips_total": self._trips_at(now),
            "door_cycles_total": self._doors_at(now),
            "run_hours_total": self._run_s_at(now) / 3600,
        }
        self._now_ms = now
        return Round(ts_ms, values)

    # Cycles.

    def _draw(self, lifts: Ints) -> None:
        """Draws the next cycle of these lifts, each from the end of its last one.

        Phases end at edges: 0 waiting, 1 empty travel, 2 people are in, 3 door closed, 4 occupied travel, 5 people are
        out, 6 door closed again; 7 is the end of the cycle.
        """
        rng, count = self._rng, len(lifts)
        begin = self._edges[lifts, 7]
        rate = np.maximum(self._calls_per_h[lifts] * self._activity(begin), 0.1)
        wait_s = rng.exponential(1.0, count) * 3600 / rate
        # Nobody called for a while: look again, because the day has gone on.
        has_call = wait_s < LONGEST_WAIT_S
        wait_s = np.minimum(wait_s, LONGEST_WAIT_S)
        goes_down = rng.random(count) < np.interp(local_hour(begin), TRAFFIC_HOURS, DOWNWARD)
        top = self._floors[lifts]
        upper = np.floor(rng.uniform(2.0, top + 1))
        other = np.floor(rng.uniform(1.0, top + 1))
        between = rng.random(count) < 0.08
        call = np.where(goes_down, upper, np.where(between & (other != upper), other, 1.0))
        goal = np.where(goes_down, 1.0, upper)
        way_there = np.abs(call - self._car[lifts]) * FLOOR_HEIGHT_M
        way = np.abs(goal - call) * FLOOR_HEIGHT_M
        rated = self._rated[lifts]
        # Somebody who holds the door lets it reopen until its patience ends; nothing is worn by that.
        held = self._at(lifts, "door_held", begin)
        reopens = rng.poisson(0.06 + 1.4 * self._at(lifts, "door_wear", begin) + 5.0 * held)
        close_s, door_values = self._draw_door(lifts, begin, reopens)
        stay_s = rng.uniform(3.0, 7.0, (2, count))
        parts = np.column_stack(
            [
                wait_s,
                travel_time_s(way_there, rated),
                DOOR_OPENING_S + stay_s[0],
                close_s + 2.0 * reopens,
                travel_time_s(way, rated),
                DOOR_OPENING_S + stay_s[1],
                close_s,
                np.full(count, 0.5),
            ]
        )
        parts[~has_call, 1:] = 0.0
        self._has_call[lifts] = has_call
        self._call[lifts] = np.where(has_call, call, self._car[lifts])
        self._goal[lifts] = np.where(has_call, goal, self._car[lifts])
        self._edges[lifts] = begin[:, None] + 1000 * np.cumsum(parts, axis=1)
        self._stall_ms[lifts] = self._stall_end_ms[lifts] = np.inf
        self._door_values[:, lifts] = door_values
        self._trip_values[:, lifts] = self._draw_trip(lifts, begin, way)
        self._halt(lifts, begin)
        self._trap(lifts, begin)

    def _draw_door(self, lifts: Ints, begin: Floats, reopens: Ints) -> tuple[Floats, Floats]:
        rng, count = self._rng, len(lifts)
        wear = self._at(lifts, "door_wear", begin)
        close_s = self._door_close_s[lifts] + rng.normal(0.0, 0.05, count) + 1.6 * wear
        current = self._door_current_a[lifts] + rng.normal(0.0, 0.04, count) + 0.9 * wear
        return close_s, np.vstack([close_s, reopens, current])

    def _draw_trip(self, lifts: Ints, begin: Floats, way_m: Floats) -> Floats:
        """Levelling, vibration, motor current, brake release of the occupied travel."""
        rng, count = self._rng, len(lifts)
        load = rng.beta(1.3, 4.0, count)
        share = peak_speed_m_s(np.maximum(way_m, FLOOR_HEIGHT_M), self._rated[lifts]) / self._rated[lifts]
        growth = self._at(lifts, "vibration_growth", begin)
        overload = self._at(lifts, "motor_overheating", begin)
        drag = self._at(lifts, "motor_drag", begin)
        # A brake that slips or a rope that stretches: the more load, the farther from the floor.
        slip_mm = self._at(lifts, "levelling_bias", begin) * (8.0 + 16.0 * load)
        scatter_mm = 1.2 + 10.0 * self._at(lifts, "levelling_scatter", begin)
        levelling = self._levelling_bias_mm[lifts] + 3.0 * (load - 0.25) + slip_mm + rng.normal(0.0, scatter_mm, count)
        vibration = self._vibration[lifts] * (1 + rng.normal(0.0, 0.05, count)) + 0.35 * growth
        # The counterweight balances half the load: an empty car is as hard to hold as a full one.
        current = self._motor_current_a[lifts] * (0.75 + 0.5 * np.abs(load - 0.5)) * (1 + 0.35 * overload + 0.45 * drag)
        brake = self._brake_release_s[lifts] + rng.normal(0.0, 0.006, count) + 0.08 * overload
        brake = brake + 0.25 * self._at(lifts, "brake_wear", begin)
        return np.vstack([levelling, vibration * share**1.5, current * rng.normal(1.0, 0.02, count), brake])

    def _halt(self, lifts: Ints, begin: Floats) -> None:
        """A lift that is to be out of service during the cycle stands at its floor instead."""
        first_ms, last_ms = float(begin.min()), float(self._edges[lifts, 7].max())
        for name in HALTING:
            for unit, _, onset_ms, end_ms in self.faults.spans(name, from_ms=first_ms, until_ms=last_ms):
                place = np.flatnonzero(lifts == unit)
                if not len(place) or end_ms <= begin[place[0]] or self._edges[unit, 7] < onset_ms:
                    continue
                longest_ms = max(begin[place[0]], onset_ms) + LONGEST_STAND_S * 1000
                self._stand(unit, min(end_ms, longest_ms))

    def _stand(self, unit: int, until_ms: float) -> None:
        self._has_call[unit] = False
        self._call[unit] = self._goal[unit] = self._car[unit]
        self._edges[unit] = until_ms

    def _trap(self, lifts: Ints, begin: Floats) -> None:
        """A lift in which somebody is to be trapped: its last cycle before the onset is the one that gets stuck."""
        first_ms, last_ms = float(begin.min()), float(self._edges[lifts, 7].max()) + ENTRAPMENT_LEAD_S * 1000
        for unit, _, onset_ms, end_ms in self.faults.spans("entrapment", from_ms=first_ms, until_ms=last_ms):
            place = np.flatnonzero(lifts == unit)
            if not len(place) or begin[place[0]] >= onset_ms or np.isinf(onset_ms):
                continue
            if self._edges[unit, 7] < onset_ms - ENTRAPMENT_LEAD_S * 1000:
                continue
            self._draw_trapped(unit, float(begin[place[0]]), onset_ms, end_ms)

    def _draw_trapped(self, unit: int, begin: float, onset_ms: float, end_ms: float) -> None:
        goal = self._car[unit] - 4 if self._car[unit] > self._floors[unit] / 2 else self._car[unit] + 4
        goal = float(np.clip(goal, 1, self._floors[unit]))
        rated = float(self._rated[unit])
        lead_s = time_to_way_s(TRAPPED_AFTER_FLOORS * FLOOR_HEIGHT_M, rated)
        travel_s = float(travel_time_s(np.array(abs(goal - self._car[unit]) * FLOOR_HEIGHT_M), np.array(rated)))
        leaving = onset_ms - lead_s * 1000
        arriving = end_ms + (travel_s - lead_s) * 1000
        close_ms = 1000 * float(self._door_close_s[unit])
        calling = max(begin, leaving - close_ms - 7000)
        self._has_call[unit] = True
        self._call[unit], self._goal[unit] = self._car[unit], goal
        self._edges[unit] = (
            calling,
            calling,
            leaving - close_ms,
            leaving,
            arriving,
            arriving + 30_000,
            arriving + 30_000 + close_ms,
            arriving + 30_500 + close_ms,
        )
        self._stall_ms[unit], self._stall_end_ms[unit] = onset_ms, end_ms

    def _finish(self, lifts: Ints) -> None:
        end = self._edges[lifts, 7]
        self._trips[lifts] = self._trips_at(end, lifts)
        self._door_cycles[lifts] = self._doors_at(end, lifts)
        self._run_s[lifts] = self._run_s_at(end, lifts)
        called = lifts[self._has_call[lifts]]
        self._cycles[called] += 1
        self._last_trip_values[:, called] = self._trip_values[:, called]
        self._last_door_values[:, called] = self._door_values[:, called]
        self._car[lifts] = self._goal[lifts]

    # What follows from the present cycle.

    def _state(self, now: Floats) -> dict[str, Floats]:
        edges, rated = self._edges, self._rated
        empty = (now >= edges[:, 0]) & (now < edges[:, 1])
        carrying = (now >= edges[:, 3]) & (now < edges[:, 4])
        open_ = ((now >= edges[:, 1]) & (now < edges[:, 3])) | ((now >= edges[:, 4]) & (now < edges[:, 6]))
        occupied = (now >= (edges[:, 1] + edges[:, 2]) / 2) & (now < (edges[:, 4] + edges[:, 5]) / 2)
        stalled = np.where(np.isinf(self._stall_ms), 0.0, np.clip(now, None, self._stall_end_ms) - self._stall_ms)
        stalled = np.maximum(stalled, 0.0)
        from_floor = np.where(now < edges[:, 1], self._car, self._call)
        to_floor = np.where(now < edges[:, 1], self._call, self._goal)
        moved_s = np.where(empty, now - edges[:, 0], now - edges[:, 3] - stalled) / 1000
        way = np.abs(to_floor - from_floor) * FLOOR_HEIGHT_M
        moving = empty | carrying
        speed = np.where(moving, speed_after_m_s(moved_s, way, rated), 0.0)
        speed = np.where((now >= self._stall_ms) & (now < self._stall_end_ms), 0.0, speed)
        gone = np.where(moving, way_after_m(moved_s, way, rated), np.where(now >= edges[:, 4], way, 0.0))
        height = from_floor + np.sign(to_floor - from_floor) * gone / FLOOR_HEIGHT_M
        in_zone = np.abs(height - np.round(height)) * FLOOR_HEIGHT_M <= DOOR_ZONE_M
        mode = np.full(len(now), float(ServiceMode.NORMAL))
        for name in HALTING:
            if self.faults.has(name):
                halted = HALTED_MODE.get(name, ServiceMode.STOPPED)
                mode = np.where(self.faults.severity(name, now) > 0, float(halted), mode)
        door_stuck = self.faults.severity("fault.02", now) > 0
        off_level = self.faults.severity("fault.04", now) > 0
        return {
            "speed_m_s": speed * np.sign(to_floor - from_floor),
            "position_floor": np.round(height),
            "in_door_zone": (in_zone & ~off_level).astype(np.float64),
            "door_closed": (~(open_ | door_stuck)).astype(np.float64),
            "occupied": (occupied & self._has_call).astype(np.float64),
            "service_mode": mode,
        }

    def _trips_at(self, now: Floats, lifts: Ints | None = None) -> Floats:
        chosen = slice(None) if lifts is None else lifts
        edges, called = self._edges[chosen], self._has_call[chosen]
        went_empty = called & (self._call[chosen] != self._car[chosen]) & (now >= edges[:, 1])
        carried = called & (self._goal[chosen] != self._call[chosen]) & (now >= edges[:, 4])
        return np.asarray(self._trips[chosen] + went_empty + carried)

    def _doors_at(self, now: Floats, lifts: Ints | None = None) -> Floats:
        chosen = slice(None) if lifts is None else lifts
        edges, called = self._edges[chosen], self._has_call[chosen]
        closed = (now >= edges[:, 3]).astype(np.float64) + (now >= edges[:, 6])
        return np.asarray(self._door_cycles[chosen] + called * closed)

    def _run_s_at(self, now: Floats, lifts: Ints | None = None) -> Floats:
        chosen = slice(None) if lifts is None else lifts
        edges = self._edges[chosen]
        empty_ms = np.clip(now - edges[:, 0], 0.0, edges[:, 1] - edges[:, 0])
        stall, stall_end = self._stall_ms[chosen], self._stall_end_ms[chosen]
        stalled = np.maximum(np.where(np.isinf(stall), 0.0, np.minimum(now, stall_end) - stall), 0.0)
        carried_ms = np.clip(np.minimum(now, edges[:, 4]) - edges[:, 3] - stalled, 0.0, None)
        return np.asarray(self._run_s[chosen] + np.where(self._has_call[chosen], empty_ms + carried_ms, 0.0) / 1000)

    def _warm_up(self, now: Floats) -> None:
        """The motor nears a temperature that follows from how much it ran since the last reading."""
        elapsed_s = np.maximum((now - self._now_ms) / 1000, 1e-3)
        run_s = self._run_s_at(now)
        duty = np.clip((run_s - self._run_s_before) / elapsed_s, 0.0, 1.0)
        self._run_s_before = run_s
        overload = self.faults.severity("motor_overheating", now)
        target = self._room_c(now) + 12.0 + 75.0 * duty + 120.0 * overload
        time_constant_s = np.where(overload > 0, MOTOR_TIME_CONSTANT_S / 4, MOTOR_TIME_CONSTANT_S)
        self._motor_c += (target - self._motor_c) * -np.expm1(-elapsed_s / time_constant_s)

    def _room_c(self, now: Floats) -> Floats:
        # The room follows the weather damped, and is heated in winter by what stands in it.
        outdoor = self._weather.temperature_c(now)
        hot = 22.0 * self.faults.severity("machine_room_hot", now)
        return np.asarray(self._room_above_c + 10.0 + 0.6 * outdoor + hot)

    def _activity(self, ts_ms: Floats) -> Floats:
        return np.asarray(np.interp(local_hour(ts_ms), TRAFFIC_HOURS, TRAFFIC))

    def _at(self, lifts: Ints, name: str, begin: Floats) -> Floats:
        if not self.faults.has(name):
            return np.zeros(len(lifts))
        moments = np.zeros(len(self.units))
        moments[lifts] = begin
        return self.faults.severity(name, moments)[lifts]
