"""Tells the owners of tasks that are overdue, each time exactly once, whoever does it and however late."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.notification import Call, Told, tell
from alerts.severity import Severity
from governance.work_list import WorkTask
from governance.work_stages import CONVENERS, WORKERS
from registry import activity
from registry.activity import Entry
from registry.calendar import hours_of
from registry.duty import holders
from registry.person import Person
from registry.role import PARTY_OF_ROLE, Party, Role

TASK_OVERDUE = "task_overdue"
DAY_MS = 86_400_000
REMIND_EVERY_DAYS = 4
"""[P] Between two reminders of the same task."""
MOST_REMINDERS = 5
TOLD_UPWARD_FROM = 3
"""[P] From this reminder on the community is told as well: the matter has been lying for more than a week."""
BATCH = 100


def is_any_task_due(session: Session, *, now_ms: int) -> bool:
    return session.scalar(select(WorkTask.id).where(WorkTask.next_reminder_ms <= now_ms).limit(1)) is not None


def remind_of_tasks(session: Session, *, now_ms: int, limit: int = BATCH) -> int:
    """Does up to `limit` of the reminders that are due; returns how many. One transaction, the caller's."""
    # Takes the head of the log before any row that somebody else might wait for.
    activity.append(session, [], now_ms=now_ms)
    query = (
        select(WorkTask)
        .where(WorkTask.next_reminder_ms <= now_ms)
        .order_by(WorkTask.next_reminder_ms, WorkTask.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=WorkTask)
    )
    tasks = list(session.scalars(query))
    calls = []
    for task in tasks:
        task.reminders += 1
        is_last = task.reminders >= MOST_REMINDERS
        task.next_reminder_ms = None if is_last else now_ms + REMIND_EVERY_DAYS * DAY_MS
        calls.append(Call(_told(task), responsible_for(session, task), hours_of(session, task.site)))
    counts = tell(session, calls, now_ms=now_ms)
    entries = [
        Entry(
            verb="task.reminded",
            subject=task.subject,
            site=task.site.key,
            data={"title": task.title, "number": task.reminders, "due_on": str(task.due_on), "told": count},
        )
        for task, count in zip(tasks, counts, strict=True)
    ]
    if entries:
        activity.append(session, entries, now_ms=now_ms)
    return len(tasks)


def _told(task: WorkTask) -> Told:
    return Told(
        # The version is in it: a task that was postponed is reminded of anew.
        key=f"{task.subject}:{task.version}:overdue:{task.reminders}",
        template=TASK_OVERDUE,
        severity=Severity.MINOR if task.reminders < TOLD_UPWARD_FROM else Severity.MAJOR,
        site=task.site.key,
        data={
            "task_id": task.id,
            "title": task.title,
            "site_name": task.site.name,
            "zone": task.site.timezone,
            "due_on": str(task.due_on),
            "number": task.reminders,
            "owner": task.owner.display_name if task.owner is not None else "",
            "party": task.party,
        },
    )


def responsible_for(session: Session, task: WorkTask) -> list[Person]:
    """Its owner; the party's conveners where nobody is named, or whoever was has left; later the community too."""
    of_party = {role for role in WORKERS if PARTY_OF_ROLE[role] is Party(task.party)}
    people = [person for person in holders(session, task.site, of_party) if person.id == task.owner_id]
    if not people:
        people = holders(session, task.site, of_party & CONVENERS or of_party)
    if task.reminders >= TOLD_UPWARD_FROM or not people:
        above = holders(session, task.site, {Role.COMMUNITY_OFFICER})
        people += [person for person in above if person not in people]
    return people
