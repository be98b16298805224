"""The program as a process: how it starts, says where it is, and ends."""

import os
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

import httpx
import pytest

from api.processes import StartRefused, prepare_data_dir
from api.settings import Settings
from tests.servers.child import answers, free_port
from tests.servers.liandong import StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

NOBODY = 65534


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


CANNOT_START = {
    "a data directory under a file": ({"DATA_DIR": "{tmp}/a-file/var"}, "Not a directory"),
    "no token": ({"TELEMETRY_URL": "influxdb+http://127.0.0.1:{port}/?org=o&bucket=b"}, "LIANDONG_INFLUX_TOKEN"),
    "a store that is not there": (
        {"TELEMETRY_URL": "influxdb+http://127.0.0.1:{port}/?org=o&bucket=b", "INFLUX_TOKEN": "hush"},
        "refused",
    ),
    "a store of no known kind": ({"TELEMETRY_URL": "csv:"}, "duckdb:"),
    "a broker that is not there": ({"MQTT_URL": "mqtt://gateway:hush@127.0.0.1:{port}"}, "refused"),
    "a broker of no known kind": ({"MQTT_URL": "amqp://127.0.0.1"}, "LIANDONG_MQTT_URL"),
    "a database that is not there": ({"DATABASE_URL": "postgresql+psycopg://me:hush@127.0.0.1:{port}/x"}, "refused"),
    "a database of no known kind": ({"DATABASE_URL": "mysql://me:hush@127.0.0.1:{port}/x"}, "postgresql"),
    "a limits file with a misspelt name": ({"LIMITS_FILE": "{tmp}/limits.toml"}, "floor_wet"),
}


@pytest.mark.parametrize("case", CANNOT_START)
def test_what_keeps_it_from_starting_is_told_in_one_line(
    liandong_process: StartLiandong, tmp_path: Path, case: str
) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "limits.toml").write_text("floor_wet = 3", encoding="utf-8")
    settings, expected = CANNOT_START[case]
    told = {name: value.format(tmp=tmp_path, port=free_port()) for name, value in settings.items()}
    refused = liandong_process("up", settings=told, ready_within_s=None)
    assert refused.wait(within_s=60) == 1
    lines = [line for line in refused.stderr_text().splitlines() if line.startswith("liandong: ")]
    assert len(lines) == 1
    assert expected in lines[0]
    assert "hush" not in refused.stderr_text()
    assert "Traceback" not in refused.stderr_text()


def test_a_data_directory_that_may_not_be_written_is_told() -> None:
    # Not below pytest's own directory, into which only its owner may look.
    directory = Path(mkdtemp(prefix="liandong-read-only-"))
    settings = Settings.load(data_dir=directory)
    directory.chmod(0o555)
    try:
        if os.getuid():
            assert _is_refused(settings)
            return
        # The superuser may write everywhere, so somebody else looks at it.
        child = os.fork()
        if child == 0:
            os.setuid(NOBODY)
            os._exit(0 if _is_refused(settings) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        directory.chmod(0o755)
        directory.rmdir()


def _is_refused(settings: Settings) -> bool:
    try:
        prepare_data_dir(settings)
    except StartRefused as refused:
        return "cannot be written" in str(refused)
    return False
