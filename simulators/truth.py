"""What was staged, written beside what was said, so that a detector can be judged."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.equipment import Kind
from models.reading import UnitKey
from simulators.faults import DEFAULT_POINTS, SENSOR_FAULTS, SENSOR_METRICS, Fault, nature_of
from simulators.plan import LiftRate
from simulators.scenario import Scenario

IN_ONE_PUMP = ("clog", "jam", "trip")


@dataclass(frozen=True, slots=True)
class StagedFault:
    """One fault as it happens; `end_ms` is None when nobody knows yet when the run ends."""

    unit: UnitKey
    fault: str
    onset_ms: int
    end_ms: int | None
    severity: float
    ramp_s: float
    detail: str


def staged_faults(scenario: Scenario, *, live_ms: int, end_ms: int | None) -> list[StagedFault]:
    """Faults whose onset lies within the run, in order of their onset."""
    kinds = scenario.unit_kinds
    staged = []
    for fault in scenario.faults:
        onset_ms = live_ms + round(fault.onset_s * 1000)
        if end_ms is not None and onset_ms >= end_ms:
            continue
        over_ms = end_ms
        if fault.duration_s is not None:
            fault_end_ms = live_ms + round((fault.onset_s + fault.duration_s) * 1000)
            over_ms = fault_end_ms if end_ms is None else min(end_ms, fault_end_ms)
        kind = kinds[fault.unit]
        detail = _detail(fault, kind)
        unit = UnitKey(scenario.site, kind, fault.unit)
        staged.append(StagedFault(unit, fault.name, onset_ms, over_ms, fault.severity, fault.ramp_s, detail))
    return sorted(staged, key=lambda one: (one.onset_ms, one.unit))


def _detail(fault: Fault, kind: Kind) -> str:
    """Which part of the unit it is, where that is known."""
    if fault.name in IN_ONE_PUMP:
        return f"pump{fault.pump}"
    if fault.name in SENSOR_FAULTS:
        return fault.metric or SENSOR_METRICS[kind]
    return fault.point or DEFAULT_POINTS.get(fault.name, "")


def write_truth(path: Path, staged: Iterable[StagedFault], *, site: str = "", rates: Iterable[LiftRate] = ()) -> None:
    """JSON lines: one a fault, and after them one for each lift whose true rate is known."""
    lines = [
        msgspec.json.encode(
            {
                "site": one.unit.site,
                "kind": one.unit.kind.value,
                "unit": one.unit.unit,
                "fault": one.fault,
                "nature": nature_of(one.fault),
                "onset_ms": one.onset_ms,
                "end_ms": one.end_ms,
                "severity": one.severity,
                "ramp_s": one.ramp_s,
                "detail": one.detail,
            }
        )
        for one in staged
    ]
    lines += [
        msgspec.json.encode(
            {
                "site": site,
                "kind": Kind.ELEVATOR.value,
                "unit": one.unit,
                "faults_per_year": one.faults_per_year,
                "overhauled_s": one.overhauled_s,
                "faults_per_year_after": one.faults_per_year_after,
            }
        )
        for one in rates
    ]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
