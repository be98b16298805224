"""Walks over all open tickets, a few at a time, again and again, and mends escalations that are missing."""

from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge

from alerts.escalation_audit import Fault, Gap, audit_part, keep_run, mend_ticket
from registry.database import Database

EVERY_MS = 15 * 60_000
FIRST_MS = 30_000

lost_now = Gauge("liandong_escalations_lost", "Escalations the last audit found missing, overdue or untold", ["fault"])
mended_total = Counter("liandong_escalations_mended", "Missing escalations that the auditor wrote anew")

log = structlog.get_logger(__name__)


class EscalationAuditor:
    """Not for several threads at once: the worker that does what is due owns it and asks it on each of its rounds."""

    def __init__(self, database: Database, *, started_ms: int, every_ms: int = EVERY_MS) -> None:
        self._database = database
        self._every_ms = every_ms
        self._next_ms = started_ms + FIRST_MS
        self._after_id: int | None = None
        self._checked = 0
        self._gaps: list[Gap] = []

    def step(self, now_ms: int) -> None:
        """Looks at the next few tickets, if it is time; at the end of a walk it is written down what was found."""
        if self._after_id is None:
            if now_ms < self._next_ms:
                return
            self._next_ms = now_ms + self._every_ms
            self._after_id, self._checked, self._gaps = 0, 0, []
        with self._database.reading() as session:
            part = audit_part(session, after_id=self._after_id, now_ms=now_ms)
        self._checked += part.checked
        self._gaps += part.gaps
        for ticket_id in {gap.ticket_id for gap in part.gaps if gap.fault is Fault.MISSING}:
            with self._database.writing() as session:
                mended = mend_ticket(session, ticket_id, now_ms=now_ms)
            mended_total.inc(len(mended))
            log.error("escalations were missing and are planned anew", ticket_id=ticket_id, missing=len(mended))
        self._after_id = part.last_id
        if part.last_id is None:
            self._end(now_ms)

    def walk(self, clock: Callable[[], int]) -> list[Gap]:
        """A whole walk at once."""
        self._next_ms = 0
        self.step(clock())
        while self._after_id is not None:
            self.step(clock())
        return self._gaps

    def _end(self, now_ms: int) -> None:
        with self._database.writing() as session:
            run = keep_run(session, tickets=self._checked, gaps=self._gaps, now_ms=now_ms)
            found = {"missing": run.missing, "overdue": run.overdue, "untold": run.untold}
        for fault, count in found.items():
            lost_now.labels(fault).set(count)
        if any(found.values()):
            log.error("the audit of escalations found faults", tickets=self._checked, **found)
