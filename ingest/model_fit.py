"""Fits the models of many units at once, over as many workers as there are; the result does not depend on how many."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ingest.fit_job import FitJob
from ingest.fit_pool import Run, local_pool
from ingest.model_history import BUDGET_SETTING, LEARNING_KINDS, Learnable, learnable
from ingest.stores.contract import TelemetryStore
from models.alarm_budget import BUDGET_PER_MONTH
from models.detectors.artefact import FittedModel, pack
from models.detectors.drift import DriftReport
from models.detectors.training import TooShortHistory, check_days
from models.equipment import Kind
from registry import activity
from registry.database import Database
from registry.errors import UnknownUnit
from registry.model_trial import put_attempt
from registry.model_version import add_version
from registry.unit import all_units, get_unit_by_id

REASONS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which units; None for all. `unit` is a key or a path."""

    site: str | None = None
    kind: Kind | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit: a model, or the `reason` why there is none; `version` is None when nothing was kept."""

    unit: str
    model: FittedModel | None
    reason: str = ""
    version: int | None = None
    is_active: bool = False
    left_out_rows: int = 0
    left_out: tuple[str, ...] = ()


def units_to_fit(database: Database, wanted: Wanted) -> list[int]:
    """Ids of the units of which models are made. Raises UnknownUnit when a certain one was wanted and is not there."""
    with database.reading() as session:
        found = [
            unit.id
            for unit in all_units(session)
            if unit.unit_key.kind in LEARNING_KINDS
            and wanted.site in (None, unit.site.key)
            and wanted.kind in (None, unit.unit_key.kind)
            and wanted.unit in (None, unit.key, unit.unit_key.path)
        ]
    if wanted.unit is not None and not found:
        raise UnknownUnit(wanted.unit)
    return found


def fit_units(
    database: Database,
    store: TelemetryStore,
    unit_ids: Collection[int],
    *,
    days: float,
    by: str,
    code_version: str,
    clock: Callable[[], int],
    run: Run | None = None,
    budget_per_month: float = BUDGET_PER_MONTH,
    is_dry_run: bool = False,
) -> Iterator[Outcome]:
    """Fits unit after unit from the store and keeps each model as a version; outcomes in the order of `unit_ids`.

    `run` says where; what was too short to be fitted is not sent there. Raises StoreUnavailable, and what `run` raises.
    """
    waiting: deque[tuple[int, Learnable, str]] = deque()

    def jobs() -> Iterator[FitJob]:
        for unit_id in unit_ids:
            with database.reading() as session:
                found = learnable(session, store, get_unit_by_id(session, unit_id), days=days)
            reason = ""
            try:
                check_days(found.judged, need_days=days)
            except TooShortHistory as error:
                reason = str(error)
            # The rows themselves are not held until the result comes.
            waiting.append((unit_id, replace(found, judged=found.judged.rows(np.arange(0))), reason))
            if not reason:
                yield FitJob(unit_id, found.judged, days)

    def settled(fitted: dict[int, FittedModel | str]) -> Iterator[Outcome]:
        while waiting and (waiting[0][2] or waiting[0][0] in fitted):
            unit_id, found, reason = waiting.popleft()
            result = reason or fitted.pop(unit_id)
            yield _keep(
                database, unit_id, result, found, settings=settings, by=by, now_ms=clock(), is_dry_run=is_dry_run
            )

    settings: dict[str, object] = {"detector": "LaggedPca", "days": days, "code": code_version}
    settings[BUDGET_SETTING] = budget_per_month
    results: dict[int, FittedModel | str] = {}
    for done in (run or local_pool())(jobs()):
        assert not isinstance(done.result, DriftReport)
        results[done.key] = done.result
        yield from settled(results)
    yield from settled(results)


def _keep(
    database: Database,
    unit_id: int,
    result: FittedModel | str,
    found: Learnable,
    *,
    settings: dict[str, object],
    by: str,
    now_ms: int,
    is_dry_run: bool,
) -> Outcome:
    reasons = tuple(dict.fromkeys(stretch.reason for stretch in found.left_out))[:REASONS_KEPT]
    left_out = reasons if found.left_out_rows else ()
    model, reason = (None, result) if isinstance(result, str) else (result, "")
    if is_dry_run:
        with database.reading() as session:
            path = get_unit_by_id(session, unit_id).unit_key.path
        return Outcome(path, model, reason, left_out_rows=found.left_out_rows, left_out=left_out)
    with database.writing() as session:
        unit = get_unit_by_id(session, unit_id)
        put_attempt(session, unit_id, reason=reason, now_ms=now_ms)
        if model is None:
            path = unit.unit_key.path
            return Outcome(path, None, reason, left_out_rows=found.left_out_rows, left_out=left_out)
        told = {"left_out_rows": found.left_out_rows, "left_out": list(left_out)}
        version, entries = add_version(session, unit, pack(model), settings={**settings, **told}, by=by, now_ms=now_ms)
        activity.append(session, entries, now_ms=now_ms)
        return Outcome(
            unit.unit_key.path,
            model,
            version=version.number,
            is_active=version.is_active,
            left_out_rows=found.left_out_rows,
            left_out=left_out,
        )
