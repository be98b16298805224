"""A lift is compared with those of its make; too few of them, a better one, or one odd day say nothing."""

import numpy as np

from models.equipment import Kind
from models.hours_by_kind import FEATURES
from models.reading import Floats, UnitKey
from models.sisters import SisterComparison, SisterVerdict

LIFTS = tuple(UnitKey("xiaohe", Kind.ELEVATOR, f"lift-{number}") for number in range(9))
MAKE_OF = dict.fromkeys(LIFTS, "chengyuan")
NAMES = list(FEATURES[Kind.ELEVATOR])
DOOR, VIBRATION = NAMES.index("door_close_s"), NAMES.index("vibration_rms_m_s2")


def levels(*, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    values = np.full((len(LIFTS), len(NAMES)), np.nan)
    values[:, DOOR] = rng.normal(3.0, 0.1, len(LIFTS))
    values[:, VIBRATION] = rng.normal(0.08, 0.008, len(LIFTS))
    return values


def told(values: Floats, *, days: int = 5, make_of: dict[UnitKey, str] | None = None) -> list[SisterVerdict]:
    comparison = SisterComparison(tuple(FEATURES[Kind.ELEVATOR].values()))
    return [v for _ in range(days) for v in comparison.compare(LIFTS, values, MAKE_OF if make_of is None else make_of)]


def test_a_lift_far_from_its_sisters_is_told_once_with_what_differs() -> None:
    values = levels()
    values[4, VIBRATION] = 0.22
    (verdict,) = told(values)
    assert (verdict.unit, verdict.is_apart, verdict.sisters) == (LIFTS[4], True, 8)
    (difference,) = verdict.differences
    assert difference.channel == "vibration_rms_m_s2"
    assert difference.direction == 1


def test_sisters_that_differ_as_sisters_do_are_left_alone() -> None:
    assert [verdict for seed in range(150) for verdict in told(levels(seed=seed), days=3)] == []


def test_one_odd_day_says_nothing() -> None:
    values = levels()
    values[4, VIBRATION] = 0.22
    assert told(values, days=2) == []


def test_a_lift_that_is_better_is_no_hint() -> None:
    values = levels()
    values[4, DOOR] = 1.5
    assert told(values) == []


def test_five_sisters_are_needed_and_those_of_another_make_are_none() -> None:
    values = levels()
    values[0, VIBRATION] = 0.3
    assert told(values, make_of={lift: "chengyuan" if place < 5 else "other" for place, lift in enumerate(LIFTS)}) == []
    assert told(values, make_of={}) == []


def test_it_is_over_when_it_is_one_of_them_again() -> None:
    comparison = SisterComparison(tuple(FEATURES[Kind.ELEVATOR].values()))
    comparison.stand(LIFTS[2])
    found = [verdict for _ in range(4) for verdict in comparison.compare(LIFTS, levels(), MAKE_OF)]
    assert [(verdict.unit, verdict.is_apart) for verdict in found] == [(LIFTS[2], False)]
