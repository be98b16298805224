"""A silent unit is found, a speaking one never accused; our own deafness is not theirs."""

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.limits import Limits
from alerts.silence import LEARNED_GAPS, LONGEST_STEP_MS, Silence
from alerts.watch import Watch
from models.equipment import Kind
from models.reading import UnitKey
from tests.alerts.told import FIRE, LIFT, PUMP, T0_MS, Step, only, short, tell

LIMITS = Limits()
FLOOR_MS, UNLEARNED_MS = round(LIMITS.silent_floor_s * 1000), round(LIMITS.silent_unlearned_s * 1000)


def hear(silence: Silence, unit: UnitKey, now_ms: int) -> None:
    silence.hear(silence.places([unit]), now_ms)


def is_silent(silence: Silence, unit: UnitKey) -> bool:
    return bool(silence.is_silent(silence.places([unit]))[0])


def limit_ms(silence: Silence, unit: UnitKey) -> int:
    return int(silence.limits_ms(silence.places([unit]))[0])


def pass_time(silence: Silence, start_ms: int, seconds: float, *, is_listening: bool = True) -> int:
    """As the worker does, a look every second; a coarser one when much time passes."""
    step_ms = 1_000 if seconds <= 600 else LONGEST_STEP_MS
    end_ms = start_ms + round(seconds * 1000)
    for now_ms in [*range(start_ms + step_ms, end_ms, step_ms), end_ms]:
        silence.listen(now_ms, is_listening=is_listening)
    return end_ms


def speaking(gap_s: float, *, times: int = 10, units: Iterable[UnitKey] = (LIFT,)) -> tuple[Silence, int]:
    silence, now_ms = Silence(LIMITS), T0_MS
    silence.listen(now_ms)
    for _ in range(times):
        now_ms = pass_time(silence, now_ms, gap_s)
        for unit in units:
            hear(silence, unit, now_ms)
    return silence, now_ms


def words(silence: Silence, now_ms: int) -> list[tuple[str, bool]]:
    return [(change.unit.unit, change.is_silent) for change in silence.changes(now_ms)]


def test_a_unit_is_silent_after_three_of_its_own_pauses() -> None:
    silence, now_ms = speaking(600)
    now_ms = pass_time(silence, now_ms, 1800)
    assert not is_silent(silence, LIFT)
    now_ms = pass_time(silence, now_ms, 1)
    assert words(silence, now_ms) == [("lift-1", True)]


def test_a_quick_unit_has_the_floor_and_a_new_one_an_hour() -> None:
    quick, _ = speaking(10)
    new, _ = speaking(10, times=LEARNED_GAPS)
    assert (limit_ms(quick, LIFT), limit_ms(new, LIFT)) == (FLOOR_MS, UNLEARNED_MS)


def test_a_unit_that_never_spoke_is_not_silent() -> None:
    silence, now_ms = speaking(10)
    silence.places([FIRE])
    now_ms = pass_time(silence, now_ms, 10_000)
    assert words(silence, now_ms) == [("lift-1", True)]


def test_a_sensor_that_reports_once_a_day_may_be_an_hour_late() -> None:
    silence, now_ms = speaking(24 * 3600)
    now_ms = pass_time(silence, now_ms, 25 * 3600)
    assert not is_silent(silence, LIFT)
    now_ms = pass_time(silence, now_ms, 2 * 3600)
    assert is_silent(silence, LIFT)


def test_while_the_broker_is_lost_nobody_goes_silent_and_afterwards_the_count_goes_on() -> None:
    silence, now_ms = speaking(10, units=(LIFT, PUMP, FIRE))
    now_ms = pass_time(silence, now_ms, 86_400, is_listening=False)
    assert words(silence, now_ms) == []
    now_ms = pass_time(silence, now_ms, 121)
    hear(silence, LIFT, now_ms)
    assert words(silence, now_ms) == [("pump-1", True), ("fire-1", True)]


def test_a_step_of_the_clock_makes_nobody_silent_and_hides_nobody() -> None:
    silence, now_ms = speaking(10)
    for jump_s in (86_400, -172_800):
        now_ms += jump_s * 1000
        silence.listen(now_ms)
        assert words(silence, now_ms) == []
    now_ms = pass_time(silence, now_ms, 121)
    assert words(silence, now_ms) == [("lift-1", True)]


def test_after_a_restart_silence_is_counted_anew_and_who_was_told_stays_told() -> None:
    silence = Silence(LIMITS)
    for unit, is_told in ((LIFT, False), (PUMP, True)):
        silence.restore(unit, heard_ms=T0_MS - 10**9, interval_ms=10_000, gap_count=50, is_told=is_told)
    silence.listen(T0_MS)
    assert words(silence, T0_MS) == []
    now_ms = pass_time(silence, T0_MS, 120)
    assert words(silence, now_ms) == []
    now_ms = pass_time(silence, now_ms, 1)
    assert words(silence, now_ms) == [("lift-1", True), ("pump-1", True)]


