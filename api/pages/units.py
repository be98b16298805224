"""The list of units, and the page of one: what it is, how it is, what it measured, what happened to it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse

from alerts.alarm import Alarm, list_alarms, open_alarms_of_unit, open_alarms_of_units
from alerts.conditions import ANOMALY
from alerts.suppression import suppressions_of_unit
from alerts.ticket_list import list_tickets
from api.pages.alarm_cards import AlarmCard, alarm_cards
from api.pages.alarm_stretches import held_times
from api.pages.board import SiteChoice
from api.pages.history_lines import activity_lines, event_lines
from api.pages.moments import Moment
from api.pages.patrol_beside import unit_dues
from api.pages.rendering import Reader, reader_of, render
from api.pages.sender_words import COVERAGE_SPAN_MS, sender_facts
from api.pages.service_lines import service_lines
from api.pages.suppressions import suppression_card
from api.pages.telemetry_chart import ChartView, Question, chart_view, drawn
from api.pages.telemetry_window import around
from api.pages.ticket_cards import ticket_card
from api.pages.unit_cards import latest_values, presence_words, unit_card
from api.pages.values import CauseWords, Contribution, causes, contributions
from api.pages.wording import KIND_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_site, names_people
from api.translations import msgid
from ingest import event_log
from ingest.stores.contract import StoreUnavailable
from models.detectors.slow_bank import DaysKnown
from models.equipment import Kind
from registry import activity
from registry.coverage import coverage_of
from registry.errors import UnknownUnit
from registry.listening import deaf_since_ms
from registry.service_record import service_records
from registry.site import list_sites
from registry.unit import Unit, get_unit, list_units
from registry.unit_life import lives_of
from registry.wear_state import wear_known

UNITS_ON_PAGE = 50
ALARMS_CONSIDERED = 60
EARLIER_ALARMS = 8
HISTORY_ROWS = 25
SERVICES_SHOWN = 5

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class AnomalyWords:
    """What an anomaly is made of: who differs most, and the stretch around which to look."""

    alarm_id: int
    since: Moment
    is_active: bool
    contributions: list[Contribution]
    causes: list[CauseWords]
    start_ms: int
    end_ms: int


@router.get("/units")
def show_units(
    request: Request,
    actor: PageActor,
    held: Held,
    search: str = "",
    kind: str = "",
    site: str = "",
    after: int = 0,
) -> HTMLResponse:
    reader = reader_of(request)
    wanted_kind = next((each for each in Kind if each.value == kind), None)
    with held.database.reading() as session:
        sites = list_sites(session, visible=actor.sites)
        found = list_units(
            session,
            site=site or None,
            kind=wanted_kind,
            search=search[:200],
            visible=actor.sites,
            after_id=max(0, min(after, 2**62)),
            limit=UNITS_ON_PAGE + 1,
        )
        shown = found[:UNITS_ON_PAGE]
        open_alarms: dict[int, list[Alarm]] = defaultdict(list)
        for alarm in open_alarms_of_units(session, [unit.id for unit in shown]):
            open_alarms[alarm.unit_id].append(alarm)
        cards = [unit_card(unit, open_alarms[unit.id], reader=reader) for unit in shown]
        presences = _presences(session, held, shown, reader)
        return render(
            request,
            "units.html",
            reader,
            units=[(card, presences.get(card.path)) for card in cards],
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
            kinds=[(each, reader._(KIND_TITLES[each]), each is wanted_kind) for each in Kind],
            search=search[:200],
            kind=wanted_kind or "",
            next_after=shown[-1].id if len(found) > UNITS_ON_PAGE else None,
            is_first=after == 0,
            mqtt_url=held.mqtt_url,
        )


@router.get("/units/{unit}")
def show_unit(
    request: Request,
    actor: PageActor,
    held: Held,
    unit: str,
    metric: str = "",
    window: str = "",
    start: str = "",
    end: str = "",
) -> HTMLResponse:
    reader = reader_of(request)
    question = Question(metric, window, start, end)
    with held.database.reading() as session:
        found = _visible_unit(request, session, unit)
        alarms = list_alarms(session, unit_id=found.id, limit=ALARMS_CONSIDERED)
        state = _state(session, held, found, reader)
        chart, is_store_away = None, state["is_store_away"]
        if not is_store_away:
            try:
                chart = _chart(session, held, found, alarms, question, state["newest_ms"], reader)
            except StoreUnavailable:
                is_store_away = True
        site, kind = found.site, Kind(found.kind)
        closed = list_alarms(session, unit_id=found.id, is_open=False, limit=EARLIER_ALARMS)
        events = event_log.of_unit(session, found.id, limit=HISTORY_ROWS)
        happened = activity.of_unit(session, found.id, limit=HISTORY_ROWS)
        facts = {
            **state,
            "is_store_away": is_store_away,
            "chart": chart,
            "wear": _wear_words(wear_known(session, found.id), reader),
            "anomaly": _anomaly(session, alarms, state["newest_ms"], found, reader),
            "earlier_alarms": alarm_cards(closed, limits=held.limits, reader=reader),
            "tickets": [
                ticket_card(ticket, reader=reader)
                for ticket in list_tickets(session, unit_id=found.id, is_open=True, limit=EARLIER_ALARMS)
            ],
            "dues": unit_dues(session, found, reader=reader),
            "services": service_lines(
                service_records(session, found.id, limit=SERVICES_SHOWN), reader=reader, site=site
            ),
            "may_record_service": reader.may("POST", "/units/{unit}/service-records", site=site.key),
            "events": event_lines(events, site=site, kind=kind, reader=reader),
            "happened": activity_lines(happened, site=site, kind=kind, limits=held.limits, reader=reader),
            "last_activity": activity.last_id(session),
        }
    # Drawing takes its time; nobody shall wait for the database meanwhile.
    return render(request, "unit.html", reader, **facts, drawing=drawn(chart, language=reader._.language))


@router.get("/fragments/units/{unit}")
def show_unit_fragment(request: Request, actor: PageActor, held: Held, unit: str) -> HTMLResponse:
    """The present state alone, which the script of the page puts in the place of the old."""
    reader = reader_of(request)
    with held.database.reading() as session:
        found = _visible_unit(request, session, unit)
        return render(request, "unit_fragment.html", reader, **_state(session, held, found, reader))


def _visible_unit(request: Request, session: Session, path: str) -> Unit:
    unit = get_unit(session, path)
    actor = reader_of(request).actor
    assert actor is not None
    check_site(request, actor, unit.site.key, unknown=UnknownUnit(path))
    return unit


def _state(session: Session, held: Resources, unit: Unit, reader: Reader) -> dict[str, Any]:
    try:
        latest = held.store.latest([unit.unit_key]).get(unit.unit_key, {})
        is_store_away = False
    except StoreUnavailable:
        latest, is_store_away = {}, True
    newest_ms = max((ts_ms for ts_ms, _ in latest.values()), default=None)
    now_ms, life = reader.now_ms, lives_of(session, [unit.id]).get(unit.id)
    deaf_ms, pause_ms = deaf_since_ms(session, now_ms=now_ms), life.pause_ms if life is not None else 0
    coverage = coverage_of(session, unit.id, start_ms=now_ms - COVERAGE_SPAN_MS, end_ms=now_ms, pause_ms=pause_ms)
    still_open = open_alarms_of_unit(session, unit.id)
    cards: list[AlarmCard] = alarm_cards(still_open, limits=held.limits, reader=reader)
    return {
        "unit": unit_card(unit, still_open, reader=reader),
        "presence": presence_words(unit, life, deaf_since_ms=deaf_ms, newest_ms=newest_ms, reader=reader),
        "sender": sender_facts(unit, life, coverage, limits=held.limits, reader=reader),
        "suppressions": [
            suppression_card(each, reader=reader) for each in suppressions_of_unit(session, unit, now_ms=now_ms)
        ],
        "shows_reasons": reader.actor is not None and names_people(reader.actor, unit.site.key),
        "may_plan_windows": reader.may("POST", "/suppressions", site=unit.site.key),
        "values": latest_values(unit, latest, reader=reader),
        "alarms": sorted(cards, key=lambda card: card.severity.rank),
        "newest_ms": newest_ms,
        "newest": reader.moment(newest_ms, unit.site.timezone) if newest_ms is not None else None,
        "is_store_away": is_store_away,
    }


def _chart(
    session: Session,
    held: Resources,
    unit: Unit,
    alarms: list[Alarm],
    question: Question,
    newest_ms: int | None,
    reader: Reader,
) -> ChartView | None:
    metrics = held.store.metrics_of(unit.unit_key)
    return chart_view(session, held, unit, alarms, question, newest_ms=newest_ms, metrics=metrics, reader=reader)


def _anomaly(
    session: Session, alarms: list[Alarm], newest_ms: int | None, unit: Unit, reader: Reader
) -> AnomalyWords | None:
    alarm = next((each for each in alarms if each.condition == ANOMALY), None)
    if alarm is None or newest_ms is None:
        return None
    begun_ms, ended_ms = held_times(session, alarm, open_end_ms=newest_ms)[-1]
    start_ms, end_ms = around(begun_ms, ended_ms)
    return AnomalyWords(
        alarm_id=alarm.id,
        since=reader.moment(begun_ms, unit.site.timezone),
        is_active=alarm.is_active,
        contributions=contributions(Kind(unit.kind), alarm.evidence, _=reader._),
        causes=causes(Kind(unit.kind), alarm.evidence, _=reader._),
        start_ms=start_ms,
        end_ms=end_ms,
    )


def _wear_words(known: DaysKnown | None, reader: Reader) -> str:
    _ = reader._
    if known is None:
        return _(msgid("Nothing is known of its normal days yet"))
    if known.is_judged:
        return _(msgid("Judged against its own first two weeks"))
    return _(msgid("Learning: %(have)s of %(need)s days"), have=int(known.days), need=known.needed_days)


def _presences(session: Session, held: Resources, units: list[Unit], reader: Reader) -> Mapping[str, Any]:
    try:
        latest = held.store.latest([unit.unit_key for unit in units])
    except StoreUnavailable:
        latest = {}
    lives, deaf_ms = lives_of(session, [unit.id for unit in units]), deaf_since_ms(session, now_ms=reader.now_ms)
    return {
        unit.unit_key.path: presence_words(
            unit,
            lives.get(unit.id),
            deaf_since_ms=deaf_ms,
            newest_ms=max((ts_ms for ts_ms, _ in latest.get(unit.unit_key, {}).values()), default=None),
            reader=reader,
        )
        for unit in units
    }
