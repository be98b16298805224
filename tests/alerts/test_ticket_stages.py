"""The stages of a ticket as one table, and who may make which move."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alerts import incident, signing
from alerts.errors import (
    IllegalMove,
    MissingNote,
    MissingProof,
    MovedMeanwhile,
    NotPermitted,
    OtherPartyNeeded,
    UnknownTicket,
)
from alerts.severity import Severity
from alerts.ticket import MAX_NOTE_LENGTH, NOTHING_MORE, Brought, allowed_moves, get_ticket, moves_of
from alerts.ticket_list import count_by_stage, list_tickets
from alerts.ticket_record import TicketAttachment
from alerts.ticket_stages import FINAL_STAGES, MOVES, TURN, Need, Stage, TicketKind
from registry import activity
from registry.database import Database
from registry.role import PARTY_OF_ROLE, Actor, Grant, Party, Role
from registry.site import add_site, get_site

NOW_MS = 1_700_000_000_000
ADMIN = Actor("root", (Grant(Role.ADMIN),))
MANAGER = Actor("mei", (Grant(Role.PROPERTY_MANAGER, "xiaohe"),))
COMMITTEE = Actor("guo", (Grant(Role.COMMITTEE_MEMBER, "xiaohe"),))
STRANGER = Actor("wu", (Grant(Role.PROPERTY_MANAGER, "elsewhere"),))


@pytest.fixture
def ticket_id(database: Database) -> int:
    with database.writing() as session:
        add_site(session, key="xiaohe", now_ms=NOW_MS)
    return opened_by_hand(database)


def opened_by_hand(database: Database) -> int:
    with database.writing() as session:
        return incident.open_ticket_by_hand(
            session,
            site=get_site(session, "xiaohe"),
            unit=None,
            kind=TicketKind.HAZARD,
            title="Rubbish in the stairwell",
            severity=Severity.MINOR,
            description="",
            actor=MANAGER,
            now_ms=NOW_MS,
        ).id


def move(database: Database, ticket_id: int, to: Stage, actor: Actor = MANAGER, note: str = "") -> None:
    with database.writing() as session:
        incident.move_ticket(session, ticket_id, to, actor=actor, note=note, now_ms=NOW_MS + 1)


# The table


def test_every_stage_stands_in_the_table_and_every_move_leads_to_a_stage() -> None:
    assert set(MOVES) == set(Stage)
    targets = {to for moves in MOVES.values() for to in moves}
    assert targets == set(Stage) - {Stage.REPORTED}


def test_stages_are_those_of_the_contract() -> None:
    wanted = "reported triaged dispatched accepted arrived in_progress on_hold restored verified closed cancelled"
    assert [stage.value for stage in Stage] == wanted.split()


def test_only_final_stages_have_no_way_out() -> None:
    assert {stage for stage, moves in MOVES.items() if not moves} == FINAL_STAGES


def test_every_stage_can_be_reached_and_every_open_ticket_can_be_closed() -> None:
    def reachable(start: Stage) -> set[Stage]:
        seen, edge = {start}, [start]
        while edge:
            found = set(MOVES[edge.pop()]) - seen
            seen |= found
            edge += found
        return seen

    assert reachable(Stage.REPORTED) == set(Stage)
    assert all(Stage.CLOSED in reachable(stage) for stage in set(Stage) - FINAL_STAGES)


def test_a_ticket_is_closed_only_after_somebody_verified_it() -> None:
    assert {stage for stage, moves in MOVES.items() if Stage.CLOSED in moves} == {Stage.VERIFIED}
    assert {stage for stage, moves in MOVES.items() if Stage.VERIFIED in moves} == {Stage.RESTORED}


def test_hands_that_repair_do_not_verify_their_own_work() -> None:
    for stage in (Stage.VERIFIED, Stage.CLOSED):
        for moves in MOVES.values():
            if stage in moves:
                assert Role.TECHNICIAN not in moves[stage].roles


def test_no_stage_waits_for_a_role_that_does_not_exist() -> None:
    assert all(move.roles for moves in MOVES.values() for move in moves.values())


def test_holding_cancelling_and_going_back_must_say_why() -> None:
    order = [
        Stage.REPORTED,
        Stage.TRIAGED,
        Stage.DISPATCHED,
        Stage.ACCEPTED,
        Stage.ARRIVED,
        Stage.IN_PROGRESS,
        Stage.RESTORED,
        Stage.VERIFIED,
        Stage.CLOSED,
    ]
    for stage, moves in MOVES.items():
        for to, move_ in moves.items():
            goes_back = stage in order and to in order and order.index(to) < order.index(stage)
            assert move_.needs_note == (goes_back or to in (Stage.CANCELLED, Stage.ON_HOLD)), (stage, to)


# One ticket


def test_a_forbidden_move_names_the_moves_that_are_possible_and_changes_nothing(
    database: Database, ticket_id: int
) -> None:
    with pytest.raises(IllegalMove) as refused:
        move(database, ticket_id, Stage.CLOSED, ADMIN)
    assert refused.value.allowed == ("triaged", "cancelled")
    with database.reading() as session:
        assert get_ticket(session, ticket_id).stage == "reported"
        assert len(moves_of(session, ticket_id)) == 1


def test_a_person_of_another_site_may_not_move_it(database: Database, ticket_id: int) -> None:
    with pytest.raises(NotPermitted):
        move(database, ticket_id, Stage.TRIAGED, STRANGER)
    with database.reading() as session:
        assert allowed_moves(get_ticket(session, ticket_id), STRANGER) == []


def test_what_needs_a_note_is_refused_with_blanks(database: Database, ticket_id: int) -> None:
    for note in ("", "  \n\t "):
        with pytest.raises(MissingNote):
            move(database, ticket_id, Stage.CANCELLED, note=note)
    move(database, ticket_id, Stage.CANCELLED, note="  was a test ")
    with database.reading() as session:
        assert moves_of(session, ticket_id)[-1].note == "was a test"


def test_a_note_is_kept_as_far_as_there_is_room(database: Database, ticket_id: int) -> None:
    move(database, ticket_id, Stage.TRIAGED, note="水" * (MAX_NOTE_LENGTH + 1))
    move(database, ticket_id, Stage.DISPATCHED, note="🛗")
    with database.reading() as session:
        notes = [made.note for made in moves_of(session, ticket_id)]
    assert notes[1] == "水" * MAX_NOTE_LENGTH
    assert notes[2] == "🛗"


def test_the_whole_way_of_a_ticket_is_told_in_its_history_and_in_the_log(database: Database, ticket_id: int) -> None:
    way = [
        Stage.TRIAGED,
        Stage.DISPATCHED,
        Stage.ACCEPTED,
        Stage.ARRIVED,
        Stage.IN_PROGRESS,
        Stage.RESTORED,
        Stage.VERIFIED,
        Stage.CLOSED,
    ]
    for stage in way:
        move(database, ticket_id, stage, COMMITTEE if stage is Stage.VERIFIED else MANAGER)
    with database.reading() as session:
        ticket = get_ticket(session, ticket_id)
        assert (ticket.stage, ticket.closed_ms) == ("closed", NOW_MS + 1)
        history = moves_of(session, ticket_id)
        assert [made.to_stage for made in history] == ["reported", *(stage.value for stage in way)]
        assert [made.from_stage for made in history[1:]] == [made.to_stage for made in history[:-1]]
        log = activity.of_subject(session, f"ticket:{ticket_id}")
        assert [row.verb for row in log] == ["ticket.opened"] + ["ticket.moved"] * len(way)
        assert [row.data["to"] for row in log[1:]] == [stage.value for stage in way]


def test_a_ticket_that_does_not_exist_is_told(database: Database) -> None:
    with database.writing() as session, pytest.raises(UnknownTicket, match="77"):
        get_ticket(session, 77, for_update=True)


def test_of_two_people_who_move_it_at_once_one_meets_the_new_stage(database: Database, ticket_id: int) -> None:
    def try_it(to: Stage) -> str:
        try:
            move(database, ticket_id, to, note="because")
        except IllegalMove as refused:
            return f"refused in {refused.current}"
        return to.value

    with ThreadPoolExecutor(2) as pool:
        ended = sorted(pool.map(try_it, [Stage.TRIAGED, Stage.CANCELLED]))
    with database.reading() as session:
        stages = [made.to_stage for made in moves_of(session, ticket_id)]
    if stages == ["reported", "cancelled"]:
        assert ended == ["cancelled", "refused in cancelled"]
    else:
        assert ended == ["cancelled", "triaged"]
        assert stages == ["reported", "triaged", "cancelled"]


def test_tickets_are_listed_newest_first_within_what_a_person_may_see(database: Database, ticket_id: int) -> None:
    others = [opened_by_hand(database) for _ in range(4)]
    move(database, ticket_id, Stage.CANCELLED, note="done")
    with database.reading() as session:

        def ids(**options: object) -> list[int]:
            return [ticket.id for ticket in list_tickets(session, **options)]  # type: ignore[arg-type]

        assert ids() == [*reversed(others), ticket_id]
        assert ids(is_open=True) == others[::-1]
        assert ids(is_open=False) == ids(stage=Stage.CANCELLED) == [ticket_id]
        assert ids(before_id=others[1], limit=1) == [others[0]]
        assert ids(visible={"xiaohe"}) == ids(site="xiaohe") == ids()
        assert ids(visible=frozenset()) == ids(visible={"elsewhere"}) == ids(site="elsewhere") == []
        assert count_by_stage(session) == {Stage.REPORTED: 4, Stage.CANCELLED: 1}


# What a move needs


def test_every_turn_is_of_a_party_that_can_make_a_move() -> None:
    assert set(TURN) == set(Stage)
    for stage, parties in TURN.items():
        able = set().union(*(signing.parties_of(row.roles) for row in MOVES[stage].values()))
        assert parties <= able, stage
        assert bool(parties) == (stage not in FINAL_STAGES)


def test_what_is_demanded_of_a_repair_is_needed_since_the_work_began(database: Database, ticket_id: int) -> None:
    def proof(at_ms: int) -> None:
        with database.writing() as session:
            row = TicketAttachment(ticket_id=ticket_id, at_ms=at_ms, actor="mei", name="a", media_type="image/jpeg")
            row.size_bytes, row.digest = 1, str(at_ms)
            session.add(row)

    move(database, ticket_id, Stage.TRIAGED)
    with database.writing() as session:
        brought = Brought(demands=frozenset({Need.PHOTO}))
        incident.move_ticket(session, ticket_id, Stage.DISPATCHED, actor=MANAGER, brought=brought, now_ms=NOW_MS)
    for stage in (Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS):
        move(database, ticket_id, stage)
    proof(NOW_MS)
    with pytest.raises(MissingProof) as refused:
        move(database, ticket_id, Stage.RESTORED)
    assert refused.value.lacking == ("photo",)
    proof(NOW_MS + 1)
    move(database, ticket_id, Stage.RESTORED)


# Any sequence of moves

HERE_ROLES = st.lists(st.sampled_from(Role), min_size=1, max_size=3, unique=True)


class TicketLife(RuleBasedStateMachine):
    """People of all parties, some with roles in several, try moves; plain Python knows what must come of each.

    Invariants: no ticket without history; nothing is verified by the party or the person that repaired it, unless an
    administrator stood in and the history says so; nothing is closed that was not verified.
    """

    database: Database

    @initialize()
    def open(self) -> None:
        self.ticket_id = opened_by_hand(self.database)
        self.stage = Stage.REPORTED
        self.history = [Stage.REPORTED]
        self.repaired: tuple[str, Party] | None = None

    @rule(
        to=st.sampled_from(Stage),
        roles=HERE_ROLES,
        is_here=st.sampled_from([True, True, False]),
        note=st.sampled_from(["", "because"]),
    )
    def try_any(self, to: Stage, roles: list[Role], is_here: bool, note: str) -> None:
        self.attempt(to, roles if is_here else [], note, name="x")

    @precondition(lambda self: MOVES[self.stage])
    @rule(data=st.data(), also=st.lists(st.sampled_from(Role), max_size=1), name=st.sampled_from("xyz"))
    def try_possible(self, data: st.DataObject, also: list[Role], name: str) -> None:
        to = data.draw(st.sampled_from(list(MOVES[self.stage])))
        role = data.draw(st.sampled_from(sorted(MOVES[self.stage][to].roles)))
        self.attempt(to, [role, *also], "because", name=name)

    @precondition(lambda self: len(MOVES[self.stage]) > 1)
    @rule(seen=st.sampled_from(Stage))
    def move_what_is_not_as_it_was_seen(self, seen: Stage) -> None:
        if seen is not self.stage:
            to = next(iter(MOVES[self.stage]))
            with pytest.raises(MovedMeanwhile):
                self.move(to, ADMIN, "because", Brought(expected_stage=seen))

    def attempt(self, to: Stage, roles: list[Role], note: str, *, name: str) -> None:
        actor = Actor(name, tuple(Grant(role, "xiaohe") for role in roles) or (Grant(Role.ADMIN, "elsewhere"),))
        wanted: type[Exception] | None = None
        row = MOVES[self.stage].get(to)
        parties = {PARTY_OF_ROLE[role] for role in roles}
        if row is None:
            wanted = IllegalMove
        elif not set(roles) & (row.roles | {Role.ADMIN}):
            wanted = NotPermitted
        elif to is Stage.VERIFIED and Role.ADMIN not in roles and self.repaired is not None:
            who, party = self.repaired
            if name == who or party in parties:
                wanted = OtherPartyNeeded
        if wanted is None and row is not None and row.needs_note and not note:
            wanted = MissingNote
        with self.database.reading() as session:
            offered = allowed_moves(get_ticket(session, self.ticket_id), actor)
        assert (to in offered) == (wanted in (None, MissingNote))
        if wanted is None:
            self.move(to, actor, note)
            if to is Stage.RESTORED:
                # Only the property company and the administrator repair.
                is_property = set(roles) & {Role.PROPERTY_MANAGER, Role.TECHNICIAN}
                self.repaired = (name, Party.PROPERTY if is_property else Party.OPERATOR)
            self.stage = to
            self.history.append(to)
        else:
            with pytest.raises(wanted):
                self.move(to, actor, note)

    def move(self, to: Stage, actor: Actor, note: str, brought: Brought = NOTHING_MORE) -> None:
        with self.database.writing() as session:
            incident.move_ticket(
                session, self.ticket_id, to, actor=actor, note=note, brought=brought, now_ms=NOW_MS + len(self.history)
            )

    @invariant()
    def history_is_whole(self) -> None:
        with self.database.reading() as session:
            ticket = get_ticket(session, self.ticket_id)
            assert ticket.stage == self.stage
            assert ticket.version == len(self.history)
            assert (ticket.closed_ms is not None) == (self.stage in FINAL_STAGES)
            assert (ticket.hold_reason is not None) == (self.stage is Stage.ON_HOLD)
            assert [made.to_stage for made in moves_of(session, self.ticket_id)] == [s.value for s in self.history]

    @invariant()
    def nothing_is_verified_by_those_who_repaired_it_nor_closed_unverified(self) -> None:
        repaired = None
        with self.database.reading() as session:
            for earlier, later in pairwise(moves_of(session, self.ticket_id)):
                if later.to_stage == Stage.RESTORED:
                    repaired = later
                if later.to_stage == Stage.VERIFIED:
                    assert repaired is not None
                    is_other = later.party != repaired.party and later.actor != repaired.actor
                    assert is_other or later.stands_in
                if later.to_stage == Stage.CLOSED:
                    assert earlier.to_stage == Stage.VERIFIED

    def teardown(self) -> None:
        with self.database.reading() as session:
            assert not list(activity.verify_chain(session))


def test_whatever_people_try_the_table_holds_and_the_history_is_whole(database: Database, ticket_id: int) -> None:
    class Life(TicketLife):
        pass

    Life.database = database
    run_state_machine_as_test(Life, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))
