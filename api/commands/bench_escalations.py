"""Measures how fast workers, as processes of their own, do what is due, and proves that each action was done once."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from alerts.due_action import DueAction, DueState, oldest_due_ms
from alerts.notification import Notification
from alerts.severity import Severity
from alerts.ticket import open_ticket
from alerts.ticket_stages import TicketKind
from api.commands.bench import BenchFailed
from api.due_worker import run_all_due
from registry.activity import Activity
from registry.database import Database, resolve_url
from registry.person import Person, RoleGrant
from registry.role import Role
from registry.site import add_site

OPENED_MS = 1_795_406_400_000
"""2026-11-23T12:00:00+08:00"""
LATER_MS = OPENED_MS + 3 * 3_600_000
"""By then all deadlines of an entrapment are over."""
ACTIONS_OF_TICKET = 22
LIMIT_S = 600.0
WAITS = "LIANDONG_BENCH_WAITS"
PEOPLE = (
    Role.PROPERTY_MANAGER,
    Role.TECHNICIAN,
    Role.COMMITTEE_MEMBER,
    Role.COMMUNITY_OFFICER,
    Role.DISTRICT_OFFICER,
)
TICKETS_AT_ONCE = 100


def fill(database: Database, *, tickets: int) -> int:
    """One compound with a person of each party and so many entrapments; returns how many actions are due."""
    with database.writing() as session:
        site = add_site(session, key="bench", now_ms=0)
        for role in PEOPLE:
            grants = [RoleGrant(role=role.value, site=site)]
            session.add(
                Person(name=role.value, display_name=role.value, password_hash="none", created_ms=0, grants=grants)  # noqa: S106
            )
    for first in range(0, tickets, TICKETS_AT_ONCE):
        with database.writing() as session:
            session.add(site)
            for number in range(first, min(first + TICKETS_AT_ONCE, tickets)):
                open_ticket(
                    session,
                    site=site,
                    unit=None,
                    kind=TicketKind.FAULT,
                    title=f"Entrapment {number}",
                    severity=Severity.CRITICAL,
                    case="entrapment",
                    opened_by="system",
                    now_ms=OPENED_MS,
                )
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(DueAction).where(DueAction.due_ms <= LATER_MS)) or 0


def worker_process(database_url: str, *, is_to_wait: bool = False) -> "subprocess.Popen[bytes]":
    """Does all that is due by `LATER_MS` and ends. The address goes by the environment: it may hold a password.

    One that is to wait writes a line when it is ready, and begins when its standard input is closed.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "api.commands.bench_escalations"],
        stdin=subprocess.PIPE if is_to_wait else None,
        stdout=subprocess.PIPE if is_to_wait else None,
        env={
            **os.environ,
            "LIANDONG_DATABASE_URL": database_url,
            WAITS: str(int(is_to_wait)),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )


def account(database: Database) -> dict[str, int]:
    """What was done, told and recorded; for actions that were done once the three figures agree."""
    with database.reading() as session:
        done = DueAction.state == DueState.DONE.value
        overdue = (DueAction.state == DueState.PENDING.value) & (DueAction.due_ms <= LATER_MS)
        recorded = Activity.verb.in_(["ticket.called", "ticket.reminded", "ticket.escalated"])
        told = session.scalars(select(Activity.data).where(recorded))
        return {
            "done": session.scalar(select(func.count()).select_from(DueAction).where(done)) or 0,
            "recorded": session.scalar(select(func.count()).select_from(Activity).where(recorded)) or 0,
            "left": session.scalar(select(func.count()).select_from(DueAction).where(overdue)) or 0,
            "notifications": session.scalar(select(func.count()).select_from(Notification)) or 0,
            "notifications_recorded": sum(int(data["told"]) for data in told),
        }


def escalations_as_json(*, actions: int, workers: int, database_url: str | None) -> str:
    """Raises BenchFailed when an action was lost or done twice."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        url = resolve_url(database_url or "sqlite:", data_dir=Path(directory))
        database = Database(url)
        try:
            database.migrate()
            due = fill(database, tickets=max(1, -(-actions // ACTIONS_OF_TICKET)))
            address = url.render_as_string(hide_password=False)
            processes = [worker_process(address, is_to_wait=True) for _ in range(workers)]
            # Workers of a server run already when something falls due: their start is not part of it.
            cpu_s = {process.pid: -_cpu_s(process) for process in processes if _is_ready(process)}
            begun_cpu_s = dict(cpu_s)
            started = monotonic()
            for process in processes:
                if process.stdin is not None:
                    process.stdin.close()
            while any(process.poll() is None for process in processes):
                for process in processes:
                    with suppress(psutil.Error):
                        cpu_s[process.pid] = begun_cpu_s.get(process.pid, 0.0) + _cpu_s(process)
                if monotonic() - started > LIMIT_S:
                    raise BenchFailed("the workers did not end in time")
                for process in processes:
                    try:
                        process.wait(0.05)
                    except subprocess.TimeoutExpired:
                        continue
            took_s = monotonic() - started
            told = account(database)
        finally:
            database.close()
    if any(process.returncode for process in processes):
        raise BenchFailed("a worker failed; see its errors above")
    if told["left"] or told["done"] != due or told["recorded"] != due:
        raise BenchFailed(f"of {due} actions, {told['done']} were done and {told['recorded']} recorded")
    if told["notifications"] != told["notifications_recorded"]:
        raise BenchFailed("notifications were lost or doubled")
    report = {
        "database": url.get_backend_name(),
        "actions": due,
        "workers": workers,
        "seconds": round(took_s, 2),
        "actions_per_s": round(due / took_s),
        "worker_cpu_s": round(sum(cpu_s.values()), 2),
        "notifications": told["notifications"],
        "each_once": True,
    }
    return json.dumps(report, indent=2)


def _is_ready(process: "subprocess.Popen[bytes]") -> bool:
    return process.stdout is not None and bool(process.stdout.readline())


def _cpu_s(process: "subprocess.Popen[bytes]") -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _is_done(database: Database) -> bool:
    with database.reading() as session:
        return oldest_due_ms(session, now_ms=LATER_MS) is None


def _rest(seconds: float) -> bool:
    sleep(seconds)
    return False


def _work() -> None:
    database = Database(os.environ["LIANDONG_DATABASE_URL"])
    try:
        if os.environ.get(WAITS) == "1":
            # Asked once, so that the connection stands.
            _is_done(database)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            sys.stdin.read()
        while not _is_done(database):
            # As the worker of a server does: whoever else is writing has its turn first.
            with suppress(OperationalError):
                run_all_due(database, now_ms=LATER_MS, rest=_rest)
    finally:
        database.close()


if __name__ == "__main__":
    _work()
