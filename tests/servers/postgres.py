"""One PostgreSQL for the whole run, and an empty database for whoever asks."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.left_out import program
from tests.servers.child import LOOPBACK, Child, NotStarted, started_on_a_free_port

USER = "liandong"
ACCOUNT = "postgres"
"""The user that Debian's package brings; the server refuses to run as root."""
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # A crash of the machine may lose the data of a test run.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class Postgres:
    """The server, in a directory of its own; a database of it is cheap, about 40 ms."""

    def __init__(self) -> None:
        initdb = program("initdb")
        # Not below pytest's directory: nobody but its owner may enter that.
        self._directory = Path(tempfile.mkdtemp(prefix="liandong-postgres-"))
        self._user = ACCOUNT if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self._data = self._directory / "data"
        self._make_cluster(initdb)
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        server = initdb.resolve().with_name("postgres")

        def start(port: int) -> Child:
            command: list[str | Path] = [server, "-D", self._data, "-p", str(port), *options]
            return Child(command, log=self._directory / "server.log", user=self._user)

        self._start = start
        self._child, self.port = started_on_a_free_port(start, self._serves)

    def _make_cluster(self, initdb: Path) -> None:
        options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        made = subprocess.run(
            [initdb, "--pgdata", self._data, *options],
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise NotStarted(f"initdb ended with {made.returncode}:\n{made.stderr}")

    def _serves(self, port: int) -> bool:
        try:
            self._connect(port).close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, port: int) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=LOOPBACK, port=port, user=USER, dbname="postgres", connect_timeout=5, autocommit=True
        )

    def new_database(self, *, template: str = "template0") -> str:
        """The name of a new database, a copy of `template`, which nobody may be connected to."""
        name = f"test_{uuid4().hex}"
        with self._connect(self.port) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@{LOOPBACK}:{self.port}/{database}"

    def drop_database(self, name: str) -> None:
        with self._connect(self.port) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Ends every connection in the middle of what it does."""
        self._child.stop(signal.SIGINT)

    def start(self) -> None:
        """Again, after `stop`, on the same port and data."""
        self._child = self._start(self.port)
        self._child.wait_until_serving(lambda: self._serves(self.port))

    def close(self) -> None:
        self._child.stop(signal.SIGINT)
        shutil.rmtree(self._directory, ignore_errors=True)
