"""Sites, units, and readings condensed by step."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.routes.register import DEFAULT_POINTS, MOST_POINTS, fitting_step_s
from api.settings import Settings
from ingest.stores.opening import open_store
from registry.role import Role
from registry.site import get_site
from registry.unit import add_unit
from tests.api.kit import BASE_URL, FAR_PUMP, LIFT, NOON_MS, PUMP, World, items, resources_of
from tests.servers.child import free_port

ANYBODY = (Role.OWNER, None)
HOUR_MS = 3600 * 1000


def readings(world: World, query: dict[str, Any], *, unit: str = PUMP.path) -> Any:
    params = {"metric": "level_m", **query}
    return world.client.get(f"/api/v1/units/{unit}/readings", params=params, headers=world.bearer(ANYBODY))


def test_units_are_found_by_site_kind_and_words(world: World) -> None:
    headers = world.bearer(ANYBODY)

    def found(**query: str) -> list[object]:
        return [row["unit"] for row in items(world.client.get("/api/v1/units", params=query, headers=headers))]

    assert found(site="xiaohe", kind="pump") == [PUMP.path]
    assert found(kind="pump") == [PUMP.path, FAR_PUMP.path]
    assert found(search="garden b3") == [LIFT.path]
    assert found(search="B3-L1") == [LIFT.path]
    assert found(search="100%") == []
    assert found(site="nowhere") == []
    assert found(site="", kind="pump", search="", cursor="") == [PUMP.path, FAR_PUMP.path]
    assert len(found(kind="")) == 4


def test_pages_hold_every_unit_once(world: World) -> None:
    with world.database.writing() as session:
        site = get_site(session, PUMP.site)
        for number in range(7):
            add_unit(session, site=site, kind=PUMP.kind, key=f"more-{number}", now_ms=world.clock())
    headers = world.bearer(ANYBODY)
    seen: list[object] = []
    cursor: str | None = None
    for _ in range(10):
        page = world.client.get("/api/v1/units", params={"limit": 4, "cursor": cursor}, headers=headers).json()
        assert len(page["items"]) <= 4
        seen += [row["unit"] for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 11


def test_a_unit_tells_its_newest_values(world: World) -> None:
    world.measure(PUMP, {"level_m": [1.0, 1.5], "odd_metric": [7.0, 8.0]}, start_ms=NOON_MS - 60_000, step_ms=30_000)
    unit = world.client.get(f"/api/v1/units/{PUMP.path}", headers=world.bearer(ANYBODY)).json()
    assert (unit["unit"], unit["site"], unit["key"], unit["kind"]) == (PUMP.path, PUMP.site, "p1", "pump")
    metrics = {row["metric"]: row for row in unit["metrics"]}
    assert metrics["level_m"]["value"] == 1.5
    assert metrics["level_m"]["at"] == "2026-11-23T11:59:30.000+08:00"
    assert metrics["flow_m3_h"]["value"] is None
    assert (metrics["odd_metric"]["value"], metrics["odd_metric"]["is_known"]) == (8.0, False)


def test_readings_are_condensed_by_step(world: World) -> None:
    world.measure(PUMP, {"level_m": [1.0, 2.0, 6.0, 4.0]}, start_ms=NOON_MS, step_ms=5_000)
    found = readings(world, {"start": NOON_MS, "end": NOON_MS + HOUR_MS, "step": 10}).json()
    assert found == {
        "metric": "level_m",
        "step_s": 10,
        "points": [[NOON_MS, 1.5, 1.0, 2.0, 2], [NOON_MS + 10_000, 5.0, 4.0, 6.0, 2]],
    }


def test_readings_are_those_of_the_last_day_unless_told_otherwise(world: World) -> None:
    world.measure(PUMP, {"level_m": [1.0, 2.0, 3.0]}, start_ms=NOON_MS - 25 * HOUR_MS, step_ms=12 * HOUR_MS)
    found = readings(world, {}).json()
    assert [point[1] for point in found["points"]] == [2.0, 3.0]
    assert 24 * 3600 / found["step_s"] <= DEFAULT_POINTS


@pytest.mark.parametrize(
    "start",
    [str(NOON_MS), "2026-11-23T12:00:00+08:00", "2026-11-23T04:00:00Z", "2026-11-23T12:00:00.000 08:00"],
)
def test_times_are_epoch_milliseconds_or_carry_their_offset(world: World, start: str) -> None:
    world.measure(PUMP, {"level_m": [1.0, 2.0]}, start_ms=NOON_MS - 1_000, step_ms=1_000)
    found = readings(world, {"start": start, "end": NOON_MS + 1_000, "step": 1}).json()
    assert found["points"] == [[NOON_MS, 2.0, 2.0, 2.0, 1]]


def test_what_is_empty_is_not_asked_for(world: World) -> None:
    assert readings(world, {"start": "", "end": "", "step": ""}).json() == readings(world, {}).json()
    headers = world.bearer(ANYBODY)
    for query in (
        "alarms?state=&site=&severity=&unit=&cursor=",
        "tickets?stage=&site=&unit=&cursor=",
        "activity?after=",
    ):
        assert world.client.get(f"/api/v1/{query}", headers=headers).status_code == 200


def test_what_cannot_be_meant_is_refused_with_the_field(world: World, subtests: pytest.Subtests) -> None:
    queries: list[dict[str, Any]] = [
        {"start": "2026-11-23T12:00:00"},
        {"start": "yesterday"},
        {"start": "99999999999999999999"},
        {"start": "-1"},
        {"start": "0001-01-01T00:00:00+14:00"},
        {"start": NOON_MS, "end": NOON_MS},
        {"step": 0},
        {"step": "1.5"},
        {"step": 10**12},
        {"metric": ""},
        {"metric": "x" * 101},
    ]
    for query in queries:
        with subtests.test(query=query):
            answer = readings(world, query)
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
            told = answer.json()
            assert set(query) & {told.get("field"), *(error["field"] for error in told.get("errors", []))}


def test_too_many_points_are_refused_with_the_step_that_would_do(world: World) -> None:
    span = {"start": NOON_MS - 100 * HOUR_MS, "end": NOON_MS}
    refused = readings(world, {**span, "step": 1})
    assert refused.status_code == 422
    told = refused.json()
    assert (told["points"], told["most_points"]) == (360_000, MOST_POINTS)
    assert readings(world, {**span, "step": told["smallest_step_s"]}).status_code == 200


@pytest.mark.parametrize("span_s", [1, 499, 500, 501, 86_400, 7 * 86_400, 366 * 86_400, 100 * 366 * 86_400])
def test_the_step_fits_the_span(span_s: int) -> None:
    step_s = fitting_step_s(0, span_s * 1000)
    assert span_s / step_s <= DEFAULT_POINTS


def test_an_unknown_metric_is_told_with_those_there_are(world: World) -> None:
    world.measure(PUMP, {"odd_metric": [1.0]}, start_ms=NOON_MS, step_ms=1_000)
    assert readings(world, {"metric": "odd_metric"}).status_code == 200
    answer = readings(world, {"metric": "level_cm"})
    assert answer.status_code == 404
    assert {"level_m", "odd_metric"} <= set(answer.json()["metrics"])


def test_an_address_that_names_no_unit_is_not_found(world: World, subtests: pytest.Subtests) -> None:
    for unit in ("xiaohe", "xiaohe~", "~p1", "xiaohe~p1~p1", "XIAOHE~P1", "小河~p1", "..~.."):
        with subtests.test(unit=unit):
            assert readings(world, {}, unit=unit).status_code == 404


def test_a_store_that_does_not_answer_takes_only_the_readings_away(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    nowhere = f"influxdb+http://127.0.0.1:{free_port()}/?org=o&bucket=b"
    held = resources_of(
        world.database, open_store(nowhere, token="t", data_dir=tmp_path), world.clock, settings=settings
    )
    headers = world.bearer(ANYBODY)
    with TestClient(create_app(held), base_url=BASE_URL) as client:
        answer = client.get(f"/api/v1/units/{PUMP.path}/readings?metric=level_m", headers=headers)
        unit = client.get(f"/api/v1/units/{PUMP.path}", headers=headers).json()
        ready = client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:liandong:problem:telemetry-unavailable")
    assert nowhere not in answer.text
    assert (unit["name"], unit["is_telemetry_available"]) == ("p1", False)
    assert (ready.status_code, ready.json()["failed"]) == (503, ["telemetry"])
