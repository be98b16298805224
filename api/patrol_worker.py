"""Rounds beside the web server: written ahead, found missed, dates of the law raised, risky units put on the next one.

Several servers may run it; each thing is done once whoever gets to it first.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from alerts.patrol_due import mark_missed, sites_with_missed
from alerts.patrol_focus import FocusReason, put_on_next_round
from alerts.patrol_schedule import HORIZON_DAYS, plan_ahead, plans_behind
from alerts.patrol_statutory import lift_ids, raise_due, refresh, sites_with_due
from api.report_desk import draw_code
from governance.patrol_risk import UnitRisk, risks_by_site
from governance.reliability_report import WINDOW_MS, Facts, gather, is_comparable, standings_of, watch_rule_of
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.calendar import local_day
from registry.database import Database, portions
from registry.site import DEFAULT_TIMEZONE
from registry.unit import units_by_id

EVERY_S = 15.0
AHEAD_EVERY_MS = 3_600_000
RISK_EVERY_MS = 24 * 3_600_000
MOST_RISKY = 200

missed_total = Counter("liandong_patrols_missed", "Rounds found missed by this process")
failures_total = Counter("liandong_patrol_failures", "Times that the work on rounds could not be done")

log = structlog.get_logger(__name__)


def plan_all_ahead(database: Database, *, now_ms: int, days: int = HORIZON_DAYS) -> int:
    """Writes the rounds of all plans so many days ahead, some hundred plans in a transaction; how many were new."""
    until = local_day(now_ms, timezone=DEFAULT_TIMEZONE) + timedelta(days=days)
    written = 0
    while True:
        with database.writing() as session:
            plans = plans_behind(session, until=until)
            if not plans:
                return written
            new = plan_ahead(session, plans, until=until)
            data = {"rounds": new, "plans": len(plans), "until": until.isoformat()}
            activity.append(session, [Entry("patrol.planned_ahead", "patrols", data=data)], now_ms=now_ms)
        written += new


def mark_all_missed(database: Database, *, now_ms: int) -> int:
    with database.reading() as session:
        sites = sites_with_missed(session, now_ms=now_ms)
    missed = 0
    for site_id in sites:
        with database.writing() as session:
            missed += len(mark_missed(session, site_id, now_ms=now_ms))
    missed_total.inc(missed)
    return missed


def raise_all_due(database: Database, *, now_ms: int) -> int:
    """Escalates the dates of the law that are due, a site in a transaction."""
    with database.reading() as session:
        sites = sites_with_due(session, now_ms=now_ms)
    raised = 0
    for site_id in sites:
        with database.writing() as session:
            raised += raise_due(session, site_id, now_ms=now_ms)
    return raised


def refresh_all(database: Database) -> int:
    """Brings the agenda of all lifts in line with their records, whoever wrote those."""
    with database.reading() as session:
        ids = lift_ids(session)
    changed = 0
    for portion in portions(ids):
        with database.writing() as session:
            changed += refresh(session, units_by_id(session, portion))
    return changed


def put_risky_on_next_round(database: Database, *, now_ms: int) -> int:
    """Units above the worst tenth of their peers by the watch-list's rule, and those of each compound at which the
    combined risk expects twice the faults of their peers or more; how many stand on a round now.
    """
    put = 0
    for kind in Kind:
        with database.reading() as session:
            facts = gather(session, kind=kind, start_ms=now_ms - WINDOW_MS, end_ms=now_ms)
            if not any(is_comparable(exposure) for exposure in facts.exposures.values()):
                continue
            orders = risks_by_site(session, facts)
        told = _fault_prone(facts)
        for order in orders.values():
            for each in order.proposed:
                told.setdefault(each.unit.id, (FocusReason.LIKELY_FAULT, _risk_facts(each)))
        for unit_id, (reason, said) in told.items():
            with database.writing() as session:
                patrol = put_on_next_round(session, unit_id, reason, facts=said, draw_code=draw_code, now_ms=now_ms)
            put += patrol is not None
    return put


Proposed = tuple[FocusReason, dict[str, Any]]


def _fault_prone(facts: Facts) -> dict[int, Proposed]:
    ids, rule = watch_rule_of(facts)
    standings = standings_of(facts)
    risky = [unit_id for unit_id, is_above in zip(ids, rule.is_above, strict=True) if is_above]
    risky.sort(key=lambda unit_id: standings[unit_id].rank if unit_id in standings else 0)
    found: dict[int, Proposed] = {}
    for unit_id in risky[:MOST_RISKY]:
        said: dict[str, Any] = {"faults": len(facts.begun_within(unit_id))}
        if (standing := standings.get(unit_id)) is not None:
            said |= {
                "rate_per_year": round(standing.rate_per_year, 2),
                "rank": standing.rank,
                "peers": standing.peers,
            }
        found[unit_id] = FocusReason.FAULT_PRONE, said
    return found


def _risk_facts(each: UnitRisk) -> dict[str, Any]:
    """What the round says: the risk beside that of the peers, and every part that raises it."""
    return {
        "faults": len(each.sources),
        "expected_30_days": round(each.risk.expected, 3),
        "times_peers": round(each.risk.times_peers, 1),
        "anomalies": each.signs.anomalies,
        "age_years": None if each.signs.age_years is None else round(each.signs.age_years, 1),
        "maintenance_late_days": each.signs.maintenance_late_days,
        "is_inspection_expired": each.signs.is_inspection_expired,
        "raising": [part.value for part, factor in each.risk.factors.items() if factor > 1.0],
    }


class PatrolWorker:
    """A thread that survives its own failures."""

    def __init__(self, database: Database, *, clock: Callable[[], int], every_s: float = EVERY_S) -> None:
        self._database = database
        self._clock = clock
        self._every_s = every_s
        self._stopping = threading.Event()
        self._ahead_ms = self._risk_ms = 0
        self._thread = threading.Thread(target=self._run, name="patrol-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets the transaction under way end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def run_once(self, now_ms: int) -> None:
        """What is to be done by now."""
        if now_ms - self._ahead_ms >= AHEAD_EVERY_MS:
            plan_all_ahead(self._database, now_ms=now_ms)
            refresh_all(self._database)
            self._ahead_ms = now_ms
        mark_all_missed(self._database, now_ms=now_ms)
        raise_all_due(self._database, now_ms=now_ms)
        if now_ms - self._risk_ms >= RISK_EVERY_MS:
            put_risky_on_next_round(self._database, now_ms=now_ms)
            self._risk_ms = now_ms

    def _run(self) -> None:
        # Not in the first second: a program that has just started has more urgent things to do.
        while not self._stopping.wait(self._every_s):
            try:
                self.run_once(self._clock())
            except Exception:
                # Whatever it was, the next time tries again.
                failures_total.inc()
                log.exception("the work on rounds was not done")
