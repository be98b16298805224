"""The composition roots: what `up`, `ingest` and `serve` are made of, and how each starts and ends.

Everything that is opened here is closed here, in the reverse order, also when a later part refuses to start.
"""

import os
import secrets
import signal
import socket
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields

import structlog
import uvicorn

from alerts.limits import Limits
from alerts.watch import Watch
from api.app import create_app
from api.backup_desk import BackupDesk
from api.backup_manifest import RESTORING
from api.call_out_links import open_links
from api.clock import now_ms
from api.delivery_worker import DeliveryWorker
from api.due_worker import DueWorker
from api.embedded_broker import embedded_broker
from api.metrics import program_version
from api.metrics_port import told_measures
from api.patrol_worker import PatrolWorker
from api.resources import DemoAccount, Resources
from api.rhythm_worker import RhythmWorker
from api.senders import open_secret_box
from api.settings import Settings
from api.statistics_worker import StatisticsWorker
from api.translations import translator
from api.webhook_worker import WebhookWorker
from ingest.alarm_topics import AlarmTopics
from ingest.asked_replays import AskedReplays
from ingest.fit_pool import dask_pool
from ingest.foreign import ForeignTopics
from ingest.home_assistant import HomeAssistant, presence_topic
from ingest.lane import LaneUnreadable, read_lane
from ingest.model_keeper import ModelKeeper
from ingest.mqtt import MqttDoor, read_broker_url
from ingest.pipeline import Pipeline
from ingest.quarantine_expiry import QuarantineExpiry
from ingest.room import OutboxRoom
from ingest.store_keeper import StoreKeeper
from ingest.store_writer import StoreWriter
from ingest.stores.contract import TelemetryStore
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.opening import open_store
from ingest.traffic import TrafficMeter
from ingest.wire import SUBSCRIPTION
from ingest.worker import IngestWorker
from models.detectors.bank import DetectorBank
from models.detectors.live_banks import live_banks, slow_banks
from models.equipment import Kind
from registry.database import Database
from registry.gateway import list_gateways

GRACEFUL_S = 3

log = structlog.get_logger(__name__)


class StartRefused(Exception):
    """A process cannot start; the message is one line that says what to do."""


