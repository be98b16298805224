"""Looks after the telemetry store beside the writer: rolls up what came, and lets go of what is over age."""

import threading
from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge, Histogram

from ingest.stores.contract import StoreUnavailable, TelemetryStore

EVERY_S = 60.0
# Between two steps the writer has its turn.
PAUSE_S = 0.1

log = structlog.get_logger(__name__)

step_seconds = Histogram("liandong_store_upkeep_seconds", "Time of one step of rolling up or of letting go")
failures_total = Counter("liandong_store_upkeep_failures", "Steps of upkeep that the telemetry store could not do")
done_gauge = Gauge(
    "liandong_store_upkeep_timestamp_seconds", "When nothing was left to roll up or to let go, Unix time"
)


class StoreKeeper:
    """One thread. A step that fails is tried again `every_s` seconds later; each step is whole or undone."""

    def __init__(self, *, store: TelemetryStore, clock: Callable[[], int], every_s: float = EVERY_S) -> None:
        self._store = store
        self._clock = clock
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets the step under way end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self._look_after()
            except StoreUnavailable as error:
                failures_total.inc()
                log.warning("the telemetry store was not looked after", reason=str(error))
            except Exception:
                # A defect; the thread goes on, for without it the store grows.
                failures_total.inc()
                log.exception("the telemetry store was not looked after")

    def _look_after(self) -> None:
        while not self._stopping.is_set():
            now_ms = self._clock()
            with step_seconds.time():
                has_more = self._store.maintain(now_ms=now_ms)
            if not has_more:
                done_gauge.set(now_ms / 1000)
                return
            self._stopping.wait(PAUSE_S)
