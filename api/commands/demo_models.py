"""Models that the demonstration begins with: fire systems fitted on simulated weeks, one with a version in shadow."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.orm import Session

from api.clock import now_ms
from api.metrics import program_version
from api.processes import opened_database
from api.settings import Settings
from models.detectors.artefact import FittedModel, pack
from models.detectors.drift import DriftReport
from models.detectors.training import DAY_MS, fit_history, judged_rows, measure_drift
from models.equipment import Kind
from models.reading import ReadingBlock
from registry import activity
from registry.model_trial import Heard, WouldBe, put_drift, put_trials
from registry.model_version import add_version, page_of_versions
from registry.unit import list_units
from simulators.fire import FireFleet
from simulators.scenario import Scenario, load_scenario
from simulators.world import World

UNITS = 2
STEP_MS = 900_000
FIT_DAYS, LATER_DAYS, SHADOW_DAYS = 14, 3, 8
BY = "schedule"
NICENESS = 5
UNITS_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a fire system's history came to; `newer` is the model that runs in shadow."""

    unit: str
    model: FittedModel
    drift: DriftReport | None
    newer: FittedModel | None


def main(scenario: str) -> None:
    """Run by the demonstration as a process of its own. Nothing is computed while the database waits for it."""
    os.nice(NICENESS)
    story, at_ms = load_scenario(scenario), now_ms()
    with opened_database(Settings.load(), migrates=False) as database:
        with database.reading() as session:
            has_models = bool(page_of_versions(session, limit=1))
        if has_models or not story.fire_systems:
            return
        found = prepared(_history(story, at_ms - (FIT_DAYS + LATER_DAYS) * DAY_MS), at_ms=at_ms)
        with database.writing() as session:
            add_demo_models(session, story.site, found, at_ms=at_ms)


def prepared(blocks: Mapping[str, ReadingBlock], *, at_ms: int) -> list[Prepared]:
    """Fits each unit of `blocks`, and the first one again, as after a month."""
    first_ms = at_ms - (FIT_DAYS + LATER_DAYS) * DAY_MS
    found = []
    for place, (unit, judged) in enumerate(blocks.items()):
        model = fit_history(judged.rows(judged.ts_ms < first_ms + FIT_DAYS * DAY_MS), need_days=FIT_DAYS - 1)
        later = judged.rows(judged.ts_ms >= first_ms + DAY_MS)
        newer = fit_history(later, need_days=FIT_DAYS) if place == 0 else None
        found.append(Prepared(unit, model, measure_drift(model, judged), newer))
    return found


def add_demo_models(session: Session, site: str, found: Sequence[Prepared], *, at_ms: int) -> None:
    """Keeps what was prepared, and tells of a week in shadow."""
    settings: dict[str, object] = {"detector": "LaggedPca", "days": FIT_DAYS, "code": program_version()}
    units = {unit.key: unit for unit in list_units(session, site=site, kind=Kind.FIRE, limit=UNITS_LOOKED_AT)}
    for each in found:
        unit = units.get(each.unit)
        if unit is None:
            continue
        fitted_ms = at_ms - LATER_DAYS * DAY_MS
        version, entries = add_version(session, unit, pack(each.model), settings=settings, by=BY, now_ms=fitted_ms)
        if each.drift is not None:
            movement, report = each.drift.movement.value, each.drift.as_json()
            entries += put_drift(session, version.id, movement=movement, report=report, now_ms=at_ms)
        if each.newer is not None:
            shadow, more = add_version(session, unit, pack(each.newer), settings=settings, by=BY, now_ms=at_ms)
            entries += more
            _tell_of_shadow(session, shadow.id, at_ms=at_ms)
        activity.append(session, entries, now_ms=at_ms)


def _tell_of_shadow(session: Session, version_id: int, *, at_ms: int) -> None:
    heard = Heard(at_ms - SHADOW_DAYS * DAY_MS, at_ms, SHADOW_DAYS * DAY_MS // STEP_MS)
    raised_ms = at_ms - 5 * DAY_MS
    channels = [("tank_level_m", 0.7), ("battery_v", 0.3)]
    told = WouldBe(version_id, raised_ms, True, raised_ms - 3 * STEP_MS, 1.6, channels)
    over = replace(told, ts_ms=raised_ms + 9 * STEP_MS, is_anomalous=False)
    put_trials(session, {version_id: heard}, [told, over])


def _history(story: Scenario, first_ms: int) -> dict[str, ReadingBlock]:
    """What the detectors would have seen of the fire systems since then, by unit."""
    world = World(replace(story, lifts=(), sumps=(), faults=()), seed=1, start_ms=first_ms)
    [fleet] = [each for each in world.fleets if isinstance(each, FireFleet)]
    steps = (FIT_DAYS + LATER_DAYS) * DAY_MS // STEP_MS
    ts_ms = first_ms + np.arange(steps, dtype=np.int64) * STEP_MS
    rounds = [fleet.advance(np.full(len(fleet.units), at_ms)).values for at_ms in ts_ms.tolist()]
    metrics = tuple(sorted(rounds[0]))
    keys = {key.unit: key for key in world.unit_keys}
    return {
        unit: judged_rows(
            ReadingBlock(
                Kind.FIRE,
                metrics,
                (keys[unit],),
                np.zeros(steps, dtype=np.int64),
                ts_ms,
                np.array([[round_[name][place] for name in metrics] for round_ in rounds], dtype=np.float64),
            )
        )
        for place, unit in list(enumerate(fleet.units))[:UNITS]
    }


if __name__ == "__main__":
    main(sys.argv[1])
