"""The report as one page that needs nothing else: no script, no outside resource, its charts in it as SVG."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.chart_drawer import LOCALES, ChartUnavailable, Drawer
from api.charts import FONT, GRID, LINE, TEXT
from api.evaluation.judging import DETECTOR
from api.evaluation.report import Cell, Column, Form, Report, Section, written
from api.instants import rfc3339
from api.translations import Translator, msgid
from models.evaluation.measures import Share

FOLDER = Path(__file__).parent
CHART_WIDTH_PX, BAR_PX = 620, 22
OTHERS = "#9aa7b5"
WORDS = {
    "targets": msgid("What was to be reached"),
    "data": msgid("Data set"),
    "measure": msgid("Measure"),
    "wanted": msgid("Wanted"),
    "measured": msgid("Measured"),
    "reached": msgid("Reached"),
    "simulated": msgid("simulated"),
    "settings": msgid("Settings"),
}


def page_of(report: Report, translate: Translator) -> str:
    """HTML in the language of the translator. A chart that cannot be drawn is left out; its table stands."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawer = Drawer()
    try:
        sections = [_section(section, translate, drawer) for section in report.sections]
    finally:
        drawer.close()
    return environment.get_template("page.html").render(
        language="zh-CN" if translate.language == "zh" else "en",
        title=translate(msgid("Detection report")),
        lead=_lead(report, translate),
        words={name: translate(word) for name, word in WORDS.items()},
        targets=[
            _target(section, number, translate) for section in report.sections for number in range(len(section.targets))
        ],
        sections=sections,
        settings=[(name, written(value, Form.DECIMAL)) for name, value in report.settings.items()],
    )


def _lead(report: Report, translate: Translator) -> list[str]:
    quick = [translate(msgid("A quick run on little data: its figures prove nothing."))]
    return [
        *(quick if report.settings["is_quick"] else ()),
        translate(
            msgid("liandong %(version)s, made %(when)s, seed %(seed)s, in %(minutes)s minutes."),
            version=report.version,
            when=rfc3339(report.made_ms),
            seed=report.seed,
            minutes=f"{report.took_s / 60:.1f}",
        ),
        translate(
            msgid(
                "One configuration of the detectors for all data; limits come from the fit rows only. Beside every "
                "result stand methods that know nothing or only the time: what does not beat them shows nothing."
            )
        ),
        translate(
            msgid(
                "There is no public series of a residential lift, sump or fire system with labelled faults that we "
                "could obtain. What is said of those rests on simulations, which are marked, and is no measurement."
            )
        ),
        translate(msgid("Intervals in brackets are 95 % intervals of the bootstrap over events.")),
    ]


def _target(section: Section, number: int, translate: Translator) -> dict[str, str]:
    target = section.targets[number]
    reached = {True: msgid("yes"), False: msgid("no"), None: msgid("cannot be said yet")}[target.is_reached]
    return {
        "section": translate(section.title),
        "measure": target.measure.told(translate),
        "wanted": target.wanted,
        "value": written(target.value, target.form),
        "reached": translate(reached),
        "mark": {True: "yes", False: "no", None: ""}[target.is_reached],
    }


def _section(section: Section, translate: Translator, drawer: Drawer) -> dict[str, Any]:
    about = (*section.about, section.missing) if section.missing else section.about
    columns = {column.key: column for column in section.columns}
    return {
        "title": translate(section.title),
        "is_simulated": section.is_simulated,
        "about": [words.told(translate) for words in about],
        "columns": [translate(column.title) for column in section.columns],
        "rows": [
            {
                "is_own": row.get("method") == DETECTOR,
                "cells": [_cell(row.get(column.key), column, translate) for column in section.columns],
            }
            for row in section.rows
        ],
        "charts": [
            {"title": translate(columns[key].title), "svg": Markup(svg)}  # noqa: S704 - drawn by ourselves
            for key in section.charted
            if (svg := _drawn(section, columns[key], translate, drawer))
        ],
    }


def _cell(cell: Cell, column: Column, translate: Translator) -> str:
    if isinstance(cell, bool):
        return translate(msgid("yes") if cell else msgid("no"))
    return translate(cell) if isinstance(cell, str) else written(cell, column.form)


def _drawn(section: Section, column: Column, translate: Translator, drawer: Drawer) -> str:
    names = [each for each in section.columns if each.form is Form.NAME]
    rows = []
    for place, row in enumerate(section.rows):
        cell = row.get(column.key)
        value = cell.value if isinstance(cell, Share) else cell
        if isinstance(value, str) or value is None or value != value:
            continue
        name = " · ".join(_cell(row.get(each.key), each, translate) for each in names)
        is_own = row.get("method", DETECTOR) == DETECTOR
        bar = {"place": place, "name": name, "value": value, "colour": LINE if is_own else OTHERS}
        if isinstance(cell, Share):
            bar |= {"low": cell.low, "high": cell.high}
        rows.append(bar)
    if not rows:
        return ""
    try:
        request = {"spec": _bars(rows, column), "locale": LOCALES[translate.language]}
        return drawer.draw(json.dumps(request, ensure_ascii=False).encode())
    except ChartUnavailable:
        return ""


def _bars(rows: list[dict[str, Any]], column: Column) -> dict[str, Any]:
    """A Vega-Lite specification: a bar a row, in the order of the table, with its interval where it has one."""
    axis = {"format": ".0%"} if column.form is Form.PERCENT else {}
    x = {"type": "quantitative", "title": None, "axis": {**axis, "tickCount": 6}}
    y = {"field": "name", "type": "nominal", "title": None, "sort": {"field": "place"}, "axis": {"labelLimit": 320}}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar"},
            "encoding": {
                "x": {**x, "field": "value"},
                "y": y,
                "color": {"field": "colour", "type": "nominal", "scale": None},
            },
        }
    ]
    if "low" in rows[0]:
        ends = {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y}
        layers.append({"mark": {"type": "rule", "color": TEXT, "strokeWidth": 1.5}, "encoding": ends})
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": CHART_WIDTH_PX,
        "height": {"step": BAR_PX},
        "data": {"values": rows},
        "layer": layers,
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
        },
    }
