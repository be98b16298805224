"""Mosquitto as deploy/ configures it, with TLS, and the accounts that the program itself writes."""

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from api.commands import gateways
from api.settings import Settings
from ingest import authority
from tests.left_out import program
from tests.servers.child import Child, answers, free_port
from tests.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"


class Deployed:
    """Mosquitto on the files in deploy/, with paths and port of a test."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=directory / "var",
            broker_dir=directory / "broker",
            broker_pid_file=directory / "mosquitto.pid",
            mqtt_url=f"mqtts://127.0.0.1:{self.port}",
        )
        self._log = directory / "mosquitto.log"
        self._directory = directory
        shutil.copy(DEPLOY / "make-secrets", directory)
        subprocess.run([directory / "make-secrets"], check=True, capture_output=True)
        secrets = directory / "secrets"
        gateways.prepare_broker(
            self.settings,
            hosts=["mosquitto"],
            days=90,
            accounts_file=secrets / "mosquitto_passwords",
            is_renewing=False,
        )
        self.passwords = {
            "liandong": (secrets / "mqtt_password").read_text(encoding="utf-8"),
            "simulator": (secrets / "simulator_password").read_text(encoding="utf-8"),
        }

    def start(self) -> Child:
        broker, data = self.settings.resolved_broker_dir, self._directory / "data"
        data.mkdir()
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
        text = text.replace("/mosquitto/data", str(data)).replace("/mosquitto/broker", str(broker))
        text = text.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        text += f"\npid_file {self.settings.broker_pid_file}\n"
        if os.geteuid() == 0:
            text += "user root\n"
        configuration = self._directory / "mosquitto.conf"
        configuration.write_text(text, encoding="utf-8")
        child = Child([program("mosquitto"), "-c", configuration], log=self._log)
        child.wait_until_serving(lambda: answers(self.port))
        return child

    @property
    def ca_file(self) -> Path:
        return self.settings.resolved_broker_dir / authority.CA_CERTIFICATE

    def url(self, account: str, *, ca_file: Path | None = None) -> str:
        """Where the account signs in, with what it needs to trust the broker."""
        where = f"mqtts://{account}:{quote(self.passwords[account])}@127.0.0.1:{self.port}"
        return f"{where}?ca={quote(str(ca_file or self.ca_file))}"

    def add_gateway(self, site: str, name: str, *more_topics: str) -> str:
        """The account of a new gateway, and of its site if need be; the broker knows it."""
        password = gateways.draw_password()
        changed = gateways.add(
            self.settings, site=site, name=name, password=password, more_topics=more_topics, is_new_site=True
        )
        assert changed.told == "the broker was told"
        self.passwords[changed.account] = password
        wait_until(lambda: self.may_sign_in(changed.account), within_s=20, what="the broker knows the new account")
        return changed.account

    def may_sign_in(self, account: str, *, password: str | None = None) -> bool:
        with suppress(ConnectionRefusedError), self.client(account, password=password):
            return True
        return False

    @contextmanager
    def client(self, account: str, *, password: str | None = None, is_mqtt5: bool = False) -> Iterator[paho.Client]:
        """A connected client. Raises ConnectionRefusedError when the broker refuses the account."""
        protocol = MQTTProtocolVersion.MQTTv5 if is_mqtt5 else MQTTProtocolVersion.MQTTv311
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        # Not again and again: who is refused stays refused.
        client.reconnect_delay_set(60, 60)
        answered = threading.Event()
        refused: list[bool] = []

        def on_connect(_client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
            refused.append(reason.is_failure)  # type: ignore[attr-defined]
            answered.set()

        client.on_connect = on_connect
        client.tls_set_context(ssl.create_default_context(cafile=str(self.ca_file)))
        client.username_pw_set(account, password or self.passwords[account])
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            assert answered.wait(20), "the broker does not answer"
            if refused[0]:
                raise ConnectionRefusedError(account)
            yield client
        finally:
            client.disconnect()
            client.loop_stop()

    @contextmanager
    def hearing(self, account: str, topic_filter: str) -> Iterator[list[str]]:
        """Topics that an account hears."""
        with self.client(account) as client:
            topics: list[str] = []
            subscribed = threading.Event()
            client.on_message = lambda _client, _data, message: topics.append(message.topic)
            client.on_subscribe = lambda *_: subscribed.set()
            client.subscribe(topic_filter, qos=1)
            assert subscribed.wait(20)
            yield topics

    def tell(self, account: str, topic: str, payload: bytes = b"[]") -> None:
        """Publishes on a connection of its own: Mosquitto may end the connection of who writes where it may not."""
        with self.client(account) as client, suppress(RuntimeError):
            client.publish(topic, payload, qos=1).wait_for_publish(2)
