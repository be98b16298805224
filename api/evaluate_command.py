"""The command `liandong evaluate`: its options, and the report as tables on the terminal."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.commands.evaluate import evaluate, write_report
from api.commands.options import told_settings
from api.evaluation.report import Column, Form, Report, Section, written
from api.evaluation.work import PARTS, Wanted
from api.settings import Language
from api.translations import Translator, translator

REACHED = {True: "yes", False: "NO", None: "cannot be said"}


def evaluate_command(
    data: Annotated[
        Path | None, typer.Option(help="Folder with skab, batadal, nab, mta; without it only simulations.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json and report.html.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of simulations, baselines and intervals.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes side by side.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="A few seconds: little of everything, for a check.")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"Only this part, several times: {', '.join(PARTS)}.")] = None,
    language: Annotated[Language | None, typer.Option(help="Of the page. [LIANDONG_LANGUAGE]")] = None,
) -> None:
    """Judges the detectors on published data and on simulations, beside baselines that know nothing."""
    if unknown := sorted(set(only or ()) - set(PARTS)):
        raise typer.BadParameter(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}", param_hint="--only")
    settings = told_settings()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("evaluating", total=None)
        report = evaluate(
            Wanted(data, seed, quick, frozenset(only or ())),
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    paths = write_report(report, out or settings.data_dir / "evaluation", translator(language or settings.language))
    _show(report, Console(), translator("en"))
    for path in paths:
        typer.echo(str(path))


def _show(report: Report, console: Console, translate: Translator) -> None:
    for section in report.sections:
        kind = " (simulated)" if section.is_simulated else ""
        if section.missing is not None:
            typer.echo(f"{section.title}: {section.missing.told(translate)}")
            continue
        console.print(_table(section, title=f"{section.title}{kind}"))
    targets = Table("data", "measure", "wanted", "measured", "reached", title="What was to be reached")
    for section in report.sections:
        for each in section.targets:
            cells = (
                section.key,
                each.measure.told(translate),
                each.wanted,
                written(each.value, each.form),
                REACHED[each.is_reached],
            )
            targets.add_row(*map(escape, cells))
    console.print(targets)


def _table(section: Section, *, title: str) -> Table:
    table = Table(title=escape(title))
    columns = [column for column in section.columns if column.is_brief]
    for column in columns:
        table.add_column(escape(column.title), justify="left" if column.form is Form.NAME else "right", overflow="fold")
    for row in section.rows:
        table.add_row(*(escape(_told(row.get(column.key), column)) for column in columns))
    return table


def _told(cell: object, column: Column) -> str:
    return written(cell, column.form, is_brief=True)  # type: ignore[arg-type]
