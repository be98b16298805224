"""Simulated units whose truth is known, judged on the way that readings take in the service: decoded, then watched.

Time is that of the simulation. Nothing here is a measurement of real equipment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

import msgspec
import numpy as np

from alerts.condition import VERDICTS
from alerts.signal import Signal
from alerts.watch import Watch
from ingest.wire import RawMessage, decode_batch
from models.detectors.live_banks import live_banks, slow_banks
from models.equipment import Kind
from models.evaluation.spans import JudgedSeries
from models.reading import Bools, UnitKey
from simulators.elevator import Lift
from simulators.faults import (
    CLOCK_SKEW,
    DRILLS,
    FAULT_EVENTS,
    HUMAN_EVENTS,
    SENSOR_DROPOUT,
    UNIT_OFFLINE,
    Fault,
    nature_of,
)
from simulators.fire import FireSystem
from simulators.message import Message
from simulators.pump import Sump
from simulators.scenario import RegisteredUnit, Scenario, load_scenario
from simulators.weather import Shower
from simulators.world import World

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
BATCH_MS = 60_000
"""What comes in a minute is judged together; how a stream is cut does not change what follows."""
HISTORY_S: Mapping[Kind, float] = {Kind.ELEVATOR: 17 * DAY_S, Kind.PUMP: DAY_S, Kind.FIRE: 17 * DAY_S}
"""What each kind's detectors have seen before faults of hours begin: more than they are fitted on."""
MUST_STAY_SILENT = frozenset((kind, name) for kind in Kind for name in HUMAN_EVENTS if name not in DRILLS)
"""Staged states that are no faults: people work on the lift, and no ticket may be opened for it."""
NEVER_GROWS = frozenset({UNIT_OFFLINE, SENSOR_DROPOUT, CLOCK_SKEW, *HUMAN_EVENTS})
FIRST_ONSET_S, LAST_ONSET_S = 1.5 * HOUR_S, 3.5 * HOUR_S
SUDDEN_S, SUDDEN_LIVE_S = 10 * HOUR_S, 14 * HOUR_S
"""A point may be shut off for eight hours before anybody has to be told."""
GROWING_RAMP_S, GROWING_S, GROWING_LIVE_S = 20 * HOUR_S, 26 * HOUR_S, 30 * HOUR_S
WEAR: Mapping[Kind, tuple[str, ...]] = {
    Kind.ELEVATOR: (
        "door_wear",
        "vibration_growth",
        "levelling_bias",
        "levelling_scatter",
        "brake_wear",
        "motor_drag",
    ),
    Kind.PUMP: ("clog", "jam", "check_valve_leak"),
    Kind.FIRE: ("pressure_leak", "battery_ageing"),
}
"""What wears or soils: it lasts until somebody repairs it, and is staged over weeks."""
WEAR_RAMP_S, WEAR_S, WEAR_LIVE_S = 10 * DAY_S, 18 * DAY_S, 35 * DAY_S
WEAR_ONSET_S = 15 * DAY_S, 17 * DAY_S
WEAR_INTERVAL_S: Mapping[Kind, float] = {Kind.ELEVATOR: 60.0, Kind.PUMP: 30.0, Kind.FIRE: 60.0}
"""Rows are rarer than in hours that are staged, so that years of units fit; a pump runs for some minutes."""
SHOWER_EVERY_S, SHOWER_S, SHOWER_MM_H = 3 * DAY_S, (HOUR_S, 4 * HOUR_S), (2.0, 15.0)
VISIT_EVERY_S, VISIT_S = 15 * DAY_S, 45 * 60.0
HELD_EVERY_S, HELD_S = 5 * DAY_S, 10 * 60.0


@dataclass(frozen=True, slots=True)
class Staging:
    """One simulated fleet of a kind: a unit for each of `faults` and `sudden_faults`, and healthy ones beside them.

    Of `faults` each is at its full severity after `ramp_s`, `sudden_faults` are at once. `history_s` is what was told
    before. `is_everyday`: showers fall, lifts are visited every fifteen days, and people hold their doors.
    """

    kind: Kind
    seed: int
    faults: tuple[str, ...] = ()
    healthy_units: int = 0
    live_s: float = SUDDEN_LIVE_S
    duration_s: float = SUDDEN_S
    ramp_s: float = 0.0
    sudden_faults: tuple[str, ...] = ()
    onset_s: tuple[float, float] = (FIRST_ONSET_S, LAST_ONSET_S)
    history_s: float = 0.0
    interval_s: float = 10.0
    is_everyday: bool = False


@dataclass(frozen=True, slots=True)
class UnitRun:
    """What became of one unit: `judged` has a row a minute of live time, in alarm while anything opens a ticket.

    `delay_s` runs from the onset to the first alarm that opens a ticket, NaN if none came while the fault lasted;
    `lead_s` from there to its full severity. `false_conditions` began before the onset, `healthy_s` long.
    """

    kind: Kind
    fault: str
    is_growing: bool
    judged: JudgedSeries
    delay_s: float
    lead_s: float
    conditions: tuple[str, ...]
    is_by_rule: bool
    is_by_detector: bool
    false_conditions: tuple[str, ...]
    healthy_s: float


