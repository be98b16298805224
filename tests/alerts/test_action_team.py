"""Action teams: three named delegates, a plan, a report that another party accepts."""

from datetime import date

import pytest

from alerts.action_team import (
    ActionTeam,
    DelegateMissing,
    ReportedByThemselves,
    delegates_of,
    empty_seats,
    get_team,
    steps_of,
    teams_about,
    tickets_of,
)
from alerts.action_team_states import TEAM_MOVES, TEAM_PARTIES, TeamState
from alerts.action_team_work import (
    NewTeam,
    add_step,
    allowed_team_moves,
    finish_step,
    form_team,
    link_ticket,
    move_team,
    name_delegate,
)
from alerts.errors import IllegalMove, MissingNote, MovedMeanwhile, NotPermitted, UnknownTicket
from alerts.severity import Severity
from alerts.ticket import open_ticket
from alerts.ticket_stages import TicketKind
from registry.database import Database
from registry.errors import InvalidField, UnknownUnit
from registry.role import Party, Role
from tests.governance.compound import KEY, NOW_MS, Compound

TODAY, DUE = date(2026, 11, 23), date(2027, 1, 31)
SEATS = {Party.PROPERTY: "manager", Party.COMMITTEE: "committee", Party.COMMUNITY: "community"}
S = TeamState


@pytest.fixture
def compound(database: Database) -> Compound:
    made = Compound(database)
    made.lifts(2)
    return made


def form(compound: Compound, **others: object) -> int:
    with compound.at_work() as (session, site):
        seats = {party: compound.ids[name] for party, name in SEATS.items()}
        new = NewTeam(**{"goal": "Lift 1 runs", "due_on": DUE, "delegates": seats, **others})  # type: ignore[arg-type]
        return form_team(session, site, new, today=TODAY, actor=compound.actor("community"), now_ms=NOW_MS).id


def move(compound: Compound, team_id: int, to: TeamState, *, by: str, note: str = "so") -> ActionTeam:
    with compound.at_work() as (session, _):
        return move_team(session, team_id, to, actor=compound.actor(by), note=note, now_ms=NOW_MS)


def test_the_table_of_states_is_total_and_every_team_can_end() -> None:
    assert set(TEAM_MOVES) == set(S)
    assert all(TEAM_MOVES[state] or state in (S.CLOSED, S.DISSOLVED) for state in S)


def test_a_team_works_reports_and_is_closed_by_another_party(compound: Compound) -> None:
    team_id = form(compound, unit_paths=[f"{KEY}~lift-1"])
    move(compound, team_id, S.WORKING, by="community")
    with pytest.raises(NotPermitted):
        move(compound, team_id, S.REPORTED, by="district")
    with pytest.raises(MissingNote):
        move(compound, team_id, S.REPORTED, by="manager", note=" ")
    move(compound, team_id, S.REPORTED, by="manager", note="New door operator")
    for name in ("manager", "both"):
        with pytest.raises(ReportedByThemselves) as refused:
            move(compound, team_id, S.CLOSED, by=name)
        assert refused.value.parties == ("committee", "community")
    with compound.database.reading() as session:
        team = get_team(session, team_id)
        assert allowed_team_moves(session, team, compound.actor("manager")) == [S.WORKING]
    team = move(compound, team_id, S.CLOSED, by="committee")
    assert (team.report, team.reported_party, team.is_open) == ("New door operator", "property", False)
    with pytest.raises(IllegalMove):
        move(compound, team_id, S.WORKING, by="admin")


def test_no_work_without_one_delegate_of_each_party(compound: Compound) -> None:
    team_id = form(compound, delegates={Party.PROPERTY: compound.ids["manager"]})
    with pytest.raises(DelegateMissing) as refused:
        move(compound, team_id, S.WORKING, by="community")
    assert refused.value.parties == ("committee", "community")


