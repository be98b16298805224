"""Every condition: what raises it, what just does not, and when it is over."""

from dataclasses import dataclass

import numpy as np
import pytest

from alerts.conditions import VERDICTS, Condition, condition_table
from alerts.kind_watch import KindWatch
from alerts.limits import Limits
from alerts.severity import Severity
from alerts.watch import Watch
from models.detectors.bank import VerdictChange
from models.equipment import EVENT_TITLES, METRICS, Kind
from models.reading import Floats, ReadingBlock, UnitKey
from tests.alerts.told import FIRE, LIFT, PUMP, UNIT_OF, Bank, Step, Values, at_ms, only, short, tell

TABLE = condition_table(Limits())
MINUTE = 60
HOUR = 3600
TRAPPED: Values = {"occupied": 1, "door_closed": 1, "in_door_zone": 0, "speed_m_s": 0.0, "service_mode": 1}
IDLE_PUMPS: Values = {"pump1_running": 0, "pump2_running": 0}
BOTH_RUN: Values = {"pump1_running": 1, "pump2_running": 1}
AGAIN: Values = {}


@dataclass(frozen=True)
class Case:
    """Steps that raise a condition at a second, steps that just do not, and steps that end it at a second."""

    unit: UnitKey
    raises: list[Step]
    raised_at: float
    not_quite: dict[str, list[Step]]
    stays: list[Step]
    ends: list[Step]
    ended_at: float


def held(values: Values, *seconds: float) -> list[Step]:
    return [(second, values) for second in seconds]


def event_case(unit: UnitKey, code: str) -> Case:
    other = next(name for name in EVENT_TITLES[unit.kind] if name != code)
    return Case(
        unit,
        raises=[(5, code)],
        raised_at=5,
        not_quite={"only ended": [(5, f"-{code}")], "another code": [(5, other)]},
        stays=[(6, code), (7, f"-{other}")],
        ends=[(8, f"-{code}")],
        ended_at=8,
    )


def offline_case(unit: UnitKey) -> Case:
    return Case(
        unit,
        raises=[(0, "offline"), (30, "tick")],
        raised_at=30,
        not_quite={
            "back in time": [(0, "offline"), (29, "online"), (90, "tick")],
            "29 s": [(0, "offline"), (29.9, "tick")],
            "online": [(0, "online"), (900, "tick")],
        },
        stays=[(60, "offline"), (70, "tick")],
        ends=[(80, "online")],
        ended_at=80,
    )


def silent_case(unit: UnitKey, *before: Step, at: float = 5, **not_quite: list[Step]) -> Case:
    return Case(
        unit,
        raises=[*before, (at, "silent")],
        raised_at=at,
        not_quite={"back": [*before, (at, "-silent")], "offline": [*before, (at, "offline"), (at + 50, "tick")]}
        | not_quite,
        stays=[(at + 15, "silent"), (at + 7200, "silent")],
        ends=[(at + 9000, "-silent")],
        ended_at=at + 9000,
    )


def threshold_case(
    unit: UnitKey, metric: str, *, bad: float, good: float, clears: float, holds: float, delay_s: float, off_s: float
) -> Case:
    """`bad` raises after a delay, `good` does not; `holds` keeps it raised, `clears` ends it after a delay."""
    short_s = max(delay_s - 0.001, 0)
    not_quite = {
        "good enough": held({metric: good}, 0, delay_s, 10 * delay_s + 1),
        "unknown": [(0, {"position_floor": 1.0}), (delay_s + 1, "tick")],
    }
    if delay_s:
        not_quite["not long enough"] = [
            (0, {metric: bad}),
            (short_s, {metric: bad}),
            (short_s, "tick"),
            (delay_s, {metric: clears}),
            (delay_s + 1, {metric: bad}),
            (2 * delay_s, {metric: bad}),
        ]
    end = 10_000.0
    return Case(
        unit,
        raises=held({metric: bad}, 0, delay_s) if delay_s else held({metric: bad}, 0),
        raised_at=delay_s,
        not_quite=not_quite,
        stays=held({metric: holds}, 9000, 9900),
        ends=held({metric: clears}, end, end + off_s) if off_s else held({metric: clears}, end),
        ended_at=end + off_s,
    )


