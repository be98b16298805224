"""`liandong gateways` as a person uses it."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.command_line import main
from api.commands import gateways
from api.settings import Settings
from ingest.broker_files import PASSWORDS, account_names
from registry import activity
from registry.database import Database


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIANDONG_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "var"


def run(*words: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch) -> int:
    # The log would go on being written to the standard error of this test, in those that follow.
    monkeypatch.setattr("api.command_line.configure_logs", lambda **_: None)
    monkeypatch.setattr(sys, "argv", ["liandong", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_password_is_shown_once_and_kept_nowhere(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIANDONG_MQTT_URL", "mqtts://liandong:some-password@broker")
    assert run("gateways", "add", "my-home", "roof", "--new-site", monkeypatch=monkeypatch) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "account: my-home.roof"
    password = told[1].removeprefix("password: ")
    assert len(password) >= 32
    assert run("gateways", "list", monkeypatch=monkeypatch) == 0
    assert password not in capsys.readouterr().out
    kept = [path for path in data_dir.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert kept == []


def test_a_password_of_ones_own_is_not_shown(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("gateways", "add", "my-home", "roof", "--new-site", "--password-stdin")
    assert run(*words, stdin="correct horse battery\n", monkeypatch=monkeypatch) == 0
    told = capsys.readouterr()
    assert "horse" not in told.out + told.err
    assert (data_dir / "broker" / PASSWORDS).read_text(encoding="utf-8").startswith("my-home.roof:$7$")


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        (("add", "my-home", "roof"), "", "no site 'my-home'"),
        (("add", "my-home", "Roof", "--new-site"), "", "small letters"),
        (("add", "my-home", "roof", "--new-site", "--password-stdin"), "short\n", "12 to 128"),
        (("add", "my-home", "roof", "--new-site", "--topic", "liandong/#"), "", "a word of its own"),
        (("revoke", "my-home", "roof"), "", "no site 'my-home'"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_and_changes_nothing(
    data_dir: Path,
    words: tuple[str, ...],
    stdin: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("gateways", *words, stdin=stdin, monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
    assert not (data_dir / "broker").exists()


def test_two_who_add_at_once_are_both_let_in(data_dir: Path) -> None:
    settings = Settings(_env_file=None, data_dir=data_dir, mqtt_url="mqtts://broker")  # type: ignore[call-arg]
    gateways.add(settings, site="my-home", name="first", password="x" * 20, more_topics=(), is_new_site=True)

    def add(number: int) -> None:
        name = f"gw-{number}"
        gateways.add(settings, site="my-home", name=name, password="x" * 20, more_topics=(), is_new_site=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    assert account_names(data_dir / "broker") == {"my-home.first", *(f"my-home.gw-{number}" for number in range(16))}
    database = Database(settings.resolved_database_url)
    with database.reading() as session:
        assert list(activity.verify_chain(session)) == []
        assert activity.last_id(session) == 17
    database.close()
