"""From the address in the settings to the store that answers there."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ingest.stores.contract import StoreRefused, TelemetryStore
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.retention import FOR_EVER, Retention

DUCKDB_FILE = "telemetry.duckdb"


def duckdb_path(url: str, *, data_dir: Path) -> Path:
    """The file that `duckdb:` or `duckdb:PATH` means."""
    path = url.removeprefix("duckdb:").removeprefix("//")
    return Path(path) if path else data_dir / DUCKDB_FILE


def open_store(
    url: str,
    *,
    token: str,
    data_dir: Path,
    retention: Retention = FOR_EVER,
    clock: Callable[[], int] = lambda: 0,
    worker: str = "liandong",
) -> TelemetryStore:
    """A store that is not prepared yet: `duckdb:`, `duckdb:PATH`, or `influxdb+http://host:8086/?org=…&bucket=…`."""
    if url.startswith("duckdb:"):
        return DuckDBStore(duckdb_path(url, data_dir=data_dir), retention=retention)
    if url.startswith(("influxdb+http://", "influxdb+https://")):
        # The client takes half a second to import; only those who use it wait for it.
        store: TelemetryStore = import_module("ingest.stores.influx").open_influx(
            url, token=token, retention=retention, clock=clock, worker=worker
        )
        return store
    raise StoreRefused(url.partition("?")[0], "LIANDONG_TELEMETRY_URL must begin with duckdb: or influxdb+http://")
