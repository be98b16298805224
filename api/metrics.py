"""What the program tells about itself, in the words Prometheus people expect.

Names end in their base unit (`_seconds`, `_bytes`) or in `_total` for what only grows. What stands in the database is
read at the moment of the scrape, so that every web process tells the same; what one process counts for itself (batches,
writes, judgements) stands beside the code that does it.
"""

import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

import structlog
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.alarm import count_open_by_severity
from alerts.due_action import count_overdue, oldest_due_ms
from alerts.escalation_audit import OVERDUE_MS
from alerts.presence import count_unknown
from alerts.ticket_list import count_by_stage
from api.activity_feed import ActivityFeed
from api.resources import Resources
from api.settings import Settings
from ingest import authority, outbox, quarantine
from ingest.authority import CertificateUnreadable, read_certificate
from ingest.ledger import read_ledger
from ingest.stores.contract import StoreError
from ingest.traffic import read_traffic
from models.equipment import Kind
from registry import activity, unit_life
from registry.listening import deaf_since_ms

DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

log = structlog.get_logger(__name__)


def program_version() -> str:
    try:
        return version("liandong")
    except PackageNotFoundError:
        # A source tree that was not installed.
        return "0"


def new_duration_histogram(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "liandong_http_request_duration_seconds",
        "Time from request to the end of the answer",
        ("method", "route", "status"),
        buckets=DURATION_BUCKETS_S,
        registry=registry,
    )


class ScrapedFacts(Collector):
    """Reads the books at the moment of the scrape."""

    def __init__(self, held: Resources, feed: ActivityFeed) -> None:
        self._held = held
        self._feed = feed

    def describe(self) -> Iterable[Metric]:
        # Told, so that registering does not ask the database.
        return []

    def collect(self) -> Iterator[Metric]:
        held = self._held
        yield build_info(held.settings)
        yield _gauge("liandong_activity_streams", "Open live streams of this process", self._feed.clients)
        yield _gauge("liandong_broker_up", "1 when the broker answers", int(held.broker_is_connected()))
        yield from _disk_metrics(held.settings)
        yield from _certificate_metrics(held.settings)
        yield _gauge("liandong_store_up", "1 when the telemetry store answers", int(self._store_answers()))
        try:
            with held.database.reading() as session:
                now_ms = held.clock()
                most = held.settings.site_messages_per_s
                found = [
                    *_book_metrics(session, now_ms=now_ms),
                    *_flood_metrics(session, now_ms=now_ms, most_per_s=most),
                    *_work_metrics(session),
                    *_due_metrics(session, now_ms=now_ms),
                    *_life_metrics(session, now_ms=now_ms),
                ]
        except SQLAlchemyError as error:
            log.warning("database does not answer", error=type(error).__name__)
            yield _gauge("liandong_database_up", "1 when the database answers", 0)
            return
        yield _gauge("liandong_database_up", "1 when the database answers", 1)
        yield from found

    def _store_answers(self) -> bool:
        try:
            self._held.store.check()
        except StoreError as error:
            log.warning("telemetry store does not answer", reason=error.reason)
            return False
        return True


def build_info(settings: Settings) -> Metric:
    engine = settings.telemetry_url.partition(":")[0].partition("+")[0]
    labels = {
        "version": program_version(),
        "python": platform.python_version(),
        "database": settings.resolved_database_url.get_backend_name(),
        "telemetry": engine,
    }
    family = GaugeMetricFamily(
        "liandong_build_info", "Version and engines of this process; always 1", labels=list(labels)
    )
    family.add_metric(list(labels.values()), 1)
    return family


