"""The reliability part of `liandong evaluate`: forecasts of counts beside the fleet's mean and the raw rate."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from api.commands.csv_table import TableRefused
from api.evaluation.judging import DETECTOR
from api.evaluation.known_rates import judge_compounds, judge_overhauls, known_rate_section
from api.evaluation.lift_counts import (
    FLEET_MEAN,
    RANK,
    RAW_RATE,
    JudgedCounts,
    judge_counts,
    lift_count_section,
    lift_months,
)
from models.evaluation.counts import count_measures, fleet_mean, gamma_poisson, raw_rate
from models.reliability import Fleet
from tests.servers.liandong import ROOT

DATA = Path(os.environ.get("LIANDONG_TEST_DATA", ROOT.parent / "shared" / "data"))
HEADER = "Month,Equipment Type,Equipment Code,Unscheduled Outages,Entrapments,24-Hour Total Hours"
LIFTS, MONTH_HOURS = 120, 730.5


def write_months(folder: Path, *, seed: int = 4) -> None:
    """Lifts whose rates differ and change from month to month, and an escalator that is none of them."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.2, 2.0, LIFTS)
    factor = rng.gamma(3.0, 1 / 3, (7, LIFTS))
    # What is bad in the second half is bad through it.
    factor[5:] = factor[4]
    lines = [HEADER]
    for month in range(1, 7):
        counts = rng.poisson(rate * factor[month])
        lines += [f"{month:02d}/01/2023,Elevator,EL{i},{counts[i]},0,{MONTH_HOURS}" for i in range(LIFTS)]
        lines.append(f"{month:02d}/01/2023,Escalator,ES1,900,0,{MONTH_HOURS}")
    folder.mkdir(parents=True)
    (folder / "availability-made.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> JudgedCounts:
    data_dir = tmp_path_factory.mktemp("data")
    write_months(data_dir / "mta")
    (told,) = lift_months(data_dir, is_quick=True)
    return judge_counts(told, 1)


def test_only_lifts_are_counted_and_the_second_half_is_forecast_from_the_first(judged: JudgedCounts) -> None:
    assert (judged.lifts, judged.months, judged.counted) == (LIFTS, 3, "unscheduled outages")


def test_the_forecast_tells_more_than_the_fleets_mean_and_the_raw_rate_and_holds_its_range(
    judged: JudgedCounts,
) -> None:
    loss = {name: measures.log_loss for name, measures in judged.measures.items()}
    assert loss[DETECTOR] < min(loss[RAW_RATE], loss[FLEET_MEAN])
    assert judged.measures[DETECTOR].covered.value > 0.9
    assert judged.measures[RAW_RATE].covered.value < 0.9


def test_the_section_shows_all_of_them_and_whether_the_aim_is_reached(judged: JudgedCounts) -> None:
    section = lift_count_section([judged])
    assert [row["method"] for row in section.rows] == [DETECTOR, RANK, RAW_RATE, FLEET_MEAN]
    assert section.targets[0].is_reached is True
    assert lift_count_section([]).missing is not None


def test_baselines_are_the_textbook_distributions() -> None:
    faults, days, ahead = np.array([4, 0]), np.array([100.0, 300.0]), np.array([50.0, 50.0])
    mean = fleet_mean(faults, days, ahead, most=60)
    raw = raw_rate(faults, days, ahead, most=60)
    fleet = Fleet(np.array([2.0]), np.array([100.0]), np.array([1.0]))
    drawn = gamma_poisson(fleet, faults, days, ahead, most=200)
    assert mean.probability[0, :3] == pytest.approx(poisson.pmf([0, 1, 2], 0.5))
    assert raw.probability[0, :3] == pytest.approx(poisson.pmf([0, 1, 2], 2.0))
    # A lift that never failed is given half a fault, or any fault would be impossible.
    assert raw.probability[1, 0] == pytest.approx(np.exp(-0.5 * 50 / 300))
    assert drawn.probability[0, :3] == pytest.approx(nbinom.pmf([0, 1, 2], 6.0, 200 / 250))
    measures = count_measures(raw, np.array([2, 0]), rng=np.random.default_rng(1))
    assert measures.log_loss == pytest.approx(-(np.log(poisson.pmf(2, 2.0)) - 0.5 * 50 / 300) / 2)
    assert (measures.covered.hits, measures.covered.of) == (2, 2)


def test_a_month_that_cannot_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mta").mkdir()
    broken = f"{HEADER}\n01/01/2023,Elevator,EL1,2,0,744\nMay,Elevator,EL1,2,0,744\n"
    (tmp_path / "mta" / "availability.csv").write_text(broken, encoding="utf-8")
    with pytest.raises(TableRefused, match="line 3"):
        lift_months(tmp_path, is_quick=False)


def test_on_simulated_compounds_the_truth_lies_within_the_interval() -> None:
    watched = [judge_compounds(7, months, 3) for months in (3, 12)]
    overhauls = judge_overhauls(7, 20)
    section = known_rate_section(watched, overhauls, seed=1)
    assert all(0.9 < judged.is_covered.mean() < 0.99 for judged in watched)
    assert overhauls.mean() >= 0.85
    # A year tells more of who is worst than three months, and nothing beats the count when all were watched alike.
    assert watched[1].is_worst_found.mean() > watched[0].is_worst_found.mean()
    assert [row["months"] for row in section.rows] == [3, 12, 24]


@pytest.mark.skipif(not (DATA / "mta").is_dir(), reason="the published counts do not lie beside the project")
def test_the_published_counts_of_lifts_are_forecast_within_what_is_said() -> None:
    (told,) = lift_months(DATA, is_quick=True)
    judged = judge_counts(told, 1)
    loss = {name: measures.log_loss for name, measures in judged.measures.items()}
    assert loss[DETECTOR] < min(loss[RAW_RATE], loss[FLEET_MEAN])
    assert 0.93 <= judged.measures[DETECTOR].covered.value <= 0.97
