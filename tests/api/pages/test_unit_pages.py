from collections.abc import Callable

import numpy as np
import pytest

from api.chart_drawer import ChartUnavailable
from api.pages.telemetry_window import MS_PER_D, MS_PER_H, MS_PER_MIN, MS_PER_S
from ingest import event_log
from ingest.stores.contract import StoreUnavailable
from registry.role import Role
from registry.unit import get_unit, set_status
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, LIFT, NOON_MS, PUMP, World
from tests.api.pages.conftest import Browser
from tests.api.pages.reading import Page

RECORDED_MS = 1_583_720_073_000  # 2020-03-09T10:14:33+08:00
CHANNELS = ("Current", "Pressure", "Volume Flow RateRMS")


def record(world: World, *, rows: int = 1_200) -> int:
    """A recording made years ago, one row a second; gives back the time of its last row."""
    noise = np.random.default_rng(5).normal(0, 0.1, (rows, len(CHANNELS)))
    values = {name: list(30 + noise[:, i]) for i, name in enumerate(CHANNELS)}
    world.measure(PUMP, values, start_ms=RECORDED_MS, step_ms=MS_PER_S)
    return RECORDED_MS + (rows - 1) * MS_PER_S


def anomaly(world: World, *, from_ms: int, until_ms: int | None) -> int:
    """An anomaly of the recording, found in it when it was replayed."""
    evidence = {
        "since_ms": from_ms,
        "anomaly_score": 14.2,
        "threshold": 5.1,
        "contributions": [["Volume Flow RateRMS", 0.62], ["Pressure", 0.3], ["Current", 0.08]],
    }
    now_ms = world.clock.now_ms
    world.clock.now_ms = from_ms + 2_000
    alarm_id = world.signal(PUMP, "anomaly", evidence=evidence)  # type: ignore[arg-type]
    if until_ms is not None:
        world.clock.now_ms = until_ms + 2_000
        world.signal(PUMP, "anomaly", is_active=False)
    world.clock.now_ms = now_ms
    return alarm_id


def chart_of(page: Page) -> str:
    """The title of the chart that is shown."""
    return page.text.partition("Readings: ")[2].partition(" Measured value")[0]


