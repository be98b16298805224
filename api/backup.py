"""Takes a backup of the embedded default while it goes on working.

The moment of the backup is one moment of both engines: the writer that carries readings from the outbox into the
telemetry store is held still just long enough to fix it. So what the copied ledger counts as stored is in the copied
store, and everything else that was acknowledged is in the copied outbox.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import duckdb
from sqlalchemy import select

from api.backup_manifest import (
    DATABASE_FILE,
    MANIFEST,
    OTHER_FILES,
    RESTORING,
    TELEMETRY_FILE,
    BackupRefused,
    ChainHead,
    Counts,
    Manifest,
    Progress,
    described,
    rfc3339,
    sha256_of,
)
from api.metrics import program_version
from api.settings import Settings
from ingest.broker_files import LOCK, replace_file
from ingest.ledger import Ledger, read_ledger
from ingest.stores.contract import TelemetryStore
from ingest.stores.duckdb import DuckDBStore
from registry import activity
from registry.activity import ActivityHead, Entry
from registry.database import Database

UNFINISHED = ".unfinished"
SET_ASIDE = "before-restore-"
STAGED = ".restore-"
DESK_SOCKET = "desk.sock"
NOT_OURS = (DATABASE_FILE, TELEMETRY_FILE, SET_ASIDE, STAGED, RESTORING, DESK_SOCKET, "bench")
"""Beginnings of names in the data directory that a backup leaves out: copied otherwise, or of no use elsewhere."""


def check_can_be_backed_up(settings: Settings) -> None:
    """Raises BackupRefused for engines that have backups of their own."""
    if settings.resolved_database_url.get_backend_name() != "sqlite" or not settings.telemetry_url.startswith(
        "duckdb:"
    ):
        raise BackupRefused(
            "backup and restore are for the embedded default; PostgreSQL and InfluxDB have their own "
            "(pg_dump, influx backup): docs/operation.md says in which order"
        )


def take_backup(
    into: Path,
    *,
    settings: Settings,
    database: Database,
    store: TelemetryStore,
    held_still: Callable[[], AbstractContextManager[None]] = nullcontext,
    clock: Callable[[], int],
    tell: Progress,
) -> Manifest:
    """Fills the empty or missing directory. Raises BackupRefused, OSError, DatabaseUnavailable, StoreUnavailable."""
    check_can_be_backed_up(settings)
    assert isinstance(store, DuckDBStore)
    if into.is_symlink() or (into.exists() and (not into.is_dir() or any(into.iterdir()))):
        raise BackupRefused(f"{into} is not empty; name a new directory for each backup")
    into.mkdir(parents=True, exist_ok=True)
    into.chmod(0o700)
    (into / UNFINISHED).touch()
    made_ms = clock()
    with ExitStack() as moment:
        with held_still():
            copy_database = moment.enter_context(database.copying(into / DATABASE_FILE))
            copy_telemetry = moment.enter_context(store.copying(into / TELEMETRY_FILE))
        copy_database(lambda share: tell("copying the database", share))
        tell("copying the telemetry", 0.0)
        in_store = copy_telemetry()
    _without_log(into / TELEMETRY_FILE)
    tell("copying the telemetry", 1.0)
    others = _copy_others(settings.data_dir, into / OTHER_FILES, into=into)
    manifest = _described(into, [into / DATABASE_FILE, into / TELEMETRY_FILE, *others], made_ms, in_store, tell)
    replace_file(into / MANIFEST, manifest.model_dump_json(indent=2).encode(), mode=0o600)
    (into / UNFINISHED).unlink()
    _reach_the_disk(into)
    with database.writing() as session:
        data = {"manifest_sha256": sha256_of(into / MANIFEST), "activity_id": manifest.activity.last_id}
        activity.append(session, [Entry("backup.made", "backup", data=data)], now_ms=clock())
    return manifest


def _described(into: Path, paths: list[Path], made_ms: int, in_store: int, tell: Progress) -> Manifest:
    facts = read_facts(into / DATABASE_FILE)
    files = []
    for number, path in enumerate(paths):
        tell("hashing", number / len(paths))
        files.append(described(into, path))
    tell("hashing", 1.0)
    return Manifest(
        made_at=rfc3339(made_ms),
        program=program_version(),
        revision=facts.revision,
        duckdb=duckdb.__version__,
        activity=facts.activity,
        counts=Counts(
            messages_received=facts.ledger.received,
            values_accepted=facts.ledger.values_accepted,
            values_stored=facts.ledger.values_stored,
            values_pending=facts.ledger.values_pending,
            in_store=in_store,
        ),
        files=files,
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a copied database says."""

    revision: str
    activity: ChainHead
    ledger: Ledger


def read_facts(path: Path) -> Facts:
    """Raises DatabaseUnavailable, or a database error for a file that is none."""
    database = Database(f"sqlite:///{path}")
    try:
        with database.reading() as session:
            head = session.scalars(select(ActivityHead)).one()
            facts = Facts(
                database.revision() or "",
                ChainHead(last_id=head.last_id, last_hash=head.last_hash),
                read_ledger(session),
            )
    finally:
        database.close()
        _without_journal(path)
    return facts


def _without_journal(path: Path) -> None:
    """Without the log that SQLite keeps beside a database in use."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    finally:
        connection.close()


def _without_log(path: Path) -> None:
    """Without the log that DuckDB may leave beside a file."""
    if path.with_name(f"{path.name}.wal").exists():
        with duckdb.connect(str(path)) as connection:
            connection.execute("CHECKPOINT")


def _copy_others(data_dir: Path, target: Path, *, into: Path) -> list[Path]:
    """Everything else that the data directory holds: the broker's files, the authority, models, what plug-ins keep."""
    copied = []
    for path in sorted(data_dir.rglob("*")):
        relative = path.relative_to(data_dir)
        is_left_out = relative.parts[0].startswith(NOT_OURS) or relative.name == LOCK
        if is_left_out or path.is_symlink() or not path.is_file() or path.resolve().is_relative_to(into.resolve()):
            continue
        place = target / relative
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy2(path, place)
        copied.append(place)
    return copied


def _reach_the_disk(directory: Path) -> None:
    for path in (*directory.rglob("*"), directory):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
