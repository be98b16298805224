"""The embedded broker: rumqttd from the iotcore wheel, a child process that ends with this one."""

import socket

from iotcore import Broker

MAX_PAYLOAD_BYTES = 2 * 1024 * 1024
"""Larger than what the wire format takes, so that a payload that is too large is told and kept, not just cut off."""
MAX_INFLIGHT = 5_000
LOOPBACK = "127.0.0.1"


class BrokerRefused(Exception):
    """The embedded broker cannot start; the message is one line."""


class EmbeddedBroker:
    """MQTT 3.1.1 on loopback only. Its queue is in memory: a crash of the broker itself loses what it held."""

    def __init__(self, *, host: str = LOOPBACK, port: int = 1883) -> None:
        self.host = host
        self.port = port or _free_port(host)
        self._broker: Broker | None = None

    def start(self) -> None:
        try:
            broker = Broker(
                port=self.port,
                listen=self.host,
                max_payload_size=MAX_PAYLOAD_BYTES,
                max_inflight_count=MAX_INFLIGHT,
            )
            self._broker = broker.start()
        except (OSError, RuntimeError) as error:
            raise BrokerRefused(f"the MQTT broker cannot listen on {self.host}:{self.port}: {error}") from error

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()
            self._broker = None


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
