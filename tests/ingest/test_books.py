"""The books of the ingest: units, events, quarantine, unknown metrics, counts; each safe beside another worker."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import event_log, ledger, quarantine, unknown_metric
from ingest.directory import UnitDirectory
from ingest.errors import Reason
from ingest.quarantine import Quarantined
from ingest.wire import RawMessage
from models.equipment import Kind
from models.event import Event
from models.reading import UnitKey
from registry import activity
from registry.database import Database
from registry.site import add_site, get_site
from registry.unit import add_unit, all_units, get_unit

NOW_MS = 1_700_000_000_000
PUMP = UnitKey("xiaohe", Kind.PUMP, "p1")
FIRE = UnitKey("xiaohe", Kind.FIRE, "f1")


# Units


def test_a_unit_of_a_known_site_is_registered_when_it_is_first_heard(database: Database) -> None:
    with database.writing() as session:
        add_site(session, key="xiaohe", now_ms=NOW_MS)
    directory = UnitDirectory(database, registers_unknown_sites=False)
    found = directory.look_up({PUMP, FIRE}, now_ms=NOW_MS)
    assert set(found.ids) == {PUMP, FIRE}
    assert directory.look_up({PUMP}, now_ms=NOW_MS).ids == {PUMP: found.ids[PUMP]}
    with database.reading() as session:
        assert not get_unit(session, "xiaohe~p1").is_confirmed
        assert sorted(row.verb for row in activity.after(session, 0)) == ["unit.registered", "unit.registered"]
    again = UnitDirectory(database, registers_unknown_sites=False)
    assert set(again.load()) == {PUMP, FIRE}


def test_a_unit_of_an_unknown_site_is_refused_until_the_site_exists(database: Database) -> None:
    directory = UnitDirectory(database, registers_unknown_sites=False)
    found = directory.look_up({PUMP}, now_ms=NOW_MS)
    assert found.ids == {}
    assert found.refused[PUMP][0] is Reason.UNKNOWN_SITE
    with database.writing() as session:
        add_site(session, key="xiaohe", now_ms=NOW_MS)
    assert set(directory.look_up({PUMP}, now_ms=NOW_MS).ids) == {PUMP}


def test_on_the_embedded_default_a_site_is_registered_too(database: Database) -> None:
    directory = UnitDirectory(database, registers_unknown_sites=True)
    assert set(directory.look_up({PUMP}, now_ms=NOW_MS).ids) == {PUMP}
    with database.reading() as session:
        assert not get_site(session, "xiaohe").is_confirmed


def test_a_name_that_stands_for_another_kind_is_refused(database: Database) -> None:
    directory = UnitDirectory(database, registers_unknown_sites=True)
    directory.look_up({PUMP}, now_ms=NOW_MS)
    impostor = UnitKey("xiaohe", Kind.ELEVATOR, "p1")
    found = directory.look_up({impostor, PUMP}, now_ms=NOW_MS)
    assert set(found.ids) == {PUMP}
    assert found.refused[impostor][0] is Reason.KIND_CONFLICT


def test_workers_that_hear_the_same_new_units_agree_on_them(database: Database) -> None:
    barrier = Barrier(4)
    units = [UnitKey(f"site-{n % 2}", Kind.PUMP, f"p{n}") for n in range(6)]

    def hear(worker: int) -> dict[UnitKey, int]:
        directory = UnitDirectory(database, registers_unknown_sites=True)
        barrier.wait()
        return {unit: directory.look_up([unit], now_ms=NOW_MS).ids[unit] for unit in units}

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(hear, range(4))
    assert all(other == first for other in others)
    with database.reading() as session:
        assert len(all_units(session)) == 6
        assert len(activity.after(session, 0)) == 6


# Events


def events_of(database: Database, events: list[Event]) -> list[event_log.EventKey]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=NOW_MS)
        unit = add_unit(session, site=site, kind=Kind.FIRE, key="f1", now_ms=NOW_MS)
        return [event_log.key_of(unit.id, event) for event in events]


def fire(ts_ms: int, *, on: bool = True, point: str = "") -> Event:
    return Event(FIRE, ts_ms, "fire", on, point)


def test_an_event_is_known_by_unit_code_point_time_and_on_or_off(database: Database) -> None:
    kept = events_of(database, [fire(1), fire(2, point="a"), fire(3, on=False)])
    with database.writing() as session:
        event_log.put(session, kept, received_ms=NOW_MS)
        event_log.put(session, kept, received_ms=NOW_MS + 1)
        event_log.put(session, [], received_ms=NOW_MS)
    unit_id = kept[0][0]
    others = [event_log.key_of(unit_id, event) for event in (fire(1, on=False), fire(2), fire(4), fire(1, point="a"))]
    with database.reading() as session:
        assert event_log.known_keys(session, [*kept, *others]) == set(kept)
        assert event_log.known_keys(session, []) == set()
        assert [row.ts_ms for row in event_log.of_unit(session, unit_id)] == [3, 2, 1]


def test_thousands_of_events_are_looked_up_at_once(database: Database) -> None:
    keys = events_of(database, [fire(n, point=str(n % 7)) for n in range(2_500)])
    with database.writing() as session:
        event_log.put(session, keys[::2], received_ms=NOW_MS)
    with database.reading() as session:
        assert event_log.known_keys(session, keys) == set(keys[::2])


some_events = st.builds(
    Event,
    st.just(FIRE),
    st.integers(1, 4),
    st.sampled_from(["fire", "fault"]),
    st.booleans(),
    st.sampled_from(["", "a", "b"]),
)


@given(st.lists(st.lists(some_events, max_size=6), max_size=3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_last_word_on_each_point_is_found_in_order_of_time(database: Database, batches: list[list[Event]]) -> None:
    with database.writing() as session:
        number = len(all_units(session))
        site = get_site(session, "s") if number else add_site(session, key="s", now_ms=NOW_MS)
        unit = add_unit(session, site=site, kind=Kind.FIRE, key=f"f{number}", now_ms=NOW_MS)
        key = unit.unit_key
        kept: dict[event_log.EventKey, None] = {}
        for events in batches:
            keys = [event_log.key_of(unit.id, event) for event in events]
            event_log.put(session, keys, received_ms=NOW_MS)
            kept.update(dict.fromkeys(keys))
    last: dict[tuple[str, str], tuple[int, bool]] = {}
    for _, code, point, ts_ms, is_on in kept:
        if ts_ms >= last.get((code, point), (0, True))[0]:
            last[code, point] = (ts_ms, is_on)
    with database.reading() as session:
        words = [event for event in event_log.last_words(session) if event.unit == key]
    assert {(event.code, event.point): (event.ts_ms, event.is_on) for event in words} == last
    assert [event.ts_ms for event in words] == sorted(event.ts_ms for event in words)


# Quarantine


def bad(payload: bytes, topic: str = "liandong/v1/x") -> Quarantined:
    return Quarantined(RawMessage(topic, payload, NOW_MS), Reason.BAD_TOPIC, "why")


def test_quarantine_keeps_every_byte_and_any_topic(database: Database) -> None:
    everything = bytes(range(256)) * 8
    odd_topic = "nul\0 and 水 and " + "x" * 5000
    with database.writing() as session:
        quarantine.put(session, [bad(everything), bad(b"", odd_topic)])
    with database.reading() as session:
        second, first = session.query(quarantine.QuarantinedMessage).order_by(quarantine.QuarantinedMessage.id.desc())
        assert first.payload == everything
        assert second.payload == b""
        assert "水" in second.topic
        assert quarantine.count_by_reason(session) == {Reason.BAD_TOPIC: 2}


def test_a_message_is_recognised_by_topic_and_bytes(database: Database) -> None:
    with database.writing() as session:
        quarantine.put(session, [bad(b"a")])
    with database.reading() as session:
        digests = [bad(b"a").digest, bad(b"b").digest, bad(b"a", "liandong/v1/y").digest]
        assert quarantine.known_digests(session, digests) == {bad(b"a").digest}


def test_what_was_replayed_waits_no_longer(database: Database) -> None:
    with database.writing() as session:
        quarantine.put(session, [bad(b"a"), bad(b"b"), bad(b"c")])
        ids = [message.id for message in quarantine.waiting(session)]
        quarantine.mark_replayed(session, ids[1], now_ms=NOW_MS)
    with database.reading() as session:
        assert [message.id for message in quarantine.waiting(session)] == [ids[0], ids[2]]
        assert [message.id for message in quarantine.waiting(session, after_id=ids[0])] == [ids[2]]
        assert quarantine.waiting(session, reason=Reason.NOT_JSON) == []
        assert quarantine.count_by_reason(session) == {Reason.BAD_TOPIC: 2}


# Unknown metrics, and counts


def test_an_unknown_metric_is_reported_once_and_since_when(database: Database) -> None:
    with database.writing() as session:
        site = add_site(session, key="s", now_ms=NOW_MS)
        unit_id = add_unit(session, site=site, kind=Kind.PUMP, key="p", now_ms=NOW_MS).id
        unknown_metric.put(session, [(unit_id, "colour")], now_ms=NOW_MS)
        unknown_metric.put(session, [(unit_id, "colour"), (unit_id, "smell")], now_ms=NOW_MS + 9)
        unknown_metric.put(session, [], now_ms=NOW_MS)
    with database.reading() as session:
        found = {row.metric: row.first_ms for row in unknown_metric.newest(session)}
    assert found == {"colour": NOW_MS, "smell": NOW_MS + 9}


def test_counts_of_workers_that_count_at_once_add_up(database: Database) -> None:
    barrier = Barrier(6)

    def count(_worker: int) -> None:
        barrier.wait()
        for step in range(10):
            with database.writing() as session:
                ledger.add_counts(session, {ledger.ACCEPTED: 1, ledger.DUPLICATE: 2, ledger.VALUES_LATE: 0})
                ledger.add_counts(session, {}, received_ms=NOW_MS + step)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count, range(6)))
    with database.reading() as session:
        read = ledger.read_ledger(session)
    assert (read.accepted, read.duplicate, read.received, read.values_late) == (60, 120, 180, 0)
    assert read.last_received_ms == NOW_MS + 9
    assert read.balances


def test_an_empty_ledger_balances(database: Database) -> None:
    with database.reading() as session:
        read = ledger.read_ledger(session)
    assert read.balances
    assert (read.received, read.last_received_ms) == (0, None)
