"""Telemetry in one DuckDB file: the embedded default, good for one compound.

One value is one row (series, time, value); a series is one metric of one unit. Values land in `arrived` in the order
they came, and every million of them is moved to `kept`, sorted by series and time, and rolled up on the way
(`duckdb_portions`). DuckDB keeps the least and greatest of each column for every 122,880 rows, so a question about one
series reads a few of these groups out of each million instead of all of them.

An index that keeps (series, time) unique would cost more than everything else together. What makes a value new is
cheaper to know: it is later than the newest of its series. Only values that are not are looked up. That also makes a
batch that comes again add nothing, so that nothing need be remembered of batches.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import duckdb
import numpy as np
import structlog

from ingest.stores import duckdb_portions as portions
from ingest.stores.contract import Point, Refusal, StoreError, StoreInUse, StoreUnavailable
from ingest.stores.refusal import without_infinite
from ingest.stores.retention import FOR_EVER, Retention
from ingest.stores.series import NEVER_MS, Cells, SeriesIndex, SeriesNumbers
from models.equipment import Kind
from models.reading import Bools, ReadingBlock, UnitKey

SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    number INTEGER NOT NULL,
    site VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    metric VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS arrived (series INTEGER, ts_ms BIGINT, value DOUBLE);
CREATE TABLE IF NOT EXISTS settled_newest (series INTEGER, ts_ms BIGINT, value DOUBLE);
"""

NEWEST_OF = "SELECT series, max(ts_ms) AS ts_ms, arg_max(value, ts_ms) AS value FROM {rows} GROUP BY series"
NEWEST_WITH_ARRIVED = NEWEST_OF.format(rows="(SELECT * FROM settled_newest UNION ALL SELECT * FROM arrived)")

NO_CELLS = Cells(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))
HISTORY_SPANS_MS = (3_600_000, 8 * 3_600_000, 64 * 3_600_000, 512 * 3_600_000, np.iinfo(np.int64).max)


log = structlog.get_logger(__name__)