def floor_case(limit_cm: float) -> Case:
    return threshold_case(
        PUMP,
        "floor_water_cm",
        bad=limit_cm,
        good=limit_cm - 0.01,
        clears=limit_cm * 2 / 3 * 0.8 - 0.01,
        holds=limit_cm * 2 / 3 * 0.8 + 0.01,
        delay_s=20,
        off_s=300,
    )


def cycles(pump: int, count: int, *, start: float = 0) -> list[Step]:
    """A pump that runs for half a minute, `count` times; the other one rests."""
    steps: list[Step] = []
    for number in range(count):
        begin = start + number * MINUTE
        steps += [(begin, {**IDLE_PUMPS, f"pump{pump}_running": 1}), (begin + 30, IDLE_PUMPS)]
    return steps


def counted(metric: str, per_h: float, *, hours: float, first_min: float = 1.0) -> list[Step]:
    """A counter read every minute that counts evenly, from `first_min` minutes after the first reading."""
    return [
        (
            minute * MINUTE,
            {metric: 100 + (0 if minute < first_min else 1 + int((minute - first_min) * per_h / 60 + 1e-9))},
        )
        for minute in range(int(hours * 60) + 1)
    ]


def rain(mm_h: float, *, hours: float, start_h: float = 0) -> list[Step]:
    steps = int(hours * 6) + 1
    return [(start_h * HOUR + ten * 600, {"rain_mm_h": mm_h}) for ten in range(steps)]


def rising(m_per_min: float, *, minutes: int, level_m: float = 1.51, running: Values = BOTH_RUN) -> list[Step]:
    return [(minute * MINUTE, {**running, "level_m": level_m + minute * m_per_min}) for minute in range(minutes + 1)]


