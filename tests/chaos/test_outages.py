"""Whatever is away, slow or full for a while: nothing is lost, nothing doubled, and alarms go on where they can."""

import json
import os
import random
import resource
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx

from registry.database import Database
from registry.site import register_site
from tests.chaos.conftest import prepared
from tests.chaos.cutting import cable_to
from tests.chaos.stream import FIRST_MS, VALUES, Count, Flow, Publisher, api, counted, fire, telemetry
from tests.servers.influx import Influx
from tests.servers.liandong import LiandongProcess, StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.waiting import wait_until

RATE_PER_S = 600
OUTAGE_S = float(os.environ.get("LIANDONG_TEST_OUTAGE_S", "0"))
"""For how long the store is away; 0 is as short as shows it, for the tests of every day."""


def nothing_lost(count: Count) -> None:
    assert (count.lost, count.doubled) == (0, 0)
    assert count.accepted >= count.sent


def settings_on(mosquitto: Mosquitto, influx: Influx) -> dict[str, str]:
    bucket = f"chaos-{uuid4().hex[:8]}"
    return {"MQTT_URL": mosquitto.url, "TELEMETRY_URL": influx.settings_url(bucket), "INFLUX_TOKEN": influx.token}


def test_killed_twenty_times_at_random_moments(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    settings = {"MQTT_URL": mosquitto.url}
    rng = random.Random(11)
    running = liandong_process("ingest", settings=settings)
    flow = Flow(mosquitto.port, count=9_000, rate_per_s=400)
    for number in range(20):
        flow.reaches((number + rng.random()) / 21)
        running.kill()
        running = liandong_process("ingest", settings=settings)
    flow.end()
    running.stop()
    with api(liandong_process("up", settings=settings)) as client:
        nothing_lost(counted(client, sent=flow.count))


def test_the_broker_restarts_and_keeps_what_waits(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    running = liandong_process("up", settings={"MQTT_URL": mosquitto.url})
    flow = Flow(mosquitto.port, count=4_000, rate_per_s=RATE_PER_S)
    for share in (0.3, 0.6):
        flow.reaches(share)
        mosquitto.stop()
        mosquitto.start()
    flow.end()
    with api(running) as client:
        nothing_lost(counted(client, sent=flow.count))


def test_the_store_is_away_and_then_slow_and_alarms_go_on(
    liandong_process: StartLiandong, mosquitto: Mosquitto, influx: Influx, data_dir: Path
) -> None:
    settings = settings_on(mosquitto, influx)
    running = liandong_process("up", settings=settings)
    publisher = Publisher(mosquitto.port)
    flow = Flow(mosquitto.port, count=4_000 + int(2 * OUTAGE_S * RATE_PER_S), rate_per_s=RATE_PER_S)
    with api(running) as client:
        flow.reaches(0.2)
        with influx.unreachable():
            back = monotonic() + OUTAGE_S
            publisher.send(*fire(1))
            wait_until(lambda: is_on_fire(client, 1), within_s=20, what="the alarm does not wait for the store")
            flow.reaches(0.5)
            assert client.get("/ledger").json()["values"]["pending"] > 0
            wait_until(lambda: monotonic() >= back, within_s=OUTAGE_S + 1, what="the store comes back")
        with influx.slow(2.0):
            publisher.send(*fire(2))
            wait_until(lambda: is_on_fire(client, 2), within_s=20, what="nor for a slow one")
            flow.reaches(0.8)
        flow.end()
        nothing_lost(counted(client, sent=flow.count))
        publisher.close()


def test_what_the_store_refuses_of_a_batch_costs_nothing_else(
    liandong_process: StartLiandong, mosquitto: Mosquitto, influx: Influx, data_dir: Path
) -> None:
    settings = settings_on(mosquitto, influx)
    running = liandong_process("up", settings=settings)
    # Somebody else has written this field with a text before us.
    bucket = settings["TELEMETRY_URL"].rpartition("bucket=")[2]
    line = f'pump,site=xiaohe,unit=sump-0 rain_mm_h="much" {FIRST_MS}'
    address = f"{influx.url}/api/v2/write?org={influx.org}&bucket={bucket}&precision=ms"
    request = urllib.request.Request(address, data=line.encode(), headers={"Authorization": f"Token {influx.token}"})
    urllib.request.urlopen(request, timeout=10).close()
    publisher = Publisher(mosquitto.port)
    for step in range(300):
        values = {"level_m": 0.5, "flow_m3_h": 1.0} | ({"rain_mm_h": 3.0} if step % 30 == 0 else {})
        topic = "liandong/v1/xiaohe/pump/sump-0/telemetry"
        publisher.send(topic, {"ts": FIRST_MS + 1_000 * step, "values": values})
    publisher.close()
    with api(running) as client:

        def values() -> dict[str, int]:
            told: dict[str, int] = client.get("/ledger").json()["values"]
            return told

        wait_until(lambda: values()["stored"] == 600, within_s=60, what="all but the refused values are stored")
        told = values()
    assert (told["accepted"], told["stored"], told["pending"], told["refused"]) == (610, 600, 10, 10)


def is_on_fire(client: httpx.Client, number: int) -> bool:
    items = client.get("/alarms?state=open&limit=100").json()["items"]
    return any(item["unit"] == f"xiaohe~panel-{number}" for item in items)


def test_a_full_outbox_leaves_messages_at_the_broker_and_says_so(
    liandong_process: StartLiandong, mosquitto: Mosquitto, influx: Influx, data_dir: Path
) -> None:
    settings = settings_on(mosquitto, influx) | {"OUTBOX_MAX_BYTES": "60000"}
    running = liandong_process("up", settings=settings)
    flow = Flow(mosquitto.port, count=6_000, rate_per_s=1_000)
    with api(running) as client:
        with influx.unreachable():
            flow.end()
            wait_until(
                lambda: "the outbox is full" in running.stderr_text(), within_s=60, what="it says that it is full"
            )
            waiting = client.get("/ledger").json()
            assert waiting["values"]["pending"] < flow.count * VALUES
        nothing_lost(counted(client, sent=flow.count))


def test_the_database_restarts_under_load(
    liandong_process: StartLiandong, mosquitto: Mosquitto, influx: Influx
) -> None:
    """The shape of production: ingest and web apart, on PostgreSQL and InfluxDB."""
    server = Postgres()
    try:
        url = server.url_of(server.new_database())
        prepared(url)
        database = Database(url)
        with database.writing() as session:
            register_site(session, key="xiaohe", now_ms=1)
        database.close()
        settings = settings_on(mosquitto, influx) | {"DATABASE_URL": url}
        ingest = liandong_process("ingest", settings=settings)
        web = liandong_process("serve", settings=settings)
        flow = Flow(mosquitto.port, count=3_000, rate_per_s=RATE_PER_S)
        flow.reaches(0.3)
        server.stop()
        flow.reaches(0.6)
        server.start()
        flow.reaches(0.8)
        ingest.kill()
        ingest = liandong_process("ingest", settings=settings)
        flow.end()
        with api(web) as client:
            nothing_lost(counted(client, sent=flow.count))
        ingest.stop()
        web.stop()
    finally:
        server.close()


@contextmanager
def full_disk(running: LiandongProcess) -> Iterator[None]:
    """No file of the process may grow any more, which is how a full disk looks to it."""
    before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)


def test_a_full_disk_stops_the_acknowledgements_and_nothing_else(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    running = liandong_process("up", settings={"MQTT_URL": mosquitto.url})
    flow = Flow(mosquitto.port, count=4_000, rate_per_s=RATE_PER_S)
    with api(running) as client:
        flow.reaches(0.3)
        with full_disk(running):
            flow.reaches(0.7)
            stuck = client.get("/ledger").json()["messages"]["received"]
            assert stuck < flow.sent
        flow.end()
        nothing_lost(counted(client, sent=flow.count))


def test_a_connection_that_is_cut_in_the_middle_of_batches(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    with cable_to(mosquitto.port) as cable:
        running = liandong_process("up", settings={"MQTT_URL": f"mqtt://127.0.0.1:{cable.port}"})
        flow = Flow(mosquitto.port, count=5_000, rate_per_s=1_500)
        for number in range(6):
            flow.reaches((number + 0.5) / 7)
            cable.cut()
        flow.end()
        with api(running) as client:
            nothing_lost(counted(client, sent=flow.count))
        assert cable.connections > 6
        running.stop()


def test_a_gateway_whose_clock_jumps_loses_nothing_and_raises_nothing_twice(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    running = liandong_process("up", settings={"MQTT_URL": mosquitto.url})
    publisher = Publisher(mosquitto.port)
    hours = (0, 6, -5, 12, -20, 0)
    for jump, hour in enumerate(hours):
        for step in range(200):
            ts_ms = FIRST_MS + hour * 3_600_000 + 2_000 * step + jump
            values = {"level_m": 0.5, "flow_m3_h": 1.0, "floor_water_cm": 12.0 if step > 100 else 0.0}
            publisher.send("liandong/v1/xiaohe/pump/sump-0/telemetry", {"ts": ts_ms, "values": values})
    publisher.close()
    with api(running) as client:
        nothing_lost(counted(client, sent=200 * len(hours)))
        alarms = client.get("/alarms?state=open&limit=100").json()["items"]
    wet = [alarm for alarm in alarms if alarm["condition"].startswith("floor_water")]
    assert len(wet) == len({alarm["condition"] for alarm in wet})


def test_one_message_in_a_hundred_is_garbage(
    liandong_process: StartLiandong, mosquitto: Mosquitto, data_dir: Path
) -> None:
    rng = random.Random(3)
    running = liandong_process("up", settings={"MQTT_URL": mosquitto.url})
    publisher = Publisher(mosquitto.port)
    garbage = 0
    for number in range(5_000):
        publisher.send(*telemetry(number))
        if rng.random() < 0.01:
            topic, body = telemetry(number)
            whole = json.dumps(body).encode()
            publisher.send(topic, whole[: rng.randrange(len(whole))] + bytes(rng.randrange(256) for _ in range(5)))
            garbage += 1
    publisher.close()
    with api(running) as client:
        count = counted(client, sent=5_000)
        nothing_lost(count)
        assert client.get("/ledger").json()["messages"]["quarantined"] == garbage
        assert count.received == 5_000 + garbage
