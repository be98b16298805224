"""The doctor finds what is wrong, says what to do, and does not cry wolf."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest

from api.commands import gateways
from api.commands.doctor import Finding, Verdict, examine
from api.settings import Settings
from ingest import authority, ledger, outbox
from ingest.broker_files import PASSWORDS
from ingest.outbox import PendingBatch
from registry import activity
from registry.activity import Entry
from registry.database import Database
from tests.left_out import program
from tests.servers.child import free_port
from tests.servers.deployed import Deployed
from tests.servers.liandong import StartLiandong
from tests.servers.mosquitto import Mosquitto

DAY_MS = 24 * 3600 * 1000


def now_ms() -> int:
    return round(time() * 1000)


def settings_of(data_dir: Path, **told: object) -> Settings:
    return Settings(_env_file=None, data_dir=data_dir, **told)  # type: ignore[arg-type, call-arg]


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(settings)}


def broken(settings: Settings) -> dict[str, str]:
    return {what: found.said for what, found in findings(settings).items() if found.verdict is Verdict.BROKEN}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of an installation whose database is there and empty."""
    settings = settings_of(tmp_path / "var")
    settings.data_dir.mkdir()
    database = Database(settings.resolved_database_url)
    database.migrate()
    database.close()
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.resolved_database_url)
    yield database
    database.close()


def run_doctor(data_dir: Path, **told: str) -> "subprocess.CompletedProcess[str]":
    environment = {f"LIANDONG_{name}": value for name, value in {"DATA_DIR": str(data_dir), **told}.items()}
    command = [sys.executable, "-m", "api.command_line", "doctor"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_an_installation_that_runs_is_well(liandong_process: StartLiandong) -> None:
    running = liandong_process("up")
    done = run_doctor(running.data_dir)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FAIL" not in done.stdout
    assert "open in the running program" in done.stdout


def test_what_is_not_there_yet_is_no_illness(tmp_path: Path) -> None:
    assert broken(settings_of(tmp_path / "new")) == {}
    assert list((tmp_path / "new").iterdir()) == [], "the doctor looks, and makes nothing"


def test_what_is_broken_ends_with_status_1_and_one_line(tmp_path: Path) -> None:
    done = run_doctor(tmp_path, MQTT_URL=f"mqtt://gw:hidden-word@127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "FAIL MQTT broker" in done.stdout
    assert "hidden-word" not in done.stdout + done.stderr


def test_a_ledger_that_does_not_balance_is_told(settings: Settings, database: Database) -> None:
    with database.writing() as session:
        ledger.add_counts(session, {ledger.VALUES_ACCEPTED: 5, ledger.VALUES_STORED: 4})
    assert "does not balance" in broken(settings)["ledger"]


def test_a_clock_that_was_put_back_is_told(settings: Settings, database: Database) -> None:
    with database.writing() as session:
        activity.append(session, [Entry("test", "x")], now_ms=now_ms() + 3_600_000)
    assert "ahead of this machine's clock" in broken(settings)["time of the log"]


def test_an_outbox_that_is_not_emptied_needs_attention(settings: Settings, database: Database) -> None:
    with database.writing() as session:
        outbox.put(session, PendingBatch("a" * 32, 0, ()), now_ms=now_ms() - 600_000)
    found = findings(settings)["outbox"]
    assert found.verdict is Verdict.NOTE
    assert "the oldest for 60" in found.said


def test_a_database_of_another_version_is_told_with_what_to_do(settings: Settings, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert "liandong migrate" in broken(settings)["database"]


@pytest.mark.parametrize(("age_days", "verdict"), [(0, Verdict.WELL), (70, Verdict.NOTE), (100, Verdict.BROKEN)])
def test_the_end_of_the_certificate_is_told_in_time(settings: Settings, age_days: int, verdict: Verdict) -> None:
    made_ms = now_ms() - age_days * DAY_MS
    authority.prepare_authority(settings.authority_dir, now_ms=made_ms)
    authority.issue_server_certificate(
        settings.resolved_broker_dir, authority=settings.authority_dir, hosts=["x"], now_ms=made_ms, days=90
    )
    assert findings(settings)["broker certificate"].verdict is verdict


def test_accounts_that_the_register_does_not_know_are_told(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"mqtt_url": f"mqtt://127.0.0.1:{free_port()}"})
    gateways.add(elsewhere, site="a", name="b", password="x" * 20, more_topics=(), is_new_site=True)
    assert "gateways" not in broken(elsewhere)
    path = elsewhere.resolved_broker_dir / PASSWORDS
    kept = path.read_text(encoding="utf-8")
    path.write_text(f"{kept}next-door.gone:$7$1$a$b\n", encoding="utf-8")
    assert "let in next-door.gone" in broken(elsewhere)["gateways"]
    path.write_text("", encoding="utf-8")
    assert "lack a.b" in broken(elsewhere)["gateways"]
    gateways.write(elsewhere)
    assert "gateways" not in broken(elsewhere)
    # Where the files are kept on another machine, or in another container, there is nothing to compare.
    path.unlink()
    assert findings(elsewhere)["gateways"].said == "1 registered; the broker's files are not kept here"
    assert "lack a.b" in broken(elsewhere.model_copy(update={"broker_dir": path.parent}))["gateways"]


def test_a_secret_that_everybody_can_read_is_told(settings: Settings) -> None:
    authority.prepare_authority(settings.authority_dir, now_ms=now_ms())
    assert findings(settings)["secrets"].verdict is Verdict.WELL
    (settings.authority_dir / authority.CA_KEY).chmod(0o644)
    assert findings(settings)["secrets"].verdict is Verdict.NOTE


# The broker.


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    program("mosquitto")
    deployed = Deployed(tmp_path_factory.mktemp("deploy"))
    child = deployed.start()
    yield deployed
    child.stop()


def test_a_broker_with_tls_is_asked_with_our_account(deployed: Deployed, tmp_path: Path) -> None:
    found = findings(settings_of(tmp_path, mqtt_url=deployed.url("liandong")))["MQTT broker"]
    assert found.verdict is Verdict.WELL
    assert "lets us in with TLSv1.3; its certificate ends in 89 days" in found.said


def test_a_wrong_password_a_wrong_authority_and_a_wrong_door_are_told_apart(
    deployed: Deployed, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    authority.prepare_authority(tmp_path / "other", now_ms=now_ms())
    right = deployed.url("liandong")
    wrong = {
        right.replace(deployed.passwords["liandong"], "wrong-word"): "refuses account 'liandong'",
        deployed.url("liandong", ca_file=tmp_path / "other" / authority.CA_CERTIFICATE): "not trusted",
        f"mqtts://127.0.0.1:{mosquitto.port}": "cannot be reached with TLS",
    }
    for url, told in wrong.items():
        assert told in broken(settings_of(tmp_path, mqtt_url=url))["MQTT broker"]


def test_a_mapping_file_that_cannot_be_meant_is_told_with_its_line(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mapping.toml"
    told = settings.model_copy(update={"mapping_file": file})
    assert "No such file" in broken(told)["mapping rules"]
    file.write_text('[[rule]]\ntopic = "a/{site}/{unit}"\nkind = "boat"\n')
    assert "line 3: kind: 'boat' is none of" in broken(told)["mapping rules"]
    file.write_text('[[rule]]\ntopic = "a/{site}/{unit}"\nkind = "pump"\nmetrics = { level_m = "$" }\n')
    assert findings(told)["mapping rules"].said.startswith("1 rules in")
