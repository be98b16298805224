"""Looking at quarantined messages from the command line, and putting them aside."""

from pathlib import Path

import pytest

from api.commands import quarantine as commands
from api.settings import Settings
from ingest import quarantine
from ingest.errors import Reason
from ingest.quarantine import Quarantined
from ingest.wire import RawMessage
from registry.database import Database


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.resolved_database_url)
    database.migrate()
    with database.writing() as session:
        for topic, payload, reason in (
            ("liandong/v1/here/pump/p1/telemetry", b"{half", Reason.NOT_JSON),
            ("liandong/v1/there/pump/p1/telemetry", b"\xff\x00\x01", Reason.NOT_UTF8),
        ):
            quarantine.put(session, [Quarantined(RawMessage(topic, payload, 1_795_000_000_000), reason, "byte 0")])
    database.close()
    return settings


def test_the_list_is_narrowed_by_reason_and_site(settings: Settings) -> None:
    def ids(**options: str | None) -> list[str]:
        return [row[0] for row in commands.newest(settings, most=10, **({"reason": None, "site": None} | options))]

    assert ids() == ["2", "1"]
    assert ids(reason="not_json") == ["1"]
    assert ids(site="there") == ["2"]
    with pytest.raises(commands.NothingToDo, match="no reason is called"):
        ids(reason="bad_luck")


def test_one_message_is_shown_with_its_bytes(settings: Settings) -> None:
    assert commands.show(settings, 1).endswith("{half")
    assert commands.show(settings, 2).endswith("ff00 01") or "ff" in commands.show(settings, 2)
    with pytest.raises(commands.NothingToDo, match="no message 3"):
        commands.show(settings, 3)


def test_discarding_needs_a_reason_and_is_all_or_nothing(settings: Settings) -> None:
    with pytest.raises(commands.NothingToDo, match="say why"):
        commands.discard(settings, [1], because=" ")
    with pytest.raises(commands.NothingToDo, match="nothing was changed"):
        commands.discard(settings, [1, 7], because="old")
    assert commands.discard(settings, [1, 2], because="old") == 2
    assert commands.discard(settings, [1], because="again") == 0
    assert "discarded" in commands.show(settings, 1)
