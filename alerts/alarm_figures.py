"""What alarms ask of those who watch: the figures of ISA-18.2 over a time, for one compound or for several together.

All is counted by `alerts.annunciation`: each time an alarm was put before people. What was set aside or explained by
another alarm is counted apart. An operator is whoever watches the chosen compounds; each compound alone is one too.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from types import MappingProxyType

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from alerts.alarm import Alarm, AlarmState
from alerts.alarm_flood import Flood, called, chatters, flooded_ms, floods
from alerts.annunciation import Annunciation
from alerts.false_alarm import FalseAlarm, FalseCause
from alerts.severity import Severity
from registry.site import Site
from registry.unit import Unit

DAY_MS = 86_400_000
ACCEPTABLE_A_DAY, MOST_A_DAY = 150, 300
"""ISA-18.2 / EEMUA 191: about so many a day are acceptable for one operator, and so many the most."""
STALE_MS = DAY_MS
TARGET_SHARES: Mapping[Severity, float] = MappingProxyType(
    {Severity.CRITICAL: 0.05, Severity.MAJOR: 0.15, Severity.MINOR: 0.80}
)
"""About 5, 15 and 80 % of what calls people; an advisory calls nobody and is not counted in it."""
MOST_ROWS = 50_000
"""Floods and chattering are looked for in the newest so many; the counts are of all."""
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long alarms waited to be acknowledged; milliseconds, None when none was."""

    count: int
    median_ms: int | None
    p90_ms: int | None


@dataclass(frozen=True, slots=True)
class OfSite:
    site: Site
    a_day: float
    busiest: int
    """The most on one day."""
    floods: int


@dataclass(frozen=True, slots=True)
class Frequent:
    alarm: Alarm
    """The newest alarm of the unit and condition."""
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class AlarmFigures:
    since_ms: int
    until_ms: int
    called: int
    aside: int
    explained: int
    days: Sequence[tuple[int, int]]
    """(start of the day, how many); days without one too."""
    by_severity: Mapping[Severity, int]
    by_site: Sequence[OfSite]
    floods: Sequence[Flood]
    flooded_ms: int
    chattering: Sequence[tuple[Alarm, int]]
    """Alarms that came three times in a minute, with how often they came in all."""
    stale: Sequence[Alarm]
    waiting: Waiting
    by_person: Mapping[str, Waiting]
    unacknowledged: int
    frequent: Sequence[Frequent]
    false_by_cause: Mapping[FalseCause, int]
    is_partial: bool
    """Whether floods and chattering were looked for in the newest alone."""

    @property
    def a_day(self) -> float:
        return self.called * DAY_MS / max(self.until_ms - self.since_ms, 1)

    @property
    def share_of(self) -> Mapping[Severity, float]:
        """Of what calls people."""
        whole = sum(self.by_severity[severity] for severity in TARGET_SHARES)
        return {severity: self.by_severity[severity] / whole if whole else 0.0 for severity in TARGET_SHARES}


