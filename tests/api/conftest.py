"""The application on either database, with telemetry in DuckDB."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from alerts.limits import Limits
from api.app import create_app
from api.settings import Settings
from ingest.stores.duckdb import DuckDBStore
from registry.database import Database
from registry.site import add_site
from registry.unit import add_unit
from tests.api.kit import BASE_URL, ELSEWHERE, HERE, UNITS, Clock, World, resources_of


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"))  # type: ignore[call-arg]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(tmp_path / "telemetry.duckdb")
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def world(database: Database, store: DuckDBStore, clock: Clock, settings: Settings) -> Iterator[World]:
    with database.writing() as session:
        sites = {
            HERE: add_site(session, key=HERE, name="Xiaohe Garden", now_ms=clock()),
            ELSEWHERE: add_site(session, key=ELSEWHERE, name="Ping'an Ju", timezone="Europe/Berlin", now_ms=clock()),
        }
        for unit in UNITS:
            add_unit(session, site=sites[unit.site], kind=unit.kind, key=unit.unit, now_ms=clock())
    app = create_app(resources_of(database, store, clock, settings=settings))
    with TestClient(app, base_url=BASE_URL, follow_redirects=False) as client:
        yield World(app, client, database, store, clock, Limits())