def prepare_data_dir(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartRefused(f"data directory {settings.data_dir} cannot be made: {error.strerror}") from error
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise StartRefused(f"data directory {settings.data_dir} cannot be written to")
    if (settings.data_dir / RESTORING).exists():
        raise StartRefused(f"a restore into {settings.data_dir} did not end: run `liandong restore` again")


def read_limits(settings: Settings) -> Limits:
    """The limits with what a compound's own file replaces. Raises StartRefused for a file that cannot be meant."""
    if settings.limits_file is None:
        return Limits()
    known = {field.name for field in fields(Limits)}
    try:
        given = tomllib.loads(settings.limits_file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartRefused(f"limits file {settings.limits_file}: {error}") from error
    for name, value in given.items():
        if name not in known:
            raise StartRefused(f"limits file {settings.limits_file}: no limit is called {name!r}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StartRefused(f"limits file {settings.limits_file}: {name} must be a number")
    return Limits(**given)


@contextmanager
def opened_database(settings: Settings, *, migrates: bool = True) -> Iterator[Database]:
    """The database, its tables brought to this version, or checked to be of this version."""
    database = Database(settings.resolved_database_url)
    try:
        if migrates or database.is_sqlite:
            database.migrate()
        elif not database.is_current():
            raise StartRefused(f"database {database.display_url} is of another version: run `liandong migrate`")
        yield database
    finally:
        database.close()


@contextmanager
def opened_store(settings: Settings) -> Iterator[TelemetryStore]:
    store = open_store(
        settings.telemetry_url,
        token=settings.influx_token.get_secret_value(),
        data_dir=settings.data_dir,
        retention=settings.retention,
        clock=now_ms,
        worker=settings.mqtt_client_id,
    )
    try:
        store.prepare()
        yield store
    finally:
        store.close()


@contextmanager
def running_broker(settings: Settings, database: Database) -> Iterator[str]:
    """The broker's address; the embedded one runs as long as the context."""
    if not settings.has_embedded_broker:
        yield settings.broker_url
        return
    broker = embedded_broker(settings, database)
    broker.start()
    try:
        yield broker.url
    finally:
        broker.stop()


def speaks_for_known_sites_only(settings: Settings, database: Database) -> bool:
    """Whether what is said for a site that nobody added is kept aside: the embedded broker cannot tell topics apart."""
    if not settings.has_embedded_broker:
        return False
    with database.reading() as session:
        return bool(list_gateways(session))


@contextmanager
def running_ingest(
    settings: Settings, database: Database, store: TelemetryStore, *, broker_url: str, limits: Limits
) -> Iterator[IngestWorker]:
    stopping = threading.Event()
    writer = StoreWriter(database=database, store=store, clock=now_ms)
    try:
        address = read_broker_url(broker_url)
    except ValueError as error:
        raise StartRefused(f"LIANDONG_MQTT_URL: {error}") from error
    try:
        lane = read_lane(settings.ingest_lane)
    except LaneUnreadable as error:
        raise StartRefused(f"LIANDONG_INGEST_LANE: {error}") from error
    if settings.mapping_file is not None and not lane.is_everything:
        raise StartRefused("mapping rules need one ingest worker: unset LIANDONG_INGEST_LANE or LIANDONG_MAPPING_FILE")
    foreign = ForeignTopics(mapping_file=settings.mapping_file, asks_for_rebirth=settings.sparkplug_rebirth)
    door = MqttDoor(
        address,
        client_id=settings.mqtt_client_id,
        clock=now_ms,
        # The embedded broker speaks 3.1.1 only.
        is_mqtt5=not settings.has_embedded_broker,
        subscriptions=(SUBSCRIPTION, *foreign.subscriptions),
        presence_topic=presence_topic(settings.mqtt_client_id) if settings.home_assistant else None,
    )

    def pause(seconds: float) -> bool:
        door.keep_alive()
        return not stopping.wait(seconds)

    def banks() -> dict[Kind, DetectorBank]:
        return live_banks(fit_rows=settings.detector_fit_rows, budget_per_month=settings.alarm_budget_per_unit_month)

    pipeline = Pipeline(
        database=database,
        store=store,
        writer=writer,
        watch=Watch(limits=limits, banks=banks(), slow_banks=slow_banks()),
        make_shadow_banks=banks,
        door=door,
        clock=now_ms,
        draw_batch_id=lambda: secrets.token_hex(16),
        pause=pause,
        registers_unknown_sites=settings.registers_unknown_sites
        and not speaks_for_known_sites_only(settings, database),
        limits=limits,
        worker=settings.mqtt_client_id,
        lane=lane,
        foreign=foreign,
    )
    topics = AlarmTopics(database, publish=lambda topic, payload: door.publish(topic, payload, is_retained=True))
    home_assistant = HomeAssistant(
        database,
        is_wanted=settings.home_assistant,
        client_id=settings.mqtt_client_id,
        publish=lambda topic, payload: door.publish(topic, payload, is_retained=True),
        tell_alarms=topics.tell,
    )
    worker = IngestWorker(
        door=door,
        pipeline=pipeline,
        writer=writer,
        alarm_topics=topics,
        foreign=foreign,
        home_assistant=home_assistant,
        room=OutboxRoom(database, most_bytes=settings.outbox_max_bytes, clock=now_ms),
        expiry=QuarantineExpiry(database, days=settings.quarantine_days, clock=now_ms),
        replays=AskedReplays(database, pipeline, lane=lane, clock=now_ms),
        traffic=TrafficMeter(database, messages_per_s=settings.site_messages_per_s),
        clock=now_ms,
        stopping=stopping,
    )
    keeper = StoreKeeper(store=store, clock=now_ms)
    model_keeper = ModelKeeper(
        database=database,
        store=store,
        clock=now_ms,
        days=settings.train_days,
        every_days=settings.train_every_days,
        code_version=program_version(),
        budget_per_month=settings.alarm_budget_per_unit_month,
        lane=lane,
        make_pool=(lambda: dask_pool(settings.train_dask)) if settings.train_dask else None,
    )
    desk = None
    if database.is_sqlite and isinstance(store, DuckDBStore):
        desk = BackupDesk(settings=settings, database=database, store=store, held_still=writer.held_still, clock=now_ms)
    try:
        worker.start()
        keeper.start()
        model_keeper.start()
        if desk is not None:
            desk.start()
        yield worker
    finally:
        if desk is not None:
            desk.stop()
        model_keeper.stop()
        keeper.stop()
        worker.stop()


@contextmanager
def running_due_worker(settings: Settings, database: Database) -> Iterator[None]:
    """Deadlines and messages, for as long as the web server runs; several servers share the work."""
    box, links = open_secret_box(settings), open_links(settings)
    workers = (
        DueWorker(database, hash_of_link=links.hash_of_link, clock=now_ms, translate=translator(settings.language)),
        DeliveryWorker(database, box=box, language=settings.language, clock=now_ms, link_of=links.address),
        WebhookWorker(database, box=box, clock=now_ms, may_reach_loopback=settings.is_loopback),
        StatisticsWorker(database, clock=now_ms),
        RhythmWorker(database, clock=now_ms),
        PatrolWorker(database, clock=now_ms),
    )
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket, bound before anything slow starts, so that a port in use is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise StartRefused(f"HTTP port {host}:{port} cannot be used: {error.strerror}") from error
    return bound


class _Server(uvicorn.Server):
    """Ends on SIGTERM and SIGINT with exit status 0, its streams first, and tells when it serves."""

    def __init__(self, config: uvicorn.Config, *, told: Callable[[], None], end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told
        self._end_streams = end_streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # It waits for every answer to be whole, and a live stream never is.
        self._end_streams()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def leave(_number: int, _frame: object) -> None:
            if self.should_exit:
                self.force_exit = True
            self.should_exit = True

        before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve_http(resources: Resources, listening: socket.socket, *, told: Callable[[str], None]) -> None:
    """Serves until a signal ends it; `told` gets the address once it answers."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    app = create_app(resources)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_S,
        server_header=False,
        # Only a proxy on this machine is believed what it says of the client.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
    )
    server = _Server(config, told=lambda: told(f"http://{shown}:{port}"), end_streams=app.state.activity_feed.close)
    server.run(sockets=[listening])


def say_ready(line: str) -> None:
    sys.stdout.write(f"ready {line}\n")
    sys.stdout.flush()


def run_up(
    settings: Settings,
    *,
    demo_accounts: tuple[DemoAccount, ...] = (),
    is_being_filled: Callable[[], bool] = lambda: False,
    before_start: Callable[[Database], None] = lambda _database: None,
    beside: Callable[[ExitStack, str, TelemetryStore], None] = lambda _stack, _broker_url, _store: None,
) -> None:
    """Everything in one process. `before_start` may fill the database, `beside` may start something once it runs."""
    prepare_data_dir(settings)
    limits = read_limits(settings)
    with ExitStack() as stack:
        listening = stack.enter_context(bound_socket(settings.http_host, settings.http_port))
        database = stack.enter_context(opened_database(settings))
        before_start(database)
        store = stack.enter_context(opened_store(settings))
        broker_url = stack.enter_context(running_broker(settings, database))
        worker = stack.enter_context(running_ingest(settings, database, store, broker_url=broker_url, limits=limits))
        mqtt_display = read_broker_url(broker_url).display
        resources = Resources(
            settings=settings,
            database=database,
            store=store,
            limits=limits,
            clock=now_ms,
            mqtt_url=mqtt_display,
            broker_is_connected=lambda: worker.is_connected and worker.is_alive,
            demo_accounts=demo_accounts,
            is_being_filled=is_being_filled,
        )
        stack.enter_context(told_measures(settings, database, clock=now_ms))
        stack.enter_context(running_due_worker(settings, database))
        beside(stack, broker_url, store)
        serve_http(resources, listening, told=lambda url: say_ready(f"{url} {mqtt_display}"))


def run_ingest(settings: Settings) -> None:
    """The ingest worker as a process of its own, until a signal ends it."""
    prepare_data_dir(settings)
    limits = read_limits(settings)
    ending = threading.Event()
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: ending.set())
        database = stack.enter_context(opened_database(settings, migrates=False))
        store = stack.enter_context(opened_store(settings))
        broker_url = stack.enter_context(running_broker(settings, database))
        worker = stack.enter_context(running_ingest(settings, database, store, broker_url=broker_url, limits=limits))
        stack.enter_context(told_measures(settings, database, clock=now_ms))
        say_ready(read_broker_url(broker_url).display)
        while not ending.wait(0.5):
            if not worker.is_alive:
                raise StartRefused("the ingest worker ended because of a defect; see the log above")


def run_serve(settings: Settings) -> None:
    """The web server as a process of its own; it looks at the broker only to say whether it answers."""
    prepare_data_dir(settings)
    limits = read_limits(settings)
    with ExitStack() as stack:
        listening = stack.enter_context(bound_socket(settings.http_host, settings.http_port))
        database = stack.enter_context(opened_database(settings, migrates=False))
        store = stack.enter_context(opened_store(settings))
        address = None if settings.has_embedded_broker else read_broker_url(settings.broker_url)
        resources = Resources(
            settings=settings,
            database=database,
            store=store,
            limits=limits,
            clock=now_ms,
            mqtt_url=address.display if address else settings.mqtt_url,
            broker_is_connected=lambda: address is None or answers(address.host, address.port),
        )
        stack.enter_context(running_due_worker(settings, database))
        serve_http(resources, listening, told=say_ready)


def answers(host: str, port: int, *, timeout_s: float = 1.0) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False
