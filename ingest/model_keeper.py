"""Fits models on a schedule and reports their drift, in the background of the process that has the telemetry store."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from ingest.fit_job import DriftJob
from ingest.fit_pool import ClusterUnavailable, Run
from ingest.fit_process import FittingEnded, LowPriorityProcess
from ingest.lane import Lane
from ingest.model_fit import fit_units
from ingest.model_history import LEARNING_KINDS, since_fit
from ingest.stores.contract import StoreUnavailable, TelemetryStore
from models.alarm_budget import BUDGET_PER_MONTH
from models.detectors.artefact import ArtefactRefused, unpack
from models.detectors.drift import DriftReport
from models.detectors.training import DAY_MS
from registry import activity
from registry.database import Database
from registry.model_trial import due_for_drift, due_for_fit, put_drift
from registry.model_version import get_version

EVERY_S = 60.0
AT_ONCE = 20
"""Units looked at in one round; a round begins when the one before it is done."""
LOOKED_AT = 1_000
TRY_AGAIN_MS = DAY_MS
DRIFT_EVERY_MS = DAY_MS
DRIFT_DAYS = 3.0
ACTOR = "schedule"

log = structlog.get_logger(__name__)

fits_total = Counter("liandong_model_fits", "Units whose model was to be fitted on schedule, by outcome", ["outcome"])
failures_total = Counter("liandong_model_keeping_failures", "Rounds of fitting or drift reports that failed")
round_gauge = Gauge("liandong_model_keeping_timestamp_seconds", "When the last round of fitting ended, Unix time")


class ModelKeeper:
    """One thread. A unit is fitted when it has no version or an old one; what could not be fitted is tried daily.

    `every_days` is the age of an old one, 0 for never. `make_pool` gives where to compute instead of a process of least
    priority on this machine.
    """

    def __init__(
        self,
        *,
        database: Database,
        store: TelemetryStore,
        clock: Callable[[], int],
        days: float,
        every_days: float,
        code_version: str,
        budget_per_month: float = BUDGET_PER_MONTH,
        lane: Lane | None = None,
        make_pool: Callable[[], AbstractContextManager[Run]] | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._days = days
        self._every_days = every_days
        self._code_version = code_version
        self._budget_per_month = budget_per_month
        self._lane = lane or Lane()
        self._make_pool = make_pool
        self._every_s = every_s
        self._process = LowPriorityProcess()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Gives up what is under way; it is due again at the next start."""
        self._stopping.set()
        self._process.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                if self._make_pool is None:
                    self.keep(self._process.run)
                else:
                    with self._make_pool() as run:
                        self.keep(run)
                round_gauge.set(self._clock() / 1000)
            except FittingEnded:
                if not self._stopping.is_set():
                    failures_total.inc()
                    log.warning("the process that fits models ended; what it did is due again")
            except (StoreUnavailable, ClusterUnavailable, SQLAlchemyError) as error:
                failures_total.inc()
                log.warning("models were not looked after", reason=str(error).splitlines()[0])
            except Exception:
                # A defect; the ingest does not need this thread, and tomorrow's data may not meet it.
                failures_total.inc()
                log.exception("models were not looked after")

    def keep(self, run: Run) -> None:
        """One round: fits what is due, then reports the drift that is due."""
        now_ms = self._clock()
        self._fit(run, self._due_for_fit(now_ms))
        self._report_drift(run, self._due_for_drift(now_ms))

    def _due_for_fit(self, now_ms: int) -> Sequence[int]:
        if not self._every_days:
            return ()
        with self._database.reading() as session:
            due = due_for_fit(
                session,
                kinds=[kind.value for kind in LEARNING_KINDS],
                fitted_before_ms=now_ms - int(self._every_days * DAY_MS),
                tried_before_ms=now_ms - TRY_AGAIN_MS,
                limit=LOOKED_AT,
            )
        return self._ours(due)

    def _due_for_drift(self, now_ms: int) -> Sequence[int]:
        with self._database.reading() as session:
            return self._ours(due_for_drift(session, before_ms=now_ms - DRIFT_EVERY_MS, limit=LOOKED_AT))

    def _ours(self, due: Collection[tuple[int, str]]) -> Sequence[int]:
        return [id_ for id_, site in due if self._lane.has_site(site)][:AT_ONCE]

    def _fit(self, run: Run, unit_ids: Sequence[int]) -> None:
        for outcome in fit_units(
            self._database,
            self._store,
            unit_ids,
            days=self._days,
            by=ACTOR,
            code_version=self._code_version,
            clock=self._clock,
            run=run,
            budget_per_month=self._budget_per_month,
        ):
            fits_total.labels("fitted" if outcome.model is not None else "not_fitted").inc()
            if outcome.model is not None:
                log.info("model fitted", unit=outcome.unit, version=outcome.version, is_in_force=outcome.is_active)
            if self._stopping.is_set():
                raise FittingEnded

    def _report_drift(self, run: Run, version_ids: Sequence[int]) -> None:
        report_drift(self._database, self._store, version_ids, run=run, clock=self._clock)


def report_drift(
    database: Database,
    store: TelemetryStore,
    version_ids: Collection[int],
    *,
    run: Run,
    clock: Callable[[], int],
    days: float = DRIFT_DAYS,
) -> dict[int, DriftReport | str]:
    """Reports how units moved since their versions were fitted, and keeps it; a text where that cannot be told.

    Raises StoreUnavailable, and what `run` raises.
    """
    found: dict[int, DriftReport | str] = {}

    def jobs() -> Iterator[DriftJob]:
        for version_id in version_ids:
            with database.reading() as session:
                version = get_version(session, version_id)
                unit, artefact = version.unit.unit_key, version.artefact
            try:
                model = unpack(artefact)
            except ArtefactRefused as error:
                found[version_id] = str(error)
                continue
            yield DriftJob(version_id, model, since_fit(store, model, unit, days=days))

    for done in run(jobs()):
        assert isinstance(done.result, DriftReport | str)
        found[done.key] = done.result
    for version_id, result in found.items():
        movement = result.movement.value if isinstance(result, DriftReport) else "unknown"
        report = result.as_json() if isinstance(result, DriftReport) else {"reason": result}
        with database.writing() as session:
            now_ms = clock()
            activity.append(
                session, put_drift(session, version_id, movement=movement, report=report, now_ms=now_ms), now_ms=now_ms
            )
    return found
