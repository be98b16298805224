"""The embedded broker: rumqttd from the iotcore wheel, a child process that ends with this one."""

import json
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from iotcore import Broker

from ingest.authority import CA_CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY
from ingest.broker_files import SERVICE_ACCOUNT

MAX_PAYLOAD_BYTES = 2 * 1024 * 1024
"""Larger than what the wire format takes, so that a payload that is too large is told and kept, not just cut off."""
MAX_INFLIGHT = 5_000
MAX_CONNECTIONS = 10_000
PORT, TLS_PORT = 1883, 8883
LOOPBACK = "127.0.0.1"
LOOPBACK_HOSTS = frozenset({LOOPBACK, "localhost", "::1"})


class BrokerRefused(Exception):
    """The embedded broker cannot start; the message is one line."""


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """Where the embedded broker is to listen; port 0 takes a free one."""

    host: str
    port: int
    is_tls: bool

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS


def read_embedded_url(url: str) -> EmbeddedAddress:
    """Of `embedded://host:port`, or `embedded+tls://host:port`. Raises BrokerRefused for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BrokerRefused(f"LIANDONG_MQTT_URL: {error}") from error
    if parts.scheme not in ("embedded", "embedded+tls"):
        raise BrokerRefused(
            "the embedded broker's address looks like embedded://127.0.0.1:1883 or embedded+tls://…:8883"
        )
    is_tls = parts.scheme == "embedded+tls"
    return EmbeddedAddress(parts.hostname or LOOPBACK, (TLS_PORT if is_tls else PORT) if port is None else port, is_tls)


class EmbeddedBroker:
    """MQTT 3.1.1, on loopback unless told otherwise. Its queue is in memory: a crash of the broker loses what it held.

    With `accounts` (passwords by name) it lets nobody else in. It cannot tell topics apart: who is in may write any.
    With `certificates`, the directory of `liandong broker prepare`, it speaks TLS alone.
    """

    def __init__(
        self,
        *,
        host: str = LOOPBACK,
        port: int = PORT,
        accounts: Mapping[str, str] | None = None,
        certificates: Path | None = None,
    ) -> None:
        self.host = host
        self.port = port or _free_port(host)
        self._accounts = accounts or {}
        self._certificates = certificates
        self._broker: Broker | None = None

    def start(self) -> None:
        try:
            self._broker = self._started()
        except (OSError, RuntimeError, ValueError) as error:
            raise BrokerRefused(f"the MQTT broker cannot listen on {self.host}:{self.port}: {error}") from error

    def _started(self) -> Broker:
        if not self._accounts and self._certificates is None:
            return Broker(
                port=self.port,
                listen=self.host,
                max_payload_size=MAX_PAYLOAD_BYTES,
                max_inflight_count=MAX_INFLIGHT,
            ).start()
        if self._certificates is not None and not (self._certificates / SERVER_CERTIFICATE).exists():
            raise BrokerRefused(f"{self._certificates} holds no certificate: run `liandong broker prepare --host NAME`")
        # It holds the passwords: nobody else may read it, and it is gone as soon as the broker has.
        with tempfile.NamedTemporaryFile("w", prefix="liandong-broker-", suffix=".toml", encoding="utf-8") as file:
            file.write(self._configuration())
            file.flush()
            return Broker(config_path=file.name).start()

    def _configuration(self) -> str:
        lines = [
            "id = 0",
            "[router]",
            "id = 0",
            f"max_connections = {MAX_CONNECTIONS}",
            "max_outgoing_packet_count = 200",
            "max_segment_size = 104857600",
            "max_segment_count = 10",
            "[v4.1]",
            'name = "door"',
            f"listen = {_quoted(f'{self.host}:{self.port}')}",
            "next_connection_delay_ms = 1",
        ]
        if self._certificates is not None:
            lines += [
                "[v4.1.tls]",
                f"certpath = {_quoted(str((self._certificates / SERVER_CERTIFICATE).resolve()))}",
                f"keypath = {_quoted(str((self._certificates / SERVER_KEY).resolve()))}",
            ]
        lines += [
            "[v4.1.connections]",
            "connection_timeout_ms = 60000",
            f"max_payload_size = {MAX_PAYLOAD_BYTES}",
            f"max_inflight_count = {MAX_INFLIGHT}",
            "dynamic_filters = true",
        ]
        if self._accounts:
            lines.append("[v4.1.connections.auth]")
            lines += [f"{_quoted(name)} = {_quoted(password)}" for name, password in sorted(self._accounts.items())]
        return "\n".join(lines) + "\n"

    @property
    def url(self) -> str:
        """As clients on this machine reach it, with our own account if accounts there are."""
        return client_url(
            self.host, self.port, password=self._accounts.get(SERVICE_ACCOUNT), certificates=self._certificates
        )

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()
            self._broker = None


def client_url(host: str, port: int, *, password: str | None, certificates: Path | None) -> str:
    """Where a client on this machine reaches a broker that listens on `host`."""
    near = LOOPBACK if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - asked, not bound
    account = "" if password is None else f"{SERVICE_ACCOUNT}:{quote(password, safe='')}@"
    if certificates is None:
        return f"mqtt://{account}{near}:{port}"
    return f"mqtts://{account}{near}:{port}?ca={quote(str(certificates / CA_CERTIFICATE))}"


def _quoted(text: str) -> str:
    """A basic string of TOML; JSON's escapes are among its own."""
    return json.dumps(text, ensure_ascii=False)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
