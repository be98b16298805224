"""The embedded broker with accounts and TLS: who is not known stays out, and what `up` needs goes on working."""

import json
import ssl
import threading
from pathlib import Path

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from api.commands import gateways
from api.embedded_broker import reachable_url
from api.settings import Settings
from ingest import authority
from ingest.broker import BrokerRefused, EmbeddedAddress, read_embedded_url
from ingest.broker_files import EMBEDDED_ACCOUNTS
from ingest.mqtt import read_broker_url
from tests.servers.child import free_port
from tests.servers.liandong import StartLiandong
from tests.waiting import wait_until

PASSWORD = 'with "quotes" and \\ strokes ✓'


def settings_of(data_dir: Path, url: str) -> Settings:
    return Settings(_env_file=None, data_dir=data_dir, mqtt_url=url)  # type: ignore[call-arg]


def add(settings: Settings, *, site: str, name: str, password: str = PASSWORD) -> str:
    return gateways.add(settings, site=site, name=name, password=password, more_topics=(), is_new_site=True).account


def publish(port: int, account: str, password: str, topic: str, *, ca_file: Path | None = None) -> bool:
    """Whether the broker let it in and took the message."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(60, 60)
    done = threading.Event()
    taken: list[bool] = []

    def on_connect(_client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        if not reason.is_failure:  # type: ignore[attr-defined]
            client.publish(topic, b'{"ts": 1795436100000, "values": {"level_m": 1}}', qos=1)

    def on_publish(*_: object) -> None:
        taken.append(True)
        done.set()

    client.on_connect, client.on_publish = on_connect, on_publish
    client.on_disconnect = lambda *_: done.set()
    if account:
        client.username_pw_set(account, password)
    if ca_file is not None:
        client.tls_set_context(ssl.create_default_context(cafile=str(ca_file)))
    client.connect("127.0.0.1", port)
    client.loop_start()
    done.wait(20)
    client.disconnect()
    client.loop_stop()
    return bool(taken)


def test_with_accounts_only_known_gateways_speak_and_only_for_known_sites(
    liandong_process: StartLiandong, tmp_path: Path
) -> None:
    port = free_port()
    settings = settings_of(tmp_path / "var", f"embedded+tls://127.0.0.1:{port}")
    gateways.prepare_broker(settings, hosts=["box"], days=30, accounts_file=None, is_renewing=False)
    account = add(settings, site="my-home", name="roof")
    running = liandong_process("up", settings={"MQTT_URL": settings.mqtt_url})
    ca_file = settings.resolved_broker_dir / authority.CA_CERTIFICATE
    topic = "liandong/v1/{}/pump/sump-1/telemetry"
    assert not publish(port, "", "", topic.format("my-home"), ca_file=ca_file)
    assert not publish(port, account, "wrong-password", topic.format("my-home"), ca_file=ca_file)
    assert publish(port, account, PASSWORD, topic.format("my-home"), ca_file=ca_file)
    # The broker cannot tell topics apart; what is said for a site that nobody added is kept aside.
    assert publish(port, account, PASSWORD, topic.format("their-home"), ca_file=ca_file)

    def counted() -> bool:
        text = httpx.get(f"{running.http_url}/metrics").text
        return (
            'liandong_messages_total{outcome="accepted"} 1.0' in text
            and 'liandong_quarantine_waiting{reason="unknown_site"} 1.0' in text
        )

    wait_until(counted, within_s=20, what="one message is accepted and one is kept aside")
    address = read_broker_url(reachable_url(settings))
    assert address.password is not None
    assert publish(port, address.username or "", address.password, topic.format("my-home"), ca_file=ca_file)
    running.stop()
    for secret in (PASSWORD, address.password):
        assert secret not in running.stderr_text() + "".join(running.stdout_lines())


def test_a_revoked_gateway_is_out_from_the_next_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "var", "embedded://127.0.0.1:0")
    account = add(settings, site="my-home", name="roof")
    kept = settings.resolved_broker_dir / EMBEDDED_ACCOUNTS
    assert json.loads(kept.read_text(encoding="utf-8")) == {account: PASSWORD}
    assert kept.stat().st_mode & 0o777 == 0o600
    told = gateways.revoke(settings, site="my-home", name="roof").told
    assert "start `liandong up` again" in told
    assert json.loads(kept.read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("embedded://0.0.0.0:1883", "without accounts"),
        ("embedded+tls://127.0.0.1:0", "run `liandong broker prepare"),
        ("embedded://127.0.0.1:what", "LIANDONG_MQTT_URL"),
    ],
)
def test_what_would_let_anybody_in_or_cannot_be_served_is_refused_in_one_line(
    liandong_process: StartLiandong, url: str, told: str
) -> None:
    refused = liandong_process("up", settings={"MQTT_URL": url}, ready_within_s=None)
    assert refused.wait(within_s=60) == 1
    lines = [line for line in refused.stderr_text().splitlines() if line.startswith("liandong: ")]
    assert len(lines) == 1
    assert told in lines[0]
    assert "Traceback" not in refused.stderr_text()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("embedded://127.0.0.1:1884", EmbeddedAddress("127.0.0.1", 1884, is_tls=False)),
        ("embedded://", EmbeddedAddress("127.0.0.1", 1883, is_tls=False)),
        ("embedded+tls://0.0.0.0", EmbeddedAddress("0.0.0.0", 8883, is_tls=True)),
        ("embedded://127.0.0.1:0", EmbeddedAddress("127.0.0.1", 0, is_tls=False)),
    ],
)
def test_an_address_says_where_and_how(url: str, address: EmbeddedAddress) -> None:
    assert read_embedded_url(url) == address


def test_an_address_of_another_kind_is_none() -> None:
    with pytest.raises(BrokerRefused):
        read_embedded_url("mqtt://127.0.0.1")
