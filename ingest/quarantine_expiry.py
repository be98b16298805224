"""Quarantined messages are kept for so many days, and then let go in small steps, never silently."""

from collections.abc import Callable

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from ingest import quarantine
from registry.database import Database

LOOK_EVERY_MS = 3_600_000
STEP = 500
DAY_MS = 24 * 3600 * 1000

log = structlog.get_logger(__name__)

let_go_total = Counter("liandong_quarantine_let_go", "Quarantined messages that were kept long enough and deleted")


class QuarantineExpiry:
    """Looks once an hour; while there is more to let go, at each call. `days` 0 keeps everything for ever."""

    def __init__(self, database: Database, *, days: int, clock: Callable[[], int]) -> None:
        self._database = database
        self._days = days
        self._clock = clock
        self._looked_ms: int | None = None

    def tick(self) -> int:
        """How many were let go."""
        now_ms = self._clock()
        if not self._days or (self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS):
            return 0
        try:
            with self._database.writing() as session:
                count = quarantine.let_go(session, before_ms=now_ms - self._days * DAY_MS, limit=STEP, now_ms=now_ms)
        except SQLAlchemyError as error:
            log.warning("old quarantined messages stay for now", reason=str(error).splitlines()[0])
            count = 0
        if count < STEP:
            self._looked_ms = now_ms
        if count:
            let_go_total.inc(count)
            log.info("old quarantined messages were let go", messages=count)
        return count
