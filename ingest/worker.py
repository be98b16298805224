"""One ingest worker: the thread that takes batches from the door through the pipeline, and ticks in between."""

import threading
from collections.abc import Callable

import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from ingest.alarm_topics import AlarmTopics
from ingest.asked_replays import AskedReplays
from ingest.foreign import ForeignTopics
from ingest.home_assistant import HomeAssistant
from ingest.mqtt import MqttDoor
from ingest.pipeline import Pipeline, Stopped
from ingest.quarantine_expiry import QuarantineExpiry
from ingest.room import OutboxRoom, Room
from ingest.store_writer import StoreWriter
from ingest.traffic import TrafficMeter
from ingest.wire import SUBSCRIPTION, RawMessage

BATCH_MESSAGES = 1_000
LINGER_S = 0.025
QUIET_S = 0.001
WAIT_S = 0.1
TICK_MS = 1_000
TELL_MS = 200

log = structlog.get_logger(__name__)

connected_gauge = Gauge("liandong_broker_connected", "1 while connected to the broker")
queue_gauge = Gauge("liandong_ingest_queue_messages", "Messages that came from the broker and are not taken yet")


class IngestWorker:
    """Starts with `start`, ends with `stop`; what was not acknowledged by then comes again at the next start."""

    def __init__(
        self,
        *,
        door: MqttDoor,
        pipeline: Pipeline,
        writer: StoreWriter,
        alarm_topics: AlarmTopics,
        foreign: ForeignTopics,
        room: OutboxRoom,
        expiry: QuarantineExpiry,
        replays: AskedReplays,
        home_assistant: HomeAssistant | None = None,
        traffic: TrafficMeter,
        clock: Callable[[], int],
        stopping: threading.Event,
    ) -> None:
        self._door = door
        self._pipeline = pipeline
        self._writer = writer
        self._alarm_topics = alarm_topics
        self._foreign = foreign
        self._home_assistant = home_assistant
        self._room = room
        self._expiry = expiry
        self._replays = replays
        self._traffic = traffic
        self._clock = clock
        self._stopping = stopping
        self.taken_count = 0
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        connected_gauge.set_function(lambda: float(door.is_connected))
        queue_gauge.set_function(lambda: float(door.waiting_count))

    @property
    def is_connected(self) -> bool:
        return self._door.is_connected

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Restores the state, then opens the door. Raises BrokerUnreachable, StoreError or a database error."""
        self._pipeline.restore()
        self._writer.start()
        self._door.open()
        self._alarm_topics.publish_all()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._door.close()
        self._pipeline.end()
        self._traffic.flush(self._clock(), is_last=True)
        self._writer.wait_until_idle(5.0)
        self._writer.stop()

    def _run(self) -> None:
        ticked_ms = told_ms = 0
        try:
            while not self._stopping.is_set():
                messages = self._take()
                if messages:
                    self._pipeline.process(messages)
                    self.taken_count += len(messages)
                    self._traffic.note(messages)
                now_ms = self._clock()
                self._traffic.flush(now_ms)
                for topic, payload in self._foreign.commands(now_ms=now_ms).items():
                    self._door.publish(topic, payload, is_retained=False)
                if not 0 <= now_ms - ticked_ms < TICK_MS:
                    if self._foreign.book.refresh():
                        self._door.subscribe_to((SUBSCRIPTION, *self._foreign.subscriptions))
                    self._pipeline.tick(is_listening=self._door.is_connected)
                    self._expiry.tick()
                    self._replays.tick()
                    ticked_ms = now_ms
                if not 0 <= now_ms - told_ms < TELL_MS:
                    self._tell()
                    told_ms = now_ms
        except Stopped:
            log.info("stopped with a batch not committed; the broker keeps its messages")
        except Exception:
            log.exception("the ingest worker ends because of a defect")
            raise

    def _take(self) -> list[RawMessage]:
        if self._room.left() is Room.NONE:
            self._door.keep_alive()
            self._stopping.wait(WAIT_S)
            return []
        return self._door.take(most=BATCH_MESSAGES, wait_s=WAIT_S, linger_s=LINGER_S, quiet_s=QUIET_S)

    def _tell(self) -> None:
        try:
            self._alarm_topics.publish_changes()
            if self._home_assistant is not None:
                self._home_assistant.follow(now_ms=self._clock())
        except SQLAlchemyError as error:
            log.warning("alarms cannot be told on MQTT just now", reason=str(error).splitlines()[0])