def alarm_figures(
    session: Session, sites: Sequence[Site], *, since_ms: int, until_ms: int, now_ms: int, offset_ms: int
) -> AlarmFigures:
    """The figures of these compounds together; `offset_ms` is how much later than UTC their day begins."""
    ids = [site.id for site in sites]
    there = and_(Annunciation.site_id.in_(ids), Annunciation.at_ms >= since_ms, Annunciation.at_ms < until_ms)
    newest = session.execute(
        select(Annunciation.site_id, Annunciation.alarm_id, Annunciation.at_ms)
        .where(there, called())
        .order_by(Annunciation.at_ms.desc())
        .limit(MOST_ROWS + 1)
    ).all()
    of_site: defaultdict[int, list[int]] = defaultdict(list)
    of_alarm: defaultdict[int, list[int]] = defaultdict(list)
    for site_id, alarm_id, at_ms in newest:
        of_site[site_id].append(at_ms)
        of_alarm[alarm_id].append(at_ms)
    end_ms = min(now_ms, until_ms)
    found = floods((at_ms for _, _, at_ms in newest), now_ms=end_ms)
    kinds = session.execute(
        select(Annunciation.is_aside, Annunciation.is_explained, func.count())
        .where(there)
        .group_by(Annunciation.is_aside, Annunciation.is_explained)
    ).all()
    by_day = _by_day(session, there, offset_ms=offset_ms)
    total = sum(count for aside, explained, count in kinds if not aside and not explained)
    return AlarmFigures(
        since_ms=since_ms,
        until_ms=until_ms,
        called=total,
        aside=sum(count for aside, _, count in kinds if aside),
        explained=sum(count for aside, explained, count in kinds if explained and not aside),
        days=_days(by_day, since_ms=since_ms, until_ms=end_ms, offset_ms=offset_ms),
        by_severity=_by_severity(session, there),
        by_site=_of_sites(sites, by_day, of_site, since_ms=since_ms, until_ms=until_ms, now_ms=end_ms),
        floods=found,
        flooded_ms=flooded_ms(found, now_ms=end_ms),
        chattering=_chattering(session, of_alarm),
        stale=_stale(session, ids, now_ms=now_ms),
        waiting=_waiting(
            [
                span_ms
                for span_ms in session.scalars(
                    select(Annunciation.acknowledged_ms - Annunciation.at_ms)
                    .where(there, called(), Annunciation.acknowledged_ms.is_not(None))
                    .order_by(Annunciation.id.desc())
                    .limit(MOST_ROWS)
                )
                if span_ms is not None
            ]
        ),
        by_person=_by_person(session, there),
        unacknowledged=session.scalar(
            select(func.count())
            .select_from(Alarm)
            .join(Alarm.unit)
            .where(Unit.site_id.in_(ids), Alarm.state == AlarmState.UNACKNOWLEDGED.value)
        )
        or 0,
        frequent=_frequent(session, there, total),
        false_by_cause=_false_by_cause(session, ids, since_ms=since_ms, until_ms=until_ms),
        is_partial=len(newest) > MOST_ROWS,
    )


def _by_day(session: Session, there: ColumnElement[bool], *, offset_ms: int) -> Counter[tuple[int, int]]:
    """How many by compound and day, the day counted from the epoch in local time."""
    day = (Annunciation.at_ms + offset_ms) // DAY_MS
    query = select(Annunciation.site_id, day, func.count()).where(there, called()).group_by(Annunciation.site_id, day)
    return Counter({(site_id, int(each)): count for site_id, each, count in session.execute(query)})


def _days(by_day: Counter[tuple[int, int]], *, since_ms: int, until_ms: int, offset_ms: int) -> list[tuple[int, int]]:
    counts: Counter[int] = Counter()
    for (_, day), count in by_day.items():
        counts[day] += count
    first, last = (since_ms + offset_ms) // DAY_MS, (max(until_ms, since_ms + 1) - 1 + offset_ms) // DAY_MS
    return [(day * DAY_MS - offset_ms, counts[day]) for day in range(first, last + 1)]


def _by_severity(session: Session, there: ColumnElement[bool]) -> dict[Severity, int]:
    query = select(Annunciation.severity, func.count()).where(there, called()).group_by(Annunciation.severity)
    found = {Severity(severity): count for severity, count in session.execute(query)}
    return {severity: found.get(severity, 0) for severity in Severity}


def _of_sites(
    sites: Sequence[Site],
    by_day: Counter[tuple[int, int]],
    of_site: Mapping[int, list[int]],
    *,
    since_ms: int,
    until_ms: int,
    now_ms: int,
) -> list[OfSite]:
    """Those with the most first; compounds without any are left out."""
    totals: Counter[int] = Counter()
    busiest: Counter[int] = Counter()
    for (site_id, _), count in by_day.items():
        totals[site_id] += count
        busiest[site_id] = max(busiest[site_id], count)
    known = {site.id: site for site in sites}
    return [
        OfSite(
            site=known[site_id],
            a_day=count * DAY_MS / max(until_ms - since_ms, 1),
            busiest=busiest[site_id],
            floods=len(floods(of_site.get(site_id, ()), now_ms=now_ms)),
        )
        for site_id, count in totals.most_common()
    ]


