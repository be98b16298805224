"""The pages and the API of models: what is shown to decide on, and who may decide."""

from collections.abc import Callable

import numpy as np
import pytest

from alerts.false_alarm import FalseCause, mark_false
from models.detectors.artefact import pack
from models.detectors.training import DAY_MS, fit_history, judged_rows
from models.equipment import Kind
from models.reading import ReadingBlock
from registry.activity import after
from registry.model_trial import Heard, WouldBe, put_attempt, put_drift, put_trials
from registry.model_version import add_version
from registry.role import Actor, Role
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, NOON_MS, PUMP, World, items
from tests.api.pages.conftest import Browser

HOUR_MS = 3_600_000
ROWS, STEP_MS = 200, 60_000


def fit(world: World, seed: int = 1) -> int:
    """Keeps a version of the pump; gives its id."""
    values = np.random.default_rng(seed).normal(size=(ROWS, 2))
    ts_ms = NOON_MS - 20 * DAY_MS + np.arange(ROWS, dtype=np.int64) * STEP_MS
    index = np.zeros(ROWS, dtype=np.int64)
    block = ReadingBlock(Kind.PUMP, ("flow_m3_h", "level_m"), (PUMP,), index, ts_ms, values)
    model = fit_history(judged_rows(block), need_days=0.1)
    with world.database.writing() as session:
        settings = {"days": 0.1}
        unit = get_unit(session, PUMP.path)
        return add_version(session, unit, pack(model), settings=settings, by="schedule", now_ms=NOON_MS)[0].id


def ran_in_shadow(world: World, version_id: int, *, days: float, alarms: list[float]) -> None:
    """`alarms` are hours before now at which it would have raised one, for an hour each."""
    with world.database.writing() as session:
        heard = Heard(NOON_MS - round(days * DAY_MS), NOON_MS, 5000)
        told = []
        for hours in alarms:
            at_ms = NOON_MS - round(hours * HOUR_MS)
            told += [
                WouldBe(version_id, at_ms, True, at_ms, 2.0, [("flow_m3_h", 1.0)]),
                WouldBe(version_id, at_ms + HOUR_MS, False, at_ms, 0.2, ()),
            ]
        put_trials(session, {version_id: heard}, told)


def listed(world: World, state: str = "") -> list[dict[str, object]]:
    headers = world.bearer((Role.TECHNICIAN, HERE))
    return items(world.client.get(f"/api/v1/models?state={state}", headers=headers))


def advice(world: World) -> object:
    [shadow] = listed(world, "in_shadow")
    trial = shadow["trial"]
    return trial["advice"] if isinstance(trial, dict) else None


@pytest.fixture
def manager(browser_of: Callable[..., Browser]) -> Browser:
    return browser_of((Role.PROPERTY_MANAGER, HERE))


@pytest.fixture
def technician(browser_of: Callable[..., Browser]) -> Browser:
    return browser_of((Role.TECHNICIAN, HERE))


@pytest.fixture
def decide(world: World) -> Callable[[str], dict[str, object]]:
    headers = world.bearer((Role.PROPERTY_MANAGER, HERE))

    def post(what: str) -> dict[str, object]:
        answer = world.client.post(f"/api/v1/models/{PUMP.path}/{what}", headers=headers)
        return {"status": answer.status_code, **answer.json()}

    return post


def test_a_new_version_waits_in_shadow_until_it_is_put_in_force(
    world: World, decide: Callable[[str], dict[str, object]]
) -> None:
    fit(world)
    fit(world, 2)
    assert [(each["version"], each["state"]) for each in listed(world)] == [(2, "in_shadow"), (1, "in_force")]
    assert decide("2/promote")["state"] == "in_force"
    assert decide("roll-back")["version"] == 1
    assert [(each["version"], each["state"]) for each in listed(world)] == [(2, "kept"), (1, "in_force")]
    with world.database.reading() as session:
        told = [row.verb for row in after(session, 0) if row.verb.startswith("model.")]
    assert told[-2:] == ["model.promoted", "model.rolled_back"]


def test_what_is_not_there_is_told(world: World, decide: Callable[[str], dict[str, object]]) -> None:
    fit(world)
    assert decide("9/promote")["status"] == 404
    assert decide("roll-back")["type"] == "urn:liandong:problem:unknown-model-version"
    fit(world, 2)
    assert decide("2/dismiss")["state"] == "kept"


