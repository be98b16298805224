# ruff: noqa: S608 - names of our own tables, and numbers
"""What was sorted into a DuckDB file: portions, each with its minutes and hours, and the end of each.

A value is in one portion for ever, and the minutes and hours of a portion are made of its values alone, in the
transaction that sorts them. So roll-ups are exact whatever comes late or out of order: a late value is in a later
portion, whose rows for the same minute are added to those of the earlier. A death in between takes the whole
transaction back. Retention lets go of the oldest portion first, by when it was sorted and not by the times of its
values: a recording of years ago that is replayed today is kept as long as what was measured today. For the same
reason the clock of a sensor can neither keep values for ever nor make them vanish.
"""

from collections.abc import Iterable

import duckdb
import structlog

from ingest.stores.contract import Point
from ingest.stores.retention import HOUR_MS, MINUTE_MS, Retention, ceil_to, floor_to, width_for

SCHEMA = """
CREATE TABLE portion (number INTEGER, settled_ms BIGINT, n BIGINT);
CREATE TABLE kept (series INTEGER, ts_ms BIGINT, value DOUBLE, portion INTEGER);
CREATE TABLE minute (
    series INTEGER, t_ms BIGINT, total DOUBLE, least DOUBLE, greatest DOUBLE, n BIGINT, portion INTEGER
);
CREATE TABLE hour (
    series INTEGER, t_ms BIGINT, total DOUBLE, least DOUBLE, greatest DOUBLE, n BIGINT, portion INTEGER
);
CREATE TABLE horizon (raw_from INTEGER, minutes_from INTEGER, hours_from INTEGER);
INSERT INTO horizon VALUES (0, 0, 0);
CREATE OR REPLACE VIEW reading AS
    SELECT series, ts_ms, value FROM kept UNION ALL SELECT series, ts_ms, value FROM arrived;
"""

# The remainder of a time before 1970 is negative; steps begin at multiples all the same.
STEP = "{column} - ({column} % {width} + {width}) % {width}"

CARRIED_ROWS = 1_000_000
SETTLE_AFTER_MS = HOUR_MS

Spans = Iterable[tuple[int, int]]

log = structlog.get_logger(__name__)


