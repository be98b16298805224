"""A recording replayed over MQTT keeps its times and names; a fault in the file is told before anything is sent."""

import json
import threading
from datetime import datetime
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.broker import EmbeddedBroker
from ingest.mqtt import BrokerUnreachable
from models.equipment import Kind
from simulators.errors import BadName, BadRecording
from simulators.recording import read_recording
from simulators.replay import Replayed, replay
from tests.servers.child import free_port
from tests.simulators.hearing import listening

SHANGHAI = ZoneInfo("Asia/Shanghai")
TEST_BED = """datetime;Accelerometer1RMS;Volume Flow RateRMS;level_m;anomaly;changepoint
2020-03-01 15:44:06;0.082;76.02;1.5;0.0;0.0
2020-03-01 15:44:07;0.083;;1.4;0.0;0.0
2020-03-01 15:44:08;0.081;nan;;0.0;0.0
2020-03-01 15:44:10;;;;1.0;1.0
2020-03-01 15:44:11;0.085;77;1.25;1.0;0.0
"""
FIRST_MS = 1_583_048_646_000
"""2020-03-01 15:44:06 in Shanghai."""


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def recorded(directory: Path, text: str) -> Path:
    path = directory / "recording.csv"
    path.write_text(text, encoding="utf-8")
    return path


def replayed(path: Path, url: str, **options: object) -> Replayed:
    told: dict[str, object] = {
        "site": "test-bed",
        "kind": "pump",
        "unit": "rig-1",
        "speed": 0,
        "ignore": (),
        "should_stop": lambda: False,
    }
    return replay(path, broker_url=url, **(told | options))  # type: ignore[arg-type]


def test_a_recording_arrives_with_its_times_and_names(tmp_path: Path, broker_url: str) -> None:
    path = recorded(tmp_path, TEST_BED)
    with listening(broker_url) as listener:
        done = replayed(path, broker_url, ignore=("anomaly", "changepoint"))
        listener.wait_for(5)
        came = [(topic.rpartition("/")[2], json.loads(payload)) for topic, payload, _ in listener.came]
    assert done == Replayed(messages=5, values=9, was_stopped=False)
    assert {topic for topic, _, _ in listener.came} == {
        "liandong/v1/test-bed/pump/rig-1/status",
        "liandong/v1/test-bed/pump/rig-1/telemetry",
    }
    assert came == [
        ("status", {"ts": FIRST_MS, "online": True}),
        (
            "telemetry",
            {"ts": FIRST_MS, "values": {"Accelerometer1RMS": 0.082, "Volume Flow RateRMS": 76.02, "level_m": 1.5}},
        ),
        ("telemetry", {"ts": FIRST_MS + 1000, "values": {"Accelerometer1RMS": 0.083, "level_m": 1.4}}),
        ("telemetry", {"ts": FIRST_MS + 2000, "values": {"Accelerometer1RMS": 0.081}}),
        (
            "telemetry",
            {
                "ts": FIRST_MS + 5000,
                "values": {"Accelerometer1RMS": 0.085, "Volume Flow RateRMS": 77.0, "level_m": 1.25},
            },
        ),
    ]


def test_a_long_recording_arrives_whole_and_in_order(tmp_path: Path, broker_url: str) -> None:
    rows = "".join(f"{1_600_000_000 + second},{second}\n" for second in range(3_000))
    path = recorded(tmp_path, "time,level_m\n" + rows)
    with listening(broker_url) as listener:
        replayed(path, broker_url)
        listener.wait_for(3_001)
    levels = [reading["values"]["level_m"] for reading in listener.heard.readings["rig-1"]]
    assert levels == list(range(3_000))


@pytest.mark.parametrize(("speed", "at_least_s", "at_most_s"), [(10.0, 0.5, 5.0), (0.0, 0.0, 0.5)])
def test_rows_come_at_the_pace_that_was_asked_for(
    tmp_path: Path, embedded_broker: EmbeddedBroker, speed: float, at_least_s: float, at_most_s: float
) -> None:
    path = recorded(tmp_path, TEST_BED)
    replayed(path, embedded_broker.url, speed=0)
    began = monotonic()
    replayed(path, embedded_broker.url, speed=speed)
    assert at_least_s <= monotonic() - began < at_most_s + 1.0


def test_one_that_is_stopped_says_so_for_its_unit(tmp_path: Path, broker_url: str) -> None:
    path = recorded(tmp_path, TEST_BED)
    stop = threading.Event()
    with listening(broker_url) as listener:
        runner = threading.Thread(target=lambda: replayed(path, broker_url, speed=0.1, should_stop=stop.is_set))
        runner.start()
        listener.wait_for(2)
        stop.set()
        runner.join(20)
        assert not runner.is_alive()
        listener.wait_for(3)
    assert json.loads(listener.came[-1][1]) == {"ts": FIRST_MS, "online": False}
    assert len(listener.heard.readings["rig-1"]) == 1


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2020-03-01 15:44:06", "2020-03-01T15:44:06+08:00"),
        ("2020-03-01T15:44:06", "2020-03-01T15:44:06+08:00"),
        ("2020-03-01T15:44:06Z", "2020-03-01T15:44:06+00:00"),
        ("2020-03-01 15:44:06.250+01:00", "2020-03-01T15:44:06.250+01:00"),
        ("2020-03-01", "2020-03-01T00:00:00+08:00"),
        ("06/01/14 00", "2014-01-06T00:00:00+08:00"),
        ("31/12/2016 23:59", "2016-12-31T23:59:00+08:00"),
        ("1583048646", "2020-03-01T15:44:06+08:00"),
        ("1583048646.5", "2020-03-01T15:44:06.5+08:00"),
        ("1583048646250", "2020-03-01T15:44:06.250+08:00"),
    ],
)
def test_times_are_read_as_they_are_written(tmp_path: Path, cell: str, expected: str) -> None:
    recording = read_recording(recorded(tmp_path, f"t,level_m\n{cell},1\n"), zone=SHANGHAI)
    assert recording.ts_ms.tolist() == [at(expected)]


