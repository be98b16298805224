"""The ledger balances, and quarantine shows what came without letting it do anything."""

import json

from ingest import ledger, outbox, quarantine
from ingest.errors import Reason
from ingest.quarantine import Quarantined
from ingest.wire import RawMessage
from registry.role import Role
from tests.api.kit import ELSEWHERE, HERE, World, items

KEEPER = (Role.PROPERTY_MANAGER, HERE)
SCRIPT = b"<script>alert(1)</script>\xff\x00"


def quarantined(topic: str, payload: bytes, reason: Reason = Reason.NOT_JSON) -> Quarantined:
    return Quarantined(RawMessage(topic=topic, payload=payload, received_ms=1_700_000_000_000), reason, "byte 1")


def fill(world: World) -> None:
    messages = [
        quarantined(f"liandong/v1/{HERE}/pump/p1/telemetry", SCRIPT),
        quarantined(f"liandong/v1/{ELSEWHERE}/pump/p1/telemetry", b"[]", Reason.WRONG_SHAPE),
        quarantined(f"liandong/v1/{HERE}x/pump/p1/telemetry", b"{}", Reason.UNKNOWN_SITE),
        quarantined("other/$#topic", b"", Reason.BAD_TOPIC),
    ]
    with world.database.writing() as session:
        quarantine.put(session, messages)
        ledger.add_counts(session, {ledger.QUARANTINED: len(messages)})


def test_the_ledger_has_the_shape_of_the_contract_and_balances(world: World) -> None:
    fill(world)
    with world.database.writing() as session:
        ledger.add_counts(session, {ledger.ACCEPTED: 10, ledger.DUPLICATE: 2, ledger.VALUES_ACCEPTED: 60})
        ledger.add_counts(session, {ledger.VALUES_STORED: 54})
        session.add(outbox.OutboxBatch(batch_id="b", created_ms=1, value_count=6, payload=b""))
    told = world.client.get("/api/v1/ledger", headers=world.bearer((Role.TECHNICIAN, HERE))).json()
    assert told["messages"] == {"received": 16, "accepted": 10, "duplicate": 2, "quarantined": 4}
    assert told["values"] == {"accepted": 60, "stored": 54, "pending": 6, "refused": 0, "late": 0, "repeated": 0}


def test_quarantine_tells_reason_and_counts(world: World) -> None:
    fill(world)
    page = world.client.get("/api/v1/quarantine", headers=world.bearer((Role.ADMIN, None))).json()
    assert [row["reason"] for row in page["items"]] == ["bad_topic", "unknown_site", "wrong_shape", "not_json"]
    assert page["counts"] == {"bad_topic": 1, "unknown_site": 1, "wrong_shape": 1, "not_json": 1}
    assert page["items"][-1]["size_bytes"] == len(SCRIPT)
    assert "alert" not in json.dumps(page)


def test_a_keeper_of_one_site_sees_the_messages_that_name_it(world: World) -> None:
    fill(world)
    headers = world.bearer(KEEPER, (Role.OWNER, ELSEWHERE))
    page = world.client.get("/api/v1/quarantine", headers=headers).json()
    assert [row["topic"] for row in page["items"]] == [f"liandong/v1/{HERE}/pump/p1/telemetry"]
    assert page["counts"] == {"not_json": 1}
    everything = items(world.client.get("/api/v1/quarantine", headers=world.bearer((Role.ADMIN, None))))
    for row in everything:
        status = world.client.get(f"/api/v1/quarantine/{row['id']}/payload", headers=headers).status_code
        assert status == (200 if row["topic"] == f"liandong/v1/{HERE}/pump/p1/telemetry" else 404)


def test_payloads_are_saved_and_never_shown(world: World) -> None:
    fill(world)
    headers = world.bearer(KEEPER)
    (row,) = items(world.client.get("/api/v1/quarantine", headers=headers))
    answer = world.client.get(f"/api/v1/quarantine/{row['id']}/payload", headers=headers)
    assert answer.content == SCRIPT
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="quarantine-{row["id"]}.bin"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_pages_of_quarantine_follow_each_other(world: World) -> None:
    fill(world)
    headers = world.bearer((Role.ADMIN, None))
    first = world.client.get("/api/v1/quarantine?limit=3", headers=headers).json()
    second = world.client.get(f"/api/v1/quarantine?limit=3&cursor={first['next']}", headers=headers).json()
    assert (len(first["items"]), len(second["items"]), second["next"]) == (3, 1, None)
