"""`liandong score`: a clear answer to every file, and never a wrong score in silence."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from api.command_line import main
from models.reading import Floats

FIT_ROWS, FAULT_FROM = 300, 500


def recording(rows: int = 700) -> Floats:
    rng = np.random.default_rng(3)
    load = rng.normal(size=(rows, 1))
    values = load * [1.0, 20.0, -3.0] + rng.normal(0, 0.1, (rows, 3)) * [1.0, 20.0, 3.0]
    values[FAULT_FROM:, 1] += 200.0
    return np.asarray(values)


def write(path: Path, values: Floats, *, separator: str = ",", times: list[str] | None = None) -> Path:
    times = times or [f"2026-03-01T{row // 3600:02d}:{row // 60 % 60:02d}:{row % 60:02d}" for row in range(len(values))]
    names = [f"c{column}" for column in range(values.shape[1])]
    lines = [separator.join(["time", *names])]
    lines += [
        separator.join([time, *("" if np.isnan(value) else repr(float(value)) for value in row)])
        for time, row in zip(times, values, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


Told = tuple[int, str, list[dict[str, str]]]
Score = Callable[..., Told]


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Score:
    """Exit status, what was told, and the rows written."""

    def run(path: Path, *, fit_rows: int = FIT_ROWS) -> Told:
        out = path.with_suffix(".out")
        words = ["liandong", "score", str(path), "--fit-rows", str(fit_rows), "--out", str(out)]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        rows = list(csv.DictReader(out.open(encoding="utf-8"))) if out.exists() else []
        return int(ended.value.code or 0), told.out + told.err, rows

    return run


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_fault_is_in_alarm_with_its_channel_and_the_time_before_it_is_not(
    score: Score, tmp_path: Path, separator: str
) -> None:
    status, told, rows = score(write(tmp_path / "a.csv", recording(), separator=separator))
    assert status == 0
    assert "400 rows scored" in told
    assert len(rows) == 400
    alarm = np.array([int(row["in_alarm"]) for row in rows])
    assert not alarm[: FAULT_FROM - FIT_ROWS].any()
    assert alarm[FAULT_FROM - FIT_ROWS + 5 :].all()
    assert rows[-1]["top_channel"] == "c1"
    assert rows[0]["time"] == "2026-03-01T00:05:00"


def test_too_few_fit_rows_are_told_in_numbers(score: Score, tmp_path: Path) -> None:
    status, told, rows = score(write(tmp_path / "a.csv", recording()), fit_rows=20)
    assert (status, rows) == (1, [])
    assert "not enough history: 20 of 50 rows" in told
    assert len(told.strip().splitlines()) == 1


def test_fit_rows_without_change_are_told_with_their_channels(score: Score, tmp_path: Path) -> None:
    values = recording()
    values[:FIT_ROWS] = 4.0
    status, told, rows = score(write(tmp_path / "a.csv", values))
    assert (status, rows) == (1, [])
    assert "no channel varies in the fit rows: c0, c1, c2" in told


def test_fit_rows_that_tell_nothing_are_no_history(score: Score, tmp_path: Path) -> None:
    values = recording()
    values[10:FIT_ROWS] = np.nan
    status, told, rows = score(write(tmp_path / "a.csv", values))
    assert (status, rows) == (1, [])
    assert "not enough history: 10 of 50 rows" in told


def test_a_dead_channel_and_a_silent_one_are_left_out_and_told(score: Score, tmp_path: Path) -> None:
    values = recording()
    values[:, 0] = 7.0
    values[: FIT_ROWS - 20, 2] = np.nan
    status, told, rows = score(write(tmp_path / "a.csv", values))
    assert status == 0
    assert "constant in the fit rows: c0" in told
    assert "mostly missing in the fit rows: c2" in told
    assert {row["top_channel"] for row in rows} == {"c1"}


def test_a_channel_that_falls_silent_after_the_fit_is_told(score: Score, tmp_path: Path) -> None:
    values = recording()
    values[FIT_ROWS + 100 :, 1] = np.nan
    status, told, _ = score(write(tmp_path / "a.csv", values))
    assert status == 0
    assert "not told in 300 of 400 rows after the fit, and not judged there: c1" in told


def test_rows_that_tell_nothing_have_no_score_and_are_counted(score: Score, tmp_path: Path) -> None:
    values = recording()
    values[400:420] = np.nan
    status, told, rows = score(write(tmp_path / "a.csv", values))
    assert status == 0
    assert "20 rows could not be judged" in told
    assert [row["anomaly_score"] for row in rows[100:120]] == [""] * 20
    assert rows[99]["anomaly_score"]
    assert rows[121]["anomaly_score"]


def test_gaps_repeated_and_backward_times_are_told(score: Score, tmp_path: Path) -> None:
    seconds = np.arange(700)
    seconds[400:] += 3 * 86_400
    seconds[450] = seconds[449]
    seconds[460] = seconds[459] - 5
    times = [str(1_700_000_000 + second) for second in seconds.tolist()]
    status, told, _ = score(write(tmp_path / "a.csv", recording(), times=times))
    assert status == 0
    assert "gaps in time: 1, the longest 3 days, 0:00:01 before" in told
    assert "1 row with the time of the row before" in told
    assert "1 row earlier than the row before" in told


def test_times_of_no_known_form_are_copied(score: Score, tmp_path: Path) -> None:
    times = [f"shift {row}" for row in range(700)]
    status, _, rows = score(write(tmp_path / "a.csv", recording(), times=times))
    assert status == 0
    assert rows[0]["time"] == "shift 300"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows below its header"),
        ("time,a\n", "no rows below its header"),
        ("time,a\n1,2\n2,3,4\n", "line 3 has 3 columns"),
        ("time,a\n" + "1,2\n" * 99 + "1,wet\n", "line 101, column 'a': 'wet' is not a number"),
        ("time\n" + "1\n" * 99, "no channel is left"),
        ("time,a\n" + "1,2\n" * 30, "nothing to score"),
    ],
)
def test_a_file_that_cannot_be_scored_is_one_clear_line(score: Score, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    status, told, rows = score(path, fit_rows=60)
    assert (status, rows) == (1, [])
    assert words in told
    assert len(told.strip().splitlines()) == 1
