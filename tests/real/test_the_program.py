"""The program as a process: how it starts, says where it is, and ends."""

from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers.child import answers
from tests.servers.liandong import StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def test_it_tells_where_it_serves_and_ends_when_told(liandong_process: StartLiandong) -> None:
    running = liandong_process("up")
    assert httpx.get(f"{running.http_url}/healthz").status_code == 200
    assert answers(port_of(running.mqtt_url))
    running.stop()
    assert not answers(port_of(running.http_url))
    assert not answers(port_of(running.mqtt_url))


def test_a_killed_one_takes_its_broker_along_and_starts_again_on_its_data(liandong_process: StartLiandong) -> None:
    first = liandong_process("up")
    first.kill()
    wait_until(lambda: not answers(port_of(first.mqtt_url)), within_s=10, what="the broker of the killed one is gone")
    second = liandong_process("up")
    assert httpx.get(f"{second.http_url}/readyz").status_code == 200
    assert second.data_dir == first.data_dir


def test_it_works_with_mosquitto_and_postgresql(
    liandong_process: StartLiandong, mosquitto: Mosquitto, database_url: str
) -> None:
    running = liandong_process("up", settings={"MQTT_URL": mosquitto.url, "DATABASE_URL": database_url})
    assert running.mqtt_url == mosquitto.url
    assert httpx.get(f"{running.http_url}/readyz").status_code == 200


@pytest.mark.parametrize("setting", ["HTTP_PORT", "MQTT_URL"])
def test_a_port_in_use_is_told_in_one_line(liandong_process: StartLiandong, mosquitto: Mosquitto, setting: str) -> None:
    taken = str(mosquitto.port) if setting == "HTTP_PORT" else f"embedded://127.0.0.1:{mosquitto.port}"
    refused = liandong_process("up", settings={setting: taken}, ready_within_s=None)
    assert refused.wait(within_s=60) == 1
    told = [line for line in refused.stderr_text().splitlines() if line.startswith("liandong: ")]
    assert len(told) == 1
    assert str(mosquitto.port) in told[0]
    assert "Traceback" not in refused.stderr_text()
    assert refused.stdout_lines() == []
