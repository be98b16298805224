"""Fault statistics against worked examples: Garwood's interval, downtime by hand, a Kaplan-Meier median by hand."""

import numpy as np
import pytest
from scipy.stats import poisson

from models.fault_statistics import (
    MS_PER_DAY,
    MS_PER_YEAR,
    Cause,
    Caution,
    Exposure,
    Fault,
    incidents,
    rate_interval,
    statistics_of,
)

START = 1_700_000_000_000
YEAR = round(MS_PER_YEAR)
END = START + YEAR
HOUR = 3_600_000
SEEN = Exposure(YEAR, YEAR)


def fault(day: float, *, hours: float | None = 2.0, unit: int = 1, number: int = 0, **others: object) -> Fault:
    began_ms = START + round(day * MS_PER_DAY)
    length_ms = None if hours is None else round(hours * HOUR)
    told = {
        "restored_ms": None if length_ms is None else began_ms + length_ms,
        "restoration_ms": length_ms,
        "ended_ms": None if length_ms is None else began_ms + length_ms + HOUR,
        "matter": f"matter-{number or day}",
    }
    return Fault(unit, f"ticket:{number or int(day)}", began_ms=began_ms, **(told | others))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Garwood, Biometrika 28 (1936), fiducial limits for the Poisson distribution, 95 %.
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (2, 0.242, 7.225), (5, 1.623, 11.668), (10, 4.795, 18.390)],
)
def test_rates_have_the_intervals_of_garwoods_table(count: int, low: float, high: float) -> None:
    assert rate_interval(count, 1.0) == pytest.approx((low, high), abs=6e-4)
    assert rate_interval(count, 4.0) == pytest.approx((low / 4, high / 4), abs=6e-4)


def test_the_interval_covers_the_true_rate_in_at_least_95_of_100_years() -> None:
    for mean in np.geomspace(0.05, 40, 60):
        counts = np.arange(poisson.ppf(1 - 1e-9, mean) + 1, dtype=int)
        ends = np.array([rate_interval(int(count), 1.0) for count in counts])
        covers = (ends[:, 0] <= mean) & (mean <= ends[:, 1])
        assert poisson.pmf(counts[covers], mean).sum() >= 0.95


def test_a_year_of_one_lift_by_hand() -> None:
    faults = [
        fault(10, hours=6),
        fault(100, hours=2, is_entrapment=True, cause=Cause.POWER),
        fault(200, hours=4, cause=Cause.MISUSE),
    ]
    told = statistics_of(faults, {1: SEEN}, start_ms=START, end_ms=END)
    assert told.faults.value == pytest.approx(3.0)
    # 3 faults: 0.619 to 8.767 (Garwood).
    assert (told.faults.low, told.faults.high) == pytest.approx((0.619, 8.767), abs=1e-3)
    assert told.faults.sources == ("ticket:10", "ticket:100", "ticket:200")
    assert (told.entrapments.value, told.entrapments.sources) == (pytest.approx(1.0), ("ticket:100",))
    assert told.downtime_ms == 12 * HOUR
    assert told.availability.value == pytest.approx(1 - 12 / (365.25 * 24))
    assert told.mtbf_days.value == pytest.approx((365.25 - 0.5) / 3)
    assert told.mtbf_censored == 1
    assert told.restoration.median_ms == 4 * HOUR
    assert told.causes == {
        Cause.MISUSE: ("ticket:200",),
        Cause.EQUIPMENT: (),
        Cause.POWER: ("ticket:100",),
        Cause.UNKNOWN: ("ticket:10",),
    }
    assert told.cautions == ()


def test_outages_that_overlap_are_counted_once() -> None:
    faults = [fault(10, hours=10), fault(10.25, hours=8), fault(10.125, hours=1, number=3, stops_unit=False)]
    told = statistics_of(faults, {1: SEEN}, start_ms=START, end_ms=END)
    assert told.downtime_ms == 14 * HOUR


def test_an_outage_across_the_edges_counts_for_the_part_within() -> None:
    faults = [fault(-1, hours=48), fault(365, hours=None)]
    told = statistics_of(faults, {1: SEEN}, start_ms=START, end_ms=END)
    assert told.downtime_ms == 24 * HOUR + END - faults[1].began_ms
    assert told.faults.n == 1, "one began before the span"
    assert Caution.STILL_OPEN in told.availability.cautions
    assert told.mtbf_censored == 0


