"""The activity log: nothing is lost, nothing is out of order, and no change goes unnoticed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DataError

from models.equipment import Kind
from registry import activity
from registry.activity import Activity, Entry
from registry.database import Database
from registry.site import add_site
from registry.unit import add_unit

NOW_MS = 1_700_000_000_000


def append(database: Database, *entries: Entry, now_ms: int = NOW_MS) -> int:
    with database.writing() as session:
        return activity.append(session, entries, now_ms=now_ms)


def faults(database: Database) -> list[int]:
    with database.reading() as session:
        return [fault.activity_id for fault in activity.verify_chain(session)]


def count(database: Database) -> int:
    with database.reading() as session:
        return activity.last_id(session)


@pytest.fixture
def chain(database: Database) -> Database:
    """Ten rows about two units."""
    with database.writing() as session:
        site = add_site(session, key="s", now_ms=NOW_MS)
        units = [add_unit(session, site=site, kind=Kind.PUMP, key=f"p{n}", now_ms=NOW_MS).id for n in (1, 2)]
    for number in range(10):
        entry = Entry(
            "alarm.raised",
            f"alarm:{number}",
            actor="mei",
            site="s",
            unit_id=units[number % 2],
            data={"number": number, "名": "水泵", "nested": {"b": 1.5, "a": [None, True]}},
        )
        append(database, entry, now_ms=NOW_MS + number)
    return database


# The chain


def test_an_untouched_chain_holds(chain: Database) -> None:
    assert faults(chain) == []


def test_an_empty_chain_holds(database: Database) -> None:
    assert faults(database) == []
    assert count(database) == 0


COLUMNS = "at_ms, actor, verb, subject, site, unit_id, data, previous_hash, hash"
CHANGES = [
    "at_ms = at_ms + 1",
    "actor = 'somebody else'",
    "verb = 'alarm.returned'",
    "subject = 'alarm:99'",
    "site = ''",
    "unit_id = NULL",
    "unit_id = CASE unit_id WHEN 1 THEN 2 ELSE 1 END",
    """data = '{"number": 99}'""",
    "data = '{}'",
    "data = 'null'",
    f"previous_hash = '{'1' * 64}'",
    f"hash = '{'1' * 64}'",
    "hash = previous_hash",
    "id = 77",
    "id = -id",
]


def unnoticed(chain: Database, *attempts: str) -> list[str]:
    """Those of the attempts (statements, separated by semicolons) that the walk does not find. All are undone."""
    missed = []
    for attempt in attempts:
        with chain.writing() as session:
            for statement in attempt.split(";"):
                session.execute(text(statement))
            if not list(activity.verify_chain(session)):
                missed.append(attempt)
            session.rollback()
    assert faults(chain) == []
    return missed


def test_a_change_of_any_column_of_any_row_is_found(chain: Database) -> None:
    changed = {name.strip() for change in CHANGES for name in [change.partition("=")[0]]}
    assert changed == {column.name for column in Activity.__table__.columns}
    attempts = [f"UPDATE activity SET {change} WHERE id = {place}" for change in CHANGES for place in (1, 5, 10)]
    assert unnoticed(chain, *attempts) == []


def test_data_that_cannot_be_read_any_more_is_found_and_does_not_end_the_walk(chain: Database) -> None:
    if not chain.is_sqlite:
        with pytest.raises(DataError):
            unnoticed(chain, "UPDATE activity SET data = '{' WHERE id = 5")
        return
    with chain.writing() as session:
        session.execute(text("UPDATE activity SET data = '{' WHERE id IN (5, 7)"))
    assert faults(chain) == [5, 7]


def test_rows_that_are_gone_are_found(chain: Database) -> None:
    attempts = [f"DELETE FROM activity WHERE id {which}" for which in ("= 1", "= 5", "= 10", "> 5", "< 5", "> 0")]
    assert unnoticed(chain, *attempts) == []


def test_rows_put_in_are_found(chain: Database) -> None:
    copies = [
        f"INSERT INTO activity (id, {COLUMNS}) SELECT {place}, {COLUMNS} FROM activity WHERE id = 10"
        for place in (0, -1, 11, 12)
    ]
    assert unnoticed(chain, *copies) == []


def test_a_row_put_in_with_a_right_hash_of_its_own_is_found(chain: Database) -> None:
    with chain.reading() as session:
        last = session.get_one(Activity, 10).hash
    digest = activity.entry_hash(
        id_=11, at_ms=1, actor="x", verb="x", subject="x", site="", unit_id=None, data=None, previous=last
    )
    row = f"11, 1, 'x', 'x', 'x', '', NULL, 'null', '{last}', '{digest}'"
    assert unnoticed(chain, f"INSERT INTO activity (id, {COLUMNS}) VALUES ({row})") == []


def test_rows_that_changed_places_are_found(chain: Database) -> None:
    swap = "; ".join(f"UPDATE activity SET id = {to} WHERE id = {was}" for was, to in ((4, 100), (5, 4), (100, 5)))
    assert unnoticed(chain, swap) == []


def test_a_changed_or_missing_head_is_found(chain: Database) -> None:
    attempts = ["UPDATE activity_head SET last_id = 9", "DELETE FROM activity_head"]
    cut = "DELETE FROM activity WHERE id = 10; UPDATE activity_head SET last_id = 9"
    assert unnoticed(chain, *attempts, cut) == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), json_values, max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_json_is_recorded_the_chain_holds(database: Database, data: dict[str, Any]) -> None:
    append(database, Entry("note", "x:1", data=data))
    assert faults(database) == []


# Order


def test_ids_have_no_gap_and_follow_the_order_of_commits(database: Database) -> None:
    """A reader that asks for what came after the last id it saw must never miss a row that is committed later."""
    is_over = threading.Event()
    seen: list[int] = []

    def write(worker: int) -> None:
        for step in range(12):
            entries = [Entry("step", f"worker:{worker}", data={"step": step})] * (1 + step % 3)
            if step % 4 == 3:
                try:
                    with database.writing() as session:
                        activity.append(session, entries, now_ms=NOW_MS)
                        raise ValueError("this one is rolled back")
                except ValueError:
                    continue
            append(database, *entries)

    def follow() -> None:
        while True:
            ending = is_over.is_set()
            with database.reading() as session:
                seen.extend(row.id for row in activity.after(session, seen[-1] if seen else 0, limit=7))
            if ending and len(seen) >= count(database):
                return

    with ThreadPoolExecutor(7) as pool:
        follower = pool.submit(follow)
        list(pool.map(write, range(5)))
        is_over.set()
        follower.result(30)
    assert seen == list(range(1, 1 + 5 * 3 * (1 + 2 + 3)))
    assert faults(database) == []


def test_several_appends_in_one_transaction_follow_each_other(database: Database) -> None:
    with database.writing() as session:
        assert activity.append(session, [Entry("a", "x:1"), Entry("b", "x:1")], now_ms=NOW_MS) == 2
        assert activity.append(session, [], now_ms=NOW_MS) == 2
        assert activity.append(session, [Entry("c", "x:1")], now_ms=NOW_MS) == 3
    assert faults(database) == []


# Reading


def test_the_log_is_read_after_an_id_within_what_a_person_may_see(database: Database) -> None:
    append(database, *(Entry("x", f"x:{n}", site=site) for n, site in enumerate(["a", "b", "", "a", "c"])))
    with database.reading() as session:

        def ids(*args: Any, **options: Any) -> list[int]:
            return [row.id for row in activity.after(session, *args, **options)]

        assert ids(0) == [1, 2, 3, 4, 5]
        assert ids(3) == [4, 5]
        assert ids(5) == []
        assert ids(0, limit=2) == [1, 2]
        assert ids(0, visible={"a"}) == [1, 3, 4]
        assert ids(0, visible=frozenset()) == [3]


def test_the_history_of_a_thing_and_of_a_unit_is_found(chain: Database) -> None:
    append(chain, Entry("alarm.returned", "alarm:3"))
    with chain.reading() as session:
        assert [row.verb for row in activity.of_subject(session, "alarm:3")] == ["alarm.raised", "alarm.returned"]
        unit_id = session.get_one(Activity, 1).unit_id
        assert unit_id is not None
        assert [row.id for row in activity.of_unit(session, unit_id, limit=3)] == [9, 7, 5]
