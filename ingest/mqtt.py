"""The door: paho-mqtt with a persistent session, QoS 1, and acknowledgement by hand.

Messages go from paho's network thread into a bounded inbox. A full inbox holds the network thread, TCP holds the
broker, and the broker keeps the rest; nothing is dropped here.
"""

import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.wire import SUBSCRIPTION, RawMessage

INBOX_SIZE = 20_000
RECEIVE_MAXIMUM = 5_000
KEEP_ALIVE_S = 30
SESSION_EXPIRY_S = 7 * 24 * 3600
HOLD_S = 0.5

log = structlog.get_logger(__name__)


class BrokerUnreachable(Exception):
    """No connection to the broker; the message is one line and names it without its password."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is and how to sign in. `display` is fit for logs."""

    host: str
    port: int
    username: str | None
    password: str | None
    is_tls: bool

    @property
    def display(self) -> str:
        return f"{'mqtts' if self.is_tls else 'mqtt'}://{self.host}:{self.port}"


def read_broker_url(url: str) -> BrokerAddress:
    """Raises ValueError for anything but `mqtt://` and `mqtts://` with a host."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError("an MQTT address looks like mqtt://user:password@host:1883 or mqtts://host:8883")
    is_tls = parts.scheme == "mqtts"
    return BrokerAddress(
        host=parts.hostname,
        port=parts.port or (8883 if is_tls else 1883),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        is_tls=is_tls,
    )


class Inbox:
    """A bounded queue from one network thread to one worker, cheap enough for tens of thousands a second."""

    def __init__(self, size: int = INBOX_SIZE) -> None:
        self._size = size
        self._messages: deque[RawMessage] = deque()
        self._has_messages = threading.Event()
        self._has_room = threading.Event()

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: RawMessage, *, is_open: Callable[[], bool]) -> None:
        """Waits for room as long as `is_open`."""
        while len(self._messages) >= self._size and is_open():
            self._has_room.clear()
            if len(self._messages) >= self._size:
                self._has_room.wait(HOLD_S)
        self._messages.append(message)
        self._has_messages.set()

    def take(self, *, most: int, wait_s: float, linger_s: float, quiet_s: float) -> list[RawMessage]:
        """Up to `most` messages: waits for the first, then lingers for more until none came for `quiet_s`."""
        messages = self._messages
        if not messages:
            self._has_messages.clear()
            if not messages and not self._has_messages.wait(wait_s):
                return []
        taken: list[RawMessage] = []
        end = monotonic() + linger_s
        while True:
            while messages and len(taken) < most:
                taken.append(messages.popleft())
            if len(taken) >= most or monotonic() >= end:
                break
            self._has_messages.clear()
            if not messages and not self._has_messages.wait(quiet_s):
                break
        self._has_room.set()
        return taken


class MqttDoor:
    """One connection to the broker for one ingest worker; `client_id` names its persistent session."""

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        clock: Callable[[], int],
        is_mqtt5: bool = True,
        subscriptions: tuple[str, ...] = (SUBSCRIPTION,),
    ) -> None:
        self.address = address
        self.inbox = Inbox()
        self._clock = clock
        self._is_mqtt5 = is_mqtt5
        self._client_id = client_id
        self._subscriptions = subscriptions
        self._generation = 0
        self._is_open = False
        self._connected = threading.Event()
        self._refusal: str | None = None
        self._client = self._build()

    @property
    def is_connected(self) -> bool:
        return self._connected.is_set()

    def open(self, *, timeout_s: float = 10.0) -> None:
        """Connects and subscribes; later losses of the connection are mended in the background."""
        self._is_open = True
        try:
            self._connect()
        except (OSError, ValueError) as error:
            self._is_open = False
            raise BrokerUnreachable(f"MQTT broker {self.address.display} cannot be reached: {error}") from error
        if not self._connected.wait(timeout_s):
            refusal = self._refusal or f"no answer within {timeout_s:g} s"
            self.close()
            raise BrokerUnreachable(f"MQTT broker {self.address.display}: {refusal}")

    def close(self) -> None:
        self._is_open = False
        self._client.disconnect()
        self._client.loop_stop()
        self._connected.clear()

    def acknowledge(self, messages: Iterable[RawMessage]) -> None:
        """Tells the broker that these are safe. Those of an earlier connection come again and are told then."""
        generation, ack = self._generation, self._client.ack
        for message in messages:
            receipt = message.receipt
            if receipt is not None and receipt[0] == generation:
                ack(receipt[1], receipt[2])

    def publish(self, topic: str, payload: bytes, *, is_retained: bool) -> None:
        self._client.publish(topic, payload, qos=1, retain=is_retained)

    def _build(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if self._is_mqtt5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_mqtt5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(1, 10)
        if self.address.username is not None:
            client.username_pw_set(self.address.username, self.address.password)
        if self.address.is_tls:
            client.tls_set_context(ssl.create_default_context())
        return client

    def _connect(self) -> None:
        options: dict[str, Any] = {}
        if self._is_mqtt5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            # Room for whole batches in flight: otherwise the broker waits for us after each twenty messages.
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            options = {"clean_start": False, "properties": properties}
        self._client.connect(self.address.host, self.address.port, keepalive=KEEP_ALIVE_S, **options)
        self._client.loop_start()

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            log.warning("broker refused", broker=self.address.display, reason=str(reason))
            return
        self._generation += 1
        client.subscribe([(subscription, 1) for subscription in self._subscriptions])
        self._connected.set()
        log.info("broker connected", broker=self.address.display)

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self._connected.clear()
        if self._is_open:
            log.warning("broker connection lost", broker=self.address.display, reason=str(reason))

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = repr(message._topic)
        receipt = (self._generation, message.mid, message.qos) if message.qos else None
        raw = RawMessage(topic, bytes(message.payload), self._clock(), bool(message.dup), bool(message.retain), receipt)
        self.inbox.put(raw, is_open=self._still_open)

    def _still_open(self) -> bool:
        return self._is_open