def test_a_delegate_who_loses_the_role_leaves_an_empty_seat(compound: Compound) -> None:
    team_id = form(compound)
    move(compound, team_id, S.WORKING, by="community")
    compound.lose_roles("committee")
    with compound.database.reading() as session:
        assert empty_seats(get_team(session, team_id), delegates_of(session, team_id)) == [Party.COMMITTEE]
    with pytest.raises(DelegateMissing):
        move(compound, team_id, S.REPORTED, by="manager")
    with pytest.raises(NotPermitted):
        move(compound, team_id, S.REPORTED, by="committee")
    with compound.at_work() as (session, site):
        new = compound.add_person(session, "chair", [Role.COMMITTEE_MEMBER], site)
        name_delegate(session, team_id, Party.COMMITTEE, new, actor=compound.actor("community"), now_ms=NOW_MS)
        assert [row.person.name for row in delegates_of(session, team_id)] == ["manager", "chair", "community"]
    move(compound, team_id, S.REPORTED, by="manager")


def test_nobody_sits_for_two_parties_or_for_one_that_is_not_theirs(compound: Compound) -> None:
    team_id = form(compound, delegates={Party.PROPERTY: compound.ids["both"]})
    with compound.at_work() as (session, _):
        for party, name in ((Party.COMMITTEE, "both"), (Party.COMMITTEE, "manager"), (Party.DISTRICT, "district")):
            with pytest.raises(InvalidField):
                name_delegate(session, team_id, party, compound.ids[name], actor=compound.actor("admin"), now_ms=NOW_MS)
    assert len(TEAM_PARTIES) == 3


def test_a_plan_has_steps_that_say_what_was_done(compound: Compound) -> None:
    team_id, actor = form(compound), compound.actor("manager")
    with compound.at_work() as (session, _):
        last = add_step(session, team_id, "Measure again", actor=actor, now_ms=NOW_MS)
        first = add_step(
            session, team_id, "Order", party=Party.PROPERTY, due_on=date(2026, 12, 1), actor=actor, now_ms=NOW_MS
        )
        assert [step.id for step in steps_of(session, team_id)] == [first.id, last.id]
        with pytest.raises(MissingNote):
            finish_step(session, team_id, first.id, note="", actor=actor, now_ms=NOW_MS)
        finish_step(session, team_id, first.id, note="ordered", actor=actor, now_ms=NOW_MS)
        finish_step(session, team_id, first.id, note="again", actor=actor, now_ms=NOW_MS + 1)
        assert (first.done_note, first.done_ms) == ("ordered", NOW_MS)
        other = form_team(
            session, get_team(session, team_id).site, NewTeam("Other", DUE), today=TODAY, actor=actor, now_ms=NOW_MS
        )
        with pytest.raises(InvalidField):
            finish_step(session, other.id, last.id, note="x", actor=actor, now_ms=NOW_MS)


def test_what_belongs_to_a_team_is_of_its_site_and_linked_once(compound: Compound) -> None:
    with compound.at_work() as (session, site):
        ticket = open_ticket(
            session,
            site=site,
            unit=None,
            kind=TicketKind.HAZARD,
            title="Tiles",
            severity=Severity.MAJOR,
            opened_by="x",
            now_ms=NOW_MS,
        )
    team_id = form(compound, ticket_ids=[ticket.id])
    with compound.at_work() as (session, site):
        team = get_team(session, team_id)
        link_ticket(session, team, ticket.id, actor=compound.actor("manager"), now_ms=NOW_MS)
        assert [each.id for each in tickets_of(session, team_id)] == [ticket.id]
        assert teams_about(session, site.id, ticket_ids=[ticket.id], unit_ids=[1]) == ({ticket.id}, frozenset())
        with pytest.raises(UnknownTicket):
            link_ticket(session, team, 99_999, actor=compound.actor("manager"), now_ms=NOW_MS)
    with pytest.raises(UnknownUnit):
        form(compound, unit_paths=["jindu~nowhere"])
    for wrong in ({"goal": " "}, {"due_on": date(2026, 1, 1)}):
        with pytest.raises(InvalidField):
            form(compound, **wrong)


def test_of_two_who_move_it_the_second_is_told(compound: Compound) -> None:
    team_id = form(compound)
    with compound.at_work() as (session, _):
        actor = compound.actor("community")
        move_team(session, team_id, S.WORKING, actor=actor, expected_version=1, now_ms=NOW_MS)
        with pytest.raises(MovedMeanwhile):
            move_team(session, team_id, S.DISSOLVED, actor=actor, note="x", expected_version=1, now_ms=NOW_MS)
