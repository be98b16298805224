"""Scenarios: which units a compound has, what the weather does, and which faults are staged. Read from TOML files."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import msgspec

from models.equipment import METRICS, Kind
from simulators.elevator import Lift
from simulators.errors import BadScenario, UnknownScenario
from simulators.faults import ENTRAPMENT_LEAD_S, FAULT_EVENTS, Fault
from simulators.fire import FireSystem
from simulators.pump import Sump
from simulators.weather import Climate

SCENARIO_DIR = Path(__file__).parent / "scenarios"
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
DEFAULT_START = datetime.fromisoformat("2026-01-05T06:00:00+08:00")
OLDEST_WEAR_YEARS = 20.0
"""A lift of this age shows all the wear that age alone brings."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class LiftGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Buildings that were fitted with the same lifts: `entrances` (单元) in each, with `lifts` each."""

    buildings: tuple[str, ...]
    entrances: AtLeastOne = 2
    lifts: AtLeastOne = 2
    floors: Annotated[int, msgspec.Meta(ge=8, le=60)] = 18
    rated_m_s: Annotated[float, msgspec.Meta(ge=1.0, le=2.5)] = 1.75
    calls_per_h: Positive = 22.0
    make: str
    installed_on: date
    maintainer: str


class SumpRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sump with its two pumps; see `simulators.pump.Sump` for the figures."""

    name: str
    building: str
    make: str = ""
    installed_on: date | None = None
    maintainer: str = ""
    area_m2: Positive = 4.5
    capacity_m3_h: Positive = 50.0
    ground_m3_h: NotNegative = 8.0
    catchment_m3_h: NotNegative = 0.4
    floor_area_m2: Positive = 400.0
    has_lift_pit: bool = False


class FireRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    building: str
    make: str = ""
    installed_on: date | None = None
    maintainer: str = ""


class FaultRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See `simulators.faults.Fault`."""

    unit: str
    fault: str
    onset_s: NotNegative
    duration_s: Positive | None = None
    severity: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    ramp_s: NotNegative = 0.0
    pump: Annotated[int, msgspec.Meta(ge=1, le=2)] = 1
    metric: str = ""
    point: str = ""


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults of lifts that are drawn anew for each seed, see `simulators.plan`; figures are a year and a lift.

    `spread` is the coefficient of variation of the lifts' own rates. After `overhaul_after_days` the worst
    `overhauled_lifts` have `overhaul_factor` times their rate.
    """

    callbacks: NotNegative = 1.5
    entrapments: NotNegative = 0.06
    spread: Positive = 0.9
    power_cuts: NotNegative = 1.0
    maintenance_every_days: Positive | None = 15.0
    overhauled_lifts: Annotated[int, msgspec.Meta(ge=0)] = 0
    overhaul_after_days: NotNegative = 0.0
    overhaul_factor: NotNegative = 0.2


class ScenarioFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shape of a scenario file. `start` and `duration_s` hold where nobody says otherwise."""

    title: str
    site: str
    site_name: str
    duration_s: Positive = 3600.0
    interval_s: Annotated[float, msgspec.Meta(ge=10, le=21_600)] = 10.0
    start: datetime = DEFAULT_START
    climate: Climate = Climate()
    lifts: tuple[LiftGroup, ...] = ()
    sumps: tuple[SumpRow, ...] = ()
    fire_systems: tuple[FireRow, ...] = ()
    faults: tuple[FaultRow, ...] = ()
    rates: Rates | None = None


