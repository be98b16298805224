"""Messages in quarantine are let go when they were kept long enough, in steps, and never silently."""

import pytest

from ingest import quarantine, quarantine_expiry
from ingest.errors import Reason
from ingest.quarantine import Quarantined
from ingest.quarantine_expiry import DAY_MS, LOOK_EVERY_MS, QuarantineExpiry
from ingest.wire import RawMessage
from registry import activity
from registry.database import Database

NOW_MS = 1_795_000_000_000


def keep(database: Database, *, age_days: float, count: int = 1) -> None:
    with database.writing() as session:
        for number in range(count):
            message = RawMessage("liandong/v1/x/pump/p/telemetry", bytes([number]), NOW_MS - round(age_days * DAY_MS))
            quarantine.put(session, [Quarantined(message, Reason.NOT_JSON, "")])


def kept(database: Database) -> int:
    with database.reading() as session:
        return len(quarantine.newest(session, limit=1000))


def test_only_what_is_old_goes_and_it_is_written_down(database: Database) -> None:
    keep(database, age_days=91, count=3)
    keep(database, age_days=89, count=2)
    assert QuarantineExpiry(database, days=90, clock=lambda: NOW_MS).tick() == 3
    assert kept(database) == 2
    with database.reading() as session:
        told = activity.after(session, 0)[-1]
        assert (told.verb, told.data["messages"]) == ("quarantine.let_go", 3)


def test_it_looks_once_an_hour_and_goes_on_while_there_is_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine_expiry, "STEP", 2)
    now_ms = NOW_MS
    expiry = QuarantineExpiry(database, days=90, clock=lambda: now_ms)
    keep(database, age_days=100, count=5)
    assert [expiry.tick() for _ in range(4)] == [2, 2, 1, 0]
    keep(database, age_days=100)
    assert expiry.tick() == 0
    now_ms += LOOK_EVERY_MS
    assert expiry.tick() == 1


def test_no_days_is_for_ever(database: Database) -> None:
    keep(database, age_days=4000)
    assert QuarantineExpiry(database, days=0, clock=lambda: NOW_MS).tick() == 0
    assert kept(database) == 1
