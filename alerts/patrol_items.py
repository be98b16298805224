"""What is looked at on a round, as data: the items of each kind of round with their limits and where they come from.

That a lift is maintained at least every 15 days, with half-monthly, quarterly, half-yearly and yearly sets of items, is
a rule [S]. Which items a set holds and their limits are professional defaults [P] that a compound may set otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from types import MappingProxyType

from alerts.severity import Severity
from alerts.ticket_stages import TicketKind
from models.equipment import Kind
from registry.role import Role


class PlanKind(StrEnum):
    LIFT = "lift"
    PUMP_ROOM = "pump_room"
    FIRE_POINTS = "fire_points"
    COMMON_HAZARDS = "common_hazards"


class RoundKind(StrEnum):
    LIFT_HALF_MONTHLY = "lift_half_monthly"
    LIFT_QUARTERLY = "lift_quarterly"
    LIFT_HALF_YEARLY = "lift_half_yearly"
    LIFT_YEARLY = "lift_yearly"
    PUMP_ROOM = "pump_room"
    FIRE_POINTS = "fire_points"
    COMMON_HAZARDS = "common_hazards"


class Form(StrEnum):
    YES_NO = "yes_no"
    MEASURED = "measured"


class Photo(StrEnum):
    NOT_NEEDED = "not_needed"
    WHEN_FAILED = "when_failed"
    ALWAYS = "always"


LONGEST_MAINTENANCE_DAYS = 15
"""A lift is maintained at least so often [S]."""
MAINTENANCE_SOURCE = "Lifts are maintained at least every 15 days (law); items and limits: default of liandong"
DEFAULT_SOURCE = "Default of liandong; no law says so"
HYDRANT_SOURCE = "GB 50974: 0.07 MPa at the most unfavourable hydrant of high-rise housing; the rest: default"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at. `title` says what is right, `failed` what is wrong, as the title of its ticket.

    A measured value is right from `low` to `high` and can be from `possible_low` to `possible_high` at all.
    """

    code: str
    title: str
    failed: str
    form: Form = Form.YES_NO
    unit: str = ""
    low: float | None = None
    high: float | None = None
    possible_low: float = 0.0
    possible_high: float = 0.0
    photo: Photo = Photo.WHEN_FAILED
    severity: Severity = Severity.MINOR
    ticket_kind: TicketKind = TicketKind.INSPECTION
    source: str = DEFAULT_SOURCE

    def is_possible(self, value: float) -> bool:
        return isfinite(value) and self.possible_low <= value <= self.possible_high

    def is_right(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def needs_photo(self, is_ok: bool) -> bool:
        return self.photo is Photo.ALWAYS or (self.photo is Photo.WHEN_FAILED and not is_ok)

    def with_limits(self, limits: Mapping[str, tuple[float | None, float | None]]) -> "Item":
        own = limits.get(self.code)
        return self if own is None else replace(self, low=own[0], high=own[1])


def _lift(code: str, title: str, failed: str, severity: Severity = Severity.MINOR) -> Item:
    return Item(code, title, failed, severity=severity, source=MAINTENANCE_SOURCE)


def _measured(
    code: str,
    title: str,
    failed: str,
    unit: str,
    limits: tuple[float | None, float | None],
    possible: tuple[float, float],
    *,
    severity: Severity = Severity.MINOR,
    source: str = DEFAULT_SOURCE,
) -> Item:
    return Item(
        code,
        title,
        failed,
        Form.MEASURED,
        unit,
        limits[0],
        limits[1],
        possible[0],
        possible[1],
        photo=Photo.NOT_NEEDED,
        severity=severity,
        source=source,
    )


def _hazard(code: str, title: str, failed: str, severity: Severity = Severity.MINOR) -> Item:
    return Item(code, title, failed, severity=severity, ticket_kind=TicketKind.HAZARD)


_MAJOR = Severity.MAJOR
_HALF_MONTHLY = (
    _measured(
        "machine_room_temp",
        "Temperature of the machine room",
        "Machine room too hot or too cold",
        "°C",
        (5, 40),
        (-40, 90),
        source=MAINTENANCE_SOURCE,
    ),
    _lift("machine_room", "Machine room is clean, lit and locked", "Machine room not in order"),
    _lift("rescue_device", "Device for manual rescue is complete and at its place", "Rescue device missing", _MAJOR),
    _lift(
        "intercom",
        "Alarm button and intercom reach somebody",
        "Alarm button or intercom reaches nobody",
        _MAJOR,
    ),
    _lift("emergency_light", "Car light and emergency light work", "Car light or emergency light fails"),
    _lift("door_protection", "Door reopens at an obstacle", "Door does not reopen at an obstacle", _MAJOR),
    _lift("door_locks", "Landing doors are locked without the car", "Landing door can be opened by hand", _MAJOR),
    _measured(
        "levelling_error",
        "Largest levelling error",
        "Levelling error too large",
        "mm",
        (-10, 10),
        (-300, 300),
        source=MAINTENANCE_SOURCE,
    ),
    _lift("pit", "Pit is dry and clean, its stop switch works", "Pit wet, dirty or without a stop switch"),
)
_QUARTERLY = (
    _measured(
        "door_close_time",
        "Time the door takes to close",
        "Door closes too fast or too slowly",
        "s",
        (2, 5),
        (0, 60),
        source=MAINTENANCE_SOURCE,
    ),
    _lift("guide_shoes", "Guide shoes and rails are oiled and sit firmly", "Guide shoes or rails not in order"),
    _lift("governor", "Governor and its switch are clean and move freely", "Governor not in order", _MAJOR),
)
_HALF_YEARLY = (
    _measured(
        "brake_release_time",
        "Time the brake takes to release",
        "Brake releases too slowly",
        "s",
        (None, 0.3),
        (0, 5),
        severity=_MAJOR,
        source=MAINTENANCE_SOURCE,
    ),
    _lift("ropes", "Ropes show no broken strands and equal tension", "Suspension ropes not in order", _MAJOR),
    _lift("fire_recall", "Fire recall brings the car to its floor", "Fire recall fails", _MAJOR),
)
_YEARLY = (
    _measured(
        "insulation",
        "Insulation resistance of the power circuit",
        "Insulation resistance too low",
        "MΩ",
        (0.5, None),
        (0, 10_000),
        severity=_MAJOR,
        source=MAINTENANCE_SOURCE,
    ),
    _lift("safety_gear", "Governor and safety gear stop the car together", "Safety gear fails", _MAJOR),
    _lift("overload", "Overload protection keeps the doors open", "Overload protection fails", _MAJOR),
)
_PUMP_ROOM = (
    _measured("sump_level", "Level in the sump", "Level in the sump too high", "m", (None, 1.5), (0, 20)),
    _measured("pump_current", "Current of the running pump", "Pump current unusual", "A", (5, 13), (0, 500)),
    Item("pump_auto", "Both pumps are in automatic mode", "Sump pump not in automatic mode", severity=_MAJOR),
    Item("pump_trial", "Both pumps start by hand and lower the level", "Sump pump does not start", severity=_MAJOR),
    Item("float_free", "Float and level sensor move freely", "Float or level sensor stuck"),
    Item("grating", "Gratings and inlets are free of leaves and rubbish", "Drain inlet blocked"),
    Item("sandbags", "Sandbags and flood boards are at their place", "Flood protection stock incomplete"),
)
_FIRE = (
    _measured(
        "hydrant_pressure",
        "Static pressure of the hydrant",
        "Hydrant pressure too low or too high",
        "MPa",
        (0.07, 1.0),
        (0, 3),
        severity=_MAJOR,
        source=HYDRANT_SOURCE,
    ),
    _measured(
        "sprinkler_pressure",
        "Pressure at the end of the sprinkler line",
        "Sprinkler pressure too low or too high",
        "MPa",
        (0.10, 1.2),
        (0, 3),
        severity=_MAJOR,
    ),
    Item("fire_pump_auto", "Fire pump is in automatic mode", "Fire pump not in automatic mode", severity=_MAJOR),
    Item(
        "main_valve",
        "Main valve is open and sealed",
        "Main valve of the fire system shut",
        photo=Photo.ALWAYS,
        severity=_MAJOR,
    ),
    Item("panel_normal", "Panel shows no fault and no disabled point", "Fire panel shows faults or disabled points"),
    Item("extinguishers", "Extinguishers are there, charged and in date", "Extinguisher missing, empty or out of date"),
    Item("hydrant_box", "Hose, nozzle and wrench are in the hydrant box", "Hydrant box incomplete"),
)
_HAZARDS = (
    _hazard("ebike_charging", "No e-bike is charged or parked inside", "E-bikes charged or parked inside", _MAJOR),
    _hazard("escape_route", "Escape route and stairs are free", "Escape route blocked", _MAJOR),
    _hazard("fire_doors", "Fire doors close by themselves and are not wedged", "Fire door does not close"),
    _hazard("fire_lane", "Fire lane is free of cars", "Fire lane blocked by cars", _MAJOR),
    _hazard("rubbish", "No rubbish is heaped up", "Rubbish heaped up"),
    _hazard("access_control", "Access control works", "No working access control"),
    _hazard("wiring", "No loose or privately drawn wires", "Loose or privately drawn wires"),
)
_FOCUS_LIFT = (
    _lift("focus_ride", "Rides all floors without jolt, noise or a second try of the door", "Lift does not ride well"),
    _lift(
        "focus_log", "Fault log of the controller was read; nothing new", "New entries in the controller's fault log"
    ),
    _lift("focus_users", "Residents asked on the spot have nothing to report", "Residents report trouble on the spot"),
)
_FOCUS_OTHER = (
    Item("focus_look", "Looked at closely because of its fault history; nothing found", "Close look found a fault"),
)

ITEMS: Mapping[RoundKind, tuple[Item, ...]] = MappingProxyType(
    {
        RoundKind.LIFT_HALF_MONTHLY: _HALF_MONTHLY,
        RoundKind.LIFT_QUARTERLY: _HALF_MONTHLY + _QUARTERLY,
        RoundKind.LIFT_HALF_YEARLY: _HALF_MONTHLY + _QUARTERLY + _HALF_YEARLY,
        RoundKind.LIFT_YEARLY: _HALF_MONTHLY + _QUARTERLY + _HALF_YEARLY + _YEARLY,
        RoundKind.PUMP_ROOM: _PUMP_ROOM,
        RoundKind.FIRE_POINTS: _FIRE,
        RoundKind.COMMON_HAZARDS: _HAZARDS,
    }
)
"""Every kind of round with its items; a rarer round of a lift holds those of the more frequent ones."""

FOCUS_ITEMS: Mapping[Kind, tuple[Item, ...]] = MappingProxyType(
    {Kind.ELEVATOR: _FOCUS_LIFT, Kind.PUMP: _FOCUS_OTHER, Kind.FIRE: _FOCUS_OTHER}
)
"""What is looked at beside of a unit that was put on the round because of its faults."""

ALL_ITEMS: Mapping[str, Item] = MappingProxyType(
    {item.code: item for items in (*ITEMS.values(), *FOCUS_ITEMS.values()) for item in items}
)

UNIT_KIND: Mapping[PlanKind, Kind | None] = MappingProxyType(
    {
        PlanKind.LIFT: Kind.ELEVATOR,
        PlanKind.PUMP_ROOM: Kind.PUMP,
        PlanKind.FIRE_POINTS: Kind.FIRE,
        PlanKind.COMMON_HAZARDS: None,
    }
)
"""Which units a plan's checkpoints are; None for places."""

_EVERYBODY_OUT = frozenset(
    {
        Role.PROPERTY_MANAGER,
        Role.TECHNICIAN,
        Role.COMMITTEE_MEMBER,
        Role.COMMUNITY_OFFICER,
        Role.DISTRICT_OFFICER,
        Role.VOLUNTEER,
    }
)
RESULT_ROLES: Mapping[PlanKind, frozenset[Role]] = MappingProxyType(
    {
        # Work on lifts is for those who may do it; the others take part and see.
        PlanKind.LIFT: frozenset({Role.PROPERTY_MANAGER, Role.TECHNICIAN}),
        PlanKind.PUMP_ROOM: _EVERYBODY_OUT - {Role.VOLUNTEER},
        PlanKind.FIRE_POINTS: _EVERYBODY_OUT - {Role.VOLUNTEER},
        PlanKind.COMMON_HAZARDS: _EVERYBODY_OUT,
    }
)
"""Who may say what an item of a round is like; an administrator always may."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How often and when a kind of round is made unless a compound says otherwise; minutes after midnight."""

    interval_days: int
    window_days: int
    start_min: int
    end_min: int
    is_working_days: bool


HABITS: Mapping[PlanKind, Habit] = MappingProxyType(
    {
        PlanKind.LIFT: Habit(LONGEST_MAINTENANCE_DAYS, 3, 8 * 60, 18 * 60, is_working_days=True),
        PlanKind.PUMP_ROOM: Habit(15, 2, 8 * 60, 18 * 60, is_working_days=True),
        PlanKind.FIRE_POINTS: Habit(30, 3, 8 * 60, 18 * 60, is_working_days=True),
        PlanKind.COMMON_HAZARDS: Habit(7, 1, 8 * 60, 21 * 60, is_working_days=False),
    }
)


def round_kind(plan: PlanKind, number: int) -> RoundKind:
    """The kind of a plan's round of that number, from 1: a lift's 6th is quarterly, 12th half-yearly, 24th yearly."""
    if plan is not PlanKind.LIFT:
        return RoundKind(plan.value)
    if number % 24 == 0:
        return RoundKind.LIFT_YEARLY
    if number % 12 == 0:
        return RoundKind.LIFT_HALF_YEARLY
    return RoundKind.LIFT_QUARTERLY if number % 6 == 0 else RoundKind.LIFT_HALF_MONTHLY
