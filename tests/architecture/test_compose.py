"""What docker-compose.yml names exists. No container engine is needed, and none is started."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from api.command_line import app
from api.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "liandong"}


def test_our_processes_are_all_there() -> None:
    assert set(OURS) == {"migrate", "ingest", "serve", "simulate"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_command_and_each_of_its_options_exists(name: str) -> None:
    words = OURS[name]["command"]
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word not in options] == []


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
    assert targets <= {f"liandong_{field}" for field in Settings.model_fields}


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
    assert all(port.startswith("127.0.0.1:") for port in ports)


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
