"""The benchmark measures the line that runs, and its parts are all there is."""

import json

from api.commands.bench import BUDGET, StoreChoice, ingest_as_json
from api.commands.bench_detectors import detectors_as_json


def test_a_short_run_tells_what_the_contract_asks_and_where_the_time_went() -> None:
    told = json.loads(
        ingest_as_json(
            messages=1000, qos=1, store=StoreChoice.DUCKDB, units=50, readings_per_message=2, broker=None, latency_s=1.0
        )
    )
    assert told["ledger_balances"]
    assert told["values_per_message"] == 12
    assert told["messages_per_s"] > 0
    assert 0 < told["latency_p50_ms"] <= told["latency_p99_ms"]
    assert all(told["cpu_us_per_message"][part] > 0 for part, _, _ in BUDGET if part != "store")


def test_the_detectors_are_measured_alone_and_in_the_stream_and_stay_in_their_memory() -> None:
    told = json.loads(detectors_as_json(units=200, channels=8, rows=2))
    assert told["us_per_value_200_units_8_channels"] > 0
    assert told["us_per_value_in_the_stream"] > 0
    for size in ("200_units_8_channels", "20_units_16_channels", "in_the_stream"):
        assert 0 < told[f"bytes_per_unit_{size}"] < 20_000