def test_poor_coverage_warns_and_very_poor_coverage_withholds() -> None:
    half = statistics_of([fault(3)], {1: Exposure(YEAR, YEAR // 2)}, start_ms=START, end_ms=END)
    assert half.faults.value == pytest.approx(2.0)
    assert half.cautions[0] is Caution.POOR_COVERAGE
    least = statistics_of([fault(3)], {1: Exposure(YEAR, YEAR // 10)}, start_ms=START, end_ms=END)
    assert (least.faults.value, least.faults.n) == (None, 1)
    assert Caution.COVERAGE_TOO_POOR in least.faults.cautions
    assert least.mtbf_days.value is None


def test_without_exposure_nothing_is_claimed() -> None:
    told = statistics_of([], {1: Exposure(0, 0)}, start_ms=START, end_ms=END)
    assert told.faults.value is told.availability.value is told.mtbf_days.low is None
    assert told.cautions == (Caution.NO_EXPOSURE,)


def test_without_a_fault_the_mean_time_between_has_only_a_lower_bound() -> None:
    told = statistics_of([], {1: SEEN}, start_ms=START, end_ms=END)
    assert (told.faults.value, told.faults.low) == (0.0, 0.0)
    assert told.faults.high == pytest.approx(3.689, abs=1e-3)
    assert (told.mtbf_days.value, told.mtbf_days.high) == (None, None)
    assert told.mtbf_days.low == pytest.approx(365.25 / 3.689, abs=0.02)
    assert Caution.NO_FAULTS in told.mtbf_days.cautions


def test_an_hour_of_history_says_that_it_is_short() -> None:
    told = statistics_of([], {1: Exposure(HOUR, HOUR)}, start_ms=START, end_ms=END)
    assert told.cautions == (Caution.SHORT_HISTORY,)


def test_cases_that_still_run_count_as_longer_than_they_have_run() -> None:
    # By hand (Kaplan and Meier): 1 h of 5, then 2 h of 4: 3/5 left; one open for 3 h; 4 h of 2: 3/10 left: the median.
    told = statistics_of(
        [
            fault(1, hours=1),
            fault(2, hours=2),
            fault(365.25 - 3 / 24, hours=None, number=7),
            fault(3, hours=4),
            fault(4, hours=9),
        ],
        {1: SEEN},
        start_ms=START,
        end_ms=END,
    ).restoration
    assert (told.median_ms, told.most_ms) == (4 * HOUR, 9 * HOUR)
    assert (told.n, told.censored) == (4, 1)
    assert Caution.STILL_OPEN in told.cautions


def test_the_same_matter_within_30_days_of_the_repair_is_a_repeat() -> None:
    same = [fault(day, number=number, matter="door") for number, day in enumerate((1, 20, 60, 92), start=1)]
    told = statistics_of([*same, fault(95, matter="brake")], {1: SEEN}, start_ms=START, end_ms=END)
    assert told.repeats == ("ticket:2",)
    many = statistics_of(same[:2], {1: SEEN}, start_ms=START, end_ms=END)
    assert Caution.CLUSTERED in many.faults.cautions


def test_records_of_one_incident_are_one_fault() -> None:
    stop = fault(1, hours=3, number=1)
    trapped = fault(1 + 10 / 1440, hours=1, number=2, is_entrapment=True, cause=Cause.EQUIPMENT, cost_fen=500)
    later = fault(1.2, hours=1, number=3)
    elsewhere = fault(1, unit=2, number=4)
    found = incidents([later, trapped, stop, elsewhere])
    assert [(each.source, each.also) for each in found] == [
        ("ticket:1", ("ticket:2",)),
        ("ticket:4", ()),
        ("ticket:3", ()),
    ]
    assert found[0].is_entrapment
    assert (found[0].cause, found[0].cost_fen) == (Cause.EQUIPMENT, 500)
    assert found[0].restored_ms == stop.restored_ms


def test_people_and_unit_that_disagree_on_the_end_are_told() -> None:
    told = statistics_of(
        [fault(1, hours=30, normal_ms=START + MS_PER_DAY + HOUR)], {1: SEEN}, start_ms=START, end_ms=END
    )
    assert Caution.SOURCES_DISAGREE in told.availability.cautions
