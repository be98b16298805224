"""An installation with somebody who may look at its ledger."""

from pathlib import Path

import pytest

from registry.database import Database
from registry.person import add_person
from registry.role import Role
from tests.chaos.stream import NAME, PASSWORD


def prepared(url: str) -> None:
    database = Database(url)
    database.migrate()
    with database.writing() as session:
        add_person(session, name=NAME, password=PASSWORD, role=Role.ADMIN, now_ms=1)
    database.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "var"
    directory.mkdir()
    prepared(f"sqlite:///{directory / 'liandong.sqlite'}")
    return directory
