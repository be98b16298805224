"""The examples of docs/protocols.md do what stands beneath them."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.command_line import app
from ingest.mapping_file import read_rules

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocols.md"
BLOCKS = re.findall(r"```(toml|console)\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
RULES = [text for language, text in BLOCKS if language == "toml"]
SESSIONS = [(BLOCKS[number - 1][1], text) for number, (language, text) in enumerate(BLOCKS) if language == "console"]


@pytest.mark.parametrize("rules", RULES)
def test_every_rule_in_the_document_can_be_meant(rules: str) -> None:
    found = read_rules(rules)
    assert found.rules or found.sparkplug


@pytest.mark.parametrize(("rules", "session"), SESSIONS)
def test_every_command_in_the_document_prints_what_stands_there(
    rules: str, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mapping.toml").write_text(rules, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for part in re.split(r"^\$ liandong ", session, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        told = CliRunner().invoke(app, shlex.split(command))
        printed = told.output if told.exception is None else f"liandong: {told.exception}\n"
        assert printed == expected
