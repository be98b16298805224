"""Killed in the middle of a stream, the service loses nothing and doubles nothing: real Mosquitto, real processes."""

import json
import random
from pathlib import Path

import duckdb
import pytest

from tests.chaos.stream import FIRST_MS, VALUES, Publisher, api, fire, telemetry
from tests.servers.liandong import StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

MESSAGES = 20_000


def stored_values(data_dir: Path) -> tuple[int, int]:
    """(values, distinct values) in the store of a stopped service."""
    with duckdb.connect(str(data_dir / "telemetry.duckdb"), read_only=True) as store:
        row = store.execute("SELECT count(*), count(DISTINCT (series, ts_ms)) FROM reading").fetchone()
    assert row is not None
    return row[0], row[1]


def test_killed_three_times_in_twenty_thousand_messages_nothing_is_lost_and_nothing_doubled(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    settings = {"MQTT_URL": mosquitto.url}
    rng = random.Random(7)
    kills = sorted(rng.sample(range(2_000, MESSAGES - 2_000), 3))
    running = liandong_process("up", settings=settings)
    publisher = Publisher(mosquitto.port)
    for number in range(MESSAGES):
        publisher.send(*telemetry(number))
        if number % 1_000 == 0:
            publisher.send(*fire(number // 1_000))
        if number in kills:
            running.kill()
            running = liandong_process("up", settings=settings)
    publisher.close()
    with api(running) as client:
        wait_until(
            lambda: client.get("/ledger").json()["values"]["stored"] >= MESSAGES * VALUES,
            within_s=90,
            what="everything that was sent is stored",
        )
        ledger = client.get("/ledger").json()
        alarms = [a for a in client.get("/alarms?state=open&limit=100").json()["items"] if a["condition"] == "fire"]
        tickets = client.get("/tickets?stage=open&limit=100").json()["items"]
    messages, values = ledger["messages"], ledger["values"]
    assert messages["received"] == messages["accepted"] + messages["duplicate"] + messages["quarantined"]
    assert (messages["accepted"], messages["quarantined"]) == (MESSAGES + MESSAGES // 1_000, 0)
    assert (values["accepted"], values["stored"], values["pending"]) == (MESSAGES * VALUES, MESSAGES * VALUES, 0)
    assert sorted(alarm["unit"] for alarm in alarms) == sorted(f"xiaohe~panel-{n}" for n in range(20))
    assert all(alarm["occurrences"] == 1 for alarm in alarms)
    assert len({alarm["ticket_id"] for alarm in alarms}) == 20
    assert len([ticket for ticket in tickets if "panel" in ticket["unit"]]) == 20
    running.stop()
    assert stored_values(data_dir) == (MESSAGES * VALUES, MESSAGES * VALUES)


@pytest.mark.parametrize("broker", ["embedded", "mosquitto"])
def test_twenty_deliveries_of_one_event_are_one_alarm_and_one_ticket(
    broker: str, liandong_process: StartLiandong, data_dir: Path, request: pytest.FixtureRequest
) -> None:
    settings = {"MQTT_URL": request.getfixturevalue("mosquitto").url} if broker == "mosquitto" else {}
    running = liandong_process("up", settings=settings)
    publisher = Publisher(int(running.mqtt_url.rpartition(":")[2]))
    for _ in range(20):
        publisher.send(*fire(1))
    publisher.close()
    with api(running) as client:
        wait_until(
            lambda: client.get("/ledger").json()["messages"]["received"] == 20, within_s=30, what="all have arrived"
        )
        messages = client.get("/ledger").json()["messages"]
        alarms, tickets = client.get("/alarms").json()["items"], client.get("/tickets").json()["items"]
    assert (messages["accepted"], messages["duplicate"]) == (1, 19)
    assert [(alarm["condition"], alarm["occurrences"]) for alarm in alarms] == [("fire", 1)]
    assert [ticket["id"] for ticket in tickets] == [alarms[0]["ticket_id"]]


BAD = {
    "not_json": ("liandong/v1/xiaohe/pump/p/telemetry", b"{"),
    "not_utf8": ("liandong/v1/xiaohe/pump/p/telemetry", b"\xff\xfe{}"),
    "too_many_readings": (
        "liandong/v1/xiaohe/pump/p/telemetry",
        json.dumps([{"ts": FIRST_MS + n, "values": {"a": 1}} for n in range(5_000)]).encode(),
    ),
    "too_large": ("liandong/v1/xiaohe/pump/p/telemetry", b"x" * 1_000_000),
    "wrong_shape": ("liandong/v1/xiaohe/pump/p/telemetry", b'{"ts": 1760000000000, "values": {"level_m": "high"}}'),
    "time_in_future": ("liandong/v1/xiaohe/pump/p/telemetry", b'{"ts": 9999999999999, "values": {"level_m": 1}}'),
    "time_too_early": ("liandong/v1/xiaohe/pump/p/telemetry", b'{"ts": 12, "values": {"level_m": 1}}'),
    "unknown_kind": ("liandong/v1/xiaohe/toaster/p/telemetry", b"{}"),
    "unknown_channel": ("liandong/v1/xiaohe/pump/p/gossip", b"{}"),
    "bad_topic": ("liandong/v1/小河/pump/p q/telemetry", b"{}"),
    "unknown_event_code": ("liandong/v1/xiaohe/fire/p2/event", b'{"ts": 1760000000000, "code": "boo", "on": true}'),
}


def test_bad_input_is_kept_with_its_reason_and_the_stream_goes_on(
    liandong_process: StartLiandong, data_dir: Path
) -> None:
    running = liandong_process("up")
    publisher = Publisher(int(running.mqtt_url.rpartition(":")[2]))
    for topic, payload in BAD.values():
        publisher.send(topic, payload)
    publisher.send(*telemetry(0))
    publisher.close()
    with api(running) as client:
        wait_until(
            lambda: client.get("/ledger").json()["messages"]["received"] == len(BAD) + 1,
            within_s=30,
            what="all have arrived",
        )
        ledger = client.get("/ledger").json()
        kept = client.get("/quarantine?limit=100").json()["items"]
    assert (ledger["messages"]["accepted"], ledger["messages"]["quarantined"]) == (1, len(BAD))
    assert sorted(item["reason"] for item in kept) == sorted(BAD)
