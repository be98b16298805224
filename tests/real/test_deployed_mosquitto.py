"""The Mosquitto configuration that docker-compose.yml uses, on a real Mosquitto with the passwords of make-secrets."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.left_out import program
from tests.servers.child import Child, answers, free_port
from tests.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
GATEWAY, GATEWAY_PASSWORD = "my-home", "a-gateway-password"


class Deployed:
    def __init__(self, port: int, passwords: dict[str, str]) -> None:
        self.port = port
        self.passwords = passwords

    def connect(self, name: str, password: str) -> paho.Client | None:
        """A connected client, or None when the broker refuses."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        answered = threading.Event()
        refused: list[bool] = []

        def on_connect(_client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
            refused.append(reason.is_failure)  # type: ignore[attr-defined]
            answered.set()

        client.on_connect = on_connect
        client.username_pw_set(name, password)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        assert answered.wait(10)
        if refused[0]:
            client.loop_stop()
            return None
        return client


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    mosquitto = program("mosquitto")
    directory = tmp_path_factory.mktemp("deploy")
    shutil.copy(DEPLOY / "make-secrets", directory)
    subprocess.run([directory / "make-secrets"], check=True, capture_output=True)
    secrets = directory / "secrets"
    subprocess.run(
        [program("mosquitto_passwd"), "-b", secrets / "mosquitto_passwords", GATEWAY, GATEWAY_PASSWORD],
        check=True,
        capture_output=True,
    )
    data = directory / "data"
    data.mkdir()
    port = free_port()
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    text = text.replace("/mosquitto/data", str(data)).replace("/run/secrets", str(secrets))
    text = text.replace("/mosquitto/config/acl", str(DEPLOY / "mosquitto" / "acl"))
    text = text.replace("listener 1883", f"listener {port} 127.0.0.1")
    if os.geteuid() == 0:
        text += "\nuser root\n"
    configuration = directory / "mosquitto.conf"
    configuration.write_text(text, encoding="utf-8")
    child = Child([mosquitto, "-c", configuration], log=directory / "log")
    try:
        child.wait_until_serving(lambda: answers(port))
        passwords = {
            "liandong": (secrets / "mqtt_password").read_text(encoding="utf-8"),
            "simulator": (secrets / "simulator_password").read_text(encoding="utf-8"),
            GATEWAY: GATEWAY_PASSWORD,
        }
        yield Deployed(port, passwords)
    finally:
        child.stop()


@pytest.fixture
def heard(deployed: Deployed) -> Iterator[list[str]]:
    """Topics that the service's account hears."""
    client = deployed.connect("liandong", deployed.passwords["liandong"])
    assert client is not None
    topics: list[str] = []
    subscribed = threading.Event()
    client.on_message = lambda _client, _data, message: topics.append(message.topic)
    client.on_subscribe = lambda *_: subscribed.set()
    client.subscribe("liandong/v1/#", qos=1)
    assert subscribed.wait(10)
    yield topics
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("name", ["liandong", "simulator", GATEWAY])
def test_an_account_signs_in_with_its_password_and_no_other(deployed: Deployed, name: str) -> None:
    client = deployed.connect(name, deployed.passwords[name])
    assert client is not None
    client.disconnect()
    client.loop_stop()
    assert deployed.connect(name, "wrong") is None


def tell(deployed: Deployed, name: str, topic: str) -> None:
    """Publishes on a connection of its own: Mosquitto ends the connection of who writes where it may not."""
    client = deployed.connect(name, deployed.passwords[name])
    assert client is not None
    with suppress(RuntimeError):
        client.publish(topic, b"[]", qos=1).wait_for_publish(2)
    client.disconnect()
    client.loop_stop()


def test_a_gateway_writes_to_its_own_site_and_to_no_other(deployed: Deployed, heard: list[str]) -> None:
    for site in ("their-home", GATEWAY):
        tell(deployed, GATEWAY, f"liandong/v1/{site}/pump/sump-1/telemetry")
    wait_until(lambda: heard, within_s=10, what="the service hears the gateway")
    assert heard == [f"liandong/v1/{GATEWAY}/pump/sump-1/telemetry"]


def test_the_service_tells_alarms_and_writes_nothing_else(deployed: Deployed, heard: list[str]) -> None:
    for channel in ("telemetry", "alarm"):
        tell(deployed, "liandong", f"liandong/v1/{GATEWAY}/pump/sump-1/{channel}")
    wait_until(lambda: heard, within_s=10, what="the alarm topic is heard")
    assert heard == [f"liandong/v1/{GATEWAY}/pump/sump-1/alarm"]
