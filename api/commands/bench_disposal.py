"""Measurements of the disposal with a city's tickets: the board, the list, a ticket, a move, as a browser sees them.

The database is filled by itself: what is written there is what the program would have written, but for the hashes of
the activity rows, which are all alike.
"""

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.ticket import Ticket
from api.clock import now_ms
from api.commands.bench import BenchFailed
from api.commands.bench_service import COMMAND, NAME, PASSWORD, running_service
from registry.activity import ActivityHead, last_id
from registry.database import Database, resolve_url

TICKETS_OF_ALARM = 20
UNITS_OF_SITE = 20
UNITS_OF_BATCH = 100_000
STAGES = ["reported", "triaged", "dispatched", "accepted", "arrived", "in_progress", "on_hold", "restored", "verified"]
SEVERITIES = ["critical", "major", "major", "minor", "minor", "minor", "minor", "advisory"]
WARM_UP = 5


def disposal_as_json(*, tickets: int, activity_rows: int, sites: int, requests: int, database_url: str | None) -> str:
    """p50 and p95 in ms as the client sees them, over a real server and loopback. Raises BenchFailed.

    On a machine that does other things too, `_cpu_ms` says more: what the service itself spent on one request, a
    PostgreSQL beside it not counted.
    """
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        url = resolve_url(database_url or "sqlite:", data_dir=Path(directory))
        database = Database(url)
        try:
            database.migrate()
            fill(database, tickets=tickets, activity_rows=activity_rows, sites=sites)
        finally:
            database.close()
        environment = {"LIANDONG_DATA_DIR": directory, "LIANDONG_DATABASE_URL": url.render_as_string(False)}
        adding = [*COMMAND, "users", "add", "bench-here", "--role", "property_manager", "--site", "site-7"]
        subprocess.run(  # noqa: S603
            [*adding, "--password-stdin"],
            input=PASSWORD,
            text=True,
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with running_service(environment) as service:
            figures: dict[str, object] = {
                "database": "sqlite" if database.is_sqlite else "postgresql",
                "open_tickets": tickets,
                "activity_rows": activity_rows,
                "sites": sites,
                "requests": requests,
                "cores": psutil.cpu_count(),
            }
            measured = _Measured(service.http_url, service.process, requests=requests, figures=figures)
            measured.look(tickets)
            return json.dumps(figures, indent=2)


@dataclass(slots=True)
class _Measured:
    http_url: str
    process: psutil.Process
    requests: int
    figures: dict[str, object]

    def look(self, tickets: int) -> None:
        rng = np.random.default_rng(7)
        district, here = self._browser(NAME), self._browser("bench-here")
        token = self._token()
        any_ticket: Callable[[], int] = lambda: int(rng.integers(1, tickets + 1))  # noqa: E731
        self._time("board_of_all_sites", lambda: district("/"))
        self._time("board_of_one_site", lambda: here("/"))
        self._time("ticket_page", lambda: district(f"/tickets/{any_ticket()}"))
        self._time("ticket_api", lambda: self._call(f"/tickets/{any_ticket()}", token))
        self._time("list_page_of_all_sites", lambda: district("/tickets"))
        self._time("list_page_of_one_site", lambda: here("/tickets?turn=mine"))
        self._time("list_api", lambda: self._call("/tickets?stage=open&limit=100", token))
        self._time("search_page_of_all_sites", lambda: district("/tickets?q=garage+%23" + str(any_ticket())))
        reported = iter(range(len(STAGES), tickets, len(STAGES)))
        self._time("move", lambda: self._call(f"/tickets/{next(reported)}/transitions", token, {"to": "triaged"}))

    def _time(self, name: str, ask: Callable[[], object]) -> None:
        for _ in range(WARM_UP):
            ask()
        took_ms: list[float] = []
        before = self.process.cpu_times()
        for _ in range(self.requests):
            began = perf_counter()
            ask()
            took_ms.append((perf_counter() - began) * 1000)
        for q in (50, 95):
            self.figures[f"{name}_p{q}_ms"] = round(float(np.percentile(took_ms, q)), 1)
        after = self.process.cpu_times()
        spent_s = after.user + after.system - before.user - before.system
        self.figures[f"{name}_cpu_ms"] = round(spent_s * 1000 / self.requests, 1)

    def _browser(self, name: str) -> Callable[[str], bytes]:
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

        def get(path: str, data: bytes | None = None) -> bytes:
            with opener.open(self.http_url + path, data=data, timeout=60) as answer:
                content: bytes = answer.read()
                return content

        get("/sign-in", urllib.parse.urlencode({"name": name, "password": PASSWORD}).encode())
        return get

    def _token(self) -> str:
        form = urllib.parse.urlencode({"username": NAME, "password": PASSWORD}).encode()
        with urllib.request.urlopen(f"{self.http_url}/api/v1/token", data=form, timeout=10) as answer:  # noqa: S310
            return str(json.load(answer)["access_token"])

    def _call(self, path: str, token: str, body: object = None) -> object:
        request = urllib.request.Request(  # noqa: S310  our own loopback address
            f"{self.http_url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise BenchFailed(f"{path}: {error.read().decode()[:200]}") from error


def fill(database: Database, *, tickets: int, activity_rows: int, sites: int) -> None:
    """Sites with their units, open tickets over all stages, an open alarm for some, and rows of the activity log.

    Raises BenchFailed for a database that holds tickets already: this is no place for real ones.
    """
    units, now = sites * UNITS_OF_SITE, now_ms()
    stage = "CASE i % 9 " + " ".join(f"WHEN {n} THEN '{name}'" for n, name in enumerate(STAGES)) + " END"
    severity = "CASE i % 8 " + " ".join(f"WHEN {n} THEN '{name}'" for n, name in enumerate(SEVERITIES)) + " END"
    with database.writing() as session:
        if session.scalar(select(func.count()).select_from(Ticket)):
            raise BenchFailed("the database holds tickets already: name an empty one")
        _insert(
            session,
            sites,
            "site (key, name, timezone, is_confirmed, created_ms)",
            f"'site-' || i, 'Compound ' || i, 'Asia/Shanghai', true, {now}",
        )
        _insert(
            session,
            units,
            "unit (site_id, kind, key, name, building, make, maintainer, is_confirmed, created_ms)",
            f"1 + (i - 1) % {sites}, CASE i % 3 WHEN 0 THEN 'pump' ELSE 'elevator' END, 'unit-' || i, 'Lift ' || i, "
            f"'Building ' || (i % 9), 'Make', 'Maintainer', true, {now}",
        )
        # Unit u belongs to site 1 + (u - 1) % sites, so a ticket of unit u names that site too.
        unit = f"(1 + (i * 7) % {units})"
        _insert(
            session,
            tickets,
            'ticket (site_id, unit_id, kind, "case", title, description, severity, stage, opened_by, opened_ms, '
            "updated_ms, version, hold_reason, demands, restored_by, restored_party)",
            f"1 + ({unit} - 1) % {sites}, {unit}, 'fault', 'case-' || i, 'Ticket about matter ' || i, 'Words', "
            f"{severity}, {stage}, 'mei', {now} - i * 1000, {now} - i * 500, 1 + i % 9, "
            "CASE WHEN i % 9 = 6 THEN CASE i % 2 WHEN 0 THEN 'parts' ELSE 'governance_vote' END END, '', "
            "CASE WHEN i % 9 > 6 THEN 'li' END, CASE WHEN i % 9 > 6 THEN 'property' END",
        )
        for number in range(4):
            _insert(
                session,
                tickets,
                "ticket_move (ticket_id, at_ms, actor, from_stage, to_stage, note, party, stands_in)",
                f"i, {now} - i * 1000 + {number}, 'mei', NULL, '{STAGES[number]}', '', 'property', false",
            )
        _insert(
            session,
            tickets // TICKETS_OF_ALARM,
            "alarm (unit_id, condition, severity, state, is_active, raised_ms, received_ms, occurrences, evidence, "
            "ticket_id)",
            f"(1 + (i * 7) % {units}), 'c' || (i / {units}), {severity}, 'unacknowledged', true, {now} - i * 1000, "
            f"{now} - i * 1000, 1, '{{}}', i",
        )
    written = 0
    while written < activity_rows:
        count = min(UNITS_OF_BATCH, activity_rows - written)
        with database.writing() as session:
            first = last_id(session)
            row = f"({first} + i)"
            _insert(
                session,
                count,
                "activity (id, at_ms, actor, verb, subject, site, unit_id, data, previous_hash, hash)",
                f"{row}, {now}, 'mei', 'ticket.moved', 'ticket:' || (1 + {row} % {tickets}), "
                f"'site-' || (1 + {row} % {sites}), 1 + {row} % {units}, '{{\"to\":\"triaged\"}}', '0', '0'",
            )
            head = session.scalars(select(ActivityHead)).one()
            head.last_id, head.last_hash = first + count, "0"
        written += count
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What PostgreSQL does by itself some minutes after so many rows came.
        connection.execute(text("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"))


def _insert(session: Session, count: int, into: str, values: str) -> None:
    """`count` rows whose values are an expression of `i`, from 1 on; everything in them is our own."""
    if session.get_bind().dialect.name == "sqlite":
        numbers = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) SELECT i FROM n)"
    else:
        numbers = "generate_series(1, CAST(:count AS bigint)) AS n(i)"
    if count:
        session.execute(text(f"INSERT INTO {into} SELECT {values} FROM {numbers}"), {"count": count})  # noqa: S608
