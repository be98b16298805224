from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from api.settings import Settings
from ingest import ledger, quarantine, refused, unknown_metric
from ingest.errors import Reason
from ingest.quarantine import Quarantined
from ingest.stores.contract import Refusal
from ingest.traffic import TrafficMeter
from ingest.wire import RawMessage
from models.reading import ReadingBlock
from registry import activity
from registry.role import Role
from registry.unit import get_unit, set_status
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, NOON_MS, PUMP, World
from tests.api.pages.conftest import Browser
from tests.api.test_operations import metric


def keep(world: World, payload: bytes, reason: Reason = Reason.NOT_JSON, *, site: str = HERE) -> None:
    message = RawMessage(f"liandong/v1/{site}/pump/p1/telemetry", payload, NOON_MS)
    with world.database.writing() as session:
        quarantine.put(session, [Quarantined(message, reason, "what was wrong")])


def test_the_ledger_is_told_in_words(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        counts = {ledger.ACCEPTED: 1200, ledger.DUPLICATE: 3, ledger.QUARANTINED: 2}
        ledger.add_counts(session, {**counts, ledger.VALUES_ACCEPTED: 7200, ledger.VALUES_STORED: 7200})
        ledger.add_counts(session, {}, received_ms=NOON_MS - 2_000)
    text = admin.get("/data-quality").text
    assert "Of 1,205 messages received, 1,200 were accepted, 3 had been delivered before, and 2 could not" in text
    assert "The ledger balances: nothing was lost." in text
    assert "the last 2 seconds ago" in text


def test_a_ledger_that_does_not_balance_is_told(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        ledger.add_counts(session, {ledger.VALUES_ACCEPTED: 5})
    assert "The ledger does not balance: tell the operator." in admin.get("/data-quality").text


def test_a_kept_message_is_shown_with_reason_and_beginning(world: World, admin: Browser) -> None:
    keep(world, b'{"ts": oops' + b"x" * 1000)
    text = admin.get("/data-quality").text
    for words in (
        "The text is not JSON not_json 1",
        "liandong/v1/xiaohe/pump/p1/telemetry",
        '{"ts": oops',
        "1,011 bytes",
        "…",
    ):
        assert words in text


def test_values_that_the_store_refuses_are_told_to_those_who_see_their_site(
    world: World, admin: Browser, browser_of: Callable[..., Browser]
) -> None:
    block = ReadingBlock(
        PUMP.kind, ("level_m",), (PUMP,), np.zeros(2, np.int64), np.array([NOON_MS, NOON_MS + 1]), np.ones((2, 1))
    )
    with world.database.writing() as session:
        refused.put(session, [Refusal("points beyond retention policy", block)], now_ms=NOON_MS)
        ledger.add_counts(session, {ledger.VALUES_ACCEPTED: 2})
    text = admin.get("/data-quality").text
    for words in ("points beyond retention policy", f"2 values of {HERE}/{PUMP.unit} (level_m)", "ledger balances"):
        assert words in text
    far = browser_of((Role.PROPERTY_MANAGER, ELSEWHERE))
    assert "beyond retention" not in far.get("/data-quality").text


def test_nothing_in_a_kept_message_can_hide_or_act(world: World, admin: Browser) -> None:
    keep(world, "<script>alert(1)</script>\x00\x1b[31m\u202eevil\r\n".encode() + b"\xff\xfe")
    page = admin.get("/data-quality")
    assert "<script>alert(1)</script>\\x00\\x1b[31m\\u202eevil\\r\\n\\xff\\xfe" in page.text
    assert "<script>alert" not in page.html


def test_every_reason_has_its_words(world: World, admin: Browser) -> None:
    for number, reason in enumerate(Reason):
        keep(world, str(number).encode(), reason)
    assert admin.get("/data-quality").status == 200


def test_older_messages_are_a_page_away(world: World, admin: Browser) -> None:
    for number in range(30):
        keep(world, f"message {number:02}".encode())
    first = admin.get("/data-quality")
    second = admin.get(next(target for target in first.targets() if "before=" in target))
    assert ("message 29" in first.text, "message 29" in second.text) == (True, False)
    assert ("message 00" in first.text, "message 00" in second.text) == (False, True)


def test_messages_are_found_by_reason_and_topic(world: World, admin: Browser) -> None:
    keep(world, b"apple", Reason.NOT_JSON)
    keep(world, b"pear", Reason.TIME_IN_FUTURE, site=ELSEWHERE)
    by_reason = admin.get("/data-quality?reason=time_in_future").text
    assert ("apple" in by_reason, "pear" in by_reason) == (False, True)
    by_topic = admin.get(f"/data-quality?topic={HERE}/pump").text
    assert ("apple" in by_topic, "pear" in by_topic) == (True, False)
    assert "Nothing in quarantine fits." in admin.get("/data-quality?topic=100%25_nowhere").text


def test_a_message_is_discarded_with_a_reason_that_is_kept(world: World, browser_of: Callable[..., Browser]) -> None:
    keep(world, b"rubbish")
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    assert "Take it again" in manager.get("/data-quality").text
    silent = manager.post("/data-quality/messages/1/discard", because=" ")
    assert silent.status == 422
    assert "Say why nobody needs this message." in silent.text
    manager.post("/data-quality/messages/1/discard", because="a test of <the> installer")
    page = manager.get("/data-quality")
    assert "discarded a test of <the> installer" in page.text
    assert "Take it again" not in page.text
    with world.database.reading() as session:
        assert quarantine.count_by_reason(session) == {}
        assert quarantine.waiting(session) == []
        told = activity.after(session, 0)[-1]
        assert (told.verb, told.data["because"]) == ("quarantine.discarded", "a test of <the> installer")


def test_a_message_of_another_compound_is_not_there_to_be_discarded(
    world: World, browser_of: Callable[..., Browser]
) -> None:
    keep(world, b"theirs", site=ELSEWHERE)
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    assert manager.post("/data-quality/messages/1/discard", because="x").status == 404
    assert manager.post(f"/data-quality/messages/{2**70}/discard", because="x").status == 404


def test_messages_are_asked_for_again_one_by_one_or_by_reason(world: World, browser_of: Callable[..., Browser]) -> None:
    for number in range(3):
        keep(world, f"message {number}".encode())
    keep(world, b"theirs", site=ELSEWHERE)
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    manager.post("/data-quality/messages/1/replay")
    assert manager.get("/data-quality").text.count("asked for again") == 1
    manager.post("/data-quality/replay", reason=Reason.NOT_JSON.value)
    with world.database.reading() as session:
        assert [message_id for message_id, _ in quarantine.asked_again(session, limit=10)] == [1, 2, 3]
        told = [row.data["messages"] for row in activity.after(session, 0) if row.verb == "quarantine.replay_asked"]
    assert told == [1, 2]
    assert manager.post("/data-quality/messages/4/replay").status == 404
    assert browser_of((Role.COMMUNITY_OFFICER, HERE)).post("/data-quality/messages/2/replay").status == 403


def test_offline_units_and_unknown_metrics_are_named(world: World, admin: Browser) -> None:
    with world.database.writing() as session:
        unit = get_unit(session, PUMP.path)
        set_status(session, unit.id, is_online=False, ts_ms=NOON_MS - 3_600_000)
        unknown_metric.put(session, [(unit.id, "<b>Volume Flow</b>")], now_ms=NOON_MS)
    page = admin.get("/data-quality")
    assert "Offline units 1 p1 Xiaohe Garden · since 11:00:00 (1 hour ago)" in page.text
    assert "<b>Volume Flow</b> · p1" in page.text
    assert "<b>Volume" not in page.html


def test_people_see_the_data_of_their_compounds_only(world: World, browser_of: Callable[..., Browser]) -> None:
    keep(world, b"far away", site=ELSEWHERE)
    keep(world, b"at home")
    with world.database.writing() as session:
        far = get_unit(session, FAR_PUMP.path)
        set_status(session, far.id, is_online=False, ts_ms=NOON_MS)
        unknown_metric.put(session, [(far.id, "strange")], now_ms=NOON_MS)
    text = browser_of((Role.PROPERTY_MANAGER, HERE)).get("/data-quality").text
    assert "at home" in text
    assert "far away" not in text
    assert "Offline units 0" in text
    assert "Unknown metrics 0" in text


def send(world: World, site: str, messages: int) -> None:
    """In the last whole minute."""
    meter = TrafficMeter(world.database, messages_per_s=1000)
    meter.note([RawMessage(f"liandong/v1/{site}/pump/p1/telemetry", b"{}", NOON_MS)] * messages)
    meter.flush(world.clock() - 60_000)


def test_a_compound_that_floods_the_door_is_named(world: World, admin: Browser) -> None:
    assert "Nothing was sent yet." in admin.get("/data-quality").text
    for site, messages in ((HERE, 60), (ELSEWHERE, 6060), ("made-up", 30)):
        send(world, site, messages)
    text = admin.get("/data-quality").text
    assert "Ping'an Ju more than expected 101.0 6,060" in text
    assert "Xiaohe Garden 1.0 60" in text
    assert "no compound that is registered 0.5 30" in text
    assert metric(world.client.get("/metrics").text, "liandong_sites_over_rate") == 1


def test_people_see_what_their_own_compounds_send(world: World, browser_of: Callable[..., Browser]) -> None:
    for site in (HERE, ELSEWHERE, "made-up"):
        send(world, site, 60)
    text = browser_of((Role.PROPERTY_MANAGER, HERE)).get("/data-quality").text
    assert "Xiaohe Garden 1.0 60" in text
    assert "Ping'an Ju" not in text
    assert "no compound that is registered" not in text


def test_it_is_not_for_everybody(browser_of: Callable[..., Browser]) -> None:
    technician = browser_of((Role.TECHNICIAN, HERE))
    page = technician.get("/data-quality")
    assert page.status == 403
    assert "This is not for your role" in page.text
    assert "/data-quality" not in technician.get("/").targets()


def test_a_broken_mapping_file_is_told_until_it_is_mended(
    settings: Settings, admin: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text("[[rule]\n")
    monkeypatch.setattr(settings, "mapping_file", file)
    assert (
        "The mapping file cannot be read, and the rules before stay in force: line 1" in admin.get("/data-quality").text
    )
    file.write_text("")
    assert "mapping file" not in admin.get("/data-quality").text
