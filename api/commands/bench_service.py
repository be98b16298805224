"""Measurements of the whole service as a process: start, from event to ticket, memory over time.

The service is `liandong up` itself with its data in a temporary directory; what is measured is what a caller sees.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import MappingProxyType
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from api.clock import now_ms
from api.commands.bench import BenchFailed
from simulators.load import Load, publish_load

READY_S = 30.0
TICKET_S = 20.0
# Looking more often than pages do takes the time that is measured from the service itself: asked every 5 ms, the 99th
# percentile beside 8,000 messages/s was four times as long.
POLL_S = 0.04
SAMPLE_S = 5.0
NAME, PASSWORD = "bench", "bench-password-of-a-temporary-directory"
COMMAND = [sys.executable, "-m", "api.command_line"]


@dataclass(frozen=True, slots=True)
class Service:
    """A running `liandong up`."""

    http_url: str
    mqtt_url: str
    process: psutil.Process
    start_s: float

    def get(self, path: str, *, token: str) -> Any:
        request = urllib.request.Request(f"{self.http_url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  our own loopback address
            return json.load(answer)

    def sign_in(self) -> str:
        form = urllib.parse.urlencode({"username": NAME, "password": PASSWORD}).encode()
        with urllib.request.urlopen(f"{self.http_url}/api/v1/token", data=form, timeout=10) as answer:  # noqa: S310
            return str(json.load(answer)["access_token"])

    def cpu_s(self) -> float:
        """Of all its threads until now: on a busy machine it tells more than the clock on the wall."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def memory_mb(self) -> float:
        return float(self.process.memory_info().rss / 1e6)


@contextmanager
def running_service(settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Service]:
    """`settings` are variables of the environment that come beside, or in the place of, our own."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        ours = {"LIANDONG_DATA_DIR": directory, "LIANDONG_MQTT_URL": "embedded://127.0.0.1:0"}
        environment = {**os.environ, **ours, **settings}
        adding = [*COMMAND, "users", "add", NAME, "--role", "admin", "--password-stdin"]
        subprocess.run(adding, input=PASSWORD, text=True, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        began = monotonic()
        with (Path(directory) / "log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(  # noqa: S603
                [*COMMAND, "up", "--http-port", "0"], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        assert process.stdout is not None
        try:
            line = process.stdout.readline().split()
            if line[:1] != ["ready"]:
                raise BenchFailed("the service did not start")
            yield Service(line[1], line[2], psutil.Process(process.pid), monotonic() - began)
        finally:
            process.terminate()
            process.wait(READY_S)


def tickets_as_json(*, events: int, rate_per_s: float, units: int) -> str:
    """From an event's publication to the moment its ticket is in the answer of the API, under a steady load."""
    with running_service() as service:
        token = service.sign_in()
        seconds = events * 0.2 + 10
        load = Load(messages=int(rate_per_s * seconds), units=units, qos=1, rate_per_s=rate_per_s)
        publisher = _in_background(service, load)
        publishing = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench-events")
        host, _, port = service.mqtt_url.removeprefix("mqtt://").partition(":")
        publishing.connect(host, int(port))
        publishing.loop_start()
        Event().wait(3.0)
        latency_ms = [_one_ticket(service, publishing, token, number) for number in range(events)]
        ledger = service.get("/ledger", token=token)
        publishing.disconnect()
        publishing.loop_stop()
        publisher.join()
        return _json(
            {
                "events": events,
                "load_messages_per_s": rate_per_s,
                "event_to_ticket_p50_ms": _percentile(latency_ms, 50),
                "event_to_ticket_p99_ms": _percentile(latency_ms, 99),
                "event_to_ticket_max_ms": _percentile(latency_ms, 100),
                "messages_received": ledger["messages"]["received"],
                "start_s": round(service.start_s, 2),
                "cores": psutil.cpu_count(),
            }
        )


def memory_as_json(*, seconds: float, rate_per_s: float, units: int) -> str:
    """Memory of the service under a steady load, and the slope of its second half."""
    with running_service() as service:
        publisher = _in_background(service, Load(int(rate_per_s * seconds), units, qos=1, rate_per_s=rate_per_s))
        began = monotonic()
        samples: list[tuple[float, float]] = []
        while (at_s := monotonic() - began) < seconds:
            samples.append((at_s, service.memory_mb()))
            Event().wait(SAMPLE_S)
        publisher.join()
        later = np.array(samples[len(samples) // 2 :])
        slope_mb_per_s = float(np.polyfit(later[:, 0], later[:, 1], 1)[0]) if len(later) > 2 else float("nan")
        return _json(
            {
                "units": units,
                "load_messages_per_s": rate_per_s,
                "seconds": seconds,
                "start_s": round(service.start_s, 2),
                "memory_at_start_mb": round(samples[0][1]),
                "memory_at_end_mb": round(samples[-1][1]),
                "memory_peak_mb": round(max(memory for _, memory in samples)),
                "slope_second_half_mb_per_min": round(slope_mb_per_s * 60, 2),
                "cores": psutil.cpu_count(),
            }
        )


def _one_ticket(service: Service, publishing: paho.Client, token: str, number: int) -> float:
    unit = f"panel-{number}"
    body = json.dumps({"ts": now_ms(), "code": "fault", "on": True, "point": "1-1"})
    began = monotonic()
    publishing.publish(f"liandong/v1/bench/fire/{unit}/event", body, qos=1)
    while monotonic() - began < TICKET_S:
        newest = service.get("/tickets?stage=open&limit=1", token=token)["items"]
        if newest and newest[0]["unit"] == f"bench~{unit}":
            return (monotonic() - began) * 1000
        Event().wait(POLL_S)
    raise BenchFailed(f"no ticket for {unit} within {TICKET_S:g} s")


def _in_background(service: Service, load: Load) -> Thread:
    def publish() -> None:
        with suppress(OSError):
            publish_load(service.mqtt_url, load, clock_ms=now_ms, monotonic_s=monotonic, client_id="bench-load")

    thread = Thread(target=publish, daemon=True)
    thread.start()
    return thread


def _percentile(values: list[float], q: float) -> float:
    return round(float(np.percentile(values, q)), 1)


def _json(result: dict[str, object]) -> str:
    return json.dumps(result, indent=2)
