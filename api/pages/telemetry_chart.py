"""The chart of one metric of a unit as a page shows it: drawn, told in a sentence, and as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from markupsafe import Markup
from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.conditions import ANOMALY
from api.chart_drawer import ChartUnavailable, draw_chart
from api.charts import NARROW, WIDE, Chart, Stretch
from api.condition_index import find_condition
from api.pages.alarm_stretches import held_times, marked_stretches
from api.pages.moments import Moment, duration_text
from api.pages.rendering import Reader
from api.pages.telemetry_window import (
    ALL,
    MS_PER_H,
    WINDOWS,
    Window,
    around,
    asked_window,
    condensed,
    default_window,
    whole_window,
)
from api.pages.values import find_metric, metric_title, value_text
from api.pages.wording import BOOLEAN_WORDS
from api.resources import Resources
from api.translations import msgid
from ingest.stores.contract import Point
from models.equipment import METRICS, Kind
from registry.unit import Unit

PREFERRED_METRICS = {
    Kind.ELEVATOR: ("motor_current_a", "vibration_rms_m_s2", "door_close_s"),
    Kind.PUMP: ("level_m", "flow_m3_h"),
    Kind.FIRE: ("hydrant_pressure_mpa", "sprinkler_pressure_mpa"),
}
TABLE_ROWS = 40
RECENT_ANOMALY_MS = 24 * MS_PER_H

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What the address of the page asks for; empty where it leaves the choice to us."""

    metric: str = ""
    window: str = ""
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class MetricChoice:
    name: str
    title: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class WindowChoice:
    key: str
    title: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class TableRow:
    at: Moment
    mean: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class MarkedStretch:
    label: str
    severity: str
    start: Moment
    end: Moment
    lasted: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as SVG, for a desk and for a phone."""

    wide: Markup
    narrow: Markup


@dataclass(frozen=True, slots=True)
class ChartView:
    """Everything the chart section of a page tells; `chart` is what `drawn` draws, once the database is let go of."""

    metric: str
    title: str
    window: Window
    start: Moment
    end: Moment
    ends_long_ago: bool
    chart: Chart
    stretches: list[MarkedStretch]
    rows: list[TableRow]
    step: str
    lowest: str
    highest: str
    mean: str
    metrics: list[MetricChoice]
    windows: list[WindowChoice]


def chart_view(
    session: Session,
    held: Resources,
    unit: Unit,
    alarms: Sequence[Alarm],
    question: Question,
    *,
    newest_ms: int | None,
    metrics: Sequence[str],
    reader: Reader,
) -> ChartView | None:
    """None for a unit without readings. `alarms` are the unit's, newest first. Raises StoreUnavailable."""
    if newest_ms is None or not metrics:
        return None
    kind, key, store = Kind(unit.kind), unit.unit_key, held.store
    focus = _focus(alarms, newest_ms=newest_ms)
    metric = question.metric if question.metric in metrics else _default_metric(held, kind, metrics, alarms, focus)
    window = asked_window(question.window, question.start, question.end, newest_ms=newest_ms)
    if question.window == ALL and window is None:
        window = whole_window(store, key, metric, newest_ms=newest_ms)
    if window is None:
        window = default_window(
            store, key, metric, least_ms=_least_shown_ms(session, focus, newest_ms), newest_ms=newest_ms
        )
    points = store.points(key, metric, start_ms=window.start_ms, end_ms=window.end_ms, step_ms=window.step_ms)
    stretches = marked_stretches(
        session, alarms, start_ms=window.start_ms, end_ms=window.end_ms, limits=held.limits, reader=reader
    )
    zone = unit.site.timezone

    def told(value: float) -> str:
        return value_text(kind, metric, value, _=reader._)

    return ChartView(
        metric=metric,
        title=metric_title(kind, metric, _=reader._),
        window=window,
        start=reader.moment(window.start_ms, zone),
        end=reader.moment(window.end_ms - 1, zone),
        ends_long_ago=reader.now_ms - newest_ms > 2 * MS_PER_H,
        chart=_chart(unit, kind, metric, window, points, stretches, reader),
        stretches=[_marked(stretch, window, zone, reader) for stretch in stretches],
        rows=[
            TableRow(reader.moment(p.t_ms, zone), told(p.mean), told(p.min), told(p.max))
            for p in condensed(points, rows=TABLE_ROWS)
        ],
        step=duration_text(window.step_ms, _=reader._),
        lowest=told(min(p.min for p in points)) if points else "",
        highest=told(max(p.max for p in points)) if points else "",
        mean=told(condensed(points, rows=1)[0].mean) if points else "",
        metrics=[
            MetricChoice(name, metric_title(kind, name, _=reader._), name == metric) for name in ordered(kind, metrics)
        ],
        windows=[
            WindowChoice(choice, reader._(title), choice == window.choice)
            for choice, title in (*((name, title) for name, (title, _) in WINDOWS.items()), (ALL, msgid("All")))
        ],
    )


