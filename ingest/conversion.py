"""Turning a foreign value into a number of the contract: value maps, named units, scale and offset."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LINEAR: Mapping[tuple[str, str], tuple[float, float]] = MappingProxyType(
    {
        # Exact by definition, except mH2O: at 4 °C and standard gravity.
        ("bar", "mpa"): (0.1, 0.0),
        ("mbar", "mpa"): (0.0001, 0.0),
        ("kpa", "mpa"): (0.001, 0.0),
        ("pa", "mpa"): (0.000001, 0.0),
        ("psi", "mpa"): (0.006894757293168361, 0.0),
        ("kgf/cm2", "mpa"): (0.0980665, 0.0),
        ("mh2o", "mpa"): (0.00980638, 0.0),
        ("°f", "c"): (5 / 9, -160 / 9),
        ("f", "c"): (5 / 9, -160 / 9),
        ("k", "c"): (1.0, -273.15),
        ("mm", "m"): (0.001, 0.0),
        ("cm", "m"): (0.01, 0.0),
        ("ft", "m"): (0.3048, 0.0),
        ("in", "m"): (0.0254, 0.0),
        ("m", "cm"): (100.0, 0.0),
        ("mm", "cm"): (0.1, 0.0),
        ("in", "cm"): (2.54, 0.0),
        ("m", "mm"): (1000.0, 0.0),
        ("cm", "mm"): (10.0, 0.0),
        ("l/s", "m3_h"): (3.6, 0.0),
        ("l/min", "m3_h"): (0.06, 0.0),
        ("ms", "s"): (0.001, 0.0),
        ("min", "s"): (60.0, 0.0),
        ("s", "hours"): (1 / 3600, 0.0),
        ("min", "hours"): (1 / 60, 0.0),
        ("ma", "a"): (0.001, 0.0),
        ("a", "ma"): (1000.0, 0.0),
        ("mv", "v"): (0.001, 0.0),
        ("mm/s2", "m_s2"): (0.001, 0.0),
        ("g", "m_s2"): (9.80665, 0.0),
        ("mg", "m_s2"): (0.00980665, 0.0),
        ("km/h", "m_s"): (1 / 3.6, 0.0),
        ("mm/min", "mm_h"): (60.0, 0.0),
    }
)
"""(from, to) → (scale, offset). The unit converted to is the one that the metric bears in its name."""

_UNIT_ENDINGS = ("_mpa", "_m_s2", "_m_s", "_m3_h", "_mm_h", "_mm", "_cm", "_ma", "_c", "_m", "_s", "_a", "_v")
_SPECIAL = {"run_hours_total": "hours"}
_WORDS = MappingProxyType({"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0})


@dataclass(frozen=True, slots=True)
class Conversion:
    """`metric` is what the value is called in the end. A value in `values` is taken from there, before scaling.

    The divisor is there because 820 mm are 0.82 m, and 820 × 0.001 is something else.
    """

    metric: str
    scale: float = 1.0
    offset: float = 0.0
    divisor: float = 1.0
    values: Mapping[str, float] | None = None

    def convert(self, value: object) -> float | bool | None:
        """None for null. Raises ValueError for what is no number and stands in no map."""
        if value is None:
            return None
        if self.values is not None:
            found = self.values.get(key_of(value))
            if found is None:
                raise ValueError(f"{str(value)[:60]!r} stands in no map")
            return found * self.scale / self.divisor + self.offset
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            word = _WORDS.get(value.strip().lower())
            value = float(value) if word is None else word
        if not isinstance(value, int | float):
            raise ValueError(f"{type(value).__name__} is no number")
        return float(value) * self.scale / self.divisor + self.offset


def fraction_of(scale: float) -> tuple[float, float]:
    """(scale, divisor) that mean the same: 0.001 is a division by 1000."""
    if scale and abs(scale) < 1 and abs(1 / scale - round(1 / scale)) < 1e-9 * abs(1 / scale):
        return 1.0, float(round(1 / scale))
    return scale, 1.0


def key_of(value: object) -> str:
    """How a value is looked up in a map: `true`, `1` and `ON` as they are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def unit_of(metric: str) -> str | None:
    """The unit that a metric bears in its name."""
    if metric in _SPECIAL:
        return _SPECIAL[metric]
    return next((ending[1:] for ending in _UNIT_ENDINGS if metric.endswith(ending)), None)


def named_conversion(metric: str, unit: str) -> tuple[float, float]:
    """(scale, offset) from `unit` to the metric's own. Raises ValueError, naming the units that are known."""
    target = unit_of(metric)
    if target is None:
        raise ValueError(f"{metric} bears no unit in its name; use scale and offset")
    lowered = unit.lower()
    if lowered in (target, target.replace("_", "/")) or (lowered, target) == ("°c", "c"):
        return 1.0, 0.0
    found = LINEAR.get((lowered, target))
    if found is None:
        known = ", ".join(source for source, to in LINEAR if to == target)
        raise ValueError(f"nothing is known from {unit!r} to {target}; known: {known or 'nothing'}")
    return found
