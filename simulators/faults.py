"""Faults that can be staged: what they are called, how they grow, and which events tell of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from models.equipment import Kind
from models.reading import Floats, Ints

UNIT_OFFLINE = "unit_offline"
CLOCK_SKEW = "clock_skew"
"""The device's clock is slow: at full severity by `CLOCK_BEHIND_MS`."""
CLOCK_BEHIND_MS = 3 * 3_600_000
CONNECTION_FAULTS = (UNIT_OFFLINE, CLOCK_SKEW)
SENSOR_DROPOUT = "sensor_dropout"
SENSOR_STUCK = "sensor_stuck"
SENSOR_DRIFT = "sensor_drift"
SENSOR_NOISE = "sensor_noise"
SENSOR_SPIKES = "sensor_spikes"
SENSOR_FAULTS = (SENSOR_DROPOUT, SENSOR_STUCK, SENSOR_DRIFT, SENSOR_NOISE, SENSOR_SPIKES)
"""The machine is sound, and one of its sensors is not."""
HUMAN_EVENTS = ("inspection", "maintenance_visit", "door_held", "recall_drill", "fire_drill", "pump_test")
"""What people do. Nothing is broken, and nobody may be called for it, but for `DRILLS`."""
DRILLS = ("recall_drill", "fire_drill")
"""They look like what they practise: fire recall and fire alarm are told, whoever caused them."""
NEVER_MS = np.inf


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one unit; `onset_s` counts from the beginning of live time.

    `severity` in (0, 1] is reached `ramp_s` after the onset. `duration_s` None lasts to the end. `pump` (1 or 2),
    `metric` and `point` say where, for faults that need it.
    """

    unit: str
    name: str
    onset_s: float
    duration_s: float | None = None
    severity: float = 1.0
    ramp_s: float = 0.0
    pump: int = 1
    metric: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An event that goes with a fault: it comes `delay_s` after the onset and ends with the fault."""

    code: str
    delay_s: float = 0.0
    ends: bool = False
    """Told once, when the fault is over."""


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """Unit `unit_index` of a fleet says that `code` begins or ends."""

    unit_index: int
    ts_ms: int
    code: str
    is_on: bool
    point: str = ""


ENTRAPMENT_LEAD_S = 20.0
"""A lift needs so long to take somebody in and to be under way before it can stop between floors."""
STOPPING_CODES = tuple(f"fault.{number:02d}" for number in range(1, 9))

FAULT_EVENTS: Mapping[Kind, Mapping[str, tuple[Told, ...]]] = MappingProxyType(
    {
        Kind.ELEVATOR: MappingProxyType(
            {
                "door_wear": (),
                "entrapment": (Told("alarm.90", delay_s=25.0),),
                **{code: (Told(code),) for code in STOPPING_CODES},
                "motor_overheating": (),
                "vibration_growth": (),
                "mains_off": (Told("event.41"),),
                "levelling_bias": (),
                "levelling_scatter": (),
                "brake_wear": (),
                "motor_drag": (),
                "machine_room_hot": (),
                "inspection": (Told("event.43"),),
                "maintenance_visit": (Told("event.43"), Told("event.40", ends=True)),
                "door_held": (),
                "recall_drill": (Told("event.44"),),
                CLOCK_SKEW: (),
                UNIT_OFFLINE: (),
                **dict.fromkeys(SENSOR_FAULTS, ()),
            }
        ),
        Kind.PUMP: MappingProxyType(
            {
                "clog": (),
                "jam": (),
                "dry_run": (),
                "check_valve_leak": (),
                "level_stuck": (),
                "float_stuck": (),
                "trip": (Told("trip"),),
                "phase_loss": (Told("phase_loss"),),
                "standby_never_runs": (),
                "inflow_exceeds_capacity": (),
                "floor_water": (),
                "lift_pit_water": (),
                CLOCK_SKEW: (),
                UNIT_OFFLINE: (),
                **dict.fromkeys(SENSOR_FAULTS, ()),
            }
        ),
        Kind.FIRE: MappingProxyType(
            {
                "fire": (Told("fire"), Told("started", delay_s=12.0), Told("feedback", delay_s=15.0)),
                "pump_in_manual": (),
                "main_valve_closed": (),
                "pressure_leak": (),
                "low_tank": (),
                "battery_fault": (Told("fault", delay_s=5.0),),
                "battery_ageing": (),
                "loop_fault": (Told("fault"),),
                "point_disabled": (Told("disabled"),),
                "supervisory": (Told("supervisory"),),
                "power_fault": (Told("power_fault"),),
                "residual_current": (),
                "cable_hot": (),
                "fire_drill": (Told("fire"), Told("started", delay_s=12.0), Told("feedback", delay_s=15.0)),
                "pump_test": (Told("started"), Told("feedback", delay_s=3.0)),
                CLOCK_SKEW: (),
                UNIT_OFFLINE: (),
                **dict.fromkeys(SENSOR_FAULTS, ()),
            }
        ),
    }
)
"""Every fault that can be staged, by kind, and the events that a unit with this fault sends."""
LONGEST_DELAY_MS = 1000 * max(told.delay_s for by in FAULT_EVENTS.values() for all_ in by.values() for told in all_)

DEFAULT_POINTS: Mapping[str, str] = MappingProxyType(
    {
        "fire": "1-023",
        "fire_drill": "1-001",
        "pump_test": "fire-pump-1",
        "loop_fault": "loop-2",
        "point_disabled": "1-017",
        "battery_fault": "battery",
        "supervisory": "valve-1",
    }
)


