"""What the program writes about itself: a JSON object a line, with the request's id, and never a secret."""

import io
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from api.logs import Veil, configure_logs
from api.settings import Settings
from tests.api.kit import World
from tests.servers.liandong import LiandongProcess, StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

BROKER_PASSWORD, TOKEN, PASSWORD = "broker-word-7f3a", "bearer-word-9c1d", "person-word-5e2b"


def lines_of(process: LiandongProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.stderr_text().splitlines()]


def test_every_line_is_json_and_none_holds_a_secret(liandong_process: StartLiandong, mosquitto: Mosquitto) -> None:
    broker_url = mosquitto.url.replace("mqtt://", f"mqtt://gw:{BROKER_PASSWORD}@")
    running = liandong_process("up", settings={"MQTT_URL": broker_url, "LOG_LEVEL": "debug"})
    with httpx.Client(base_url=running.http_url) as client:
        client.post("/api/v1/token", data={"username": "mei", "password": PASSWORD})
        client.get("/api/v1/units", params={"token": TOKEN}, headers={"Authorization": f"Bearer {TOKEN}"})
        request_id = client.post("/sign-in", data={"name": "mei", "password": PASSWORD}).headers["X-Request-ID"]
    # It tells that it cannot reach the broker, whose address holds the password.
    mosquitto.stop()
    wait_until(lambda: "broker connection lost" in running.stderr_text(), within_s=20, what="the loss is told")
    wait_until(lambda: "cannot be reached" in running.stderr_text(), within_s=20, what="the failure is told")
    running.stop()
    lines = lines_of(running)
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    assert [line["route"] for line in lines if line.get("request_id") == request_id] == ["/sign-in"]
    text = running.stderr_text()
    assert [word for word in (BROKER_PASSWORD, TOKEN, PASSWORD) if word in text] == []


def test_a_level_leaves_out_what_is_below_it(liandong_process: StartLiandong) -> None:
    running = liandong_process("up", settings={"LOG_LEVEL": "error"})
    httpx.post(f"{running.http_url}/api/v1/token", data={"username": "mei", "password": PASSWORD})
    running.stop()
    assert lines_of(running) == []


SCRIPT = """
import logging, structlog
from api.logs import Veil, configure_logs
configure_logs(is_json=True, veil=Veil(["influx\\"quoted-word"]))
log = structlog.get_logger("x")
def fail(password):
    raise ValueError("mqtt://gw:url-word-1234@host refused influx\\"quoted-word")
try:
    fail("local-word-1234")
except ValueError:
    log.exception("failed", api_token="key-word-1234", headers={"a": "Bearer header-word-1234"})
logging.getLogger("urllib3").warning("GET http://me:lib-word-1234@host/")
logging.getLogger("urllib3").info("not told")
"""


def test_a_secret_is_taken_out_wherever_it_stands(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["failed", "GET http://me:***@host/"]
    assert "ValueError" in lines[0]["exception"]
    assert lines[1]["logger"] == "urllib3"
    assert re.findall(r"\w+-word", done.stderr) == []


def test_a_line_with_a_secret_stays_json() -> None:
    line = json.dumps({"a": "mqtt://u", "b": "y@z", "c": 'say "hunter-two"'})
    assert json.loads(Veil(['"hunter-two"']).over(line)) == {"a": "mqtt://u", "b": "y@z", "c": "say ***"}


def test_the_settings_name_what_must_not_be_told() -> None:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        mqtt_url="mqtts://gw:p%40ss-word@host",
        database_url="postgresql+psycopg://u:db-word@host/x",
        influx_token="influx-word",
    )
    assert set(settings.secrets()) == {"p%40ss-word", "p@ss-word", "db-word", "influx-word"}


@pytest.mark.parametrize(("given", "is_kept"), [("trace-1234_ab", True), ("short", False), ("a b c d e f g", False)])
def test_a_request_keeps_the_id_of_a_proxy_if_it_is_one(world: World, given: str, is_kept: bool) -> None:
    answered = world.client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert (answered == given) is is_kept
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", answered)


def test_a_library_is_told_once_however_often_logs_are_set_up() -> None:
    before = list(logging.getLogger().handlers)
    out = io.StringIO()
    try:
        for _ in range(3):
            configure_logs(is_json=True, file=out)
        logging.getLogger("alembic").warning("once")
    finally:
        for handler in [known for known in logging.getLogger().handlers if known not in before]:
            logging.getLogger().removeHandler(handler)
        structlog.reset_defaults()
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["once"]
