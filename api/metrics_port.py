"""The operator's own port for measures: what a process counts, and what each site sends, by name.

/metrics of the web server answers anybody, so it names no thing; and the ingest worker has no web server.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.metrics import build_info, counter_of
from api.settings import Settings
from ingest.traffic import read_traffic
from registry.database import Database

log = structlog.get_logger(__name__)


class MetricsPortRefused(Exception):
    """The port cannot be used; the message is one line."""


class ProcessFacts(Collector):
    """What this process counts for itself, and what it is made of."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield build_info(self._settings)
        yield from REGISTRY.collect()


class SiteFacts(Collector):
    """What each site sends, by name: for the operator's own port, because /metrics answers anybody."""

    def __init__(self, database: Database, *, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            with self._database.reading() as session:
                traffic = read_traffic(session, now_ms=self._clock())
        except SQLAlchemyError as error:
            log.warning("database does not answer", error=type(error).__name__)
            return
        counts = {row.site: row.messages for row in traffic}
        yield counter_of("liandong_site_messages", "Messages by the site that their topic names", "site", counts)
        sizes = {row.site: row.size_bytes for row in traffic}
        yield counter_of("liandong_site_received_bytes", "Topics and payloads by the site that is named", "site", sizes)


@contextmanager
def told_measures(settings: Settings, database: Database, *, clock: Callable[[], int]) -> Iterator[None]:
    """Tells them as long as the context, if the settings name a port. Raises MetricsPortRefused."""
    if settings.metrics_port is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(ProcessFacts(settings))
    registry.register(SiteFacts(database, clock=clock))
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry=registry)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        raise MetricsPortRefused(f"metrics port {where} cannot be used: {error.strerror}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
