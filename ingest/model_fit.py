"""Fits the models of many units at once, over as many workers as there are; the result does not depend on how many."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from ingest.model_history import LEARNING_KINDS, Learnable, learnable
from ingest.stores.contract import TelemetryStore
from models.detectors.artefact import FittedModel, pack
from models.detectors.contract import DetectorError
from models.detectors.training import fit_history
from models.equipment import Kind
from registry import activity
from registry.database import Database
from registry.errors import UnknownUnit
from registry.model_version import add_version
from registry.unit import all_units, get_unit_by_id

FitBackend = Literal["loky", "threading"]
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


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Comes back from a worker, without the rows."""

    unit_id: int
    result: FittedModel | str
    left_out_rows: int
    left_out: tuple[str, ...]


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
    workers: int = 1,
    backend: FitBackend = "loky",
    is_dry_run: bool = False,
) -> Iterator[Outcome]:
    """Fits unit after unit from the store and keeps each model as a version; outcomes in the order of `unit_ids`.

    Raises StoreUnavailable.
    """

    def histories() -> Iterator[tuple[int, Learnable]]:
        for unit_id in unit_ids:
            with database.reading() as session:
                found = learnable(session, store, get_unit_by_id(session, unit_id), days=days)
            yield unit_id, found

    settings = {"detector": "LaggedPca", "days": days, "code": code_version}
    # Few at a time: the rows of all units together would not fit.
    pool = Parallel(n_jobs=workers, backend=backend, pre_dispatch="2*n_jobs", batch_size=1, return_as="generator")
    for fitted in pool(delayed(_fit)(unit_id, found, days) for unit_id, found in histories()):
        yield _keep(database, fitted, settings=settings, by=by, now_ms=clock(), is_dry_run=is_dry_run)


def _fit(unit_id: int, found: Learnable, days: float) -> _Fitted:
    reasons = tuple(dict.fromkeys(stretch.reason for stretch in found.left_out))[:REASONS_KEPT]
    try:
        # Sums come out the same, to the last bit, only when as many threads add them up.
        with threadpool_limits(1):
            result: FittedModel | str = fit_history(found.history, need_days=days)
    except DetectorError as error:
        result = str(error)
    return _Fitted(unit_id, result, found.left_out_rows, reasons if found.left_out_rows else ())


def _keep(
    database: Database, fitted: _Fitted, *, settings: dict[str, object], by: str, now_ms: int, is_dry_run: bool
) -> Outcome:
    told = {"left_out_rows": fitted.left_out_rows, "left_out": list(fitted.left_out)}
    with database.reading() as session:
        path = get_unit_by_id(session, fitted.unit_id).unit_key.path
    if isinstance(fitted.result, str):
        return Outcome(path, None, fitted.result, left_out_rows=fitted.left_out_rows, left_out=fitted.left_out)
    if is_dry_run:
        return Outcome(path, fitted.result, left_out_rows=fitted.left_out_rows, left_out=fitted.left_out)
    with database.writing() as session:
        unit = get_unit_by_id(session, fitted.unit_id)
        version, entries = add_version(
            session, unit, pack(fitted.result), settings={**settings, **told}, by=by, now_ms=now_ms
        )
        activity.append(session, entries, now_ms=now_ms)
        return Outcome(
            path,
            fitted.result,
            version=version.number,
            is_active=version.is_active,
            left_out_rows=fitted.left_out_rows,
            left_out=fitted.left_out,
        )
