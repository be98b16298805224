"""The servers that other tests stand on do what these rely on."""

import gzip
import threading
from pathlib import Path
from urllib.parse import urlencode

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from playwright.sync_api import Page
from sqlalchemy import create_engine, inspect, make_url, text

from tests.servers.influx import Influx
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.waiting import wait_until

TOPIC = "liandong/v1/site-a/pump/p1/telemetry"


class Subscriber:
    """A client with a persistent session that acknowledges what it gets."""

    def __init__(self, url: str, *, client_id: str = "subscriber") -> None:
        address = make_url(url)
        self.payloads: list[bytes] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False)
        self._client.on_connect = lambda client, *_: client.subscribe("liandong/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.payloads.append(bytes(message.payload))
        assert address.host is not None
        self._client.connect(address.host, address.port or 1883)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def publish(url: str, payloads: list[bytes]) -> None:
    """Returns when the broker has acknowledged all."""
    address = make_url(url)
    assert address.host is not None
    client = paho.Client(CallbackAPIVersion.VERSION2, "publisher")
    client.connect(address.host, address.port or 1883)
    client.loop_start()
    for information in [client.publish(TOPIC, payload, qos=1) for payload in payloads]:
        information.wait_for_publish(10)
        assert information.is_published()
    client.disconnect()
    client.loop_stop()


def test_a_new_database_is_empty_and_takes_a_table(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
        connection.execute(text("CREATE TABLE kept (id INTEGER)"))
        connection.execute(text("INSERT INTO kept VALUES (7)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM kept")).scalar_one() == 7
    engine.dispose()


def test_a_database_made_from_another_has_its_tables(postgres: Postgres) -> None:
    template = postgres.new_database()
    engine = create_engine(postgres.url_of(template))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (id INTEGER)"))
    engine.dispose()
    copy = create_engine(postgres.url_of(postgres.new_database(template=template)))
    assert inspect(copy).get_table_names() == ["kept"]
    copy.dispose()


def test_every_broker_delivers_a_megabyte(broker_url: str) -> None:
    subscriber = Subscriber(broker_url)
    payload = bytes(1_000_000)
    publish(broker_url, [payload])
    wait_until(lambda: subscriber.payloads == [payload], within_s=10, what="the payload arrives")
    subscriber.close()


def test_every_broker_keeps_messages_for_a_session_that_is_away(broker_url: str) -> None:
    Subscriber(broker_url).close()
    payloads = [str(number).encode() for number in range(500)]
    publish(broker_url, payloads)
    subscriber = Subscriber(broker_url)
    wait_until(lambda: subscriber.payloads == payloads, within_s=10, what="what was missed arrives in order")
    subscriber.close()


def test_a_killed_mosquitto_keeps_its_queued_messages(mosquitto: Mosquitto) -> None:
    Subscriber(mosquitto.url).close()
    payloads = [str(number).encode() for number in range(2_000)]
    publish(mosquitto.url, payloads)
    mosquitto.save()
    mosquitto.kill()
    mosquitto.start()
    subscriber = Subscriber(mosquitto.url)
    wait_until(lambda: subscriber.payloads == payloads, within_s=10, what="all messages arrive after the crash")
    subscriber.close()


def test_mosquitto_speaks_mqtt_5(mosquitto: Mosquitto) -> None:
    connected = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, "five", protocol=paho.MQTTv5)
    client.on_connect = lambda *_: connected.set()
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 60
    client.connect("127.0.0.1", mosquitto.port, clean_start=False, properties=properties)
    client.loop_start()
    assert connected.wait(10)
    client.disconnect()
    client.loop_stop()


class TestInflux:
    """Version 2's write and InfluxQL, on a bucket for each test."""

    @pytest.fixture
    def bucket(self, influx: Influx, tmp_path: Path) -> str:
        bucket = f"kit-{tmp_path.name}"
        self.query(influx, bucket, f'CREATE DATABASE "{bucket}"')
        return bucket

    def query(self, influx: Influx, bucket: str, statement: str) -> dict[str, object]:
        form = {"db": bucket, "epoch": "ms", "q": statement}
        answer = httpx.post(f"{influx.url}/query", data=form, headers={"Authorization": f"Token {influx.token}"})
        result: dict[str, object] = answer.raise_for_status().json()["results"][0]
        return result

    def write(self, influx: Influx, bucket: str, line: str, *, token: str | None = None) -> httpx.Response:
        query = urlencode({"org": influx.org, "bucket": bucket, "precision": "ms"})
        return httpx.post(
            f"{influx.url}/api/v2/write?{query}",
            content=gzip.compress(line.encode()),
            headers={"Authorization": f"Token {token or influx.token}", "Content-Encoding": "gzip"},
            timeout=2,
        )

    def values(self, influx: Influx, bucket: str) -> list[list[float]]:
        series = self.query(influx, bucket, 'SELECT "level_m" FROM "pump"').get("series", [{"values": []}])
        values: list[list[float]] = series[0]["values"]  # type: ignore[index]
        return values

    def test_what_is_written_is_found(self, influx: Influx, bucket: str) -> None:
        assert self.write(influx, bucket, "pump,unit=p1 level_m=1.5 1700000000123").status_code == 204
        assert self.values(influx, bucket) == [[1700000000123, 1.5]]

    def test_a_wrong_token_is_refused(self, influx: Influx, bucket: str) -> None:
        assert self.write(influx, bucket, "pump level_m=1 1", token="wrong").status_code == 401
        assert self.values(influx, bucket) == []

    def test_an_unreadable_line_is_refused(self, influx: Influx, bucket: str) -> None:
        assert self.write(influx, bucket, "this is no line").status_code == 400

    def test_a_refusing_server_keeps_nothing_and_recovers(self, influx: Influx, bucket: str) -> None:
        with influx.refusing(503):
            assert self.write(influx, bucket, "pump level_m=1 1").status_code == 503
        assert self.values(influx, bucket) == []

    def test_a_hanging_server_keeps_nothing_and_recovers(self, influx: Influx, bucket: str) -> None:
        with influx.hanging(), pytest.raises(httpx.ReadTimeout):
            self.write(influx, bucket, "pump level_m=1 1")
        assert self.values(influx, bucket) == []

    def test_a_lost_answer_leaves_the_value_written(self, influx: Influx, bucket: str) -> None:
        with influx.losing_answers(), pytest.raises(httpx.RemoteProtocolError):
            self.write(influx, bucket, "pump level_m=1 1")
        assert self.values(influx, bucket) == [[1, 1]]

    def test_an_unreachable_server_comes_back_at_its_address(self, influx: Influx, bucket: str) -> None:
        with influx.unreachable(), pytest.raises(httpx.ConnectError):
            self.write(influx, bucket, "pump level_m=1 1")
        assert self.write(influx, bucket, "pump level_m=1 1").status_code == 204


def test_the_browser_speaks_chinese(page: Page) -> None:
    page.set_content("<p lang=zh>联动</p>")
    assert page.inner_text("p") == "联动"
    assert page.evaluate("navigator.language") == "zh-CN"


def test_chinese_text_has_a_font(page: Page) -> None:
    """Without one, every character is the same empty box."""
    page.set_content("<canvas></canvas>")
    differ = page.evaluate("""() => {
        const draw = text => {
            const canvas = document.createElement('canvas');
            canvas.getContext('2d').font = '20px sans-serif';
            canvas.getContext('2d').fillText(text, 0, 25);
            return canvas.toDataURL();
        };
        return draw('联') !== draw('动');
    }""")
    assert differ


def test_the_phone_is_narrow(phone_page: Page) -> None:
    assert phone_page.viewport_size == {"width": 390, "height": 844}