CASES: dict[tuple[Kind, str], Case] = {
    (Kind.ELEVATOR, "entrapment"): Case(
        LIFT,
        raises=held(TRAPPED, 0, 30, 60),
        raised_at=60,
        not_quite={
            "59 s": [*held(TRAPPED, 0, 59), (59.999, "tick")],
            "interrupted": [*held(TRAPPED, 0, 40), (41, {"door_closed": 0}), *held(TRAPPED, 42, 101)],
            "nobody inside": held({**TRAPPED, "occupied": 0}, 0, 90),
            "door open": held({**TRAPPED, "door_closed": 0}, 0, 90),
            "moving": held({**TRAPPED, "speed_m_s": -0.3}, 0, 90),
            "at a landing, no button": held({**TRAPPED, "in_door_zone": 1}, 0, 90),
            **{f"mode {mode}": held({**TRAPPED, "service_mode": mode}, 0, 90) for mode in (0, 2, 3, 4, 5, 6, 7)},
            **{f"{name} unknown": held({k: v for k, v in TRAPPED.items() if k != name}, 0, 90) for name in TRAPPED},
        },
        stays=[*held({"speed_m_s": 0.0}, 70), (71, {"door_closed": 0}), (80.9, TRAPPED)],
        ends=held({"door_closed": 0}, 100, 110),
        ended_at=110,
    ),
    (Kind.ELEVATOR, "motor_overheating"): threshold_case(
        LIFT, "motor_temp_c", bad=120.1, good=120, clears=109.9, holds=110, delay_s=60, off_s=0
    ),
    (Kind.ELEVATOR, "machine_room_hot"): threshold_case(
        LIFT, "machine_room_temp_c", bad=45.1, good=45, clears=41.9, holds=42, delay_s=300, off_s=0
    ),
    **{(Kind.ELEVATOR, f"fault.0{number}"): event_case(LIFT, f"fault.0{number}") for number in range(1, 9)},
    **{(Kind.ELEVATOR, f"event.{number}"): event_case(LIFT, f"event.{number}") for number in (41, 42, 44, 45, 46, 47)},
    (Kind.ELEVATOR, "alarm.90"): event_case(LIFT, "alarm.90"),
    **{(kind, "offline"): offline_case(unit) for kind, unit in UNIT_OF.items()},
    (Kind.FIRE, "silent"): silent_case(FIRE),
    (Kind.PUMP, "silent"): silent_case(PUMP),
    (Kind.ELEVATOR, "silent"): silent_case(LIFT, stopped=[(0, {"service_mode": 0}), (5, "silent")]),
    (Kind.PUMP, "silent_in_rain"): silent_case(PUMP, *held({"rain_mm_h": 10}, 0, 600, 1200, 1800), at=1900),
    (Kind.PUMP, "inflow_exceeds_capacity"): Case(
        PUMP,
        raises=rising(0.003, minutes=2),
        raised_at=120,
        not_quite={
            "hardly rising": rising(0.0019, minutes=20),
            "below the start of the standby pump": rising(0.003, minutes=20, level_m=1.4),
            "one pump": rising(0.003, minutes=20, running={"pump1_running": 1, "pump2_running": 0}),
            "for a minute": [*rising(0.003, minutes=1), (90, {"level_m": 1.5}), (120, {"level_m": 1.5})],
        },
        stays=[(3000, {"level_m": 1.9}), (3060, {"level_m": 1.9}), (3120, {"level_m": 1.899})],
        ends=[(4000, {"level_m": 1.9}), (4060, {"level_m": 1.8}), (4360, {"level_m": 1.2})],
        ended_at=4360,
    ),
    (Kind.PUMP, "floor_water_wet"): floor_case(3),
    (Kind.PUMP, "floor_water_close"): floor_case(10),
    (Kind.PUMP, "floor_water_evacuate"): floor_case(20),
    (Kind.PUMP, "lift_pit_water"): threshold_case(
        PUMP, "lift_pit_water", bad=1, good=0, clears=0, holds=1, delay_s=10, off_s=0
    ),
    (Kind.PUMP, "high_float"): Case(
        PUMP,
        raises=[(0, {"level_m": 1.6, "high_float": 0}), (1, {"high_float": 1})],
        raised_at=1,
        not_quite={
            "the level says otherwise": held({"level_m": 1.59, "high_float": 1}, 0, 60),
            "not raised": held({"level_m": 1.9, "high_float": 0}, 0, 60),
            "an event against the level": [(0, {"level_m": 0.5}), (1, "high_float")],
        },
        stays=[(2, {"level_m": 1.0}), (3, {"high_float": 0}), (62.9, {"high_float": 1})],
        ends=held({"high_float": 0}, 100, 160),
        ended_at=160,
    ),
    (Kind.PUMP, "dry_run"): Case(
        PUMP,
        raises=held({"pump1_running": 1, "pump1_current_a": 5.9, "level_m": 0.2}, 0, 30),
        raised_at=30,
        not_quite={
            "29 s": held({"pump1_running": 1, "pump1_current_a": 5.9, "level_m": 0.2}, 0, 29.9),
            "full current": held({"pump1_running": 1, "pump1_current_a": 6.0, "level_m": 0.2}, 0, 60),
            "water enough": held({"pump1_running": 1, "pump1_current_a": 5.9, "level_m": 0.21}, 0, 60),
            "at rest": held({"pump1_running": 0, "pump1_current_a": 5.9, "level_m": 0.2}, 0, 60),
            "the current of the other pump": held(
                {"pump1_running": 0, "pump1_current_a": 5.9, "pump2_running": 1, "pump2_current_a": 9, "level_m": 0.1},
                0,
                60,
            ),
        },
        stays=[(40, {"pump1_running": 0}), (69.9, {"pump1_running": 1})],
        ends=held({"pump1_running": 0}, 100, 130),
        ended_at=130,
    ),
    (Kind.PUMP, "no_current"): Case(
        PUMP,
        raises=held({"pump2_running": 1, "pump2_current_a": 0.9}, 0, 20),
        raised_at=20,
        not_quite={
            "19 s": held({"pump2_running": 1, "pump2_current_a": 0.9}, 0, 19.9),
            "some current": held({"pump2_running": 1, "pump2_current_a": 1.0}, 0, 60),
            "at rest": held({"pump2_running": 0, "pump2_current_a": 0.0}, 0, 60),
            "unknown current": held({"pump2_running": 1}, 0, 60),
        },
        stays=[(40, {"pump2_current_a": 9}), (59.9, {"pump2_current_a": 0})],
        ends=held({"pump2_current_a": 9}, 100, 120),
        ended_at=120,
    ),
    (Kind.PUMP, "phase_loss"): Case(
        PUMP,
        raises=held({"phase_loss": 1}, 3),
        raised_at=3,
        not_quite={"no loss": held({"phase_loss": 0}, 3), "only ended": [(3, "-phase_loss")]},
        stays=[(4, "phase_loss"), (5, {"phase_loss": 0})],
        ends=[(6, "-phase_loss")],
        ended_at=6,
    ),
    (Kind.PUMP, "float_disagrees"): Case(
        PUMP,
        raises=held({"high_float": 1, "level_m": 1.59}, 0, 120),
        raised_at=120,
        not_quite={
            "119 s": held({"high_float": 1, "level_m": 1.59}, 0, 119.9),
            "within its margin, up": held({"high_float": 1, "level_m": 1.6}, 0, 200),
            "within its margin, down": held({"high_float": 0, "level_m": 2.0}, 0, 200),
            "unknown level": held({"high_float": 1}, 0, 200),
        },
        stays=[(300, {"level_m": 1.7}), (359.9, {"level_m": 0.3})],
        ends=held({"high_float": 0}, 400, 460),
        ended_at=460,
    ),
    (Kind.PUMP, "no_start_above_set_point"): Case(
        PUMP,
        raises=held({**IDLE_PUMPS, "level_m": 1.51}, 0, 60),
        raised_at=60,
        not_quite={
            "59 s": held({**IDLE_PUMPS, "level_m": 1.51}, 0, 59.9),
            "not above": held({**IDLE_PUMPS, "level_m": 1.5}, 0, 90),
            "one runs": held({"pump1_running": 1, "pump2_running": 0, "level_m": 1.9}, 0, 90),
            "one unknown": held({"pump1_running": 0, "level_m": 1.9}, 0, 90),
        },
        stays=held({"level_m": 1.6}, 70),
        ends=held({"pump2_running": 1}, 80),
        ended_at=80,
    ),
    (Kind.PUMP, "standby_never_runs"): Case(
        PUMP,
        raises=cycles(1, 16),
        raised_at=15 * MINUTE,
        not_quite={
            "15 cycles": cycles(1, 15),
            "once in between": [*cycles(1, 12), *cycles(2, 1, start=HOUR), *cycles(1, 15, start=2 * HOUR)],
            "in turn": [step for n in range(20) for step in cycles(1 + n % 2, 1, start=n * MINUTE)],
            "the other one unknown": [
                (second, {"pump1_running": values["pump1_running"]})
                for second, values in cycles(1, 20)
                if not isinstance(values, str)
            ],
        },
        stays=cycles(1, 1, start=HOUR),
        ends=cycles(2, 1, start=2 * HOUR),
        ended_at=2 * HOUR,
    ),
    (Kind.PUMP, "short_cycling"): Case(
        PUMP,
        raises=counted("starts_total", 12, hours=0.5),
        raised_at=30 * MINUTE,
        not_quite={
            "six an hour": counted("starts_total", 6, hours=5),
            "six an hour, first at once": counted("starts_total", 6, hours=5, first_min=10),
            "a new counter": [*counted("starts_total", 5, hours=1), (3700, {"starts_total": 2})],
            "after a long silence": [(0, {"starts_total": 100}), (20 * HOUR, {"starts_total": 219})],
        },
        stays=[],
        ends=[(second + HOUR, {"starts_total": 300}) for second in range(0, 3 * HOUR, MINUTE)],
        ended_at=1.5 * HOUR,
    ),
    (Kind.PUMP, "heavy_rain"): Case(
        PUMP,
        raises=rain(30, hours=2),
        raised_at=100 * MINUTE,
        not_quite={
            "49.8 mm in 3 h": rain(16.6, hours=12),
            "long ago": [*rain(30, hours=1.5), *rain(0, hours=3, start_h=1.6), *rain(30, hours=1.5, start_h=4.7)],
            "a sensor that fell silent": [(0, {"rain_mm_h": 60}), (2 * HOUR, {"rain_mm_h": 60})],
        },
        stays=rain(0, hours=0.8, start_h=2.1),
        ends=rain(0, hours=3, start_h=3),
        # The last 25 mm fell after the first 70 minutes; they are three hours old after 4 h 10 min.
        ended_at=4 * HOUR + 20 * MINUTE,
    ),
    (Kind.PUMP, "trip"): event_case(PUMP, "trip"),
    (Kind.FIRE, "pump_in_manual"): threshold_case(
        FIRE, "pump_auto", bad=0, good=1, clears=1, holds=0, delay_s=0, off_s=0
    ),
    (Kind.FIRE, "main_valve_closed"): threshold_case(
        FIRE, "main_valve_open", bad=0, good=1, clears=1, holds=0, delay_s=0, off_s=0
    ),
    (Kind.FIRE, "hydrant_pressure_low"): threshold_case(
        FIRE, "hydrant_pressure_mpa", bad=0.0699, good=0.07, clears=0.081, holds=0.08, delay_s=20, off_s=20
    ),
    (Kind.FIRE, "sprinkler_pressure_low"): threshold_case(
        FIRE, "sprinkler_pressure_mpa", bad=0.0999, good=0.1, clears=0.116, holds=0.114, delay_s=20, off_s=20
    ),
    (Kind.FIRE, "tank_low"): threshold_case(
        FIRE, "tank_level_m", bad=1.99, good=2.0, clears=2.1, holds=2.09, delay_s=30, off_s=30
    ),
    (Kind.FIRE, "mains_lost"): threshold_case(FIRE, "mains_ok", bad=0, good=1, clears=1, holds=0, delay_s=10, off_s=10),
    (Kind.FIRE, "battery_low"): threshold_case(
        FIRE, "battery_v", bad=21.9, good=22, clears=23, holds=22.9, delay_s=60, off_s=60
    ),
    (Kind.FIRE, "residual_current_high"): threshold_case(
        FIRE, "residual_current_ma", bad=300.1, good=300, clears=270, holds=270.1, delay_s=10, off_s=10
    ),
    (Kind.FIRE, "cable_hot"): threshold_case(
        FIRE, "cable_temp_c", bad=70.1, good=70, clears=65, holds=65.1, delay_s=10, off_s=10
    ),
    (Kind.FIRE, "jockey_starts_often"): Case(
        FIRE,
        raises=counted("jockey_starts_total", 30, hours=0.5),
        raised_at=30 * MINUTE,
        not_quite={"15 an hour": counted("jockey_starts_total", 15, hours=5)},
        stays=[],
        ends=[(second + HOUR, {"jockey_starts_total": 300}) for second in range(0, 3 * HOUR, MINUTE)],
        ended_at=1.5 * HOUR,
    ),
    **{
        (Kind.FIRE, code): event_case(FIRE, code) for code in ("fire", "fault", "supervisory", "power_fault", "started")
    },
    (Kind.FIRE, "disabled"): Case(
        FIRE,
        raises=[(0, "disabled@3-12"), (8 * HOUR, "disabled@3-13")],
        raised_at=8 * HOUR,
        not_quite={
            "not long enough": [(0, "disabled@3-12"), (8 * HOUR - 1, "tick")],
            "enabled in between": [
                (0, "disabled@3-12"),
                (4 * HOUR, "-disabled@3-12"),
                (4 * HOUR, "disabled@3-12"),
                (12 * HOUR - 1, "tick"),
            ],
        },
        stays=[(9 * HOUR, "-disabled@3-12")],
        ends=[(10 * HOUR, "-disabled@3-13")],
        ended_at=10 * HOUR,
    ),
}


