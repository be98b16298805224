"""The whole program is stopped and started again under an open board."""

import json
import time
from contextlib import closing
from pathlib import Path

import paho.mqtt.publish
from playwright.sync_api import Page, expect

from api.security import SESSION_COOKIE
from registry.database import Database
from registry.login import Purpose, open_login
from registry.person import add_person
from registry.role import Role
from tests.servers.child import free_port
from tests.servers.liandong import LiandongProcess, StartLiandong

SECRET = "a secret that only this test knows"


def tell_fire(running: LiandongProcess, point: str) -> None:
    host, port = running.mqtt_url.removeprefix("mqtt://").split(":")
    payload = json.dumps({"ts": time.time_ns() // 1_000_000, "code": "fire", "on": True, "point": point})
    paho.mqtt.publish.single(
        f"liandong/v1/xiaohe/fire/{point}/event", payload, qos=1, hostname=host, port=int(port), keepalive=20
    )


def test_the_board_goes_on_by_itself_after_the_program_was_started_again(
    page: Page, liandong_process: StartLiandong, tmp_path: Path
) -> None:
    http_port, mqtt_port = free_port(), free_port()
    settings = {"HTTP_PORT": str(http_port), "MQTT_URL": f"embedded://127.0.0.1:{mqtt_port}"}
    first = liandong_process("up", settings=settings)
    now_ms = time.time_ns() // 1_000_000
    with (
        closing(Database(f"sqlite:///{first.data_dir / 'liandong.sqlite'}")) as database,
        database.writing() as session,
    ):
        person = add_person(session, name="wang", password="a long password", role=Role.ADMIN, now_ms=now_ms)
        open_login(session, person, secret=SECRET, purpose=Purpose.WEB, csrf_token="a token", now_ms=now_ms)
    page.context.add_cookies([{"name": SESSION_COOKIE, "value": SECRET, "url": first.http_url}])
    page.goto(first.http_url)
    connection = page.locator("#connection")
    expect(connection).to_have_attribute("data-state", "live", timeout=15_000)
    tell_fire(first, "before")
    expect(page.locator(".alarm-critical")).to_have_count(1, timeout=15_000)

    first.stop()
    expect(connection).to_contain_text("连接中断", timeout=15_000)
    expect(page.locator(".alarm-critical")).to_have_count(1)

    second = liandong_process("up", settings=settings)
    tell_fire(second, "after")
    expect(page.locator(".alarm-critical")).to_have_count(2, timeout=30_000)
    expect(connection).to_have_attribute("data-state", "live", timeout=15_000)
