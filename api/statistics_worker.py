"""Rolls up what statistics count, and looks at the watch-list's rule on the first of each month, beside the web server.

Several servers share the work.
"""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy.exc import IntegrityError

from api.pages.moments import local_time
from governance.fault_record import roll_up_faults
from governance.watch_list import Look, due_look, judge_by_rule, look_at_rule
from models.equipment import Kind
from registry.coverage_roll_up import roll_up_coverage
from registry.database import Database

EVERY_S = 600.0
ROLL_UP_EVERY_S = 5.0
"""So long late data is counted hour by hour, which is right and slow."""
FIRST_AFTER_S = 20.0
"""The start has other things to do."""

log = structlog.get_logger(__name__)


def run_due_looks(database: Database, *, now_ms: int) -> list[Look]:
    """Looks at the rule for the kinds that are due. Whoever comes second does nothing."""
    today = local_time(now_ms).date()
    done = []
    for kind in Kind:
        with database.reading() as session:
            as_of = due_look(session, kind, today=today)
            if as_of is None:
                continue
            # Seconds in a large district: whoever writes meanwhile, the ingest first of all, must not wait for it.
            judgement = judge_by_rule(session, kind, as_of=as_of)
        try:
            with database.writing() as session:
                look = look_at_rule(session, judgement, now_ms=now_ms)
        except IntegrityError:
            # Another server has looked in the same moment.
            continue
        if look is not None:
            done.append(look)
            log.info("watch-list", kind=kind.value, as_of=str(as_of), entered=len(look.entered), left=len(look.left))
    return done


def roll_up(database: Database, *, clock: Callable[[], int], is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Brings the roll-ups up to date, portion after portion, so that nobody waits long to write."""
    for portion in (roll_up_faults, roll_up_coverage):
        is_more = True
        while is_more and not is_stopping():
            with database.writing() as session:
                is_more = portion(session, now_ms=clock())


class StatisticsWorker:
    """A thread that survives its own failures."""

    def __init__(self, database: Database, *, clock: Callable[[], int], every_s: float = EVERY_S) -> None:
        self._database = database
        self._clock = clock
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="statistics-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        wait_s = min(FIRST_AFTER_S, self._every_s)
        looked_ms: int | None = None
        while not self._stopping.wait(wait_s):
            wait_s = min(ROLL_UP_EVERY_S, self._every_s)
            try:
                roll_up(self._database, clock=self._clock, is_stopping=self._stopping.is_set)
                now_ms = self._clock()
                if looked_ms is None or now_ms - looked_ms >= self._every_s * 1000:
                    run_due_looks(self._database, now_ms=now_ms)
                    looked_ms = now_ms
            except Exception:
                log.exception("statistics were not brought up to date")