class DuckDBStore:
    """`path` is the file; `memory_limit_mb` bounds DuckDB's own buffers, `threads` its workers.

    After `settle_values` values, what arrived is sorted. More make questions faster and the pause longer: 0.1 s for a
    million.
    """

    def __init__(
        self,
        path: Path,
        *,
        memory_limit_mb: int = 128,
        threads: int = 2,
        settle_values: int = 1_000_000,
        retention: Retention = FOR_EVER,
    ) -> None:
        self._path = path
        self._retention = retention
        self._settle_values = self._settle_at = settle_values
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": threads,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._writing = Lock()
        self._root: duckdb.DuckDBPyConnection | None = None
        self._must_reopen = False
        self._index = SeriesIndex()
        self._arrived_count = 0

    def prepare(self) -> None:
        with self._writing:
            if self._root is None:
                self._open()

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            root = duckdb.connect(str(self._path), config=self._config)
        except (OSError, duckdb.Error) as error:
            raise self._opening_error(error) from error
        with self._told():
            root.execute(SCHEMA)
            portions.prepare(root)
            index = SeriesIndex()
            rows = root.execute("SELECT site, kind, unit, metric FROM series ORDER BY number").fetchall()
            index.add((UnitKey(site, Kind(kind), unit), metric) for site, kind, unit, metric in rows)
            newest = root.execute(f"{NEWEST_WITH_ARRIVED} ORDER BY series").fetchnumpy()
            index.note(Cells(newest["series"], newest["ts_ms"], newest["value"]))
            self._arrived_count = _count(root, "arrived")
        self._index, self._root, self._must_reopen = index, root, False

    def _opening_error(self, error: Exception) -> StoreError:
        text = str(error)
        if "Conflicting lock" in text:
            return StoreInUse(str(self._path), "another liandong process holds this file; DuckDB lets one process in")
        return StoreUnavailable(str(self._path), _first_line(text))

    def close(self) -> None:
        with self._writing:
            self._must_reopen = False
            self._let_go()

    def _let_go(self) -> None:
        root, self._root = self._root, None
        if root is not None:
            root.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """DuckDB's errors, in the words of the contract."""
        try:
            yield
        except duckdb.Error as error:
            raise StoreUnavailable(str(self._path), _first_line(str(error))) from error

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own for each question: a connection serves one thread at a time."""
        root = self._root
        if root is None:
            with self._writing:
                root = self._opened()
        with self._told(), root.cursor() as cursor:
            yield cursor

    def _opened(self) -> duckdb.DuckDBPyConnection:
        """The connection, opened again after an error. To be called by the holder of `_writing`."""
        if self._root is None and self._must_reopen:
            self._open()
        if self._root is None:
            raise StoreUnavailable(str(self._path), "not open")
        return self._root

    def write(self, batch_id: str, blocks: Sequence[ReadingBlock]) -> list[Refusal]:
        blocks, refusals = without_infinite(blocks)
        with self._writing:
            root = self._opened()
            try:
                self._write(root, blocks)
            except duckdb.Error as error:
                # Whether the batch was committed is in the file; what memory believes is not to be trusted now.
                self._must_reopen = True
                self._let_go()
                raise StoreUnavailable(str(self._path), _first_line(str(error))) from error
            if self._arrived_count >= self._settle_at:
                self._try_to_settle(root)
        return refusals

    def _write(self, root: duckdb.DuckDBPyConnection, blocks: Sequence[ReadingBlock]) -> None:
        cells = self._cells(blocks)
        if (cells.series < 0).any():
            self._number_new_series(root, blocks)
            cells = self._cells(blocks)
        cells = cells.in_order()
        is_late = cells.ts_ms <= self._index.newest_ms_of(cells.series)
        root.begin()
        if is_late.any():
            late = np.flatnonzero(is_late)
            is_stored = np.zeros(len(cells), np.bool_)
            is_stored[late] = self._stored(root, cells.selected(late))
            cells = cells.selected(~is_stored)
        if len(cells):
            root.register("batch", {"series": cells.series, "ts_ms": cells.ts_ms, "value": cells.values})
            root.execute("INSERT INTO arrived SELECT * FROM batch")
        root.commit()
        self._index.note(cells)
        self._arrived_count += len(cells)

    def _cells(self, blocks: Sequence[ReadingBlock]) -> Cells:
        """The reported values of the blocks, in their order; series -1 where it is heard for the first time."""
        series, ts_ms, values = [], [], []
        for block in blocks:
            rows, columns = np.nonzero(~np.isnan(block.values))
            series.append(self._index.numbers(block)[rows, columns])
            ts_ms.append(block.ts_ms[rows])
            values.append(block.values[rows, columns])
        if not blocks:
            return NO_CELLS
        return Cells(np.concatenate(series), np.concatenate(ts_ms), np.concatenate(values))

    def _number_new_series(self, root: duckdb.DuckDBPyConnection, blocks: Sequence[ReadingBlock]) -> None:
        """Number the series heard for the first time, in a transaction of its own: a number alone is harmless."""
        new: dict[tuple[UnitKey, str], None] = {}
        for block in blocks:
            rows, columns = np.nonzero((self._index.numbers(block) < 0) & ~np.isnan(block.values))
            pairs = np.unique(np.column_stack((block.unit_index[rows], columns)), axis=0)
            new.update(dict.fromkeys((block.units[unit], block.metrics[column]) for unit, column in pairs.tolist()))
        first = len(self._index)
        root.execute(
            "INSERT INTO series"
            " SELECT unnest($numbers), unnest($sites), unnest($kinds), unnest($units), unnest($metrics)",
            {
                "numbers": list(range(first, first + len(new))),
                "sites": [unit.site for unit, _ in new],
                "kinds": [unit.kind.value for unit, _ in new],
                "units": [unit.unit for unit, _ in new],
                "metrics": [metric for _, metric in new],
            },
        )
        self._index.add(new)

    def _stored(self, connection: duckdb.DuckDBPyConnection, cells: Cells) -> Bools:
        """Which of the cells are in the file, shape (k,)."""
        is_stored = np.zeros(len(cells), np.bool_)
        connection.register(
            "sought", {"series": cells.series, "ts_ms": cells.ts_ms, "position": np.arange(len(cells), dtype=np.int64)}
        )
        found = connection.execute(
            "SELECT position FROM reading JOIN sought USING (series, ts_ms)"
            " WHERE reading.ts_ms BETWEEN ? AND ? AND reading.series BETWEEN ? AND ?",
            [int(cells.ts_ms.min()), int(cells.ts_ms.max()), int(cells.series.min()), int(cells.series.max())],
        ).fetchnumpy()["position"]
        is_stored[found] = True
        return is_stored

    def _try_to_settle(self, root: duckdb.DuckDBPyConnection) -> None:
        """Sort what arrived. Sorting only makes questions faster: when it fails, the batch is kept all the same."""
        try:
            self._settle(root)
            self._settle_at = self._settle_values
        except duckdb.Error as error:
            log.warning("telemetry could not be sorted", store=str(self._path), reason=_first_line(str(error)))
            self._settle_at = self._arrived_count + self._settle_values
            self._must_reopen = True
            self._let_go()

    def _settle(self, root: duckdb.DuckDBPyConnection) -> None:
        """Move what arrived to its sorted place."""
        root.begin()
        root.execute(f"CREATE OR REPLACE TABLE settled_newest AS {NEWEST_WITH_ARRIVED}")
        portions.add_portion(root, "arrived")
        root.execute("DELETE FROM arrived")
        root.commit()
        self._arrived_count = 0

    def maintain(self, *, now_ms: int) -> bool:
        with self._writing:
            root = self._opened()
            try:
                portions.stamp(root, now_ms=now_ms)
                if self._arrived_count and portions.is_due(root, now_ms=now_ms):
                    self._settle(root)
                    portions.stamp(root, now_ms=now_ms)
                    return True
                return portions.let_go(root, retention=self._retention, now_ms=now_ms)
            except duckdb.Error as error:
                self._must_reopen = True
                self._let_go()
                raise StoreUnavailable(str(self._path), _first_line(str(error))) from error

    def newest_ms(self) -> dict[tuple[UnitKey, str], int]:
        return self._index.newest_ms()

    def latest(self, units: Sequence[UnitKey]) -> dict[UnitKey, dict[str, tuple[int, float]]]:
        return self._index.latest(units)

    def metrics_of(self, unit: UnitKey) -> list[str]:
        return sorted(self._index.of(unit))

    def existing(self, block: ReadingBlock) -> Bools:
        is_stored = np.zeros(block.values.shape, np.bool_)
        series = self._index.numbers(block)
        rows, columns = np.nonzero((series >= 0) & ~np.isnan(block.values))
        cells = Cells(series[rows, columns], block.ts_ms[rows], block.values[rows, columns])
        may_be_stored = cells.ts_ms <= self._index.newest_ms_of(cells.series)
        if may_be_stored.any():
            with self._reader() as cursor:
                is_stored[rows[may_be_stored], columns[may_be_stored]] = self._stored(
                    cursor, cells.selected(may_be_stored)
                )
        return is_stored

    def points(self, unit: UnitKey, metric: str, *, start_ms: int, end_ms: int, step_ms: int) -> list[Point]:
        number = self._index.of(unit).get(metric)
        if number is None:
            return []
        with self._reader() as cursor:
            return portions.condensed(cursor, number, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)

    def history(self, unit: UnitKey, *, end_ms: int, rows: int) -> ReadingBlock:
        numbers = self._index.of(unit)
        cells = NO_CELLS
        if numbers:
            with self._reader() as cursor:
                cells = self._last_cells(cursor, np.array(list(numbers.values()), np.int32), end_ms=end_ms, rows=rows)
        times, row_of = np.unique(cells.ts_ms, return_inverse=True)
        first = max(len(times) - rows, 0)
        is_kept = row_of >= first
        cells, row_of = cells.selected(is_kept), row_of[is_kept] - first
        present = set(cells.series.tolist())
        metrics = tuple(sorted(metric for metric, number in numbers.items() if number in present))
        series = np.array([numbers[metric] for metric in metrics], np.int32)
        by_number = np.argsort(series)
        columns = by_number[np.searchsorted(series, cells.series, sorter=by_number)]
        values = np.full((len(times) - first, len(metrics)), np.nan)
        values[row_of, columns] = cells.values
        return ReadingBlock(unit.kind, metrics, (unit,), np.zeros(len(values), np.int64), times[first:], values)

    def _last_cells(self, cursor: duckdb.DuckDBPyConnection, series: SeriesNumbers, *, end_ms: int, rows: int) -> Cells:
        """Cells that cover at least the last `rows` times before `end_ms`, if there are as many.

        Looks back in spans that grow, because a scan bounded in time skips what was settled before.
        """
        end_ms = min(end_ms, int(self._index.newest_ms_of(series).max()) + 1)
        for span_ms in HISTORY_SPANS_MS:
            found = cursor.execute(
                "SELECT series, ts_ms, value FROM reading"
                " WHERE series IN (SELECT unnest($series)) AND ts_ms < $end AND ts_ms >= $start",
                {"series": series.tolist(), "end": end_ms, "start": max(end_ms - span_ms, NEVER_MS)},
            ).fetchnumpy()
            cells = Cells(found["series"], found["ts_ms"], found["value"])
            if len(np.unique(cells.ts_ms)) >= rows:
                break
        return cells

    def count_values(self) -> int:
        with self._reader() as cursor:
            return _count(cursor, "reading")

    @contextmanager
    def copying(self, path: Path) -> Iterator[Callable[[], int]]:
        """Holds one moment of the store; what is given writes that moment to a new file, and returns how many values.

        Whatever is written meanwhile is not in the copy, and does not wait for it.
        """
        with self._reader() as cursor:
            cursor.execute(f"ATTACH {_literal(str(path))} AS copy")
            try:
                cursor.begin()
                # The moment is that of the first look.
                _count(cursor, "series")

                def copy() -> int:
                    with self._told():
                        name = cursor.execute("SELECT current_database()").fetchone()
                        source = '"' + str(name[0] if name else "").replace('"', '""') + '"'
                        values = _count(cursor, "reading")
                        cursor.execute(f"COPY FROM DATABASE {source} TO copy")
                        cursor.commit()
                    return values

                yield copy
            finally:
                with suppress(duckdb.Error):
                    cursor.rollback()
                cursor.execute("DETACH copy")

    def check(self) -> str:
        if self._root is None and not self._path.exists():
            return f"DuckDB {duckdb.__version__}, {self._path}, not there yet"
        self.prepare()
        return f"DuckDB {duckdb.__version__}, {self._path}, {self.count_values():,} values; {self._retention.in_words}"

    def faults(self) -> list[str]:
        """None: what is sorted is rolled up in the same transaction, and nothing else is ever let go."""
        return []


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names of our own tables
    return int(row[0]) if row else 0


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
