"""What a chart says, and that drawing it is safe and holds nobody up."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from api.chart_drawer import ChartUnavailable, Drawer, draw_chart
from api.charts import MAX_LABEL_ROWS, NARROW, WIDE, Chart, Stretch, chart_spec, parts_of
from ingest.stores.contract import Point
from tests.waiting import wait_until

START_MS = 1_583_720_073_000  # 2020-03-09T10:14:33+08:00
STEP_MS = 5_000


def points(count: int, *, step_ms: int = STEP_MS, start_ms: int = START_MS) -> list[Point]:
    return [Point(start_ms + i * step_ms, 30.0 + i % 3, 29.5, 33.5, 5) for i in range(count)]


def chart(*stretches: Stretch, count: int = 100) -> Chart:
    return Chart(points(count), START_MS, START_MS + count * STEP_MS, STEP_MS, "m³/h", stretches=stretches)


def layer(spec: dict, name: str) -> dict:  # type: ignore[type-arg]
    return next(each for each in spec["layer"] if each["name"] == name)


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    drawer = Drawer()
    yield drawer
    drawer.close()


def test_no_line_bridges_a_silence() -> None:
    measured = [*points(10), *points(10, start_ms=START_MS + 3_600_000)]
    assert [len(part) for part in parts_of(measured, STEP_MS)] == [10, 10]


def test_a_slow_sensor_is_not_cut_into_points() -> None:
    assert len(parts_of(points(10, step_ms=60_000), STEP_MS)) == 1


def test_nothing_measured_is_nothing_to_draw() -> None:
    assert parts_of([], STEP_MS) == []
    assert layer(chart_spec(chart(count=0), WIDE), "dots")["data"]["values"] == []


def test_what_was_measured_now_and_then_is_shown_as_dots() -> None:
    assert len(layer(chart_spec(chart(count=20), WIDE), "dots")["data"]["values"]) == 20
    assert layer(chart_spec(chart(count=100), WIDE), "dots")["data"]["values"] == []


def test_times_stand_in_the_zone_of_the_site() -> None:
    spec = chart_spec(chart(), WIDE)
    assert spec["data"]["values"][0]["t"] - START_MS == 8 * 3_600_000
    summer_ms = 1_720_000_000_000
    berlin = Chart(points(3, start_ms=summer_ms), summer_ms, summer_ms + 15_000, STEP_MS, zone="Europe/Berlin")
    assert chart_spec(berlin, WIDE)["data"]["values"][0]["t"] - summer_ms == 2 * 3_600_000


def test_a_stretch_is_cut_to_the_window_and_one_outside_is_not_marked() -> None:
    end_ms = START_MS + 100 * STEP_MS
    before = Stretch(START_MS - 60_000, START_MS + 10_000, "began earlier", "minor")
    outside = Stretch(end_ms + 1_000, end_ms + 2_000, "later", "minor")
    marked = layer(chart_spec(chart(before, outside), WIDE), "stretches")["data"]["values"]
    assert [(row["label"], row["start"] - 8 * 3_600_000) for row in marked] == [("began earlier", START_MS)]


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_labels_of_stretches_never_cover_each_other(size: object) -> None:
    near = [Stretch(START_MS + i * 20_000, START_MS + i * 20_000 + 90_000, "表现异于往常", "minor") for i in range(12)]
    spec = chart_spec(chart(*near), size)  # type: ignore[arg-type]
    rows = layer(spec, "stretches")["data"]["values"]
    assert len(rows) == 12, "every stretch is shaded, labelled or not"
    width_px, span_ms = spec["width"], 100 * STEP_MS
    spans: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        if row["label"]:
            at_px = (row["anchor"] - 8 * 3_600_000 - START_MS) / span_ms * width_px
            wide_px = 12.0 * len(row["label"])
            spans.setdefault(row["row"], []).append(
                (at_px, at_px + wide_px) if row["align"] == "left" else (at_px - wide_px, at_px)
            )
    assert 0 < len(spans) <= MAX_LABEL_ROWS
    assert all(left[1] <= right[0] for row in spans.values() for left, right in pairwise(sorted(row)))


def test_labels_do_not_lie_on_the_values() -> None:
    plain = layer(chart_spec(chart(), WIDE), "mean")["encoding"]["y"]["scale"]["domain"]
    marked = Stretch(START_MS, START_MS + 60_000, "high", "minor")
    labelled = layer(chart_spec(chart(marked), WIDE), "mean")["encoding"]["y"]["scale"]["domain"]
    assert labelled[0] == plain[0]
    assert labelled[1] > plain[1] > 33.5


def test_a_value_that_never_changes_has_room_around_it() -> None:
    flat = Chart([Point(START_MS, 32.0, 32.0, 32.0, 1)], START_MS, START_MS + 60_000, STEP_MS)
    low, high = layer(chart_spec(flat, WIDE), "mean")["encoding"]["y"]["scale"]["domain"]
    assert low < 32 < high


def test_a_drawn_chart_is_plain_svg_with_its_words(drawer: Drawer) -> None:
    stretch = Stretch(START_MS + 60_000, START_MS + 120_000, "表现异于往常", "minor")
    svg = draw_chart(chart(stretch), WIDE, language="zh")
    root = ElementTree.fromstring(svg)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg",
        "g",
        "path",
        "rect",
        "line",
        "text",
        "defs",
        "clipPath",
    }
    assert "表现异于往常" in [element.text for element in root.iter() if element.tag.endswith("text")]
    assert not re.search(r"\sstyle=|href=|\son\w+=", svg), "the content security policy allows none of these"


def test_words_from_outside_stay_words_in_a_drawn_chart() -> None:
    hostile = '</text><script>alert(1)</script><image href="http://127.0.0.1/x" onload="alert(2)"/>&amp;"'
    svg = draw_chart(chart(Stretch(START_MS, START_MS + 120_000, hostile, "minor"), count=90), WIDE, language="en")
    root = ElementTree.fromstring(svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "image", "a", "foreignObject", "use"}
    assert any((element.text or "").startswith("</text><script>") for element in root.iter())


def test_a_specification_that_cannot_be_drawn_is_told_and_the_next_one_is_drawn(drawer: Drawer) -> None:
    with pytest.raises(ChartUnavailable):
        drawer.draw(b'{"spec": {"mark": 5}, "locale": "en-GB"}')
    assert drawer.draw(_request()).startswith("<svg")


def test_a_drawing_process_that_died_is_replaced(drawer: Drawer) -> None:
    drawer.draw(_request())
    assert drawer._process is not None
    os.kill(drawer._process.pid, signal.SIGKILL)
    drawer._process.wait(10)
    assert drawer.draw(_request()).startswith("<svg")


def test_a_drawing_process_that_cannot_start_is_told(tmp_path: Path) -> None:
    drawer = Drawer(tmp_path / "missing.py")
    with pytest.raises(ChartUnavailable):
        drawer.draw(_request())


def test_the_drawing_process_ends_with_whoever_started_it(drawer: Drawer) -> None:
    drawer.draw(_request())
    process = drawer._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    wait_until(lambda: process.poll() is not None, within_s=10, what="the drawing process ends")


def test_drawing_does_not_hold_up_the_process_that_wants_it(drawer: Drawer) -> None:
    """An alarm that comes while a chart is drawn must not wait for it."""
    longest_s, is_over = 0.0, threading.Event()

    def tick() -> None:
        nonlocal longest_s
        before = time.perf_counter()
        while not is_over.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            longest_s, before = max(longest_s, now - before), now

    thread = threading.Thread(target=tick)
    thread.start()
    drawer.draw(_request())
    is_over.set()
    thread.join()
    # Drawn in this process, the first chart takes the interpreter for half a second.
    assert longest_s < 0.25


def _request() -> bytes:
    spec = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}
    return json.dumps({"spec": spec, "locale": "en-GB"}).encode()
