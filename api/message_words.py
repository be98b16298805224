"""What a notification says, in the language of the person it is for."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from alerts.deadlines import ActionKind, Goal
from alerts.notification import Notification
from alerts.resident_report import RESIDENT
from alerts.severity import Severity
from api.call_out_words import CALL_OUT_TEMPLATES, call_out_title_and_lines
from api.joint_messages import JOINT_TEMPLATES, joint_title_and_lines
from api.pages.moments import clock_text
from api.pages.wording import SEVERITY_TITLES
from api.senders import Message
from api.settings import Language
from api.translations import Translator, as_language, msgid, translator
from registry.role import SYSTEM
from registry.site import DEFAULT_TIMEZONE

TEST_TEMPLATE = "test"

GOAL_TITLES: Mapping[Goal, str] = MappingProxyType(
    {
        Goal.RESPONSE: msgid("somebody takes it up"),
        Goal.ON_THE_WAY: msgid("people are on the way"),
        Goal.ARRIVAL: msgid("people have arrived"),
        Goal.RESTORATION: msgid("it works again, people are free"),
        Goal.VERIFICATION: msgid("another party has verified it"),
    }
)
BASIS_TITLES: Mapping[str, str] = MappingProxyType(
    {
        each: each
        for each in (
            msgid("Default of liandong, not law"),
            msgid("Hangzhou lift regulation: rescue arrives within 30 min in built-up areas, 1 h elsewhere"),
            msgid("An entrapment of 2 h or more is a statutory accident"),
        )
    }
)


OURS = frozenset({SYSTEM.name, RESIDENT.name})
"""They open tickets with titles of ours, which are put into the language of the reader."""
LinkOf = Callable[[int, int], str]
"""(call-out, person) → the address at which that person answers."""


def title_and_lines(
    notification: Notification, *, _: Translator, now_ms: int, link_of: LinkOf | None = None
) -> tuple[str, list[str]]:
    """One line that says what it is about, and what there is to know; a personal link only where it is sent."""
    if notification.template == TEST_TEMPLATE:
        return _(msgid("Test message")), [_(msgid("This channel works."))]
    if notification.template in JOINT_TEMPLATES:
        return joint_title_and_lines(notification, _=_, now_ms=now_ms)
    data: Mapping[str, Any] = notification.data
    if notification.template in CALL_OUT_TEMPLATES:
        link = link_of(int(data["call_out_id"]), notification.person_id) if link_of is not None else ""
        return call_out_title_and_lines(notification.template, data, link=link, _=_)
    zone = str(data.get("zone", DEFAULT_TIMEZONE))
    severity = _(SEVERITY_TITLES[Severity(notification.severity)])
    what = _(str(data["title"])) if data.get("opened_by") in OURS else str(data["title"])
    where = " · ".join(str(data[part]) for part in ("site_name", "building", "unit") if data.get(part))
    goal = _(GOAL_TITLES[Goal(data["goal"])])
    due = clock_text(int(data["due_ms"]), now_ms=now_ms, zone=zone)
    titles = {
        ActionKind.CALL: _(msgid("%(severity)s, please act: %(what)s"), severity=severity, what=what),
        ActionKind.REMIND: _(msgid("Reminder %(n)s, nobody has taken it up: %(what)s"), n=data["number"], what=what),
        ActionKind.ESCALATE: _(msgid("Deadline missed (%(goal)s): %(what)s"), goal=goal, what=what),
    }
    lines = [where]
    if notification.template == ActionKind.ESCALATE:
        basis = str(data.get("basis", ""))
        lines.append(_(msgid("It was due at %(time)s."), time=due))
        lines.append(_(BASIS_TITLES[basis]) if basis in BASIS_TITLES else basis)
    if data.get("nobody_on_duty"):
        lines.append(_(msgid("NOBODY IS ON DUTY: everybody of the party and the next one were told.")))
    elif data.get("nobody_known"):
        lines.append(_(msgid("The party whose turn it is has nobody in the register: you are told instead.")))
    if data.get("late_min"):
        lines.append(_(msgid("This message is %(n)s minutes late."), n=data["late_min"]))
    if notification.ticket_id is not None:
        lines.append(_(msgid("Ticket %(id)s"), id=notification.ticket_id))
    return titles[ActionKind(notification.template)], [line for line in lines if line]


def message_of(
    notifications: Sequence[Notification], *, fallback: Language, now_ms: int, link_of: LinkOf | None = None
) -> Message:
    """One message, or a digest of several, for the person they are for."""
    speak = translator(as_language(notifications[0].person.language) or fallback)
    parts = [title_and_lines(each, _=speak, now_ms=now_ms, link_of=link_of) for each in notifications]
    facts = tuple(
        {
            "id": each.id,
            "event": each.template,
            "ticket_id": each.ticket_id,
            "site": each.site,
            "severity": each.severity,
            "goal": each.data.get("goal"),
            "call_out_id": each.data.get("call_out_id"),
        }
        for each in notifications
    )
    if len(parts) == 1:
        title, lines = parts[0]
        return Message(title, "\n".join(lines), facts, now_ms)
    title = speak(msgid("%(n)s messages that could wait"), n=len(parts))
    body = "\n\n".join("\n".join((each, *lines)) for each, lines in parts)
    return Message(title, body, facts, now_ms)
