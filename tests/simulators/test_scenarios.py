"""Scenario files: what comes with the program loads, and what is wrong with one is told."""

import csv
import io
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from registry.unit import IMPORT_COLUMNS, read_unit_rows
from simulators.errors import BadScenario, UnknownScenario
from simulators.faults import FAULT_EVENTS, nature_of
from simulators.resize import with_units
from simulators.run import scenario_titles
from simulators.scenario import SCENARIO_DIR, load_scenario, read_scenario, register_rows, scenario_names
from simulators.truth import staged_faults
from simulators.world import World
from tests.simulators.hearing import hear, live

NAMES = scenario_names()
NATURES = ("fault", "sensor", "connection", "human")
SMALL = """
title = "One sump"
site = "small"
site_name = "小院"
[[sumps]]
name = "集水井"
building = "车库"
[[lifts]]
buildings = ["1幢"]
make = "甲"
installed_on = 2015-01-01
maintainer = "乙"
"""


def test_the_stories_are_there() -> None:
    assert set(NAMES) == {"xiaohe", "xiaohe-year", "charm-city-flood", "quiet-day"}
    assert list(scenario_titles()) == NAMES
    assert all(scenario_titles().values())


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_can_be_registered(name: str) -> None:
    scenario = load_scenario(name)
    rows = register_rows(scenario)
    assert all(tuple(row) == IMPORT_COLUMNS for row in rows)
    assert len({row["unit"] for row in rows}) == len(rows)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", row["unit"]) for row in rows)
    assert {row["site"] for row in rows} == set(scenario.site_names)
    assert all(row["name"] and row["building"] and row["make"] and row["maintainer"] for row in rows)
    assert all(date.fromisoformat(row["installed_on"]) for row in rows)
    assert len({row["name"] for row in rows}) == len(rows)


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_speaks_for_all_its_units(name: str) -> None:
    scenario = load_scenario(name)
    heard = hear(live(World(scenario, seed=1, start_ms=scenario.start_ms), live_ms=scenario.start_ms, hours=0.02))
    assert set(heard.readings) == {row["unit"] for row in register_rows(scenario)}


@pytest.mark.parametrize("name", NAMES)
def test_every_staged_fault_is_over_or_under_way_within_the_run(name: str) -> None:
    scenario = load_scenario(name)
    end_ms = scenario.start_ms + round(scenario.duration_s * 1000)
    staged = staged_faults(scenario, live_ms=scenario.start_ms, end_ms=end_ms)
    assert len(staged) == len(scenario.faults)


def test_xiaohe_has_94_lifts_of_four_makes_and_three_maintenance_companies() -> None:
    rows = register_rows(load_scenario("xiaohe"))
    lifts = [row for row in rows if row["kind"] == "elevator"]
    assert [row["unit"] for row in lifts] == [f"lift-{number:02d}" for number in range(1, 95)]
    assert len({row["make"] for row in lifts}) == 4
    assert len({row["maintainer"] for row in lifts}) == 3
    assert Counter(row["kind"] for row in rows) == {"elevator": 94, "pump": 6, "fire": 8}
    assert lifts[8]["name"] == "3幢1单元1号电梯"
    assert {row["unit"] for row in rows if row["kind"] != "elevator"} == {
        *(f"sump-{number}" for number in range(1, 7)),
        *(f"fire-{number}" for number in range(1, 9)),
    }


def test_something_happens_at_xiaohe_within_twenty_seconds() -> None:
    scenario = load_scenario("xiaohe")
    messages = live(World(scenario, seed=1, start_ms=scenario.start_ms), live_ms=scenario.start_ms, hours=20 / 3600)
    heard = hear(message for message in messages if message.ts_ms <= scenario.start_ms + 20_000)
    assert [event["code"] for event in heard.events["sump-2"]] == ["trip"]
    assert any(reading["values"]["pump_auto"] is False for reading in heard.readings["fire-3"])


def test_water_rises_over_three_ten_and_twenty_centimetres_at_charm_city() -> None:
    scenario = load_scenario("charm-city-flood")
    heard = hear(live(World(scenario, seed=2, start_ms=scenario.start_ms), live_ms=scenario.start_ms, hours=1.2))
    water, times = heard.column("sump-1", "floor_water_cm"), heard.times("sump-1")
    reached_min = [(times[water >= cm][0] - scenario.start_ms) / 60_000 for cm in (3, 10, 20)]
    assert reached_min == sorted(reached_min)
    assert reached_min[0] > 10
    assert reached_min[-1] < 60
    rain = heard.column("sump-1", "rain_mm_h")
    assert rain[(times > scenario.start_ms + 600_000) & (times < scenario.start_ms + 3_500_000)].min() > 40
    assert any((heard.column(unit, "lift_pit_water") == 1).any() for unit in heard.units("sump"))