SENSOR_METRICS: Mapping[Kind, str] = MappingProxyType(
    {Kind.ELEVATOR: "motor_temp_c", Kind.PUMP: "level_m", Kind.FIRE: "hydrant_pressure_mpa"}
)
"""The sensor that is at fault where a scenario names none."""


def nature_of(fault: str) -> str:
    """What a staged thing is: "fault", "sensor", "connection" or "human"."""
    if fault in HUMAN_EVENTS:
        return "human"
    if fault in CONNECTION_FAULTS:
        return "connection"
    return "sensor" if fault in SENSOR_FAULTS else "fault"


class FaultSchedule:
    """The faults of one fleet in absolute time; nothing happens before `begin` says when live time began."""

    def __init__(self, kind: Kind, faults: Iterable[Fault], units: Sequence[str]) -> None:
        self.kind = kind
        self.units = tuple(units)
        place = {unit: index for index, unit in enumerate(self.units)}
        self.faults = tuple(fault for fault in faults if fault.unit in place)
        self._unit_index = tuple(place[fault.unit] for fault in self.faults)
        names = dict.fromkeys(fault.name for fault in self.faults)
        self._by_name = {
            name: np.array([number for number, fault in enumerate(self.faults) if fault.name == name]) for name in names
        }
        self._near = self._by_name
        self._units = np.array(self._unit_index, dtype=np.int64)
        self._none = np.zeros(len(self.units))
        self._onset_ms = np.full(len(self.faults), NEVER_MS)
        self._end_ms = np.full(len(self.faults), NEVER_MS)

    def begin(self, live_ms: int) -> None:
        """Live time begins: onsets count from here."""
        for number, fault in enumerate(self.faults):
            self._onset_ms[number] = live_ms + fault.onset_s * 1000
            if fault.duration_s is not None:
                self._end_ms[number] = self._onset_ms[number] + fault.duration_s * 1000

    def look_at(self, from_ms: float, until_ms: float) -> None:
        """Until the next look, `severity` and `spans` are asked of moments in [from_ms, until_ms] only.

        Over a year there are thousands of faults, and hardly one at a time.
        """
        is_near = (self._end_ms >= from_ms) & (self._onset_ms <= until_ms)
        kept = ((name, numbers[is_near[numbers]]) for name, numbers in self._by_name.items())
        self._near = {name: numbers for name, numbers in kept if len(numbers)}

    def has(self, name: str) -> bool:
        return name in self._by_name

    def severity(self, name: str, ts_ms: Floats | Ints) -> Floats:
        """Severity at each unit's own moment: shape (units,), 0 where the fault is not there."""
        numbers = self._near.get(name)
        if numbers is None:
            return self._none
        moments = ts_ms[self._units[numbers]]
        is_there = (moments >= self._onset_ms[numbers]) & (moments < self._end_ms[numbers])
        if not is_there.any():
            return self._none
        severity = np.zeros(len(self.units))
        for number in numbers[is_there]:
            unit, fault = self._unit_index[number], self.faults[number]
            since_ms = ts_ms[unit] - self._onset_ms[number]
            grown = min(1.0, since_ms / (fault.ramp_s * 1000)) if fault.ramp_s else 1.0
            severity[unit] = max(severity[unit], fault.severity * grown)
        return severity

    def spans(
        self, name: str, *, from_ms: float = -np.inf, until_ms: float = np.inf
    ) -> list[tuple[int, Fault, float, float]]:
        """(unit index, fault, onset_ms, end_ms) of the faults of this name that touch [from_ms, until_ms].

        Times are inf while unknown.
        """
        numbers = self._near.get(name)
        if numbers is None:
            return []
        touches = (self._end_ms[numbers] >= from_ms) & (self._onset_ms[numbers] <= until_ms)
        return [
            (self._unit_index[n], self.faults[n], float(self._onset_ms[n]), float(self._end_ms[n]))
            for n in numbers[touches]
        ]

    def events(self, from_ms: int, until_ms: int) -> list[ScheduledEvent]:
        """Events that are due in [from_ms, until_ms), in order of time."""
        due: list[ScheduledEvent] = []
        begins = (self._onset_ms < until_ms) & (self._onset_ms + LONGEST_DELAY_MS >= from_ms)
        ends = (self._end_ms >= from_ms) & (self._end_ms < until_ms)
        for number in np.flatnonzero(begins | ends):
            fault = self.faults[number]
            unit, end_ms = self._unit_index[number], float(self._end_ms[number])
            point = fault.point or DEFAULT_POINTS.get(fault.name, "")
            for told in FAULT_EVENTS[self.kind][fault.name]:
                if told.ends:
                    if from_ms <= end_ms < until_ms:
                        due.append(ScheduledEvent(unit, round(end_ms), told.code, is_on=True, point=point))
                    continue
                on_ms = self._onset_ms[number] + told.delay_s * 1000
                if on_ms >= end_ms:
                    continue
                if from_ms <= on_ms < until_ms:
                    due.append(ScheduledEvent(unit, round(on_ms), told.code, is_on=True, point=point))
                if from_ms <= end_ms < until_ms:
                    due.append(ScheduledEvent(unit, round(end_ms), told.code, is_on=False, point=point))
        return sorted(due, key=lambda event: event.ts_ms)

    def connection_changes(self, from_ms: int, until_ms: int) -> list[tuple[int, int, bool]]:
        """(unit index, ts_ms, is_online) of units that go or come back in [from_ms, until_ms)."""
        changes = []
        for unit, _, onset_ms, end_ms in self.spans(UNIT_OFFLINE, from_ms=from_ms, until_ms=until_ms):
            if from_ms <= onset_ms < until_ms:
                changes.append((unit, round(onset_ms), False))
            if from_ms <= end_ms < until_ms:
                changes.append((unit, round(end_ms), True))
        return changes
