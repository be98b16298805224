"""Where a patrol should look first: the parts of a risk, worked out by hand, and whether the order is any good."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.evaluation.patrol_risk import RATES_DRIFT, SIGNS_DO_NOT, SIGNS_MATTER, judge_compounds_at_risk
from models.evaluation.ranking import caught_by_first
from models.patrol_risk import HALF_LIFE_DAYS, Part, Signs, aged_counts, patrol_risks

YEAR = 365.0


def one_year(n: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.full(n, YEAR)


def test_a_fault_of_a_half_life_ago_counts_half_and_a_steady_rate_stays_what_it_is() -> None:
    counts, exposure = aged_counts([np.array([0.0, HALF_LIFE_DAYS])], np.array([HALF_LIFE_DAYS]))
    assert counts[0] == pytest.approx(1.5)
    assert exposure[0] == pytest.approx(HALF_LIFE_DAYS / np.log(2) / 2)
    daily = np.arange(0.5, 360)
    counts, exposure = aged_counts([daily], np.array([360.0]))
    assert counts[0] / exposure[0] == pytest.approx(1.0, rel=1e-3)


def test_the_factors_are_those_that_were_published() -> None:
    told = patrol_risks(
        np.array([1.0, 1.0, 1.0]), one_year(3), [Signs(2, 25.0, 20, True), Signs(), Signs(9, 99.0, 999)]
    )
    assert told[0].factors[Part.ANOMALIES] == pytest.approx(1.1**2)
    assert told[0].factors[Part.AGE] == pytest.approx(1.2)
    assert told[0].factors[Part.MAINTENANCE] == pytest.approx(1.1)
    assert told[0].factors[Part.INSPECTION] == pytest.approx(1.1)
    assert set(told[1].factors.values()) == {told[1].factors[Part.RATE], 1.0}
    assert (told[2].factors[Part.AGE], told[2].factors[Part.MAINTENANCE]) == (1.2, 1.2)
    assert told[2].factors[Part.ANOMALIES] == pytest.approx(1.1**3)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 30),
            st.floats(1, 1000),
            st.integers(0, 9),
            st.floats(0, 60),
            st.integers(0, 400),
            st.booleans(),
        ),
        min_size=2,
        max_size=12,
    )
)
def test_the_parts_multiply_to_the_whole_and_the_shares_sum_to_one(
    rows: list[tuple[float, float, int, float, int, bool]],
) -> None:
    signs = [Signs(anomalies, age, late, expired) for _, _, anomalies, age, late, expired in rows]
    told = patrol_risks(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), signs)
    for risk in told:
        assert risk.expected == pytest.approx(risk.peers_expected * np.prod(list(risk.factors.values())))
        assert sum(risk.shares.values()) == pytest.approx(1.0) or not any(risk.shares.values())
        assert risk.times_peers == pytest.approx(risk.expected / risk.peers_expected)


def test_no_sign_lifts_a_unit_without_faults_above_one_that_fails_monthly() -> None:
    counts = np.array([0.0, 12.0, *[1.0] * 30])
    told = patrol_risks(counts, one_year(32), [Signs(3, 30.0, 60, True), *[Signs()] * 31])
    assert told[0].expected < told[1].expected
    assert told[1].expected > told[2].expected * 3


def test_what_is_tied_counts_by_its_mean() -> None:
    assert caught_by_first(np.array([2.0, 2.0, 1.0, 0.0]), np.array([4, 0, 0, 4]), share=0.25) == 0.25


def test_the_order_beats_the_raw_count_where_signs_matter_and_loses_little_where_not() -> None:
    matter = judge_compounds_at_risk(1, 60, SIGNS_MATTER)
    assert matter.risk > matter.by_rate
    drift = judge_compounds_at_risk(1, 60, RATES_DRIFT)
    assert drift.risk > drift.by_rate - 0.02
    assert (
        judge_compounds_at_risk(1, 60, SIGNS_DO_NOT).risk > judge_compounds_at_risk(1, 60, SIGNS_DO_NOT).by_rate - 0.05
    )
