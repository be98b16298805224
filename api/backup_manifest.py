"""What a backup says of itself: which files, with their hashes, and what must be true of them."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ValidationError

MANIFEST = "manifest.json"
DATABASE_FILE, TELEMETRY_FILE = "liandong.sqlite", "telemetry.duckdb"
OTHER_FILES = "files"
RESTORING = ".restoring"
"""Stands in a data directory from when its old data is set aside until the new data is in place."""
READ_BYTES = 1 << 20

Progress = Callable[[str, float], None]
"""Told what is being done and the share that is done, 0 to 1."""


class BackupRefused(Exception):
    """No backup or restore like this; the message is one line that says what to do."""


class BackupFile(BaseModel):
    """`path` is relative, with slashes."""

    path: str
    size_bytes: int
    sha256: str


class ChainHead(BaseModel):
    """The end of the activity log."""

    last_id: int
    last_hash: str


class Counts(BaseModel):
    """The ledger at the moment of the backup; `in_store` are the values the copy of the telemetry holds."""

    messages_received: int
    values_accepted: int
    values_stored: int
    values_pending: int
    in_store: int


class Manifest(BaseModel):
    format: Literal[1] = 1
    made_at: str
    program: str
    revision: str
    duckdb: str
    activity: ChainHead
    counts: Counts
    files: list[BackupFile]


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while content := file.read(READ_BYTES):
            digest.update(content)
    return digest.hexdigest()


def rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def described(directory: Path, path: Path) -> BackupFile:
    relative = path.relative_to(directory).as_posix()
    return BackupFile(path=relative, size_bytes=path.stat().st_size, sha256=sha256_of(path))


def read_manifest(directory: Path) -> Manifest:
    """Raises BackupRefused when there is none that can be read."""
    path = directory / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BackupRefused(f"{directory} is no backup: {path} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise BackupRefused(f"{path} is no manifest of a backup that this version knows") from error
    for file in manifest.files:
        place = PurePosixPath(file.path)
        if place.is_absolute() or ".." in place.parts or not place.parts:
            raise BackupRefused(f"{path} names a file outside of the backup: {file.path!r}")
    if not {DATABASE_FILE, TELEMETRY_FILE} <= {file.path for file in manifest.files}:
        raise BackupRefused(f"{path} names no {DATABASE_FILE} and {TELEMETRY_FILE}")
    return manifest


def verify_files(directory: Path, manifest: Manifest, *, tell: Progress) -> None:
    """Every file is there and whole. Raises BackupRefused with the first that is not."""
    for number, file in enumerate(manifest.files):
        tell("checking the files", number / len(manifest.files))
        path = directory / file.path
        if not path.is_file() or path.is_symlink():
            raise BackupRefused(f"the backup is not whole: {file.path} is missing")
        if path.stat().st_size != file.size_bytes or sha256_of(path) != file.sha256:
            raise BackupRefused(f"the backup is damaged: {file.path} is not what the manifest says")
    tell("checking the files", 1.0)
