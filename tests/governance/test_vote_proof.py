"""What was cast can be proven: in the database whoever edits a row is found, and an export is walked anywhere."""

import copy
import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from governance import vote, vote_result
from governance.ballot import ballot_hash, commitment_of
from governance.tally import Ballot, Channel, Choice, Part, tally
from governance.vote import ruleset_of
from governance.vote_export import NotAnExport, ballots_csv, chain_document, read_export, roll_csv
from governance.vote_proof import verify_vote
from governance.vote_rules import VoteRules
from registry.database import Database
from tests.governance.polling import DAY_MS, NOW_MS, Polling, opened

AFTER_MS = NOW_MS + 10 * DAY_MS


@pytest.fixture
def polling(database: Database) -> Polling:
    """Five owners; O2 changed their mind, O5 is silent."""
    made = opened(database)
    for owner, choice in (
        ("O1", Choice.CONSENT),
        ("O2", Choice.OBJECT),
        ("O3", Choice.ABSTAIN),
        ("O2", Choice.CONSENT),
        ("O4", Choice.OBJECT),
    ):
        made.cast(owner, choice)
    return made


@pytest.fixture
def exported(polling: Polling) -> dict[str, Any]:
    return document(polling)


def faults(polling: Polling) -> list[tuple[int, str]]:
    with polling.database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        return [(fault.seq, fault.reason) for fault in verify_vote(session, found)]


def document(polling: Polling) -> dict[str, Any]:
    """As it is read from a file."""
    with polling.database.reading() as session:
        written = json.dumps(chain_document(session, vote.get_vote(session, polling.proposal_id)))
    read: dict[str, Any] = json.loads(written)
    return read


def test_an_honest_vote_has_no_fault(polling: Polling) -> None:
    assert faults(polling) == []


EDITS = {
    "a choice": (
        "UPDATE ballot_choice SET choice = 'consent' WHERE ballot_id = (SELECT id FROM ballot WHERE seq = 5)",
        5,
    ),
    "a choice is gone": ("DELETE FROM ballot_choice WHERE ballot_id = (SELECT id FROM ballot WHERE seq = 3)", 3),
    "an owner": ("UPDATE ballot SET owner = 'O5' WHERE seq = 5", 5),
    "a channel": ("UPDATE ballot SET channel = 'paper' WHERE seq = 1", 1),
    "a time": ("UPDATE ballot SET received_ms = received_ms - 1 WHERE seq = 2", 2),
    "a commitment": ("UPDATE ballot SET commitment = previous_hash WHERE seq = 4", 4),
    "a hash": ("UPDATE ballot SET hash = previous_hash WHERE seq = 4", 4),
    "the end": ("UPDATE vote SET closes_ms = closes_ms + 1", 0),
    "an area": ("UPDATE voter_part SET area_mm2 = area_mm2 * 9 WHERE part = '1-1'", 0),
    "the area of an owner": ("UPDATE voter SET area_mm2 = area_mm2 * 9 WHERE owner_key = 'O1'", 0),
    "whose part it is": (
        "UPDATE voter_part SET voter_id = (SELECT id FROM voter WHERE owner_key = 'O2') WHERE part = '1-1'",
        0,
    ),
    "which ballot counts": (
        "UPDATE voter SET ballot_id = (SELECT id FROM ballot WHERE seq = 2) WHERE owner_key = 'O2'",
        0,
    ),
    "an owner is silenced": ("UPDATE voter SET ballot_id = NULL WHERE owner_key = 'O1'", 0),
    "the turnout": ("UPDATE vote SET voted_owners = 5", 0),
    "the beginning": ("UPDATE vote SET genesis = last_hash", 0),
}


def test_somebody_with_access_to_the_database_who_edits_a_row_is_found(polling: Polling) -> None:
    for what, (statement, seq) in EDITS.items():
        with polling.database.engine.connect() as connection, connection.begin() as edit:
            assert connection.execute(text(statement)).rowcount == 1, what
            with Session(connection) as session:
                found = list(verify_vote(session, vote.get_vote(session, polling.proposal_id)))
            assert seq in [fault.seq for fault in found], (what, found)
            edit.rollback()
    assert faults(polling) == []


def test_a_ballot_that_is_taken_out_is_found(polling: Polling) -> None:
    with polling.database.engine.begin() as connection:
        connection.execute(text("UPDATE voter SET ballot_id = NULL WHERE owner_key = 'O1'"))
        connection.execute(text("DELETE FROM ballot_choice WHERE ballot_id = (SELECT id FROM ballot WHERE seq = 1)"))
        connection.execute(text("DELETE FROM ballot WHERE seq = 1"))
    assert (1, "ballots 1 to 1 are missing") in faults(polling)


def test_the_last_ballot_cannot_be_taken_out_either(polling: Polling) -> None:
    with polling.database.engine.begin() as connection:
        connection.execute(text("UPDATE voter SET ballot_id = NULL WHERE owner_key = 'O4'"))
        connection.execute(text("DELETE FROM ballot_choice WHERE ballot_id = (SELECT id FROM ballot WHERE seq = 5)"))
        previous = connection.execute(text("SELECT previous_hash FROM ballot WHERE seq = 5")).scalar_one()
        connection.execute(text("DELETE FROM ballot WHERE seq = 5"))
        # Even with head and turnout put right, the activity log knows better.
        area = "voted_area_mm2 = voted_area_mm2 - 80000000"
        connection.execute(
            text(f"UPDATE vote SET last_seq = 4, last_hash = '{previous}', voted_owners = voted_owners - 1, {area}")
        )
    assert faults(polling) == [(5, "is not the ballot that the activity log wrote down")]


