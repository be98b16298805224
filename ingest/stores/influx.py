"""Telemetry in InfluxDB 2 through influxdb-client: a measurement for each kind, tags site and unit, metrics as fields.

Written with line protocol of our own and one synchronous request for each chunk: the client's batching mode drops a
batch after its retries with no more than a log line. Read with InfluxQL on `/query`, which versions 1, 2 and 3 answer.
InfluxDB keeps one value for each series, field and time by itself, so that nothing need be remembered of batches.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError

from ingest.stores.contract import Point, Refusal, StoreError, StoreRefused, StoreUnavailable
from ingest.stores.due_hours import touched_hours
from ingest.stores.influx_buckets import InfluxBuckets
from ingest.stores.influx_names import ns, quoted, where_units
from ingest.stores.influx_roll_ups import RollUps, Table
from ingest.stores.line_protocol import chunks, from_influx_name, lines, to_influx_name
from ingest.stores.refusal import BEYOND_RETENTION, taken_apart, without_infinite
from ingest.stores.retention import FOR_EVER, HOUR_MS, Retention, floor_to, parts, width_for
from models.equipment import Kind
from models.reading import Bools, ReadingBlock, UnitKey

REFUSED_STATUSES = frozenset({400, 413, 422})
GZIP_LEVEL = 1  # the client's own level 9 takes 15 times as long for two thirds of the size
STATEMENTS_PER_QUERY = 200
NEVER_MS = 2**62
# What is later, or as long before 1970, InfluxDB refuses.
TIMES_END_MS = (2**63 - 1) // 1_000_000 // HOUR_MS * HOUR_MS - HOUR_MS


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """Where a bucket is: `url` of the server, organisation, bucket."""

    url: str
    org: str
    bucket: str


def parse_influx_url(url: str) -> InfluxAddress:
    """Read `influxdb+http://host:8086/?org=…&bucket=…` (or `influxdb+https`). Raises ValueError with one clear line.

    >>> parse_influx_url("influxdb+http://influx:8086/?org=city&bucket=telemetry")
    InfluxAddress(url='http://influx:8086', org='city', bucket='telemetry')
    """
    parts = urlsplit(url)
    scheme = parts.scheme.removeprefix("influxdb+")
    if not parts.scheme.startswith("influxdb+") or scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an InfluxDB address looks like influxdb+http://host:8086/?org=…&bucket=…")
    if parts.username or parts.password:
        raise ValueError("an InfluxDB address holds no password; the token is a setting of its own")
    query = parse_qs(parts.query)
    missing = [name for name in ("org", "bucket") if not query.get(name)]
    if missing:
        raise ValueError(f"the InfluxDB address lacks {' and '.join(missing)}, as in ?org=…&bucket=…")
    if "/" in query["bucket"][0]:
        raise ValueError("the name of an InfluxDB bucket may not hold a slash: InfluxQL would read it as two names")
    return InfluxAddress(f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}", query["org"][0], query["bucket"][0])


def open_influx(
    url: str,
    *,
    token: str,
    retention: Retention = FOR_EVER,
    clock: Callable[[], int] = lambda: 0,
    worker: str = "liandong",
) -> "InfluxStore":
    """The store at the address of the settings, not prepared yet. Raises StoreRefused for settings that cannot work."""
    place = url.partition("?")[0].rpartition("@")[2]
    try:
        address = parse_influx_url(url)
    except ValueError as error:
        raise StoreRefused(place, str(error)) from error
    if not token:
        raise StoreRefused(place, "LIANDONG_INFLUX_TOKEN is not set")
    return InfluxStore(address, token, retention=retention, clock=clock, worker=worker)


class InfluxStore:
    """`write_timeout_s` bounds each request of a write, `query_timeout_s` each question.

    `retention` is what `prepare` asks the server for; `clock` tells (epoch milliseconds) what is beyond it by now.
    `worker` names the process across its restarts, for the hours that it has still to roll up.
    """

    def __init__(
        self,
        address: InfluxAddress,
        token: str,
        *,
        write_timeout_s: float = 2.0,
        query_timeout_s: float = 10.0,
        retention: Retention = FOR_EVER,
        clock: Callable[[], int] = lambda: 0,
        worker: str = "liandong",
    ) -> None:
        self.address = address
        self._write_timeout_ms = int(write_timeout_s * 1000)
        self._query_timeout_ms = int(query_timeout_s * 1000)
        self._client = InfluxDBClient(address.url, token=token, org=address.org, timeout=self._query_timeout_ms)
        self._write_service = WriteService(self._client.api_client)
        self._retention = retention
        self._clock = clock
        self._roll_ups = RollUps(
            bucket=address.bucket,
            worker=worker,
            ask=lambda statements, bucket: self._ask(statements, bucket=bucket),
            write=self._write_own,
        )
        self._buckets = InfluxBuckets(self._client, org=address.org, ask=lambda s: self._ask(s))
        self._has_raw_limit = False

    @property
    def _name(self) -> str:
        return f"{self.address.url} bucket {self.address.bucket}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The client's errors, in the words of the contract."""
        if self._client.api_client is None:
            raise StoreUnavailable(self._name, "not open")
        try:
            yield
        except InfluxDBError as error:
            raise self._api_error(error) from error
        except (HTTPError, OSError) as error:
            raise StoreUnavailable(self._name, _one_line(error)) from error

    def _api_error(self, error: InfluxDBError) -> StoreError:
        return StoreUnavailable(self._name, f"status {getattr(error, 'status', None)}, {_one_line(error.message)}")

    def prepare(self) -> None:
        """Create the buckets that are not there (on InfluxDB 1, which serves tests and old sites, the databases).

        A bucket of values that is there keeps what it holds until all of it is rolled up; `maintain` sets its end.
        """
        is_version_1 = self._version().startswith(("1.", "v1."))
        ups, retention = self._roll_ups, self._retention
        with self._told():
            is_new = self._buckets.ensure(ups.bucket, retention.raw_ms, is_version_1=is_version_1, changes=False)
            self._buckets.ensure(ups.minute_bucket, retention.minute_ms, is_version_1=is_version_1, changes=True)
            is_first = self._buckets.ensure(ups.hour_bucket, retention.hour_ms, is_version_1=is_version_1, changes=True)
        if is_first and not is_new:
            ups.mark_all()

    def maintain(self, *, now_ms: int) -> bool:
        if self._roll_ups.step(now_ms=now_ms):
            return True
        if not self._has_raw_limit:
            is_version_1 = self._version().startswith(("1.", "v1."))
            with self._told():
                name, age_ms = self._roll_ups.bucket, self._retention.raw_ms
                self._buckets.ensure(name, age_ms, is_version_1=is_version_1, changes=True)
            self._has_raw_limit = True
        return False

    def _version(self) -> str:
        with self._told():
            return str(self._client.version())

    def check(self) -> str:
        version = self._version()
        self._fields()
        return f"InfluxDB {version}, {self._name}; {self._retention.in_words}"

    def faults(self) -> list[str]:
        ups, retention = self._roll_ups, self._retention
        is_version_1 = self._version().startswith(("1.", "v1."))
        wanted = (
            (ups.bucket, retention.raw_ms),
            (ups.minute_bucket, retention.minute_ms),
            (ups.hour_bucket, retention.hour_ms),
        )
        found = []
        with self._told():
            for name, age_ms in wanted:
                if told := self._buckets.fault(name, age_ms, is_version_1=is_version_1):
                    found.append(told)
        return found

    def close(self) -> None:
        if self._client.api_client is not None:
            self._client.close()

    def write(self, batch_id: str, blocks: Sequence[ReadingBlock]) -> list[Refusal]:
        blocks, refusals = without_infinite(blocks)
        hours = {hour: times for hour, times in touched_hours(blocks).items() if abs(hour.start_ms) < TIMES_END_MS}
        with self._roll_ups.due.written(hours) as new:
            self._roll_ups.mark(new)
            for parts_of_chunk, chunk in chunks(blocks):
                if self._refused_because(chunk) is not None:
                    for part in parts_of_chunk:
                        refusals += taken_apart(part, lambda rest: self._refused_because("\n".join(lines(rest))))
        return refusals

    def _write_own(self, written: str, bucket: str) -> None:
        """Lines of our own making, of which none is refused."""
        reason = self._refused_because(written, bucket=bucket)
        if reason is not None and BEYOND_RETENTION not in reason:
            raise StoreUnavailable(self._name, f"bucket {bucket} refuses what it must take: {reason}")

    def _refused_because(self, chunk: str, *, bucket: str | None = None) -> str | None:
        """Write lines; None when all of them were taken, else what the server says of those that it will never take."""
        with self._told():
            try:
                self._write_service.post_write(
                    org=self.address.org,
                    bucket=bucket or self.address.bucket,
                    body=gzip.compress(chunk.encode(), GZIP_LEVEL),
                    precision="ms",
                    content_encoding="gzip",
                    _request_timeout=self._write_timeout_ms,
                )
            except ApiException as error:
                if error.status not in REFUSED_STATUSES:
                    raise
                return _one_line(error.message)
        return None

    def _ask(
        self, statements: Iterable[str], *, at_once: int = STATEMENTS_PER_QUERY, bucket: str | None = None
    ) -> list[list[Table]]:
        """The tables of each InfluxQL statement; times in milliseconds."""
        waiting = list(statements)
        answers: list[list[Table]] = []
        for start in range(0, len(waiting), at_once):
            with self._told():
                answer, _, _ = self._client.api_client.call_api(
                    "/query",
                    "POST",
                    header_params={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                    post_params=[
                        ("db", bucket or self.address.bucket),
                        ("epoch", "ms"),
                        ("q", ";".join(waiting[start : start + at_once])),
                    ],
                    response_type="object",
                    _request_timeout=self._query_timeout_ms,
                )
            answers += [self._tables(result) for result in answer["results"]]
        return answers

    def _tables(self, result: dict[str, Any]) -> list[Table]:
        if "error" in result or result.get("partial"):
            raise StoreUnavailable(self._name, str(result.get("error", "the server cut its answer short")))
        return [
            Table(series.get("tags", {}), series["columns"], series.get("values", []))
            for series in result.get("series", [])
        ]

    def _fields(self) -> dict[Kind, list[str]]:
        """The field names of every kind, as the database knows them."""
        answers = self._ask(f"SHOW FIELD KEYS FROM {quoted(kind.value)}" for kind in Kind)
        return {
            kind: [row[0] for table in tables for row in table.rows] for kind, tables in zip(Kind, answers, strict=True)
        }

    def newest_ms(self) -> dict[tuple[UnitKey, str], int]:
        sought = [(kind, field, "") for kind, fields in self._fields().items() for field in fields]
        # Each answer covers every unit there is, so each has the whole time-out to itself.
        return {(unit, metric): ts_ms for unit, metric, ts_ms, _ in self._newest(sought, at_once=1)}

    def latest(self, units: Sequence[UnitKey]) -> dict[UnitKey, dict[str, tuple[int, float]]]:
        fields = self._fields() if units else {}
        groups: dict[tuple[str, Kind], list[UnitKey]] = {}
        for unit in units:
            groups.setdefault((unit.site, unit.kind), []).append(unit)
        sought = [
            (kind, field, f"WHERE {where_units(members)}")
            for (_, kind), members in groups.items()
            for field in fields[kind]
        ]
        wanted = frozenset(units)
        found: dict[UnitKey, dict[str, tuple[int, float]]] = {}
        for unit, metric, ts_ms, value in self._newest(sought):
            if unit in wanted:
                found.setdefault(unit, {})[metric] = (ts_ms, value)
        return found

    def _newest(
        self, sought: Sequence[tuple[Kind, str, str]], *, at_once: int = STATEMENTS_PER_QUERY
    ) -> Iterator[tuple[UnitKey, str, int, float]]:
        """Unit, metric, time and value of the last point of each series, for (kind, field, condition).

        One statement for each field: `last` of several fields in one statement tells no times.
        """
        statements = (
            f'SELECT last({quoted(field)}) FROM {quoted(kind.value)} {condition} GROUP BY "site", "unit"'  # noqa: S608
            for kind, field, condition in sought
        )
        answers = self._ask(statements, at_once=at_once)
        for (kind, field, _), tables in zip(sought, answers, strict=True):
            for table in tables:
                unit = UnitKey(from_influx_name(table.tags["site"]), kind, from_influx_name(table.tags["unit"]))
                for ts_ms, value in table.rows:
                    yield unit, from_influx_name(field), ts_ms, float(value)

    def existing(self, block: ReadingBlock) -> Bools:
        is_stored = np.zeros(block.values.shape, np.bool_)
        names = [to_influx_name(metric) for metric in block.metrics]
        column_of = {name: column for column, name in enumerate(names)}
        selected = ", ".join(map(quoted, names))
        present = np.unique(block.unit_index).tolist()
        rows_of = {unit: np.flatnonzero(block.unit_index == unit) for unit in present}
        answers = self._ask(
            f"SELECT {selected} FROM {quoted(block.kind.value)} WHERE {where_units([block.units[unit]])}"  # noqa: S608
            f" AND time >= {ns(int(block.ts_ms[rows].min()))} AND time <= {ns(int(block.ts_ms[rows].max()))}"
            for unit, rows in rows_of.items()
        )
        for rows, tables in zip(rows_of.values(), answers, strict=True):
            for table in tables:
                columns = [column_of[name] for name in table.columns[1:]]
                values_at = {row[0]: np.array([value is not None for value in row[1:]]) for row in table.rows}
                for row in rows.tolist():
                    if (is_there := values_at.get(int(block.ts_ms[row]))) is not None:
                        is_stored[row, columns] = is_there
        return is_stored & ~np.isnan(block.values)

    def points(self, unit: UnitKey, metric: str, *, start_ms: int, end_ms: int, step_ms: int) -> list[Point]:
        raw_ms, minute_ms = self._retention.raw_ms, self._retention.minute_ms
        now_ms = self._clock()
        may_be_rolled = width_for(start_ms, end_ms, step_ms) is not None
        wanted = parts(
            start_ms,
            end_ms,
            step_ms,
            raw_from_ms=-NEVER_MS if raw_ms is None else floor_to(now_ms - raw_ms, HOUR_MS),
            minutes_from_ms=-NEVER_MS if minute_ms is None else floor_to(now_ms - minute_ms, HOUR_MS),
            stale_hours=self._roll_ups.stale_hours(unit, start_ms, end_ms) if may_be_rolled else frozenset(),
        )
        return self._roll_ups.points(unit, metric, wanted, first_ms=floor_to(start_ms, step_ms), step_ms=step_ms)

    def history(self, unit: UnitKey, *, end_ms: int, rows: int) -> ReadingBlock:
        [tables] = self._ask(
            [
                f"SELECT *::field FROM {quoted(unit.kind.value)}"  # noqa: S608
                f" WHERE {where_units([unit])} AND time < {ns(end_ms)} ORDER BY time DESC LIMIT {max(rows, 1)}"
            ]
        )
        found = [row for table in tables for row in reversed(table.rows)] if rows else []
        columns = tables[0].columns[1:] if found else []
        values = np.array([row[1:] for row in found], np.float64).reshape(len(found), len(columns))
        reported = np.flatnonzero(~np.isnan(values).all(axis=0)).tolist()
        order = sorted(reported, key=lambda column: from_influx_name(columns[column]))
        return ReadingBlock(
            unit.kind,
            tuple(from_influx_name(columns[column]) for column in order),
            (unit,),
            np.zeros(len(found), np.int64),
            np.array([row[0] for row in found], np.int64),
            values[:, order],
        )

    def metrics_of(self, unit: UnitKey) -> list[str]:
        return sorted(self.latest([unit]).get(unit, {}))

    def count_values(self) -> int:
        """Reads every value of the database: for checks, not for pages."""
        answers = self._ask(f"SELECT count(*::field) FROM {quoted(kind.value)}" for kind in Kind)  # noqa: S608
        return sum(
            count
            for tables in answers
            for table in tables
            for row in table.rows
            for count in row[1:]
            if count is not None
        )


def _one_line(error: object) -> str:
    text = error.decode(errors="replace") if isinstance(error, bytes) else str(error)
    return " ".join(text.split())
