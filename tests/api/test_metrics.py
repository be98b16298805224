"""What /metrics tells is what Prometheus people expect: names, units, types, nothing twice."""

import re

import httpx
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import program_version
from ingest import authority, outbox, quarantine, store_writer, worker
from ingest.errors import Reason
from ingest.mqtt import read_broker_url
from ingest.outbox import PendingBatch
from ingest.quarantine import Quarantined
from ingest.republish import Republisher
from ingest.wire import RawMessage
from tests.api.kit import PUMP, World
from tests.servers.child import free_port
from tests.servers.liandong import StartLiandong
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

# They count for themselves; importing them is what makes them tell.
INGEST_TELLS = (store_writer.write_seconds, worker.connected_gauge)

NOT_BASE_UNITS = re.compile(
    r"_(ms|millis|milliseconds|us|microseconds|ns|minutes|hours|days|kb|mb|gb|kilobytes|megabytes|percent|bits)(_|$)"
)
TYPES_IN_NAMES = re.compile(r"_(counter|gauge|histogram|summary|metric)(_|$)")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
UNITLESS_HISTOGRAMS = {"liandong_batch_messages"}


def faults_of(family: Metric, text: str) -> list[str]:
    """What `promtool check metrics` would say, in its order."""
    name, found = family.name, []
    told_as = f"{name}_total" if family.type == "counter" else name
    if not family.documentation:
        found.append("no help text")
    if family.type == "unknown":
        found.append("no type")
    if family.type == "counter" and not all(s.name.endswith(("_total", "_created")) for s in family.samples):
        found.append("a counter that does not end in _total")
    if family.type != "counter" and name.endswith("_total"):
        found.append("ends in _total and is no counter")
    if family.type == "gauge" and name.endswith(("_count", "_sum", "_bucket", "_info_total")):
        found.append("a gauge with a histogram's ending")
    if NOT_BASE_UNITS.search(name):
        found.append("is not in base units")
    if TYPES_IN_NAMES.search(name):
        found.append("names its own type")
    if not SNAKE.fullmatch(name):
        found.append("is not in snake case")
    if family.type == "histogram" and not name.endswith(("_seconds", "_bytes")) and name not in UNITLESS_HISTOGRAMS:
        found.append("a histogram without unit")
    if len(re.findall(rf"^# TYPE {re.escape(told_as)} ", text, re.MULTILINE)) != 1:
        found.append("is told more than once")
    labels = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
    if len(labels) != len(set(labels)):
        found.append("has a sample twice")
    if any("le" in sample.labels for sample in family.samples if family.type != "histogram"):
        found.append("uses a histogram's label")
    return found


def all_faults(text: str) -> dict[str, list[str]]:
    families = list(text_string_to_metric_families(text))
    assert len(families) > 5
    found = {family.name: faults_of(family, text) for family in families}
    return {name: faults for name, faults in found.items() if faults}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("# HELP x_ms a\n# TYPE x_ms gauge\nx_ms 1\n", "is not in base units"),
        ("# HELP x_total a\n# TYPE x_total gauge\nx_total 1\n", "ends in _total and is no counter"),
        ("# TYPE x gauge\nx 1\n", "no help text"),
        ("# HELP x a\n# TYPE x gauge\nx 1\n# HELP x a\n# TYPE x gauge\nx 1\n", "is told more than once"),
        ("# HELP tooMany a\n# TYPE tooMany gauge\ntooMany 1\n", "is not in snake case"),
    ],
)
def test_the_rules_find_what_they_are_for(line: str, fault: str) -> None:
    families = list(text_string_to_metric_families(line))
    assert fault in [said for family in families for said in faults_of(family, line)]


def test_every_measure_keeps_to_the_rules(world: World) -> None:
    world.signal(PUMP, "dry_run")
    world.client.get("/healthz")
    text = world.client.get("/metrics").text
    assert all_faults(text) == {}
    # Those of the process itself come with the library.
    assert "process_resident_memory_bytes" in text
    assert "process_cpu_seconds_total" in text


