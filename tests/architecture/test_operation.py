"""What docs/operation.md and the alert rules name exists."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY
from typer.core import TyperGroup
from typer.main import get_command

from api import metrics, metrics_port
from api.command_line import app
from api.settings import Settings
from ingest import pipeline, store_writer, worker

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]

# They count for themselves; importing them is what makes them known.
TELLERS = (pipeline.batch_seconds, store_writer.write_seconds, worker.connected_gauge)
SUFFIXES = ("", "_total", "_bucket", "_count", "_sum")


def known_measures() -> set[str]:
    texts = [Path(module.__file__).read_text(encoding="utf-8") for module in (metrics, metrics_port)]
    named = set(re.findall(r'"(liandong_[a-z_]+)"', "".join(texts)))
    named |= {f"liandong_values_{name}" for name in ("accepted", "stored", "late", "repeated")}
    named |= {family.name for family in REGISTRY.collect()}
    return {f"{name}{suffix}" for name in named for suffix in SUFFIXES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_rests_on_measures_that_are_told(rule: dict[str, object]) -> None:
    named = set(re.findall(r"liandong_[a-z_]+", str(rule["expr"])))
    assert named - known_measures() == set()
    assert rule["labels"]["severity"] in ("critical", "major", "minor")  # type: ignore[index]
    assert rule["annotations"]["summary"]  # type: ignore[index]


def test_the_document_names_measures_that_are_told() -> None:
    named = set(re.findall(r"`(liandong_[a-z_]+)", DOCUMENT))
    assert len(named) > 20
    assert named - known_measures() == set()


def test_the_document_names_settings_that_are_read() -> None:
    named = set(re.findall(r"LIANDONG_[A-Z_]+", DOCUMENT))
    assert named <= {f"LIANDONG_{field.upper()}" for field in Settings.model_fields}


def test_the_document_names_commands_and_options_that_exist() -> None:
    lines = re.findall(
        r"(?:^|`)(?:docker compose run --rm (?:accounts|serve) |liandong )((?:[a-z]+ ?)+[^`\n]*)", DOCUMENT, re.M
    )
    assert len(lines) > 8
    for line in lines:
        words = line.split("#")[0].split()
        command = get_command(app)
        while isinstance(command, TyperGroup):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in words if word.startswith("--") and word not in options] == [], line
