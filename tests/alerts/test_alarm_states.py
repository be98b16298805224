"""The life of an alarm as one table, after ISA-18.2."""

import pytest

from alerts.alarm import (
    MAX_SHELVING_MS,
    NEXT_STATES,
    Alarm,
    AlarmMove,
    AlarmState,
    acknowledge,
    move_alarm,
    next_state,
    shelve,
    unshelve,
)
from alerts.errors import IllegalMove, InvalidShelving, NeverShelved
from alerts.severity import Severity, gravest

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
ASIDE = {AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE}


def alarm(state: AlarmState, *, is_active: bool = True) -> Alarm:
    return Alarm(id=7, unit_id=1, condition="dry_run", state=state.value, is_active=is_active, evidence={})


def test_every_state_stands_in_the_table_and_every_move_leads_to_a_state() -> None:
    assert set(NEXT_STATES) == set(AlarmState)
    assert {move for moves in NEXT_STATES.values() for move in moves} == set(AlarmMove)
    assert {state for moves in NEXT_STATES.values() for state in moves.values()} == set(AlarmState)


def test_every_state_can_be_reached_from_normal_and_normal_from_every_state() -> None:
    def reachable(start: AlarmState) -> set[AlarmState]:
        seen, edge = {start}, [start]
        while edge:
            found = set(NEXT_STATES[edge.pop()].values()) - seen
            seen |= found
            edge += found
        return seen

    assert all(reachable(state) == set(AlarmState) for state in AlarmState)


def test_a_condition_may_come_and_go_in_every_open_state() -> None:
    for state in set(AlarmState) - {AlarmState.NORMAL}:
        assert {AlarmMove.RAISE, AlarmMove.RETURN} <= set(NEXT_STATES[state])


def test_no_alarm_becomes_normal_before_somebody_acknowledged_it() -> None:
    to_normal = {
        (state, move) for state, moves in NEXT_STATES.items() for move, to in moves.items() if to is AlarmState.NORMAL
    }
    assert to_normal == {
        (AlarmState.ACKNOWLEDGED, AlarmMove.RETURN),
        (AlarmState.RETURNED_UNACKNOWLEDGED, AlarmMove.ACKNOWLEDGE),
    }


def test_what_is_set_aside_comes_back_only_by_its_own_way() -> None:
    back = {
        AlarmState.SHELVED: AlarmMove.UNSHELVE,
        AlarmState.SUPPRESSED: AlarmMove.UNSUPPRESS,
        AlarmState.OUT_OF_SERVICE: AlarmMove.PUT_BACK,
    }
    for state, move in back.items():
        leaving = {m for m, to in NEXT_STATES[state].items() if to is not state}
        assert leaving == {move}


@pytest.mark.parametrize("state", AlarmState)
@pytest.mark.parametrize("move", AlarmMove)
def test_a_move_that_the_table_lacks_is_refused_and_names_those_it_has(state: AlarmState, move: AlarmMove) -> None:
    if move in NEXT_STATES[state]:
        assert next_state(state, move, subject="alarm:7") is NEXT_STATES[state][move]
        return
    with pytest.raises(IllegalMove) as refused:
        next_state(state, move, subject="alarm:7")
    assert refused.value.allowed == tuple(allowed.value for allowed in NEXT_STATES[state])
    assert (refused.value.current, refused.value.wanted) == (state.value, move.value)


@pytest.mark.parametrize(
    ("state", "move"),
    [
        (AlarmState.SHELVED, AlarmMove.UNSHELVE),
        (AlarmState.SUPPRESSED, AlarmMove.UNSUPPRESS),
        (AlarmState.OUT_OF_SERVICE, AlarmMove.PUT_BACK),
    ],
)
def test_taken_back_from_aside_an_alarm_shows_whether_its_condition_still_holds(
    state: AlarmState, move: AlarmMove
) -> None:
    held, gone = alarm(state), alarm(state, is_active=False)
    move_alarm(held, move)
    move_alarm(gone, move)
    assert held.state == AlarmState.UNACKNOWLEDGED
    assert gone.state == AlarmState.RETURNED_UNACKNOWLEDGED


# Acknowledging


def test_the_first_acknowledgement_counts_and_a_second_changes_nothing() -> None:
    acked = alarm(AlarmState.UNACKNOWLEDGED)
    assert acknowledge(acked, by="mei", now_ms=NOW_MS)
    assert not acknowledge(acked, by="wu", now_ms=NOW_MS + 1)
    assert (acked.state, acked.acknowledged_by, acked.acknowledged_ms) == ("acknowledged", "mei", NOW_MS)


def test_acknowledging_what_has_returned_ends_the_alarm() -> None:
    acked = alarm(AlarmState.RETURNED_UNACKNOWLEDGED, is_active=False)
    assert acknowledge(acked, by="mei", now_ms=NOW_MS)
    assert (acked.state, acked.acknowledged_by) == ("normal", "mei")


# Shelving


def test_shelving_needs_a_reason_and_an_end_within_a_week() -> None:
    for until_ms, reason in (
        (NOW_MS + HOUR_MS, ""),
        (NOW_MS + HOUR_MS, " \n"),
        (NOW_MS, "test"),
        (NOW_MS - HOUR_MS, "test"),
        (NOW_MS + MAX_SHELVING_MS + 1, "test"),
    ):
        refused = alarm(AlarmState.UNACKNOWLEDGED)
        with pytest.raises(InvalidShelving):
            shelve(refused, until_ms=until_ms, reason=reason, is_allowed=True, now_ms=NOW_MS)
        assert (refused.state, refused.shelved_until_ms) == ("unacknowledged", None)
    shelved = alarm(AlarmState.UNACKNOWLEDGED)
    shelve(shelved, until_ms=NOW_MS + MAX_SHELVING_MS, reason=" lift shaft test ", is_allowed=True, now_ms=NOW_MS)
    assert (shelved.state, shelved.shelved_reason) == ("shelved", "lift shaft test")


def test_what_may_never_be_shelved_is_not_shelved_by_anybody() -> None:
    fire = alarm(AlarmState.UNACKNOWLEDGED)
    with pytest.raises(NeverShelved):
        shelve(fire, until_ms=NOW_MS + HOUR_MS, reason="a test", is_allowed=False, now_ms=NOW_MS)
    assert fire.state == "unacknowledged"


def test_an_alarm_that_has_ended_or_is_aside_already_cannot_be_shelved() -> None:
    for state in {AlarmState.NORMAL} | ASIDE:
        with pytest.raises(IllegalMove):
            shelve(alarm(state), until_ms=NOW_MS + HOUR_MS, reason="a test", is_allowed=True, now_ms=NOW_MS)


def test_unshelving_forgets_end_and_reason() -> None:
    shelved = alarm(AlarmState.ACKNOWLEDGED)
    shelve(shelved, until_ms=NOW_MS + HOUR_MS, reason="a test", is_allowed=True, now_ms=NOW_MS)
    unshelve(shelved)
    assert (shelved.state, shelved.shelved_until_ms, shelved.shelved_reason) == ("unacknowledged", None, None)
    with pytest.raises(IllegalMove):
        unshelve(shelved)


# Severity


def test_severities_are_ordered_from_the_gravest() -> None:
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3]
    assert [severity.value for severity in Severity] == ["critical", "major", "minor", "advisory"]
    for first in Severity:
        for second in Severity:
            assert gravest(first, second) is (first if first.rank <= second.rank else second)
