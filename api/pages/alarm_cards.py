"""What a page tells about one alarm, in the reader's words."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from alerts.alarm import NEXT_STATES, Alarm, AlarmMove, AlarmState, list_alarms
from alerts.limits import Limits
from alerts.severity import Severity
from api.condition_index import find_condition
from api.pages.moments import Moment
from api.pages.rendering import Reader
from api.pages.wording import ALARM_STATE_TITLES, SEVERITY_TITLES
from models.equipment import Kind

ACKNOWLEDGE = "/alarms/{alarm_id}/acknowledge"
STATE_ORDER = (
    AlarmState.UNACKNOWLEDGED,
    AlarmState.ACKNOWLEDGED,
    AlarmState.RETURNED_UNACKNOWLEDGED,
    AlarmState.OUT_OF_SERVICE,
    AlarmState.SUPPRESSED,
    AlarmState.SHELVED,
    AlarmState.NORMAL,
)
"""What waits for somebody first, what was set aside last."""


@dataclass(frozen=True, slots=True)
class AlarmCard:
    """An alarm as the board, the lists and the ticket page show it. `cleared` is when its condition went, if it did."""

    id: int
    severity: Severity
    severity_title: str
    title: str
    advice: str
    state: AlarmState
    state_title: str
    is_open: bool
    is_active: bool
    raised: Moment
    cleared: Moment | None
    occurrences: int
    unit_name: str
    unit_path: str
    building: str
    site_name: str
    ticket_id: int | None
    cause_id: int | None
    is_explained: bool
    is_in_service: bool
    may_be_acknowledged: bool


def alarm_title(alarm: Alarm, *, limits: Limits, reader: Reader) -> str:
    condition = find_condition(limits, Kind(alarm.unit.kind), alarm.condition)
    return reader._(condition.title) if condition is not None else alarm.condition


def alarm_card(alarm: Alarm, *, limits: Limits, reader: Reader) -> AlarmCard:
    unit, state, severity = alarm.unit, AlarmState(alarm.state), Severity(alarm.severity)
    condition = find_condition(limits, Kind(unit.kind), alarm.condition)
    zone = unit.site.timezone
    waits = state is not AlarmState.ACKNOWLEDGED and AlarmMove.ACKNOWLEDGE in NEXT_STATES[state]
    return AlarmCard(
        id=alarm.id,
        severity=severity,
        severity_title=reader._(SEVERITY_TITLES[severity]),
        title=alarm_title(alarm, limits=limits, reader=reader),
        advice=reader._(condition.advice) if condition is not None else "",
        state=state,
        state_title=reader._(ALARM_STATE_TITLES[state]),
        is_open=state is not AlarmState.NORMAL,
        is_active=alarm.is_active,
        raised=reader.moment(alarm.raised_ms, zone),
        cleared=reader.moment(alarm.cleared_ms, zone) if alarm.cleared_ms is not None else None,
        occurrences=alarm.occurrences,
        unit_name=unit.name,
        unit_path=unit.unit_key.path,
        building=unit.building,
        site_name=unit.site.name,
        ticket_id=alarm.ticket_id,
        cause_id=alarm.cause_id,
        is_explained=alarm.is_explained,
        is_in_service=alarm.is_in_service,
        may_be_acknowledged=waits and reader.may("POST", ACKNOWLEDGE, site=unit.site.key),
    )


def alarm_cards(found: Iterable[Alarm], *, limits: Limits, reader: Reader) -> list[AlarmCard]:
    return [alarm_card(alarm, limits=limits, reader=reader) for alarm in found]


def open_cards_by_severity(
    session: Session, *, site: str | None, limit: int, limits: Limits, reader: Reader
) -> dict[Severity, list[AlarmCard]]:
    """Open alarms of each severity, those that wait for somebody first, then the newest."""
    visible = reader.actor.sites if reader.actor is not None else frozenset()
    grouped = {}
    for severity in Severity:
        found = list_alarms(session, is_open=True, site=site, severity=severity, visible=visible, limit=limit)
        cards = alarm_cards(found, limits=limits, reader=reader)
        grouped[severity] = sorted(cards, key=lambda card: STATE_ORDER.index(card.state))
    return grouped