def ids(key: tuple[Kind, str]) -> str:
    return f"{key[0]}-{key[1]}"


def test_every_condition_has_its_case() -> None:
    conditions = {(kind, condition.code) for kind, table in TABLE.items() for condition in table}
    assert set(CASES) == {key for key in conditions if key[1] not in VERDICTS}


@pytest.mark.parametrize("key", CASES, ids=ids)
def test_it_is_raised_once_and_at_its_time(key: tuple[Kind, str]) -> None:
    case = CASES[key]
    assert only(key[1], tell(Watch(), case.unit, case.raises)) == [f"+{key[1]}@{case.raised_at:g}"]


@pytest.mark.parametrize("key", CASES, ids=ids)
def test_just_below_it_is_not_raised(key: tuple[Kind, str]) -> None:
    case = CASES[key]
    raised = {why: only(key[1], tell(Watch(), case.unit, steps)) for why, steps in case.not_quite.items()}
    assert raised == {why: [] for why in case.not_quite}


@pytest.mark.parametrize("key", CASES, ids=ids)
def test_once_raised_it_stays_through_small_changes_and_ends_at_its_time(key: tuple[Kind, str]) -> None:
    case = CASES[key]
    watch = Watch()
    tell(watch, case.unit, case.raises)
    assert only(key[1], tell(watch, case.unit, case.stays)) == []
    assert only(key[1], tell(watch, case.unit, case.ends)) == [f"-{key[1]}@{case.ended_at:g}"]


