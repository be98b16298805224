"""Wear is found within days, by daily rhythm and a trickle of noise undisturbed, and nothing is judged too early."""

import numpy as np
import pytest

from models.detectors.bank import VerdictChange
from models.detectors.contract import StateMismatch
from models.detectors.slow_bank import SlowBank
from models.equipment import Kind
from models.explain import likely_causes
from models.hourly_fire import FireHours
from models.hourly_lift import LiftHours
from tests.models.equipment_days import DAY_MS, FIRE, LIFT, T0_MS, fire_days, lift_days, with_column


def day_of(change: VerdictChange) -> float:
    return (change.ts_ms - T0_MS) / DAY_MS


def test_a_leak_far_below_the_limit_of_jockey_starts_is_found_within_a_day_and_named() -> None:
    bank = SlowBank(FireHours)
    changes = bank.observe(fire_days(22, leak_from=20.0))
    assert [change.is_anomalous for change in changes] == [True]
    assert 20.0 < day_of(changes[0]) < 21.0
    causes = [cause.title for cause in likely_causes(Kind.FIRE, changes[0].differences)]
    assert "Water is lost from the hydrant pipes" in causes
    assert bank.standing() == [FIRE]


def test_a_sound_system_is_left_alone_for_six_weeks() -> None:
    assert SlowBank(FireHours).observe(fire_days(42)) == []


def test_before_fourteen_days_it_says_how_many_there_are() -> None:
    bank = SlowBank(FireHours)
    assert bank.observe(fire_days(3.05, leak_from=1.0, leak=40.0)) == []
    assert str(bank.progress(FIRE)) == "3 of 14 days"
    assert not bank.progress(FIRE).is_judged
    assert str(bank.progress(LIFT)) == "0 of 14 days"


def test_the_rhythm_of_the_day_is_no_wear_and_growing_door_time_is() -> None:
    sound, worn = SlowBank(LiftHours), SlowBank(LiftHours)
    assert sound.observe(lift_days(45)) == []
    changes = worn.observe(lift_days(45, wear_s_per_day=0.03, wear_from=25.0))
    assert [change.is_anomalous for change in changes] == [True]
    assert 27.0 < day_of(changes[0]) < 34.0
    difference = changes[0].differences[0]
    assert difference.channel in ("door_close_s", "door_work_as")
    assert difference.direction == 1
    causes = likely_causes(Kind.ELEVATOR, changes[0].differences)
    assert causes[0].title == "Door operator worn, or dirt in the sill"


@pytest.mark.parametrize(
    ("metric", "usual", "noise", "a_day", "cause"),
    [
        ("brake_release_s", 0.18, 0.01, 0.003, "Brake worn or dragging"),
        (
            "levelling_error_mm",
            1.0,
            2.5,
            -0.3,
            "Rope, brake or encoder changed: the car stops beside the floor",
        ),
        ("vibration_rms_m_s2", 0.08, 0.01, 0.003, "Guide shoe, rail or bearing worn"),
        ("motor_temp_c", 45.0, 2.0, 0.8, "Motor overloaded or badly cooled"),
    ],
)
def test_what_creeps_on_a_lift_is_found_within_days_and_named(
    metric: str, usual: float, noise: float, a_day: float, cause: str
) -> None:
    block = lift_days(36)
    day = (block.ts_ms - T0_MS) / DAY_MS
    crept = usual + np.random.default_rng(7).normal(0.0, noise, len(day)) + a_day * np.maximum(day - 20.0, 0.0)
    changes = SlowBank(LiftHours).observe(with_column(block, metric, crept))
    assert [change.is_anomalous for change in changes] == [True]
    assert 22.0 < day_of(changes[0]) < 34.0
    assert likely_causes(Kind.ELEVATOR, changes[0].differences)[0].title == cause