@dataclass(frozen=True, slots=True)
class RegisteredUnit:
    """What the register of a compound knows of a unit."""

    kind: Kind
    unit: str
    name: str
    building: str
    make: str
    installed_on: date | None
    maintainer: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A compound that does not exist. `equipment` and `register` stand in the same order within a kind."""

    name: str
    title: str
    site: str
    site_name: str
    start_ms: int
    duration_s: float
    climate: Climate
    lifts: tuple[Lift, ...]
    sumps: tuple[Sump, ...]
    fire_systems: tuple[FireSystem, ...]
    register: tuple[RegisteredUnit, ...]
    faults: tuple[Fault, ...]
    interval_s: float = 10.0
    rates: Rates | None = None

    @property
    def site_names(self) -> dict[str, str]:
        """What people call the sites, by key."""
        return {self.site: self.site_name}

    @property
    def unit_kinds(self) -> dict[str, Kind]:
        return {row.unit: row.kind for row in self.register}


def scenario_names() -> list[str]:
    return sorted(path.stem for path in SCENARIO_DIR.glob("*.toml"))


def load_scenario(name: str) -> Scenario:
    """A scenario that comes with the program, or the file of one. Raises UnknownScenario or BadScenario."""
    path = Path(name) if name.endswith(".toml") else SCENARIO_DIR / f"{name}.toml"
    if not name.endswith(".toml") and name not in scenario_names():
        raise UnknownScenario(name, scenario_names())
    return read_scenario(path)


def read_scenario(path: Path) -> Scenario:
    """Raises BadScenario with what is wrong and where."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        told = msgspec.convert(content, ScenarioFile)
    except OSError as error:
        raise BadScenario(path, error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BadScenario(path, str(error)) from error
    if not SLUG.fullmatch(told.site):
        raise BadScenario(path, f"site {told.site!r} must be small letters, digits and hyphens")
    if told.start.tzinfo is None:
        raise BadScenario(path, "start has no offset from UTC")
    scenario = _built(path.stem, told)
    for number, row in enumerate(told.faults, 1):
        if reason := _fault_in(row, scenario.unit_kinds):
            raise BadScenario(path, f"fault {number}: {reason}")
    return scenario


def register_rows(scenario: Scenario) -> list[dict[str, str]]:
    """Rows as `liandong units import` takes them."""
    return [
        {
            "site": scenario.site,
            "kind": row.kind.value,
            "unit": row.unit,
            "name": row.name,
            "building": row.building,
            "make": row.make,
            "installed_on": row.installed_on.isoformat() if row.installed_on else "",
            "maintainer": row.maintainer,
        }
        for row in scenario.register
    ]


def _built(name: str, told: ScenarioFile) -> Scenario:
    doors = [
        (group, building, entrance, lift)
        for group in told.lifts
        for building in group.buildings
        for entrance in range(1, group.entrances + 1)
        for lift in range(1, group.lifts + 1)
    ]
    lift_names = _numbered("lift", len(doors))
    sump_names, fire_names = _numbered("sump", len(told.sumps)), _numbered("fire", len(told.fire_systems))
    lifts = tuple(
        Lift(
            unit,
            floors=group.floors,
            rated_m_s=group.rated_m_s,
            calls_per_h=group.calls_per_h,
            wear=min(1.0, max(0.0, (told.start.date() - group.installed_on).days / 365.25 / OLDEST_WEAR_YEARS)),
        )
        for unit, (group, *_) in zip(lift_names, doors, strict=True)
    )
    sumps = tuple(
        Sump(
            unit,
            area_m2=row.area_m2,
            capacity_m3_h=row.capacity_m3_h,
            ground_m3_h=row.ground_m3_h,
            catchment_m3_h=row.catchment_m3_h,
            floor_area_m2=row.floor_area_m2,
            has_lift_pit=row.has_lift_pit,
        )
        for unit, row in zip(sump_names, told.sumps, strict=True)
    )
    register = chain(
        (
            RegisteredUnit(
                Kind.ELEVATOR,
                unit,
                f"{building}{entrance}单元{lift}号电梯",
                building,
                group.make,
                group.installed_on,
                group.maintainer,
            )
            for unit, (group, building, entrance, lift) in zip(lift_names, doors, strict=True)
        ),
        (_registered(Kind.PUMP, unit, row) for unit, row in zip(sump_names, told.sumps, strict=True)),
        (_registered(Kind.FIRE, unit, row) for unit, row in zip(fire_names, told.fire_systems, strict=True)),
    )
    return Scenario(
        name=name,
        title=told.title,
        site=told.site,
        site_name=told.site_name,
        start_ms=round(told.start.timestamp() * 1000),
        duration_s=told.duration_s,
        climate=told.climate,
        lifts=lifts,
        sumps=sumps,
        fire_systems=tuple(FireSystem(unit) for unit in fire_names),
        register=tuple(register),
        faults=tuple(_fault(row) for row in told.faults),
        interval_s=told.interval_s,
        rates=told.rates,
    )


def _registered(kind: Kind, unit: str, row: SumpRow | FireRow) -> RegisteredUnit:
    return RegisteredUnit(kind, unit, row.name, row.building, row.make, row.installed_on, row.maintainer)


def _fault(row: FaultRow) -> Fault:
    return Fault(
        unit=row.unit,
        name=row.fault,
        onset_s=row.onset_s,
        duration_s=row.duration_s,
        severity=row.severity,
        ramp_s=row.ramp_s,
        pump=row.pump,
        metric=row.metric,
        point=row.point,
    )


def _fault_in(row: FaultRow, kinds: dict[str, Kind]) -> str:
    """What is wrong with a staged fault, empty when nothing is."""
    kind = kinds.get(row.unit)
    if kind is None:
        return f"there is no unit {row.unit!r}"
    if row.fault not in FAULT_EVENTS[kind]:
        return f"{row.fault!r} is no fault of a {kind.value}; there are {', '.join(FAULT_EVENTS[kind])}"
    if row.fault == "entrapment" and row.onset_s < ENTRAPMENT_LEAD_S:
        return f"an entrapment takes {ENTRAPMENT_LEAD_S:g} s to come about; its onset_s is {row.onset_s:g}"
    if row.metric and row.metric not in METRICS[kind]:
        return f"{row.metric!r} is no metric of a {kind.value}"
    return ""


def _numbered(prefix: str, count: int) -> Sequence[str]:
    width = len(str(count))
    return [f"{prefix}-{number:0{width}d}" for number in range(1, count + 1)]
