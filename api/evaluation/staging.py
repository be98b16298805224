"""Simulated units whose truth is known, judged on the way that readings take in the service: decoded, then watched.

Time is that of the simulation. Nothing here is a measurement of real equipment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from alerts.condition import VERDICTS
from alerts.signal import Signal
from alerts.watch import Watch
from ingest.wire import RawMessage, decode_batch
from models.detectors.live_banks import live_banks, slow_banks
from models.equipment import Kind
from models.evaluation.spans import JudgedSeries
from models.reading import Bools
from simulators.elevator import Lift
from simulators.faults import FAULT_EVENTS, HUMAN_EVENTS, SENSOR_DROPOUT, UNIT_OFFLINE, Fault, nature_of
from simulators.fire import FireSystem
from simulators.message import Message
from simulators.pump import Sump
from simulators.scenario import RegisteredUnit, Scenario, load_scenario
from simulators.world import World

HOUR_S = 3600.0
BATCH_MS = 60_000
"""What comes in a minute is judged together; how a stream is cut does not change what follows."""
HISTORY_S: Mapping[Kind, float] = {Kind.ELEVATOR: 60 * HOUR_S, Kind.PUMP: 6 * HOUR_S, Kind.FIRE: 15 * 24 * HOUR_S}
"""What each kind's detector has seen before live time begins: more than it is fitted on."""
MUST_STAY_SILENT = frozenset((Kind.ELEVATOR, name) for name in HUMAN_EVENTS)
"""Staged states that are no faults: people work on the lift, and no ticket may be opened for it."""
NEVER_GROWS = frozenset({UNIT_OFFLINE, SENSOR_DROPOUT, *HUMAN_EVENTS})
FIRST_ONSET_S, LAST_ONSET_S = 1.5 * HOUR_S, 3.5 * HOUR_S
SUDDEN_S, SUDDEN_LIVE_S = 10 * HOUR_S, 14 * HOUR_S
"""A point may be shut off for eight hours before anybody has to be told."""
GROWING_S, GROWING_LIVE_S = 20 * HOUR_S, 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Staging:
    """One simulated fleet of a kind. `faults` one unit each; a growing one is at its full severity after `ramp_s`."""

    kind: Kind
    seed: int
    faults: tuple[str, ...] = ()
    healthy_units: int = 0
    live_s: float = SUDDEN_LIVE_S
    duration_s: float = SUDDEN_S
    ramp_s: float = 0.0


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
    """All but sensors that tell something else than what is: nobody has to be sent to the machine for them at once."""
    return tuple(name for name in FAULT_EVENTS[kind] if name == SENSOR_DROPOUT or nature_of(name) != "sensor")


def growing_faults(kind: Kind) -> tuple[str, ...]:
    """Those that no event tells of: they may come slowly."""
    return tuple(name for name in judged_faults(kind) if not FAULT_EVENTS[kind][name] and name not in NEVER_GROWS)


def staged_run(staging: Staging) -> list[UnitRun]:
    """Simulates and judges one fleet."""
    scenario = _scenario(staging)
    live_ms = scenario.start_ms
    world = World(scenario, seed=staging.seed, start_ms=live_ms - round(HISTORY_S[staging.kind] * 1000))
    watch = Watch(banks=live_banks(), slow_banks=slow_banks())
    for _, message in world.history(live_ms):
        _observe(watch, [message], message.ts_ms)
    end_ms = live_ms + round(staging.live_s * 1000)
    signals = [
        signal
        for batch, until_ms in _batches(world, live_ms, end_ms)
        for signal in (*_observe(watch, batch, until_ms), *watch.tick(until_ms))
    ]
    faults = {fault.unit: fault for fault in scenario.faults}
    return [
        _unit_run(staging, faults.get(key.unit), [s for s in signals if s.unit == key], live_ms, end_ms)
        for key in world.unit_keys
    ]


def _scenario(staging: Staging) -> Scenario:
    rng = np.random.default_rng([staging.seed, len(staging.faults)])
    onsets = np.round(rng.uniform(FIRST_ONSET_S, LAST_ONSET_S, len(staging.faults)))
    units = [f"unit-{number:03d}" for number in range(len(staging.faults) + staging.healthy_units)]
    faults = tuple(
        Fault(unit, name, onset_s=float(onset), duration_s=staging.duration_s, ramp_s=staging.ramp_s)
        for unit, name, onset in zip(units, staging.faults, onsets, strict=False)
    )
    kind = staging.kind
    ground = rng.uniform(6.0, 15.0, len(units))
    return replace(
        load_scenario("quiet-day"),
        lifts=tuple(Lift(unit, floors=18) for unit in units) if kind is Kind.ELEVATOR else (),
        sumps=tuple(Sump(unit, ground_m3_h=float(flow)) for unit, flow in zip(units, ground, strict=True))
        if kind is Kind.PUMP
        else (),
        fire_systems=tuple(FireSystem(unit) for unit in units) if kind is Kind.FIRE else (),
        register=tuple(RegisteredUnit(kind, unit, unit, "", "", None, "") for unit in units),
        faults=faults,
    )


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
    onset_ms = over_ms = float(end_ms)
    is_fault = fault is not None and (staging.kind, fault.name) not in MUST_STAY_SILENT
    if fault is not None and is_fault:
        onset_ms = live_ms + fault.onset_s * 1000
        over_ms = min(end_ms, onset_ms + (fault.duration_s or np.inf) * 1000)
        labels[int((onset_ms - live_ms) // BATCH_MS) : int((over_ms - live_ms) // BATCH_MS) + 1] = True
    tickets = [signal for signal in signals if signal.condition.opens_ticket]
    begun = [signal for signal in tickets if signal.is_active]
    found = [signal for signal in begun if onset_ms <= signal.ts_ms <= over_ms]
    first_ms = min((signal.ts_ms for signal in found), default=np.nan)
    codes = {signal.condition.code for signal in found}
    return UnitRun(
        kind=staging.kind,
        fault=fault.name if fault is not None else "",
        is_growing=staging.ramp_s > 0,
        judged=JudgedSeries(labels, _in_alarm(tickets, live_ms, end_ms, rows), BATCH_MS / 1000),
        delay_s=(first_ms - onset_ms) / 1000,
        lead_s=(onset_ms + staging.ramp_s * 1000 - first_ms) / 1000 if staging.ramp_s else np.nan,
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
