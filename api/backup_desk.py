"""Where a running process takes orders for a backup: a socket in its data directory, for its own user alone.

DuckDB lets one process in, so while `liandong up` runs nobody else can copy the telemetry.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.backup import DESK_SOCKET, take_backup
from api.backup_manifest import BackupRefused, Manifest, Progress
from api.settings import Settings
from ingest.stores.contract import StoreError, TelemetryStore
from registry.database import Database
from registry.errors import RegistryError

MAX_ORDER_BYTES = 8192
ACCEPT_S = 0.5
ORDER_S = 5.0

log = structlog.get_logger(__name__)


class BackupDesk:
    """Serves one order at a time, in a thread of its own, as long as its context."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        store: TelemetryStore,
        held_still: Callable[[], AbstractContextManager[None]],
        clock: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._database = database
        self._store = store
        self._held_still = held_still
        self._clock = clock
        self._ending = threading.Event()
        self._listening: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="backup-desk", daemon=True)

    def start(self) -> None:
        # One that is left there is that of a process that was killed: we are the one that has the telemetry open.
        (self._settings.data_dir / DESK_SOCKET).unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short_path(self._settings.data_dir) as path:
            before = os.umask(0o177)
            try:
                listening.bind(path)
            finally:
                os.umask(before)
        listening.listen(4)
        listening.settimeout(ACCEPT_S)
        self._listening = listening
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._listening is not None:
            self._listening.close()
            (self._settings.data_dir / DESK_SOCKET).unlink(missing_ok=True)

    def _run(self) -> None:
        assert self._listening is not None
        while not self._ending.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            except OSError as error:
                log.warning("no orders for backups are taken any more", reason=str(error))
                return
            with connection:
                connection.settimeout(ORDER_S)
                # Who asked may have gone; then the backup is finished all the same, or was never begun.
                with suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rwb") as stream:

            def say(**words: object) -> None:
                with suppress(OSError):
                    stream.write(json.dumps(words).encode() + b"\n")
                    stream.flush()

            try:
                into = Path(json.loads(stream.readline(MAX_ORDER_BYTES))["into"])
            except (ValueError, KeyError, TypeError):
                say(refused="the order cannot be read")
                return
            log.info("backup begins", into=str(into))
            try:
                manifest = take_backup(
                    into,
                    settings=self._settings,
                    database=self._database,
                    store=self._store,
                    held_still=self._held_still,
                    clock=self._clock,
                    tell=lambda what, share: say(what=what, share=share),
                )
            except (BackupRefused, RegistryError, StoreError, SQLAlchemyError, OSError) as error:
                log.warning("backup failed", into=str(into), reason=str(error))
                say(refused=" ".join(str(error).split()))
                return
            log.info("backup made", into=str(into), activity_id=manifest.activity.last_id)
            say(manifest=manifest.model_dump(mode="json"))


def order_backup(data_dir: Path, into: Path, *, tell: Progress) -> Manifest | None:
    """The backup that the running process took; None when none is running. Raises BackupRefused when it could not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with _short_path(data_dir) as path:
                connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps({"into": str(into.absolute())}).encode() + b"\n")
            stream.flush()
            for line in stream:
                said = json.loads(line)
                if "manifest" in said:
                    return Manifest.model_validate(said["manifest"])
                if "refused" in said:
                    raise BackupRefused(said["refused"])
                tell(said["what"], said["share"])
    raise BackupRefused("the running process ended before the backup was made")


@contextmanager
def _short_path(data_dir: Path) -> Iterator[str]:
    """The socket's path, through an open directory: the path of a socket may have about a hundred bytes only."""
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{DESK_SOCKET}"
    finally:
        os.close(directory)
