"""The fixtures that all tests share. Servers start when the first test asks for them."""

import atexit
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from playwright.sync_api import Browser, Page

from ingest.broker import EmbeddedBroker
from registry.database import Database
from tests.left_out import HAS_FAILED, pytest_make_collect_report, pytest_runtest_makereport, pytest_terminal_summary
from tests.network_guard import keep_to_this_machine
from tests.servers.chromium import DESKTOP, PHONE, opened_page, running_chromium
from tests.servers.influx import Influx, running_influx
from tests.servers.liandong import LiandongProcess, StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport", "pytest_terminal_summary"]

DATABASES = ("sqlite", "postgresql")
BROKERS = ("embedded", "mosquitto")
STANDARD_ERROR = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("liandong")
    group.addoption("--database", choices=(*DATABASES, "both"), default="both", help="which databases to test on")


def pytest_configure() -> None:
    for name in list(os.environ):
        # The settings of whoever runs the tests are not those of the tests.
        if name.startswith("LIANDONG_") and not name.startswith("LIANDONG_TEST_"):
            del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    # A run that is told to end takes its servers down first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keep_to_this_machine()
    # Servers in threads write when they like, also while pytest puts one captured stream in the place of another.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.__stderr__))
    atexit.register(_be_silent)


def _be_silent() -> None:
    """Lets pytest's closing line be the last: DuckDB's binding would list what is still held of it when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STANDARD_ERROR)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_engine" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--database")
        metafunc.parametrize("database_engine", DATABASES if chosen == "both" else [chosen], indirect=True)


@pytest.fixture(autouse=True)
def logs_left_as_they_were() -> Iterator[None]:
    """The command line sets logs up for its process, which here goes on."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


# Databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server; for a database of it, `database_url` is usually what is wanted."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def database_engine(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgresql`: whoever asks for it, or for `database_url`, runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(database_engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new, empty database."""
    if database_engine == "sqlite":
        yield f"sqlite:///{tmp_path / 'liandong.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.new_database()
    yield server.url_of(name)
    server.drop_database(name)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and no rows, to be copied."""
    path = tmp_path_factory.mktemp("template") / "liandong.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """The name of a database with all tables and no rows, to be used as a template."""
    name = postgres.new_database()
    _migrate(postgres.url_of(name))
    return name


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()


@pytest.fixture
def database(database_engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A new database with all tables and no rows; whoever asks for it runs on both engines."""
    if database_engine == "sqlite":
        copied = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "liandong.sqlite")
        database = Database(f"sqlite:///{copied}")
        yield database
        database.close()
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.new_database(template=request.getfixturevalue("migrated_postgres"))
    database = Database(server.url_of(name))
    yield database
    database.close()
    server.drop_database(name)


# Brokers


@pytest.fixture
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The program's own broker, running and empty."""
    broker = EmbeddedBroker(port=0)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Debian's Mosquitto, running and empty; it can be killed and started again."""
    directory = tmp_path / "mosquitto"
    directory.mkdir()
    broker = Mosquitto(directory)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=BROKERS)
def broker_url(request: pytest.FixtureRequest) -> str:
    """The address of a running, empty broker: whoever asks for it runs on both."""
    broker: EmbeddedBroker | Mosquitto
    broker = request.getfixturevalue("embedded_broker" if request.param == "embedded" else "mosquitto")
    return broker.url


# Telemetry


@pytest.fixture(scope="session")
def influx() -> Iterator[Influx]:
    """An InfluxDB for the whole run: give each test a bucket of its own."""
    with running_influx() as server:
        yield server


# Pages


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module and not for the run: while it lives, no other test could call `asyncio.run`."""
    with running_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page as on a desk, in Chinese."""
    with opened_page(browser, size=DESKTOP, name=request.node.name, has_failed=_has_failed(request)) as opened:
        yield opened


@pytest.fixture
def phone_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page as on a phone, in Chinese."""
    name = f"{request.node.name}-phone"
    with opened_page(browser, size=PHONE, name=name, has_failed=_has_failed(request)) as opened:
        yield opened


def _has_failed(request: pytest.FixtureRequest) -> Callable[[], bool]:
    return lambda: request.node.stash.get(HAS_FAILED, False)


# The program


@pytest.fixture
def liandong_process(tmp_path: Path) -> Iterator[StartLiandong]:
    """Starts the program: `liandong_process("up", settings={"MQTT_URL": …})` returns when it is ready.

    All of a test share one data directory, so that it can be started again on what it left. `ready_within_s=None`
    does not wait, for commands that end by themselves. What still runs when the test is over must end on SIGTERM.
    """
    started: list[LiandongProcess] = []

    def start(
        *arguments: str, settings: dict[str, str] | None = None, ready_within_s: float | None = 60
    ) -> LiandongProcess:
        process = LiandongProcess(*arguments, directory=tmp_path, number=len(started) + 1, settings=settings)
        started.append(process)
        if ready_within_s is not None:
            process.wait_until_ready(within_s=ready_within_s)
        return process

    yield start
    try:
        for process in reversed(started):
            if process.process.poll() is None:
                process.stop()
    finally:
        for process in started:
            process.clear_away()
