"""Measurements on this machine: figures are for comparison within one run, which is why each run has its yardstick.

The yardstick of the ingest is a bare paho subscriber that only counts and acknowledges, on the same broker, with the
same load from the same publisher.
"""

import json
import multiprocessing
import resource
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from time import monotonic, process_time, thread_time

import numpy as np
import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import SecretStr

from alerts.limits import Limits
from alerts.watch import Watch
from api.clock import now_ms
from api.processes import opened_database, opened_store, running_broker, running_ingest
from api.settings import Settings
from ingest import ledger
from ingest.mqtt import MqttDoor, read_broker_url
from ingest.pipeline import Pipeline
from ingest.reader import BatchReader
from ingest.store_writer import StoreWriter
from ingest.wire import SUBSCRIPTION, RawMessage
from ingest.worker import IngestWorker
from simulators.load import Load, publish_load

VALUES_PER_MESSAGE = 6
LIMIT_S = 300.0
LATENCY_S = 10.0


class StoreChoice(StrEnum):
    DUCKDB = "duckdb"
    INFLUX = "influx"


class BenchFailed(Exception):
    """A measurement did not come to its end in time."""


def ingest_as_json(
    *,
    messages: int,
    qos: int,
    store: StoreChoice,
    units: int,
    readings_per_message: int,
    broker: str | None,
    latency_s: float = LATENCY_S,
) -> str:
    load = Load(messages=messages, units=units, qos=qos, readings_per_message=readings_per_message)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liandong-bench-")))
        settings = _settings(directory, store, broker)
        database = stack.enter_context(opened_database(settings))
        broker_url = stack.enter_context(running_broker(settings, database))
        bare_per_s = _bare_rate(broker_url, load)
        stack.callback(_forget_session, broker_url, settings.mqtt_client_id)
        telemetry = stack.enter_context(opened_store(settings))
        with running_ingest(settings, database, telemetry, broker_url=broker_url, limits=Limits()) as worker:
            _publish_and_wait(broker_url, replace(load, messages=-(-2 * units // readings_per_message)), worker)
            before_cpu_s = process_time()
            with _measured_budget() as spent_s:
                taken_s = _publish_and_wait(broker_url, load, worker)
            cpu_s = process_time() - before_cpu_s
            per_s = messages / taken_s
            paced = replace(load, messages=int(per_s / 2 * latency_s), rate_per_s=per_s / 2)
            with _measured_latency() as latency_ms:
                _publish_and_wait(broker_url, paced, worker)
            with database.reading() as session:
                balances = ledger.read_ledger(session).balances
        result = {
            "store": store.value,
            "qos": qos,
            "messages": messages,
            "units": units,
            "values_per_message": VALUES_PER_MESSAGE * readings_per_message,
            "messages_per_s": round(per_s),
            "values_per_s": round(per_s * VALUES_PER_MESSAGE * readings_per_message),
            "latency_p50_ms": round(float(np.percentile(latency_ms, 50)), 1),
            "latency_p99_ms": round(float(np.percentile(latency_ms, 99)), 1),
            "latency_at_messages_per_s": round(paced.rate_per_s),
            "cpu_s_per_1000_messages": round(cpu_s / messages * 1000, 4),
            "cpu_us_per_message": {
                **{part: round(spent / messages * 1e6, 1) for part, spent in spent_s.items()},
                "the rest": round((cpu_s - sum(spent_s.values())) / messages * 1e6, 1),
            },
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "bare_subscriber_messages_per_s": round(bare_per_s),
            "ratio_to_bare_subscriber": round(per_s / bare_per_s, 3),
            "ledger_balances": balances,
            "cores": psutil.cpu_count(),
        }
    return json.dumps(result, indent=2)


def _settings(directory: Path, store: StoreChoice, broker: str | None) -> Settings:
    mqtt_url = broker or "embedded://127.0.0.1:0"
    settings = Settings(
        data_dir=directory,
        mqtt_url=mqtt_url,
        database_url=SecretStr("sqlite:"),
        # A session of its own: another run's may have been left with messages in it.
        mqtt_client_id=f"bench-{secrets.token_hex(4)}",
    )
    if store is StoreChoice.DUCKDB:
        return settings.model_copy(update={"telemetry_url": "duckdb:"})
    if not settings.telemetry_url.startswith("influxdb+"):
        raise BenchFailed("set LIANDONG_TELEMETRY_URL and LIANDONG_INFLUX_TOKEN to an InfluxDB that may be written to")
    return settings


def _in_process(target: object, *arguments: object) -> "multiprocessing.process.BaseProcess":
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def _publish(broker_url: str, load: Load) -> None:
    publish_load(broker_url, load, clock_ms=now_ms, monotonic_s=monotonic, client_id=f"load-{secrets.token_hex(4)}")


def _publish_and_wait(broker_url: str, load: Load, worker: IngestWorker) -> float:
    """Seconds from the first message taken to the last one safe."""
    start = worker.taken_count
    publisher = _in_process(_publish, broker_url, load)
    deadline = monotonic() + LIMIT_S
    began: float | None = None
    while True:
        taken = worker.taken_count - start
        if taken and began is None:
            began = monotonic()
        if taken >= load.messages:
            break
        if monotonic() > deadline:
            raise BenchFailed(f"only {taken} of {load.messages} messages were taken within {LIMIT_S:g} s")
        threading.Event().wait(0.01)
    ended = monotonic()
    publisher.join()
    return ended - (began or ended)


def _bare_rate(broker_url: str, load: Load) -> float:
    """Messages/s of a subscriber that only counts and acknowledges."""
    answers: SimpleQueue[float] = multiprocessing.get_context("spawn").SimpleQueue()
    subscriber = _in_process(_subscribe_bare, broker_url, load.messages, load.qos, answers)
    answers.get()
    publisher = _in_process(_publish, broker_url, load)
    taken_s = answers.get()
    publisher.join()
    subscriber.join()
    if taken_s <= 0:
        raise BenchFailed("the bare subscriber did not get all messages")
    return load.messages / taken_s


def _forget_session(broker_url: str, client_id: str) -> None:
    """Leaves nothing at a broker that goes on running: a clean start ends the session that was kept."""
    where = read_broker_url(broker_url)
    connected = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
    client.on_connect = lambda *_: connected.set()
    client.username_pw_set(where.username, where.password)
    client.connect(where.host, where.port)
    client.loop_start()
    connected.wait(5)
    client.disconnect()
    client.loop_stop()


def _subscribe_bare(broker_url: str, messages: int, qos: int, answers: "SimpleQueue[float]") -> None:
    host, _, port = broker_url.removeprefix("mqtt://").partition(":")
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bare", clean_session=False, manual_ack=True)
    ended = threading.Event()
    times: list[float] = []
    count = 0

    def on_message(client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        nonlocal count
        if not count:
            times.append(monotonic())
        count += 1
        if message.qos:
            client.ack(message.mid, message.qos)
        if count == messages:
            times.append(monotonic())
            ended.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_: answers.put(0.0)
    client.connect(host, int(port))
    client.subscribe(SUBSCRIPTION, qos)
    client.loop_start()
    ended.wait(LIMIT_S)
    # A fresh session next time: what is published later is not for this client.
    client.unsubscribe(SUBSCRIPTION)
    client.disconnect()
    client.loop_stop()
    answers.put(times[1] - times[0] if ended.is_set() else -1.0)


def _sent_ms(payload: bytes) -> int:
    said = json.loads(payload)
    return int((said[-1] if isinstance(said, list) else said)["ts"])


BUDGET: tuple[tuple[str, type, str], ...] = (
    ("paho", MqttDoor, "take"),
    ("decode", BatchReader, "read"),
    ("judge", Watch, "observe"),
    ("commit", Pipeline, "_commit"),
    ("acknowledge", MqttDoor, "acknowledge"),
    ("store", StoreWriter, "_write"),
)
"""What a message costs, part by part: each is one call a batch, and none of them calls another."""


@contextmanager
def _measured_budget() -> Iterator[dict[str, float]]:
    """CPU seconds of each part, in the thread that runs it: what it waits for costs nothing."""
    spent_s = dict.fromkeys((part for part, _, _ in BUDGET), 0.0)

    def measured(part: str, work: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            began_s = thread_time()
            try:
                return work(*arguments, **options)
            finally:
                spent_s[part] += thread_time() - began_s

        return run

    plain = [(owner, name, getattr(owner, name)) for _, owner, name in BUDGET]
    for part, owner, name in BUDGET:
        setattr(owner, name, measured(part, getattr(owner, name)))
    try:
        yield spent_s
    finally:
        for owner, name, work in plain:
            setattr(owner, name, work)


@contextmanager
def _measured_latency() -> Iterator[list[float]]:
    """Milliseconds from a message's own time, when it was sent, to its acknowledgement."""
    latency_ms: list[float] = []
    acknowledge = MqttDoor.acknowledge

    def timed(door: MqttDoor, messages: Iterable[RawMessage]) -> None:
        kept = list(messages)
        acknowledge(door, kept)
        now = now_ms()
        latency_ms.extend(now - _sent_ms(message.payload) for message in kept if "/bench/" in message.topic)

    MqttDoor.acknowledge = timed  # type: ignore[method-assign,assignment]
    try:
        yield latency_ms
    finally:
        MqttDoor.acknowledge = acknowledge  # type: ignore[method-assign]
