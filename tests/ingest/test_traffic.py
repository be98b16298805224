"""Who sends how much is known, whatever they name and however many workers count."""

import pytest

from ingest.traffic import MAX_SITES, NO_SITE, Traffic, TrafficMeter, read_traffic, site_of
from ingest.wire import RawMessage
from registry.database import Database
from registry.site import add_site

MINUTE_MS = 60_000
START_MS = 29_900_000 * MINUTE_MS


@pytest.fixture
def homes(database: Database) -> Database:
    with database.writing() as session:
        for key in ("my-home", "their-home"):
            add_site(session, key=key, now_ms=START_MS)
    return database


def messages(site: str, count: int) -> list[RawMessage]:
    return [RawMessage(f"liandong/v1/{site}/pump/p1/telemetry", b"x" * 10, START_MS)] * count


def traffic(database: Database, *, now_ms: int) -> list[Traffic]:
    with database.reading() as session:
        return read_traffic(session, now_ms=now_ms)


def test_workers_count_together_by_site_and_minute(homes: Database) -> None:
    workers = [TrafficMeter(homes, messages_per_s=1) for _ in range(2)]
    for worker in workers:
        worker.note(messages("my-home", 60))
        worker.note(messages("their-home", 6))
        worker.flush(START_MS)
        worker.note(messages("my-home", 60))
        worker.flush(START_MS + 30_000)
    size = len("liandong/v1/my-home/pump/p1/telemetry") + 10
    # The minute is not over yet; then it is the last one, and then it is long ago.
    rates = [(0, 0.0), (MINUTE_MS, 4.0), (2 * MINUTE_MS, 0.0)]
    for later_ms, rate in rates:
        assert traffic(homes, now_ms=START_MS + later_ms)[0] == Traffic("my-home", 240, 240 * size, rate)
    workers[0].note(messages("my-home", 1))
    workers[0].flush(START_MS + MINUTE_MS)
    assert traffic(homes, now_ms=START_MS + MINUTE_MS + 30_000)[0].messages_per_s == 4
    workers[0].note(messages("my-home", 1))
    workers[0].flush(START_MS + 5 * MINUTE_MS)
    assert traffic(homes, now_ms=START_MS + 5 * MINUTE_MS)[0].messages_per_s == 0


def test_what_is_counted_is_written_every_few_seconds_and_at_the_end(homes: Database) -> None:
    meter = TrafficMeter(homes, messages_per_s=1)
    meter.flush(START_MS)
    meter.note(messages("my-home", 1))
    meter.flush(START_MS + 1_000)
    assert traffic(homes, now_ms=START_MS) == []
    meter.flush(START_MS + 1_000, is_last=True)
    assert [row.messages for row in traffic(homes, now_ms=START_MS)] == [1]


def test_made_up_sites_make_no_rows(homes: Database) -> None:
    meter = TrafficMeter(homes, messages_per_s=1)
    for number in range(MAX_SITES + 100):
        meter.note(messages(f"made-up-{number}", 1))
    meter.note(
        [RawMessage(topic, b"", START_MS) for topic in ("other/x", "liandong/v1/BAD SITE/x", "spBv1.0/gone/NDATA")]
    )
    meter.note(messages("my-home", 1))
    meter.flush(START_MS)
    found = {row.site: row.messages for row in traffic(homes, now_ms=START_MS)}
    assert found.keys() <= {NO_SITE, "my-home"}
    assert sum(found.values()) == MAX_SITES + 104


def test_what_we_tell_ourselves_is_nobodys_traffic(homes: Database) -> None:
    meter = TrafficMeter(homes, messages_per_s=1)
    meter.note([RawMessage("liandong/v1/my-home/pump/p1/alarm", b"[]", START_MS)])
    meter.flush(START_MS)
    assert traffic(homes, now_ms=START_MS) == []


def test_counts_wait_for_a_database_that_does_not_answer(homes: Database) -> None:
    gone = Database("sqlite:////nowhere/at/all.sqlite")
    meter = TrafficMeter(gone, messages_per_s=1)
    meter.note(messages("my-home", 3))
    meter.flush(START_MS)
    meter._database = homes
    meter.flush(START_MS + 10_000)
    assert [row.messages for row in traffic(homes, now_ms=START_MS)] == [3]


@pytest.mark.parametrize(
    ("topic", "site"),
    [
        ("liandong/v1/my-home/gateway/roof/telemetry", "my-home"),
        ("spBv1.0/my-home/DDATA/roof/p1", "my-home"),
        ("spBv1.0/My-Home/NDATA/roof", "my-home"),
        ("liandong/v1", NO_SITE),
        ("", NO_SITE),
    ],
)
def test_a_topic_names_a_site_or_none(topic: str, site: str) -> None:
    assert site_of(topic) == site