def _book_metrics(session: Session, *, now_ms: int) -> Iterator[Metric]:
    ledger = read_ledger(session)
    counts = {"accepted": ledger.accepted, "duplicate": ledger.duplicate, "quarantined": ledger.quarantined}
    yield counter_of("liandong_messages", "Messages by what became of them", "outcome", counts)
    for name, help_, count in (
        ("accepted", "Values accepted", ledger.values_accepted),
        ("stored", "Values that are in the telemetry store", ledger.values_stored),
        ("late", "Values that came after newer ones of their unit", ledger.values_late),
        ("repeated", "Values that were stored already", ledger.values_repeated),
    ):
        values = CounterMetricFamily(f"liandong_values_{name}", help_)
        values.add_metric([], count)
        yield values
    yield _gauge("liandong_values_pending", "Values on their way to the telemetry store", ledger.values_pending)
    yield _gauge("liandong_values_refused", "Pending values that the telemetry store refuses", ledger.values_refused)
    if ledger.last_received_ms is not None:
        heard_s = ledger.last_received_ms / 1000
        yield _gauge("liandong_last_message_timestamp_seconds", "When the last message came, Unix time", heard_s)
    waiting = outbox.backlog(session)
    yield _gauge("liandong_outbox_batches", "Batches on their way to the telemetry store", waiting.batches)
    yield _gauge("liandong_outbox_bytes", "Size of the batches on their way to the telemetry store", waiting.size_bytes)
    age_s = 0.0 if waiting.oldest_ms is None else max(now_ms - waiting.oldest_ms, 0) / 1000
    yield _gauge("liandong_outbox_oldest_seconds", "How long the oldest batch has been on its way", age_s)
    kept = {reason.value: count for reason, count in quarantine.count_by_reason(session).items()}
    yield _labelled("liandong_quarantine_waiting", "Messages in quarantine that were not replayed", "reason", kept)


def _flood_metrics(session: Session, *, now_ms: int, most_per_s: float) -> Iterator[Metric]:
    flooding = sum(row.messages_per_s > most_per_s for row in read_traffic(session, now_ms=now_ms))
    yield _gauge("liandong_sites_over_rate", "Sites that sent more than is expected in the last minute", flooding)


def _work_metrics(session: Session) -> Iterator[Metric]:
    alarms = {severity.value: count for severity, count in count_open_by_severity(session).items()}
    yield _labelled("liandong_open_alarms", "Open alarms", "severity", alarms)
    stages = {stage.value: count for stage, count in count_by_stage(session).items()}
    yield _labelled("liandong_tickets", "Tickets by the stage they are at", "stage", stages)
    entries = CounterMetricFamily("liandong_activity_entries", "Rows of the activity log")
    entries.add_metric([], activity.last_id(session))
    yield entries


def _due_metrics(session: Session, *, now_ms: int) -> Iterator[Metric]:
    oldest_ms = oldest_due_ms(session, now_ms=now_ms)
    late_s = 0.0 if oldest_ms is None else (now_ms - oldest_ms) / 1000
    yield _gauge("liandong_due_action_late_seconds", "How late the oldest action is that was not done yet", late_s)
    missed = count_overdue(session, before_ms=now_ms - OVERDUE_MS)
    yield _gauge("liandong_escalations_missed", "Actions that should have been done a minute ago or more", missed)


def _life_metrics(session: Session, *, now_ms: int) -> Iterator[Metric]:
    deaf_ms = deaf_since_ms(session, now_ms=now_ms)
    yield _gauge("liandong_listening", "1 while an ingest worker is connected to the broker", int(deaf_ms is None))
    unknown = count_unknown(session, deaf_since_ms=deaf_ms, now_ms=now_ms)
    said = "Units whose state is not known now: silent, offline, never heard, or nobody listens"
    yield _labelled("liandong_units_unknown", said, "kind", {kind.value: unknown.get(kind, 0) for kind in Kind})
    worst = {sender: skew_ms / 1000 for sender, skew_ms in unit_life.largest_skews(session).items()}
    yield _labelled("liandong_clock_skew_max_seconds", "The clock that is furthest from ours", "sender", worst)


def _disk_metrics(settings: Settings) -> Iterator[Metric]:
    try:
        disk = shutil.disk_usage(settings.data_dir)
    except OSError as error:
        log.warning("the disk of the data directory cannot be asked", reason=error.strerror)
        return
    yield _gauge("liandong_data_disk_free_bytes", "Room left where the data directory is", disk.free)
    yield _gauge("liandong_data_disk_size_bytes", "Room in all where the data directory is", disk.total)


def _certificate_metrics(settings: Settings) -> Iterator[Metric]:
    path = settings.resolved_broker_dir / authority.SERVER_CERTIFICATE
    if not path.exists():
        return
    try:
        not_after_s = read_certificate(path).not_after_ms / 1000
    except CertificateUnreadable as error:
        log.warning("the broker's certificate cannot be read", reason=str(error))
        return
    said = "When the certificate of the broker ends, Unix time"
    yield _gauge("liandong_broker_certificate_expiry_timestamp_seconds", said, not_after_s)


def _gauge(name: str, help_: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, help_)
    family.add_metric([], value)
    return family


def _labelled(name: str, help_: str, label: str, counts: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def counter_of(name: str, help_: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
