"""A compound in which nothing is wrong says nothing that could alarm anybody."""

from itertools import pairwise

import numpy as np
import pytest

from alerts.watch import Watch
from ingest.wire import RawMessage, decode_batch
from models.detectors.live_banks import live_banks
from models.equipment import METRICS, Kind
from models.reading import Floats
from simulators.scenario import load_scenario
from simulators.weather import local_hour
from simulators.world import World
from tests.simulators.hearing import Heard, hear, live

DAY_H = 24.0
MS_PER_MIN = 60_000


@pytest.fixture(scope="module")
def day() -> Heard:
    scenario = load_scenario("quiet-day")
    return hear(live(World(scenario, seed=7, start_ms=scenario.start_ms), live_ms=scenario.start_ms, hours=DAY_H))


def told(heard: Heard, unit: str, metric: str) -> Floats:
    column = heard.column(unit, metric)
    return column[~np.isnan(column)]


def test_no_unit_sends_an_event_or_goes_away(day: Heard) -> None:
    assert not any(day.events.values())
    assert {status["online"] for statuses in day.statuses.values() for status in statuses} == {True}


def test_every_unit_tells_every_metric_of_its_kind(day: Heard) -> None:
    for prefix, kind in (("lift", Kind.ELEVATOR), ("sump", Kind.PUMP), ("fire", Kind.FIRE)):
        for unit in day.units(prefix):
            assert {name for reading in day.readings[unit] for name in reading["values"]} == set(METRICS[kind])


def test_every_unit_reports_every_ten_seconds(day: Heard) -> None:
    for unit in day.readings:
        steps_ms = np.diff(day.times(unit))
        assert len(steps_ms) == 8639
        assert steps_ms.min() >= 9_500
        assert steps_ms.max() <= 10_500


def test_units_do_not_all_speak_at_once(day: Heard) -> None:
    first = sorted(int(day.times(unit)[0]) for unit in day.readings)
    assert len(set(first)) == len(first)
    assert first[-1] - first[0] > 5_000


def test_no_lift_ever_stands_where_its_doors_cannot_open(day: Heard) -> None:
    for unit in day.units("lift"):
        is_standing = np.abs(day.column(unit, "speed_m_s")) < 0.05
        assert is_standing.any()
        assert (~is_standing).any()
        assert (day.column(unit, "in_door_zone")[is_standing] == 1).all()
        assert (day.column(unit, "service_mode") == 1).all()


def test_no_lift_moves_with_an_open_door(day: Heard) -> None:
    for unit in day.units("lift"):
        is_moving = np.abs(day.column(unit, "speed_m_s")) > 0.05
        assert (day.column(unit, "door_closed")[is_moving] == 1).all()


@pytest.mark.parametrize(
    ("metric", "lowest", "highest"),
    [
        ("door_close_s", 2.5, 4.0),
        ("levelling_error_mm", -10.0, 10.0),
        ("vibration_rms_m_s2", 0.0, 0.15),
        ("motor_temp_c", 20.0, 90.0),
        ("machine_room_temp_c", 5.0, 40.0),
        ("brake_release_s", 0.1, 0.3),
        ("speed_m_s", -1.75, 1.75),
        ("position_floor", 1, 18),
    ],
)
def test_lifts_stay_in_their_normal_range(day: Heard, metric: str, lowest: float, highest: float) -> None:
    for unit in day.units("lift"):
        values = told(day, unit, metric)
        assert len(values) > 50
        assert lowest <= values.min()
        assert values.max() <= highest


def test_lifts_are_busy_in_the_morning_and_evening_and_rest_at_night(day: Heard) -> None:
    for unit in day.units("lift"):
        hours, trips = local_hour(day.times(unit)), day.column(unit, "trips_total")

        def trips_between(first: float, last: float, hours: Floats = hours, trips: Floats = trips) -> float:
            inside = trips[(hours >= first) & (hours < last)]
            return float(inside.max() - inside.min()) / (last - first)

        night, morning, evening = trips_between(1, 5), trips_between(7, 9), trips_between(17.5, 19.5)
        assert morning > 5 * night
        assert evening > 5 * night
        assert 50 < trips_between(0, 24) * 24 < 1_000