def ordered(kind: Kind, metrics: Sequence[str]) -> list[str]:
    """Metrics in the order of the vocabulary, then those that it does not know."""
    known = [name for name in METRICS[kind] if name in metrics]
    return known + sorted(set(metrics) - set(known))


def _focus(alarms: Sequence[Alarm], *, newest_ms: int) -> Alarm | None:
    """The anomaly that a chart should show unasked: one that still holds, else one shortly before the last reading."""
    anomalies = [alarm for alarm in alarms if alarm.condition == ANOMALY]
    still_open = next((alarm for alarm in anomalies if alarm.is_active), None)
    return still_open or next(
        (a for a in anomalies if newest_ms - (a.cleared_ms or a.raised_ms) < RECENT_ANOMALY_MS), None
    )


def _default_metric(
    held: Resources, kind: Kind, metrics: Sequence[str], alarms: Sequence[Alarm], focus: Alarm | None
) -> str:
    """The sensor that differs most, else what an active alarm is about, else what tells most of such a unit."""
    wanted: list[str] = []
    if focus is not None:
        wanted += [str(row[0]) for row in focus.evidence.get("contributions", ())]
    for alarm in alarms:
        condition = find_condition(held.limits, kind, alarm.condition)
        if alarm.is_active and condition is not None:
            wanted += condition.columns
    wanted += [*PREFERRED_METRICS[kind], *ordered(kind, metrics)]
    return next(name for name in wanted if name in metrics)


def _least_shown_ms(session: Session, focus: Alarm | None, newest_ms: int) -> int:
    """How far back a chart must reach to show the beginning of the anomaly."""
    if focus is None:
        return 0
    begun_ms = held_times(session, focus, open_end_ms=newest_ms)[-1][0]
    return newest_ms - around(begun_ms, newest_ms)[0]


def drawn(view: ChartView | None, *, language: str) -> Drawing | None:
    """None when there is nothing to draw, or it could not be drawn: the table of values stands in. Blocks."""
    if view is None or not view.chart.points:
        return None
    try:
        wide, narrow = (draw_chart(view.chart, size, language=language) for size in (WIDE, NARROW))
    except ChartUnavailable as error:
        log.warning("chart not drawn", metric=view.metric, reason=error.reason)
        return None
    # The drawing library escapes every text it puts into a chart; a test holds it to that.
    return Drawing(Markup(wide), Markup(narrow))  # noqa: S704


def _chart(
    unit: Unit,
    kind: Kind,
    metric: str,
    window: Window,
    points: Sequence[Point],
    stretches: Sequence[Stretch],
    reader: Reader,
) -> Chart:
    words = BOOLEAN_WORDS.get(metric)
    return Chart(
        points=points,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        step_ms=window.step_ms,
        unit_symbol=find_metric(kind, metric).unit,
        state_words=(reader._(words[0]), reader._(words[1])) if words is not None else None,
        stretches=stretches,
        zone=unit.site.timezone,
    )


def _marked(stretch: Stretch, window: Window, zone: str, reader: Reader) -> MarkedStretch:
    return MarkedStretch(
        label=stretch.label,
        severity=stretch.severity,
        start=reader.moment(stretch.start_ms, zone),
        end=reader.moment(min(stretch.end_ms, window.end_ms), zone),
        lasted=duration_text(stretch.end_ms - stretch.start_ms, _=reader._),
        is_over=stretch.is_over,
    )
