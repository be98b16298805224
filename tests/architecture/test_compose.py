"""What docker-compose.yml names exists. No container engine is needed, and none is started."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from api.command_line import app
from api.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "liandong"}


def test_our_processes_are_all_there() -> None:
    assert set(OURS) == {"migrate", "accounts", "ingest", "serve", "simulate"}


def test_it_keeps_to_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    told = subprocess.run([*command, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_command_and_each_of_its_options_exists(name: str) -> None:
    words = list(OURS[name]["command"])
    command = get_command(app)
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word not in options] == []


def test_each_command_that_its_head_names_exists() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    named = re.findall(r"docker compose run --rm (?:-T )?(\w+) ((?:[a-z]+ )+)", text)
    assert len(named) >= 2
    for service, words in named:
        assert service in OURS
        command = get_command(app)
        for word in words.split():
            if isinstance(command, TyperGroup):
                command = command.commands[word]
        assert not isinstance(command, TyperGroup)


def test_each_variable_of_its_own_is_told_of() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    variables = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert variables == {"MQTT_HOST", "MQTT_LISTEN"}
    assert [name for name in variables if name not in head] == []


def test_what_can_do_without_does_without() -> None:
    """Neither root nor a root file system that can be written to; InfluxDB and PostgreSQL turn into their own users."""
    for name, service in COMPOSE["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name not in ("influxdb", "postgres"):
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER liandong$", dockerfile, re.MULTILINE)


def test_only_the_desk_of_accounts_sees_the_key_of_the_authority() -> None:
    holders = {
        name
        for name, service in COMPOSE["services"].items()
        if any(volume.startswith("authority:") for volume in service.get("volumes", []))
    }
    writers = {
        name
        for name, service in COMPOSE["services"].items()
        if any(volume.startswith("broker:") and not volume.endswith(":ro") for volume in service.get("volumes", []))
    }
    assert holders == writers == {"accounts"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_setting_is_one_we_read(name: str) -> None:
    known = {f"LIANDONG_{field.upper()}" for field in Settings.model_fields} | {"LIANDONG_SECRETS_DIR"}
    assert set(OURS[name].get("environment", {})) <= known


def test_each_secret_of_ours_is_a_setting_in_a_file() -> None:
    targets = {
        secret if isinstance(secret, str) else secret["target"]
        for service in OURS.values()
        for secret in service["secrets"]
    }
    # The accounts of those that are no gateway are read from the file that an option names.
    assert targets - {"mosquitto_passwords"} <= {f"liandong_{field}" for field in Settings.model_fields}


def test_settings_are_read_from_secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "liandong_influx_token").write_text("a-token", encoding="utf-8")
    (tmp_path / "liandong_mqtt_url").write_text("mqtt://liandong:pass@mosquitto:1883", encoding="utf-8")
    monkeypatch.setenv("LIANDONG_SECRETS_DIR", str(tmp_path))
    settings = Settings.load()
    assert settings.influx_token.get_secret_value() == "a-token"
    assert settings.mqtt_url == "mqtt://liandong:pass@mosquitto:1883"


def test_make_secrets_draws_every_secret_once(tmp_path: Path) -> None:
    shutil.copy(ROOT / "deploy" / "make-secrets", tmp_path)
    drawn = []
    for _ in range(2):
        subprocess.run([tmp_path / "make-secrets"], check=True, capture_output=True)
        drawn.append({file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "secrets").iterdir()})
    assert drawn[0] == drawn[1]
    wanted = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert wanted <= set(drawn[0])
    assert all(drawn[0].values())
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


def test_no_service_publishes_a_port_beyond_loopback() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith(("127.0.0.1:", "${MQTT_LISTEN:-127.0.0.1}:8883:")) for port in ports)


def test_every_secret_and_volume_that_is_used_is_declared() -> None:
    secrets, volumes = set(), set()
    for service in COMPOSE["services"].values():
        secrets |= {s if isinstance(s, str) else s["source"] for s in service.get("secrets", [])}
        volumes |= {v.split(":")[0] for v in service.get("volumes", []) if not v.startswith(".")}
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).exists()
    assert secrets == set(COMPOSE["secrets"])
    assert volumes == set(COMPOSE["volumes"])


def test_the_image_holds_every_package() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for package in ("alerts", "api", "governance", "ingest", "models", "registry", "simulators"):
        assert f"COPY {package} {package}\n" in dockerfile
        assert f"!{package}\n" in (ROOT / ".dockerignore").read_text(encoding="utf-8")


def test_whatever_keeps_running_has_a_health_check() -> None:
    for name, service in COMPOSE["services"].items():
        # Simulated equipment is watched by nobody; what ends by itself is waited for instead.
        if name not in ("migrate", "accounts", "simulate"):
            assert service["healthcheck"]["test"], name
