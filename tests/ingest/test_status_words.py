"""Status words of fire components become events, each once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import event_log
from models.event_codes import STATUS_BITS, states_in, status_point
from registry.database import Database
from tests.ingest.line import FIRE, Line, again, event, reading

FIRE_BIT, FAULT_BIT, NORMAL = 2, 4, 1


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Iterator[Line]:
    line = Line(database, tmp_path / "telemetry.duckdb")
    yield line
    line.close()


def words(line: Line) -> list[tuple[str, str, bool]]:
    """(point, code, on) of everything told, oldest first."""
    with line.database.reading() as session:
        rows = event_log.of_unit(session, line.pipeline._directory.load()[FIRE])
        return [(row.point, row.code, row.is_on) for row in reversed(rows)]


def test_every_bit_has_its_word() -> None:
    assert [states_in(1 << bit) for bit in STATUS_BITS] == [{code} for code in STATUS_BITS.values()]
    assert states_in(NORMAL) == set()


def test_only_a_status_word_has_a_point() -> None:
    assert [
        status_point(m) for m in ("component_status", "component_status.3-12", "component_statusx", "battery_v")
    ] == [
        "",
        "3-12",
        None,
        None,
    ]


def test_a_bit_that_rises_begins_an_event_and_one_that_falls_ends_it(line: Line) -> None:
    for second, word in enumerate((NORMAL, FIRE_BIT | NORMAL, FIRE_BIT | FAULT_BIT, FAULT_BIT, NORMAL)):
        line.take(reading(FIRE, second, **{"component_status.3-12": word}))
    assert words(line) == [
        ("3-12", "fire", True),
        ("3-12", "fault", True),
        ("3-12", "fire", False),
        ("3-12", "fault", False),
    ]
    assert [alarm[0] for alarm in line.alarms()][:1] == ["fire"]


def test_a_word_delivered_again_or_late_tells_nothing(line: Line) -> None:
    first, second = reading(FIRE, 1, component_status=FIRE_BIT), reading(FIRE, 5, component_status=NORMAL)
    line.take(first)
    line.take(again(first), second)
    line.take(again(first), again(second), reading(FIRE, 3, component_status=FIRE_BIT | FAULT_BIT))
    assert words(line) == [("", "fire", True), ("", "fire", False)]


def test_a_restart_forgets_no_state_and_tells_none_again(line: Line) -> None:
    line.take(reading(FIRE, 1, component_status=FIRE_BIT))
    line.restart()
    line.take(reading(FIRE, 2, component_status=FIRE_BIT))
    line.restart()
    line.take(again(reading(FIRE, 2, component_status=FIRE_BIT)), reading(FIRE, 3, component_status=NORMAL))
    assert words(line) == [("", "fire", True), ("", "fire", False)]
    assert line.alarms() == [("fire", "returned_unacknowledged", 1)]


def test_events_and_words_of_one_panel_agree(line: Line) -> None:
    line.take(event(FIRE, 1, "fire", point="7"), reading(FIRE, 2, **{"component_status.7": FIRE_BIT}))
    line.take(reading(FIRE, 3, **{"component_status.7": 0}))
    assert words(line) == [("7", "fire", True), ("7", "fire", False)]


def test_a_word_that_is_none_is_stored_and_means_nothing(line: Line) -> None:
    for second, word in enumerate((-1, 2.5, 70_000)):
        line.take(reading(FIRE, second, component_status=word))
    assert words(line) == []
    assert len(line.stored(FIRE, "component_status")) == 3
