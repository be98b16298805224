"""What docker-compose.yml runs, run without containers: its commands, in its order, with its settings and secrets.

Paths and host names are those of this machine; servers are real ones (InfluxDB is version 1.6 behind a translation).
What only a container engine can show, as volumes and users, is not shown here.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from ingest.broker_files import account_names
from tests.left_out import program
from tests.servers.child import Child, answers, free_port
from tests.servers.influx import TOKEN, Influx
from tests.servers.liandong import LiandongProcess
from tests.servers.postgres import Postgres
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


class ComposeHere:
    """The services of the file as processes."""

    def __init__(self, directory: Path, postgres: Postgres, influx: Influx) -> None:
        self.directory = directory
        self.database = postgres.new_database()
        self.mqtt_port, self.http_port, self.metrics_port = free_port(), free_port(), free_port()
        self._children: list[Child] = []
        self._processes: list[LiandongProcess] = []
        secrets = directory / "secrets"
        secrets.mkdir(mode=0o700)
        (secrets / "liandong_influx_token").write_text(TOKEN, encoding="utf-8")
        shutil.copy(ROOT / "deploy" / "make-secrets", directory)
        subprocess.run([directory / "make-secrets"], check=True, capture_output=True)
        self._places = {
            "influxdb:8086": influx.url.removeprefix("http://"),
            "mosquitto:8883": f"127.0.0.1:{self.mqtt_port}",
            "postgres:5432/liandong": f"127.0.0.1:{postgres.port}/{self.database}",
            "/var/lib/": f"{directory}/volumes/",
            "/mosquitto/broker": f"{directory}/volumes/liandong-broker",
            "/mosquitto/data": f"{directory}/volumes/mosquitto",
            "127.0.0.1:9464": f"127.0.0.1:{self.metrics_port}",
            "127.0.0.1:8000": f"127.0.0.1:{self.http_port}",
            "${MQTT_HOST:-localhost}": "localhost",
            "0.0.0.0": "127.0.0.1",
        }

    def here(self, text: str) -> str:
        for there, place in self._places.items():
            text = text.replace(there, place)
        return text

    def settings(self, name: str) -> dict[str, str]:
        """The environment of a service, and a directory of secrets that holds no others than its own."""
        service = COMPOSE["services"][name]
        own = self.directory / f"secrets-of-{name}"
        own.mkdir(exist_ok=True)
        for secret in service["secrets"]:
            source, target = (secret, secret) if isinstance(secret, str) else (secret["source"], secret["target"])
            file = self.directory / "deploy" / COMPOSE["secrets"][source]["file"].removeprefix("./deploy/")
            text = (self.directory / "secrets" / file.name).read_text(encoding="utf-8")
            (own / target).write_text(self.here(text), encoding="utf-8")
        told = {key.removeprefix("LIANDONG_"): self.here(value) for key, value in service["environment"].items()}
        told.setdefault("DATA_DIR", f"{self.directory}/volumes/liandong")
        told["SECRETS_DIR"] = str(own)
        # Other tests run beside this one, and take ports too.
        ports = {"METRICS_PORT": str(self.metrics_port)} if "METRICS_PORT" in told else {}
        return {**told, "MQTT_URL": "", "HTTP_PORT": str(self.http_port), **ports}

    def command(self, name: str) -> list[str]:
        words = [self.here(str(word)) for word in COMPOSE["services"][name]["command"]]
        return [word.replace("/run/secrets", f"{self.directory}/secrets-of-{name}") for word in words]

    def run(self, name: str, *words: str) -> str:
        """A service that ends by itself, or another command in its place."""
        settings = {f"LIANDONG_{key}": value for key, value in self.settings(name).items() if value}
        done = subprocess.run(
            [sys.executable, "-m", "api.command_line", *(words or self.command(name))],
            env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, *, is_told: bool = True) -> LiandongProcess:
        settings = self.settings(name)
        process = LiandongProcess(
            *self.command(name), directory=self.directory, number=len(self._processes) + 1, settings=settings
        )
        self._processes.append(process)
        if is_told:
            process.wait_until_ready(within_s=60)
        return process

    def start_mosquitto(self) -> None:
        (self.directory / "volumes" / "mosquitto").mkdir()
        text = self.here((ROOT / "deploy" / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8"))
        text = text.replace("listener 8883", f"listener {self.mqtt_port} 127.0.0.1")
        text += "user root\n" if os.geteuid() == 0 else ""
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text(text, encoding="utf-8")
        child = Child([program("mosquitto"), "-c", configuration], log=self.directory / "mosquitto.log")
        self._children.append(child)
        child.wait_until_serving(lambda: answers(self.mqtt_port))

    def is_healthy(self, name: str) -> bool:
        kind, *words = COMPOSE["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        assert words[0] == "python"
        command = [sys.executable, *(self.here(word) for word in words[1:])]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.clear_away()
        for child in self._children:
            child.stop()


@pytest.fixture
def compose(tmp_path: Path, postgres: Postgres, influx: Influx) -> Iterator[ComposeHere]:
    program("mosquitto")
    running = ComposeHere(tmp_path, postgres, influx)
    yield running
    running.stop()
    with psycopg.connect(postgres.url_of("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{running.database}" WITH (FORCE)')


def measures(url: str) -> dict[str, float]:
    lines = httpx.get(url, timeout=30).text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_the_compose_file_runs_from_nothing_to_simulated_readings_in_the_store(compose: ComposeHere) -> None:
    assert "applied 0001" in compose.run("migrate")
    prepared = compose.run("accounts")
    assert "made a certificate for mosquitto, localhost" in prepared
    assert "made a certificate" not in compose.run("accounts"), "the second start changes nothing"
    compose.start_mosquitto()
    ingest, serve = compose.start("ingest"), compose.start("serve")
    assert compose.is_healthy("ingest")
    assert compose.is_healthy("serve")
    assert compose.run("serve", "sites", "add", "xiaohe") == "added xiaohe\n"
    told = compose.run("accounts", "gateways", "add", "xiaohe", "roof")
    assert told.startswith("account: xiaohe.roof\npassword: ")
    assert account_names(compose.directory / "volumes" / "liandong-broker") == {"liandong", "simulator", "xiaohe.roof"}
    compose.start("simulate", is_told=False)
    url = f"http://127.0.0.1:{compose.http_port}/metrics"
    wait_until(
        lambda: measures(url).get("liandong_values_stored_total", 0) > 100, within_s=90, what="readings are stored"
    )
    assert httpx.get(f"http://127.0.0.1:{compose.http_port}/readyz", timeout=30).status_code == 200
    assert 'liandong_quarantine_waiting{reason="unknown_site"}' not in measures(url)
    assert "lets us in with TLS" in compose.run("serve", "doctor")
    # Whatever a process complains of in such a quiet run is a defect.
    assert [
        line for process in (ingest, serve) for line in process.stderr_text().splitlines() if '"error"' in line
    ] == []
