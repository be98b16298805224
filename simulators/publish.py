"""Where messages go: over MQTT to a broker, as a gateway sends them, or into a file as JSON lines."""

import threading
from collections.abc import Callable
from io import BufferedWriter
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Protocol, Self

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from ingest.mqtt import BrokerAddress, BrokerUnreachable, read_broker_url
from simulators.errors import BadBrokerUrl, BrokerLost
from simulators.message import Message

IN_FLIGHT = 200
CONNECT_WITHIN_S = 10.0
RETURNS_WITHIN_S = 60.0
FLUSH_WITHIN_S = 10.0
LAST_WORDS_WITHIN_S = 2.0
LOOK_EVERY_S = 0.2
KEEP_ALIVE_S = 30
RECONNECT_FIRST_S = 1
RECONNECT_LAST_S = 10


class Outlet(Protocol):
    """Takes messages in order; `send` may make the caller wait."""

    def send(self, message: Message) -> None: ...


class FileOutlet:
    """JSON lines `{"topic","payload"}`, as fast as the disk takes them. Raises OSError as files do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BufferedWriter | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def send(self, message: Message) -> None:
        assert self._file is not None
        line = msgspec.json.encode({"topic": message.topic, "payload": msgspec.Raw(message.payload)})
        self._file.write(line + b"\n")


class BrokerOutlet:
    """One MQTT connection with QoS 1. At most `in_flight` messages wait for the broker's word; then `send` waits.

    A connection that breaks is mended and what was not acknowledged is sent again; a broker that stays away for
    `returns_within_s` raises BrokerLost. `last_will` is what the broker says for us when we vanish.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        last_will: Message | None = None,
        in_flight: int = IN_FLIGHT,
        should_stop: Callable[[], bool] = lambda: False,
        returns_within_s: float = RETURNS_WITHIN_S,
    ) -> None:
        self.address = _address(url)
        self.acknowledged = 0
        self.most_in_flight = 0
        self._should_stop = should_stop
        self._returns_within_s = returns_within_s
        self._limit = in_flight
        self._in_flight = 0
        self._end_by = 0.0
        self._changed = threading.Condition()
        self._is_connected = False
        self._refusal = ""
        self._client = self._build(client_id, last_will)

    def __enter__(self) -> Self:
        """Connects. Raises BrokerUnreachable."""
        display = self.address.display
        try:
            self._client.connect(self.address.host, self.address.port, keepalive=KEEP_ALIVE_S)
        except (OSError, ValueError) as error:
            raise BrokerUnreachable(f"MQTT broker {display} cannot be reached: {error}") from error
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_connected or self._refusal, CONNECT_WITHIN_S)
            refusal = "" if self._is_connected else self._refusal or f"no answer within {CONNECT_WITHIN_S:g} s"
        if refusal:
            self._client.disconnect()
            self._client.loop_stop()
            raise BrokerUnreachable(f"MQTT broker {display}: {refusal}")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.flush(within_s=FLUSH_WITHIN_S if self._is_connected else 0.0)
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, message: Message) -> None:
        self._wait_for_room()
        with self._changed:
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        self._client.publish(message.topic, message.payload, qos=1, retain=message.is_retained)

    def flush(self, *, within_s: float) -> bool:
        """Waits until the broker has acknowledged everything; False when it did not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight == 0, within_s)

    def _wait_for_room(self) -> None:
        gone_at: float | None = None
        while True:
            look_s = 0.0 if self._end_by and monotonic() >= self._end_by else LOOK_EVERY_S
            with self._changed:
                if self._changed.wait_for(lambda: self._in_flight < self._limit, look_s):
                    return
                is_connected = self._is_connected
            if is_connected:
                gone_at = None
            elif gone_at is None:
                gone_at = monotonic()
            elif monotonic() - gone_at > self._returns_within_s:
                raise BrokerLost(self.address.display, self._returns_within_s)
            if self._should_stop():
                # Last words are worth a moment of waiting altogether, not a moment each.
                self._end_by = self._end_by or monotonic() + LAST_WORDS_WITHIN_S
                if monotonic() >= self._end_by:
                    return

    def _build(self, client_id: str, last_will: Message | None) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.max_inflight_messages_set(self._limit)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(RECONNECT_FIRST_S, RECONNECT_LAST_S)
        if self.address.username is not None:
            client.username_pw_set(self.address.username, self.address.password)
        if self.address.is_tls:
            client.tls_set_context(self.address.tls_context())
        if last_will is not None:
            client.will_set(last_will.topic, last_will.payload, qos=1, retain=last_will.is_retained)
        return client

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        with self._changed:
            self._is_connected = not reason.is_failure
            self._refusal = str(reason) if reason.is_failure else ""
            self._changed.notify_all()

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, _reason: ReasonCode, _properties: object
    ) -> None:
        with self._changed:
            self._is_connected = False
            self._changed.notify_all()

    def _on_publish(
        self, _client: paho.Client, _data: object, _mid: int, _reason: ReasonCode, _properties: object
    ) -> None:
        with self._changed:
            self._in_flight -= 1
            self.acknowledged += 1
            self._changed.notify_all()


def _address(url: str) -> BrokerAddress:
    try:
        return read_broker_url(url)
    except ValueError as error:
        raise BadBrokerUrl(str(error)) from error
