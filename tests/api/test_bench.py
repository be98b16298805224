"""The benchmark measures the line that runs, and its parts are all there is."""

import json

import pytest

from alerts.ticket import moves_of
from alerts.ticket_list import TicketFilter, Word, count_blocked, count_by_stage, find_tickets
from alerts.ticket_stages import Stage
from api.commands import bench_power_cut
from api.commands.bench import BUDGET, BenchFailed, StoreChoice, ingest_as_json
from api.commands.bench_detectors import detectors_as_json
from api.commands.bench_disposal import STAGES, fill
from registry import activity
from registry.database import Database


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
    assert told["us_per_value_wear_in_the_stream"] > 0
    for size in ("200_units_8_channels", "20_units_16_channels", "in_the_stream", "wear_in_the_stream"):
        assert 0 < told[f"bytes_per_unit_{size}"] < 20_000


def test_the_disposal_is_measured_on_tickets_as_the_program_writes_them(database: Database) -> None:
    fill(database, tickets=90, activity_rows=50, sites=8)
    with database.reading() as session:
        assert count_by_stage(session) == {Stage(name): 10 for name in STAGES}
        assert count_blocked(session) == 5
        (ticket,) = find_tickets(session, TicketFilter(words=[Word("#17")]))
        assert ticket.unit is not None
        assert ticket.unit.site_id == ticket.site_id
        assert len(moves_of(session, ticket.id)) == 4
        assert activity.last_id(session) == 50
    with pytest.raises(BenchFailed, match="name an empty one"):
        fill(database, tickets=90, activity_rows=0, sites=8)


def test_a_power_cut_over_a_district_is_one_incident_for_each_compound(database: Database) -> None:
    units = bench_power_cut.fill(database, alarms=60, sites=4)
    told = bench_power_cut.cut(database, units)
    assert (told["alarms"], told["incidents"], told["messages"]) == (60, 4, 8)
    assert told["most_messages_to_one_of_an_incident"] == 1
