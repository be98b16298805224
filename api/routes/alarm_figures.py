"""What alarms ask of those who watch, after ISA-18.2."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from alerts.alarm import Alarm
from alerts.alarm_figures import ACCEPTABLE_A_DAY, DAY_MS, MOST_A_DAY, TARGET_SHARES, Waiting, alarm_figures
from alerts.alarm_flood import Flood, flood_now
from alerts.false_alarm import FalseCause
from alerts.severity import Severity
from api.instants import rfc3339, utc_offset_ms
from api.resources import Held
from api.routes.parameters import AbsentIfEmpty, Filter
from api.routes.shapes import Rfc3339
from api.security import ApiActor, check_site, permitted_sites
from registry.site import list_sites, shared_timezone

router = APIRouter(tags=["alarms"])


class FloodShape(BaseModel):
    began_at: Rfc3339
    ended_at: Rfc3339 | None = Field(description="absent while it is on")
    alarms: int
    peak: int = Field(description="the most within ten minutes")


class WaitingShape(BaseModel):
    acknowledged: int
    median_s: float | None
    p90_s: float | None


class DayShape(BaseModel):
    begins_at: Rfc3339
    alarms: int


class SiteLoadShape(BaseModel):
    site: str
    a_day: float
    busiest_day: int
    floods: int


class NamedAlarmShape(BaseModel):
    alarm_id: int
    unit: str
    condition: str
    times: int | None
    share: float | None


class AlarmFiguresShape(BaseModel):
    start: Rfc3339
    end: Rfc3339
    alarms: int = Field(description="times that an alarm was put before people as a matter of its own")
    set_aside: int
    explained: int
    a_day: float
    acceptable_a_day: int
    most_a_day: int
    days: list[DayShape]
    severities: dict[Severity, int]
    shares: dict[Severity, float] = Field(description="of those that call people")
    target_shares: dict[Severity, float]
    sites: list[SiteLoadShape]
    flood_now: FloodShape | None
    floods: list[FloodShape]
    flood_share: float = Field(description="of the time")
    chattering: list[NamedAlarmShape]
    stale: list[NamedAlarmShape]
    frequent: list[NamedAlarmShape]
    waiting: WaitingShape
    by_person: dict[str, WaitingShape]
    unacknowledged: int
    false_alarms: dict[FalseCause, int]
    is_partial: bool = Field(description="floods and chattering were looked for in the newest 50,000 alone")


@router.get("/alarm-figures")
def show_alarm_figures(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    days: Annotated[Literal["1", "7", "30", "90"] | None, AbsentIfEmpty] = None,
) -> AlarmFiguresShape:
    """For one compound, or for all of them as one who watches them together. The last seven days unless told."""
    if site:
        check_site(request, actor, site)
    now_ms = held.clock()
    with held.database.reading() as session:
        visible = permitted_sites(request, actor)
        sites = [each for each in list_sites(session, visible=visible) if site in (None, "", each.key)]
        zone = shared_timezone(sites)
        since_ms = now_ms - int(days or 7) * DAY_MS
        made = alarm_figures(
            session,
            sites,
            since_ms=since_ms,
            until_ms=now_ms + 1,
            now_ms=now_ms,
            offset_ms=utc_offset_ms(now_ms, zone),
        )
        current = flood_now(session, [each.id for each in sites], now_ms=now_ms)

        return AlarmFiguresShape(
            start=rfc3339(since_ms, zone),
            end=rfc3339(now_ms, zone),
            alarms=made.called,
            set_aside=made.aside,
            explained=made.explained,
            a_day=made.a_day,
            acceptable_a_day=ACCEPTABLE_A_DAY,
            most_a_day=MOST_A_DAY,
            days=[DayShape(begins_at=rfc3339(day_ms, zone), alarms=count) for day_ms, count in made.days],
            severities=dict(made.by_severity),
            shares=dict(made.share_of),
            target_shares=dict(TARGET_SHARES),
            sites=[
                SiteLoadShape(site=each.site.key, a_day=each.a_day, busiest_day=each.busiest, floods=each.floods)
                for each in made.by_site
            ],
            flood_now=None if current is None else _flood(current, zone),
            floods=[_flood(each, zone) for each in made.floods],
            flood_share=made.flooded_ms / max(now_ms - since_ms, 1),
            chattering=[_named(alarm, times=times) for alarm, times in made.chattering],
            stale=[_named(alarm) for alarm in made.stale],
            frequent=[_named(each.alarm, times=each.count, share=each.share) for each in made.frequent],
            waiting=_waiting(made.waiting),
            by_person={name: _waiting(each) for name, each in made.by_person.items()},
            unacknowledged=made.unacknowledged,
            false_alarms=dict(made.false_by_cause),
            is_partial=made.is_partial,
        )


def _flood(found: Flood, zone: str) -> FloodShape:
    return FloodShape(
        began_at=rfc3339(found.began_ms, zone),
        ended_at=None if found.ended_ms is None else rfc3339(found.ended_ms, zone),
        alarms=found.count,
        peak=found.peak,
    )


def _named(alarm: Alarm, *, times: int | None = None, share: float | None = None) -> NamedAlarmShape:
    return NamedAlarmShape(
        alarm_id=alarm.id, unit=alarm.unit.unit_key.path, condition=alarm.condition, times=times, share=share
    )


def _waiting(waiting: Waiting) -> WaitingShape:
    def seconds(span_ms: int | None) -> float | None:
        return None if span_ms is None else span_ms / 1000

    return WaitingShape(acknowledged=waiting.count, median_s=seconds(waiting.median_ms), p90_s=seconds(waiting.p90_ms))