@pytest.mark.parametrize("key", CASES, ids=ids)
def test_nothing_known_raises_nothing(key: tuple[Kind, str]) -> None:
    class Nothing:
        def __getitem__(self, _column: str, /) -> Floats:
            return np.array([np.nan])

    condition = next(c for c in TABLE[key[0]] if c.code == key[1])
    assert not condition.raise_when(Nothing()).any()


def test_conditions_say_what_people_need() -> None:
    for kind, table in TABLE.items():
        assert len({condition.code for condition in table}) == len(table)
        for condition in table:
            assert condition.kind is kind
            assert condition.title
            assert condition.advice
            assert condition.case
            assert condition.event is None or condition.event in {*EVENT_TITLES[kind], "online", *VERDICTS, "silent"}
            assert condition.columns or condition.event


def test_fire_and_entrapment_are_critical() -> None:
    gravest = {(kind, c.code) for kind, table in TABLE.items() for c in table if c.severity is Severity.CRITICAL}
    assert {(Kind.FIRE, "fire"), (Kind.ELEVATOR, "entrapment"), (Kind.PUMP, "floor_water_evacuate")} <= gravest


# Entrapment


def test_the_alarm_button_makes_an_entrapment_at_a_landing_too() -> None:
    at_landing = {**TRAPPED, "in_door_zone": 1}
    steps = [*held(at_landing, 0, 30), (40, "alarm.90"), *held(at_landing, 99.9, 100)]
    assert short(tell(Watch(), LIFT, steps)) == ["+alarm.90@40", "+entrapment@100"]


