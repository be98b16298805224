"""The commands for models, on a data directory as an installation has it."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from api.command_line import app
from api.settings import Settings
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.opening import open_store
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.database import Database
from registry.site import add_site
from registry.unit import add_unit

UNIT = UnitKey("xiaohe", Kind.PUMP, "sump-1")
ROWS = 1000


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIANDONG_TRAIN_DAYS", "0.1")
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.resolved_database_url)
    database.migrate()
    with database.writing() as session:
        site = add_site(session, key="xiaohe", name="Xiaohe", timezone="Asia/Shanghai", now_ms=0)
        for key in ("sump-1", "sump-2"):
            add_unit(session, site=site, kind=Kind.PUMP, key=key, now_ms=0)
    database.close()
    store = open_store(settings.telemetry_url, token="", data_dir=tmp_path)
    assert isinstance(store, DuckDBStore)
    store.prepare()
    values = np.random.default_rng(1).normal(size=(ROWS, 2))
    ts_ms = 1_700_000_000_000 + np.arange(ROWS, dtype=np.int64) * 10_000
    index = np.zeros(ROWS, dtype=np.int64)
    store.write("history", [ReadingBlock(Kind.PUMP, ("flow_m3_h", "level_m"), (UNIT,), index, ts_ms, values)])
    store.close()
    return tmp_path


def run(data_dir: Path, *arguments: str, fails: int = 0) -> str:
    result = CliRunner().invoke(app, [*arguments, "--data-dir", str(data_dir)], env={"COLUMNS": "200"})
    assert result.exit_code == fails or (fails and result.exception is not None), result.output
    return result.output if not fails else str(result.exception)


def test_models_are_fitted_listed_promoted_and_rolled_back(data_dir: Path) -> None:
    assert "could be fitted" in run(data_dir, "train", "--dry-run")
    assert "no model yet" in run(data_dir, "models", "show", UNIT.path)
    told = run(data_dir, "train", "--site", "xiaohe", "--kind", "pump")
    assert "v1, in force" in told
    assert "not enough history: 0 of 0.1 days" in told
    assert "fitted: 1 of 2 units" in told
    assert "v2, in shadow beside the one in force" in run(data_dir, "train", "--unit", "sump-1")
    assert "is in force; a running ingest takes it up within a minute" in run(
        data_dir, "models", "promote", UNIT.path, "2"
    )
    assert "is in force already" in run(data_dir, "models", "promote", UNIT.path, "2")
    assert "v1 of xiaohe~sump-1 is in force again" in run(data_dir, "models", "roll-back", UNIT.path)
    listed = run(data_dir, "models", "list")
    assert listed.index("v2") < listed.index("v1")
    assert "data_sha256" in run(data_dir, "models", "show", UNIT.path)
    assert "ok: 6 activity rows" in run(data_dir, "verify")


def test_what_is_not_there_is_told(data_dir: Path) -> None:
    assert run(data_dir, "train", "--unit", "sump-9", fails=1) == "no unit 'sump-9'"
    assert run(data_dir, "models", "roll-back", UNIT.path, fails=1) == "unit xiaohe~sump-1 has no earlier model"
