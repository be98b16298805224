"""`liandong rank` and `liandong tally`: from files to files, refused whole with every bad line told."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.command_line import main

Run = Callable[..., tuple[int, str, str]]
ROLL = "owner,part,area_m2\na,1,100.50\na,2,20\nb,3,50\nc,4,50\n"
BALLOTS = "owner,choice,channel\na,consent,electronic\nb,object,paper\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Exit status, standard output and standard error of a command."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, language: str = "en") -> tuple[int, str, str]:
        monkeypatch.setenv("LIANDONG_LANGUAGE", language)
        monkeypatch.setattr("sys.argv", ["liandong", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


def rank(run: Run, text: str, *, encoding: str = "utf-8") -> tuple[int, str, str, list[dict[str, str]]]:
    Path("in.csv").write_text(text, encoding=encoding)
    status, told, amiss = run("rank", "in.csv", "--out", "out.csv")
    out = Path("out.csv")
    return status, told, amiss, list(csv.DictReader(out.open(encoding="utf-8"))) if out.exists() else []


def recount(run: Run, roll: str = ROLL, ballots: str = BALLOTS, **options: str) -> tuple[int, Any, str]:
    Path("roll.csv").write_text(roll, encoding="utf-8")
    Path("ballots.csv").write_text(ballots, encoding="utf-8")
    words = [
        "tally",
        "--ruleset",
        "civil-code-2021",
        "--matter",
        "use",
        "--roll",
        "roll.csv",
        "--ballots",
        "ballots.csv",
    ]
    status, told, amiss = run(*words, **options)
    return status, json.loads(told) if told else None, amiss


def test_units_come_back_in_their_order_with_rate_interval_and_rank(run: Run) -> None:
    status, told, _, rows = rank(run, "unit,faults,exposure_days\nl1,3,365\nl2,0,365\nl3,9,365\n")
    assert (status, told.strip()) == (0, "3 units ranked")
    assert list(rows[0]) == ["unit", "rate_per_year", "rate_low", "rate_high", "p_worst_decile", "rank"]
    assert [(row["unit"], row["rank"]) for row in rows] == [("l1", "2"), ("l2", "3"), ("l3", "1")]
    for row in rows:
        assert 0 <= float(row["rate_low"]) < float(row["rate_per_year"]) < float(row["rate_high"])


@pytest.mark.parametrize(
    "text", ["unit;faults;exposure_days\n一号;3;365\n", "exposure_days,note,UNIT,faults\n365,x,一号,3.0\n\n"]
)
def test_semicolons_other_columns_a_byte_order_mark_and_blank_lines_are_understood(run: Run, text: str) -> None:
    status, _, _, rows = rank(run, text, encoding="utf-8-sig")
    assert (status, rows[0]["unit"]) == (0, "一号")


def test_every_bad_line_is_told_and_nothing_is_written(run: Run) -> None:
    text = "unit,faults,exposure_days\nl1,-1,365\nl2,1.5,365\nl3,1,nan\nl4,1,0\nl5,1,9\nl5,1,9\n,1,1\nl7,x,\nl8,1\n"
    status, _, amiss, rows = rank(run, text)
    assert (status, rows) == (1, [])
    assert len(amiss.strip().splitlines()) == 1
    assert "line 10: has 2 cells instead of 3" in amiss
    status, _, amiss, rows = rank(run, text.removesuffix("l8,1\n"))
    assert (status, rows) == (1, [])
    for line, reason in (
        (2, "-1"),
        (3, "1.5"),
        (4, "nan"),
        (5, "no exposure"),
        (7, "line 6"),
        (8, "no unit"),
        (9, "'x'"),
    ):
        assert any(reason in part for part in amiss.split("; ") if f"line {line}:" in part), (line, amiss)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column unit, faults, exposure_days"),
        ("unit,faults\n", "no column exposure_days"),
        ("unit,faults,exposure_days\n", "there is no unit"),
        ("unit,faults,exposure_days\na,0,0\n", "no unit has any exposure"),
    ],
)
def test_a_file_without_what_is_needed_is_told(run: Run, text: str, reason: str) -> None:
    status, _, amiss, rows = rank(run, text)
    assert (status, rows) == (1, [])
    assert reason in amiss


def test_a_unit_without_exposure_is_ranked_and_told(run: Run) -> None:
    status, _, amiss, rows = rank(run, "unit,faults,exposure_days\nl1,3,365\nl2,0,0\n")
    assert (status, len(rows)) == (0, 2)
    assert "without exposure" in amiss


def test_a_file_that_is_not_there_is_one_line(run: Run) -> None:
    status, _, amiss = run("rank", "nowhere.csv", "--out", "out.csv")
    assert status == 1
    assert len(amiss.strip().splitlines()) == 1
    assert "nowhere.csv" in amiss


def test_a_recount_prints_what_the_interface_answers(run: Run) -> None:
    status, told, _ = recount(run)
    assert status == 0
    reasons = told.pop("reasons")
    assert told == {
        "ruleset": "civil-code-2021",
        "matter": "use",
        "roll": {"owners": 3, "area_m2": "220.50"},
        "participating": {"owners": 2, "area_m2": "170.50"},
        "consenting": {"owners": 1, "area_m2": "120.50"},
        "quorum_met": True,
        "approved": False,
    }
    assert "Consenting: 1 of 2 owners; needed: > 1/2" in reasons
    assert any("业主" in reason for reason in recount(run, language="zh")[1]["reasons"])


def test_a_roll_with_bad_rows_is_refused_with_each_of_them(run: Run) -> None:
    roll = "owner,part,area_m2\na,1,0\n,2,20\nb,1,-5\nc,,7\nd,5,1e3\ne,6,NaN\n"
    status, told, amiss = recount(run, roll=roll)
    assert (status, told) == (1, None)
    for line, reason in (
        (2, "'0'"),
        (3, "no owner"),
        (4, "line 2"),
        (4, "'-5'"),
        (5, "no part"),
        (6, "'1e3'"),
        (7, "'NaN'"),
    ):
        assert any(reason in part for part in amiss.split("; ") if f"line {line}:" in part), (line, amiss)


def test_a_ballot_of_no_known_choice_is_refused_and_a_stranger_is_only_not_counted(run: Run) -> None:
    status, _, amiss = recount(run, ballots="owner,choice,channel\na,yes,paper\nb,consent,phone\n")
    assert status == 1
    assert "line 2: choice 'yes'" in amiss
    assert "line 3: channel 'phone'" in amiss
    status, told, _ = recount(run, ballots=BALLOTS + "stranger,consent,paper\n")
    assert (status, told["participating"]["owners"]) == (0, 2)
    assert any("stranger" in reason for reason in told["reasons"])


def test_a_law_that_is_not_known_is_bad_usage(run: Run) -> None:
    status, _, _ = run("tally", "--ruleset", "old", "--matter", "use", "--roll", "r.csv", "--ballots", "b.csv")
    assert status == 2