def test_an_entrapment_is_raised_without_any_further_message() -> None:
    steps: list[Step] = [(0, TRAPPED), (59, "tick"), (60, "tick"), (61, "tick")]
    assert short(tell(Watch(), LIFT, steps)) == ["+entrapment@60"]


def test_an_entrapment_tells_where_and_since_when() -> None:
    [signal] = tell(Watch(), LIFT, [(0, {**TRAPPED, "position_floor": 7}), (60, "tick")])
    assert signal.evidence["position_floor"] == 7
    assert signal.evidence["since_ms"] == at_ms(0)
    assert signal.condition.severity is Severity.CRITICAL


@pytest.mark.parametrize("mode", [2, 3, 4])
def test_faults_are_kept_aside_while_people_work_on_the_lift_and_are_raised_afterwards(mode: int) -> None:
    watch = Watch()
    steps: list[Step] = [(0, {"service_mode": mode}), (1, "fault.03"), (2, {"service_mode": mode}), (500, "tick")]
    assert short(tell(watch, LIFT, steps)) == ["~fault.03@1"]
    assert short(tell(watch, LIFT, [(600, {"service_mode": 1})])) == ["+fault.03@600"]


def test_a_fault_that_ended_during_the_inspection_is_never_raised() -> None:
    steps: list[Step] = [(0, {"service_mode": 2}), (1, "fault.03"), (2, "-fault.03"), (600, {"service_mode": 1})]
    assert short(tell(Watch(), LIFT, steps)) == ["~fault.03@1", "-fault.03@2"]


def test_only_what_the_lift_itself_calls_a_fault_is_kept_in_service_and_that_has_no_delay() -> None:
    kept = [condition for condition in TABLE[Kind.ELEVATOR] if condition.is_kept_in_service]
    assert {condition.code for condition in kept} == {f"fault.0{number}" for number in range(1, 9)}
    for condition in kept:
        assert condition.is_silent_in_service
        assert condition.may_be_shelved
        assert (condition.on_delay_s, condition.off_delay_s) == (0, 0)


def test_a_fault_known_before_the_inspection_stays_and_ends_during_it() -> None:
    steps: list[Step] = [(0, "fault.03"), (1, {"service_mode": 2}), (5, "-fault.03")]
    assert short(tell(Watch(), LIFT, steps)) == ["+fault.03@0", "-fault.03@5"]


@pytest.mark.parametrize("code", ["event.43", "event.44", "event.45"])
def test_a_lift_that_tells_its_mode_by_events_only_is_silent_too(code: str) -> None:
    watch = Watch()
    assert "+fault.03@1" not in short(tell(watch, LIFT, [(0, code), (1, "fault.03"), (9, "tick")]))
    assert "+fault.03@10" in short(tell(watch, LIFT, [(10, f"-{code}")]))


def test_a_reported_mode_counts_more_than_an_old_event() -> None:
    assert "+fault.03@2" in short(tell(Watch(), LIFT, [(0, "event.43"), (1, {"service_mode": 1}), (2, "fault.03")]))


