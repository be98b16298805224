"""Does what is due, beside the web server: in every process that serves, each action once whoever gets to it first."""

import threading
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from alerts.call_out_moves import oldest_due_call_out_ms, run_due_call_outs
from alerts.call_out_summons import HashOfLink
from alerts.due_action import count_overdue, oldest_due_ms
from alerts.escalation import run_due
from alerts.escalation_audit import OVERDUE_MS
from api.escalation_auditor import EscalationAuditor
from api.proposal_desk import settle_votes
from api.translations import Translator
from registry.database import Database

EVERY_S = 1.0
AUDIT_EVERY_S = 60.0
REST_S = 0.05

actions_total = Counter("liandong_due_actions", "Due actions settled by this process")
failures_total = Counter("liandong_due_action_failures", "Times that due actions could not be done")

log = structlog.get_logger(__name__)


def run_all_due(database: Database, *, now_ms: int, rest: Callable[[float], bool]) -> int:
    """Settles whatever is due by now, a bounded batch in a transaction; returns how many rows that were.

    `rest` waits for some seconds and says whether to end: SQLite lets nobody else write between two batches otherwise.
    """
    done = 0
    while not (done and rest(REST_S)):
        with database.reading() as session:
            if oldest_due_ms(session, now_ms=now_ms) is None:
                break
        with database.writing() as session:
            settled = run_due(session, now_ms=now_ms)
        if not settled:
            # Another worker holds what is left.
            break
        done += settled
        actions_total.inc(settled)
    return done


def run_all_due_call_outs(database: Database, *, hash_of_link: HashOfLink, now_ms: int) -> int:
    """Calls the stages whose time has come, and ends proposals that nobody decided on; returns how many those were."""
    done = 0
    while True:
        with database.reading() as session:
            if oldest_due_call_out_ms(session, now_ms=now_ms) is None:
                return done
        with database.writing() as session:
            settled = run_due_call_outs(session, hash_of_link=hash_of_link, now_ms=now_ms)
        if not settled:
            # Another worker holds what is left.
            return done
        done += settled
        actions_total.inc(settled)


class DueWorker:
    """A thread that survives its own failures: without it nobody is called any more."""

    def __init__(
        self,
        database: Database,
        *,
        hash_of_link: HashOfLink,
        clock: Callable[[], int],
        translate: Translator,
        every_s: float = EVERY_S,
    ) -> None:
        """`translate` speaks the language in which the outcome of a vote is published."""
        self._database = database
        self._hash_of_link = hash_of_link
        self._clock = clock
        self._translate = translate
        self._every_s = every_s
        self._stopping = threading.Event()
        self._audited_ms = 0
        self._auditor = EscalationAuditor(database, started_ms=clock())
        self._thread = threading.Thread(target=self._run, name="due-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets the batch under way end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                now_ms = self._clock()
                self._audit(now_ms)
                # People are called out before anybody is reminded of a deadline.
                run_all_due_call_outs(self._database, hash_of_link=self._hash_of_link, now_ms=now_ms)
                run_all_due(self._database, now_ms=now_ms, rest=self._stopping.wait)
                self._auditor.step(now_ms)
                settle_votes(self._database, _=self._translate, now_ms=now_ms)
            except Exception:
                # Whatever it was, the next round tries again.
                failures_total.inc()
                log.exception("what is due was not done")

    def _audit(self, now_ms: int) -> None:
        if now_ms - self._audited_ms < AUDIT_EVERY_S * 1000:
            return
        self._audited_ms = now_ms
        with self._database.reading() as session:
            missed = count_overdue(session, before_ms=now_ms - OVERDUE_MS)
            oldest_ms = oldest_due_ms(session, now_ms=now_ms)
        if missed and oldest_ms is not None:
            log.error(
                "escalations were missed and are done now", missed=missed, late_min=(now_ms - oldest_ms) // 60_000
            )
