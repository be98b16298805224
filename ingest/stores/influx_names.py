"""Names, texts and times as InfluxQL writes them."""

from collections.abc import Sequence

from ingest.stores.line_protocol import to_influx_name
from models.reading import UnitKey

TIME_MAX_NS = 2**63 - 2


def quoted(name: str) -> str:
    """An InfluxQL identifier."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def text(value: str) -> str:
    """An InfluxQL string of a tag's value."""
    return "'" + to_influx_name(value).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def where_units(units: Sequence[UnitKey]) -> str:
    """Conditions on the tags for units of one site; a site alone when there are many, which is the faster question."""
    condition = f'"site" = {text(units[0].site)}'
    if len(units) <= 50:
        condition += " AND (" + " OR ".join(f'"unit" = {text(unit.unit)}' for unit in units) + ")"
    return condition


def ns(ts_ms: int) -> int:
    """Milliseconds as the nanoseconds of a query, within what InfluxDB can hold."""
    return max(-TIME_MAX_NS, min(ts_ms * 1_000_000, TIME_MAX_NS))
