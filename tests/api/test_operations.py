"""Alive, ready, measured: for those who run the program, without login."""

import re

from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import Settings
from ingest import ledger
from registry.database import Database
from registry.role import Role
from tests.api.kit import BASE_URL, LIFT, PUMP, World, resources_of
from tests.servers.child import free_port


def test_the_program_is_alive_and_ready(world: World) -> None:
    assert world.client.get("/healthz").json() == {"status": "alive"}
    ready = world.client.get("/readyz")
    assert (ready.status_code, ready.json()["failed"]) == (200, [])


def test_what_does_not_answer_is_named(world: World, settings: Settings) -> None:
    gone = Database(f"postgresql+psycopg://nobody:secret@127.0.0.1:{free_port()}/nothing")
    held = resources_of(gone, world.store, world.clock, settings=settings, broker_is_connected=lambda: False)
    with TestClient(create_app(held), base_url=BASE_URL) as client:
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["failed"]) == (503, ["database", "broker"])
        assert "secret" not in ready.text
        assert client.get("/healthz").status_code == 200
        assert metric(client.get("/metrics").text, "liandong_database_up") == 0
        refused = client.get("/api/v1/me", headers={"Authorization": "Bearer x"})
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:liandong:problem:database-unavailable")
        assert "secret" not in refused.text
        assert "127.0.0.1" not in refused.text
    gone.close()


def metric(text: str, name: str) -> float | None:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def test_measures_tell_ledger_alarms_and_times(world: World) -> None:
    with world.database.writing() as session:
        ledger.add_counts(session, {ledger.ACCEPTED: 10, ledger.DUPLICATE: 2, ledger.VALUES_ACCEPTED: 60})
    world.signal(PUMP, "dry_run")
    world.signal(LIFT, "entrapment")
    world.client.get(f"/api/v1/units/{PUMP.path}", headers=world.bearer((Role.OWNER, None)))
    answer = world.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    expected = {
        'liandong_messages_total{outcome="accepted"}': 10,
        'liandong_messages_total{outcome="duplicate"}': 2,
        'liandong_messages_total{outcome="quarantined"}': 0,
        "liandong_values_accepted_total": 60,
        "liandong_values_pending": 0,
        'liandong_open_alarms{severity="critical"}': 1,
        'liandong_open_alarms{severity="major"}': 1,
        'liandong_open_alarms{severity="minor"}': 0,
        "liandong_activity_streams": 0,
        "liandong_database_up": 1,
        'liandong_http_request_duration_seconds_count{method="GET",route="/api/v1/units/{unit}",status="200"}': 1,
    }
    assert {name: metric(answer.text, name) for name in expected} == expected


def test_addresses_made_up_by_strangers_make_no_measures(world: World) -> None:
    for number in range(20):
        world.client.request("BREW", f"/made-up-{number}")
        world.client.get(f"/api/v1/units/made~up-{number}")
    text = world.client.get("/metrics").text
    assert "made-up" not in text
    assert "made~up" not in text
    assert "BREW" not in text
