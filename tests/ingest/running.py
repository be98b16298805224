"""A worker with everything it has, on a real broker, for as long as a context."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alerts.watch import Watch
from ingest.alarm_topics import AlarmTopics
from ingest.asked_replays import AskedReplays
from ingest.foreign import ForeignTopics
from ingest.home_assistant import HomeAssistant, presence_topic
from ingest.lane import Lane
from ingest.mqtt import MqttDoor, read_broker_url
from ingest.pipeline import Pipeline
from ingest.quarantine_expiry import QuarantineExpiry
from ingest.room import OutboxRoom
from ingest.store_writer import StoreWriter
from ingest.stores.duckdb import DuckDBStore
from ingest.traffic import TrafficMeter
from ingest.wire import SUBSCRIPTION
from ingest.worker import IngestWorker
from registry.database import Database


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def running_worker(
    database: Database,
    path: Path,
    url: str,
    *,
    is_mqtt5: bool,
    foreign: ForeignTopics | None = None,
    has_home_assistant: bool = False,
) -> Iterator[IngestWorker]:
    store = DuckDBStore(path)
    store.prepare()
    stopping = threading.Event()
    foreign = foreign or ForeignTopics()
    door = MqttDoor(
        read_broker_url(url),
        client_id="worker-1",
        clock=now_ms,
        is_mqtt5=is_mqtt5,
        subscriptions=(SUBSCRIPTION, *foreign.subscriptions),
        presence_topic=presence_topic("worker-1") if has_home_assistant else None,
    )
    writer = StoreWriter(database=database, store=store, clock=now_ms)
    pipeline = Pipeline(
        database=database,
        store=store,
        writer=writer,
        watch=Watch(),
        door=door,
        clock=now_ms,
        draw_batch_id=lambda: secrets.token_hex(16),
        pause=lambda seconds: not stopping.wait(seconds),
        registers_unknown_sites=True,
        foreign=foreign,
    )
    topics = AlarmTopics(database, publish=lambda topic, payload: door.publish(topic, payload, is_retained=True))
    home_assistant = HomeAssistant(
        database,
        is_wanted=has_home_assistant,
        client_id="worker-1",
        publish=lambda topic, payload: door.publish(topic, payload, is_retained=True),
        tell_alarms=topics.tell,
    )
    worker = IngestWorker(
        door=door,
        pipeline=pipeline,
        writer=writer,
        alarm_topics=topics,
        room=OutboxRoom(database, most_bytes=2**30, clock=now_ms),
        expiry=QuarantineExpiry(database, days=90, clock=now_ms),
        replays=AskedReplays(database, pipeline, lane=Lane(), clock=now_ms),
        foreign=foreign,
        home_assistant=home_assistant,
        traffic=TrafficMeter(database, messages_per_s=100),
        clock=now_ms,
        stopping=stopping,
    )
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()
        store.close()
