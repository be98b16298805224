"""A recorded pump run, from the file to the page: the whole program, its broker, and a real browser.

One recording is made here; others are replayed when a folder with the public test-bed runs lies beside the project or
is named by LIANDONG_TEST_DATA.
"""

import csv
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from registry.database import Database
from registry.person import add_person
from registry.role import Role
from tests.servers.liandong import ROOT, LiandongProcess, StartLiandong
from tests.waiting import wait_until

NAME, PASSWORD = "mei", "a long password"
FAULTY, FAULT_BEGINS, FAULT_ENDS, ROWS = "outlet flow", 620, 900, 1100
DATA = Path(os.environ.get("LIANDONG_TEST_DATA", ROOT.parent / "shared" / "data"))
RECORDED = sorted((DATA / "skab" / "valve1").glob("[3457].csv"))[:2]


def made_recording(path: Path) -> Path:
    """A test bed at 1 Hz: one load drives pressure, current and flow; then a valve is half closed for a while."""
    rng = np.random.default_rng(20)
    load = np.convolve(rng.normal(size=ROWS + 59), np.ones(60) / 60, mode="valid")
    flow = 30 + 2.0 * load + rng.normal(0, 0.15, ROWS)
    flow[FAULT_BEGINS:FAULT_ENDS] -= 4.0
    columns = {
        "inlet pressure": 0.40 + 0.03 * load + rng.normal(0, 0.003, ROWS),
        "motor current": 9.5 + 0.8 * load + rng.normal(0, 0.06, ROWS),
        FAULTY: flow,
        "bearing temperature": 61 + np.cumsum(rng.normal(0, 0.004, ROWS)),
    }
    begin = datetime(2025, 5, 20, 9, 0, 0)  # noqa: DTZ001  the file says local time, as test beds do
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["time", *columns, "anomaly"])
        for row in range(ROWS):
            is_faulty = int(FAULT_BEGINS <= row < FAULT_ENDS)
            moment = begin + timedelta(seconds=row)
            writer.writerow([moment.isoformat(" "), *(f"{c[row]:.4f}" for c in columns.values()), is_faulty])
    return path


@pytest.fixture
def running(liandong_process: StartLiandong, tmp_path: Path) -> LiandongProcess:
    data_dir = tmp_path / "var"
    data_dir.mkdir()
    database = Database(f"sqlite:///{data_dir / 'liandong.sqlite'}")
    database.migrate()
    with database.writing() as session:
        add_person(session, name=NAME, password=PASSWORD, role=Role.PROPERTY_MANAGER, now_ms=1)
    database.close()
    return liandong_process("up")


def replay(recording: Path, running: LiandongProcess, *, ignore: str) -> None:
    words = ["replay", str(recording), "--site", "test-bed", "--kind", "pump", "--unit", "pump-1", "--speed", "0"]
    words += ["--ignore", ignore, "--broker", running.mqtt_url]
    done = subprocess.run(
        [sys.executable, "-m", "api.command_line", *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def api(running: LiandongProcess) -> httpx.Client:
    base = f"{running.http_url}/api/v1"
    token = httpx.post(f"{base}/token", data={"username": NAME, "password": PASSWORD}).json()["access_token"]
    return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"})


def sign_in(page: Page, running: LiandongProcess) -> None:
    page.goto(f"{running.http_url}/sign-in")
    page.locator("input[autocomplete=username]").fill(NAME)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_be_visible()


def test_a_recorded_fault_becomes_one_ticket_and_a_marked_stretch_with_its_sensor(
    page: Page, running: LiandongProcess, tmp_path: Path
) -> None:
    replay(made_recording(tmp_path / "recording.csv"), running, ignore="anomaly")
    with api(running) as client:
        wait_until(
            lambda: client.get("/ledger").json()["values"]["stored"] == 4 * ROWS,
            within_s=60,
            what="all values of the recording are stored",
        )
        alarms = client.get("/alarms").json()["items"]
        assert [(alarm["unit"], alarm["condition"]) for alarm in alarms] == [("test-bed~pump-1", "anomaly")]
        begin = datetime.fromisoformat("2025-05-20T09:00:00+08:00")
        raised_at = (datetime.fromisoformat(alarms[0]["raised_at"]) - begin).total_seconds()
        assert FAULT_BEGINS <= raised_at < FAULT_BEGINS + 120
        assert alarms[0]["evidence"]["contributions"][0][0] == FAULTY
        tickets = client.get("/tickets?stage=open").json()["items"]
        assert [ticket["id"] for ticket in tickets] == [alarms[0]["ticket_id"]]
    sign_in(page, running)
    page.goto(f"{running.http_url}/units/test-bed~pump-1")
    expect(page.locator("main")).to_contain_text(FAULTY)
    expect(page.locator("main")).to_contain_text("表现异于往常")
    chart = page.locator("main svg, main img[src*=chart]").first
    expect(chart).to_be_visible()
    if os.environ.get("LIANDONG_TEST_SCREENSHOTS"):
        page.screenshot(path=ROOT / "docs" / "screenshot-unit.png", full_page=True)


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_public_test_bed_run_becomes_one_open_ticket(page: Page, running: LiandongProcess, recording: Path) -> None:
    replay(recording, running, ignore="anomaly,changepoint")
    with api(running) as client:
        rows = len(recording.read_text().splitlines()) - 1
        wait_until(
            lambda: client.get("/ledger").json()["values"]["stored"] == 8 * rows,
            within_s=60,
            what="all values of the recording are stored",
        )
        alarms = client.get("/alarms").json()["items"]
        assert {alarm["condition"] for alarm in alarms} == {"anomaly"}
        sensor = alarms[0]["evidence"]["contributions"][0][0]
        assert len(client.get("/tickets?stage=open").json()["items"]) == 1
    sign_in(page, running)
    page.goto(f"{running.http_url}/units/test-bed~pump-1")
    expect(page.locator("main")).to_contain_text(sensor)
    expect(page.locator("main svg, main img[src*=chart]").first).to_be_visible()