def judged_faults(kind: Kind) -> tuple[str, ...]:
    """All but sensors and clocks that tell something else than what is: nobody has to be sent there at once."""
    return tuple(
        name
        for name in FAULT_EVENTS[kind]
        if name == SENSOR_DROPOUT or (nature_of(name) != "sensor" and name != CLOCK_SKEW)
    )


def acute_faults(kind: Kind) -> tuple[str, ...]:
    """Those that are judged over hours."""
    return tuple(name for name in judged_faults(kind) if name not in WEAR[kind])


def growing_faults(kind: Kind) -> tuple[str, ...]:
    """Of these the ones that no event tells of: they may come slowly."""
    return tuple(name for name in acute_faults(kind) if not FAULT_EVENTS[kind][name] and name not in NEVER_GROWS)


def sudden_staging(kind: Kind, seed: int, *, runs: int) -> Staging:
    """Every acute fault at once, on so many units each."""
    return Staging(kind, seed, sudden_faults=acute_faults(kind) * runs, healthy_units=2, history_s=HISTORY_S[kind])


def growing_staging(kind: Kind, seed: int, *, runs: int) -> Staging:
    """What may come slowly within a day."""
    return Staging(
        kind,
        seed,
        growing_faults(kind) * runs,
        healthy_units=2,
        live_s=GROWING_LIVE_S,
        duration_s=GROWING_S,
        ramp_s=GROWING_RAMP_S,
        history_s=HISTORY_S[kind],
    )


def wear_staging(kind: Kind, seed: int, *, runs: int, sudden_runs: int, healthy_units: int) -> Staging:
    """Weeks from the first reading of each unit on, with wear that grows over ten days or is there at once."""
    return Staging(
        kind,
        seed,
        WEAR[kind] * runs,
        healthy_units,
        live_s=WEAR_LIVE_S,
        duration_s=WEAR_S,
        ramp_s=WEAR_RAMP_S,
        sudden_faults=WEAR[kind] * sudden_runs,
        onset_s=WEAR_ONSET_S,
        interval_s=WEAR_INTERVAL_S[kind],
        is_everyday=True,
    )


def staged_run(staging: Staging) -> list[UnitRun]:
    """Simulates and judges one fleet."""
    scenario, faults = _scenario(staging)
    live_ms = scenario.start_ms
    world = World(scenario, seed=staging.seed, start_ms=live_ms - round(staging.history_s * 1000))
    watch = Watch(banks=live_banks(), slow_banks=slow_banks())
    # The units tell of their past in turn; what is of the same time is judged together, which is much faster.
    for _, group in groupby(world.history(live_ms), key=itemgetter(0)):
        messages = [message for _, message in group]
        _observe(watch, messages, max(message.ts_ms for message in messages))
    end_ms = live_ms + round(staging.live_s * 1000)
    by_unit: dict[UnitKey, list[Signal]] = {key: [] for key in world.unit_keys}
    for batch, until_ms in _batches(world, live_ms, end_ms):
        for signal in (*_observe(watch, batch, until_ms), *watch.tick(until_ms)):
            by_unit[signal.unit].append(signal)
    return [_unit_run(staging, faults.get(key.unit), by_unit[key], live_ms, end_ms) for key in world.unit_keys]


def _scenario(staging: Staging) -> tuple[Scenario, dict[str, Fault]]:
    """The scenario, and the fault of each unit that has one; what people do beside it is only in the scenario."""
    names = (*staging.faults, *staging.sudden_faults)
    rng = np.random.default_rng([staging.seed, len(names)])
    onsets = np.round(rng.uniform(*staging.onset_s, len(names)))
    units = [f"unit-{number:03d}" for number in range(len(names) + staging.healthy_units)]
    ramps = (staging.ramp_s,) * len(staging.faults) + (0.0,) * len(staging.sudden_faults)
    faults = {
        unit: Fault(unit, name, onset_s=float(onset), duration_s=staging.duration_s, ramp_s=ramp_s)
        for unit, name, onset, ramp_s in zip(units, names, onsets, ramps, strict=False)
    }
    kind = staging.kind
    ground = rng.uniform(6.0, 15.0, len(units))
    quiet = load_scenario("quiet-day")
    people: list[Fault] = []
    climate = quiet.climate
    if staging.is_everyday:
        climate = msgspec.structs.replace(climate, showers=tuple(_showers(rng, staging.live_s)))
        if kind is Kind.ELEVATOR:
            people = [fault for unit in units for fault in _what_people_do(rng, unit, staging.live_s)]
    scenario = replace(
        quiet,
        climate=climate,
        interval_s=staging.interval_s,
        lifts=tuple(Lift(unit, floors=18) for unit in units) if kind is Kind.ELEVATOR else (),
        sumps=tuple(Sump(unit, ground_m3_h=float(flow)) for unit, flow in zip(units, ground, strict=True))
        if kind is Kind.PUMP
        else (),
        fire_systems=tuple(FireSystem(unit) for unit in units) if kind is Kind.FIRE else (),
        register=tuple(RegisteredUnit(kind, unit, unit, "", "", None, "") for unit in units),
        faults=(*faults.values(), *people),
    )
    return scenario, faults


