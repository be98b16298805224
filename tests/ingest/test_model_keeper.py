"""The schedule: models are fitted when they are due, in a process of low priority, and their drift is reported."""

import importlib.util
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest.fit_job import FitJob, Job, JobResult, do_job
from ingest.fit_pool import ClusterUnavailable, dask_pool
from ingest.fit_process import FittingEnded, LowPriorityProcess
from ingest.model_keeper import ModelKeeper
from models.detectors.artefact import FittedModel, pack
from models.detectors.training import DAY_MS
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry import activity
from registry.database import Database
from registry.model_trial import attempts_of, drifts_of
from registry.model_version import list_versions
from registry.site import add_site
from registry.unit import add_unit
from tests.ingest.line import T0_MS, Line

ROWS, STEP_MS = 900, 10_000
DAYS = ROWS * STEP_MS / DAY_MS
SUMP, LIFT, PANEL = (
    UnitKey("xiaohe", kind, name)
    for kind, name in ((Kind.PUMP, "sump-0"), (Kind.ELEVATOR, "lift-1"), (Kind.FIRE, "panel-1"))
)


def rows_of(unit: UnitKey, rows: int, *, start: int = 0, offset: float = 0.0) -> ReadingBlock:
    rng = np.random.default_rng(start + 1)
    metrics = {
        Kind.PUMP: ("flow_m3_h", "level_m"),
        Kind.ELEVATOR: ("door_close_s", "levelling_error_mm", "trips_total"),
        Kind.FIRE: ("battery_v", "hydrant_pressure_mpa"),
    }[unit.kind]
    values = rng.normal(size=(rows, len(metrics))) + offset
    ts_ms = T0_MS + (start + np.arange(rows, dtype=np.int64)) * STEP_MS
    return ReadingBlock(unit.kind, metrics, (unit,), np.zeros(rows, dtype=np.int64), ts_ms, values)


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", name="Xiaohe", timezone="Asia/Shanghai", now_ms=T0_MS)
        for unit in (SUMP, LIFT, PANEL):
            add_unit(session, site=site, kind=unit.kind, key=unit.unit, now_ms=T0_MS)
    line = Line(database, tmp_path / "telemetry.duckdb")
    line.store.write("history", [rows_of(SUMP, ROWS), rows_of(LIFT, ROWS), rows_of(PANEL, ROWS)])
    yield line
    line.close()


def keeper(line: Line, *, now_ms: int = T0_MS + DAY_MS, every_days: float = 28.0, every_s: float = 60.0) -> ModelKeeper:
    return ModelKeeper(
        database=line.database,
        store=line.store,
        clock=lambda: now_ms,
        days=DAYS,
        every_days=every_days,
        code_version="1",
        every_s=every_s,
    )


def here(jobs: Iterable[Job]) -> Iterator[JobResult]:
    return map(do_job, jobs)


def versions(line: Line) -> list[tuple[str, int]]:
    with line.database.reading() as session:
        return [(each.unit.key, each.number) for each in list_versions(session)]


def reasons(line: Line) -> list[str]:
    with line.database.reading() as session:
        return [attempt.reason for _, attempt in sorted(attempts_of(session, range(100)).items())]


def test_every_kind_is_fitted_when_due_and_told_why_when_it_cannot_be(line: Line) -> None:
    keeper(line).keep(here)
    assert versions(line) == [("lift-1", 1), ("sump-0", 1)]
    # A fire system is judged by a row in 15 minutes: of two and a half hours ten are left.
    assert reasons(line) == ["", "", "not enough history: 0.0938 of 0.104 days"]
    with line.database.reading() as session:
        lift = list_versions(session)[0].description
        assert lift["channels"] == ["door_close_s", "levelling_error_mm"]
        assert [row.actor for row in activity.after(session, 0) if row.verb == "model.fitted"] == 2 * ["schedule"]


def test_a_unit_is_fitted_again_only_when_its_model_is_old(line: Line) -> None:
    keeper(line).keep(here)
    keeper(line, now_ms=T0_MS + 20 * DAY_MS).keep(here)
    assert len(versions(line)) == 2
    keeper(line, now_ms=T0_MS + 40 * DAY_MS).keep(here)
    assert versions(line) == [("lift-1", 2), ("lift-1", 1), ("sump-0", 2), ("sump-0", 1)]


def test_without_a_schedule_nothing_is_fitted(line: Line) -> None:
    keeper(line, every_days=0).keep(here)
    assert versions(line) == []


def test_too_short_a_history_is_told_and_costs_no_process(line: Line) -> None:
    def nowhere(jobs: Iterable[Job]) -> Iterator[JobResult]:
        assert list(jobs) == []
        return iter(())

    short = keeper(line)
    short._days = 14.0
    short.keep(nowhere)
    assert reasons(line)[:2] == 2 * ["not enough history: 0.104 of 14 days"]
    assert versions(line) == []


def test_drift_is_reported_daily_and_recorded_when_it_changes(line: Line) -> None:
    keeper(line).keep(here)
    line.store.write("later", [rows_of(SUMP, 600, start=ROWS), rows_of(LIFT, 600, start=ROWS, offset=4.0)])
    keeper(line, now_ms=T0_MS + 3 * DAY_MS).keep(here)
    with line.database.reading() as session:
        of = {each.id: each.unit.key for each in list_versions(session)}
        drifts = {of[id_]: drift for id_, drift in drifts_of(session, of).items()}
        assert drifts["sump-0"].movement == "steady"
        assert drifts["lift-1"].movement == "inputs"
        most = drifts["lift-1"].report["channels"][0]
        assert most["shift"] == pytest.approx(4.0, abs=0.5)
        told = [row.data["movement"] for row in activity.after(session, 0) if row.verb == "model.drift"]
    assert sorted(told) == ["inputs", "steady", "unknown", "unknown"]


def test_the_thread_fits_in_a_process_of_its_own_and_ends_with_it(line: Line) -> None:
    background = keeper(line, every_s=0.01)
    background.start()
    line.wait_for(lambda: len(versions(line)) == 2, "both models")
    background.stop()
    assert "model-keeper" not in {thread.name for thread in threading.enumerate()}


def test_a_process_that_is_stopped_gives_up_its_job() -> None:
    process = LowPriorityProcess()
    process.stop()
    with pytest.raises(FittingEnded):
        list(process.run([FitJob(1, rows_of(SUMP, 200), 0.001)]))


def test_a_process_of_its_own_gives_the_same_bits() -> None:
    jobs = [FitJob(number, rows_of(SUMP, 400, start=number), 0.001) for number in range(2)]
    apart = [each.result for each in LowPriorityProcess().run(jobs)]
    assert [packed(each) for each in apart] == [packed(each.result) for each in here(jobs)]


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="dask is an optional extra")
def test_a_dask_cluster_gives_the_same_bits() -> None:
    from distributed import LocalCluster

    jobs = [FitJob(number, rows_of(SUMP, 400, start=number), 0.001) for number in range(3)]
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp://"
        ) as cluster,
        dask_pool(cluster.scheduler_address) as run,
    ):
        found = [each.result for each in run(jobs)]
    assert [packed(each) for each in found] == [packed(each.result) for each in here(jobs)]


def test_a_cluster_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.fit_pool.CONNECT_S", 0.2)
    began = time.monotonic()
    with pytest.raises(ClusterUnavailable, match=r"tcp://127\.0\.0\.1:9: ") as told, dask_pool("tcp://127.0.0.1:9"):
        pass
    assert "\n" not in str(told.value)
    assert time.monotonic() - began < 20


def packed(result: object) -> str:
    assert isinstance(result, FittedModel)
    return pack(result).sha256
