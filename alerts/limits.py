"""Limits of the conditions. Professional defaults that a compound may change, unless a source is named."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds with their units in the name; a compound's own values replace them through the settings."""

    entrapment_s: float = 60.0
    motor_temp_c: float = 120.0
    machine_room_temp_c: float = 45.0

    sump_bottom_m: float = 0.2
    sump_float_m: float = 1.8
    sump_standby_start_m: float = 1.5
    sump_overflow_m: float = 2.5
    pump_nominal_current_a: float = 10.0
    pump_starts_per_h: float = 6.0
    standby_cycles: int = 16
    floor_water_wet_cm: float = 3.0
    floor_water_close_cm: float = 10.0
    floor_water_evacuate_cm: float = 20.0
    # Under an orange or red rain warning water rises faster than people come: warn at two thirds.
    floor_water_rain_factor: float = 2 / 3
    # Rain warnings: orange 50 mm in 3 h, red 100 mm in 3 h (national warning levels).
    rain_orange_mm_3h: float = 50.0
    rain_red_mm_3h: float = 100.0

    # GB 50974: static pressure at the most unfavourable hydrant of high-rise housing at least 0.07 MPa.
    hydrant_pressure_mpa: float = 0.07
    sprinkler_pressure_mpa: float = 0.10
    tank_level_m: float = 2.0
    battery_v: float = 22.0
    residual_current_ma: float = 300.0
    cable_temp_c: float = 70.0
    jockey_starts_per_h: float = 15.0
    disabled_s: float = 8 * 3600.0

    # Silence: after so many of its usual pauses nobody can say how a unit is. The floor is longer than it takes to
    # notice that a connection to the broker is dead (twice its keep-alive of 30 s); the ceiling lets a sensor that
    # reports once a day be two hours late. A unit whose habits are not known yet has an hour.
    silent_intervals: float = 3.0
    silent_floor_s: float = 120.0
    silent_ceiling_s: float = 26 * 3600.0
    silent_unlearned_s: float = 3600.0
    # So long readings must come again before its alarm returns.
    silent_off_delay_s: float = 60.0
    # Rain after which a sump that nobody hears is urgent (moderate rain: 10 mm and more in a day [P]).
    silent_rain_mm_3h: float = 5.0
    # Beyond this the order of events between units is not to be trusted any more.
    clock_skew_s: float = 60.0
