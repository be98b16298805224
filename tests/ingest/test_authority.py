"""Our own authority: what it issues is trusted by whoever trusts it, for the names it bears, for a time."""

from pathlib import Path

import pytest

from ingest import authority
from ingest.authority import CertificateUnreadable, issue_server_certificate, needs_renewal, prepare_authority

NOW_MS = 1_795_406_400_000
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def issued(tmp_path: Path) -> Path:
    """The broker's directory, with a certificate of 90 days for gw.example.org; the authority's is beside it."""
    prepare_authority(tmp_path / "authority", now_ms=NOW_MS)
    issue_server_certificate(
        tmp_path / "broker",
        authority=tmp_path / "authority",
        hosts=["gw.example.org", "192.0.2.7"],
        now_ms=NOW_MS,
        days=90,
    )
    return tmp_path / "broker"


def test_a_certificate_bears_the_names_asked_for_and_loopback(issued: Path) -> None:
    shown = authority.read_certificate(issued / authority.SERVER_CERTIFICATE)
    assert shown.names == ("gw.example.org", "192.0.2.7", "localhost", "127.0.0.1", "::1")
    assert shown.days_left(NOW_MS) == 90


@pytest.mark.parametrize(
    ("hosts", "day", "is_due"),
    [
        (["gw.example.org"], 59, False),
        (["gw.example.org"], 61, True),
        (["gw.example.org"], 91, True),
        (["other.example.org"], 1, True),
    ],
)
def test_it_is_renewed_a_month_before_its_end_or_for_another_name(
    issued: Path, hosts: list[str], day: int, is_due: bool
) -> None:
    assert needs_renewal(issued, hosts=hosts, now_ms=NOW_MS + day * DAY_MS) is is_due


@pytest.mark.parametrize("name", [authority.SERVER_KEY, authority.SERVER_CERTIFICATE])
def test_it_is_renewed_when_a_file_is_missing(issued: Path, name: str) -> None:
    (issued / name).unlink()
    assert needs_renewal(issued, hosts=[], now_ms=NOW_MS)


def test_an_authority_is_made_once_and_its_key_is_its_owners_alone(tmp_path: Path) -> None:
    assert prepare_authority(tmp_path, now_ms=NOW_MS)
    key = (tmp_path / authority.CA_KEY).read_bytes()
    assert not prepare_authority(tmp_path, now_ms=NOW_MS)
    assert (tmp_path / authority.CA_KEY).read_bytes() == key
    assert (tmp_path / authority.CA_KEY).stat().st_mode & 0o777 == 0o600


def test_an_authority_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    prepare_authority(tmp_path, now_ms=NOW_MS)
    (tmp_path / authority.CA_KEY).write_text("no key", encoding="utf-8")
    with pytest.raises(CertificateUnreadable, match="cannot be used") as told:
        issue_server_certificate(tmp_path / "broker", authority=tmp_path, hosts=[], now_ms=NOW_MS)
    assert "\n" not in str(told.value)
