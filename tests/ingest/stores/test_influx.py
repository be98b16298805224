"""What only the InfluxDB store promises: its address, its patience, and which errors are worth trying again."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from ingest.stores.contract import StoreRefused, StoreUnavailable
from ingest.stores.influx import InfluxAddress, InfluxStore, open_influx, parse_influx_url
from ingest.stores.retention import DAY_MS, FOR_EVER, Retention
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from tests.servers.influx import Influx

ROOT = Path(__file__).parents[3]
T0 = 1_700_000_000_000
UNIT = UnitKey("site-a", Kind.PUMP, "unit-1")


def rows(ts_ms: list[int], unit: UnitKey = UNIT) -> ReadingBlock:
    return ReadingBlock(
        Kind.PUMP,
        ("level_m",),
        (unit,),
        np.zeros(len(ts_ms), np.int64),
        np.array(ts_ms, np.int64),
        np.ones((len(ts_ms), 1)),
    )


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("influxdb+http://influx:8086/?org=city&bucket=t", InfluxAddress("http://influx:8086", "city", "t")),
        ("influxdb+http://influx:8086?org=city&bucket=t", InfluxAddress("http://influx:8086", "city", "t")),
        ("influxdb+https://db.example/in/?bucket=t&org=a%20b", InfluxAddress("https://db.example/in", "a b", "t")),
        ("influxdb+http://[::1]:8086/?org=城市&bucket=t", InfluxAddress("http://[::1]:8086", "城市", "t")),
    ],
)
def test_an_address_is_read(url: str, address: InfluxAddress) -> None:
    assert parse_influx_url(url) == address


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://influx:8086/?org=a&bucket=b", "looks like"),
        ("influxdb+ftp://influx/?org=a&bucket=b", "looks like"),
        ("influxdb+http:///?org=a&bucket=b", "looks like"),
        ("influxdb+http://influx:8086/", "lacks org and bucket"),
        ("influxdb+http://influx:8086/?org=a&bucket=", "lacks bucket"),
        ("influxdb+http://me:secret@influx:8086/?org=a&bucket=b", "holds no password"),
        ("influxdb+http://influx:8086/?org=a&bucket=b/c", "slash"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        parse_influx_url(url)
    assert "secret" not in str(told.value)


def test_settings_that_cannot_work_are_told_in_one_line() -> None:
    with pytest.raises(StoreRefused, match="LIANDONG_INFLUX_TOKEN"):
        open_influx("influxdb+http://influx:8086/?org=a&bucket=b", token="")
    with pytest.raises(StoreRefused, match="holds no password") as told:
        open_influx("influxdb+http://me:secret@influx:8086/?bucket=b", token="t").close()
    assert "secret" not in str(told.value)


def store_at(port: int, *, timeout_s: float = 0.3, retention: Retention = FOR_EVER) -> InfluxStore:
    address = InfluxAddress(f"http://127.0.0.1:{port}", "org", "bucket")
    return InfluxStore(address, "token", write_timeout_s=timeout_s, query_timeout_s=timeout_s, retention=retention)


@contextmanager
def server_answering(answers: dict[str, tuple[int, Any]]) -> Iterator[tuple[int, list[tuple[str, str, bytes]]]]:
    """A server with a fixed answer for "METHOD path"; yields its port and the list of requests it gets."""
    requests: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            requests.append((self.command, self.path, body))
            status, content = answers[f"{self.command} {self.path.partition('?')[0]}"]
            if "bucket=bucket_hour" in self.path:
                status = 204  # what is still to be rolled up
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Influxdb-Version", "v2.7.0")
            if status != 204:
                self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            if status != 204:
                self.wfile.write(encoded)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - the names http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port, requests
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 504])
def test_what_may_pass_is_unavailable(status: int) -> None:
    error = {"code": "unavailable", "message": "not now"}
    with (
        server_answering({"POST /api/v2/write": (status, error)}) as (port, _),
        pytest.raises(StoreUnavailable) as told,
    ):
        store_at(port).write("batch-1", [rows([T0])])
    assert f"status {status}, not now" in str(told.value)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_will_never_pass_is_refused(status: int) -> None:
    error = {"code": "invalid", "message": "partial write: field type conflict"}
    with server_answering({"POST /api/v2/write": (status, error)}) as (port, _):
        refusals = store_at(port).write("batch-1", [rows([T0, T0 + 1])])
    assert sum(refusal.block.value_count for refusal in refusals) == 2
    assert all("field type conflict" in refusal.reason for refusal in refusals)


BUCKETS = "/api/v2/buckets"
SYSTEM_BUCKET = {"id": "000000000000000a", "name": "_tasks", "retentionRules": []}
OWN_BUCKET = {"id": "000000000000000b", "name": "bucket", "retentionRules": []}


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"buckets": []}),
        (200, {"buckets": [SYSTEM_BUCKET]}),
        (404, {"code": "not found", "message": 'bucket "bucket" not found'}),
    ],
)
def test_preparing_version_2_creates_what_is_missing_with_its_end(answer: tuple[int, Any]) -> None:
    answers = {
        "GET /ping": (200, None),
        f"GET {BUCKETS}": answer,
        "GET /api/v2/orgs": (200, {"orgs": [{"id": "0123456789abcdef", "name": "org"}]}),
        f"POST {BUCKETS}": (201, OWN_BUCKET),
    }
    with server_answering(answers) as (port, requests):
        store_at(port, timeout_s=5, retention=Retention(raw_ms=DAY_MS, minute_ms=2 * DAY_MS)).prepare()
    created = [json.loads(body) for method, path, body in requests if (method, path) == ("POST", BUCKETS)]
    assert {each["orgID"] for each in created} == {"0123456789abcdef"}
    ends = {each["name"]: [rule["everySeconds"] for rule in each["retentionRules"]] for each in created}
    assert ends == {"bucket": [86_400], "bucket_minute": [172_800], "bucket_hour": [0]}


def test_a_bucket_of_version_2_that_is_there_gets_its_end_only_when_nothing_is_due() -> None:
    answers = {
        "GET /ping": (200, None),
        f"GET {BUCKETS}": (200, {"buckets": [OWN_BUCKET]}),
        f"POST {BUCKETS}": (201, OWN_BUCKET),
        f"PATCH {BUCKETS}/{OWN_BUCKET['id']}": (200, OWN_BUCKET),
        "GET /api/v2/orgs": (200, {"orgs": [{"id": "0123456789abcdef", "name": "org"}]}),
        "POST /query": (200, {"results": [{}]}),
    }
    with server_answering(answers) as (port, requests):
        store = store_at(port, timeout_s=5, retention=Retention(raw_ms=DAY_MS))
        store.prepare()
        assert [method for method, _, _ in requests if method == "PATCH"] == []
        assert store.maintain(now_ms=T0) is False
    [changed] = [json.loads(body) for method, _, body in requests if method == "PATCH"]
    assert [rule["everySeconds"] for rule in changed["retentionRules"]] == [86_400]


def test_an_answer_cut_short_is_not_taken_for_whole() -> None:
    cut = {"results": [{"series": [{"name": "pump", "columns": ["time"], "values": []}], "partial": True}]}
    with server_answering({"POST /query": (200, cut)}) as (port, _), pytest.raises(StoreUnavailable, match="cut"):
        store_at(port, timeout_s=5).history(UNIT, end_ms=T0, rows=5)


def test_the_client_library_is_loaded_only_by_its_own_module() -> None:
    script = "import ingest.stores.contract, ingest.stores.duckdb, sys; print('influxdb_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def store_on(influx: Influx, *, timeout_s: float = 10) -> InfluxStore:
    """A store on a bucket of its own on the real engine."""
    address = InfluxAddress(influx.url, influx.org, f"{influx.bucket}-{uuid4().hex}")
    return InfluxStore(address, influx.token, write_timeout_s=timeout_s, query_timeout_s=timeout_s)


@pytest.fixture
def real(influx: Influx) -> Iterator[InfluxStore]:
    store = store_on(influx)
    store.prepare()
    yield store
    store.close()


def assert_every_method_finds_it_unavailable(store: InfluxStore, *, within_s: float) -> None:
    for call in (
        lambda: store.write("batch-1", [rows([T0])]),
        store.prepare,
        store.check,
        store.newest_ms,
        store.count_values,
        lambda: store.existing(rows([T0])),
        lambda: store.latest([UNIT]),
        lambda: store.metrics_of(UNIT),
        lambda: store.history(UNIT, end_ms=T0, rows=5),
        lambda: store.points(UNIT, "level_m", start_ms=T0, end_ms=T0 + 1, step_ms=1),
    ):
        started_s = time.monotonic()
        with pytest.raises(StoreUnavailable) as told:
            call()
        assert time.monotonic() - started_s < within_s
        assert "\n" not in str(told.value)


def test_nobody_listening_is_unavailable_at_once(influx: Influx) -> None:
    with influx.unreachable():
        assert_every_method_finds_it_unavailable(store_on(influx, timeout_s=30), within_s=1)


def test_a_server_that_hangs_is_unavailable_after_the_timeout(influx: Influx) -> None:
    with influx.hanging():
        assert_every_method_finds_it_unavailable(store_on(influx, timeout_s=0.2), within_s=1)


@pytest.mark.parametrize("fault", ["unreachable", "hanging", "refusing", "losing_answers"])
def test_what_failed_is_kept_once_when_it_is_written_again(influx: Influx, fault: str) -> None:
    store = store_on(influx, timeout_s=0.5)
    store.prepare()
    store.write("batch-1", [rows([T0])])
    with getattr(influx, fault)():
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                store.write("batch-2", [rows([T0 + 1, T0 + 2])])
    store.write("batch-2", [rows([T0 + 1, T0 + 2])])
    assert store.count_values() == 3
    store.close()


def test_a_wrong_token_is_unavailable(influx: Influx) -> None:
    address = InfluxAddress(influx.url, influx.org, influx.bucket)
    with pytest.raises(StoreUnavailable, match="status 401"):
        InfluxStore(address, "wrong").write("batch-1", [rows([T0])])


def test_a_missing_bucket_is_unavailable(influx: Influx) -> None:
    store = store_on(influx)
    with pytest.raises(StoreUnavailable):
        store.write("batch-1", [rows([T0])])
    with pytest.raises(StoreUnavailable):
        store.check()


def test_a_time_beyond_the_engine_is_refused(real: InfluxStore) -> None:
    [refusal] = real.write("batch-1", [rows([T0, 2**60, T0 + 1])])
    assert (refusal.block.ts_ms.tolist(), refusal.block.value_count) == ([2**60], 1)
    assert real.count_values() == 2


def test_a_large_batch_takes_several_requests_and_is_kept_whole(real: InfluxStore) -> None:
    count = 23_456
    real.write("batch-1", [rows(list(range(T0, T0 + count)))])
    assert real.count_values() == count


def test_a_foreign_field_of_another_type_refuses_what_conflicts_and_keeps_the_rest(
    real: InfluxStore, influx: Influx
) -> None:
    line = f"pump,site={UNIT.site},unit={UNIT.unit} level_m=1i {T0}"
    request = urllib.request.Request(
        f"{influx.url}/api/v2/write?org={influx.org}&bucket={real.address.bucket}&precision=ms",
        data=line.encode(),
        headers={"Authorization": f"Token {influx.token}"},
    )
    urllib.request.urlopen(request, timeout=10).close()
    times = np.arange(T0, T0 + 300, dtype=np.int64)
    block = ReadingBlock(
        Kind.PUMP, ("level_m", "flow_m3_h"), (UNIT,), np.zeros(300, np.int64), times, np.ones((300, 2))
    )
    [refusal] = real.write("batch-1", [block])
    assert "field type conflict" in refusal.reason
    assert np.isnan(refusal.block.values[:, 1]).all()
    assert sorted(refusal.block.ts_ms.tolist()) == times.tolist()
    assert real.latest([UNIT]) == {UNIT: {"level_m": (T0, 1.0), "flow_m3_h": (T0 + 299, 1.0)}}
    assert real.count_values() == 301
