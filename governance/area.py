"""Areas of exclusive parts: typed as square metres with at most six places, kept as whole square millimetres.

A whole number is exact on every database and adds up there without rounding.
"""

import re
from decimal import Decimal

MM2_OF_M2 = 1_000_000
_AREA = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?", re.ASCII)


def read_area_mm2(text: str) -> int | None:
    """None for what is no area above zero.

    >>> read_area_mm2("89.53"), read_area_mm2("0.00"), read_area_mm2("-3"), read_area_mm2("1e3")
    (89530000, None, None, None)
    """
    match = _AREA.fullmatch(text.strip())
    if match is None:
        return None
    whole, places = match[1], match[2] or ""
    return int(whole) * MM2_OF_M2 + int(places.ljust(6, "0")) or None


def area_m2(area_mm2: int) -> Decimal:
    """Square metres with two places, or as many more as it takes to be exact.

    >>> str(area_m2(89_530_000)), str(area_m2(100_500_001)), str(area_m2(0))
    ('89.53', '100.500001', '0.00')
    """
    whole, rest = divmod(area_mm2, MM2_OF_M2)
    places = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return Decimal(f"{whole}.{places}")
