"""Models are fitted from the store, kept as versions, and taken up by the next ingest."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from alerts import incident
from alerts.conditions import condition_table
from alerts.limits import Limits
from alerts.signal import Signal
from alerts.watch import Watch
from ingest.fit_pool import FitBackend, local_pool
from ingest.model_fit import Outcome, Wanted, fit_units, units_to_fit
from models.detectors.bank import DetectorBank
from models.detectors.training import DAY_MS
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry import activity
from registry.database import Database
from registry.errors import UnknownUnit
from registry.model_version import ModelVersion, UnknownVersion, active_version, list_versions, promote, roll_back
from registry.site import add_site
from registry.unit import add_unit, get_unit
from tests.ingest.line import T0_MS, Line

ROWS, STEP_MS = 1500, 10_000
DAYS = ROWS * STEP_MS / DAY_MS
SUMPS = tuple(UnitKey("xiaohe", Kind.PUMP, f"sump-{n}") for n in range(3))
TOO_MANY_ROWS = 50_000
"""A bank that wants so many rows has none of them at a start: it is fitted only by a version."""


def rows_of(unit: UnitKey, rows: int = ROWS) -> ReadingBlock:
    rng = np.random.default_rng(SUMPS.index(unit))
    values = rng.normal(size=(rows, 1)) + rng.normal(0, 0.1, (rows, 3))
    ts_ms = T0_MS + np.arange(rows, dtype=np.int64) * STEP_MS
    metrics = ("flow_m3_h", "level_m", "pump1_current_a")
    return ReadingBlock(Kind.PUMP, metrics, (unit,), np.zeros(rows, dtype=np.int64), ts_ms, values)


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", name="Xiaohe", timezone="Asia/Shanghai", now_ms=T0_MS)
        for unit in SUMPS:
            add_unit(session, site=site, kind=unit.kind, key=unit.unit, now_ms=T0_MS)
        add_unit(session, site=site, kind=Kind.ELEVATOR, key="lift-1", now_ms=T0_MS)
    line = Line(database, tmp_path / "telemetry.duckdb")
    line.store.write("history", [rows_of(SUMPS[0]), rows_of(SUMPS[1]), rows_of(SUMPS[2], 300)])
    yield line
    line.close()


def fit(
    line: Line, *, workers: int = 1, backend: FitBackend = "loky", is_dry_run: bool = False, unit: str | None = None
) -> list[Outcome]:
    ids = units_to_fit(line.database, Wanted(unit=unit, kind=Kind.PUMP))
    return list(
        fit_units(
            line.database,
            line.store,
            ids,
            days=DAYS,
            by="chen",
            code_version="1",
            clock=lambda: T0_MS + DAY_MS,
            run=local_pool(workers, backend=backend),
            is_dry_run=is_dry_run,
        )
    )


def restarted_bank(line: Line) -> DetectorBank:
    bank = DetectorBank(fit_rows=TOO_MANY_ROWS)
    line.writer.stop()
    line.start(watch=Watch(banks={Kind.PUMP: bank}))
    line.pipeline.restore()
    return bank


def verbs(line: Line) -> list[tuple[str, str, object]]:
    with line.database.reading() as session:
        return [(row.verb, row.actor, row.data["version"]) for row in activity.after(session, 0)]


def test_each_unit_gets_a_model_or_the_reason_why_not(line: Line) -> None:
    outcomes = fit(line)
    assert [(each.unit, each.version, each.is_active) for each in outcomes[:2]] == [
        ("xiaohe~sump-0", 1, True),
        ("xiaohe~sump-1", 1, True),
    ]
    assert outcomes[2].reason.startswith("not enough history: 0.0346 of 0.174 days")
    assert verbs(line) == 2 * [("model.fitted", "chen", 1), ("model.promoted", "chen", 1)]


def test_a_dry_run_keeps_nothing(line: Line) -> None:
    assert [each.model is not None for each in fit(line, is_dry_run=True)] == [True, True, False]
    with line.database.reading() as session:
        assert list_versions(session) == []
        assert activity.last_id(session) == 0


def test_a_unit_that_is_not_there_is_told(line: Line) -> None:
    with pytest.raises(UnknownUnit):
        units_to_fit(line.database, Wanted(unit="sump-9"))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_number_of_workers_changes_no_bit(line: Line, backend: FitBackend) -> None:
    fit(line)
    fit(line, workers=2, backend=backend)
    with line.database.reading() as session:
        made = [(version.unit_id, version.sha256) for version in list_versions(session)]
    assert len(made) == 4
    assert len(set(made)) == 2


def test_the_time_of_an_alarm_is_left_out_and_told(line: Line) -> None:
    began_ms, ended_ms = T0_MS + 400 * STEP_MS, T0_MS + 460 * STEP_MS
    condition = condition_table(Limits())[Kind.PUMP][0]
    with line.database.writing() as session:
        ids = {SUMPS[0]: get_unit(session, SUMPS[0].path).id}
        for ts_ms, is_active in ((began_ms, True), (ended_ms, False)):
            incident.apply_signals(
                session, [Signal(SUMPS[0], condition, ts_ms, is_active, {})], units=ids, received_ms=ts_ms
            )
    [outcome] = fit(line, unit="sump-0", is_dry_run=True)
    # Ten minutes before it, and the ticket it opened is still open.
    assert outcome.left_out_rows >= 60 + 61
    assert f"alarm {condition.code}" in outcome.left_out


def test_a_restart_goes_on_with_the_model_in_force(line: Line) -> None:
    assert not restarted_bank(line).progress(SUMPS[0]).is_fitted
    fit(line)
    bank = restarted_bank(line)
    assert [bank.progress(unit).is_fitted for unit in SUMPS] == [True, True, False]


def test_a_damaged_model_is_refused_and_the_one_before_it_taken(line: Line) -> None:
    fit(line)
    fit(line)
    with line.database.writing() as session:
        unit = get_unit(session, SUMPS[0].path)
        promote(session, unit, 2, by="chen")
        damage = update(ModelVersion).values(arrays=b"\x80\x04K\x01.")
        session.execute(damage.where(ModelVersion.unit_id == unit.id, ModelVersion.number == 2))
    assert restarted_bank(line).progress(SUMPS[0]).is_fitted
    with line.database.writing() as session:
        session.execute(damage.where(ModelVersion.unit_id == unit.id))
    bank = restarted_bank(line)
    assert [bank.progress(unit).is_fitted for unit in SUMPS] == [False, True, False]


def test_a_later_model_waits_for_a_person_who_may_also_go_back(line: Line) -> None:
    fit(line, unit="sump-0")
    assert not fit(line, unit="sump-0")[0].is_active
    assert verbs(line)[-2:] == [("model.fitted", "chen", 2), ("model.shadowed", "chen", 2)]
    with line.database.writing() as session:
        unit = get_unit(session, SUMPS[0].path)
        assert [entry.verb for entry in promote(session, unit, 2, by="chen")] == ["model.promoted"]
        assert promote(session, unit, 2, by="chen") == []
        assert [entry.verb for entry in roll_back(session, unit, by="chen")] == ["model.rolled_back"]
        present = active_version(session, unit.id)
        assert present is not None
        assert present.number == 1
        with pytest.raises(UnknownVersion, match="no earlier model"):
            roll_back(session, unit, by="chen")
        with pytest.raises(UnknownVersion, match="no model v9"):
            promote(session, unit, 9, by="chen")
