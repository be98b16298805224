"""The rhythm of the month, kept by a worker: meetings are made ahead, agendas prepared each day, tasks reminded of.

Several workers may keep it at once: a meeting is made once, an agenda laid out twice is the same agenda, and whoever
holds a task's row is the one who reminds.
"""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from alerts.notification import Call, Told, tell
from alerts.severity import Severity
from governance.meeting import Meeting, get_meeting, plan_monthly
from governance.meeting_agenda import count_items, lay_out
from governance.meeting_points import points_for
from governance.meeting_rules import MeetingRule, Procedure, next_meeting_day
from governance.meeting_stages import MeetingKind, MeetingStage
from governance.work_list import today_at
from governance.work_reminder import is_any_task_due, remind_of_tasks
from governance.work_stages import CONVENERS
from registry.calendar import hours_of
from registry.database import Database
from registry.duty import holders
from registry.site import Site

MEETING_CALLED = "meeting_called"
PREPARE_EVERY_MS = 86_400_000
MOST_PREPARED = 50


def keep_rhythm(database: Database, *, now_ms: int, is_over: Callable[[], bool] = lambda: False) -> int:
    """Does whatever is due by now, each in a short transaction of its own; returns how much that was."""
    done = 0
    with database.reading() as session:
        wanting = sites_without_meeting(session, now_ms=now_ms)
    for site_id in wanting:
        if is_over():
            return done
        with database.writing() as session:
            done += _make(session, site_id, now_ms=now_ms) is not None
    with database.reading() as session:
        stale = unprepared(session, now_ms=now_ms)
    for meeting_id in stale:
        if is_over():
            return done
        done += prepare(database, meeting_id, now_ms=now_ms)
    with database.reading() as session:
        is_due = is_any_task_due(session, now_ms=now_ms)
    while is_due and not is_over():
        with database.writing() as session:
            reminded = remind_of_tasks(session, now_ms=now_ms)
        done += reminded
        is_due = reminded > 0
    return done


def sites_without_meeting(session: Session, *, now_ms: int) -> list[int]:
    """Sites whose next monthly meeting is near enough to be made, and is not there."""
    rules = {rule.site_id: rule.as_procedure() for rule in session.scalars(select(MeetingRule))}
    near = []
    for site in session.scalars(select(Site).where(Site.is_confirmed).order_by(Site.id)):
        procedure = rules.get(site.id, _DEFAULT)
        today = today_at(site, now_ms)
        when = next_meeting_day(procedure, today=today, timezone=site.timezone)
        if procedure.is_held and when.day - today <= timedelta(days=procedure.lead_days):
            near.append((site.id, when.month))
    months = {month for _, month in near}
    query = select(Meeting.site_id, Meeting.month).where(Meeting.month.in_(months))
    known = {(row[0], row[1]) for row in session.execute(query)}
    return [site_id for site_id, month in near if (site_id, month) not in known]


_DEFAULT = Procedure()


def _make(session: Session, site_id: int, *, now_ms: int) -> Meeting | None:
    site = session.get_one(Site, site_id)
    rule = session.get(MeetingRule, site_id)
    procedure = _DEFAULT if rule is None else rule.as_procedure()
    when = next_meeting_day(procedure, today=today_at(site, now_ms), timezone=site.timezone)
    return plan_monthly(session, site, when, parties=procedure.parties, place=procedure.place, now_ms=now_ms)


def unprepared(session: Session, *, now_ms: int) -> list[int]:
    """Monthly meetings that are planned and whose agenda is a day old, or not there."""
    query = (
        select(Meeting.id)
        .where(
            Meeting.stage == MeetingStage.PLANNED.value,
            Meeting.kind == MeetingKind.MONTHLY.value,
            or_(Meeting.prepared_ms.is_(None), Meeting.prepared_ms <= now_ms - PREPARE_EVERY_MS),
            # What nobody opened and nobody cancelled is not prepared for ever.
            Meeting.starts_ms >= now_ms - PREPARE_EVERY_MS,
        )
        .order_by(Meeting.starts_ms, Meeting.id)
        .limit(MOST_PREPARED)
    )
    return list(session.scalars(query))


def prepare(database: Database, meeting_id: int, *, now_ms: int) -> bool:
    """Looks at the facts without holding anybody up, then lays the agenda out; those who convene are told the first
    time. False when the meeting has opened meanwhile."""
    with database.reading() as session:
        points = points_for(session, get_meeting(session, meeting_id), now_ms=now_ms)
    with database.writing() as session:
        meeting = lay_out(session, meeting_id, points, now_ms=now_ms)
        if meeting is None:
            return False
        if meeting.kind == MeetingKind.MONTHLY and meeting.starts_ms > now_ms:
            _tell_conveners(session, meeting, now_ms=now_ms)
        return True


def _tell_conveners(session: Session, meeting: Meeting, *, now_ms: int) -> None:
    told = Told(
        # One message a meeting, however often its agenda is prepared.
        key=f"{meeting.subject}:called",
        template=MEETING_CALLED,
        severity=Severity.ADVISORY,
        site=meeting.site.key,
        data={
            "meeting_id": meeting.id,
            "site_name": meeting.site.name,
            "zone": meeting.site.timezone,
            "starts_ms": meeting.starts_ms,
            "reception_start_ms": meeting.reception_start_ms,
            "place": meeting.place,
            "items": count_items(session, [meeting.id]).get(meeting.id, 0),
        },
    )
    people = holders(session, meeting.site, CONVENERS, is_everywhere=False)
    tell(session, [Call(told, people, hours_of(session, meeting.site))], now_ms=now_ms)
