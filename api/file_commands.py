"""Commands that reckon from files alone: anyone can run them, on any machine, without a service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.commands import rank, tally
from api.commands.options import told_settings
from api.translations import translator
from governance.ruleset import RULESETS, Matter

RulesetChoice = StrEnum("RulesetChoice", {key.replace("-", "_"): key for key in RULESETS})  # type: ignore[misc]


def rank_command(
    file: Annotated[Path, typer.Argument(help="CSV file with the columns unit,faults,exposure_days.")],
    out: Annotated[Path, typer.Option(help="CSV file for the result.")],
) -> None:
    """Fault rates of units with their uncertainty, and who is probably among the worst tenth."""
    units, notes = rank.rank_file(file, out=out)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{units} units ranked")


def tally_command(
    ruleset: Annotated[RulesetChoice, typer.Option(help="The law of the vote.")],
    matter: Annotated[Matter, typer.Option(help="What is voted on.")],
    roll: Annotated[Path, typer.Option(help="CSV file with the columns owner,part,area_m2.")],
    ballots: Annotated[Path, typer.Option(help="CSV file with the columns owner,choice,channel.")],
) -> None:
    """Recounts a vote in exact fractions and prints the result as JSON."""
    speaks = translator(told_settings().language)
    typer.echo(tally.tally_files(ruleset=ruleset.value, matter=matter, roll=roll, ballots=ballots, _=speaks))
