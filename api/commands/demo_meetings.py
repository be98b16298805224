"""The joint work that the demonstration begins with: the last meeting with its minutes and tasks, the coming one
with a prepared agenda, owners who came, and an action team at work."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy.orm import Session

from alerts.action_team_states import TeamState
from alerts.action_team_work import NewTeam, add_step, finish_step, form_team, move_team
from alerts.ticket_list import list_tickets
from api.commands.demo_tickets import Cast
from api.translations import Translator, msgid
from governance import reception
from governance.meeting import Meeting, find_meetings, move_meeting, plan_monthly
from governance.meeting_agenda import add_item, lay_out
from governance.meeting_minutes import ItemWords, confirm_minutes, note_attendance, write_minutes
from governance.meeting_points import points_for
from governance.meeting_rules import MeetingDay, Procedure, meeting_day, next_meeting_day
from governance.meeting_stages import MeetingStage
from governance.work_list import NewTask, move_task, open_task, tasks_of_items, today_at
from governance.work_stages import TaskSource, TaskState, WorkList
from registry.person import find_person
from registry.role import Party
from registry.site import Site
from registry.unit import list_units

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SEATS = {Party.PROPERTY: "manager", Party.COMMITTEE: "committee", Party.COMMUNITY: "community"}


def add_demo_meetings(session: Session, site: Site, *, people: Sequence[str], _: Translator, now_ms: int) -> None:
    """Only into a compound that has none yet."""
    if find_meetings(session, site=site.key, limit=1):
        return
    found = [person.as_actor() for name in people if (person := find_person(session, name)) is not None]
    cast = Cast({actor.name: actor for actor in found}, began_ms=now_ms)
    today = today_at(site, now_ms)
    procedure = Procedure(place=_(msgid("Meeting room of the community")))
    held = meeting_day(procedure, year=today.year, month=today.month, timezone=site.timezone)
    if held.day >= today:
        last = today.replace(day=1) - timedelta(days=1)
        held = meeting_day(procedure, year=last.year, month=last.month, timezone=site.timezone)
    _last_meeting(session, site, held, procedure, cast, _)
    _team_for_a_lift(session, site, cast, today, _, now_ms=now_ms)
    coming = _plan(session, site, next_meeting_day(procedure, today=today, timezone=site.timezone), procedure, now_ms)
    lay_out(session, coming.id, points_for(session, coming, now_ms=now_ms), now_ms=now_ms)
    matter = _(msgid("The lamp at the entrance of building 5 has been out for a week; old people stumble there."))
    reception.receive(session, coming.id, matter=matter, actor=cast.people["community"], now_ms=now_ms)


def _plan(session: Session, site: Site, when: MeetingDay, procedure: Procedure, now_ms: int) -> Meeting:
    meeting = plan_monthly(session, site, when, parties=procedure.parties, place=procedure.place, now_ms=now_ms)
    assert meeting is not None, "the compound has no meetings yet"
    return meeting


def _last_meeting(
    session: Session, site: Site, when: MeetingDay, procedure: Procedure, cast: Cast, _: Translator
) -> None:
    community, manager = cast.people["community"], cast.people["manager"]
    planned_ms, evening_ms = when.starts_ms - 7 * DAY_MS, when.starts_ms
    meeting = _plan(session, site, when, procedure, planned_ms)
    brought = (
        (_(msgid("E-bikes are charged in the stairwell of building 2 at night.")), _(msgid("Auntie Li")), ""),
        (
            _(msgid("When will the facade of building 3 be repaired?")),
            "",
            _(msgid("The entrance is fenced off. The repair needs the committee's seal: on tonight's agenda.")),
        ),
    )
    for place, (matter, name, told) in enumerate(brought):
        at_ms = when.reception_start_ms + place * 600_000
        entry = reception.receive(session, meeting.id, matter=matter, name=name, actor=community, now_ms=at_ms)
        reception.put_on_agenda(session, entry.id, actor=community, now_ms=at_ms)
        if told:
            reception.answer(session, entry.id, told, actor=community, now_ms=at_ms + 300_000)
    title = _(msgid("Doors of the lifts of building 1 fail again and again"))
    third = add_item(session, meeting.id, title=title, actor=manager, now_ms=planned_ms)
    for party, name in SEATS.items():
        person_id = cast.people[name].person_id
        note_attendance(session, meeting.id, party=party, person_id=person_id, actor=community, now_ms=evening_ms)
    move_meeting(session, meeting.id, MeetingStage.OPEN, actor=community, now_ms=evening_ms)
    entries = reception.entries_of(session, meeting.id)
    decided = (
        (
            entries[0].item_id or 0,
            _(msgid("There is room for a charging shed beside the gate.")),
            _(msgid("The company sets up a shed; until then each round stops charging in stairwells.")),
            NewTask(
                _(msgid("Set up a charging shed for e-bikes")),
                Party.PROPERTY,
                manager.person_id,
                when.day + timedelta(days=14),
                work_list=WorkList.HARD_PROBLEMS,
            ),
        ),
        (
            entries[1].item_id or 0,
            _(msgid("The former committee keeps the seal; the street office has asked for it in writing.")),
            _(msgid("The community brings the handover of the seal about.")),
            NewTask(
                _(msgid("Bring about the handover of the seal")),
                Party.COMMUNITY,
                community.person_id,
                when.day + timedelta(days=75),
                work_list=WorkList.COORDINATION,
            ),
        ),
        (
            third.id,
            "",
            _(msgid("An action team looks into the doors and reports.")),
            NewTask(
                _(msgid("Name the delegates of the action team")),
                Party.COMMITTEE,
                cast.people["committee"].person_id,
                when.day + timedelta(days=5),
            ),
        ),
    )
    for item_id, said, decision, task in decided:
        words = ItemWords(said, decision, tasks=[task])
        write_minutes(session, meeting.id, item_id, words, expected_version=None, actor=community, now_ms=evening_ms)
    over_ms = evening_ms + 2 * HOUR_MS
    move_meeting(session, meeting.id, MeetingStage.MINUTED, actor=community, now_ms=over_ms)
    for place, (party, name) in enumerate(SEATS.items()):
        at_ms = over_ms + (place + 1) * HOUR_MS
        confirm_minutes(session, meeting.id, party, actor=cast.people[name], now_ms=at_ms)
    (named,) = tasks_of_items(session, [third.id])
    told = _(msgid("All three are named."))
    done_ms = min(evening_ms + 3 * DAY_MS, cast.began_ms)
    move_task(session, named.id, TaskState.DONE, actor=cast.people["committee"], note=told, now_ms=done_ms)
    reading = NewTask(
        _(msgid("Party members greet those who come to the reception")),
        Party.COMMUNITY,
        work_list=WorkList.PARTY_BUILDING,
    )
    open_task(session, site, reading, source=TaskSource.HAND, actor=community, now_ms=done_ms)


def _team_for_a_lift(session: Session, site: Site, cast: Cast, today: date, _: Translator, *, now_ms: int) -> None:
    lifts = [unit for unit in list_units(session, site=site.key, limit=10) if unit.kind == "elevator"]
    if not lifts:
        return
    began_ms = now_ms - 12 * DAY_MS
    community, manager = cast.people["community"], cast.people["manager"]
    team = form_team(
        session,
        site,
        NewTeam(
            goal=_(msgid("The doors of the lift close without failing for three months")),
            due_on=today + timedelta(days=90),
            reason=_(msgid("Repaired three times since summer, and each time it came again within weeks.")),
            delegates={party: cast.people[name].person_id or 0 for party, name in SEATS.items()},
            ticket_ids=[ticket.id for ticket in list_tickets(session, unit_id=lifts[0].id, limit=5)],
            unit_paths=[lifts[0].unit_key.path],
        ),
        today=today,
        actor=community,
        now_ms=began_ms,
    )
    steps = (
        (_(msgid("Maintenance company measures the door drive and the sill")), Party.PROPERTY, -5),
        (_(msgid("Committee obtains two quotes for a new door drive")), Party.COMMITTEE, 20),
        (_(msgid("Measure again for three months and report")), None, 85),
    )
    made = [
        add_step(
            session,
            team.id,
            text,
            party=party,
            due_on=today + timedelta(days=days),
            actor=community,
            now_ms=began_ms,
        )
        for text, party, days in steps
    ]
    move_team(session, team.id, TeamState.WORKING, actor=community, now_ms=began_ms)
    note = _(msgid("The drive is worn and the sill is out of level by 3 mm."))
    finish_step(session, team.id, made[0].id, note=note, actor=manager, now_ms=now_ms - 4 * DAY_MS)
