"""The page of one alarm with what may be done about it, and the list of all."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import incident
from alerts.alarm import ASIDE, NEXT_STATES, Alarm, AlarmMove, AlarmState, explained_by, get_alarm, list_alarms
from alerts.errors import IllegalMove, InvalidShelving, UnknownAlarm
from alerts.incident import END_UNKNOWN
from alerts.severity import Severity
from alerts.suppression import MOVE_BACK, get_suppression
from api.condition_index import find_condition
from api.pages.alarm_cards import ACKNOWLEDGE, AlarmCard, alarm_card, alarm_cards
from api.pages.alarm_stretches import held_times
from api.pages.board import SiteChoice
from api.pages.false_alarm_cards import MARK, cause_choices, false_alarm_cards
from api.pages.history_lines import activity_lines
from api.pages.rendering import Reader, reader_of, render
from api.pages.suppressions import SuppressionCard, suppression_card
from api.pages.telemetry_window import around
from api.pages.unit_cards import unit_card
from api.pages.values import causes, contributions, evidence_facts
from api.pages.wording import SEVERITY_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, names_people, safe_next
from api.translations import msgid
from models.equipment import METRICS, Kind
from registry import activity
from registry.role import Actor
from registry.site import list_sites

ALARMS_ON_PAGE = 50
MAX_AGAIN_SHOWN = 10
SHELVE, UNSHELVE = "/alarms/{alarm_id}/shelve", "/alarms/{alarm_id}/unshelve"
MS_PER_MIN, MS_PER_H = 60_000, 3_600_000
SHELVING_HOURS = {
    1: msgid("1 hour"),
    4: msgid("4 hours"),
    8: msgid("8 hours"),
    24: msgid("1 day"),
    72: msgid("3 days"),
    168: msgid("7 days"),
}

LISTS = {
    "open": (msgid("Open alarms"), msgid("Open only")),
    "aside": (msgid("Alarms set aside"), msgid("Set aside: shelved, suppressed, out of service")),
    "all": (msgid("All alarms"), msgid("All, earlier ones too")),
}
"""By name: the title of the list, and what the choice says."""

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/alarms")
def show_alarms(
    request: Request,
    actor: PageActor,
    held: Held,
    state: str = "open",
    severity: str = "",
    site: str = "",
    before: int | None = None,
) -> HTMLResponse:
    reader = reader_of(request)
    wanted = next((each for each in Severity if each.value == severity), None)
    state = state if state in LISTS else "open"
    with held.database.reading() as session:
        sites = list_sites(session, visible=actor.sites)
        found = list_alarms(
            session,
            is_open=True if state == "open" else None,
            state=ASIDE if state == "aside" else None,
            site=site or None,
            severity=wanted,
            visible=actor.sites,
            before_id=min(before, 2**62) if before is not None else None,
            limit=ALARMS_ON_PAGE + 1,
        )
        return render(
            request,
            "alarms.html",
            reader,
            alarms=alarm_cards(found[:ALARMS_ON_PAGE], limits=held.limits, reader=reader),
            next_before=found[ALARMS_ON_PAGE - 1].id if len(found) > ALARMS_ON_PAGE else None,
            state=state,
            title=reader._(LISTS[state][0]),
            states=[(key, reader._(words), key == state) for key, (_, words) in LISTS.items()],
            severities=[(each, reader._(SEVERITY_TITLES[each]), each is wanted) for each in Severity],
            severity=wanted or "",
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
            shows_site=len(sites) > 1,
        )


@router.get("/alarms/{alarm_id}")
def show_alarm(request: Request, actor: PageActor, held: Held, alarm_id: int) -> HTMLResponse:
    return alarm_page(request, actor, held, alarm_id)


@router.post(ACKNOWLEDGE, dependencies=FORM)
def acknowledge(request: Request, actor: PageActor, held: Held, alarm_id: int, next: Text = "") -> Response:
    with held.database.writing() as session:
        visible_alarm(request, session, actor, alarm_id)
        incident.acknowledge_alarm(session, alarm_id, actor=actor, now_ms=held.clock())
    return RedirectResponse(safe_next(next) if next else f"/alarms/{alarm_id}", status_code=303)


@router.post(SHELVE, dependencies=FORM)
def shelve(
    request: Request, actor: PageActor, held: Held, alarm_id: int, hours: Text = "", reason: Text = ""
) -> Response:
    _ = reader_of(request)._
    chosen = next((each for each in SHELVING_HOURS if str(each) == hours), None)
    if chosen is None or not reason.strip():
        problem = _("Choose how long, and say why.")
        return alarm_page(request, actor, held, alarm_id, problem=problem, reason=reason, status_code=422)
    now_ms = held.clock()
    try:
        with held.database.writing() as session:
            alarm = visible_alarm(request, session, actor, alarm_id)
            condition = find_condition(held.limits, Kind(alarm.unit.kind), alarm.condition)
            incident.shelve_alarm(
                session,
                alarm_id,
                until_ms=now_ms + chosen * MS_PER_H,
                reason=reason,
                is_allowed=condition is not None and condition.may_be_shelved,
                actor=actor,
                now_ms=now_ms,
            )
    except (IllegalMove, InvalidShelving):
        problem = _("This alarm cannot be shelved in its present state.")
        return alarm_page(request, actor, held, alarm_id, problem=problem, reason=reason, status_code=409)
    return RedirectResponse(f"/alarms/{alarm_id}", status_code=303)


@router.post(UNSHELVE, dependencies=FORM)
def unshelve(request: Request, actor: PageActor, held: Held, alarm_id: int) -> Response:
    with held.database.writing() as session:
        visible_alarm(request, session, actor, alarm_id)
        incident.unshelve_alarm(session, alarm_id, actor=actor, now_ms=held.clock())
    return RedirectResponse(f"/alarms/{alarm_id}", status_code=303)


def visible_alarm(request: Request, session: Session, actor: Actor, alarm_id: int) -> Alarm:
    alarm = get_alarm(session, min(alarm_id, 2**62))
    check_site(request, actor, alarm.unit.site.key, unknown=UnknownAlarm(alarm_id))
    return alarm


def alarm_page(
    request: Request,
    actor: Actor,
    held: Resources,
    alarm_id: int,
    *,
    problem: str = "",
    reason: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        alarm = visible_alarm(request, session, actor, alarm_id)
        unit, site, kind = alarm.unit, alarm.unit.site, Kind(alarm.unit.kind)
        state = AlarmState(alarm.state)
        condition = find_condition(held.limits, kind, alarm.condition)
        names = names_people(actor, site.key)
        desk = reader.may("POST", SHELVE, site=site.key)
        again = [ms for ms in alarm.evidence.get("again_ms", ()) if isinstance(ms, int)]
        return render(
            request,
            "alarm.html",
            reader,
            status_code=status_code,
            alarm=alarm_card(alarm, limits=held.limits, reader=reader),
            unit=unit_card(unit, [], reader=reader),
            cause=_card_of(session, alarm.cause_id, held=held, reader=reader),
            explains=alarm_cards(explained_by(session, alarm.id), limits=held.limits, reader=reader),
            facts=evidence_facts(kind, alarm.evidence, _=reader._),
            contributions=contributions(kind, alarm.evidence, _=reader._),
            causes=causes(kind, alarm.evidence, _=reader._),
            received=reader.moment(alarm.received_ms, site.timezone),
            found_late=END_UNKNOWN in alarm.evidence,
            is_end_unknown=bool(alarm.evidence.get(END_UNKNOWN)),
            arrived_late=abs(alarm.received_ms - alarm.raised_ms) > MS_PER_MIN,
            again=[reader.moment(ms, site.timezone) for ms in again[-MAX_AGAIN_SHOWN:]],
            acknowledged=(
                reader.moment(alarm.acknowledged_ms, site.timezone) if alarm.acknowledged_ms is not None else None
            ),
            acknowledged_by=reader.who_and_role(alarm.acknowledged_by) if names else "",
            shelved_until=(
                reader.moment(alarm.shelved_until_ms, site.timezone) if alarm.shelved_until_ms is not None else None
            ),
            shelved_reason=(alarm.shelved_reason or "") if names else "",
            suppression=_suppression(session, alarm, reader=reader) if names else None,
            false_alarm=false_alarm_cards(session, [alarm], reader=reader).get(alarm.id),
            may_mark=reader.may("POST", MARK, site=site.key),
            false_causes=cause_choices(reader),
            may_shelve=desk and AlarmMove.SHELVE in NEXT_STATES[state],
            is_never_shelved=condition is not None and not condition.may_be_shelved,
            may_unshelve=desk and AlarmMove.UNSHELVE in NEXT_STATES[state],
            shelving_hours=[(hours, reader._(title)) for hours, title in SHELVING_HOURS.items()],
            chart_query=_chart_query(session, alarm, kind, held, reader),
            happened=activity_lines(
                reversed(activity.of_subject(session, alarm.subject)),
                site=site,
                kind=kind,
                limits=held.limits,
                reader=reader,
            ),
            problem=problem,
            reason=reason,
            last_activity=activity.last_id(session),
        )


def _card_of(session: Session, alarm_id: int | None, *, held: Resources, reader: Reader) -> AlarmCard | None:
    if alarm_id is None:
        return None
    return alarm_card(get_alarm(session, alarm_id), limits=held.limits, reader=reader)


def _suppression(session: Session, alarm: Alarm, *, reader: Reader) -> SuppressionCard | None:
    """What has set it aside, while it does."""
    if alarm.suppression_id is None or AlarmState(alarm.state) not in MOVE_BACK:
        return None
    return suppression_card(get_suppression(session, alarm.suppression_id), reader=reader)


def _chart_query(session: Session, alarm: Alarm, kind: Kind, held: Resources, reader: Reader) -> str:
    """The address, behind the unit's page, of the chart that shows this alarm."""
    begun_ms, ended_ms = held_times(session, alarm, open_end_ms=min(reader.now_ms, alarm.raised_ms + MS_PER_H))[-1]
    start_ms, end_ms = around(begun_ms, ended_ms)
    asked: dict[str, str | int] = {"start": start_ms, "end": end_ms}
    condition = find_condition(held.limits, kind, alarm.condition)
    named = [each.metric for each in contributions(kind, alarm.evidence, _=reader._)]
    named += [column for column in (condition.columns if condition is not None else ()) if column in METRICS[kind]]
    if named:
        asked["metric"] = named[0]
    return urlencode(asked)
