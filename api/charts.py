"""Telemetry charts as Vega-Lite specifications: plain data, from which `api.chart_drawer` gets SVG.

Times stand in the site's zone: the specification carries local times as if they were UTC, so that no library's idea of
a time zone comes between.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from ingest.stores.contract import Point
from registry.site import DEFAULT_TIMEZONE

GAP_FACTOR = 3.5
SPARSE_POINTS = 60
"""Up to that many points each is shown as a dot: the line between two says nothing that was measured."""
MS_PER_H = 3_600_000
FONT = "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
LINE, GRID, TEXT = "#1d5fa6", "#d8dee6", "#3d4a5a"
SEVERITY_COLOURS = {"critical": "#b3141d", "major": "#b45309", "minor": "#8a6a00", "advisory": "#3d5a80"}
LABEL_PX, LABEL_ROW_PX = 12, 16
MAX_LABEL_ROWS = 4
LATIN_WIDTH, CJK_WIDTH = 0.58, 1.05  # of a character, in font sizes


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time to be marked, as that of an alarm; `label` says in words what it was, or still is."""

    start_ms: int
    end_ms: int
    label: str
    severity: str
    is_over: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """What is to be drawn: one metric of one unit in a window. `state_words` are the words for 0 and 1 of a state."""

    points: Sequence[Point]
    start_ms: int
    end_ms: int
    step_ms: int
    unit_symbol: str = ""
    state_words: tuple[str, str] | None = None
    stretches: Sequence[Stretch] = ()
    zone: str = DEFAULT_TIMEZONE


@dataclass(frozen=True, slots=True)
class Size:
    width_px: int
    height_px: int


WIDE = Size(860, 260)
NARROW = Size(280, 220)


def parts_of(points: Sequence[Point], step_ms: int) -> list[list[Point]]:
    """The points cut where nothing was measured for much longer than usual, so that no line bridges a silence."""
    if not points:
        return []
    spacings = [later.t_ms - earlier.t_ms for earlier, later in pairwise(points)]
    limit_ms = GAP_FACTOR * max(step_ms, median(spacings) if spacings else step_ms)
    parts = [[points[0]]]
    for spacing_ms, point in zip(spacings, points[1:], strict=True):
        if spacing_ms > limit_ms:
            parts.append([])
        parts[-1].append(point)
    return parts


def local_ms(at_ms: int, zone: ZoneInfo) -> int:
    """The reading of the zone's own clock, as if it were UTC."""
    offset = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return at_ms + int(offset.total_seconds() * 1000)


def chart_spec(chart: Chart, size: Size) -> dict[str, Any]:
    """The Vega-Lite specification: the mean as a line, the range of each step as a band, stretches shaded behind."""
    zone = ZoneInfo(chart.zone)
    parts = parts_of(chart.points, chart.step_ms)
    rows = [
        {"t": local_ms(p.t_ms, zone), "mean": p.mean, "low": p.min, "high": p.max, "part": number}
        for number, part in enumerate(parts)
        for p in part
    ]
    is_sparse = len(rows) <= SPARSE_POINTS
    dots = [
        {"t": local_ms(p.t_ms, zone), "mean": p.mean} for part in parts if is_sparse or len(part) == 1 for p in part
    ]
    stretches = _placed(chart, size, zone)
    label_rows = max((row["row"] + 1 for row in stretches if row["label"]), default=0)

    domain = [local_ms(chart.start_ms, zone), local_ms(chart.end_ms, zone)]
    x = {"type": "temporal", "title": None, "scale": {"type": "utc", "domain": domain}, "axis": _time_axis(chart, size)}
    y_domain = _value_domain(chart, headroom=label_rows * LABEL_ROW_PX / size.height_px)
    y: dict[str, Any] = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": y_domain, "zero": False, "nice": False},
        "axis": _value_axis(chart),
    }
    colour = {"field": "colour", "type": "nominal", "scale": None}
    curve = "step-after" if chart.state_words is not None else "linear"
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": size.width_px,
        "height": size.height_px,
        "title": {"text": chart.unit_symbol, "anchor": "start", "frame": "bounds"},
        "data": {"values": rows},
        "layer": [
            {
                "name": "stretches",
                "data": {"values": stretches},
                "mark": {"type": "rect", "opacity": 0.16},
                "encoding": {"x": {**x, "field": "start"}, "x2": {"field": "end"}, "color": colour},
            },
            {
                "name": "edges",
                "data": {"values": stretches},
                "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1.5},
                "encoding": {"x": {**x, "field": "start"}, "color": colour},
            },
            {
                "name": "band",
                "mark": {"type": "area", "opacity": 0.22, "color": LINE, "interpolate": curve},
                "encoding": {
                    "x": {**x, "field": "t"},
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "detail": {"field": "part"},
                },
            },
            {
                "name": "mean",
                "mark": {"type": "line", "color": LINE, "strokeWidth": 1.8, "interpolate": curve},
                "encoding": {"x": {**x, "field": "t"}, "y": {**y, "field": "mean"}, "detail": {"field": "part"}},
            },
            {
                "name": "dots",
                "data": {"values": dots},
                "mark": {"type": "point", "filled": True, "size": 28, "color": LINE, "opacity": 1},
                "encoding": {"x": {**x, "field": "t"}, "y": {**y, "field": "mean"}},
            },
            *(_label_layer(stretches, align, x, colour, limit_px=size.width_px - 8) for align in ("left", "right")),
        ],
        "config": {
            "background": "transparent",
            "font": FONT,
            "aria": False,
            "view": {"stroke": None},
            "axis": {
                "gridColor": GRID,
                "domainColor": GRID,
                "tickColor": GRID,
                "labelColor": TEXT,
                "labelFontSize": 12,
            },
            "title": {"color": TEXT, "fontSize": 13, "fontWeight": "normal"},
        },
    }


