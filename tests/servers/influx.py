"""A real InfluxDB engine: Debian's influxd 1.6 behind a translation of version 2's write, or a version 2 given by hand.

`LIANDONG_TEST_INFLUX_URL=http://host:8086/?org=…&bucket=…` with the token in `LIANDONG_TEST_INFLUX_TOKEN` names one.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import urlopen

import pytest

from tests.left_out import program
from tests.servers.child import LOOPBACK, Child, free_port, started_on_a_free_port
from tests.servers.influx_front import Fault, InfluxFront

ORG = "liandong"
BUCKET = "liandong-test"
TOKEN = "test-token"
CONFIGURATION = """
reporting-disabled = true
bind-address = "{host}:{rpc_port}"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "{host}:{http_port}"
  auth-enabled = false
  log-enabled = false
  max-body-size = 0
"""


class Influxd:
    """Debian's influxd 1.6 on a free port; knows no tokens and no buckets."""

    def __init__(self) -> None:
        influxd = program("influxd")
        self._directory = Path(tempfile.mkdtemp(prefix="liandong-influx-"))
        configuration = self._directory / "influxdb.conf"

        def start(port: int) -> Child:
            text = CONFIGURATION.format(host=LOOPBACK, rpc_port=free_port(), http_port=port, directory=self._directory)
            configuration.write_text(text)
            return Child([influxd, "-config", configuration], log=self._directory / "influxd.log")

        self._child, self.port = started_on_a_free_port(start, _answers_ping)

    def close(self) -> None:
        # What it holds is not wanted any more, and an orderly end takes seconds.
        self._child.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


def _answers_ping(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/ping", timeout=5):
            return True
    except (URLError, OSError):
        return False


class Influx:
    """What a test needs to know of an InfluxDB 2, and faults to put in its way."""

    def __init__(self, url: str, *, org: str, bucket: str, token: str, front: InfluxFront | None = None) -> None:
        self.url = url
        self.org = org
        self.bucket = bucket
        self.token = token
        self._front = front

    def settings_url(self, bucket: str | None = None) -> str:
        """The value of `LIANDONG_TELEMETRY_URL` for a bucket."""
        return f"influxdb+{self.url}/?org={quote(self.org)}&bucket={quote(bucket or self.bucket)}"

    def refusing(self, status: int = 503) -> AbstractContextManager[None]:
        """Every request is answered with this status."""
        return self._faulty(Fault("refuse", status))

    def hanging(self) -> AbstractContextManager[None]:
        """No request is answered, nor done; at the end their connections are closed."""
        return self._faulty(Fault("hang"))

    def slow(self, delay_s: float) -> AbstractContextManager[None]:
        """Every request is done, but takes so much longer."""
        return self._faulty(Fault("be slow", delay_s=delay_s))

    def losing_answers(self) -> AbstractContextManager[None]:
        """Every request is done, but its answer is lost."""
        return self._faulty(Fault("lose the answer"))

    def unreachable(self) -> AbstractContextManager[None]:
        """Connections are refused."""
        return self._faulty(Fault("be unreachable"))

    @contextmanager
    def _faulty(self, fault: Fault) -> Iterator[None]:
        if self._front is None:
            pytest.skip("faults need the InfluxDB that the tests start; LIANDONG_TEST_INFLUX_URL names another")
        self._front.take_on(fault)
        try:
            yield
        finally:
            self._front.take_on(None)


@contextmanager
def running_influx() -> Iterator[Influx]:
    given = os.environ.get("LIANDONG_TEST_INFLUX_URL")
    if given:
        parts = urlsplit(given.removeprefix("influxdb+"))
        query = parse_qs(parts.query)
        org, bucket = (query.get(name, [default])[0] for name, default in (("org", ORG), ("bucket", BUCKET)))
        token = os.environ.get("LIANDONG_TEST_INFLUX_TOKEN", "")
        yield Influx(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", org=org, bucket=bucket, token=token)
        return
    engine = Influxd()
    front = InfluxFront(engine_port=engine.port, token=TOKEN)
    try:
        yield Influx(front.url, org=ORG, bucket=BUCKET, token=TOKEN, front=front)
    finally:
        front.close()
        engine.close()
