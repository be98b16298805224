"""Jindu Huating: hazards that nobody could pay to mend, because seal and accounts were withheld; how it was unblocked.

Told by a virtual clock over half a year, from the first tickets on hold to those closed after the election.
"""

from datetime import date

import pytest
from sqlalchemy import select

from alerts import incident
from alerts.action_team import delegates_of, empty_seats, get_team
from alerts.action_team_states import TeamState
from alerts.action_team_work import NewTeam, add_step, finish_step, form_team, move_team, name_delegate
from alerts.hold import HoldReason
from alerts.notification import Notification
from alerts.severity import Severity
from alerts.ticket import Brought, get_ticket
from alerts.ticket_list import TicketFilter, count_blocked, find_tickets
from alerts.ticket_stages import Stage, TicketKind
from governance.meeting import find_meetings, get_meeting, items_of, move_meeting
from governance.meeting_errors import NoQuorum
from governance.meeting_minutes import ItemWords, confirm_minutes, note_attendance, write_minutes
from governance.meeting_rhythm import keep_rhythm
from governance.meeting_stages import AgendaKind, MeetingStage
from governance.team_report import Suggestion, figures_of, suggestions_for
from governance.work_list import NewTask, get_task, move_task, tasks_of_items
from governance.work_stages import TaskState
from registry import activity
from registry.database import Database
from registry.duty import parties_at
from registry.person import Person
from registry.role import Party, Role
from registry.unit import get_unit
from tests.governance.compound import DAY_MS, HOUR_MS, KEY, NOW_MS, Compound

HAZARDS = (
    ("Lift 1 stops between floors", TicketKind.FAULT, HoldReason.GOVERNANCE_ACCOUNTS),
    ("Fire pump does not start by itself", TicketKind.HAZARD, HoldReason.GOVERNANCE_FUND),
    ("Hollow facade tiles above the entrance", TicketKind.HAZARD, HoldReason.GOVERNANCE_SEAL_WITHHELD),
)
SEATS = {Party.PROPERTY: "manager", Party.COMMITTEE: "committee", Party.COMMUNITY: "community"}


@pytest.fixture
def compound(database: Database) -> Compound:
    made = Compound(database)
    made.lifts(1)
    return made


def hazards_on_hold(compound: Compound) -> list[int]:
    """What the property company took up and could not pay for."""
    manager, ids = compound.actor("manager"), []
    with compound.at_work() as (session, site):
        for title, kind, reason in HAZARDS:
            ticket = incident.open_ticket_by_hand(
                session,
                site=site,
                unit=get_unit(session, f"{KEY}~lift-1") if kind is TicketKind.FAULT else None,
                kind=kind,
                title=title,
                severity=Severity.MAJOR,
                description="",
                actor=manager,
                now_ms=NOW_MS,
            )
            incident.move_ticket(session, ticket.id, Stage.TRIAGED, actor=manager, now_ms=NOW_MS + HOUR_MS)
            brought = Brought(hold_reason=reason)
            note = "Nobody can sign for the money."
            incident.move_ticket(
                session,
                ticket.id,
                Stage.ON_HOLD,
                actor=manager,
                note=note,
                brought=brought,
                now_ms=NOW_MS + 2 * HOUR_MS,
            )
            ids.append(ticket.id)
    return ids


def run_until(compound: Compound, now_ms: int) -> None:
    """The worker's clock, once a day."""
    while compound.now_ms < now_ms:
        compound.now_ms = min(compound.now_ms + DAY_MS, now_ms)
        keep_rhythm(compound.database, now_ms=compound.now_ms)


def come(compound: Compound, meeting_id: int, *parties: Party) -> None:
    with compound.at_work() as (session, _):
        for party in parties:
            person_id = compound.ids[SEATS[party]]
            note_attendance(
                session,
                meeting_id,
                party=party,
                person_id=person_id,
                actor=compound.actor("community"),
                now_ms=compound.now_ms,
            )


def move(compound: Compound, meeting_id: int, stage: MeetingStage) -> None:
    with compound.at_work() as (session, _):
        move_meeting(session, meeting_id, stage, actor=compound.actor("community"), now_ms=compound.now_ms)


