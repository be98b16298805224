"""A backup is of one moment, taken while messages flow; a restore takes nothing on trust."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerts.attachment_store import AttachmentStore
from api.backup import UNFINISHED, take_backup
from api.backup_desk import order_backup
from api.backup_manifest import DATABASE_FILE, MANIFEST, TELEMETRY_FILE, BackupRefused, read_manifest, sha256_of
from api.commands import administration
from api.processes import StartRefused, prepare_data_dir
from api.restore import restore_backup
from api.settings import Settings
from ingest import ledger, outbox
from ingest.mqtt import read_broker_url
from ingest.outbox import PendingBatch
from ingest.stores.duckdb import DuckDBStore
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry import activity
from registry.activity import Entry
from registry.database import Database
from tests.left_out import program
from tests.servers.liandong import LiandongProcess, StartLiandong
from tests.servers.postgres import Postgres
from tests.waiting import wait_until

NOW_MS = 1_795_406_400_000
MESSAGES = 5_000
UNITS = 50
PUMP = UnitKey("my-home", Kind.PUMP, "sump-1")


def say_nothing(_what: str, _share: float) -> None:
    pass


def settings_of(data_dir: Path) -> Settings:
    return Settings(_env_file=None, data_dir=data_dir)  # type: ignore[call-arg]


# While messages flow.


def message(number: int) -> tuple[str, str]:
    values = {"level_m": 0.5 + number % 7 / 10, "pump1_current_a": float(number)}
    payload = json.dumps({"ts": NOW_MS + 1000 * number, "values": values})
    return f"liandong/v1/my-home/pump/sump-{number % UNITS}/telemetry", payload


@contextmanager
def publisher(url: str) -> Iterator[paho.Client]:
    address = read_broker_url(url)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.max_queued_messages_set(0)
    client.connect(address.host, address.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def publish_all(url: str, *, half_way: threading.Event | None = None) -> None:
    """Returns when the broker has every message."""
    with publisher(url) as client:
        last = None
        for number in range(MESSAGES):
            last = client.publish(*message(number), qos=1)
            if number == MESSAGES // 2 and half_way is not None:
                last.wait_for_publish(60)
                half_way.set()
        assert last is not None
        last.wait_for_publish(60)


def counts_of(process: LiandongProcess) -> dict[str, int]:
    """From /metrics, which needs no login: messages by outcome, values accepted, stored and pending."""
    found = {}
    for line in httpx.get(f"{process.http_url}/metrics", timeout=30).text.splitlines():
        if line.startswith(("liandong_messages_total", "liandong_values_")):
            name, value = line.rsplit(" ", 1)
            found[name.removeprefix("liandong_")] = int(float(value))
    return found


def received(counts: dict[str, int]) -> int:
    return sum(count for name, count in counts.items() if name.startswith("messages_total"))


def wait_for_all(process: LiandongProcess, *, messages: int) -> dict[str, int]:
    def is_done() -> bool:
        counts = counts_of(process)
        return received(counts) >= messages and counts["values_pending"] == 0

    wait_until(is_done, within_s=90, what=f"{messages} messages are taken and stored")
    return counts_of(process)


def cells_of(data_dir: Path) -> set[tuple[str, str, int, float]]:
    """Every stored value: unit, metric, time, value. For a data directory that nobody uses."""
    store = DuckDBStore(data_dir / TELEMETRY_FILE)
    store.prepare()
    cells = set()
    for number in range(UNITS):
        unit = UnitKey("my-home", Kind.PUMP, f"sump-{number}")
        block = store.history(unit, end_ms=NOW_MS * 2, rows=MESSAGES)
        for column, metric in enumerate(block.metrics):
            for ts_ms, value in zip(block.ts_ms.tolist(), block.values[:, column].tolist(), strict=True):
                cells.add((unit.unit, metric, ts_ms, value))
    store.close()
    return cells


def run_command(*words: str, data_dir: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "LIANDONG_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "api.command_line", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_backup_while_messages_flow_loses_nothing_that_was_acknowledged_before_it(
    liandong_process: StartLiandong, tmp_path: Path
) -> None:
    running = liandong_process("up")
    half_way = threading.Event()
    flow = threading.Thread(target=publish_all, args=(running.mqtt_url,), kwargs={"half_way": half_way})
    flow.start()
    assert half_way.wait(60)
    done = run_command("backup", str(tmp_path / "backup"), data_dir=running.data_dir)
    assert done.returncode == 0, done.stderr
    assert "copying the database: 100 %" in done.stderr
    flow.join(90)
    live = wait_for_all(running, messages=MESSAGES)
    assert live["values_stored_total"] == 2 * MESSAGES
    running.stop()
    assert administration.verify(settings_of(running.data_dir)) > UNITS

    manifest = read_manifest(tmp_path / "backup")
    counts = manifest.counts
    assert 0 < counts.messages_received <= MESSAGES
    # One moment: what the ledger counts as stored is in the store, and the rest is on its way.
    assert counts.in_store == counts.values_stored == counts.values_accepted - counts.values_pending

    elsewhere = tmp_path / "elsewhere"
    done = run_command("restore", str(tmp_path / "backup"), data_dir=elsewhere)
    assert done.returncode == 0, done.stderr
    assert administration.verify(settings_of(elsewhere)) == manifest.activity.last_id + 1
    restored = liandong_process("up", settings={"DATA_DIR": str(elsewhere)})
    found = wait_for_all(restored, messages=counts.messages_received)
    assert received(found) == counts.messages_received
    assert found["values_stored_total"] == found["values_accepted_total"] == counts.values_accepted
    # Gateways send again what they are not sure of: what the backup held is known, the rest is new.
    publish_all(restored.mqtt_url)
    again = wait_for_all(restored, messages=counts.messages_received + MESSAGES)
    assert again["values_stored_total"] == 2 * MESSAGES
    assert again['messages_total{outcome="duplicate"}'] == counts.messages_received
    restored.stop()
    assert cells_of(elsewhere) == cells_of(running.data_dir)


# At rest.


class Installation:
    """A data directory with some of everything."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = settings_of(data_dir)
        data_dir.mkdir()
        (data_dir / "models").mkdir()
        (data_dir / "models" / "pump.toml").write_text("rows = 400\n", encoding="utf-8")
        self.photo = AttachmentStore(data_dir).keep(b"a photo")
        database = Database(self.settings.resolved_database_url)
        database.migrate()
        with database.writing() as session:
            for number in range(20):
                activity.append(session, [Entry("test", f"thing:{number}", data={"n": number})], now_ms=NOW_MS)
            ledger.add_counts(session, {ledger.ACCEPTED: 10, ledger.VALUES_ACCEPTED: 20, ledger.VALUES_STORED: 20})
        database.close()
        store = DuckDBStore(data_dir / TELEMETRY_FILE)
        store.prepare()
        times = NOW_MS + 1000 * np.arange(10)
        block = ReadingBlock(PUMP.kind, ("a", "b"), (PUMP,), np.zeros(10, np.int64), times, np.ones((10, 2)))
        store.write("0" * 32, [block])
        store.close()

    def back_up(self, into: Path) -> Path:
        database = Database(self.settings.resolved_database_url)
        store = DuckDBStore(self.settings.data_dir / TELEMETRY_FILE)
        store.prepare()
        try:
            take_backup(
                into,
                settings=self.settings,
                database=database,
                store=store,
                clock=lambda: NOW_MS,
                tell=say_nothing,
            )
        finally:
            store.close()
            database.close()
        return into


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "var")