EXPECTED = {
    "liandong_activity_entries": "counter",
    "liandong_activity_streams": "gauge",
    "liandong_batch_messages": "histogram",
    "liandong_batch_seconds": "histogram",
    "liandong_broker_connected": "gauge",
    "liandong_broker_up": "gauge",
    "liandong_build_info": "gauge",
    "liandong_data_disk_free_bytes": "gauge",
    "liandong_data_disk_size_bytes": "gauge",
    "liandong_database_up": "gauge",
    "liandong_detector_seconds": "histogram",
    "liandong_http_request_duration_seconds": "histogram",
    "liandong_ingest_failures": "counter",
    "liandong_ingest_messages": "counter",
    "liandong_ingest_queue_messages": "gauge",
    "liandong_judgement_seconds": "histogram",
    "liandong_messages": "counter",
    "liandong_open_alarms": "gauge",
    "liandong_outbox_batches": "gauge",
    "liandong_outbox_bytes": "gauge",
    "liandong_outbox_oldest_seconds": "gauge",
    "liandong_quarantine_waiting": "gauge",
    "liandong_reading_lag_seconds": "histogram",
    "liandong_sites_over_rate": "gauge",
    "liandong_store_backlog": "gauge",
    "liandong_store_up": "gauge",
    "liandong_store_write_failures": "counter",
    "liandong_store_write_seconds": "histogram",
    "liandong_tickets": "gauge",
    "liandong_values_accepted": "counter",
    "liandong_values_pending": "gauge",
    "liandong_values_stored": "counter",
}
"""What alert rules may be written against: a name that is here does not change."""


def test_what_alert_rules_rest_on_is_there_with_its_type(world: World) -> None:
    families = text_string_to_metric_families(world.client.get("/metrics").text)
    told = {family.name: family.type for family in families}
    assert {name: told.get(name) for name in EXPECTED} == EXPECTED


def sample(text: str, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(text):
        for found in family.samples:
            if found.name == name and found.labels.items() >= labels.items():
                return found.value
    return None


def test_what_waits_is_told_with_its_size_and_age(world: World) -> None:
    with world.database.writing() as session:
        outbox.put(session, PendingBatch("a" * 32, 7, ()), now_ms=world.clock() - 90_000)
        message = RawMessage("liandong/v1/x", b"?", world.clock())
        quarantine.put(session, [Quarantined(message, Reason.BAD_TOPIC, "")])
    text = world.client.get("/metrics").text
    assert sample(text, "liandong_outbox_batches") == 1
    assert (sample(text, "liandong_outbox_bytes") or 0) > 0
    assert sample(text, "liandong_outbox_oldest_seconds") == 90
    assert sample(text, "liandong_quarantine_waiting", reason="bad_topic") == 1


def test_tickets_and_the_programs_version_are_told(world: World) -> None:
    world.signal(PUMP, "dry_run")
    text = world.client.get("/metrics").text
    assert sample(text, "liandong_tickets", stage="reported") == 1
    assert sample(text, "liandong_build_info", version=program_version()) == 1


def test_the_end_of_the_brokers_certificate_is_told(world: World) -> None:
    settings = world.app.state.resources.settings
    authority.prepare_authority(settings.authority_dir, now_ms=world.clock())
    shown = authority.issue_server_certificate(
        settings.resolved_broker_dir, authority=settings.authority_dir, hosts=["x"], now_ms=world.clock()
    )
    text = world.client.get("/metrics").text
    assert sample(text, "liandong_broker_certificate_expiry_timestamp_seconds") == shown.not_after_ms / 1000


@pytest.mark.parametrize("command", ["ingest", "up"])
def test_the_operators_port_names_sites_and_the_public_one_does_not(
    liandong_process: StartLiandong, mosquitto: Mosquitto, command: str
) -> None:
    port = free_port()
    settings = {"MQTT_URL": mosquitto.url, "METRICS_PORT": str(port)}
    running = liandong_process(command, settings=settings)
    own = f"http://127.0.0.1:{port}/metrics"
    assert all_faults(httpx.get(own).text) == {}
    with Republisher(read_broker_url(mosquitto.url)) as publisher:
        publisher.send("liandong/v1/my-home/pump/p1/telemetry", b'{"ts": 1795406400000, "values": {"level_m": 1}}')

    def told() -> float | None:
        return sample(httpx.get(own).text, "liandong_site_messages_total", site="my-home")

    assert wait_until(told, within_s=30, what="the site's message is counted") == 1
    text = httpx.get(own).text
    assert all_faults(text) == {}
    assert sample(text, "liandong_broker_connected") == 1
    assert sample(text, "liandong_build_info", telemetry="duckdb") == 1
    if command == "up":
        public = httpx.get(f"{running.http_url}/metrics").text
        assert all_faults(public) == {}
        assert "my-home" not in public


def test_a_port_for_measures_that_is_taken_is_told_in_one_line(
    liandong_process: StartLiandong, mosquitto: Mosquitto
) -> None:
    settings = {"MQTT_URL": mosquitto.url, "METRICS_PORT": str(mosquitto.port)}
    refused = liandong_process("ingest", settings=settings, ready_within_s=None)
    assert refused.wait(within_s=60) == 1
    assert f"metrics port 127.0.0.1:{mosquitto.port} cannot be used" in refused.stderr_text()