def test_a_battery_that_ages_is_found_long_before_its_limit() -> None:
    block = fire_days(44)
    day = (block.ts_ms - T0_MS) / DAY_MS
    block.values[:, block.metrics.index("battery_v")] -= 0.05 * np.maximum(day - 20.0, 0.0)
    changes = SlowBank(FireHours).observe(block)
    assert [change.is_anomalous for change in changes] == [True]
    assert 25.0 < day_of(changes[0]) < 40.0
    assert changes[0].differences[0].now > 26.0
    assert likely_causes(Kind.FIRE, changes[0].differences)[0].title == "Battery ages or is not charged"


def test_after_the_repair_the_alarm_is_over_within_three_days() -> None:
    bank = SlowBank(LiftHours)
    bank.observe(lift_days(40, wear_s_per_day=0.03, wear_from=25.0))
    assert bank.standing() == [LIFT]
    changes = bank.observe(lift_days(4, from_day=40))
    assert [change.is_anomalous for change in changes] == [False]
    assert day_of(changes[0]) < 43.0


def test_a_better_door_is_no_fault() -> None:
    bank = SlowBank(LiftHours)
    bank.observe(lift_days(22))
    assert bank.observe(lift_days(10, from_day=22, wear_s_per_day=-0.02, wear_from=22.0)) == []


def test_after_an_overhaul_the_next_week_is_the_new_normal() -> None:
    bank = SlowBank(LiftHours)
    bank.observe(lift_days(40, wear_s_per_day=0.03, wear_from=25.0))
    bank.rebaseline(LIFT)
    assert bank.standing() == []
    # The level stays 0.45 s above the old one, and that is how it is now.
    stays = lift_days(20, from_day=40)
    column = stays.metrics.index("door_close_s")
    stays.values[:, column] += 0.45
    assert bank.observe(stays) == []


def test_what_is_measured_in_inspection_mode_counts_for_nothing() -> None:
    bank = SlowBank(LiftHours)
    bank.observe(lift_days(22))
    inspected = lift_days(10, from_day=22, wear_s_per_day=0.5, wear_from=22.0, mode=2.0)
    assert bank.observe(inspected) == []


def test_one_wild_reading_a_day_moves_nothing() -> None:
    block = fire_days(24)
    block.values[::288, block.metrics.index("battery_v")] = -1e6
    assert SlowBank(FireHours).observe(block) == []


def test_how_the_stream_is_cut_changes_nothing() -> None:
    block = fire_days(21, leak_from=19.0)
    whole, cut = SlowBank(FireHours), SlowBank(FireHours)
    expected = whole.observe(block)
    found = []
    for part in np.array_split(np.arange(len(block)), 37):
        found += cut.observe(block.rows(part))
    assert found == expected
    assert len(found) == 1


@pytest.mark.parametrize("days", [6.5, 18.5])
def test_saved_and_taken_up_it_goes_on_as_if_nothing_had_happened(days: float) -> None:
    block = fire_days(22, leak_from=20.0)
    is_early = block.ts_ms < T0_MS + days * DAY_MS
    before, after = SlowBank(FireHours), SlowBank(FireHours)
    before.observe(block.rows(is_early))
    saved = before.state_of(FIRE)
    assert saved is not None
    assert sum(array.nbytes for array in saved.values()) < 20_000
    after.load(FIRE, saved)
    assert str(after.progress(FIRE)) == str(before.progress(FIRE))
    changes = after.observe(block.rows(~is_early))
    assert [change.is_anomalous for change in changes] == [True]
    assert 20.0 < day_of(changes[0]) < 21.5


def test_a_foreign_state_is_refused_and_the_unit_learns_on() -> None:
    bank = SlowBank(FireHours)
    bank.observe(fire_days(2))
    lift = SlowBank(LiftHours)
    lift.observe(lift_days(2))
    foreign = lift.state_of(LIFT)
    assert foreign is not None
    with pytest.raises(StateMismatch):
        bank.load(FIRE, foreign)
    assert str(bank.progress(FIRE)) == "1 of 14 days"


def test_a_verdict_that_stood_before_a_lost_state_ends_once_the_unit_is_judged_again() -> None:
    bank = SlowBank(FireHours)
    bank.stand(FIRE, is_standing=True)
    changes = bank.observe(fire_days(17))
    assert [change.is_anomalous for change in changes] == [False]
