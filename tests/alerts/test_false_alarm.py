"""What people found to be false, why, and who reads it."""

import pytest

from alerts.errors import UnknownAlarm
from alerts.false_alarm import (
    FalseCause,
    NoCauseGiven,
    count_alarms_and_false,
    false_alarms,
    mark_false,
    mark_of,
    mark_ticket_false,
    marks_of,
    withdraw_mark,
)
from registry.database import Database
from registry.role import Actor, Grant, Role
from tests.alerts.compound import Compound, at_ms

TECHNICIAN = Actor("wu", (Grant(Role.TECHNICIAN, None),))
SENSOR = FalseCause.SENSOR


@pytest.fixture
def compound(database: Database) -> Compound:
    return Compound(database)


def mark(compound: Compound, alarm_id: int, cause: FalseCause = SENSOR, note: str = "", second: float = 100) -> None:
    with compound.database.writing() as session:
        mark_false(session, alarm_id, cause=cause, note=note, actor=TECHNICIAN, now_ms=at_ms(second))


def test_a_mark_says_who_found_what_and_changes_nothing_else(compound: Compound) -> None:
    compound.happen(("pump-1", "dry_run", 0))
    alarm = compound.alarm("pump-1", "dry_run")
    mark(compound, alarm.id, note=" the probe hangs in foam ")
    with compound.database.reading() as session:
        found = mark_of(session, alarm.id)
        assert found is not None
        assert (found.cause, found.note, found.marked_by) == ("sensor", "the probe hangs in foam", "wu")
        assert (found.condition, found.raised_ms) == ("dry_run", alarm.raised_ms)
    after = compound.alarm("pump-1", "dry_run")
    assert (after.state, after.ticket_id) == (alarm.state, alarm.ticket_id)
    [told] = compound.log("alarm.marked_false")
    assert told.data["cause"] == "sensor"


def test_marking_again_corrects_the_cause_and_the_same_twice_is_once(compound: Compound) -> None:
    compound.happen(("pump-1", "dry_run", 0))
    alarm_id = compound.alarm("pump-1", "dry_run").id
    for cause in (SENSOR, SENSOR, FalseCause.LIMIT):
        mark(compound, alarm_id, cause)
    assert [row.data["cause"] for row in compound.log("alarm.marked_false")] == ["sensor", "limit"]
    with compound.database.reading() as session:
        assert [each.cause for each in false_alarms(session, since_ms=0, until_ms=at_ms(1e6))] == ["limit"]


def test_a_mark_can_be_taken_back_and_set_anew(compound: Compound) -> None:
    compound.happen(("pump-1", "dry_run", 0))
    alarm_id = compound.alarm("pump-1", "dry_run").id
    mark(compound, alarm_id)
    with compound.database.writing() as session:
        assert withdraw_mark(session, alarm_id, actor=TECHNICIAN, now_ms=at_ms(200))
        assert not withdraw_mark(session, alarm_id, actor=TECHNICIAN, now_ms=at_ms(201))
        assert marks_of(session, [alarm_id]) == {}
    mark(compound, alarm_id, FalseCause.WORK)
    with compound.database.reading() as session:
        assert marks_of(session, [alarm_id])[alarm_id].cause == "work"


def test_an_unknown_cause_needs_words_and_an_unknown_alarm_is_unknown(compound: Compound) -> None:
    compound.happen(("pump-1", "dry_run", 0))
    with pytest.raises(NoCauseGiven):
        mark(compound, compound.alarm("pump-1", "dry_run").id, FalseCause.UNKNOWN, " ")
    with pytest.raises(UnknownAlarm):
        mark(compound, 999)


def test_the_alarms_of_a_case_are_marked_together_and_found_by_unit_condition_and_time(compound: Compound) -> None:
    compound.happen(("pump-1", "floor_water_wet", 0), ("pump-1", "floor_water_close", 10))
    compound.happen(("lift-1", "fault.01", 20))
    [water, _] = compound.tickets()
    with compound.database.writing() as session:
        marked = mark_ticket_false(session, water.id, cause=FalseCause.WORK, actor=TECHNICIAN, now_ms=at_ms(100))
        assert [each.condition for each in marked] == ["floor_water_wet", "floor_water_close"]
    pump = compound.alarm("pump-1", "floor_water_wet").unit_id
    with compound.database.reading() as session:

        def found(since: float, until: float, **options: object) -> list[str]:
            rows = false_alarms(session, since_ms=at_ms(since), until_ms=at_ms(until), **options)  # type: ignore[arg-type]
            return [each.condition for each in rows]

        assert found(0, 11) == ["floor_water_close", "floor_water_wet"]
        assert found(0, 10) == ["floor_water_wet"]
        assert found(0, 100, conditions=["floor_water_close"]) == ["floor_water_close"]
        assert found(0, 100, unit_ids=[pump], site="xiaohe", limit=1) == ["floor_water_close"]
        assert found(0, 100, unit_ids=[pump + 1]) == found(0, 100, visible=frozenset()) == []
        assert count_alarms_and_false(session, since_ms=at_ms(0), until_ms=at_ms(100)) == {
            "floor_water_wet": (1, 1),
            "floor_water_close": (1, 1),
            "fault.01": (1, 0),
        }