@pytest.mark.parametrize("prefix", ["lift", "sump", "fire"])
def test_counters_only_ever_grow(day: Heard, prefix: str) -> None:
    kind = {"lift": Kind.ELEVATOR, "sump": Kind.PUMP, "fire": Kind.FIRE}[prefix]
    for unit in day.units(prefix):
        for metric in METRICS[kind].values():
            if metric.is_counter:
                counts = day.column(unit, metric.name)
                assert (np.diff(counts) >= 0).all()
                assert counts[-1] > counts[0]


def test_pumps_start_at_most_six_times_in_any_hour(day: Heard) -> None:
    for unit in day.units("sump"):
        times, starts = day.times(unit), day.column(unit, "starts_total")
        for window_min in (30, 40, 50, 60):
            ahead = np.searchsorted(times, times + window_min * MS_PER_MIN)
            inside = ahead < len(times)
            assert ((starts[ahead[inside]] - starts[inside]) * 60 / window_min <= 6).all()


def test_duty_and_standby_take_turns_and_never_run_together(day: Heard) -> None:
    for unit in day.units("sump"):
        running = np.column_stack([day.column(unit, f"pump{pump}_running") for pump in (1, 2)])
        assert not running.all(axis=1).any()
        began = [int(pump) for pump in np.argwhere(np.diff(running, axis=0) == 1)[:, 1]]
        assert len(began) > 20
        assert all(first != second for first, second in pairwise(began))


def test_sumps_stay_between_their_set_points(day: Heard) -> None:
    for unit in day.units("sump"):
        level = day.column(unit, "level_m")
        assert level.min() > 0.3
        assert level.max() < 1.3
        for quiet in ("high_float", "floor_water_cm", "lift_pit_water", "phase_loss", "rain_mm_h"):
            assert (day.column(unit, quiet) == 0).all()


def test_a_pump_draws_its_current_when_it_runs_and_only_then(day: Heard) -> None:
    for unit in day.units("sump"):
        for pump in (1, 2):
            current, running = day.column(unit, f"pump{pump}_current_a"), day.column(unit, f"pump{pump}_running") == 1
            assert (current[~running] == 0).all()
            assert current[running].min() > 8.5
            assert current[running].max() < 11


@pytest.mark.parametrize(
    ("metric", "lowest", "highest"),
    [
        ("hydrant_pressure_mpa", 0.26, 0.34),
        ("sprinkler_pressure_mpa", 0.36, 0.44),
        ("tank_level_m", 2.8, 3.2),
        ("pump_auto", 1, 1),
        ("main_valve_open", 1, 1),
        ("mains_ok", 1, 1),
        ("battery_v", 26.5, 28.0),
        ("residual_current_ma", 0, 100),
        ("cable_temp_c", 0, 50),
    ],
)
def test_fire_systems_stay_in_their_normal_range(day: Heard, metric: str, lowest: float, highest: float) -> None:
    for unit in day.units("fire"):
        values = told(day, unit, metric)
        assert lowest <= values.min()
        assert values.max() <= highest


def test_the_jockey_pump_starts_seldom(day: Heard) -> None:
    for unit in day.units("fire"):
        times, starts = day.times(unit), day.column(unit, "jockey_starts_total")
        ahead = np.searchsorted(times, times + 30 * MS_PER_MIN)
        inside = ahead < len(times)
        assert ((starts[ahead[inside]] - starts[inside]) * 2 <= 15).all()


def test_neither_the_rules_nor_the_detector_find_anything() -> None:
    scenario = load_scenario("quiet-day")
    world = World(scenario, seed=11, start_ms=scenario.start_ms)
    watch = Watch(banks=live_banks())
    said = [*world.begin(scenario.start_ms)]
    signals = []
    for _ in range(3 * 360):
        said += world.next_interval()
        decoded = decode_batch([RawMessage(m.topic, m.payload, world.now_ms) for m in said])
        assert decoded.rejected == []
        blocks, statuses = [b.block for b in decoded.blocks], [status for _, status in decoded.statuses]
        signals += watch.observe(blocks, [e for _, e in decoded.events], statuses, received_ms=world.now_ms)
        signals += watch.tick(world.now_ms)
        said = []
    assert [(signal.unit.unit, signal.condition.code) for signal in signals] == []
