"""The page of what alarms ask of those who watch: how many, in floods or not, how long they waited, which are false."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from alerts.alarm import Alarm
from alerts.alarm_figures import (
    ACCEPTABLE_A_DAY,
    DAY_MS,
    MOST_A_DAY,
    TARGET_SHARES,
    AlarmFigures,
    Waiting,
    alarm_figures,
)
from alerts.alarm_flood import flood_now
from alerts.limits import Limits
from alerts.severity import Severity
from api.instants import utc_offset_ms
from api.pages.alarm_cards import alarm_title
from api.pages.board import SiteChoice
from api.pages.false_alarm_cards import FALSE_CAUSE_TITLES
from api.pages.moments import Moment, duration_text, local_time
from api.pages.rendering import Reader, reader_of, render
from api.pages.ticket_cards import actor_name
from api.pages.wording import SEVERITY_TITLES
from api.resources import Held
from api.security import PageActor, check_site, permitted_sites
from api.translations import msgid
from registry.site import list_sites, shared_timezone

SPANS = {1: msgid("the last day"), 7: msgid("the last 7 days"), 30: msgid("the last 30 days"), 90: msgid("90 days")}
DEFAULT_DAYS = 7
SITES_SHOWN = 50
FLOODS_SHOWN = 20

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class DayBar:
    """`level` is `good`, `high` (above what is acceptable) or `over` (above the most)."""

    day: str
    count: int
    width: float
    level: str


@dataclass(frozen=True, slots=True)
class FloodLine:
    began: Moment
    lasted: str
    is_on: bool
    count: int
    peak: int


@dataclass(frozen=True, slots=True)
class AlarmLine:
    href: str
    title: str
    unit: str
    site: str
    words: str


@router.get("/alarm-figures")
def show_alarm_figures(request: Request, actor: PageActor, held: Held, site: str = "", days: str = "") -> HTMLResponse:
    reader = reader_of(request)
    span = next((each for each in SPANS if str(each) == days), DEFAULT_DAYS)
    if site:
        check_site(request, actor, site)
    now_ms = reader.now_ms
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        chosen = [each for each in sites if site in ("", each.key)]
        zone = shared_timezone(chosen)
        made = alarm_figures(
            session,
            chosen,
            since_ms=now_ms - span * DAY_MS,
            until_ms=now_ms + 1,
            now_ms=now_ms,
            offset_ms=utc_offset_ms(now_ms, zone),
        )
        is_flooded = flood_now(session, [each.id for each in chosen], now_ms=now_ms) is not None
        return render(
            request,
            "alarm_figures.html",
            reader,
            title=chosen[0].name if len(chosen) == 1 else reader._("All compounds"),
            made=made,
            is_flooded=is_flooded,
            load=_level(made.a_day),
            acceptable=ACCEPTABLE_A_DAY,
            most=MOST_A_DAY,
            a_day=_number(made.a_day),
            bars=_bars(made, zone),
            shares=[
                (
                    severity,
                    reader._(SEVERITY_TITLES[severity]),
                    made.by_severity[severity],
                    _percent(made.share_of[severity]),
                    _percent(TARGET_SHARES[severity]),
                )
                for severity in TARGET_SHARES
            ],
            advisories=made.by_severity[Severity.ADVISORY],
            floods=[
                FloodLine(
                    began=reader.moment(each.began_ms, zone),
                    lasted=duration_text((each.ended_ms or now_ms) - each.began_ms, _=reader._),
                    is_on=each.ended_ms is None,
                    count=each.count,
                    peak=each.peak,
                )
                for each in reversed(made.floods[-FLOODS_SHOWN:])
            ],
            flood_share=_percent(made.flooded_ms / (span * DAY_MS)),
            waiting=_waiting(made.waiting, reader),
            people=[
                (actor_name(name, reader=reader), each.count, *_waiting(each, reader))
                for name, each in made.by_person.items()
            ],
            chattering=[
                _line(alarm, reader._("%(n)s times", n=times), held.limits, reader) for alarm, times in made.chattering
            ],
            stale=[_line(alarm, reader.moment(alarm.raised_ms, zone).ago, held.limits, reader) for alarm in made.stale],
            frequent=[
                _line(
                    each.alarm,
                    reader._("%(n)s times, %(share)s of all", n=each.count, share=_percent(each.share)),
                    held.limits,
                    reader,
                )
                for each in made.frequent
            ],
            false_causes=[(reader._(FALSE_CAUSE_TITLES[cause]), n) for cause, n in made.false_by_cause.items()],
            false_count=sum(made.false_by_cause.values()),
            loads=[
                (each.site.key, each.site.name, _number(each.a_day), each.busiest, each.floods, _level(each.a_day))
                for each in made.by_site[:SITES_SHOWN]
            ],
            spans=[(each, reader._(words), each == span) for each, words in SPANS.items()],
            days=span,
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
        )


def _bars(made: AlarmFigures, zone: str) -> list[DayBar]:
    most = max([count for _, count in made.days] + [MOST_A_DAY])
    return [
        DayBar(f"{local_time(day_ms, zone):%m-%d}", count, round(100 * count / most, 1), _level(count))
        for day_ms, count in reversed(made.days)
    ]


def _level(a_day: float) -> str:
    if a_day > MOST_A_DAY:
        return "over"
    return "high" if a_day > ACCEPTABLE_A_DAY else "good"


def _line(alarm: Alarm, words: str, limits: Limits, reader: Reader) -> AlarmLine:
    return AlarmLine(
        href=f"/alarms/{alarm.id}",
        title=alarm_title(alarm, limits=limits, reader=reader),
        unit=alarm.unit.name,
        site=alarm.unit.site.name,
        words=words,
    )


def _waiting(waiting: Waiting, reader: Reader) -> tuple[str, str]:
    """Median and the span that nine of ten did not exceed."""
    if waiting.median_ms is None or waiting.p90_ms is None:
        return "–", "–"
    return duration_text(waiting.median_ms, _=reader._), duration_text(waiting.p90_ms, _=reader._)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _number(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"
