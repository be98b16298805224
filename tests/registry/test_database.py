"""The same tables and the same promises on SQLite and PostgreSQL."""

import importlib
import pkgutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

import alerts
import governance
import ingest
import registry
from registry.database import Database, Table, compact_json, resolve_url
from registry.errors import DatabaseUnavailable
from registry.site import add_site, find_site

NOW_MS = 1_700_000_000_000


def import_every_table() -> None:
    for package in (registry, alerts, ingest, governance):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)


def test_migrations_build_the_tables_that_the_program_maps(database: Database) -> None:
    import_every_table()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
        present = set(inspect(connection).get_table_names())
    assert set(Table.metadata.tables) | {"alembic_version"} == present


def test_migrating_tells_what_was_applied_and_then_nothing(database_url: str) -> None:
    database = Database(database_url)
    assert not database.is_current()
    assert database.migrate()[0] == "0001"
    assert database.is_current()
    assert database.migrate() == []
    database.close()


def test_processes_that_migrate_at_once_do_not_hinder_each_other(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(Database.migrate, databases))
    assert sorted(bool(revisions) for revisions in applied) == [False, False, False, True]
    assert databases[0].is_current()
    for database in databases:
        database.close()


def test_a_database_of_a_newer_version_is_told_in_one_line(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not database.is_current()
    with pytest.raises(DatabaseUnavailable, match="another version") as told:
        database.migrate()
    assert "\n" not in str(told.value)


def test_a_migration_that_fails_leaves_no_table_behind(database_url: str) -> None:
    database = Database(database_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE ticket_move (id INTEGER)"))
    with pytest.raises(DatabaseUnavailable):
        database.migrate()
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["ticket_move"]
    database.close()


def test_an_unreachable_database_is_told_in_one_line_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    for url in ("postgresql+psycopg://user:hidden-word@127.0.0.1:1/x", f"sqlite:///{tmp_path}/a-file/x.sqlite"):
        for ask in (Database.migrate, Database.is_current):
            database = Database(url)
            with pytest.raises(DatabaseUnavailable) as told:
                ask(database)
            assert "\n" not in str(told.value)
            assert "hidden-word" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:hidden-word@db:5432/liandong",
        "postgresql+psycopg://user@db/liandong?password=hidden-word&sslpassword=hidden-word",
        "postgresql+psycopg://user:hidden%2Dword@db/liandong",
    ],
)
def test_the_address_for_logs_holds_no_password(url: str) -> None:
    shown = Database(url).display_url
    assert "hidden" not in shown
    assert "db" in shown


def test_the_short_sqlite_address_means_a_file_in_the_data_directory(tmp_path: Path) -> None:
    for short in ("sqlite:", "sqlite://"):
        assert resolve_url(short, data_dir=tmp_path).database == str(tmp_path / "liandong.sqlite")
    assert resolve_url("sqlite:///elsewhere.db", data_dir=tmp_path).database == "elsewhere.db"


def test_postgresql_is_spoken_to_through_psycopg_however_its_address_begins(tmp_path: Path) -> None:
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        assert resolve_url(f"{scheme}://me@db/x", data_dir=tmp_path).drivername == "postgresql+psycopg"


@pytest.mark.parametrize("url", ["mysql://me:hidden@db/x", "hidden", "", "postgresql+asyncpg://me:hidden@db/x"])
def test_an_address_of_no_database_we_know_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        resolve_url(url, data_dir=tmp_path)
    assert "hidden" not in str(refused.value)


def test_sqlite_keeps_a_committed_transaction_through_a_power_cut(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    full = 2
    for session_of in (database.reading, database.writing):
        with session_of() as session:
            assert session.scalar(text("PRAGMA journal_mode")) == "wal"
            assert session.scalar(text("PRAGMA synchronous")) == full
            assert session.scalar(text("PRAGMA foreign_keys")) == 1
    database.close()


def test_what_fails_in_a_writing_session_leaves_nothing(database: Database) -> None:
    def write_and_fail() -> None:
        with database.writing() as session:
            add_site(session, key="half", now_ms=NOW_MS)
            raise ValueError

    with pytest.raises(ValueError):
        write_and_fail()
    with database.reading() as session:
        assert find_site(session, "half") is None


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    with database.reading() as reader:
        assert find_site(reader, "first") is None
        with database.writing() as writer:
            add_site(writer, key="first", now_ms=NOW_MS)
        assert find_site(reader, "first") is None
    with database.reading() as reader:
        assert find_site(reader, "first") is not None


def test_a_reading_session_cannot_write(database: Database) -> None:
    def write() -> None:
        with database.reading() as session:
            add_site(session, key="smuggled", now_ms=NOW_MS)

    with pytest.raises(DBAPIError, match=r"read-?only"):
        write()
    with database.writing() as session:
        assert find_site(session, "smuggled") is None
        add_site(session, key="declared", now_ms=NOW_MS)


def test_writers_wait_for_each_other_instead_of_failing(database: Database) -> None:
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        for step in range(5):
            with database.writing() as session:
                assert find_site(session, f"s{number}-{step}") is None
                add_site(session, key=f"s{number}-{step}", now_ms=NOW_MS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM site")) == 40


def test_json_text_is_the_same_for_the_same_value() -> None:
    assert compact_json({"b": [1, 2.5, None], "a": "电梯"}) == compact_json({"a": "电梯", "b": [1, 2.5, None]})
    assert compact_json({"a": "电梯"}) == '{"a":"电梯"}'
