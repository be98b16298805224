"""Alarms that follow from another one call nobody, are joined to its ticket, and come forth if they outlast it."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import incident
from alerts.inhibition import CAUSES, EFFECTS, HOLD_MS, PERSISTS_MS, RULES, depth
from alerts.severity import Severity
from alerts.ticket_stages import Stage
from registry.database import Database
from registry.role import Actor, Grant, Role
from tests.alerts.compound import CONDITIONS, Compound, Said, at_ms, mains_off

HOLD_S, PERSISTS_S = HOLD_MS / 1000, PERSISTS_MS / 1000
MANAGER = Actor("mei", (Grant(Role.PROPERTY_MANAGER, None),))
LIFTS = ("lift-1", "lift-2", "lift-3")


@pytest.fixture
def compound(database: Database) -> Compound:
    return Compound(database)


# The table


def test_the_table_names_conditions_that_exist_and_open_tickets() -> None:
    assert CONDITIONS.keys() >= (EFFECTS | CAUSES)
    assert all(CONDITIONS[key].opens_ticket for key in EFFECTS | CAUSES)


def test_what_may_cost_a_life_is_never_explained_away() -> None:
    for key in EFFECTS:
        condition = CONDITIONS[key]
        assert condition.severity is not Severity.CRITICAL
        assert condition.may_be_shelved
        assert condition.case not in ("fire", "entrapment", "flood")


def test_causes_are_decided_on_before_their_effects() -> None:
    for rule in RULES:
        for cause, effect in itertools.product(rule.causes, rule.effects):
            assert depth(cause) < depth(effect) or (cause in rule.effects and depth(cause) == depth(effect) == 0)


# One unit


def test_a_fault_of_a_lift_without_mains_has_the_ticket_of_the_mains(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("lift-1", "fault.03", 1))
    assert compound.titles() == ["Mains off"]
    assert compound.causes() == {"lift-1 fault.03": "lift-1 event.41"}
    cause, effect = compound.alarm("lift-1", "event.41"), compound.alarm("lift-1", "fault.03")
    assert effect.ticket_id == cause.ticket_id is not None
    [told] = compound.log("alarm.explained")
    assert told.data["cause_id"] == cause.id


def test_a_fault_of_another_lift_is_another_matter(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("lift-2", "fault.03", 1))
    assert compound.causes() == {}
    assert len(compound.tickets()) == 2


def test_a_fault_without_a_cause_has_its_ticket_after_the_holding_time(compound: Compound) -> None:
    compound.hear(("lift-1", "fault.03", 0))
    compound.settle(HOLD_S - 0.001)
    assert compound.tickets() == []
    compound.settle(HOLD_S)
    assert compound.titles() == [CONDITIONS[compound.alarm("lift-1", "fault.03").unit.unit_key.kind, "fault.03"].title]


def test_a_fault_that_is_over_at_once_is_not_forgotten(compound: Compound) -> None:
    compound.hear(("lift-1", "fault.03", 0), ("lift-1", "-fault.03", 0.5))
    compound.settle(HOLD_S + 1)
    assert len(compound.tickets()) == 1


def test_a_fault_that_comes_just_after_the_mains_came_back_is_explained(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("lift-1", "-event.41", 2), ("lift-1", "fault.03", 4))
    assert compound.causes() == {"lift-1 fault.03": "lift-1 event.41"}


def test_entrapment_and_unintended_movement_are_told_at_once_whatever_else_is(compound: Compound) -> None:
    compound.hear(("lift-1", "event.41", 0), ("lift-1", "entrapment", 1), ("lift-1", "fault.05", 1))
    assert len(compound.tickets()) == 2, "before anything was decided"
    compound.settle(10)
    assert compound.causes() == {}


def test_a_unit_that_said_goodbye_is_not_missed_once_more(compound: Compound) -> None:
    compound.happen(("fire-1", "offline", 0))
    compound.happen(("fire-1", "silent", 200))
    assert compound.causes() == {"fire-1 silent": "fire-1 offline"}


# A power cut


def test_a_power_cut_explains_what_follows_from_it_at_the_whole_site(compound: Compound) -> None:
    compound.happen(*mains_off(LIFTS), ("fire-1", "mains_lost", 1), ("pump-1", "trip", 2), ("lift-1", "fault.02", 2))
    assert compound.titles() == [incident.POWER_CUT_TITLE]
    [ticket] = compound.tickets()
    assert (ticket.unit_id, ticket.severity) == (None, "major")
    assert {alarm.ticket_id for alarm in compound.alarms()} == {ticket.id}
    assert set(compound.causes().values()) == {"lift-1 event.41"}
    assert len(compound.causes()) == 5


def test_one_lift_without_mains_does_not_explain_a_fire_panel_without(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("fire-1", "mains_lost", 1))
    assert compound.causes() == {}


def test_lifts_that_are_not_heard_in_a_power_cut_are_explained_but_a_fire_panel_is_not(compound: Compound) -> None:
    compound.happen(*mains_off(LIFTS))
    compound.happen(("lift-4", "offline", 1800), ("fire-1", "offline", 1800))
    assert "lift-4 offline" in compound.causes()
    assert compound.alarm("fire-1", "offline").ticket_id != compound.alarm("lift-1", "event.41").ticket_id


def test_a_fault_hours_after_the_cut_began_is_a_matter_of_its_own(compound: Compound) -> None:
    compound.happen(*mains_off(LIFTS))
    compound.happen(("lift-4", "fault.03", 7200))
    assert "lift-4 fault.03" not in compound.causes()


def test_what_comes_after_the_ticket_was_closed_is_not_lost_in_it(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0))
    [ticket] = compound.tickets()
    with compound.database.writing() as session:
        incident.move_ticket(session, ticket.id, Stage.CANCELLED, actor=MANAGER, note="a test", now_ms=at_ms(60))
    compound.happen(("lift-1", "fault.03", 120))
    assert compound.causes() == {}
    assert len(compound.tickets()) == 2


# When the cause has gone


def came_forth(compound: Compound) -> int:
    return len(compound.log("alarm.came_forth"))


def test_what_outlasts_its_cause_comes_forth_exactly_once(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("lift-1", "fault.03", 1))
    compound.happen(("lift-1", "-event.41", 60))
    gone_s = 60 + HOLD_S
    compound.settle(gone_s + PERSISTS_S - 1)
    assert (came_forth(compound), len(compound.tickets())) == (0, 1)
    for second in (0, 1, 1000, 5000):
        # Each time as if by another process: nothing is kept but in the database.
        compound.settle(gone_s + PERSISTS_S + second)
        assert (came_forth(compound), len(compound.tickets())) == (1, 2)
    fault = compound.alarm("lift-1", "fault.03")
    assert not fault.is_explained
    assert fault.cause_id == compound.alarm("lift-1", "event.41").id, "what it was explained by is still known"


def test_what_goes_with_its_cause_never_comes_forth(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("lift-1", "fault.03", 1))
    compound.happen(("lift-1", "-event.41", 60))
    compound.happen(("lift-1", "-fault.03", 120))
    compound.settle(10_000)
    assert (came_forth(compound), len(compound.tickets())) == (0, 1)


def test_a_cause_that_comes_back_goes_on_explaining(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("lift-1", "fault.03", 1))
    compound.happen(("lift-1", "-event.41", 60))
    compound.happen(("lift-1", "event.41", 300))
    compound.settle(5000)
    assert came_forth(compound) == 0
    compound.happen(("lift-1", "-event.41", 6000))
    compound.settle(6000 + HOLD_S + PERSISTS_S)
    assert came_forth(compound) == 1


def test_a_lift_that_stays_without_mains_comes_forth_when_the_others_have_them_again(compound: Compound) -> None:
    compound.happen(*mains_off(LIFTS))
    compound.happen(("lift-1", "-event.41", 600), ("lift-2", "-event.41", 600))
    compound.settle(600 + HOLD_S + PERSISTS_S)
    assert compound.titles() == ["Mains off", incident.POWER_CUT_TITLE]
    assert not compound.alarm("lift-3", "event.41").is_explained


def test_a_shelved_effect_comes_forth_only_when_it_is_back(compound: Compound) -> None:
    compound.happen(("lift-1", "event.41", 0), ("lift-1", "fault.03", 1))
    alarm_id = compound.alarm("lift-1", "fault.03").id
    with compound.database.writing() as session:
        incident.shelve_alarm(
            session,
            alarm_id,
            until_ms=at_ms(5000),
            reason="a test",
            is_allowed=True,
            actor=MANAGER,
            now_ms=at_ms(30),
        )
    compound.happen(("lift-1", "-event.41", 60))
    compound.settle(4000)
    assert came_forth(compound) == 0
    with compound.database.writing() as session:
        incident.unshelve_due(session, now_ms=at_ms(5000))
    compound.settle(5001)
    assert came_forth(compound) == 1


# The order in which it is heard

CUT: tuple[Said, ...] = (
    *mains_off(LIFTS, 0.4),
    ("lift-1", "fault.03", 0.0),
    ("lift-2", "event.42", 0.9),
    ("lift-4", "fault.02", 0.2),
    ("fire-1", "power_fault", 0.3),
    ("pump-1", "phase_loss", 0.8),
    ("pump-1", "trip", 0.1),
)
STORY: tuple[Said, ...] = (("lift-1", "event.41", 0.5), ("lift-1", "fault.03", 0.1), ("lift-2", "fault.03", 0.0))
_numbers: Iterator[int] = itertools.count()


def picture(database: Database, batches: list[list[tuple[Said, float]]]) -> object:
    """What is in the end: (alarms with cause and ticket, tickets). Each batch is heard and the clock looked at."""
    compound = Compound(database, site=f"site-{next(_numbers)}")
    for batch in batches:
        heard_at = max(at for _, at in batch)
        compound.hear(*(said for said, _ in batch), at=heard_at)
        compound.settle(heard_at)
    for second in range(1, 10):
        compound.settle(second)
    names = {ticket.id: (ticket.title, ticket.severity, ticket.unit_id is None) for ticket in compound.tickets()}
    alarms = {(a.unit.key, a.condition): names[a.ticket_id] for a in compound.alarms() if a.ticket_id is not None}
    return alarms, compound.causes(), sorted(names.values())


@pytest.fixture
def sqlite(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'liandong.sqlite')}")
    yield database
    database.close()


@pytest.mark.parametrize("story", [CUT, STORY])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_order_of_arrival_within_the_holding_time_does_not_matter(
    sqlite: Database, story: tuple[Said, ...], data: st.DataObject
) -> None:
    expected = picture(sqlite, [[(said, 1.0) for said in story]])
    order = data.draw(st.permutations(story))
    gaps = data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.3]), min_size=len(story), max_size=len(story)))
    heard = list(zip(order, itertools.accumulate(gaps), strict=True))
    batches = [list(group) for _, group in itertools.groupby(heard, key=lambda each: each[1])]
    assert picture(sqlite, batches) == expected