def _showers(rng: np.random.Generator, live_s: float) -> Iterator[Shower]:
    onset_s = rng.exponential(SHOWER_EVERY_S)
    while onset_s < live_s:
        yield Shower(float(onset_s), float(rng.uniform(*SHOWER_S)), float(rng.uniform(*SHOWER_MM_H)))
        onset_s += rng.exponential(SHOWER_EVERY_S)


def _what_people_do(rng: np.random.Generator, unit: str, live_s: float) -> Iterator[Fault]:
    for onset_s in np.arange(rng.uniform(0.0, VISIT_EVERY_S), live_s - VISIT_S, VISIT_EVERY_S):
        yield Fault(unit, "maintenance_visit", onset_s=float(onset_s), duration_s=VISIT_S)
    for onset_s in np.cumsum(rng.exponential(HELD_EVERY_S, round(live_s / HELD_EVERY_S))):
        yield Fault(unit, "door_held", onset_s=float(onset_s), duration_s=HELD_S)


def _batches(world: World, live_ms: int, end_ms: int) -> Iterator[tuple[list[Message], int]]:
    gathered = list(world.begin(live_ms))
    due_ms = live_ms + BATCH_MS
    while world.now_ms < end_ms:
        gathered += world.next_interval()
        if world.now_ms >= due_ms:
            yield gathered, world.now_ms
            gathered, due_ms = [], world.now_ms + BATCH_MS


def _observe(watch: Watch, messages: list[Message], received_ms: int) -> list[Signal]:
    if not messages:
        return []
    decoded = decode_batch([RawMessage(each.topic, each.payload, received_ms) for each in messages])
    assert not decoded.rejected, decoded.rejected[0]
    return watch.observe(
        [each.block for each in decoded.blocks],
        [event for _, event in decoded.events],
        [status for _, status in decoded.statuses],
        received_ms=received_ms,
    )


def _unit_run(staging: Staging, fault: Fault | None, signals: list[Signal], live_ms: int, end_ms: int) -> UnitRun:
    rows = (end_ms - live_ms) // BATCH_MS
    labels: Bools = np.zeros(rows, dtype=bool)
    ramp_s = fault.ramp_s if fault is not None else 0.0
    onset_ms = over_ms = float(end_ms)
    is_fault = fault is not None and (staging.kind, fault.name) not in MUST_STAY_SILENT
    if fault is not None and is_fault:
        onset_ms = live_ms + fault.onset_s * 1000
        over_ms = min(end_ms, onset_ms + (fault.duration_s or np.inf) * 1000)
        labels[int((onset_ms - live_ms) // BATCH_MS) : int((over_ms - live_ms) // BATCH_MS) + 1] = True
    tickets = [signal for signal in signals if signal.condition.opens_ticket and not signal.is_in_service]
    begun = [signal for signal in tickets if signal.is_active]
    found = [signal for signal in begun if onset_ms <= signal.ts_ms <= over_ms]
    first_ms = min((signal.ts_ms for signal in found), default=np.nan)
    codes = {signal.condition.code for signal in found}
    return UnitRun(
        kind=staging.kind,
        fault=fault.name if fault is not None else "",
        is_growing=ramp_s > 0,
        judged=JudgedSeries(labels, _in_alarm(tickets, live_ms, end_ms, rows), BATCH_MS / 1000),
        delay_s=(first_ms - onset_ms) / 1000,
        lead_s=(onset_ms + ramp_s * 1000 - first_ms) / 1000 if ramp_s else np.nan,
        conditions=tuple(sorted(codes)),
        is_by_rule=bool(codes.difference(VERDICTS)),
        is_by_detector=not codes.isdisjoint(VERDICTS),
        # What a fault leaves behind is told for a while after its end, and is no false alarm.
        false_conditions=tuple(signal.condition.code for signal in begun if signal.ts_ms < onset_ms),
        healthy_s=(onset_ms - live_ms) / 1000,
    )


def _in_alarm(tickets: list[Signal], live_ms: int, end_ms: int, rows: int) -> Bools:
    """A row is in alarm if any condition that opens a ticket held in it."""
    in_alarm: Bools = np.zeros(rows, dtype=bool)
    since_ms: dict[str, int] = {}

    def mark(first_ms: int, last_ms: int) -> None:
        first = max(0, (first_ms - live_ms) // BATCH_MS)
        in_alarm[first : (last_ms - live_ms) // BATCH_MS + 1] = True

    for signal in tickets:
        if signal.is_active:
            since_ms.setdefault(signal.condition.code, signal.ts_ms)
        elif (began_ms := since_ms.pop(signal.condition.code, None)) is not None:
            mark(began_ms, signal.ts_ms)
    for began_ms in since_ms.values():
        mark(began_ms, end_ms)
    return in_alarm