def test_a_unit_is_told_with_what_it_is(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        unit = get_unit(session, LIFT.path)
        unit.name, unit.building, unit.make, unit.maintainer = "Lift 1", "Building 3", "Kone", "Xizi"
        unit.installed_on = "2006-05-31"
    text = admin.get(f"/units/{LIFT.path}").text
    for words in ("Lift 1", "Building 3", "Kone", "Xizi", "2006-05-31", "Xiaohe Garden"):
        assert words in text


def test_values_are_told_in_words_with_their_units(world: World, admin: Browser) -> None:
    world.measure(
        LIFT, {"motor_temp_c": [61.5], "door_closed": [1.0], "service_mode": [1.0]}, start_ms=NOON_MS - 5_000, step_ms=1
    )
    text = admin.get(f"/units/{LIFT.path}").text
    assert "Motor temperature 61.5 °C" in text
    assert "Door closed closed" in text
    assert "Service mode Normal service" in text
    assert "Sends readings" in text


@pytest.mark.parametrize("how", ["never heard", "offline", "silent"])
def test_a_unit_whose_state_is_unknown_is_never_called_well(world: World, admin: Browser, how: str) -> None:
    if how != "never heard":
        age_ms = 5_000 if how == "offline" else 2 * MS_PER_H
        world.measure(PUMP, {"level_m": [0.8]}, start_ms=NOON_MS - age_ms, step_ms=1)
    with world.database.writing() as session:
        unit_id = get_unit(session, PUMP.path).id
        set_status(session, unit_id, is_online=how != "offline", ts_ms=NOON_MS - 60_000)
    text = admin.get(f"/units/{PUMP.path}").text
    assert "unknown" in text or "not known" in text
    assert "This does not mean that all is well" in text
    assert "Sends readings" not in text


def test_a_recording_made_years_ago_is_shown_as_it_was_and_says_so(world: World, admin: Browser) -> None:
    record(world)
    page = admin.get(f"/units/{PUMP.path}")
    assert "the window ends at the newest reading of the unit, not now" in page.text
    assert "2020-03-09 10:34:32 · Asia/Shanghai" in page.text
    assert page.html.count('class="marks"') == 2, "one drawing for a desk and one for a phone"


def test_an_anomaly_is_marked_and_the_sensor_that_contributed_most_is_shown(world: World, admin: Browser) -> None:
    last_ms = record(world)
    anomaly(world, from_ms=last_ms - 300_000, until_ms=last_ms - 60_000)
    page = admin.get(f"/units/{PUMP.path}")
    assert chart_of(page) == "Volume Flow RateRMS"
    assert "Differs most: Volume Flow RateRMS, 62 %" in page.text
    assert "Behaves unlike before · 2020-03-09 10:29:32 – 2020-03-09 10:33:32 (4 min)" in page.text
    assert ">Behaves unlike before</text>" in page.html, "the chart itself is labelled"


def test_an_anomaly_that_still_holds_is_marked_to_the_end(world: World, admin: Browser) -> None:
    last_ms = record(world)
    anomaly(world, from_ms=last_ms - 300_000, until_ms=None)
    assert "Behaves unlike before · since 2020-03-09 10:29:32, still holds" in admin.get(f"/units/{PUMP.path}").text


def test_every_occurrence_of_an_alarm_is_marked(world: World, admin: Browser) -> None:
    last_ms = record(world)
    anomaly(world, from_ms=last_ms - 600_000, until_ms=last_ms - 500_000)
    anomaly(world, from_ms=last_ms - 300_000, until_ms=last_ms - 200_000)
    text = admin.get(f"/units/{PUMP.path}").text
    assert "10:24:32 – 2020-03-09 10:26:12" in text
    assert "10:29:32 – 2020-03-09 10:31:12" in text


def test_a_metric_and_a_window_can_be_chosen(world: World, admin: Browser) -> None:
    record(world)
    start_ms, end_ms = RECORDED_MS + 60_000, RECORDED_MS + 120_000
    page = admin.get(f"/units/{PUMP.path}?metric=Pressure&start={start_ms}&end={end_ms}")
    assert chart_of(page) == "Pressure"
    assert "2020-03-09 10:15:33 – 2020-03-09 10:16:32" in page.text
    assert "mean of 1 s" in page.text
    same = admin.get(f"/units/{PUMP.path}?metric=Pressure&start=2020-03-09T10:15:33%2B08:00&end={end_ms}")
    assert "2020-03-09 10:15:33 – 2020-03-09 10:16:32" in same.text


def test_all_begins_with_the_first_reading(world: World, admin: Browser) -> None:
    record(world)
    world.measure(PUMP, {"Current": [1.0]}, start_ms=RECORDED_MS + 40 * MS_PER_D, step_ms=1)
    text = admin.get(f"/units/{PUMP.path}?metric=Current&window=all").text
    # Steps begin at multiples of their length: six hours here.
    assert "2020-03-09 08:00:00 – 2020-04-18 10:14:33" in text


@pytest.mark.parametrize(
    "query", ["window=1h", "window=6h", "window=24h", "window=7d", "window=all", "window=nonsense"]
)
def test_every_window_shows_a_chart(world: World, admin: Browser, query: str) -> None:
    record(world)
    page = admin.get(f"/units/{PUMP.path}?{query}")
    assert page.status == 200
    assert 'class="marks"' in page.html


@pytest.mark.parametrize(
    "query",
    [
        "metric=%3Cscript%3E&window=1h",
        "start=now&end=then",
        "start=9&end=1",
        "start=0&end=4102444800000",
        "start=-5",
        "end=99999999999999999999",
        "window=1h&metric=" + "x" * 3000,
    ],
)
def test_whatever_the_address_asks_for_the_page_answers(world: World, admin: Browser, query: str) -> None:
    record(world)
    assert admin.get(f"/units/{PUMP.path}?{query}").status == 200


def test_a_unit_that_tells_little_in_an_hour_is_shown_for_longer(world: World, admin: Browser) -> None:
    world.measure(LIFT, {"motor_current_a": [18.0] * 40}, start_ms=NOON_MS - 400 * MS_PER_MIN, step_ms=10 * MS_PER_MIN)
    page = admin.get(f"/units/{LIFT.path}")
    assert 'window=6h#chart" aria-current="true"' in page.html
    assert "05:50:00 – 11:50:00" in page.text


def test_a_window_without_readings_says_where_they_are(world: World, admin: Browser) -> None:
    record(world)
    text = admin.get(f"/units/{PUMP.path}?metric=Current&start={NOON_MS - MS_PER_H}&end={NOON_MS}").text
    assert "No readings of this value in this window." in text
    assert "The newest reading of the unit is from 2020-03-09 10:34:32." in text


def test_the_values_of_a_chart_stand_in_a_table_too(world: World, admin: Browser) -> None:
    world.measure(PUMP, {"level_m": [0.5, 0.7, 0.9]}, start_ms=NOON_MS - 3 * MS_PER_MIN, step_ms=MS_PER_MIN)
    text = admin.get(f"/units/{PUMP.path}").text
    assert "Values as a table Sump level From Mean Smallest Largest 11:57:00 0.5 m 0.5 m 0.5 m 11:58:00 0.7 m" in text
    assert "Lowest 0.5 m, mean 0.7 m, highest 0.9 m." in text


def test_without_the_drawing_process_the_table_stands_in(
    world: World, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise ChartUnavailable("it is away")

    monkeypatch.setattr("api.pages.telemetry_chart.draw_chart", refuse)
    record(world)
    page = admin.get(f"/units/{PUMP.path}")
    assert "The chart could not be drawn; the values stand in the table below." in page.text
    assert {"open": ""} in list(page.all("details"))


def test_without_the_store_the_page_tells_alarms_all_the_same(
    world: World, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("duckdb", "it is away")

    world.signal(PUMP, "dry_run")
    for name in ("latest", "points", "metrics_of"):
        monkeypatch.setattr(world.store, name, away)
    page = admin.get(f"/units/{PUMP.path}")
    assert page.status == 200
    assert "The telemetry store does not answer." in page.text
    assert "Pump runs dry" in page.text
    assert admin.get("/units").status == 200


def test_events_and_what_happened_stand_in_the_history(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        unit_id = get_unit(session, LIFT.path).id
        event_log.put(session, [(unit_id, "fault.02", "", NOON_MS - 60_000, True)], received_ms=NOON_MS)
    world.signal(LIFT, "fault.02")
    text = admin.get(f"/units/{LIFT.path}").text
    assert "11:59:00 Door fails to close fault.02 begins" in text
    assert "Alarm raised – Door fails to close · the system" in text


def test_residents_are_not_told_who_did_what(world: World, browser_of: Callable[..., Browser], admin: Browser) -> None:
    alarm_id = world.signal(LIFT, "fault.02")
    admin.post(f"/alarms/{alarm_id}/shelve", hours="4", reason="ask Mr Wang")
    shown_to_staff = browser_of((Role.TECHNICIAN, HERE)).get(f"/units/{LIFT.path}").text
    shown_to_residents = browser_of((Role.OWNER, HERE)).get(f"/units/{LIFT.path}").text
    assert "ask Mr Wang" in shown_to_staff
    assert "admin-" in shown_to_staff
    assert "Alarm shelved" in shown_to_residents
    assert "ask Mr Wang" not in shown_to_residents
    assert "admin-" not in shown_to_residents


def test_a_unit_of_another_compound_is_not_found(browser_of: Callable[..., Browser]) -> None:
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    for path in (f"/units/{FAR_PUMP.path}", f"/fragments/units/{FAR_PUMP.path}", f"/units/{ELSEWHERE}~nothing"):
        page = manager.get(path)
        assert page.status == 404
        assert "Nothing is at this address" in page.text


# The list


def test_units_are_found_by_what_names_them(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        get_unit(session, LIFT.path).maintainer = "Xizi Service"
    text = admin.get("/units?search=xizi").text
    assert LIFT.unit in text
    assert PUMP.unit not in text
    assert "No unit fits this search." in admin.get("/units?search=nobody").text


def test_units_are_chosen_by_kind_and_compound(admin: Browser) -> None:
    page = admin.get(f"/units?kind=pump&site={ELSEWHERE}")
    assert {target for target in page.targets() if "~" in target} == {f"/units/{FAR_PUMP.path}"}


def test_a_unit_in_the_list_tells_its_open_alarms_by_the_gravest(world: World, admin: Browser) -> None:
    world.signal(LIFT, "fault.02")
    world.signal(LIFT, "entrapment")
    page = admin.get("/units")
    assert "2 open alarms" in page.text
    assert 'class="severity severity-critical"' in page.html


def test_a_long_list_has_pages_and_loses_nothing(world: World, admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.pages.units.UNITS_ON_PAGE", 3)
    first = admin.get("/units")
    following = next(target for target in first.targets() if "after=" in target)
    second = admin.get(following)
    shown = [target for page in (first, second) for target in page.targets() if "~" in target]
    assert len(shown) == len(set(shown)) == 4


def test_an_anomaly_says_how_much_what_it_was_before_and_what_it_may_be(world: World, admin: Browser) -> None:
    evidence = {
        "since_ms": world.clock.now_ms,
        "anomaly_score": 4.2,
        "threshold": 1.0,
        "contributions": [["flow_m3_h", 0.7], ["pump1_current_a", 0.3]],
        "differences": [["flow_m3_h", 11.5, 26.0, 33.0], ["pump1_current_a", 5.1, 7.6, 8.4]],
    }
    alarm_id = world.signal(PUMP, "anomaly", evidence=evidence)  # type: ignore[arg-type]
    text = admin.get(f"/alarms/{alarm_id}").text
    for words in ("11.5 m³/h", "26 – 33 m³/h", "5.1 A", "Inlet, impeller or pipe blocked", "Lift the pump"):
        assert words in text


def test_wear_is_explained_by_features_that_can_be_seen_in_a_chart(world: World, admin: Browser) -> None:
    evidence = {
        "since_ms": NOON_MS - 86_400_000,
        "anomaly_score": 1.3,
        "threshold": 1.0,
        "contributions": [["level_per_flow_1_m2", 0.9], ["rebound_m", 0.1]],
        "differences": [["level_per_flow_1_m2", 0.26, 0.21, 0.23], ["rebound_m", 0.05, -0.01, 0.01]],
    }
    alarm_id = world.signal(PUMP, "slow_change", evidence=evidence)  # type: ignore[arg-type]
    page = admin.get(f"/alarms/{alarm_id}")
    assert "Changes slowly: wear, dirt or ageing" in page.text
    assert "Level change per volume pumped 0.26 1/m² 0.21 – 0.23 1/m²" in page.text
    assert "Check valve leaks: water runs back after a stop" in page.text
    assert "Nothing is known of its normal days yet" in admin.get(f"/units/{PUMP.path}").text