def test_a_whole_chain_written_anew_does_not_match_the_log(polling: Polling) -> None:
    with polling.database.engine.begin() as connection:
        genesis = connection.execute(text("SELECT genesis FROM vote")).scalar_one()
        previous = genesis
        for row in connection.execute(text("SELECT * FROM ballot ORDER BY seq")).mappings().all():
            cells = dict(row)
            cells["is_proxy"] = bool(cells["is_proxy"])
            kept = (
                connection.execute(text(f"SELECT * FROM ballot_choice WHERE ballot_id = {row['id']}")).mappings().one()
            )
            choice = "consent" if row["seq"] == 5 else kept["choice"]
            cells["commitment"] = commitment_of(
                genesis=genesis, owner=row["owner"], choice=choice, receipt=kept["receipt"]
            )
            digest = ballot_hash(cells, previous=previous)
            connection.execute(text(f"UPDATE ballot_choice SET choice = '{choice}' WHERE ballot_id = {row['id']}"))
            connection.execute(
                text(
                    f"UPDATE ballot SET commitment = '{cells['commitment']}', previous_hash = '{previous}', "
                    f"hash = '{digest}' WHERE id = {row['id']}"
                )
            )
            previous = digest
        connection.execute(text(f"UPDATE vote SET last_hash = '{previous}'"))
    assert faults(polling) == [(5, "is not the ballot that the activity log wrote down")]


def test_an_export_proves_itself_and_recounts_to_the_result(polling: Polling) -> None:
    read = read_export(document(polling))
    assert read.faults == ()
    with polling.database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        assert read.recount() == vote_result.result(session, found, now_ms=AFTER_MS)
        assert read.head.hash == found.last_hash


def test_the_exported_tables_recount_to_the_result(polling: Polling) -> None:
    with polling.database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        rolls = list(csv.DictReader(io.StringIO(roll_csv(session, found))))
        ballots = list(csv.DictReader(io.StringIO(ballots_csv(session, found))))
        counted = tally(
            [Part(row["owner"], row["part"], Decimal(row["area_m2"])) for row in rolls],
            [Ballot(row["owner"], Choice(row["choice"]), Channel(row["channel"])) for row in ballots],
            ruleset=ruleset_of(found.terms),
            matter=found.matter,
        )
        assert counted == vote_result.result(session, found, now_ms=AFTER_MS)
    assert tuple(ballots[0]) == ("owner", "choice", "channel")
    assert len(ballots) == 4


def test_a_secret_vote_is_proven_too(database: Database) -> None:
    made = opened(database, rules=VoteRules(is_secret=True))
    made.cast("O1")
    assert faults(made) == []
    read = read_export(document(made))
    assert (read.faults, len(read.ballots)) == ((), 1)


def ballots_of(exported: dict[str, Any]) -> list[list[Any]]:
    return exported["ballots"]  # type: ignore[no-any-return]


FORGERIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a choice": lambda e: ballots_of(e)[4].__setitem__(-2, "consent"),
    "a ballot is gone": lambda e: ballots_of(e).pop(2),
    "the last is gone": lambda e: ballots_of(e).pop(),
    "two are swapped": lambda e: ballots_of(e).reverse(),
    "one is added": lambda e: ballots_of(e).append([6, *ballots_of(e)[0][1:]]),
    "an area": lambda e: e["roll"][0].__setitem__(2, "800.00"),
    "an owner of the roll": lambda e: e["roll"].pop(),
    "the law": lambda e: e["terms"].__setitem__("quorum", "> 1/2 of all"),
    "the end": lambda e: e["terms"].__setitem__("closes_ms", AFTER_MS + 1),
    "the head": lambda e: e["head"].__setitem__("hash", "0" * 64),
}


def test_whatever_is_changed_in_an_export_is_found(exported: dict[str, Any]) -> None:
    for what, forge in FORGERIES.items():
        forged = copy.deepcopy(exported)
        forge(forged)
        assert read_export(forged).faults, what


@pytest.mark.parametrize("damaged", [None, [], {}, {"format": "liandong-vote-1"}, {"format": "other"}, "x"])
def test_a_file_that_is_no_export_is_refused(damaged: object) -> None:
    with pytest.raises(NotAnExport):
        read_export(damaged)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_single_cell_of_an_export_can_be_changed_unseen(exported: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(exported)
    row, cell = data.draw(st.integers(0, 4)), data.draw(st.integers(0, len(exported["cells"]) - 1))
    others = st.one_of(st.integers(0, 9), st.text(max_size=5), st.sampled_from(["O1", "O4", "consent", "object"]))
    other = data.draw(others.filter(lambda each: each != exported["ballots"][row][cell]))
    changed["ballots"][row][cell] = other
    assert is_refused(changed)


def is_refused(exported: object) -> bool:
    try:
        return bool(read_export(exported).faults)
    except NotAnExport:
        return True