def test_an_overheated_motor_is_silent_in_inspection_and_waits_its_delay_afterwards() -> None:
    watch = Watch()
    assert short(tell(watch, LIFT, held({"motor_temp_c": 130, "service_mode": 2}, 0, 90, 200))) == []
    after = held({"motor_temp_c": 130, "service_mode": 1}, 300, 359, 360)
    assert short(tell(watch, LIFT, after)) == ["+motor_overheating@360"]


# Flood


def storm() -> Watch:
    watch = Watch()
    assert short(tell(watch, PUMP, rain(17, hours=3))) == ["+heavy_rain@10800"]
    return watch


@pytest.mark.parametrize(
    ("code", "limit_cm"), [("floor_water_wet", 3), ("floor_water_close", 10), ("floor_water_evacuate", 20)]
)
def test_under_an_orange_rain_warning_floor_water_is_told_at_two_thirds(code: str, limit_cm: float) -> None:
    lowered = limit_cm * 2 / 3
    begin = 3 * HOUR + 10
    assert only(code, tell(storm(), PUMP, held({"floor_water_cm": lowered - 0.01}, begin, begin + 60))) == []
    said = tell(storm(), PUMP, held({"floor_water_cm": lowered + 0.001}, begin, begin + 20))
    assert only(code, said) == [f"+{code}@{begin + 20}"]
    assert only(code, tell(Watch(), PUMP, held({"floor_water_cm": lowered + 0.001}, begin, begin + 60))) == []


def test_limits_of_a_compound_replace_the_defaults() -> None:
    deep = held({"floor_water_cm": 4}, 0, 20)
    assert only("floor_water_wet", tell(Watch(limits=Limits(floor_water_wet_cm=5)), PUMP, deep)) == []
    assert only("entrapment", tell(Watch(limits=Limits(entrapment_s=30)), LIFT, held(TRAPPED, 0, 30)))


def test_a_flood_alarm_forecasts_when_the_sump_overflows() -> None:
    [signal] = [s for s in tell(Watch(), PUMP, rising(0.1, minutes=2)) if s.condition.code.startswith("inflow")]
    assert signal.evidence["level_rise_m_per_min"] == pytest.approx(0.1)
    assert signal.evidence["overflow_in_min"] == pytest.approx((2.5 - 1.71) / 0.1, abs=0.01)


def test_a_sensor_that_tells_its_level_seldom_has_the_same_slope() -> None:
    """Rows that bring other metrics must not make a level look as if it stood still in between."""
    often: list[Step] = [(second, BOTH_RUN) for second in range(0, 1200, 10)]
    seldom: list[Step] = [(minute * 60 + 1, {"level_m": 1.6 + minute * 0.01}) for minute in range(0, 20, 4)]
    said = only("inflow_exceeds_capacity", tell(Watch(), PUMP, sorted([*often, *seldom], key=lambda step: step[0])))
    assert said == ["+inflow_exceeds_capacity@310"]


def test_no_slope_is_drawn_across_a_hole_in_the_data() -> None:
    steps = [*rising(0.0, minutes=1), (2 * HOUR, {"level_m": 2.4}), (2 * HOUR + 70, {"level_m": 2.4})]
    assert only("inflow_exceeds_capacity", tell(Watch(), PUMP, steps)) == []


def test_a_counter_that_starts_anew_gives_no_negative_and_no_huge_rate() -> None:
    before = counted("starts_total", 4, hours=1)
    after = [(HOUR + MINUTE + second, values) for second, values in counted("starts_total", 4, hours=2)]
    reset = [
        (second, {"starts_total": values["starts_total"] - 99})
        for second, values in after
        if not isinstance(values, str)
    ]
    assert only("short_cycling", tell(Watch(), PUMP, [*before, *reset])) == []


def test_a_phase_loss_is_known_from_its_event_as_well() -> None:
    assert short(tell(Watch(), PUMP, [(0, "phase_loss"), (9, "-phase_loss")])) == ["+phase_loss@0", "-phase_loss@9"]


# Fire points


def test_a_fire_lasts_until_the_last_of_its_points_is_quiet() -> None:
    steps: list[Step] = [(0, "fire@3-12"), (1, "fire@3-13"), (2, "-fire@3-12"), (3, "-fire@3-13")]
    signals = tell(Watch(), FIRE, steps)
    assert short(signals) == ["+fire@0", "-fire@3"]
    assert signals[0].evidence["points"] == ["3-12"]


