r"""Blocks as InfluxDB lines, `pump,site=s,unit=u level_m=1.2,flow_m3_h=0.0 1700000000000`, and names that survive it.

The line protocol and InfluxQL each have characters that they cannot carry in a name at all (a backslash before a
comma, a line break) or only with quoting rules that differ by version. Such characters are written as `%XX` and read
back, so that no name can end a line, a name or a query. Everything else, Chinese included, stays readable in the
database.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from models.reading import ReadingBlock, UnitKey

LINES_PER_CHUNK = 5_000
VALUES_PER_CHUNK = 60_000  # keeps a chunk near 2 MB; servers refuse a body above 25 MB

_CANNOT_BE_CARRIED = re.compile(r"""[\x00-\x1f\x7f\\"']|%(?=[0-9A-F]{2})""")
_CARRIED = re.compile("%([0-9A-F]{2})")
_HAS_MEANING_IN_LINE = re.compile("[, =]")
_NAMES_TAKEN = frozenset({"time", "site", "unit", "_time", "_field", "_measurement"})


def to_influx_name(name: str) -> str:
    r"""The name as the database knows it.

    >>> to_influx_name("Pump 2, inlet")
    'Pump 2, inlet'
    >>> to_influx_name('a"b\\c')
    'a%22b%5Cc'
    >>> to_influx_name("time")
    '%74ime'
    """
    if name in _NAMES_TAKEN:
        return f"%{ord(name[0]):02X}{name[1:]}"
    return _CANNOT_BE_CARRIED.sub(lambda found: f"%{ord(found[0]):02X}", name)


def from_influx_name(name: str) -> str:
    """The inverse of `to_influx_name`."""
    return _CARRIED.sub(lambda found: chr(int(found[1], 16)), name)


def in_line(name: str) -> str:
    """A name or a tag's value with the characters escaped that mean something in a line."""
    return _HAS_MEANING_IN_LINE.sub(lambda found: "\\" + found[0], to_influx_name(name))


@lru_cache(maxsize=65_536)
def _series_key(unit: UnitKey) -> str:
    return f"{unit.kind.value},site={in_line(unit.site)},unit={in_line(unit.unit)}"


def lines(block: ReadingBlock) -> list[str]:
    """One line for each row that reports anything; not in the order of the rows. Times are milliseconds."""
    is_reported = ~np.isnan(block.values)
    patterns, pattern_of = np.unique(is_reported, axis=0, return_inverse=True)
    keys = [_series_key(unit) for unit in block.units]
    fields = [f"{in_line(metric).replace('%', '%%')}=%r" for metric in block.metrics]
    written: list[str] = []
    for number, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        rows = np.flatnonzero(pattern_of.reshape(-1) == number)
        template = f"%s {','.join(field for field, reported in zip(fields, pattern, strict=True) if reported)} %d"
        columns = zip(
            block.unit_index[rows].tolist(),
            block.values[np.ix_(rows, np.flatnonzero(pattern))].tolist(),
            block.ts_ms[rows].tolist(),
            strict=True,
        )
        written += [template % (keys[unit], *values, ts_ms) for unit, values, ts_ms in columns]
    return written


def chunks(blocks: Sequence[ReadingBlock]) -> Iterator[tuple[list[ReadingBlock], str]]:
    """The lines of all blocks in portions that one request may carry, and what they were made of."""
    waiting: list[str] = []
    parts: list[ReadingBlock] = []
    values_waiting = 0
    for block in blocks:
        rows_at_once = max(1, min(LINES_PER_CHUNK, VALUES_PER_CHUNK // max(1, len(block.metrics))))
        for start in range(0, len(block), rows_at_once):
            part = block.rows(np.arange(start, min(start + rows_at_once, len(block))))
            if waiting and (
                len(waiting) + len(part) > LINES_PER_CHUNK or values_waiting + part.values.size > VALUES_PER_CHUNK
            ):
                yield parts, "\n".join(waiting)
                waiting, parts, values_waiting = [], [], 0
            waiting += lines(part)
            parts.append(part)
            values_waiting += part.values.size
    if waiting:
        yield parts, "\n".join(waiting)
