"""The files Mosquitto reads: whole, tight, and what others put there is kept."""

import subprocess
from pathlib import Path

import pytest

from ingest.broker_files import ACL, PASSWORDS, BrokerAccount, hash_password, replace_file, write_broker_files
from tests.left_out import program

ROOF = BrokerAccount("my-home.roof", "my-home", "$7$5000$aaaa$bbbb")
CELLAR = BrokerAccount("my-home.cellar", "my-home", "$7$5000$cccc$dddd", ("tele/#",))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_accounts_that_are_no_gateways_stay_and_gateways_come_from_the_register(tmp_path: Path) -> None:
    (tmp_path / PASSWORDS).write_text("liandong:$7$1$a$b\nnext-door.gone:$7$1$c$d\n", encoding="utf-8")
    write_broker_files(tmp_path, [ROOF, CELLAR])
    assert lines_of(tmp_path / PASSWORDS) == [
        "liandong:$7$1$a$b",
        "my-home.cellar:$7$5000$cccc$dddd",
        "my-home.roof:$7$5000$aaaa$bbbb",
    ]
    write_broker_files(tmp_path, [ROOF], added_lines=["liandong:$7$1$new$er"])
    assert lines_of(tmp_path / PASSWORDS) == ["liandong:$7$1$new$er", "my-home.roof:$7$5000$aaaa$bbbb"]
    assert "user my-home.cellar" not in lines_of(tmp_path / ACL)


def test_an_account_gets_its_own_site_and_what_was_asked_for_beside(tmp_path: Path) -> None:
    write_broker_files(tmp_path, [CELLAR])
    lines = lines_of(tmp_path / ACL)
    own = lines[lines.index("user my-home.cellar") + 1 :]
    assert own[-1] == "topic write tele/#"
    assert all("my-home/" in line for line in own[:-1])


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    write_broker_files(tmp_path, [ROOF])
    for name in (PASSWORDS, ACL):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "acl"
    replace_file(path, b"before", mode=0o600)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"after", mode=0o600)
    assert path.read_bytes() == b"before"
    assert [found.name for found in tmp_path.iterdir()] == ["acl"]


def test_a_hash_looks_like_mosquittos_own(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.touch(mode=0o600)
    subprocess.run([program("mosquitto_passwd"), "-b", made, "x", "a-password"], check=True, capture_output=True)
    theirs = made.read_text(encoding="utf-8").strip().removeprefix("x:").split("$")
    ours = hash_password("a-password", salt=b"123456789012").split("$")
    assert (ours[1], len(ours)) == (theirs[1], len(theirs))
    assert [len(part) for part in ours[3:]] == [len(part) for part in theirs[3:]]
