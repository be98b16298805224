"""What a page tells of a false alarm, and what it offers to say about one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.false_alarm import FalseAlarm, FalseCause, marks_of
from api.pages.moments import Moment
from api.pages.rendering import Reader
from api.pages.ticket_cards import actor_name
from api.security import names_people
from api.translations import msgid

MARK = "/alarms/{alarm_id}/false-alarm"

FALSE_CAUSE_TITLES: Mapping[FalseCause, str] = MappingProxyType(
    {
        FalseCause.SENSOR: msgid("Sensor faulty, dirty or badly placed"),
        FalseCause.LIMIT: msgid("Limit set wrongly"),
        FalseCause.WORK: msgid("People were working or testing there"),
        FalseCause.ENVIRONMENT: msgid("Dust, steam, damp, insects, weather"),
        FalseCause.MISUSE: msgid("Misuse, or pressed by mistake"),
        FalseCause.LINK: msgid("Transmission or wiring"),
        FalseCause.MODEL: msgid("The model was wrong: the unit works as it should"),
        FalseCause.UNKNOWN: msgid("Not found out (say what was looked at)"),
    }
)


@dataclass(frozen=True, slots=True)
class FalseAlarmCard:
    alarm_id: int
    cause: str
    at: Moment
    by: str
    note: str


def false_alarm_card(mark: FalseAlarm, *, reader: Reader) -> FalseAlarmCard:
    names = reader.actor is not None and names_people(reader.actor, mark.unit.site.key)
    return FalseAlarmCard(
        alarm_id=mark.alarm_id,
        cause=reader._(FALSE_CAUSE_TITLES[FalseCause(mark.cause)]),
        at=reader.moment(mark.marked_ms, mark.unit.site.timezone),
        by=actor_name(mark.marked_by, reader=reader) if names else "",
        note=mark.note if names else "",
    )


def false_alarm_cards(session: Session, alarms: Iterable[Alarm], *, reader: Reader) -> dict[int, FalseAlarmCard]:
    """Those of the alarms that are marked."""
    marks = marks_of(session, [alarm.id for alarm in alarms])
    return {alarm_id: false_alarm_card(mark, reader=reader) for alarm_id, mark in marks.items()}


def cause_choices(reader: Reader) -> list[tuple[str, str]]:
    return [(cause.value, reader._(title)) for cause, title in FALSE_CAUSE_TITLES.items()]