def test_another_compound_sees_nothing_of_them(world: World) -> None:
    fit(world)
    headers = world.bearer((Role.PROPERTY_MANAGER, ELSEWHERE))
    assert items(world.client.get("/api/v1/models", headers=headers)) == []
    assert world.client.get(f"/api/v1/models?unit={PUMP.path}", headers=headers).status_code == 404
    assert world.client.post(f"/api/v1/models/{PUMP.path}/1/promote", headers=headers).status_code == 404


def test_a_week_without_more_alarms_speaks_for_a_version(world: World) -> None:
    fit(world)
    version_id = fit(world, 2)
    ran_in_shadow(world, version_id, days=3, alarms=[])
    assert advice(world) == "too_early"
    ran_in_shadow(world, version_id, days=0, alarms=[30])
    with world.database.writing() as session:
        put_trials(session, {version_id: Heard(0, NOON_MS + 5 * DAY_MS, 1)}, ())
    assert advice(world) == "louder"


def test_an_alarm_that_would_have_been_missed_speaks_against_it_unless_it_was_false(world: World) -> None:
    fit(world)
    version_id = fit(world, 2)
    ran_in_shadow(world, version_id, days=9, alarms=[])
    alarm_id = world.signal(PUMP, "anomaly")
    with world.database.writing() as session:
        put_trials(session, {version_id: Heard(NOON_MS, NOON_MS + DAY_MS, 1)}, ())
    assert advice(world) == "misses"
    with world.database.writing() as session:
        actor = Actor("chen")
        mark_false(session, alarm_id, cause=FalseCause.MODEL, actor=actor, now_ms=NOON_MS)
    assert advice(world) == "as_good"
    [shadow] = listed(world, "in_shadow")
    trial = shadow["trial"]
    assert isinstance(trial, dict)
    assert (trial["alarms_in_force"], trial["marked_false"], trial["spared"]) == (1, 1, 1)


def test_the_page_tells_figures_and_lets_a_manager_decide(world: World, manager: Browser) -> None:
    fit(world)
    version_id = fit(world, 2)
    ran_in_shadow(world, version_id, days=9, alarms=[])
    assert "may be put in force" in manager.get("/models").text
    page = manager.get(f"/models/{PUMP.path}")
    assert "5000 readings judged" in page.text
    manager.post(f"/models/{PUMP.path}/promote", version="2")
    assert "In force: model v2" in manager.get(f"/models/{PUMP.path}").text
    manager.post(f"/models/{PUMP.path}/roll-back")
    assert "In force: model v1" in manager.get(f"/models/{PUMP.path}").text


def test_all_that_are_as_good_are_put_in_force_at_once(world: World, manager: Browser) -> None:
    fit(world)
    ran_in_shadow(world, fit(world, 2), days=9, alarms=[])
    manager.post("/models/promote-ready", chosen=f"{PUMP.path}/2")
    assert [each["version"] for each in listed(world, "in_force")] == [2]
    # What is no longer in shadow is left as it is.
    manager.post("/models/promote-ready", chosen=f"{PUMP.path}/1")
    assert [each["version"] for each in listed(world, "in_force")] == [2]


def test_without_a_model_the_page_says_what_is_lacking(world: World, manager: Browser) -> None:
    with world.database.writing() as session:
        unit = get_unit(session, PUMP.path)
        put_attempt(session, unit.id, reason="not enough history: 3 of 14 days", now_ms=NOON_MS)
    assert "Not enough history: 3 of 14 days" in manager.get("/models").text
    assert "Not enough history: 3 of 14 days" in manager.get(f"/models/{PUMP.path}").text


def test_drift_is_told_value_by_value(world: World, manager: Browser) -> None:
    version_id = fit(world)
    channel = {"channel": "flow_m3_h", "index": 3.2, "shift": 4.1, "told": 1.0, "told_before": 1.0}
    with world.database.writing() as session:
        report = {"channels": [channel], "over": 0.3, "over_before": 0.01}
        put_drift(session, version_id, movement="scores", report=report, now_ms=NOON_MS)
    page = manager.get(f"/models/{PUMP.path}").text
    assert "the model no longer fits" in page
    assert "Readings over the limit: 30.0 % now, 1.0 % when fitted." in page
    assert "+4.1" in page


def test_a_technician_looks_and_decides_nothing(world: World, technician: Browser) -> None:
    fit(world)
    fit(world, 2)
    page = technician.get(f"/models/{PUMP.path}")
    assert page.status == 200
    assert "Put v2 in force" not in page.text
