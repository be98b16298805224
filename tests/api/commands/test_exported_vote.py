"""`liandong verify FILE` and `liandong tally` on a vote that somebody took home: whatever was changed in it is told."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.command_line import main
from governance import vote
from governance.tally import Choice
from governance.vote_export import ballots_csv, chain_document, roll_csv
from registry.database import Database, compact_json
from tests.governance.polling import opened

Files = dict[str, str]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIANDONG_LANGUAGE", "en")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["liandong", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


@pytest.fixture
def files(database: Database) -> Files:
    """Five owners; O2 changed their mind, O5 is silent."""
    polling = opened(database)
    cast = (("O1", "consent"), ("O2", "object"), ("O3", "abstain"), ("O2", "consent"), ("O4", "object"))
    for owner, choice in cast:
        polling.cast(owner, Choice(choice))
    with database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        return {
            "roll.csv": roll_csv(session, found),
            "ballots.csv": ballots_csv(session, found),
            "chain.json": compact_json(chain_document(session, found)),
        }


def packed(files: Files) -> str:
    with zipfile.ZipFile("vote.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return "vote.zip"


def with_chain(files: Files, forge: Callable[[dict[str, Any]], object]) -> Files:
    document = json.loads(files["chain.json"])
    forge(document)
    return {**files, "chain.json": json.dumps(document)}


def test_an_untouched_export_is_sound_and_recounts_to_the_same(run: Run, files: Files) -> None:
    head = json.loads(files["chain.json"])["head"]["hash"]
    status, told, _ = run("verify", packed(files), "--head", head)
    assert (status, told.splitlines()[0].startswith("ok: 5 ballots")) == (0, True)
    assert "recounted: 2 of 4 owners consent, not approved" in told
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    law = ("--ruleset", "civil-code-2021", "--matter", "use")
    status, told, _ = run("tally", *law, "--roll", "roll.csv", "--ballots", "ballots.csv")
    counted = json.loads(told)
    assert (status, counted["participating"]["owners"], counted["consenting"]["owners"]) == (0, 4, 2)
    assert run("verify", "chain.json")[0] == 0


CHAINS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "added": (lambda e: e["ballots"].append([6, *e["ballots"][0][1:]]), "ballot 6"),
    "changed": (lambda e: e["ballots"][4].__setitem__(-2, "consent"), "ballot 5: has another choice"),
    "removed": (lambda e: e["ballots"].pop(2), "ballot 3"),
    "the last removed": (lambda e: e["ballots"].pop(), "ballots at the end are missing"),
    "reordered": (lambda e: e["ballots"].reverse(), "are missing"),
}


@pytest.mark.parametrize("what", CHAINS)
def test_a_ballot_that_was_forged_in_the_chain_is_named(run: Run, files: Files, what: str) -> None:
    forge, named = CHAINS[what]
    status, _, amiss = run("verify", packed(with_chain(files, forge)))
    assert (status, named in amiss) == (1, True), amiss


TABLES = {
    "added": ("ballots.csv", lambda text: text + "O5,consent,electronic\n", "O5,consent,electronic"),
    "changed": ("ballots.csv", lambda text: text.replace("O4,object", "O4,consent"), "lacks 'O4,object,electronic'"),
    "removed": ("ballots.csv", lambda text: text.replace("O4,object,electronic\n", ""), "lacks 'O4,object"),
    "twice": ("ballots.csv", lambda text: text + text.splitlines()[1] + "\n", "which is not in the chain"),
    "an area": ("roll.csv", lambda text: text.replace("80.00", "81.00", 1), "roll.csv lacks"),
    "gone": ("roll.csv", lambda text: "", "roll.csv lacks"),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_table_that_says_otherwise_than_the_sound_chain_beside_it_is_told(run: Run, files: Files, what: str) -> None:
    name, forge, named = TABLES[what]
    status, _, amiss = run("verify", packed({**files, name: forge(files[name])}))
    assert (status, named in amiss) == (1, True), amiss


def test_the_order_of_lines_and_the_way_a_program_saves_them_are_free(run: Run, files: Files) -> None:
    header, *lines = files["ballots.csv"].splitlines()
    saved = "\ufeff" + "\r\n".join([header, *reversed(lines)]) + "\r\n"
    assert run("verify", packed({**files, "ballots.csv": saved}))[0] == 0


def test_a_file_written_anew_as_a_whole_is_told_by_the_published_end(run: Run, files: Files) -> None:
    status, _, amiss = run("verify", packed(files), "--head", "0" * 64)
    assert (status, "not in what was published" in amiss) == (1, True)
