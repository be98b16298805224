"""Keeps the rhythm of the month beside the web server: meetings made ahead, agendas prepared, tasks reminded of."""

import threading
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from governance.meeting_rhythm import keep_rhythm
from registry.database import Database

EVERY_S = 30.0

kept_total = Counter("liandong_rhythm_steps", "Meetings made, agendas prepared and tasks reminded of by this process")
failures_total = Counter("liandong_rhythm_failures", "Times that the rhythm of the month could not be kept")

log = structlog.get_logger(__name__)


class RhythmWorker:
    """A thread that survives its own failures; several processes may have one each."""

    def __init__(self, database: Database, *, clock: Callable[[], int], every_s: float = EVERY_S) -> None:
        self._database = database
        self._clock = clock
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rhythm-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                kept_total.inc(keep_rhythm(self._database, now_ms=self._clock(), is_over=self._stopping.is_set))
            except Exception:
                # Whatever it was, the next round tries again.
                failures_total.inc()
                log.exception("the rhythm of the month was not kept")
