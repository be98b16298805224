"""Models are fitted from the store, kept as versions, and taken up by the next ingest."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from alerts import incident
from alerts.alarm import list_alarms
from alerts.conditions import condition_table
from alerts.false_alarm import FalseCause, mark_false
from alerts.limits import Limits
from alerts.signal import Signal
from alerts.watch import Watch
from ingest.fit_pool import FitBackend, local_pool
from ingest.model_fit import Outcome, Wanted, fit_units, units_to_fit
from ingest.model_history import BUDGET_SETTING, MOST_TICKET_DAYS, known_bad
from models.alarm_budget import BUDGET_PER_MONTH
from models.detectors.bank import DetectorBank
from models.detectors.training import DAY_MS, Stretch
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry import activity
from registry.database import Database
from registry.errors import UnknownUnit
from registry.model_version import ModelVersion, UnknownVersion, active_version, list_versions, promote, roll_back
from registry.role import Actor, Grant, Role
from registry.site import add_site
from registry.unit import add_unit, get_unit
from tests.ingest.line import T0_MS, Line

ROWS, STEP_MS = 1500, 10_000
DAYS = ROWS * STEP_MS / DAY_MS
SUMPS = tuple(UnitKey("xiaohe", Kind.PUMP, f"sump-{n}") for n in range(3))
CHEN = Actor("chen", (Grant(Role.PROPERTY_MANAGER, None),))
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
    line: Line,
    *,
    workers: int = 1,
    backend: FitBackend = "loky",
    is_dry_run: bool = False,
    unit: str | None = None,
    budget_per_month: float = BUDGET_PER_MONTH,
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
            budget_per_month=budget_per_month,
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


def alarm_and_ticket(line: Line, *, began_ms: int, ended_ms: int) -> tuple[int, str]:
    """An alarm of the first sump that came and went, and whose ticket is still open: its id and condition."""
    condition = condition_table(Limits())[Kind.PUMP][0]
    with line.database.writing() as session:
        unit_id = get_unit(session, SUMPS[0].path).id
        for ts_ms, is_active in ((began_ms, True), (ended_ms, False)):
            incident.apply_signals(
                session,
                [Signal(SUMPS[0], condition, ts_ms, is_active, {})],
                units={SUMPS[0]: unit_id},
                received_ms=ts_ms,
            )
        [alarm] = list_alarms(session, unit_id=unit_id)
        return alarm.id, condition.code


def stretches(line: Line) -> list[Stretch]:
    with line.database.reading() as session:
        return list(known_bad(session, get_unit(session, SUMPS[0].path).id))


def test_the_time_of_an_alarm_is_left_out_and_told(line: Line) -> None:
    _, code = alarm_and_ticket(line, began_ms=T0_MS + 400 * STEP_MS, ended_ms=T0_MS + 460 * STEP_MS)
    [outcome] = fit(line, unit="sump-0", is_dry_run=True)
    # Ten minutes before it, and the ticket it opened is still open.
    assert outcome.left_out_rows >= 60 + 61
    assert f"alarm {code}" in outcome.left_out


def test_a_ticket_left_open_for_long_does_not_keep_a_unit_from_being_fitted(line: Line) -> None:
    began_ms = T0_MS - (MOST_TICKET_DAYS + 1) * DAY_MS
    alarm_and_ticket(line, began_ms=began_ms, ended_ms=began_ms + 60 * STEP_MS)
    of_ticket = [each for each in stretches(line) if each.reason.startswith("ticket")]
    assert [(each.start_ms, each.end_ms) for each in of_ticket] == [(began_ms, began_ms + MOST_TICKET_DAYS * DAY_MS)]
    assert of_ticket[0].reason.endswith(f", its first {MOST_TICKET_DAYS} days")
    [outcome] = fit(line, unit="sump-0")
    assert (outcome.left_out_rows, outcome.version) == (0, 1)


@pytest.mark.parametrize("cause", FalseCause)
def test_what_was_falsely_taken_for_a_fault_is_learned_as_normal(line: Line, cause: FalseCause) -> None:
    began_ms = T0_MS + 400 * STEP_MS
    alarm_id, _ = alarm_and_ticket(line, began_ms=began_ms, ended_ms=T0_MS + 460 * STEP_MS)
    assert len(stretches(line)) == 2
    with line.database.writing() as session:
        mark_false(session, alarm_id, cause=cause, note="seen on site", actor=CHEN, now_ms=began_ms)
    # A sensor that lied or a drill was no normal running, whoever was right about the alarm.
    was_normal = cause in (FalseCause.MODEL, FalseCause.LIMIT)
    assert len(stretches(line)) == (0 if was_normal else 2)
    assert (fit(line, unit="sump-0", is_dry_run=True)[0].left_out_rows == 0) is was_normal


def test_the_alarm_budget_goes_and_comes_back_with_its_version(line: Line) -> None:
    fit(line, budget_per_month=0.5)
    fit(line, budget_per_month=0.02)
    with line.database.writing() as session:
        unit = get_unit(session, SUMPS[0].path)
        promote(session, unit, 2, by="chen")
        assert [version.settings[BUDGET_SETTING] for version in list_versions(session, unit_id=unit.id)] == [
            0.02,
            0.5,
        ]
    bank = restarted_bank(line)
    # The third has no version: the setting holds for it.
    assert [bank.budget_of(unit) for unit in SUMPS] == [0.02, 0.5, BUDGET_PER_MONTH]
    with line.database.writing() as session:
        roll_back(session, get_unit(session, SUMPS[0].path), by="chen")
    assert restarted_bank(line).budget_of(SUMPS[0]) == 0.5


def test_a_version_that_tells_no_budget_is_judged_with_that_of_the_settings(line: Line) -> None:
    fit(line, budget_per_month=0.5)
    with line.database.writing() as session:
        session.execute(update(ModelVersion).values(settings={"days": DAYS}))
    assert restarted_bank(line).budget_of(SUMPS[0]) == BUDGET_PER_MONTH


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
