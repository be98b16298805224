"""Whatever people and clocks do in a call-out: nobody is asked twice, no stage is skipped, all are sent home."""

import tempfile
from pathlib import Path
from shutil import copyfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from alerts.call_out_states import CallOutState
from alerts.errors import AlertsError
from registry.database import Database
from tests.alerts.callers import MINUTE_MS, STAND_DOWN, SUMMONS, T0_MS, District

STANDING = {"waiting", "not_needed", "cancelled"}


class Emergency(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="liandong-call-out-")
        path = Path(self.folder.name) / "liandong.sqlite"
        copyfile(self.template, path)
        self.database = Database(f"sqlite:///{path}")
        self.district = District(self.database, staff=2, helpers=2, volunteers=3)
        self.now_ms = T0_MS
        self.call_out_id: int | None = None
        self.stood_down: set[int] = set()

    @rule(minutes=st.sampled_from([0, 1, 4, 5, 9, 12, 31]))
    def time_goes_by(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE_MS
        self.district.run(self.now_ms)

    @precondition(lambda self: self.call_out_id is None)
    @rule()
    def people_are_called(self) -> None:
        self.call_out_id = self.district.start(now_ms=self.now_ms)

    @precondition(lambda self: self.call_out_id is not None)
    @rule(who=st.integers(0, 6), minutes=st.sampled_from([None, 5, 15, 30]))
    def somebody_answers(self, who: int, minutes: int | None) -> None:
        name = sorted(self.district.people)[who]
        try:
            self.district.answer(self.call_out_id, name, minutes, now_ms=self.now_ms)
        except AlertsError:
            assert name not in self.district.asked(self.call_out_id) or self._state() != "called"

    @precondition(lambda self: self.call_out_id is not None)
    @rule(who=st.integers(0, 6), has_arrived=st.booleans())
    def somebody_arrives(self, who: int, has_arrived: bool) -> None:
        name = sorted(self.district.people)[who]
        try:
            self.district.arrive(self.call_out_id, name, has_arrived=has_arrived, now_ms=self.now_ms)
        except AlertsError:
            assert name not in self.district.asked(self.call_out_id) or self._state() != "called"

    @precondition(lambda self: self.call_out_id is not None)
    @rule()
    def the_next_stage_is_called_by_hand(self) -> None:
        try:
            self.district.call_next(self.call_out_id, now_ms=self.now_ms)
        except AlertsError:
            assert self._state() != "called" or set(self.district.stages(self.call_out_id)) == {"called"}

    @precondition(lambda self: self.call_out_id is not None)
    @rule()
    def people_are_sent_home(self) -> None:
        self.district.move(self.call_out_id, CallOutState.STOOD_DOWN, now_ms=self.now_ms)
        self.stood_down.add(self.call_out_id)
        self.call_out_id = None

    def _state(self) -> str:
        assert self.call_out_id is not None
        return self.district.call_out(self.call_out_id).state

    @invariant()
    def nobody_is_asked_twice(self) -> None:
        call_outs = len(self.stood_down) + (self.call_out_id is not None)
        assert all(times <= call_outs for times in self.district.told(SUMMONS).values())
        if call_outs == 1:
            assert set(self.district.told(SUMMONS).values()) <= {1}

    @invariant()
    def no_stage_is_skipped(self) -> None:
        for call_out_id in self.stood_down | ({self.call_out_id} if self.call_out_id else set()):
            states = self.district.stages(call_out_id)
            called = states.count("called")
            assert states[:called] == ["called"] * called
            assert set(states[called:]) <= STANDING

    @invariant()
    def the_stand_down_has_reached_everybody_who_was_asked(self) -> None:
        asked = sum(len(self.district.asked(call_out_id)) for call_out_id in self.stood_down)
        assert self.district.told(STAND_DOWN).total() == asked

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        """As long as too few are coming, a stage is left that has its time, unless all were called."""
        if self.call_out_id is None:
            return
        call_out = self.district.call_out(self.call_out_id)
        coming = self.district.muster(self.call_out_id).coming
        for before, stage in zip(call_out.stages, call_out.stages[1:], strict=False):
            if before.state == "called" and stage.state != "called" and coming < before.wanted:
                assert stage.state == "waiting"
                assert stage.due_ms is not None

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()


def test_a_call_out_keeps_its_promises_whatever_happens(migrated_sqlite: Path) -> None:
    Emergency.template = migrated_sqlite
    run_state_machine_as_test(
        Emergency,
        settings=settings(
            max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
