"""What somebody asked for again is taken as if it came just now, by the worker whose lane it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import quarantine
from ingest.asked_replays import AskedReplays
from ingest.errors import Reason
from ingest.lane import Lane
from models.equipment import Kind
from models.reading import UnitKey
from registry.database import Database
from registry.site import add_site
from tests.ingest.line import T0_MS, Line, at_ms, raw, reading

PUMP = UnitKey("later", Kind.PUMP, "p1")


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    """Its sites must be known."""
    line = Line(database, tmp_path / "telemetry.duckdb", registers_unknown_sites=False)
    yield line
    line.close()


def replays(line: Line, lane: Lane | None = None) -> AskedReplays:
    return AskedReplays(line.database, line.pipeline, lane=lane or Lane(), clock=lambda: at_ms(line.second))


def ask(line: Line) -> int:
    with line.database.writing() as session:
        return quarantine.ask_replay(session, by="manager", now_ms=T0_MS)


def test_a_message_of_a_site_that_was_added_since_is_stored(line: Line) -> None:
    line.take(reading(PUMP, 1, level_m=0.8), reading(PUMP, 2, level_m=0.9))
    assert line.ledger().quarantined == 2
    assert replays(line).tick() == 0
    with line.database.writing() as session:
        add_site(session, key="later", now_ms=T0_MS)
    assert ask(line) == 2
    assert replays(line).tick() == 2
    assert replays(line).tick() == 0
    line.settle()
    book = line.ledger()
    assert (book.received, book.accepted, book.quarantined, book.values_stored) == (4, 2, 2, 2)
    with line.database.reading() as session:
        assert quarantine.waiting(session) == []


def test_what_still_cannot_be_read_waits_again_with_the_reason_of_today(line: Line) -> None:
    line.take(raw("liandong/v1/x/pump/p/telemetry", b"{"))
    ask(line)
    assert replays(line).tick() == 1
    assert ask(line) == 1
    with line.database.reading() as session:
        [waiting] = quarantine.waiting(session)
        assert (waiting.id, waiting.reason) == (2, Reason.NOT_JSON.value)
    assert line.ledger().quarantined == 2


def test_a_message_of_another_lane_is_left_to_its_worker(line: Line) -> None:
    line.take(raw("liandong/v1/x/pump/p/telemetry", b"{"))
    ask(line)
    first, second = Lane(1, 2), Lane(2, 2)
    ours, theirs = (first, second) if first.has_topic("liandong/v1/x/pump/p/telemetry") else (second, first)
    assert replays(line, theirs).tick() == 0
    assert replays(line, ours).tick() == 1


def test_while_the_database_is_away_the_wish_waits(line: Line) -> None:
    line.take(raw("liandong/v1/x/pump/p/telemetry", b"{"))
    ask(line)
    line.database.is_away = True
    assert replays(line).tick() == 0
    line.database.is_away = False
    assert replays(line).tick() == 1
