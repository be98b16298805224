"""Roll-ups beside an InfluxDB bucket: `{bucket}_minute` and `{bucket}_hour`, fields `sum_`, `min_`, `max_`, `count_`.

InfluxDB 1 has continuous queries, 2 has tasks, and neither looks again at a minute for which something came late. So
the process that writes rolls up by itself: each hour that values fell into is computed from the single values once it
is over, and again when something comes late. To write a roll-up twice changes nothing. Which hours are due stands in
the measurement `due` of the hour bucket, 1 from before the first value of the hour is written until its roll-ups are,
apart for each worker, so that what a killed worker left is found by its next start.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ingest.stores.contract import Point
from ingest.stores.due_hours import DueHours, Hour, Touched
from ingest.stores.influx_names import ns, quoted, text, where_units
from ingest.stores.line_protocol import chunks, from_influx_name, in_line, to_influx_name
from ingest.stores.retention import HOUR_MS, MINUTE_MS, Part, floor_to
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey

SLICE_MS = 10 * MINUTE_MS
FUNCTIONS = ("sum", "min", "max", "count")
MARKS_PER_WRITE = 5_000


class Table(NamedTuple):
    """One series of an answer: its tags, and its columns by name, time first."""

    tags: dict[str, str]
    columns: list[str]
    rows: list[list[Any]]


Ask = Callable[[Iterable[str], str], list[list[Table]]]
"""The tables of InfluxQL statements on a bucket."""
Write = Callable[[str, str], None]
"""Lines, into a bucket."""


class RollUps:
    """Rolls up the values of `bucket`; `worker` names the process across its restarts."""

    def __init__(self, *, bucket: str, worker: str, ask: Ask, write: Write) -> None:
        self.bucket = bucket
        self.minute_bucket, self.hour_bucket = f"{bucket}_minute", f"{bucket}_hour"
        self.due = DueHours()
        self._worker = worker
        self._ask = ask
        self._write = write
        self._is_loaded = False

    def mark(self, hours: Sequence[Hour], *, is_due: bool = True) -> None:
        for start in range(0, len(hours), MARKS_PER_WRITE):
            lines = [
                f"due,kind={hour.kind.value},site={in_line(hour.site)},worker={in_line(self._worker)}"
                f" due={int(is_due)} {hour.start_ms}"
                for hour in hours[start : start + MARKS_PER_WRITE]
            ]
            self._write("\n".join(lines), self.hour_bucket)

    def stale_hours(self, unit: UnitKey, start_ms: int, end_ms: int) -> set[int]:
        """Beginnings of the hours in which values may have come that are not rolled up, told by all workers."""
        [tables] = self._ask(
            [
                f"SELECT due FROM due WHERE kind = {text(unit.kind.value)} AND site = {text(unit.site)} AND due = 1"  # noqa: S608
                f" AND time >= {ns(floor_to(start_ms, HOUR_MS))} AND time < {ns(end_ms)}"
            ],
            self.hour_bucket,
        )
        return {int(row[0]) for table in tables for row in table.rows}

    def mark_all(self) -> None:
        """Let every hour be due in which there are values, for a bucket that was filled before there were roll-ups."""
        for kind in Kind:
            [tables] = self._ask(
                [f'SELECT count(*::field) FROM {quoted(kind.value)} GROUP BY time(1h), "site" fill(none)'],  # noqa: S608
                self.bucket,
            )
            self.mark([Hour(kind, from_influx_name(t.tags["site"]), int(row[0])) for t in tables for row in t.rows])

    def load(self) -> None:
        """What this worker left due when it ended."""
        if self._is_loaded:
            return
        [tables] = self._ask(
            [f'SELECT due FROM due WHERE worker = {text(self._worker)} AND due = 1 GROUP BY "kind", "site"'],  # noqa: S608
            self.hour_bucket,
        )
        self.due.load(
            Hour(Kind(table.tags["kind"]), from_influx_name(table.tags["site"]), int(row[0]))
            for table in tables
            for row in table.rows
        )
        self._is_loaded = True

    def step(self, *, now_ms: int) -> bool:
        """Roll up the oldest due hour that is over; whether there was one."""
        self.load()
        found = self.due.oldest_past(now_ms=now_ms)
        if found is None:
            return False
        hour, touched = found
        for bucket, blocks in (
            (self.minute_bucket, self._rolled(hour, touched, "1m", SLICE_MS)),
            (self.hour_bucket, self._rolled(hour, Touched(hour.start_ms, hour.end_ms, 0), "1h", HOUR_MS)),
        ):
            for _, lines in chunks(list(blocks)):
                self._write(lines, bucket)
        with self.due.ended(hour, touched) as is_same:
            if is_same:
                self.mark([hour], is_due=False)
        return True

    def _rolled(self, hour: Hour, touched: Touched, width: str, slice_ms: int) -> Iterator[ReadingBlock]:
        """What the single values of an hour come to, a block for each unit."""
        selected = ", ".join(f"{function}(*::field)" for function in FUNCTIONS)
        slices = range(touched.start_ms, touched.end_ms, slice_ms)
        answers = self._ask(
            [
                f"SELECT {selected} FROM {quoted(hour.kind.value)} WHERE site = {text(hour.site)}"  # noqa: S608
                f" AND time >= {ns(start)} AND time < {ns(min(start + slice_ms, touched.end_ms))}"
                f' GROUP BY time({width}), "unit" fill(none)'
                for start in slices
            ],
            self.bucket,
        )
        for tables in answers:
            for table in tables:
                unit = UnitKey(hour.site, hour.kind, from_influx_name(table.tags["unit"]))
                times = np.array([row[0] for row in table.rows], np.int64)
                values = np.array([row[1:] for row in table.rows], np.float64)
                metrics = tuple(map(from_influx_name, table.columns[1:]))
                yield ReadingBlock(hour.kind, metrics, (unit,), np.zeros(len(times), np.int64), times, values)

    def points(self, unit: UnitKey, metric: str, wanted: Sequence[Part], *, first_ms: int, step_ms: int) -> list[Point]:
        """The parts, added up in steps, of which none begins before `first_ms`."""
        buckets = {1: self.bucket, MINUTE_MS: self.minute_bucket, HOUR_MS: self.hour_bucket}
        steps: dict[int, list[tuple[float, float, float, int]]] = {}
        for width_ms, bucket in buckets.items():
            statements = [self._points_of(unit, metric, part, step_ms) for part in wanted if part.width_ms == width_ms]
            for tables in self._ask(statements, bucket):
                for table in tables:
                    for t_ms, total, least, greatest, n in table.rows:
                        if n:
                            steps.setdefault(max(t_ms, first_ms), []).append((total, least, greatest, n))
        return [
            Point(t_ms, sum(c[0] for c in told) / n, min(c[1] for c in told), max(c[2] for c in told), n)
            for t_ms, told in sorted(steps.items())
            for n in [int(sum(c[3] for c in told))]
        ]

    @staticmethod
    def _points_of(unit: UnitKey, metric: str, part: Part, step_ms: int) -> str:
        if part.width_ms == 1:
            field = quoted(to_influx_name(metric))
            selected = f"sum({field}), min({field}), max({field}), count({field})"
        else:
            fields = [quoted(to_influx_name(f"{function}_{metric}")) for function in FUNCTIONS]
            selected = f"sum({fields[0]}), min({fields[1]}), max({fields[2]}), sum({fields[3]})"
        return (
            f"SELECT {selected} FROM {quoted(unit.kind.value)} WHERE {where_units([unit])}"  # noqa: S608
            f" AND time >= {ns(part.start_ms)} AND time < {ns(part.end_ms)} GROUP BY time({step_ms}ms) fill(none)"
        )