def meeting_of(compound: Compound, month: str) -> int:
    with compound.database.reading() as session:
        return next(meeting.id for meeting in find_meetings(session, site=KEY) if meeting.month == month)


def test_blocked_governance_is_unblocked_and_the_hazards_are_mended(compound: Compound) -> None:
    tickets = hazards_on_hold(compound)
    # Nobody can sign: the turn is the community's and the three-party office's, and all of it can be counted.
    with compound.database.reading() as session:
        assert count_blocked(session) == 3
        assert {frozenset(each.turn) for each in find_tickets(session, TicketFilter(is_blocked=True))} == {
            frozenset({Party.COMMUNITY, Party.DISTRICT})
        }

    # The committee does not come: nothing is decided, and nothing is lost.
    run_until(compound, meeting_ms := NOW_MS + 17 * DAY_MS + 7 * HOUR_MS)
    december = meeting_of(compound, "2026-12")
    with compound.database.reading() as session:
        agenda = items_of(session, december)
        assert [item.kind for item in agenda[:3]] == [AgendaKind.BLOCKED] * 3
        assert {item.facts["ticket_id"] for item in agenda[:3]} == set(tickets)
        blocked_item = agenda[0].id
    come(compound, december, Party.PROPERTY, Party.COMMUNITY)
    move(compound, december, MeetingStage.OPEN)
    community = compound.actor("community")
    with compound.at_work() as (session, _), pytest.raises(NoQuorum) as refused:
        write_minutes(
            session,
            december,
            blocked_item,
            ItemWords("", "We pay"),
            expected_version=None,
            actor=community,
            now_ms=meeting_ms,
        )
    assert refused.value.missing == ("committee",)
    move(compound, december, MeetingStage.WITHOUT_QUORUM)

    # A month later all three come. What was left stands first; it is decided, with owners and days.
    run_until(compound, meeting_ms := meeting_ms + 32 * DAY_MS)
    with compound.database.reading() as session:
        january = meeting_of(compound, "2027-01")
        agenda = items_of(session, january)
        assert [item.kind for item in agenda[:3]] == [AgendaKind.CARRIED_OVER] * 3
        assert len({item.source for item in agenda}) == len(agenda), "each case stands there once"
        first = agenda[0].id
        suggested = [each.ticket.id for each in suggestions_for_site(compound) if each.ticket is not None]
        assert suggested == tickets, "a team is suggested for what has been lying for more than a month"
    come(compound, january, *SEATS)
    move(compound, january, MeetingStage.OPEN)
    task = NewTask("Prepare the election", Party.COMMUNITY, compound.ids["community"], date(2027, 2, 28))
    with compound.at_work() as (session, _):
        words = ItemWords("Seal and accounts are withheld.", "A team brings an election about.", tasks=[task])
        write_minutes(session, january, first, words, expected_version=None, actor=community, now_ms=compound.now_ms)
    move(compound, january, MeetingStage.MINUTED)
    with compound.at_work() as (session, _):
        for party, name in SEATS.items():
            confirm_minutes(session, january, party, actor=compound.actor(name), now_ms=compound.now_ms)
        assert get_meeting(session, january).stage == MeetingStage.CONFIRMED

    # The action team: three delegates, a goal, a plan.
    formed_ms = compound.now_ms
    with compound.at_work() as (session, site):
        new = NewTeam(
            goal="An elected committee holds seal and accounts, and the hazards are mended",
            due_on=date(2027, 12, 31),
            delegates={party: compound.ids[name] for party, name in SEATS.items()},
            ticket_ids=tickets,
            unit_paths=[f"{KEY}~lift-1"],
        )
        team_id = form_team(session, site, new, today=date(2027, 1, 11), actor=community, now_ms=formed_ms).id
        steps = [
            add_step(session, team_id, text, party=Party.COMMUNITY, actor=community, now_ms=formed_ms).id
            for text in ("Election under the supervision of the street office", "Handover of seal and accounts")
        ]
        move_team(session, team_id, TeamState.WORKING, actor=community, now_ms=formed_ms)
    assert suggestions_for_site(compound) == [], "a team is at work at all of it"

    # The task is not done in time; its owner is told, once each time, and it comes before the next meetings.
    run_until(compound, formed_ms + 70 * DAY_MS)
    (task_id,) = decided_tasks(compound, first)
    with compound.database.reading() as session:
        told = [row.data["number"] for row in session.scalars(select(Notification)) if row.template == "task_overdue"]
        assert told == sorted(set(told))
        assert told[:2] == [1, 2]
        march = items_of(session, meeting_of(compound, "2027-03"))
        assert f"task:{task_id}" in {item.source for item in march}

    # The election under supervision. The delegate of the old committee loses the role; the seat is empty until filled.
    elected_ms = compound.now_ms
    with compound.at_work() as (session, site):
        finish_step(
            session,
            team_id,
            steps[0],
            note="Elected on 20 March, supervised by the street office; 71 % took part.",
            actor=compound.actor("district"),
            now_ms=elected_ms,
        )
        compound.ids["chair"] = compound.add_person(session, "chair", [Role.COMMITTEE_MEMBER], site)
        move_task(session, task_id, TaskState.DONE, actor=community, note="The election was held.", now_ms=elected_ms)
        assert get_task(session, task_id).next_reminder_ms is None
    compound.lose_roles("committee")
    with compound.at_work() as (session, site):
        team = get_team(session, team_id)
        assert Party.COMMITTEE not in parties_at(session.get_one(Person, compound.ids["committee"]), site)
        seat = (Party.COMMITTEE, compound.ids["chair"])
        assert empty_seats(team, delegates_of(session, team_id)) == [Party.COMMITTEE]
        name_delegate(session, team_id, *seat, actor=community, now_ms=elected_ms)
        assert empty_seats(team, delegates_of(session, team_id)) == []
        finish_step(
            session, team_id, steps[1], note="Handed over.", actor=compound.actor("chair"), now_ms=elected_ms + DAY_MS
        )
        assert team.state == TeamState.WORKING

    # Unblocked: the tickets go on, another party verifies, and they are closed.
    compound.now_ms = elected_ms + 30 * DAY_MS
    for ticket_id in tickets:
        for stage, name in (
            (Stage.IN_PROGRESS, "technician"),
            (Stage.RESTORED, "technician"),
            (Stage.VERIFIED, "chair"),
            (Stage.CLOSED, "chair"),
        ):
            with compound.at_work() as (session, _):
                incident.move_ticket(session, ticket_id, stage, actor=compound.actor(name), now_ms=compound.now_ms)
    with compound.database.reading() as session:
        assert count_blocked(session) == 0
        assert {get_ticket(session, ticket_id).stage for ticket_id in tickets} == {Stage.CLOSED}

    # The report with its figures; another party than the one that reported accepts it.
    compound.now_ms += 90 * DAY_MS
    with compound.at_work() as (session, _):
        figures = figures_of(session, get_team(session, team_id), now_ms=compound.now_ms)
        assert (figures["tickets"], figures["tickets_closed"], figures["units"]) == (3, 3, 1)
        report = "Seal and accounts are with the elected committee; lift, fire pump and facade are repaired."
        move_team(
            session, team_id, TeamState.REPORTED, actor=community, note=report, figures=figures, now_ms=compound.now_ms
        )
        move_team(session, team_id, TeamState.CLOSED, actor=compound.actor("chair"), now_ms=compound.now_ms)
        assert list(activity.verify_chain(session)) == []
        verbs = [row.verb for row in activity.of_subject(session, f"team:{team_id}")]
        assert verbs[0] == "team.formed"
        assert verbs.count("team.step_done") == 2
        assert verbs[-1] == "team.moved"


def suggestions_for_site(compound: Compound) -> list[Suggestion]:
    with compound.at_work() as (session, site):
        return list(suggestions_for(session, site, now_ms=compound.now_ms))


def decided_tasks(compound: Compound, item_id: int) -> list[int]:
    with compound.database.reading() as session:
        return [task.id for task in tasks_of_items(session, [item_id])]
