"""Windows and times out of service: nobody is called, nothing is forgotten, and it ends by itself."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from alerts import incident, suppressing
from alerts.annunciation import Annunciation
from alerts.errors import InvalidSuppression, UnknownSuppression
from alerts.notification import Notification
from alerts.suppression import (
    DAY_MS,
    LONGEST_MS,
    MOVE_ASIDE,
    STATE_OF,
    Phase,
    Suppression,
    SuppressionKind,
    get_suppression,
    list_suppressions,
    suppressions_of_unit,
)
from alerts.watch import Signal
from models.equipment import Kind
from models.reading import UnitKey
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.site import get_site
from registry.unit import get_unit
from tests.alerts.compound import CONDITIONS, T0_MS, Compound, at_ms

MANAGER = Actor("mei", (Grant(Role.PROPERTY_MANAGER, None),))
MAINTENANCE, OUT = SuppressionKind.MAINTENANCE, SuppressionKind.OUT_OF_SERVICE


@pytest.fixture
def compound(database: Database) -> Compound:
    return Compound(database)


def plan(
    compound: Compound,
    *,
    unit: str | None = "pump-1",
    kind: SuppressionKind = MAINTENANCE,
    start: float = 0,
    end: float = 3600,
    now: float = 0,
    building: str = "",
    reason: str = "the float is changed",
) -> int:
    with compound.database.writing() as session:
        return suppressing.plan_suppression(
            session,
            kind=kind,
            site=get_site(session, compound.site),
            unit=get_unit(session, f"{compound.site}~{unit}") if unit else None,
            building=building,
            reason=reason,
            starts_ms=at_ms(start),
            until_ms=at_ms(end),
            actor=MANAGER,
            now_ms=at_ms(now),
        ).id


def look(compound: Compound, second: float) -> list[int]:
    """What the worker does each second."""
    moved = suppressing.settle_due(compound.database, CONDITIONS, now_ms=at_ms(second))
    compound.settle(second)
    return moved


def end(compound: Compound, suppression_id: int, second: float) -> None:
    with compound.database.writing() as session:
        suppressing.end_suppression(session, suppression_id, actor=MANAGER, now_ms=at_ms(second))


# The tables


def test_every_kind_has_its_state_its_move_and_an_end() -> None:
    assert set(STATE_OF) == set(MOVE_ASIDE) == set(LONGEST_MS) == set(SuppressionKind)


# Within the window


@pytest.mark.parametrize(
    ("kind", "state", "verb"),
    [(MAINTENANCE, "suppressed", "alarm.suppressed"), (OUT, "out_of_service", "alarm.taken_out")],
)
def test_what_begins_within_is_kept_and_calls_nobody(
    compound: Compound, kind: SuppressionKind, state: str, verb: str
) -> None:
    window = plan(compound, kind=kind)
    compound.hear(("pump-1", "dry_run", 60))
    look(compound, 70)
    alarm = compound.alarm("pump-1", "dry_run")
    assert (alarm.state, alarm.is_active, alarm.ticket_id, alarm.suppression_id) == (state, True, None, window)
    assert compound.tickets() == []
    [raised] = compound.log("alarm.raised")
    assert (raised.data["suppression_id"], raised.data["reason"]) == (window, "the float is changed")
    assert compound.log(verb) == [], "it was told once"


def test_what_stood_already_is_set_aside_with_its_ticket_left_as_it_is(compound: Compound) -> None:
    compound.happen(("pump-1", "dry_run", 0))
    [ticket] = compound.tickets()
    plan(compound, start=60, now=10)
    assert look(compound, 59.999) == []
    assert len(look(compound, 60)) == 1
    alarm = compound.alarm("pump-1", "dry_run")
    assert (alarm.state, alarm.ticket_id) == ("suppressed", ticket.id)
    assert [ticket.stage for ticket in compound.tickets()] == ["reported"]


@pytest.mark.parametrize(("unit", "code"), [("fire-1", "fire"), ("lift-1", "entrapment"), ("lift-1", "alarm.90")])
def test_fire_and_entrapment_are_never_set_aside(compound: Compound, unit: str, code: str) -> None:
    plan(compound, unit=None, end=DAY_MS / 1000)
    plan(compound, unit=unit, kind=OUT, end=DAY_MS / 1000)
    compound.hear((unit, code, 60))
    look(compound, 61)
    alarm = compound.alarm(unit, code)
    assert (alarm.state, alarm.suppression_id) == ("unacknowledged", None)
    assert alarm.ticket_id is not None


def test_another_unit_is_not_meant(compound: Compound) -> None:
    plan(compound, unit="lift-1")
    compound.happen(("pump-1", "dry_run", 60))
    assert len(compound.tickets()) == 1


def test_a_building_or_a_whole_compound_may_be_meant(compound: Compound) -> None:
    with compound.database.writing() as session:
        get_unit(session, "xiaohe~lift-1").building = "3"
    plan(compound, unit=None, building="3")
    compound.hear(("lift-1", "fault.01", 10), ("lift-2", "fault.01", 10))
    look(compound, 10)
    assert [compound.alarm(name, "fault.01").state for name in ("lift-1", "lift-2")] == ["suppressed", "unacknowledged"]
    plan(compound, unit=None, now=20)
    look(compound, 20)
    assert compound.alarm("lift-2", "fault.01").state == "suppressed"


# After it


def test_what_still_holds_comes_forth_with_a_ticket_as_if_it_had_just_been_raised(compound: Compound) -> None:
    plan(compound)
    compound.hear(("pump-1", "dry_run", 60))
    assert look(compound, 3599.999) == []
    assert len(look(compound, 3600)) == 1
    alarm = compound.alarm("pump-1", "dry_run")
    assert alarm.state == "unacknowledged"
    [ticket] = compound.tickets()
    assert (alarm.ticket_id, ticket.title) == (ticket.id, "Pump runs dry")
    assert [row.data["suppression_id"] for row in compound.log("alarm.unsuppressed")] == [alarm.suppression_id]
    assert look(compound, 3601) == []


def test_what_has_gone_meanwhile_is_over_and_asks_nobody(compound: Compound) -> None:
    plan(compound)
    compound.hear(("pump-1", "dry_run", 60))
    compound.hear(("pump-1", "-dry_run", 120))
    look(compound, 3600)
    alarm = compound.alarm("pump-1", "dry_run")
    assert (alarm.state, alarm.acknowledged_by) == ("normal", None)
    assert compound.tickets() == []
    assert [alarm.id] == [each.id for each in compound.alarms()], "it stays in the history"


def test_a_condition_that_follows_from_another_is_explained_when_it_comes_forth(compound: Compound) -> None:
    plan(compound, unit="lift-1", end=600)
    compound.hear(("lift-1", "event.41", 60), ("lift-1", "fault.03", 61))
    look(compound, 600)
    compound.settle(601)
    assert compound.titles() == ["Mains off"]
    assert compound.causes() == {"lift-1 fault.03": "lift-1 event.41"}


def test_an_advisory_comes_back_without_a_ticket(compound: Compound) -> None:
    plan(compound)
    compound.hear(("pump-1", "heavy_rain", 60))
    look(compound, 3600)
    alarm = compound.alarm("pump-1", "heavy_rain")
    assert (alarm.state, alarm.ticket_id, alarm.forth_ms) == ("unacknowledged", None, None)
    assert compound.tickets() == []


def test_a_window_that_is_ended_early_ends_at_once_and_one_taken_back_never_begins(compound: Compound) -> None:
    window, later = plan(compound), plan(compound, start=1000, end=2000)
    compound.hear(("pump-1", "dry_run", 60))
    end(compound, window, 100)
    end(compound, later, 100)
    assert len(look(compound, 100)) == 1
    assert compound.alarm("pump-1", "dry_run").state == "unacknowledged"
    assert look(compound, 1500) == []
    end(compound, window, 200)
    assert len(compound.log("suppression.ended")) == 2, "what is over is not ended again"
    with compound.database.reading() as session:
        found = get_suppression(session, window)
        assert (found.until_ms, found.ended_by) == (at_ms(100), "mei")


def test_of_two_windows_the_second_goes_on_where_the_first_ends(compound: Compound) -> None:
    plan(compound, end=100)
    second = plan(compound, kind=OUT, start=50, end=200)
    compound.hear(("pump-1", "dry_run", 10))
    look(compound, 100)
    alarm = compound.alarm("pump-1", "dry_run")
    assert (alarm.state, alarm.suppression_id) == ("suppressed", second)
    look(compound, 200)
    assert compound.alarm("pump-1", "dry_run").state == "unacknowledged"


def test_a_restart_changes_nothing(compound: Compound) -> None:
    """Nothing is kept in memory: one look long after everything gives what a look each second gives."""
    plan(compound, unit="pump-1", start=10, end=100)
    plan(compound, unit="lift-1", start=10, end=100)
    compound.hear(("pump-1", "dry_run", 20), ("lift-1", "fault.01", 20))
    compound.hear(("lift-1", "-fault.01", 30))
    fresh = Database(compound.database.url)
    suppressing.settle_due(fresh, CONDITIONS, now_ms=at_ms(90_000))
    fresh.close()
    compound.settle(90_000)
    assert compound.alarm("pump-1", "dry_run").state == "unacknowledged"
    assert compound.alarm("lift-1", "fault.01").state == "normal"
    assert compound.titles() == ["Pump runs dry"]


def test_a_shelf_that_ends_within_a_window_gives_the_alarm_to_the_window(compound: Compound) -> None:
    compound.happen(("pump-1", "dry_run", 0))
    alarm_id = compound.alarm("pump-1", "dry_run").id
    with compound.database.writing() as session:
        incident.shelve_alarm(
            session, alarm_id, until_ms=at_ms(100), reason="x", is_allowed=True, actor=MANAGER, now_ms=at_ms(1)
        )
    plan(compound, now=2, start=2)
    assert look(compound, 50) == []
    with compound.database.writing() as session:
        incident.unshelve_due(session, now_ms=at_ms(100))
    assert look(compound, 100) == [alarm_id]
    assert compound.alarm("pump-1", "dry_run").state == "suppressed"


# What is counted


def test_what_is_set_aside_is_counted_apart_and_counts_when_it_comes_forth(compound: Compound) -> None:
    plan(compound)
    compound.hear(("pump-1", "dry_run", 60))
    look(compound, 3600)
    with compound.database.reading() as session:
        rows = session.scalars(select(Annunciation).order_by(Annunciation.id)).all()
        assert [(row.at_ms, row.is_aside) for row in rows] == [(at_ms(60), True), (at_ms(3600), False)]
        assert session.scalars(select(Notification)).all() == []


# Who may plan what


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"reason": "  "}, "reason"),
        ({"end": -1}, "span"),
        ({"start": 100, "end": 100}, "span"),
        ({"end": 3 * 86_400 + 1}, "too_long"),
        ({"unit": None, "end": 86_401}, "too_long"),
        ({"kind": OUT, "end": 181 * 86_400}, "too_long"),
        ({"kind": OUT, "unit": None}, "unit_only"),
        ({"start": 91 * 86_400, "end": 91 * 86_400 + 10}, "too_far"),
        ({"unit": None, "building": "nowhere"}, "building"),
        ({"building": "3"}, "building"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(compound: Compound, fields: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidSuppression) as refused:
        plan(compound, **fields)  # type: ignore[arg-type]
    assert refused.value.reason == reason
    assert compound.log("suppression.planned") == []


def test_a_start_in_the_past_is_now(compound: Compound) -> None:
    window = plan(compound, start=-500, now=100)
    with compound.database.reading() as session:
        assert get_suppression(session, window).starts_ms == at_ms(100)


def test_they_are_listed_by_what_they_are_now(compound: Compound) -> None:
    over, on, later = plan(compound, end=10), plan(compound), plan(compound, start=1000)
    with compound.database.reading() as session:

        def found(*phases: Phase, **options: object) -> list[int]:
            return [each.id for each in list_suppressions(session, now_ms=at_ms(50), phases=phases, **options)]  # type: ignore[arg-type]

        assert (found(Phase.OVER), found(Phase.ACTIVE), found(Phase.PLANNED)) == ([over], [on], [later])
        assert found(*Phase, visible=frozenset()) == []
        assert found(*Phase, site="xiaohe", before_id=later) == [on, over]
        unit = get_unit(session, "xiaohe~pump-1")
        assert [each.id for each in suppressions_of_unit(session, unit, now_ms=at_ms(50))] == [on, later]
        with pytest.raises(UnknownSuppression):
            get_suppression(session, later + 1)


# Any sequence


class Windows(RuleBasedStateMachine):
    """Windows come and go, conditions too; after each look every alarm is where the rows and the clock put it."""

    database: Database
    number = 0

    @initialize()
    def build(self) -> None:
        type(self).number += 1
        self.compound = Compound(self.database, site=f"site-{self.number}")
        self.second = 0.0

    @rule(seconds=st.sampled_from([1, 60, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.second += seconds

    @rule(unit=st.sampled_from(["pump-1", "lift-1", None]), delay=st.sampled_from([0, 100]))
    def plan(self, unit: str | None, delay: int) -> None:
        plan(self.compound, unit=unit, start=self.second + delay, end=self.second + delay + 1000, now=self.second)

    @rule(kind=st.sampled_from([OUT]), unit=st.sampled_from(["pump-1", "lift-1"]))
    def take_out(self, kind: SuppressionKind, unit: str) -> None:
        plan(self.compound, unit=unit, kind=kind, start=self.second, end=self.second + 5000, now=self.second)

    @rule(place=st.integers(0, 20))
    def end(self, place: int) -> None:
        with self.database.reading() as session:
            found = list_suppressions(session, now_ms=at_ms(self.second), site=self.compound.site)
            ids = [each.id for each in found]
        if ids:
            end(self.compound, ids[place % len(ids)], self.second)

    @rule(
        what=st.sampled_from([("pump-1", "dry_run"), ("lift-1", "fault.01"), ("lift-1", "entrapment")]),
        on=st.booleans(),
    )
    def hear(self, what: tuple[str, str], on: bool) -> None:
        self.second += 1
        self.compound.hear((what[0], what[1] if on else f"-{what[1]}", self.second))

    @invariant()
    def every_alarm_is_where_it_belongs(self) -> None:
        look(self.compound, self.second)
        self.second += 4
        look(self.compound, self.second)
        with self.database.reading() as session:
            on = {
                each.unit.key if each.unit else None
                for each in list_suppressions(
                    session, now_ms=at_ms(self.second), phases=[Phase.ACTIVE], site=self.compound.site
                )
            }
        for alarm in self.compound.alarms():
            is_covered = alarm.condition != "entrapment" and (None in on or alarm.unit.key in on)
            is_aside = alarm.state in ("suppressed", "out_of_service")
            if alarm.is_active:
                assert is_aside == is_covered, (alarm.condition, alarm.state, on)
                assert is_aside or alarm.ticket_id is not None, "what holds and is not aside has its ticket"
            assert is_covered or not is_aside


def test_any_sequence_of_windows_keeps_every_alarm_where_it_belongs(database: Database) -> None:
    Windows.database = database
    run_state_machine_as_test(Windows, settings=settings(max_examples=12, stateful_step_count=14, deadline=None))  # type: ignore[no-untyped-call]


def test_the_row_says_who_why_from_when_until_when(compound: Compound) -> None:
    window = plan(compound, start=60, end=90, now=10)
    with compound.database.reading() as session:
        row = session.get_one(Suppression, window)
        assert (row.created_by, row.reason, row.starts_ms, row.until_ms, row.created_ms) == (
            "mei",
            "the float is changed",
            T0_MS + 60_000,
            T0_MS + 90_000,
            T0_MS + 10_000,
        )


# While the lift itself says that it is inspected


def in_service(compound: Compound, name: str, second: float) -> None:
    unit = UnitKey(compound.site, Kind.ELEVATOR, name)
    signal = Signal(unit, CONDITIONS[unit.kind, "fault.03"], at_ms(second), True, is_in_service=True)
    with compound.database.writing() as session:
        incident.apply_signals(session, [signal], units=compound.ids, received_ms=at_ms(second))


def test_a_fault_of_a_lift_that_is_inspected_is_kept_calls_nobody_and_is_over_with_its_end(compound: Compound) -> None:
    in_service(compound, "lift-1", 10)
    assert look(compound, 11) == []
    alarm = compound.alarm("lift-1", "fault.03")
    assert (alarm.state, alarm.is_active, alarm.is_in_service, alarm.ticket_id) == ("suppressed", True, True, None)
    [raised] = compound.log("alarm.raised")
    assert raised.data["in_service"] is True
    with compound.database.reading() as session:
        assert session.scalars(select(Annunciation.is_aside)).all() == [True]
    compound.hear(("lift-1", "-fault.03", 20))
    assert look(compound, 21) == [alarm.id]
    alarm = compound.alarm("lift-1", "fault.03")
    assert (alarm.state, alarm.is_active, alarm.is_in_service) == ("normal", False, False)
    assert look(compound, 22) == []
    assert compound.tickets() == []


def test_a_fault_that_still_holds_after_the_inspection_comes_forth_with_a_ticket(compound: Compound) -> None:
    in_service(compound, "lift-1", 10)
    in_service(compound, "lift-1", 12)
    compound.hear(("lift-1", "fault.03", 600))
    look(compound, 601)
    [alarm] = compound.alarms()
    assert (alarm.state, alarm.is_in_service) == ("unacknowledged", False)
    assert [ticket.id for ticket in compound.tickets()] == [alarm.ticket_id]


def test_a_window_goes_on_after_the_inspection_and_the_inspection_after_a_window(compound: Compound) -> None:
    plan(compound, unit="lift-1", end=100)
    for name in ("lift-1", "lift-2"):
        in_service(compound, name, 10)
    plan(compound, unit="lift-2", start=20, end=50, now=15)
    look(compound, 60)
    assert compound.alarm("lift-2", "fault.03").state == "suppressed", "it is still inspected"
    compound.hear(("lift-1", "fault.03", 70), ("lift-2", "fault.03", 70))
    look(compound, 71)
    assert [compound.alarm(name, "fault.03").state for name in ("lift-1", "lift-2")] == ["suppressed", "unacknowledged"]
    look(compound, 100)
    assert compound.alarm("lift-1", "fault.03").state == "unacknowledged"


def test_a_fault_that_comes_again_during_the_inspection_is_set_aside_though_it_stood_before(compound: Compound) -> None:
    compound.happen(("lift-1", "fault.03", 0), ("lift-1", "-fault.03", 5))
    in_service(compound, "lift-1", 10)
    look(compound, 11)
    alarm = compound.alarm("lift-1", "fault.03")
    assert (alarm.state, alarm.occurrences) == ("suppressed", 2)
