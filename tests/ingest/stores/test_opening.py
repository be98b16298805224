"""The address in the settings decides which store is opened, and a wrong one is told in one line."""

from pathlib import Path

import pytest

from ingest.stores.contract import StoreRefused
from ingest.stores.duckdb import DuckDBStore
from ingest.stores.influx import InfluxAddress, InfluxStore
from ingest.stores.opening import open_store


def test_the_default_is_a_file_in_the_data_directory(tmp_path: Path) -> None:
    store = open_store("duckdb:", token="", data_dir=tmp_path / "var")
    assert isinstance(store, DuckDBStore)
    store.prepare()
    store.close()
    assert (tmp_path / "var" / "telemetry.duckdb").exists()


def test_a_file_may_be_named(tmp_path: Path) -> None:
    store = open_store(f"duckdb:{tmp_path / 'other.duckdb'}", token="", data_dir=tmp_path / "var")
    store.prepare()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["other.duckdb"]


def test_an_influxdb_address_opens_influxdb(tmp_path: Path) -> None:
    store = open_store("influxdb+http://influx:8086/?org=city&bucket=t", token="secret", data_dir=tmp_path)
    assert isinstance(store, InfluxStore)
    assert store.address == InfluxAddress("http://influx:8086", "city", "t")
    store.close()


@pytest.mark.parametrize("url", ["", "sqlite:", "http://influx:8086/?org=a&bucket=b", "influxdb+http://influx:8086/"])
def test_another_address_is_refused_in_one_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as told:
        open_store(url, token="secret", data_dir=tmp_path)
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)