@pytest.fixture
def made(installation: Installation, tmp_path: Path) -> Path:
    return installation.back_up(tmp_path / "backup")


def restore(source: Path, data_dir: Path, *, is_forced: bool = False) -> Path | None:
    restored = restore_backup(
        source, settings=settings_of(data_dir), is_forced=is_forced, clock=lambda: NOW_MS, tell=say_nothing
    )
    return restored.set_aside


def test_everything_comes_back(installation: Installation, made: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "a place" / "else'where"
    assert restore(made, elsewhere) is None
    assert (elsewhere / "models" / "pump.toml").read_text(encoding="utf-8") == "rows = 400\n"
    assert AttachmentStore(elsewhere).path(installation.photo).read_bytes() == b"a photo"
    store = DuckDBStore(elsewhere / TELEMETRY_FILE)
    store.prepare()
    assert store.count_values() == 20
    store.close()
    assert administration.verify(settings_of(elsewhere)) == 21
    assert {path.name for path in elsewhere.iterdir()} == {DATABASE_FILE, TELEMETRY_FILE, "models", "attachments"}


def test_a_backup_is_for_its_owner_alone(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_backup_of_a_backed_up_place_can_be_made_into_itself(installation: Installation, tmp_path: Path) -> None:
    inside = installation.back_up(installation.settings.data_dir / "backups" / "monday")
    assert {file.path for file in read_manifest(inside).files} == {
        DATABASE_FILE,
        TELEMETRY_FILE,
        "files/models/pump.toml",
        f"files/attachments/{installation.photo[:2]}/{installation.photo}",
    }
    restore(inside, tmp_path / "elsewhere")


def test_the_backup_is_in_the_activity_log(made: Path, installation: Installation) -> None:
    database = Database(installation.settings.resolved_database_url)
    with database.reading() as session:
        rows = activity.of_subject(session, "backup")
        assert [row.data["manifest_sha256"] for row in rows] == [sha256_of(made / MANIFEST)]
    database.close()


def test_a_place_that_is_not_empty_is_restored_to_by_force_only(
    made: Path, installation: Installation, tmp_path: Path
) -> None:
    data_dir = installation.settings.data_dir
    before = (data_dir / DATABASE_FILE).read_bytes()
    with pytest.raises(BackupRefused, match="--force"):
        restore(made, data_dir)
    assert (data_dir / DATABASE_FILE).read_bytes() == before
    set_aside = restore(made, data_dir, is_forced=True)
    assert set_aside is not None
    assert (set_aside / DATABASE_FILE).read_bytes() == before
    assert administration.verify(installation.settings) == 21


def test_a_directory_with_something_in_it_takes_no_backup(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    with pytest.raises(BackupRefused, match="not empty"):
        installation.back_up(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter"]


def rewrite_manifest(backup: Path, change: Callable[[dict[str, object]], None]) -> None:
    manifest = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (backup / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def damage_telemetry(backup: Path) -> None:
    with (backup / TELEMETRY_FILE).open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)
        file.seek(5000)
        file.write(bytes([byte[0] ^ 1]))


def take_a_file_away(backup: Path) -> None:
    (backup / "files" / "models" / "pump.toml").unlink()


def forge_the_log(backup: Path) -> None:
    """A row is changed, and the manifest with it: only the chain can tell."""
    with closing(sqlite3.connect(backup / DATABASE_FILE)) as connection:
        connection.execute("UPDATE activity SET verb = 'nothing happened' WHERE id = 7")
        connection.commit()
    path = backup / DATABASE_FILE

    def forge(manifest: dict[str, object]) -> None:
        for file in manifest["files"]:  # type: ignore[attr-defined]
            if file["path"] == DATABASE_FILE:
                file["sha256"], file["size_bytes"] = sha256_of(path), path.stat().st_size

    rewrite_manifest(backup, forge)


def point_outside(backup: Path) -> None:
    rewrite_manifest(backup, lambda manifest: manifest["files"][0].update(path="../../etc/passwd"))  # type: ignore[index]


def claim_more_values(backup: Path) -> None:
    rewrite_manifest(backup, lambda manifest: manifest["counts"].update(in_store=21))  # type: ignore[attr-defined]


def lose_the_manifest(backup: Path) -> None:
    (backup / MANIFEST).unlink()


def leave_unfinished(backup: Path) -> None:
    (backup / UNFINISHED).touch()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (damage_telemetry, "telemetry.duckdb is not what the manifest says"),
        (take_a_file_away, "pump.toml is missing"),
        (forge_the_log, "row 7 was changed"),
        (point_outside, "outside of the backup"),
        (claim_more_values, "holds 20 values and not 21"),
        (lose_the_manifest, "is no backup"),
        (leave_unfinished, "was not finished"),
    ],
)
def test_a_backup_that_is_not_what_it_was_is_refused_and_nothing_is_touched(
    made: Path, installation: Installation, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(made)
    data_dir = installation.settings.data_dir
    before = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    with pytest.raises(BackupRefused, match=told):
        restore(made, data_dir, is_forced=True)
    assert {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()} == before


def test_after_a_restore_that_was_killed_half_way_nobody_starts_on_nothing(
    made: Path, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = installation.settings.data_dir
    with monkeypatch.context() as patched:
        patched.setattr("api.restore._put_in_place", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore(made, data_dir, is_forced=True)
    with pytest.raises(StartRefused, match="run `liandong restore` again"):
        prepare_data_dir(installation.settings)
    restore(made, data_dir)
    prepare_data_dir(installation.settings)
    assert administration.verify(installation.settings) == 21
    assert len([path for path in data_dir.iterdir() if path.name.startswith("before-restore-")]) == 1


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_nobody_restores_under_a_running_program(liandong_process: StartLiandong, made: Path) -> None:
    running = liandong_process("up")
    done = run_command("restore", str(made), "--force", data_dir=running.data_dir)
    assert done.returncode == 1
    assert "stop it before you restore" in done.stderr
    running.stop()
    assert order_backup(running.data_dir, made, tell=say_nothing) is None


def test_other_engines_are_told_to_use_their_own_backups(tmp_path: Path) -> None:
    settings = settings_of(tmp_path).model_copy(update={"telemetry_url": "influxdb+http://host:8086/?org=a&bucket=b"})
    with pytest.raises(BackupRefused, match=r"docs/operation\.md"):
        restore_backup(tmp_path, settings=settings, is_forced=False, clock=lambda: NOW_MS, tell=say_nothing)


# Production.


def test_a_dump_of_postgresql_comes_back_with_its_log_and_its_outbox(
    postgres: Postgres, migrated_postgres: str, tmp_path: Path
) -> None:
    first, second = (postgres.new_database(template=migrated_postgres) for _ in range(2))
    database = Database(postgres.url_of(first))
    with database.writing() as session:
        for number in range(20):
            activity.append(session, [Entry("test", f"thing:{number}", data={"n": number})], now_ms=NOW_MS)
        outbox.put(session, PendingBatch("a" * 32, 7, ()), now_ms=NOW_MS)
        ledger.add_counts(session, {ledger.VALUES_ACCEPTED: 7})
    database.close()
    address = ["-h", "127.0.0.1", "-p", str(postgres.port), "-U", "liandong"]
    dump = tmp_path / "liandong.dump"
    with dump.open("wb") as file:
        subprocess.run([program("pg_dump"), *address, "-Fc", first], stdout=file, check=True)
    command = [program("pg_restore"), *address, "-d", second, "--clean", "--if-exists", dump]
    subprocess.run(command, check=True, capture_output=True)
    restored = Database(postgres.url_of(second))
    assert restored.is_current()
    with restored.reading() as session:
        assert list(activity.verify_chain(session)) == []
        assert activity.last_id(session) == 20
        assert outbox.holds(session, "a" * 32)
        assert ledger.read_ledger(session).balances
    restored.close()
    for name in (first, second):
        postgres.drop_database(name)
