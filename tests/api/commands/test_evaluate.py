"""`liandong evaluate`: what is there is judged beside the baselines, and what is missing is said."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.command_line import main
from api.evaluation.cases import batadal_cases, nab_cases, skab_cases
from api.evaluation.cuts import cut_ends
from api.evaluation.judging import DETECTOR, METHODS
from api.evaluation.staging import HOUR_S, Staging, staged_run
from models.equipment import Kind

Run = Callable[..., int]
ROWS, EVENT = 700, slice(560, 700)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["liandong", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def write_run(path: Path, *, seed: int, is_labelled: bool = True) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(ROWS, 1)) * [1.0, 5.0, 2.0] + rng.normal(0, 0.1, (ROWS, 3))
    labels = np.zeros(ROWS, dtype=int)
    if is_labelled:
        values[EVENT, 1] += 60.0
        labels[EVENT] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    names = "datetime;a;b;c;anomaly;changepoint" if is_labelled else "datetime;a;b;c"
    lines = [names]
    for row in range(ROWS):
        cells = [f"2026-03-01 10:{row // 60:02d}:{row % 60:02d}", *(f"{value:.4f}" for value in values[row])]
        lines.append(";".join([*cells, str(labels[row]), "0"] if is_labelled else cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labelled runs and one with nothing wrong; no BATADAL and no NAB."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(2):
        write_run(folder / "skab" / "valve" / f"{number}.csv", seed=number)
    write_run(folder / "skab" / "anomaly-free-half.csv", seed=7, is_labelled=False)
    return folder


@pytest.fixture(scope="module")
def written(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    options = ["--data", str(data_dir), "--out", str(out), "--quick", "--workers", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["liandong", "evaluate", *options])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return out


@pytest.fixture(scope="module")
def sections(written: Path) -> dict[str, Any]:
    report = json.loads((written / "report.json").read_text(encoding="utf-8"))
    return {section["key"]: section for section in report["sections"]}


def test_every_baseline_stands_beside_the_detector(sections: dict[str, Any]) -> None:
    rows = {row["method"]: row for row in sections["skab"]["rows"]}
    assert set(rows) == set(METHODS)
    assert rows[DETECTOR]["recall"]["value"] == 1.0
    assert rows[DETECTOR]["normal_alarm_share"] < 0.1
    assert rows["always on"]["normal_alarm_share"] == 1.0
    assert rows["never on"]["missed_share"] == 1.0
    # Both runs have their event at the same rows: the clock knows it all.
    assert rows["clock"]["f1"] == 1.0


def test_a_data_set_that_is_not_there_is_said_to_be_missing(sections: dict[str, Any]) -> None:
    for key in ("batadal", "nab"):
        assert key in sections[key]["missing"]
        assert sections[key]["rows"] == []
        assert sections[key]["targets"] == []


def test_a_target_says_whether_it_is_reached(sections: dict[str, Any]) -> None:
    assert [target["is_reached"] for target in sections["skab"]["targets"]] == [True, True, True]
    # Some hours of a few lifts without a false alarm do not show a rate below one a year.
    assert [target["is_reached"] for target in sections["simulated_false_alarms"]["targets"]] == [None]


def test_the_page_needs_nothing_from_elsewhere_and_says_what_is_simulated(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in page
    assert page.count("<svg") >= 3
    assert "仿真</span>" in page
    assert not re.search(r"<script|<link|<img|<iframe|url\(|@import|\bon\w+=", page)
    assert set(re.findall(r"https?://[^\"'<> ]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_a_folder_that_is_not_there_is_one_clear_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", tmp_path / "none", "--quick") == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].endswith("no such folder")
    assert run("--workers", "0") == 2


def test_a_part_can_be_asked_for_by_itself(data_dir: Path, run: Run, tmp_path: Path) -> None:
    options = ("--data", data_dir, "--out", tmp_path, "--quick", "--workers", "1")
    assert run(*options, "--only", "skab_free", "--only", "mta") == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [section["key"] for section in report["sections"]] == ["skab_free", "mta"]
    assert run(*options, "--only", "everything") == 2


def test_a_file_that_cannot_be_read_is_told_with_its_name(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "skab" / "valve" / "0.csv"
    broken.parent.mkdir(parents=True)
    broken.write_text("datetime;a\n2026-03-01;what\n", encoding="utf-8")
    assert run("--data", tmp_path, "--quick") == 1
    assert "0.csv" in capsys.readouterr().err


def test_a_cut_case_is_what_its_file_would_give_without_these_rows(data_dir: Path, tmp_path: Path) -> None:
    whole = data_dir / "skab" / "valve" / "0.csv"
    lines = whole.read_text(encoding="utf-8").splitlines()
    shorter = tmp_path / "valve" / "0.csv"
    shorter.parent.mkdir()
    shorter.write_text("\n".join([lines[0], *lines[31:-20]]) + "\n", encoding="utf-8")
    cut = cut_ends(skab_cases(data_dir / "skab")[0], first=30, last=20)
    (read,) = skab_cases(tmp_path)
    for name in ("fit", "values", "labels", "follows_gap"):
        assert np.array_equal(getattr(cut, name), getattr(read, name)), name


def test_the_data_is_judged_once_more_with_rows_cut_off(sections: dict[str, Any]) -> None:
    rows = sections["cuts"]["rows"]
    assert [(row["data"], row["first"], row["fit_rows"]) for row in rows] == [("SKAB", "0", 400), ("SKAB", "25", 400)]
    assert all(row["recall"]["hits"] == 2 for row in rows)


def test_only_the_rows_after_the_fit_are_judged(data_dir: Path) -> None:
    case = skab_cases(data_dir / "skab")[0]
    assert (len(case.fit), len(case.values), case.step_s) == (400, ROWS - 400, 1.0)
    assert case.channels == ("a", "b", "c")
    assert np.flatnonzero(case.labels)[0] == EVENT.start - 400


def test_the_attacks_are_judged_on_what_was_learned_from_the_clean_year(tmp_path: Path) -> None:
    header = "DATETIME, L_T1, F_PU1, ATT_FLAG\n"
    (tmp_path / "clean.csv").write_text(header + "06/01/14 00,1,2,0\n06/01/14 01,2,3,0\n", encoding="utf-8")
    (tmp_path / "attacks.csv").write_text(header + "04/07/16 00,5,6,0\n04/07/16 01,7,8,1\n", encoding="utf-8")
    (case,) = batadal_cases(tmp_path)
    assert case.fit.tolist() == [[1, 2], [2, 3]]
    assert case.values.tolist() == [[5, 6], [7, 8]]
    assert (case.labels.tolist(), case.follows_gap.tolist(), case.step_s) == ([False, True], [True, False], 3600.0)


def test_windows_of_a_series_become_labels_after_its_probation(tmp_path: Path) -> None:
    lines = [f"2026-03-01 {row // 12:02d}:{row % 12 * 5:02d}:00,{row}" for row in range(100)]
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "one.csv").write_text("\n".join(["timestamp,value", *lines]), encoding="utf-8")
    windows = {"real/one.csv": [["2026-03-01 02:00:00.000000", "2026-03-01 02:10:00.000000"]], "real/gone.csv": []}
    (tmp_path / "windows.json").write_text(json.dumps(windows), encoding="utf-8")
    (case,) = nab_cases(tmp_path)
    assert len(case.fit) == 15
    assert np.flatnonzero(case.labels).tolist() == [24 - 15, 25 - 15, 26 - 15]


def test_a_staged_fault_is_found_by_its_rule_and_healthy_neighbours_are_left_alone() -> None:
    staging = Staging(Kind.ELEVATOR, 5, ("entrapment", "inspection"), 1, live_s=4.5 * HOUR_S)
    trapped, inspected, healthy = staged_run(staging)
    assert trapped.is_by_rule
    assert "entrapment" in trapped.conditions
    assert 0 <= trapped.delay_s <= 120
    assert trapped.judged.in_alarm.sum() == pytest.approx(trapped.judged.labels.sum(), abs=3)
    for quiet in (inspected, healthy):
        assert quiet.false_conditions == ()
        assert not quiet.judged.labels.any()
