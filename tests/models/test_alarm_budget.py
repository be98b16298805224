"""The alarm budget: a unit's own past decides how far above its limit is worth an alarm."""

import numpy as np

from models.alarm_budget import LEAST_STRETCHES, MOST_STRICTNESS, STRETCH_ROWS, UNKNOWN_STRICTNESS, AlarmBudget
from models.reading import Floats

SLOT = np.array([0])
STEP_MS = np.array([10_000])


def lived(ratios: Floats, *, per_month: float = 1.0, in_alarm: bool = False) -> AlarmBudget:
    budget = AlarmBudget(per_month=per_month)
    for ratio in ratios:
        budget.note(SLOT, np.array([ratio]), np.array([in_alarm]), STEP_MS)
    return budget


def restless(stretches: int, *, scale: float = 1.0, seed: int = 1) -> Floats:
    """A ratio that stays for a while and comes near or over the limit now and then."""
    rng = np.random.default_rng(seed)
    heights = scale * rng.lognormal(-0.4, 0.3, size=stretches * STRETCH_ROWS // 20)
    return np.repeat(heights, 20)


def test_before_enough_is_known_a_unit_has_the_benefit_of_doubt() -> None:
    budget = lived(restless(LEAST_STRETCHES - 1, scale=0.1))
    assert budget.stretches(0) == LEAST_STRETCHES - 1
    assert budget.strictness(SLOT)[0] == UNKNOWN_STRICTNESS > lived(restless(40, scale=0.1)).strictness(SLOT)[0]


def test_a_calm_unit_keeps_its_limit_and_a_restless_one_gets_a_higher_one() -> None:
    assert lived(restless(40, scale=0.1)).strictness(SLOT)[0] == 1.0
    assert 1.5 < lived(restless(40)).strictness(SLOT)[0] <= MOST_STRICTNESS


def test_a_smaller_budget_is_stricter() -> None:
    ratios = restless(40)
    found = [lived(ratios, per_month=per_month).strictness(SLOT)[0] for per_month in (30.0, 3.0, 0.3)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_the_budget_is_kept_in_the_time_after_it_was_learned() -> None:
    """A hundred units live a month on: what passes the learned ratio is near the budget, not ten times it."""
    budget, slots = AlarmBudget(per_month=1.0), np.arange(100)
    nobody, steps = np.zeros(100, dtype=bool), np.full(100, 10_000)
    for ratios in np.column_stack([restless(60, seed=seed) for seed in slots.tolist()]):
        budget.note(slots, ratios, nobody, steps)
    month = np.column_stack([restless(720, seed=1_000 + seed) for seed in slots.tolist()])
    over = (month > budget.strictness(slots)).astype(int)
    assert np.count_nonzero(np.diff(over, axis=0) == 1) / 100 < 3.0


def test_rows_of_a_standing_alarm_and_rows_not_scored_teach_nothing() -> None:
    assert lived(restless(40), in_alarm=True).stretches(0) == 0
    assert lived(np.full(40 * STRETCH_ROWS, np.nan)).stretches(0) == 0


def test_a_single_row_far_over_the_limit_is_not_noted() -> None:
    ratios = np.full(40 * STRETCH_ROWS, 0.1)
    ratios[::97] = 50.0
    assert lived(ratios).strictness(SLOT)[0] == 1.0


def test_what_is_forgotten_is_learned_again() -> None:
    budget = lived(restless(40))
    budget.forget(SLOT)
    assert budget.strictness(SLOT)[0] == UNKNOWN_STRICTNESS
    assert budget.stretches(0) == 0


def test_slots_do_not_share_their_past() -> None:
    budget = AlarmBudget(per_month=1.0)
    for ratio in restless(40):
        budget.note(np.array([3, 1]), np.array([ratio, 0.1]), np.array([False, False]), np.array([10_000, 10_000]))
    assert budget.strictness(np.array([1, 3]))[0] == 1.0
    assert budget.strictness(np.array([1, 3]))[1] > 1.5
