"""Which channels of each kind the live stream's detectors judge."""

from collections.abc import Mapping
from types import MappingProxyType

from models.alarm_budget import BUDGET_PER_MONTH
from models.detectors.bank import FIT_ROWS, DetectorBank
from models.detectors.slow_bank import SlowBank
from models.equipment import METRICS, Kind
from models.hours_by_kind import MAKE_HOURS

TRIP_METRICS = frozenset(
    {
        "door_close_s",
        "door_reopens",
        "door_motor_current_a",
        "levelling_error_mm",
        "vibration_rms_m_s2",
        "motor_current_a",
        "brake_release_s",
    }
)
"""What a lift tells once a trip. Where it stands and who is in it is no sign of wear, and is no channel."""

JUDGED: Mapping[Kind, frozenset[str] | None] = MappingProxyType(
    {
        Kind.ELEVATOR: TRIP_METRICS,
        Kind.PUMP: None,
        Kind.FIRE: frozenset(
            name for name, metric in METRICS[Kind.FIRE].items() if not metric.is_boolean and not metric.is_counter
        ),
    }
)
"""None: all that a unit tells but counters, also channels that nobody has named yet."""

EVERY_MS: Mapping[Kind, int] = MappingProxyType({Kind.ELEVATOR: 0, Kind.PUMP: 0, Kind.FIRE: 900_000})
"""Between two starts of a jockey pump lie hours, and a day between two fillings of a tank: few rows show it."""

FIRE_FIT_ROWS = 14 * 96
"""Two weeks: what comes once a day, or on certain days, must have come a few times before it is known as normal."""

MUST_VARY: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {Kind.ELEVATOR: frozenset(), Kind.PUMP: frozenset({"pump1_running", "pump2_running"}), Kind.FIRE: frozenset()}
)
"""Pumps take turns, and in a dry time each runs once in an hour: who never saw one run takes it for a fault."""

HISTORY_ROWS: Mapping[Kind, int | None] = MappingProxyType({Kind.ELEVATOR: 8_640, Kind.PUMP: None, Kind.FIRE: 8_640})
"""What is read again after a restart, at most: a day, so that a hundred lifts do not keep a service from starting."""


def live_banks(*, fit_rows: int = FIT_ROWS, budget_per_month: float = BUDGET_PER_MONTH) -> dict[Kind, DetectorBank]:
    """A bank for every kind; `fit_rows` are readings of a pump and trips of a lift."""
    return {
        kind: DetectorBank(
            fit_rows=FIRE_FIT_ROWS if kind is Kind.FIRE else fit_rows,
            budget_per_month=budget_per_month,
            metrics=metrics,
            every_ms=EVERY_MS[kind],
            history_rows=HISTORY_ROWS[kind],
            must_vary=MUST_VARY[kind],
        )
        for kind, metrics in JUDGED.items()
    }


def slow_banks() -> dict[Kind, SlowBank]:
    """A bank for the wear of every kind."""
    return {kind: SlowBank(make_hours) for kind, make_hours in MAKE_HOURS.items()}