def add_portion(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Sort the rows (series, ts_ms, value) of `source` into a new portion and roll them up, within a transaction."""
    row = connection.execute("SELECT coalesce(max(number), -1) + 1 FROM portion").fetchone()
    number = int(row[0]) if row else 0
    connection.execute(f"INSERT INTO kept SELECT series, ts_ms, value, {number} FROM {source} ORDER BY series, ts_ms")
    connection.execute(
        f"INSERT INTO minute SELECT series, {STEP.format(column='ts_ms', width=MINUTE_MS)} AS t,"
        f" sum(value), min(value), max(value), count(*), {number} FROM {source} GROUP BY series, t ORDER BY series, t"
    )
    connection.execute(
        f"INSERT INTO hour SELECT series, {STEP.format(column='t_ms', width=HOUR_MS)} AS t,"
        f" sum(total), min(least), max(greatest), sum(n), {number} FROM minute WHERE portion = {number}"
        " GROUP BY series, t ORDER BY series, t"
    )
    connection.execute(f"INSERT INTO portion SELECT {number}, NULL, count(*) FROM {source}")


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing; writes nothing where all is there, for a full disk must not keep a file from opening."""
    if not _has_table(connection, "horizon"):
        connection.begin()
        connection.execute(SCHEMA)
        connection.commit()
    if _has_table(connection, "settled"):
        _carry_over(connection)


def _carry_over(connection: duckdb.DuckDBPyConnection) -> None:
    """Take over the table `settled` of files written before there were portions, a million rows at a time.

    Each million is a transaction; a death in between is gone on from. The old table goes when all of it is in the new.
    """
    rows = _number(connection, "SELECT count(*) FROM settled")
    done = _number(connection, "SELECT coalesce(sum(n), 0) FROM portion")
    while done < rows:
        log.info("telemetry is brought to this version", rows=rows, done=done)
        part = f"(SELECT * FROM settled WHERE rowid >= {done} AND rowid < {done + CARRIED_ROWS})"
        connection.begin()
        add_portion(connection, part)
        connection.commit()
        carried = _number(connection, "SELECT coalesce(sum(n), 0) FROM portion")
        if carried == done:
            raise duckdb.InvalidInputException("the values of an older version cannot be carried over")
        done = carried
    connection.execute("DROP TABLE settled")


def _has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    return _number(connection, f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{name}'") > 0


def _number(connection: duckdb.DuckDBPyConnection, question: str) -> int:
    row = connection.execute(question).fetchone()
    return int(row[0]) if row else 0


def is_due(connection: duckdb.DuckDBPyConnection, *, now_ms: int) -> bool:
    """Whether the newest portion is an hour old, so that values that come slowly are rolled up too."""
    newest_ms = _number(connection, "SELECT coalesce(max(settled_ms), 0) FROM portion")
    return not 0 <= now_ms - newest_ms < SETTLE_AFTER_MS


def stamp(connection: duckdb.DuckDBPyConnection, *, now_ms: int) -> None:
    """Let the age of portions that were made since the last stamp begin now."""
    connection.execute("UPDATE portion SET settled_ms = ? WHERE settled_ms IS NULL", [now_ms])


def let_go(connection: duckdb.DuckDBPyConnection, *, retention: Retention, now_ms: int) -> bool:
    """Delete what is over age of one portion, in one transaction; whether there was any."""
    ages = (
        ("kept", "raw_from", retention.raw_ms),
        ("minute", "minutes_from", retention.minute_ms),
        ("hour", "hours_from", retention.hour_ms),
    )
    for table, horizon, age_ms in ages:
        if age_ms is None:
            continue
        row = connection.execute(
            f"SELECT min(number) FROM portion WHERE number >= (SELECT {horizon} FROM horizon) AND settled_ms < ?",
            [now_ms - age_ms],
        ).fetchone()
        if row is None or row[0] is None:
            continue
        connection.begin()
        connection.execute(f"DELETE FROM {table} WHERE portion <= ?", [row[0]])
        connection.execute(f"UPDATE horizon SET {horizon} = ?", [row[0] + 1])
        connection.commit()
        return True
    return False


def condensed(
    cursor: duckdb.DuckDBPyConnection, series: int, *, start_ms: int, end_ms: int, step_ms: int
) -> list[Point]:
    """Steps of one series, from hours and minutes where they fall into the steps whole, else from single values.

    Of portions whose single values are gone, the minutes or hours that touch the range count whole.
    """
    cursor.begin()
    try:
        found = cursor.execute("SELECT raw_from, minutes_from FROM horizon").fetchone()
        raw_from, minutes_from = found if found is not None else (0, 0)
        width_ms = width_for(start_ms, end_ms, step_ms)
        whole = (start_ms, end_ms)
        raw, minutes, minutes_alone, hours = [whole], [], [(floor_to(start_ms, MINUTE_MS), end_ms)], []
        if width_ms is not None:
            in_minutes = ceil_to(start_ms, MINUTE_MS), floor_to(end_ms, MINUTE_MS)
            raw, minutes = [(start_ms, in_minutes[0]), (in_minutes[1], end_ms)], [in_minutes]
        if width_ms == HOUR_MS:
            in_hours = ceil_to(start_ms, HOUR_MS), floor_to(end_ms, HOUR_MS)
            hours = [in_hours]
            minutes = [(in_minutes[0], in_hours[0]), (in_hours[1], in_minutes[1])]
            minutes_alone = [(floor_to(start_ms, MINUTE_MS), in_hours[0]), (in_hours[1], end_ms)]
        hours_alone = [(floor_to(start_ms, HOUR_MS), end_ms)]
        single = "SELECT ts_ms AS t_ms, value AS total, value AS least, value AS greatest, 1 AS n"
        rolled = "SELECT t_ms, total, least, greatest, n"
        rows = cursor.execute(
            f"""SELECT greatest({STEP.format(column="t_ms", width="$step")}, $first) AS t,
                       sum(total) / sum(n), min(least), max(greatest), sum(n)::BIGINT
                FROM ({single} FROM arrived WHERE series = $series AND {_within("ts_ms", [whole])}
                      UNION ALL {single} FROM kept WHERE series = $series AND {_within("ts_ms", raw)}
                      UNION ALL {rolled} FROM minute WHERE series = $series AND (
                          portion >= {raw_from} AND {_within("t_ms", minutes)}
                          OR portion < {raw_from} AND {_within("t_ms", minutes_alone)})
                      UNION ALL {rolled} FROM hour WHERE series = $series AND (
                          portion >= {minutes_from} AND {_within("t_ms", hours)}
                          OR portion < {minutes_from} AND {_within("t_ms", hours_alone)}))
                GROUP BY t ORDER BY t""",
            {"series": series, "step": step_ms, "first": floor_to(start_ms, step_ms)},
        ).fetchall()
    finally:
        cursor.rollback()
    return [Point(*row) for row in rows]


def _within(column: str, spans: Spans) -> str:
    """A condition: the column is in one of the spans, each without its end."""
    told = [f"({column} >= {start} AND {column} < {end})" for start, end in spans if start < end]
    return f"({' OR '.join(told)})" if told else "false"