def test_an_end_without_a_point_ends_them_all() -> None:
    steps: list[Step] = [(0, "fire@3-12"), (1, "fire@3-13"), (2, "-fire")]
    assert short(tell(Watch(), FIRE, steps)) == ["+fire@0", "-fire@2"]


def test_a_point_from_before_the_end_of_all_does_not_bring_the_fire_back() -> None:
    steps: list[Step] = [(0, "fire@3-12"), (20, "-fire"), (15, "fire@3-13")]
    assert short(tell(Watch(), FIRE, steps)) == ["+fire@0", "-fire@20"]


def test_the_end_of_a_point_that_never_rang_ends_nothing() -> None:
    steps: list[Step] = [(0, "fire@3-12"), (1, "-fire@9-99")]
    assert short(tell(Watch(), FIRE, steps)) == ["+fire@0"]


def test_the_same_points_told_again_are_one_fire() -> None:
    steps: list[Step] = [(second, "fire@3-12") for second in range(20)]
    assert short(tell(Watch(), FIRE, steps)) == ["+fire@0"]


# What detectors say


def verdict(second: float, *, on: bool, score: float = 2.0) -> VerdictChange:
    shares = tuple((f"channel_{n}", 0.1) for n in range(9))
    return VerdictChange(PUMP, at_ms(second), on, at_ms(second - 5), score, 1.0, shares)


def test_a_verdict_begins_and_ends_an_anomaly_and_tells_why() -> None:
    bank = Bank(verdict(0, on=True))
    watch = Watch(banks={Kind.PUMP: bank})
    [signal] = tell(watch, PUMP, [(0, {"level_m": 1})])
    assert short([signal]) == ["+anomaly@0"]
    assert signal.evidence["since_ms"] == at_ms(-5)
    assert signal.evidence["contributions"][0] == ["channel_0", 0.1]
    assert len(signal.evidence["contributions"]) == 5
    bank.changes = [verdict(9, on=False)]
    assert short(tell(watch, PUMP, [(9, {"level_m": 1})])) == ["-anomaly@9"]


def test_a_score_beyond_all_numbers_is_told_as_unknown() -> None:
    watch = Watch(banks={Kind.PUMP: Bank(verdict(0, on=True, score=float("inf")))})
    [signal] = tell(watch, PUMP, [(0, {"level_m": 1})])
    assert signal.evidence["anomaly_score"] is None


# Failures


def test_a_detector_that_fails_silences_no_rule() -> None:
    class Failing(Bank):
        def observe(self, block: ReadingBlock) -> list[VerdictChange]:
            raise ZeroDivisionError

    told: list[str] = []
    watch = Watch(banks={Kind.PUMP: Failing()}, on_failure=lambda where, _error: told.append(where))
    assert short(tell(watch, PUMP, [(0, {"phase_loss": 1})])) == ["+phase_loss@0"]
    assert told == ["detector"]


def test_a_rule_that_fails_silences_no_other() -> None:
    def fail(_states: object) -> Floats:
        raise ZeroDivisionError

    def condition(code: str, raise_when: object) -> Condition:
        return Condition(
            code=code,
            kind=Kind.FIRE,
            title="t",
            severity=Severity.MAJOR,
            case="c",
            advice="a",
            raise_when=raise_when,  # type: ignore[arg-type]
            columns=("mains_ok",),
        )

    told: list[str] = []
    rules = (condition("first", fail), condition("second", lambda s: s["mains_ok"] == 0))
    watch = Watch(on_failure=lambda where, _error: told.append(where))
    watch._kinds[Kind.FIRE] = KindWatch(Kind.FIRE, rules, Limits(), on_failure=watch._failed)
    assert short(tell(watch, FIRE, [(0, {"mains_ok": 0})])) == ["+second@0"]
    assert told == ["first"]


def test_without_anybody_to_tell_a_failure_is_raised() -> None:
    class Failing(Bank):
        def observe(self, block: ReadingBlock) -> list[VerdictChange]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tell(Watch(banks={Kind.PUMP: Failing()}), PUMP, [(0, {"level_m": 1})])


def test_metrics_that_nobody_knows_are_no_business_of_the_watch() -> None:
    assert short(tell(Watch(), PUMP, [(0, {"colour_of_water": 3, "phase_loss": 1})])) == ["+phase_loss@0"]
    assert "colour_of_water" not in METRICS[Kind.PUMP]
