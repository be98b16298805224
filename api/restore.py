"""Puts a backup in place: proved first, beside what is there, and only then taken into use."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from api.backup import (
    DESK_SOCKET,
    SET_ASIDE,
    STAGED,
    UNFINISHED,
    check_can_be_backed_up,
    read_facts,
)
from api.backup_manifest import (
    DATABASE_FILE,
    OTHER_FILES,
    RESTORING,
    TELEMETRY_FILE,
    BackupRefused,
    Manifest,
    Progress,
    read_manifest,
    verify_files,
)
from api.settings import Settings
from ingest.stores.contract import StoreError
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.opening import duckdb_path
from registry import activity
from registry.activity import Entry
from registry.database import Database

LOGS_OF_ENGINES = ("-wal", "-shm", "-journal", ".wal")


@dataclass(frozen=True, slots=True)
class Restored:
    """`set_aside` is where what was there before is kept; None when there was nothing."""

    manifest: Manifest
    set_aside: Path | None


def restore_backup(
    source: Path, *, settings: Settings, is_forced: bool, clock: Callable[[], int], tell: Progress
) -> Restored:
    """Raises BackupRefused, OSError. Until everything is proved nothing that was there is touched."""
    check_can_be_backed_up(settings)
    if (source / UNFINISHED).exists():
        raise BackupRefused(f"{source} is a backup that was not finished")
    manifest = read_manifest(source)
    database_path = Path(str(settings.resolved_database_url.database))
    telemetry_path = duckdb_path(settings.telemetry_url, data_dir=settings.data_dir)
    present = _present(settings.data_dir, database_path, telemetry_path)
    if present and not is_forced:
        raise BackupRefused(f"{settings.data_dir} is not empty; --force keeps what is there aside and restores")
    _check_nobody_uses(telemetry_path)
    verify_files(source, manifest, tell=tell)

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    staged = settings.data_dir / f"{STAGED}{os.getpid()}"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        staged.mkdir(mode=0o700)
        for number, file in enumerate(manifest.files):
            tell("copying", number / len(manifest.files))
            place = staged / file.path
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy2(source / file.path, place)
        tell("copying", 1.0)
        _prove(staged, manifest, tell=tell)
        # From here until all is in place nobody must start: an empty database would be made where data belongs.
        (settings.data_dir / RESTORING).touch()
        set_aside = _set_aside(present, settings.data_dir, clock()) if present else None
        _put_in_place(staged, settings.data_dir, {DATABASE_FILE: database_path, TELEMETRY_FILE: telemetry_path})
        (settings.data_dir / RESTORING).unlink()
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    _tell_the_log(settings, manifest, now_ms=clock())
    return Restored(manifest, set_aside)


def _present(data_dir: Path, *files: Path) -> list[Path]:
    """What a restore would come upon."""
    found = []
    if data_dir.is_dir():
        kept = (STAGED, SET_ASIDE, RESTORING)
        found = [path for path in sorted(data_dir.iterdir()) if not path.name.startswith(kept)]
    with_logs = [path.with_name(path.name + end) for path in files for end in ("", *LOGS_OF_ENGINES)]
    return found + [path for path in with_logs if path.exists() and path.parent.resolve() != data_dir.resolve()]


def _check_nobody_uses(telemetry_path: Path) -> None:
    if not telemetry_path.exists():
        return
    store = DuckDBStore(telemetry_path)
    try:
        store.prepare()
    except StoreError as error:
        raise BackupRefused(f"{error}; stop it before you restore") from error
    finally:
        store.close()


def _prove(staged: Path, manifest: Manifest, *, tell: Progress) -> None:
    """The copies are sound in themselves and are what the manifest says. Raises BackupRefused."""
    path = staged / DATABASE_FILE
    tell("proving the database", 0.0)
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("PRAGMA quick_check").fetchone()
        if found != ("ok",):
            raise BackupRefused(f"the database of the backup is damaged: {found[0]}")
    facts = read_facts(path)
    tell("proving the activity log", 0.0)
    database = Database(f"sqlite:///{path}")
    try:
        with database.reading() as session:
            faults = list(islice(activity.verify_chain(session), 1))
    finally:
        database.close()
    if faults:
        raise BackupRefused(f"the activity log of the backup is broken: row {faults[0].activity_id} {faults[0].reason}")
    if facts.activity != manifest.activity:
        raise BackupRefused("the activity log of the backup does not end where the manifest says")
    told = (facts.ledger.received, facts.ledger.values_accepted, facts.ledger.values_stored)
    counts = manifest.counts
    if told != (counts.messages_received, counts.values_accepted, counts.values_stored) or not facts.ledger.balances:
        raise BackupRefused("the ledger of the backup is not the one that the manifest tells")
    tell("proving the telemetry", 0.0)
    store = DuckDBStore(staged / TELEMETRY_FILE)
    try:
        store.prepare()
        in_store = store.count_values()
    except StoreError as error:
        raise BackupRefused(f"the telemetry of the backup cannot be opened: {error.reason}") from error
    finally:
        store.close()
    if in_store != counts.in_store:
        raise BackupRefused(f"the telemetry of the backup holds {in_store} values and not {counts.in_store}")
    tell("proving the telemetry", 1.0)


def _set_aside(present: list[Path], data_dir: Path, now_ms: int) -> Path:
    place = data_dir / f"{SET_ASIDE}{now_ms}"
    place.mkdir(mode=0o700)
    for path in present:
        if path.name != DESK_SOCKET:
            path.rename(place / path.name) if path.parent == data_dir else shutil.move(path, place / path.name)
    return place


def _put_in_place(staged: Path, data_dir: Path, engines: dict[str, Path]) -> None:
    others = staged / OTHER_FILES
    for path in sorted(others.rglob("*")):
        if path.is_file():
            place = data_dir / path.relative_to(others)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.replace(place)
    for name, place in engines.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staged / name, place)


def _tell_the_log(settings: Settings, manifest: Manifest, *, now_ms: int) -> None:
    """The chain goes on from where the backup ended, with the restore as its next link."""
    database = Database(settings.resolved_database_url)
    try:
        database.migrate()
        with database.writing() as session:
            data = {"made_at": manifest.made_at, "activity_id": manifest.activity.last_id}
            activity.append(session, [Entry("backup.restored", "backup", data=data)], now_ms=now_ms)
    finally:
        database.close()
