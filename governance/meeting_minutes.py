"""Who was there, what was said and decided, and how minutes become final: each party confirms, then they are frozen.

A decision needs the quorum at the moment it is taken. Until the first party has confirmed, and after it as well, the
words of the draft can be mended while it is a draft; each change takes back the confirmations given, because what was
confirmed were other words.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from alerts.signing import parties_of
from governance.errors import StepNotPermitted
from governance.meeting import (
    MAX_WORDS_LENGTH,
    AgendaItem,
    Attendance,
    Meeting,
    MinutesAddendum,
    MinutesConfirmation,
    attendance_of,
    check_stage,
    confirmations_of,
    get_meeting,
    items_of,
    missing_parties,
    record,
    set_stage,
)
from governance.meeting_agenda import get_item
from governance.meeting_errors import (
    ConfirmedAlready,
    NoQuorum,
    PartyNotHeld,
    WordsChangedMeanwhile,
)
from governance.meeting_stages import ATTENDING_PARTIES, ItemOutcome, MeetingStage
from governance.work_list import NewTask, WorkTask, open_task
from governance.work_stages import TaskSource
from registry.database import compact_json
from registry.duty import parties_at
from registry.errors import InvalidField
from registry.person import Person
from registry.role import Actor, Party

MAX_NAME_LENGTH = 60
MOST_ATTENDING = 100
MOST_TASKS_OF_A_DECISION = 10


# Attendance


def note_attendance(
    session: Session,
    meeting_id: int,
    *,
    party: Party,
    name: str = "",
    person_id: int | None = None,
    actor: Actor,
    now_ms: int,
) -> Attendance:
    """Somebody is there for a party: a person of the register, or by name. The same again is the same row.

    Raises InvalidField for somebody who is there for another party already or holds no role of this one.
    """
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "attendance", MeetingStage.PLANNED, MeetingStage.OPEN)
    if party not in ATTENDING_PARTIES:
        raise InvalidField("party", "must be one that comes to meetings")
    if person_id is not None:
        person = session.get(Person, person_id)
        if person is None or not person.is_active or party not in parties_at(person, meeting.site):
            raise InvalidField("person", "must hold a role of that party here")
        name = person.display_name
    name = name.strip()[:MAX_NAME_LENGTH]
    if not name:
        raise InvalidField("name", "must say who is there")
    present = attendance_of(session, meeting.id)
    known = next((r for r in present if r.name == name or (person_id is not None and r.person_id == person_id)), None)
    if known is not None:
        if known.party != party.value:
            raise InvalidField("name", "is there for another party already: nobody sits for two")
        return known
    if len(present) >= MOST_ATTENDING:
        raise InvalidField("name", f"is one too many: {MOST_ATTENDING} at most")
    row = Attendance(
        meeting_id=meeting.id,
        party=party.value,
        name=name,
        person_id=person_id,
        at_ms=now_ms,
        noted_by=actor.name,
    )
    session.add(row)
    session.flush()
    record(session, meeting, "meeting.attended", actor, {"party": party.value}, now_ms=now_ms)
    return row


def strike_attendance(session: Session, meeting_id: int, row_id: int, *, actor: Actor, now_ms: int) -> None:
    """Takes back who was noted by mistake. Raises NoQuorum where a decision was taken that needed them."""
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "attendance", MeetingStage.PLANNED, MeetingStage.OPEN)
    row = session.get(Attendance, row_id)
    if row is None or row.meeting_id != meeting.id:
        return
    others = {each.party for each in attendance_of(session, meeting.id) if each.id != row.id}
    lost = [party.value for party in meeting.needed if party.value not in others]
    if lost and any(item.outcome == ItemOutcome.DECIDED for item in items_of(session, meeting.id)):
        raise NoQuorum(meeting.subject, missing=lost)
    session.delete(row)
    session.flush()
    record(session, meeting, "meeting.attendance_struck", actor, {"party": row.party}, now_ms=now_ms)


# Words


@dataclass(frozen=True, slots=True)
class ItemWords:
    """What was said of an item, what was decided, and what the decision becomes."""

    discussion: str
    decision: str = ""
    is_noted: bool = False
    """Talked about with nothing to decide; without a decision and this, it is still pending."""
    tasks: Sequence[NewTask] = ()


def write_minutes(
    session: Session,
    meeting_id: int,
    item_id: int,
    words: ItemWords,
    *,
    expected_version: int | None,
    actor: Actor,
    now_ms: int,
) -> AgendaItem:
    """Raises NotOnAgenda, StepNotPossible, WordsChangedMeanwhile, NoQuorum for a decision, and as `open_task`.

    After the meeting words can be mended, but nothing can be decided that was not.
    """
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "minutes", MeetingStage.OPEN, MeetingStage.MINUTED)
    item = get_item(session, meeting, item_id)
    if expected_version not in (None, item.version):
        raise WordsChangedMeanwhile(f"item {item.id}", version=item.version, changed_by=item.changed_by)
    decision = words.decision.strip()[:MAX_WORDS_LENGTH]
    is_over = meeting.stage == MeetingStage.MINUTED
    was_decided = item.outcome == ItemOutcome.DECIDED
    if is_over and (bool(decision) != was_decided or words.tasks):
        check_stage(meeting, "decision", MeetingStage.OPEN)
    if decision and not is_over and (missing := missing_parties(session, meeting)):
        raise NoQuorum(meeting.subject, missing=[party.value for party in missing])
    if was_decided and item.tasks and not decision:
        raise InvalidField("decision", "has become tasks already: it can be put otherwise, but not taken back")
    if words.tasks and not decision:
        raise InvalidField("decision", "must be there before it becomes tasks")
    if len(item.tasks) + len(words.tasks) > MOST_TASKS_OF_A_DECISION:
        raise InvalidField("tasks", f"of a decision are {MOST_TASKS_OF_A_DECISION} at most")
    opened = [
        open_task(
            session,
            meeting.site,
            new,
            source=TaskSource.MEETING,
            source_id=item.id,
            actor=actor,
            now_ms=now_ms,
        )
        for new in words.tasks
    ]
    item.discussion, item.decision = words.discussion.strip()[:MAX_WORDS_LENGTH], decision
    item.tasks = [*item.tasks, *(_as_decided(task) for task in opened)]
    if not is_over:
        item.outcome = (
            ItemOutcome.DECIDED if decision else ItemOutcome.NOTED if words.is_noted else ItemOutcome.PENDING
        ).value
    item.version += 1
    item.changed_by = actor.name
    taken_back = _take_confirmations_back(session, meeting) if is_over else 0
    session.flush()
    data: dict[str, Any] = {"item": item.id, "outcome": item.outcome, "tasks": [task.id for task in opened]}
    if taken_back:
        data["confirmations_taken_back"] = taken_back
    record(session, meeting, "meeting.minuted", actor, data, now_ms=now_ms)
    return item


def _as_decided(task: WorkTask) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "title": task.title,
        "party": task.party,
        "owner": task.owner.display_name if task.owner is not None else "",
        "due_on": task.due_on.isoformat() if task.due_on else None,
    }


def _take_confirmations_back(session: Session, meeting: Meeting) -> int:
    given = len(confirmations_of(session, meeting.id))
    if given:
        session.execute(delete(MinutesConfirmation).where(MinutesConfirmation.meeting_id == meeting.id))
        session.expire_all()
    return given


# Confirming


def minutes_digest(session: Session, meeting: Meeting) -> str:
    """SHA-256 over the compact JSON of everything the minutes say, in its order."""
    said = {
        "site": meeting.site.key,
        "meeting": meeting.id,
        "held_on": meeting.held_on.isoformat(),
        "opened_ms": meeting.opened_ms,
        "closed_ms": meeting.closed_ms,
        "attendance": [[row.party, row.name] for row in attendance_of(session, meeting.id)],
        "items": [
            [item.kind, item.source, item.title, item.facts, item.discussion, item.decision, item.outcome, item.tasks]
            for item in items_of(session, meeting.id)
        ],
    }
    return hashlib.sha256(compact_json(said).encode()).hexdigest()


def confirm_minutes(
    session: Session, meeting_id: int, party: Party, *, expected_digest: str | None = None, actor: Actor, now_ms: int
) -> Meeting:
    """A party confirms what the minutes say; with the last of the needed parties they are frozen.

    Nobody confirms for two parties, whatever roles they hold. Raises PartyNotHeld, ConfirmedAlready, StepNotPossible,
    WordsChangedMeanwhile when the words are no longer those of `expected_digest`.
    """
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "confirmation", MeetingStage.MINUTED)
    own = parties_of(actor.roles_at(meeting.site.key))
    if actor.person_id is None or party not in own or party not in meeting.needed:
        speaks_for = [each.value for each in meeting.needed if each in own]
        raise PartyNotHeld(meeting.subject, party=party.value, parties=speaks_for)
    for given in confirmations_of(session, meeting.id):
        if given.party == party.value or given.person_id == actor.person_id:
            raise ConfirmedAlready(meeting.subject, party=given.party, by=given.person.display_name)
    digest = minutes_digest(session, meeting)
    if expected_digest not in (None, digest):
        last = max(items_of(session, meeting.id), key=lambda item: item.version)
        raise WordsChangedMeanwhile(meeting.subject, version=last.version, changed_by=last.changed_by)
    session.add(
        MinutesConfirmation(
            meeting_id=meeting.id, party=party.value, person_id=actor.person_id, at_ms=now_ms, digest=digest
        )
    )
    session.flush()
    record(session, meeting, "meeting.confirmed", actor, {"party": party.value, "sha256": digest}, now_ms=now_ms)
    confirmed = {each.party for each in confirmations_of(session, meeting.id)}
    if all(each.value in confirmed for each in meeting.needed):
        meeting.minutes_hash, meeting.confirmed_ms = digest, now_ms
        data = {"from": meeting.stage, "to": MeetingStage.CONFIRMED.value, "sha256": digest}
        set_stage(session, meeting, MeetingStage.CONFIRMED, actor=actor, data=data, now_ms=now_ms)
    return meeting


def may_confirm(session: Session, meeting: Meeting, actor: Actor) -> list[Party]:
    """Parties for which this person may confirm now."""
    if meeting.stage != MeetingStage.MINUTED:
        return []
    given = confirmations_of(session, meeting.id)
    if any(each.person_id == actor.person_id for each in given):
        return []
    own, done = parties_of(actor.roles_at(meeting.site.key)), {each.party for each in given}
    return [party for party in meeting.needed if party in own and party.value not in done]


def add_addendum(session: Session, meeting_id: int, text: str, *, actor: Actor, now_ms: int) -> MinutesAddendum:
    """What is to be said of minutes that are frozen. Raises StepNotPossible, InvalidField, StepNotPermitted."""
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "addendum", MeetingStage.CONFIRMED)
    text = text.strip()[:MAX_WORDS_LENGTH]
    if not text:
        raise InvalidField("text", "must say something")
    own = parties_of(actor.roles_at(meeting.site.key))
    party = next((each for each in ATTENDING_PARTIES if each in own), None)
    if party is None:
        raise StepNotPermitted(meeting.subject, wanted="addendum", roles=[])
    row = MinutesAddendum(meeting_id=meeting.id, at_ms=now_ms, actor=actor.name, party=party.value, text=text)
    session.add(row)
    session.flush()
    digest = hashlib.sha256(text.encode()).hexdigest()
    record(session, meeting, "meeting.addendum", actor, {"party": party.value, "sha256": digest}, now_ms=now_ms)
    return row