def test_another_time_zone_can_be_asked_for(tmp_path: Path) -> None:
    path = recorded(tmp_path, "t,level_m\n2020-03-01 15:44:06,1\n")
    assert read_recording(path, zone=ZoneInfo("Europe/Berlin")).ts_ms.tolist() == [at("2020-03-01T15:44:06+01:00")]


@pytest.mark.parametrize("text", ["t , level_m, x \n1583048646, 1 , 2\n", "t;level_m;x\n1583048646;1;2\n"])
def test_separators_and_spaces_do_not_matter(tmp_path: Path, text: str) -> None:
    recording = read_recording(recorded(tmp_path, text), zone=SHANGHAI)
    assert recording.names == ("level_m", "x")
    assert recording.values.tolist() == [[1.0, 2.0]]


def test_words_of_truth_and_emptiness_are_understood(tmp_path: Path) -> None:
    path = recorded(tmp_path, "t,a,b,c,d,e\n1583048646,True,false,null,,inf\n")
    values = read_recording(path, zone=SHANGHAI).values[0]
    assert values[:2].tolist() == [1.0, 0.0]
    assert np.isnan(values[2:]).all()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 0, "no rows below its header"),
        ("t,a\n", 0, "no rows below its header"),
        ("t\n1583048646\n", 1, "no column is left beside the time"),
        ("t,a\n2020-03-01 15:44:06,1\nyesterday,2\n", 3, "'yesterday' is no time"),
        ("t,a\n2020-03-01 15:44:06,1\n\n\n06/01/14 00,2\n", 5, "'06/01/14 00' is no time"),
        ("t,a\n30/02/20 11,1\n", 2, "'30/02/20 11' is no time"),
        ("t,a\n1,1\n", 2, "'1' is no time"),
        ("t,a\n1999-12-31 23:59:59,1\n", 2, "before the year 2000"),
        ("t,a\n1583048646,1\n1583048647,1,2\n", 3, "3 cells, the header has 2"),
        ("t,a\n1583048646,1\n1583048647,much\n", 3, "column 'a': 'much' is not a number"),
        ("t,a,a\n1583048646,1,1\n", 1, "two columns are called 'a'"),
        ("t,,b\n1583048646,1,1\n", 1, "'' is no name for a metric"),
        ('t,a\n1583048646,"1\n', 2, "unexpected end of data"),
    ],
)
def test_a_fault_in_the_file_is_told_with_its_line_before_anything_is_sent(
    tmp_path: Path, embedded_broker: EmbeddedBroker, text: str, line: int, reason: str
) -> None:
    path = recorded(tmp_path, text)
    with listening(embedded_broker.url) as listener:
        with pytest.raises(BadRecording) as told:
            replayed(path, embedded_broker.url)
        replayed(recorded(tmp_path, TEST_BED), embedded_broker.url, unit="rig-2")
        listener.wait_for(5)
    assert told.value.line == line
    assert reason in str(told.value)
    assert all("rig-2" in topic for topic, _, _ in listener.came)


def test_a_recording_of_the_future_is_refused(tmp_path: Path) -> None:
    path = recorded(tmp_path, "t,a\n2020-03-01 15:44:06,1\n2199-01-01 00:00:00,1\n")
    with pytest.raises(BadRecording, match=r"line 3: the time lies more than a day ahead"):
        replayed(path, "mqtt://127.0.0.1:1")


def test_a_column_to_ignore_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="no such column: anomalie"):
        replayed(recorded(tmp_path, TEST_BED), "mqtt://127.0.0.1:1", ignore=("anomalie",))


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="No such file"):
        replayed(tmp_path / "none.csv", "mqtt://127.0.0.1:1")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"t,a\n\xff\xfe,1\n")
    with pytest.raises(BadRecording, match="not UTF-8"):
        replayed(binary, "mqtt://127.0.0.1:1")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"site": "Test Bed"}, "'Test Bed' is no site"),
        ({"unit": "a/b"}, "'a/b' is no unit"),
        ({"kind": "boiler"}, "'boiler' is no kind"),
        ({"timezone": "Mars/Base"}, "'Mars/Base' is no time zone"),
        ({"timezone": "../../etc/passwd"}, "is no time zone"),
    ],
)
def test_names_that_topics_cannot_hold_are_refused(tmp_path: Path, options: dict[str, str], reason: str) -> None:
    with pytest.raises(BadName, match=reason):
        replayed(recorded(tmp_path, TEST_BED), "mqtt://127.0.0.1:1", **options)


def test_a_broker_that_is_not_there_is_told(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(BrokerUnreachable, match=f"127.0.0.1:{port} cannot be reached"):
        replayed(recorded(tmp_path, TEST_BED), f"mqtt://127.0.0.1:{port}", kind=Kind.PUMP)
