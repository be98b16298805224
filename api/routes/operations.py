"""For those who run the program: alive, ready, measures. Outside `/api/v1` and without login, so it names no thing."""

from collections.abc import Callable, Iterable

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.alarm import count_open_by_severity
from api.activity_feed import ActivityFeed
from api.resources import Held, Resources
from ingest.ledger import read_ledger
from ingest.stores.contract import StoreError
from registry.database import Database

DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

log = structlog.get_logger(__name__)
router = APIRouter(tags=["operations"])


class Aliveness(BaseModel):
    status: str


class Readiness(BaseModel):
    status: str
    checks: dict[str, bool]
    failed: list[str]


@router.get("/healthz")
async def tell_alive() -> Aliveness:
    return Aliveness(status="alive")


@router.get("/readyz", responses={503: {"model": Readiness}})
def tell_ready(response: Response, held: Held) -> Readiness:
    """Whether database, telemetry store and broker answer; 503 names those that do not."""
    checks = {name: check(held) for name, check in _CHECKS.items()}
    failed = [name for name, answers in checks.items() if not answers]
    if failed:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return Readiness(status="not ready" if failed else "ready", checks=checks, failed=failed)


def _database_answers(held: Resources) -> bool:
    try:
        with held.database.reading() as session:
            session.execute(text("select 1"))
    except SQLAlchemyError as error:
        log.warning("database does not answer", error=type(error).__name__)
        return False
    return True


def _store_answers(held: Resources) -> bool:
    try:
        held.store.check()
    except StoreError as error:
        log.warning("telemetry store does not answer", reason=error.reason)
        return False
    return True


_CHECKS: dict[str, Callable[[Resources], bool]] = {
    "database": _database_answers,
    "telemetry": _store_answers,
    "broker": lambda held: held.broker_is_connected(),
}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def tell_metrics(request: Request) -> Response:
    own: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(REGISTRY) + generate_latest(own), headers={"Content-Type": CONTENT_TYPE_LATEST})


def new_duration_histogram(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "liandong_http_request_seconds",
        "Time from request to the end of the answer",
        ("method", "route", "status"),
        buckets=DURATION_BUCKETS_S,
        registry=registry,
    )


class ScrapedFacts(Collector):
    """Reads ledger and alarms at the moment of the scrape, so that every process tells the same truth."""

    def __init__(self, database: Database, feed: ActivityFeed) -> None:
        self._database = database
        self._feed = feed

    def describe(self) -> Iterable[Metric]:
        # Told, so that registering does not ask the database.
        return []

    def collect(self) -> Iterable[Metric]:
        streams = GaugeMetricFamily("liandong_activity_streams", "Open live streams of this process")
        streams.add_metric([], self._feed.clients)
        yield streams
        up = GaugeMetricFamily("liandong_database_up", "1 when the database answers")
        try:
            with self._database.reading() as session:
                found = [*_ledger_metrics(session), *_alarm_metrics(session)]
        except SQLAlchemyError as error:
            log.warning("database does not answer", error=type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from found


def _ledger_metrics(session: Session) -> Iterable[Metric]:
    ledger = read_ledger(session)
    messages = CounterMetricFamily("liandong_messages", "Messages by what became of them", labels=["outcome"])
    messages.add_metric(["accepted"], ledger.accepted)
    messages.add_metric(["duplicate"], ledger.duplicate)
    messages.add_metric(["quarantined"], ledger.quarantined)
    yield messages
    for name, help_, count in (
        ("accepted", "Values accepted", ledger.values_accepted),
        ("stored", "Values that are in the telemetry store", ledger.values_stored),
        ("late", "Values that came after newer ones of their unit", ledger.values_late),
        ("repeated", "Values that were stored already", ledger.values_repeated),
    ):
        values = CounterMetricFamily(f"liandong_values_{name}", help_)
        values.add_metric([], count)
        yield values
    pending = GaugeMetricFamily("liandong_values_pending", "Values on their way to the telemetry store")
    pending.add_metric([], ledger.values_pending)
    yield pending


def _alarm_metrics(session: Session) -> Iterable[Metric]:
    open_alarms = GaugeMetricFamily("liandong_open_alarms", "Open alarms", labels=["severity"])
    for severity, count in count_open_by_severity(session).items():
        open_alarms.add_metric([severity.value], count)
    yield open_alarms
