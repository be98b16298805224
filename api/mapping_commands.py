"""`liandong mapping`: options are read here, the work is done in `api.commands.mapping`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from api.clock import now_ms
from api.commands import mapping

mapping_app = typer.Typer(help="Rules for topics of other shapes.", no_args_is_help=True)

RuleFile = Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file with the rules.")]


@mapping_app.command("check")
def check_command(file: RuleFile) -> None:
    """Says whether the file can be meant, and what it subscribes to."""
    rules = mapping.check(file)
    typer.echo(f"{len(rules.rules)} rules, {len(rules.sparkplug)} for Sparkplug")
    for rule in rules.rules:
        typer.echo(f"{rule.pattern.subscription}  {rule.name}")


@mapping_app.command("test")
def test_command(
    file: RuleFile,
    topic: Annotated[str, typer.Option(help="The topic the message came on.")],
    payload: Annotated[str, typer.Option(help="Its payload; - reads standard input.")],
) -> None:
    """Prints what the rules make of a message, a JSON line for each reading and event."""
    content = sys.stdin.buffer.read() if payload == "-" else payload.encode()
    for line in mapping.tried(file, topic=topic, payload=content, now_ms=now_ms()):
        typer.echo(line)
