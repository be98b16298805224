"""The pages in a real browser: the application behind a real server, on a small world whose events a test decides."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page

from alerts.limits import Limits
from api.app import create_app
from api.security import SESSION_COOKIE
from api.settings import Settings
from ingest.stores.duckdb import DuckDBStore
from registry.database import Database
from registry.login import Purpose
from registry.role import Role
from registry.site import add_site
from registry.unit import add_unit
from tests.api.kit import BASE_URL, ELSEWHERE, HERE, UNITS, Clock, World, resources_of, served

Enter = Callable[..., None]


@pytest.fixture
def world(migrated_sqlite: Path, tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'liandong.sqlite')}")
    store = DuckDBStore(tmp_path / "telemetry.duckdb")
    store.prepare()
    clock = Clock()
    with database.writing() as session:
        sites = {
            HERE: add_site(session, key=HERE, name="小河佳苑", now_ms=clock()),
            ELSEWHERE: add_site(session, key=ELSEWHERE, name="平安居", now_ms=clock()),
        }
        for unit in UNITS:
            add_unit(session, site=sites[unit.site], kind=unit.kind, key=unit.unit, now_ms=clock())
    settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
    app = create_app(resources_of(database, store, clock, settings=settings))
    yield World(app, TestClient(app, base_url=BASE_URL), database, store, clock, Limits())
    store.close()
    database.close()


@pytest.fixture
def site(world: World) -> Iterator[str]:
    """The address of the running server."""
    with served(world.app) as url:
        yield url


@pytest.fixture
def enter(world: World, site: str) -> Enter:
    """`enter(page, "/tickets", (Role.TECHNICIAN, "xiaohe"))`: a new person, signed in, at a page."""

    def go(page: Page, path: str = "/", *grants: tuple[Role, str | None]) -> None:
        secret, _ = world.login(world.person(*(grants or ((Role.ADMIN, None),))), Purpose.WEB)
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": secret, "url": site, "httpOnly": True}])
        page.goto(site + path)

    return go
