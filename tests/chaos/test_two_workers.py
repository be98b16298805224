"""Two ingest workers on one broker, one database, one store: each reading once, each incident once, also under kill."""

from uuid import uuid4

import pytest

from registry.database import Database
from registry.site import register_site
from tests.chaos.conftest import prepared
from tests.chaos.stream import FIRST_MS, Publisher, api, counted
from tests.servers.influx import Influx
from tests.servers.liandong import StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

SITES = [f"site-{number}" for number in range(6)]
MESSAGES = 3_000


@pytest.fixture
def settings(database_url: str, mosquitto: Mosquitto, influx: Influx) -> dict[str, str]:
    prepared(database_url)
    database = Database(database_url)
    with database.writing() as session:
        for site in SITES:
            register_site(session, key=site, now_ms=1)
    database.close()
    return {
        "DATABASE_URL": database_url,
        "MQTT_URL": mosquitto.url,
        "TELEMETRY_URL": influx.settings_url(f"chaos-{uuid4().hex[:8]}"),
        "INFLUX_TOKEN": influx.token,
    }


def test_two_lanes_share_the_work_and_double_nothing(
    liandong_process: StartLiandong, mosquitto: Mosquitto, settings: dict[str, str]
) -> None:
    lanes = [settings | {"MQTT_CLIENT_ID": f"ingest-{number}", "INGEST_LANE": f"{number}/2"} for number in (1, 2)]
    workers = [liandong_process("ingest", settings=lane) for lane in lanes]
    web = liandong_process("serve", settings=settings)
    publisher = Publisher(mosquitto.port)
    for number in range(MESSAGES):
        site, step = SITES[number % len(SITES)], number // len(SITES)
        values = {"level_m": 0.5, "flow_m3_h": step % 11, "floor_water_cm": 0}
        publisher.send(f"liandong/v1/{site}/pump/p1/telemetry", {"ts": FIRST_MS + 1000 * step, "values": values})
        if number == MESSAGES // 2:
            workers[0].kill()
            workers[0] = liandong_process("ingest", settings=lanes[0])
    for site in SITES:
        body = {"ts": FIRST_MS, "code": "fire", "on": True, "point": "1-1"}
        publisher.send(f"liandong/v1/{site}/fire/panel/event", body)
    publisher.close()
    with api(web) as client:
        count = counted(client, sent=MESSAGES, events=len(SITES))
        assert (count.lost, count.doubled, count.accepted) == (0, 0, MESSAGES + len(SITES))
        alarms = client.get("/alarms?state=open&limit=100").json()["items"]
        fires = [alarm for alarm in alarms if alarm["condition"] == "fire"]
        assert sorted(alarm["site"] for alarm in fires) == SITES
        assert all(alarm["occurrences"] == 1 for alarm in fires)


def test_two_workers_that_both_hear_everything_still_make_one_alarm_and_one_ticket(
    liandong_process: StartLiandong, mosquitto: Mosquitto, settings: dict[str, str]
) -> None:
    """As when somebody starts a second worker without giving it a lane: they race for each incident."""
    for number in (1, 2):
        liandong_process("ingest", settings=settings | {"MQTT_CLIENT_ID": f"ingest-{number}"})
    web = liandong_process("serve", settings=settings)
    publisher = Publisher(mosquitto.port)
    for number in range(40):
        body = {"ts": FIRST_MS + number, "code": "fire", "on": True, "point": "1-1"}
        publisher.send(f"liandong/v1/{SITES[0]}/fire/panel-{number}/event", body)
    publisher.close()
    with api(web) as client:
        wait_until(
            lambda: client.get("/ledger").json()["messages"]["received"] == 80, within_s=60, what="both heard all"
        )
        alarms = client.get("/alarms?state=open&limit=200").json()["items"]
        tickets = client.get("/tickets?stage=open&limit=200").json()["items"]
        messages = client.get("/ledger").json()["messages"]
    assert sorted(alarm["unit"] for alarm in alarms) == sorted(f"{SITES[0]}~panel-{n}" for n in range(40))
    assert len({alarm["ticket_id"] for alarm in alarms}) == len(tickets) == 40
    assert messages["accepted"] + messages["duplicate"] == 80