def _chattering(session: Session, of_alarm: Mapping[int, list[int]]) -> list[tuple[Alarm, int]]:
    found = Counter({alarm_id: len(times) for alarm_id, times in of_alarm.items() if chatters(times)})
    shown = dict(found.most_common(SHOWN))
    alarms = session.scalars(select(Alarm).where(Alarm.id.in_(shown)))
    return sorted(((alarm, shown[alarm.id]) for alarm in alarms), key=lambda pair: -pair[1])


def _stale(session: Session, site_ids: Collection[int], *, now_ms: int) -> list[Alarm]:
    """Alarms that have stood for more than a day since they last came, the oldest first."""
    last = (
        select(Annunciation.alarm_id)
        .join(Alarm, Alarm.id == Annunciation.alarm_id)
        .where(
            Annunciation.site_id.in_(site_ids),
            Alarm.is_active,
            Alarm.state.in_([AlarmState.UNACKNOWLEDGED.value, AlarmState.ACKNOWLEDGED.value]),
        )
        .group_by(Annunciation.alarm_id)
        .having(func.max(Annunciation.at_ms) < now_ms - STALE_MS)
        .order_by(func.max(Annunciation.at_ms))
        .limit(SHOWN)
    )
    order = {alarm_id: place for place, alarm_id in enumerate(session.scalars(last))}
    return sorted(session.scalars(select(Alarm).where(Alarm.id.in_(order))), key=lambda alarm: order[alarm.id])


def _waiting(spans_ms: Sequence[int]) -> Waiting:
    if not spans_ms:
        return Waiting(0, None, None)
    cuts = quantiles(spans_ms, n=10, method="inclusive") if len(spans_ms) > 1 else [spans_ms[0]] * 9
    return Waiting(len(spans_ms), round(cuts[4]), round(cuts[8]))


def _by_person(session: Session, there: ColumnElement[bool]) -> dict[str, Waiting]:
    """Who acknowledged, most first."""
    query = (
        select(Annunciation.acknowledged_by, Annunciation.acknowledged_ms - Annunciation.at_ms)
        .where(there, called(), Annunciation.acknowledged_ms.is_not(None))
        .order_by(Annunciation.id.desc())
        .limit(MOST_ROWS)
    )
    spans: defaultdict[str, list[int]] = defaultdict(list)
    for name, span_ms in session.execute(query):
        spans[name or ""].append(span_ms or 0)
    ranked = sorted(spans.items(), key=lambda item: -len(item[1]))
    return {name: _waiting(each) for name, each in ranked[:SHOWN]}


def _frequent(session: Session, there: ColumnElement[bool], total: int) -> list[Frequent]:
    query = (
        select(func.max(Annunciation.alarm_id), func.count())
        .where(there, called())
        .group_by(Annunciation.unit_id, Annunciation.condition)
        .order_by(func.count().desc(), func.max(Annunciation.alarm_id).desc())
        .limit(SHOWN)
    )
    counts = {alarm_id: count for alarm_id, count in session.execute(query)}  # noqa: C416  rows are no pairs to mypy
    alarms = {alarm.id: alarm for alarm in session.scalars(select(Alarm).where(Alarm.id.in_(counts)))}
    return [Frequent(alarms[alarm_id], count, count / total) for alarm_id, count in counts.items()]


def _false_by_cause(
    session: Session, site_ids: Collection[int], *, since_ms: int, until_ms: int
) -> dict[FalseCause, int]:
    query = (
        select(FalseAlarm.cause, func.count())
        .where(
            FalseAlarm.site_id.in_(site_ids),
            FalseAlarm.withdrawn_ms.is_(None),
            FalseAlarm.raised_ms >= since_ms,
            FalseAlarm.raised_ms < until_ms,
        )
        .group_by(FalseAlarm.cause)
        .order_by(func.count().desc())
    )
    return {FalseCause(cause): count for cause, count in session.execute(query)}
