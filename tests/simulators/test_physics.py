"""The laws that simulated machines keep, whatever happens to them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.equipment import Kind
from simulators.faults import FaultSchedule
from simulators.pump import PumpFleet, Sump
from simulators.scenario import Scenario, load_scenario
from simulators.travel import speed_after_m_s, time_to_way_s, travel_time_s, way_after_m
from simulators.weather import Climate, Shower, Weather
from simulators.world import World
from tests.simulators.hearing import hear, live

START_MS = load_scenario("quiet-day").start_ms
distances = st.floats(0.5, 180.0)
speeds = st.floats(1.0, 2.5)


@given(distance=distances, rated=speeds)
def test_a_car_arrives_where_it_was_sent(distance: float, rated: float) -> None:
    way, speed = np.array(distance), np.array(rated)
    taken = travel_time_s(way, speed)
    assert way_after_m(taken, way, speed) == pytest.approx(distance)
    assert way_after_m(np.array(0.0), way, speed) == 0
    assert speed_after_m_s(taken, way, speed) == pytest.approx(0, abs=1e-9)
    assert taken >= distance / rated


@given(distance=distances, rated=speeds)
def test_the_way_is_the_sum_of_the_speeds(distance: float, rated: float) -> None:
    taken = float(travel_time_s(np.array(distance), np.array(rated)))
    moments = np.linspace(0, taken, 4001)
    speed = speed_after_m_s(moments, np.array(distance), np.array(rated))
    assert speed.max() <= rated + 1e-9
    assert np.trapezoid(speed, moments) == pytest.approx(distance, rel=1e-3)
    way = way_after_m(moments, np.array(distance), np.array(rated))
    assert (np.diff(way) >= -1e-9).all()


@given(way=st.floats(0.1, 6.0), rated=speeds)
def test_the_time_to_a_place_on_the_way_leads_there(way: float, rated: float) -> None:
    moment = np.array(time_to_way_s(way, rated))
    assert way_after_m(moment, np.array(60.0), np.array(rated)) == pytest.approx(way)


def sump_fleet(sump: Sump, climate: Climate | None = None) -> PumpFleet:
    weather = Weather.seeded(climate or Climate(), rng=np.random.default_rng(1))
    schedule = FaultSchedule(Kind.PUMP, (), [sump.unit])
    fleet = PumpFleet((sump,), start_ms=START_MS, weather=weather, faults=schedule, rng=np.random.default_rng(2))
    weather.begin(START_MS)
    fleet.begin(START_MS)
    return fleet


@pytest.mark.parametrize("ground_m3_h", [2.0, 10.0, 25.0, 40.0, 46.0])
def test_a_sound_sump_starts_no_pump_more_than_four_times_an_hour(ground_m3_h: float) -> None:
    fleet = sump_fleet(Sump("sump-1", ground_m3_h=ground_m3_h))
    starts = [fleet.advance(np.array([START_MS + s * 1000])).values["starts_total"][0] for s in range(10, 6 * 3600, 10)]
    assert (starts[-1] - starts[0]) / 6 <= 4


def test_what_flows_in_is_pumped_out() -> None:
    fleet = sump_fleet(Sump("sump-1", ground_m3_h=12.0))
    flow = [fleet.advance(np.array([START_MS + s * 1000])).values["flow_m3_h"][0] for s in range(10, 48 * 3600, 10)]
    assert np.mean(flow) == pytest.approx(12.0, rel=0.05)


def test_rain_makes_the_pumps_run_more() -> None:
    wet = Climate(showers=(Shower(onset_s=0, duration_s=36_000, mm_h=30.0),))
    starts = []
    for climate in (Climate(), wet):
        fleet = sump_fleet(Sump("sump-1", ground_m3_h=4.0), climate)
        counts = [
            fleet.advance(np.array([START_MS + s * 1000])).values["starts_total"][0] for s in range(10, 36_000, 10)
        ]
        starts.append(counts[-1] - counts[0])
    assert starts[1] > 2 * starts[0]


def test_water_beyond_the_capacity_stands_on_the_floor_and_runs_off_later() -> None:
    storm = Climate(showers=(Shower(onset_s=0, duration_s=1800, mm_h=80.0),))
    fleet = sump_fleet(Sump("sump-1", catchment_m3_h=3.0), storm)
    readings = [fleet.advance(np.array([START_MS + s * 1000])).values for s in range(10, 6 * 3600, 10)]
    water = np.array([values["floor_water_cm"][0] for values in readings])
    level = np.array([values["level_m"][0] for values in readings])
    assert water.max() > 3
    assert water[-1] < 0.5
    assert level.max() < 2.6


def test_the_step_does_not_change_the_traffic() -> None:
    """The same compound told every ten seconds and every five minutes has the same number of trips."""
    scenario: Scenario = replace(load_scenario("quiet-day"), sumps=(), fire_systems=())
    fine = hear(live(World(scenario, seed=1, start_ms=START_MS), live_ms=START_MS, hours=6))
    coarse_world = World(scenario, seed=1, start_ms=START_MS)
    coarse = hear(message for _, message in coarse_world.history(START_MS + 6 * 3_600_000))
    trips = [sum(np.ptp(heard.column(unit, "trips_total")) for unit in heard.units("lift")) for heard in (fine, coarse)]
    assert trips[1] == pytest.approx(trips[0], rel=0.1)


def test_it_is_dry_before_live_time_and_wet_within_a_shower() -> None:
    weather = Weather.seeded(
        Climate(showers=(Shower(onset_s=600, duration_s=1200, mm_h=40.0),)), rng=np.random.default_rng(1)
    )
    moments = START_MS + np.array([0, 500, 1200, 2000]) * 1000
    assert (weather.rain_mm_h(moments) == 0).all()
    weather.begin(START_MS)
    rain = weather.rain_mm_h(moments)
    assert (rain[[0, 1, 3]] == 0).all()
    assert rain[2] == pytest.approx(40, rel=0.25)
