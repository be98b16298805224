"""Fitting models from the store, looking at their versions, and choosing which one is in force."""

import getpass
from collections.abc import Callable
from datetime import UTC, datetime

from api.clock import now_ms
from api.metrics import program_version
from api.processes import opened_database, opened_store, prepare_data_dir
from api.settings import Settings
from ingest.model_fit import Outcome, Wanted, fit_units, units_to_fit
from registry import activity
from registry.model_version import ModelVersion, list_versions, promote, roll_back
from registry.unit import get_unit
from registry.wear_state import note_overhaul

Progress = Callable[[int, int], None]
"""Told how many units are done, and of how many."""


def train(
    settings: Settings, wanted: Wanted, *, days: float | None, workers: int, is_dry_run: bool, progress: Progress
) -> list[Outcome]:
    """Raises UnknownUnit, StoreError."""
    prepare_data_dir(settings)
    outcomes = []
    with opened_database(settings, migrates=False) as database, opened_store(settings) as store:
        unit_ids = units_to_fit(database, wanted)
        for outcome in fit_units(
            database,
            store,
            unit_ids,
            days=settings.train_days if days is None else days,
            by=who(),
            code_version=program_version(),
            clock=now_ms,
            workers=workers,
            is_dry_run=is_dry_run,
        ):
            outcomes.append(outcome)
            progress(len(outcomes), len(unit_ids))
    return outcomes


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
            lines.append((f"v{each.number}", "in force" if each.is_active else "not in force"))
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


def _line(each: ModelVersion) -> tuple[str, ...]:
    told = each.description
    return (
        each.unit.unit_key.path,
        each.unit.kind,
        f"v{each.number}",
        "in force" if each.is_active else "",
        _instant(int(told["first_ms"])),
        _instant(int(told["last_ms"])),
        str(told["rows"]),
        _instant(each.made_ms),
        each.made_by,
    )


def _instant(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="minutes")
