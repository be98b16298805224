"""The same compound with fewer or more units, in the same mix."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from models.equipment import Kind
from simulators.elevator import Lift
from simulators.fire import FireSystem
from simulators.pump import Sump
from simulators.scenario import RegisteredUnit, Scenario

Equipment = TypeVar("Equipment", bound=Lift | Sump | FireSystem)
NUMBER = re.compile(r"\d+$")


def with_units(scenario: Scenario, wanted: int) -> Scenario:
    """The scenario with `wanted` units, each kind in proportion.

    Units with a staged fault are kept first; units beyond those of the scenario are copies with the next numbers.
    """
    sizes = {
        Kind.ELEVATOR: len(scenario.lifts),
        Kind.PUMP: len(scenario.sumps),
        Kind.FIRE: len(scenario.fire_systems),
    }
    counts = _shares(sizes, wanted)
    faulty = {fault.unit for fault in scenario.faults}
    lifts = _resized(scenario.lifts, counts[Kind.ELEVATOR], faulty)
    sumps = _resized(scenario.sumps, counts[Kind.PUMP], faulty)
    fire_systems = _resized(scenario.fire_systems, counts[Kind.FIRE], faulty)
    known = {row.unit: row for row in scenario.register}
    register: list[RegisteredUnit] = []
    for chosen, originals in (
        (_names(lifts), _names(scenario.lifts)),
        (_names(sumps), _names(scenario.sumps)),
        (_names(fire_systems), _names(scenario.fire_systems)),
    ):
        for number, unit in enumerate(chosen):
            row = known.get(unit)
            if row is None:
                model = known[originals[number % len(originals)]]
                row = replace(model, unit=unit, name=f"{model.name} ({unit})")
            register.append(row)
    units = {row.unit for row in register}
    return replace(
        scenario,
        lifts=lifts,
        sumps=sumps,
        fire_systems=fire_systems,
        register=tuple(register),
        faults=tuple(fault for fault in scenario.faults if fault.unit in units),
    )


def _shares(sizes: dict[Kind, int], wanted: int) -> dict[Kind, int]:
    """Whole numbers in proportion to the sizes, by largest remainder."""
    total = sum(sizes.values())
    exact = {kind: size * wanted / total for kind, size in sizes.items()}
    counts = {kind: int(share) for kind, share in exact.items()}
    by_remainder = sorted(exact, key=lambda kind: counts[kind] - exact[kind])
    for kind in by_remainder[: wanted - sum(counts.values())]:
        counts[kind] += 1
    return counts


def _names(equipment: tuple[Equipment, ...]) -> list[str]:
    return [one.unit for one in equipment]


def _resized(equipment: tuple[Equipment, ...], wanted: int, faulty: set[str]) -> tuple[Equipment, ...]:
    if wanted <= len(equipment):
        by_interest = sorted(equipment, key=lambda one: one.unit not in faulty)
        kept = {one.unit for one in by_interest[:wanted]}
        return tuple(one for one in equipment if one.unit in kept)
    copies: list[Equipment] = [
        replace(equipment[number % len(equipment)], unit=_numbered(equipment, number))
        for number in range(len(equipment), wanted)
    ]
    return equipment + tuple(copies)


def _numbered(equipment: Sequence[Equipment], number: int) -> str:
    return NUMBER.sub(str(number + 1), equipment[0].unit)
