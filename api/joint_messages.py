"""What a notification about a meeting or a task says, in the language of the person it is for."""

from alerts.notification import Notification
from api.pages.joint_words import PARTY_OF_TASK
from api.pages.moments import clock_text
from api.translations import Translator, msgid
from governance.meeting_rhythm import MEETING_CALLED
from governance.work_reminder import TASK_OVERDUE
from registry.role import Party

JOINT_TEMPLATES = frozenset({MEETING_CALLED, TASK_OVERDUE})


def joint_title_and_lines(notification: Notification, *, _: Translator, now_ms: int) -> tuple[str, list[str]]:
    """One line that says what it is about, and what there is to know; for a template of `JOINT_TEMPLATES`."""
    data = notification.data
    zone = str(data["zone"])
    if notification.template == MEETING_CALLED:
        starts = clock_text(int(data["starts_ms"]), now_ms=now_ms, zone=zone)
        lines = [str(data["site_name"])]
        if data["place"]:
            lines.append(str(data["place"]))
        if data["reception_start_ms"] is not None:
            received = clock_text(int(data["reception_start_ms"]), now_ms=now_ms, zone=zone)
            lines.append(_(msgid("Owners are received from %(time)s."), time=received))
        lines.append(_(msgid("The agenda is prepared: %(n)s items."), n=data["items"]))
        return _(msgid("Joint meeting on %(time)s"), time=starts), lines
    who = str(data["owner"]) or _(PARTY_OF_TASK[Party(data["party"])])
    lines = [str(data["site_name"]), _(msgid("It was due on %(day)s; owner: %(who)s."), day=data["due_on"], who=who)]
    if int(data["number"]) > 1:
        lines.append(_(msgid("Reminder %(n)s"), n=data["number"]))
    return _(msgid("Task overdue: %(what)s"), what=data["title"]), lines
