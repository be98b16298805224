"""The door: paho-mqtt with a persistent session, QoS 1, and acknowledgement by hand.

The worker itself turns paho's network loop, between one batch and the next. So there is no queue to overflow and no
second thread to wait for: while a batch is being taken TCP holds the broker, and the broker keeps the rest.
"""

import select
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.wire import SUBSCRIPTION, RawMessage

RECEIVE_MAXIMUM = 5_000
KEEP_ALIVE_S = 30
SESSION_EXPIRY_S = 7 * 24 * 3600
RECONNECT_FIRST_S = 0.5
RECONNECT_LAST_S = 10.0
READ_AHEAD_BYTES = 64 * 1024
ONLINE, OFFLINE = b"online", b"offline"
PUBACK = b"\x40\x02"

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
    ca_file: str | None = None
    """Who vouches for the broker; None leaves it to the authorities this machine trusts."""

    def tls_context(self) -> ssl.SSLContext:
        """What a connection with TLS demands of the broker. Raises BrokerUnreachable for a file that is none."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise BrokerUnreachable(f"MQTT broker {self.display}: CA file {self.ca_file}: {error}") from error

    @property
    def display(self) -> str:
        return f"{'mqtts' if self.is_tls else 'mqtt'}://{self.host}:{self.port}"


def read_broker_url(url: str) -> BrokerAddress:
    """Raises ValueError for anything but `mqtt://` and `mqtts://` with a host.

    `mqtts://host?ca=FILE` names the certificate of the authority that vouches for the broker.
    """
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
        ca_file=parse_qs(parts.query).get("ca", [None])[0] if is_tls else None,
    )


class _ReadingAhead(paho.Client):
    """paho asks the system for each packet in three pieces, of which two are a byte; this asks it for many packets."""

    _ahead = b""
    _place = 0
    _ahead_of: object = None

    @property
    def has_read_ahead(self) -> bool:
        return self._place < len(self._ahead) and self._ahead_of is self._sock

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self.has_read_ahead:
            self._ahead, self._place, self._ahead_of = b"", 0, self._sock
            self._ahead = super()._sock_recv(READ_AHEAD_BYTES)
        start = self._place
        self._place = start + bufsize
        return self._ahead[start : self._place]


class MqttDoor:
    """One connection to the broker for one ingest worker; `client_id` names its persistent session.

    Belongs to one thread; only `is_connected` and `waiting_count` may be asked from others.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        clock: Callable[[], int],
        is_mqtt5: bool = True,
        subscriptions: tuple[str, ...] = (SUBSCRIPTION,),
        presence_topic: str | None = None,
    ) -> None:
        """On `presence_topic`, retained, stands `online` while there is a connection, and `offline` otherwise."""
        self.address = address
        self.is_connected = False
        self._clock = clock
        self._is_mqtt5 = is_mqtt5
        self._client_id = client_id
        self._subscriptions = subscriptions
        self._presence_topic = presence_topic
        self._unsubscribed: list[str] = []
        self._generation = 0
        self._received: list[RawMessage] = []
        self._is_open = False
        self._refusal: str | None = None
        self._retry_s = RECONNECT_FIRST_S
        self._retry_at = 0.0
        self._client = self._build()

    def open(self, *, timeout_s: float = 10.0) -> None:
        """Connects and subscribes; later losses of the connection are mended by `take`."""
        self._is_open = True
        try:
            self._connect()
        except (OSError, ValueError) as error:
            self._is_open = False
            raise BrokerUnreachable(f"MQTT broker {self.address.display} cannot be reached: {error}") from error
        deadline = monotonic() + timeout_s
        while not self.is_connected and self._refusal is None and monotonic() < deadline:
            # What waited in the session may come before the answer to our subscription.
            self._turn(0.05, most=len(self._received) + 1)
        if not self.is_connected:
            refusal = self._refusal or f"no answer within {timeout_s:g} s"
            self.close()
            raise BrokerUnreachable(f"MQTT broker {self.address.display}: {refusal}")

    def close(self) -> None:
        self._is_open = False
        if self._presence_topic is not None and self.is_connected:
            self.publish(self._presence_topic, OFFLINE, is_retained=True)
        self._client.disconnect()
        while self._client.want_write() and self._client.loop_write() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            pass
        self._client.loop_misc()
        self.is_connected = False

    def take(self, *, most: int, wait_s: float, linger_s: float, quiet_s: float) -> list[RawMessage]:
        """Up to `most` messages: waits for the first, then lingers for more until none came for `quiet_s`."""
        self._turn(0.0 if self._received else wait_s, most=most)
        end = monotonic() + linger_s
        while 0 < (had := len(self._received)) < most and monotonic() < end:
            self._turn(quiet_s, most=most)
            if len(self._received) == had:
                break
        taken, self._received = self._received[:most], self._received[most:]
        return taken

    @property
    def waiting_count(self) -> int:
        """Messages that are here and were not taken yet."""
        return len(self._received)

    def keep_alive(self) -> None:
        """Answers the broker while the worker is busy with waiting, so that it does not give the connection up."""
        self._client.loop_misc()

    def acknowledge(self, messages: Iterable[RawMessage]) -> None:
        """Tells the broker that these are safe. Those of an earlier connection come again and are told then.

        In the order in which they came: MQTT demands it, and the embedded broker forgets the wrong message otherwise.
        """
        generation = self._generation
        receipts = [
            message.receipt for message in messages if message.receipt is not None and message.receipt[0] == generation
        ]
        connection = self._client.socket()
        if not receipts or connection is None:
            return
        is_plain = isinstance(connection, socket.socket) and not isinstance(connection, ssl.SSLSocket)
        if is_plain and not self._client.want_write() and all(qos == 1 for _, _, qos in receipts):
            self._write_pubacks(connection, [mid for _, mid, _ in receipts])
            return
        for _, mid, qos in receipts:
            self._client.ack(mid, qos)

    def subscribe_to(self, subscriptions: tuple[str, ...]) -> None:
        """From now on hears these instead of those before; without a connection, as soon as there is one."""
        gone = [old for old in self._subscriptions if old not in subscriptions]
        added = [new for new in subscriptions if new not in self._subscriptions]
        self._subscriptions = subscriptions
        if not self.is_connected:
            self._unsubscribed += gone
            return
        if gone:
            self._client.unsubscribe(gone)
        if added:
            self._client.subscribe([(subscription, 1) for subscription in added])

    def publish(self, topic: str, payload: bytes, *, is_retained: bool) -> None:
        self._client.publish(topic, payload, qos=1, retain=is_retained)

    def _write_pubacks(self, connection: Any, mids: list[int]) -> None:
        """One write for a whole batch; packet by packet they would cost more than everything else we do."""
        left = memoryview(b"".join([PUBACK + mid.to_bytes(2, "big") for mid in mids]))
        deadline = monotonic() + KEEP_ALIVE_S
        try:
            while left and monotonic() < deadline:
                _, writable, _ = select.select([], [connection], [], 1.0)
                if writable:
                    left = left[connection.send(left) :]
        except OSError as error:
            # What was not told is sent again by the broker, and known by then.
            log.warning("acknowledgements could not be sent", reason=str(error))

    def _turn(self, wait_s: float, *, most: int) -> None:
        """Serves the connection once: reads what is there, up to `most` messages, writes what waits, keeps it alive."""
        client = self._client
        connection = client.socket()
        if connection is None:
            self._reconnect(wait_s)
            return
        is_pending = client.has_read_ahead or bool(getattr(connection, "pending", lambda: 0)())
        try:
            writing = [connection] if client.want_write() else []
            readable, writable, _ = select.select([connection], writing, [], 0 if is_pending else wait_s)
        except (OSError, ValueError):
            readable, writable = [connection], []
        if writable:
            client.loop_write()
        if readable or is_pending:
            self._read(most)
        client.loop_misc()

    def _read(self, most: int) -> None:
        received, loop_read = self._received, self._client.loop_read
        while (had := len(received)) < most:
            if loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or len(received) == had:
                return

    def _reconnect(self, wait_s: float) -> None:
        left_s = self._retry_at - monotonic()
        if left_s > 0:
            # Nothing to read from; the pause is short, so that time goes on being told to the rules.
            select.select([], [], [], min(left_s, wait_s))
            return
        try:
            self._client.reconnect()
        except OSError as error:
            log.warning("broker cannot be reached", broker=self.address.display, reason=str(error))
        self._retry_at = monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, RECONNECT_LAST_S)

    def _build(self) -> _ReadingAhead:
        client = _ReadingAhead(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if self._is_mqtt5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_mqtt5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.max_queued_messages_set(0)
        if self._presence_topic is not None:
            client.will_set(self._presence_topic, OFFLINE, qos=1, retain=True)
        if self.address.username is not None:
            client.username_pw_set(self.address.username, self.address.password)
        if self.address.is_tls:
            client.tls_set_context(self.address.tls_context())
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

    def _on_connect(
        self, client: paho.Client, _data: object, flags: paho.ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            log.warning("broker refused", broker=self.address.display, reason=str(reason))
            return
        self._generation += 1
        self._retry_s = RECONNECT_FIRST_S
        gone, self._unsubscribed = [old for old in self._unsubscribed if old not in self._subscriptions], []
        if gone:
            client.unsubscribe(gone)
        client.subscribe([(subscription, 1) for subscription in self._subscriptions])
        if flags.session_present:
            # The broker knows our subscription, and may answer it only after what waited for us.
            self._note_connected()

    def _note_connected(self) -> None:
        if not self.is_connected:
            self.is_connected = True
            if self._presence_topic is not None:
                self.publish(self._presence_topic, ONLINE, is_retained=True)
            log.info("broker connected", broker=self.address.display)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._refusal = f"subscription refused: {refused[0]}"
            log.warning("broker refused the subscription", broker=self.address.display, reason=refused[0])
            return
        # In a new session only now: what is said from here on reaches us, and whoever waits for us may speak.
        self._note_connected()

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self.is_connected = False
        # What came before is not acknowledged on the next connection: there it comes again.
        self._generation += 1
        if self._is_open:
            log.warning("broker connection lost", broker=self.address.display, reason=str(reason))

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = repr(message._topic)
        receipt = (self._generation, message.mid, message.qos) if message.qos else None
        self._received.append(
            RawMessage(topic, bytes(message.payload), self._clock(), bool(message.dup), bool(message.retain), receipt)
        )
