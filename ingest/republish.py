"""Publishes messages again, one by one, each known to be at the broker before the next."""

from types import TracebackType

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ingest.mqtt import BrokerAddress, BrokerUnreachable

CONFIRM_S = 10.0


class Republisher:
    """A connection for as long as its context. Raises BrokerUnreachable when there is none."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        if address.username is not None:
            self._client.username_pw_set(address.username, address.password)
        if address.is_tls:
            self._client.tls_set_context(address.tls_context())

    def __enter__(self) -> "Republisher":
        try:
            self._client.connect(self._address.host, self._address.port)
        except OSError as error:
            raise BrokerUnreachable(f"MQTT broker {self._address.display} cannot be reached: {error}") from error
        self._client.loop_start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: bytes) -> bool:
        """Whether the broker confirmed it; a topic that cannot be published to is left where it is."""
        try:
            told = self._client.publish(topic, payload, qos=1)
        except ValueError:
            return False
        told.wait_for_publish(CONFIRM_S)
        return told.is_published()
