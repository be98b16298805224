"""Fitting models from the store, looking at their versions, and choosing which one is in force."""

import getpass
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from api.clock import now_ms
from api.metrics import program_version
from api.processes import opened_database, opened_store, prepare_data_dir
from api.settings import Settings
from ingest.fit_pool import Run, dask_pool, local_pool
from ingest.model_fit import Outcome, Wanted, fit_units, units_to_fit
from ingest.model_keeper import report_drift
from models.detectors.drift import DriftReport
from registry import activity
from registry.model_version import ModelVersion, dismiss, list_versions, promote, roll_back
from registry.unit import get_unit
from registry.wear_state import note_overhaul

Progress = Callable[[int, int], None]
"""Told how many units are done, and of how many."""


def train(
    settings: Settings, wanted: Wanted, *, days: float | None, workers: int, is_dry_run: bool, progress: Progress
) -> list[Outcome]:
    """Raises UnknownUnit, StoreError, ClusterUnavailable."""
    prepare_data_dir(settings)
    outcomes = []
    with (
        opened_database(settings, migrates=False) as database,
        opened_store(settings) as store,
        _pool(settings, workers) as run,
    ):
        unit_ids = units_to_fit(database, wanted)
        for outcome in fit_units(
            database,
            store,
            unit_ids,
            days=settings.train_days if days is None else days,
            by=who(),
            code_version=program_version(),
            clock=now_ms,
            run=run,
            budget_per_month=settings.alarm_budget_per_unit_month,
            is_dry_run=is_dry_run,
        ):
            outcomes.append(outcome)
            progress(len(outcomes), len(unit_ids))
    return outcomes


def _pool(settings: Settings, workers: int) -> AbstractContextManager[Run]:
    return dask_pool(settings.train_dask) if settings.train_dask else nullcontext(local_pool(workers))


def drift(settings: Settings, wanted: Wanted, *, days: float, workers: int) -> list[tuple[str, DriftReport | str]]:
    """Raises UnknownUnit, StoreError, ClusterUnavailable."""
    prepare_data_dir(settings)
    with (
        opened_database(settings, migrates=False) as database,
        opened_store(settings) as store,
        _pool(settings, workers) as run,
    ):
        unit_ids = set(units_to_fit(database, wanted))
        with database.reading() as session:
            active = {
                version.id: version.unit.unit_key.path
                for version in list_versions(session)
                if version.is_active and version.unit_id in unit_ids
            }
        found = report_drift(database, store, list(active), run=run, clock=now_ms, days=days)
        return sorted((active[version_id], result) for version_id, result in found.items())


def end_shadow(settings: Settings, unit: str, number: int) -> bool:
    """Whether that version was in shadow. Raises UnknownUnit, UnknownVersion."""
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        entries = dismiss(session, get_unit(session, unit), number, by=who())
        activity.append(session, entries, now_ms=now_ms())
        return bool(entries)


def list_models(settings: Settings, *, site: str | None) -> list[tuple[str, ...]]:
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        return [_line(version) for version in list_versions(session, site=site)]


def show_models(settings: Settings, unit: str) -> list[tuple[str, str]]:
    """Everything that is known of a unit's versions, as named lines. Raises UnknownUnit."""
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        lines = []
        for each in list_versions(session, unit_id=get_unit(session, unit).id):
            facts = {**each.description, **each.settings, "sha256": each.sha256, "made_by": each.made_by}
            facts["made"] = _instant(each.made_ms)
            for name in ("first_ms", "last_ms"):
                facts[name.removesuffix("_ms")] = _instant(int(facts.pop(name)))
            facts.pop("reference", None)
            lines.append((f"v{each.number}", _state(each)))
            lines += [(f"  {name}", str(value)) for name, value in sorted(facts.items())]
        return lines


def put_in_force(settings: Settings, unit: str, number: int) -> bool:
    """Whether that changed anything. Raises UnknownUnit, UnknownVersion."""
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        entries = promote(session, get_unit(session, unit), number, by=who())
        activity.append(session, entries, now_ms=now_ms())
        return bool(entries)


def put_back(settings: Settings, unit: str) -> int:
    """The number of the version that is in force again. Raises UnknownUnit, UnknownVersion."""
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        entries = roll_back(session, get_unit(session, unit), by=who())
        activity.append(session, entries, now_ms=now_ms())
        return int(entries[0].data["version"])


def tell_overhaul(settings: Settings, unit: str) -> None:
    """What the unit was like no longer counts for its wear. Raises UnknownUnit."""
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        entry = note_overhaul(session, get_unit(session, unit), by=who(), now_ms=now_ms())
        activity.append(session, [entry], now_ms=now_ms())


def who() -> str:
    """The account on this machine under which the command runs."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # An account without a name, as in a container.
        return "command line"


def _state(each: ModelVersion) -> str:
    return "in force" if each.is_active else "in shadow" if each.is_shadow else "kept"


def _line(each: ModelVersion) -> tuple[str, ...]:
    told = each.description
    return (
        each.unit.unit_key.path,
        each.unit.kind,
        f"v{each.number}",
        _state(each),
        _instant(int(told["first_ms"])),
        _instant(int(told["last_ms"])),
        str(told["rows"]),
        _instant(each.made_ms),
        each.made_by,
    )


def _instant(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="minutes")