def test_the_register_can_be_written_as_a_csv_and_read_by_the_import() -> None:
    rows = register_rows(load_scenario("xiaohe"))
    file = io.StringIO()
    writer = csv.DictWriter(file, IMPORT_COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    file.seek(0)
    assert [row for _, row in read_unit_rows(file)] == rows


def test_an_unknown_scenario_is_told_with_those_that_exist() -> None:
    with pytest.raises(UnknownScenario, match=r"no scenario 'xiaoh'; there are charm-city-flood, quiet-day, xiaohe"):
        load_scenario("xiaoh")


@pytest.mark.parametrize("name", ["../xiaohe", "", "xiaohe.TOML"])
def test_a_name_that_is_no_scenario_reads_no_file(name: str) -> None:
    with pytest.raises(UnknownScenario):
        load_scenario(name)


@pytest.mark.parametrize(
    ("addition", "reason"),
    [
        ("not toml", "Expected '='"),
        ("colour = 3", "unknown field `colour`"),
        ('[[faults]]\nunit = "sump-9"\nfault = "clog"\nonset_s = 1', "fault 1: there is no unit 'sump-9'"),
        ('[[faults]]\nunit = "sump-1"\nfault = "fire"\nonset_s = 1', "'fire' is no fault of a pump; there are clog"),
        ('[[faults]]\nunit = "sump-1"\nfault = "clog"\nonset_s = 1\nseverity = 2', "<= 1"),
        ('[[faults]]\nunit = "sump-1"\nfault = "clog"\nonset_s = -1', ">= 0"),
        ('[[faults]]\nunit = "sump-1"\nfault = "sensor_dropout"\nonset_s = 1\nmetric = "x"', "'x' is no metric"),
        ('[[faults]]\nunit = "lift-1"\nfault = "entrapment"\nonset_s = 5', "takes 20 s to come about"),
    ],
)
def test_what_is_wrong_with_a_scenario_file_is_told(tmp_path: Path, addition: str, reason: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f"{'' if addition.startswith('[') else addition}\n{SMALL}\n{addition if addition.startswith('[') else ''}"
    )
    with pytest.raises(BadScenario, match=re.escape(reason)) as told:
        read_scenario(path)
    assert "mine.toml" in str(told.value)


def test_a_scenario_of_ones_own_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL)
    scenario = load_scenario(str(path))
    assert [row.unit for row in scenario.register] == ["lift-1", "lift-2", "lift-3", "lift-4", "sump-1"]


def test_a_scenario_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="No such file"):
        load_scenario(str(tmp_path / "none.toml"))


def test_files_explain_themselves() -> None:
    for path in SCENARIO_DIR.glob("*.toml"):
        assert path.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("wanted", [1, 5, 20, 107, 108])
def test_fewer_units_keep_the_mix_and_those_that_have_a_story(wanted: int) -> None:
    whole = load_scenario("xiaohe")
    part = with_units(whole, wanted)
    kinds = Counter(row.kind for row in part.register)
    assert sum(kinds.values()) == wanted == len(part.lifts) + len(part.sumps) + len(part.fire_systems)
    for kind, size in Counter(row.kind for row in whole.register).items():
        assert abs(kinds[kind] - size * wanted / 108) < 1
    assert {fault.unit for fault in part.faults} <= {row.unit for row in part.register}
    assert part == with_units(whole, wanted)
    if wanted == 20:
        assert "lift-17" in {row.unit for row in part.register}


def test_more_units_are_copies_with_new_names() -> None:
    whole = load_scenario("xiaohe")
    more = with_units(whole, 1000)
    assert len({row.unit for row in more.register}) == 1000
    assert more.register[94].unit == "lift-95"
    assert more.faults == whole.faults
    assert len({row["name"] for row in register_rows(more)}) == 1000


def test_the_documentation_lists_what_can_be_staged() -> None:
    text = (Path(__file__).parents[2] / "docs" / "simulators.md").read_text(encoding="utf-8")
    for kind, faults in FAULT_EVENTS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {kind.value} |"))
        cells = [re.findall(r"`(.+?)`", cell) for cell in row.split("|")[2:-1]]
        assert cells == [[name for name in faults if nature_of(name) == nature] for nature in NATURES]
