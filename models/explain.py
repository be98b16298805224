"""Why a verdict stands, in values and in words: what differs by how much, what it likely is, where to look.

The words rest on rules of the trade, not on statistics of proven faults: which failure mode moves which value in which
direction. They are hints for whoever goes there, and nothing is decided by them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from models.equipment import Kind


@dataclass(frozen=True, slots=True)
class Difference:
    """One channel of a verdict, in its own unit: `now`, and the range it usually kept before. `share` from 0 to 1."""

    channel: str
    share: float
    now: float
    low: float
    high: float

    @property
    def direction(self) -> int:
        """1 above the usual range, -1 below, 0 inside: there its relation to the others is what differs."""
        return int(self.now > self.high) - int(self.now < self.low)


@dataclass(frozen=True, slots=True)
class Cause:
    """A likely failure mode. `signs` are the directions of channels that speak for it; texts are English keys."""

    title: str
    look_at: str
    signs: Mapping[str, int]


def _cause(title: str, look_at: str, **signs: int) -> Cause:
    return Cause(title, look_at, MappingProxyType(signs))


LEAST_SHARE = 0.1
"""A channel with a smaller part of the deviation speaks for nothing."""

CAUSES: Mapping[Kind, tuple[Cause, ...]] = MappingProxyType(
    {
        Kind.ELEVATOR: (
            _cause(
                "Door operator worn, or dirt in the sill",
                "Clean the sill, look at rollers, belt and door motor; measure the closing force.",
                door_close_s=1,
                door_reopens=1,
                door_motor_current_a=1,
                door_work_as=1,
            ),
            _cause(
                "Brake worn or dragging",
                "Measure brake lining and air gap; listen for dragging at the start.",
                brake_release_s=1,
                motor_current_a=1,
            ),
            _cause(
                "Guide shoe, rail or bearing worn",
                "Ride along at rated speed; look at guide shoes, rail joints, lubrication and bearings.",
                vibration_rms_m_s2=1,
            ),
            _cause(
                "Rope, brake or encoder changed: the car stops beside the floor",
                "Measure levelling empty and loaded; look at rope stretch, brake and encoder coupling.",
                levelling_error_mm=1,
            ),
            _cause(
                "Rope, brake or encoder changed: the car stops beside the floor",
                "Measure levelling empty and loaded; look at rope stretch, brake and encoder coupling.",
                levelling_error_mm=-1,
            ),
            _cause(
                "Encoder loose, or its signal disturbed: the car stops now here, now there",
                "Look at encoder coupling, cable and earthing; count the stops beside the floor.",
                levelling_scatter_mm=1,
            ),
            _cause(
                "Motor overloaded or badly cooled",
                "Look at the fan, the balance of car and counterweight, and the brake.",
                motor_temp_c=1,
                motor_rise_c=1,
                motor_current_a=1,
            ),
            _cause(
                "Machine room too warm",
                "Look at ventilation and air conditioning of the machine room.",
                machine_room_temp_c=1,
                motor_temp_c=1,
            ),
        ),
        Kind.PUMP: (
            _cause(
                "Inlet, impeller or pipe blocked",
                "Lift the pump or open the inlet: rags, sand; look at the valve behind it.",
                flow_m3_h=-1,
                pump1_current_a=-1,
                pump2_current_a=-1,
                level_m=1,
                pump1_rate_m_h=-1,
                pump2_rate_m_h=-1,
                pump1_flow_m3_h=-1,
                pump2_flow_m3_h=-1,
                pump1_load_a=-1,
                pump2_load_a=-1,
            ),
            _cause(
                "Check valve leaks: water runs back after a stop",
                "Listen at the valve after a stop, watch whether the level rises at once; clean or replace the flap.",
                level_per_flow_1_m2=1,
                rebound_m=1,
            ),
            _cause(
                "The pumps no longer take turns",
                "Look at the alternating relay and the selector; run the other pump by hand.",
                duty_share=1,
            ),
            _cause(
                "The pumps no longer take turns",
                "Look at the alternating relay and the selector; run the other pump by hand.",
                duty_share=-1,
            ),
            _cause(
                "Impeller jammed or bearing worn",
                "Measure the current of each phase, turn the impeller by hand with the power off.",
                pump1_current_a=1,
                pump2_current_a=1,
                flow_m3_h=-1,
                pump1_load_a=1,
                pump2_load_a=1,
                pump1_flow_m3_h=-1,
                pump2_flow_m3_h=-1,
            ),
            _cause(
                "More water comes in than usual",
                "Look for a burst pipe, rain water led in, or a leaking tank; see that both pumps are ready.",
                level_m=1,
                flow_m3_h=1,
                rain_mm_h=1,
            ),
            _cause(
                "A pump draws air: level too low",
                "See whether it stops at the low level; look at level sensor and float.",
                level_m=-1,
                pump1_current_a=-1,
                pump2_current_a=-1,
            ),
            _cause("Water on the garage floor", "Look at drains and sump.", floor_water_cm=1),
        ),
        Kind.FIRE: (
            _cause(
                "Water is lost from the hydrant pipes",
                "Look for an open or leaking hydrant and at the jockey pump's starts; close section by section.",
                hydrant_pressure_mpa=-1,
                hydrant_decay_mpa_h=1,
                jockey_starts_per_h=1,
            ),
            _cause(
                "Water is lost from the sprinkler pipes",
                "Look at alarm valve, drain and test valves, and at the pressure switch.",
                sprinkler_pressure_mpa=-1,
                sprinkler_decay_mpa_h=1,
                jockey_starts_per_h=1,
            ),
            _cause(
                "Pressure held too high",
                "Look at the relief valve and at the set points of the jockey pump.",
                hydrant_pressure_mpa=1,
                sprinkler_pressure_mpa=1,
            ),
            _cause(
                "Fire tank loses water", "Look at float valve, outlet and level sensor of the tank.", tank_level_m=-1
            ),
            _cause(
                "Battery ages or is not charged",
                "Measure the battery under load, look at the charger and at terminals.",
                battery_v=-1,
            ),
            _cause(
                "Insulation or joint getting worse",
                "Look for a warm joint or a damp circuit; measure the insulation.",
                residual_current_ma=1,
                cable_temp_c=1,
            ),
        ),
    }
)


def likely_causes(kind: Kind, differences: Sequence[Difference], *, most: int = 2) -> list[Cause]:
    """The failure modes that the directions of the differences speak for, best first; none when nothing fits.

    A channel that moved as a mode says counts its share of the deviation, one that moved against it counts against;
    a mode needs a positive sum that is at least half of that of the best.

    >>> [cause.title for cause in likely_causes(Kind.FIRE, [Difference("battery_v", 1.0, 22.1, 26.8, 27.4)])]
    ['Battery ages or is not charged']
    """
    moved = {each.channel: each.share * each.direction for each in differences if each.share >= LEAST_SHARE}
    found: dict[str, tuple[float, Cause]] = {}
    for cause in CAUSES[kind]:
        weight = sum(sign * moved.get(channel, 0.0) for channel, sign in cause.signs.items())
        if weight > found.get(cause.title, (0.0, cause))[0]:
            found[cause.title] = (weight, cause)
    best = max((weight for weight, _ in found.values()), default=0.0)
    ranked = sorted(found.values(), key=lambda each: -each[0])
    return [cause for weight, cause in ranked if weight >= best / 2][:most]