def _label_layer(
    stretches: list[dict[str, Any]], align: str, x: dict[str, Any], colour: dict[str, Any], *, limit_px: int
) -> dict[str, Any]:
    return {
        "name": f"labels_{align}",
        "data": {"values": [row for row in stretches if row["label"] and row["align"] == align]},
        "mark": {
            "type": "text",
            "align": align,
            "baseline": "top",
            "dx": 4 if align == "left" else -4,
            "fontSize": LABEL_PX,
            "fontWeight": 600,
            "limit": limit_px,
        },
        "encoding": {
            "x": {**x, "field": "anchor"},
            "y": {"field": "y", "type": "quantitative", "scale": None},
            "text": {"field": "label"},
            "color": colour,
        },
    }


def _placed(chart: Chart, size: Size, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Stretches clipped to the window, their labels in rows so that they do not cover each other."""
    span_ms = max(1, chart.end_ms - chart.start_ms)
    free_from_px = [0.0] * MAX_LABEL_ROWS
    rows: list[dict[str, Any]] = []
    for stretch in sorted(chart.stretches, key=lambda stretch: stretch.start_ms):
        start_ms, end_ms = max(stretch.start_ms, chart.start_ms), min(stretch.end_ms, chart.end_ms)
        if end_ms < start_ms:
            continue
        left_px = (start_ms - chart.start_ms) / span_ms * size.width_px
        width_px = min(_text_width_px(stretch.label), float(size.width_px))
        align = "left" if left_px + width_px <= size.width_px else "right"
        anchor_px = left_px if align == "left" else max(left_px, width_px)
        from_px = anchor_px if align == "left" else anchor_px - width_px
        row = next((r for r in range(MAX_LABEL_ROWS) if free_from_px[r] <= from_px), None)
        if row is not None:
            free_from_px[row] = from_px + width_px
        rows.append(
            {
                "start": local_ms(start_ms, zone),
                "end": local_ms(end_ms, zone),
                "anchor": local_ms(chart.start_ms + round(anchor_px / size.width_px * span_ms), zone),
                "align": align,
                "label": stretch.label if row is not None else "",
                "row": row or 0,
                "y": 2 + (row or 0) * LABEL_ROW_PX,
                "colour": SEVERITY_COLOURS.get(stretch.severity, TEXT),
            }
        )
    return rows


def _text_width_px(text: str) -> float:
    return 8 + LABEL_PX * sum(CJK_WIDTH if ord(character) > 0x2E80 else LATIN_WIDTH for character in text)


def _value_domain(chart: Chart, *, headroom: float) -> list[float]:
    """Limits of the value axis; `headroom` is the share of its length to be kept free at the top for labels."""
    if chart.state_words is not None:
        low, high = -0.1, 1.1
    else:
        low = min((point.min for point in chart.points), default=0.0)
        high = max((point.max for point in chart.points), default=1.0)
        pad = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    return [low, high + (high - low) * headroom / (1 - headroom)]


def _time_axis(chart: Chart, size: Size) -> dict[str, Any]:
    span_h = (chart.end_ms - chart.start_ms) / MS_PER_H
    if span_h <= 0.25:
        form = "%H:%M:%S"
    elif span_h <= 36:
        form = "%H:%M"
    elif span_h <= 24 * 10:
        form = "%m-%d %H:%M"
    else:
        form = "%Y-%m-%d"
    return {"format": form, "tickCount": max(2, size.width_px // 110), "labelOverlap": True, "labelFlush": True}


def _value_axis(chart: Chart) -> dict[str, Any]:
    if chart.state_words is None:
        return {"tickCount": 5}
    off, on = (json.dumps(word, ensure_ascii=False) for word in chart.state_words)
    return {"values": [0, 1], "labelExpr": f"datum.value > 0.5 ? {on} : {off}"}
