"""The relational database: SQLite in the data directory or PostgreSQL, the same tables in both.

All instants are stored as epoch milliseconds, so that both engines keep them exactly and compare them fast.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import BigInteger, Integer, MetaData, Select, create_engine, event, func, make_url, select
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session

from registry.errors import DatabaseUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
DRIVERS = ("sqlite", "postgresql+psycopg")
SQLITE_BUSY_TIMEOUT_MS = 15_000
COPIED_PAGES = 2_000
IDS_A_QUERY = 1_000
DENSE, UNITS_A_RANGE = 2, 20_000
MIGRATION_LOCK = 4_107_271_865
"""Any number will do, as long as nothing else in the database locks it."""

BigId = BigInteger().with_variant(Integer, "sqlite")
"""Key type that numbers itself on both engines; SQLite does so for INTEGER only."""


class Table(DeclarativeBase):
    """Base of all tables, of this folder and of those above it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def compact_json(value: Any) -> str:
    """JSON text that is the same for the same value everywhere: sorted keys, no spaces, UTF-8 kept."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def resolve_url(url: str, *, data_dir: Path) -> URL:
    """`sqlite:` alone means `liandong.sqlite` in the data directory; PostgreSQL is always spoken to through psycopg.

    Raises DatabaseUnavailable for anything else; its message shows no password.
    """
    if url in ("sqlite:", "sqlite://"):
        return make_url(f"sqlite:///{(data_dir / 'liandong.sqlite').resolve()}")
    try:
        read = make_url(url)
    except ArgumentError as error:
        raise DatabaseUnavailable("LIANDONG_DATABASE_URL", "it is no address of a database") from error
    if read.drivername in ("postgresql", "postgres"):
        read = read.set(drivername="postgresql+psycopg")
    if read.drivername not in DRIVERS:
        raise DatabaseUnavailable(read.render_as_string(), f"it must begin with {' or '.join(DRIVERS)}")
    return read


def portions(ids: Collection[int]) -> Iterator[list[int]]:
    """Ids in order, so many at a time as either database takes as parameters of one statement."""
    ordered = sorted(ids)
    for place in range(0, len(ordered), IDS_A_QUERY):
        yield ordered[place : place + IDS_A_QUERY]


def rows_of_units(
    session: Session, query: Select[*tuple[Any, ...]], unit_id: InstrumentedAttribute[int], unit_ids: Sequence[int]
) -> Iterator[Any]:
    """Rows of these sorted units; where the ids lie close together, also of units between them."""
    connection = session.connection()
    if len(unit_ids) > 1 and unit_ids[-1] - unit_ids[0] < DENSE * len(unit_ids):
        for place in range(0, len(unit_ids), UNITS_A_RANGE):
            part = unit_ids[place : place + UNITS_A_RANGE]
            yield from connection.execute(query.where(unit_id.between(part[0], part[-1])))
        return
    for some in portions(unit_ids):
        yield from connection.execute(query.where(unit_id.in_(some)))


class Database:
    """One engine with two ways in: `reading()` and `writing()`; each is a session in one transaction."""

    def __init__(self, url: URL | str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_pre_ping": not self.is_sqlite}
        if self.is_sqlite:
            options["connect_args"] = {"check_same_thread": False, "timeout": SQLITE_BUSY_TIMEOUT_MS / 1000}
        else:
            options["connect_args"] = {"connect_timeout": 5}
            options["pool_size"], options["max_overflow"] = 10, 20
        self.engine: Engine = create_engine(self.url, json_serializer=compact_json, hide_parameters=True, **options)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite_connection)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(is_writing=True)
        self._reader = self.engine.execution_options(is_reading=True)
        if not self.is_sqlite:
            # Each statement of a default transaction would see a state of its own; a ledger read so does not balance.
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state and must not write."""
        with Session(self._reader) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end, or not at all."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def copying(self, path: Path) -> Iterator[Callable[[Callable[[float], None]], None]]:
        """Holds one moment of a SQLite database; what is given writes that moment to a new file.

        It tells the share that is done, 0 to 1. Whoever writes meanwhile neither waits nor is in the copy. Raises
        DatabaseUnavailable.
        """
        source = sqlite3.connect(str(self.url.database), isolation_level=None, check_same_thread=False)
        try:
            source.execute("BEGIN")
            # The moment is that of the first look; as long as it is held, the copy need not begin again at each change.
            source.execute("SELECT count(*) FROM alembic_version").fetchone()

            def copy(tell: Callable[[float], None]) -> None:
                target = sqlite3.connect(path, isolation_level=None)
                try:
                    source.backup(
                        target,
                        pages=COPIED_PAGES,
                        progress=lambda _status, left, pages: tell(1 - left / pages if pages else 1.0),
                    )
                    # One file, without the log that a running database has beside it.
                    target.execute("PRAGMA journal_mode=DELETE")
                finally:
                    target.close()

            yield copy
        except sqlite3.Error as error:
            raise DatabaseUnavailable(self.display_url, str(error)) from error
        finally:
            source.close()

    def migrate(self) -> list[str]:
        """Brings the tables to the newest revision; returns the revisions that were applied."""
        config = _alembic_config()
        script = ScriptDirectory.from_config(config)
        wanted = script.get_current_head()
        try:
            with self.engine.connect() as connection:
                if _current_revision(connection) == wanted:
                    return []
            with self._writer.begin() as connection:
                if not self.is_sqlite:
                    # Two processes may start at once; SQLite lets only one of them begin to write anyway.
                    connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                before = _current_revision(connection)
                pending = [step.revision for step in script.iterate_revisions("head", before or "base")]
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            return pending[::-1]
        except (CommandError, RevisionError) as error:
            raise DatabaseUnavailable(self.display_url, "its tables are of another version of liandong") from error
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(self.display_url, _first_line(error)) from error

    def is_current(self) -> bool:
        """Whether the tables are those this version of the program expects."""
        try:
            with self.engine.connect() as connection:
                head = ScriptDirectory.from_config(_alembic_config()).get_current_head()
                return _current_revision(connection) == head
        except SQLAlchemyError as error:
            raise DatabaseUnavailable(self.display_url, _first_line(error)) from error

    def revision(self) -> str | None:
        """Of the tables; None when there are none."""
        with self.engine.connect() as connection:
            return _current_revision(connection)

    @property
    def display_url(self) -> str:
        """The address without its password, fit for logs."""
        secrets = {name: "***" for name in self.url.query if "password" in name}
        return self.url.update_query_dict(secrets).render_as_string(hide_password=True)

    def close(self) -> None:
        self.engine.dispose()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _current_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _first_line(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__


def _prepare_sqlite_connection(dbapi_connection: Any, _record: Any) -> None:
    # The driver must not open transactions on its own: `_begin_sqlite` says which kind is wanted.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: a committed transaction survives a power cut, and the broker is told only after that.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA query_only={int(options.get('is_reading', False))}")
    # IMMEDIATE: a writer waits for its turn at the start, instead of failing at its first write.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("is_writing", False) else "BEGIN")