def test_the_alarm_returns_only_after_a_minute_of_readings() -> None:
    silence, now_ms = speaking(10)
    now_ms = pass_time(silence, now_ms, 200)
    assert words(silence, now_ms) == [("lift-1", True)]
    said = []
    for _ in range(8):
        now_ms = pass_time(silence, now_ms, 10)
        hear(silence, LIFT, now_ms)
        assert not is_silent(silence, LIFT), "it speaks: nobody may call it silent"
        said.append(words(silence, now_ms))
    assert said == [[], [], [], [], [], [], [("lift-1", False)], []]


def test_a_connection_that_comes_and_goes_is_told_once() -> None:
    silence, now_ms = speaking(10)
    told = []
    for _ in range(10):
        now_ms = pass_time(silence, now_ms, limit_ms(silence, LIFT) / 1000 + 60)
        told += words(silence, now_ms)
        hear(silence, LIFT, now_ms)
        told += words(silence, now_ms)
    assert {is_silent for _, is_silent in told} == {True}


def test_who_said_goodbye_is_not_told_again_until_it_says_that_it_is_back() -> None:
    silence, now_ms = speaking(10)
    silence.tell_connection(LIFT, is_online=False)
    now_ms = pass_time(silence, now_ms, 500)
    assert words(silence, now_ms) == []
    silence.tell_connection(LIFT, is_online=True)
    assert words(silence, now_ms) == [("lift-1", True)]


def test_what_another_worker_heard_counts() -> None:
    silence, now_ms = speaking(10)
    now_ms = pass_time(silence, now_ms, 200)
    assert silence.doubtful() == [LIFT]
    silence.correct(LIFT, now_ms - 5_000)
    assert words(silence, now_ms) == []


@given(
    gap_s=st.floats(1, 4 * 3600),
    wobble=st.lists(st.floats(0.3, 1.0), min_size=LEARNED_GAPS + 1, max_size=25),
)
@settings(deadline=None, max_examples=60)
def test_a_unit_that_speaks_within_its_usual_pause_is_never_silent_and_one_that_stops_always_becomes_so(
    gap_s: float, wobble: list[float]
) -> None:
    silence, now_ms = Silence(LIMITS), T0_MS
    silence.listen(now_ms)
    hear(silence, LIFT, now_ms)
    for share in [1.0, *wobble]:
        pause_s = gap_s * share
        now_ms = pass_time(silence, now_ms, pause_s * 0.999)
        if pause_s * 1000 <= np.fmax(silence.interval_ms[0], FLOOR_MS):
            assert not is_silent(silence, LIFT)
        hear(silence, LIFT, now_ms)
        assert not is_silent(silence, LIFT)
    now_ms = pass_time(silence, now_ms, limit_ms(silence, LIFT) / 1000 + 1)
    assert words(silence, now_ms) == [("lift-1", True)]


# What becomes of it.


def test_a_lift_that_is_inspected_or_out_of_service_may_be_silent() -> None:
    for why in ((0, {"service_mode": 2}), (0, "event.43"), (0, "event.42")):
        assert only("silent", tell(Watch(), LIFT, [why, (5, "silent")])) == []  # type: ignore[list-item]


def test_the_word_of_our_clock_does_not_move_that_of_the_unit() -> None:
    """The unit's clock is an hour behind; what it says when it is back is not late."""
    watch = Watch()
    steps: list[Step] = [(0, {"pump_auto": 1}), (300, "silent"), (400, {"pump_auto": 0})]
    assert short(tell(watch, FIRE, steps, lag_s=3600)) == ["+silent@3900", "+pump_in_manual@400"]


def test_rain_on_the_neighbours_is_rain_on_a_silent_sump() -> None:
    watch, other, far = Watch(), UnitKey("xiaohe", Kind.PUMP, "pump-2"), UnitKey("elsewhere", Kind.PUMP, "pump-2")
    tell(watch, PUMP, [(0, {"rain_mm_h": 0, "level_m": 1}), (900, "silent")])
    rain: list[Step] = [(second, {"rain_mm_h": 10}) for second in (900, 1500, 2100, 2700)]
    tell(watch, far, rain)
    assert short(tell(watch, PUMP, [(2700, "silent")])) == []
    tell(watch, other, rain)
    assert short(tell(watch, PUMP, [(2700, "silent")])) == ["+silent_in_rain@2700"]


def test_rain_of_an_hour_ago_is_not_known_to_go_on() -> None:
    rain: list[Step] = [(second, {"rain_mm_h": 10}) for second in (0, 600, 1200, 1800)]
    assert only("silent_in_rain", tell(Watch(), PUMP, [*rain, (1800 + 3601, "silent")])) == []
    assert only("silent_in_rain", tell(Watch(), PUMP, [*rain, (1800 + 3599, "silent")])) != []
